#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Where keys and regions come from: every place, what goes before what, expiry
# and renewal, and what is said when it does not work.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws

setup() {
	aws_clean
}

teardown() {
	aws_stop
}

test_hash=$(printf test-secret-key | sha256sum | cut -d' ' -f1)

# credentials TEXT, config TEXT: the files of the AWS command line.
credentials() { cat >"$HOME/.aws/credentials"; }
config() { cat >"$HOME/.aws/config"; }

# keys_are ID SOURCE [ARGUMENT...]
keys_are() {
	local id=$1 source=$2
	shift 2
	run -0 --separate-stderr "$AWSTOOL" keys "$@"
	[[ $output == "$id \"$source\" "* ]]
	[ -z "$stderr" ]
	case $id in
	ASIA*) [ "$output" = "$id \"$source\" $(aws_issued "${id#ASIA}")" ] ;;
	esac
}

# keys_fail TEXT [ARGUMENT...]: and no secret is said.
keys_fail() {
	local text=$1
	shift
	run -1 "$AWSTOOL" keys "$@"
	[[ $output == *"$text"* ]] || {
		echo "$output"
		return 1
	}
	[[ $output != *secret-key* && $output != *web-token* &&
		$output != *pod-token* && $output != *token/+* ]]
}

# instance: the fake is the metadata service.
instance() {
	unset AWS_EC2_METADATA_DISABLED
	export AWS_EC2_METADATA_SERVICE_ENDPOINT=$aws_url
}

@test 'keys of the environment, with and without a token' {
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	run -0 "$AWSTOOL" keys
	[ "$output" = "AKIDTEST \"environment\" $test_hash -" ]
	export AWS_SESSION_TOKEN=test-secret-key
	run -0 "$AWSTOOL" keys
	[ "$output" = "AKIDTEST \"environment\" $test_hash $test_hash" ]
}

@test 'half of a pair of keys in the environment is a mistake' {
	AWS_ACCESS_KEY_ID=AKIDTEST keys_fail \
		'AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not'
	AWS_SECRET_ACCESS_KEY=test-secret-key keys_fail \
		'AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not'
}

@test 'without any keys, every place is named' {
	keys_fail 'no AWS credentials: no keys in the environment; there is no AWS profile "default"; not in a container; no web identity; instance metadata: turned off'
	[[ $output == *'(ENOENT)' ]]
}

@test 'profiles: default, AWS_PROFILE, and one named for the purpose' {
	credentials <<-'END'
		# a comment
		[default]
		aws_access_key_id = AKIDDEFAULT
		aws_secret_access_key=a/b+c=

		[other]
		aws_access_key_id = AKIDOTHER
		aws_secret_access_key = x
		aws_session_token = y
	END
	config <<-'END'
		[profile third]
		region = eu-west-3
		s3 =
		  aws_access_key_id = NOT-THIS
		aws_access_key_id = AKIDTHIRD
		aws_secret_access_key = test-secret-key
		[other]
		aws_access_key_id = AKIDNOT
	END
	keys_are AKIDDEFAULT 'profile default'
	AWS_PROFILE=other keys_are AKIDOTHER 'profile other'
	AWS_PROFILE=other keys_are AKIDTHIRD 'profile third' -p third
	# The environment goes before a profile that it names, not before one
	# that the user names for this very side.
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	AWS_PROFILE=other keys_are AKIDTEST environment
	keys_are AKIDTHIRD 'profile third' -p third
}

@test 'profiles that are not there, or not whole' {
	credentials <<-'END'
		[half]
		aws_access_key_id = AKIDHALF
		[sso]
		sso_session = x
		[mfa]
		role_arn = arn:aws:iam::1:role/r
		source_profile = default
		mfa_serial = 1
		[circle]
		role_arn = arn:aws:iam::1:role/r
		source_profile = circle2
		[circle2]
		role_arn = arn:aws:iam::1:role/r
		source_profile = circle
		[lost]
		role_arn = arn:aws:iam::1:role/r
		source_profile = nobody
		[bare]
		role_arn = arn:aws:iam::1:role/r
		[odd]
		aws_access_key_id = AKID ODD
		aws_secret_access_key = secret-key
	END
	AWS_PROFILE=nobody keys_fail 'there is no AWS profile "nobody"'
	keys_fail 'there is no AWS profile "nobody"' -p nobody
	keys_fail 'profile "half": it has aws_access_key_id, but no aws_secret' -p half
	keys_fail 'IAM Identity Center' -p sso
	keys_fail 'it needs a code (mfa_serial)' -p mfa
	keys_fail 'goes round in a circle' -p circle
	keys_fail 'its source_profile "nobody" is not there or has no keys' -p lost
	keys_fail 'no source_profile, credential_source or web_identity' -p bare
	keys_fail 'not what keys are made of' -p odd
	chmod 0 "$HOME/.aws/credentials"
	((EUID == 0)) || keys_fail 'Permission denied'
}

@test 'the files may lie elsewhere' {
	export AWS_SHARED_CREDENTIALS_FILE=$BATS_TEST_TMPDIR/c
	export AWS_CONFIG_FILE=$BATS_TEST_TMPDIR/d
	printf '[default]\naws_access_key_id = A\n' >"$AWS_SHARED_CREDENTIALS_FILE"
	printf '[default]\naws_secret_access_key = B\n' >"$AWS_CONFIG_FILE"
	keys_are A 'profile default'
}

@test 'a role over another profile, over itself, and over the environment' {
	aws_start
	export AWS_ENDPOINT_URL_STS=$aws_url
	config <<-'END'
		[profile base]
		aws_access_key_id = AKIDTEST
		aws_secret_access_key = test-secret-key
		[profile role]
		role_arn = arn:aws:iam::1:role/first
		source_profile = base
		role_session_name = a session/name
		external_id = ext
		duration_seconds = 900
		region = ap-south-1
		[profile second]
		role_arn = arn:aws:iam::1:role/second
		source_profile = role
		[profile self]
		role_arn = arn:aws:iam::1:role/self
		source_profile = self
		aws_access_key_id = AKIDTEST
		aws_secret_access_key = test-secret-key
		[profile env]
		role_arn = arn:aws:iam::1:role/env
		credential_source = Environment
		[profile no]
		role_arn = arn:aws:iam::1:role/forbidden
		source_profile = base
	END
	keys_are ASIA00000001 'profile role' -p role
	grep -qF '"DurationSeconds": "900", "ExternalId": "ext", "RoleArn": "arn:aws:iam::1:role/first", "RoleSessionName": "a session/name"' "$aws_dir/requests"
	grep -q '"scope": "AKIDTEST/[0-9]*/ap-south-1/sts/aws4_request"' "$aws_dir/requests"
	# Two roles: the keys of the first sign for the second.
	keys_are ASIA00000003 'profile second' -p second
	tail -n 1 "$aws_dir/requests" | grep -qF '"key": "ASIA00000002"'
	keys_are ASIA00000004 'profile self' -p self
	keys_fail 'no keys in the environment' -p env
	AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key \
		keys_are ASIA00000005 'profile env' -p env
	keys_fail 'role arn:aws:iam::1:role/forbidden: STS answered with status 403: AccessDenied: not that role' -p no
	# The role that the user names, on top of whoever he is.
	AWS_PROFILE=base keys_are ASIA00000006 role -r arn:aws:iam::1:role/x
	keys_are ASIA00000007 role -p base -r arn:aws:iam::1:role/x
	tail -n 1 "$aws_dir/requests" | grep -q '/us-east-1/sts/'
	AWS_REGION=cn-north-1 keys_are ASIA00000008 role -p base -r arn:aws:iam::1:role/x
	tail -n 1 "$aws_dir/requests" | grep -q '/cn-north-1/sts/'
	AWS_REGION=cn-north-1 keys_are ASIA00000009 role -p base -R eu-west-1 -r arn:aws:iam::1:role/x
	tail -n 1 "$aws_dir/requests" | grep -q '/eu-west-1/sts/'
}

@test 'a secret key that is wrong is told without reciting the request' {
	aws_start
	export AWS_ENDPOINT_URL_STS=$aws_url AWS_ACCESS_KEY_ID=AKIDTEST
	AWS_SECRET_ACCESS_KEY=wrong-secret-key keys_fail \
		'STS answered with status 403: SignatureDoesNotMatch: the signatures differ' \
		-r arn:aws:iam::1:role/x
	[[ $output != *x-amz-date* ]]
}

@test 'a program gives keys' {
	cat >"$BATS_TEST_TMPDIR/give keys" <<-'END'
		#!/bin/sh
		[ "$1" = "a b" ] && [ "$2" = 'c"d' ] || exit 1
		echo '{"Version": 1, "AccessKeyId": "AKIDPROG\u0031",
			"SecretAccessKey": "test-secret-key", "SessionToken": null}'
	END
	chmod +x "$BATS_TEST_TMPDIR/give keys"
	config <<-END
		[profile program]
		credential_process = "$BATS_TEST_TMPDIR/give keys" "a b" 'c"d'
		[profile fails]
		credential_process = /bin/false secret-key
		[profile missing]
		credential_process = /nowhere/program
		[profile empty]
		credential_process = echo {}
		[profile floods]
		credential_process = cat /dev/zero
		[profile quote]
		credential_process = echo "x
	END
	keys_are AKIDPROG1 credential_process -p program
	keys_fail 'credential_process: /bin/false failed' -p fails
	keys_fail 'credential_process: /nowhere/program No such file' -p missing
	keys_fail 'what it prints has no Version 1' -p empty
	keys_fail 'cat prints too much' -p floods
	keys_fail 'not a command line' -p quote
}

