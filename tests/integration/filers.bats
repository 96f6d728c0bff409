#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Servers that speak no NFSv4.1, as an on-premises filer: NFSv3 on either side,
# NFSv4.0 as a source. They get what other pairs get, and the two clients must
# see the same in one place: ours for NFSv4.1, and libnfs for the rest.
#
#	FILERS_ENTRIES   the entries of a tree (5000; make check-scale: 50000)

load lib/common

entries=${FILERS_ENTRIES:-5000}

TREE_OF=$TOOLS_BUILD/volume_tree
TREEPRINT=$TOOLS_SOURCE/treeprint

setup_file() {
	load lib/common
	have_nfs3_servers || return 0
	server_start source nfs3
	server_start destination nfs3
	# A little distance makes the run long enough to be met in the middle.
	proxy_start far_source source --delay 10
	proxy_start far_destination destination --delay 10
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_nfs3_servers
}

teardown() {
	views_end
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

# seen_by PROTOCOL SERVER PATH: what a backend sees there.
seen_by() {
	"$TREE_OF" "$(server_url_by "$@")" | LC_ALL=C sort
}

# all_see_the_same SERVER PATH
all_see_the_same() {
	local by seen=$BATS_TEST_TMPDIR/seen
	for by in nfs4 nfs4.0 nfs3; do
		seen_by "$by" "$@" >"$seen.$by"
	done
	[ "$(wc -l <"$seen.nfs4")" = "$(entries_in "$(server_export "$1")/$2")" ]
	for by in nfs4.0 nfs3; do
		cmp -s "$seen.nfs4" "$seen.$by" && continue
		echo "nfs4 and $by see different things:" >&2
		diff "$seen.nfs4" "$seen.$by" | head -n 20 >&2
		return 1
	done
}

# --- Two clients of one server ------------------------------------------------

@test "a tree looks the same by NFSv4.1, NFSv4.0 and NFSv3" {
	local dir
	dir=$(server_export source)/looked-at
	"$MKTREE" --nfs3 --seed 41 --entries 2500 "$dir"
	head -c 5000001 /dev/urandom >"$dir/large"
	truncate -s 30M "$dir/hole"
	touch -d '1970-01-01 00:00:00.123456789Z' "$dir/old"
	touch -d '2106-02-07 06:28:15.987654321Z' "$dir/new"
	chown 4000000000:4294967293 "$dir/old"
	mkdir "$dir/flat"
	(cd "$dir/flat" && seq 3000 | xargs touch)
	all_see_the_same source looked-at
}

@test "what one client writes, the other reads" {
	local by
	fresh_pair dir
	"$MKTREE" --nfs3 --seed 42 --entries 1500 "$source_dir"
	head -c 5000001 /dev/urandom >"$source_dir/large"
	for by in nfs4 nfs3; do
		destination_dir=$(server_export destination)/written-by-$by
		mkdir "$destination_dir"
		destination=$(server_url_by "$by" destination "written-by-$by")
		state=$BATS_TEST_TMPDIR/state-$by
		mkdir "$state"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
		all_see_the_same destination "written-by-$by"
	done
}

# --- Pairs ----------------------------------------------------------------------

# copies_a_tree PAIR
copies_a_tree() {
	fresh_pair "$1"
	"$MKTREE" --nfs3 --seed 2 --entries "$entries" "$source_dir"
	run_sync 0
	expect FilesFailed=0
	all_is_well
	run_sync 0
	expect FilesTransferred=0 BytesTransferred=0 BytesWritten=0 \
		FilesFailed=0
	"$MKTREE" --nfs3 --mutate --keep --seed 3 --changes 200 "$source_dir" >/dev/null
	run_sync 0
	all_is_well
}

@test "$entries entries from NFSv3 to NFSv4.1" {
	copies_a_tree nfs3-nfs4
}

@test "$entries entries from NFSv4.1 to NFSv3" {
	copies_a_tree nfs4-nfs3
}

@test "$entries entries from NFSv3 to NFSv3" {
	copies_a_tree nfs3-nfs3
}

@test "$entries entries from NFSv4.0 to NFSv4.1" {
	copies_a_tree nfs4.0-nfs4
}

@test "what this libnfs cannot write over NFSv4.0 is said at once" {
	local got=0
	fresh_pair nfs4-nfs4.0
	echo one >"$source_dir/file"
	"$EFSBRIDGE" sync --state "$state" "$source" "$destination" \
		>"$output_file" 2>"$errors_file" || got=$?
	cat "$errors_file"
	[ "$got" = 3 ]
	grep -q 'NFSv4.0 can only be read from' "$errors_file"
	[ "$(entries_in "$destination_dir")" = 0 ]
}

# --- Faults -----------------------------------------------------------------------

@test "connections over NFSv3 that are cut again and again are made anew" {
	local n side=source
	fresh_pair far:nfs3-nfs3
	"$MKTREE" --nfs3 --seed 5 --entries 2000 "$source_dir"
	head -c 50M /dev/urandom >"$source_dir/large"
	start_sync
	for n in 5 200 500 900 1300; do
		wait_for 60 reached_or_over "$n"
		proxy_cut "far_$side"
		if [ "$side" = source ]; then side=destination; else side=source; fi
	done
	end_sync 0
	all_is_well
}

@test "an NFSv3 server that is killed and started again is waited for" {
	local name
	fresh_pair far:nfs3-nfs3
	"$MKTREE" --nfs3 --seed 6 --entries 2500 "$source_dir"
	# nfs-ganesha started anew knows the handle of a socket no more, until it
	# is looked up by name: GETATTR, and READDIRPLUS with it, say INVAL.
	find "$source_dir" -type s -delete
	head -c 80M /dev/urandom >"$source_dir/large"
	start_sync
	for name in destination source destination; do
		wait_for 60 reached_or_over \
			$((100 + $(entries_in "$destination_dir")))
		server_restart "$name"
	done
	end_sync 0 240
	all_is_well
}

@test "an NFSv3 server that stands still for a while is waited for" {
	local name
	fresh_pair far:nfs3-nfs3
	"$MKTREE" --nfs3 --seed 7 --entries 2000 "$source_dir"
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

@test "an NFSv4.0 server that is cut off, killed and started again is read on" {
	fresh_pair far:nfs4.0-nfs4
	"$MKTREE" --seed 8 --entries 2500 "$source_dir"
	head -c 80M /dev/urandom >"$source_dir/large"
	start_sync
	wait_for 60 reached_or_over 100
	proxy_cut far_source
	wait_for 60 reached_or_over 400
	server_restart source
	wait_for 60 reached_or_over 1000
	proxy_cut far_source
	end_sync 0 240
	all_is_well
}

# --- The mount --------------------------------------------------------------------

run_has_ended() {
	[ "$(jq -r .EndedExecution "$mountpoint/.sync/status.json")" -ge 1 ] \
		2>/dev/null
}

# shows UNION WHEN
shows() {
	local seen=$BATS_TEST_TMPDIR/seen
	"$TREEPRINT" "$mountpoint" >"$seen"
	cmp -s "$1" "$seen" && return
	echo "not the union ($2):" >&2
	diff "$1" "$seen" | head -n 40 >&2
	return 1
}

@test "a mount shows an NFSv3 source before, during and after the sync" {
	local union=$BATS_TEST_TMPDIR/union
	need_fuse
	fresh_pair nfs3-nfs4
	"$MKTREE" --nfs3 --seed 31 --entries 1200 "$source_dir"
	head -c 3000000 /dev/urandom >"$source_dir/large"
	"$MKTREE" --nfs3 --seed 33 --entries 200 "$destination_dir/only here"
	"$TREEPRINT" "$source_dir" "$destination_dir" >"$union"
	view_start --no-sync --jobs=1
	shows "$union" 'before the sync'
	echo start >"$mountpoint/.sync/control"
	until run_has_ended; do
		shows "$union" 'while the sync goes on'
	done
	shows "$union" 'after the sync'
	contains_tree "$source_dir" "$destination_dir"
	view_end
}

@test "a mount waits for its NFSv3 source while that is away" {
	local reader
	need_fuse
	fresh_pair nfs3-nfs4
	head -c 20000000 /dev/urandom >"$source_dir/large"
	echo small >"$source_dir/small"
	view_start --no-sync -o attr_timeout=0,entry_timeout=0
	[ "$(cat "$mountpoint/small")" = small ]
	server_kill source
	cmp "$source_dir/large" "$mountpoint/large" 3>&- 4>&- &
	reader=$!
	if wait_for 1 process_is_gone "$reader"; then
		false
	fi
	server_restart source
	wait "$reader"
	[ "$(cat "$mountpoint/small")" = small ]
	view_end
}
