#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Small files between a server that speaks NFSv3 or NFSv4.0 and one that speaks
# NFSv4.1, both some way off: what a migration off a filer takes. libnfs does
# one thing in a request, so all depends on how many are under way.
#
# rsync over the kernel's client, one file after the other, was measured at 5.5
# files a second with both sides 10 ms away; of that a pair must make ten times
# as many, or this fails.
#
#	FILERS_FILES   files of 4 KiB, 100 to a directory (3000)
#	FILERS_PAIRS   protocols ("nfs3-nfs4 nfs4-nfs3 nfs3-nfs3 nfs4.0-nfs4")

# shellcheck source=../integration/lib/standalone.bash
. "$(dirname "$0")/../integration/lib/standalone.bash"

files=${FILERS_FILES:-3000}
read -ra pairs <<<"${FILERS_PAIRS:-nfs3-nfs4 nfs4-nfs3 nfs3-nfs3 nfs4.0-nfs4}"

delay=10
rsync_rate=5.5
times_rsync=10

need_nfs3_servers

server_start source nfs3
server_start destination nfs3
proxy_start far_source source --delay "$delay"
proxy_start far_destination destination --delay "$delay"
source_dir=$(server_export source)/small
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$source_dir"

printf '%-36s %8s %8s %8s\n' "$files files of 4 KiB, $delay ms" s files/s \
	'of rsync'
status=0
for pair in "${pairs[@]}"; do
	copy=copy-$pair
	mkdir "$SERVERS_DIR/state-$pair" "$(server_export destination)/$copy"
	start=${EPOCHREALTIME/./}
	"$EFSBRIDGE" sync --quiet --state "$SERVERS_DIR/state-$pair" \
		"$(server_url_by "${pair%-*}" far_source small)" \
		"$(server_url_by "${pair#*-}" far_destination "$copy")"
	took=$((${EPOCHREALTIME/./} - start))
	same_tree "$source_dir" "$(server_export destination)/$copy"
	awk -v name="efsbridge, $pair" -v us="$took" -v n="$files" \
		-v rsync="$rsync_rate" -v least="$times_rsync" 'BEGIN {
			rate = n * 1e6 / us
			printf "%-36s %8.2f %8.0f %7.0fx\n", name, us / 1e6,
				rate, rate / rsync
			exit rate < least * rsync
		}' || {
		echo "$pair: fewer than $times_rsync times rsync's files" >&2
		status=1
	}
done
exit "$status"
