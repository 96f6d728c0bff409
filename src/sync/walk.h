/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * walk - a tree that only one side has, depth first, page by page: what is
 * removed, or named as extra, below a directory.
 *
 * Memory holds one page for each level; a directory of millions is not held.
 *
 *	struct walk *w = walk_new(e, DESTINATION, handle, path);
 *
 *	while ((event = walk_next(w, &f)) > 0)
 *		..
 *	walk_free(w);
 *
 * Thread rule: a walk belongs to one thread; it waits for the volume.
 */
#ifndef SYNC_WALK_H
#define SYNC_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "sync/side.h"

struct engine;
struct handle;
struct volume_entry;
struct walk;

/* The directory that an event is about; lives until the next call. */
struct walk_place {
	const struct handle *dir;
	/* Of a page: all entries. Whoever takes an entry's handle out keeps the
	 * walk from entering that directory. */
	struct volume_entry *entries;
	size_t count;
	int error;  /* of a directory that is left: why it was not listed */
	bool *kept; /* the caller's: something in it stays */
	/* Of a directory that is left, and not the one it began with: */
	const struct handle *parent;
	const char *name;
	bool *parent_kept;
};

enum walk_event {
	WALK_END,   /* 0 */
	WALK_PAGE,  /* some entries; the directories are entered afterwards */
	WALK_LEAVE, /* all below a directory has been seen */
};

/* From the directory `handle`, whose path from the root is `path`; takes over
 * neither. NULL when out of memory. */
struct walk *walk_new(struct engine *e, enum side side,
		      const struct handle *handle, const char *path);
struct walk *walk_free(struct walk *w);

/* The next event, or a negative errno: out of memory, or the run is ending. */
int walk_next(struct walk *w, struct walk_place *ret);

/* The path from the root of `name` in the directory of the last event; NULL:
 * its own. Heap, the caller's; NULL when out of memory. */
char *walk_path(const struct walk *w, const char *name);

#endif
