#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The life of a mount: what is refused and how, the way into the background,
# the runs that its options ask for, all the ways to its end, and what becomes
# of those who wait when a server dies or stands still.

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
	said=$BATS_TEST_TMPDIR/said
}

teardown() {
	local server
	for server in source destination; do
		[ ! -e "$SERVERS_DIR/$server/pid" ] ||
			server_signal "$server" CONT 2>&- || true
	done
	views_end
	daemons_end
}

# --- A mount in the background ---------------------------------------------

daemons=()

# mount_at DIR [OPTION...]: as people do it; what it says is in $said.
mount_at() {
	local dir=$1 got=0
	shift
	"$EFSBRIDGE" --state "$state" "$@" "$source" "$destination" "$dir" \
		>"$said" 2>&1 3>&- 4>&- || got=$?
	no_suspicious_words "$said"
	return "$got"
}

# mount_here [OPTION...]: on a new mount point; its process is $daemon.
mount_here() {
	fresh_mountpoint
	mount_again "$@"
}

mount_again() {
	mount_at "$mountpoint" "$@" || return
	daemon=$(jq -er .Pid "$state/mount")
	daemons+=("$(known_as "$daemon")")
}

daemon_ends() { wait_for 60 process_is_gone "$daemon"; }

daemons_end() { end_known "${daemons[@]}"; }

# --- What is looked at -----------------------------------------------------

shown() { jq -er ".$1" "$mountpoint/.sync/status.json"; }
shows() { [ "$(shown "$1")" = "$2" ]; }
has_ended() { [ "$(shown EndedExecution 2>/dev/null || echo 0)" -ge "$1" ]; }

# manifest_is_closed: nothing of it waits to be taken over, and it is true.
manifest_is_closed() {
	[ -s "$state/manifest.db" ]
	[ ! -e "$state/manifest.db-wal" ]
	[ ! -e "$state/manifest.db-shm" ]
	"$MANIFEST_TRUTH" "$state/manifest.db" "$destination_dir"
}

# nothing_is_left: for the next run to do.
nothing_is_left() {
	manifest_is_closed
	run_sync 0
	expect FilesTransferred=0 Status=SUCCESS
	same_tree "$source_dir" "$destination_dir"
}

# refused STATUS WORDS DIR [OPTION...]: in the background and in the foreground.
refused() {
	local want=$1 words=$2 dir=$3 foreground got
	shift 3
	for foreground in '' -f; do
		got=0
		mount_at "$dir" ${foreground:+"$foreground"} "$@" || got=$?
		if [ "$got" != "$want" ] || ! grep -qF -- "$words" "$said"; then
			echo "$dir $*: status $got, not $want; or not '$words':" >&2
			cat "$said" >&2
			return 1
		fi
		[ ! -e "$state/mount" ]
	done
}

# --- Refusals --------------------------------------------------------------

@test "what cannot be a mount point is refused in words" {
	local d=$BATS_TEST_TMPDIR
	fresh_pair dir
	mkdir -p "$d/full/entry" "$source_dir/in" "$destination_dir/in"
	echo text >"$d/file"
	ln -s "$source_dir/in" "$d/link"
	refused 2 "$d/full: the mount point is not empty" "$d/full"
	refused 2 "$d/file: the mount point is not a directory" "$d/file"
	refused 2 'the mount point is not a directory' "$d/file/below"
	refused 2 "$d/missing: the mount point does not exist: make it first" "$d/missing"
	refused 2 'lies inside the source' "$source_dir/in"
	refused 2 'lies inside the source' "$source_dir"
	refused 2 'lies inside the source' "$d/link"
	refused 2 'lies inside the destination' "$destination_dir/in"
	refused 2 'lies above the source' "${source_dir%/*}"
	refused 2 'lies above the source' /
	# None of these has begun anything.
	[ -z "$(ls "$destination_dir/in")" ]
	[ ! -e "$state/manifest.db" ]
}

