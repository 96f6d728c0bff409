/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An open file holds its text; the log is read from its file, by its name each
 * time, so that whoever follows it goes on with the new one after a rotation
 * (which looks like a truncation, and tail(1) knows those).
 *
 * All bypass the kernel's cache (direct I/O): a text may be longer or shorter
 * than the one that stat(2) spoke of, and is read to its end all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "view/core.h"
#include "view/dotsync_internal.h"

/* Only root and who mounted may write, whatever the kernel was told to check.
 */
static int may_open(const struct dotsync *d, struct dotsync_node n, int flags,
		    uid_t uid)
{
	if (S_ISDIR(dotsync_entries[n.kind].mode))
		return -EISDIR;
	if (n.kind == DOTSYNC_CONTROL)
		return uid == 0 || uid == d->uid ? 0 : -EACCES;
	return (flags & O_ACCMODE) == O_RDONLY ? 0 : -EROFS;
}

/*
 * What was opened, held once more; NULL for the log. The pointer went through
 * the kernel from the thread that opened to this one, which no compiler and no
 * sanitizer knows; the lock, taken at the opening too, orders the two for them,
 * and the reference a read and the release that follows.
 */
static struct dotsync_text *hold_text(struct dotsync *d,
				      const struct fuse_file_info *fi)
{
	struct dotsync_text *t = (struct dotsync_text *)(uintptr_t)fi->fh;

	pthread_mutex_lock(&d->lock);
	if (t)
		atomic_fetch_add(&t->references, 1);
	pthread_mutex_unlock(&d->lock);
	return t;
}

void dotsync_open(struct view *v, fuse_req_t req, fuse_ino_t ino,
		  struct fuse_file_info *fi)
{
	struct dotsync_text *t = NULL;
	struct dotsync_node n;
	int r = -ESTALE;

	if (dotsync_node_of(ino, &n))
		r = may_open(v->dotsync, n, fi->flags, fuse_req_ctx(req)->uid);
	if (r == 0 && n.kind != DOTSYNC_LOG)
		r = dotsync_text_get(v->dotsync, n, &t);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = (uintptr_t)t;
	fi->direct_io = 1;
	/* When the user gave up meanwhile, nobody will release it. */
	if (fuse_reply_open(req, fi) == -ENOENT)
		dotsync_text_drop(t);
}

static void read_log(struct view *v, fuse_req_t req, size_t size, off_t off)
{
	const char *path = v->setup.log_path;
	CLEANUP_CLOSE int fd =
	    path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	CLEANUP_FREE char *data = calloc(1, size ? size : 1);
	ssize_t n = 0;

	if (!data) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (fd >= 0)
		n = pread(fd, data, size, off);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, data, (size_t)n);
}

void dotsync_read(struct view *v, fuse_req_t req, fuse_ino_t ino, size_t size,
		  off_t off, struct fuse_file_info *fi)
{
	struct dotsync_text *t = hold_text(v->dotsync, fi);

	(void)ino;
	if (!t) {
		read_log(v, req, size, off);
	} else if (off < 0 || (uint64_t)off >= t->size) {
		fuse_reply_buf(req, NULL, 0);
	} else {
		if (size > t->size - (size_t)off)
			size = t->size - (size_t)off;
		fuse_reply_buf(req, t->data + off, size);
	}
	dotsync_text_drop(t);
}

void dotsync_write(struct view *v, fuse_req_t req, fuse_ino_t ino,
		   const char *data, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	struct dotsync_node n;
	int r;

	(void)off;
	(void)fi;
	if (!dotsync_node_of(ino, &n) || n.kind != DOTSYNC_CONTROL) {
		fuse_reply_err(req, EROFS);
		return;
	}
	r = dotsync_obey(v, fuse_req_ctx(req)->uid, data, size);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_write(req, size);
}

void dotsync_release(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct fuse_file_info *fi)
{
	struct dotsync_text *t = hold_text(v->dotsync, fi);

	(void)ino;
	dotsync_text_drop(t); /* ours */
	dotsync_text_drop(t); /* the kernel's */
	fuse_reply_err(req, 0);
}
