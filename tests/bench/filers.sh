#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Small files between a server that speaks NFSv3 or NFSv4.0 and one that speaks
# NFSv4.1, both some way off: what a migration off a filer takes. libnfs does
# one thing in a request, so all depends on how many are under way.
#
# rsync over the kernel's client, one file after the other, was measured at 5.5
# files a second with both sides 10 ms away; of that a pair is to make ten times
# as many.
#
#	FILERS_FILES   files of 4 KiB, 100 to a directory (3000)
#	FILERS_PAIRS   protocols ("nfs3-nfs4 nfs4-nfs3 nfs3-nfs3 nfs4.0-nfs4")

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

files=${FILERS_FILES:-3000}
read -ra pairs <<<"${FILERS_PAIRS:-nfs3-nfs4 nfs4-nfs3 nfs3-nfs3 nfs4.0-nfs4}"

delay=10
rsync_rate=5.5
times_rsync=10

need_nfs3_servers

server_start source nfs3
server_start destination nfs3
far far_source source "$delay"
far far_destination destination "$delay"
source_dir=$(server_export source)/small
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$source_dir"

printf '%-44s %9s %9s %9s\n' "$files files of 4 KiB, $delay ms" s files/s \
	'of rsync'
for pair in "${pairs[@]}"; do
	copy=copy-$pair
	mkdir "$(server_export destination)/$copy"
	by_efsbridge "$(server_url_by "${pair%-*}" far_source small)" \
		"$(server_url_by "${pair#*-}" far_destination "$copy")"
	note "$pair"
	same_tree "$source_dir" "$(server_export destination)/$copy"
	printf '%-44s %9.2f %9.0f %9.0f\n' "  efsbridge, $pair" \
		"$(calculate 'us / 1e6' us="${best[$pair]}")" \
		"$(rate "$files" "$pair")" \
		"$(calculate 'r / rsync' r="$(rate "$files" "$pair")" \
			rsync="$rsync_rate")"
done
for pair in "${pairs[@]}"; do
	want - "files/s, verified, $pair, $delay ms on both sides" \
		"$(rate "$files" "$pair")" least \
		"$(calculate 'n * rsync' n="$times_rsync" rsync="$rsync_rate")"
done
