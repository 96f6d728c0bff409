#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The modes of a task: what is transferred, overwritten, deleted and compared,
# each option against each other. What must come of it is said by
# tests/tools/modes, which has it from the manual.

load lib/common
load lib/private

bats_require_minimum_version 1.5.0

MODES=$TOOLS_SOURCE/modes

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
}

teardown_file() {
	load lib/common
	servers_stop
}

teardown() {
	views_end
}

# check_modes SEED [OPTION...]: a run of a fresh pair; a second one, too, if
# --verify=transferred is among the options.
check_modes() {
	local seed=$1 status links=()
	shift
	[ "$source" = "$source_dir" ] || links=(--no-links)
	"$MODES" make --seed "$seed" "${links[@]}" "$source_dir" \
		"$destination_dir"
	"$MODES" expect "$@" "$source_dir" "$destination_dir" \
		>"$BATS_TEST_TMPDIR/expected"
	status=$(jq .status "$BATS_TEST_TMPDIR/expected")
	echo "seed $seed: $*" >&2
	run_sync "$status" "$@"
	"$MODES" judge "$BATS_TEST_TMPDIR/expected" "$output_file" \
		"$destination_dir"
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
	no_temp_names "$destination_dir"

	[[ " $* " == *' --verify=transferred '* ]] || return 0
	# With the manifest there is less to look at, and the same to do.
	"$MODES" expect "$@" "$source_dir" "$destination_dir" |
		jq '.count |= with_entries(select(.key | test("Verified") | not))' \
			>"$BATS_TEST_TMPDIR/expected"
	run_sync "$(jq .status "$BATS_TEST_TMPDIR/expected")" "$@"
	"$MODES" judge "$BATS_TEST_TMPDIR/expected" "$output_file" \
		"$destination_dir"
}

filters=('' '--exclude=*.tmp|/skip' '--include=*.dat|/docs*')

@test "every mode with every other does what the manual says" {
	local seed=0 transfer overwrite deleted filter verify
	for transfer in changed all; do
		for overwrite in always never; do
			for deleted in keep remove; do
				[ "$transfer-$deleted" != all-remove ] || continue
				for filter in "${filters[@]}"; do
					for verify in transferred none all; do
						fresh_pair dir
						check_modes $((++seed)) \
							--transfer-mode="$transfer" \
							--overwrite="$overwrite" \
							--deleted="$deleted" \
							--verify="$verify" \
							${filter:+"$filter"}
					done
				done
			done
		done
	done
}

@test "a part of them between servers" {
	need_servers
	local seed=100 options
	for options in \
		'--deleted=remove --verify=transferred' \
		'--deleted=remove --verify=all --exclude=*.tmp|/skip' \
		'--overwrite=never --verify=all' \
		'--overwrite=never --deleted=remove --include=*.dat|/docs*' \
		'--transfer-mode=all --verify=none'; do
		fresh_pair nfs
		# shellcheck disable=SC2086 # options without blanks
		set -f && check_modes $((++seed)) $options && set +f
	done
}

# --- What is compared ------------------------------------------------------

# alter: the destination behind the program's back, in all ways there are.
alter() {
	local d=$destination_dir
	touch -r "$d/flipped" "$BATS_TEST_TMPDIR/time"
	printf X | dd of="$d/flipped" bs=1 seek=100 conv=notrunc status=none
	touch -r "$BATS_TEST_TMPDIR/time" "$d/flipped"
	touch -r "$d/sub/large" "$BATS_TEST_TMPDIR/time"
	printf X | dd of="$d/sub/large" bs=1 seek=2000000 conv=notrunc \
		status=none
	touch -r "$BATS_TEST_TMPDIR/time" "$d/sub/large"
	chmod 600 "$d/moded"
	chown 7:8 "$d/owned"
	chmod 700 "$d/sub/deeper"
	touch -d 2001-02-03 "$d/timed"
	truncate -s 10 "$d/short"
	touch -r "$source_dir/short" "$d/short"
	rm "$d/missing" "$d/typed"
	mkdir "$d/typed" "$d/more"
	: >"$d/sub/extra"
	: >"$d/more/of it"
}