@test 'a web identity, of the environment and of a profile' {
	aws_start
	export AWS_ENDPOINT_URL_STS=$aws_url
	printf 'web-token\n' >"$BATS_TEST_TMPDIR/token"
	config <<-END
		[profile web]
		role_arn = arn:aws:iam::1:role/web
		web_identity_token_file = $BATS_TEST_TMPDIR/token
	END
	keys_are ASIA00000001 'profile web' -p web
	export AWS_WEB_IDENTITY_TOKEN_FILE=$BATS_TEST_TMPDIR/token
	keys_fail 'AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not'
	AWS_ROLE_ARN=arn:aws:iam::1:role/web \
		keys_are ASIA00000002 'web identity'
	# A role that the user names takes the place of the environment's.
	keys_are ASIA00000003 'web identity' -r arn:aws:iam::1:role/mine
	tail -n 1 "$aws_dir/requests" | grep -qF role/mine
	export AWS_ROLE_ARN=arn:aws:iam::1:role/web
	echo other >"$BATS_TEST_TMPDIR/token"
	keys_fail 'status 400: InvalidIdentityToken: not that token'
	: >"$BATS_TEST_TMPDIR/token"
	keys_fail 'web identity token'
	[[ $output == *'the file is empty'* ]]
	rm "$BATS_TEST_TMPDIR/token"
	keys_fail 'No such file or directory'
}

