#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The manuals are well-formed mdoc.

# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

need mandoc mandoc

wellformed()
{
	mandoc -T lint -W warning man/*.[0-9]
}

check 'mandoc has no warning on the manuals' wellformed
finish
