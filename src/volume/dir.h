/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dir - the volume backend for a local directory: what its files share.
 *
 *   dir.c         opening, dispatch, cancel, statfs
 *   dir_handle.c  what a handle holds; attributes; objects that moved
 *   dir_path.c    from a handle to an open directory, never leaving the tree
 *   dir_list.c    pages of a directory
 *   dir_attr.c    lookup, getattr, readlink, setattr
 *   dir_whole.c   small files, read and written whole
 *   dir_name.c    make, link, remove, rename
 *   dir_range.c   ranges of large files
 *
 * Thread rule: a `struct dir` is shared by all threads of a volume; a
 * `struct dir_walk` belongs to one call. No function here keeps a lock while
 * it calls the kernel, but for the two small tables that say so.
 *
 * Only volume/dir*.c include this.
 */
#ifndef VOLUME_DIR_H
#define VOLUME_DIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volume/backend.h"

struct statx;
struct dir_listing;

/*
 * Which object a handle means. The birth time stands for the generation that
 * the kernel does not show: an inode number is often used again at once.
 */
struct dir_identity {
	uint64_t dev; /* major << 32 | minor */
	uint64_t ino;
	int64_t birth_ns; /* 0 where the file system keeps none */
};

/*
 * A handle's bytes: an identity and where the object was last seen. The root
 * has the empty path. Packed, because the bytes of a `struct handle` are
 * aligned for 32 bits only: take no address of a member but path.
 */
struct dir_handle {
	struct dir_identity identity;
	uint32_t type; /* enum entry_type */
	char path[];   /* from the root, no slash at either end, with NUL */
} __attribute__((packed));

/* An object that VOLUME_RENAME moved; see dir_moves_note(). */
struct dir_move {
	struct dir_identity identity;
	struct handle *handle; /* where it is now */
};

#define DIR_MOVES    256 /* how many of them are remembered */
#define DIR_LISTINGS 32  /* directories kept open between two pages */

struct dir {
	struct volume volume; /* first, see backend.h */
	int root;             /* O_PATH */
	bool has_openat2;
	uint64_t verifier; /* what writes and commits answer */
	atomic_bool cancelled;
	atomic_uint_fast64_t requests;

	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	struct dir_move moves[DIR_MOVES];
	size_t next_move; /* the place to overwrite next */
	struct dir_listing *listings[DIR_LISTINGS];
	size_t next_listing;
};

/*
 * The directories one call has open, by path: the items of a call mostly lie
 * in the same few. A place is taken over when all are in use, the oldest
 * first, so that the last DIR_WALK_FDS directories asked for are open.
 */
#define DIR_WALK_FDS 16

struct dir_walk {
	struct dir *dir;
	struct {
		const char *path; /* in a handle, borrowed for the call */
		size_t len;
		int fd;     /* O_PATH */
		bool known; /* identity is read */
		struct dir_identity identity;
		uint64_t used; /* `clock` when last asked for */
	} places[DIR_WALK_FDS];
	size_t count;
	uint64_t clock;
	struct handle **kept; /* handles whose paths are borrowed above */
	size_t kept_count;
};

/* Where an object lies: name in the directory fd, or "" for fd itself. */
struct dir_place {
	int fd;
	const char *name;
	const struct dir_handle *handle; /* the one that led here */
};

/* --- dir_handle.c */

/* A handle for `name` in `parent`, or for the root (parent NULL). */
struct handle *dir_handle_new(const struct dir_handle *parent, const char *name,
			      const struct statx *st);
const struct dir_handle *dir_handle_of(const struct handle *handle);

enum entry_type dir_type_of(const struct statx *st);

struct dir_identity dir_identity_of(const struct statx *st);
bool dir_identity_equal(struct dir_identity a, struct dir_identity b);
void dir_attr_of(const struct statx *st, struct attr *ret);

/* statx() of `name` in `fd`, of `fd` itself when name is "". */
int dir_stat(int fd, const char *name, struct statx *ret);