@test "options that make no sense are refused in words" {
	fresh_pair dir
	fresh_mountpoint
	refused 2 '-o nosuchoption: no such option' "$mountpoint" -o nosuchoption
	refused 2 '-o nosuchoption: no such option' "$mountpoint" -o soft,nosuchoption,ro
	refused 2 '-o attr_timeout=soon: say a number of seconds' "$mountpoint" -o attr_timeout=soon
	refused 2 '-o timeo=0: ' "$mountpoint" -o soft,timeo=0
	refused 2 '-o syncdir=a/b: say a name' "$mountpoint" -o syncdir=a/b
	refused 2 '--no-sync says not to copy, --once to do so' "$mountpoint" --once --no-sync
	refused 2 '--no-sync says not to copy, --interval to do so' "$mountpoint" --no-sync --interval=1h
	refused 2 '--interval=often: say a time like' "$mountpoint" --interval=often
	refused 2 'a mount takes SOURCE, DESTINATION and MOUNTPOINT' "$mountpoint" one more
	is_not_mounted "$mountpoint"
}

@test "a mount point or a task that is mounted already is refused in words" {
	local first
	fresh_pair dir
	view_start --no-sync
	first=$mountpoint
	run -2 "$EFSBRIDGE" --state "$state" "$source" "$destination" "$first"
	[[ "$output" = *"$first: busy, a view is mounted there: end it with umount"* ]]
	fresh_mountpoint
	run -4 "$EFSBRIDGE" --state "$state" "$source" "$destination" "$mountpoint"
	[[ "$output" = *"$first"*'one mount of a task is enough'* ]]
	is_not_mounted "$mountpoint"
	# The first goes on.
	mountpoint=$first
	shows State IDLE
	view_end
}

@test "an entry that .sync would hide is refused in words" {
	fresh_pair dir
	fresh_mountpoint
	mkdir "$destination_dir/.sync"
	refused 2 'has an entry named .sync' "$mountpoint"
	refused 2 'with -o syncdir=NAME' "$mountpoint"
	is_not_mounted "$mountpoint"
	# As it says.
	mount_again --no-sync -o syncdir=.bridge
	[ -e "$mountpoint/.bridge/status" ]
	umount "$mountpoint"
	daemon_ends
}

@test "a side that cannot be reached is status 3 and no mount" {
	local port start=$SECONDS
	fresh_pair dir
	fresh_mountpoint
	source=$source_dir/missing
	refused 3 "$source: there is no such directory" "$mountpoint"
	port=$(free_port)
	source=nfs://127.0.0.1:$port/
	refused 3 "source: cannot reach the NFS server at 127.0.0.1 port $port" "$mountpoint"
	destination=$source
	source=$source_dir
	refused 3 "destination: cannot reach the NFS server at 127.0.0.1 port $port" "$mountpoint"
	is_not_mounted "$mountpoint"
	((SECONDS - start < 30 * EFSBRIDGE_SLOW))
}

@test "who does not want to wait for a side can interrupt the command" {
	local pid signal
	need_servers
	for signal in INT TERM; do
		fresh_pair nfs
		fresh_mountpoint
		server_signal source STOP
		env --default-signal=INT "$EFSBRIDGE" --state "$state" "$source" \
			"$destination" "$mountpoint" >&2 3>&- 4>&- &
		pid=$!
		# The log is opened just before the sides.
		wait_for 60 test -e "$state/log"
		kill "-$signal" "$pid"
		wait_for 60 process_is_gone "$pid"
		run -130 wait "$pid"
		is_not_mounted "$mountpoint"
		server_signal source CONT
	done
}

# --- Into the background ---------------------------------------------------

@test "the command ends when the mount answers, which holds nothing of its caller" {
	local i
	fresh_pair dir
	echo content >"$source_dir/file"
	fresh_mountpoint
	for i in 1 2 3 4 5; do
		mount_again --no-sync
		# Without waiting, and as the first thing.
		[ "$(cat "$mountpoint/file")" = content ]
		is_mounted "$mountpoint"
		[ "$(readlink "/proc/$daemon/cwd")" = / ]
		[ "$(readlink "/proc/$daemon/fd/1")" = /dev/null ]
		[ "$(ps -o sid= "$daemon" | tr -d ' ')" != "$(ps -o sid= $$ | tr -d ' ')" ]
		umount "$mountpoint"
		# The next one waits for it where it has to.
	done
	daemon_ends
	[ ! -e "$state/mount" ]
	no_suspicious_words "$state/log"
}

# --- What is mounted -------------------------------------------------------

# mounted_as: source, type and options, as the kernel has them.
mounted_as() {
	awk -v dir="$mountpoint" '$2 == dir { print $1, $3, $4 }' /proc/mounts
}

