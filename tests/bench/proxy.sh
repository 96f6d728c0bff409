#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the delaying proxy itself costs: the same copy with both sides reached
# directly, through proxies that only pass on (as the other scripts have them),
# and through those that count; no delay. The servers' trees lie in memory. How
# far below 1 a ratio is, by so much the figures at a distance are the proxies'
# limit; the proxies share the cores with client and servers here.
#
#	PROXY_FILES   files of 4 KiB, 100 to a directory (10000)
#	PROXY_MIB     size of the large file (512)
#	PROXY_ROUNDS  how often; the best of each is taken (3)

[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

files=${PROXY_FILES:-10000}
mib=${PROXY_MIB:-512}
rounds=${PROXY_ROUNDS:-3}
ways=(direct plain counting)

need_servers
server_start source
server_start destination
for side in source destination; do
	far "plain_$side" "$side" 0
	proxy_start "counting_$side" "$side"
done
source_dir=$(server_export source)
destination_dir=$(server_export destination)
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$source_dir/small"
mkdir "$source_dir/large"
head -c "${mib}M" /dev/urandom >"$source_dir/large/file"

for ((round = 1; round <= rounds; round++)); do
	for way in "${ways[@]}"; do
		prefix=${way}_
		[ "$way" != direct ] || prefix=''
		for what in small large; do
			mkdir "$destination_dir/$what"
			by_efsbridge "$(server_url "${prefix}source" "$what")" \
				"$(server_url "${prefix}destination" "$what")"
			note "$what $way"
			same_tree "$source_dir/$what" "$destination_dir/$what"
			rm -rf "${destination_dir:?}/$what"
		done
	done
done

printf '%-34s %9s %9s %9s %9s\n' 'through the proxy, 0 ms' files/s ratio \
	MiB/s ratio
for way in "${ways[@]}"; do
	printf '%-34s %9.0f %9.2f %9.0f %9.2f\n' "  $way" \
		"$(rate "$files" "small $way")" \
		"$(calculate 'a / b' a="${best[small direct]}" \
			b="${best[small $way]}")" \
		"$(rate "$mib" "large $way")" \
		"$(calculate 'a / b' a="${best[large direct]}" \
			b="${best[large $way]}")"
done
