/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lister - one snapshot of a merged directory, produced while it is read: asks
 * both sides for their pages at the same time, some of them ahead; lets a
 * merge (view/merge.h) make one listing of them; keeps that in a roster
 * (view/roster.h). It stays a bounded number of entries ahead of the reader:
 * then no more pages are asked for until the reader comes nearer.
 *
 * When a side says that the directory is not there (ENOENT, ENOTDIR, ESTALE)
 * its handles are found again. What was produced stays; if nothing was, it
 * begins anew. Any other error of a side is the snapshot's: it ends there, and
 * the reader gets the error instead of a listing that lacks one side.
 *
 * Merging asks SQLite, about every entry and for what does not fit in memory;
 * so it is done by the workers, not by the threads that bring the pages.
 *
 * Thread rule: all functions from any thread. One worker at a time is at work
 * on a lister. Callbacks are called without a lock held.
 */
#ifndef VIEW_LISTER_H
#define VIEW_LISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/handle.h"
#include "sync/side.h"

struct block;
struct lister;
struct manifest_reader;
struct volume_call;
struct workers;

/* Entries that it keeps ahead of the reader. */
#define LISTER_AHEAD 4096

struct lister_setup {
	const char *spill_directory; /* borrowed, as all pointers here */
	struct workers *workers;
	bool removes_deleted; /* see origin_facts */

	/* volume_start() on one side. */
	void (*start)(void *user, enum side side, struct volume_call *call);

	/* A reader of the manifest for a short time, and the directory's id;
	 * NULL or 0: no rows. Given back with put_reader(). */
	struct manifest_reader *(*get_reader)(void *user, uint64_t *ret_id);
	void (*put_reader)(void *user, struct manifest_reader *reader);

	bool (*is_hidden)(void *user, const char *name);

	/* Looks for the directory's handles; ends in lister_found(). */
	void (*find)(void *user, struct lister *l);

	/* There are more entries, or it ended. */
	void (*changed)(void *user);

	/* The lister is gone and calls nothing any more. */
	void (*gone)(void *user);
	void *user;
};

/*
 * Begins. Entries 1 and 2 are "." and ".." with these inode numbers, and no
 * attributes. `handle[]` are taken over; NULL: that side has no such
 * directory. With `must_find` they may be wrong and are found first. On
 * failure gone() is not called.
 */
int lister_new(const struct lister_setup *setup, uint64_t inode,
	       uint64_t parent_inode, struct handle *handle[SIDES],
	       bool must_find, struct lister **ret);

/* Nobody reads it any more: it ends once what is under way has ended. */
struct lister *lister_abandon(struct lister *l);

/* What find() came to: 0 and the handles (taken over), or why there are none.
 */
void lister_found(struct lister *l, int result, struct handle *handle[SIDES]);

/*
 * The reader is at entry `number`. 1: `ret` is the block that has it, the
 * caller's; 0: it is behind the last; -EAGAIN: it is not there yet, changed()
 * will tell; else why the listing ended before it.
 */
int lister_get(struct lister *l, uint64_t number, struct block **ret);

/* For as long as lister_get() is under way. NULL is let through by drop. */
struct lister *lister_hold(struct lister *l);
struct lister *lister_drop(struct lister *l);

#endif
