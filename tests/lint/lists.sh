#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every file of the project is in a list of Makefile.am: a test that is in no
# list does not run, and what is in no list is not in the tarball.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# listed FILE: is it named in Makefile.am, itself or by a folder it lies in?
listed()
{
	path=$1
	while [ "$path" != . ]; do
		grep -qxF "$path" "$tmp/words" && return
		path=$(dirname "$path")
	done
	return 1
}

# What can be told from the results of a build in the source tree.
candidates()
{
	find src tests -name '*.[ch]' -o -name '*.py'
	find man -name '*.[0-9]'
	scripts '^#!'
}

complete()
{
	tr -s ' \t' '\n' <Makefile.am >"$tmp/words"
	# A program named without .c is made of the file of its name.
	grep '^tests/' "$tmp/words" | sed 's/$/.c/' >"$tmp/programs"
	cat "$tmp/programs" >>"$tmp/words"
	candidates | sort | while read -r f; do
		listed "$f" || echo "$f is in no list of Makefile.am"
	done >"$tmp/found"
	! grep . "$tmp/found"
}

check 'every file is in a list of Makefile.am' complete
finish
