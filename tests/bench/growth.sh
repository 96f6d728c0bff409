#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Trees of 10,000, 100,000 and a million entries: what an entry costs does not
# grow with the tree (of figure 6), and a second run over the largest, unchanged
# (figure 5). Empty files, 100 to a directory: entries are what is counted.
#
# The servers' trees lie in memory and the servers are warm: they know the
# attributes of all entries, as those of EFS do.
#
#	GROWTH_SIZES   entries, the smallest first ("10000 100000 1000000")
#	GROWTH_ROUNDS  unchanged runs of each, the best is taken (3)

[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

read -ra sizes <<<"${GROWTH_SIZES:-10000 100000 1000000}"
rounds=${GROWTH_ROUNDS:-3}
largest=${sizes[-1]}

need_servers
server_start source "warm=$((4 * largest))"
server_start destination "warm=$((4 * largest))"

printf '%-14s %9s %9s %9s %9s %9s %9s\n' entries first CPU MiB unchanged CPU \
	MiB
for size in "${sizes[@]}"; do
	# 101 entries a directory, itself among them.
	dirs=$((size / 101))
	entries=$((dirs * 101))
	tree=tree-$size
	"$MKTREE" --uniform --dirs "$dirs" --files 100 --size 0 \
		"$SERVERS_DIR/$tree"
	mv "$SERVERS_DIR/$tree" "$(server_export source)/"
	mkdir "$(server_export destination)/$tree"
	# The root's own time and mode are copied, too.
	locations=("$(server_url source "$tree")"
		"$(server_url destination "$tree")")
	by_efsbridge "${locations[@]}"
	note "first $size"
	for ((round = 1; round <= rounds; round++)); do
		again_efsbridge "${locations[@]}"
		note "again $size"
	done
	[ "$(find "$(server_export destination)/$tree" -mindepth 1 | wc -l)" = \
		"$entries" ]
	printf '%-14s' "  $entries"
	for run in first again; do
		printf ' %9.2f %9.2f %9.1f' \
			"$(calculate 'us / n' us="${best["$run $size"]}" \
				n="$entries")" \
			"$(calculate 'us / n' us="${best_cpu["$run $size"]}" \
				n="$entries")" \
			"$(calculate 'k / 1024' k="${best_peak["$run $size"]}")"
	done
	echo
done
echo '  microseconds an entry: of the clock, and of the processor by the client'

want 5 "entries/s of an unchanged tree of $entries, warm servers" \
	"$(rate "$entries" "again $largest")" least 100000
want 5 'peak memory of that run, MiB' \
	"$(calculate 'k / 1024' k="${best_peak["again $largest"]}")" most 128
for size in "${sizes[@]}"; do
	[ "$size" = "$largest" ] || want 6 \
		"time an entry, a tree of $size to one of $largest: grows by" \
		"$(calculate 'a / n / (b / m)' a="${best["first $largest"]}" \
			n="$largest" b="${best["first $size"]}" m="$size")" \
		most 1.25
done
