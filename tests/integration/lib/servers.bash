# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# NFSv4 servers on loopback that play the two EFS file systems, or filers that
# speak NFSv3, too.
#
# Each server has a name (mostly `source` and `destination`) and is a process
# of its own: an nfs-ganesha that exports a folder of this machine on a free
# loopback port. Everything it owns lies in $SERVERS_DIR/NAME:
#
#   export/   the tree it serves, its backing directory
#   log       what the server said
#   port pid  where it listens and who it is
#   mountport of a server that speaks NFSv3, too: its mount service
#   conf recovery/ run/
#
# SERVERS_DIR is $BATS_FILE_TMPDIR under bats, or what the caller sets. A change
# made in the backing directory is visible to clients at once, because the
# server caches no attributes. Owners travel as numbers, as they do on EFS.
#
# All waits are for facts, with a deadline. Whoever starts a server stops it:
# teardown_file calls servers_stop.

SERVERS_DIR=${SERVERS_DIR:-${BATS_FILE_TMPDIR:-}}

# How long any fact may take before it counts as a failure.
SERVERS_DEADLINE_S=${SERVERS_DEADLINE_S:-60}

# A program that is slow, under valgrind for one, may take so many times as long
# as any wait or bound says.
EFSBRIDGE_SLOW=${EFSBRIDGE_SLOW:-1}

# wait_for SECONDS COMMAND...: until COMMAND succeeds; 1 after the deadline.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000 * EFSBRIDGE_SLOW))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.01
	done
}

# process_is_gone PID: ended, whether or not somebody has asked for its status.
process_is_gone() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	stat=${stat##*) }
	[ "${stat%% *}" = Z ]
}

# need_root WHY: to be called in setup() or a test. Skips the test for who is not
# root, unless the caller demands that everything runs.
need_root() {
	((EUID != 0)) || return 0
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "$1 needs root and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "$1 needs root"
}

# known_as PID: what tells a process from others that get its number later: its
# number and when it began. Numbers come round soon where processes are many.
known_as() {
	local stat fields
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
	read -ra fields <<<"${stat##*) }"
	echo "$1:${fields[19]}"
}

# end_known KNOWN...: kills those that are still there.
end_known() {
	local known
	for known; do
		[ "$(known_as "${known%:*}")" != "$known" ] ||
			kill -KILL "${known%:*}" 2>&- || true
	done
}

# server_note NAME PID: who it is from now on.
server_note() {
	echo "$2" >"$SERVERS_DIR/$1/pid"
	known_as "$2" >"$SERVERS_DIR/$1/known" || true
}

# have_servers: is there an NFS server to start here?
have_servers() {
	command -v ganesha.nfsd >/dev/null
}

# need_servers: to be called in setup(). Skips the test where no server is
# installed, unless the caller demands that everything runs.
need_servers() {
	have_servers && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "nfs-ganesha is missing and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "nfs-ganesha (and its VFS module) is not installed"
}

# have_nfs3_servers: can such a server be made to speak NFSv3, too?
have_nfs3_servers() {
	have_servers && command -v rpcbind >/dev/null && ((EUID == 0)) &&
		unshare --mount --net true 2>/dev/null
}

# nfs3_where_possible: the word for server_start, if it can be had.
nfs3_where_possible() {
	! have_nfs3_servers || echo nfs3
}

# need_nfs3_servers: as need_servers.
need_nfs3_servers() {
	have_nfs3_servers && return
	if [ "${EFSBRIDGE_REQUIRE_ALL:-0}" = 1 ]; then
		echo "no NFSv3 server and EFSBRIDGE_REQUIRE_ALL=1" >&2
		return 1
	fi
	skip "NFSv3 needs nfs-ganesha, rpcbind, root and namespaces"
}

# free_port: a loopback port that nobody listened on a moment ago.
free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

server_export() { printf '%s\n' "$SERVERS_DIR/$1/export"; }
server_log() { printf '%s\n' "$SERVERS_DIR/$1/log"; }
server_port() { cat "$SERVERS_DIR/$1/port"; }
server_mountport() { cat "$SERVERS_DIR/$1/mountport"; }
server_pid() { cat "$SERVERS_DIR/$1/pid"; }

# server_url NAME [PATH [QUERY]]: the location of a folder that a server, or a
# proxy before one, exports. PATH begins without a slash.
server_url() {
	printf 'nfs://127.0.0.1:%s/%s%s\n' "$(server_port "$1")" "${2:-}" \
		"${3:+?$3}"
}

