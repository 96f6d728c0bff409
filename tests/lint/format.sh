#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The C sources look as clang-format leaves them (.clang-format).
#
# Versions of clang-format differ in details; version 14 is the reference.
# What another one finds is shown, but fails nothing.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

need clang-format clang-format

formatted()
{
	find src tests -name '*.[ch]' -print0 | sort -z |
		xargs -0 clang-format --dry-run -Werror
}

version=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
[ "$version" = 14 ] || todo="clang-format is $version, the reference is 14"
check 'the C sources are formatted' formatted
finish
