#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Files read through a mount: the right bytes from the right side, also while
# files are copied, replaced and removed, and while a server stands still.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source
	server_start destination
	proxy_start counted_source source
	proxy_start counted_destination destination
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
	need_fuse
}

teardown() {
	local server
	for server in source destination; do
		[ ! -e "$SERVERS_DIR/$server/pid" ] ||
			server_signal "$server" CONT || true
	done
	views_end
}

MIB=1048576

# random_file FILE BYTES
random_file() { head -c "$2" /dev/urandom >"$1"; }

# origin FILE: which side it is served from.
origin() {
	python3 -c 'import os, sys
print(os.getxattr(sys.argv[1], "user.efsbridge.origin").decode())' "$1"
}

has_origin() { [ "$(origin "$1")" = "$2" ]; }

# forget_pages FD: what was read is not kept, the rest has to be asked for.
forget_pages() {
	python3 -c 'import os, sys
os.posix_fadvise(int(sys.argv[1]), 0, 0, os.POSIX_FADV_DONTNEED)' "$1"
}

# rest_is FD FILE FROM: what is left to read is FILE from that byte on.
rest_is() {
	forget_pages "$1"
	cmp - <(tail -c "+$(($3 + 1))" "$2") <&"$1"
}

# cannot_read FD WORDS: reading on fails, and cat says these words.
cannot_read() {
	if cat <&"$1" >/dev/null 2>"$BATS_TEST_TMPDIR/said"; then
		echo "it was read to its end" >&2
		return 1
	fi
	grep -e "$2" "$BATS_TEST_TMPDIR/said"
}

# proxied NAME KEY: a counter of a proxy.
proxied() { stat_of "$(proxy_stats "$1")" "$2"; }

sizes=(0 1 4095 4096 4097 131072 524288 524289 1048575 1048576 1048577
	3000001 40000000)

@test "files of all sizes, from the source and then from the destination" {
	local size
	fresh_pair nfs
	for size in "${sizes[@]}"; do
		random_file "$source_dir/$size" "$size"
	done
	view_start --no-sync
	for size in "${sizes[@]}"; do
		has_origin "$mountpoint/$size" source
		cmp "$mountpoint/$size" "$source_dir/$size"
	done
	run_sync 0
	for size in "${sizes[@]}"; do
		has_origin "$mountpoint/$size" destination
		cmp "$mountpoint/$size" "$source_dir/$size"
	done
	view_end
}

@test "what lies beyond 4 GiB" {
	local last=$((5 * 1024 * MIB)) at
	fresh_pair nfs
	random_file "$BATS_TEST_TMPDIR/data" $((3 * MIB + 5))
	truncate -s "$last" "$source_dir/sparse"
	for at in 4095 4500 5120; do
		dd if="$BATS_TEST_TMPDIR/data" of="$source_dir/sparse" bs=1M \
			seek="$at" conv=notrunc status=none
	done
	view_start --no-sync
	[ "$(stat -c %s "$mountpoint/sparse")" = $((last + 3 * MIB + 5)) ]
	cmp -n $((3 * MIB)) -i $((4095 * MIB)):0 "$mountpoint/sparse" \
		"$BATS_TEST_TMPDIR/data"
	cmp -n $((5 * MIB)) -i $((4499 * MIB)) "$mountpoint/sparse" \
		"$source_dir/sparse"
	tail -c $((3 * MIB + 5)) "$mountpoint/sparse" |
		cmp - "$BATS_TEST_TMPDIR/data"
	tail -c +$((last + 3 * MIB)) "$mountpoint/sparse" |
		cmp - <(tail -c 6 "$BATS_TEST_TMPDIR/data")
	view_end
}

