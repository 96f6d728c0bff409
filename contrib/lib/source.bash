# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The sources to build from: a copy, so that autoreconf and make leave the
# checkout as it was.

# source_copy TREE COPY: the files of the project, uncommitted ones too, but
# nothing that a build in the tree left. A tarball has no git to ask.
source_copy() {
	mkdir -p "$2" || return
	if [ -e "$1/.git" ] && command -v git >/dev/null; then
		# The tree may belong to the user who called sudo.
		git -c safe.directory="$1" -C "$1" ls-files -z --cached \
			--others --exclude-standard
	else
		(cd "$1" && find . -type f -print0)
	fi |
		while IFS= read -r -d '' file; do
			# Git also lists what was deleted and not committed yet.
			[ ! -e "$1/$file" ] || printf '%s\0' "$file"
		done |
		tar -C "$1" --null --files-from=- -cf - |
		tar -C "$2" --no-same-owner -xf -
}
