#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# An hour of everything at once: a source that changes at random all the time, a
# mount of the view with runs every few seconds, watchers that check each byte
# they see through it, and faults without end between the mount and its servers.
# Then the changes and the faults stop, and one more run must make both trees
# identical. Prints what was done, and fails with the name of what is not so:
#
#   watchers   saw something that is not so (tests/tools/soaker), or saw nothing
#   changer    failed
#   daemon     ended by itself, or could not be unmounted
#   last-run   did not succeed
#   trees      differ, by rsync's opinion
#   temporary  names are left on the destination
#   manifest   claims what is not so
#   memory descriptors threads
#              of the daemon grew from the second to the last quarter, by their
#              medians: by more than a tenth and 8 MiB; by more than 16; by
#              more than 4. Kills of the daemon all lie in the first quarter,
#              so that one life is judged; it takes ten minutes until its caches
#              are full, so of less than half an hour nothing is judged
#   quiet      too little was done for the rest to say anything
#
#	SOAK_SECONDS  how long (3600)
#	SOAK_SEED     of changes and faults (the time)
#	SOAK_KEEP     a folder for logs and samples; given, it is kept
#	SOAK_SPOIL    source, destination, temporary, manifest or memory: does
#	              that wrong, to see that it is found

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

seconds=${SOAK_SECONDS:-3600}
seed=${SOAK_SEED:-$EPOCHSECONDS}
spoil=${SOAK_SPOIL:-}
sample_s=$((seconds > 1800 ? 10 : 1))
watchers=3
RANDOM=$((seed % 32768))
SOAKER=$TOOLS_SOURCE/soaker

need_servers
[ -w /dev/fuse ] || skip "/dev/fuse is missing, or may not be opened"
((EUID == 0)) || skip "only root can change owners"

work=${SOAK_KEEP:-$SERVERS_DIR/work}
view=$SERVERS_DIR/view
state=$SERVERS_DIR/state
mkdir -p "$work" "$view" "$state"
stop=$SERVERS_DIR/stop
life=$SERVERS_DIR/life
trap 'set +e; touch "$stop"; stop_helpers; umount -l "$view" 2>/dev/null
	servers_stop; rm -rf "$SERVERS_DIR"' EXIT

declare -A faults=()
helpers=()
failures=()
lives=0
wrong_records=0
daemon=''
sampler=''

stop_helpers() {
	local pid
	for pid in "${helpers[@]}" $sampler $daemon; do
		kill "$pid" 2>/dev/null || true
	done
}

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*"; }

# fail NAME TEXT: noted; the rest is judged as well.
fail() {
	failures+=("$1")
	say "FAILED: $1: ${*:2}"
}

# --- The daemon -------------------------------------------------------------

daemon_is_up_or_gone() { is_mounted "$view" || process_is_gone "$daemon"; }

daemon_start() {
	"$EFSBRIDGE" -f --quiet --interval=3s --deleted=remove --state "$state" \
		"$(server_url far_source '' deadline=20)" \
		"$(server_url far_destination '' deadline=20)" "$view" \
		>>"$work/daemon.log" 2>&1 3>&- 4>&- &
	daemon=$!
	echo "$daemon" >"$SERVERS_DIR/daemon"
	wait_for 60 daemon_is_up_or_gone
	if process_is_gone "$daemon"; then
		fail daemon "did not begin; see $work/daemon.log"
		tail -n 5 "$work/daemon.log"
		return 1
	fi
	lives=$((lives + 1))
	echo "$lives" >"$life"
}

daemon_kill() {
	echo down >"$life"
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
	wait_for 5 is_not_mounted "$view" || umount -l "$view"
	daemon_start
}

daemon_end() {
	local status=0
	wait_for 60 umount "$view" 2>/dev/null ||
		{ fail daemon 'cannot be unmounted'; return; }
	wait_for 60 process_is_gone "$daemon" || { fail daemon 'does not end'; return; }
	wait "$daemon" || status=$?
	[ "$status" = 0 ] || fail daemon "ended with status $status"
}