@test 'a container of EKS' {
	aws_start
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$aws_url/container/eks
	keys_fail 'answered with status 403: AccessDenied'
	echo pod-token >"$BATS_TEST_TMPDIR/token"
	export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$BATS_TEST_TMPDIR/token
	keys_are ASIA00000001 container
	printf 'pod-token\r\nX-Header: y\n' >"$BATS_TEST_TMPDIR/token"
	keys_fail 'the container authorization token is more than one line'
	rm "$BATS_TEST_TMPDIR/token"
	keys_fail 'No such file or directory'
	unset AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
	AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token \
		keys_are ASIA00000002 container
	# Three times, since it may be a fault that passes.
	aws_behaves '{"fail": 2}'
	AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token \
		keys_are ASIA00000003 container
	aws_behaves '{"fail": 3, "status": 500}'
	keys_fail 'answered with status 500'
	# The path is as good as the keys, and is not said.
	AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:$(free_port)/secret-key \
		keys_fail 'AWS credentials: GET http://127.0.0.1:'
	AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=container/ecs \
		keys_fail 'does not begin with a slash'
}

@test 'keys are not asked for in clear of a host elsewhere' {
	local url
	for url in http://192.0.2.1/ http://example.com/ http://127.0.0.1.example.com/ \
		http://localhost@example.com/ http://169.254.170.2@192.0.2.1/ \
		ftp://127.0.0.1/ http://1.2.3.127/; do
		AWS_CONTAINER_CREDENTIALS_FULL_URI=$url keys_fail 'over https, or of this machine'
	done
}

