#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A tree of 50,000 entries of all kinds goes from one server to the other, and
# another program finds both the same.

load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

@test "50,000 entries of all kinds arrive; a second run transfers nothing" {
	fresh_pair nfs
	"$MKTREE" --seed 2 --entries 50000 "$source_dir"
	[ "$(entries_in "$source_dir")" = 50000 ]

	run_sync 0
	expect FilesFailed=0
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"

	run_sync 0
	expect FilesTransferred=0 BytesTransferred=0 BytesWritten=0 FilesFailed=0
}