# Seconds, KiB, descriptors, threads, daemon's life.
sample() {
	local pid rss fds threads began=$EPOCHSECONDS
	while [ ! -e "$stop" ]; do
		pid=$(cat "$SERVERS_DIR/daemon" 2>/dev/null) || pid=none
		rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" \
			2>/dev/null) || rss=''
		threads=$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 \
			-printf x 2>/dev/null | wc -c) || true
		fds=$(find "/proc/$pid/fd" -mindepth 1 -printf x \
			2>/dev/null | wc -c) || true
		[ -z "$rss" ] || echo "$((EPOCHSECONDS - began)) $rss $fds" \
			"$threads $(<"$life")"
		sleep "$sample_s"
	done >"$work/samples"
}

# --- Faults -----------------------------------------------------------------

# proxy_again SIDE [OPTION...]: the proxy before a side is another one, on the
# same port: all connections end. What the last one did wrong is counted.
proxy_again() {
	local side=$1 d=$SERVERS_DIR/far_$1 port pid
	shift
	port=$(<"$d/port")
	pid=$(<"$d/pid")
	rm -f "$d/stats"
	kill "$pid"
	wait_for "$SERVERS_DEADLINE_S" process_is_gone "$pid"
	wrong_records=$((wrong_records + $(awk '$1 == "faults" { n = $2 }
		END { print n + 0 }' "$d/stats" 2>/dev/null)))
	"$NFSPROXY" --listen "$port" --connect "127.0.0.1:$(server_port "$side")" \
		--stats "$d/stats" "$@" </dev/null >>"$d/log" 2>&1 3>&- 4>&- &
	server_note "far_$side" $!
	disown
}

# What any server may say, and a client lives with.
survived=(SEQUENCE:{DELAY,BADSESSION,BADSLOT,SEQ_MISORDERED,DEADSESSION}
	EXCHANGE_ID:DELAY CREATE_SESSION:{STALE_CLIENTID,DELAY}
	RECLAIM_COMPLETE:GRACE READ:{DELAY,BAD_STATEID} GETATTR:DELAY
	READDIR:DELAY LOOKUP:DELAY OPEN:{DELAY,GRACE})
# And what fails an entry, which the next run mends.
refused=(OPEN:{NOSPC,RESOURCE} WRITE:{NOSPC,DQUOT,IO,DELAY,BAD_STATEID}
	SETATTR:{ACCESS,PERM} RENAME:{IO,DELAY} CREATE:NOSPC LINK:IO
	REMOVE:{ACCESS,RESOURCE} COMMIT:{IO,DELAY} CLOSE:BAD_STATEID)
records=(cut-up cut-down half-up half-down drop xid short garbage read-short
	write-short verifier)

one_of() { printf '%s\n' "${@:1 + RANDOM % $#:1}"; }

# A fault of the proxy, that happens soon.
wrong_fault() {
	local n=$((1 + RANDOM % 300))
	case $((RANDOM % 3)) in
	0) echo "error:$(one_of "${survived[@]}"):$((1 + RANDOM % 30))" ;;
	1)
		if [ "$1" = destination ]; then
			echo "error:$(one_of "${refused[@]}"):$((1 + RANDOM % 10))"
		else
			echo "$(one_of "${records[@]}"):$n"
		fi
		;;
	2) echo "$(one_of "${records[@]}"):$n" ;;
	esac
}

# Up to so many tenths of a second.
linger() {
	local tenths=$((1 + RANDOM % $1))
	sleep "$((tenths / 10)).$((tenths % 10))" || true
}

stand_still() {
	server_signal "$1" STOP
	linger "$2"
	server_signal "$1" CONT
}

crash_server() {
	server_kill "$1"
	linger 40
	server_restart "$1" || fail daemon "server $1 does not start again"
}

# inject WHAT SIDE
inject() {
	local wrong=''
	faults[$1]=$((${faults[$1]:-0} + 1))
	[ "$1" != wrong ] || wrong=$(wrong_fault "$2")
	say "$* $wrong" >>"$work/faults"
	case $1 in
	cut) proxy_cut "far_$2" ;;
	cut-both)
		proxy_cut far_source
		proxy_cut far_destination
		;;
	delay) proxy_again "$2" --delay $((RANDOM % 60)) ;;
	wrong) proxy_again "$2" --fault "$wrong" ;;
	silence) stand_still "far_$2" 80 ;;
	server-silence) stand_still "$2" 60 ;;
	server-killed) crash_server "$2" ;;
	daemon-killed) daemon_kill ;;
	esac
}

