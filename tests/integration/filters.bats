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

# rsync_says [OPTION...]: what it finds to do, line by line. A directory that it
# would remove but that holds something hidden it announces and then leaves: that
# is no difference where it has left it, in `before`.
rsync_says() {
	local line
	rsync -naHci --modify-window=-1 "${links[@]}" "$@" \
		"${RSYNC_OPTIONS[@]}" "$source_dir/" "$destination_dir/" \
		>"$output_file.rsync"
	while IFS= read -r line; do
		case $line in
		'*deleting   '*/) [ -d "$before/${line#*   }" ] || echo "$line" ;;
		'cannot delete non-empty directory: '*) ;;
		*) echo "$line" ;;
		esac
	done <"$output_file.rsync"
}

# agrees CASE PAIR [--deleted=remove]: rsync does the same to a copy of the
# destination, and has nothing to say of ours.
agrees() {
	local differences own=() theirs=() times=() links=()
	fresh_pair "$2"
	mapfile -t links < <(link_times_option "$destination_dir")
	make_case "$1"
	if [ "${3:-}" ]; then
		own=("$3" --max-delete=100%)
		theirs=(--delete)
		# Those of a directory that lost something and is hidden in part
		# are those of the moment.
		times=(--omit-dir-times)
	fi
	run_sync 0 "${own[@]}" "${OPTIONS[@]}"
	filtered=$((filtered + $(counter EntriesFiltered)))
	copied=$((copied + $(counter FilesTransferred)))
	removed=$((removed + $(counter FilesDeleted)))
	rsync -aHc --modify-window=-1 "${theirs[@]}" "${RSYNC_OPTIONS[@]}" \
		"$source_dir/" "$before/"
	differences=$(rsync_says "${theirs[@]}")
	if [ -n "$differences" ]; then
		printf 'rsync would:\n%s\n' "$differences" >&2
		return 1
	fi
	differences=$(rsync -naHci --delete --modify-window=-1 "${times[@]}" \
		"${links[@]}" "$before/" "$destination_dir/")
	if [ -n "$differences" ]; then
		printf 'rsync has made it another tree:\n%s\n' "$differences" >&2
		return 1
	fi
	# And again: nothing is left to be done.
	run_sync 0 "${own[@]}" "${OPTIONS[@]}"
	expect FilesTransferred=0 FoldersTransferred=0 FilesDeleted=0
}

# agree PAIR FIRST LAST [--deleted=remove]
agree() {
	local case filtered=0 copied=0 removed=0
	for ((case = $2; case <= $3; case++)); do
		agrees "$case" "$1" "${4:-}"
	done
	echo "$filtered left out, $copied copied, $removed removed"
	((filtered > 4 * ($3 - $2) && copied > 2 * ($3 - $2)))
	[ -z "${4:-}" ] || ((removed > $3 - $2))
}

@test "rsync agrees on 10 cases between directories, and between servers" {
	agree dir 1 10
	need_servers
	agree nfs 1 10
}

@test "rsync --delete agrees on 30 cases between directories" {
	agree dir 101 130 --deleted=remove
}

