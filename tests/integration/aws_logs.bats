#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Messages on their way to CloudWatch Logs: a fake of it keeps the service's
# limits, verifies signatures, and can be away.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws

setup() {
	aws_clean
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	export AWS_REGION=eu-central-1
	aws_start
	export AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=$aws_url
	now=$(date +%s%3N)
}

teardown() {
	aws_stop
}

logs() { "$AWSTOOL" logs "$@" the/group a-stream; }

# arrived: the texts, in the order in which they are in the stream.
arrived() { jq -r .message "$aws_dir/events"; }

# lines NUMBER: so many messages, a millisecond apart.
lines() {
	seq -f "%.0f" "$now" $((now + $1 - 1)) | awk '{ print $1, "message", NR }'
}

@test 'group and stream are made, and messages arrive' {
	run -0 --separate-stderr logs <<<"$now first"
	[[ $output == 'sent 1 dropped 0 refused 0 queued 0 '* && -z $stderr ]]
	[ "$(aws_count CreateLogGroup)" = 1 ]
	[ "$(aws_count CreateLogStream)" = 1 ]
	[ "$(jq -r '.group + " " + .stream + " " + (.timestamp | tostring)' "$aws_dir/events")" = \
		"the/group a-stream $now" ]
	printf '%d "two" \\ \xc3\xa4 b\xff\x01d\n' "$now" >"$BATS_TEST_TMPDIR/in"
	run -0 logs <"$BATS_TEST_TMPDIR/in"
	[ "$(jq -r 'select(.message != "first").message' "$aws_dir/events")" = \
		$'"two" \\ \u00e4 b\ufffd\x01d' ]
	[ "$(aws_count CreateLogGroup)" = 1 ]
}

@test 'batches keep the limits of the service' {
	# 25,000 short ones; 12 of 200 KiB; a day and more apart; not in order.
	{
		lines 25000
		for i in {1..12}; do
			printf '%d %s %0204800d\n' "$now" long "$i"
		done
		echo "$((now - 7 * 86400000)) a week ago"
		echo "$now later"
		echo "$((now - 5000)) sooner"
	} >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr logs <"$BATS_TEST_TMPDIR/in"
	[[ $output == 'sent 25015 dropped 0 refused 0 queued 0 '* ]]
	[ -z "$stderr" ]
	# Whatever breaks a limit is refused by the fake.
	[ "$(aws_count InvalidParameter)" = 0 ]
	# None was lost and none came twice.
	[ "$(arrived | grep -c '^message')" = 25000 ]
	[ "$(arrived | grep '^message' | sort -u | wc -l)" = 25000 ]
	[ "$(arrived | grep -c '^long')" = 12 ]
}

@test 'what is too long is cut between letters, and nothing is no event' {
	{
		echo "$now "
		printf '%d ' "$now"
		head -c 400000 /dev/zero | tr '\0' x | sed 's/x/\xc3\xa4/g'
	} >"$BATS_TEST_TMPDIR/in"
	run -0 logs <"$BATS_TEST_TMPDIR/in"
	[[ $output == 'sent 1 dropped 0 refused 0 queued 0 '* ]]
	[ "$(arrived | tr -d '\n' | wc -c)" = 262118 ]
}

@test 'a short outage loses nothing and is told once' {
	aws_behaves '{"fail": 4}'
	run -0 --separate-stderr logs -l 10 <<<"$(lines 500)"
	[[ $output == 'sent 500 dropped 0 refused 0 queued 0 '* ]]
	[ "$(arrived)" = "$(seq -f 'message %.0f' 500)" ]
	[ "${#stderr_lines[@]}" = 2 ]
	[[ ${stderr_lines[0]} == 'CloudWatch Logs: ServiceUnavailable: Please reduce'*'; messages wait, up to 32 MiB of them, and are sent when it works again' ]]
	[ "${stderr_lines[1]}" = 'CloudWatch Logs: it works again; 0 messages dropped' ]
}

