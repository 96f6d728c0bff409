#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# efsbridge status and efsbridge history of tasks that are not mounted: what
# they say is held against what the runs themselves said. handoff.bats has
# those that are.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start far_source source --delay 40
	proxy_start far_destination destination --delay 40
}

teardown_file() {
	load lib/common
	servers_stop
}

# as_user: what a user other than root has, in a home of his own.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		HOME=$home XDG_STATE_HOME=$home/state setpriv --reuid=1000 \
			--regid=1000 --clear-groups "$@"
	else
		HOME=$home XDG_STATE_HOME=$home/state "$@"
	fi
}

setup() {
	home=
}

teardown() {
	[ -z "$home" ] || rm -rf "$home"
}

# user_home: a place where that user may work.
user_home() {
	home=$(mktemp -d)
	chmod 0755 "$home"
	[ "$(id -u)" != 0 ] || chown 1000:1000 "$home"
	as_user mkdir "$home/source" "$home/destination" "$home/other"
	as_user dd if=/dev/urandom of="$home/source/file" bs=1000 count=3 \
		status=none
}

status() { "$EFSBRIDGE" status --state "$state" "$@"; }
history_of() { "$EFSBRIDGE" history --state "$state" "$@"; }

@test "status says what the last run has done" {
	fresh_pair dir
	"$MKTREE" --seed 51 --entries 200 "$source_dir"
	run_sync 0
	status --json >"$BATS_TEST_TMPDIR/status"
	# Every counter of the summary, and the same.
	jq -es '.[0] as $s | .[1] as $t | $s | to_entries
		| map(select(.value | type == "number")
			| select(.key | IN("TotalDuration", "RequestsToSource",
				"RequestsToDestination") | not))
		| length > 20 and all(.value == $t[.key])' \
		"$output_file" "$BATS_TEST_TMPDIR/status"
	jq -es '.[0] as $s | .[1] | .State == "IDLE" and .Status == "SUCCESS"
		and .Execution == 1 and .EndedExecution == 1
		and .Source == $s.Source and .Destination == $s.Destination
		and .StartTime == $s.StartTime and .Mountpoint == null' \
		"$output_file" "$BATS_TEST_TMPDIR/status"

	run -0 status
	[[ $output == *"$source"* ]]
	[[ $output == *"not mounted"* ]]
	[[ $output == *"$(counter FilesTransferred) files"* ]]
	[[ $output == *"execution 1: SUCCESS"* ]]
}

@test "history lists the runs, the newest first" {
	local key
	fresh_pair dir
	"$MKTREE" --seed 52 --entries 100 "$source_dir"
	run_sync 0
	mv "$output_file" "$BATS_TEST_TMPDIR/first"
	echo more >"$source_dir/more"
	run_sync 0
	history_of --json >"$BATS_TEST_TMPDIR/history"
	jq -e 'map(.Execution) == [2, 1]' "$BATS_TEST_TMPDIR/history"
	jq -e 'all(.EndTime >= .StartTime)' "$BATS_TEST_TMPDIR/history"
	# The summaries, with what only the record has.
	jq -es 'map(if type == "array" then . else [.] end) | flatten
		| map(del(.EndTime, .TotalDuration)) | .[:2] == .[2:]' \
		"$BATS_TEST_TMPDIR/history" "$output_file" \
		"$BATS_TEST_TMPDIR/first"

	run -0 history_of
	[ "${#lines[@]}" = 3 ]
	for key in ID START DURATION STATUS FILES BYTES RATE FAILED; do
		[[ ${lines[0]} == *"$key"* ]]
	done
	[[ ${lines[1]} =~ ^' '+2' '.*SUCCESS' '+1' '+'5 B' ]]
	[[ ${lines[2]} =~ ^' '+1' '.*SUCCESS' ' ]]
}

