/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serve - the FUSE session of a view: its mount, the threads that take the
 * kernel's requests, its unmount.
 *
 * Thread rule: serve_stop() from any thread; the rest from one.
 */
#ifndef VIEW_SERVE_H
#define VIEW_SERVE_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>

struct serve;
struct view_setup;

/* `setup` is borrowed for the life of it; `user` is what operations find by
 * fuse_req_userdata(). */
int serve_new(const struct view_setup *setup,
	      const struct fuse_lowlevel_ops *ops, void *user,
	      struct serve **ret);

struct fuse_session *serve_get_session(struct serve *s);

/* Capabilities and limits: for the operation `init`. */
void serve_init(const struct view_setup *setup, struct fuse_conn_info *conn);

/* Mounts it. -EIO with a sentence; libfuse gives no errno. */
int serve_mount(struct serve *s, char *error, size_t error_size);

/*
 * Begins to serve, calls setup->ready once the mount has answered, and returns
 * when it was unmounted or stopped; requests are still taken then. `ret_gone`:
 * the kernel ended it. Negative errno when it could not serve.
 */
int serve_wait(struct serve *s, bool *ret_gone);

void serve_stop(struct serve *s);

/* No request is taken any more. */
void serve_end(struct serve *s);

/* Unmounts, after which no request may be answered any more. Then the
 * thread that looks whether it answers has ended, too. */
void serve_unmount(struct serve *s);

/* Unmounts if need be. */
struct serve *serve_free(struct serve *s);

#endif
