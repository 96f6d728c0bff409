#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Small files from server to server, VFS on a disk: figures 1 and 2.
#
# At 0 ms beside rsync, cp and rclone between the two backing directories: the
# local limit, which has no server to ask, verifies nothing and records nothing.
# Then with one side or both at a distance, without a flag that tunes anything;
# and the same engine as a naive client, one entry in a request and one request
# at a time, on a smaller tree. What the kernel's client does is quoted: there
# is none here.
#
# The rate after the first second leaves out the start: the files that were done
# within it, and it.
#
#	SMALL_FILES   files of 4 KiB, 100 to a directory (20000)
#	SMALL_ROUNDS  of what is measured at 0 ms, the best is taken (3)
#	SMALL_NAIVE   files of the naive client at a distance (20)

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

files=${SMALL_FILES:-20000}
rounds=${SMALL_ROUNDS:-3}
naive_files=${SMALL_NAIVE:-20}

need_servers
# They keep attributes, as they do unless told otherwise.
server_start source "warm=$((4 * files))"
server_start destination "warm=$((4 * files))"
source_dir=$(server_export source)
destination_dir=$(server_export destination)
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$source_dir/small"
"$MKTREE" --uniform --files "$naive_files" --size 4096 "$source_dir/few"

# run_between SOURCE DESTINATION [FOLDER [QUERY]]: servers or proxies.
run_between() {
	fresh
	by_efsbridge "$(server_url "$1" "${3:-small}" "${4:-}")" \
		"$(server_url "$2" "$copy" "${4:-}")"
	same_tree "$source_dir/${3:-small}" "$destination_dir/$copy"
}

line() {
	printf '%-44s %9.2f %9.0f %9.2f\n' "$1" \
		"$(calculate 'us / 1e6' us="${best[$2]}")" \
		"$(rate "$files" "$2")" \
		"$(calculate 'a / b' a="${best[rsync]}" b="${best[$2]}")"
}

# --- 0 ms -------------------------------------------------------------------

mapfile -t peers < <(peers)
for ((round = 1; round <= rounds; round++)); do
	for peer in "${peers[@]}"; do
		fresh
		"by_$peer" "$source_dir/small" "$destination_dir/$copy"
		note "$peer"
	done
	run_between source destination
	note efsbridge
	again_efsbridge "$(server_url source small)" \
		"$(server_url destination "$copy")"
	note unchanged
done
run_between source destination small "$naive"
note naive

printf '%-44s %9s %9s %9s\n' "$files files of 4 KiB, 0 ms" s files/s 'of rsync'
for peer in "${peers[@]}"; do
	line "  $peer, no server" "$peer"
done
[ ${#peers[@]} -gt 2 ] || echo '  rclone: not measured, it is not installed'
line '  efsbridge, verified and recorded' efsbridge
line '  efsbridge, nothing changed' unchanged
line '  efsbridge, batch 1, depth 1' naive
want 1 "files/s, verified, of rsync -a without a server, 0 ms" \
	"$(calculate 'a / b' a="${best[rsync]}" b="${best[efsbridge]}")" \
	least 0.9

# --- At a distance ------------------------------------------------------------

# later_rate: files a second after the first one; `-`: it took no longer.
later_rate() {
	local early
	((wall_us > 1000000)) || {
		echo -
		return
	}
	early=$(done_when_told)
	calculate 'int((n - early) * 1e6 / (us - 1e6))' n="$files" \
		early="${early:-0}" us="$wall_us"
}

printf '%-44s %9s %9s %9s %9s\n' "$files files of 4 KiB" s files/s 'after 1 s' \
	naive
for delay in "${delays[@]}"; do
	far "source_$delay" source "$delay"
	far "destination_$delay" destination "$delay"
	for sides in both source; do
		to=destination_$delay
		[ "$sides" = both ] || to=destination
		tell_ms=1000
		run_between "source_$delay" "$to"
		later=$(later_rate)
		taken_us=$wall_us
		unset tell_ms
		run_between "source_$delay" "$to" few "$naive"
		printf '%-44s %9.2f %9.0f %9.9s %9.1f\n' \
			"  efsbridge, $delay ms, $sides" \
			"$(calculate 'us / 1e6' us="$taken_us")" \
			"$(calculate 'n * 1e6 / us' n="$files" us="$taken_us")" \
			"$later" \
			"$(calculate 'n * 1e6 / us' n="$naive_files" us="$wall_us")"
		[ "$delay" != 70 ] || [ "$sides" != both ] || far_both=$later
		[ "$delay" != 70 ] || [ "$sides" != source ] || far_source=$later
	done
done

# Measured once with the kernel's client of Linux 6.1 and the same servers.
cat <<'QUOTED'
quoted, not measured here: Linux's client, NFSv4.1, files/s
                              10 ms, both  70 ms, both  70 ms, source
  rsync -a                           5.4          0.8            4.5
  cp -a                              7.5          1.1            3.6
  rclone copy, 32 transfers         62.9         13.7           65.0
QUOTED
[ -z "${far_both:-}" ] || want 2 \
	'files/s, verified, after the first second, 70 ms on both sides' \
	"$far_both" least 3000
[ -z "${far_source:-}" ] || want 2 \
	'files/s, verified, after the first second, 70 ms, source only' \
	"$far_source" least 4000
