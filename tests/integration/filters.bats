#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a filter leaves out: the same as in the opinion of rsync, and without a
# single listing of it.

bats_require_minimum_version 1.5.0
load lib/common

FILTERCASE=$TOOLS_SOURCE/filtercase

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start counted_source source
	proxy_start counted_destination destination
}

teardown() {
	views_end
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	have_servers || [ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
}

# The trees and options of case $1; OPTIONS and RSYNC_OPTIONS are those of the
# two programs, and `before` is what the destination was.
make_case() {
	local work=$BATS_TEST_TMPDIR/case-$1
	before=$destination_dir.before
	"$FILTERCASE" --seed "$1" "$source_dir" "$destination_dir" \
		"$work.ours" "$work.rsync"
	cp -a "$destination_dir" "$before"
	mapfile -d '' -t OPTIONS <"$work.ours"
	mapfile -d '' -t RSYNC_OPTIONS <"$work.rsync"
	echo "case $1: ${OPTIONS[*]@Q}"
}

# agrees CASE PAIR: rsync does the same to a copy of the destination, and has
# nothing to say of ours.
agrees() {
	local differences
	fresh_pair "$2"
	make_case "$1"
	run_sync 0 "${OPTIONS[@]}"
	filtered=$((filtered + $(counter EntriesFiltered)))
	copied=$((copied + $(counter FilesTransferred)))
	mapfile -t links < <(link_times_option "$destination_dir")
	differences=$(rsync -naHci --modify-window=-1 "${links[@]}" \
		"${RSYNC_OPTIONS[@]}" "$source_dir/" "$destination_dir/")
	if [ -n "$differences" ]; then
		printf 'rsync would:\n%s\n' "$differences" >&2
		return 1
	fi
	rsync -aHc --modify-window=-1 "${RSYNC_OPTIONS[@]}" "$source_dir/" \
		"$before/"
	same_tree "$before" "$destination_dir"
	# And again: nothing is left to be done.
	run_sync 0 "${OPTIONS[@]}"
	expect FilesTransferred=0 FoldersTransferred=0
}

# agree PAIR
agree() {
	local case filtered=0 copied=0
	for ((case = 1; case <= 30; case++)); do
		agrees "$case" "$1"
	done
	((filtered > 100 && copied > 100))
}

@test "rsync agrees on 30 cases between directories" {
	agree dir
}

@test "rsync agrees on 30 cases between servers" {
	need_servers
	agree nfs
}

@test "what is left out is not listed, on either side" {
	local s0 s1 d0 d1 side
	need_servers
	fresh_pair counted
	for side in "$source_dir" "$destination_dir"; do
		"$MKTREE" --uniform --dirs 50 --files 20 --size 10 \
			"$side/out/deep"
		mkdir -p "$side/in"
		echo text >"$side/in/file"
	done
	s0=$(proxy_stats counted_source)
	d0=$(proxy_stats counted_destination)
	run_sync 0 --exclude=/out
	expect EntriesFiltered=1 EntriesListedAtSource=2 EntriesKept=0
	s1=$(proxy_stats counted_source)
	d1=$(proxy_stats counted_destination)
	# The roots and `in`, each in one or two pages.
	printf 'source:\n%s\ndestination:\n%s\n' "$s1" "$d1"
	(($(stat_of "$s1" op_READDIR) - $(stat_of "$s0" op_READDIR) <= 4))
	(($(stat_of "$d1" op_READDIR) - $(stat_of "$d0" op_READDIR) <= 4))

	# Of a directory that itself is copied, neither.
	s0=$(proxy_stats counted_source)
	run_sync 0 '--exclude=/out/deep/*'
	expect EntriesFiltered=0 FoldersListed=3
	s1=$(proxy_stats counted_source)
	(($(stat_of "$s1" op_READDIR) - $(stat_of "$s0" op_READDIR) <= 6))
}

@test "what earlier runs copied and recorded stays when it is left out" {
	body() {
		local rows=$BATS_TEST_TMPDIR/rows
		mkdir -p "$source_dir/a" "$source_dir/b"
		echo one >"$source_dir/a/file"
		echo two >"$source_dir/b/file"
		run_sync 0
		sqlite3 "$state/manifest.db" \
			"SELECT * FROM entries WHERE path LIKE 'a%'" >"$rows.1"
		[ -s "$rows.1" ]
		echo changed >"$source_dir/a/file"
		echo changed >"$source_dir/b/file"
		run_sync 0 --exclude=/a
		expect FilesTransferred=1 EntriesFiltered=1 EntriesKept=0
		[ "$(cat "$destination_dir/a/file")" = one ]
		sqlite3 "$state/manifest.db" \
			"SELECT * FROM entries WHERE path LIKE 'a%'" >"$rows.2"
		cmp "$rows.1" "$rows.2"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "the summary has the lists, as DataSync writes them" {
	fresh_pair dir
	run_sync 0 --include=/a --include='/b|/c*' --exclude='*/x\|y'
	jq -e '.Options.Includes ==
		[{FilterType: "SIMPLE_PATTERN", Value: "/a|/b|/c*"}] and
		.Options.Excludes ==
		[{FilterType: "SIMPLE_PATTERN", Value: "*/x\\|y"}]' \
		"$output_file"
	run_sync 0
	jq -e '.Options | .Includes == [] and .Excludes == []' "$output_file"
}

# refused WORDS OPTION...: a usage error that says so.
refused() {
	local words=$1
	shift
	run -2 --separate-stderr "$EFSBRIDGE" sync --state "$state" "$@" \
		"$source" "$destination"
	# shellcheck disable=SC2154 # run sets it
	grep -F -- "$words" <<<"$stderr" || {
		printf 'not said: %s\nbut: %s\n' "$words" "$stderr" >&2
		return 1
	}
}

@test "bad patterns are refused, and the message says where" {
	local list=$BATS_TEST_TMPDIR/list
	fresh_pair dir
	echo file >"$source_dir/file"
	refused '--exclude=/a|b: column 4: a pattern begins with / ' \
		'--exclude=/a|b'
	refused '--include=: column 1: a pattern is missing' --include=
	refused 'column 4: a backslash goes before *, | or \ only' \
		'--include=*/x\n'
	refused 'column 6: paths have no parts . and ..' '--exclude=/a/../b'
	printf '# fine\n\n/a\n*/b|/c//d\n' >"$list"
	refused "$list:4:8: two slashes in a row" --exclude-from="$list"
	refused "$list:4:8: two slashes in a row" --include-from="$list"
	refused "$list.no: No such file or directory" --exclude-from="$list.no"
	[ ! -e "$destination_dir/file" ]
}

@test "the view shows what the filter leaves out, which is not copied" {
	need_fuse
	fresh_pair dir
	mkdir "$source_dir/out"
	echo out >"$source_dir/out/file"
	echo in >"$source_dir/in"
	view_start --exclude=/out
	wait_for 30 test -e "$mountpoint/.sync/history/1"
	[ "$(cat "$mountpoint/out/file")" = out ]
	[ "$(cat "$mountpoint/in")" = in ]
	grep -q '/out' "$mountpoint/.sync/task.json"
	view_end
	[ ! -e "$destination_dir/out" ]
}
