#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Directories of the merged view: what their entries are, in what order they
# can be read, what they cost, and that none is shown that lacks one side.

bats_require_minimum_version 1.5.0
load lib/common

DIRENTS=$TOOLS_SOURCE/dirents

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
	need_fuse
}

teardown() {
	# A side that a failed test left stopped would keep the rest waiting.
	for side in source destination; do
		[ ! -e "$SERVERS_DIR/$side/pid" ] || server_signal "$side" CONT
	done
	views_end
}

# grown BEFORE AFTER KEY
grown() {
	echo $(($(stat_of "$2" "$3") - $(stat_of "$1" "$3")))
}

# names_of DIR: what is in it, each with a NUL behind it.
names_of() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\0'
}

odd_entries() {
	"$MKTREE" --seed 51 --entries 400 "$source_dir"
	"$MKTREE" --seed 52 --entries 400 "$destination_dir"
	"$MKTREE" --seed 53 --entries 200 "$source_dir/both"
	"$MKTREE" --seed 53 --entries 200 "$destination_dir/both"
	view_start --no-sync
	"$DIRENTS" check "$mountpoint"
	# Once more, from the kernel's caches.
	"$DIRENTS" check "$mountpoint"
	names_of "$mountpoint/both" | sort -z >"$BATS_TEST_TMPDIR/seen"
	names_of "$source_dir/both" | sort -z | cmp - "$BATS_TEST_TMPDIR/seen"
	{
		names_of "$source_dir"
		names_of "$destination_dir"
	} | sort -zu >"$BATS_TEST_TMPDIR/want"
	names_of "$mountpoint" | sort -z | cmp - "$BATS_TEST_TMPDIR/want"
	view_end
}

@test "entries of both sides, of all kinds, under odd names: d_ino and d_type are stat's" {
	on_each_pair odd_entries
}

@test "telldir, seekdir and rewinddir hold in small and large directories" {
	fresh_pair dir
	mkdir "$source_dir"/{small,large} "$destination_dir"/{small,large}
	touch "$source_dir"/small/{1..7} "$destination_dir"/small/{5..9}
	# More than is kept in memory.
	(cd "$source_dir/large" && seq 20000 | xargs touch)
	(cd "$destination_dir/large" && seq 15000 25000 | xargs touch)
	view_start --no-sync
	run -0 "$DIRENTS" seek --make "$source_dir/small/new" "$mountpoint/small"
	[ "$output" = '11 entries' ]
	run -0 "$DIRENTS" seek --make "$destination_dir/large/new" \
		"$mountpoint/large"
	[ "$output" = '25002 entries' ]
	view_end
}

@test "while syncs run no name is missing and none is there twice" {
	local pid i n
	fresh_pair dir
	mkdir "$source_dir/flat" "$destination_dir/flat"
	# Some are the destination's alone.
	(cd "$destination_dir/flat" && seq 3000 7000 | xargs touch)
	seq 7000 | tr '\n' '\0' >"$BATS_TEST_TMPDIR/names"
	for ((n = 1; n <= 6000; n++)); do : >"$source_dir/flat/$n"; done
	view_start --no-sync
	"$DIRENTS" loop --until "$BATS_TEST_TMPDIR/stop" \
		"$BATS_TEST_TMPDIR/names" "$mountpoint/flat" \
		>"$BATS_TEST_TMPDIR/looks" 3>&- 4>&- &
	pid=$!
	wait_for 60 test -s "$BATS_TEST_TMPDIR/looks"
	# Files are made, then replaced by newer ones.
	for i in 1 2 3; do
		echo start >"$mountpoint/.sync/control"
		wait_for 60 runs_have_ended "$i"
		for ((n = 1; n <= 6000; n += 2)); do
			echo "$i" >"$source_dir/flat/$n"
		done
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$pid"
	echo "$(wc -l <"$BATS_TEST_TMPDIR/looks") looks"
	(($(wc -l <"$BATS_TEST_TMPDIR/looks") >= 3))
	view_end
	no_temp_names "$destination_dir"
}

runs_have_ended() {
	jq -e ".EndedExecution >= $1" "$mountpoint/.sync/status.json"
} >/dev/null 2>&1