# server_url_by PROTOCOL NAME [PATH [QUERY]]: the same, spoken to by nfs4 (what
# efsbridge takes unless told), nfs4.0 or nfs3. No portmapper is asked.
server_url_by() {
	local protocol=$1 query=''
	shift
	case $protocol in
	nfs4.0) query=vers=4.0 ;;
	nfs3)
		query="vers=3&nfsport=$(server_port "$1")"
		query+="&mountport=$(server_mountport "$1")"
		;;
	esac
	query+=${3:+${query:+&}$3}
	if [ "$protocol" = nfs3 ]; then
		printf 'nfs://127.0.0.1/%s?%s\n' "${2:-}" "$query"
	else
		server_url "$1" "${2:-}" "$query"
	fi
}

# A killed child that nobody has waited for yet is not alive, unless one of its
# threads still ends and holds what is locked.
server_is_alive() {
	local task stat
	[ -e "$SERVERS_DIR/$1/pid" ] || return 1
	[ "$(known_as "$(server_pid "$1")")" = "$(<"$SERVERS_DIR/$1/known")" ] ||
		return 1
	for task in /proc/"$(server_pid "$1")"/task/*/stat; do
		# With its status: in a trap, a bare return means that from
		# before.
		stat=$(cat "$task" 2>/dev/null) || continue
		stat=${stat##*) }
		[ "${stat%% *}" = Z ] || return 0
	done
	return 1
}

server_is_gone() { ! server_is_alive "$1"; }

server_is_ready() {
	grep -q 'NFS SERVER INITIALIZED' "$SERVERS_DIR/$1/log" 2>/dev/null ||
		server_is_gone "$1"
}

# Write the configuration for NAME from the settings of server_start.
#
# The server keeps a descriptor open for every file that was read without
# OPEN, and answers NFS4ERR_DELAY when it comes near its limit. The low marks
# let its reaper start early, so that a small limit is not what a test sees.
server_configure() {
	local d=$SERVERS_DIR/$1
	cat >"$d/conf" <<-CONF
		NFS_CORE_PARAM {
			NFS_Port = $(<"$d/port");
			Bind_addr = 127.0.0.1;
			$(<"$d/settings.core")
			Enable_NLM = false;
			Enable_RQUOTA = false;
			Enable_UDP = false;
			Allow_Set_Io_Flusher_Fail = true;
		}
		NFS_KRB5 { Active_krb5 = false; }
		NFSV4 {
			$(<"$d/settings.v4")
			RecoveryRoot = $d/recovery;
			Only_Numeric_Owners = true;
			Delegations = false;
		}
		LOG { COMPONENTS { $(<"$d/settings.log") } }
		MDCACHE {
			FD_LWMark_Percent = 5;
			FD_HWMark_Percent = 20;
			LRU_Run_Interval = 1;
			$(<"$d/settings.cache")
		}
		$(<"$d/settings.mem")
		EXPORT {
			Export_Id = 1;
			Path = $d/export;
			Pseudo = /;
			$(<"$d/settings.export")
			SecType = sys;
			Transports = TCP;
		}
	CONF
}

# leave_views: in a mount namespace that was just made. It has all that was
# mounted at that moment, and would keep a view that is unmounted outside, and
# so its process.
leave_views() {
	local dir
	awk '/ - fuse\.efsbridge /{ print $5 }' /proc/self/mountinfo |
		while read -r dir; do
			printf -v dir '%b' "$dir"
			umount -l "$dir"
		done
}

# A server of NFSv3 ends unless it can tell a portmapper of itself. It finds
# that by a socket in /run, which here is a folder of its own; the portmapper
# that makes it there has no network, so that the machine's ports and its own
# portmapper, if there is one, are left alone.
#
# Run in a mount namespace with the server's folder and its command.
server_with_portmapper() {
	local d=$1
	shift
	leave_views
	mkdir -p "$d/run/rpcbind"
	rm -f "$d/run/rpcbind.sock" "$d/run/rpcbind.lock"
	mount --bind "$d/run" /run
	unshare --net rpcbind -f &
	echo $! >"$d/rpcbind.pid"
	until [ -S /run/rpcbind.sock ]; do
		kill -0 $! || exit
		sleep 0.01
	done
	exec "$@"
}

# Start the process of a configured server on its port, wait until it serves.
# 2: the port was taken meanwhile. A server's epoch makes its write verifier
# and its client ids, and is the second of its start unless given: two lives in
# one second would look like one.
server_launch() {
	local d=$SERVERS_DIR/$1 epoch last=0 within=()
	[ ! -e "$d/mountport" ] || within=(unshare --mount
		--propagation private bash -c
		"$(declare -f leave_views server_with_portmapper)
		server_with_portmapper \"\$@\"" portmapper "$d")
	[ ! -e "$d/epoch" ] || last=$(<"$d/epoch")
	printf -v epoch '%(%s)T' -1
	((epoch > last)) || epoch=$((last + 1))
	echo "$epoch" >"$d/epoch"
	: >"$d/log"
	(
		ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"
		# Nothing of bats may stay open in a daemon.
		exec "${within[@]}" ganesha.nfsd -F -f "$d/conf" -L "$d/log" \
			-p "$d/ganesha.pid" -E "$epoch" </dev/null >>"$d/out" 2>&1 3>&- 4>&-
	) &
	server_note "$1" $!
	disown
	if ! wait_for "$SERVERS_DEADLINE_S" server_is_ready "$1"; then
		echo "server $1: not serving after $SERVERS_DEADLINE_S s" >&2
		tail -n 20 "$d/log" >&2
		return 1
	fi
	server_is_alive "$1" && return
	grep -q 'Cannot bind' "$d/log" && return 2
	echo "server $1: ended at its start" >&2
	tail -n 20 "$d/log" "$d/out" >&2
	return 1
}

# server_start NAME [nfs3] [verbose] [squash=MODE] [readonly] [maxio=BYTES]
#              [mem=BYTES] [warm=ENTRIES] [V4OPTION=VALUE]...
#
# With `nfs3` it speaks NFSv3, too, and its mount service has a port of its own.
# With `maxio` a READ or WRITE carries no more than that. With `mem` it has no
# backing directory but keeps its tree in memory, files of up to so many bytes.
# With `warm` it keeps the attributes of so many entries, and does not see what
# changes behind its back. With `verbose` its log has every operation that it
# executes, and what came of it (executed_ops).
# MODE is No_Root_Squash (default), Root_Squash or All_Squash; a squashed
# caller becomes uid and gid 65534. Other words are options of ganesha's NFSV4
# block, for instance Lease_Lifetime=5; Graceless=true unless given.
server_start() {
	local name=$1 d=$SERVERS_DIR/$1 word tries status
	local squash=No_Root_Squash access=RW v4='' nfs3='' maxio='' fsal=VFS
	local mem='' cache='' expire=0 log=''
	shift
	for word; do
		case $word in
		squash=*) squash=${word#squash=} ;;
		nfs3) nfs3=1 ;;
		verbose) log='NFS_V4 = DEBUG; SESSIONS = FULL_DEBUG;' ;;
		readonly) access=RO ;;
		mem=*)
			fsal=MEM
			mem="MEM { Inode_Size = ${word#*=}; }"
			;;
		warm=*)
			cache="Entries_HWMark = ${word#*=};"
			expire=36000
			;;
		maxio=*) maxio="MaxRead = ${word#*=}; MaxWrite = ${word#*=};" ;;
		*=*) v4+="${word%%=*} = ${word#*=}; " ;;
		esac
	done
	case $v4 in
	*Graceless*) ;;
	*) v4+='Graceless = true;' ;;
	esac
	mkdir -p "$d/export" "$d/recovery"
	printf '%s\n' "$v4" >"$d/settings.v4"
	printf '%s\n' "$log" >"$d/settings.log"
	printf '%s\n' "$mem" >"$d/settings.mem"
	printf '%s\n' "$cache" >"$d/settings.cache"
	printf '%s; ' "Squash = $squash" 'Anonymous_Uid = 65534' \
		'Anonymous_Gid = 65534' "Access_Type = $access" \
		"Attr_Expiration_Time = $expire" >"$d/settings.export"
	printf '%s\n' "$maxio FSAL { Name = $fsal; }" >>"$d/settings.export"
	for tries in 1 2 3 4 5; do
		free_port >"$d/port"
		if [ "$nfs3" ]; then
			free_port >"$d/mountport"
			echo 'Protocols = 3, 4; mount_path_pseudo = true;' \
				"MNT_Port = $(<"$d/mountport");" >"$d/settings.core"
		else
			echo 'Protocols = 4;' >"$d/settings.core"
		fi
		server_configure "$name"
		status=0
		server_launch "$name" || status=$?
		[ "$status" = 2 ] || return "$status"
	done
	echo "server $name: no free port in $tries tries" >&2
	return 1
}

# stands_still PID: all its threads are stopped.
stands_still() {
	local task stat
	for task in "/proc/$1/task/"*; do
		stat=$(cat "$task/stat" 2>/dev/null) || return 1
		stat=${stat##*) }
		[ "${stat%% *}" = T ] || return 1
	done
}

# server_signal NAME SIGNAL: STOP and CONT make and mend a stalled side. A
# signal is on its way for a while, in which a server still answers.
server_signal() {
	local pid
	server_is_alive "$1" || return
	pid=$(server_pid "$1")
	kill "-$2" "$pid"
	[ "$2" != STOP ] || wait_for "$SERVERS_DEADLINE_S" stands_still "$pid"
}

# server_kill NAME: at once and without a farewell, as a crashed server.
# `wait` reaps nothing here that another bats process started: poll instead.
server_kill() {
	[ -e "$SERVERS_DIR/$1/pid" ] || return 0
	# It may end by itself meanwhile.
	server_is_gone "$1" || kill -KILL "$(server_pid "$1")" 2>&- || true
	if [ -e "$SERVERS_DIR/$1/rpcbind.pid" ]; then
		kill -KILL "$(<"$SERVERS_DIR/$1/rpcbind.pid")" 2>&- || true
		rm -f "$SERVERS_DIR/$1/rpcbind.pid"
	fi
	wait_for "$SERVERS_DEADLINE_S" server_is_gone "$1" || return
	# Its number may soon be somebody else's.
	rm -f "$SERVERS_DIR/$1/pid"
}

# server_restart NAME: the same tree on the same port, with the same settings.
server_restart() {
	server_kill "$1" && server_configure "$1" && server_launch "$1"
}

# executed_ops NAME: what changed names on a `verbose` server since it started,
# as lines `OPERATION STATUS COUNT`. Only what it executed: an answer that it
# had kept from before is not in its log as an operation.
executed_ops() {
	sed -n 's/.*:Status of OP_\(CREATE\|LINK\|OPEN\|REMOVE\|RENAME\) in position [0-9]* = \([A-Z0-9_]*\),.*/\1 \2/p' \
		"$(server_log "$1")" | sort | uniq -c | awk '{ print $2, $3, $1 }'
}

