#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Servers and connections that fail while they are used, and trees that change
# under a run: the run goes on, or says what it could not do; nothing is lost,
# nothing is written elsewhere, and the manifest stays true.

load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	# A little distance makes the run long enough to be met in the middle.
	proxy_start far_source source --delay 10
	proxy_start far_destination destination --delay 10
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	fresh_pair far
	source+='?conns=4'
	destination+='?conns=4'
}

manifest_is_true() {
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
}

all_is_well() {
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
}

# The moment when the run has added this many entries, or is over.
reached_or_over() {
	has_entries "$destination_dir" "$1" || sync_is_gone
}

large_under_way_or_over() {
	[ -n "$(find "$destination_dir" -name "$TEMP_PREFIX*" -size +20M \
		-print -quit 2>/dev/null)" ] || sync_is_gone
}

@test "connections that are cut again and again are made anew" {
	local n side=source

	"$MKTREE" --seed 5 --entries 3000 "$source_dir"
	head -c 100M /dev/urandom >"$source_dir/large"
	start_sync
	for n in 5 200 500 900 1300 1800 2300; do
		wait_for 60 reached_or_over "$n"
		proxy_cut "far_$side"
		if [ "$side" = source ]; then side=destination; else side=source; fi
	done
	end_sync 0
	all_is_well
}

@test "a large file outlives cut connections" {
	head -c 300M /dev/urandom >"$source_dir/large"
	start_sync
	wait_for 60 large_under_way_or_over
	proxy_cut far_destination
	proxy_cut far_source
	end_sync 0
	expect FilesTransferred=1
	all_is_well
}

@test "a server that stands still for a while is waited for" {
	local name

	"$MKTREE" --seed 6 --entries 2000 "$source_dir"
	start_sync
	for name in source destination; do
		wait_for 60 reached_or_over 100
		server_signal "$name" STOP
		! wait_for 2 sync_is_gone || {
			server_signal "$name" CONT
			break
		}
		server_signal "$name" CONT
	done
	end_sync 0
	all_is_well
}

@test "directories replaced by links to elsewhere lead nothing there" {
	local outside=$BATS_TEST_TMPDIR/outside i

	"$MKTREE" --seed 7 --uniform --dirs 40 --files 40 --size 1000 \
		"$source_dir"
	mkdir "$outside"
	start_sync
	for i in 3 10 20 30; do
		wait_for 60 reached_or_over $((i * 40))
		# The youngest are where the run is.
		find "$destination_dir" -mindepth 1 -type d -printf '%C@ %p\n' |
			sort -rn | head -n 3 | cut -d' ' -f2- |
			while IFS= read -r dir; do
				mv "$dir" "$BATS_TEST_TMPDIR/moved-$RANDOM-$RANDOM"
				ln -s "$outside" "$dir"
			done
	done
	wait_for 60 sync_is_gone
	wait "$sync_pid" || [ $? = 1 ]
	no_suspicious_words
	[ "$(entries_in "$outside")" = 0 ]

	run_sync 0
	[ "$(entries_in "$outside")" = 0 ]
	all_is_well
}

@test "what was moved out of the way leaves no claims" {
	mkdir -p "$source_dir/d/deep"
	echo one >"$source_dir/d/one"
	echo two >"$source_dir/d/deep/two"
	run_sync 0
	rm -r "$source_dir/d"
	echo file >"$source_dir/d"
	run_sync 1
	manifest_is_true
	rm -r "$destination_dir/d"
	run_sync 0
	all_is_well
}
