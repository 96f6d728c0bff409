#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Where the messages of a run go, which, and how they look.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws

setup() {
	aws_clean
	log=$BATS_TEST_TMPDIR/log
	fresh_pair dir
}

teardown() {
	views_end
	aws_stop
}

# small_tree: with something for each line there is.
small_tree() {
	mkdir "$source_dir/d"
	echo new >"$source_dir/d/new"
	echo same >"$source_dir/same"
	cp -p "$source_dir/same" "$destination_dir/"
	echo bad >"$source_dir/bad"
	mkdir -p "$destination_dir/bad/of"
	echo extra >"$destination_dir/extra"
}

# entries: "action path", of a log in JSON.
entries() {
	jq -r 'select(.action) | .action + " " + .path' "$log" | LC_ALL=C sort
}

@test 'a file has what is said, standard error has errors alone' {
	small_tree
	run_sync 1 --log="$log"
	[ "$(stat -c %a "$log")" = 640 ]
	grep -qE '^[0-9]{4}-[0-9-]{5}T[0-9:]{8}\.[0-9]{3}Z done with failures in ' \
		"$log"
	grep -qE '^[^ ]+ error: (source|destination) bad: ' "$log"
	run -1 grep -q 'd/new' "$log"
	grep -qE '^efsbridge: error: (source|destination) bad: ' "$errors_file"
	run -1 grep -v '^efsbridge: error: ' "$errors_file"
	# It is appended to.
	before=$(wc -l <"$log")
	rm -r "$destination_dir/bad"
	run_sync 0 --log="$log"
	[ ! -s "$errors_file" ]
	[ "$(tail -n +$((before + 1)) "$log" | grep -c ' done in ')" = 1 ]
}

@test 'transfer names each entry and what became of it, in JSON, too' {
	small_tree
	run_sync 1 --log="$log" --log-level=transfer --log-format=json
	jq -es 'all(.[]; (.time | test("^[0-9-]{10}T[0-9:]{8}[.][0-9]{3}Z$")) and
		(.level | IN("error", "warning", "notice", "info")) and
		(.message | length > 0) and .task)' "$log"
	entries >"$BATS_TEST_TMPDIR/entries"
	diff - <(grep -vE ' (d|\.)$' "$BATS_TEST_TMPDIR/entries") <<-'END'
		failed bad
		skipped same
		transferred d/new
		verified d/new
		verified same
	END
	grep -qx 'transferred d' "$BATS_TEST_TMPDIR/entries"
	jq -es 'map(select(.action == "failed")) | length == 1 and
		(.[0] | .level == "error" and .side == "destination" and
		(.error | length > 0))' "$log"
	run -1 grep -v '^efsbridge: error: ' "$errors_file"
	rm "$log"
	run_sync 0 --log="$log" --log-level=transfer --log-format=json \
		--deleted=remove
	diff <(entries | grep -vE ' (d|\.)$') - <<-'END'
		deleted bad
		deleted bad/of
		deleted extra
		skipped d/new
		skipped same
		transferred bad
		verified bad
	END
}

@test 'standard error as the place: JSON, entries, off' {
	small_tree
	run_sync 1 --log-format=json --log=stderr
	jq -es 'map(select(.level == "error" and .path == "bad")) | length == 1' \
		"$errors_file"
	rm -r "$destination_dir/bad"
	run_sync 0 --log-level=TRANSFER
	grep -qx 'efsbridge: transferred bad' "$errors_file"
	grep -qx 'efsbridge: skipped same: the destination has it already' \
		"$errors_file"
	grep -q '^efsbridge: done in ' "$errors_file"
	run_sync 0 --log-level=off --log="$log"
	[ ! -s "$errors_file" ]
	[ ! -e "$log" ]
	run_sync 0 --quiet --log-level=transfer
	[ ! -s "$errors_file" ]
	# A dry run does nothing to entries.
	echo newer >"$source_dir/newer"
	run -0 --separate-stderr "$EFSBRIDGE" sync --dry-run --state "$state" \
		--log="$log" --log-level=transfer "$source" "$destination"
	grep -q newer <<<"$output"
	[ -s "$log" ]
	run -1 grep -q newer "$log"
}

