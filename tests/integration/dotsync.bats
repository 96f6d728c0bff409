#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The .sync tree of a real mount, with the programs that people read it with.
#
# Paused before it is started, a task does nothing until it is told to resume:
# so what a text says can be looked at for as long as need be.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start far_source source --delay 40
	proxy_start far_destination destination --delay 40
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_fuse
}

teardown() {
	views_end
}

# need_program NAME: skips where it is missing, unless all must run.
need_program() {
	command -v "$1" >/dev/null && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "$1 is missing and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "$1 is not installed"
}

# view: a mount that begins nothing by itself; $sync is its tree.
view() {
	view_start --no-sync
	sync=$mountpoint/.sync
}

# tell COMMAND: one line to control.
tell() { printf '%s\n' "$1" >"$sync/control"; }

# status KEY: one value of status.json.
status() { jq -er "if has(\"$1\") then .$1 | tostring else error end" "$sync/status.json"; }

status_is() { [ "$(status "$1")" = "$2" ]; }

has_ended() { [ "$(status EndedExecution)" -ge "$1" ]; }

# execute EXECUTION [COMMAND]: that one, to its end.
execute() {
	tell "${2:-start}"
	wait_for 60 has_ended "$1"
}

log_says() { grep -qF -- "$1" "$sync/log"; }

texts='control dashboard.html errors metrics status status.json task.json transferring'

# A pair with one entry that fails, whose name is hard to write down.
failing_pair() {
	fresh_pair dir
	"$MKTREE" --seed 61 --entries 200 "$source_dir"
	bad=$'bad\n<b>\\ "name"\t\xff'
	echo 'no room for this' >"$source_dir/$bad"
	mkdir -p "$destination_dir/$bad/full"
}

@test "every file is there, for the right people, and nowhere listed" {
	fresh_pair dir
	view
	[ "$(find "$sync" | sort | sed "s|$sync||")" = "$(printf '%s\n' '' \
		/control /dashboard.html /errors /history /log /metrics \
		/status /status.json /task.json /transferring)" ]
	[ -z "$(ls -A "$mountpoint")" ]
	[ "$(stat -c '%a %F %u %g' "$sync")" = \
		"555 directory $EUID $(id -g)" ]
	[ "$(stat -c %a "$sync/history")" = 555 ]
	for f in status status.json metrics task.json; do
		[ "$(stat -c '%a %u %g' "$sync/$f")" = "444 $EUID $(id -g)" ]
	done
	for f in dashboard.html errors log transferring; do
		[ "$(stat -c '%a %u %g' "$sync/$f")" = "440 $EUID $(id -g)" ]
	done
	[ "$(stat -c '%a %u %g' "$sync/control")" = "600 $EUID $(id -g)" ]
	# Numbers stay, and are no one else's.
	[ "$(stat -c %i "$sync"/* | sort -u | wc -l)" = 10 ]
	[ "$(find "$sync" -printf '%i\n' | sort)" = \
		"$(find "$sync" -printf '%i\n' | sort)" ]
	view_end
}

