#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The law of the house: base <- aws <- nfs <- volume <- sync <- view <- main.
#
# A file includes headers of its own folder and of folders before it; headers
# include nothing in a circle; each foreign library has one home.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# The place of a file of src/ in the order; nothing for an unknown folder.
rank()
{
	case $1 in
	base/*) echo 1 ;;
	aws/*) echo 2 ;;
	nfs/*) echo 3 ;;
	volume/*) echo 4 ;;
	sync/*) echo 5 ;;
	view/*) echo 6 ;;
	*/*) ;;
	*) echo 7 ;;
	esac
}

# The files that may name a foreign header.
home()
{
	case $1 in
	curl/*) echo 'aws/*' ;;
	fuse*.h | fuse*/*) echo 'view/* main.c' ;;
	ini.h) echo conf.c ;;
	nfsc/*) echo 'volume/libnfs*' ;;
	openssl/*) echo 'aws/* nfs/*' ;;
	sqlite3*.h) echo 'sync/manifest*.[ch] sync/spill.c' ;;
	xxh*.h) echo 'base/digest.[ch]' ;;
	*) echo '*' ;;
	esac
}

sources()
{
	find . -name '*.[ch]' | sed 's,^\./,,' | sort
}

# included FILE OPEN CLOSE: the headers that FILE includes between the marks.
included()
{
	sed -n "s/^[[:space:]]*#[[:space:]]*include[[:space:]]*$2\\([^$3]*\\)$3.*/\\1/p" "$1"
}

inclusion()
{
	good=true
	for f in $(sources); do
		own=$(rank "$f")
		if [ -z "$own" ]; then
			echo "src/$f lies in a folder that has no place in the order"
			good=false
			continue
		fi
		for h in $(included "$f" '"' '"'); do
			if [ "$h" = config.h ]; then
				continue
			elif [ ! -e "$h" ]; then
				echo "src/$f includes \"$h\", but there is no src/$h"
				good=false
			elif [ "$(rank "$h")" -gt "$own" ]; then
				echo "src/$f must not include \"$h\", which lies to its right"
				good=false
			fi
		done
	done
	$good
}

homes()
{
	good=true
	for f in $(sources); do
		for h in $(included "$f" '<' '>'); do
			at_home=false
			set -f
			for g in $(home "$h"); do
				# shellcheck disable=SC2254 # a pattern
				case $f in $g) at_home=true ;; esac
			done
			set +f
			$at_home && continue
			echo "src/$f must not include <$h>; its home: $(home "$h")"
			good=false
		done
	done
	$good
}

circles()
{
	for f in $(sources | grep '\.h$'); do
		for h in $(included "$f" '"' '"'); do
			echo "$f $h"
		done
	done >"$tmp/edges"
	# tsort takes a header that includes itself for one without a neighbour.
	awk '$1 == $2 { print $1 " includes itself" }' "$tmp/edges" >"$tmp/found"
	tsort "$tmp/edges" 2>>"$tmp/found" >/dev/null
	! grep . "$tmp/found"
}

cd src || exit 99
check 'a file includes only what lies to its left' inclusion
check 'a foreign library is included in its home only' homes
check 'headers do not include each other in a circle' circles
finish