@test 'a full queue drops, counts and tells, and never makes anybody wait' {
	aws_behaves '{"fail": 3, "hang": 0.3}'
	run -0 --separate-stderr logs -q 65536 -n 100000 -t 20000 </dev/null
	[[ $output =~ ^sent\ ([0-9]+)\ dropped\ ([0-9]+)\ refused\ 0\ queued\ 0\ slow\ ([0-9]+)$ ]]
	sent=${BASH_REMATCH[1]} dropped=${BASH_REMATCH[2]} slow=${BASH_REMATCH[3]}
	# A request takes 300,000 us.
	((dropped > 0 && slow < 100000))
	# All are accounted for; among those sent is the word about the rest,
	# perhaps in pieces.
	arrived | grep 'messages were dropped here: the queue was full$' \
		>"$BATS_TEST_TMPDIR/words"
	((sent - $(wc -l <"$BATS_TEST_TMPDIR/words") + dropped == 100000))
	[ "$(awk '{ n += $1 } END { print n }' "$BATS_TEST_TMPDIR/words")" = "$dropped" ]
}

@test 'the end waits as long as it is told' {
	aws_behaves '{"fail": 1000}'
	begin=${EPOCHREALTIME/./}
	run -0 --separate-stderr logs -t 500 <<<"$(lines 10)"
	[[ $output == 'sent 0 dropped 10 refused 0 queued 0 '* ]]
	((${EPOCHREALTIME/./} - begin < 20000000))
	# A request that hangs is cancelled.
	aws_behaves '{"hang": 60}'
	begin=${EPOCHREALTIME/./}
	run -0 --separate-stderr logs -t 500 <<<"$(lines 10)"
	[[ $output == 'sent 0 dropped 10 refused 0 queued 0 '* ]]
	((${EPOCHREALTIME/./} - begin < 20000000))
}

@test 'what the service refuses is counted and told' {
	{
		echo "$((now - 15 * 86400000)) too old"
		echo "$now good"
	} >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr logs <"$BATS_TEST_TMPDIR/in"
	[[ $output == 'sent 1 dropped 0 refused 1 queued 0 '* ]]
	[ "$stderr" = 'CloudWatch Logs: 1 messages were refused as too old or too new' ]
	[ "$(arrived)" = good ]
	aws_behaves '{"fail": 1, "status": 400, "code": "InvalidParameterException"}'
	run -0 --separate-stderr logs <<<"$now bad"
	[[ $output == 'sent 0 dropped 0 refused 1 queued 0 '* ]]
	[[ $stderr == 'CloudWatch Logs: 1 messages were refused: InvalidParameterException: '* ]]
}

@test 'a wrong key is told, and names are checked' {
	AWS_SECRET_ACCESS_KEY=wrong run -0 --separate-stderr logs -t 300 <<<"$now x"
	[[ $output == 'sent 0 dropped 1 '* ]]
	[[ $stderr == 'CloudWatch Logs: SignatureDoesNotMatch: the signatures differ; messages wait'* ]]
	run -1 "$AWSTOOL" logs 'a b' c
	[[ $output == *'"a b" is not the name of a log group'* ]]
	run -1 "$AWSTOOL" logs a 'c:d'
	[[ $output == *'"c:d" is not the name of a log stream'* ]]
}

@test 'a service that is not there at first' {
	aws_stop
	rm -r "$aws_dir"
	mkfifo "$BATS_TEST_TMPDIR/in"
	logs -l 10 <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pid=$!
	{
		lines 100
		wait_for 60 grep -q 'messages wait' "$BATS_TEST_TMPDIR/out"
		aws_start --port "${AWS_ENDPOINT_URL_CLOUDWATCH_LOGS##*:}"
		echo wait
	} >"$BATS_TEST_TMPDIR/in"
	wait "$pid"
	run -0 cat "$BATS_TEST_TMPDIR/out"
	[[ ${lines[0]} == *'POST http://127.0.0.1:'*'; messages wait'* ]]
	[[ ${lines[1]} == *'it works again; 0 messages dropped' ]]
	[ "${lines[2]}" = waited ]
	[[ ${lines[3]} == 'sent 100 dropped 0 '* ]]
	[ "$(arrived)" = "$(seq -f 'message %.0f' 100)" ]
}
