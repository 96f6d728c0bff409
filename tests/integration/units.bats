#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The units of contrib/systemd, as systemd itself understands them.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	local unit
	if ! command -v systemd-analyze >/dev/null; then
		[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
		skip 'systemd-analyze is not installed'
	fi
	units=$BATS_TEST_TMPDIR/units
	mkdir "$units"
	# As make install does it.
	for unit in "$top"/contrib/systemd/*; do
		sed -e "s|@bindir@|${EFSBRIDGE%/*}|" -e 's|@sysconfdir@|/etc|' \
			"$unit" >"$units/${unit##*/}"
	done
	cd "$units" || return
}

teardown() {
	views_end
}

@test "systemd takes all that is in the units" {
	run -0 systemd-analyze verify --man=no ./efsbridge@nightly.service \
		./efsbridge@nightly.timer ./efsbridge-mount@nightly.service
	[ -z "$output" ]
	# It would have told: a word that there is not, a program that there is not.
	echo 'ProtectSytem=strict' >>efsbridge@.service
	run systemd-analyze verify --man=no ./efsbridge@nightly.service
	[[ $output == *ProtectSytem* ]]
}

@test "the units take away what is not needed" {
	systemd-analyze security --offline=true --threshold=30 \
		efsbridge@.service
	# A mount is for others to see, and CAP_SYS_ADMIN is what makes one.
	systemd-analyze security --offline=true --threshold=50 \
		efsbridge-mount@.service
}

@test "the timer fires every quarter of an hour" {
	calendar=$(sed -n 's/^OnCalendar=//p' efsbridge@.timer)
	run -0 systemd-analyze calendar --iterations=4 \
		--base-time='2026-11-23 12:01:00 UTC' "$calendar"
	for time in 12:15:00 12:30:00 12:45:00 13:00:00; do
		[[ $output == *"$time"* ]]
	done
}

# named_pair: a task of its own, for the command that the units start.
named_pair() {
	fresh_pair dir
	"$MKTREE" --seed 111 --entries 200 "$source_dir"
	cat >efsbridge.conf <<-CONF
		[task nightly]
		source = $source_dir
		destination = $destination_dir
		state = $state
	CONF
	chmod 600 efsbridge.conf
}

# run_unit UNIT: what it starts, word by word, with the capabilities that it
# leaves to it.
run_unit() {
	local command capabilities
	command=$(sed -n "s|^ExecStart=||p" "$1")
	command=${command//%i/nightly}
	command=${command//\/etc\//$PWD/}
	command=${command//\$\{MOUNTPOINT\}/$mountpoint}
	capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$1")
	capabilities=${capabilities//CAP_/,+}
	capabilities=${capabilities// /}
	# shellcheck disable=SC2086 # words
	setpriv --no-new-privs --bounding-set="-all${capabilities,,}" $command
}

@test "what the unit leaves to a run is enough for it" {
	((EUID == 0)) || skip 'a unit of the system is run by root'
	mountpoint=
	named_pair
	run -0 run_unit efsbridge@.service
	same_tree "$source_dir" "$destination_dir"
}

@test "what the unit leaves to a mount is enough for it" {
	((EUID == 0)) || skip 'a unit of the system is run by root'
	need_fuse
	named_pair
	fresh_mountpoint
	# It ends when it is mounted, and what serves goes on.
	run_unit efsbridge-mount@.service >"$mountpoint.output" 2>&1 3>&- 4>&-
	is_mounted "$mountpoint"
	run -0 "$EFSBRIDGE" status --config "$PWD/efsbridge.conf" nightly
	[[ $output == *"$mountpoint"* ]]
	umount --lazy "$mountpoint"
	wait_for 60 test ! -e "$state/mount"
	wait_for 60 flock -n "$state/lock" true
}
