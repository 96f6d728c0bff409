#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The same server through a relay that speaks TLS with the client and through
# one that does not, one connection each, in the same run: a large file read,
# and small files copied, the server's tree in memory. Only the ratios say
# something: the relays share the machine's cores with client and server, and
# that of TLS encrypts, too.
#
#	TLS_MIB        size of the large file (1024)
#	TLS_FILES      small files of 4 KiB (10000)
#	TLS_ROUNDS     how often; the best of each is compared (5)
#	TLS_LARGE_MIN, TLS_SMALL_MIN  ratios below which it fails (0.6, 0.8)

# In memory, if there is a place.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

mib=${TLS_MIB:-1024}
files=${TLS_FILES:-10000}
rounds=${TLS_ROUNDS:-5}
volume_read=$TOOLS_BUILD/volume_read

need_servers

make_certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$SERVERS_DIR/key.pem" \
		-out "$SERVERS_DIR/certificate.pem" -days 2 \
		-subj '/CN=127.0.0.1' -addext 'subjectAltName=IP:127.0.0.1' \
		2>/dev/null
}

front_start() {
	mkdir "$SERVERS_DIR/front"
	"$TOOLS_BUILD/tlsfront" --connect "127.0.0.1:$(server_port source)" \
		--port-file "$SERVERS_DIR/front/port" \
		--certificate "$SERVERS_DIR/certificate.pem" \
		--key "$SERVERS_DIR/key.pem" --log "$SERVERS_DIR/front/log" \
		</dev/null >&2 &
	echo $! >"$SERVERS_DIR/front/pid"
	wait_for 10 test -s "$SERVERS_DIR/front/port"
}

url() {
	case $1 in
	tls) server_url front "${2:-}" \
		"tls&conns=1&ca=$SERVERS_DIR/certificate.pem" ;;
	*) server_url relay "${2:-}" conns=1 ;;
	esac
}

# Says itself how long it took, its start left out.
large() {
	"$volume_read" "$(url "$1")" file | cut -d ' ' -f 2
}

copies=0

small() {
	local to=$SERVERS_DIR/copy-$((copies += 1)) start
	mkdir "$to" "$to.state"
	start=${EPOCHREALTIME/./}
	"$EFSBRIDGE" sync --quiet --state "$to.state" "$(url "$1" small)" "$to"
	small_us=$((${EPOCHREALTIME/./} - start))
	[ "$(find "$to" -type f | wc -l)" = "$files" ]
}

# The best time of each, in microseconds.
declare -A best=()

note() {
	((${best[$1]:=$2} <= $2)) || best[$1]=$2
}

server_start source
make_certificate
proxy_start relay source
front_start
export_dir=$(server_export source)
head -c "${mib}M" /dev/urandom >"$export_dir/file"
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$export_dir/small"

for ((round = 1; round <= rounds; round++)); do
	for way in plain tls; do
		note "large $way" "$(large "$way")"
		small "$way"
		note "small $way" "$small_us"
	done
done

printf '%-34s %8s %10s %8s\n' 'one connection' s rate 'of plain'
for what in large small; do
	for way in plain tls; do
		awk -v name="$what files, $way" -v us="${best[$what $way]}" \
			-v plain="${best[$what plain]}" -v what="$what" \
			-v mib="$mib" -v files="$files" 'BEGIN {
				n = what == "large" ? mib : files
				printf "%-34s %8.2f %6.0f %s %8.2f\n", name, us / 1e6,
					n * 1e6 / us,
					what == "large" ? "MiB" : "  f", plain / us
			}'
	done
done

awk -v lp="${best[large plain]}" -v lt="${best[large tls]}" \
	-v sp="${best[small plain]}" -v st="${best[small tls]}" \
	-v lmin="${TLS_LARGE_MIN:-0.6}" -v smin="${TLS_SMALL_MIN:-0.8}" 'BEGIN {
		if (lp / lt >= lmin && sp / st >= smin)
			exit 0
		printf "TLS reaches less than %s, %s of plain\n", lmin, smin
		exit 1
	}'
