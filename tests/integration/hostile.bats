#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A server that lies, and trees that change into something else under a run:
# nothing is written, removed or read outside of the two trees. faults.bash
# tells of the lies; each is tried at every place, as there.

bats_require_minimum_version 1.5.0
load lib/common
load lib/faults

# Names that lead elsewhere, or nowhere.
lies=(dot dotdot empty slash root climb far nul)

setup_file() {
	load lib/common
	have_servers || return 0
	server_start source "$(nfs3_where_possible)"
	server_start destination
}

teardown_file() {
	load lib/common
	servers_stop
}

setup() {
	need_servers
}

teardown() {
	[ -z "${swapper:-}" ] || kill "$swapper" 2>/dev/null || true
}

# What lies around a tree: a file that may be neither changed nor removed, and
# a place where there is nothing else.
surround() {
	outside=$BATS_TEST_TMPDIR/outside
	mkdir -p "$outside/around"
	echo untouched >"$outside/around/witness"
	echo untouched >"$outside/witness"
}

nothing_has_escaped() {
	local found
	found=$(cd "$outside" && find . -mindepth 1 -path ./around/tree \
		-prune -o -print | LC_ALL=C sort | xargs)
	if [ "$found" != './around ./around/witness ./witness' ] ||
		[ "$(cat "$outside/witness" "$outside/around/witness" |
			sort -u)" != untouched ]; then
		echo "outside there is now: $found" >&2
		return 1
	fi
}

# lying SIDE FAULT [OPTION...]: the server of one side lies once, the other
# side is a directory deep in others. Sets $hits and $status.
lying() {
	local side=$1 other=source fault=$2 name
	shift 2
	[ "$side" != source ] || other=destination
	fresh_pair dir
	printf -v "${other}_dir" '%s' "$outside/around/tree"
	printf -v "$other" '%s' "$outside/around/tree"
	name=lying-$BATS_TEST_NUMBER-$pairs_made
	printf -v "${side}_dir" '%s' "$(server_export "$side")/$name"
	proxy_start lying "$side" --fault "$fault"
	printf -v "$side" '%s' \
		"$(server_url_by "${lie_protocol:-nfs4}" lying "$name" deadline=4)"
	rm -rf "$outside/around/tree"
	mkdir "$source_dir" "$destination_dir"
	cp -a "$BATS_TEST_TMPDIR/tree/." "$source_dir"
	cp -a "$BATS_TEST_TMPDIR/before/." "$destination_dir"
	status=0
	timeout 60 "$EFSBRIDGE" sync --quiet --state "$state" "$@" "$source" \
		"$destination" >"$output_file" 2>"$errors_file" || status=$?
	hits=$(stat_of "$(proxy_stats lying)" faults)
	((status <= 3))
	no_suspicious_words
	nothing_has_escaped
	# The truth sets all right.
	kill -HUP "$(server_pid lying)"
	run_sync 0 "$@"
	server_kill lying
	same_tree "$source_dir" "$destination_dir"
	nothing_has_escaped
}

# lies_everywhere SIDE [OPTION...]: each name for each entry.
lies_everywhere() {
	local lie n hits status
	for lie in "${lies[@]}"; do
		for ((n = 1; n < 100; n += step > 1 ? 6 : 1)); do
			lying "$1" "name:$lie:$n" "${@:2}"
			((hits > 0)) || break
			injected=$((injected + 1))
			((status == 0)) || failed_runs=$((failed_runs + 1))
		done
	done
}

# Whoever got here has survived; and some lies at least are told.
lies_end() {
	survived=$injected faults_end
	((failed_runs > 0))
}

@test "names that a source makes up lead nowhere" {
	faults_begin
	surround
	lies_everywhere source
	lies_end
}

@test "names that a source of NFSv3 or NFSv4.0 makes up lead nowhere" {
	local lie_protocol
	need_nfs3_servers
	faults_begin
	surround
	((step == 1)) || lies=(dotdot slash climb nul)
	# libnfs cuts a name at its NUL: what that leaves is a name as any.
	for lie_protocol in nfs3 nfs4.0; do
		lies_everywhere source --deleted=remove --max-delete=100%
	done
	lies_end
}

