#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Memory does not grow with the tree: one flat directory of empty files, and as
# many in a tree, are copied from server to server, and the peak of resident
# memory stays under a limit.
#
#	SCALE_FILES      how many files (100000; `make check-scale`: 1000000)
#	SCALE_LIMIT_MIB  the limit (256)

load ../integration/lib/common

files=${SCALE_FILES:-100000}
limit_mib=${SCALE_LIMIT_MIB:-256}

setup_file() {
	load ../integration/lib/common
	have_servers || return 0
	server_start source
	server_start destination
}

teardown_file() {
	load ../integration/lib/common
	servers_stop
}

setup() {
	need_servers
	[ -x /usr/bin/time ] || [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ] ||
		skip "GNU time is not installed"
	fresh_pair nfs
}

# peak_of_sync [OPTION...]: copies the pair; prints the peak of resident memory
# in MiB.
peak_of_sync() {
	/usr/bin/time -f %M -o "$BATS_TEST_TMPDIR/peak" "$EFSBRIDGE" sync \
		--json --state "$state" "$@" "$source" "$destination" \
		>"$output_file" 2>"$errors_file"
	echo $(($(tail -n 1 "$BATS_TEST_TMPDIR/peak") / 1024))
}

# judge NAME: what was copied, and what it took. The figures are shown always.
judge() {
	local peak again
	peak=$(peak_of_sync)
	expect FilesTransferred="$files" FilesFailed=0
	again=$(peak_of_sync)
	expect FilesTransferred=0 FilesFailed=0
	echo "# $files files in a $1: peak $peak MiB, unchanged $again MiB" >&3
	[ "$(entries_in "$destination_dir")" = "$(entries_in "$source_dir")" ]
	[ "$peak" -le "$limit_mib" ]
	[ "$again" -le "$limit_mib" ]
}

@test "$files files in a flat directory: peak memory within $limit_mib MiB" {
	"$MKTREE" --uniform --dirs 0 --files "$files" --size 0 "$source_dir"
	judge 'flat directory'
}

@test "$files files in a tree: peak memory within $limit_mib MiB" {
	"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 0 \
		"$source_dir"
	judge tree
}

# Not sorted, and with long names: what is on it does not fit in the cache.
@test "a list of $files paths: peak memory within 64 MiB" {
	local peak
	"$MKTREE" --uniform --dirs 10 --files 100 --size 10 "$source_dir"
	(cd "$source_dir" && find . -type f) >"$BATS_TEST_TMPDIR/list"
	seq "$files" | awk '{
		printf "absent/folder-%d/a-name-that-takes-some-room-%d\n",
			$1 * 7919 % 997, $1
	}' >>"$BATS_TEST_TMPDIR/list"
	peak=$(peak_of_sync --files-from="$BATS_TEST_TMPDIR/list" || true)
	expect FilesTransferred=1000 FilesFailed="$files"
	echo "# a list of $files paths: peak $peak MiB" >&3
	[ "$peak" -le 64 ]
}
