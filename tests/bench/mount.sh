#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The mount: figure 7. The server's tree lies in memory.
#
# A large file read through it, beside the same bytes read by the same NFS
# client without one (tests/tools/volume_read), and eight files at once. A tree
# like a program's sources, as tar, find and git see it, beside the same on the
# backing directory, of which the kernel knows everything: through a view that
# is new, and once more through the same. Single operations, by one reader and
# by several at once.
#
#	MOUNT_MIB     size of the file (1024); each of the eight is an eighth
#	MOUNT_FILES   files of the tree (10000)
#	MOUNT_PAGES   pages of 4 KiB to read at random (20000)
#	MOUNT_ROUNDS  how often; the best of each is compared (3)

[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

mib=${MOUNT_MIB:-1024}
files=${MOUNT_FILES:-10000}
pages=${MOUNT_PAGES:-20000}
rounds=${MOUNT_ROUNDS:-3}
parts=(1 2 3 4 5 6 7 8)
volume_read=$TOOLS_BUILD/volume_read

need_servers
need_fuse
server_start source
server_start destination
export_dir=$(server_export source)
mkdir "$export_dir/large"
head -c "${mib}M" /dev/urandom >"$export_dir/large/file"
for part in "${parts[@]}"; do
	head -c "$((mib / 8))M" /dev/urandom >"$export_dir/large/part$part"
done
"$MKTREE" --sources --files "$files" "$export_dir/tree"

# fresh_view FOLDER: $view is one that nobody has used.
fresh_view() {
	[ -z "${view:-}" ] || unview "$view"
	view=$SERVERS_DIR/view-${#views[@]}
	view_of source "$1" "$view"
}

# --- A large file -------------------------------------------------------------

# What the kernel has of a file is forgotten.
forget() {
	local file
	for file; do
		dd if="$file" iflag=nocache count=0 status=none
	done
}

# A method may print how long it took itself: here without its start.
one_plain() {
	"$volume_read" "$(server_url source large)" file | cut -d ' ' -f 2
}

one_mount() {
	dd if="$view/file" of=/dev/null bs=1M status=none
}

# wait_all PID...: all of them end well.
wait_all() {
	local pid
	for pid; do
		wait "$pid"
	done
}

eight_plain() {
	local part pids=()
	for part in "${parts[@]}"; do
		"$volume_read" "$(server_url source large)" "part$part" \
			>/dev/null &
		pids+=($!)
	done
	wait_all "${pids[@]}"
}

eight_mount() {
	local part pids=()
	for part in "${parts[@]}"; do
		dd if="$view/part$part" of=/dev/null bs=1M status=none &
		pids+=($!)
	done
	wait_all "${pids[@]}"
}

measure_large() {
	local method=$1 start said
	forget "$view/file" "${parts[@]/#/$view/part}"
	start=${EPOCHREALTIME/./}
	said=$("$method")
	wall_us=${said:-$((${EPOCHREALTIME/./} - start))} cpu_us=0 peak_kib=0
	note "$method"
}

fresh_view large
cmp "$view/file" "$export_dir/large/file"
methods=(one_plain one_mount eight_plain eight_mount)
for ((round = 1; round <= rounds; round++)); do
	for method in "${methods[@]}"; do
		measure_large "$method"
	done
done
printf '%-44s %9s %9s %9s\n' "$mib MiB read" s MiB/s 'of plain'
for method in "${methods[@]}"; do
	printf '%-44s %9.2f %9.0f %9.2f\n' "  $method" \
		"$(calculate 'us / 1e6' us="${best[$method]}")" \
		"$(rate "$mib" "$method")" \
		"$(calculate 'a / b' a="${best[${method%_*}_plain]}" \
			b="${best[$method]}")"
done

# --- Programs -----------------------------------------------------------------

# tar reads no file when it writes to /dev/null itself.
do_tar() {
	# shellcheck disable=SC2016 # for that shell
	used bash -c 'set -o pipefail; tar c -C "$0" . | cat >/dev/null' "$1"
}

do_find() {
	used find "$1" -ls >"$SERVERS_DIR/find.out"
}

# git compares what it wrote down of each file with what there is; it wrote it
# down of where it looks now, since file systems number files by themselves.
in_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		git -c user.name=bench -c user.email=bench -c gc.auto=0 \
		--git-dir "$SERVERS_DIR/git-$1" --work-tree "$2" "${@:3}"
}

do_git() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	used git --git-dir "$SERVERS_DIR/git-$2" --work-tree "$1" \
		status --porcelain >"$SERVERS_DIR/git.out"
	[ ! -s "$SERVERS_DIR/git.out" ]
}

