#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The harness of the benches: what it measures by, and that nothing which fails
# is taken for a time. The times themselves are for `make bench`.

load lib/common

setup() {
	bench=$top/tests/bench
	measure=$TOOLS_BUILD/../bench/measure
	operations=$TOOLS_BUILD/../bench/operations
	used=$BATS_TEST_TMPDIR/used
}

# in_lib WORDS: in a shell that has what the scripts share.
in_lib() {
	BENCH_WANTS=$BATS_TEST_TMPDIR/wants bash -c \
		'. "$0/lib.bash"; '"$1" "$bench"
}

@test "measure says the time, the processor's, the memory, and how it ended" {
	local wall cpu peak got=0

	"$measure" "$used" python3 -c '
import time
hold = bytearray(64 << 20)
end = time.process_time() + 0.2
while time.process_time() < end:
    pass
time.sleep(0.3)'
	read -r wall cpu peak <"$used"
	((wall >= 500000 && cpu >= 200000 && cpu < wall && peak >= 64 * 1024))

	run "$measure" "$used" sh -c 'exit 7'
	[ "$status" = 7 ]
	run "$measure" "$used" sh -c 'kill -KILL $$'
	[ "$status" = 137 ]
	"$measure" "$used" "$BATS_TEST_TMPDIR/nothing" || got=$?
	[ "$got" = 127 ]
	# SIGUSR1 when its time has come, and not before.
	run "$measure" --tell 100 "$used" sleep 60
	[ "$status" = 138 ]
	"$measure" --tell 60000 "$used" true
}

@test "operations are counted, and a path that is not there fails them" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	head -c 8192 /dev/zero >"$BATS_TEST_TMPDIR/tree/a"
	: >"$BATS_TEST_TMPDIR/tree/b"
	for what in stat read; do
		find "$BATS_TEST_TMPDIR/tree" -type f -print0 |
			"$operations" --threads 2 "$what" >"$used"
		grep -Eqx '2 [0-9]+' "$used"
	done
	printf '%s\0' "$BATS_TEST_TMPDIR/tree/a" |
		"$operations" --threads 3 --count 50 page >"$used"
	grep -Eqx '50 [0-9]+' "$used"
	run "$operations" stat <<<"$BATS_TEST_TMPDIR/tree/c"
	[ "$status" = 1 ]
	run "$operations" stat </dev/null
	[ "$status" = 2 ]
}

@test "what is wanted is told with its ratio" {
	in_lib 'want 1 more 90 least 100; want 2 less 10 most 15'
	grep -Eq '^want  1 .* got  +90  ratio   0.90  SHORT$' \
		"$BATS_TEST_TMPDIR/wants"
	grep -Eq '^want  2 .* got  +10  ratio   1.50$' "$BATS_TEST_TMPDIR/wants"
	run in_lib 'want 1 nothing "" least 100'
	[ "$status" != 0 ]
}

@test "a run that fails ends the bench with an error" {
	need_servers
	CPU_FILES=100 CPU_ROUNDS=1 "$bench/run" "$used" cpu
	grep -q '^want  3 ' "$used"
	grep -q '^machine  ' "$used"
	run env CPU_FILES=100 CPU_ROUNDS=1 EFSBRIDGE=false "$bench/run" \
		"$used" cpu
	[ "$status" = 1 ]
	[[ $output == *'exit status 1'* ]]
	run grep -c '^want' "$used"
	[ "$output" = 0 ]
}
