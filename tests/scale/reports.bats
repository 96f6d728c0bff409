#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A report takes no memory to speak of: a directory of empty files is copied
# without a report and with one of all entries, which is cut into parts.
#
#	SCALE_FILES       how many files (120000; `make check-scale`: 1000000)
#	REPORT_LIMIT_MIB  how much more memory the report may take (64)

load ../integration/lib/common

files=${SCALE_FILES:-120000}
limit_mib=${REPORT_LIMIT_MIB:-64}
part=100000

setup() {
	[ -x /usr/bin/time ] || [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ] ||
		skip "GNU time is not installed"
	fresh_pair dir
}

# peak_of_sync [OPTION...]: copies into an empty directory; sets peak, in MiB.
peak_of_sync() {
	rm -rf "$destination_dir" "$state"
	mkdir "$destination_dir" "$state"
	/usr/bin/time -f %M -o "$BATS_TEST_TMPDIR/peak" "$EFSBRIDGE" sync \
		--json --state "$state" "$@" "$source" "$destination" \
		>"$output_file" 2>"$errors_file"
	peak=$(($(tail -n 1 "$BATS_TEST_TMPDIR/peak") / 1024))
	expect FilesTransferred="$files" FilesFailed=0
}

@test "a report of $files files adds less than $limit_mib MiB" {
	local reports=$BATS_TEST_TMPDIR/reports without kind
	"$MKTREE" --uniform --dirs 0 --files "$files" --size 0 "$source_dir"
	peak_of_sync
	without=$peak
	peak_of_sync --report=standard --report-level=all \
		--report-to="$reports"
	echo "# $files files: peak $without MiB, with a report $peak MiB" >&3
	[ $((peak - without)) -lt "$limit_mib" ]
	for kind in Transferred Verified; do
		"$TOOLS_SOURCE/reports" parts "$kind" "$reports" \
			>"$BATS_TEST_TMPDIR/parts"
		cat "$BATS_TEST_TMPDIR/parts"
		# The root is verified, too, and was given its attributes.
		awk -v part="$part" -v files="$files" '
			NR > 1 && last != part { exit bad = 1 }
			{ n += $1; last = $1 }
			END { exit bad || NR != int((n + part - 1) / part) ||
				n < files || n > files + 1 }
		' "$BATS_TEST_TMPDIR/parts"
	done
	# No name is lost or told twice.
	[ "$("$TOOLS_SOURCE/reports" paths Transferred "$reports" |
		grep -v ' /$' | sort -u | wc -l)" = "$files" ]
}