@test "cat, less, cp, tail, grep, jq, wc, tar and rsync all see the same" {
	local f copies=$BATS_TEST_TMPDIR/copies
	need_program less
	failing_pair
	view
	execute 1
	mkdir -p "$copies/rsync" "$copies/tar"
	rsync -a --no-owner --no-group "$sync/" "$copies/rsync"
	tar -C "$sync" -cf - . | tar -C "$copies/tar" -xf -
	for f in $texts log history/1/summary.json; do
		cat "$sync/$f" >"$copies/cat"
		less -FX "$sync/$f" >"$copies/less"
		cp "$sync/$f" "$copies/cp"
		tail -n +1 "$sync/$f" >"$copies/tail"
		dd if="$sync/$f" of="$copies/dd" bs=7 status=none
		cmp "$copies/cat" "$copies/less"
		cmp "$copies/cat" "$copies/tail"
		[ "$(tail -c 20 "$sync/$f" | md5sum)" = \
			"$(tail -c 20 "$copies/cat" | md5sum)" ]
		[ "$(wc -c <"$sync/$f")" = "$(wc -c <"$copies/cat")" ]
		[ "$(stat -c %s "$sync/$f")" = "$(wc -c <"$copies/cat")" ]
		# The page says when it was made.
		[ "$f" = dashboard.html ] && continue
		cmp "$copies/cat" "$copies/cp"
		cmp "$copies/cat" "$copies/dd"
		cmp "$copies/cat" "$copies/rsync/$f"
		cmp "$copies/cat" "$copies/tar/$f"
	done
	for f in status.json task.json history/1/summary.json; do
		jq -e . "$sync/$f" >/dev/null
	done
	grep -q "^Task  *$(jq -r .Task "$sync/task.json")$" "$sync/status"
	grep -q '^Last result  execution 1: ERROR, ' "$sync/status"
	grep -qE $'^write\tdestination\t.*\tbad' "$sync/errors"
	grep -q 'begins' "$sync/log"
	view_end
}

# What is written at one moment is read at one moment, whatever moves on.
@test "while a task runs, copies are whole and as long as they say" {
	local copies=$BATS_TEST_TMPDIR/copies rounds=0
	need_servers
	fresh_pair far
	"$MKTREE" --seed 62 --entries 1500 "$source_dir"
	view
	tell start
	until has_ended 1; do
		rm -rf "$copies"
		mkdir "$copies"
		rsync -a --no-owner --no-group "$sync/" "$copies/"
		jq -e .Progress "$copies/status.json" >/dev/null
		[ "$(tail -n 1 "$copies/dashboard.html")" = '</html>' ]
		tar -C "$sync" -cf - status.json metrics | tar -xOf - | grep -q '^}$'
		rounds=$((rounds + 1))
	done
	[ "$rounds" -ge 2 ]
	view_end
}

@test "status.json tells a run from its beginning to its end" {
	fresh_pair dir
	"$MKTREE" --seed 63 --entries 500 "$source_dir"
	view
	[ "$(status State) $(status Execution) $(status Status)" = 'IDLE 0 null' ]
	[ "$(status Source) $(status Destination) $(status Mountpoint)" = \
		"$source $destination $mountpoint" ]
	tell pause
	[ "$(status State)" = PAUSED ]
	tell start
	[ "$(status RequestedExecution) $(status EndedExecution)" = '1 0' ]
	tell resume
	wait_for 60 has_ended 1
	[ "$(status State) $(status Status) $(status ExitStatus)" = \
		'IDLE SUCCESS 0' ]
	[ "$(status Progress) $(status Scanned) $(status Phase)" = '1 true null' ]
	[[ $(status StartTime) < $(status EndTime) || \
		$(status StartTime) = $(status EndTime) ]]
	# What the manifest keeps of it are the same numbers.
	jq -S 'del(.Status, .StartTime, .Source, .Destination, .Options,
		.TotalDuration) | del(.[] | strings)' \
		"$sync/history/1/summary.json" >"$BATS_TEST_TMPDIR/kept"
	jq -S --slurpfile kept "$BATS_TEST_TMPDIR/kept" \
		'with_entries(select(.key | in($kept[0])))' \
		"$sync/status.json" >"$BATS_TEST_TMPDIR/shown"
	diff "$BATS_TEST_TMPDIR/kept" "$BATS_TEST_TMPDIR/shown"
	[ "$(status FilesTransferred)" -gt 100 ]
	view_end
}

@test "metrics please promtool, before and after a run" {
	need_program promtool
	fresh_pair dir
	"$MKTREE" --seed 64 --entries 100 "$source_dir"
	view
	promtool check metrics <"$sync/metrics" >"$BATS_TEST_TMPDIR/lint" 2>&1
	execute 1
	promtool check metrics <"$sync/metrics" >>"$BATS_TEST_TMPDIR/lint" 2>&1
	[ ! -s "$BATS_TEST_TMPDIR/lint" ]
	[ "$(sed -n 's/^efsbridge_transferred_files_total{.*} //p' \
		"$sync/metrics")" = "$(status FilesTransferred)" ]
	grep -q '^efsbridge_last_exit_status{.*} 0$' "$sync/metrics"
	view_end
}

