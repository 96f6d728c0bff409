#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Killed: the program, the servers, the connections, each many times at random
# moments of runs that go on or are begun again. Nothing is lost, no name of the
# destination ever holds what it never should, nothing is left under a temporary
# name, and what changes names is executed once.
#
#	KILLS         of `efsbridge sync`, and as many of the mount (10)
#	SERVER_KILLS  of servers under a run, and of servers under readers (6)
#	CUTS          of all connections of a side (10)
#	STALLS        of a server or the network for longer than the lease (2)
#	OUTAGE_S      how long both sides are gone together (15)
#	EXACT_STEP    every how many-th reply is lost in the sweeps (11)
#
# `make check-long` makes them 200, 200, 200, 40, 200 and 1. kill.bats looks at the
# manifest of copies that are killed, chaos.bats at one failure at a time,
# faults.bats at what a run says of each.

bats_require_minimum_version 1.5.0
load lib/common

# The same moments for the same seed, as far as the work is the same.
KILL_SEED=${KILL_SEED:-1}
KILLS=${KILLS:-10}
SERVER_KILLS=${SERVER_KILLS:-6}
CUTS=${CUTS:-10}
STALLS=${STALLS:-2}
OUTAGE_S=${OUTAGE_S:-15}
EXACT_STEP=${EXACT_STEP:-11}

# Short, so that it is over soon. What tells of it takes half as long again.
LEASE_S=3

VERSIONS=$TOOLS_SOURCE/versions
TREEPRINT=$TOOLS_SOURCE/treeprint
READERS=$TOOLS_SOURCE/readers

setup_file() {
	load lib/common
	have_servers || return 0
	local name
	for name in source destination; do
		server_start "$name" "Lease_Lifetime=$LEASE_S" \
			"Grace_Period=$LEASE_S" Graceless=false
		# A little distance makes a run long enough to be met in it.
		proxy_start "far_$name" "$name" --delay 10
	done
	# It says what it executes, and nobody loses its lease.
	server_start exact verbose
	proxy_start far_exact exact --delay 10
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	RANDOM=$KILL_SEED
	known=$BATS_TEST_TMPDIR/known
}

teardown() {
	touch "$BATS_TEST_TMPDIR/stop"
	views_end
}

# --- What is copied ---------------------------------------------------------

# first_tree ENTRIES: what a run begins with.
first_tree() {
	"$MKTREE" --seed "$KILL_SEED" --entries "$1" "$source_dir"
	change 0
}

# change N: another state of the source, noted as what its names may hold.
change() {
	(($1 == 0)) || "$MKTREE" --mutate --seed "$1" --changes 150 \
		"$source_dir" >/dev/null
	# It may have become anything.
	rm -rf "$source_dir/large-$(($1 % 3))"
	head -c $((1 + RANDOM % 10))M /dev/urandom >"$source_dir/large-$(($1 % 3))"
	"$VERSIONS" note "$known" "$source_dir"
}

manifest_is_true() {
	[ ! -e "$state/manifest.db" ] ||
		"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
}

no_wrong_byte() { "$VERSIONS" check "$known" "$destination_dir"; }

# After a run that ended well.
is_whole() {
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
	no_wrong_byte
}

# --- Moments ----------------------------------------------------------------

# calls_made: on both sides, by all that went through the proxies so far.
calls_made() {
	local side sum=0
	for side in far_source "${far_destination:-far_destination}"; do
		sum=$((sum + $(stat_of "$(proxy_stats "$side")" calls)))
	done
	echo "$sum"
}

has_made() { [ "$(calls_made)" -ge "$1" ]; }
made_or_over() { sync_is_gone || has_made "$1"; }

# listed: how often the destination was asked for a listing.
listed() {
	stat_of "$(proxy_stats "${far_destination:-far_destination}")" op_READDIR
}
lists_or_over() { sync_is_gone || [ "$(listed)" -gt "$1" ]; }

# begin_sync [OPTION...]: a run in the background that has opened both sides:
# before that a server that takes no connections ends it. What else may happen
# to it may happen at any moment.
# shellcheck disable=SC2120
begin_sync() {
	local before
	before=$(listed)
	start_sync "$@"
	wait_for 60 lists_or_over "$before"
}

# moment N: within the next N calls; 1: the run was over before.
moment() {
	wait_for 120 made_or_over $(($(calls_made) + RANDOM % $1)) || {
		show_run 'nothing: it does not get on'
		return 2
	}
	! sync_is_gone
}

# --- What happens to servers ------------------------------------------------

