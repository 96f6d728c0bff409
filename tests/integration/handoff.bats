#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# efsbridge sync of a task that is mounted: the mount does the run, the command
# shows its progress and ends as it does. And status and history of a mount.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	# Far enough away to meet a run in the middle.
	proxy_start far_source source --delay 40
	proxy_start far_destination destination --delay 40
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	need_fuse
}

teardown() {
	views_end
}

shown() { jq -er ".$1" "$mountpoint/.sync/status.json"; }

# shows KEY VALUE: what status.json says at this moment.
shows() { [ "$(shown "$1")" = "$2" ]; }

# asked N: execution N was asked of the mount.
asked() { [ "$(shown RequestedExecution)" -ge "$1" ]; }

ended() { [ "$(shown EndedExecution)" -ge "$1" ]; }

# A tree that takes eight seconds, however fast the machine.
slow_pair() {
	fresh_pair far
	"$MKTREE" --uniform --dirs 40 --files 40 --size 100 "$source_dir"
}

slow_view() { view_start --iops-limit=500 "$@"; }

@test "the mount does the run, the command tells of it" {
	body() {
		view_start --no-sync
		"$MKTREE" --seed 61 --entries 300 "$source_dir"
		run_sync 0
		expect Execution=1 FilesFailed=0 Status=SUCCESS
		[ "$(counter FilesTransferred)" -gt 100 ]
		same_tree "$source_dir" "$destination_dir"
		grep -q "is mounted on $mountpoint" "$errors_file"
		grep -q 'done in .* entries seen' "$errors_file"
		cmp "$output_file" "$mountpoint/.sync/history/1/summary.json"

		echo more >"$source_dir/more"
		run_sync 0 --quiet
		expect Execution=2 FilesTransferred=1
		[ ! -s "$errors_file" ]
		view_end

		# Without the mount it runs itself, on the same manifest.
		run_sync 0
		expect Execution=3 FilesTransferred=0
	}
	on_each_pair body
}

@test "a run begins after the one under way, so that nothing is missed" {
	slow_pair
	slow_view
	wait_for 20 shows Execution 1
	wait_for 20 shows State RUNNING
	echo late >"$source_dir/late"
	start_sync
	wait_for 20 asked 2
	# One more asker gets the same.
	"$EFSBRIDGE" sync --json --quiet --state "$state" "$source" \
		"$destination" >"$BATS_TEST_TMPDIR/other" 3>&- 4>&- &
	end_sync 0
	expect Execution=2
	wait $!
	cmp "$output_file" "$BATS_TEST_TMPDIR/other"
	cmp "$source_dir/late" "$destination_dir/late"
	shows EndedExecution 2
	view_end
}

@test "failures are status 1, a lost side is status 3" {
	fresh_pair nfs
	echo file >"$source_dir/clash"
	mkdir "$destination_dir/clash"
	echo kept >"$destination_dir/clash/kept"
	source+='?deadline=2'
	view_start --no-sync
	run_sync 1
	expect FilesFailed=1 Status=ERROR
	grep -q 'entries failed' "$errors_file"

	kill -STOP "$(server_pid source)"
	run_sync 3
	expect Status=ERROR
	kill -CONT "$(server_pid source)"
	# Back again, and seen so.
	run_sync 1
	view_end
}

@test "an interrupt cancels the run, and only its own" {
	slow_pair
	slow_view --no-sync
	start_sync
	wait_for 20 shows State RUNNING
	kill -INT "$sync_pid"
	end_sync 130 20
	wait_for 20 ended 1
	shows Status CANCELLED
	shows ExitStatus 130

	# One that waits behind another leaves that one alone.
	echo start >"$mountpoint/.sync/control"
	wait_for 20 shows Execution 2
	start_sync
	wait_for 20 asked 3
	kill -TERM "$sync_pid"
	end_sync 130 20
	wait_for 60 ended 2
	"$EFSBRIDGE" history --json "$mountpoint" | jq -e \
		'map(select(.Execution == 2)) | .[0].Status == "SUCCESS"'
	view_end
}

