#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a small file costs on the wire. RPCs are counted by a proxy on each
# side: unlike times, they are the same on every machine. rsync over the
# kernel's client needs 3.0 RPCs a file on the source and 16.1 on the
# destination, and does not verify.

load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start counted_source source
	proxy_start counted_destination destination
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

# grown BEFORE AFTER KEY
grown() {
	echo $(($(stat_of "$2" "$3") - $(stat_of "$1" "$3")))
}

@test "10,000 files of 4 KiB cost few round trips, and fewer when unchanged" {
	local s0 s1 s2 d0 d1 files=10000

	fresh_pair counted
	"$MKTREE" --uniform --dirs 100 --files 100 --size 4096 "$source_dir"

	s0=$(proxy_stats counted_source)
	d0=$(proxy_stats counted_destination)
	run_sync 0
	expect FilesTransferred=$files FilesVerified=$files
	s1=$(proxy_stats counted_source)
	d1=$(proxy_stats counted_destination)
	printf 'source:\n%s\ndestination:\n%s\n' "$s1" "$d1"
	[ "$(grown "$s0" "$s1" undecoded)" = 0 ]
	[ "$(grown "$d0" "$d1" undecoded)" = 0 ]
	(($(grown "$s0" "$s1" op_READ) >= files))
	(($(grown "$d0" "$d1" op_WRITE) >= files))
	(($(grown "$d0" "$d1" op_READ) >= files))
	# 0.15 and 0.30 RPCs a file.
	(($(grown "$s0" "$s1" calls) <= files * 15 / 100))
	(($(grown "$d0" "$d1" calls) <= files * 30 / 100))

	run_sync 0
	expect FilesTransferred=0
	s2=$(proxy_stats counted_source)
	printf 'source, after the second run:\n%s\n' "$s2"
	[ "$(grown "$s1" "$s2" op_READ)" = 0 ]
	(($(grown "$s1" "$s2" op_READDIR) > 0))
	(($(grown "$s1" "$s2" calls) <= files * 2 / 100))
	same_tree "$source_dir" "$destination_dir"
}

@test "a location can say how few entries a request carries" {
	local s0 s1 d0 d1 few='conns=1&batch=1&depth=1' files=100

	fresh_pair counted
	"$MKTREE" --uniform --dirs 1 --files "$files" --size 4096 "$source_dir"
	source+="?$few" destination+="?$few"
	s0=$(proxy_stats counted_source)
	d0=$(proxy_stats counted_destination)
	run_sync 0
	expect FilesTransferred=$files FilesVerified=$files
	s1=$(proxy_stats counted_source)
	d1=$(proxy_stats counted_destination)
	[ $(($(stat_of "$s1" connections) - $(stat_of "$s0" connections))) = 1 ]
	(($(grown "$s0" "$s1" calls) >= files))
	# Written, and read again.
	(($(grown "$d0" "$d1" calls) >= 2 * files))
	same_tree "$source_dir" "$destination_dir"
}