# servers_stop: every server and every proxy below SERVERS_DIR.
servers_stop() {
	local d
	for d in "$SERVERS_DIR"/*/pid; do
		[ -e "$d" ] || continue
		d=${d%/pid}
		server_kill "${d##*/}"
	done
}

# proxy_start NAME SERVER [OPTION...]: a counting, delaying proxy before a
# server. It has a folder of its own, as a server has, and servers_stop ends it.
proxy_start() {
	local name=$1 d=$SERVERS_DIR/$1 port
	port=$(server_port "$2")
	mkdir -p "$d"
	# The mount service is asked once; no proxy stands before it.
	[ ! -e "$SERVERS_DIR/$2/mountport" ] ||
		cp "$SERVERS_DIR/$2/mountport" "$d/"
	shift 2
	rm -f "$d/port"
	"$NFSPROXY" --listen 0 --connect "127.0.0.1:$port" --port-file "$d/port" \
		--stats "$d/stats" "$@" </dev/null >"$d/log" 2>&1 3>&- 4>&- &
	server_note "$name" $!
	disown
	if ! wait_for "$SERVERS_DEADLINE_S" test -s "$d/port"; then
		echo "proxy $name: did not start" >&2
		cat "$d/log" >&2
		return 1
	fi
}

# proxy_cut NAME: all connections through it end, new ones are taken.
proxy_cut() { kill -USR2 "$(server_pid "$1")"; }

# proxy_stats NAME: the proxy's counters as they are now, as `key value` lines.
proxy_stats() {
	local d=$SERVERS_DIR/$1
	rm -f "$d/stats"
	kill -USR1 "$(server_pid "$1")" || return
	wait_for "$SERVERS_DEADLINE_S" test -e "$d/stats" || return
	cat "$d/stats"
}

# stat_of STATS KEY: one number out of what proxy_stats printed; 0 if absent.
stat_of() {
	awk -v key="$2" '$1 == key { n = $2 } END { print n + 0 }' <<<"$1"
}
