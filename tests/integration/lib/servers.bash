# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# NFSv4 servers on loopback that play the two EFS file systems.
#
# Each server has a name (mostly `source` and `destination`) and is a process
# of its own: an nfs-ganesha that exports a folder of this machine on a free
# loopback port. Everything it owns lies in $SERVERS_DIR/NAME:
#
#   export/   the tree it serves, its backing directory
#   log       what the server said
#   port pid  where it listens and who it is
#   conf recovery/
#
# SERVERS_DIR is $BATS_FILE_TMPDIR under bats, or what the caller sets. A change
# made in the backing directory is visible to clients at once, because the
# server caches no attributes. Owners travel as numbers, as they do on EFS.
#
# All waits are for facts, with a deadline. Whoever starts a server stops it:
# teardown_file calls servers_stop.

SERVERS_DIR=${SERVERS_DIR:-${BATS_FILE_TMPDIR:-}}

# How long any fact may take before it counts as a failure.
SERVERS_DEADLINE_S=${SERVERS_DEADLINE_S:-20}

# wait_for SECONDS COMMAND...: until COMMAND succeeds; 1 after the deadline.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.01
	done
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
server_pid() { cat "$SERVERS_DIR/$1/pid"; }

# server_url NAME [PATH [QUERY]]: the location of a folder that a server, or a
# proxy before one, exports. PATH begins without a slash.
server_url() {
	printf 'nfs://127.0.0.1:%s/%s%s\n' "$(server_port "$1")" "${2:-}" \
		"${3:+?$3}"
}

# A killed child that nobody has waited for yet is not alive, unless one of its
# threads still ends and holds what is locked.
server_is_alive() {
	local task stat
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
			Protocols = 4;
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
		MDCACHE {
			FD_LWMark_Percent = 5;
			FD_HWMark_Percent = 20;
			LRU_Run_Interval = 1;
		}
		EXPORT {
			Export_Id = 1;
			Path = $d/export;
			Pseudo = /;
			Attr_Expiration_Time = 0;
			Access_Type = RW;
			$(<"$d/settings.export")
			SecType = sys;
			Protocols = 4;
			Transports = TCP;
			FSAL { Name = VFS; }
		}
	CONF
}

# Start the process of a configured server on its port, wait until it serves.
# 2: the port was taken meanwhile. A server's epoch makes its write verifier
# and its client ids, and is the second of its start unless given: two lives in
# one second would look like one.
server_launch() {
	local d=$SERVERS_DIR/$1 epoch last=0
	[ ! -e "$d/epoch" ] || last=$(<"$d/epoch")
	printf -v epoch '%(%s)T' -1
	((epoch > last)) || epoch=$((last + 1))
	echo "$epoch" >"$d/epoch"
	: >"$d/log"
	(
		ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"
		# Nothing of bats may stay open in a daemon.
		exec ganesha.nfsd -F -f "$d/conf" -L "$d/log" \
			-p "$d/ganesha.pid" -E "$epoch" </dev/null >>"$d/out" 2>&1 3>&- 4>&-
	) &
	echo $! >"$d/pid"
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

# server_start NAME [squash=MODE] [readonly] [V4OPTION=VALUE]...
#
# MODE is No_Root_Squash (default), Root_Squash or All_Squash; a squashed
# caller becomes uid and gid 65534. Other words are options of ganesha's NFSV4
# block, for instance Lease_Lifetime=5; Graceless=true unless given.
server_start() {
	local name=$1 d=$SERVERS_DIR/$1 word tries status
	local squash=No_Root_Squash access='' v4=''
	shift
	for word; do
		case $word in
		squash=*) squash=${word#squash=} ;;
		readonly) access='Access_Type = RO;' ;;
		*=*) v4+="${word%%=*} = ${word#*=}; " ;;
		esac
	done
	case $v4 in
	*Graceless*) ;;
	*) v4+='Graceless = true;' ;;
	esac
	mkdir -p "$d/export" "$d/recovery"
	printf '%s\n' "$v4" >"$d/settings.v4"
	printf 'Squash = %s; Anonymous_Uid = 65534; Anonymous_Gid = 65534; %s\n' \
		"$squash" "$access" >"$d/settings.export"
	for tries in 1 2 3 4 5; do
		free_port >"$d/port"
		server_configure "$name"
		status=0
		server_launch "$name" || status=$?
		[ "$status" = 2 ] || return "$status"
	done
	echo "server $name: no free port in $tries tries" >&2
	return 1
}

# server_signal NAME SIGNAL: STOP and CONT make and mend a stalled side.
server_signal() { kill "-$2" "$(server_pid "$1")"; }

# server_kill NAME: at once and without a farewell, as a crashed server.
# `wait` reaps nothing here that another bats process started: poll instead.
server_kill() {
	[ -e "$SERVERS_DIR/$1/pid" ] || return 0
	# It may end by itself meanwhile.
	server_is_gone "$1" || kill -KILL "$(server_pid "$1")" 2>&- || true
	wait_for "$SERVERS_DEADLINE_S" server_is_gone "$1"
}

# server_restart NAME: the same tree on the same port, with the same settings.
server_restart() {
	server_kill "$1" && server_configure "$1" && server_launch "$1"
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
	shift 2
	mkdir -p "$d"
	rm -f "$d/port"
	"$NFSPROXY" --listen 0 --connect "127.0.0.1:$port" --port-file "$d/port" \
		--stats "$d/stats" "$@" </dev/null >"$d/log" 2>&1 3>&- 4>&- &
	echo $! >"$d/pid"
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