if command -v git >/dev/null; then
	programs=(tar find git)
	in_git backing "$export_dir/tree" init --quiet
	in_git backing "$export_dir/tree" add --all
	in_git backing "$export_dir/tree" commit --quiet --message tree
	in_git backing "$export_dir/tree" status --porcelain
	cp -a "$SERVERS_DIR/git-backing" "$SERVERS_DIR/git-mount"
	fresh_view tree
	in_git mount "$view" status --porcelain
else
	programs=(tar find)
	echo 'git: not measured, it is not installed'
fi

for ((round = 1; round <= rounds; round++)); do
	for program in "${programs[@]}"; do
		"do_$program" "$export_dir/tree" backing
		note "$program backing"
		fresh_view tree
		"do_$program" "$view" mount
		note "$program new"
		"do_$program" "$view" mount
		note "$program again"
	done
done
entries=$(find "$export_dir/tree" | wc -l)
printf '%-28s %9s %9s %9s %9s %9s\n' "$entries entries, ms" backing 'new view' \
	ratio again ratio
for program in "${programs[@]}"; do
	back=${best[$program backing]}
	new=${best[$program new]} again=${best[$program again]}
	printf '%-28s %9.0f %9.0f %9.2f %9.0f %9.2f\n' "  $program" \
		"$(calculate 'us / 1e3' us="$back")" \
		"$(calculate 'us / 1e3' us="$new")" \
		"$(calculate 'a / b' a="$back" b="$new")" \
		"$(calculate 'us / 1e3' us="$again")" \
		"$(calculate 'a / b' a="$back" b="$again")"
done
echo 'another FUSE file system over NFS: not measured, Debian 12 has none'

# --- Operations ---------------------------------------------------------------

# operate NAME THREADS OPTION... <PATHS: the best time of one.
operate() {
	local count us
	read -r count us < <("$BENCH_BUILD/operations" --threads "$2" "${@:3}")
	wall_us=$us cpu_us=0 peak_kib=0
	counts[$1]=$count
	note "$1"
}
declare -A counts=()

# paths_below DIR: of its files.
paths_below() { find "$1" -type f -print0; }

readers=(1 2 4 8)
paths_below "$export_dir/tree" | sed -z "s|^$export_dir/tree/||" \
	>"$SERVERS_DIR/paths"

# below DIR: these paths there, with no look at it.
below() { sed -z "s|^|$1/|" "$SERVERS_DIR/paths"; }

for ((round = 1; round <= rounds; round++)); do
	operate 'stat backing' 1 stat < <(below "$export_dir/tree")
	operate 'read backing' 1 read < <(below "$export_dir/tree")
	operate 'page backing' 1 --count "$pages" page \
		< <(printf '%s\0' "$export_dir/large/file")
	for threads in "${readers[@]}"; do
		fresh_view tree
		operate "stat $threads" "$threads" stat < <(below "$view")
		fresh_view tree
		operate "read $threads" "$threads" read < <(below "$view")
		operate "xattr $threads" "$threads" --count "$pages" xattr \
			< <(printf '%s\0' "$view/.sync/status")
		fresh_view large
		operate "page $threads" "$threads" --count "$pages" page \
			< <(printf '%s\0' "$view/file")
	done
done

each() { calculate 'us / n' us="${best[$1]}" n="${counts[$1]}"; }

printf '%-34s %9s' 'operations, us each' backing
printf ' %9s' "${readers[@]/%/ at once}"
echo
for what in 'stat' 'read' 'page' 'xattr'; do
	case $what in
	stat) text='stat, new view' ;;
	read) text='open, read, close, new view' ;;
	page) text='page of 4 KiB at random' ;;
	xattr) text='FUSE alone: answered from memory' ;;
	esac
	if [ "$what" = xattr ]; then
		printf '  %-32s %9s' "$text" '-'
	else
		printf '  %-32s %9.2f' "$text" "$(each "$what backing")"
	fi
	for threads in "${readers[@]}"; do
		printf ' %9.2f' "$(each "$what $threads")"
	done
	echo
done

want 7 'MiB/s through the mount, of the plain client' \
	"$(calculate 'a / b' a="${best[one_plain]}" b="${best[one_mount]}")" \
	least 0.7
want 7 'pages/s by 8 readers at once, of one alone' \
	"$(calculate 'a / b' a="$(each 'page 1')" b="$(each 'page 8')")" \
	least 1.5
want 7 'files/s by 8 readers at once, of one alone' \
	"$(calculate 'a / b' a="$(each 'read 1')" b="$(each 'read 8')")" \
	least 1.5
