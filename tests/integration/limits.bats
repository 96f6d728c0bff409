#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What bounds a run: bytes and operations a second, tries, errors, time, and the
# queue before it. Rates are measured at the destination's backing folder, past
# every server.
#
# Bounds from above hold on any machine. Those from below are of rates that are
# low enough for one that has much else to do.

bats_require_minimum_version 1.5.0
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

teardown() {
	if [ -n "${sync_pid:-}" ] && ! sync_is_gone; then
		kill -KILL "$sync_pid"
	fi
	views_end
}

# data BYTES FILE...: files that are no holes.
data() {
	local size=$1 file
	shift
	for file; do
		head -c "$size" /dev/urandom >"$file"
	done
}

# arrived: bytes in the destination, also of what has not got its name yet.
arrived() {
	find "$destination_dir" -type f -printf '%s\n' 2>/dev/null |
		awk '{ n += $1 } END { print n + 0 }'
}

has_arrived() { [ "$(arrived)" -ge "$1" ]; }

# sample FILE: time and bytes, ten times a second until the run has ended.
sample() {
	while ! sync_is_gone; do
		echo "$EPOCHREALTIME $(arrived)" >>"$1"
		sleep 0.1
	done
}

# judge_windows FILE RATE SECONDS: in no window that long more than RATE and a
# tenth, and in the best one no less than RATE minus a tenth. Others may have
# less where the machine has stalled.
judge_windows() {
	awk -v rate="$2" -v width="$3" '
		{ t[NR] = $1; b[NR] = $2 }
		END {
			for (i = 1; i <= NR; i++) {
				while (k <= NR && t[k] < t[i] + width)
					k++
				if (k > NR)
					break
				got = (b[k] - b[i]) / (t[k] - t[i])
				windows++
				if (!least || got < least)
					least = got
				if (got > most)
					most = got
			}
			printf "%d windows, %.1f to %.1f MB/s\n", windows,
				least / 1e6, most / 1e6
			exit !(windows >= 10 && most >= 0.9 * rate &&
				most <= 1.1 * rate)
		}' "$1"
}

# Files of all sizes, which are through after 14 s at 20 MB/s.
holds_20m() {
	local samples=$BATS_TEST_TMPDIR/samples-$pairs_made i
	mkdir "$source_dir/small"
	data 70000000 "$source_dir"/large-{1,2,3}
	data 7000000 "$source_dir"/middle-{1,2,3,4,5}
	for i in {1..350}; do
		data 100000 "$source_dir/small/$i"
	done
	start_sync --bwlimit=20M
	during_sync 60 has_arrived 1000000
	sample "$samples"
	end_sync 0
	judge_windows "$samples" 20000000 10
	same_tree "$source_dir" "$destination_dir"
	jq -e '.Options.BytesPerSecond == 20000000' "$output_file"
	expect BytesRead=280000000
}

@test "bwlimit holds within a tenth over ten seconds, between directories" {
	fresh_pair dir
	holds_20m
}

@test "bwlimit holds within a tenth over ten seconds, between servers" {
	need_servers
	fresh_pair nfs
	holds_20m
}

# growth SECONDS: bytes that arrive in that time, or would have if it had been
# no longer.
growth() {
	local before begun=${EPOCHREALTIME/./} bytes
	before=$(arrived)
	sleep "$1"
	bytes=$(($(arrived) - before))
	echo $((bytes * $1 * 1000000 / (${EPOCHREALTIME/./} - begun)))
}

# follows COMMAND...: a run that goes slowly is made fast, and slow again, by
# COMMAND with the new setting behind it. What is read at once is 1 MiB for each
# of four lanes, and a batch.
follows() {
	local more
	during_sync 60 has_arrived 100000
	"$@" bwlimit=40M
	sleep 2
	# At 500 kB/s it would be 1 MB, and what is read at once.
	more=$(growth 2)
	echo "$more bytes in 2 s at 40 MB/s"
	((more > 8000000 && more < 120000000))
	"$@" bwlimit=500k
	sleep 2
	more=$(growth 4)
	echo "$more bytes in 4 s at 500 kB/s"
	((more < 8000000))
	"$@" bwlimit=off
}

@test "set changes the limits of a run in the foreground" {
	fresh_pair dir
	data 150000000 "$source_dir"/large-{1,2,3}
	start_sync --bwlimit=500k
	follows "$EFSBRIDGE" set --state "$state"
	# In force when the command has ended: the log says so.
	"$EFSBRIDGE" set --state "$state" jobs=2 iops-limit=100000 ||
		sync_is_gone
	end_sync 0
	same_tree "$source_dir" "$destination_dir"
	grep -q 'bwlimit=40M from now on' "$errors_file"
	[ ! -e "$state/mailbox" ]
}