# named KIND PATH...: exactly these differ so.
named() {
	local kind=$1
	shift
	: >"$BATS_TEST_TMPDIR/wanted"
	(($# == 0)) || printf '%s\n' "$@" |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/wanted"
	sed -n "s/.*destination \(.*\): differs from the source: .*\<$kind\>.*/\1/p" \
		"$errors_file" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/named"
	diff "$BATS_TEST_TMPDIR/wanted" "$BATS_TEST_TMPDIR/named"
}

each_is_named() {
	named content flipped sub/large
	named mode moded sub/deeper
	named owner owned
	named size short
	named missing missing
	named type typed
	expect MismatchedContent=2 MismatchedMode=2 MismatchedOwner=1 \
		MismatchedSize=1 MismatchedMissing=1 MismatchedType=1
}

make_some() {
	local name
	mkdir -p "$source_dir/sub/deeper"
	for name in flipped moded owned timed short missing typed sound; do
		head -c 5000 /dev/urandom >"$source_dir/$name"
	done
	head -c 3M /dev/urandom >"$source_dir/sub/large"
	ln "$source_dir/sound" "$source_dir/sub/other name"
}

@test "verify finds what was altered, each by name and kind, and changes nothing" {
	body() {
		local before
		make_some
		run_sync 0
		run_verify 0
		expect FilesMismatched=0 FilesVerified=10 FoldersVerified=3
		alter
		before=$(cd "$destination_dir" && find . -printf '%p %C@ %T@\n' |
			LC_ALL=C sort)
		run_verify 1
		each_is_named
		named extra sub/extra more 'more/of it'
		named times . sub timed
		expect MismatchedExtra=3 MismatchedTimes=3 FilesMismatched=14
		[ "$before" = "$(cd "$destination_dir" &&
			find . -printf '%p %C@ %T@\n' | LC_ALL=C sort)" ]
		# What was found is mended by the next run.
		rmdir "$destination_dir/typed"
		run_sync 0 --deleted=remove
		same_tree "$source_dir" "$destination_dir"
		run_verify 0
	}
	on_each_pair body
}

# run_verify STATUS [OPTION...]
run_verify() {
	local want=$1 got=0
	shift
	"$EFSBRIDGE" verify --json --state "$state" "$@" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || got=$?
	[ "$got" = "$want" ] || {
		show_run "$got (not $want)"
		return 1
	}
	no_suspicious_words
}

@test "--verify=all names what its own copy cannot have seen" {
	body() {
		make_some
		run_sync 0 --verify=all
		expect FilesVerified=10 FoldersVerified=3
		touch -r "$destination_dir/flipped" "$BATS_TEST_TMPDIR/time"
		printf X | dd of="$destination_dir/flipped" bs=1 seek=9 \
			conv=notrunc status=none
		touch -r "$BATS_TEST_TMPDIR/time" "$destination_dir/flipped"
		: >"$destination_dir/extra"
		run_sync 1 --verify=all
		named content flipped
		named extra
		expect FilesMismatched=1 EntriesKept=1
		run_sync 0 --verify=all
		cmp "$source_dir/flipped" "$destination_dir/flipped"
	}
	on_each_pair body
}

# --- What is removed -------------------------------------------------------

make_extra() {
	"$MKTREE" --seed 5 --entries 400 "$source_dir"
	run_sync 0
	"$MKTREE" --seed 6 --entries 300 "$destination_dir/extra"
	mkdir -p "$destination_dir/wide"
	"$MKTREE" --seed 7 --entries 50 "$destination_dir/wide/more"
}

@test "--deleted=remove makes both trees the same, whatever the names" {
	body() {
		make_extra
		run_sync 0 --deleted=remove
		same_tree "$source_dir" "$destination_dir"
		"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
		[ "$(counter FilesDeleted)" -gt 200 ]
		[ "$(counter FoldersDeleted)" -gt 2 ]
		run_sync 0 --deleted=remove
		expect FilesDeleted=0 FoldersDeleted=0 FilesTransferred=0 \
			MetadataApplied=0
	}
	on_each_pair body
}

@test "--max-delete lets go what it says, or nothing" {
	fresh_pair dir
	local extra option
	make_extra
	extra=$(($(entries_in "$destination_dir") - \
		$(entries_in "$source_dir")))
	cp -a "$destination_dir" "$BATS_TEST_TMPDIR/before"
	for option in 0 0% 1 10% $((extra - 1)); do
		run_sync 6 --deleted=remove --max-delete="$option"
		expect EntriesNotDeleted="$extra" FilesDeleted=0
		grep -q "more than --max-delete=$option" "$errors_file"
	done
	contains_tree "$BATS_TEST_TMPDIR/before" "$destination_dir"
	run_sync 0 --deleted=remove --max-delete="$extra"
	same_tree "$source_dir" "$destination_dir"
}

@test "an empty source removes nothing by itself" {
	fresh_pair dir
	: >"$destination_dir/precious"
	run_sync 6 --deleted=remove
	grep -q 'source is empty' "$errors_file"
	[ -e "$destination_dir/precious" ]
	run_sync 0 --deleted=remove --max-delete=100%
	[ ! -e "$destination_dir/precious" ]
}

@test "a dry run names what would go, and nothing goes" {
	fresh_pair dir
	make_extra
	cp -a "$destination_dir" "$BATS_TEST_TMPDIR/before"
	"$EFSBRIDGE" sync --dry-run --deleted=remove --state "$state" \
		"$source" "$destination" >"$output_file"
	[ "$(grep -c '^remove ' "$output_file")" = $(($(entries_in \
		"$destination_dir") - $(entries_in "$source_dir"))) ]
	same_tree "$BATS_TEST_TMPDIR/before" "$destination_dir"
}

@test "what cannot be listed loses nothing on the other side" {
	fresh_pair dir
	((EUID == 0)) || skip 'root is needed to be another user'
	mkdir -p "$source_dir/closed" "$destination_dir/closed/kept"
	: >"$source_dir/file"
	: >"$destination_dir/gone"
	chmod 0 "$source_dir/closed"
	chown -R 1234 "$source_dir" "$destination_dir" "$state"
	chmod a+rx "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR" "${source_dir%/*}" \
		"${destination_dir%/*}" "${state%/*}"
	setpriv --reuid 1234 --clear-groups "$EFSBRIDGE" sync --json \
		--deleted=remove --state "$state" "$source" "$destination" \
		>"$output_file" 2>"$errors_file" && return 1
	[ -d "$destination_dir/closed/kept" ]
	[ ! -e "$destination_dir/gone" ]
	expect FilesDeleted=1 FoldersDeleted=0
}

@test "another file system below the destination is left alone" {
	fresh_pair dir
	in_mounts() {
		: >"$source_dir/file"
		mkdir -p "$destination_dir/extra/mounted" "$destination_dir/top"
		mount -t tmpfs none "$destination_dir/extra/mounted"
		mount -t tmpfs none "$destination_dir/top"
		: >"$destination_dir/extra/mounted/precious"
		: >"$destination_dir/top/precious"
		: >"$destination_dir/extra/gone"
		run_sync 0 --deleted=remove
		[ -e "$destination_dir/extra/mounted/precious" ]
		[ -e "$destination_dir/top/precious" ]
		[ ! -e "$destination_dir/extra/gone" ]
		expect FilesDeleted=1 FoldersDeleted=0
		grep -q 'extra/mounted: another file system' "$errors_file"
	}
	need_private
	export source destination source_dir destination_dir state \
		output_file errors_file EFSBRIDGE
	in_private in_mounts
}

@test "options that exclude each other are refused in words" {
	fresh_pair dir
	: >"$source_dir/file"
	run -2 "$EFSBRIDGE" sync --deleted=REMOVE --transfer-mode=ALL \
		--state "$state" "$source" "$destination"
	[[ $output == *'exclude each other'* ]]
	[ ! -e "$destination_dir/file" ]
}

@test "a mount does not show what was copied and has been deleted" {
	need_fuse
	fresh_pair dir
	mkdir "$source_dir/gone"
	: >"$source_dir/gone/below"
	echo stays >"$source_dir/stays"
	echo doomed >"$source_dir/doomed"
	run_sync 0
	echo theirs >"$destination_dir/theirs"
	rm -r "$source_dir/gone" "$source_dir/doomed"

	view_start --no-sync
	[ "$(cd "$mountpoint" && echo *)" = 'doomed gone stays theirs' ]
	view_end
	view_start --no-sync --deleted=remove
	[ "$(cd "$mountpoint" && echo *)" = 'stays theirs' ]
	[ ! -e "$mountpoint/doomed" ]
	[ ! -e "$mountpoint/gone/below" ]
	[ -e "$destination_dir/gone/below" ]
	echo start >"$mountpoint/.sync/control"
	is_removed() { [ ! -e "$destination_dir/theirs" ]; }
	wait_for 60 is_removed
	only_one_is_shown() { [ "$(ls "$mountpoint")" = stays ]; }
	wait_for 60 only_one_is_shown
	[ "$(ls "$destination_dir")" = stays ]
	view_end
}