@test 'the role of an instance, with a token of version 2' {
	aws_start
	instance
	keys_are ASIA00000001 'instance metadata'
	[ "$(aws_count '"method": "PUT", "path": "/latest/api/token"')" = 1 ]
	aws_behaves '{"role": false}'
	keys_fail 'instance metadata: the instance has no role'
	# A token may be late.
	aws_behaves '{"fail": 2, "fail_match": "api/token"}'
	keys_are ASIA00000002 'instance metadata'
	aws_behaves '{"hang": 2}'
	keys_fail 'no AWS credentials'
	[[ $output == *imed\ out* ]]
}

@test 'a machine that is no instance is recognized at once' {
	unset AWS_EC2_METADATA_DISABLED
	AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:$(free_port) \
		keys_fail 'no AWS credentials'
	[[ $output == *'(ENOENT)' ]]
}

@test 'the order: environment, profile, container, web identity, instance' {
	aws_start
	instance
	export AWS_ENDPOINT_URL_STS=$aws_url
	keys_are ASIA00000001 'instance metadata'
	printf web-token >"$BATS_TEST_TMPDIR/token"
	export AWS_ROLE_ARN=arn:aws:iam::1:role/web
	export AWS_WEB_IDENTITY_TOKEN_FILE=$BATS_TEST_TMPDIR/token
	keys_are ASIA00000002 'web identity'
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$aws_url/container/ecs
	keys_are ASIA00000003 container
	printf '[default]\naws_access_key_id = A\naws_secret_access_key = B\n' |
		credentials
	keys_are A 'profile default'
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	keys_are AKIDTEST environment
}

@test 'one thread fetches for all' {
	aws_start
	instance
	aws_behaves '{"hang": 0.2}'
	run -0 "$AWSTOOL" keys -t 32
	[ "$(sort -u <<<"$output" | wc -l)" = 1 ]
	[ "${#lines[@]}" = 32 ]
	[ "$(aws_count security-credentials/the-role)" = 1 ]
}

@test 'keys are renewed before they expire' {
	aws_start
	instance
	aws_behaves '{"lifetime": 4}'
	run -0 "$AWSTOOL" keys -w
	[[ ${lines[0]} == ASIA00000001* && ${lines[1]} == ASIA00000002* ]]
}

@test 'keys that cannot be renewed serve until they expire' {
	aws_start
	instance
	aws_behaves '{"lifetime": 4}'
	coproc TOOL { "$AWSTOOL" keys -w 2>&1; }
	read -r line <&"${TOOL[0]}"
	[[ $line == ASIA00000001* ]]
	aws_behaves '{"fail": 1000}'
	# It asks in vain when they are due, and gives up only at their end.
	status=0
	rest=$(cat <&"${TOOL[0]}") || true
	wait "$TOOL_PID" || status=$?
	[ "$status" = 1 ]
	[[ $rest == *'no AWS credentials'*'(ENOENT)' ]]
	[ "$(aws_count ServiceUnavailable)" -ge 2 ]
}