@test "random reads of any length by many readers at once" {
	fresh_pair nfs
	random_file "$source_dir/file" $((64 * MIB + 777))
	view_start --no-sync
	python3 - "$mountpoint/file" "$source_dir/file" <<-'PYTHON'
		import os, random, sys, threading

		size = os.stat(sys.argv[2]).st_size
		right = open(sys.argv[2], "rb").read()
		failures = []

		def read(seed, shared):
		    r = random.Random(seed)
		    fd = shared if seed % 2 else os.open(sys.argv[1], os.O_RDONLY)
		    for i in range(300):
		        at = r.randrange(size + 1000)
		        length = r.choice((1, 4096, 65536, 300000, 2000000))
		        if r.random() < 0.02:
		            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
		        # A stretch in order now and then.
		        for step in range(r.choice((1, 1, 8))):
		            if os.pread(fd, length, at) != right[at:at + length]:
		                failures.append((seed, at, length))
		            at += length

		shared = os.open(sys.argv[1], os.O_RDONLY)
		threads = [threading.Thread(target=read, args=(i, shared))
		           for i in range(8)]
		for thread in threads:
		    thread.start()
		for thread in threads:
		    thread.join()
		sys.exit(str(failures) if failures else 0)
	PYTHON
	view_end
}

@test "direct reads, past all caches" {
	fresh_pair nfs
	random_file "$source_dir/file" $((5 * MIB + 4096 + 11))
	view_start --no-sync
	for size in 4k 64k 1M 3M; do
		dd if="$mountpoint/file" iflag=direct bs=$size status=none |
			cmp - "$source_dir/file"
	done
	view_end
}

@test "a file that grows is read as far as it goes" {
	local i
	fresh_pair nfs
	random_file "$source_dir/log" 1000
	view_start --no-sync -o attr_timeout=0
	exec 7<"$mountpoint/log"
	cmp - "$source_dir/log" <&7
	for i in 1 2 3 4; do
		printf 'line %s\n' "$i" >>"$source_dir/log"
		wait_for 60 cmp -s "$mountpoint/log" "$source_dir/log"
		[ "$(cat <&7)" = "line $i" ]
	done
	exec 7<&-
	view_end
}

@test "an open copy is read to its end when a newer one takes its place" {
	local how size
	fresh_pair nfs
	for how in written replaced; do
		random_file "$source_dir/$how" $((8 * MIB + 123))
	done
	random_file "$BATS_TEST_TMPDIR/new" $((3 * MIB + 77))
	run_sync 0
	cp -R "$source_dir" "$BATS_TEST_TMPDIR/old"
	view_start --no-sync
	exec 7<"$mountpoint/written" 8<"$mountpoint/replaced"
	for how in written replaced; do
		has_origin "$mountpoint/$how" destination
	done
	cmp -n $MIB - "$BATS_TEST_TMPDIR/old/written" <&7
	cmp -n $MIB - "$BATS_TEST_TMPDIR/old/replaced" <&8
	exec 7<&- 8<&-
	exec 7<"$mountpoint/written" 8<"$mountpoint/replaced"
	head -c $MIB <&7 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/written")
	head -c $MIB <&8 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/replaced")

	cat "$BATS_TEST_TMPDIR/new" >"$source_dir/written"
	cp "$BATS_TEST_TMPDIR/new" "$source_dir/replaced.new"
	mv "$source_dir/replaced.new" "$source_dir/replaced"
	# Who opens it now has the new one from the source, who has the old
	# one open keeps it, and its attributes.
	for how in written replaced; do
		wait_for 60 cmp -s "$mountpoint/$how" "$BATS_TEST_TMPDIR/new"
		has_origin "$mountpoint/$how" source
	done
	for size in 7 8; do
		[ "$(stat -L -c %s /proc/self/fd/$size)" = $((8 * MIB + 123)) ]
	done
	run_sync 0
	expect FilesTransferred=2
	for how in written replaced; do
		wait_for 60 has_origin "$mountpoint/$how" destination
		cmp "$mountpoint/$how" "$BATS_TEST_TMPDIR/new"
	done
	rest_is 7 "$BATS_TEST_TMPDIR/old/written" $MIB
	rest_is 8 "$BATS_TEST_TMPDIR/old/replaced" $MIB
	for size in 7 8; do
		[ "$(stat -L -c %s /proc/self/fd/$size)" = $((8 * MIB + 123)) ]
	done
	exec 7<&- 8<&-
	for how in written replaced; do
		cmp "$mountpoint/$how" "$BATS_TEST_TMPDIR/new"
	done
	view_end
}

