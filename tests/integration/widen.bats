#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How many connections a side gets: by the round trip when it is opened, and
# more as long as that brings something, unless the location says how many.

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

# connections_with DELAY [QUERY]: sets $up to the connections that a copy from
# a distant server had to it, where each carries half a MiB at a time.
connections_with() {
	proxy_start "way-$1" source --plain --window 500000 --delay "$1"
	fresh_pair nfs
	for n in 1 2 3 4 5 6 7 8; do
		truncate -s "$size" "$source_dir/$n"
	done
	source=$(server_url "way-$1" "${source##*/}" "${2:-}")
	run_sync 0 --verify=none
	same_tree "$source_dir" "$destination_dir"
	up=$(stat_of "$(proxy_stats "way-$1")" connections)
	rm -r "$source_dir" "$destination_dir"
	server_kill "way-$1"
}

@test "a distant side gets more connections while they bring something" {
	local up n size=40M
	connections_with 70
	echo "$up connections"
	((up > 4 && up <= 16))
}

@test "a near side has one or two" {
	local up n size=20M
	connections_with 0
	echo "$up connections"
	((up >= 1 && up <= 2))
}

@test "a location may say how many there are" {
	local up n size=10M
	connections_with 70 conns=3
	[ "$up" = 3 ]
}
