# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Mounts of the pair that fresh_pair made. A mount stays in the foreground of a
# process of its own, so that its exit status can be asked for:
#
#   view_start [OPTION...]   returns when it is mounted, and sets
#     mountpoint               where
#     view_pid                 who
#     view_errors              what it says on standard error
#   view_end [SECONDS]       unmounts, and sees that all is well; so long it
#                            may be busy
#
# teardown calls views_end, for what a test that failed has left.

views_made=0
views_known=()
views_mountpoints=()

# need_fuse: to be called in setup(). Skips the test where nothing can be
# mounted, unless the caller demands that everything runs.
need_fuse() {
	local why=''
	[ -w /dev/fuse ] || why='/dev/fuse is missing, or may not be opened'
	((EUID == 0)) || command -v fusermount3 >/dev/null ||
		why='fusermount3 is not installed'
	[ -n "$why" ] || return 0
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "$why and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "$why"
}

# is_mounted DIR: is a view mounted there? Asks the kernel, not the view.
is_mounted() {
	awk -v dir="${1// /\\040}" '$5 == dir && / - fuse\.efsbridge / { found = 1 }
		END { exit !found }' /proc/self/mountinfo
}

is_not_mounted() { ! is_mounted "$1"; }

# fresh_mountpoint: an empty directory, in $mountpoint.
fresh_mountpoint() {
	mountpoint=$BATS_TEST_TMPDIR/view-$((++views_made))
	mkdir "$mountpoint"
	views_mountpoints+=("$mountpoint")
}

show_view() {
	echo "the mount on $mountpoint $1; it printed:" >&2
	head -c 8000 "$view_errors" >&2
}

view_is_ready_or_gone() {
	grep -q 'mounted on ' "$view_errors" || process_is_gone "$view_pid"
}

# view_begin [OPTION...]: as view_start, but does not wait.
# A shell lets its background commands ignore SIGINT: undone here.
# shellcheck disable=SC2154 # fresh_pair sets what it uses
view_begin() {
	fresh_mountpoint
	view_errors=$mountpoint.errors
	# What fresh_pair sets, in another file.
	# shellcheck disable=SC2154
	env --default-signal=INT "$EFSBRIDGE" -f --state "$state" "$@" \
		"$source" "$destination" "$mountpoint" \
		>"$mountpoint.output" 2>"$view_errors" 3>&- 4>&- &
	view_pid=$!
	views_known+=("$(known_as "$view_pid")")
}

view_start() {
	view_begin "$@"
	if ! wait_for 60 view_is_ready_or_gone || process_is_gone "$view_pid"; then
		show_view 'did not begin'
		return 1
	fi
	is_mounted "$mountpoint"
}

# view_ends [STATUS] [SECONDS]: it ends by itself, so, in time, and leaves
# nothing.
view_ends() {
	local got=0
	if ! wait_for "${2:-60}" process_is_gone "$view_pid"; then
		show_view "is still running after ${2:-60} s"
		return 1
	fi
	wait "$view_pid" || got=$?
	if [ "$got" != "${1:-0}" ]; then
		show_view "ended with $got, not ${1:-0}"
		return 1
	fi
	if is_mounted "$mountpoint"; then
		show_view 'is still there'
		return 1
	fi
	[ ! -e "$state/mount" ]
	no_suspicious_words "$view_errors" "$state/log"
}

view_unmounts() { umount "$mountpoint" || fusermount3 -u "$mountpoint"; }

# view_end [SECONDS]: unmounted as users do it, who try again for so long when
# somebody reads in it.
view_end() {
	wait_for "${1:-0}" view_unmounts || return
	view_ends 0
}

# views_end: whatever is left of them.
views_end() {
	local dir
	end_known "${views_known[@]}"
	for dir in "${views_mountpoints[@]}"; do
		is_not_mounted "$dir" || umount -l "$dir" ||
			fusermount3 -uz "$dir" || true
	done
}