# Often what is small, seldom what is large.
menu=(cut cut cut cut cut-both delay delay wrong wrong wrong wrong wrong wrong
	silence silence server-silence server-killed)

# Why is judged when all have ended.
some_helper_is_gone() {
	local pid
	for pid in "${helpers[@]}"; do
		! process_is_gone "$pid" || return 0
	done
	return 1
}

faults_until() {
	local what
	while ((EPOCHSECONDS < $1)); do
		what=$(one_of "${menu[@]}")
		# One in eight, while the daemon may be killed.
		((EPOCHSECONDS >= kills_end || RANDOM % 8)) ||
			what='daemon-killed'
		inject "$what" "$(one_of source destination)" || return
		process_is_gone "$daemon" && { fail daemon 'ended by itself'; return; }
		some_helper_is_gone && return
		linger 50
	done
}

# --- The judgement ----------------------------------------------------------

# growth COLUMN NAME PARTS-IN-TEN PLUS: the median of a column of the samples in
# the last quarter against that in the second; of the daemon's last life only.
growth() {
	local text
	text=$(python3 - "$work/samples" "$@" <<-'PYTHON'
		import statistics, sys

		path, column, name, tenths, plus = sys.argv[1:]
		rows = [[int(w) for w in line.split()] for line in open(path)
		        if not line.rstrip().endswith("down")]
		end = rows[-1][0]
		rows = [r for r in rows if r[4] == rows[-1][4]]
		def quarter(n):
		    found = [r[int(column)] for r in rows
		             if n * end / 4 <= r[0] <= (n + 1) * end / 4]
		    return statistics.median(found) if found else None
		first, middle, last = rows[0][int(column)], quarter(1), quarter(3)
		print(f"{name}: {first} at the start of its last life, {middle} in the "
		      f"second quarter, {last} in the last, {rows[-1][int(column)]} at "
		      f"the end")
		sys.exit(middle is None or last > middle * (1 + int(tenths) / 10) + int(plus))
	PYTHON
	) && { say "$text"; return; }
	if ((seconds < 1800)) && ! spoiled memory; then
		say "too short to be judged: $text"
		return
	fi
	fail "$2" "${text:-no samples}"
}

# sum KEY FILE...: of key=value words.
sum() {
	local key=$1
	shift
	cat "$@" 2>/dev/null | tr ' ' '\n' | awk -F = -v key="$key" \
		'$1 == key { n += $2 } END { printf "%d\n", n }'
}

# spoiled WHAT: is that to be done wrong?
spoiled() { [ "$spoil" = "$1" ]; }

# some_files DIR N: that have a block to spoil, each with a zero behind it.
some_files() {
	find "$1" -type f -size +4k -links 1 -print0 | head -z -n "$2"
}

# In place, with the same times.
spoil_files() {
	local file
	while IFS= read -r -d '' file; do
		touch -r "$file" "$SERVERS_DIR/times"
		printf X | dd of="$file" bs=1 seek=700 conv=notrunc status=none
		touch -r "$SERVERS_DIR/times" "$file"
	done < <(some_files "$1" "$2")
}

judge_last_run() {
	local status=0
	"$EFSBRIDGE" sync --json --deleted=remove --state "$state" \
		"$(server_url far_source '' deadline=20)" \
		"$(server_url far_destination '' deadline=20)" \
		>"$work/last.json" 2>"$work/last.errors" || status=$?
	[ "$status" = 0 ] || {
		fail last-run "status $status"
		head -n 20 "$work/last.errors"
	}
	! spoiled destination || spoil_files "$destination_dir" 1
	! spoiled temporary || touch "$destination_dir/${TEMP_PREFIX}x"
	same_tree "$source_dir" "$destination_dir" ||
		fail trees 'are not identical'
	no_temp_names "$destination_dir" || fail temporary 'names are left'
	! spoiled manifest || some_files "$destination_dir" 1 |
		xargs -0 chmod 123
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir" ||
		fail manifest 'is not true'
}

