# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# For tests of what only root's own folders make work: cron's tables, mount's
# helpers, /etc/fstab. They run in a mount namespace of their own, where these
# folders are replaced; nothing of it is seen outside, and all of it goes with
# its last process. To be loaded after lib/common.

top=${top:?}

# need_private: to be called in setup().
need_private() {
	((EUID == 0)) && unshare --mount true 2>/dev/null && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "no mount namespace of our own and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "only root can have a mount namespace of its own"
}

# in_private FUNCTION [ARGUMENT...]: runs a function of the test file there, in
# a bash of its own that has lib/common and all that is exported.
in_private() {
	local function=$1
	shift
	unshare --mount --propagation private bash -c "
		set -euo pipefail
		. '$top/tests/integration/lib/common.bash'
		. '$top/tests/integration/lib/private.bash'
		leave_views
		$(declare -f "$function")
		$function \"\$@\"" "$function" "$@" 3>&- 4>&-
}

# private_sbin WORK FILE...: within in_private, the folder that /sbin means
# gets these files, too. What it had is reached through links.
private_sbin() {
	local work=$1 sbin
	shift
	sbin=$(realpath /sbin)
	mkdir "$work/real" "$work/sbin"
	mount --bind "$sbin" "$work/real"
	cp -as "$work/real/." "$work/sbin/"
	install -m 755 -t "$work/sbin" "$@"
	mount --bind "$work/sbin" "$sbin"
}

# private_file PATH: within in_private, the file has what is on standard input.
private_file() {
	local file
	file=$(mktemp "$BATS_TEST_TMPDIR/private.XXXXXX")
	cat >"$file"
	chmod 644 "$file"
	mount --bind "$file" "$1"
}