@test "history has every execution, as many as there are" {
	local execution
	fresh_pair dir
	echo text >"$source_dir/file"
	view
	[ -z "$(ls "$sync/history")" ]
	for execution in 1 2 3 4 5 6 7 8 9 10 11 12; do
		execute "$execution"
	done
	[ "$(find "$sync/history" -mindepth 1 -maxdepth 1 -printf '%f\n' |
		sort -n)" = "$(seq 12)" ]
	[ "$(jq -s 'map(.Execution)' -c "$sync"/history/*/summary.json)" = \
		'[1,10,11,12,2,3,4,5,6,7,8,9]' ]
	[ "$(jq .FilesTransferred "$sync/history/1/summary.json")" = 1 ]
	[ "$(jq .FilesUnchanged "$sync/history/12/summary.json")" = 1 ]
	for execution in 0 13 01 1x -1 99999999999999999999; do
		[ ! -e "$sync/history/$execution" ]
	done
	view_end
	# They outlive the mount.
	view
	[ "$(find "$sync/history" -mindepth 1 -maxdepth 1 | wc -l)" = 12 ]
	[ "$(status Execution)" = 0 ]
	view_end
}

@test "errors are one line each; what is mended is told to rescan by its path" {
	local path
	failing_pair
	view
	execute 1
	[ "$(status ExitStatus) $(status FilesFailed)" = '1 1' ]
	[ "$(wc -l <"$sync/errors")" = 1 ]
	path=$(cut -f 4 "$sync/errors")
	[ "$path" = "bad\\n<b>\\\\ \"name\"\\t\\377" ]
	# It stays until it is mended.
	execute 2 retry
	[ "$(cut -f 4 "$sync/errors")" = "$path" ]
	rm -r "${destination_dir:?}/$bad"
	execute 3 "rescan $path"
	[ "$(status ExitStatus)" = 0 ]
	[ ! -s "$sync/errors" ]
	cmp "$source_dir/$bad" "$destination_dir/$bad"
	view_end
}

@test "of very many errors some are shown, and it is said how many there are" {
	failing_pair
	view
	execute 1
	view_end
	# As if very many had failed, each with a long name.
	sqlite3 "$state/manifest.db" "
		CREATE TEMP TABLE many AS
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL
				SELECT i + 1 FROM n WHERE i < 300000)
			SELECT * FROM entry, n WHERE state = 3;
		UPDATE many SET name = CAST(printf('%0100d', i) AS BLOB);
		ALTER TABLE many DROP COLUMN i;
		INSERT INTO entry SELECT * FROM many;"
	view
	cat "$sync/errors" >"$BATS_TEST_TMPDIR/errors"
	grep -q 'at least .*>100,000</span> entries, the first 50 are shown' \
		"$sync/dashboard.html"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/errors")" = 10001 ]
	tail -n 1 "$BATS_TEST_TMPDIR/errors" | grep -q \
		'^# at least 90000 more are left out'
	view_end
}

@test "transferring shows what is on its way" {
	local pattern=$'^ *[0-9.]+%\t[1-9][0-9]*\t67108864\tlarge file$'
	need_servers
	fresh_pair far
	head -c 64M /dev/urandom >"$source_dir/large file"
	view
	tell start
	moves() { grep -qE "$pattern" "$sync/transferring"; }
	wait_for 60 moves
	wait_for 60 has_ended 1
	[ ! -s "$sync/transferring" ]
	view_end
}

