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

# In memory, if there is a place.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

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
	server_note front $!
	disown
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
	local to=$SERVERS_DIR/copy-$((copies += 1))
	mkdir "$to"
	by_efsbridge "$(url "$1" small)" "$to"
	[ "$(find "$to" -type f | wc -l)" = "$files" ]
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
		wall_us=$(large "$way") cpu_us=0 peak_kib=0
		note "large $way"
		small "$way"
		note "small $way"
	done
done

printf '%-44s %9s %9s %9s\n' 'one connection' s rate 'of plain'
for way in plain tls; do
	printf '%-44s %9.2f %9.0f %9.2f\n' "  $mib MiB, MiB/s, $way" \
		"$(calculate 'us / 1e6' us="${best["large $way"]}")" \
		"$(rate "$mib" "large $way")" \
		"$(calculate 'a / b' a="${best[large plain]}" \
			b="${best["large $way"]}")"
done
for way in plain tls; do
	printf '%-44s %9.2f %9.0f %9.2f\n' "  $files files, files/s, $way" \
		"$(calculate 'us / 1e6' us="${best["small $way"]}")" \
		"$(rate "$files" "small $way")" \
		"$(calculate 'a / b' a="${best[small plain]}" \
			b="${best["small $way"]}")"
done
want - 'MiB/s with TLS, of those without' \
	"$(calculate 'a / b' a="${best[large plain]}" b="${best[large tls]}")" \
	least 0.6
want - 'files/s with TLS, of those without' \
	"$(calculate 'a / b' a="${best[small plain]}" b="${best[small tls]}")" \
	least 0.8
