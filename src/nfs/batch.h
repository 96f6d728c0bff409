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
 * Thread rule: start from any thread; encode runs on the starting thread or a
 * connection's, decode and done on a connection's. Compounds of one batch may
 * be decoded by several connections at once, items never.
 */
#ifndef NFS_BATCH_H
#define NFS_BATCH_H

#include "nfs/client.h"

struct batch_item_cost {
	unsigned ops;	       /* operations it needs at the most */
	size_t request_bytes;  /* encoded, data included, at the most */
	size_t response_bytes; /* at the most */
};

struct batch_kind {
	const char *name; /* for debugging */
	size_t item_size;

	struct batch_item_cost (*cost)(const void *item);

	/*
	 * Adds the item's operations. `previous` is the item before it in the
	 * same compound or NULL: operations it can share (PUTFH of the same
	 * directory) may be left out. `again`: it may have been executed, as
	 * a whole or in part, before.
	 */
	void (*encode)(struct compound *c, struct client *client, void *item,
		       const void *previous, bool again);

	/*
	 * Reads the item's results, sets what it returns, and returns its
	 * result: 0 or a negative errno straight from the reply_*() call that
	 * failed.
	 */
	int (*decode)(struct reply *r, void *item, const void *previous,
		      bool again);

	/* Stores the item's final result. */
	void (*finish)(void *item, int result);
};

struct batch_memory; /* what was learned of a server; one per client */

struct batch_memory *batch_memory_new(struct client *client);
struct batch_memory *batch_memory_free(struct batch_memory *m);

/*
 * Starts carrying `count` items at `items`; done(user) is called once when
 * all have their result. Returns 0 or -ENOMEM (then done is not called and
 * nothing was sent).
 */
int batch_start(struct batch_memory *memory, const struct batch_kind *kind,
		void *items, size_t count, void (*done)(void *user),
		void *user);

#endif
