# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What a script that is no bats file starts with, to have the same servers,
# trees and tools. A folder of its own and all that runs in it end with it.

set -eu
shopt -s inherit_errexit

SERVERS_DIR=$(mktemp -d)
trap 'servers_stop; rm -rf "$SERVERS_DIR"' EXIT

# skip REASON: as bats has it, in the words of TAP.
skip() {
	echo "1..0 # SKIP $*"
	exit 0
}

# shellcheck source=common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
