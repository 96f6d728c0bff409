#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What can be wrong with a manifest and the directory it is in: damaged, made by
# something else or by a newer program, not to be written, no room, held by
# another. Whoever reads it says so, with the file's name and what to do, and
# ends with the status that the manual has for it; no tree is touched, and
# without the manifest the next run finds all as it is.
#
#	DAMAGE_LONG=1	also what has to be waited for a minute (`make
#			check-long`)

bats_require_minimum_version 1.5.0
load lib/common

# A manifest of some hundred pages, and the pair that it is of.
setup_file() {
	local d=$BATS_FILE_TMPDIR n
	load lib/common
	mkdir -p "$d/source" "$d/destination"
	for n in {1..8}; do
		mkdir "$d/source/directory$n"
		(cd "$d/source/directory$n" &&
			touch a-file-with-a-name-of-some-length-{001..250})
	done
	echo content >"$d/source/file"
	"$EFSBRIDGE" sync --quiet --state "$d/state" "$d/source" "$d/destination"
}

setup() {
	source=$BATS_FILE_TMPDIR/source
	destination=$BATS_FILE_TMPDIR/destination
	state=$BATS_TEST_TMPDIR/state
	manifest=$state/manifest.db
	fresh_state
}

teardown() {
	[ -z "${holder:-}" ] || kill "$holder" 2>&- || true
	views_end
	! mountpoint -q "$state" || umount -l "$state"
}

fresh_state() {
	rm -rf "$state"
	cp -a "$BATS_FILE_TMPDIR/state" "$state"
}

# flip OFFSET LENGTH: other bytes there.
flip() {
	python3 - "$manifest" "$1" "$2" <<-'FLIP'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2]))
		    data = f.read(int(sys.argv[3]))
		    f.seek(int(sys.argv[2]))
		    f.write(bytes(b ^ 0xa5 for b in data))
	FLIP
}

# command STATUS WORD...: so it ends, in time, and without a crash.
command_ends() {
	local want=$1 got=0
	shift
	timeout "${patience:-30}" "$EFSBRIDGE" "$@" >"$output_file" 2>"$errors_file" || got=$?
	if [ "$got" != "$want" ]; then
		show_run "$got (not $want) of $*"
		return 1
	fi
	no_suspicious_words
}

# All of it is there, and nothing else. A run that was stopped has not put back
# the times of the directories that it looked at.
nothing_touched() {
	[ -z "$(rsync -naHc --delete --omit-dir-times --itemize-changes \
		--numeric-ids --modify-window=-1 "$source/" "$destination/")" ]
}

# who_reads STATUS WORDS...: the commands that only read.
who_reads() {
	local want=$1 command
	shift
	for command in status 'history --json' 'report --html'; do
		# Two words, some of them.
		# shellcheck disable=SC2086
		command_ends "$want" $command --state "$state"
		says "$@"
		[ "$(wc -l <"$errors_file")" = 1 ]
	done
}

# who_runs STATUS WORDS...: those that run it; nothing is changed.
who_runs() {
	local want=$1 command
	shift
	mkdir -p "$BATS_TEST_TMPDIR/view"
	for command in sync 'sync --dry-run' verify; do
		# shellcheck disable=SC2086
		command_ends "$want" $command --state "$state" "$source" \
			"$destination"
		says "$@"
	done
	command_ends "$want" --state "$state" "$source" "$destination" \
		"$BATS_TEST_TMPDIR/view"
	says "$@"
	run ! mountpoint -q "$BATS_TEST_TMPDIR/view"
	nothing_touched
}

# refused WORDS...: by all of them, with status 2, and the file is left alone.
refused() {
	local before
	before=$(cksum <"$manifest")
	who_reads 2 "$manifest: " "$@"
	who_runs 2 "$manifest: " "$@"
	[ "$(cksum <"$manifest")" = "$before" ]
	# And what they say helps.
	mv "$manifest" "$BATS_TEST_TMPDIR/away"
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	expect FilesTransferred=0 FilesVerified=2001
	nothing_touched
	command_ends 0 status --state "$state"
	fresh_state
}

