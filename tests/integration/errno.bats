#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whatever is asked of the view, it answers what a read-only ext4 of the same
# tree answers: tests/tools/errnos makes some thousand calls on both.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_fuse
	need_disks
	disks=()
}

teardown() {
	local dir
	views_end
	for dir in "${disks[@]}"; do
		umount "$dir" || umount -l "$dir"
	done
}

ERRNOS=$TOOLS_SOURCE/errnos

# Root, and somebody to whom nothing belongs.
USERS='0 65534'

# need_disks: files that are mounted as disks. The caller may demand it all.
need_disks() {
	local why=''
	((EUID == 0)) || why='only root can mount a disk'
	losetup -f >/dev/null 2>&1 || why='there are no loop devices'
	command -v mkfs.ext4 >/dev/null || why='mkfs.ext4 is not installed'
	[ -n "$why" ] || return 0
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "$why and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "$why"
}

# mount_disk NAME OPTIONS: an ext4 of the tree, mounted as a view is, so that
# neither devices nor set-user-id count; in $disk.
mount_disk() {
	disk=$BATS_TEST_TMPDIR/$1
	mkdir "$disk"
	truncate -s 16M "$disk.image"
	mkfs.ext4 -q -d "$tree" "$disk.image"
	mount -o "loop,nosuid,nodev,$2" "$disk.image" "$disk"
	disks+=("$disk")
}

# ask_disks: what one that is mounted read-only answers, and one that is not.
ask_disks() {
	local user
	tree=$BATS_TEST_TMPDIR/tree
	"$ERRNOS" --make "$tree"
	mount_disk readonly ro
	for user in $USERS; do
		"$ERRNOS" --user "$user" "$disk" >"$disk.$user"
	done
	mount_disk writable rw
	for user in $USERS; do
		"$ERRNOS" --user "$user" --writable "$disk" >"$disk.$user"
	done
}

# make_sides: the same tree, some of it on the destination alone.
make_sides() {
	"$ERRNOS" --make "$source_dir"
	mkdir "$destination_dir/dir"
	mv "$source_dir/other" "$source_dir/link" "$source_dir/fifo" \
		"$source_dir/empty" "$destination_dir"
	mv "$source_dir/dir/inside" "$destination_dir/dir"
}

# Where the view differs, always: CALL, what ext4 answers, what the view does.
#
# It has no access control lists, which is what the kernel says then; and a
# place within a directory is a number that means nothing.
always='
getxattr acl	ENODATA	ENOTSUP
getxattr default acl	ENODATA	ENOTSUP
lseek data	ok	ENXIO
lseek hole	ok	ENXIO
lseek data far	ok	ENXIO
'

# Where it differs unless mounted with -o ro, since its .sync/control can be
# written. What the kernel says then before it asks whoever keeps the files is
# compared with a file system that is not read-only either; what is left:
#
# access(2), and connect(2) of what is no socket, go by the permission bits;
# a rename to the same file is nothing to do; and nobody is asked about a file
# without a name, since libfuse has no word for it.
unless_ro="$always
access W_OK	EROFS	ok
rename	EROFS	ok
rename exchange	EROFS	ok
rename whiteout	EROFS	ok
open O_TMPFILE	EROFS	ENOTSUP
"

# answers_as_disks LIST [writable]: the view that is mounted, for all users.
# With the second word what a writable disk refuses, may be refused likewise.
answers_as_disks() {
	local user asked=$BATS_TEST_TMPDIR/asked
	for user in $USERS; do
		timeout 60 "$ERRNOS" --user "$user" "$mountpoint" >"$asked"
		[ "$(wc -l <"$asked")" -gt 4000 ]
		paste "$BATS_TEST_TMPDIR"/readonly."$user" \
			"$BATS_TEST_TMPDIR"/writable."$user" "$asked" |
			awk -F '\t' -v writable="${2:-}" '
				NR == FNR { known[$0] = 1; next }
				$1 != $4 || $1 != $7 || $2 != $5 || $2 != $8 {
					print "other questions"; exit
				}
				$9 == $3 { next }
				writable && $3 == "EROFS" && $9 == $6 && $9 != "ok" { next }
				($1 "\t" $3 "\t" $9) in known { next }
				{ print $1, $2 ":", $9 ", not", $3 }
			' <(printf '%s' "$1") - >"$asked.different"
		[ ! -s "$asked.different" ] && continue
		echo "as user $user:" >&2
		head -n 40 "$asked.different" >&2
		return 1
	done
}

sides() {
	"$TOOLS_SOURCE/treeprint" "$source_dir"
	"$TOOLS_SOURCE/treeprint" "$destination_dir"
}

# asked_with OPTIONS LIST [writable]: of a mount of a pair; afterwards both
# sides are what they were.
asked_with() {
	local before
	before=$(sides)
	view_start --no-sync -o "$1"
	answers_as_disks "$2" "${3:-}"
	view_end
	[ "$(sides)" = "$before" ]
}

@test "with -o ro every call answers as on a read-only ext4" {
	ask_disks
	each() {
		make_sides
		asked_with ro "$always"
	}
	on_each_pair each
}

@test "without, too, but for what the kernel sees before it asks" {
	ask_disks
	each() {
		make_sides
		asked_with rw "$unless_ro" writable
	}
	on_each_pair each
}