@test "an open source file is read to its end when it is replaced or removed" {
	local how
	fresh_pair nfs
	for how in replaced removed; do
		random_file "$source_dir/$how" $((8 * MIB + 123))
	done
	cp -R "$source_dir" "$BATS_TEST_TMPDIR/old"
	view_start --no-sync
	exec 7<"$mountpoint/replaced" 8<"$mountpoint/removed"
	head -c $MIB <&7 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/replaced")
	head -c $MIB <&8 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/removed")
	echo new >"$source_dir/new"
	mv "$source_dir/new" "$source_dir/replaced"
	rm "$source_dir/removed"
	wait_for 60 grep -qx new "$mountpoint/replaced"
	wait_for 60 test ! -e "$mountpoint/removed"
	rest_is 7 "$BATS_TEST_TMPDIR/old/replaced" $MIB
	rest_is 8 "$BATS_TEST_TMPDIR/old/removed" $MIB
	exec 7<&- 8<&-
	view_end
}

@test "reading goes on with the same version on the other side" {
	fresh_pair nfs
	random_file "$source_dir/copied" $((8 * MIB + 123))
	run_sync 0
	random_file "$source_dir/later" $((8 * MIB + 456))
	random_file "$source_dir/lost" $((8 * MIB + 789))
	cp -R "$source_dir" "$BATS_TEST_TMPDIR/old"
	view_start --no-sync
	exec 7<"$mountpoint/copied" 8<"$mountpoint/later" 9<"$mountpoint/lost"
	head -c $MIB <&7 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/copied")
	head -c $MIB <&8 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/later")
	head -c $MIB <&9 | cmp - <(head -c $MIB "$BATS_TEST_TMPDIR/old/lost")
	rm "$source_dir/lost"
	run_sync 0
	# A server that was restarted has forgotten what was open.
	rm "$destination_dir/copied" "$source_dir/later"
	server_restart source 7<&- 8<&- 9<&-
	server_restart destination 7<&- 8<&- 9<&-
	rest_is 7 "$BATS_TEST_TMPDIR/old/copied" $MIB
	rest_is 8 "$BATS_TEST_TMPDIR/old/later" $MIB
	forget_pages 9
	cannot_read 9 'Stale file handle'
	exec 7<&- 8<&- 9<&-
	view_end
}

@test "what was copied is read from the destination alone" {
	local source_reads destination_reads reads
	fresh_pair counted
	random_file "$source_dir/file" $((20 * MIB))
	view_start --no-sync
	source_reads=$(proxied counted_source op_READ)
	destination_reads=$(proxied counted_destination op_READ)
	cmp "$mountpoint/file" "$source_dir/file"
	reads=$(($(proxied counted_source op_READ) - source_reads))
	# Pieces of 1 MiB, and what comes before they are under way.
	((reads >= 20 && reads <= 30))
	[ "$(proxied counted_destination op_READ)" = "$destination_reads" ]

	run_sync 0
	wait_for 60 has_origin "$mountpoint/file" destination
	source_reads=$(proxied counted_source op_READ)
	destination_reads=$(proxied counted_destination op_READ)
	cmp "$mountpoint/file" "$source_dir/file"
	[ "$(proxied counted_source op_READ)" = "$source_reads" ]
	reads=$(($(proxied counted_destination op_READ) - destination_reads))
	((reads >= 20 && reads <= 30))

	# The same version again: it is in the page cache.
	cmp "$mountpoint/file" "$source_dir/file"
	[ "$(proxied counted_destination op_READ)" = \
		$((destination_reads + reads)) ]
	view_end
}

@test "random reads ask for what they need and no more" {
	local before
	fresh_pair counted
	random_file "$source_dir/file" $((64 * MIB))
	view_start --no-sync
	before=$(proxied counted_source op_READ)
	python3 - "$mountpoint/file" <<-'PYTHON'
		import os, random, sys

		fd = os.open(sys.argv[1], os.O_RDONLY)
		os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
		for page in random.Random(1).sample(range(16384), 200):
		    os.pread(fd, 4096, page * 4096)
	PYTHON
	(($(proxied counted_source op_READ) - before == 200))
	view_end
}

