#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The last step of a migration: it says complete only when the destination is.

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

# cutover STATUS [OPTION...]: what it prints is in $output_file.
cutover() {
	local want=$1 got=0
	shift
	"$EFSBRIDGE" cutover --json --state "$state" "$@" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || got=$?
	no_suspicious_words
	[ "$got" = "$want" ] || {
		cat "$output_file" "$errors_file" >&2
		return 1
	}
}

result_is() {
	jq -e "$1" "$output_file" || {
		cat "$output_file" "$errors_file" >&2
		return 1
	}
}

complete_tree() {
	local digest
	"$MKTREE" --seed 71 --entries 300 "$source_dir"
	head -c 3500000 /dev/urandom >"$source_dir/large"
	cutover 0
	result_is '.Cutover == "COMPLETE" and .Differences == 0 and .SourceUnchanged'
	result_is '.Source.TreeDigest == .Destination.TreeDigest'
	result_is '.Source.Entries == .Destination.Entries'
	result_is '.Executions | length == 3'
	[ "$(jq .Source.Entries "$output_file")" = \
		"$(find "$source_dir" ! -type b ! -type c -printf x | wc -c)" ]
	same_tree "$source_dir" "$destination_dir"
	# The report is what was printed, and the digest is the tree's own.
	cmp "$output_file" "$(find "$state/reports" -name '*.json')"
	digest=$(jq -r .Source.TreeDigest "$output_file")
	cutover 0
	[ "$(jq -r .Source.TreeDigest "$output_file")" = "$digest" ]
	echo x >>"$source_dir/large"
	cutover 0
	[ "$(jq -r .Source.TreeDigest "$output_file")" != "$digest" ]
}

@test "a destination that is complete is proven so, with one digest for both trees" {
	on_each_pair complete_tree
}

# altered NAME COMMAND...: what the command does to the destination between the
# copy and the comparison is found. It runs when the second execution begins.
altered() {
	local what=$1
	shift
	fresh_pair dir
	mkdir "$source_dir/sub"
	echo content >"$source_dir/file"
	echo more >"$source_dir/sub/file"
	cutover 0
	(cd "$destination_dir" && "$@")
	cutover "${want:-1}" --transfer-mode=changed --overwrite=never
	result_is '.Cutover == "NOT_COMPLETE"'
	grep -E "$what" "$errors_file"
}

flip() {
	local time
	time=$(stat -c %y file)
	printf C | dd of=file conv=notrunc bs=1 status=none
	touch -d "$time" file
}

@test "a destination altered behind our back is found, by name and kind" {
	altered 'destination file: differs from the source: content' flip
	altered 'destination file: differs from the source: mode' chmod 600 file
	[ "$EUID" != 0 ] ||
		altered 'destination file: differs from the source: owner' \
			chown 12345 file
	altered 'destination extra: differs from the source: extra' touch extra
}

@test "a source that goes on changing is never complete" {
	local pid
	fresh_pair dir
	"$MKTREE" --uniform --dirs 40 --files 50 --size 2000 "$source_dir"
	(
		exec 3>&- 4>&-
		n=0
		while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
			echo $((n++)) >>"$source_dir/changing"
		done
	) &
	pid=$!
	wait_for 60 test -s "$source_dir/changing"
	cutover 1
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$pid"
	result_is '.Cutover == "NOT_COMPLETE"'
	grep 'cutover: NOT complete' "$errors_file"
	cutover 0
	result_is '.Cutover == "COMPLETE"'
	same_tree "$source_dir" "$destination_dir"
}

@test "what only the destination has is in the way, until it is removed" {
	fresh_pair dir
	echo x >"$source_dir/file"
	mkdir -p "$destination_dir/old/deep"
	touch "$destination_dir/old/deep/file"
	cutover 1
	result_is '.Reason == "the trees differ" and .Differences == 3'
	cutover 0 --deleted=remove
	same_tree "$source_dir" "$destination_dir"
}

@test "part of a tree proves nothing" {
	fresh_pair dir
	run -2 "$EFSBRIDGE" cutover --state "$state" --files-from=/dev/null \
		"$source" "$destination"
	[[ $output == *'compares the whole trees'* ]]
}
