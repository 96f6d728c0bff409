#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# TLS and the names of Amazon EFS, against a front before a real server that
# demands the client certificate and works out for itself what it must say.

bats_require_minimum_version 1.5.0
load lib/common

FRONT=$TOOLS_BUILD/tlsfront
EFSCERT=$TOOLS_SOURCE/efscert
FS=fs-0123456789abcdef0
AP=fsap-0123456789abcdef0
FS_NAME=$FS.efs.eu-west-1.amazonaws.com
export AWS_EC2_METADATA_DISABLED=true
unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	make_authority
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

teardown() {
	views_end
	fronts_stop
}

# make_authority: ca.pem in $BATS_FILE_TMPDIR, and server.pem for the name.
make_authority() {
	local d=$BATS_FILE_TMPDIR
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$d/ca.key" \
		-out "$d/ca.pem" -days 2 -subj '/CN=authority' \
		-addext 'basicConstraints=critical,CA:TRUE' 2>/dev/null
	make_certificate server "DNS:*.efs.eu-west-1.amazonaws.com" 2
}

# make_certificate NAME ALTERNATIVE DAYS: NAME.pem and NAME.key there.
make_certificate() {
	local d=$BATS_FILE_TMPDIR
	openssl req -new -newkey rsa:2048 -nodes -keyout "$d/$1.key" \
		-out "$d/$1.csr" -subj '/CN=server' 2>/dev/null
	printf 'subjectAltName=%s\n' "$2" >"$d/$1.ext"
	openssl x509 -req -in "$d/$1.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" \
		-CAcreateserial -out "$d/$1.pem" -days "$3" \
		-extfile "$d/$1.ext" 2>/dev/null
}

# front_start NAME SERVER [OPTION...]: sets front_port; its log is $NAME.log.
front_start() {
	local name=$1 port d=$BATS_TEST_TMPDIR
	port=$(server_port "$2")
	shift 2
	rm -f "$d/$name.port"
	"$FRONT" --connect "127.0.0.1:$port" --port-file "$d/$name.port" \
		--certificate "$BATS_FILE_TMPDIR/${certificate:-server}.pem" \
		--key "$BATS_FILE_TMPDIR/${certificate:-server}.key" \
		--log "$d/$name.log" "$@" </dev/null >"$d/$name.out" 2>&1 \
		3>&- 4>&- &
	echo $! >>"$d/fronts"
	disown
	wait_for 60 test -s "$d/$name.port"
	front_port=$(<"$d/$name.port")
}

fronts_stop() {
	[ ! -e "$BATS_TEST_TMPDIR/fronts" ] ||
		xargs -r kill <"$BATS_TEST_TMPDIR/fronts" 2>/dev/null || true
}

# efs_url [PATH [OPTION...]]: the file system behind the front.
efs_url() {
	local path=${1:-} options="region=eu-west-1&mounttarget=127.0.0.1"
	shift || true
	options+="&ca=$BATS_FILE_TMPDIR/ca.pem"
	printf 'nfs://%s:%s/%s?%s\n' "$FS" "$front_port" "$path" \
		"$options${1:+&$1}"
}

# refused WORDS: the run ends with status 3 before there is anything to tell but
# why.
refused() {
	run -3 --separate-stderr "$EFSBRIDGE" sync --state "$state" "$source" \
		"$destination"
	printf '%s\n' "$stderr" >"$errors_file"
	grep -F -e "$1" "$errors_file" || {
		echo "not: $1" >&2
		cat "$errors_file" >&2
		return 1
	}
}

# Words that must be nowhere but in the environment.
no_secrets() {
	! grep -raF -e "$1" "$state" "$output_file" "$errors_file" >&2
}

@test "a tree goes through TLS, and EFS is told which file system is meant" {
	fresh_pair nfs
	"$MKTREE" --seed 61 --entries 300 "$source_dir"
	front_start front source \
		--check "$EFSCERT --file-system $FS --log $BATS_TEST_TMPDIR/seen"
	source=$(efs_url "${source##*/}")
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
	[ "$(jq -r .verdict "$BATS_TEST_TMPDIR/seen" | sort -u)" = good ]
	[ "$(jq -r '.client[0]' "$BATS_TEST_TMPDIR/seen" | sort -u)" = efsbridge ]
	# And what is not an EFS file system but has TLS; a destination.
	make_certificate local IP:127.0.0.1 2
	fresh_pair nfs
	"$MKTREE" --seed 62 --entries 200 "$source_dir"
	certificate=local front_start plain destination --tls 1.2
	destination="nfs://127.0.0.1:$front_port/${destination##*/}"
	destination+="?tls&ca=$BATS_FILE_TMPDIR/ca.pem"
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
	grep -qx 'TLSv1.2 .* none' "$BATS_TEST_TMPDIR/plain.log"
}

