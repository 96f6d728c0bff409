# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What the scripts of this folder share: servers and trees of their own, how a
# command is measured, the peers, and how a figure is told.
#
# A script measures in fresh folders, each method a few times in turn, and
# takes the best of each: what disturbs makes slower, never faster. A command
# that fails ends the script with its status.
#
#	BENCH_WANTS   a file to which what was wanted is added, a line each
#	BENCH_DELAYS  round trips in ms to measure at ("0 1 10 70")

set -o pipefail

bench_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# shellcheck source=../integration/lib/standalone.bash
. "$bench_dir/../integration/lib/standalone.bash"

BENCH_BUILD=${builddir:-$top}/tests/bench
export AWS_EC2_METADATA_DISABLED=true

# The peers as they are without a user's settings.
for name in "${!RSYNC_@}" "${!RCLONE_@}"; do
	unset "$name"
done

# shellcheck disable=SC2034 # for the scripts
read -ra delays <<<"${BENCH_DELAYS:-0 1 10 70}"

# --- Measuring ------------------------------------------------------------

# used COMMAND...: runs it, and sets wall_us, cpu_us (of all cores, its
# children's as well) and peak_kib. The first word may not be a function.
used() {
	"$BENCH_BUILD/measure" "$SERVERS_DIR/used" "$@"
	read -r wall_us cpu_us peak_kib <"$SERVERS_DIR/used"
}

# Nothing that was written before is still being written.
settle() { sync -f "$SERVERS_DIR"; }

copies=0

# fresh: a new folder $copy in $destination_dir.
fresh() {
	copy=copy-$((copies += 1))
	# shellcheck disable=SC2154 # the script's
	mkdir "$destination_dir/$copy"
	settle
}

# The best of each name: microseconds of the clock; and, of the same run, of
# the cores, and the memory.
# shellcheck disable=SC2034 # for the scripts
declare -A best=() best_cpu=() best_peak=()

# note NAME: what used() set, if it is the best of that name.
note() {
	((${best[$1]:-wall_us + 1} > wall_us)) || return 0
	# shellcheck disable=SC2034 # for the scripts
	best[$1]=$wall_us best_cpu[$1]=$cpu_us best_peak[$1]=$peak_kib
}

# calculate EXPRESSION [NAME=VALUE...]: what awk makes of it.
calculate() {
	local expression=$1 word sets=()
	shift
	for word; do
		sets+=(-v "$word")
	done
	awk "${sets[@]}" "BEGIN { printf \"%.6g\", $expression }"
}

# rate COUNT NAME: so many in the best time of NAME, a second.
rate() { calculate 'n * 1e6 / us' n="$1" us="${best[$2]}"; }

# --- The engine, and what it is measured against ----------------------------

# What makes a location a client that asks for one thing after the other.
# shellcheck disable=SC2034 # for the scripts
naive='conns=1&batch=1&depth=1'

syncs=0

# by_efsbridge SOURCE DESTINATION [OPTION...]: one run with a state of its own,
# in $state, without a flag that a user would not give. The run's messages are
# in $state.log.
by_efsbridge() {
	state=$SERVERS_DIR/state-$((syncs += 1))
	mkdir "$state"
	again_efsbridge "$@"
}

# again_efsbridge SOURCE DESTINATION [OPTION...]: with the state from before.
again_efsbridge() {
	local status=0
	"$BENCH_BUILD/measure" --tell "${tell_ms:-3600000}" \
		"$SERVERS_DIR/used" "$EFSBRIDGE" sync --quiet --state "$state" \
		"${@:3}" "$1" "$2" 2>"$state.log" || status=$?
	if [ "$status" != 0 ]; then
		echo "efsbridge sync $1 $2: exit status $status" >&2
		cat "$state.log" >&2
		return "$status"
	fi
	read -r wall_us cpu_us peak_kib <"$SERVERS_DIR/used"
}

# done_when_told: how many files were done when tell_ms had passed.
done_when_told() {
	sed -nE 's|^efsbridge: .* ([0-9]+)/[0-9]+ files .*|\1|p' "$state.log"
}

# Between two folders of this machine: no server, no network, and nothing is
# read back.
by_rsync() { used rsync -a "$1/" "$2/"; }
by_cp() { used cp -a "$1/." "$2/"; }
by_rclone() {
	used rclone copy --config /dev/null --quiet --links "$1" "$2"
}

# peers: the names of those that there are.
peers() {
	echo rsync
	echo cp
	! command -v rclone >/dev/null || echo rclone
}

# far NAME SERVER MS: a proxy before it; one that only delays.
far() { proxy_start "$1" "$2" --delay "$3" --plain; }

# --- Figures ----------------------------------------------------------------

# want FIGURE TEXT GOT least|most LIMIT: one line, and the ratio: 1 and more is
# what was wanted.
want() {
	awk -v figure="$1" -v text="$2" -v got="$3" -v side="$4" \
		-v limit="$5" 'BEGIN {
			if (got + 0 <= 0)
				exit 1
			ratio = side == "most" ? limit / got : got / limit
			printf "want  %-3s %-58s %-5s %8.6g  got %9.4g  ratio %6.2f%s\n",
				figure, text, side, limit, got, ratio,
				(ratio >= 1) ? "" : "  SHORT"
		}' | tee -a "${BENCH_WANTS:-/dev/null}"
}

# --- Mounts -----------------------------------------------------------------

views=()

# view_of SERVER FOLDER DIR: a read-only view of that folder, the other side an
# empty one, at DIR, which is made. Its daemon has left the shell.
view_of() {
	mkdir "$3" "$3.state" "$3.side"
	views+=("$3")
	"$EFSBRIDGE" --quiet --no-sync --state "$3.state" -o ro \
		"$(server_url "$1" "$2")" "$3.side" "$3"
}

unview() { umount "$1"; }

bench_end() {
	local dir
	for dir in "${views[@]}"; do
		! is_mounted "$dir" || umount "$dir" || umount -l "$dir"
	done
	servers_stop
	rm -rf "$SERVERS_DIR"
}
trap bench_end EXIT
