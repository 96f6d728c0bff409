#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Uploads to a real S3 server, through a gate that verifies each signature and
# digest, and can fail on demand.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws
load lib/private

setup() {
	aws_clean
	need_s3
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	export AWS_REGION=eu-central-1
	file=$BATS_TEST_TMPDIR/file
}

teardown() {
	aws_stop
	s3_stop
}

# start: a server with a bucket, and the gate.
start() {
	s3_start the-bucket
	aws_start --upstream "$s3_url"
	export AWS_ENDPOINT_URL_S3=$aws_url
}

# arrived PATH
arrived() {
	s3_get "$1" | cmp - "$file"
}

upload() { "$AWSTOOL" upload "$@"; }

@test 'a file arrives under its key, with its type' {
	start
	printf 'content\n' >"$file"
	run -0 upload "$file" s3://the-bucket/some/prefix/ name.json
	[ -z "$output" ]
	arrived /the-bucket/some/prefix/name.json
	grep -q '"text/plain"' "$BATS_TEST_TMPDIR"/s3/the-bucket/some/prefix/name.json*metadata*
	: >"$file"
	run -0 upload "$file" s3://the-bucket empty
	arrived /the-bucket/empty
	[ "$(aws_count refused)" = 0 ]
}

@test 'keys with every kind of letter' {
	start
	printf x >"$file"
	name=$'a b+c%d&e=f?g#h\xc3\xa4~*\'()/..i'
	run -0 upload "$file" "s3://the-bucket/p:q @" "$name"
	[ "$(aws_count refused)" = 0 ]
	quoted=$(python3 -c 'import sys, urllib.parse
print(urllib.parse.quote(sys.argv[1]))' "p:q @/$name")
	arrived "/the-bucket/$quoted"
}

@test 'a large file goes in parts' {
	start
	head -c 12582912 /dev/urandom >"$file"
	printf tail >>"$file"
	run -0 upload -s 5242880 "$file" s3://the-bucket large
	arrived /the-bucket/large
	[ "$(aws_count partNumber=)" = 3 ]
	[ "$(aws_count '?uploads=')" = 1 ]
	[ "$(aws_count refused)" = 0 ]
	# One of the parts has to be sent again.
	aws_behaves '{"fail": 2, "fail_match": "partNumber=2"}'
	run -0 upload -s 5242880 "$file" s3://the-bucket again
	arrived /the-bucket/again
}

@test 'parts of an upload that fails are taken away' {
	start
	head -c 6000000 /dev/urandom >"$file"
	aws_behaves '{"fail": 5, "fail_match": "partNumber=2", "status": 403}'
	run -1 upload -s 5242880 "$file" s3://the-bucket large
	[[ $output == *'s3://the-bucket/large: S3 answered with status 403: ServiceUnavailable: Please reduce your request rate. (EACCES)' ]]
	[ "$(aws_count '"method": "DELETE"')" = 1 ]
	run -1 s3_get /the-bucket/large
	[ -e "$file" ]
}

@test 'what passes is tried again' {
	start
	printf x >"$file"
	for code in 500 503 429; do
		aws_behaves "{\"fail\": 2, \"status\": $code}"
		run -0 upload "$file" s3://the-bucket "$code"
		arrived "/the-bucket/$code"
	done
	# A server that is not there for a while.
	aws_stop
	upload "$file" s3://the-bucket late 3>&- &
	pid=$!
	rm -r "$aws_dir"
	aws_start --upstream "$s3_url" --port "${AWS_ENDPOINT_URL_S3##*:}"
	wait "$pid"
	arrived /the-bucket/late
}

@test 'what does not pass is told' {
	start
	printf x >"$file"
	run -1 upload "$file" s3://no-such-bucket x
	[[ $output == *'s3://no-such-bucket/x: S3 answered with status 404: NoSuchBucket: The specified bucket does not exist (ENOENT)' ]]
	AWS_SECRET_ACCESS_KEY=wrong run -1 upload "$file" s3://the-bucket x
	[[ $output == *'status 403: SignatureDoesNotMatch: the signatures differ (EACCES)' ]]
	run -1 upload "$file.no" s3://the-bucket x
	[[ $output == *"$file.no: No such file or directory (ENOENT)" ]]
	run -1 upload "$BATS_TEST_TMPDIR" s3://the-bucket x
	[[ $output == *'is not a regular file'* ]]
	AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(free_port) \
		run -1 upload "$file" s3://the-bucket x
	[[ $output == *'s3://the-bucket/x: PUT http://127.0.0.1:'*' (ECONNREFUSED)' ]]
	unset AWS_SECRET_ACCESS_KEY
	run -1 upload "$file" s3://the-bucket x
	[[ $output == *'s3://the-bucket/x: AWS credentials: AWS_ACCESS_KEY_ID is set'* ]]
}

@test 'URLs that are none' {
	for url in s3:/b http://b/x s3:// s3://ab s3://UPPER s3://a_b s3://-ab s3://ab. s3:///x; do
		run -1 upload "$file" "$url" x
		[[ $output == *'(EINVAL)' ]]
	done
	AWS_ENDPOINT_URL_S3=localhost:1 run -1 upload "$file" s3://bucket x
	[[ $output == *'AWS_ENDPOINT_URL_S3: "localhost:1" is not a URL'* ]]
	AWS_ENDPOINT_URL=http://h/path run -1 upload "$file" s3://bucket x
	[[ $output == *'AWS_ENDPOINT_URL: "http://h/path" is not a URL'* ]]
}

@test 'an upload is cancelled within a moment' {
	start
	printf x >"$file"
	aws_behaves '{"fail": 1000}'
	run -1 upload -c 300 "$file" s3://the-bucket x
	[[ $output == *'(ECANCELED)' ]]
	aws_behaves '{"hang": 60}'
	begin=${EPOCHREALTIME/./}
	run -1 upload -c 300 "$file" s3://the-bucket x
	[[ $output == *'(ECANCELED)' ]]
	((${EPOCHREALTIME/./} - begin < 20000000))
}

@test 'keys that expire meanwhile are fetched anew' {
	start
	printf x >"$file"
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$aws_url/container/ecs
	run -0 upload "$file" s3://the-bucket x
	aws_behaves '{"fail": 1, "status": 400, "code": "ExpiredToken", "fail_match": "the-bucket"}'
	run -0 upload "$file" s3://the-bucket y
	arrived /the-bucket/y
	# One for the first upload, two for the second.
	[ "$(aws_count container/ecs)" = 3 ]
}

# in_net: in namespaces of our own, what stands for AWS at its own names.
in_net() {
	ip link set lo up
	private_file /etc/hosts <<-'END'
		127.0.0.1 localhost the-bucket.s3.eu-central-1.amazonaws.com
		127.0.0.1 the-bucket.s3.us-east-1.amazonaws.com
		127.0.0.1 dots.in.it.s3.us-east-1.amazonaws.com
		127.0.0.1 s3.us-east-1.amazonaws.com
	END
	s3rver --address 127.0.0.1 --port 4568 --directory "$work/s3" \
		--no-vhost-buckets --configure-bucket the-bucket \
		--configure-bucket dots.in.it >"$work/s3.log" 2>&1 &
	"$FAKEAWS" --port 443 --upstream http://127.0.0.1:4568 \
		--tls "$work/pem" "$work/aws" >"$work/log" 2>&1 &
	trap 'kill $(jobs -p)' EXIT
	wait_for 60 test -e "$work/aws/port"
	# It is known by its answer, whatever that is.
	wait_for 60 bash -c 'exec 9<>/dev/tcp/127.0.0.1/4568' 2>"$work/probe"
	export AWS_REGION=us-east-1
	if "$AWSTOOL" upload "$work/file" s3://the-bucket k; then
		return 1
	fi
	export AWS_CA_BUNDLE=$work/pem
	AWS_REGION=eu-central-1 "$AWSTOOL" upload "$work/file" s3://the-bucket/p one
	"$AWSTOOL" upload "$work/file" s3://the-bucket/p two
	"$AWSTOOL" upload "$work/file" s3://dots.in.it/p three
}

@test 'buckets in the name of the host, over TLS, and in another region' {
	need_private
	export work=$BATS_TEST_TMPDIR/net AWSTOOL FAKEAWS
	mkdir -p "$work/aws"
	echo content >"$work/file"
	echo '{"bucket_region": "eu-central-1"}' >"$work/aws/behaviour"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/pem" \
		-out "$work/crt" -days 1 -subj /CN=test \
		-addext 'subjectAltName=DNS:*.s3.eu-central-1.amazonaws.com,DNS:*.s3.us-east-1.amazonaws.com,DNS:s3.us-east-1.amazonaws.com'
	cat "$work/crt" >>"$work/pem"
	run -0 unshare --mount --propagation private --net bash -c "
		. '$top/tests/integration/lib/common.bash'
		. '$top/tests/integration/lib/private.bash'
		$(declare -f in_net)
		set -eu
		in_net"
	[ "${#lines[@]}" = 1 ]
	[[ ${lines[0]} == *'s3://the-bucket/k: PUT https://the-bucket.s3.us-east-1.amazonaws.com: SSL certificate problem'*'(EPROTO)' ]]
	cmp "$work/file" "$work/s3/the-bucket/p/one._S3rver_object"
	cmp "$work/file" "$work/s3/the-bucket/p/two._S3rver_object"
	cmp "$work/file" "$work/s3/dots.in.it/p/three._S3rver_object"
	# The second was told where its bucket is.
	run -0 jq -r '.host + .path + " " + (.status | tostring)' "$work/aws/requests"
	[ "$output" = "\
the-bucket.s3.eu-central-1.amazonaws.com/p/one 200
the-bucket.s3.us-east-1.amazonaws.com/p/two 301
the-bucket.s3.eu-central-1.amazonaws.com/p/two 200
s3.us-east-1.amazonaws.com/dots.in.it/p/three 200" ]
}

@test 'the server itself, without the gate' {
	s3_start the-bucket
	export AWS_ENDPOINT_URL_S3=$s3_url
	export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
	head -c 6000000 /dev/urandom >"$file"
	run -0 upload "$file" s3://the-bucket/a whole
	arrived /the-bucket/a/whole
	run -0 upload -s 5242880 "$file" s3://the-bucket/a parts
	arrived /the-bucket/a/parts
	AWS_ACCESS_KEY_ID=nobody run -1 upload "$file" s3://the-bucket x
	[[ $output == *'status 403: InvalidAccessKeyId: '*'(EACCES)' ]]
}
