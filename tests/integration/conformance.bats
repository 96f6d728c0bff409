#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The conformance test of the waist over NFSv4.1, NFSv3 and, as far as it reads,
# NFSv4.0: what the local directory backend passes in the unit tests, a server's
# volume passes too, checked on the directory behind the server.

load lib/common

CONFORMANCE=${CONFORMANCE:-${builddir:-$top}/tests/conformance/volume_conformance}

setup_file() {
	load lib/common
	have_servers || return 0
	# One word, or none.
	# shellcheck disable=SC2046
	server_start source $(nfs3_where_possible)
	! have_nfs3_servers || server_start narrow nfs3 maxio=65536
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

# conform LOCATION BACKING: every test of the program passes.
conform() {
	run timeout 250 env CMOCKA_MESSAGE_OUTPUT=TAP "$CONFORMANCE" "$@"
	echo "$output"
	[ "$status" = 0 ]
}

@test "a server's volume conforms" {
	conform "$(server_url source)" "$(server_export source)"
	[ -z "$(ls -A "$(server_export source)")" ]
}

@test "a directory below the export conforms" {
	mkdir -p "$(server_export source)/a b/c%d"
	conform "$(server_url source 'a%20b/c%25d')" \
		"$(server_export source)/a b/c%d"
}

@test "a server's volume over NFSv3 conforms" {
	need_nfs3_servers
	conform "$(server_url_by nfs3 source)" "$(server_export source)"
}

@test "a directory below a narrow export over NFSv3, by four connections, conforms" {
	need_nfs3_servers
	mkdir -p "$(server_export narrow)/a b/c%d"
	conform "$(server_url_by nfs3 narrow 'a%20b/c%25d' conns=4)" \
		"$(server_export narrow)/a b/c%d"
}

@test "what reads over NFSv4.0 in narrow pieces conforms" {
	local tests
	need_nfs3_servers
	for tests in test_large 'test_read*' test_sizes; do
		EFSBRIDGE_TEST_WRITER=$(server_url narrow) conform \
			"$(server_url_by nfs4.0 narrow)" \
			"$(server_export narrow)" -- "$tests"
	done
}

@test "what reads over NFSv4.0 conforms" {
	EFSBRIDGE_TEST_WRITER=$(server_url source) conform \
		"$(server_url_by nfs4.0 source)" "$(server_export source)"
}

@test "one connection conforms" {
	conform "$(server_url source '' conns=1)" "$(server_export source)"
}
