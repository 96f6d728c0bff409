#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One large file from server to server: figure 4.
#
# At 0 ms beside cp, rsync and rclone of the same file between the two backing
# directories, which show what this machine's storage can do just now. Twice: in
# memory (/dev/shm), where the copies themselves are compared; and on disk,
# beside cp and sync as well, since efsbridge reports a file when it is durable
# and cp does not wait for the disk at all. Every figure includes what is said
# behind the name: by_efsbridge reads the file back and verifies it.
#
# Then at a distance, in memory.
#
#	LARGE_MIB        size of the file (1024)
#	LARGE_ROUNDS     how often; the best of each is compared (3)

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

mib=${LARGE_MIB:-1024}
rounds=${LARGE_ROUNDS:-3}

need_servers

if [ -z "${LARGE_PLACE:-}" ]; then
	rm -rf "$SERVERS_DIR"
	[ ! -w /dev/shm ] || LARGE_PLACE=memory TMPDIR=/dev/shm "$BASH" "$0"
	LARGE_PLACE=disk "$BASH" "$0"
	exit
fi

# A method prints nothing and leaves a copy in the folder $1 of the backing
# directory. Nothing is ever copied over.
copy_by_cp() {
	used cp "$source_dir/file" "$1/file"
}

# The file is in both folders' file system: one word of the shell for both.
copy_by_cp_and_sync() {
	# shellcheck disable=SC2016 # for that shell
	used sh -c 'cp "$1" "$2" && sync "$2"' sh "$source_dir/file" "$1/file"
}

copy_by_rsync() { by_rsync "$source_dir" "$1"; }
copy_by_rclone() { by_rclone "$source_dir" "$1"; }

copy_by_efsbridge() {
	by_efsbridge "$(server_url source large)" \
		"$(server_url destination "${1##*/}")" "${@:2}"
}

copy_by_efsbridge_unverified() { copy_by_efsbridge "$1" --verify=none; }

copy_by_efsbridge_naive() {
	by_efsbridge "$(server_url source large "$naive")" \
		"$(server_url destination "${1##*/}" "$naive")"
}

copies=0

# measure NAME METHOD [ARGUMENT...]
measure() {
	local folder=$destination_dir/copy-$((copies += 1))
	mkdir "$folder"
	settle
	"$2" "$folder" "${@:3}"
	note "$1"
	cmp "$source_dir/file" "$folder/file"
	rm -rf "$folder"
	settle
}

# copy_from_far FOLDER DELAY DESTINATION: the source is so far away.
copy_from_far() {
	by_efsbridge "$(server_url "source_$2" large)" \
		"$(server_url "$3" "${1##*/}")"
}

server_start source
server_start destination
source_dir=$(server_export source)/large
destination_dir=$(server_export destination)
mkdir "$source_dir"
head -c "${mib}M" /dev/urandom >"$source_dir/file"

methods=(cp)
[ "$LARGE_PLACE" = memory ] || methods+=(cp_and_sync)
methods+=(rsync)
! command -v rclone >/dev/null || methods+=(rclone)
methods+=(efsbridge efsbridge_unverified)
for ((round = 1; round <= rounds; round++)); do
	for method in "${methods[@]}"; do
		measure "$method" "copy_by_$method"
	done
done
measure efsbridge_naive copy_by_efsbridge_naive
methods+=(efsbridge_naive)

line() {
	printf '%-44s %9.2f %9.0f %9.2f\n' "  $1" \
		"$(calculate 'us / 1e6' us="${best[$1]}")" \
		"$(calculate 'm * 1048576 / us' m="$mib" us="${best[$1]}")" \
		"$(calculate 'cp / us' us="${best[$1]}" cp="${best[cp]}")"
}

printf '%-44s %9s %9s %9s\n' "$mib MiB, 0 ms, $LARGE_PLACE" s MB/s 'of cp'
for method in "${methods[@]}"; do
	line "$method"
done
reference='cp'
[ "$LARGE_PLACE" = memory ] || reference=cp_and_sync
want 4 "MB/s, verified, of ${reference//_/ } without a server, $LARGE_PLACE" \
	"$(calculate 'cp / us' us="${best[efsbridge]}" \
		cp="${best[$reference]}")" least 0.8
[ "$LARGE_PLACE" = memory ] || exit 0

for delay in "${delays[@]}"; do
	far "source_$delay" source "$delay"
	far "destination_$delay" destination "$delay"
	for sides in both source; do
		to=destination_$delay
		[ "$sides" = both ] || to=destination
		measure "$delay ms, $sides" copy_from_far "$delay" "$to"
		line "$delay ms, $sides"
	done
done
cat <<'QUOTED'
quoted, not measured here: Linux's client, NFSv4.1, 70 ms on both sides, MB/s
  cp, read-ahead as it is: 6.7; raised to 15 MiB: 104
QUOTED
[ -z "${best[70 ms, both]:-}" ] || want 4 \
	'MB/s, verified, 70 ms on both sides' \
	"$(calculate 'm * 1048576 / us' m="$mib" us="${best[70 ms, both]}")" \
	least 150
