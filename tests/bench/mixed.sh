#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A tree like that of a large program's sources, VFS on a disk: figure 6. Many
# small files, few large ones, deep, with symbolic links.
#
# rsync gets the same source server, through efsbridge's own mount of it, since
# there is no kernel client here; its destination is the backing directory of
# the other server, which spares it that server and every round trip to it. And
# for the local limit rsync, cp and rclone between the backing directories.
#
#	MIXED_FILES   files (70000)
#	MIXED_ROUNDS  how often; the best of each is taken (2)

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

files=${MIXED_FILES:-70000}
rounds=${MIXED_ROUNDS:-2}

need_servers
need_fuse
server_start source
server_start destination
source_dir=$(server_export source)/tree
destination_dir=$(server_export destination)
"$MKTREE" --sources --files "$files" "$source_dir"
entries=$(find "$source_dir" -mindepth 1 | wc -l)
mib=$(calculate 'k / 1024' k="$(du -sk --apparent-size "$source_dir" |
	cut -f 1)")

# The view is new each time: the kernel has nothing of it.
from_view() {
	local view=$SERVERS_DIR/view-$copies status=0
	view_of source tree "$view"
	by_rsync "$view" "$1" || status=$?
	unview "$view"
	return "$status"
}

mapfile -t peers < <(peers)
for ((round = 1; round <= rounds; round++)); do
	for peer in "${peers[@]}"; do
		fresh
		"by_$peer" "$source_dir" "$destination_dir/$copy"
		note "$peer"
	done
	fresh
	from_view "$destination_dir/$copy"
	note view
	same_tree "$source_dir" "$destination_dir/$copy"
	fresh
	by_efsbridge "$(server_url source tree)" \
		"$(server_url destination "$copy")"
	note efsbridge
	same_tree "$source_dir" "$destination_dir/$copy"
done

printf '%-44s %9s %9s %9s\n' "$entries entries, $files files, $mib MiB" s \
	files/s MiB/s
line() {
	printf '%-44s %9.2f %9.0f %9.1f\n' "  $1" \
		"$(calculate 'us / 1e6' us="${best[$2]}")" \
		"$(rate "$files" "$2")" "$(rate "$mib" "$2")"
}
for peer in "${peers[@]}"; do
	line "$peer, no server" "$peer"
done
line 'rsync -a, through our mount of the source' view
line 'efsbridge, verified and recorded' efsbridge
want 6 'files/s, of rsync -a through our mount' \
	"$(calculate 'a / b' a="${best[view]}" b="${best[efsbridge]}")" least 2
