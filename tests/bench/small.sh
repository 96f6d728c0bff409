#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Small files from server to server, with both sides at several distances, and
# an unchanged second run; beside rsync -a between the two backing directories,
# which has no network to cross at all. Files a second on one machine say
# little; ratios within one run, and how little distance costs, say more.
#
#	SMALL_FILES   files of 4 KiB, 100 to a directory (10000)
#	SMALL_DELAYS  round trips in ms, of each side ("0 10 70")

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

files=${SMALL_FILES:-10000}
read -ra delays <<<"${SMALL_DELAYS:-0 10 70}"

need_servers

# took COMMAND...: sets $took to the microseconds it needed.
took() {
	local start=${EPOCHREALTIME/./}
	"$@"
	took=$((${EPOCHREALTIME/./} - start))
}

# line NAME CALLS-ON-SOURCE CALLS-ON-DESTINATION
line() {
	awk -v name="$1" -v us="$took" -v rsync="$rsync_us" -v n="$files" \
		-v s="$2" -v d="$3" 'BEGIN {
			printf "%-28s %8.2f %8.0f %8.2f %8s %8s\n", name,
				us / 1e6, n * 1e6 / us, rsync / us,
				s == "-" ? s : sprintf("%.3f", s / n),
				d == "-" ? d : sprintf("%.3f", d / n)
		}'
}

run_at() {
	"$EFSBRIDGE" sync --quiet --state "$SERVERS_DIR/state-$1" "${@:2}" \
		"$(server_url "source_$1" small)" \
		"$(server_url "destination_$1" "copy-$1")"
}

# measure NAME DELAY OPTION...: a run at that distance, with its calls.
measure() {
	local s0 s1 d0 d1
	s0=$(stat_of "$(proxy_stats "source_$2")" calls)
	d0=$(stat_of "$(proxy_stats "destination_$2")" calls)
	took run_at "${@:2}"
	s1=$(stat_of "$(proxy_stats "source_$2")" calls)
	d1=$(stat_of "$(proxy_stats "destination_$2")" calls)
	line "$1" $((s1 - s0)) $((d1 - d0))
}

server_start source
server_start destination
source_dir=$(server_export source)/small
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$source_dir"
mkdir "$(server_export destination)/rsync"

printf '%-28s %8s %8s %8s %8s %8s\n' "$files files of 4 KiB" s files/s \
	'of rsync' RPC/f-src RPC/f-dst
took rsync -a "$source_dir/" "$(server_export destination)/rsync/"
rsync_us=$took
line 'rsync -a, no network' - -

for delay in "${delays[@]}"; do
	proxy_start "source_$delay" source --delay "$delay"
	proxy_start "destination_$delay" destination --delay "$delay"
	mkdir "$SERVERS_DIR/state-$delay" \
		"$(server_export destination)/copy-$delay"
	measure "efsbridge, $delay ms" "$delay"
	same_tree "$source_dir" "$(server_export destination)/copy-$delay"
	measure "  unchanged" "$delay"
done