@test "with an access point and IAM the certificate is signed; no secret is written" {
	local secret=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY token=FwoG/TOKEN+=x
	export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=$secret
	export AWS_SESSION_TOKEN=$token
	fresh_pair nfs
	"$MKTREE" --seed 63 --entries 200 "$source_dir"
	front_start front source --check "$EFSCERT --file-system $FS \
		--access-point $AP --region eu-west-1 --key-id AKIDEXAMPLE \
		--secret $secret --token $token --log $BATS_TEST_TMPDIR/seen"
	source=$(efs_url "${source##*/}" "iam&accesspoint=$AP&conns=2")
	run_sync 0 -v -v
	same_tree "$source_dir" "$destination_dir"
	[ "$(jq -r .verdict "$BATS_TEST_TMPDIR/seen" | sort -u)" = good ]
	no_secrets "$secret"
	no_secrets "$token"
	# With other keys nobody gets in, and the message says so.
	export AWS_SECRET_ACCESS_KEY=MDENGanotherKEY
	refused 'does not accept our certificate'
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/seen" | jq -r .verdict)" = \
		'the signature is wrong' ]
	no_secrets MDENGanotherKEY
}

@test "a server that is not whom it should be is refused, in words, before a byte" {
	fresh_pair nfs
	make_certificate other DNS:fs-ffffffff.efs.eu-west-1.amazonaws.com 2
	certificate=other front_start other source
	source=$(efs_url)
	refused "certificate is not for $FS_NAME"
	# Signed by nobody we know.
	front_start good source
	source="nfs://$FS:$front_port/?region=eu-west-1&mounttarget=127.0.0.1"
	refused 'signed by nobody who is trusted here'
	# No TLS there at all.
	source=$(front_port=$(server_port source) && efs_url '' deadline=2)
	refused 'does it speak TLS on this port?'
	# A file of certificates that has none.
	source="nfs://127.0.0.1:$front_port/?tls&ca=/dev/null"
	refused '/dev/null: no certificates'
	[ ! -e "$BATS_TEST_TMPDIR/other.log" ] ||
		[ ! -s "$BATS_TEST_TMPDIR/other.log" ]
}

@test "sessions are resumed, also after the connection was cut" {
	fresh_pair nfs
	"$MKTREE" --uniform --dirs 5 --files 40 --size 100 "$source_dir"
	front_start front source --check "$EFSCERT --file-system $FS"
	source=$(efs_url "${source##*/}" conns=4)
	run_sync 0
	same_tree "$source_dir" "$destination_dir"
	[ "$(grep -c full "$BATS_TEST_TMPDIR/front.log")" -ge 1 ]
	[ "$(grep -c resumed "$BATS_TEST_TMPDIR/front.log")" -ge 1 ]
}

@test "keys that are missing are said before anything is done" {
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
	export HOME=$BATS_TEST_TMPDIR
	fresh_pair nfs
	front_start front source
	source=$(efs_url '' iam)
	refused 'no AWS credentials'
	source="nfs://$FS:$front_port/?mounttarget=127.0.0.1"
	refused 'no AWS region'
	[ ! -e "$BATS_TEST_TMPDIR/front.log" ] ||
		[ ! -s "$BATS_TEST_TMPDIR/front.log" ]
}

# core_of PID: ends it and leaves its core dump in $core.
core_of() {
	local pattern
	core=$BATS_TEST_TMPDIR/core
	pattern=$(</proc/sys/kernel/core_pattern)
	case $pattern in
	core | core.%p)
		kill -ABRT "$1"
		wait_for 60 process_is_gone "$1"
		[ -e "$core" ] || mv "$core.$1" "$core"
		;;
	*)
		gcore -o "$core" "$1" >/dev/null
		mv "$core.$1" "$core"
		kill -KILL "$1"
		;;
	esac
}