@test 'verify and cutover log, and a difference has its fields' {
	small_tree
	rm -r "$destination_dir/bad"
	run -0 --separate-stderr "$EFSBRIDGE" cutover --state "$state" \
		--deleted=remove --log="$log" "$source" "$destination"
	[ -z "$stderr" ]
	grep -q 'cutover: complete: ' "$log"
	rm "$log"
	echo evil >"$destination_dir/same"
	run -1 "$EFSBRIDGE" verify --state "$state" --log="$log" \
		--log-level=transfer --log-format=json "$source" "$destination"
	[ "$(entries | grep -vE ' (d|\.)$')" = \
		$'differs same\nverified bad\nverified d/new' ]
	jq -es 'map(select(.action == "differs")) | length == 1 and
		(.[0].error | startswith("content"))' "$log"
}

@test 'SIGHUP opens the file anew while the run goes on' {
	head -c 3000000 /dev/urandom >"$source_dir/large"
	echo small >"$source_dir/small"
	start_sync --log="$log" --log-level=transfer --bwlimit=1M --jobs=2
	during_sync 60 grep -q 'transferred small' "$log"
	mv "$log" "$log.old"
	kill -HUP "$sync_pid"
	during_sync 60 test -e "$log"
	end_sync 0
	grep -q 'transferred large' "$log"
	grep -q ' done in ' "$log"
	grep -q 'transferred small' "$log.old"
	run -1 grep -q 'transferred large' "$log.old"
	[ ! -s "$errors_file" ]
}

@test 'the configuration says it, and what cannot be opened ends at once' {
	small_tree
	cat >"$BATS_TEST_TMPDIR/conf" <<-END
		[task lines]
		source = $source
		destination = $destination
		state = $state
		log = $log
		log-level = transfer
		log-format = json
	END
	run -1 "$EFSBRIDGE" sync --config="$BATS_TEST_TMPDIR/conf" lines
	[ "$(jq -r .task "$log" | sort -u)" = lines ]
	entries | grep -qx 'transferred d/new'
	run -2 "$EFSBRIDGE" sync --state "$state" --log=/nowhere/at/all \
		"$source" "$destination"
	[ "$output" = 'efsbridge: error: --log=/nowhere/at/all: No such file or directory' ]
	run -2 "$EFSBRIDGE" sync --log= "$source" "$destination"
	[[ $output == *'--log=: say stderr, a file, syslog, journal or cloudwatch:GROUP[:STREAM]'* ]]
	run -2 "$EFSBRIDGE" sync --log-level=loud "$source" "$destination"
	[[ $output == *'say off, basic or transfer'* ]]
	# A log that is full does not end a run.
	run_sync 1 --log=/dev/full
	[ "$(grep -c 'warning: the log: No space left on device: messages are dropped' \
		"$errors_file")" = 1 ]
}

@test 'a mount logs there and in .sync/log, and SIGHUP ends it not' {
	need_fuse
	small_tree
	rm -r "$destination_dir/bad"
	view_begin --log="$log" --log-level=transfer
	wait_for 60 grep -q 'execution 1 ended' "$log"
	grep -q 'transferred d/new' "$log"
	grep -q 'transferred d/new' "$mountpoint/.sync/log"
	mv "$log" "$log.old"
	kill -HUP "$view_pid"
	wait_for 60 test -e "$log"
	is_mounted "$mountpoint"
	view_end 60
	grep -q 'unmounted from' "$log"
	[ ! -s "$view_errors" ]
}