@test "a small file costs one READ, sent before the kernel asks" {
	local before i
	fresh_pair counted
	for i in 1 2 3 4 5 6 7 8 9 10; do
		random_file "$source_dir/$i" 5000
	done
	view_start --no-sync
	before=$(proxied counted_source op_READ)
	for i in 1 2 3 4 5 6 7 8 9 10; do
		cmp "$mountpoint/$i" "$source_dir/$i"
	done
	[ $(($(proxied counted_source op_READ) - before)) = 10 ]
	view_end
}

@test "a mount that is ended closes what is open" {
	fresh_pair nfs
	random_file "$source_dir/file" $((8 * MIB))
	view_start --no-sync
	exec 7<"$mountpoint/file"
	head -c $MIB <&7 | cmp - <(head -c $MIB "$source_dir/file")
	kill -TERM "$view_pid"
	view_ends
	cannot_read 7 ''
	exec 7<&-
}

@test "with one side stopped the other is read on, and reads of it wait" {
	local pid
	fresh_pair nfs
	random_file "$source_dir/copied" $((4 * MIB))
	run_sync 0
	random_file "$source_dir/source-only" $((8 * MIB))
	view_start --no-sync
	exec 7<"$mountpoint/source-only"
	server_signal source STOP
	cat <&7 >"$BATS_TEST_TMPDIR/late" &
	pid=$!
	timeout 60 cat "$mountpoint/copied" | cmp - "$source_dir/copied"
	# And once more: now it is known that the source does not answer.
	timeout 60 cat "$mountpoint/copied" | cmp - "$source_dir/copied"
	run -1 process_is_gone "$pid"
	server_signal source CONT
	wait "$pid"
	cmp "$BATS_TEST_TMPDIR/late" "$source_dir/source-only"
	exec 7<&-
	view_end
}

@test "who reads from a stopped side can be interrupted" {
	local pid how at
	fresh_pair nfs
	random_file "$source_dir/file" $((8 * MIB))
	view_start --no-sync
	exec 7<"$mountpoint/file"
	server_signal source STOP
	# One in read(2), one on its way there.
	for how in read direct open; do
		case $how in
		read) env --default-signal=INT cat <&7 >/dev/null & ;;
		direct)
			env --default-signal=INT dd iflag=direct bs=1M \
				if="/proc/self/fd/7" of=/dev/null status=none &
			;;
		open) env --default-signal=INT cat "$mountpoint/file" >/dev/null & ;;
		esac
		pid=$!
		# The shell before it lets SIGINT pass.
		wait_for 60 grep -qx 'cat\|dd' "/proc/$pid/comm"
		# It waits for an answer: asleep in the kernel's FUSE.
		wait_for 60 grep -q 'fuse\|folio\|wait' "/proc/$pid/wchan"
		kill -INT "$pid"
		wait_for 60 process_is_gone "$pid"
		wait "$pid" || [ $? = 130 ]
	done
	server_signal source CONT
	# The start may have been here before the server stood still.
	at=$(awk '/^pos:/ { print $2 }' "/proc/$BASHPID/fdinfo/7")
	((at < 8 * MIB))
	cmp --ignore-initial="0:$at" - "$source_dir/file" <&7
	exec 7<&-
	view_end
}

@test "a soft mount gives up after its time" {
	local start took
	fresh_pair nfs
	random_file "$source_dir/file" $((8 * MIB))
	view_start --no-sync -o soft,timeo=20
	exec 7<"$mountpoint/file"
	server_signal source STOP
	start=${EPOCHREALTIME/./}
	cannot_read 7 'Input/output error'
	took=$((${EPOCHREALTIME/./} - start))
	((took >= 1900000 && took < 60000000))
	server_signal source CONT
	wait_for 60 cmp -s "/proc/self/fd/7" "$source_dir/file"
	exec 7<&-
	view_end
}