# has_flag WORD
has_flag() { [[ ",$(mounted_as | cut -d ' ' -f 3)," = *",$1,"* ]]; }

@test "the kernel knows it by its names and flags" {
	fresh_pair dir
	view_start --no-sync
	[[ "$(mounted_as)" = "$source fuse.efsbridge "* ]]
	has_flag rw
	has_flag nosuid
	has_flag nodev
	has_flag default_permissions
	run -1 has_flag noexec
	if ((EUID == 0)); then
		has_flag allow_other
		chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
		setpriv --reuid=65534 --regid=65534 --clear-groups stat "$mountpoint"
	fi
	df "$mountpoint" | grep -F "$source"
	view_end

	view_start --no-sync -o ro,noexec,noallow_other -o 'fsname=a\,b c'
	[[ "$(mounted_as)" = 'a,b\040c fuse.efsbridge ro,'* ]]
	has_flag noexec
	run -1 has_flag allow_other
	run ! mkdir "$mountpoint/new"
	run ! sh -c "echo start >'$mountpoint/.sync/control'"
	view_end
}

# --- Runs ------------------------------------------------------------------

@test "--no-sync copies nothing until it is asked to" {
	fresh_pair dir
	"$MKTREE" --seed 81 --entries 100 "$source_dir"
	view_start --no-sync
	# Looked at all of it, and nothing has begun.
	find "$mountpoint" -type f -exec cat {} + >/dev/null
	shows RequestedExecution 0
	shows State IDLE
	view_end
	[ -z "$(ls -A "$destination_dir")" ]
	view_start --no-sync
	echo start >"$mountpoint/.sync/control"
	wait_for 60 has_ended 1
	same_tree "$source_dir" "$destination_dir"
	view_end
}

@test "--once unmounts after a successful run, not after another" {
	fresh_pair dir
	"$MKTREE" --seed 82 --entries 100 "$source_dir"
	echo content >"$source_dir/in the way"
	mkdir -p "$destination_dir/in the way/full"
	view_start --once
	wait_for 60 has_ended 1
	shows Status ERROR
	is_mounted "$mountpoint"
	rm -r "$destination_dir/in the way"
	echo start >"$mountpoint/.sync/control"
	view_ends 0
	nothing_is_left

	# In the background as well: nothing is left to do, so it may have
	# ended before one can look.
	mount_at "$mountpoint" --once
	wait_for 60 is_not_mounted "$mountpoint"
	wait_for 60 flock --nonblock "$state/lock" true
	nothing_is_left
}

@test "--interval repeats runs as long as it is mounted" {
	local i
	fresh_pair dir
	view_start --interval=1s
	for i in 1 2 3; do
		echo "$i" >"$source_dir/$i"
		wait_for 60 cmp -s "$source_dir/$i" "$destination_dir/$i"
	done
	wait_for 60 has_ended 4
	view_end
	nothing_is_left
}

# --- The end ---------------------------------------------------------------

@test "umount and fusermount3 -u end it, and all is closed" {
	local how
	for how in umount 'fusermount3 -u'; do
		fresh_pair dir
		"$MKTREE" --seed 83 --entries 300 "$source_dir"
		view_start
		wait_for 60 has_ended 1
		$how "$mountpoint"
		view_ends 0
		nothing_is_left
	done
}

@test "signals end it likewise" {
	local signal
	for signal in TERM INT HUP; do
		fresh_pair dir
		"$MKTREE" --seed 84 --entries 100 "$source_dir"
		view_start
		wait_for 60 has_ended 1
		kill "-$signal" "$view_pid"
		view_ends 0
		nothing_is_left
	done
}

@test "ended in the middle of a run it keeps what was copied" {
	local how first
	need_servers
	for how in umount TERM; do
		fresh_pair far
		"$MKTREE" --uniform --dirs 30 --files 40 --size 100 "$source_dir"
		# Eight seconds, however fast the machine is.
		view_start --jobs=2 --iops-limit=300
		wait_for 60 has_entries "$destination_dir" 200
		case $how in
		umount) umount "$mountpoint" ;;
		*) kill "-$how" "$view_pid" ;;
		esac
		view_ends 0
		manifest_is_closed
		no_temp_names "$destination_dir"
		first=$(find "$destination_dir" -type f | wc -l)
		((first > 0 && first < 1200))
		# The next run has the rest to do, and no more.
		run_sync 0
		expect FilesTransferred=$((1200 - first))
		same_tree "$source_dir" "$destination_dir"
	done
}

