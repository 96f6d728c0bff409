/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes. They are set through an O_PATH descriptor, which fits every
 * kind of entry without opening it: a FIFO or a socket is never opened. What
 * the kernel does not offer for O_PATH itself goes through the descriptor's
 * link in /proc, which leads to the object and nowhere else.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#ifndef SYS_fchmodat2
#	define SYS_fchmodat2 452 /* Linux 6.6, the same number everywhere */
#endif

void dir_lookup(struct dir_walk *w, struct volume_lookup *item)
{
	const struct dir_handle *dir;
	struct statx st;
	int fd;

	item->result = volume_check_name(item->name);
	if (!item->result)
		item->result = dir_walk_dir(w, item->dir, &fd, &dir);
	if (!item->result)
		item->result = dir_stat(fd, item->name, &st);
	if (item->result)
		return;
	item->ret_handle = dir_handle_new(dir, item->name, &st);
	if (!item->ret_handle) {
		item->result = -ENOMEM;
		return;
	}
	dir_attr_of(&st, &item->ret_attr);
}

void dir_getattr(struct dir_walk *w, struct volume_getattr *item)
{
	struct dir_place place;
	struct statx st;

	item->result = dir_walk_find(w, item->handle, &place, &st);
	if (!item->result)
		dir_attr_of(&st, &item->ret_attr);
}

void dir_readlink(struct dir_walk *w, struct volume_readlink *item)
{
	CLEANUP_CLOSE int fd = -1;
	char target[PATH_MAX];
	struct statx st;
	ssize_t n;

	item->result = dir_walk_open(w, item->handle, O_PATH, &fd, &st);
	if (item->result)
		return;
	n = S_ISLNK(st.stx_mode) ? readlinkat(fd, "", target, sizeof(target))
				 : (errno = EINVAL, -1);
	if (n < 0) {
		item->result = -errno;
		return;
	}
	item->ret_target = strndup(target, (size_t)n);
	if (!item->ret_target) {
		item->result = -ENOMEM;
		return;
	}
	dir_attr_of(&st, &item->ret_attr);
}

/* --- Setting ------------------------------------------------------------- */

const char *dir_proc_fd(int fd, char path[DIR_PROC_FD])
{
	snprintf(path, DIR_PROC_FD, "/proc/self/fd/%d", fd);
	return path;
}

static int set_owner(int fd, const struct attr_set *set)
{
	uid_t uid = set->which & ATTR_SET_UID ? set->uid : (uid_t)-1;
	gid_t gid = set->which & ATTR_SET_GID ? set->gid : (gid_t)-1;

	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) ? -errno : 0;
}

static int set_mode(int fd, mode_t mode)
{
	char path[DIR_PROC_FD];

	if (!fchmod(fd, mode))
		return 0;
	if (errno != EBADF)
		return -errno;
	/* An O_PATH descriptor; without /proc a new kernel still helps. */
	if (!chmod(dir_proc_fd(fd, path), mode))
		return 0;
	if (errno == ENOENT &&
	    !syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH))
		return 0;
	return -errno;
}

static int set_times(int fd, const struct attr_set *set)
{
	struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT},
	    {.tv_nsec = UTIME_OMIT},
	};
	char path[DIR_PROC_FD];

	if (set->which & ATTR_SET_ATIME)
		times[0] = clock_split_ns(set->atime_ns);
	if (set->which & ATTR_SET_MTIME)
		times[1] = clock_split_ns(set->mtime_ns);
	if (!utimensat(fd, "", times, AT_EMPTY_PATH))
		return 0;
	/* Linux before 5.8 knows no AT_EMPTY_PATH here. */
	if (errno == EINVAL &&
	    !utimensat(AT_FDCWD, dir_proc_fd(fd, path), times, 0))
		return 0;
	return -errno;
}

int dir_set(int fd, enum entry_type type, const struct attr_set *set)
{
	int result = 0;

	if (set->which & ATTR_SET_OWNER)
		result = set_owner(fd, set);
	if (!result && set->which & ATTR_SET_MODE && type != ENTRY_SYMLINK)
		result = set_mode(fd, set->mode & 07777);
	if (!result && set->which & ATTR_SET_TIMES)
		result = set_times(fd, set);
	return result;
}

/* Cuts or extends the file. First of all, for a new owner or mode could
 * forbid it, and it changes the times. */
static int set_size(struct dir_walk *w, const struct handle *handle,
		    uint64_t size)
{
	CLEANUP_CLOSE int fd = -1;
	struct statx st;
	int result;

	if (size > INT64_MAX)
		return -EFBIG;
	result = dir_walk_open(w, handle, O_WRONLY, &fd, &st);
	if (result)
		return result;
	return ftruncate(fd, (off_t)size) ? -errno : 0;
}

void dir_setattr(struct dir_walk *w, struct volume_setattr *item)
{
	CLEANUP_CLOSE int fd = -1;
	struct statx st;
	int result = 0;

	if (item->set.which & ATTR_SET_SIZE)
		result = set_size(w, item->handle, item->set.size);
	if (!result)
		result = dir_walk_open(w, item->handle, O_PATH, &fd, &st);
	if (!result)
		result = dir_set(fd, dir_type_of(&st), &item->set);
	if (!result)
		result = dir_stat(fd, "", &st);
	if (!result)
		dir_attr_of(&st, &item->ret_attr);
	item->result = result;
}
