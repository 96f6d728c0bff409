#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# efsbridge estimate: what it counts is what find(1) counts, what it says there
# is to do is what a run then does, and a sample leaves nothing behind.

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

teardown() {
	views_end
}

# estimate STATUS [OPTION...]: of the pair, in $output_file.
estimate() {
	local want=$1 got=0
	shift
	"$EFSBRIDGE" estimate --json --state "$state" "$@" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || got=$?
	if [ "$got" != "$want" ]; then
		show_run "$got (not $want)"
		return 1
	fi
	no_suspicious_words
}

# counted FIND-ARGUMENT...: how many entries of the source are so.
counted() { find "$source_dir" -mindepth 1 "$@" -printf x | wc -c; }

agrees_with_find() {
	"$MKTREE" --seed 101 --entries 400 "$source_dir"
	estimate 0
	expect EntriesListedAtSource="$(counted)" \
		Types.Files="$(counted -type f)" \
		Types.Directories="$(counted -type d)" \
		Types.SymbolicLinks="$(counted -type l)" \
		Bytes="$(find "$source_dir" -type f -printf '%s\n' |
			awk '{ n += $1 } END { print n + 0 }')"
	# Each histogram holds everything once.
	jq -e '([.Sizes[].Files] | add) == .Types.Files
		and ([.Sizes[].Bytes] | add) == .Bytes
		and ([.Ages[].Files] | add) == .Types.Files
		and ([.Depths[].Entries] | add) + .EntriesDeeper
			== .EntriesListedAtSource
		and ([.Owners[].Entries] | add) + .OtherOwners.Entries
			== .EntriesListedAtSource' "$output_file"
	# A few bands one by one.
	expect 'Sizes[0].Files'="$(counted -type f -empty)" \
		'Sizes[1].Files'="$(counted -type f -size +0 -size -4097c)" \
		'Depths[0].Entries'="$(counted -maxdepth 1)" \
		'Depths[1].Entries'="$(counted -mindepth 2 -maxdepth 2)"
	[ -z "$(ls -A "$destination_dir")" ]

	# What is to be done is what is done.
	files=$(counter EstimatedFilesToTransfer)
	run_sync 0
	expect EstimatedFilesToTransfer="$files"
	# That a server drops the times of symbolic links is only seen by trying,
	# which a run does and an estimate must not.
	left=0
	[ "$pair" != nfs ] || left=$(counted -type l)
	estimate 0
	expect EstimatedFilesToTransfer="$left" EstimatedBytesToTransfer=0
	echo more >"$source_dir/more"
	estimate 0
	expect EstimatedFilesToTransfer=$((left + 1)) EstimatedBytesToTransfer=5
	# What is left out is not counted at all.
	estimate 0 --exclude='/more'
	expect EstimatedFilesToTransfer="$left"
	# Only what is on a list.
	echo /more >"$BATS_TEST_TMPDIR/list"
	estimate 0 --files-from="$BATS_TEST_TMPDIR/list"
	expect EntriesListedAtSource=1 EstimatedFilesToTransfer=1
}

@test "what is counted is what is there, and what is to do is done" {
	on_each_pair agrees_with_find
}

@test "ages and owners" {
	((EUID == 0)) || skip 'only root can give files away'
	fresh_pair dir
	for uid in {1001..1014}; do
		head -c $((uid * 10)) /dev/zero >"$source_dir/$uid"
		chown "$uid" "$source_dir/$uid"
	done
	touch -d '2 days ago' "$source_dir"/100{1,2,3}
	touch -d '2 years ago' "$source_dir/1004"
	touch -d '10 years ago' "$source_dir/1005"
	touch -d tomorrow "$source_dir/1006"
	estimate 0
	expect 'Ages[0].Files'=9 'Ages[1].Files'=3 'Ages[5].Files'=1 \
		'Ages[6].Files'=1 'Ages[6].SecondsUpTo // "none"'=none
	# The ten with the most bytes, the largest first.
	[ "$(jq -c '[.Owners[].Uid]' "$output_file")" = \
		'[1014,1013,1012,1011,1010,1009,1008,1007,1006,1005]' ]
	expect OtherOwners.Entries=4 OtherOwners.Bytes=$((10010 + 10020 + 10030 + 10040))
}