@test "a run that somebody else cancels is status 130" {
	slow_pair
	slow_view --no-sync
	start_sync
	wait_for 20 shows State RUNNING
	echo cancel >"$mountpoint/.sync/control"
	end_sync 130 20
	jq -e '.Status == "CANCELLED"' "$output_file"

	# Also before it has begun.
	echo start >"$mountpoint/.sync/control"
	wait_for 20 shows Execution 2
	start_sync
	wait_for 20 asked 3
	echo cancel >"$mountpoint/.sync/control"
	end_sync 130 20
	grep -q 'cancelled before it began' "$errors_file"
	[ ! -s "$output_file" ]
	view_end
}

@test "a paused run waits" {
	fresh_pair nfs
	echo one >"$source_dir/file"
	view_start --no-sync
	echo pause >"$mountpoint/.sync/control"
	start_sync
	wait_for 20 asked 1
	"$EFSBRIDGE" status "$mountpoint" | grep -q 'state .*PAUSED'
	kill -USR1 "$sync_pid"
	during_sync 20 grep -q '^efsbridge: paused .* seen, ETA -:--' \
		"$errors_file"
	[ ! -e "$destination_dir/file" ]
	echo resume >"$mountpoint/.sync/control"
	end_sync 0
	[ -e "$destination_dir/file" ]
	view_end
}

@test "a mount that dies during the run is status 3, and the next one goes on" {
	slow_pair
	slow_view --no-sync
	start_sync
	wait_for 20 shows State RUNNING
	kill -KILL "$view_pid"
	end_sync 3 60
	grep -q "$mountpoint: unmounted or dead before execution 1 had ended" \
		"$errors_file"
	views_end

	# What it has left behind does not deceive.
	[ -e "$state/mount" ]
	run_sync 0
	expect Execution=2
	[ ! -e "$state/mount" ]
	same_tree "$source_dir" "$destination_dir"
}

@test "a mount that is unmounted during the run is status 3" {
	slow_pair
	slow_view --no-sync
	start_sync
	wait_for 20 shows State RUNNING
	# The command has a file of .sync open ten times a second.
	view_end 20
	end_sync 3 60
	grep -q 'unmounted or dead' "$errors_file"
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
}

@test "a mount that ends by itself does the runs that were asked of it before" {
	slow_pair
	slow_view --once
	wait_for 20 shows State RUNNING
	echo late >"$source_dir/late"
	start_sync
	wait_for 20 asked 2
	end_sync 0 100
	expect Execution=2 Status=SUCCESS
	cmp "$source_dir/late" "$destination_dir/late"
	view_ends
}

@test "a run that the mount had not begun when it went is done by the command" {
	slow_pair
	slow_view
	wait_for 20 shows State RUNNING
	start_sync
	wait_for 20 asked 2
	kill -KILL "$view_pid"
	end_sync 0 100
	expect Execution=2 Status=SUCCESS
	grep -q "$mountpoint: not mounted any more" "$errors_file"
	same_tree "$source_dir" "$destination_dir"
}

@test "other options than those of the mount are refused in words" {
	fresh_pair nfs
	echo one >"$source_dir/file"
	view_start --no-sync --no-times --verify=all
	refused() {
		local word=$1
		shift
		run -2 "$EFSBRIDGE" sync --state "$state" "$@" "$source" \
			"$destination"
		[[ $output == *"is mounted on $mountpoint"*"$word"* ]]
	}
	refused --verify --no-times
	refused --verify --no-times --verify=none
	refused --no-times --verify=all
	refused --no-owner --verify=all --no-times --no-owner
	refused --no-mode --verify=all --no-times --no-mode
	refused --include --verify=all --no-times --include=/a
	refused --exclude --verify=all --no-times --exclude=/a
	refused --files-from --verify=all --no-times --files-from=/dev/null
	refused --dry-run --verify=all --no-times --dry-run
	refused --jobs --verify=all --no-times --jobs=3
	shows RequestedExecution 0
	run_sync 0 --verify=all --no-times
	expect FilesTransferred=1
	view_end
}

