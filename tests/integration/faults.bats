#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whatever goes wrong between client and server of NFSv4.1: each fault at each
# record or operation of a whole small sync, see lib/faults.bash.
#
#	FAULT_EVERY  every how many-th reason is tried with each operation (7;
#	             `make check-long`: 1)

bats_require_minimum_version 1.5.0
load lib/common
load lib/faults

every=${FAULT_EVERY:-7}

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

@test "connections that are cut, at any record and in its middle" {
	local side fault
	faults_begin
	for side in source destination; do
		for fault in cut-up cut-down half-up half-down; do
			sweep_once $side $fault
		done
	done
	# Something was done and its answer lost.
	((replayed > 0))
	faults_end
}

@test "replies that never come or late, and requests that do" {
	local side fault
	faults_begin
	for side in source destination; do
		for fault in drop late-up late-down; do
			sweep_once $side $fault
		done
	done
	((replayed > 0))
	faults_end
}

@test "replies that are nonsense" {
	local side fault
	faults_begin
	for side in source destination; do
		for fault in xid garbage; do
			sweep_once $side $fault
		done
		# What stands in the reply as far as it goes is believed, and
		# the rest asked for again, as what may have been done.
		sweep $side short
	done
	faults_end
}

@test "short reads, short writes, another write verifier, too much data" {
	faults_begin
	sweep source read-short
	sweep destination write-short
	sweep destination read-short
	sweep destination verifier
	sweep source read-long
	sweep destination read-long
	faults_end
}

@test "what concerns session and client id, at any SEQUENCE" {
	local side status k=0
	faults_begin
	for side in source destination; do
		for status in DELAY BADSESSION BADSLOT SEQ_MISORDERED \
			DEADSESSION STALE_CLIENTID EXPIRED TOO_MANY_OPS \
			REQ_TOO_BIG REP_TOO_BIG REP_TOO_BIG_TO_CACHE; do
			sweep $side "error:SEQUENCE:$status"
		done
	done
	# And in the set-up.
	for side in source destination; do
		sweep $side error:EXCHANGE_ID:DELAY
		sweep $side error:CREATE_SESSION:STALE_CLIENTID
		sweep $side error:CREATE_SESSION:DELAY
		sweep $side error:RECLAIM_COMPLETE:GRACE
	done
	faults_end
}

@test "requests that are turned away unread" {
	local side status
	faults_begin
	for side in source destination; do
		for status in DELAY RESOURCE TOO_MANY_OPS REQ_TOO_BIG; do
			sweep $side "refuse:$status"
		done
	done
	faults_end
}

# refused SIDE OPERATIONS REASONS: each for each.
refused() {
	local op status
	for op in $2; do
		for status in $3; do
			((k++ % every)) || sweep "$1" "error:$op:$status"
		done
	done
}

@test "each operation, refused for each reason" {
	local k=0
	local later='DELAY GRACE RESOURCE TOO_MANY_OPS REP_TOO_BIG'
	local lost='EXPIRED BAD_STATEID STALE'
	faults_begin
	refused destination \
		'OPEN WRITE SETATTR CLOSE RENAME CREATE LINK REMOVE COMMIT' \
		"$later $lost NOSPC DQUOT IO FBIG ACCESS PERM"
	refused destination 'READ READDIR GETATTR LOOKUP PUTFH VERIFY' \
		"$later $lost IO ACCESS"
	refused source 'READ READDIR GETATTR LOOKUP PUTFH READLINK' \
		"$later $lost IO ACCESS PERM"
	faults_end
}

@test "what goes wrong while the server is tried tells nothing of the server" {
	local n hits status
	faults_begin
	# The owner, the group, and the time of a symlink, which ganesha drops.
	for n in 2 3 4; do
		one destination "error:CREATE:IO:$n"
		((hits == 1))
		((status == 0))
	done
}
