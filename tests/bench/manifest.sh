#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The manifest: figure 8. Rows put by a program that does nothing else; and what
# share of a run's processor time it has: of the samples of perf(1) during a run
# between servers in memory, those in SQLite or on the manifest's thread. Where
# perf is not allowed, of the instructions that valgrind counts, those in SQLite.
#
#	MANIFEST_ROWS   rows (1000000)
#	MANIFEST_FILES  files of 4 KiB of the run, 100 to a directory (20000)

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

rows=${MANIFEST_ROWS:-1000000}
files=${MANIFEST_FILES:-20000}

need_servers
mkdir "$SERVERS_DIR/rows"
settle
read -r rows us bytes < <("$BENCH_BUILD/manifest" "$rows" "$SERVERS_DIR/rows")

server_start source mem=4096
server_start destination mem=4096
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$SERVERS_DIR/tree"
by_efsbridge "$SERVERS_DIR/tree" "$(server_url source)"
mkdir "$SERVERS_DIR/state"
run=("$EFSBRIDGE" sync --quiet --state "$SERVERS_DIR/state"
	"$(server_url source)" "$(server_url destination)")

# Percent of the samples; the thread is called `manifest`.
share_by_perf() {
	perf record --quiet --event cpu-clock --freq 5000 \
		--output "$SERVERS_DIR/perf" -- "${run[@]}" >&2
	perf script --input "$SERVERS_DIR/perf" --fields comm,ip,dso |
		awk '{ all++ }
			$1 == "manifest" || /sqlite/ { its++ }
			END {
				if (!all)
					exit 1
				printf "%.3f", 100 * its / all
			}'
}

share_by_valgrind() {
	valgrind --quiet --tool=callgrind --dump-instr=no \
		--callgrind-out-file="$SERVERS_DIR/callgrind" "${run[@]}" >&2
	callgrind_annotate --threshold=100 "$SERVERS_DIR/callgrind" |
		awk '/PROGRAM TOTALS/ { gsub(",", "", $1); all = $1 }
			/\[.*sqlite3[^]]*\]$/ { gsub(",", "", $1); its += $1 }
			END {
				if (!all)
					exit 1
				printf "%.3f", 100 * its / all
			}'
}

if command -v perf >/dev/null &&
	perf record --quiet --event cpu-clock --output /dev/null true 2>/dev/null
then
	how='samples of perf, SQLite and its thread'
	share=$(share_by_perf)
else
	how='instructions of valgrind, SQLite'
	share=$(share_by_valgrind)
fi

printf '%-44s %9s %9s %9s\n' "$rows rows" rows/s 'bytes/row' '% of CPU'
printf '%-44s %9.0f %9.1f %9.1f\n' "  $how" \
	"$(calculate 'n * 1e6 / us' n="$rows" us="$us")" \
	"$(calculate 'b / n' b="$bytes" n="$rows")" "$share"
echo "  rows/s have no limit of their own"
want 8 'bytes a row' "$(calculate 'b / n' b="$bytes" n="$rows")" most 200
want 8 "% of a run's CPU" "$share" most 15