@test 'no key and no token is in memory that a core dump holds' {
	aws_start
	export AWS_ENDPOINT_URL_STS=$aws_url
	printf '[p]\naws_access_key_id = AKIDTEST\naws_secret_access_key = test-secret-key\n' |
		credentials
	run -0 "$AWSTOOL" keys -d -p p -r arn:aws:iam::1:role/x
	[ "$output" = 'role 0 0' ]
	run -0 "$AWSTOOL" keys -d -p p
	[ "$output" = 'profile p 0 0' ]
	AWS_CONTAINER_CREDENTIALS_FULL_URI=$aws_url/container/ecs \
		run -0 "$AWSTOOL" keys -d
	[ "$output" = 'container 0 0' ]
	instance
	run -0 "$AWSTOOL" keys -d
	[ "$output" = 'instance metadata 0 0' ]
	# A sanitizer reads the environment itself, and keeps what it read.
	! grep -qaE '__(a|t)san_init' "$AWSTOOL" || return 0
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	AWS_SESSION_TOKEN=another-token run -0 "$AWSTOOL" keys -d
	[ "$output" = 'environment 0 0' ]
}

@test 'the services at their own addresses' {
	have() { ((EUID == 0)) && unshare --net true 2>/dev/null && command -v ip >/dev/null; }
	if ! have; then
		[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ]
		skip 'only root can have a network namespace of its own'
	fi
	mkdir "$BATS_TEST_TMPDIR/aws"
	inside() {
		set -eu
		unset AWS_EC2_METADATA_DISABLED
		ip link set lo up
		ip address add 169.254.169.254/32 dev lo
		ip address add 169.254.170.2/32 dev lo
		"$FAKEAWS" --address 0.0.0.0 --port 80 "$1" &
		trap 'kill $!' EXIT
		until [ -e "$1/port" ]; do sleep 0.01; done
		"$AWSTOOL" keys
		"$AWSTOOL" region
		AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/container/ecs "$AWSTOOL" keys
	}
	export AWSTOOL FAKEAWS
	run -0 unshare --net bash -c "$(declare -f inside); inside \"\$1\"" \
		inside "$BATS_TEST_TMPDIR/aws"
	[[ ${lines[0]} == 'ASIA00000001 "instance metadata"'* ]]
	[ "${lines[1]}" = eu-north-1 ]
	[[ ${lines[2]} == 'ASIA00000002 "ECS"'* ]]
}

@test 'the region: from the option, the name, the environment, the files, the instance' {
	run -1 "$AWSTOOL" region
	[[ $output == *'no AWS region: give it with the location'*turned\ off* ]]
	aws_start
	instance
	run -0 "$AWSTOOL" region
	[ "$output" = eu-north-1 ]
	config <<-'END'
		[default]
		region = us-west-1
		[profile p]
		region = us-west-2
		[profile bad]
		region = US WEST
	END
	run -0 "$AWSTOOL" region
	[ "$output" = us-west-1 ]
	run -0 "$AWSTOOL" region -p p
	[ "$output" = us-west-2 ]
	run -1 "$AWSTOOL" region -p bad
	[[ $output == *'"US WEST" is not a region'* ]]
	export AWS_DEFAULT_REGION=ap-south-1
	run -0 "$AWSTOOL" region -p p
	[ "$output" = ap-south-1 ]
	export AWS_REGION=ap-south-2
	run -0 "$AWSTOOL" region
	[ "$output" = ap-south-2 ]
	run -0 "$AWSTOOL" region fs-0123.efs.sa-east-1.amazonaws.com
	[ "$output" = sa-east-1 ]
	run -0 "$AWSTOOL" region fs-0123.efs.sa-east-1.amazonaws.com us-east-2
	[ "$output" = us-east-2 ]
	run -0 "$AWSTOOL" region example.com
	[ "$output" = ap-south-2 ]
}
