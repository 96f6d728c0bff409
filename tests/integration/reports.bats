#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Reports of runs: each entry of each list, held by tests/tools/reports against
# the trees before and after the run and against what the run counted; which
# lists there are; and how they get to S3.

bats_require_minimum_version 1.5.0
load lib/common
load lib/aws

REPORTS=$TOOLS_SOURCE/reports

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	((EUID != 0)) || server_start squashed squash=Root_Squash
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	aws_clean
	reports=$BATS_TEST_TMPDIR/reports
}

teardown() {
	aws_stop
	s3_stop
}

# report_run STATUS [OPTION...]: a run whose report is all there can be, and
# true.
report_run() {
	local status=$1
	shift
	rm -rf "$reports"
	"$REPORTS" look "$source_dir" "$destination_dir" \
		>"$BATS_TEST_TMPDIR/before"
	run_sync "$status" --report=standard --report-level=all \
		--report-to="$reports" "$@"
	"$REPORTS" judge "$BATS_TEST_TMPDIR/before" "$output_file" "$reports" \
		"$source_dir" "$destination_dir"
}

# listed KIND: each entry with its status, sorted.
listed() {
	# The root is there, too, when it was given attributes.
	"$REPORTS" paths "$1" "$reports" | LC_ALL=C sort | grep -vx '.* /'
}

# lists: which there are, a line each.
lists() {
	find "$1" -name '*.json*' -printf '%f\n' |
		sed -E 's/^exec-[0-9a-f]{17}\.//; s/-v1-00001-.*//; s/-v1\.json//' |
		LC_ALL=C sort
}

