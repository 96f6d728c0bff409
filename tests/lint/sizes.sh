#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# No file of src/ is longer than 900 lines, no function longer than 100, and
# every source and script says under which licence it is.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

files()
{
	find src -name '*.[ch]' | sort | while read -r f; do
		lines=$(wc -l <"$f")
		[ "$lines" -le 900 ] || echo "$f has $lines lines"
	done >"$tmp/found"
	! grep . "$tmp/found"
}

# A function is what stands between braces in the first column, if the line
# before the brace ends a parameter list.
functions()
{
	# shellcheck disable=SC2016 # the $ are those of awk
	find src -name '*.c' | sort | xargs awk '
		FNR == 1 { open = 0 }
		/^\{/ && previous ~ /\)[^;]*$/ { open = FNR; head = previous }
		/^\}/ && open {
			if (FNR - open + 1 > 100) {
				print FILENAME ":" open ": " FNR - open + 1 \
				      " lines: " head
				bad = 1
			}
			open = 0
		}
		{ previous = $0 }
		END { exit bad }'
}

licences()
{
	{
		find src tests -name '*.[ch]' -o -name '*.py'
		find man -name '*.[0-9]'
		scripts '^#!'
		echo configure.ac
		echo Makefile.am
	} | sort | while read -r f; do
		sed 5q "$f" |
			grep -q 'SPDX-License-Identifier: GPL-3\.0-or-later' ||
			echo "$f: no licence in its first five lines"
	done >"$tmp/found"
	! grep . "$tmp/found"
}

check 'no file of src has more than 900 lines' files
check 'no function has more than 100 lines' functions
check 'every source and script names its licence' licences
finish
