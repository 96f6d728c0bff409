#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Named tasks and locations: that what efsbridge.conf(5) says is done, that the
# command line goes before it, and that what is wrong is told with its place.

bats_require_minimum_version 1.5.0
load lib/common

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

setup() {
	config=$BATS_TEST_TMPDIR/efsbridge.conf
	home=
}

teardown() {
	views_end
	[ -z "$home" ] || rm -rf "$home"
}

# write_config: the file, from standard input; only root may write it.
write_config() {
	cat >"$config"
	chmod 600 "$config"
}

# task_config [LINE...]: a task of the pair, with further lines.
task_config() {
	{
		printf '[task nightly]\nsource = %s\ndestination = %s\nstate = %s\n' \
			"$source" "$destination" "$state"
		[ $# = 0 ] || printf '%s\n' "$@"
	} | write_config
}

# named COMMAND [ARGUMENT...]
named() {
	local command=$1
	shift
	"$EFSBRIDGE" "$command" --config "$config" "$@"
}

copies_by_name() {
	echo data >"$source_dir/file"
	task_config
	named sync --json nightly >"$output_file"
	expect FilesTransferred=1
	[ "$(cat "$destination_dir/file")" = data ]
	run -0 named status nightly
	[[ $output =~ task\ +nightly ]]
	[[ $output =~ state\ +IDLE ]]
	run -0 named history nightly
	[[ $output == *SUCCESS* ]]
	# It is the same task as that of both locations and the state directory.
	run_sync 0
	expect FilesTransferred=0 Execution=2
}

@test "a named task is copied, and known to status and history" {
	on_each_pair copies_by_name
}

@test "options of the file are in force, and the command line goes before them" {
	fresh_pair dir
	echo data >"$source_dir/file"
	printf '[defaults]\nno-owner = yes\nno-times = yes\nverify = all\n' >>"$config"
	printf '[task nightly]\nsource = %s\ndestination = %s\nstate = %s\nno-times = no\n' \
		"$source" "$destination" "$state" >>"$config"
	chmod 600 "$config"
	named sync --json nightly >"$output_file"
	options=$(jq -c '.Options' "$output_file")
	[[ $options == *'"VerifyMode":"POINT_IN_TIME_CONSISTENT"'* ]]
	[[ $options == *'"Uid":"NONE"'* ]]
	[[ $options == *'"Mtime":"PRESERVE"'* ]]
	named sync --json --verify=none --no-owner=no --no-times nightly \
		>"$output_file"
	options=$(jq -c '.Options' "$output_file")
	[[ $options == *'"VerifyMode":"NONE"'* ]]
	[[ $options == *'"Uid":"INT_VALUE"'* ]]
	[[ $options == *'"Mtime":"NONE"'* ]]
	# What is there several times is all of it.
	task_config 'exclude = *.tmp' 'exclude = *.bak'
	touch "$source_dir"/{a.tmp,a.bak,a.txt,a.log}
	named sync --quiet --exclude='*.log' nightly
	[ -e "$destination_dir/a.txt" ]
	[ "$(ls "$destination_dir")" = "$(printf 'a.txt\nfile')" ]
}

@test "a task names its locations, and so does the command line" {
	fresh_pair dir
	echo data >"$source_dir/file"
	write_config <<-CONF
		[location from]
		location = $source
		[location to]
		location = $destination
		[task nightly]
		source = from
		destination = to
		state = $state
	CONF
	named sync --quiet nightly
	[ -e "$destination_dir/file" ]
	echo more >"$source_dir/other"
	named sync --quiet --state "$state" from "$destination"
	[ -e "$destination_dir/other" ]
	run -2 named sync from nowhere
	[[ $output == *'nowhere: neither a server'* ]]
}

@test "options of a location are those of its URL" {
	need_servers
	((EUID == 0)) || skip 'only root can be somebody else'
	fresh_pair nfs
	echo secret >"$source_dir/secret"
	chmod 600 "$source_dir/secret"
	write_config <<-CONF
		[location from]
		location = $source
		uid = 1000
		gid = 1000
		conns = 2
		[task nightly]
		source = from
		destination = $destination
		state = $state
	CONF
	run -1 named sync nightly
	[[ $output == *'secret: reading it is not permitted'* ]]
	sed -i 's/^uid = 1000/uid = 0/' "$config"
	named sync --quiet nightly
	[ "$(cat "$destination_dir/secret")" = secret ]
	# Given twice, in the text and beside it.
	sed -i "s|^location = .*|&?uid=0|" "$config"
	run -2 named sync nightly
	[[ $output == *"$config:3: uid: "*'option uid is given twice'* ]]
}

@test "a named task is mounted as the file says" {
	need_fuse
	fresh_pair dir
	echo data >"$source_dir/file"
	task_config 'interval = 15m' 'options = syncdir=.bridge' 'jobs = 3'
	fresh_mountpoint
	view_errors=$mountpoint.errors
	"$EFSBRIDGE" -f --config "$config" nightly "$mountpoint" \
		2>"$view_errors" 3>&- 4>&- &
	view_pid=$!
	views_known+=("$(known_as "$view_pid")")
	wait_for 60 view_is_ready_or_gone
	[ "$(cat "$mountpoint/file")" = data ]
	[ "$(jq -r '.Task, .Interval, .Jobs' "$mountpoint/.bridge/task.json" |
		tr '\n' ' ')" = 'nightly 900000 3 ' ]
	run -0 named status nightly
	[[ $output == *"$mountpoint"* ]]
	view_end
	# What is given takes the other one of the file away.
	"$EFSBRIDGE" -f --config "$config" --no-sync nightly "$mountpoint" \
		2>"$view_errors" 3>&- 4>&- &
	view_pid=$!
	views_known+=("$(known_as "$view_pid")")
	wait_for 60 view_is_ready_or_gone
	is_mounted "$mountpoint"
	view_end
}

# refused LINE-NUMBER WORDS: by check, with the file's name and the line.
refused() {
	run -2 named check
	[[ $output == *"$config:$1: $2"* ]]
}

@test "what is wrong is told with file, line and key" {
	fresh_pair dir
	task_config 'verfy = all'
	refused 5 'verfy: there is no such key; there are source, '
	run -2 named sync nightly
	[[ $output == *"$config:5: verfy: there is no such key"* ]]
	task_config 'verify = some'
	refused 5 'verify = some: say transferred, all or none'
	task_config 'verify = all' 'verify = none'
	refused 6 'verify: it is in line 5 already'
	task_config 'no-owner = true'
	refused 5 'no-owner = true: say yes or no'
	task_config 'interval = soon'
	refused 5 'interval = soon: say a time like'
	task_config 'options = sofft'
	refused 5 'options = sofft: '
	task_config 'interval = 1h' 'no-sync = yes'
	refused 1 '[task nightly]: no-sync says not to copy, interval to do so'
	task_config 'deleted = remove' 'transfer-mode = all'
	refused 1 '[task nightly]: '
	task_config '[sections]'
	refused 5 '[sections]: there are [defaults], '
	task_config '[defaults]' 'state = /x'
	refused 6 'state: tasks cannot share it'
	task_config '[location far]' 'conns = 2'
	refused 5 '[location far]: no location; say location = host:/path'
	task_config '[location far]' 'location = host:/x' 'conns = 99'
	refused 7 'conns: host:/x: conns=99 is not a number from 1 to 16'
	task_config '[location far]' 'location = host:/x' 'colour = red'
	refused 7 'colour: host:/x: option "colour" is not known'
	write_config <<<$'[task nightly]\nsource = /x'
	refused 1 '[task nightly]: no destination; say destination = '
	write_config <<<$'[task status]\nsource = /x\ndestination = /y'
	refused 1 '[task status]: this is a command'
	write_config <<<$'[task a]\nsource = x\ndestination = /y'
	refused 2 'source = x: there is no [location] of that name'
}

@test "check tells all that is wrong at once" {
	write_config <<-CONF
		[task one]
		source = /x
		destination = host
		[task two]
		source = /x
		jobs = 0
		destination = y
	CONF
	run -2 named check
	[ "${#lines[@]}" = 3 ]
	[[ $output == *:3:* && $output == *:6:* && $output == *:7:* ]]
	# A task is not held up by another one.
	run -2 named check --no-connect one
	[[ $output == *:3:* && $output != *:6:* ]]
	sed -i 's/^destination = host/destination = \/y/' "$config"
	named check --no-connect one
	run -2 named check --no-connect two
}

@test "a file that others may write is refused when root reads it" {
	((EUID == 0)) || skip 'only for root'
	fresh_pair dir
	task_config
	named sync --quiet nightly
	chmod 664 "$config"
	run -2 named sync nightly
	[[ $output == *"$config: others than root may write it (mode 0664)"* ]]
	chmod 600 "$config"
	chown 1000 "$config"
	run -2 named sync nightly
	[[ $output == *"$config: it belongs to user 1000"* ]]
}

@test "a name that is none is told so, and a file that is missing" {
	fresh_pair dir
	task_config
	run -2 named sync monthly
	[[ $output == *"$config: there is no [task monthly]"* ]]
	run -2 "$EFSBRIDGE" sync --config "$config.not" nightly
	[[ $output == *"$config.not: No such file or directory"* ]]
	# Without a name the file is not looked for.
	echo data >"$source_dir/file"
	run_sync 0
	expect FilesTransferred=1
}

# as_user COMMAND...: who is not root, in a home of his own; $config_home is
# his XDG_CONFIG_HOME. (Nothing may stand between setpriv and the command: where
# that is, only root may look.)
as_user() {
	local with=(env -u XDG_CONFIG_HOME HOME="$home")
	[ -z "${config_home:-}" ] || with+=(XDG_CONFIG_HOME="$config_home")
	if ((EUID == 0)); then
		"${with[@]}" setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
	else
		"${with[@]}" "$@"
	fi
}

@test "a user has a configuration of his own" {
	home=$(mktemp -d)
	chmod 755 "$home"
	((EUID != 0)) || chown 1000:1000 "$home"
	as_user mkdir -p "$home/.config" "$home/elsewhere" "$home"/{a,b}
	as_user tee "$home/.config/efsbridge.conf" >/dev/null <<-CONF
		[task mine]
		source = $home/a
		destination = $home/b
	CONF
	as_user touch "$home/a/file"
	as_user "$EFSBRIDGE" sync --quiet mine
	[ -e "$home/b/file" ]
	[ -e "$home/.local/state/efsbridge/mine/manifest.db" ]
	as_user mv "$home/.config/efsbridge.conf" "$home/elsewhere"
	run -2 as_user "$EFSBRIDGE" sync mine
	config_home=$home/elsewhere
	run -0 as_user "$EFSBRIDGE" check
	[[ $output == "$home/elsewhere/efsbridge.conf: 1 tasks and 0 locations"* ]]
}

@test "the sample is harmless as it is, and good without its comments" {
	run -0 "$EFSBRIDGE" check --config "$top/contrib/efsbridge.conf.sample"
	[[ $output == *'0 tasks and 0 locations'* ]]
	sed 's/^#\([^ ]\)/\1/' "$top/contrib/efsbridge.conf.sample" | write_config
	run -0 named check
	[[ $output == *'2 tasks and 2 locations'* ]]
	run -0 named check --no-connect nightly
	run -0 named check --no-connect changed
}

# Without what says where the state is: that would be root's own place.
@test "the example of the manual is a configuration" {
	sed -n '/^\[defaults\]/,/^\.Ed/p' "$top/man/efsbridge.conf.5" |
		sed '/^\./d' | write_config
	grep -q '^\[task nightly\]' "$config"
	named check
}
