#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A large file read through the mount, beside the same bytes read by the same
# NFS client without one (tests/tools/volume_read) in the same run: only the
# ratio says something. The server's tree lies in memory. Also eight files read
# at once, and single pages at random, which have no limit here.
#
#	MOUNT_MIB        size of the file (1024); each of the eight is an eighth
#	MOUNT_ROUNDS     how often; the best of each is compared (5)
#	MOUNT_RATIO_MIN  the ratio below which the script fails (0.7)

# In memory, if there is a place.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

mib=${MOUNT_MIB:-1024}
rounds=${MOUNT_ROUNDS:-5}
ratio_min=${MOUNT_RATIO_MIN:-0.7}
part_mib=$((mib / 8))
parts=(1 2 3 4 5 6 7 8)
volume_read=$TOOLS_BUILD/volume_read

need_servers
[ -w /dev/fuse ] || skip "/dev/fuse is missing, or may not be opened"

# What the kernel has of a file is forgotten.
forget() {
	local file
	for file; do
		dd if="$file" iflag=nocache count=0 status=none
	done
}

# A method may print how long it took itself: here without its start.
one_plain() {
	"$volume_read" "$(server_url source)" file | cut -d ' ' -f 2
}

one_mount() {
	dd if="$view/file" of=/dev/null bs=1M status=none
}

eight_plain() {
	local part pids=()
	for part in "${parts[@]}"; do
		"$volume_read" "$(server_url source)" "part$part" >/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
}

eight_mount() {
	local part pids=()
	for part in "${parts[@]}"; do
		dd if="$view/part$part" of=/dev/null bs=1M status=none &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# The best time of each method, in microseconds.
declare -A best=()

measure() {
	local method=$1 start took said
	forget "$view/file" "${parts[@]/#/$view/part}"
	start=${EPOCHREALTIME/./}
	said=$("$method")
	took=${said:-$((${EPOCHREALTIME/./} - start))}
	((${best[$method]:=$took} <= took)) || best[$method]=$took
}

random_pages() {
	forget "$view/file"
	python3 - "$view/file" <<-'PYTHON'
		import os, random, sys, time

		fd = os.open(sys.argv[1], os.O_RDONLY)
		os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
		pages = random.Random(1).sample(range(os.fstat(fd).st_size // 4096), 5000)
		start = time.monotonic()
		for page in pages:
		    os.pread(fd, 4096, page * 4096)
		took = time.monotonic() - start
		print("random pages of 4 KiB, one after another: %.0f us each"
		      % (took / len(pages) * 1e6))
	PYTHON
}

server_start source
server_start destination
export_dir=$(server_export source)
head -c "${mib}M" /dev/urandom >"$export_dir/file"
for part in "${parts[@]}"; do
	head -c "${part_mib}M" /dev/urandom >"$export_dir/part$part"
done
view=$SERVERS_DIR/view
mkdir "$view" "$SERVERS_DIR/state"
trap 'umount "$view" || umount -l "$view"; servers_stop
	rm -rf "$SERVERS_DIR"' EXIT
"$EFSBRIDGE" --quiet --no-sync --state "$SERVERS_DIR/state" \
	"$(server_url source)" "$(server_url destination)" "$view"
cmp "$view/file" "$export_dir/file"

methods=(one_plain one_mount eight_plain eight_mount)
for ((round = 1; round <= rounds; round++)); do
	for method in "${methods[@]}"; do
		measure "$method"
	done
done

printf '%-26s %8s %8s %8s\n' "$mib MiB" s MiB/s 'of plain'
for method in "${methods[@]}"; do
	awk -v name="$method" -v us="${best[$method]}" -v mib="$mib" \
		-v plain="${best[${method%_*}_plain]}" 'BEGIN {
			printf "%-26s %8.2f %8.0f %8.2f\n", name, us / 1e6,
				mib * 1e6 / us, plain / us
		}'
done
random_pages
awk -v us="${best[one_mount]}" -v plain="${best[one_plain]}" \
	-v min="$ratio_min" 'BEGIN {
		if (plain / us >= min)
			exit 0
		printf "the mount reaches less than %s of the plain client\n", min
		exit 1
	}'
