#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Executions one after another with the same two volumes, as the mounted daemon
# has them: an execution that lost a side, or was cancelled, leaves the volumes
# as good as new for the next.

load lib/common

EXECUTIONS=${EXECUTIONS:-$TOOLS_BUILD/executions}

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start far_source source --delay 10
	proxy_start far_destination destination --delay 10
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	fresh_pair far
	"$MKTREE" --seed 1 --entries 3000 "$source_dir"
	head -c 40M /dev/urandom >"$source_dir/large"
	coproc "$EXECUTIONS" "$state" "$source?deadline=6" \
		"$destination?deadline=6" 2>"$errors_file" 3>&- 4>&-
	executions=$COPROC_PID
	exec {ask}>&"${COPROC[1]}"- {answer}<&"${COPROC[0]}"-
}

teardown() {
	for name in source destination; do
		server_signal "$name" CONT 2>/dev/null || true
	done
	[ -z "${executions:-}" ] || kill -KILL "$executions" 2>/dev/null || true
}

tell() {
	printf '%s\n' "$@" >&"$ask"
}

# ends STATUS: the execution under way ends so, in time.
ends() {
	local got=nothing
	tell wait
	read -r -t 120 -u "$answer" got || true
	[ "$got" = "$1" ] && return
	echo "it ended as $got, not as $1" >&2
	cat "$errors_file" >&2
	return 1
}

# Another try has found the side again.
succeeds_by_now() {
	local got=nothing
	tell run wait
	read -r -t 120 -u "$answer" got || true
	[ "$got" = SUCCESS ]
}

is_complete() {
	exec {ask}>&-
	wait "$executions"
	executions=
	no_suspicious_words
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
}

# lose SIDE: it stops answering in the middle of an execution, and another one
# finds it gone; then it answers again.
lose() {
	tell run
	wait_for 60 has_entries "$destination_dir" 500
	server_signal "$1" STOP
	ends ERROR
	tell run
	ends ERROR
	server_signal "$1" CONT
	wait_for 60 succeeds_by_now
	is_complete
}

@test "a destination that stopped answering and came back" {
	lose destination
}

@test "a source that stopped answering and came back" {
	lose source
}

@test "a destination that was restarted after it was lost" {
	tell run
	wait_for 60 has_entries "$destination_dir" 500
	server_kill destination
	ends ERROR
	server_restart destination
	wait_for 60 succeeds_by_now
	is_complete
}

@test "executions after one that was cancelled" {
	tell run
	wait_for 60 has_entries "$destination_dir" 500
	tell cancel
	ends CANCELLED
	tell run
	wait_for 60 some_temp_name "$destination_dir"
	tell cancel
	ends CANCELLED
	tell run
	ends SUCCESS
	is_complete
}
