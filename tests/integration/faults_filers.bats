#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whatever goes wrong between client and server of NFSv3 and NFSv4.0, which are
# reached through libnfs, see lib/faults.bash. What such a server does twice is
# not counted: NFSv3 has nothing that would prevent it.

bats_require_minimum_version 1.5.0
load lib/common
load lib/faults

setup_file() {
	load lib/common
	have_nfs3_servers || return 0
	server_start source nfs3
	server_start destination nfs3
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_nfs3_servers
}

# Cuts, late and lost replies, and nonsense, at one side.
broken() {
	local fault
	for fault in cut-up cut-down half-down drop late-down xid short garbage; do
		sweep "$1" $fault
	done
}

@test "an NFSv3 source" {
	local fault
	faults_begin nfs3-nfs4
	broken source
	sweep source read-short
	sweep source read-long
	for fault in READDIRPLUS:IO GETATTR:STALE LOOKUP:ACCESS READ:IO \
		READ:DELAY READLINK:IO FSINFO:SERVERFAULT; do
		sweep source error3:$fault
	done
	faults_end
}

@test "an NFSv3 destination" {
	local fault
	faults_begin nfs4-nfs3
	# There are more places than elsewhere.
	((step == 1)) || step=$((3 * step))
	broken destination
	sweep destination write-short
	sweep destination verifier
	for fault in CREATE:IO WRITE:NOSPC WRITE:DELAY SETATTR:PERM \
		RENAME:ACCESS MKDIR:DQUOT SYMLINK:IO LINK:IO REMOVE:STALE \
		COMMIT:IO READDIRPLUS:IO LOOKUP:DELAY; do
		sweep destination error3:$fault
	done
	faults_end
}

@test "an NFSv4.0 source" {
	local fault
	faults_begin nfs4.0-nfs4
	broken source
	sweep source read-short
	sweep source read-long
	for fault in READDIR:IO GETATTR:STALE LOOKUP:ACCESS OPEN:ACCESS \
		READ:IO READ:DELAY READ:BAD_STATEID READLINK:IO; do
		sweep source error:$fault
	done
	faults_end
}