@test "control does as it is told" {
	fresh_pair dir
	"$MKTREE" --seed 65 --entries 300 "$source_dir"
	view
	for word in start verify retry rescan pause resume cancel jobs=; do
		grep -q "^$word" "$sync/control"
	done
	# Several lines at once, in their order; appended or not.
	env printf 'pause\njobs=3\nstart\n' >>"$sync/control"
	[ "$(status State) $(status RequestedExecution)" = 'PAUSED 1' ]
	echo resume >"$sync/control"
	wait_for 60 has_ended 1
	[ "$(status Jobs) $(status ExitStatus)" = '3 0' ]
	execute 2 verify
	[ "$(status FilesVerified)" -gt 100 ]
	[ "$(status FilesTransferred)" = 0 ]
	# A rescan sees to one entry, and to no other.
	mkdir "$source_dir/one" "$source_dir/two"
	echo new >"$source_dir/one/file"
	echo new >"$source_dir/two/file"
	execute 3 'rescan /one/'
	[ -e "$destination_dir/one/file" ]
	[ ! -e "$destination_dir/two" ]
	# What waits is forgotten by a cancel.
	tell pause
	tell start
	tell cancel
	tell resume
	[ "$(status State)" = IDLE ]
	[ ! -e "$destination_dir/two" ]
	log_says "control: rescan /one by uid $EUID: execution 3"
	log_says "control: cancel by uid $EUID"
	view_end
}

# control_refuses ERRNO-TEXT COMMAND: control refuses it so.
control_refuses() {
	local error
	# Bash's own printf writes each line by itself.
	error=$({ env printf '%s\n' "$2" >"$sync/control"; } 2>&1) && return 1
	[[ $error == *"$1" ]]
}

@test "control refuses what it does not understand or cannot do, and the log says why" {
	fresh_pair dir
	view
	control_refuses 'Invalid argument' frobnicate
	log_says '"frobnicate" is no command'
	control_refuses 'Invalid argument' $'start\njobs=0'
	log_says '"jobs=0" is refused: say a number from 1 to 128'
	control_refuses 'Invalid argument' 'rescan ../x'
	log_says 'root of the tree'
	control_refuses 'Invalid argument' $'\e[2Jstart'
	log_says '"\033[2Jstart" is no command'
	control_refuses 'Argument list too long' "$(yes start | head -n 100)"
	log_says 'more than 64 commands'
	# Of a text with one bad word nothing is done.
	status_is RequestedExecution 0
	control_refuses 'Operation already in progress' resume
	log_says "control: resume by uid $EUID: not done: it is not paused"
	control_refuses 'No such process' cancel
	log_says 'not done: nothing is under way'
	tell pause
	control_refuses 'Operation already in progress' pause
	log_says 'it is paused already'
	tell resume
	! grep -q "$(printf '\e')" "$sync/log" || return 1
	view_end
}

@test "nothing else can be written" {
	local f
	fresh_pair dir
	view
	refused() {
		local error
		error=$("${@:2}" 2>&1) && return 1
		[[ $error == *"$1" ]] || {
			echo "$error" >&2
			return 1
		}
	}
	for f in $texts log history; do
		[ "$f" = control ] || refused 'Read-only file system' \
			touch "$sync/$f"
		refused 'Read-only file system' mv "$sync/$f" "$sync/other"
		refused 'Read-only file system' rm -rf "$sync/$f"
	done
	refused 'Read-only file system' mkdir "$sync/new"
	refused 'Read-only file system' mkdir "$sync/history/1"
	refused 'Read-only file system' ln -s x "$sync/link"
	refused 'Operation not permitted' chmod 666 "$sync/control"
	refused 'Operation not permitted' truncate -s 5 "$sync/control"
	truncate -s 0 "$sync/control"
	refused 'Is a directory' cat "$sync"
	view_end
}

@test "other users see how it stands, but neither names nor control" {
	local f
	((EUID == 0)) || skip 'only root can be somebody else'
	fresh_pair dir
	view
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	for f in status status.json metrics task.json; do
		nobody cat "$sync/$f" >/dev/null
	done
	nobody ls "$sync/history"
	for f in control dashboard.html errors log transferring; do
		! nobody cat "$sync/$f" || return 1
	done
	! nobody sh -c "echo start >'$sync/control'" || return 1
	! nobody sh -c "echo start >>'$sync/control'" || return 1
	status_is RequestedExecution 0
	view_end
}

