# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# What the lints share. A lint is a POSIX shell script that speaks TAP: it
# starts with `. lib.sh`, names the tools it needs, calls `check` once for
# each law, and ends with `finish`. It runs in the source tree and writes
# nothing there. `make check` runs all; by hand: sh tests/lint/sizes.sh

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=$(cd "${builddir:-$srcdir}" && pwd)
cd "$srcdir" || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
checks=0
failures=0

# need TOOL PACKAGE: ends the lint here if there is no such tool: as skipped,
# or as failed where everything is required to run.
need()
{
	command -v "$1" >/dev/null && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo 1..1
		echo "not ok 1 - $1 is missing (package $2)"
		exit 1
	fi
	echo "1..0 # SKIP $1 is missing (package $2)"
	exit 77
}

# check LAW FUNCTION: runs FUNCTION, which prints what offends the law and
# returns whether all is well; its words become diagnostics of a failure.
check()
{
	checks=$((checks + 1))
	if "$2" >"$tmp/said" 2>&1; then
		echo "ok $checks - $1"
		return
	fi
	echo "not ok $checks - $1${todo:+ # TODO $todo}"
	sed 's/^/# /' "$tmp/said"
	failures=$((failures + 1))
}

# finish: the plan, and the exit status for those who run the lint by hand.
finish()
{
	echo "1..$checks"
	[ "$failures" = 0 ] || [ -n "${todo:-}" ]
	exit
}

# begins FILE PATTERN: does its first line match?
begins()
{
	sed -n "1{/$2/q0};q1" "$1"
}

# scripts PATTERN: the scripts of the project whose first line matches, and
# all that the name shows to be shell, one a line.
scripts()
{
	find .ci contrib tests -type f ! -name '*.log' ! -name '*.trs' \
		! -name '*.[cho]' | sort | while read -r f; do
		case $f in
		*.sh | *.bash | *.bats) echo "$f" ;;
		*) if begins "$f" "$1"; then echo "$f"; fi ;;
		esac
	done
}
