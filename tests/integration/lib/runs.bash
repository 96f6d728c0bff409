# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Runs of `efsbridge sync` between a pair of locations.
#
# A pair is two folders, reached as directories (`dir`), through the servers
# `source` and `destination` (`nfs`), or through proxies before these, which
# are called `far_source` and `far_destination` for the pair `far`, and so on.
# The protocols are NFSv4.1 on both sides, or those of a word such as
# `nfs3-nfs4`, `nfs4.0-nfs4` or, through proxies, `far:nfs4-nfs3`.
# fresh_pair sets, for the test that asks:
#
#   source destination          the locations
#   source_dir destination_dir  the folders
#   state                       where the task's state goes
#   tree_options                of mktree: for times that both sides can hold
#   old_time                    one of them, the earlier the better
#
# A run leaves what it printed in $output_file and $errors_file.

output_file=${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:-}}/output
errors_file=${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:-}}/errors

pairs_made=0

# What both sides can hold: NFSv3 has times from 1970 to 2106. For test files.
# shellcheck disable=SC2034
set_times() {
	tree_options=()
	old_time='1969-12-31 23:59:59.123456789'
	case $1 in
	*nfs3*)
		tree_options=(--nfs3)
		old_time='1970-01-01 00:00:00.123456789Z'
		;;
	esac
}

# fresh_pair dir|nfs|PROXIES|[PROXIES:]PROTOCOL-PROTOCOL
fresh_pair() {
	local name=${BATS_TEST_NUMBER:-0}-${1/:/-}-$((++pairs_made))
	local proxies=$1 protocols=nfs4-nfs4 prefix=''
	case $1 in
	*-*)
		protocols=${1#*:}
		proxies=${1%"$protocols"}
		proxies=${proxies%:}
		;;
	nfs) proxies='' ;;
	esac
	case $1 in
	dir)
		source_dir=$BATS_FILE_TMPDIR/dirs/source/$name
		destination_dir=$BATS_FILE_TMPDIR/dirs/destination/$name
		source=$source_dir
		destination=$destination_dir
		;;
	*)
		prefix=${proxies:+${proxies}_}
		source_dir=$(server_export source)/$name
		destination_dir=$(server_export destination)/$name
		source=$(server_url_by "${protocols%-*}" "${prefix}source" \
			"$name")
		destination=$(server_url_by "${protocols#*-}" \
			"${prefix}destination" "$name")
		;;
	esac
	set_times "$protocols"
	state=$BATS_FILE_TMPDIR/state/$name
	mkdir -p "$source_dir" "$destination_dir" "$state"
}

# The pairs of on_each_pair, unless whoever runs the tests knows better:
# PAIRS='nfs3-nfs4 nfs4-nfs3' bats sync.bats
read -ra pairs <<<"${PAIRS:-dir nfs}"

# have_pair PAIR: are there servers for it?
have_pair() {
	case $1 in
	dir) ;;
	*nfs3*) have_nfs3_servers ;;
	*) have_servers ;;
	esac
}

# on_each_pair FUNCTION: for what must hold whatever the backend is.
on_each_pair() {
	local pair
	for pair in "${pairs[@]}"; do
		if ! have_pair "$pair"; then
			[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
			continue
		fi
		echo "between a pair of $pair:"
		fresh_pair "$pair"
		"$1"
	done
}

# no_suspicious_words [FILE...]: words that no program says that is well.
no_suspicious_words() {
	[ $# -gt 0 ] || set -- "$errors_file"
	! grep -nE 'Sanitizer|runtime error:|[Aa]ssert|double free|corrupt' \
		"$@" >&2
}

show_run() {
	echo "exit status $1; it printed:" >&2
	head -c 4000 "$output_file" >&2
	echo "and on standard error:" >&2
	head -c 8000 "$errors_file" >&2
}

# run_sync STATUS [OPTION...]: one run of the pair that must end so.
run_sync() {
	local want=$1 got=0
	shift
	"$EFSBRIDGE" sync --json --state "$state" "$@" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || got=$?
	if [ "$got" != "$want" ]; then
		show_run "$got (not $want)"
		return 1
	fi
	no_suspicious_words || return
	# One JSON object, no more and no less.
	if ! jq -es 'length == 1 and (.[0] | type == "object")' \
		"$output_file" >/dev/null; then
		show_run "$got"
		return 1
	fi
}

# says WORDS...: standard error has each of them.
says() {
	local words
	for words; do
		grep -qF -e "$words" "$errors_file" && continue
		echo "not said: $words" >&2
		cat "$errors_file" >&2
		return 1
	done
}

# start_sync [OPTION...]: a run in the background; its pid is in $sync_pid.
# A shell lets its background commands ignore SIGINT: undone here.
start_sync() {
	env --default-signal=INT "$EFSBRIDGE" sync --json --state "$state" "$@" \
		"$source" "$destination" >"$output_file" 2>"$errors_file" \
		3>&- 4>&- &
	sync_pid=$!
}

sync_is_gone() { process_is_gone "$sync_pid"; }

# during_sync SECONDS COMMAND...: until COMMAND succeeds while the run goes on;
# a failure when the run ends before, or the time does.
during_sync() {
	local seconds=$1
	shift
	fact_or_end() { "$@" || sync_is_gone; }
	wait_for "$seconds" fact_or_end "$@" && "$@" && return
	echo "not seen during the run: $*" >&2
	show_run unknown
	return 1
}

# end_sync STATUS [SECONDS]: the background run ends, in time and so.
end_sync() {
	local got=0
	if ! wait_for "${2:-180}" sync_is_gone; then
		echo "still running after ${2:-180} s" >&2
		kill -KILL "$sync_pid"
		return 1
	fi
	wait "$sync_pid" || got=$?
	if [ "$got" != "$1" ]; then
		show_run "$got (not $1)"
		return 1
	fi
	no_suspicious_words
}

# counter KEY: one number of the summary of the last run.
counter() {
	jq -er ".$1" "$output_file"
}

# expect KEY=VALUE...: counters of the last run.
expect() {
	local word got
	for word; do
		got=$(counter "${word%%=*}") || got='nothing'
		[ "$got" = "${word#*=}" ] && continue
		echo "${word%%=*} is $got, not ${word#*=}" >&2
		cat "$output_file" "$errors_file" >&2
		return 1
	done
}
