# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A whole small sync again and again, with one thing going wrong in each: the
# first time at the first record or operation that it can hit, then at the
# next, until the run ends before it is hit.
#
# Each run must end with the right tree, or with a failure that it names; then
# nothing goes wrong any more, and the next run, with the same locations and
# the same manifest, must end with the right tree. After both, each row of the
# manifest must be true. Nothing is left behind under a temporary name. A run
# for which all of that is so has survived.
#
#	FAULT_STEP   every how many-th place is tried (17; `make check-long`: 1)
#
# A test begins with faults_begin [PROTOCOLS], calls sweep and ends with
# faults_end, which prints the figures. Failures do not stop it before.
#
# What fresh_pair and its like set is not seen by the linter in here.
# shellcheck disable=SC2154

step=${FAULT_STEP:-17}
fault_protocols=nfs4-nfs4
injected=0
survived=0
failed_runs=0
replayed=0
once=0 # sweep_once: nothing may be done twice

# A little of everything.
faults_fill() {
	local n
	mkdir -p "$1/a/b" "$1/empty"
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

# faults_begin [PROTOCOLS]: as `nfs3-nfs4`.
faults_begin() {
	fault_protocols=${1:-nfs4-nfs4}
	mkdir "$BATS_TEST_TMPDIR/tree" "$BATS_TEST_TMPDIR/before"
	faults_fill "$BATS_TEST_TMPDIR/tree"
	# Something to replace, and something to remove from.
	mkdir "$BATS_TEST_TMPDIR/before/a"
	echo old >"$BATS_TEST_TMPDIR/before/a/file1"
	echo old >"$BATS_TEST_TMPDIR/before/large"
}

# What must be so after each run, whether it failed or not.
nothing_is_wrong() {
	no_suspicious_words || return
	[ ! -e "$state/manifest.db" ] && return
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir" \
		>"$BATS_TEST_TMPDIR/truth" 2>&1 && return
	cat "$BATS_TEST_TMPDIR/truth" >&2
	return 1
}

# one_run: sets $status.
one_run() {
	status=0
	timeout 60 "$EFSBRIDGE" sync --quiet --state "$state" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || status=$?
	cat "$errors_file" >>"$BATS_TEST_TMPDIR/said"
	nothing_is_wrong
}

# The proxy has not seen anything done twice.
nothing_twice() {
	[ "$(stat_of "$stats" repeated)" = 0 ] && return
	cat "$SERVERS_DIR/faulty/log" >&2
	return 1
}

# fault_pair SIDE: a fresh pair, with the proxy on one side.
fault_pair() {
	local name server
	fresh_pair "$fault_protocols"
	name=${source_dir##*/}
	server=source
	[ "$1" != source ] || server=faulty
	source=$(server_url_by "${fault_protocols%-*}" "$server" "$name" \
		'deadline=4&conns=1')
	server=destination
	[ "$1" != destination ] || server=faulty
	destination=$(server_url_by "${fault_protocols#*-}" "$server" "$name" \
		'deadline=4&conns=1')
	cp -a "$BATS_TEST_TMPDIR/tree/." "$source_dir"
	cp -a "$BATS_TEST_TMPDIR/before/." "$destination_dir"
}

# one SIDE FAULT: sets $hits to how often it happened, $status to how the first
# run has ended. It is called where bash does not stop at errors.
one() {
	local side=$1 fault=$2 stats
	: >"$BATS_TEST_TMPDIR/said"
	proxy_start faulty "$side" --fault "$fault" || return
	fault_pair "$side" || return
	one_run || return
	stats=$(proxy_stats faulty) || return
	hits=$(stat_of "$stats" faults)
	places=$(stat_of "$stats" places)
	replayed=$((replayed + $(stat_of "$stats" replayed)))
	[ "$once" = 0 ] || nothing_twice || return
	if [ "$status" != 0 ]; then
		next_run || return
	fi
	server_kill faulty
	same_tree "$source_dir" "$destination_dir" || return
	no_temp_names "$destination_dir" || return
	rm -rf "$source_dir" "$destination_dir" "$state"
}

# The same once more, with nothing wrong; $status stays.
next_run() {
	local first=$status
	if ((first > 3)) || { ((first > 0)) && [ ! -s "$errors_file" ]; }; then
		echo "ended with $first" >&2
		return 1
	fi
	((first == 0)) || failed_runs=$((failed_runs + 1))
	kill -HUP "$(server_pid faulty)"
	one_run || return
	if [ "$status" != 0 ]; then
		echo "the next run ended with $status" >&2
		return 1
	fi
	status=$first
}

# sweep SIDE FAULT: with N in the fault from 1 until it does not happen.
sweep() {
	local side=$1 fault=$2 n hits places status log=$BATS_TEST_TMPDIR/said
	for ((n = 1; n < 400; n += step)); do
		hits=0 places=0
		if one "$side" "$fault:$n" 2>"$BATS_TEST_TMPDIR/why"; then
			survived=$((survived + (hits > 0)))
		else
			echo "$fault:$n at the $side, $fault_protocols:" >&2
			cat "$BATS_TEST_TMPDIR/why" "$log" >&2
			server_kill faulty
			rm -rf "$source_dir" "$destination_dir" "$state"
			((hits > 0)) || hits=1
			# Nothing can be learnt without them.
			server_is_alive source && server_is_alive destination ||
				return
		fi
		injected=$((injected + (hits > 0)))
		((hits > 0)) || return 0
		# A run that went well has been everywhere.
		((status > 0 || n + step <= places)) || return 0
	done
}

# The same, and what is to be done once must not be done twice.
sweep_once() {
	once=1
	sweep "$@"
	once=0
}

# faults_end: what `make check` tells of them.
faults_end() {
	echo "# $injected faults injected, $survived survived" \
		"($failed_runs runs failed by name)" >&3
	((injected > 0 && survived == injected))
}
