#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The merged view shows the union of both sides, before, during and after a
# sync, to programs that know nothing of it.
#
# What it must show is worked out by tests/tools/treeprint from the two backing
# directories as they were before.

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

setup() {
	need_servers
	need_fuse
}

teardown() {
	touch "$BATS_TEST_TMPDIR/stop"
	views_end
}

TREEPRINT=$TOOLS_SOURCE/treeprint
READERS=$TOOLS_SOURCE/readers

# stale_pair PAIR: a source, and a destination that has some of it, some of it
# out of date, and entries of its own, also of other types under the same names.
stale_pair() {
	fresh_pair "$1"
	"$MKTREE" --seed 31 --entries 1200 "$source_dir"
	cp -a "$source_dir/." "$destination_dir"
	"$MKTREE" --seed 34 --entries 800 "$source_dir/new"
	"$MKTREE" --seed 32 --mutate --changes 300 --keep "$source_dir" >/dev/null
	"$MKTREE" --seed 33 --entries 200 "$destination_dir/only here"
}

# expect_union: notes what the view must show from now on.
expect_union() {
	union=$BATS_TEST_TMPDIR/union
	digests=$BATS_TEST_TMPDIR/digests
	"$TREEPRINT" --digests "$digests" "$source_dir" "$destination_dir" \
		>"$union"
	[ -s "$union" ] && [ -s "$digests" ]
}

shows_union() {
	local seen=$BATS_TEST_TMPDIR/seen
	"$TREEPRINT" "$mountpoint" >"$seen" || return
	cmp -s "$union" "$seen" && return
	echo "not the union ($1):" >&2
	diff "$union" "$seen" | head -n 40 >&2
	return 1
}

status_of_view() {
	jq -r ".$1" "$mountpoint/.sync/status.json"
}

# more_is_copied: than at the last time; notes how many files are.
more_is_copied() {
	local now
	now=$(status_of_view FilesTransferred)
	((now > copied)) && copied=$now
}

run_has_ended() {
	[ "$(status_of_view EndedExecution)" -ge "$1" ] 2>/dev/null
}

@test "the union is shown before, during and after the sync, to readers as well" {
	local looks readers copied=0
	stale_pair nfs
	expect_union
	view_start --no-sync --jobs=1
	shows_union 'before the sync'

	"$READERS" --processes 8 --until "$BATS_TEST_TMPDIR/stop" \
		--report "$BATS_TEST_TMPDIR/report" "$digests" "$mountpoint" \
		>"$BATS_TEST_TMPDIR/complaints" 2>&1 3>&- 4>&- &
	readers=$!
	# Looked at in the middle: held whenever some more has been copied; and
	# while it goes on.
	echo start >"$mountpoint/.sync/control"
	for looks in 1 2; do
		wait_for 60 more_is_copied
		echo pause >"$mountpoint/.sync/control"
		! run_has_ended 1 || return 1
		shows_union "in the middle of the sync, look $looks"
		echo resume >"$mountpoint/.sync/control"
	done
	until run_has_ended 1; do
		shows_union 'while the sync goes on'
	done
	shows_union 'after the sync'
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$readers" || {
		head -n 20 "$BATS_TEST_TMPDIR/complaints" >&2
		return 1
	}
	cat "$BATS_TEST_TMPDIR/report"
	[ "$(status_of_view Status)" = SUCCESS ]
	contains_tree "$source_dir" "$destination_dir"

	# What was copied is now served by the destination, in a new mount too.
	view_end
	view_start --no-sync
	shows_union 'in a new mount'
	view_end
}

@test "the origin is the destination once a file is verified, the source when it changes" {
	fresh_pair nfs
	echo one >"$source_dir/file"
	echo only >"$destination_dir/other"
	view_start --no-sync -o attr_timeout=0,entry_timeout=0
	[ "$(origin_of file)" = source ]
	[ "$(origin_of other)" = destination ]
	inode=$(stat -c %i "$mountpoint/file")
	echo start >"$mountpoint/.sync/control"
	wait_for 60 run_has_ended 1
	[ "$(origin_of file)" = destination ]
	[ "$(stat -c %i "$mountpoint/file")" = "$inode" ]
	[ "$(getfattr --only-values -n user.efsbridge.state "$mountpoint/file")" = verified ]

	echo two, longer >"$source_dir/file"
	[ "$(origin_of file)" = source ]
	[ "$(cat "$mountpoint/file")" = 'two, longer' ]
	echo start >"$mountpoint/.sync/control"
	wait_for 60 run_has_ended 2
	[ "$(origin_of file)" = destination ]
	[ "$(cat "$mountpoint/file")" = 'two, longer' ]
	[ "$(stat -c %i "$mountpoint/file")" = "$inode" ]

	# Gone from the source: the destination keeps it, under its number.
	rm "$source_dir/file"
	[ "$(origin_of file)" = destination ]
	[ "$(stat -c %i "$mountpoint/file")" = "$inode" ]
	view_end
}

origin_of() {
	getfattr --only-values -n user.efsbridge.origin "$mountpoint/$1"
}

@test "tar, rsync, cp, find, ls and du read the whole view" {
	local copy=$BATS_TEST_TMPDIR/copy
	stale_pair nfs
	expect_union
	view_start --no-sync
	mkdir "$copy"-{tar,rsync,cp}
	tar c -C "$mountpoint" --format=posix . | tar xp -C "$copy-tar" --numeric-owner
	rsync -aH --numeric-ids "$mountpoint/" "$copy-rsync/"
	cp -a "$mountpoint/." "$copy-cp"
	for how in tar rsync cp; do
		"$TREEPRINT" "$copy-$how" | without_sockets >"$BATS_TEST_TMPDIR/$how"
		without_sockets <"$union" | diff - "$BATS_TEST_TMPDIR/$how" | head -n 20 >"$BATS_TEST_TMPDIR/differences"
		[ ! -s "$BATS_TEST_TMPDIR/differences" ] || {
			echo "copied by $how:" >&2
			cat "$BATS_TEST_TMPDIR/differences" >&2
			return 1
		}
	done
	[ "$(find "$mountpoint" -mindepth 1 -ls | wc -l)" -ge "$(wc -l <"$union")" ]
	[ "$(find "$mountpoint" -mindepth 1 -printf x | wc -c)" = "$(wc -l <"$union")" ]
	ls -lR "$mountpoint" >/dev/null
	du -s "$mountpoint" >/dev/null
	view_end
}

# Sockets are left out by tar; times are compared to the second by none of
# these, but links may be counted across what was left out.
without_sockets() {
	grep -v '^140000 ' || true
}

@test "git works in the view as on a read-only disk" {
	fresh_pair nfs
	git init -q "$source_dir/repository"
	(
		cd "$source_dir/repository" || exit
		git config user.name nobody
		git config user.email nobody@example.org
		mkdir -p a/b
		for i in $(seq 200); do echo "$i" >"a/b/$i"; done
		git add -A
		git commit -qm all
	)
	view_start
	cd "$mountpoint/repository"
	[ -z "$(git -c safe.directory='*' status --porcelain)" ]
	[ "$(git -c safe.directory='*' log --oneline | wc -l)" = 1 ]
	git -c safe.directory='*' fsck --no-progress
	wait_for 60 run_has_ended 1
	[ -z "$(git -c safe.directory='*' status --porcelain)" ]
	cd /
	view_end
}