@test 'CloudWatch Logs gets all of it, through an outage, too' {
	small_tree
	for ((i = 0; i < 300; i++)); do
		echo "$i" >"$source_dir/d/f$i"
	done
	rm -r "$destination_dir/bad"
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	export AWS_REGION=eu-central-1
	aws_start
	export AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=$aws_url
	aws_behaves '{"fail": 2}'
	run_sync 0 --log=cloudwatch:/the/group:a-stream --log-level=transfer \
		--log-format=json
	[ "$(jq -r '.group + " " + .stream' "$aws_dir/events" | sort -u)" = \
		'/the/group a-stream' ]
	jq -r .message "$aws_dir/events" >"$log"
	[ "$(entries | grep -c '^transferred d/f')" = 300 ]
	[ "$(entries | grep -c '^verified d/f')" = 300 ]
	grep -q '"message":"done in ' "$log"
	grep -q 'warning: CloudWatch Logs: .*; messages wait' "$errors_file"
	run -1 grep -q 'did not arrive' "$errors_file"
	# Without a stream it is called like the task.
	run -0 "$EFSBRIDGE" sync --task=lines --state "$state" \
		--log=cloudwatch:/the/group "$source" "$destination"
	jq -es 'any(.[]; .stream == "lines" and (.message | startswith("done in ")))' \
		"$aws_dir/events"
	run -2 "$EFSBRIDGE" sync --log='cloudwatch:a b' --state "$state" \
		"$source" "$destination"
	[[ $output == *'is not the name of a log group' ]]
}

# Needs a /dev of its own, that no other process sees.
@test 'syslog and the journal get it' {
	((EUID == 0)) || skip 'only root has mounts of its own'
	small_tree
	mkdir "$BATS_TEST_TMPDIR/dev"
	cat >"$BATS_TEST_TMPDIR/listen" <<-'PYTHON'
		import os, socket, subprocess, sys, threading
		path, out, *command = sys.argv[1:]
		os.makedirs(os.path.dirname(path), exist_ok=True)
		taker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		taker.bind(path)
		# All the time: who sends waits when the queue is full.
		def take():
		    with open(out, "wb") as f:
		        while message := taker.recv(65536):
		            f.write(message + b"\n")
		thread = threading.Thread(target=take)
		thread.start()
		status = subprocess.call(command)
		socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", path)
		thread.join()
		sys.exit(status)
	PYTHON
	cat >"$BATS_TEST_TMPDIR/inside" <<-'SHELL'
		set -e
		dev=$1 listen=$2 out=$3
		shift 3
		mount -t tmpfs none "$dev"
		for name in null zero random urandom; do
			touch "$dev/$name"
			mount --bind "/dev/$name" "$dev/$name"
		done
		mount --bind "$dev" /dev
		mount -t tmpfs none /run
		python3 "$listen" /dev/log "$out.syslog" "$@" --log=syslog || [ $? = 1 ]
		python3 "$listen" /run/systemd/journal/socket "$out.journal" \
			"$@" --log=journal || [ $? = 1 ]
	SHELL
	run -0 --separate-stderr unshare --mount sh "$BATS_TEST_TMPDIR/inside" \
		"$BATS_TEST_TMPDIR/dev" "$BATS_TEST_TMPDIR/listen" \
		"$BATS_TEST_TMPDIR/out" "$EFSBRIDGE" sync --task=lines \
		--state "$state" --log-level=transfer "$source" "$destination"
	# LOG_DAEMON is 24; LOG_INFO 6, LOG_ERR 3.
	grep -aqE '^<30>.* efsbridge\[[0-9]+\]: transferred d/new' \
		"$BATS_TEST_TMPDIR/out.syslog"
	grep -aqE '^<27>.* efsbridge\[[0-9]+\]: error: .* bad: ' \
		"$BATS_TEST_TMPDIR/out.syslog"
	for field in 'MESSAGE=skipped same: the destination has it already' \
		PRIORITY=6 PRIORITY=3 SYSLOG_IDENTIFIER=efsbridge \
		EFSBRIDGE_TASK=lines EFSBRIDGE_PATH=same EFSBRIDGE_ACTION=skipped; do
		grep -qxF "$field" "$BATS_TEST_TMPDIR/out.journal"
	done
}
