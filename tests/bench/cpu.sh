#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a small file costs the client's processor: figure 3. The servers keep
# their trees in memory (ganesha's MEM), so that nobody waits for a disk. User
# and system time of the whole process, its start included, by getrusage: copy,
# verification by reading back, manifest.
#
#	CPU_FILES   files of 4 KiB, 100 to a directory (20000)
#	CPU_ROUNDS  how often; the least is taken (5)

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

files=${CPU_FILES:-20000}
rounds=${CPU_ROUNDS:-5}

need_servers
server_start source mem=4096
server_start destination mem=4096
# A server without a backing directory is filled through itself, and so are the
# folders made that copies go to.
mkdir "$SERVERS_DIR/folders"
for ((round = 1; round <= rounds; round++)); do
	mkdir "$SERVERS_DIR/folders/copy-$round"
done
"$MKTREE" --uniform --dirs $((files / 100)) --files 100 --size 4096 \
	"$SERVERS_DIR/tree"
by_efsbridge "$SERVERS_DIR/tree" "$(server_url source)"
by_efsbridge "$SERVERS_DIR/folders" "$(server_url destination)"

# server_us NAME: what the server has used of all cores until now.
server_us() {
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, "")
		printf "%.0f", ($12 + $13) * 1e6 / hz }' \
		"/proc/$(server_pid "$1")/stat"
}

least=''
for ((round = 1; round <= rounds; round++)); do
	before=$(($(server_us source) + $(server_us destination)))
	by_efsbridge "$(server_url source)" \
		"$(server_url destination "copy-$round")"
	servers_us=$(($(server_us source) + $(server_us destination) - before))
	if ((${least:=cpu_us + 1} > cpu_us)); then
		least=$cpu_us least_servers=$servers_us least_wall=$wall_us
	fi
done
# Read back by another client: a folder, past the engine.
rm -rf "${SERVERS_DIR:?}/back"
mkdir "$SERVERS_DIR/back"
by_efsbridge "$(server_url destination copy-1)" "$SERVERS_DIR/back"
same_tree "$SERVERS_DIR/tree" "$SERVERS_DIR/back"

printf '%-44s %9s %9s %9s\n' "$files files of 4 KiB, servers in memory" \
	client servers wall
printf '%-44s %9.1f %9.1f %9.1f\n' '  microseconds a file' \
	"$(calculate 'us / n' us="$least" n="$files")" \
	"$(calculate 'us / n' us="$least_servers" n="$files")" \
	"$(calculate 'us / n' us="$least_wall" n="$files")"
want 3 'us of CPU a file: copy, verification, manifest; MEM' \
	"$(calculate 'us / n' us="$least" n="$files")" most 20