@test "a run with failures is an ERROR" {
	[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"
	user_home
	install -m 000 /dev/null "$home/source/closed"
	run -1 as_user "$EFSBRIDGE" sync --quiet --state "$home/s" \
		"$home/source" "$home/destination"
	run -0 as_user "$EFSBRIDGE" status --json --state "$home/s"
	jq -e '.Status == "ERROR" and .FilesFailed == 1' <<<"$output"
	run -0 as_user "$EFSBRIDGE" history --state "$home/s"
	[[ ${lines[1]} == *ERROR* ]]
}

run_is_seen() {
	# Before there is a manifest nothing is printed: that is no object.
	status --json 2>/dev/null | jq -es 'length == 1
		and .[0].State == "RUNNING" and .[0].Status == "RUNNING"' \
		>/dev/null
}

@test "a run under way is told from one that was killed" {
	need_servers
	fresh_pair far
	"$MKTREE" --uniform --dirs 30 --files 60 --size 100 "$source_dir"
	run -2 status
	start_sync --iops-limit=300
	during_sync 60 run_is_seen
	run -0 status
	[[ $output == *"RUNNING, execution 1 since"* ]]
	run -0 history_of
	[[ ${lines[1]} == *RUNNING* ]]

	kill -KILL "$sync_pid"
	wait "$sync_pid" || true
	run -0 status --json
	jq -e '.State == "IDLE" and .Status == "INTERRUPTED"' <<<"$output"
	run -0 history_of --json
	jq -e '.[0].Status == "INTERRUPTED" and .[0].EndTime == null' \
		<<<"$output"
}

@test "who looks does not disturb who runs" {
	local i looker
	fresh_pair dir
	echo one >"$source_dir/file"
	run_sync 0
	while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
		status --json >/dev/null || exit 1
	done 3>&- 4>&- &
	looker=$!
	for ((i = 0; i < 30; i++)); do
		# The lock is free, whoever looks at it.
		run_sync 0 --no-queue
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$looker"
}

@test "the tasks of a user are found by name, by their pair, and all of them" {
	local name
	user_home
	user() { as_user "$EFSBRIDGE" "$@"; }
	run -0 user status
	[ "$output" = 'no task' ]
	run -2 user history
	[[ $output == *'no task'* ]]

	# The only one is meant without a name.
	user sync --quiet "$home/source" "$home/destination"
	run -0 user status --json
	name=$(jq -r .Task <<<"$output")
	[ -d "$home/state/efsbridge/$name" ]
	run -0 user status
	[[ $output == *"$home/destination"* ]]
	run -0 user history
	[ "${#lines[@]}" = 2 ]

	user sync --quiet --task second "$home/source" "$home/other"
	run -0 user status
	[ "${#lines[@]}" = 2 ]
	[[ $output == *"$name"*IDLE* ]]
	[[ $output == *"second "*"execution 1 SUCCESS"* ]]
	run -0 user status --json
	jq -es 'map(.Task) | sort == (["second", "'"$name"'"] | sort)' \
		<<<"$output"
	run -2 user history
	[[ $output == *'which task'* ]]

	for how in second '--task=second'; do
		run -0 user status "$how" --json
		[ "$(jq -r .Destination <<<"$output")" = "$home/other" ]
		run -0 user history "$how"
		[ "${#lines[@]}" = 2 ]
	done
	run -0 user status "$home/source" "$home/destination" --json
	[ "$(jq -r .Task <<<"$output")" = "$name" ]
	run -0 user history "$home/source" "$home/destination"
	[ "${#lines[@]}" = 2 ]
}

@test "what is no task is status 2 and says why" {
	fresh_pair dir
	run -2 "$EFSBRIDGE" status --state "$state/none"
	[[ $output == *"$state/none"*"no task"* ]]
	run -2 "$EFSBRIDGE" status "$BATS_TEST_TMPDIR"
	[[ $output == *"$BATS_TEST_TMPDIR"*"neither a task nor the mount point"* ]]
	run -2 "$EFSBRIDGE" history /no/such/place
	[[ $output == *"/no/such/place"* ]]
	run -2 "$EFSBRIDGE" status a b c
	[[ $output == *"SOURCE and DESTINATION"* ]]
	run -2 "$EFSBRIDGE" status --task 'no name'
	[[ $output == *"not a name"* ]]
	run -2 "$EFSBRIDGE" history --task one two
	[[ $output == *"--task"* ]]
	run -2 "$EFSBRIDGE" history --watch
	[[ $output == *watch* ]]
	# Nothing was made by asking.
	[ ! -e "$state/none" ]

	echo damaged >"$state/manifest.db"
	run -2 "$EFSBRIDGE" history --state "$state"
	[[ $output == *"$state/manifest.db"* ]]
}

watched_twice() { [ "$(grep -c '"Execution":1' "$watched")" -ge 2 ]; }

@test "--watch shows it again and again" {
	fresh_pair dir
	run_sync 0
	watched=$BATS_TEST_TMPDIR/watched
	env --default-signal=INT "$EFSBRIDGE" status --watch --json \
		--state "$state" >"$watched" 3>&- 4>&- &
	wait_for 60 watched_twice
	kill -INT $!
	run ! wait $!
}