@test "a mount in use is busy, and goes on" {
	fresh_pair dir
	echo content >"$source_dir/file"
	view_start --no-sync
	exec 7<"$mountpoint/file"
	run ! umount "$mountpoint"
	[[ "$output" = *busy* ]]
	[ "$(cat <&7)" = content ]
	shows State IDLE
	exec 7<&-
	view_end
}

@test "a daemon that is killed leaves no mount" {
	fresh_pair dir
	echo content >"$source_dir/file"
	mount_here --no-sync
	kill -KILL "$daemon"
	wait_for 60 is_not_mounted "$mountpoint"
	# Also when somebody is in it.
	mount_again --no-sync
	exec 7<"$mountpoint/file"
	kill -KILL "$daemon"
	wait_for 60 is_not_mounted "$mountpoint"
	exec 7<&-
	mount_again --no-sync
	[ "$(cat "$mountpoint/file")" = content ]
	umount "$mountpoint"
	daemon_ends
}

@test "without auto_unmount it is told how to end what a dead daemon left" {
	((EUID == 0)) || skip 'only root can umount -l'
	fresh_pair dir
	echo content >"$source_dir/file"
	mount_here --no-sync -o noauto_unmount
	kill -KILL "$daemon"
	wait_for 60 process_is_gone "$daemon"
	is_mounted "$mountpoint"
	run ! stat "$mountpoint"
	run -2 mount_again --no-sync
	grep -F "the mount of a process that died is still there: end it with umount -l" "$said"
	umount -l "$mountpoint"
	mount_again --no-sync
	[ "$(cat "$mountpoint/file")" = content ]
	umount "$mountpoint"
	daemon_ends
}

# --- Those who wait --------------------------------------------------------

# waits PID: asleep until the view answers.
waits() { grep -q 'fuse\|folio\|wait' "/proc/$1/wchan" 2>/dev/null; }

# late WORD COMMAND...: in the background; what it prints is in late.WORD.
late() {
	local word=$1
	shift
	"$@" >"$BATS_TEST_TMPDIR/late.$word" 2>&1 3>&- 4>&- &
	late_pids+=($!)
}

late_said() { cat "$BATS_TEST_TMPDIR/late.$1"; }

