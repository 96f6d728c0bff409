#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One large file from server to server, beside `cp` of the same file between
# the two backing directories in the same run: cp shows what this machine's
# storage can do just now, so only the ratio says something.
#
# Twice: in memory (/dev/shm), where the copies themselves are compared; and on
# disk, beside cp and sync, since efsbridge reports a file when it is durable
# and cp does not wait for the disk at all. Every figure includes what is said
# behind the name: by_efsbridge reads the file back and verifies it.
#
#	LARGE_MIB        size of the file (1024)
#	LARGE_ROUNDS     how often; the best of each is compared (3)
#	LARGE_RATIO_MIN  the ratio below which the script fails (0.5)

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

mib=${LARGE_MIB:-1024}
rounds=${LARGE_ROUNDS:-3}
ratio_min=${LARGE_RATIO_MIN:-0.5}

need_servers

if [ -z "${LARGE_PLACE:-}" ]; then
	rm -rf "$SERVERS_DIR"
	status=0
	[ ! -w /dev/shm ] ||
		LARGE_PLACE=memory TMPDIR=/dev/shm "$BASH" "$0" || status=1
	LARGE_PLACE=disk "$BASH" "$0" || status=1
	exit "$status"
fi
reference=by_cp
[ "$LARGE_PLACE" = memory ] || reference=by_cp_and_sync

# A method prints nothing and leaves a copy in the folder $1 of the backing
# directory. Nothing is ever copied over or removed before a measurement.
by_cp() {
	cp "$(server_export source)/large/file" "$1/file"
}

by_cp_and_sync() {
	by_cp "$1"
	sync "$1/file"
}

by_efsbridge() {
	mkdir "$SERVERS_DIR/state-${1##*/}"
	"$EFSBRIDGE" sync --quiet --state "$SERVERS_DIR/state-${1##*/}" \
		"${@:2}" "$(server_url source large)" \
		"$(server_url destination "${1##*/}")"
}

by_efsbridge_unverified() {
	by_efsbridge "$1" --verify=none
}

# The best time of each method, in microseconds.
declare -A best=()

measure() {
	local method=$1 folder start took
	folder=$(server_export destination)/$method-$2
	mkdir "$folder"
	start=${EPOCHREALTIME/./}
	"$method" "$folder"
	took=$((${EPOCHREALTIME/./} - start))
	cmp "$(server_export source)/large/file" "$folder/file"
	((${best[$method]:=$took} <= took)) || best[$method]=$took
}

server_start source
server_start destination
mkdir "$(server_export source)/large"
head -c "${mib}M" /dev/urandom >"$(server_export source)/large/file"

methods=(by_cp by_cp_and_sync by_efsbridge by_efsbridge_unverified)
for ((round = 1; round <= rounds; round++)); do
	for method in "${methods[@]}"; do
		measure "$method" "$round"
	done
done

printf '%-26s %8s %8s %8s\n' "$mib MiB in $LARGE_PLACE" s MiB/s 'of cp'
for method in "${methods[@]}"; do
	awk -v name="$method" -v us="${best[$method]}" -v cp="${best[by_cp]}" \
		-v mib="$mib" 'BEGIN {
			printf "%-26s %8.2f %8.0f %8.2f\n", name, us / 1e6,
				mib * 1e6 / us, cp / us
		}'
done
awk -v us="${best[by_efsbridge]}" -v cp="${best[$reference]}" \
	-v name="$reference" -v min="$ratio_min" 'BEGIN {
		if (cp / us >= min)
			exit 0
		printf "by_efsbridge reaches less than %s of %s\n", min, name
		exit 1
	}'
