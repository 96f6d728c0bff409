#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Each header compiles alone: whoever includes it needs nothing before it.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

CC=${CC:-cc}
need "${CC%% *}" gcc

alone()
{
	good=true
	for h in $(find src tests -name '*.h' | sort); do
		# shellcheck disable=SC2086 # lists of words
		$CC $CPPFLAGS $LIBRARY_CFLAGS -std=gnu17 -D_GNU_SOURCE \
			-D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror -Isrc \
			-fsyntax-only -x c "$h" || good=false
	done
	$good
}

check 'each header compiles alone' alone
finish
