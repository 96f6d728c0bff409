# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What tests ask of trees, in the backing directories, past every server.

# The names of what is not whole yet begin so.
TEMP_PREFIX=.efsbridge-

# link_times_option DIR: nfs-ganesha's VFS module drops the times of symlinks,
# so where DIR lies behind a server no program can keep those.
link_times_option() {
	case $1 in
	"$SERVERS_DIR"/*/export | "$SERVERS_DIR"/*/export/*)
		echo --omit-link-times
		;;
	esac
}

# same_tree A B: are both trees the same, in the opinion of another program?
# Content by checksum, hard links, owners by number, times to the nanosecond
# (that is the -1). Prints the differences, if any.
same_tree() {
	local differences options
	options=$(link_times_option "$2")
	differences=$(rsync -naHc --delete --itemize-changes --numeric-ids \
		--modify-window=-1 ${options:+"$options"} "$1/" "$2/" 2>&1) || {
		printf '%s\n' "$differences" >&2
		return 1
	}
	[ -z "$differences" ] && return
	echo "the trees differ:" >&2
	head -n 40 <<<"$differences" >&2
	return 1
}

# contains_tree A B: is all of A in B, whatever else B has?
contains_tree() {
	local differences options
	options=$(link_times_option "$2")
	differences=$(rsync -naHc --omit-dir-times --itemize-changes \
		--numeric-ids --modify-window=-1 ${options:+"$options"} \
		"$1/" "$2/" 2>&1) || {
		printf '%s\n' "$differences" >&2
		return 1
	}
	[ -z "$differences" ] && return
	echo "missing or different:" >&2
	head -n 40 <<<"$differences" >&2
	return 1
}

# no_temp_names DIR: is nothing left that is not whole?
no_temp_names() {
	local left
	left=$(find "$1" -name "$TEMP_PREFIX*" -print | head -n 20)
	[ -z "$left" ] && return
	echo "temporary names are left:" >&2
	printf '%s\n' "$left" >&2
	return 1
}

# entries_in DIR: how many there are, not counting DIR. What comes and goes
# meanwhile may or may not count.
entries_in() {
	find "$1" -mindepth 1 -printf x 2>/dev/null | wc -c
}

# has_entries DIR N: a fact to wait for.
has_entries() {
	[ "$(entries_in "$1")" -ge "$2" ]
}

# some_temp_name DIR: a file is under way. What a run makes at its start, to see
# which attributes it may set, is no file.
some_temp_name() {
	[ -n "$(find "$1" -name "$TEMP_PREFIX*" -type f -print -quit \
		2>/dev/null)" ]
}

# attributes FILE: what a copy must share with its original, on one line.
attributes() {
	stat -c '%F %s %a %u %g %y' "$1"
}

# make_socket PATH
make_socket() {
	python3 -c 'import os, stat, sys
os.mknod(sys.argv[1], stat.S_IFSOCK | 0o644)' "$1"
}
