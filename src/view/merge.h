/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * merge - the listings of a directory's two sides become one: each name once,
 * judged by the rule of origin.
 *
 * It is given pages as they come and gives entries; it knows neither network
 * nor kernel. The destination's listing is held in a join (in memory up to a
 * bound, beyond it in a spill), the source's streams past it; at the end come
 * the names that only the destination has. With one side there is nothing to
 * hold.
 *
 * Temporary names of the engine are left out.
 *
 * Thread rule: one thread at a time.
 */
#ifndef VIEW_MERGE_H
#define VIEW_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/side.h"

struct manifest_reader;
struct merge;
struct volume_list;

/* An entry of the merged directory. Pointers live during the call. */
struct merged {
	const char *name;
	/* Without attributes (a side did not tell them) all below is 0, but
	 * for listed_ns: the name is there, what it is has to be looked up. */
	bool has_attr;
	uint64_t inode; /* st_ino */
	struct attr attr;
	const struct handle *handle[SIDES]; /* directories only */
	int64_t listed_ns; /* clock_now_ns(): as old as this it may be */
};

struct merge_setup {
	const char *spill_directory; /* borrowed */
	bool present[SIDES];         /* one at least */
	bool removes_deleted;        /* see origin_facts */
	/* Is this name not to be shown? NULL: all are. */
	bool (*is_hidden)(void *user, const char *name);
	/* Takes an entry: 0 to go on, 1 to pause behind it, or an error, that
	 * of merge_run(). */
	int (*emit)(void *user, const struct merged *entry);
	void *user;
};

int merge_new(const struct merge_setup *setup, struct merge **ret);
struct merge *merge_free(struct merge *m);

/* True when it cannot go on without the next page of this side. */
bool merge_needs(const struct merge *m, enum side side);

/* Takes the entries of a page without error, asked for at `asked_ns`, of a
 * side that merge_needs() named. */
void merge_give(struct merge *m, enum side side, struct volume_list *page,
		int64_t asked_ns);

/*
 * Goes on. `reader` and `directory` are where rows are found (NULL or 0:
 * nowhere). 1: paused; 0: it needs a page, or all is done; or a negative
 * errno, for good.
 */
int merge_run(struct merge *m, struct manifest_reader *reader,
	      uint64_t directory);

bool merge_is_done(const struct merge *m);

#endif