@test "what waits for a server that was killed goes on with the next one" {
	local pid late_pids=()
	need_servers
	fresh_pair nfs
	ln -s 'the target' "$source_dir/link"
	echo content >"$source_dir/file"
	mkdir "$source_dir/dir"
	touch "$source_dir/dir/inside"
	view_start --no-sync
	# Known, but not read.
	stat -c %i "$mountpoint"/*
	server_kill source
	server_kill destination
	late link readlink "$mountpoint/link"
	late file cat "$mountpoint/file"
	late dir ls "$mountpoint/dir"
	late space stat -f -c %S "$mountpoint"
	for pid in "${late_pids[@]}"; do
		wait_for 60 waits "$pid" || {
			head "$BATS_TEST_TMPDIR"/late.* >&2
			return 1
		}
	done
	server_restart source
	server_restart destination
	for pid in "${late_pids[@]}"; do
		wait_for 60 process_is_gone "$pid"
		wait "$pid"
	done
	[ "$(late_said link)" = 'the target' ]
	[ "$(late_said file)" = content ]
	[ "$(late_said dir)" = inside ]
	[ "$(late_said space)" = 4096 ]
	view_end
}

# sleeps_deeply PID: waits for a lock of the kernel.
sleeps_deeply() { grep -q '^State:.D' "/proc/$1/status"; }

@test "who wants to make a name in the root keeps nobody from .sync" {
	local late_pids=() pid
	need_servers
	fresh_pair nfs
	view_start --no-sync
	server_signal source STOP
	# Has the lock of the directory until it is answered, as a reader..
	late missing cat "$mountpoint/missing"
	wait_for 60 waits "${late_pids[0]}"
	# .. and so as a writer waits, behind whom readers wait.
	late new touch "$mountpoint/new"
	wait_for 60 sleeps_deeply "${late_pids[1]}"
	late status cat "$mountpoint/.sync/status"
	wait_for 60 process_is_gone "${late_pids[2]}"
	[ -n "$(late_said status)" ]
	server_signal source CONT
	for pid in "${late_pids[@]}"; do
		wait_for 60 process_is_gone "$pid"
	done
	late_said new | grep -q 'Read-only file system'
	late_said missing | grep -q 'No such file'
	view_end
}

# watch_for SECONDS FILES RIGHT: reads .sync/status all the time, and one after
# the other the files of a directory, comparing them with those in RIGHT. What
# took too long counts unless the machine itself stood still meanwhile, as a
# thread that sleeps for 5 ms at a time can tell.
watch_for() {
	python3 - "$mountpoint/.sync/status" "$@" <<-'PYTHON'
		import os, sys, threading, time

		status, seconds, files, right = sys.argv[1:]
		now = time.monotonic
		begin = now()
		end = begin + float(seconds)
		stalls = []

		def look():
		    while now() < end:
		        before = now()
		        time.sleep(0.005)
		        if now() - before > 0.035:
		            stalls.append((before, now()))

		def timed(times, path):
		    before = now()
		    with open(path, "rb") as f:
		        content = f.read()
		    times.append((before - begin, now() - begin))
		    return content

		def slow(times, limit, since=0):
		    return [(a, b) for a, b in times if a >= since and b - a > limit and
		            not any(x - begin < b and y - begin > a for x, y in stalls)]

		looker = threading.Thread(target=look)
		looker.start()
		texts, copies, wrong = [], [], []
		names = sorted(os.listdir(right))
		while now() < end:
		    assert timed(texts, status)
		    # Each once: what was read is in the page cache.
		    if names and len(texts) % 4 == 0:
		        name = names.pop()
		        with open(os.path.join(right, name), "rb") as f:
		            if timed(copies, os.path.join(files, name)) != f.read():
		                wrong.append(name)
		    time.sleep(0.02)
		looker.join()
		for name, times in (".sync/status", texts), ("files", copies):
		    print(name, len(times), "times, the longest",
		          round(1000 * max(b - a for a, b in times)), "ms;",
		          len(stalls), "stalls")
		# Who waited for the other side would do so for seconds.
		late = slow(texts, 0.5), slow(copies, 2, 2)
		print("too slow:", *late)
		sys.exit(bool(wrong or any(late) or
		              len(texts) < 4 * float(seconds) or
		              len(copies) < float(seconds) / 2))
	PYTHON
}

# stopped SIDE SECONDS FOLDER RIGHT: does not answer for so long, while a run is
# under way; the folder is what the other side can tell.
stopped() {
	local pid late_pids=()
	server_signal "$1" STOP
	echo start >"$mountpoint/.sync/control"
	late "$1" cat "$mountpoint/$1 only"
	late list ls "$mountpoint/copied"
	watch_for "$2" "$mountpoint/$3" "$4/$3"
	for pid in "${late_pids[@]}"; do
		waits "$pid"
	done
	shows State RUNNING
	server_signal "$1" CONT
	for pid in "${late_pids[@]}"; do
		wait_for 60 process_is_gone "$pid"
		wait "$pid"
	done
	cmp "$BATS_TEST_TMPDIR/late.$1" "$BATS_TEST_TMPDIR/$1 only"
	[ "$(late_said list | wc -l)" = 300 ]
}

@test "while one side stands still .sync answers at once, and the other side is read" {
	local side
	need_servers
	fresh_pair nfs
	"$MKTREE" --uniform --dirs 1 --files 300 --size 3000 "$source_dir/copied"
	mv "$source_dir"/copied/*/* "$source_dir/copied"
	rmdir "$source_dir"/copied/*/
	run_sync 0
	cp -r "$source_dir/copied" "$source_dir/new"
	for side in source destination; do
		head -c 8M /dev/urandom >"$BATS_TEST_TMPDIR/$side only"
	done
	cp "$BATS_TEST_TMPDIR/source only" "$source_dir"
	cp "$BATS_TEST_TMPDIR/destination only" "$destination_dir"
	view_start --no-sync
	stopped source 20 copied "$destination_dir"
	wait_for 60 has_ended 2
	shows Status SUCCESS
	stopped destination 5 new "$source_dir"
	wait_for 60 has_ended 3
	shows Status SUCCESS
	contains_tree "$source_dir" "$destination_dir"
	view_end
}
