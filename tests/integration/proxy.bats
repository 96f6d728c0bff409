#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The counting, delaying proxy itself: other tests believe its numbers.

load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	proxy_start counting source
	proxy_start distant source --delay 200
	proxy_start plain source --delay 200 --plain
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

# talk PROXY WORD...: send RPCs over one connection without waiting for
# replies, then read all replies; prints the milliseconds this took.
# null: the NULL procedure. look: PUTROOTFH, LOOKUP, GETATTR, in NFSv4.0.
# split: the same in two fragments. future: an operation of number 75.
talk() {
	python3 - "$(server_port "$1")" "${@:2}" <<-'PYTHON'
		import socket, struct, sys, time

		def call(procedure, body=b""):
		    return struct.pack(">10I", 7, 0, 2, 100003, 4, procedure,
		                       0, 0, 0, 0) + body

		def compound(*operations):
		    return call(1, struct.pack(">3I", 0, 0, len(operations))
		                + b"".join(operations))

		def fragment(data, last=True):
		    return struct.pack(">I", len(data) | last << 31) + data

		look = compound(struct.pack(">I", 24),
		                struct.pack(">2I4s", 15, 3, b"abc\0"),
		                struct.pack(">3I", 9, 1, 1 << 4))
		words = {
		    "null": fragment(call(0)),
		    "look": fragment(look),
		    "split": fragment(look[:50], False) + fragment(look[50:]),
		    "future": fragment(compound(struct.pack(">I", 75))),
		}

		with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
		    stream = s.makefile("rb")
		    start = time.monotonic()
		    for word in sys.argv[2:]:
		        s.sendall(words[word])
		    for word in sys.argv[2:]:
		        header, = struct.unpack(">I", stream.read(4))
		        reply = stream.read(header & 0x7fffffff)
		        assert struct.unpack(">2I", reply[:8]) == (7, 1)
		    print(int((time.monotonic() - start) * 1000))
	PYTHON
}

@test "calls, compounds and operations are counted" {
	local before after
	before=$(proxy_stats counting)
	talk counting null look look split
	after=$(proxy_stats counting)

	grown() { echo $(($(stat_of "$after" "$1") - $(stat_of "$before" "$1"))); }
	[ "$(grown connections)" = 1 ]
	[ "$(grown calls)" = 4 ]
	[ "$(grown replies)" = 4 ]
	[ "$(grown compounds)" = 3 ]
	[ "$(grown sequence_only)" = 0 ]
	[ "$(grown undecoded)" = 0 ]
	[ "$(grown op_PUTROOTFH)" = 3 ]
	[ "$(grown op_LOOKUP)" = 3 ]
	[ "$(grown op_GETATTR)" = 3 ]
	# A NULL call is 40 bytes, a look 80; each fragment adds 4.
	[ "$(grown bytes_up)" = $((44 + 84 + 84 + 88)) ]
}

@test "a compound that is not understood is counted as such" {
	local before after
	before=$(proxy_stats counting)
	talk counting future
	after=$(proxy_stats counting)
	[ "$(stat_of "$after" undecoded)" = \
		$(($(stat_of "$before" undecoded) + 1)) ]
}

@test "a round trip takes the delay, and many take no longer" {
	local one many nulls
	one=$(talk distant null)
	mapfile -t nulls < <(yes null | head -n 200)
	many=$(talk distant "${nulls[@]}")
	((one >= 200))
	# One after the other they would take 40 seconds.
	((many >= 200 && many < 20000))
}

@test "a plain proxy delays as well, and passes on all of it" {
	local took before after
	before=$(proxy_stats plain)
	# Split or whole, understood or not: it does not look.
	took=$(talk plain null look split future)
	after=$(proxy_stats plain)
	((took >= 200 && took < 20000))
	[ "$(stat_of "$after" calls)" = 0 ]
	[ $(($(stat_of "$after" bytes_up) - $(stat_of "$before" bytes_up))) = \
		$((44 + 84 + 88 + 60)) ]
}

@test "a large file through two plain proxies is whole" {
	server_start destination
	proxy_start plain_destination destination --delay 20 --plain
	mkdir "$(server_export source)/large" "$BATS_TEST_TMPDIR/state" \
		"$(server_export destination)/large"
	head -c 20000001 /dev/urandom >"$(server_export source)/large/file"
	"$EFSBRIDGE" sync --quiet --state "$BATS_TEST_TMPDIR/state" \
		"$(server_url plain large)" "$(server_url plain_destination large)"
	cmp "$(server_export source)/large/file" \
		"$(server_export destination)/large/file"
}

@test "the counters are written at the end, too" {
	local pid
	proxy_start ending source
	talk ending null
	pid=$(server_pid ending)
	kill -TERM "$pid"
	wait_for 60 test -e "$SERVERS_DIR/ending/stats"
	wait_for 60 server_is_gone ending
	[ "$(stat_of "$(<"$SERVERS_DIR/ending/stats")" calls)" = 1 ]
}

@test "a proxy before a dead server lets its clients go" {
	server_start gone
	proxy_start orphan gone
	talk orphan null
	server_kill gone
	run talk orphan null
	[ "$status" -ne 0 ]
	server_is_alive orphan
}