/*
 * Handles hold paths, yet a handle must outlive a rename: a large file is
 * renamed when it is whole, and read again under its handle to verify it.
 * The last DIR_MOVES objects renamed through this volume are therefore
 * remembered. What lies below a renamed directory is not.
 */
void dir_moves_note(struct dir *d, const struct dir_handle *to_dir,
		    const char *to_name, const struct statx *st);
/* A copy of the moved object's handle, or NULL. */
struct handle *dir_moves_find(struct dir *d, struct dir_identity identity);
void dir_moves_free(struct dir *d);

/* --- dir_path.c */

/*
 * Opens `path[0..len)` below `root` with O_PATH | O_DIRECTORY. -ESTALE when a
 * component is gone, is no directory or is a symlink.
 */
int dir_path_open(int root, bool has_openat2, const char *path, size_t len,
		  int *ret_fd);
bool dir_path_has_openat2(int root);

void dir_walk_init(struct dir_walk *w, struct dir *d);
void dir_walk_done(struct dir_walk *w);

/* The open directory of `handle`, an O_PATH fd borrowed from `w`, and the
 * handle to derive its children's from. -ENOTDIR, -ESTALE. */
int dir_walk_dir(struct dir_walk *w, const struct handle *handle, int *ret_fd,
		 const struct dir_handle **ret_handle);

/* Finds the object of `handle` and reads its attributes. -ESTALE when it is
 * not there any more. */
int dir_walk_find(struct dir_walk *w, const struct handle *handle,
		  struct dir_place *ret_place, struct statx *ret_st);

/*
 * Opens what dir_walk_find() found with open(2) `flags`. Without O_PATH it
 * must be a regular file, else -EISDIR or -EINVAL, and nothing is opened.
 */
int dir_walk_open(struct dir_walk *w, const struct handle *handle, int flags,
		  int *ret_fd, struct statx *ret_st);

/* 0 for a regular file, else -EISDIR or -EINVAL. */
int dir_check_file(const struct statx *st);

/* --- The verbs: each sets the results of one item; write_whole of all. */

void dir_list(struct dir_walk *w, struct volume_list *item);
void dir_listings_free(struct dir *d);

void dir_lookup(struct dir_walk *w, struct volume_lookup *item);
void dir_getattr(struct dir_walk *w, struct volume_getattr *item);
void dir_readlink(struct dir_walk *w, struct volume_readlink *item);
void dir_setattr(struct dir_walk *w, struct volume_setattr *item);

/* Sets the attributes `set` (but no size) of the object open as `fd`, which
 * is of `type` and may be O_PATH: owner, mode, times. */
int dir_set(int fd, enum entry_type type, const struct attr_set *set);

/* The name of descriptor `fd` in /proc, which reaches what an O_PATH
 * descriptor stands for; returns `path`. */
#define DIR_PROC_FD 32
const char *dir_proc_fd(int fd, char path[DIR_PROC_FD]);

void dir_read_whole(struct dir_walk *w, struct volume_read_whole *item);
void dir_write_whole(struct dir_walk *w, struct volume_write_whole *items,
		     size_t count);

/* Writes all of `data`. */
int dir_write_all(int fd, const uint8_t *data, size_t len, uint64_t offset);

/* Reads until `len` bytes or the end of file. */
int dir_read_all(int fd, uint8_t *data, size_t len, uint64_t offset,
		 size_t *ret_len);

void dir_make(struct dir_walk *w, struct volume_make *item);
void dir_link(struct dir_walk *w, struct volume_link *item);
void dir_remove(struct dir_walk *w, struct volume_remove *item);
void dir_rename(struct dir_walk *w, struct volume_rename *item);

void dir_read(struct dir_walk *w, struct volume_read *item);
void dir_open_file(struct dir_walk *w, struct volume_open *item);
void dir_write(struct dir_walk *w, struct volume_write *item);
void dir_commit(struct dir_walk *w, struct volume_commit *item);
void dir_close(struct dir_walk *w, struct volume_close *item);

#endif
