#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The mount helper: what it makes of its arguments, and mount(8), /etc/fstab
# and umount(8) with it.

bats_require_minimum_version 1.5.0
load lib/common
load lib/private

teardown() {
	touch "$BATS_TEST_TMPDIR/done"
	views_end
}

HELPER=$top/contrib/mount/mount.fuse.efsbridge

# What takes the place of the program and tells its arguments, one a line.
write_teller() {
	teller=$BATS_TEST_TMPDIR/teller
	printf '%s\n' '#!/bin/sh' 'printf "%s\n" "$@" >>'"$teller.out" >"$teller"
	chmod 755 "$teller"
}

# tells ARGUMENT...: the teller was called with these, and nothing else.
tells() {
	diff <(printf '%s\n' "$@") "$teller.out" && rm "$teller.out"
}

@test "what mount(8) says becomes a command line" {
	write_teller
	export EFSBRIDGE=$teller
	"$HELPER" src:/ /mnt -o destination=dst:/
	tells src:/ dst:/ /mnt
	"$HELPER" src:/ /mnt -n -s -o rw,soft,destination=dst:/,timeo=50,_netdev \
		-t fuse.efsbridge
	tells src:/ dst:/ /mnt -o rw,soft,timeo=50,_netdev
	"$HELPER" src:/ /mnt -o 'destination=nfs://h:1/a?conns=2&uid=3,task=t' \
		-o state=/var/x,interval=15m,nosync,ro
	tells src:/ 'nfs://h:1/a?conns=2&uid=3' /mnt --task=t --state=/var/x \
		--interval=15m --no-sync -o ro
	"$HELPER" '/a b' '/c  d' -o 'destination=/e\040f\054g\134h%i\j,,state=/k\303\244'
	tells '/a b' '/e f,g\h%i\j' '/c  d' '--state=/kä'
	"$HELPER" src:/ /mnt -fv -o destination=dst:/ 2>"$BATS_TEST_TMPDIR/said"
	[ ! -e "$teller.out" ]
	grep -q 'src:/ dst:/ /mnt' "$BATS_TEST_TMPDIR/said"
}

@test "what makes no sense to the helper is refused in words" {
	write_teller
	export EFSBRIDGE=$teller
	refused() {
		local word=$1
		shift
		run -1 "$HELPER" "$@"
		[[ $output == *"$word"* ]]
		[ ! -e "$teller.out" ]
	}
	refused usage
	refused usage src:/
	refused destination= src:/ /mnt
	refused destination= src:/ /mnt -o soft
	refused destination= src:/ /mnt -o destination
	refused 'task=' src:/ /mnt -o destination=dst:/,task=
	refused 'one word too many' src:/ /mnt more -o destination=dst:/
	refused remount src:/ /mnt -o remount,destination=dst:/
	refused namespace src:/ /mnt -N 1 -o destination=dst:/
	refused '-x' src:/ /mnt -nx -o destination=dst:/
	refused '-o' src:/ /mnt -o
	refused '\000' src:/ /mnt -o 'destination=/a\000b'
}

@test "a program that fails is a mount that failed" {
	EFSBRIDGE=false run -32 "$HELPER" src:/ /mnt -o destination=dst:/
}

@test "make install tells the helper where the program is" {
	make -C "${builddir:-$top}" -s install-exec-local \
		DESTDIR="$BATS_TEST_TMPDIR" mounthelperdir=/helpers \
		bindir="$BATS_TEST_TMPDIR/bin"
	write_teller
	mkdir "$BATS_TEST_TMPDIR/bin"
	cp "$teller" "$BATS_TEST_TMPDIR/bin/efsbridge"
	env -u EFSBRIDGE "$BATS_TEST_TMPDIR/helpers/mount.fuse.efsbridge" \
		src:/ /mnt -o destination=dst:/
	tells src:/ dst:/ /mnt
}