@test "a head that is damaged, a file that is cut, one that is no database" {
	local advice='; move it away, and the next run compares all entries'
	local size
	size=$(stat -c %s "$manifest")
	flip 0 16
	refused 'the manifest is damaged or not a manifest' "$advice"
	flip 16 8
	refused 'the manifest is damaged or not a manifest' "$advice"
	# The schema.
	flip 100 12
	refused 'the manifest is damaged or not a manifest' "$advice"
	truncate -s $((size / 2)) "$manifest"
	refused 'the manifest is damaged or not a manifest' "$advice"
	head -c 60000 /dev/urandom >"$manifest"
	refused 'the manifest is damaged or not a manifest' "$advice"
}

@test "a database of another program, a newer manifest, one that lacks a table" {
	rm "$manifest"
	sqlite3 "$manifest" 'CREATE TABLE x (a); INSERT INTO x VALUES (1)'
	refused 'this database was not made by efsbridge; move it away, or choose'
	sqlite3 "$manifest" 'PRAGMA user_version = 99'
	refused "the manifest was made by a newer efsbridge (schema 99, this \
program knows up to 2); use that one, or choose another state directory with \
--state"
	sqlite3 "$manifest" 'DROP VIEW entries; DROP TABLE entry'
	refused 'the manifest is damaged or not a manifest' 'move it away'
	sqlite3 "$manifest" 'DROP VIEW executions; DROP TABLE execution'
	refused 'the manifest is damaged or not a manifest' 'move it away'
}

@test "a manifest that was emptied is one that was never used" {
	: >"$manifest"
	who_reads 2 "$manifest: the manifest was never used: run the task once"
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	expect FilesTransferred=0 FilesVerified=2001
	nothing_touched
}

@test "what is no file, or not to be read" {
	rm "$manifest"
	mkdir "$manifest"
	who_reads 2 "$manifest: the manifest cannot be opened: Is a directory; \
see to that, or choose another state directory with --state"
	who_runs 2 "$manifest: the manifest cannot be opened: Is a directory"
}

# Where a page begins is where a tree of the database may break; the middle of
# the file has the rows, which nobody looks at before they are needed.
@test "pages that are found damaged in a run end it, and are left alone" {
	local page count before
	count=$(($(stat -c %s "$manifest") / 4096))
	for ((page = 8; page < count - 2; page += count / 5)); do
		flip $((page * 4096)) 4096
		before=$(cksum <"$destination/file")
		local got=0
		timeout 30 "$EFSBRIDGE" sync --state "$state" "$source" \
			"$destination" >"$output_file" 2>"$errors_file" || got=$?
		no_suspicious_words
		case $got in
		1)
			says "state directory $state: manifest.db is damaged: \
stopped, what is done is kept; move it away, and the next run compares all \
entries and makes a new one"
			;;
		2) says "$manifest: the manifest is damaged" 'move it away' ;;
		*)
			show_run "$got with page $page"
			return 1
			;;
		esac
		[ "$(cksum <"$destination/file")" = "$before" ]
		nothing_touched
		rm "$manifest" "$manifest"-* 2>/dev/null || true
		command_ends 0 sync --json --state "$state" "$source" \
			"$destination"
		expect FilesTransferred=0
		fresh_state
	done
	nothing_touched
}

@test "a mount over damaged pages says so in its log, and ends well" {
	need_fuse
	flip $((4096 * 60)) $((4096 * 8))
	view_start
	wait_for 60 grep -qF 'manifest.db is damaged: stopped' \
		"$mountpoint/.sync/log"
	cat "$mountpoint/file" "$mountpoint/.sync/status" \
		"$mountpoint/.sync/status.json" "$mountpoint/.sync/errors" \
		>/dev/null || true
	# It may be in the way of who looks, not of the end.
	find "$mountpoint" -name nothing >/dev/null 2>&1 || true
	view_end 60 || true
	run ! is_mounted "$mountpoint"
	nothing_touched
}

@test "a state directory that is read-only" {
	need_root 'a mount'
	mount --bind "$state" "$state"
	mount -o remount,ro,bind "$state"
	who_reads 2 "$manifest: the manifest cannot be written to; make the file \
and its directory writable, or choose another state directory with --state"
	who_runs 2 "$state/lock: cannot be opened: Read-only file system; make \
the state directory writable, or choose another with --state"
}

# on_small KB: the state directory is a file system of that size.
on_small() {
	! mountpoint -q "$state" || umount "$state"
	mount -t tmpfs -o "size=$1k" tmpfs "$state"
}