@test "ls -lR of 100,000 entries takes at most three round trips a directory and side" {
	local s0 s1 d0 d1 side calls dirs=1000
	need_servers
	fresh_pair counted
	"$MKTREE" --uniform --dirs $dirs --files 99 --size 0 "$source_dir"
	cp -a "$source_dir/." "$destination_dir"
	view_start --no-sync
	s0=$(proxy_stats counted_source)
	d0=$(proxy_stats counted_destination)
	# shellcheck disable=SC2010 # the command is what is counted
	[ "$(ls -lR "$mountpoint" | grep -c '^-')" = $((dirs * 99)) ]
	s1=$(proxy_stats counted_source)
	d1=$(proxy_stats counted_destination)
	for side in source destination; do
		case $side in
		source) calls=$(grown "$s0" "$s1" calls) ;;
		*) calls=$(grown "$d0" "$d1" calls) ;;
		esac
		echo "$side: $calls calls"
		((calls <= 3 * (dirs + 1)))
	done
	# One READDIR for each, not one to see that there is no more.
	(($(grown "$s0" "$s1" op_READDIR) <= dirs + 1))
	(($(grown "$d0" "$d1" op_READDIR) <= dirs + 1))
	view_end
}

@test "a directory that a side may not list is an error, not half a directory" {
	need_servers
	[ "$EUID" = 0 ] || skip 'only root can make what others may not read'
	server_start squashed squash=All_Squash
	fresh_pair nfs
	source=$(server_url squashed "${source##*/}")
	source_dir=$(server_export squashed)/${source##*/}
	mkdir -p "$source_dir/closed" "$source_dir/open" "$destination_dir/closed"
	touch "$source_dir/closed/hidden" "$destination_dir/closed/seen"
	chmod 700 "$source_dir/closed"
	view_start --no-sync
	run ls "$mountpoint/closed"
	[ "$status" != 0 ]
	[[ "$output" == *'Permission denied'* ]]
	run -0 ls "$mountpoint/open"
	# What becomes readable is read by the next who opens it.
	chmod 755 "$source_dir/closed"
	run -0 ls "$mountpoint/closed"
	[ "$output" = $'hidden\nseen' ]
	view_end
	server_kill squashed
}

@test "a listing waits for a side that stands still; whoever waits can be interrupted" {
	local pid
	need_servers
	fresh_pair nfs
	mkdir "$source_dir/dir" "$destination_dir/dir"
	touch "$source_dir/dir/1" "$destination_dir/dir/2"
	view_start --no-sync
	run -0 ls "$mountpoint/dir"
	server_signal source STOP
	# The first is interrupted, the second waits to the end.
	ls "$mountpoint/dir" >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- 4>&- &
	pid=$!
	wait_for 60 is_waiting "$pid"
	ls "$mountpoint/dir" >"$BATS_TEST_TMPDIR/second" 2>&1 3>&- 4>&- &
	kill -TERM "$pid"
	wait_for 60 process_is_gone "$pid"
	[ ! -s "$BATS_TEST_TMPDIR/first" ]
	[ ! -s "$BATS_TEST_TMPDIR/second" ]
	server_signal source CONT
	wait $!
	[ "$(<"$BATS_TEST_TMPDIR/second")" = $'1\n2' ]
	view_end
}

# is_waiting PID: does it wait for an answer of the view?
is_waiting() {
	grep -q 'fuse\|request_wait' "/proc/$1/stack" 2>/dev/null ||
		grep -q 'request_wait\|fuse' "/proc/$1/wchan" 2>/dev/null
}

@test "with -o soft a listing fails in time when a side stands still" {
	need_servers
	fresh_pair nfs
	mkdir "$source_dir/dir" "$destination_dir/dir"
	touch "$source_dir/dir/1" "$destination_dir/dir/2"
	view_start --no-sync -o soft,timeo=10
	run -0 ls "$mountpoint/dir"
	server_signal source STOP
	run ls "$mountpoint/dir"
	[ "$status" != 0 ]
	[[ "$output" == *'Input/output error'* ]]
	server_signal source CONT
	wait_for 60 lists_both
	view_end
}

lists_both() {
	[ "$(ls "$mountpoint/dir" 2>/dev/null)" = $'1\n2' ]
}
