#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The shell scripts are free of what shellcheck warns of.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

need shellcheck shellcheck

# In a bats file each test is a subshell by design, and `load` is not followed:
# what it brings looks unassigned.
of_bats=SC2030,SC2031,SC2154

clean()
{
	scripts '^#!.*sh' >"$tmp/scripts"
	good=true
	grep -v '\.bats$' "$tmp/scripts" | tr '\n' '\0' |
		xargs -0 -r shellcheck --format=gcc || good=false
	grep '\.bats$' "$tmp/scripts" | tr '\n' '\0' |
		xargs -0 -r shellcheck --format=gcc -e "$of_bats" || good=false
	$good
}

check 'shellcheck finds nothing in the scripts' clean
finish
