#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Memory does not grow with a directory of the view: one flat directory on both
# sides, half of it under the same names, is read to its end.
#
#	SCALE_FILES      how many files a side (100000; `make check-scale`: 1000000)
#	VIEW_LIMIT_MIB   the limit (128)

load ../integration/lib/common

files=${SCALE_FILES:-100000}
limit_mib=${VIEW_LIMIT_MIB:-128}

setup() {
	need_fuse
}

teardown() {
	views_end
}

peak_mib() {
	awk '$1 == "VmHWM:" { print int($2 / 1024) }' "/proc/$view_pid/status"
}

# make_files DIR FIRST: $files empty files.
make_files() {
	python3 - "$1" "$2" "$files" <<-'SCRIPT'
		import os, sys
		path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		at = os.open(path, os.O_RDONLY)
		for n in range(first, first + count):
		    os.close(os.open(f"{n:08}", os.O_CREAT | os.O_WRONLY, dir_fd=at))
	SCRIPT
}

@test "$files files on each side of a directory: peak memory within $limit_mib MiB" {
	local seen peak begin seconds
	fresh_pair dir
	make_files "$source_dir" 0
	make_files "$destination_dir" $((files / 2))
	view_start --no-sync
	begin=$SECONDS
	seen=$(find "$mountpoint" -mindepth 1 -printf x | wc -c)
	seconds=$((SECONDS - begin))
	peak=$(peak_mib)
	echo "# $seen entries in $seconds s: peak $peak MiB" >&3
	[ "$seen" = $((files * 3 / 2)) ]
	[ "$peak" -le "$limit_mib" ]
	# With attributes each of them is known to the kernel, and to us.
	seen=$(find "$mountpoint" -mindepth 1 -links 1 -printf x | wc -c)
	[ "$seen" = $((files * 3 / 2)) ]
	echo "# with attributes: peak $(peak_mib) MiB" >&3
	view_end
}