@test "names that a destination makes up remove nothing" {
	faults_begin
	surround
	mkdir "$BATS_TEST_TMPDIR/before/only"
	echo more >"$BATS_TEST_TMPDIR/before/only/here"
	echo more >"$BATS_TEST_TMPDIR/before/a/more"
	# What could be meant by it is there to be lost.
	echo untouched >"$(server_export destination)/escaped"
	lies_everywhere destination --deleted=remove --max-delete=100%
	[ "$(cat "$(server_export destination)/escaped")" = untouched ]
	lies_end
}

# --- Trees that change ----------------------------------------------------------

# swap DIR...: directories change places with links to the outside, again and
# again; $swapper is who does it.
swap() {
	python3 - "$outside" "$@" <<-'PYTHON' 3>&- 4>&- &
		import ctypes, itertools, os, sys, time

		libc = ctypes.CDLL(None, use_errno=True)
		outside, pairs = sys.argv[1], []
		for path in sys.argv[2:]:
		    aside = path + ".aside"
		    os.symlink(outside, aside)
		    pairs.append((path.encode(), aside.encode()))
		for a, b in itertools.cycle(pairs):
		    # renameat2(.., RENAME_EXCHANGE): there is always one of them.
		    if libc.renameat2(-100, a, -100, b, 2):
		        # The run may put its own there.
		        time.sleep(0.001)
		    time.sleep(0.0002)
	PYTHON
	swapper=$!
}

# end_swap DIR...: in the end they are directories, and there are no links. A
# destination may have got a directory where a link was.
end_swap() {
	local path
	kill "$swapper"
	wait "$swapper" || true
	swapper=
	for path; do
		if [ -L "$path" ]; then
			rm "$path"
			mv "$path.aside" "$path"
		else
			rm -rf "$path.aside"
		fi
	done
}

# swapped SIDE: a run while directories of that side come and go.
swapped() {
	local side_dir=${1}_dir i dirs=() names
	rm -rf "$outside"
	mkdir "$outside"
	echo secret >"$outside/secret"
	"$MKTREE" --seed 9 --uniform --dirs 12 --files 30 --size 2000 \
		"$source_dir"
	cp -a "$source_dir/." "$destination_dir"
	find "$destination_dir" -type f -delete
	mapfile -t dirs < <(find "${!side_dir}" -mindepth 1 -maxdepth 1 \
		-type d | LC_ALL=C sort)
	((${#dirs[@]} > 3))
	# What a link could have led to.
	for i in "${dirs[@]}"; do
		names=("$source_dir/${i##*/}"/*)
		echo secret >"$outside/${names[0]##*/}"
	done
	cp -a "$outside" "$outside.before"
	swap "${dirs[@]}"
	for ((i = 0; i < (step > 1 ? 3 : 50); i++)); do
		start_sync
		wait_for 60 sync_is_gone
		wait "$sync_pid" || [ $? = 1 ]
		no_suspicious_words
		# All of it anew.
		find "$destination_dir" -type f -delete 2>/dev/null || true
	done
	end_swap "${dirs[@]}"
	same_tree "$outside.before" "$outside"
	! grep -rql '^secret$' "$destination_dir" || return 1
	rm -rf "$outside.before"
	run_sync 0 --deleted=remove --max-delete=100%
	same_tree "$source_dir" "$destination_dir"
	no_temp_names "$destination_dir"
}

swapped_source() { swapped source; }
swapped_destination() { swapped destination; }

@test "a source whose directories become links is read nowhere else" {
	outside=$BATS_TEST_TMPDIR/outside
	on_each_pair swapped_source
}

@test "a destination whose directories become links is written nowhere else" {
	outside=$BATS_TEST_TMPDIR/outside
	on_each_pair swapped_destination
}
