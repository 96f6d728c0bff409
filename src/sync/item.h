/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * item - one entry that is not a directory, on its way from the scan to the
 * record; and work, a batch of items of one kind, what a lane is given.
 *
 * Ownership: an item owns its name and handles and holds one pending of its
 * directory. It belongs to the scanner that made it, then to the work it is
 * put in, then to the lane that carries the work; it ends in one of the
 * item_*() calls of sync/complete.h.
 */
#ifndef SYNC_ITEM_H
#define SYNC_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/digest.h"
#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/manifest.h"
#include "sync/plan.h"
#include "sync/side.h"

struct dirnode;

struct item {
	TAILQ_ENTRY(item) link;
	struct dirnode *dir;
	char *name;
	struct attr attr[SIDES];      /* type ENTRY_NONE: not there */
	struct handle *handle[SIDES]; /* NULL: not there */
	struct plan plan;
	uint32_t flags;             /* ROW_* for the record */
	uint32_t old_flags;         /* ROW_* of the record there was */
	enum entry_state old_state; /* of that record */
	bool recorded;   /* that record holds as it is, and the destination has
			    the object it speaks of */
	bool leads;      /* a hard link group waits for its end */
	bool has_digest; /* of the content as it was recorded, then as
			    it was copied */
	struct digest digest;
	bool settled;   /* counted as verified, and not told yet */
	bool linked;    /* counted as transferred: it was made as a hard link */
	bool found;     /* counted as unchanged after it was compared */
	bool planned;   /* counted as such, see complete_planned() */
	unsigned tries; /* copies begun because the source changed */
	uint32_t differs; /* DIFFERS_*: found so far by a comparison */
};

TAILQ_HEAD(item_list, item);

enum work_kind {
	WORK_SMALL,    /* files of at most VOLUME_WHOLE_MAX: copy or compare */
	WORK_LARGE,    /* one larger file */
	WORK_SPECIAL,  /* symlinks, FIFOs, sockets */
	WORK_LINK,     /* names whose group has its first name */
	WORK_METADATA, /* attributes only */
	WORK_KINDS,
};

struct work {
	enum work_kind kind;
	unsigned count;
	uint64_t bytes;     /* of file data, as the source's sizes say */
	unsigned count_max; /* of either it is full, if whoever fills it asks */
	uint64_t bytes_max;
	struct item_list items;
};

/* Takes over `name` and the source handle; holds `dir`. NULL without memory:
 * nothing is taken. */
struct item *item_new(struct dirnode *dir, char *name,
		      const struct attr *source, struct handle *handle);

/* Frees the item; its directory's pending is the caller's to drop. */
struct item *item_free(struct item *i);

/* Which kind of work a plan for this item is; the item is planned to be
 * copied, compared or given attributes. */
enum work_kind item_work_kind(const struct item *i);

struct work *work_new(enum work_kind kind);
struct work *work_free(struct work *w); /* must be empty */
void work_add(struct work *w, struct item *i);
struct item *work_take(struct work *w); /* the first, NULL when empty */

#endif
