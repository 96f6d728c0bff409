# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The services of AWS, played by tests/tools/fakeaws, and awstool, which does
# with them what the program does. To be loaded after lib/common.

AWSTOOL=${AWSTOOL:-${TOOLS_BUILD:?}/awstool}
FAKEAWS=${FAKEAWS:-${TOOLS_SOURCE:?}/fakeaws}

# aws_clean: nothing of the environment that tests run in is left that names
# keys, and the home directory has none. To be called in setup().
aws_clean() {
	local name
	for name in ${!AWS_*}; do
		unset "$name"
	done
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME/.aws"
	# A test that forgets to name a fake would wait for the real one.
	export AWS_EC2_METADATA_DISABLED=true
	unset HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ALL_PROXY all_proxy
}

# aws_start [ARGUMENT...]: starts a fake of this test. Sets aws_dir, aws_url.
aws_start() {
	aws_dir=$BATS_TEST_TMPDIR/aws
	mkdir "$aws_dir"
	"$FAKEAWS" "$@" "$aws_dir" >"$aws_dir/log" 2>&1 3>&- 4>&- &
	aws_pid=$!
	wait_for "${SERVERS_DEADLINE_S:?}" test -e "$aws_dir/port"
	# shellcheck disable=SC2034 # what the tests use
	aws_url=http://127.0.0.1:$(cat "$aws_dir/port")
}

# aws_stop: to be called in teardown(). What it said would be a traceback.
aws_stop() {
	[ -n "${aws_pid:-}" ] || return 0
	kill "$aws_pid"
	wait "$aws_pid" || true
	aws_pid=
	[ ! -s "$aws_dir/log" ] || {
		cat "$aws_dir/log"
		return 1
	}
}

# aws_behaves JSON
aws_behaves() {
	printf '%s\n' "$1" >"$aws_dir/behaviour.new"
	mv "$aws_dir/behaviour.new" "$aws_dir/behaviour"
}

# aws_count TEXT: how many requests were logged with this text in them.
aws_count() {
	grep -cF -- "$1" "$aws_dir/requests" || true
}

# aws_issued NUMBER: what awstool prints of hashes for the keys of that number.
aws_issued() {
	python3 - "$1" <<-'PYTHON'
		import hashlib, sys
		key_id = f"ASIA{int(sys.argv[1]):08d}"
		def of(text): return hashlib.sha256(text.encode()).hexdigest()
		print(of(of(f"secret of {key_id}")),
		      of("token/+=" + of(f"token of {key_id}")))
	PYTHON
}

# need_s3: to be called in setup().
need_s3() {
	command -v s3rver >/dev/null && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "s3rver is missing and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "s3rver is not installed (npm install --global s3rver)"
}

# s3_start BUCKET...: starts an S3 server of this test with these buckets. Sets
# s3_url. It looks at no signature: put fakeaws before it. Waits until it
# answers.
s3_start() {
	local bucket arguments=() port
	for bucket; do
		arguments+=(--configure-bucket "$bucket")
	done
	port=$(free_port)
	mkdir "$BATS_TEST_TMPDIR/s3"
	s3rver --address 127.0.0.1 --port "$port" --no-vhost-buckets \
		--directory "$BATS_TEST_TMPDIR/s3" "${arguments[@]}" \
		>"$BATS_TEST_TMPDIR/s3.log" 2>&1 3>&- 4>&- &
	s3_pid=$!
	s3_url=http://127.0.0.1:$port
	wait_for "${SERVERS_DEADLINE_S:?}" s3_get / >/dev/null
}

s3_stop() {
	[ -n "${s3_pid:-}" ] || return 0
	kill "$s3_pid"
	wait "$s3_pid" || true
	s3_pid=
}

# s3_get PATH: what lies there, asked of the server itself.
s3_get() {
	python3 - "$s3_url$1" 2>/dev/null <<-'PYTHON'
		import sys, urllib.request
		sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())
	PYTHON
}
