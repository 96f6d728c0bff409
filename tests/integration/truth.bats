#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The judge of manifests itself: kill.bats believes it. The manifest here is
# made by hand, after efsbridge-manifest(5).

load lib/common

# XXH3-128 of nothing.
NOTHING=99aa06d3014798d86001c324468d497f

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	manifest=$BATS_TEST_TMPDIR/manifest.db
	mkdir -p "$tree/dir"
	: >"$tree/dir/file"
	chmod 0640 "$tree/dir/file"
	touch -d '1969-12-31 23:59:58.5 UTC' "$tree/dir/file"
}

# sql STATEMENTS...: on the manifest, which is made at first.
sql() {
	python3 - "$manifest" "$@" <<-'PYTHON'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		db.executescript("""
		CREATE TABLE IF NOT EXISTS directory (id, parent, name, path);
		CREATE TABLE IF NOT EXISTS entry (directory, name, state, type,
		    flags, mode, uid, gid, size, mtime_ns, destination_fileid,
		    digest);
		CREATE TABLE IF NOT EXISTS partial (directory, name, temp_name,
		    done_bytes, digest);
		""")
		for statement in sys.argv[2:]:
		    db.executescript(statement)
	PYTHON
}

# A manifest that is true of the tree.
true_manifest() {
	sql "INSERT INTO directory VALUES (1, 0, x'', x''),
		(2, 1, CAST('dir' AS BLOB), CAST('dir' AS BLOB))" \
		"INSERT INTO entry VALUES (2, CAST('file' AS BLOB), 2, 1, 0,
		$((0640)), $(stat -c '%u, %g' "$tree/dir/file"), 0,
		-1500000000, $(stat -c %i "$tree/dir/file"), x'$NOTHING')"
}

judge() {
	run "$MANIFEST_TRUTH" "$manifest" "$tree"
	echo "$output"
}

@test "what is true is found true" {
	true_manifest
	judge
	[ "$status" = 0 ]
	[[ $output == '1 rows, 0 claims false' ]]
}

@test "each claim that is not so is found" {
	local change
	for change in 'mode = 420' 'uid = uid + 1' 'gid = gid + 1' 'size = 1' \
		'mtime_ns = mtime_ns + 1' 'type = 2' 'digest = NULL' \
		"digest = x'00112233445566778899aabbccddeeff'" \
		'destination_fileid = 1' "name = CAST('gone' AS BLOB)" \
		'directory = 3'; do
		echo "with $change:"
		rm -f "$manifest"
		true_manifest
		sql "UPDATE entry SET $change"
		judge
		[ "$status" = 1 ]
		[[ $output == *'1 claims false' ]]
	done
}

@test "what is not claimed is not judged" {
	true_manifest
	sql 'UPDATE entry SET state = 3, size = 77'
	judge
	[ "$status" = 0 ]
	[[ $output == '0 rows, 0 claims false' ]]

	# Owner, mode and times that could not be set.
	sql 'UPDATE entry SET state = 1, size = 0, flags = 14, mode = 0,
		uid = 7, gid = 7, mtime_ns = 7'
	judge
	[ "$status" = 0 ]
}

@test "the beginning of a partial file is judged" {
	true_manifest
	echo data >"$tree/dir/temp"
	sql "INSERT INTO partial VALUES (2, CAST('large' AS BLOB),
		CAST('temp' AS BLOB), 0, x'$NOTHING')"
	judge
	[ "$status" = 0 ]
	sql 'UPDATE partial SET done_bytes = 1'
	judge
	[ "$status" = 1 ]
	rm "$tree/dir/temp"
	judge
	[ "$status" = 0 ]
}

@test "without a manifest there is no judgement" {
	judge
	[ "$status" = 2 ]
}