linger() {
	touch "$BATS_TEST_TMPDIR/there"
	wait_for 60 test -e "$BATS_TEST_TMPDIR/done"
}

@test "a view ends although a namespace was made while it was mounted" {
	local pid
	need_private
	need_fuse
	fresh_pair dir
	view_start --no-sync
	in_private linger &
	pid=$!
	wait_for 60 test -e "$BATS_TEST_TMPDIR/there"
	view_end
	touch "$BATS_TEST_TMPDIR/done"
	wait "$pid"
}

# By mount(8) itself, from its arguments and from a table.
tell_by_mount() {
	private_sbin "$BATS_TEST_TMPDIR" "$HELPER"
	mkdir "$BATS_TEST_TMPDIR/mnt" "$BATS_TEST_TMPDIR/m n"
	mount -t fuse.efsbridge -o 'destination=dst:/a\054b,soft' src:/ \
		"$BATS_TEST_TMPDIR/mnt"
	private_file /etc/fstab <<-TABLE
		src:/x\040y ${BATS_TEST_TMPDIR// /\\040}/m\040n fuse.efsbridge destination=dst:/a\134054b\040c,task=t,_netdev,soft 0 0
	TABLE
	mount "$BATS_TEST_TMPDIR/m n"
}

@test "mount(8) runs the helper" {
	need_private
	write_teller
	export EFSBRIDGE=$teller HELPER
	in_private tell_by_mount
	# mount(8) of one version puts its own options first, of another last.
	sed -i 's/rw,_netdev,soft/rw,soft,_netdev/' "$teller.out"
	tells src:/ 'dst:/a,b' "$BATS_TEST_TMPDIR/mnt" -o rw,soft \
		'src:/x y' 'dst:/a,b c' "$BATS_TEST_TMPDIR/m n" --task=t \
		-o rw,soft,_netdev
}

# The program itself, by arguments and by a table; $work has source and
# destination.
mount_for_real() {
	local mnt=$work/mnt status=0
	is_free() { flock -n "$work/state/lock" true; }
	private_sbin "$work" "$HELPER"

	mount -t fuse.efsbridge -o "destination=$work/destination,state=$work/state" \
		"$work/source" "$mnt"
	findmnt -t fuse.efsbridge "$mnt"
	[ "$(cat "$mnt/here")" = 'of the source' ]
	[ "$(cat "$mnt/there")" = 'of the destination' ]
	[ -s "$mnt/.sync/status" ]
	wait_for 60 test -e "$work/destination/here"
	umount "$mnt"
	wait_for 60 is_free

	echo 'for nobody' >"$work/source/later"
	private_file /etc/fstab <<-TABLE
		$work/source $mnt fuse.efsbridge destination=$work/destination,state=$work/state,nosync,_netdev,nofail,x-systemd.automount,soft,timeo=50 0 0
	TABLE
	mount -a -t fuse.efsbridge
	findmnt -t fuse.efsbridge "$mnt"
	[ "$(cat "$mnt/later")" = 'for nobody' ]
	# A second time there is nothing to do.
	mount -a -t fuse.efsbridge
	umount "$mnt"
	wait_for 60 is_free
	[ ! -e "$work/destination/later" ]

	mount -t fuse.efsbridge -o "destination=$work/missing,state=$work/state" \
		"$work/source" "$mnt" 2>"$work/said" || status=$?
	[ "$status" = 32 ]
	grep -q "$work/missing: there is no such directory" "$work/said"
	! findmnt -t fuse.efsbridge "$mnt"
}

@test "mount(8), a line of fstab, and umount(8)" {
	need_private
	if [ ! -w /dev/fuse ]; then
		[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
		skip '/dev/fuse is missing'
	fi
	export work=$BATS_TEST_TMPDIR/work HELPER EFSBRIDGE
	mkdir -p "$work"/{source,destination,mnt}
	echo 'of the source' >"$work/source/here"
	echo 'of the destination' >"$work/destination/there"
	in_private mount_for_real
}