# fingerprint DIR: what a tree is, but for access times and ctimes.
fingerprint() {
	(cd "$1" && find . -printf '%P %y %s %m %U %G %T@ %l\n' | sort)
}

sample_leaves_nothing() {
	"$MKTREE" --seed 102 --entries 300 "$source_dir"
	# What only root could remove something from.
	mkdir -p "$source_dir/closed/below"
	touch "$source_dir/closed/below/file"
	chmod 0500 "$source_dir/closed/below" "$source_dir/closed"
	echo mine >"$destination_dir/mine"
	touch -d '2001-02-03 04:05:06' "$destination_dir"
	fingerprint "$source_dir" >"$BATS_TEST_TMPDIR/source"
	fingerprint "$destination_dir" >"$BATS_TEST_TMPDIR/destination"
	estimate 0 --sample=60s
	# All of it was copied within that time, so that is what it takes.
	expect Sample.Files="$(counter EstimatedFilesToTransfer)"
	jq -e '.Sample.Bytes > 0 and .Sample.Duration > 0
		and .LeastDuration > 0
		and .LeastDuration <= .ExpectedDuration
		and .ExpectedDuration <= .MostDuration
		and .MostDuration < 2 * .Sample.Duration' "$output_file"
	fingerprint "$source_dir" | diff "$BATS_TEST_TMPDIR/source" -
	fingerprint "$destination_dir" | diff "$BATS_TEST_TMPDIR/destination" -
	[ "$(find "$state" -name 'sample*')" = '' ]
}

@test "a sample is copied, tells the time, and leaves nothing behind" {
	on_each_pair sample_leaves_nothing
}

@test "a sample ends in time, and stands for the rest" {
	need_servers
	fresh_pair far
	mkdir "$source_dir"/{1..30}
	for i in {1..6000}; do
		echo "$i" >"$source_dir/$((i % 30 + 1))/$i"
	done
	estimate 0 --sample=1s
	# 40 ms away there is not enough time for all.
	jq -e '.Sample.Files > 0
		and .Sample.Files < .EstimatedFilesToTransfer
		and .ExpectedDuration > .Sample.Duration' "$output_file"
	[ -z "$(ls -A "$destination_dir")" ]
}

sample_has_begun() { [ -n "$(find "$destination_dir" -type f -print -quit)" ]; }
estimate_is_gone() { process_is_gone "$estimate_pid"; }

@test "an interrupt ends a sample, and nothing is left behind" {
	need_servers
	fresh_pair far
	for i in {1..3000}; do
		echo "$i" >"$source_dir/$i"
	done
	env --default-signal=INT "$EFSBRIDGE" estimate --state "$state" \
		--sample=60s "$source" "$destination" >"$output_file" \
		2>"$errors_file" 3>&- 4>&- &
	estimate_pid=$!
	wait_for 60 sample_has_begun
	kill -INT "$estimate_pid"
	wait_for 60 estimate_is_gone
	status=0
	wait "$estimate_pid" || status=$?
	[ "$status" = 130 ]
	[ -z "$(ls -A "$destination_dir")" ]
	[ "$(find "$state" -name 'sample*')" = '' ]
	no_suspicious_words
}

@test "a task that is mounted is not estimated" {
	need_fuse
	fresh_pair dir
	view_start
	estimate 4
	grep -q 'efsbridge status tells' "$errors_file"
	view_end
	estimate 0
}

@test "people are shown histograms" {
	fresh_pair dir
	head -c 5000 /dev/zero >"$source_dir/file"
	run -0 "$EFSBRIDGE" estimate --quiet --state "$state" "$source" \
		"$destination"
	[[ $output =~ Seen\ +1\ entries,\ 4.9\ KiB ]]
	[[ $output =~ up\ to\ 64\ KiB\ +1\ +4.9\ KiB\ +#+ ]]
	[[ $output =~ To\ do\ +1\ files,\ 4.9\ KiB ]]
}
