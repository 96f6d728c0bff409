/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * batch - carries a vector of items in as few compounds as the server takes.
 *
 * The batch packs items into compounds up to the session's limits, has up to
 * all of them in flight at once, and reads each reply item by item. A
 * compound stops at its first failing operation: the items before it are
 * done, the one that failed has its result, and those behind it go into the
 * next compound. An item that met DELAY or GRACE is sent again after a
 * back-off (from 10 ms doubling to 5 s, until the deadline: -ETIMEDOUT); a
 * compound that was too large for the server is cut in half, and what was
 * learned is remembered for all batches of the client.
 *
 * An item may need several rounds: its decode answers -ERESTART, and its
 * encode, which knows from the item's own fields how far it got, adds the
 * operations of the next round.
 *
 * Thread rule: start from any thread; encode runs on the starting thread or a
 * connection's, decode, finish and done on a connection's. Compounds of one
 * batch may be decoded by several connections at once, items never.
 */
#ifndef NFS_BATCH_H
#define NFS_BATCH_H

#include "nfs/client.h"

struct batch_item_cost {
	unsigned ops;          /* operations it needs at the most */
	size_t request_bytes;  /* encoded, data included, at the most */
	size_t response_bytes; /* at the most */
};

struct batch_kind {
	const char *name; /* for debugging */
	size_t item_size;

	/* What encode() would add behind `previous` (or NULL). */
	struct batch_item_cost (*cost)(const void *item, const void *previous);

	/*
	 * Adds the item's operations, at least one. `previous` is the item
	 * before it in the same compound or NULL: operations it can share
	 * (PUTFH of the same directory) may be left out. `again`: it may have
	 * been executed, as a whole or in part, before.
	 */
	void (*encode)(struct compound *c, struct client *client, void *item,
		       const void *previous, bool again);

	/*
	 * Reads the item's results, sets what it returns, and returns its
	 * result: 0, a negative errno (what a reply_*() call said is returned
	 * at once when batch_is_passing()), or -ERESTART for one more round.
	 * Unless an operation failed, all of the item's results are read.
	 * May run more than once for an item; what an earlier round left in
	 * the item is its own to replace.
	 */
	int (*decode)(struct reply *r, void *item, const void *previous,
		      bool again);

	/* Stores the item's final result. */
	void (*finish)(void *item, int result);
};

/*
 * True when what failed last in `r` is no result but a matter between the
 * batch and the server (come back later, send less): the batch will send the
 * item again.
 */
bool batch_is_passing(const struct reply *r);

struct batch_memory; /* what was learned of a server; one per client */

/* `deadline_s` bounds how long DELAY is put up with, 0: the default; so does
 * the client's patience. */
struct batch_memory *batch_memory_new(struct client *client,
				      unsigned deadline_s);
struct batch_memory *batch_memory_free(struct batch_memory *m);

/* No compound carries more items than this, however few they are; 0: as many
 * as there is room for. Before the first batch. */
void batch_memory_set_items(struct batch_memory *m, size_t items);

/*
 * What one compound holds now: operations beside SEQUENCE, bytes of encoded
 * operations, bytes of their results. It may shrink, never grow, as the server
 * is learned to know.
 */
struct batch_item_cost batch_get_room(const struct batch_memory *m);

/*
 * Starts carrying `count` items at `items`; done(user) is called once when
 * all have their result. Returns 0 or -ENOMEM (then done is not called and
 * nothing was sent).
 */
int batch_start(struct batch_memory *memory, const struct batch_kind *kind,
		void *items, size_t count, void (*done)(void *user),
		void *user);

#endif