# suffer WHAT SIDE: one server, or both, as the word says.
suffer() {
	local server
	case $1 in
	kept) # killed, and started again with what it knew of its clients
		server_restart "$2"
		;;
	lost) # .. or without
		server_kill "$2"
		rm -rf "$SERVERS_DIR/$2/recovery"
		mkdir "$SERVERS_DIR/$2/recovery"
		server_restart "$2"
		;;
	both) # at once, one with and one without
		server_kill source
		server_kill destination
		rm -rf "$SERVERS_DIR/$2/recovery"
		mkdir "$SERVERS_DIR/$2/recovery"
		for server in source destination; do
			server_restart "$server"
		done
		;;
	stopped) # it stands still for longer than the lease
		server_signal "$2" STOP
		sleep $((LEASE_S * 2))
		server_signal "$2" CONT
		;;
	network) # nothing passes for longer than the lease
		server_signal "far_$2" STOP
		sleep $((LEASE_S * 2))
		server_signal "far_$2" CONT
		;;
	*) return 1 ;;
	esac
}

other_side() {
	if [ "$1" = source ]; then echo destination; else echo source; fi
}

# suffer_often TIMES WHAT...: during runs, one of these after the other, now at
# one side and now at the other; `both` counts twice. Each run must end well, by
# itself. In $suffered is how often it was. $begin is how a run begins.
suffer_often() {
	local times=$1 n changes=0 side=source r what begin=${begin:-begin_sync}
	shift
	suffered=0
	"$begin" --deleted=remove
	for ((n = 0; suffered < times; n++)); do
		r=1
		while ((r == 1)); do
			r=0
			moment 120 || r=$?
			((r == 1)) || continue
			end_sync 0
			expect FilesFailed=0 Status=SUCCESS
			is_whole
			change $((++changes))
			"$begin" --deleted=remove
		done
		((r == 0))
		what=${*:n % $# + 1:1}
		echo "$suffered: $what, $side"
		suffer "$what" "$side"
		suffered=$((suffered + 1))
		[ "$what" != both ] || suffered=$((suffered + 1))
		no_wrong_byte
		side=$(other_side "$side")
	done
	end_sync 0 240
	expect FilesFailed=0 Status=SUCCESS
	is_whole
}

# --- The program ------------------------------------------------------------

@test "kill -9 of a sync, and of the next one" {
	local killed=0 changes=0 near=120 status
	fresh_pair far
	first_tree 600
	while ((killed < KILLS)); do
		start_sync --deleted=remove
		if moment "$near"; then
			status=0
			kill -KILL "$sync_pid"
			wait "$sync_pid" || status=$?
			[ "$status" = 137 ]
			killed=$((killed + 1))
			no_suspicious_words
			manifest_is_true
			no_wrong_byte
		else
			end_sync 0
			is_whole
			change $((++changes))
		fi
	done
	run_sync 0 --deleted=remove
	expect FilesFailed=0
	is_whole
	echo "# $killed kills, $killed survived, in $((changes + 1)) changes" >&3
}

ended() {
	[ "$(jq -r .EndedExecution "$mountpoint/.sync/status.json")" -ge "$1" ] \
		2>/dev/null
}

made_or_ended() { ended "$2" || has_made "$1"; }

@test "kill -9 of the mount that copies, and of the next one" {
	need_fuse
	local killed=0 changes=0 run=0
	fresh_pair far
	first_tree 400
	while ((killed < KILLS)); do
		run=$((run + 1))
		view_start --deleted=remove
		wait_for 120 made_or_ended $(($(calls_made) + RANDOM % 120)) \
			"$run"
		if ended "$run"; then
			[ "$(jq -r .Status "$mountpoint/.sync/status.json")" = \
				SUCCESS ]
			view_end
			is_whole
			change $((++changes))
			continue
		fi
		kill -KILL "$view_pid"
		wait "$view_pid" || true
		killed=$((killed + 1))
		no_suspicious_words "$view_errors" "$state/log"
		views_end
		manifest_is_true
		no_wrong_byte
		# Now and then nobody mounts it again.
		if ((killed % 5 == 0)); then
			run=$((run + 1))
			run_sync 0 --deleted=remove
			is_whole
			change $((++changes))
		fi
	done
	view_start --deleted=remove
	wait_for 120 ended $((run + 1))
	view_end
	is_whole
	echo "# $killed kills, $killed survived, in $((changes + 1)) changes" >&3
}

# --- The servers ------------------------------------------------------------

@test "kill -9 of servers, with their state kept and without" {
	fresh_pair far
	source+='?conns=4'
	destination+='?conns=4'
	first_tree 600
	suffer_often "$SERVER_KILLS" kept lost both
	echo "# $suffered kills, $suffered survived" >&3
}

# client_ids: how many were asked for through the proxies.
client_ids() {
	echo $(($(stat_of "$(proxy_stats far_source)" op_EXCHANGE_ID) + \
		$(stat_of "$(proxy_stats far_destination)" op_EXCHANGE_ID)))
}

@test "a server, or the network, gone for longer than the lease" {
	local before begin=start_sync
	fresh_pair far
	source+='?conns=2'
	destination+='?conns=2'
	first_tree 600
	before=$(client_ids)
	suffer_often "$STALLS" network stopped stopped network
	# More than each run asks for at its start: leases were lost.
	(($(client_ids) - before > 2 * $(counter Execution)))
	echo "# $suffered stalls, $suffered survived" >&3
}

# --- An outage --------------------------------------------------------------

# No byte passes, and whoever connects is not refused: a network that is gone.
network_goes() {
	server_signal far_source STOP
	server_signal far_destination STOP
	gone_at=$EPOCHSECONDS
}

network_is_back() {
	server_signal far_source CONT
	server_signal far_destination CONT
}

# outlast: until the outage has lasted.
long_enough() { ((EPOCHSECONDS - gone_at >= OUTAGE_S)); }
outlast() { wait_for $((OUTAGE_S + 5)) long_enough; }

goes_on() { ! process_is_gone "$1"; }

# says_times HOW-OFTEN WORDS FILE
says_times() { [ "$(grep -c "$2" "$3")" = "$1" ]; }
says_any() { grep -q "$1" "$2"; }

@test "both sides gone for longer than the lease: a run waits, says so, and goes on" {
	local waiting
	fresh_pair far
	first_tree 1500
	begin_sync
	moment 100
	network_goes
	during_sync 60 says_any 'still trying' "$errors_file"
	outlast
	goes_on "$sync_pid"
	network_is_back
	end_sync 0 240
	expect FilesFailed=0 Status=SUCCESS
	is_whole
	# Once of each side that it waited for, and once that it is back.
	waiting=$(grep -c 'not answering since .*, still trying' "$errors_file")
	((waiting == 1 || waiting == 2))
	says_times "$waiting" 'answers again, after' "$errors_file"
	[ "$(sort "$errors_file" | uniq -d | wc -l)" = 0 ]
	echo "# ${OUTAGE_S} s survived" >&3
}

@test "both sides gone: an interrupt ends a run at once, and the next one has it all" {
	fresh_pair far
	first_tree 1500
	begin_sync
	moment 100
	network_goes
	during_sync 60 says_any 'still trying' "$errors_file"
	kill -INT "$sync_pid"
	end_sync 130
	no_wrong_byte
	network_is_back
	run_sync 0
	is_whole
}

view_says() { grep -q "$1" "$mountpoint/.sync/status"; }
view_state() {
	[ "$(jq -r .State "$mountpoint/.sync/status.json")" = "$1" ]
}

@test "both sides gone: the mount waits, cancels at once, and goes on with all that waits" {
	need_fuse
	local reader status=0
	fresh_pair far
	first_tree 1500
	head -c 3M /dev/urandom >"$source_dir/late"
	"$VERSIONS" note "$known" "$source_dir"
	view_start --jobs=4
	wait_for 60 has_made $(($(calls_made) + 100))
	network_goes
	cat "$mountpoint/late" >"$BATS_TEST_TMPDIR/late" 3>&- 4>&- &
	reader=$!
	wait_for 60 view_says \
		'^Waiting .*for the .*: not answering since .*, still trying'
	jq -e '.SourceSilentSince // .DestinationSilentSince' \
		"$mountpoint/.sync/status.json"
	"$EFSBRIDGE" status --state "$state" "$source" "$destination" |
		grep 'waiting .*still trying'
	view_state RUNNING
	echo cancel >"$mountpoint/.sync/control"
	wait_for 60 view_state IDLE
	[ "$(jq -r .Status "$mountpoint/.sync/status.json")" = CANCELLED ]
	echo start >"$mountpoint/.sync/control"
	wait_for 60 view_says '^Waiting '
	outlast
	view_state RUNNING
	goes_on "$reader"
	network_is_back
	wait_for 240 ended 2
	[ "$(jq -r .Status "$mountpoint/.sync/status.json")" = SUCCESS ]
	wait "$reader" || status=$?
	[ "$status" = 0 ]
	cmp "$BATS_TEST_TMPDIR/late" "$source_dir/late"
	grep 'answers again, after' "$view_errors"
	view_end
	is_whole
	echo "# ${OUTAGE_S} s survived" >&3
}

# --- The connections --------------------------------------------------------

# Counts to compare: what changed names on the server `exact` since the mark.
mark() { : >"$(server_log exact)"; }
executed() { executed_ops exact; }

# between_exact [PROXIES]: a pair whose destination is the server `exact`.
between_exact() {
	fresh_pair "${1:-nfs}"
	rmdir "$destination_dir"
	destination_dir=$(server_export exact)/${destination_dir##*/}
	mkdir "$destination_dir"
	destination=$(server_url "${1:+$1_}exact" "${destination_dir##*/}")
}

@test "connections cut, and nothing is executed twice" {
	local cuts=0 side=source once far_destination=far_exact
	between_exact
	# On a busy machine a short run is over before it is met.
	"$MKTREE" --seed "$KILL_SEED" --entries $((CUTS > 50 ? 3000 : 700)) \
		"$source_dir"
	head -c 10M /dev/urandom >"$source_dir/large"
	mark
	run_sync 0
	once=$(executed)
	[ -n "$once" ]

	while ((cuts < CUTS)); do
		local from=$source_dir
		rm -f "$known"
		between_exact far
		source+='?conns=4'
		destination+='?conns=4'
		rmdir "$source_dir"
		mv "$from" "$source_dir"
		"$VERSIONS" note "$known" "$source_dir"
		mark
		start_sync
		while ((cuts < CUTS)) && moment 40; do
			proxy_cut "far_${side/destination/exact}"
			cuts=$((cuts + 1))
			echo "cut $cuts"
			side=$(other_side "$side")
			no_wrong_byte
		done
		end_sync 0
		expect FilesFailed=0 Status=SUCCESS
		is_whole
		diff <(echo "$once") <(executed)
		rm -rf "$destination_dir"
	done
	echo "# $cuts kills, $cuts survived" >&3
}

# Of each way to change a name: made, linked, replaced, removed, and another
# type in its place.
fill_exact() {
	local n
	mkdir -p "$1/a/b" "$2/a/old"
	for n in 1 2 3 4 5 6 7 8; do
		head -c $((n * 3000)) /dev/urandom >"$1/a/file$n"
	done
	head -c 2500000 /dev/urandom >"$1/large"
	ln -s target "$1/a/symlink"
	ln "$1/a/file1" "$1/a/b/hardlink"
	ln -P "$1/a/symlink" "$1/a/b/link of a link"
	mkfifo "$1/fifo"
	ln -s target "$1/was a file"
	echo now >"$1/was a link"
	mkdir "$1/was a fifo"
	for n in 1 2 3; do
		echo old >"$2/a/file$n"
		echo old >"$2/a/old/$n"
	done
	echo old >"$2/was a file"
	ln -s old "$2/was a link"
	mkfifo "$2/was a fifo"
	echo old >"$2/large"
}

# fresh_exact: a pair in that state.
fresh_exact() {
	between_exact
	cp -a "$BATS_TEST_TMPDIR/new/." "$source_dir"
	cp -a "$BATS_TEST_TMPDIR/old/." "$destination_dir"
	source+='?conns=1'
	destination+='?conns=1'
}

# The run ended well though something happened: no failure, of which a NOENT or
# EEXIST for what had been executed before would be one.
is_exact() {
	expect FilesFailed=0 FilesFailedDelete=0 Status=SUCCESS
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
}

# what_happens FAULT [OPTION-OF-NFSPROXY...]: in one run. Sets `hits`.
what_happens() {
	local name=exact
	fresh_exact
	proxy_start faulty exact --fault "$@"
	destination=$(server_url faulty "${destination_dir##*/}" 'conns=1')
	mark
	start_sync --deleted=remove
	if [ $# -gt 1 ]; then
		died_or_over() { server_is_gone exact || sync_is_gone; }
		wait_for 60 died_or_over
		! server_is_gone exact || server_restart exact
	fi
	end_sync 0
	is_exact
	hits=$(stat_of "$(proxy_stats faulty)" faults)
	server_kill faulty
	rm -rf "$source_dir" "$destination_dir" "$state"
}

# sweep_exact BODY: calls BODY N until it sets `hits` to 0. The first replies
# make the session: who loses these has not begun yet.
sweep_exact() {
	local n hits
	tried=0
	for ((n = 4; ; n += EXACT_STEP)); do
		echo "without the reply to call $n:"
		"$1" "$n"
		((hits > 0)) || break
		tried=$((tried + 1))
		((n < 400))
	done
	((tried > 0))
}

begin_exact() {
	mkdir "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/old"
	fill_exact "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/old"
	fresh_exact
	mark
	run_sync 0 --deleted=remove
	is_exact
	once=$(executed)
	echo "executed once: $once"
}

@test "a lost reply is not executed again: the server has kept it" {
	local once tried kept=0
	begin_exact
	lose() {
		what_happens "cut-down:$1"
		diff <(echo "$once") <(executed)
		kept=$((kept + $(grep -c 'Use session replay cache' \
			"$(server_log exact)" || true)))
	}
	sweep_exact lose
	((kept > 0))
	echo "# $tried replies lost, $kept answered from what was kept" >&3
}

@test "a lost reply that the server has not kept leads to no false failure" {
	local once tried refused=0
	begin_exact
	lose() {
		what_happens "uncached:$1"
		refused=$((refused + $(grep -c NFS4ERR_RETRY_UNCACHED_REP \
			"$(server_log exact)" || true)))
	}
	sweep_exact lose
	((refused > 0))
	echo "# $tried replies lost, and the server could not repeat them" >&3
}

@test "a reply lost with the server that gave it leads to no false failure" {
	local once tried
	begin_exact
	lose() {
		what_happens "cut-down:$1" --victim "$(server_pid exact)"
	}
	sweep_exact lose
	echo "# $tried kills, $tried survived" >&3
}

# --- The mounted view -------------------------------------------------------

shows_union() {
	"$TREEPRINT" "$mountpoint" >"$BATS_TEST_TMPDIR/seen" || return
	diff "$BATS_TEST_TMPDIR/union" "$BATS_TEST_TMPDIR/seen" | head -n 40 >&2
	return "${PIPESTATUS[0]}"
}

# Whoever reads now is answered, however long it takes.
is_usable() {
	timeout 60 ls -l "$mountpoint" >/dev/null
	timeout 60 cmp "$mountpoint/early" "$BATS_TEST_TMPDIR/early"
}

@test "readers of the mount outlive its servers" {
	need_fuse
	local i readers digests=$BATS_TEST_TMPDIR/digests side=source what
	local suffered=0
	local whats=(kept lost both kept lost stopped both network)
	fresh_pair far
	"$MKTREE" --seed 31 --entries 300 "$source_dir"
	cp -a "$source_dir/." "$destination_dir"
	"$MKTREE" --seed 34 --entries 500 "$source_dir/new"
	"$MKTREE" --seed 33 --entries 100 "$destination_dir/only here"
	head -c 5M /dev/urandom >"$BATS_TEST_TMPDIR/early"
	cp "$BATS_TEST_TMPDIR/early" "$source_dir/early"
	"$TREEPRINT" --digests "$digests" "$source_dir" "$destination_dir" \
		>"$BATS_TEST_TMPDIR/union"
	"$VERSIONS" note "$known" "$source_dir"
	"$VERSIONS" note "$known" "$destination_dir"

	view_start --jobs=1 -o attr_timeout=1,entry_timeout=1
	"$READERS" --processes 4 --forget --until "$BATS_TEST_TMPDIR/stop" \
		--report "$BATS_TEST_TMPDIR/report" "$digests" "$mountpoint" \
		>"$BATS_TEST_TMPDIR/complaints" 2>&1 3>&- 4>&- &
	readers=$!
	for ((i = 0; suffered < SERVER_KILLS; i++)); do
		# Much is asked, whether the copy goes on or has ended.
		wait_for 120 has_made $(($(calls_made) + RANDOM % 300))
		what=${whats[i % ${#whats[@]}]}
		echo "$i: $what, $side"
		suffer "$what" "$side"
		suffered=$((suffered + 1))
		[ "$what" != both ] || suffered=$((suffered + 1))
		side=$(other_side "$side")
		is_usable
		no_wrong_byte
		[ ! -s "$BATS_TEST_TMPDIR/complaints" ]
	done
	wait_for 120 ended 1
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$readers" || {
		head -n 20 "$BATS_TEST_TMPDIR/complaints" >&2
		return 1
	}
	[ "$(jq -r .Status "$mountpoint/.sync/status.json")" = SUCCESS ]
	shows_union
	view_end
	contains_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
	echo "# $suffered kills and stalls, $suffered survived by readers of" \
		"$(sed 's/ .*//; s/files=//' "$BATS_TEST_TMPDIR/report") files" >&3
}
