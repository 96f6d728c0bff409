#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# contrib/cron under a real cron daemon, which has tables and a mailer of its
# own.

bats_require_minimum_version 1.5.0
load lib/common
load lib/private

setup() {
	need_private
	command -v cron >/dev/null || command -v crond >/dev/null && return
	[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
	skip "no cron daemon is installed"
}

# The table of contrib/cron with its first job thrice, every minute, and with
# other locations: there is something to copy, it cannot work, it is under way.
cron_table() {
	local example=$top/contrib/cron/efsbridge.crontab job
	echo "EFSBRIDGE=$EFSBRIDGE"
	sed "/efsbridge-cron/d; s|^PATH=.*|PATH=$top/contrib/cron:$PATH|" "$example"
	for job in good bad held; do
		sed -n "/^\*\/15 /{
			s|^\*/15|*|
			s|10.0.1.25:/|--state $work/state/$job $work/source/$job|
			s|10.0.2.31:/|$work/destination/$job; echo \$? >$work/status/$job|
			p
		}" "$example"
	done
}

# What takes the place of the mailer: each mail a file.
write_sendmail() {
	cat >"$work/sendmail" <<-MAILER
		#!/bin/sh
		cat >"$work/mail/\$\$.part" && mv "$work/mail/\$\$.part" "$work/mail/\$\$.mail"
	MAILER
}

# In a mount namespace of our own.
run_cron() {
	local cron
	cron=$(command -v cron || command -v crond)
	jobs_ended() { [ "$(find "$work/status" -type f | wc -l)" = 3 ]; }
	# It mails when a job has ended, and only then is the job's process gone.
	nothing_runs() { ! pgrep -P "$cron_pid" >/dev/null; }
	private_sbin "$work" "$work/sendmail"
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /var/spool/cron
	mkdir /var/spool/cron/crontabs
	mount -t tmpfs tmpfs /etc/cron.d
	: | private_file /etc/crontab
	install -m 644 "$work/table" /etc/cron.d/efsbridge
	# In the foreground: Debian's and Fedora's have different words for it.
	case $cron in
	*/crond) "$cron" -n & ;;
	*) "$cron" -f & ;;
	esac
	cron_pid=$!
	# Minutes begin when they do.
	wait_for 130 jobs_ended && wait_for 60 nothing_runs
	kill "$cron_pid"
	wait "$cron_pid" || true
	jobs_ended
}

@test "a crontab copies, mails failures only, and leaves out what is under way" {
	export work=$BATS_TEST_TMPDIR/work
	mkdir -p "$work"/{mail,status,state/held} "$work"/{source,destination}/{good,held}
	"$MKTREE" --seed 71 --entries 50 "$work/source/good"
	echo later >"$work/source/held/file"
	mkdir "$work/source/bad"
	cron_table >"$work/table"

	write_sendmail

	"$EFSBRIDGE" sync --quiet --state "$work/state/held" \
		"$work/source/held" "$work/destination/held"
	rm "$work/destination/held/file"
	exec 9<"$work/state/held/lock"
	flock 9
	in_private run_cron
	exec 9<&-

	# What was to be copied is there, and what was under way was left alone.
	same_tree "$work/source/good" "$work/destination/good"
	[ ! -e "$work/destination/held/file" ]
	[ "$(cat "$work/status/good")" = 0 ]
	[ "$(cat "$work/status/held")" = 0 ]
	[ "$(cat "$work/status/bad")" = 3 ]
	# All mail speaks of the one failure, and says what it is.
	cat "$work"/mail/*.mail
	for mail in "$work"/mail/*.mail; do
		grep -q 'destination/bad: there is no such directory' "$mail"
		run ! grep -E 'source/(good|held)' "$mail"
	done
}
