#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Places that turn against a run: a destination that is full, beyond its quota
# or read-only, a side that is not mounted, a server that takes everybody for
# one user, a user who is not root, a clock that is put right. Each is said in
# words that name the side and what to do; what was there before stays, no file
# is half under its own name, and when the place is well again, the next run
# ends with the right tree.

bats_require_minimum_version 1.5.0
load lib/common

WALLCLOCK=$TOOLS_BUILD/wallclock

setup_file() {
	load lib/common
	have_servers || return 0
	local name
	server_start source
	# Two that are small, and may be made read-only or be taken away.
	for name in destination fickle; do
		mkdir -p "$SERVERS_DIR/$name/export"
		((EUID != 0)) || mount -t tmpfs -o size=4m,mode=755 tmpfs \
			"$SERVERS_DIR/$name/export"
		server_start "$name"
	done
	server_start still readonly
	server_start squashed squash=All_Squash
}

teardown_file() {
	load lib/common
	servers_stop
	local name
	for name in destination fickle; do
		! mountpoint -q "$SERVERS_DIR/$name/export" ||
			umount -l "$SERVERS_DIR/$name/export"
	done
}

teardown() {
	views_end
	local dir
	for dir in "${mounted[@]}"; do
		! mountpoint -q "$dir" || umount -l "$dir"
	done
}

mounted=()

# small DIR [OPTION...]: a file system of 4 MB there.
small() {
	mkdir -p "$1"
	mount -t tmpfs -o "size=4m,mode=755${2:+,$2}" tmpfs "$1"
	mounted+=("$1")
}

# said_once WORDS: in one line, of no more than a few.
said_once() {
	says "$1"
	[ "$(grep -cF -e "$1" "$errors_file")" = 1 ]
	[ "$(wc -l <"$errors_file")" -le 8 ]
}

# whole_or_before: each file of the destination is the source's, or what it was
# before the run; nothing that was there is gone.
whole_or_before() {
	python3 - "$source_dir" "$BATS_TEST_TMPDIR/before" "$destination_dir" \
		"$TEMP_PREFIX" <<-'COMPARE'
		import os, sys
		source, before, destination, prefix = sys.argv[1:]

		def content(root, path):
		    try:
		        with open(os.path.join(root, path), "rb") as f:
		            return f.read()
		    except OSError:
		        return None

		def files(root):
		    for top, _, names in os.walk(root):
		        for name in names:
		            path = os.path.join(top, name)
		            if not os.path.islink(path):
		                yield os.path.relpath(path, root)

		for path in files(destination):
		    if not os.path.basename(path).startswith(prefix):
		        have = content(destination, path)
		        if have not in (content(source, path), content(before, path)):
		            sys.exit("neither the new nor the old one: " + path)
		for path in files(before):
		    if content(destination, path) is None:
		        sys.exit("gone: " + path)
	COMPARE
}

# only_noted_temp_names: what is not whole is in the manifest, for the next run
# to go on with.
only_noted_temp_names() {
	local name
	while read -r name; do
		[ "$(sqlite3 "$state/manifest.db" "SELECT count(*) FROM partial
			WHERE temp_name = CAST('$name' AS BLOB)")" = 1 ] || {
			echo "left, and not noted: $name" >&2
			return 1
		}
	done < <(find "$destination_dir" -name "$TEMP_PREFIX*" -printf '%f\n')
}

# More than 4 MB; some of it is to replace what the destination has.
fill_source() {
	local n
	mkdir -p "$source_dir/sub/deep"
	for ((n = 0; n < 100; n++)); do
		head -c 48000 /dev/urandom >"$source_dir/sub/file$n"
	done
	head -c 3M /dev/urandom >"$source_dir/large"
	head -c 100K /dev/urandom >"$source_dir/replaced"
	ln -s nowhere "$source_dir/sub/link"
	ln "$source_dir/sub/file0" "$source_dir/sub/deep/name"
}

fill_destination() {
	echo old >"$destination_dir/replaced"
	mkdir "$destination_dir/own"
	head -c 200K /dev/urandom >"$destination_dir/own/file"
	rm -rf "$BATS_TEST_TMPDIR/before"
	cp -a "$destination_dir" "$BATS_TEST_TMPDIR/before"
}

