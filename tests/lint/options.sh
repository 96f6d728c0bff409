#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The options that the program prints with --help, those of its manual and
# those that the shell completes are the same.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

EFSBRIDGE=${EFSBRIDGE:-$builddir/efsbridge}
need "$EFSBRIDGE" 'efsbridge itself: run make first'

# long_options: the long options named on stdin, each once.
long_options()
{
	grep -oE -e '(^|[^[:alnum:]-])--[a-z][a-z0-9-]*' | grep -oE -e '--.*' |
		sort -u
}

# compare NAME FILE: whether $tmp/NAME, from FILE, has the options of the help.
compare()
{
	comm -23 "$tmp/help" "$tmp/$1" | sed "s|\$|: in --help, not in $2|"
	comm -13 "$tmp/help" "$tmp/$1" | sed "s|\$|: in $2, not in --help|"
	[ -s "$tmp/help" ] && cmp -s "$tmp/help" "$tmp/$1"
}

helped()
{
	for arguments in --help 'sync --help' 'verify --help' 'cutover --help' \
		'check --help' 'estimate --help' 'status --help' \
		'history --help' 'report --help' 'set --help'; do
		# shellcheck disable=SC2086 # two words
		"$EFSBRIDGE" $arguments >"$tmp/out" || {
			echo "efsbridge $arguments ended with $?"
			return 1
		}
		cat "$tmp/out"
	done | tee "$tmp/text"
	long_options <"$tmp/text" >"$tmp/help"
	! grep '^efsbridge .* ended with ' "$tmp/text" && [ -s "$tmp/help" ]
}

in_manual()
{
	sed -n '/^\.It /s/Fl -\([a-z]\)/ --\1/gp' man/efsbridge.1 |
		long_options >"$tmp/manual"
	compare manual man/efsbridge.1
}

completed()
{
	grep -v '^[[:space:]]*#' contrib/completion/efsbridge.bash |
		long_options >"$tmp/completion"
	compare completion contrib/completion/efsbridge.bash
}

# A key that is not one makes it tell those that are.
in_sample()
{
	printf '[task t]\nsource = /a\ndestination = /b\nno-such-key = 1\n' \
		>"$tmp/conf"
	chmod 600 "$tmp/conf"
	"$EFSBRIDGE" check --config "$tmp/conf" 2>&1 |
		sed -n 's/.*no-such-key: there is no such key; there are //p' |
		tr ',' '\n' | tr -d ' ' | sort >"$tmp/keys"
	sed -n 's/^#\([a-z0-9-]*\) = .*/\1/p' contrib/efsbridge.conf.sample |
		sort -u >"$tmp/sample"
	comm -23 "$tmp/keys" "$tmp/sample" |
		sed 's|$|: taken in a configuration, not in contrib/efsbridge.conf.sample|' |
		tee "$tmp/missing"
	# That all it has is taken is tested in config.bats.
	[ -s "$tmp/keys" ] && [ ! -s "$tmp/missing" ]
}

check 'the program tells its options' helped
check 'the manual has the same options' in_manual
check 'the completion has the same options' completed
check 'the sample configuration has all that a task may have' in_sample
finish
