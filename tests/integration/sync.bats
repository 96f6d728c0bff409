#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# efsbridge sync, case by case, between two directories and between two
# servers, by NFSv4.1 and by NFSv3. What is judged lies in the backing
# directories.

bats_require_minimum_version 1.5.0
load lib/common

# shellcheck disable=SC2034 # on_each_pair uses it
read -ra pairs <<<"${PAIRS:-dir nfs nfs3-nfs3}"

setup_file() {
	load lib/common
	have_servers || return 0
	# One word, or none.
	# shellcheck disable=SC2046
	server_start source $(nfs3_where_possible)
	# shellcheck disable=SC2046
	server_start destination $(nfs3_where_possible)
	# Both sides far enough away to be interrupted in the middle.
	proxy_start far_source source --delay 40
	proxy_start far_destination destination --delay 40
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	have_servers || [ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
}

# --- What is copied --------------------------------------------------------

@test "an absent tree is copied, a second run has nothing to do" {
	body() {
		"$MKTREE" "${tree_options[@]}" --seed 11 --entries 600 "$source_dir"
		run_sync 0
		expect FilesFailed=0
		[ "$(counter FilesTransferred)" -gt 300 ]
		same_tree "$source_dir" "$destination_dir"
		no_temp_names "$destination_dir"

		run_sync 0
		expect FilesTransferred=0 BytesTransferred=0 BytesWritten=0 \
			FilesFailed=0 MetadataApplied=0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "what users change between two runs is found" {
	body() {
		local round
		"$MKTREE" "${tree_options[@]}" --seed 12 --entries 600 "$source_dir"
		run_sync 0
		for round in 1 2 3; do
			"$MKTREE" "${tree_options[@]}" --mutate --keep --seed "$round" --changes 90 \
				"$source_dir"
			run_sync 0
			same_tree "$source_dir" "$destination_dir"
		done
		run_sync 0
		expect FilesTransferred=0
	}
	on_each_pair body
}

@test "an empty source makes an empty destination" {
	body() {
		touch -d '2001-02-03 04:05:06.789' "$source_dir"
		chmod 0751 "$source_dir"
		run_sync 0
		expect FilesTransferred=0 FilesFailed=0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "changed content with the same size and time is seen" {
	body() {
		echo one >"$source_dir/file"
		echo one >"$source_dir/other"
		run_sync 0
		touch -r "$source_dir/file" "$BATS_TEST_TMPDIR/time"
		echo two >"$source_dir/file"
		touch -r "$BATS_TEST_TMPDIR/time" "$source_dir/file"
		run_sync 0
		expect FilesTransferred=1
		cmp "$source_dir/file" "$destination_dir/file"
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "changed metadata are applied without writing data" {
	body() {
		local inode
		head -c 300000 /dev/urandom >"$source_dir/file"
		mkdir "$source_dir/dir"
		ln -s target "$source_dir/link"
		run_sync 0
		inode=$(stat -c %i "$destination_dir/file")

		chmod 4711 "$source_dir/file"
		run_sync 0
		expect FilesTransferred=0 BytesWritten=0
		[ "$(counter MetadataApplied)" -ge 1 ]
		same_tree "$source_dir" "$destination_dir"

		chown 4321:1234 "$source_dir/file" "$source_dir/dir"
		chown -h 4321:1234 "$source_dir/link"
		chmod 2750 "$source_dir/dir"
		touch -d "$old_time" "$source_dir/file"
		run_sync 0
		expect FilesTransferred=0 BytesWritten=0
		same_tree "$source_dir" "$destination_dir"
		[ "$(stat -c %i "$destination_dir/file")" = "$inode" ]
	}
	on_each_pair body
}

@test "metadata that changed on the destination are put right" {
	body() {
		echo data >"$source_dir/file"
		run_sync 0
		chmod 0777 "$destination_dir/file"
		touch "$destination_dir/file"
		run_sync 0
		expect BytesWritten=0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "hard links stay hard links, and travel once" {
	body() {
		mkdir "$source_dir/a" "$source_dir/b"
		head -c 100000 /dev/urandom >"$source_dir/a/one"
		ln "$source_dir/a/one" "$source_dir/a/two"
		ln "$source_dir/a/one" "$source_dir/b/three"
		run_sync 0
		expect BytesTransferred=100000
		same_tree "$source_dir" "$destination_dir"
		[ "$(stat -c %h "$destination_dir/b/three")" = 3 ]

		# One more name, later, for what was copied before.
		ln "$source_dir/b/three" "$source_dir/b/four"
		run_sync 0
		expect BytesWritten=0
		[ "$(stat -c %h "$destination_dir/a/one")" = 4 ]
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "holes stay holes, and zeros become holes" {
	body() {
		local name
		truncate -s 64M "$source_dir/all" "$source_dir/start" \
			"$source_dir/middle" "$source_dir/end"
		printf data | dd of="$source_dir/start" bs=1 conv=notrunc \
			status=none seek=67108860
		printf data | dd of="$source_dir/middle" bs=1 conv=notrunc \
			status=none seek=30000000
		printf data | dd of="$source_dir/end" bs=1 conv=notrunc \
			status=none seek=0
		head -c 16M /dev/zero >"$source_dir/zeros"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
		for name in all start middle end zeros; do
			cmp "$source_dir/$name" "$destination_dir/$name"
			# Blocks are 512 bytes: no more than 1 MiB is held.
			[ "$(stat -c %b "$destination_dir/$name")" -le 2048 ]
		done
	}
	on_each_pair body
}

@test "a large file arrives whole" {
	body() {
		head -c 150000001 /dev/urandom >"$source_dir/large"
		run_sync 0
		expect FilesTransferred=1 BytesTransferred=150000001 \
			FilesVerified=1
		cmp "$source_dir/large" "$destination_dir/large"
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "files around the sizes where methods change arrive whole" {
	body() {
		local size
		for size in 0 1 4095 4096 4097 65535 65536 65537 262144 524287 \
			524288 524289 786432 1048575 1048576 1048577 2097153; do
			head -c "$size" /dev/urandom >"$source_dir/$size"
		done
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

# --- What the destination had ----------------------------------------------

@test "what the destination had is overwritten, what only it has is kept" {
	body() {
		mkdir "$source_dir/dir" "$destination_dir/dir"
		echo new >"$source_dir/dir/file"
		echo old and longer >"$destination_dir/dir/file"
		echo kept >"$destination_dir/dir/only here"
		run_sync 0
		cmp "$source_dir/dir/file" "$destination_dir/dir/file"
		[ "$(<"$destination_dir/dir/only here")" = kept ]
	}
	on_each_pair body
}

@test "a name of another type gives way" {
	body() {
		echo file >"$source_dir/was-dir"
		mkdir "$destination_dir/was-dir"
		mkdir "$source_dir/was-file"
		echo child >"$source_dir/was-file/child"
		echo file >"$destination_dir/was-file"
		ln -s target "$source_dir/was-other"
		mkfifo "$destination_dir/was-other"
		mkfifo "$source_dir/was-link"
		ln -s target "$destination_dir/was-link"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "a symlink on the destination is replaced, never followed" {
	body() {
		local outside
		outside=$(mktemp -d -p "$BATS_TEST_TMPDIR")
		echo precious >"$outside/file"
		echo mine >"$source_dir/file"
		ln -s "$outside/file" "$destination_dir/file"
		mkdir "$source_dir/dir"
		echo mine >"$source_dir/dir/file"
		ln -s "$outside" "$destination_dir/dir"
		run_sync 0
		same_tree "$source_dir" "$destination_dir"
		[ "$(<"$outside/file")" = precious ]
		[ "$(entries_in "$outside")" = 1 ]
	}
	on_each_pair body
}

@test "a full directory does not give way to a file, and is named" {
	body() {
		mkdir "$destination_dir/name"
		echo precious >"$destination_dir/name/file"
		echo file >"$source_dir/name"
		echo file >"$source_dir/other"
		run_sync 1
		[ "$(<"$destination_dir/name/file")" = precious ]
		cmp "$source_dir/other" "$destination_dir/other"
		grep -q name "$errors_file"
		[ "$(counter FilesFailed)" = 1 ]
	}
	on_each_pair body
}

@test "what a killed run left is swept, what another task left is not" {
	local task other=.efsbridge-tmp-00000000-00000000-1
	need_servers
	fresh_pair far
	head -c 100M /dev/urandom >"$source_dir/large"
	mkdir "$source_dir/dir" "$destination_dir/dir"
	start_sync --bwlimit=5M
	during_sync 60 some_temp_name "$destination_dir"
	kill -KILL "$sync_pid"
	wait_for 180 sync_is_gone

	# The names of one task begin alike.
	task=$(find "$destination_dir" -name "$TEMP_PREFIX*" -printf '%f' -quit)
	task=${task#.efsbridge-tmp-}
	task=${task%%-*}
	echo half >"$destination_dir/.efsbridge-tmp-$task-00000000-1"
	echo half >"$destination_dir/dir/.efsbridge-tmp-$task-00000000-2"
	echo half >"$destination_dir/dir/$other"
	rm "$source_dir/large"
	echo data >"$source_dir/dir/file"
	run_sync 0
	[ -e "$destination_dir/dir/$other" ]
	rm "$destination_dir/dir/$other"
	no_temp_names "$destination_dir"
	cmp "$source_dir/dir/file" "$destination_dir/dir/file"
}

# --- What goes wrong -------------------------------------------------------

@test "an unreadable directory fails alone (nfs)" {
	need_servers
	fresh_pair nfs
	mkdir "$source_dir/closed" "$source_dir/open"
	echo data >"$source_dir/closed/file"
	echo data >"$source_dir/open/file"
	chmod 0700 "$source_dir/closed"
	source+='?uid=1000&gid=1000'
	run_sync 1
	grep -q closed "$errors_file"
	cmp "$source_dir/open/file" "$destination_dir/open/file"
	[ ! -e "$destination_dir/closed/file" ]
	[ "$(counter FilesFailed)" -ge 1 ]

	# And is caught up with when it has been mended.
	chmod 0755 "$source_dir/closed"
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
}

@test "an unreadable file fails alone (nfs)" {
	need_servers
	fresh_pair nfs
	echo secret >"$source_dir/secret"
	echo data >"$source_dir/file"
	chmod 0600 "$source_dir/secret"
	source+='?uid=1000&gid=1000'
	run_sync 1
	expect FilesFailed=1
	grep -q secret "$errors_file"
	cmp "$source_dir/file" "$destination_dir/file"
	[ ! -e "$destination_dir/secret" ]
	no_temp_names "$destination_dir"
}

@test "an unreadable directory fails alone (dir, as nobody)" {
	[ "$(id -u)" = 0 ] || skip "needs root to become somebody else"
	local home
	home=$(mktemp -d)
	chmod 0755 "$home"
	source=$home/source destination=$home/destination state=$home/state
	install -d -o 1000 -g 1000 "$source" "$destination" "$state"
	install -d -m 0700 "$source/closed"
	install -d -m 0755 "$source/open"
	echo data >"$source/open/file"
	chown 0:0 "$source/open/file"

	run -1 setpriv --reuid=1000 --regid=1000 --clear-groups \
		"$EFSBRIDGE" sync --quiet --state "$state" "$source" \
		"$destination"
	[[ $output == *closed* ]]
	cmp "$source/open/file" "$destination/open/file"
	[ ! -e "$destination/closed/file" ]
	rm -rf "$home"
}

@test "files that vanish during the run harm nothing else" {
	need_servers
	fresh_pair far
	"$MKTREE" --uniform --dirs 60 --files 60 --size 100 "$source_dir"
	start_sync --iops-limit=1000
	during_sync 60 has_entries "$destination_dir" 100
	kill -STOP "$sync_pid"
	find "$source_dir" -name 'file-*[13579]' -delete
	rm -r "$source_dir/dir-00058"
	kill -CONT "$sync_pid"
	wait_for 180 sync_is_gone
	wait "$sync_pid" || [ $? = 1 ]
	no_suspicious_words
	contains_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

@test "a file that grows during the run is whole at some moment" {
	need_servers
	fresh_pair far
	# The first byte of each block tells how often the file was written.
	head -c 20M /dev/zero >"$source_dir/grows"
	echo >"$BATS_TEST_TMPDIR/go"
	(
		while [ -e "$BATS_TEST_TMPDIR/go" ]; do
			head -c 4096 /dev/urandom >>"$source_dir/grows"
		done
	) 3>&- &
	start_sync
	wait_for 180 sync_is_gone
	rm "$BATS_TEST_TMPDIR/go"
	wait "$sync_pid" || [ $? = 1 ]
	no_suspicious_words
	no_temp_names "$destination_dir"
	# Either nothing was given the name, or a beginning of the source.
	if [ -e "$destination_dir/grows" ]; then
		cmp -n "$(stat -c %s "$destination_dir/grows")" \
			"$source_dir/grows" "$destination_dir/grows"
	fi
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
}

@test "a squashed destination is told of once, and the data arrive" {
	need_servers
	server_start squashed squash=All_Squash
	chown 65534:65534 "$(server_export squashed)"
	fresh_pair nfs
	"$MKTREE" --uniform --dirs 10 --files 20 --size 100 "$source_dir"
	chown -R 1234:1234 "$source_dir"
	destination=$(server_url squashed)
	run_sync 0
	expect FilesTransferred=200 FilesFailed=0
	[ "$(counter MetadataSkipped)" -ge 200 ]
	[ "$(grep -ciE 'owner|squash' "$errors_file")" = 1 ]
	diff -r "$source_dir" "$(server_export squashed)"

	# What could not be set is not tried again and again.
	run_sync 0
	expect FilesTransferred=0 BytesWritten=0
}

@test "a root-squashed source gives what anybody may read" {
	need_servers
	server_start half_closed squash=Root_Squash
	fresh_pair nfs
	source_dir=$(server_export half_closed)
	echo data >"$source_dir/open"
	echo data >"$source_dir/closed"
	chmod 0600 "$source_dir/closed"
	source=$(server_url half_closed)
	run_sync 1
	expect FilesTransferred=1 FilesFailed=1
	cmp "$source_dir/open" "$destination_dir/open"
}

# --- Verification ----------------------------------------------------------

@test "--verify=all finds a destination that rotted, and names it" {
	body() {
		"$MKTREE" --uniform --dirs 3 --files 5 --size 5000 "$source_dir"
		run_sync 0
		expect FilesVerified=15
		local rotten=$destination_dir/dir-00001/file-0000003
		touch -r "$rotten" "$BATS_TEST_TMPDIR/time"
		printf rot | dd of="$rotten" bs=1 seek=2500 conv=notrunc \
			status=none
		touch -r "$BATS_TEST_TMPDIR/time" "$rotten"
		run_sync 1 --verify=all
		grep -q 'dir-00001/file-0000003' "$errors_file"
		run ! grep -q 'dir-00001/file-0000002' "$errors_file"
	}
	on_each_pair body
}

@test "--verify=all of a sound pair finds nothing" {
	body() {
		"$MKTREE" "${tree_options[@]}" --seed 13 --entries 300 "$source_dir"
		run_sync 0
		run_sync 0 --verify=all
		expect FilesTransferred=0 FilesFailed=0
		[ "$(counter FilesVerified)" -gt 100 ]
	}
	on_each_pair body
}

@test "--verify=none reads nothing back" {
	body() {
		"$MKTREE" --uniform --dirs 3 --files 5 --size 5000 "$source_dir"
		run_sync 0 --verify=none
		expect FilesTransferred=15 FilesVerified=0
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

# --- Options ---------------------------------------------------------------

@test "--dry-run says what it would do and does nothing" {
	body() {
		local before
		"$MKTREE" --uniform --dirs 2 --files 2 --size 10 "$source_dir"
		mkdir "$destination_dir/dir-00000"
		echo other >"$destination_dir/dir-00000/file-0000000"
		before=$(mktemp -d -p "$BATS_TEST_TMPDIR")
		cp -a "$destination_dir/." "$before"
		run -0 "$EFSBRIDGE" sync --dry-run --state "$state" "$source" \
			"$destination"
		[[ $output == *dir-00000/file-0000000* ]]
		[[ $output == *dir-00001/file-0000001* ]]
		same_tree "$before" "$destination_dir"

		# And remembers nothing that it did not do.
		run_sync 0
		expect FilesTransferred=4
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "output that does not arrive is a failure" {
	body() {
		[ -w /dev/full ] || skip "no /dev/full"
		"$MKTREE" --uniform --dirs 1 --files 1 --size 10 "$source_dir"
		into_full() {
			"$EFSBRIDGE" sync --dry-run --state "$state" \
				"$source" "$destination" >/dev/full
		}
		run -1 into_full
		[[ $output == *"standard output: "* ]]
	}
	on_each_pair body
}

@test "--quiet says nothing when all is well" {
	body() {
		"$MKTREE" --uniform --dirs 2 --files 2 --size 10 "$source_dir"
		run -0 "$EFSBRIDGE" sync --quiet --state "$state" "$source" \
			"$destination"
		[ -z "$output" ]
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "--no-owner, --no-mode and --no-times leave those alone" {
	body() {
		install -m 0640 /dev/null "$source_dir/file"
		chown 1234:4321 "$source_dir/file"
		touch -d 2001-02-03 "$source_dir/file"
		run_sync 0 --no-owner
		[ "$(stat -c '%u:%g %a %Y' "$destination_dir/file")" = \
			"0:0 640 $(stat -c %Y "$source_dir/file")" ]
		rm "$destination_dir/file"
		run_sync 0 --no-mode --no-times
		[ "$(stat -c %u:%g "$destination_dir/file")" = 1234:4321 ]
		[ "$(stat -c %a "$destination_dir/file")" != 640 ]
		[ "$(stat -c %Y "$destination_dir/file")" -gt 1500000000 ]

		# Such a difference is no reason to do it again.
		run_sync 0 --no-mode --no-times
		expect FilesTransferred=0 BytesWritten=0
	}
	on_each_pair body
}

@test "--json names the counters that scripts rely on" {
	local key
	fresh_pair dir
	echo data >"$source_dir/file"
	run_sync 0
	for key in FilesTransferred FilesVerified FilesSkipped FilesFailed \
		BytesTransferred BytesWritten FilesUnchanged MetadataApplied \
		MetadataSkipped; do
		jq -e ".$key | type == \"number\"" "$output_file"
	done
	expect Status=SUCCESS FilesTransferred=1 BytesTransferred=5
}

@test "--jobs changes nothing but the pace" {
	body() {
		"$MKTREE" "${tree_options[@]}" --seed 14 --entries 300 "$source_dir"
		run_sync 0 --jobs 1
		same_tree "$source_dir" "$destination_dir"
	}
	on_each_pair body
}

@test "a low soft limit of open files is raised" {
	fresh_pair dir
	"$MKTREE" "${tree_options[@]}" --seed 63 --entries 600 "$source_dir"
	(
		ulimit -Sn 64
		run_sync 0 --jobs=64
	)
	same_tree "$source_dir" "$destination_dir"
}

@test "--help and --version" {
	run -0 "$EFSBRIDGE" --help
	[[ $output == *sync* ]]
	run -0 "$EFSBRIDGE" sync --help
	[[ $output == *--dry-run* ]]
	run -0 "$EFSBRIDGE" --version
	[[ $output == efsbridge\ [0-9]* ]]
}

@test "relative directories are locations, too" {
	fresh_pair dir
	echo data >"$source_dir/file"
	cd "$source_dir"
	run -0 "$EFSBRIDGE" sync --quiet --state "$state" . \
		"../../destination/${destination_dir##*/}"
	same_tree "$source_dir" "$destination_dir"
}

# --- Exit statuses ---------------------------------------------------------

@test "wrong usage is status 2 and says why" {
	fresh_pair dir
	run -2 "$EFSBRIDGE" sync --no-such-option "$source" "$destination"
	[[ $output == *no-such-option* ]]
	run -2 "$EFSBRIDGE" sync "$source"
	[ -n "$output" ]
	run -2 "$EFSBRIDGE" sync "$source" "$destination" extra
	[ -n "$output" ]
	run -2 "$EFSBRIDGE" sync --verify=perhaps "$source" "$destination"
	[[ $output == *perhaps* ]]
	run -2 "$EFSBRIDGE" sync --jobs=none "$source" "$destination"
	[[ $output == *none* ]]
	run -2 "$EFSBRIDGE" no-such-verb "$source" "$destination"
	[ -n "$output" ]
}

@test "a location that makes no sense is status 2 and named" {
	local location
	fresh_pair dir
	for location in 'nfs://' 'nfs://host:99999999/' 'nfs://127.0.0.1/?vers=9' \
		'nfs://127.0.0.1/?nonsense=1' 'nfs://127.0.0.1/?conns=0' \
		'http://127.0.0.1/' ''; do
		echo "location '$location'"
		run -2 "$EFSBRIDGE" sync --state "$state" "$location" \
			"$destination"
		[ -n "$output" ]
	done
}

@test "state on one of the two volumes is refused" {
	fresh_pair dir
	mkdir "$destination_dir/state"
	run -2 "$EFSBRIDGE" sync --state "$destination_dir/state" "$source" \
		"$destination"
	[[ $output == *state* ]]
	[ "$(entries_in "$destination_dir")" = 1 ]
}

@test "--no-queue does not wait for another process" {
	fresh_pair dir
	run_sync 0
	echo new >"$source_dir/new"
	exec 9<"$state/lock"
	flock 9
	run -4 timeout 20 "$EFSBRIDGE" sync --no-queue --state "$state" \
		"$source" "$destination"
	[[ $output == *"is run by"* ]]
	[ ! -e "$destination_dir/new" ]
	exec 9<&-
	run_sync 0 --no-queue
	[ -e "$destination_dir/new" ]
}

@test "a side where nothing listens is status 3 and named" {
	local port
	fresh_pair dir
	port=$(free_port)
	run -3 timeout 60 "$EFSBRIDGE" sync --state "$state" \
		"nfs://127.0.0.1:$port/" "$destination"
	[[ $output == *"127.0.0.1"*"$port"* ]]
	run -3 timeout 60 "$EFSBRIDGE" sync --state "$state" "$source" \
		"nfs://127.0.0.1:$port/"
	[[ $output == *"127.0.0.1"*"$port"* ]]
}

@test "a path that the server does not have is named" {
	need_servers
	fresh_pair nfs
	source=$(server_url source no/such/dir)
	run "$EFSBRIDGE" sync --state "$state" "$source" "$destination"
	[ "$status" = 2 ] || [ "$status" = 3 ]
	[[ $output == *no/such/dir* ]]
	[ "$(entries_in "$destination_dir")" = 0 ]
}

# --- Signals ---------------------------------------------------------------

# milliseconds_to COMMAND...: how long that takes.
milliseconds_to() {
	local start=${EPOCHREALTIME/./}
	"$@" >&2
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

@test "SIGINT ends a run within a second, the next one goes on" {
	local took entries
	need_servers
	fresh_pair far
	"$MKTREE" --uniform --dirs 100 --files 100 --size 1000 "$source_dir"
	# A busy machine is slow to tell: one of three is in time.
	for entries in 150 1500 3000; do
		start_sync
		during_sync 60 has_entries "$destination_dir" "$entries"
		kill -INT "$sync_pid"
		took=$(milliseconds_to wait_for 20 sync_is_gone)
		end_sync 130
		((took > 1000 * EFSBRIDGE_SLOW)) || break
	done
	((took <= 1000 * EFSBRIDGE_SLOW))
	run ! has_entries "$destination_dir" 10100

	run_sync 0
	[ "$(counter FilesTransferred)" -lt 10000 ]
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

@test "SIGTERM ends a run in the middle of a large file, the next goes on" {
	local took half size sizes=(100M 170M 240M)
	need_servers
	fresh_pair far
	head -c 400M /dev/urandom >"$source_dir/large"
	temp_is_large() {
		[ -n "$(find "$destination_dir" -name "$TEMP_PREFIX*" \
			-size "+$1")" ]
	}
	# What a stopped run has in flight may not end in its half second with
	# a slow program: then a checkpoint is to be behind it.
	((EFSBRIDGE_SLOW == 1)) || sizes=(240M 280M 320M)
	# A busy machine is slow to tell: one of three is in time.
	for size in "${sizes[@]}"; do
		start_sync
		during_sync 60 temp_is_large "$size"
		kill -TERM "$sync_pid"
		took=$(milliseconds_to wait_for 20 sync_is_gone)
		end_sync 130
		((took > 1000 * EFSBRIDGE_SLOW)) || break
	done
	((took <= 1000 * EFSBRIDGE_SLOW))
	[ ! -e "$destination_dir/large" ]

	# It resumes inside the file.
	run_sync 0
	half=$(counter BytesWritten)
	((half < 400 * 1024 * 1024))
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

@test "SIGUSR1 prints a line of progress" {
	need_servers
	fresh_pair far
	"$MKTREE" --uniform --dirs 100 --files 100 --size 1000 "$source_dir"
	start_sync --quiet --iops-limit=4000
	during_sync 60 has_entries "$destination_dir" 150
	[ ! -s "$errors_file" ]
	kill -USR1 "$sync_pid"
	during_sync 60 grep -q . "$errors_file"
	[ "$(wc -l <"$errors_file")" = 1 ]
	grep -q '[0-9]' "$errors_file"
	end_sync 0 240
}