# roomy PATH: the file system there grows.
roomy() { mount -o remount,size=64m "$1"; }

# --- Full ---------------------------------------------------------------------

full_then_roomy() {
	local root=$1
	fill_source
	fill_destination
	run_sync 1
	said_once "destination $destination: full: make room and run again, \
what is done is kept"
	says 'stopped in'
	expect Status=ERROR
	whole_or_before
	only_noted_temp_names
	# Still full: it ends as soon, and no worse.
	run_sync 1
	said_once 'full: make room'
	whole_or_before
	only_noted_temp_names
	run -0 "$EFSBRIDGE" status --state "$state"
	[[ $output == *ERROR* ]]
	roomy "$root"
	run_sync 0
	no_temp_names "$destination_dir"
	contains_tree "$source_dir" "$destination_dir"
	run_sync 0 --deleted=remove
	same_tree "$source_dir" "$destination_dir"
	run_sync 0
	expect FilesTransferred=0
}

@test "a full destination stops the run in one line, and nothing is lost (dir)" {
	need_root 'a small file system'
	fresh_pair dir
	small "$destination_dir"
	full_then_roomy "$destination_dir"
}

@test "a full destination stops the run in one line, and nothing is lost (nfs)" {
	need_root 'a small file system'
	need_servers
	fresh_pair nfs
	full_then_roomy "$(server_export destination)"
}