through_the_life() {
	local entries
	"$MKTREE" --seed 7 --entries 400 "$source_dir"
	report_run 0
	[ "$(counter FilesUnchanged)" = 0 ]
	entries=$(entries_in "$source_dir")
	[ "$(jq '[.Transferred[] | select(.RelativePath != "/")] | length' \
		"$reports"/Detailed-Reports/*/*/*transferred*)" = "$entries" ]
	# The second run has nothing to do.
	report_run 0
	[ "$(counter FilesUnchanged)" -gt 300 ]
	[ "$(lists "$reports")" = "files-skipped
files-verified
summary" ]
	# Without its records it has much to read.
	rm "$state"/manifest.db*
	report_run 0
	expect FilesTransferred=0
	# All kinds of changes.
	"$MKTREE" --seed 8 --mutate --changes 60 "$source_dir" \
		>"$BATS_TEST_TMPDIR/changes"
	report_run 0 --deleted=remove
	[ "$(counter FilesDeleted)" -gt 0 ]
	[ "$(counter MetadataApplied)" -gt 0 ]
	# What a filter leaves out.
	report_run 0 '--exclude=*a*' --transfer-mode=all
	[ "$(counter EntriesFiltered)" -gt 0 ]
	[ "$(counter FilesTransferred)" -gt 0 ]
}

@test "the lists agree with the trees and with the counters" {
	fresh_pair dir
	through_the_life
}

@test "likewise between servers" {
	need_servers
	fresh_pair nfs
	through_the_life
}

# differ: of each kind one.
differ() {
	local file
	mkdir "$source_dir/there"
	for file in content size mode owner times missing same; do
		echo "$file" >"$source_dir/there/$file"
	done
	ln -s target "$source_dir/there/target"
	run_sync 0
	cd "$destination_dir/there" || return
	touch -r content "$BATS_TEST_TMPDIR/times"
	printf C >content.new
	cat content.new - >content <<<ontent
	touch -r "$BATS_TEST_TMPDIR/times" content
	rm content.new
	echo longer >size
	chmod 600 mode
	chown 7 owner
	touch -d 2001-01-01 times
	rm missing
	ln -sf another target
	touch extra
	touch -r "$source_dir/there" .
	cd - || return
}

@test "what a comparison finds is listed, each entry by its kind" {
	fresh_pair dir
	differ
	rm -rf "$reports"
	"$REPORTS" look "$source_dir" "$destination_dir" \
		>"$BATS_TEST_TMPDIR/before"
	local got=0
	"$EFSBRIDGE" verify --json --state "$state" --report=standard \
		--report-level=all --report-to="$reports" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || got=$?
	[ "$got" = 1 ]
	"$REPORTS" judge "$BATS_TEST_TMPDIR/before" "$output_file" "$reports" \
		"$source_dir" "$destination_dir"
	[ "$(listed Verified)" = "Directory SUCCESS /there
Regular FAILED /there/content
Regular FAILED /there/extra
Regular FAILED /there/missing
Regular FAILED /there/mode
Regular FAILED /there/owner
Regular FAILED /there/size
Regular FAILED /there/times
Regular SUCCESS /there/same
Symlink FAILED /there/target" ]
	# With the reason in words.
	[ "$(jq -r '.Verified[] | select(.VerifyStatus == "FAILED") |
		.RelativePath + " " + .FailureReason' \
		"$reports"/Detailed-Reports/*/*/*verified* |
		sed 's|/there/||; s|differs from the source: ||' | sort)" = \
		'content content
extra extra
missing missing
mode mode
owner owner
size size, times
target target, times
times times' ]
}

@test "checksums are those of the files, of small ones and of large ones" {
	fresh_pair dir
	head -c 20000000 /dev/urandom >"$source_dir/large"
	truncate -s 30000000 "$source_dir/large"
	echo small >"$source_dir/small"
	: >"$source_dir/empty"
	local verify sums=()
	for verify in transferred all; do
		rm -rf "$destination_dir" "$state"
		mkdir "$destination_dir" "$state"
		report_run 0 --verify="$verify"
		sums+=("$(jq -r '.Verified[] | select(.SrcMetadata.Type == "Regular") |
			.RelativePath, .SrcChecksum, .DstChecksum' \
			"$reports"/Detailed-Reports/*/*/*verified* |
			paste - - - | sort)")
	done
	[ "${sums[0]}" = "${sums[1]}" ]
	[ "$(wc -l <<<"${sums[0]}")" = 3 ]
	# XXH3-128 of nothing, as its specification has it.
	grep -q $'^/empty\tXXH3-128:99aa06d3014798d86001c324468d497f\t' \
		<<<"${sums[0]}"
}

@test "what is not copied, and why" {
	((EUID == 0)) || skip 'only root makes devices'
	fresh_pair dir
	mknod "$source_dir/device" c 1 3
	echo here >"$source_dir/left"
	echo there, longer >"$destination_dir/left"
	echo new >"$source_dir/new"
	echo tmp >"$source_dir/a.tmp"
	report_run 0 --overwrite=never '--exclude=*.tmp'
	[ "$(jq -r '.Skipped[] | .RelativePath + " " + .SkipReason' \
		"$reports"/Detailed-Reports/*/*/*skipped* | sort)" = \
		"/a.tmp a filter leaves it out
/device such a kind is never copied
/left the destination differs and is not to be overwritten" ]
	[ "$(listed Transferred)" = 'Regular SUCCESS /new' ]
}

@test "a name that is no text is told in two ways" {
	fresh_pair dir
	bad=$'bad\n\\ "name"\t\xff'
	echo x >"$source_dir/$bad"
	report_run 0
	[ "$(listed Transferred)" = "$(printf 'Regular SUCCESS /%s' "$bad" |
		LC_ALL=C sort)" ] ||
		listed Transferred | od -c >&2
	grep -qF '"EscapedPath":"/bad\\n\\\\ \"name\"\\t\\377"' \
		"$reports"/Detailed-Reports/*/*/*transferred*
}

@test "what fails is listed with its reason" {
	fresh_pair dir
	"$MKTREE" --seed 61 --entries 50 "$source_dir"
	echo 'no room for this' >"$source_dir/full"
	mkdir -p "$destination_dir/full/of"
	report_run 1
	[ "$(listed Transferred | grep FAILED)" = 'Regular FAILED /full' ]
	jq -e '.Transferred[] | select(.TransferStatus == "FAILED") |
		.FailureCode == "ENOTEMPTY" and (.FailureReason | length > 10)' \
		"$reports"/Detailed-Reports/*/*/*transferred*
	# Once more from its record, and then no more.
	report_run 1
	rm -r "$destination_dir/full"
	report_run 0
	[ "$(listed Transferred)" = 'Regular SUCCESS /full' ]
}

@test "what a squashed reader may not read is listed" {
	((EUID == 0)) || skip 'only root is squashed'
	need_servers
	fresh_pair nfs
	source_dir=$(server_export squashed)/closed
	source=$(server_url squashed closed)
	mkdir "$source_dir"
	echo open >"$source_dir/open"
	echo closed >"$source_dir/closed"
	chmod 600 "$source_dir/closed"
	mkdir -m 700 "$source_dir/private"
	touch "$source_dir/private/unseen"
	report_run 1
	[ "$(listed Transferred | grep FAILED)" = 'Directory FAILED /private
Regular FAILED /closed' ]
	[ "$(jq -r '.Transferred[] | .FailureCode // empty' \
		"$reports"/Detailed-Reports/*/*/*transferred* | sort -u)" = EACCES ]
}

# with OPTION...: a run that has something for each list, and one for no other.
with() {
	fresh_pair dir
	echo one >"$source_dir/one"
	echo two >"$source_dir/two"
	run_sync 0
	echo full >"$source_dir/full"
	echo new >"$source_dir/new"
	touch "$destination_dir/extra"
	mkdir -p "$destination_dir/full"
	touch "$destination_dir/full/kept"
	rm -rf "$reports"
	run_sync 1 --deleted=remove "--exclude=*/kept" --report-to="$reports" "$@"
}

# there NAME...: those are the lists.
there() {
	[ "$(lists "$reports" 2>/dev/null | xargs)" = "$*" ] && return
	lists "$reports" >&2
	return 1
}

@test "levels, and one for a list alone" {
	with
	there
	with --report=none --report-level=all
	there
	with --report=summary --report-level=all
	there summary
	with --report=standard
	there files-transferred summary
	with --report=standard --report-level=all
	there files-deleted files-skipped files-transferred files-verified \
		summary
	with --report=standard --report-level=all \
		--report-deleted=errors --report-verified=errors
	there files-skipped files-transferred summary
	with --report=standard --report-skipped=all --report-deleted=all
	there files-deleted files-skipped files-transferred summary
	[ "$(listed Transferred)" = 'Regular FAILED /full' ]
	[ "$(listed Skipped)" = 'Regular SUCCESS /one
Regular SUCCESS /two' ]
	[ "$(listed Deleted)" = 'Regular SUCCESS /extra' ]
	with --report=standard --report-transferred=all
	there files-transferred summary
	[ "$(listed Transferred)" = 'Regular FAILED /full
Regular SUCCESS /new' ]
}

@test "where reports go without --report-to; a dry run makes none" {
	fresh_pair dir
	echo one >"$source_dir/one"
	"$EFSBRIDGE" sync --dry-run --state "$state" --report=standard \
		--report-level=all "$source" "$destination"
	[ ! -e "$state/reports" ]
	run_sync 0 --report=standard --report-level=all
	[ "$(lists "$state/reports")" = 'files-transferred
files-verified
summary' ]
	[ "$(find "$state/reports" -type f ! -perm 600)" = '' ]
	[ "$(find "$state/reports" -type d ! -perm 700)" = '' ]
}

@test "a report that cannot be written does not change how the run ends" {
	fresh_pair dir
	echo one >"$source_dir/one"
	touch "$BATS_TEST_TMPDIR/file"
	run_sync 0 --report=standard --report-to="$BATS_TEST_TMPDIR/file/x"
	grep -q 'no report can be made: Not a directory' "$errors_file"
	expect FilesTransferred=1
}

# --- efsbridge report -------------------------------------------------------

# told_pair: two runs of a pair, the second one with failures and odd names.
told_pair() {
	fresh_pair dir
	echo one >"$source_dir/one"
	run_sync 0
	bad=$'=bad\n<b>"&\t\xff'
	for name in "$bad" full; do
		echo 'no room' >"$source_dir/$name"
		mkdir -p "$destination_dir/$name/of"
	done
	head -c 3000000 /dev/urandom >"$source_dir/two"
	run_sync 1
}

told() { "$EFSBRIDGE" report --state "$state" "$@"; }

@test "efsbridge report tells of the runs, and what is failed" {
	told_pair
	run -0 told
	[ "$(grep -c '^run ' <<<"$output")" = 2 ]
	[[ ${lines[0]} == 'run 2: '*', ERROR' ]]
	[[ ${lines[1]} == '  2.9 MiB in 1 files copied, 1 verified, 1 unchanged, 0 removed, 0 differ, 2 failed' ]]
	[[ ${lines[2]} == 'run 1: '*', SUCCESS' ]]
	[[ $output == *'  /full: '* ]]
	[[ $output == *'  /=bad\n<b>"&\t\377: '* ]]
	# Of one run.
	run -0 told 1
	[ "$(grep -c '^run ' <<<"$output")" = 1 ]
	[[ $output != *failed:* ]]
	run -0 told 2
	[[ $output == *'/full: '* ]]
	run -2 told 3
	[[ $output == *'there is no run 3'* ]]
	run -2 told 0
	run -0 "$EFSBRIDGE" report --state "$state" "$source" "$destination" 2
	run -2 told --csv --json
	[[ $output == *'choose one'* ]]
	# What a later run mends is not failed any more.
	rm -r "$destination_dir/full" "${destination_dir:?}/$bad"
	run_sync 0
	run -0 told
	[[ $output != *failed:* ]]
	run -0 told 2
	[[ $output != *failed:* ]]
}

@test "its JSON is that of history; its CSV is what others read" {
	told_pair
	told --json >"$BATS_TEST_TMPDIR/json"
	jq -e --slurpfile h <("$EFSBRIDGE" history --json --state "$state") \
		'.Executions == $h[0]' "$BATS_TEST_TMPDIR/json"
	jq -e '.Failed | map(.Path) | sort ==
		["/=bad\\n<b>\"&\\t\\377", "/full"]' "$BATS_TEST_TMPDIR/json"
	jq -e 'all(.Failed[]; .FailureCode == "ENOTEMPTY" and
		.Type == "file" and .Execution == 2)' "$BATS_TEST_TMPDIR/json"
	told --csv >"$BATS_TEST_TMPDIR/runs.csv"
	told --csv 2 >"$BATS_TEST_TMPDIR/failed.csv"
	python3 - "$BATS_TEST_TMPDIR" <<-'PYTHON'
		import csv, json, sys
		d = sys.argv[1]
		have = list(csv.DictReader(open(d + "/runs.csv", newline="")))
		want = json.load(open(d + "/json"))["Executions"]
		assert len(have) == len(want) == 2
		for h, w in zip(have, want):
		    assert len(h) > 30
		    for key, value in h.items():
		        assert str(w[key]) == value, (key, value, w[key])
		rows = list(csv.DictReader(open(d + "/failed.csv", newline="")))
		assert sorted(r["Path"] for r in rows) == [
		    '/=bad\\n<b>"&\\t\\377', "/full"], rows
		assert all(r["Code"] == "ENOTEMPTY" and r["Reason"] for r in rows)
	PYTHON
}

need_browser() {
	command -v chromium chromium-browser >/dev/null && return
	[ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ] || skip 'chromium is not installed'
	echo "chromium is missing and EFSBRIDGE_REQUIRE_ALL=1" >&2
	return 1
}

# browse OPTION... FILE: headless, with a profile of its own.
browse() {
	local program
	program=$(command -v chromium || command -v chromium-browser)
	timeout 120 "$program" --headless --no-sandbox --disable-gpu \
		--disable-quic --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync \
		--disable-dev-shm-usage --user-data-dir="$BATS_TEST_TMPDIR/profile" \
		"${@:1:$#-1}" "file://${*: -1}" 2>"$BATS_TEST_TMPDIR/browser"
}

@test "its page in a browser shows the runs, plots and failures" {
	need_browser
	local page=$BATS_TEST_TMPDIR/page.html dom=$BATS_TEST_TMPDIR/dom
	told_pair
	told --html >"$page"
	# It loads nothing and runs nothing.
	run ! grep -iE '<script|src=|url\(|@import|http://|https://' "$page"
	browse --window-size=1200,1400 --screenshot="$BATS_TEST_TMPDIR/shot.png" \
		"$page"
	[ "$(head -c 8 "$BATS_TEST_TMPDIR/shot.png" | od -An -tx1 |
		tr -d ' \n')" = 89504e470d0a1a0a ]
	# A page with nothing on it takes less.
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/shot.png")" -gt 40000 ]
	browse --dump-dom "$page" >"$dom"
	python3 - "$dom" <<-'PYTHON'
		import html.parser, re, sys

		class Page(html.parser.HTMLParser):
		    def __init__(self):
		        super().__init__()
		        self.id, self.texts, self.bars = None, {}, []
		    def handle_starttag(self, tag, attrs):
		        attrs = dict(attrs)
		        self.id = attrs.get("id", self.id)
		        if tag == "rect":
		            self.bars.append((self.id, float(attrs["height"]),
		                              float(attrs["x"])))
		        assert tag != "b" or attrs.get("id"), "a name became a tag"
		    def handle_data(self, data):
		        self.texts.setdefault(self.id, []).append(data.strip())

		page = Page()
		page.feed(open(sys.argv[1], encoding="utf-8").read())
		def text(name):
		    return " ".join(t for t in page.texts[name] if t)
		assert text("status").startswith("ERROR"), text("status")
		assert text("runs").startswith("2 "), text("runs")
		assert text("failed").startswith("2 "), text("failed")
		failures = text("failures")
		assert '/=bad\\n<b>"&\\t\\377' in failures, failures
		assert "/full" in failures
		for plot in ("plot-bytes", "plot-files"):
		    bars = [b for b in page.bars if b[0] == plot]
		    assert len(bars) == 2 and bars[0][2] < bars[1][2], bars
		by_bytes = [b[1] for b in page.bars if b[0] == "plot-bytes"]
		assert by_bytes[0] < by_bytes[1] <= 172, by_bytes
	PYTHON
}

# --- Metrics ----------------------------------------------------------------

# metric NAME: of the file, for the task of this pair.
metric() { sed -n "s/^efsbridge_$1{.*} //p" "$metrics"; }

@test "a run writes its metrics for the textfile collector" {
	metrics=$BATS_TEST_TMPDIR/run.prom
	fresh_pair dir
	echo one >"$source_dir/one"
	echo full >"$source_dir/full"
	mkdir -p "$destination_dir/full/of"
	run_sync 1 --metrics-file="$metrics"
	[ "$(stat -c %a "$metrics")" = 644 ]
	[ "$(metric transferred_files_total)" = 1 ]
	[ "$(metric failed_entries_total)" = 1 ]
	[ "$(metric running)" = 0 ]
	[ "$(metric last_exit_status)" = 1 ]
	[ "$(metric written_bytes_total)" = "$(counter BytesWritten)" ]
	[ "$(metric execution)" = 1 ]
	grep -qF "source=\"$source\",destination=\"$destination\"" "$metrics"
	# Nothing but the file stays behind, and a second run replaces it.
	rm -r "$destination_dir/full"
	run_sync 0 --metrics-file="$metrics"
	[ "$(metric last_exit_status)" = 0 ]
	[ "$(metric execution)" = 2 ]
	[ "$(echo "$metrics"*)" = "$metrics" ]
	# What the dashboard asks for is there, but for what only runs have.
	grep -oE 'efsbridge_[a-z_]+' "$top/contrib/grafana/efsbridge.json" |
		sort -u >"$BATS_TEST_TMPDIR/asked"
	grep -oE '^efsbridge_[a-z_]+' "$metrics" | sort -u \
		>"$BATS_TEST_TMPDIR/known"
	[ "$(comm -23 "$BATS_TEST_TMPDIR/asked" "$BATS_TEST_TMPDIR/known")" = \
		efsbridge_eta_seconds ]
	jq -e '.panels | length == 11' "$top/contrib/grafana/efsbridge.json"
}

@test "metrics are there while the run goes on; without them it goes on, too" {
	metrics=$BATS_TEST_TMPDIR/run.prom
	fresh_pair dir
	head -c 4000000 /dev/urandom >"$source_dir/file"
	start_sync --metrics-file="$metrics" --bwlimit=1M
	is_told() { [ -e "$metrics" ] && [ "$(metric running)" = 1 ]; }
	during_sync 60 is_told
	end_sync 0
	[ "$(metric running)" = 0 ]
	run_sync 0 --metrics-file="$BATS_TEST_TMPDIR/no/run.prom"
	grep -q 'run.prom: the metrics are not written: No such file' \
		"$errors_file"
}

# --- S3 ---------------------------------------------------------------------

# s3_pair: a pair, a server with a bucket, and the gate before it.
s3_pair() {
	need_s3
	export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=test-secret-key
	export AWS_REGION=eu-central-1
	s3_start the-bucket
	aws_start --upstream "$s3_url"
	export AWS_ENDPOINT_URL_S3=$aws_url
	fresh_pair dir
	echo one >"$source_dir/one"
	to=(--report=standard --report-level=all
		--report-to=s3://the-bucket/some/prefix)
}

# arrived: the names of what lies in the bucket.
arrived() {
	s3_get '/the-bucket?list-type=2' | grep -o '<Key>[^<]*' |
		sed 's/<Key>//' | LC_ALL=C sort
}

@test "a report arrives in S3, and leaves the disk" {
	s3_pair
	run_sync 0 "${to[@]}"
	run ! grep report "$errors_file"
	[ "$(arrived | wc -l)" = 3 ]
	[ "$(arrived | sed -E 's/exec-[0-9a-f]{17}/EXEC/g; s/[0-9a-f]{17}\.json/ID.json/
		s|(Reports/)[^/]*/|\1TASK/|')" = \
		'some/prefix/Detailed-Reports/TASK/EXEC/EXEC.files-transferred-v1-00001-ID.json
some/prefix/Detailed-Reports/TASK/EXEC/EXEC.files-verified-v1-00001-ID.json
some/prefix/Summary-Reports/TASK/EXEC/EXEC.summary-v1.json' ]
	s3_get "/the-bucket/$(arrived | grep transferred)" |
		jq -e '.Transferred[0].RelativePath == "/one"'
	[ -z "$(find "$state/reports" -type f)" ]
	[ "$(aws_count refused)" = 0 ]
}

@test "what could not be uploaded stays, and the next run delivers it" {
	s3_pair
	aws_behaves '{"fail": 1000, "status": 403}'
	run_sync 0 "${to[@]}"
	grep -q 'report: 3 files could not be uploaded' "$errors_file"
	[ "$(find "$state/reports" -name '*.json' | wc -l)" = 3 ]
	[ -z "$(arrived)" ]
	aws_behaves '{}'
	run_sync 0 "${to[@]}"
	# Those of the first, and of the second a summary and two lists.
	[ "$(arrived | wc -l)" = 6 ]
	[ "$(arrived | sed 's|.*/||; s|\..*||' | sort -u | wc -l)" = 2 ]
	[ -z "$(find "$state/reports" -type f)" ]
}

@test "without keys it says so, and the report stays" {
	s3_pair
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	run_sync 0 "${to[@]}"
	grep -q 'credentials' "$errors_file"
	[ "$(find "$state/reports" -name '*.json' | wc -l)" = 3 ]
}
