#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# efsbridge check SOURCE DESTINATION: what is well is said to be, what is not is
# found under its name, and nothing is left behind.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	server_start squashed squash=Root_Squash
	server_start still readonly
	proxy_start far_destination destination --delay 150
}

teardown_file() {
	load lib/common
	servers_stop
}

teardown() {
	[ -z "${small:-}" ] || ! mountpoint -q "$small" || umount "$small"
}

# check STATUS [ARGUMENT...]: of the pair; its findings are in $output_file.
check() {
	local want=$1 got=0
	shift
	"$EFSBRIDGE" check --json "$@" "$source" "$destination" \
		>"$output_file" 2>"$errors_file" || got=$?
	if [ "$got" != "$want" ]; then
		show_run "$got (not $want)"
		return 1
	fi
	no_suspicious_words
	jq -es 'length == 1 and (.[0] | has("Source") and has("Destination"))' \
		"$output_file" >/dev/null
}

# found RESULT SIDE CHECK [WORDS]: there is that finding, with those words.
found() {
	if ! jq -e --arg r "$1" --arg s "$2" --arg c "$3" --arg w "${4:-}" \
		'any(.Checks[]; .Result == $r and .Side == $s and .Check == $c
			and (.Text | contains($w)))' "$output_file" >/dev/null; then
		echo "no $1 for $3 of the $2 ${4:+with \"$4\" }in:" >&2
		jq . "$output_file" >&2
		return 1
	fi
}

# What a tree is, times of directories and all, but for access times.
# A ctime cannot be put back.
fingerprint() {
	(cd "$1" && find . -printf '%P %y %s %m %U %G %T@ %l\n' | sort)
}

all_is_well() {
	"$MKTREE" --seed 91 --entries 60 "$source_dir"
	touch -d '2001-02-03 04:05:06' "$source_dir" "$destination_dir"
	fingerprint "$source_dir" >"$BATS_TEST_TMPDIR/source"
	fingerprint "$destination_dir" >"$BATS_TEST_TMPDIR/destination"
	check 0
	for name in reach throughput owner mode times clock name-limit \
		link-limit; do
		found OK destination "$name"
	done
	for name in reach read throughput; do
		found OK source "$name"
	done
	jq -e '.Result != "FAIL" and ([.Checks[] | select(.Result == "FAIL")] ==
		[])' "$output_file"
	# A rate is a rate: there were bytes, and they took time.
	jq -e '[.Checks[] | select(.Check == "throughput") | .BytesPerSecond] |
		length == 2 and all(. > 0)' "$output_file"
	fingerprint "$source_dir" | diff "$BATS_TEST_TMPDIR/source" -
	fingerprint "$destination_dir" | diff "$BATS_TEST_TMPDIR/destination" -
}

@test "a pair that is well is said to be, and nothing is left behind" {
	((EUID == 0)) || skip 'only root can give files away'
	on_each_pair all_is_well
}

@test "protocol and round trip are told" {
	need_servers
	fresh_pair nfs
	check 0
	found OK source reach 'reached as NFSv4.1'
	found OK source round-trip
	# A quarter of a second is far, and is not wrong.
	fresh_pair dir
	proxy_start distant destination --delay 250
	destination=$(server_url distant)
	check 0
	found OK source reach 'a local directory'
	found WARN destination round-trip
	jq -e '.Checks[] | select(.Check == "round-trip") |
		.Milliseconds >= 250 and .Milliseconds < 2000' "$output_file"
}

@test "people are told the same" {
	fresh_pair dir
	run -0 "$EFSBRIDGE" check "$source" "$destination"
	[[ ${lines[0]} =~ ^OK\ +source\ +reach ]]
	[[ $output =~ [0-9]+\ OK,\ [0-9]+\ WARN,\ 0\ FAIL$ ]]
	run -3 "$EFSBRIDGE" check --quiet "$source" "$destination/not"
	[[ $output =~ ^FAIL\ +destination\ +reach ]]
	[[ $output == *'Make the directory'* ]]
	[[ $output != *OK* ]]
}

