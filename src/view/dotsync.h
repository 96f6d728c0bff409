/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dotsync - the .sync tree: virtual files that tell how the task stands, and
 * one that takes commands. Documented in efsbridge-dotsync(5).
 *
 * Nothing here ever asks a side: all comes from the runner, the manifest and
 * the log file, so it answers at once whatever the servers do. The text of a
 * file is made when it is opened and stays what it was until it is closed; the
 * log is read from its file.
 *
 * The tree is reached by name in the root but not listed there (as .zfs and
 * .snapshot are), so that cp, diff and rsync of the root see the two sides
 * only.
 *
 * Thread rule: any thread.
 */
#ifndef VIEW_DOTSYNC_H
#define VIEW_DOTSYNC_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

struct dotsync;
struct view;

int dotsync_new(struct view *v, struct dotsync **ret);
struct dotsync *dotsync_free(struct dotsync *d);

/* Is this name in the root ours? */
bool dotsync_is_name(const struct view *v, const char *name);

/*
 * The operations on nodes with ids from NODE_VIRTUAL on (and the lookup of our
 * name in the root): each answers `req`, at once. What has no operation here
 * is refused as everywhere.
 */
void dotsync_lookup(struct view *v, fuse_req_t req, fuse_ino_t parent,
		    const char *name);
void dotsync_getattr(struct view *v, fuse_req_t req, fuse_ino_t ino);
/* Only what O_TRUNC of control needs: anything else is EROFS or EPERM. */
void dotsync_setattr(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct stat *attr, int to_set);
void dotsync_open(struct view *v, fuse_req_t req, fuse_ino_t ino,
		  struct fuse_file_info *fi);
void dotsync_read(struct view *v, fuse_req_t req, fuse_ino_t ino, size_t size,
		  off_t off, struct fuse_file_info *fi);
void dotsync_write(struct view *v, fuse_req_t req, fuse_ino_t ino,
		   const char *data, size_t size, off_t off,
		   struct fuse_file_info *fi);
void dotsync_release(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct fuse_file_info *fi);
void dotsync_opendir(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct fuse_file_info *fi);
/* For readdir and readdirplus both. */
void dotsync_readdir(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     size_t size, off_t off, struct fuse_file_info *fi,
		     bool plus);
void dotsync_releasedir(struct view *v, fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi);

#endif