# is_watched: is it a program with sanitizers, or the script that
# contrib/check-sanitized runs one or valgrind by? They let nobody have a core.
is_watched() {
	grep -qaE '__(a|t)san_init|ASAN_OPTIONS' "$EFSBRIDGE"
}

# can_dump: is there a way to have one?
can_dump() {
	! is_watched && ulimit -c unlimited && {
		grep -qxE 'core|core\.%p' /proc/sys/kernel/core_pattern ||
			command -v gcore >/dev/null
	}
}

# tells_nothing SECRET...: wherever somebody could look.
tells_nothing() {
	local word name
	cp -r "$mountpoint/.sync" "$BATS_TEST_TMPDIR/dotsync"
	getfattr -d -R "$mountpoint" >"$BATS_TEST_TMPDIR/dotsync/attributes" \
		2>/dev/null || true
	tr '\0' '\n' <"/proc/$view_pid/cmdline" \
		>"$BATS_TEST_TMPDIR/dotsync/cmdline"
	# There is something to look at.
	for name in status status.json metrics dashboard.html log task.json; do
		[ -s "$BATS_TEST_TMPDIR/dotsync/$name" ]
	done
	grep -rqa transferred "$BATS_TEST_TMPDIR/messages"
	[ -n "$(find "$BATS_TEST_TMPDIR/reports" -type f)" ]
	[ -s "$BATS_TEST_TMPDIR/run.prom" ]
	for word; do
		# With `!` it would fail for nobody but the last.
		if grep -raF -e "$word" "$state" "$view_errors" "$output_file" \
			"$errors_file" "$BATS_TEST_TMPDIR/dotsync" \
			"$BATS_TEST_TMPDIR/messages" "$BATS_TEST_TMPDIR/reports" \
			"$BATS_TEST_TMPDIR/run.prom" >&2; then
			return 1
		fi
	done
}

# keeps_secret SECRET TOKEN: of a run, and of a mount, with all that they say.
keeps_secret() {
	fresh_pair nfs
	rm -rf "$BATS_TEST_TMPDIR"/{dotsync,messages,reports,run.prom,core}
	"$MKTREE" --seed 64 --entries 100 "$source_dir"
	front_start front source --check "$EFSCERT --file-system $FS \
		--access-point $AP --region eu-west-1 --key-id AKIDEXAMPLE \
		--secret $1 --token $2 --log $BATS_TEST_TMPDIR/seen"
	source=$(efs_url "${source##*/}" "iam&accesspoint=$AP&conns=2")
	run_sync 0 -v -v --log="$BATS_TEST_TMPDIR/messages" \
		--log-level=transfer --report=standard --report-level=all \
		--report-to="$BATS_TEST_TMPDIR/reports" \
		--metrics-file="$BATS_TEST_TMPDIR/run.prom"
	cd "$BATS_TEST_TMPDIR" || return
	view_start -v -v --report=standard --report-level=all
	wait_for 60 grep -qF SUCCESS "$mountpoint/.sync/log"
	find "$mountpoint" -type f -exec cat {} + >/dev/null
	tells_nothing "$1" "$2"
	if can_dump; then
		core_of "$view_pid"
		# It is one, and has what it may have.
		grep -qaF "$FS" "$core"
		if grep -aqF -e "$1" -e "$2" "$core"; then
			echo 'a secret is in the core dump' >&2
			return 1
		fi
	else
		[ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ] || is_watched
		view_end 60
	fi
	[ "$(jq -r .verdict "$BATS_TEST_TMPDIR/seen" | sort -u)" = good ]
	fronts_stop
}

@test "no key and no token is in what a run or a mount says, nor in its core dump" {
	need_fuse
	local secret=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY token=FwoG/TOKEN+=x
	can_dump || [ "${EFSBRIDGE_REQUIRE_ALL:-0}" != 1 ] || is_watched
	ulimit -c unlimited
	export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=$secret
	export AWS_SESSION_TOKEN=$token
	keeps_secret "$secret" "$token"
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
	# The same from a profile; this shell knows them, the program reads them.
	export AWS_SHARED_CREDENTIALS_FILE=$BATS_TEST_TMPDIR/credentials
	printf '[default]\naws_access_key_id = AKIDEXAMPLE\n%s\n%s\n' \
		"aws_secret_access_key = $secret" "aws_session_token = $token" \
		>"$AWS_SHARED_CREDENTIALS_FILE"
	keeps_secret "$secret" "$token"
}