@test "set and control change the limits of a mount" {
	need_fuse
	fresh_pair dir
	data 150000000 "$source_dir"/large-{1,2,3}
	control() { echo "$1" >"$mountpoint/.sync/control"; }
	limit() { jq -e "$1" "$mountpoint/.sync/status.json"; }

	view_start --bwlimit=500k
	limit '.BytesPerSecondLimit == 500000'
	sync_pid=$view_pid
	follows control
	limit '.BytesPerSecondLimit == null'
	run -0 "$EFSBRIDGE" set "$mountpoint" bwlimit=00:00-24:00=60M,1k jobs=3 \
		iops-limit=50000
	limit '.BytesPerSecondLimit == 60000000 and .Jobs == 3
		and .OperationsPerSecondLimit == 50000'
	jq -e '.Options.BytesPerSecond == "00:00-24:00=60000000,1000"' \
		"$mountpoint/.sync/task.json"
	grep -q '^Limit .*57.2 MiB/s' "$mountpoint/.sync/status"
	"$EFSBRIDGE" status "$mountpoint" | grep 'limit .*57.2 MiB/s'
	run ! control bwlimit=fast
	grep -q 'bwlimit=fast.*is not a rate' "$mountpoint/.sync/log"
	limit '.BytesPerSecondLimit == 60000000'
	unset sync_pid
	view_end
}

@test "what people read through a mount is not limited" {
	need_fuse
	fresh_pair dir
	data 100000000 "$source_dir/large"
	view_start --bwlimit=1k --iops-limit=10
	# More than a day's worth.
	timeout 60 cmp "$mountpoint/large" "$source_dir/large"
	jq -e '.State == "RUNNING"' "$mountpoint/.sync/status.json"
	view_end
}

@test "set says what it cannot do" {
	fresh_pair dir
	data 1000 "$source_dir/file"
	run_sync 0
	run -2 "$EFSBRIDGE" set --state "$state" bwlimit=20M
	[[ $output == *'nobody runs it'* ]]
	run -2 "$EFSBRIDGE" set --state "$state" bwlimit=fast
	[[ $output == *'bwlimit=fast: "fast" is not a rate'* ]]
	run -2 "$EFSBRIDGE" set --state "$state" verify=all
	[[ $output == *'cannot be changed'* ]]
	run -2 "$EFSBRIDGE" set --state "$state" frob=1
	[[ $output == *'no such option'* ]]
	run -2 "$EFSBRIDGE" set --state "$state"
	[[ $output == *'say what to change'* ]]
	run -2 "$EFSBRIDGE" set no-such-task bwlimit=20M
}

@test "iops-limit holds" {
	fresh_pair dir
	"$MKTREE" --uniform --dirs 1 --files 300 --size 100 "$source_dir"
	run_sync 0 --iops-limit=200
	# 300 are written and as many read back: 3 s, but for a tenth.
	(($(counter TotalDuration) >= 2600))
	expect FilesTransferred=300 FilesVerified=300
	jq -e '.Options.OperationsPerSecond == 200' "$output_file"
	same_tree "$source_dir" "$destination_dir"
}

@test "an interrupt does not wait for the limits" {
	fresh_pair dir
	data 100000000 "$source_dir"/large-{1,2,3}
	"$MKTREE" --uniform --dirs 3 --files 100 --size 100000 "$source_dir/tree"
	start_sync --bwlimit=1k --iops-limit=20
	during_sync 60 some_temp_name "$destination_dir"
	kill -INT "$sync_pid"
	end_sync 130
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
}

@test "max-duration stops, and the next run goes on" {
	body() {
		"$MKTREE" --seed 81 --entries 200 "$source_dir/tree"
		data 40000000 "$source_dir"/large-{1,2,3}
		run_sync 5 --max-duration=3s --bwlimit=10M
		expect Status=TIME_LIMIT FilesFailed=0
		jq -e '.Options.MaxDuration == 3000' "$output_file"
		(($(counter TotalDuration) >= 3000))
		(($(counter BytesRead) < 120000000))
		grep -q 'max-duration.* is over' "$errors_file"
		"$EFSBRIDGE" history --state "$state" | grep TIME_LIMIT
		"$EFSBRIDGE" status --state "$state" | grep TIME_LIMIT

		run_sync 0 --max-duration=1h
		expect Status=SUCCESS
		# Not from the beginning.
		(($(counter BytesResumed) > 0))
		same_tree "$source_dir" "$destination_dir"
		no_temp_names "$destination_dir"
	}
	on_each_pair body
}