@test "the log can be followed, through a rotation too" {
	local followed=$BATS_TEST_TMPDIR/followed pid word=0
	fresh_pair dir
	# Almost full: some lines later there is a new file.
	yes 'a line that was there before' | head -c 8387600 >"$state/log"
	echo >>"$state/log"
	view
	tail -n 1 -s 0.1 -f "$sync/log" >"$followed" 2>/dev/null 3>&- 4>&- &
	pid=$!
	wait_for 60 test -s "$followed"
	followed_has() { grep -q "\"$1\" is no command" "$followed"; }
	until [ -e "$state/log.1" ] || ((++word > 50)); do
		control_refuses 'Invalid argument' "old-$word"
		# Seen before the file is full.
		[ "$word" != 1 ] || wait_for 60 followed_has old-1
	done
	[ "$(stat -c %s "$state/log.1")" -gt 8388000 ]
	control_refuses 'Invalid argument' new
	wait_for 60 followed_has new
	kill "$pid"
	[ "$(stat -c %s "$sync/log")" -lt 10000 ]
	cmp "$sync/log" "$state/log"
	view_end
}

@test "with both servers stopped everything in .sync answers at once" {
	local f round waited=''
	need_servers
	fresh_pair nfs
	"$MKTREE" --seed 66 --entries 50 "$source_dir"
	view
	execute 1
	server_signal source STOP
	server_signal destination STOP
	for round in first second third; do
		echo "$round round"
		for f in $texts log history/1/summary.json; do
			timeout 60 cat "$sync/$f" >/dev/null || waited+=" $f"
		done
	done
	server_signal source CONT
	server_signal destination CONT
	[ -z "$waited" ]
	view_end
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

@test "the dashboard in a browser shows what status.json says" {
	local shot=$BATS_TEST_TMPDIR/shot.png dom=$BATS_TEST_TMPDIR/dom key want
	command -v chromium-browser >/dev/null || need_program chromium
	failing_pair
	view
	execute 1
	browse --window-size=1200,1600 --screenshot="$shot" \
		"$sync/dashboard.html"
	[ "$(head -c 8 "$shot" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
	# A page with nothing on it takes less.
	[ "$(stat -c %s "$shot")" -gt 50000 ]
	browse --dump-dom "$sync/dashboard.html" >"$dom"
	# Every key, as the browser has it after parsing the page.
	grep -o '<dd data-key="[^"]*" data-value="[^>]*">' "$dom" |
		sed 's/.*data-key="\([^"]*\)" data-value="\(.*\)">/\1\t\2/
			s/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' \
			>"$BATS_TEST_TMPDIR/seen"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/seen")" = "$(jq length "$sync/status.json")" ]
	while IFS=$'\t' read -r key value; do
		want=$(jq -c ".$key" "$sync/status.json")
		jq -en --argjson a "$value" --argjson b "$want" '$a == $b' >/dev/null || {
			echo "$key is $value, not $want" >&2
			return 1
		}
	done <"$BATS_TEST_TMPDIR/seen"
	[ "$(status FilesFailed)" = 1 ]
	# Nothing in a name became part of the page.
	grep -q 'bad\\n&lt;b&gt;\\\\ "name"\\t\\377' "$dom"
	! grep -q '<b>' "$dom" || return 1
	grep -q '<svg id="plot-bytes"' "$dom"
	grep -q '<polyline class="line"' "$dom"
	# It is loaded again by itself, and needs nothing from anywhere.
	grep -q 'http-equiv="refresh" content="10"' "$dom"
	! grep -Eq 'https?://[^w]|src=|@import' "$dom" || return 1
	view_end
}

@test "another name for .sync" {
	fresh_pair dir
	mkdir "$source_dir/.sync"
	echo theirs >"$source_dir/.sync/status"
	view_start --no-sync -o syncdir=.bridge
	sync=$mountpoint/.bridge
	[ "$(status State)" = IDLE ]
	[ "$(cat "$mountpoint/.sync/status")" = theirs ]
	view_end
}
