/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nfs4 - the volume backend for NFSv4.1: what its files share.
 *
 *   nfs4.c         opening, dispatch, cancel, facts
 *   nfs4_path.c    from the server's root to the volume's
 *   nfs4_list.c    pages of directories
 *   nfs4_names.c   lookup, getattr, readlink, remove, rename, statfs
 *   nfs4_link.c    hard links
 *   nfs4_make.c    directories, symlinks, FIFOs, sockets; attributes
 *   nfs4_read.c    small files read whole, ranges of large ones
 *   nfs4_write.c   small files written whole
 *   nfs4_file.c    large files: open, write, commit, close
 *   nfs4_hold      files held open for reading
 *
 * Every verb is a batch (nfs/batch.h) whose items are `works`. A work stands
 * for an item of the volume call, or for a part of one (a range too large for
 * one request), and holds what the item's caller need not see: the stage it
 * is in, what it holds on the server. A verb with more than one stage draws
 * its stages at the head of its file; a decode that answers -ERESTART has set
 * the next one.
 *
 * Thread rule: a `struct v4` is shared by all threads; what changes in it is
 * atomic. A work belongs to the thread that encodes or decodes it.
 *
 * Only volume/nfs4*.c include this.
 */
#ifndef VOLUME_NFS4_H
#define VOLUME_NFS4_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/batch.h"
#include "volume/backend.h"

/* Bytes of arguments and results at the most, by which the batch packs. A
 * name takes four bytes of length and up to 256. */
#define V4_NAME_BYTES 260u
#define V4_OP_BYTES   192u /* any operation, without names and data */
#define V4_ATTR_BYTES 512u /* the result of a GETATTR */
#define V4_OPEN_BYTES 768u /* OPEN, its result included */

#define V4_DONE 1 /* see v4_verb.init */

struct hold;
struct hold_table;

struct efs;

struct v4 {
	struct volume volume; /* first, see backend.h */
	struct client *client;
	struct batch_memory *memory;
	struct hold_table *holds;
	struct handle *root;
	char *location;
	struct efs *efs;   /* how the server is reached */
	uint32_t name_max; /* 0: not told */
	uint32_t link_max;
	size_t read_max; /* bytes of one READ; SIZE_MAX: not told */
	size_t write_max;
	size_t read_part; /* a longer range is read in parts */
	size_t write_part;

	/* What the server was found not to do. */
	atomic_bool no_anonymous_read;
	atomic_bool no_anonymous_write;
	atomic_bool no_verify;
};

struct v4_verb;

/* The head of every work. */
struct v4_work {
	struct v4 *v;
	const struct v4_verb *verb;
	void *item;    /* of the volume call */
	int stage;     /* 0 at the start */
	int error;     /* the result to end with after cleaning up */
	unsigned part; /* which one of the item's */
	bool shared;   /* encoded without what the work before it sets up */
};

struct v4_verb {
	struct batch_kind kind; /* its items are works */
	size_t item_size;       /* of the volume's items */
	size_t result_at;       /* where such an item keeps its result */

	/* How many works an item becomes; NULL: one. */
	unsigned (*parts)(const struct v4 *v, const void *item);

	/* Checks the item and prepares work `part` of `parts`, zeroed but for
	 * its head; `items` is how many the call has. An error is the item's
	 * result, V4_DONE one of 0, and nothing of it is sent; done() is not
	 * called then. NULL: nothing to do. */
	int (*init)(struct v4_work *work, unsigned parts, size_t items);

	/* Makes one result out of the works of an item, after the last of them
	 * ended; NULL: the one work set it. */
	void (*merge)(struct v4_work *works, unsigned parts);

	/* Frees what a work holds, whatever became of it; NULL: nothing. */
	void (*done)(struct v4_work *work);
};

extern const struct v4_verb v4_list_verb;
extern const struct v4_verb v4_lookup_verb;
extern const struct v4_verb v4_getattr_verb;
extern const struct v4_verb v4_readlink_verb;
extern const struct v4_verb v4_read_whole_verb;
extern const struct v4_verb v4_write_whole_verb;
extern const struct v4_verb v4_make_verb;
extern const struct v4_verb v4_link_verb;
extern const struct v4_verb v4_setattr_verb;
extern const struct v4_verb v4_remove_verb;
extern const struct v4_verb v4_rename_verb;
extern const struct v4_verb v4_read_verb;
extern const struct v4_verb v4_open_verb;
extern const struct v4_verb v4_write_verb;
extern const struct v4_verb v4_commit_verb;
extern const struct v4_verb v4_close_verb;
extern const struct v4_verb v4_statfs_verb;

/* The parts of a verb's definition that are the same for all. */
#define V4_VERB(verb, work_type, item_type)                             \
	.kind.name = #verb, .kind.item_size = sizeof(struct work_type), \
	.kind.cost = verb##_cost, .kind.encode = verb##_encode,         \
	.kind.decode = verb##_decode, .kind.finish = v4_finish,         \
	.item_size = sizeof(struct item_type),                          \
	.result_at = offsetof(struct item_type, result)

/* --- nfs4.c */

/* batch_kind.finish of all verbs: the result goes into the item. */
void v4_finish(void *work, int result);

/*
 * Carries one work of `kind` and waits for it; its result is what `finish`
 * was told. For opening, before there are calls.
 */
int v4_run_one(struct v4 *v, const struct batch_kind *kind, void *work);

/* Bytes of data that one READ or one WRITE may carry now. */
size_t v4_read_room(const struct v4 *v);
size_t v4_write_room(const struct v4 *v);

/* True when both lie in the same directory, so that a second PUTFH of it can
 * be left out. */
bool v4_same_dir(const struct handle *a, const struct handle *b);

/* Replaces the handle in `*slot` by `handle`. */
void v4_set_handle(struct handle **slot, struct handle *handle);

/* Reads and forgets the two results of PUTFH and SAVEFH, unless `shared`. */
int v4_get_dir(struct reply *r, bool shared);

/* --- nfs4_path.c */

/*
 * Walks from the server's root along `path` and returns the handle and
 * attributes of the directory there. On failure a sentence in `error`.
 */
int v4_resolve(struct v4 *v, const char *path, struct handle **ret,
	       struct attr *ret_attr, char *error, size_t error_size);

/* --- nfs4_file.c */

/* What a file that was opened for reading is held by; NULL: by nothing. */
struct hold *v4_file_get_hold(const struct volume_file *file);

/* --- nfs4_make.c */

/*
 * Setting attributes takes one SETATTR, or two: changing the owner clears the
 * set-id bits of a file (chown(2)), and a server is free to apply one
 * SETATTR's mode before its owner. So set-id bits get a second one.
 */
unsigned v4_setattr_count(const struct attr_set *set);
void v4_setattr_encode(struct compound *c, const struct stateid *stateid,
		       const struct attr_set *set);
int v4_setattr_decode(struct reply *r, const struct attr_set *set);

#endif
