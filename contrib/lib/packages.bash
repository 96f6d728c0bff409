# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What contrib/check and contrib/demo/run need, and how to install it with the
# package manager of Debian, Ubuntu, Fedora or Amazon Linux.

# One need a line: who needs it, how to tell that it is there, and its package
# on Debian and on Fedora. `command` looks in PATH, `module` asks pkg-config,
# `file` looks for one of some paths.
packages_table='
build   command  gcc           build-essential  gcc
build   command  make          build-essential  make
build   command  autoconf      autoconf         autoconf
build   command  automake      automake         automake
build   command  pkg-config    pkg-config       pkgconf-pkg-config
build   module   libxxhash     libxxhash-dev    xxhash-devel
build   module   sqlite3       libsqlite3-dev   sqlite-devel
build   module   fuse3         libfuse3-dev     fuse3-devel
build   module   jansson       libjansson-dev   jansson-devel
build   module   inih          libinih-dev      inih-devel
build   module   libcrypto     libssl-dev       openssl-devel
build   module   libcurl       libcurl4-openssl-dev libcurl-devel
build   module   libnfs        libnfs-dev       libnfs-devel
servers command  ganesha.nfsd  nfs-ganesha      nfs-ganesha
servers file     /usr/lib/*/ganesha/libfsalvfs.so|/usr/lib64/ganesha/libfsalvfs.so nfs-ganesha-vfs nfs-ganesha-vfs
servers file     /usr/sbin/rpcbind|/usr/bin/rpcbind rpcbind rpcbind
mount   command  fusermount3   fuse3            fuse3
mount   command  getfattr      attr             attr
trees   command  python3       python3          python3
trees   command  rsync         rsync            rsync
check   module   cmocka        libcmocka-dev    libcmocka-devel
check   command  bats          bats             bats
check   file     /usr/bin/chromium|/usr/bin/chromium-browser chromium chromium
check   command  clang         clang            clang
check   command  clang-format  clang-format     clang-tools-extra
check   file     /usr/sbin/cron|/usr/sbin/crond cron cronie
check   command  jq            jq               jq
check   file     /usr/sbin/mkfs.ext4|/sbin/mkfs.ext4 e2fsprogs e2fsprogs
check   command  ip            iproute2         iproute
check   command  npm           npm              npm
check   command  openssl       openssl          openssl
check   command  mandoc        mandoc           mandoc
check   command  promtool      prometheus       golang-github-prometheus
check   command  ps            procps           procps-ng
check   command  shellcheck    shellcheck       ShellCheck
check   command  sqlite3       sqlite3          sqlite
check   command  systemd-analyze systemd        systemd
check   file     /usr/bin/time time             time
'

# packages_have KIND WHAT
packages_have() {
	local path
	case $1 in
	command) command -v "$2" >/dev/null ;;
	module) pkg-config --exists "$2" 2>/dev/null ;;
	file)
		for path in ${2//|/ }; do
			[ -e "$path" ] && return
		done
		return 1
		;;
	esac
}

# packages_missing GROUP...: the names of the missing packages, one a line.
packages_missing() {
	local group kind what debian fedora
	while read -r group kind what debian fedora; do
		[[ " $* " == *" $group "* ]] || continue
		packages_have "$kind" "$what" && continue
		if command -v apt-get >/dev/null; then
			echo "$debian"
		else
			echo "$fedora"
		fi
	done <<<"$packages_table" | sort -u
}

# packages_mtab: nfs-ganesha finds file systems through /etc/mtab, which a
# minimal image lacks; elsewhere it is this same link.
packages_mtab() {
	[ -e /etc/mtab ] && return
	echo 'Making the link /etc/mtab, which nfs-ganesha reads'
	ln -s ../proc/self/mounts /etc/mtab
}

# packages_install GROUP...: installs what is missing, if anything is.
packages_install() {
	local missing command log
	if [[ " $* " == *" servers "* ]]; then
		packages_mtab || return
	fi
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]})) || return 0

	if command -v apt-get >/dev/null; then
		command=(apt-get install -y --no-install-recommends)
	elif command -v dnf >/dev/null; then
		command=(dnf install -y)
	else
		echo "Neither apt-get nor dnf is here; please install:" \
			"${missing[*]}" >&2
		return 1
	fi
	command+=("${missing[@]}")
	if ((EUID)); then
		echo "Missing: ${missing[*]}. Run this as root, or first:" >&2
		echo "    sudo ${command[*]}" >&2
		return 1
	fi
	echo "Installing: ${missing[*]}"
	log=$(mktemp) || return
	{
		# Old lists may name packages that are no longer there.
		[ "${command[0]}" = dnf ] || apt-get update
		DEBIAN_FRONTEND=noninteractive "${command[@]}"
	} >"$log" 2>&1 </dev/null || {
		tail -n 40 "$log"
		echo "This failed: ${command[*]}" >&2
	}
	rm -f "$log"

	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]} == 0)) || {
		echo "Still missing: ${missing[*]}" >&2
		return 1
	}
}

# packages_install_npm NAME VERSION: installs a program that no distribution
# has from the npm registry, for all users, unless it is there.
packages_install_npm() {
	local log status=0
	command -v "$1" >/dev/null && return
	if ((EUID)); then
		echo "Missing: $1. Run this as root, or first:" >&2
		echo "    sudo npm install --global $1@$2" >&2
		return 1
	fi
	echo "Installing: $1"
	log=$(mktemp) || return
	if ! npm install --global --ignore-scripts --no-audit --no-fund \
		"$1@$2" >"$log" 2>&1 </dev/null || ! command -v "$1" >/dev/null; then
		tail -n 40 "$log"
		echo "npm could not install $1" >&2
		status=1
	fi
	rm -f "$log"
	return "$status"
}