@test "rsync --delete agrees on 30 cases between servers" {
	need_servers
	agree nfs 101 130 --deleted=remove
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

# has_ended N: the mount's execution N.
has_ended() {
	[ "$(jq -r '.EndedExecution // 0' "$mountpoint/.sync/status.json")" -ge "$1" ]
}

@test "the view shows what the filter leaves out, which is not copied" {
	need_fuse
	fresh_pair dir
	mkdir "$source_dir/out"
	echo out >"$source_dir/out/file"
	echo in >"$source_dir/in"
	view_start --exclude=/out
	wait_for 60 has_ended 1
	[ "$(cat "$mountpoint/out/file")" = out ]
	[ "$(cat "$mountpoint/in")" = in ]
	grep -q '/out' "$mountpoint/.sync/task.json"
	view_end
	[ ! -e "$destination_dir/out" ]
}

# --- Lists of files --------------------------------------------------------

# listed_tree: a tree of which parts are listed.
listed_tree() {
	mkdir -p "$source_dir/d/deep" "$source_dir/e/more" "$source_dir/f"
	echo 1 >"$source_dir/d/deep/1"
	echo 2 >"$source_dir/d/deep/2"
	echo 3 >"$source_dir/d/3"
	echo 4 >"$source_dir/e/more/4"
	echo 5 >"$source_dir/e/a,b"
	echo 6 >"$source_dir/f/6"
	ln -s 6 "$source_dir/f/link"
	chmod 0750 "$source_dir/d" "$source_dir/e"
	touch -d '2001-02-03 04:05:06.789' "$source_dir/d"/* "$source_dir"/*
}

# names DIR: all that is in there, sorted, on one line.
names() {
	(cd "$1" && find . -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')
}

@test "the entries of a list are copied, and nothing else" {
	body() {
		local list=$BATS_TEST_TMPDIR/list before
		listed_tree
		printf '%s\r\n' '/d/deep/1,an old version' '"e/a,b"' e/more \
			./f//link 'd/deep/1' >"$list"
		run_sync 0 --files-from="$list"
		[ "$(names "$destination_dir")" = \
			'd d/deep d/deep/1 e e/a,b e/more f f/link ' ]
		contains_tree "$destination_dir" "$source_dir"
		[ "$(attributes "$source_dir/d")" = \
			"$(attributes "$destination_dir/d")" ]
		expect FilesFailed=0 FilesTransferred=3 EntriesKept=0
		jq -e --arg list "$list" '.Options.ManifestConfig ==
			{Action: "TRANSFER", Format: "CSV", Source: $list}' \
			"$output_file"

		# What is not listed stays, on either side.
		echo changed >"$source_dir/d/deep/1"
		echo changed >"$source_dir/e/a,b"
		echo own >"$destination_dir/d/deep/own"
		printf 'd/deep/1\0' | run_sync 0 -0 --files-from=-
		expect FilesTransferred=1 FilesUnchanged=0 EntriesKept=0
		[ "$(cat "$destination_dir/d/deep/1")" = changed ]
		[ "$(cat "$destination_dir/e/a,b")" = 5 ]
		[ "$(cat "$destination_dir/d/deep/own")" = own ]
		run_sync 0
		rm "$destination_dir/d/deep/own"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "what is listed and not there is a failure, and is named" {
	body() {
		local path
		listed_tree
		printf '%s\n' d/3 none none/below f/6/below d/deep/none \
			>"$BATS_TEST_TMPDIR/list"
		run_sync 1 --files-from="$BATS_TEST_TMPDIR/list"
		expect FilesFailed=4 FilesTransferred=1
		for path in none none/below f/6/below d/deep/none; do
			grep -q "source $path: there is no such entry" \
				"$errors_file"
		done
		[ "$(names "$destination_dir")" = 'd d/3 d/deep f ' ]
		# A thousand more: they are counted, not all named.
		seq -f 'd/none-%.0f' 1000 >>"$BATS_TEST_TMPDIR/list"
		run_sync 1 --files-from="$BATS_TEST_TMPDIR/list"
		expect FilesFailed=1004
		[ "$(grep -c 'there is no such entry' "$errors_file")" = 100 ]
	}
	on_each_pair body
}

@test "an entry of a list that fails is tried again, alone" {
	fresh_pair dir
	listed_tree
	mkdir -p "$destination_dir/d/deep/1/full"
	printf '%s\n' d/deep/1 e/more/4 >"$BATS_TEST_TMPDIR/list"
	run_sync 1 --files-from="$BATS_TEST_TMPDIR/list"
	expect FilesFailed=1 FilesTransferred=1
	[ "$(names "$destination_dir")" = \
		'd d/deep d/deep/1 d/deep/1/full e e/more e/more/4 ' ]
	rm -r "$destination_dir/d/deep/1"
	run_sync 0 --files-from="$BATS_TEST_TMPDIR/list"
	[ "$(names "$destination_dir")" = \
		'd d/deep d/deep/1 e e/more e/more/4 ' ]
}

@test "a list is not read by listing directories" {
	local s0 s1 d0 d1
	need_servers
	fresh_pair counted
	"$MKTREE" --uniform --dirs 20 --files 100 --size 10 "$source_dir"
	run_sync 0
	s0=$(proxy_stats counted_source)
	d0=$(proxy_stats counted_destination)
	(cd "$source_dir" && find . -type f -name '*7') |
		run_sync 0 --files-from=-
	[ "$(counter FilesUnchanged)" -ge 200 ]
	expect FilesTransferred=0 FilesFailed=0
	s1=$(proxy_stats counted_source)
	d1=$(proxy_stats counted_destination)
	printf 'source:\n%s\ndestination:\n%s\n' "$s1" "$d1"
	[ "$(stat_of "$s0" op_READDIR)" = "$(stat_of "$s1" op_READDIR)" ]
	[ "$(stat_of "$d0" op_READDIR)" = "$(stat_of "$d1" op_READDIR)" ]
	# Many names a round trip.
	(($(stat_of "$s1" calls) - $(stat_of "$s0" calls) <= 70))
}

@test "bad lists are refused, and what does not go with a list" {
	local list=$BATS_TEST_TMPDIR/list
	fresh_pair dir
	echo file >"$source_dir/file"
	printf 'file\n\n../x\n' >"$list"
	refused "$list:3: a path with .. in it" --files-from="$list"
	printf 'file\n"x' >"$list"
	refused "$list:2: a quote without its end" --files-from="$list"
	printf 'file\0' >"$list"
	refused "$list:1: a NUL" --files-from="$list"
	printf 'file\n%0256d\n' 0 >"$list"
	refused "$list:2: a name of more than 255 bytes" --files-from="$list"
	refused "$list.no: No such file or directory" --files-from="$list.no"
	echo file >"$list"
	refused 'leave --include and --exclude out' --files-from="$list" \
		--exclude=/a
	refused 'give that, too' -0
	refused 'leave --deleted=remove out' --files-from="$list" \
		--deleted=remove
	[ ! -e "$destination_dir/file" ]
	run -2 "$EFSBRIDGE" --state "$state" --files-from=- "$source" \
		"$destination" "$BATS_TEST_TMPDIR"
}

@test "a mount reads its list anew for each run" {
	need_fuse
	fresh_pair dir
	listed_tree
	echo d/3 >"$BATS_TEST_TMPDIR/list"
	cd "$BATS_TEST_TMPDIR"
	view_start --files-from=list
	wait_for 60 has_ended 1
	[ "$(names "$destination_dir")" = 'd d/3 ' ]
	[ "$(cat "$mountpoint/f/6")" = 6 ]
	echo f/6 >"$BATS_TEST_TMPDIR/list"
	echo start >"$mountpoint/.sync/control"
	wait_for 60 has_ended 2
	[ "$(names "$destination_dir")" = 'd d/3 f f/6 ' ]
	echo ../f >"$BATS_TEST_TMPDIR/list"
	echo start >"$mountpoint/.sync/control"
	wait_for 60 grep -q ':1: a path with .. in it' "$mountpoint/.sync/log"
	view_end
}
