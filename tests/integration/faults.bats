#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whatever goes wrong between client and server: each fault at each record or
# operation of a whole small sync. A run ends with the right tree, or with a
# failure that it names; and the next one, with nothing wrong, ends with the
# right tree. Nothing is left behind under a temporary name.
#
#	FAULT_STEP   every how many-th place is tried (17; `make check-long`: 1)
#	FAULT_EVERY  every how many-th reason is tried with each operation (7;
#	             `make check-long`: 1)

bats_require_minimum_version 1.5.0
load lib/common

step=${FAULT_STEP:-17}
every=${FAULT_EVERY:-7}
tried=0
happened=0
failed_runs=0

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
}

# A little of everything.
fill() {
	mkdir -p "$1/a/b" "$1/empty"
	local n
	for n in 1 2 3 4 5 6 7 8; do
		head -c $((n * 3000)) /dev/urandom >"$1/a/file$n"
	done
	head -c 2500000 /dev/urandom >"$1/large"
	: >"$1/a/b/nothing"
	ln -s ../file1 "$1/a/b/symlink"
	ln "$1/a/file1" "$1/a/b/hardlink"
	mkfifo "$1/a/fifo"
	chmod 750 "$1/a"
	chmod 4711 "$1/a/file2"
	touch -d '2001-02-03 04:05:06.789' "$1/a/file3" "$1/empty"
}

# one SIDE FAULT: sets $hits to how often it happened.
one() {
	local side=$1 fault=$2 status=0 name
	fresh_pair nfs
	cp -a "$BATS_TEST_TMPDIR/tree/." "$source_dir"
	# Something to replace, and something to remove from.
	cp -a "$BATS_TEST_TMPDIR/before/." "$destination_dir"
	local good_source=$source good_destination=$destination
	name=${!side##*/}
	proxy_start faulty "$side" --fault "$fault"
	source+='?deadline=4&conns=1'
	destination+='?deadline=4&conns=1'
	printf -v "$side" '%s' "$(server_url faulty "$name" 'deadline=4&conns=1')"
	timeout 60 "$EFSBRIDGE" sync --quiet --state "$state" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || status=$?
	hits=$(stat_of "$(proxy_stats faulty)" faults)
	server_kill faulty
	no_suspicious_words || return
	case $status in
	0) ;;
	1 | 2 | 3)
		# A failure has a name.
		failed_runs=$((failed_runs + 1))
		[ -s "$errors_file" ]
		source=$good_source
		destination=$good_destination
		# The same state, though the locations are spelled anew.
		"$EFSBRIDGE" sync --quiet --state "$state.2" "$source" \
			"$destination" >"$output_file" 2>>"$errors_file" || {
			cat "$errors_file" >&2
			return 1
		}
		;;
	*)
		echo "status $status" >&2
		cat "$errors_file" >&2
		return 1
		;;
	esac
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	rm -rf "$source_dir" "$destination_dir" "$state" "$state.2"
}

# sweep SIDE FAULT: with N in the fault from 1 until it does not happen.
sweep() {
	local side=$1 fault=$2 n hits
	for ((n = 1; ; n += step)); do
		one "$side" "$fault:$n" || {
			echo "with $fault:$n at the $side" >&2
			return 1
		}
		tried=$((tried + 1))
		happened=$((happened + hits))
		((hits > 0)) || return 0
		((n < 400))
	done
}

begin() {
	mkdir "$BATS_TEST_TMPDIR/tree" "$BATS_TEST_TMPDIR/before"
	fill "$BATS_TEST_TMPDIR/tree"
	mkdir "$BATS_TEST_TMPDIR/before/a"
	echo old >"$BATS_TEST_TMPDIR/before/a/file1"
	echo old >"$BATS_TEST_TMPDIR/before/large"
}

tell() {
	echo "# $happened faults in $tried runs, of which $failed_runs failed by name" >&3
	((happened > 0))
}

@test "connections that are cut, at any record and in its middle" {
	local side fault
	begin
	for side in source destination; do
		for fault in cut-up cut-down half-up half-down; do
			sweep $side $fault
		done
	done
	tell
}

@test "replies that never come, and replies that are nonsense" {
	local side fault
	begin
	for side in source destination; do
		for fault in drop xid short garbage; do
			sweep $side $fault
		done
	done
	tell
}

@test "short reads, short writes, another write verifier" {
	begin
	sweep source read-short
	sweep destination write-short
	sweep destination read-short
	sweep destination verifier
	tell
}

@test "what concerns session and client id, at any SEQUENCE" {
	local side status
	begin
	# DELAY BADSESSION BADSLOT SEQ_MISORDERED DEADSESSION TOO_MANY_OPS
	for side in source destination; do
		for status in 10008 10052 10053 10063 10078; do
			sweep $side "error:SEQUENCE:$status"
		done
	done
	# STALE_CLIENTID, DELAY and GRACE in the set-up.
	for side in source destination; do
		sweep $side error:EXCHANGE_ID:10008
		sweep $side error:CREATE_SESSION:10022
		sweep $side error:CREATE_SESSION:10008
		sweep $side error:RECLAIM_COMPLETE:10013
	done
	tell
}

@test "each operation, refused for each reason" {
	local op status k=0
	begin
	# DELAY GRACE RESOURCE EXPIRED BAD_STATEID STALE NOSPC DQUOT IO FBIG
	# ACCESS PERM
	for op in OPEN WRITE SETATTR CLOSE RENAME CREATE LINK REMOVE COMMIT; do
		for status in 10008 10013 10018 10011 10025 70 28 69 5 27 13 1; do
			((k++ % every)) || sweep destination "error:$op:$status"
		done
	done
	for op in READ READDIR GETATTR LOOKUP PUTFH READLINK; do
		for status in 10008 10018 10025 70 5 13; do
			((k++ % every)) || sweep source "error:$op:$status"
		done
	done
	tell
}