@test "a mount on a full destination says so, shows all, and goes on" {
	need_root 'a small file system'
	need_fuse
	fresh_pair dir
	small "$destination_dir"
	fill_source
	fill_destination
	view_start --retries=0
	wait_for 60 grep -qF 'full: make room and run again' \
		"$mountpoint/.sync/log"
	wait_for 60 grep -q 'State *IDLE' "$mountpoint/.sync/status"
	whole_or_before
	# Whatever was copied or not, the source is what is shown.
	diff -r --no-dereference "$source_dir/sub" "$mountpoint/sub"
	cmp "$source_dir/large" "$mountpoint/large"
	cmp "$source_dir/replaced" "$mountpoint/replaced"
	roomy "$destination_dir"
	echo start >"$mountpoint/.sync/control"
	wait_for 60 grep -qF 'SUCCESS' "$mountpoint/.sync/log"
	view_end 60
	contains_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

# --- Quota --------------------------------------------------------------------

@test "a quota that is used up, or a read-only export, from some moment on" {
	need_servers
	fresh_pair nfs
	fill_source
	rm "$source_dir/large"
	fill_destination
	local good=$destination fault words
	# EFS answers so to OPEN, too.
	while read -r fault words; do
		proxy_start tight destination --fault "$fault"
		destination=$(server_url tight "${good##*/}")
		run_sync 1 --state "$state.$fault"
		said_once "destination $destination: $words"
		says 'run again, what is done is kept'
		whole_or_before
		expect FilesFailed=0
		[ "$(counter FilesTransferred)" -gt 0 ]
		server_kill tight
		destination=$good
	done <<-FAULTS
		error:WRITE:DQUOT:10+ its quota is used up
		error:OPEN:DQUOT:15+ its quota is used up
		error:OPEN:ROFS:20+ read-only: export or mount it read-write
	FAULTS
	find "$source_dir/sub" -name 'file[2-9]*' -delete
	run_sync 0 --deleted=remove
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

# --- Read-only ----------------------------------------------------------------

@test "a destination that is exported read-only is said, and is left alone" {
	need_servers
	fresh_pair nfs
	mkdir -p "$(server_export still)/there"
	destination_dir=$(server_export still)/there
	destination=$(server_url still there)
	fill_source
	echo old >"$destination_dir/old"
	run_sync 1
	said_once "destination $destination: read-only: export or mount it \
read-write, and run again"
	[ "$(ls -A "$destination_dir")" = old ]
	# A dry run writes nothing, so it may.
	run -0 "$EFSBRIDGE" sync --dry-run --state "$state" "$source" \
		"$destination"
}

@test "a destination that is remounted read-only, before and in a run" {
	need_root 'a small file system'
	fresh_pair dir
	small "$destination_dir"
	roomy "$destination_dir"
	fill_source
	rm "$source_dir/large"
	fill_destination
	mount -o remount,ro "$destination_dir"
	run_sync 1
	said_once "destination $destination: read-only: export or mount it \
read-write, and run again, what is done is kept"
	diff -r "$BATS_TEST_TMPDIR/before" "$destination_dir"
	mount -o remount,rw "$destination_dir"
	# In the middle of a run, at a moment when nothing is open for writing.
	start_sync --bwlimit=2M
	during_sync 60 has_entries "$destination_dir" 20
	wait_for 60 mount -o remount,ro "$destination_dir" 2>/dev/null
	end_sync 1
	said_once 'read-only: export or mount it read-write'
	whole_or_before
	mount -o remount,rw "$destination_dir"
	run_sync 0 --deleted=remove
	same_tree "$source_dir" "$destination_dir"
}

# --- Not mounted --------------------------------------------------------------

# as_it_was: the destination, to the last byte.
keep_destination() {
	rm -rf "$BATS_TEST_TMPDIR/before"
	cp -a "$destination_dir" "$BATS_TEST_TMPDIR/before"
}

as_it_was() { same_tree "$BATS_TEST_TMPDIR/before" "$destination_dir"; }

# refused SIDE: no command that runs the task begins, and nothing is changed.
refused() {
	local where=${!1} command
	for command in sync verify cutover 'sync --dry-run'; do
		# Two words, some of them.
		# shellcheck disable=SC2086
		run -1 --separate-stderr "$EFSBRIDGE" $command --state "$state" \
			--deleted=remove --max-delete=100% "$source" "$destination"
		printf '%s\n' "$stderr" >"$errors_file"
		says "$1 $where: its root is not the directory that it was in \
the last run: see that the right one is mounted there, and run again; if it is \
meant to be another, say so with --new-root. Nothing was changed"
	done
}

# found_by_check SIDE: `check` says the same, and makes nothing there.
found_by_check() {
	run -1 --separate-stderr "$EFSBRIDGE" check --json --state "$state" \
		"$source" "$destination"
	jq -e --arg side "$1" '[.Checks[] | select(.Check == "root") |
		{(.Side): .Result}] | add ==
		({"source": "OK", "destination": "OK"} + {($side): "FAIL"})' \
		<<<"$output"
	jq -e '[.Checks[].Check] | index("write") == null' <<<"$output"
	jq -e --arg text "${!1}: its root is not the directory that it was in the \
last run" 'any(.Checks[]; .Text == $text and (.Remedy | contains("--new-root")))' \
		<<<"$output"
	"$EFSBRIDGE" check --new-root --state "$state" "$source" "$destination" \
		>"$output_file"
	run -1 grep 'root is' "$output_file"
}

@test "a source that is not mounted is not one from which all was deleted" {
	need_root 'a mount'
	fresh_pair dir
	small "$source_dir"
	"$MKTREE" --seed 21 --entries 60 "$source_dir"
	run_sync 0
	keep_destination
	run -0 "$EFSBRIDGE" check --state "$state" "$source" "$destination"
	[ "$(grep -c '^OK .*its root is the directory that it was' \
		<<<"$output")" = 2 ]
	umount "$source_dir"
	refused source
	found_by_check source
	as_it_was
	# Nor when somebody has left a file there.
	echo stray >"$source_dir/stray"
	refused source
	as_it_was
	# Mounted again it is as before, though another device.
	rm "$source_dir/stray"
	small "$source_dir"
	cp -a "$BATS_TEST_TMPDIR/before/." "$source_dir"
	run_sync 0 --deleted=remove
	expect FilesDeleted=0 FoldersDeleted=0
	as_it_was
	# Somebody who means it.
	umount "$source_dir"
	echo new >"$source_dir/new"
	run_sync 0 --deleted=remove --new-root
	same_tree "$source_dir" "$destination_dir"
	run_sync 0 --deleted=remove
}

@test "a destination that is not mounted is not filled" {
	need_root 'a mount'
	fresh_pair dir
	small "$destination_dir"
	"$MKTREE" --seed 22 --entries 60 "$source_dir"
	run_sync 0
	umount "$destination_dir"
	refused destination
	found_by_check destination
	[ -z "$(ls -A "$destination_dir")" ]
	run_sync 0 --new-root
	same_tree "$source_dir" "$destination_dir"
}

view_has_ended() {
	[ "$(jq -r .EndedExecution "$mountpoint/.sync/status.json")" != 0 ]
}

@test "a mount, too, copies nothing to or from what is not mounted" {
	need_root 'a mount'
	need_fuse
	local meant
	fresh_pair dir
	small "$source_dir"
	"$MKTREE" --seed 23 --entries 60 "$source_dir"
	run_sync 0
	keep_destination
	umount "$source_dir"
	view_start --deleted=remove
	wait_for 60 grep -qF "source $source: its root is not the directory" \
		"$mountpoint/.sync/log"
	view_end 60
	as_it_was
	# Somebody who means it, and then need not say so again.
	echo new >"$source_dir/new"
	for meant in --new-root --deleted=keep; do
		view_start "$meant"
		wait_for 60 view_has_ended
		[ "$(jq -r .Status "$mountpoint/.sync/status.json")" = SUCCESS ]
		view_end 60
	done
	[ "$(<"$destination_dir/new")" = new ]
}

@test "a source that is unmounted during a run is copied to its end" {
	need_root 'a mount'
	fresh_pair dir
	small "$source_dir"
	fill_source || true
	rm -f "$source_dir/large"
	cp -a "$source_dir" "$BATS_TEST_TMPDIR/whole"
	mkdir "$destination_dir/own"
	start_sync --deleted=remove --bwlimit=2M
	during_sync 60 has_entries "$destination_dir" 20
	# What is in use is not unmounted but by force.
	run ! umount "$source_dir"
	umount -l "$source_dir"
	end_sync 0
	same_tree "$BATS_TEST_TMPDIR/whole" "$destination_dir"
	keep_destination
	refused source
	as_it_was
}

# fickle_without: the server is killed, what it exports goes, and it is back
# with the empty directory below.
fickle_without() {
	server_kill fickle
	umount "$(server_export fickle)"
	server_restart fickle
}

fickle_with() {
	server_kill fickle
	mount -t tmpfs -o size=64m,mode=755 tmpfs "$(server_export fickle)"
	cp -a "$BATS_TEST_TMPDIR/whole" "$source_dir"
	server_restart fickle
}

@test "a server that lost what it exports, during a run and before one" {
	need_root 'a mount'
	need_servers
	fresh_pair dir
	local dir
	dir=$(server_export fickle)/$BATS_TEST_NUMBER
	mount -o remount,size=64m "$(server_export fickle)"
	mkdir "$dir"
	source_dir=$dir
	fill_source
	cp -a "$dir" "$BATS_TEST_TMPDIR/whole"
	source=$(server_url fickle "$BATS_TEST_NUMBER" deadline=20)
	run_sync 0
	keep_destination
	# All changes, so that it takes a while; much is on the destination alone.
	find "$dir" -type f -exec touch -d '2002-02-02' {} +
	cp -a "$destination_dir/sub" "$destination_dir/sub2"
	start_sync --deleted=remove --transfer-mode=changed --bwlimit=1M
	some_are_old() {
		[ "$(find "$destination_dir" -type f -not -newermt 2003-01-01 |
			wc -l)" -ge 5 ]
	}
	during_sync 60 some_are_old
	fickle_without
	local got=0
	wait_for 90 sync_is_gone
	wait "$sync_pid" || got=$?
	local source_text=${source%%\?*}
	if [ "$got" != 1 ]; then
		show_run "$got"
		return 1
	fi
	no_suspicious_words
	says "source $source_text: gone: it was removed, or its server has lost"
	# Nothing was removed: neither what it alone has nor what is gone there.
	diff -r --no-dereference "$BATS_TEST_TMPDIR/before/sub" \
		"$destination_dir/sub"
	diff -r --no-dereference "$BATS_TEST_TMPDIR/before/sub" \
		"$destination_dir/sub2"
	# The path is not there: no run begins.
	run -3 --separate-stderr "$EFSBRIDGE" sync --deleted=remove \
		--state "$state" "$source" "$destination"
	printf '%s\n' "$stderr" >"$errors_file"
	says "the server has no \"/$BATS_TEST_NUMBER\"; make the directory first"
	fickle_with
	rm -rf "$destination_dir/sub2"
	run_sync 0 --deleted=remove --new-root
	same_tree "$source_dir" "$destination_dir"
}

@test "an export that is empty because nothing is mounted there" {
	need_root 'a mount'
	need_servers
	mountpoint -q "$(server_export fickle)"
	fresh_pair dir
	mkdir -p "$(server_export fickle)/only"
	echo x >"$(server_export fickle)/only/x"
	source=$(server_url fickle)
	run_sync 0
	keep_destination
	fickle_without
	refused source
	as_it_was
	mount -t tmpfs -o size=64m,mode=755 tmpfs "$(server_export fickle)"
	server_restart fickle
}

# --- Everybody is one user ----------------------------------------------------

# An access point of EFS that enforces a user is such a server: whoever comes
# is taken for that one.
@test "a server that enforces a user is found out before the run, and said once" {
	need_root 'to give files away'
	need_servers
	fresh_pair nfs
	destination_dir=$(server_export squashed)/$BATS_TEST_NUMBER
	destination=$(server_url squashed "$BATS_TEST_NUMBER")
	mkdir "$destination_dir"
	chown 65534:65534 "$destination_dir"
	"$MKTREE" --seed 31 --entries 80 "$source_dir"
	echo x >"$source_dir/set-id"
	chown 1234:1235 "$source_dir/set-id"
	chmod 6755 "$source_dir/set-id"
	# What a run would meet.
	run -1 "$EFSBRIDGE" check "$source" "$destination"
	[[ $output == *'takes user 0 for user 65534'* ]]
	[[ $output == *'no access point that sets a user'* ]]
	# A dry run has nothing tried; a run says it first, and once.
	run_sync 0
	said_once "destination: owner and group cannot be set, the server \
does not let this user (it sees us as 65534:65534)"
	says 'on EFS through no access point that sets a user' '--no-owner'
	[ "$(head -n 1 "$errors_file" | grep -c 'cannot be set')" = 1 ]
	[ "$(counter MetadataSkipped)" -gt 0 ]
	# All the rest is there: content, times, modes but for the set-id bits.
	rsync -naHc --itemize-changes --no-owner --no-group --no-perms \
		--omit-link-times --modify-window=-1 "$source_dir/" \
		"$destination_dir/" >"$BATS_TEST_TMPDIR/differs"
	[ ! -s "$BATS_TEST_TMPDIR/differs" ]
	[ "$(stat -c '%a %u %g' "$destination_dir/set-id")" = '755 65534 65534' ]
	[ "$(sqlite3 "$state/manifest.db" "SELECT notes FROM entries
		WHERE path = 'set-id'")" = 'no-owner no-mode' ]
	# That is no difference: nothing is done again, and nothing is found.
	run_sync 0
	expect FilesTransferred=0 MetadataApplied=0
	run_sync 0 --verify=all
	expect FilesMismatched=0
	# Who knows it is told nothing.
	run_sync 0 --no-owner
	run ! grep -q 'cannot be set' "$errors_file"
}

@test "a source that enforces a user gives what that user may read" {
	need_root 'to give files away'
	need_servers
	fresh_pair nfs
	source_dir=$(server_export squashed)/$BATS_TEST_NUMBER
	source=$(server_url squashed "$BATS_TEST_NUMBER")
	mkdir "$source_dir"
	echo everybody >"$source_dir/open"
	echo nobody >"$source_dir/closed"
	chmod 600 "$source_dir/closed"
	chown 1234:1235 "$source_dir/open"
	run -1 "$EFSBRIDGE" check "$source" "$destination"
	[[ $output == *'may not be read'* ]]
	run_sync 1
	says 'source closed: reading it is not permitted: run as root, or give uid='
	expect FilesFailed=1
	[ "$(stat -c '%a %u %g' "$destination_dir/open")" = '644 1234 1235' ]
	[ ! -e "$destination_dir/closed" ]
	no_temp_names "$destination_dir"
}

# --- Without root -------------------------------------------------------------

# as_user COMMAND...: somebody who is not root and has no file of his own but
# below $BATS_TEST_TMPDIR/home.
as_user() {
	(
		# The folders of bats are root's alone.
		cd / &&
			HOME=$BATS_TEST_TMPDIR/home XDG_STATE_HOME='' \
				setpriv --reuid 4711 --regid 4712 --clear-groups "$@"
	)
}

# run_as_user STATUS: one run of the pair, with the state where it is by default.
run_as_user() {
	local want=$1 got=0
	shift
	as_user "$EFSBRIDGE" sync --json "$@" "$source" "$destination" \
		>"$output_file" 2>"$errors_file" || got=$?
	if [ "$got" != "$want" ]; then
		show_run "$got (not $want)"
		return 1
	fi
	no_suspicious_words
}

without_root() {
	rm -rf "${BATS_TEST_TMPDIR:?}/home"
	mkdir -p "$BATS_TEST_TMPDIR/home"
	chown 4711:4712 "$BATS_TEST_TMPDIR/home" "$source_dir" "$destination_dir"
	chmod 755 "$source_dir" "$destination_dir"
	mkdir "$source_dir/sub"
	echo mine >"$source_dir/mine"
	chown 4711:4712 "$source_dir/mine"
	echo other >"$source_dir/sub/other"
	chown 1234:1235 "$source_dir/sub/other"
	cp "$source_dir/sub/other" "$source_dir/set-id"
	chown 4711:1235 "$source_dir/set-id"
	chmod 6755 "$source_dir/set-id"
	mkfifo "$source_dir/fifo"
	ln "$source_dir/mine" "$source_dir/sub/linked"
	ln -s mine "$source_dir/link"
	touch -d '2001-02-03 04:05:06.789' "$source_dir/mine" "$source_dir/sub"
	run_as_user 0
	said_once "destination: owner and group cannot be set, the server does \
not let this user (it sees us as 4711:4712): such entries are counted as \
skipped metadata; run as root"
	[ -e "$BATS_TEST_TMPDIR/home/.local/state/efsbridge" ]
	rsync -naHc --itemize-changes --no-owner --no-group --no-perms \
		--specials --omit-link-times --modify-window=-1 "$source_dir/" \
		"$destination_dir/" >"$BATS_TEST_TMPDIR/differs"
	[ ! -s "$BATS_TEST_TMPDIR/differs" ]
	[ "$(stat -c '%a %u %g' "$destination_dir/set-id")" = '755 4711 4712' ]
	[ "$(stat -c '%a %u %g' "$destination_dir/sub/other")" = \
		'644 4711 4712' ]
	run_as_user 0
	expect FilesTransferred=0 MetadataApplied=0 FilesFailed=0
	# What he may not read, and a device.
	echo secret >"$source_dir/secret"
	chmod 600 "$source_dir/secret"
	mkdir -m 700 "$source_dir/closed"
	echo secret >"$source_dir/closed/file"
	mknod "$source_dir/device" c 1 3
	run_as_user 1
	says 'source secret: reading it is not permitted: run as root, or give uid=' \
		'source closed: listing it is not permitted: run as root, or give uid='
	expect FilesFailed=2 FilesSkipped=1
	no_temp_names "$destination_dir"
	[ ! -e "$destination_dir/secret" ]
	# And when he asks before.
	run as_user "$EFSBRIDGE" check "$source" "$destination"
	[[ $output == *'Run as root to keep owners'* ]]
}

@test "without root it copies what it may, and says what that costs (dir)" {
	need_root 'to become somebody else'
	fresh_pair dir
	chmod -R go+rX "$BATS_RUN_TMPDIR"
	without_root
}

@test "without root it copies what it may, and says what that costs (nfs)" {
	need_root 'to become somebody else'
	need_servers
	fresh_pair nfs
	chmod go+rx "$BATS_RUN_TMPDIR"
	without_root
}

@test "who may not write there is told so" {
	need_root 'to become somebody else'
	fresh_pair dir
	chmod -R go+rX "$BATS_RUN_TMPDIR"
	mkdir -p "$BATS_TEST_TMPDIR/home"
	chown 4711:4712 "$BATS_TEST_TMPDIR/home"
	echo x >"$source_dir/x"
	run_as_user 1
	says 'destination x: permission denied: run as root, or let this user write there'
	[ -z "$(ls -A "$destination_dir")" ]
}

# --- Clocks -------------------------------------------------------------------

# clock_set SECONDS: the clock of a program that asks is so far ahead.
clock_set() {
	echo "$1" >"$BATS_TEST_TMPDIR/clock.new"
	mv "$BATS_TEST_TMPDIR/clock.new" "$BATS_TEST_TMPDIR/clock"
}

# with_clock: the programs that are started from here on ask that one. Sanitizers
# would be first.
with_clock() {
	clock_set 0
	export WALLCLOCK_SO=$WALLCLOCK WALLCLOCK=$BATS_TEST_TMPDIR/clock
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$WALLCLOCK_SO" \
		"$EFSBRIDGE" >"$BATS_TEST_TMPDIR/efsbridge"
	chmod +x "$BATS_TEST_TMPDIR/efsbridge"
	EFSBRIDGE=$BATS_TEST_TMPDIR/efsbridge
}

@test "a clock that is put right during a run changes nothing but dates" {
	fresh_pair dir
	with_clock
	local jump
	for jump in 36000 -36000 -315360000; do
		rm -rf "$source_dir" "$destination_dir" "$state"
		mkdir -p "$source_dir" "$destination_dir"
		fill_source
		clock_set 0
		start_sync --bwlimit=5M --max-duration=1h
		during_sync 60 has_entries "$destination_dir" 10
		clock_set "$jump"
		end_sync 0
		same_tree "$source_dir" "$destination_dir"
		# It took seconds, whatever the clock says.
		[ "$(counter TotalDuration)" -gt 100 ]
		[ "$(counter TotalDuration)" -lt 60000 ]
		run -0 "$EFSBRIDGE" history --state "$state"
		[[ ${lines[1]} =~ \ 0:[0-5][0-9]\ +SUCCESS ]]
		[[ ${lines[1]} =~ \ [1-9][0-9.]*\ [KM]iB/s ]]
		run -0 "$EFSBRIDGE" status --state "$state"
		[[ $output =~ took\ 0:[0-5][0-9] ]]
		run -0 "$EFSBRIDGE" report --state "$state"
		[[ ${lines[0]} =~ ,\ [0-9.]+\ (s|ms),\ SUCCESS ]]
		# And the next one, in another time.
		run_sync 0
		expect FilesTransferred=0
	done
}

# no_nonsense: what .sync tells has neither negative rates nor centuries.
no_nonsense() {
	local json
	json=$(cat "$mountpoint/.sync/status.json") || return
	jq -e '.BytesPerSecond >= 0 and .FilesPerSecond >= 0 and
		.EntriesPerSecond >= 0 and
		(.Eta == null or (.Eta >= 0 and .Eta < 3600000)) and
		(.Elapsed == null or (.Elapsed >= 0 and .Elapsed < 3600000)) and
		(.Progress >= 0 and .Progress <= 1)' <<<"$json" >/dev/null || {
		echo "nonsense: $json" >&2
		return 1
	}
	if grep -E '^efsbridge_[^ ]* -[0-9]' "$mountpoint/.sync/metrics" >&2
	then
		return 1
	fi
	[ -s "$mountpoint/.sync/dashboard.html" ]
	cat "$mountpoint/.sync/status" >/dev/null
}

@test "a mount shows no nonsense when the clock jumps, and keeps its timetable" {
	need_fuse
	fresh_pair dir
	with_clock
	fill_source
	local jump seen
	view_start --bwlimit=3M --interval=1s
	wait_for 60 has_entries "$destination_dir" 10
	for jump in 36000 -36000 315360000 -315360000; do
		clock_set "$jump"
		no_nonsense
		sleep 0.3
		no_nonsense
	done
	clock_set 0
	wait_for 60 grep -qF SUCCESS "$mountpoint/.sync/log"
	contains_tree "$source_dir" "$destination_dir"
	# The next runs are due by the time that passes, not by the clock.
	for jump in -360000 360000; do
		clock_set "$jump"
		seen=$(jq .EndedExecution "$mountpoint/.sync/status.json")
		more_ended() {
			[ "$(jq .EndedExecution \
				"$mountpoint/.sync/status.json")" -gt "$1" ]
		}
		wait_for 60 more_ended "$((seen + 1))"
		no_nonsense
	done
	view_end 60
}