judge_watchers() {
	local n
	[ "$(sum changes "$work/changer")" -gt "$seconds" ] ||
		fail quiet 'fewer changes than seconds'
	[ "$(wc -l <"$work/faults")" -ge $((seconds / 20)) ] ||
		fail quiet 'fewer than a fault in 20 s'
	for ((n = 1; n <= watchers; n++)); do
		[ "$(sum files "$work/watcher-$n")" -gt $((seconds / 5)) ] ||
			fail watchers "watcher $n saw next to nothing"
	done
}

summary() {
	local what runs
	runs=$(jq -r '.Execution // 0' "$work/last.json")
	say "seed $seed, $seconds s, $(nproc) processors"
	say "$(cat "$work/changer" 2>/dev/null)"
	for what in "${!faults[@]}"; do
		echo "  $what ${faults[$what]}"
	done | sort
	say "$(wc -l <"$work/faults") faults injected; in records, $wrong_records"
	say "$runs runs, $lives lives of the daemon"
	for what in files bytes folders links changed late restarts bad; do
		echo "  watchers: $what $(sum "$what" "$work"/watcher-*)"
	done
	echo "  watchers: latest $(grep -ho 'latest=.*' "$work"/watcher-* |
		sort -t = -k 2 -rn | head -n 1)"
}

# --- The hour ---------------------------------------------------------------

server_start source
server_start destination
proxy_start far_source source
proxy_start far_destination destination
source_dir=$(server_export source)
destination_dir=$(server_export destination)
: >"$work/daemon.log"
: >"$work/faults"
daemon_start

"$SOAKER" change --until "$stop" --report "$work/changer" --seed "$seed" \
	--pause 0.04 "$source_dir" 2>"$work/changer.errors" &
helpers=($!)
for ((n = 1; n <= watchers; n++)); do
	"$SOAKER" watch --until "$stop" --report "$work/watcher-$n" \
		--seed $((seed + n)) --life "$life" "$source_dir" "$view" \
		2>"$work/watcher-$n.errors" &
	helpers+=($!)
done
sample &
sampler=$!

say "seed $seed; for $seconds s"
began=$EPOCHSECONDS
kills_end=$((began + seconds / 5))
! spoiled memory || {
	# Another process's memory, which grows, is taken for the daemon's.
	python3 -c 'import time
a = []
while True: a.append(b"x" * (1 << 20)); time.sleep(0.2)' &
	helpers+=($!)
	echo $! >"$SERVERS_DIR/daemon"
	kills_end=0
}
faults_until $((began + seconds / 2))
! spoiled source || spoil_files "$source_dir" 50
((${#failures[@]})) || faults_until $((began + seconds))

# All is well again, and still it is watched for a while.
proxy_again source
proxy_again destination
linger 50
touch "$stop"
n=0
for pid in "${helpers[@]:0:1 + watchers}"; do
	who=$([ $n = 0 ] && echo changer || echo watchers)
	errors=$work/changer.errors
	[ $n = 0 ] || errors=$work/watcher-$n.errors
	status=0
	wait_for 240 process_is_gone "$pid" || fail "$who" "hangs ($n)"
	process_is_gone "$pid" || kill -KILL "$pid"
	wait "$pid" || status=$?
	[ "$status" = 0 ] || {
		fail "$who" "status $status"
		head -n 20 "$errors"
	}
	n=$((n + 1))
done
wait "$sampler" || true
daemon_end
judge_last_run
judge_watchers
growth 1 memory 1 8192
growth 2 descriptors 0 16
growth 3 threads 0 4
no_suspicious_words "$work/daemon.log" "$state/log" ||
	fail daemon 'says suspicious words'
[ -z "${SOAK_KEEP:-}" ] || cp -f "$state/log" "$work/state.log" 2>/dev/null ||
	true
summary
((${#failures[@]} == 0)) || {
	say "failed: ${failures[*]}"
	exit 1
}
say 'all is well'