@test "a state directory without room, at the start and in a run" {
	need_root 'a small file system'
	on_small 4
	who_runs 2 "$manifest: no space left for the manifest; free some, or \
choose another state directory with --state"
	on_small 60
	command_ends 2 sync --state "$state" "$source" "$destination"
	says "$manifest: no space left for the manifest"
	on_small 260
	command_ends 1 sync --state "$state" "$source" "$destination"
	says "state directory $state: full: make room and run again, what is done \
is kept" 'the last records are lost, their files are compared again next time'
	nothing_touched
	[ "$(wc -l <"$errors_file")" -le 5 ]
	# Those that read go on, and a run does when there is room.
	command_ends 0 history --state "$state"
	mount -o remount,size=16m "$state"
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	expect FilesTransferred=0
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	expect FilesTransferred=0 FilesVerified=0
	nothing_touched
}

@test "room that ends while files are copied loses none of them" {
	need_root 'a small file system'
	on_small 260
	destination=$BATS_TEST_TMPDIR/elsewhere
	mkdir "$destination"
	command_ends 1 sync --state "$state" "$source" "$destination"
	says "state directory $state: full: make room and run again"
	# What has a name there is the source's.
	[ -z "$(rsync -nrc --itemize-changes "$destination/" "$source/")" ]
	mount -o remount,size=16m "$state"
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	[ "$(counter FilesTransferred)" -lt 2001 ]
	nothing_touched
	no_temp_names "$destination"
	"$MANIFEST_TRUTH" "$manifest" "$destination"
}

# hold SQL: another program has the database and does not let go.
hold() {
	python3 - "$manifest" "$1" "$state/held" <<-'HOLD' 3>&- 4>&- &
		import sqlite3, sys, time
		db = sqlite3.connect(sys.argv[1], isolation_level=None)
		for sql in sys.argv[2].split(";"):
		    db.execute(sql).fetchall()
		open(sys.argv[3], "w").close()
		time.sleep(300)
	HOLD
	holder=$!
	disown
	wait_for 60 test -e "$state/held"
}

@test "another run holds the task, another program the manifest" {
	# A run that writes slowly.
	local elsewhere=$BATS_TEST_TMPDIR/elsewhere
	mkdir "$elsewhere"
	state=$BATS_TEST_TMPDIR/other
	manifest=$state/manifest.db
	head -c 20M /dev/urandom >"$BATS_FILE_TMPDIR/large"
	mkdir -p "$BATS_TEST_TMPDIR/slow"
	mv "$BATS_FILE_TMPDIR/large" "$BATS_TEST_TMPDIR/slow"
	"$EFSBRIDGE" sync --quiet --bwlimit=1M --state "$state" \
		"$BATS_TEST_TMPDIR/slow" "$elsewhere" 3>&- 4>&- &
	sync_pid=$!
	wait_for 60 some_temp_name "$elsewhere"
	command_ends 4 sync --no-queue --state "$state" \
		"$BATS_TEST_TMPDIR/slow" "$elsewhere"
	says "is run by process $sync_pid; run again when it has ended"
	command_ends 4 sync --max-wait=1s --state "$state" \
		"$BATS_TEST_TMPDIR/slow" "$elsewhere"
	says "is run by process $sync_pid" 'the time to wait for it (--max-wait)'
	# Who only looks is not held up.
	command_ends 0 status --state "$state"
	command_ends 0 history --state "$state"
	grep -q RUNNING "$output_file"
	kill "$sync_pid"
	wait "$sync_pid" || true
	# A reader of another program holds nobody up.
	state=$BATS_TEST_TMPDIR/state
	manifest=$state/manifest.db
	hold 'BEGIN; SELECT count(*) FROM entry'
	command_ends 0 sync --json --state "$state" "$source" "$destination"
	expect FilesTransferred=0
	kill "$holder"
	# One that writes is waited for, but not for ever.
	[ "${DAMAGE_LONG:-}" ] || return 0
	rm "$state/held"
	hold 'BEGIN IMMEDIATE'
	patience=150 command_ends 1 sync --state "$state" "$source" \
		"$destination"
	says "state directory $state: manifest.db is locked by another program: \
stopped, what is done is kept; close it there (sqlite3?) and run again"
	nothing_touched
}