@test "a destination that takes root for nobody is found out" {
	need_servers
	((EUID == 0)) || skip 'only root is squashed'
	fresh_pair dir
	destination_dir=$(server_export squashed)/there
	mkdir -p "$destination_dir"
	chmod 777 "$destination_dir"
	destination=$(server_url squashed there)
	check 1
	found FAIL destination root-squash 'takes user 0 for user 65534'
	found FAIL destination owner
	found OK destination times
	jq -e 'all(.Checks[] | select(.Result != "OK"); has("Remedy"))' \
		"$output_file"
	[ -z "$(ls -A "$destination_dir")" ]
	# It is said not to matter.
	check 0 --no-owner
	run ! found FAIL destination root-squash
}

@test "a source that root may not read is found out" {
	need_servers
	((EUID == 0)) || skip 'only root is squashed'
	fresh_pair dir
	source_dir=$(server_export squashed)/here
	mkdir -p "$source_dir/closed"
	chmod 700 "$source_dir/closed"
	echo secret >"$source_dir/secret"
	chmod 600 "$source_dir/secret"
	source=$(server_url squashed here)
	check 1
	found FAIL source root-squash 'may not be read'
}

@test "a destination that only reads is found out" {
	need_servers
	fresh_pair dir
	mkdir -p "$(server_export still)/there"
	destination=$(server_url still there)
	check 1
	found FAIL destination write 'no file can be made: Read-only file system'
	found OK source read
}

@test "a full destination is found out, and is not left fuller" {
	((EUID == 0)) || skip 'only root can mount a small file system'
	fresh_pair dir
	small=$BATS_TEST_TMPDIR/small
	mkdir "$small"
	mount -t tmpfs -o size=4m tmpfs "$small"
	destination=$small
	check 1
	found FAIL destination write 'a sample cannot be written: No space left'
	[ -z "$(ls -A "$small")" ]
	# Less than the source has, but something.
	found WARN destination space
	# Nothing at all.
	dd if=/dev/zero of="$small/all" bs=1M count=8 status=none || true
	check 1
	found FAIL destination space
	[ "$(ls -A "$small")" = all ]
}

@test "a side that is not there is told, and the other one as well" {
	fresh_pair dir
	destination="nfs://127.0.0.1:1/?deadline=1"
	check 3
	found FAIL destination reach
	found OK source reach
	destination=$source/below
	mkdir "$destination"
	run -2 "$EFSBRIDGE" check "$source" "$destination"
}

sample_is_there() { [ -n "$(ls -A "$destination_dir")" ]; }
check_is_gone() { process_is_gone "$check_pid"; }

@test "an interrupt ends it soon, and nothing is left behind" {
	need_servers
	fresh_pair nfs
	destination=$(server_url far_destination "${destination_dir##*/}")
	for signal in INT TERM; do
		env --default-signal=INT "$EFSBRIDGE" check --json "$source" \
			"$destination" >"$output_file" 2>"$errors_file" 3>&- 4>&- &
		check_pid=$!
		wait_for 60 sample_is_there
		kill "-$signal" "$check_pid"
		wait_for 60 check_is_gone
		status=0
		wait "$check_pid" || status=$?
		[ "$status" = 130 ]
		[ "$(jq -r .Result "$output_file")" = INTERRUPTED ]
		[ -z "$(ls -A "$destination_dir")" ]
	done
}

@test "a named task is checked with its options" {
	fresh_pair dir
	config=$BATS_TEST_TMPDIR/conf
	printf '[task nightly]\nsource = %s\ndestination = %s\nno-mode = yes\n' \
		"$source" "$destination" >"$config"
	chmod 600 "$config"
	"$EFSBRIDGE" check --json --config "$config" nightly >"$output_file"
	found OK destination times
	run ! found OK destination mode
}