@test "--no-queue does not wait for a run under way" {
	slow_pair
	slow_view
	wait_for 20 shows State RUNNING
	run -4 "$EFSBRIDGE" sync --no-queue --state "$state" "$source" \
		"$destination"
	[[ $output == *"is run by its mount on $mountpoint"* ]]
	wait_for 60 ended 1
	shows RequestedExecution 1
	run_sync 0 --no-queue
	expect Execution=2
	view_end
}

@test "a mount that takes no commands is refused in words" {
	fresh_pair nfs
	view_start --no-sync -o ro
	run -2 "$EFSBRIDGE" sync --state "$state" "$source" "$destination"
	[[ $output == *"$mountpoint"*"-o ro"* ]]
	view_end
}

@test "status and history of a mount are those of its .sync" {
	fresh_pair nfs
	"$MKTREE" --seed 62 --entries 200 "$source_dir"
	view_start --no-sync
	run -0 "$EFSBRIDGE" status "$mountpoint"
	[[ $output == *"mounted on "*"$mountpoint"* ]]
	[[ $output == *"state "*IDLE* ]]
	[[ $output == *"last run "*none* ]]
	run_sync 0

	"$EFSBRIDGE" status --json "$mountpoint" >"$BATS_TEST_TMPDIR/status"
	cmp "$BATS_TEST_TMPDIR/status" "$mountpoint/.sync/status.json"
	"$EFSBRIDGE" status --json --state "$state" |
		cmp - "$BATS_TEST_TMPDIR/status"
	run -0 "$EFSBRIDGE" status "$mountpoint"
	[[ $output == *"$(counter FilesTransferred) files"* ]]
	[[ $output == *"execution 1: SUCCESS"* ]]

	run -0 "$EFSBRIDGE" history "$mountpoint"
	[ "${#lines[@]}" = 2 ]
	"$EFSBRIDGE" history --json "$mountpoint" >"$BATS_TEST_TMPDIR/history"
	jq -es '(.[0][0] | del(.EndTime)) == .[1]' \
		"$BATS_TEST_TMPDIR/history" "$output_file"
	view_end

	run -2 "$EFSBRIDGE" status "$mountpoint"
	[[ $output == *"$mountpoint"* ]]
}

@test "another name of .sync is found by the state" {
	fresh_pair nfs
	view_start --no-sync -o syncdir=.progress
	run_sync 0
	expect Execution=1
	run -0 "$EFSBRIDGE" status --state "$state"
	[[ $output == *"mounted on "*"$mountpoint"* ]]
	[[ $output == *"execution 1: SUCCESS"* ]]
	view_end
}

progress_is_drawn() { grep -q 'copying .*files.*ETA' "$BATS_TEST_TMPDIR/screen"; }

@test "progress is drawn on a terminal, status --watch refreshes" {
	slow_pair
	slow_view --no-sync
	script -qec "'$EFSBRIDGE' sync --state '$state' '$source' '$destination'" \
		"$BATS_TEST_TMPDIR/screen" >/dev/null 2>&1 3>&- 4>&- &
	local syncing=$!
	wait_for 20 shows State RUNNING
	env --default-signal=INT "$EFSBRIDGE" status --watch "$mountpoint" \
		>"$BATS_TEST_TMPDIR/watched" 3>&- 4>&- &
	local watching=$!
	wait_for 60 progress_is_drawn
	wait "$syncing"
	watched() { grep -q 'execution 1: SUCCESS' "$BATS_TEST_TMPDIR/watched"; }
	wait_for 20 watched
	[ "$(grep -c '^state ' "$BATS_TEST_TMPDIR/watched")" -ge 2 ]
	grep -q '^progress .*ETA' "$BATS_TEST_TMPDIR/watched"
	kill -INT "$watching"
	run ! wait "$watching"
	view_end
}
