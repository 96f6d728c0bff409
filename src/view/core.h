/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core - the view from the inside: what its operations share. Only files of
 * view/ include this.
 *
 *   view.c      makes and frees all of it; the table of operations
 *   options.c   -o
 *   mountpoint.c  where a view may be mounted
 *   serve       the FUSE session: mount, threads, unmount
 *   greeting    its first request
 *   origin      the rule of origin, pure
 *   node        what the kernel knows
 *   request     an operation that is answered later
 *   health      whether a side answers
 *   readers     of the manifest
 *   core.c      what they share
 *   resolve     a name on both sides
 *   names.c     lookup, forget, getattr, readlink, xattrs, statfs
 *   refuse.c    everything that would write: EROFS
 *   merge       a directory's two listings as one
 *   roster      entries of a directory by number
 *   lister      a directory's listing, produced while it is read
 *   listing     opendir, readdir, readdirplus, releasedir
 *   workers     threads for what takes time
 *   file.c      open, read, release
 *   readahead   what an open file reads before it is asked
 *   notify      the kernel's caches follow the engine
 *   dotsync     the .sync tree: nodes, operations
 *   render*     the texts in it
 *   dashboard   the page in it
 *
 * Threads: the session's (they read requests and start calls, and never wait
 * for the network), the backends' (they answer), the timer (soft timeouts,
 * sides that stopped answering), the notifier (invalidations).
 */
#ifndef VIEW_CORE_H
#define VIEW_CORE_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sync/side.h"
#include "view/readahead.h"
#include "view/view.h"

struct attr;
struct dotsync;
struct files;
struct health;
struct listings;
struct manifest_reader;
struct node;
struct node_table;
struct notify;
struct resolved;
struct serve;
struct volume;
struct volume_call;

struct view {
	struct view_setup setup; /* its strings and objects are borrowed */
	struct node_table *nodes;
	struct health *health;
	struct notify *notify;
	struct dotsync *dotsync;
	struct serve *serve;
	struct fuse_session *session; /* its */
	struct listings *listings;    /* open directories */
	struct readers *readers;   /* of the manifest, for whoever needs one */
	struct requests *requests; /* those that wait, for timer and end */
	struct files *files;
	struct readahead_pool readahead;
	bool ended;          /* nothing is mounted or under way any more */
	uint64_t generation; /* tells this mount's node ids from others' */
};

/* A reader of the manifest for the calling thread's short use; NULL: none to
 * be had (then there is no row). Given back with view_put_reader(). */
struct manifest_reader *view_get_reader(struct view *v);
void view_put_reader(struct view *v, struct manifest_reader *r);

/* The manifest's id of a directory node: 0 when it has none. */
uint64_t view_manifest_id(struct view *v, struct manifest_reader *r,
			  struct node *directory);

/* volume_start() on one side, seen by view/health. */
void view_start(struct view *v, enum side side, struct volume_call *call);

/* The kernel's stat of what was resolved. */
void view_fill_stat(const struct view *v, const struct attr *a, uint64_t inode,
		    struct stat *ret);

/* The operations, by file; see the libfuse documentation for each. */

/* names.c */
void names_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void names_forget_multi(fuse_req_t req, size_t count,
			struct fuse_forget_data *forgets);
void names_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void names_readlink(fuse_req_t req, fuse_ino_t ino);
void names_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		    size_t size);
void names_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void names_statfs(fuse_req_t req, fuse_ino_t ino);

/* listing.c */
void listing_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void listing_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi);
void listing_read_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi);
void listing_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* file.c: first the open files of a view. files_free() closes those that are
 * open still, when nothing else is under way, by calls that health_drain()
 * waits for. */
int files_new(struct files **ret);
struct files *files_free(struct files *files);
void file_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void file_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi);
void file_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

#endif