# in_the_way N: as many entries of the source cannot be copied.
in_the_way() {
	local i
	for ((i = 1; i <= $1; i++)); do
		data 100 "$source_dir/blocked-$i"
		mkdir -p "$destination_dir/blocked-$i/full"
	done
}

@test "max-errors stops when there are more" {
	fresh_pair dir
	in_the_way 8
	data 100 "$source_dir/good"
	run_sync 1 --max-errors=3
	expect Status=ERROR
	(($(counter FilesFailed) > 3))
	grep -q 'more entries failed than may (--max-errors)' "$errors_file"
	# As many as may: all else is done.
	run_sync 1 --max-errors=8
	expect Status=ERROR FilesFailed=8
	run -1 grep max-errors "$errors_file"
	[ -e "$destination_dir/good" ]
	# None may.
	run_sync 1 --max-errors=0 --retries=0
	rm -r "$destination_dir"/blocked-*
	run_sync 0 --max-errors=0
	same_tree "$source_dir" "$destination_dir"
}

@test "retries are as many as wanted" {
	fresh_pair dir
	in_the_way 1
	failures() { grep -c 'failed blocked-1' "$errors_file"; }
	has_failed() { [ "$(failures)" -ge "$1" ]; }
	run_sync 1 -v --retries=0
	[ "$(failures)" = 1 ]
	run_sync 1 -v
	[ "$(failures)" = 2 ]
	# What stands in the way goes away between the tries.
	start_sync -v --retries=10
	during_sync 60 has_failed 3
	rm -r "$destination_dir/blocked-1"
	end_sync 0
	expect FilesFailed=0 FilesTransferred=1
	same_tree "$source_dir" "$destination_dir"
}

# queue_up NAME: one more run, which waits.
queue_up() {
	"$EFSBRIDGE" sync --json --state "$state" "$source" "$destination" \
		>"$BATS_TEST_TMPDIR/$1.output" 2>"$BATS_TEST_TMPDIR/$1.errors" \
		3>&- 4>&- &
	queued+=($!)
	wait_for 60 grep -q waiting "$BATS_TEST_TMPDIR/$1.errors"
}

@test "runs that wait take turns in the order in which they came" {
	local queued=() name
	fresh_pair dir
	data 1000000 "$source_dir/file"
	start_sync --bwlimit=1k
	during_sync 60 some_temp_name "$destination_dir"
	queue_up first
	queue_up second
	queue_up third
	kill -INT "$sync_pid"
	end_sync 130
	wait "${queued[@]}"
	for name in first second third; do
		jq -r .Execution "$BATS_TEST_TMPDIR/$name.output"
	done >"$BATS_TEST_TMPDIR/order"
	diff "$BATS_TEST_TMPDIR/order" - <<<$'2\n3\n4'
	same_tree "$source_dir" "$destination_dir"
}

@test "max-wait gives up, no-queue at once" {
	fresh_pair dir
	data 1000000 "$source_dir/file"
	start_sync --bwlimit=1k
	during_sync 60 some_temp_name "$destination_dir"
	local begun=${EPOCHREALTIME/./}
	run -4 "$EFSBRIDGE" sync --max-wait=1s --state "$state" "$source" \
		"$destination"
	((${EPOCHREALTIME/./} - begun >= 1000000))
	[[ $output == *"run by process $sync_pid"*max-wait* ]]
	run -4 "$EFSBRIDGE" sync --no-queue --state "$state" "$source" \
		"$destination"
	[[ $output == *no-queue* ]]
	kill -INT "$sync_pid"
	end_sync 130
	# Nothing has to be waited for.
	run_sync 0 --max-wait=1s
}

@test "max-wait of a run that a mount is to do" {
	need_fuse
	fresh_pair dir
	data 1000000 "$source_dir/file"
	view_start --bwlimit=1k
	run -4 "$EFSBRIDGE" sync --max-wait=1s --state "$state" "$source" \
		"$destination"
	"$EFSBRIDGE" set "$mountpoint" bwlimit=off
	run_sync 0 --max-wait=1m
	expect Execution=2
	same_tree "$source_dir" "$destination_dir"
	view_end
}
