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

# What the unit starts, word by word, on a task of its own.
@test "the command of the unit runs a named task" {
	fresh_pair dir
	echo data >"$source_dir/file"
	cat >efsbridge.conf <<-CONF
		[task nightly]
		source = $source_dir
		destination = $destination_dir
		state = $state
	CONF
	chmod 600 efsbridge.conf
	command=$(sed -n "s|^ExecStart=||p" efsbridge@.service)
	command=${command//%i/nightly}
	command=${command//\/etc\//$PWD/}
	# shellcheck disable=SC2086 # words
	run -0 $command
	[ "$(cat "$destination_dir/file")" = data ]
}
