/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file "queue" of the state directory has no content. A process in line
 * holds a lock on one byte of it: byte n is the n-th place. It is first when
 * no byte before its own is locked. Who comes locks the byte behind the last
 * locked one, and so that no two find the same, holds byte 0 meanwhile.
 *
 * The locks are those of an open file (F_OFD_SETLK), which the kernel takes
 * back when the process ends, however it does: nobody waits for the dead, and
 * nothing is left to be tidied up. When the line is empty places begin with 1
 * again.
 */
#include "sync/waitline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_line(const char *directory, int flags)
{
	CLEANUP_FREE char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/queue", directory) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

static struct flock bytes(short type, int64_t from, int64_t count)
{
	return (struct flock){.l_type = type,
			      .l_whence = SEEK_SET,
			      .l_start = from,
			      .l_len = count};
}

static int control(int fd, int command, struct flock *lock)
{
	int r;

	do
		r = fcntl(fd, command, lock);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Somebody else's lock among `count` bytes from `from`, 0 for all: 1 and the
 * byte behind it, 0, or a negative errno. */
static int find_other(int fd, int64_t from, int64_t count, int64_t *ret_behind)
{
	struct flock lock = bytes(F_WRLCK, from, count);
	int r = control(fd, F_OFD_GETLK, &lock);

	if (r < 0 || lock.l_type == F_UNLCK)
		return r;
	*ret_behind = lock.l_start + lock.l_len;
	return 1;
}

/* The place behind all, with byte 0 held. */
static int take_place(struct waitline *w)
{
	struct flock lock;
	int64_t place = 1;
	int r;

	while ((r = find_other(w->fd, place, 0, &place)) > 0)
		;
	if (r < 0)
		return r;
	lock = bytes(F_WRLCK, place, 1);
	r = control(w->fd, F_OFD_SETLK, &lock);
	w->place = place;
	return r;
}

int waitline_enter(struct waitline *w, const char *directory)
{
	struct flock door = bytes(F_WRLCK, 0, 1);
	int r = open_line(directory, O_RDWR | O_CREAT);

	if (r < 0)
		return r;
	w->fd = r;
	r = control(w->fd, F_OFD_SETLKW, &door);
	if (r == 0)
		r = take_place(w);
	door.l_type = F_UNLCK;
	control(w->fd, F_OFD_SETLK, &door);
	if (r < 0)
		waitline_leave(w);
	return r;
}

bool waitline_is_first(const struct waitline *w)
{
	int64_t behind;

	/* A lock that cannot be asked for keeps nobody. */
	return w->place <= 1 ||
	       find_other(w->fd, 1, w->place - 1, &behind) <= 0;
}

void waitline_leave(struct waitline *w)
{
	if (w->fd >= 0)
		close(w->fd);
	*w = WAITLINE_NONE;
}

bool waitline_is_there(const char *directory)
{
	CLEANUP_CLOSE int fd = open_line(directory, O_RDWR);
	int64_t behind;

	return fd >= 0 && find_other(fd, 1, 0, &behind) > 0;
}
