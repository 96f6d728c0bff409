#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# kill -9, again and again, at moments that are spread over the work: by how
# much of it is done, not by a clock. After each, every row of the manifest
# must be true of the destination; in the end the trees are the same.

load lib/common

# The same moments for the same seed. Another seed: KILL_SEED=7 bats kill.bats
KILL_SEED=${KILL_SEED:-1}
KILLS=20

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	# One word, or none.
	# shellcheck disable=SC2046
	server_start destination $(nfs3_where_possible)
	# A little distance makes the run long enough to be met in the middle.
	proxy_start far_source source --delay 10
	proxy_start far_destination destination --delay 10
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	RANDOM=$KILL_SEED
	fresh_pair far
}

# The moment when the run has added this many entries, or is over.
reached_or_over() {
	has_entries "$destination_dir" "$1" || sync_is_gone
}

# The moment when a temporary file has this many MiB, or the run is over.
half_copied_or_over() {
	[ -n "$(find "$destination_dir" -name "$TEMP_PREFIX*" \
		-size "+${1}M" -print -quit 2>/dev/null)" ] || sync_is_gone
}

kill_sync() {
	kill -KILL "$sync_pid" 2>/dev/null || true
	wait "$sync_pid" 2>/dev/null || true
}

manifest_is_true() {
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
}

# kill_copies KILLS ENTRIES [OPTION-OF-MKTREE]: a copy between the pair, killed
# so often.
kill_copies() {
	local kills=$1 i now total left target

	"$MKTREE" --seed "$KILL_SEED" --entries "$2" "${@:3}" "$source_dir"
	head -c 200M /dev/urandom >"$source_dir/large-1"
	head -c 100M /dev/urandom >"$source_dir/wide/large-2"
	total=$(entries_in "$source_dir")

	for ((i = 0; i < kills; i++)); do
		now=$(entries_in "$destination_dir")
		start_sync
		if ((i % 4 == 3)); then
			wait_for 120 half_copied_or_over $((RANDOM % 80))
		else
			# Twice the fair share of what is left, at most.
			# With temporary names it can be more than all.
			left=$((total > now ? total - now : 0))
			target=$((now + RANDOM % (2 * left / (kills - i) + 2)))
			wait_for 120 reached_or_over "$target"
		fi
		kill_sync
		no_suspicious_words
		echo "kill $i at $(entries_in "$destination_dir") of $total"
		[ ! -e "$state/manifest.db" ] || manifest_is_true
	done

	run_sync 0
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
	run_sync 0
	expect FilesTransferred=0
}

@test "killed at $KILLS moments of a copy, it loses nothing and claims nothing" {
	kill_copies "$KILLS" 8000
}

@test "killed while it writes over NFSv3, it loses nothing and claims nothing" {
	need_nfs3_servers
	fresh_pair far:nfs4-nfs3
	kill_copies 8 3000 --nfs3
}

@test "killed while it updates a tree, it loses nothing and claims nothing" {
	local i

	"$MKTREE" --seed "$KILL_SEED" --entries 4000 "$source_dir"
	run_sync 0
	# How much of the tree is younger than the start of this run.
	changed_or_over() {
		[ "$(find "$destination_dir" -newercc "$state/mark" -printf x |
			wc -c)" -ge "$1" ] || sync_is_gone
	}
	for ((i = 0; i < KILLS; i++)); do
		"$MKTREE" --mutate --keep --seed "$i" --changes 300 \
			"$source_dir" >/dev/null
		: >"$state/mark"
		start_sync
		wait_for 120 changed_or_over $((RANDOM % 300 + 1))
		kill_sync
		no_suspicious_words
		manifest_is_true
	done
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
	manifest_is_true
}

@test "killed while it removes, it claims nothing that is not so" {
	local i left

	"$MKTREE" --seed "$KILL_SEED" --entries 1000 "$source_dir"
	run_sync 0
	# Much was copied, then deleted on the source; much is others'.
	mkdir "$source_dir/gone"
	"$MKTREE" --seed 2 --entries 3000 "$source_dir/gone/tree"
	run_sync 0
	rm -r "$source_dir/gone"
	"$MKTREE" --seed 3 --entries 1000 "$destination_dir/extra"
	mkdir -p "$destination_dir/wide"
	"$MKTREE" --seed 4 --entries 500 "$destination_dir/wide/extra"

	# fewer_or_over N: no more than N entries are left.
	fewer_or_over() {
		[ "$(entries_in "$destination_dir")" -le "$1" ] || sync_is_gone
	}
	for ((i = 0; i < KILLS / 2; i++)); do
		left=$(($(entries_in "$destination_dir") - \
			$(entries_in "$source_dir")))
		start_sync --deleted=remove
		wait_for 120 fewer_or_over $(($(entries_in "$source_dir") + \
			left - RANDOM % (2 * left / (KILLS / 2 - i) + 2)))
		kill_sync
		no_suspicious_words
		echo "kill $i, $left were left"
		manifest_is_true
	done
	run_sync 0 --deleted=remove
	same_tree "$source_dir" "$destination_dir"
	manifest_is_true
	run_sync 0 --deleted=remove
	expect FilesTransferred=0 FilesDeleted=0 MetadataApplied=0
}
