# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What every bats file starts with: `load lib/common` on top, and again in
# setup_file and teardown_file, which are processes of their own.
#
# `make check` says where the programs are; a test run by hand finds them in
# the source tree.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
EFSBRIDGE=${EFSBRIDGE:-$top/efsbridge}
TOOLS_BUILD=${builddir:-$top}/tests/tools
TOOLS_SOURCE=$top/tests/tools
NFSPROXY=${NFSPROXY:-$TOOLS_BUILD/nfsproxy}
MANIFEST_TRUTH=${MANIFEST_TRUTH:-$TOOLS_BUILD/manifest_truth}
MKTREE=${MKTREE:-$TOOLS_SOURCE/mktree}

# shellcheck source=servers.bash
. "$top/tests/integration/lib/servers.bash"
# shellcheck source=trees.bash
. "$top/tests/integration/lib/trees.bash"
# shellcheck source=runs.bash
. "$top/tests/integration/lib/runs.bash"
# shellcheck source=views.bash
. "$top/tests/integration/lib/views.bash"
