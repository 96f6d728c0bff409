/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counters - what an execution counts, for progress and summary.
 *
 * The names follow DataSync's DescribeTaskExecution where it has them;
 * "files" there means entries that are not directories.
 *
 * Thread rule: any thread adds; reading gives each counter as it is, not all
 * of one moment.
 */
#ifndef SYNC_COUNTERS_H
#define SYNC_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "sync/difference.h"

enum counter {
	COUNT_LISTED, /* entries seen on the source, without the root */
	COUNT_LISTED_DESTINATION,
	COUNT_DIRECTORIES,   /* of them directories */
	COUNT_PLANNED,       /* files that need copying or comparing */
	COUNT_PLANNED_BYTES, /* and their bytes */
	COUNT_TRANSFERRED,   /* files, links, ... copied */
	COUNT_TRANSFERRED_DIRECTORIES, /* directories made */
	COUNT_BYTES_READ,              /* from the source */
	COUNT_BYTES_WRITTEN,           /* logical, holes included */
	COUNT_DONE,       /* planned files that are through, however */
	COUNT_DONE_BYTES, /* planned bytes that are through */
	COUNT_VERIFIED,   /* files read back and found equal */
	COUNT_VERIFIED_DIRECTORIES,
	COUNT_MISMATCHED, /* entries that differ when the trees are compared */
	COUNT_DIFFERING,  /* of them those that differ in kind 0, .. */
	COUNT_DIFFERING_LAST = COUNT_DIFFERING + DIFFERENCES - 1, /* to 8 */
	COUNT_CHANGED,   /* differ since the source changed after the copy */
	COUNT_UNCHANGED, /* files with nothing to do */
	COUNT_METADATA,  /* files and directories, attributes only */
	COUNT_METADATA_SKIPPED, /* entries with attributes that may not be set
				 */
	COUNT_LINKED,           /* of the transferred: made as hard links */
	COUNT_LINK_LIMIT,       /* copied, since the link limit was reached */
	COUNT_SKIPPED,          /* not copied on purpose: devices, .. */
	COUNT_LEFT,     /* .. and what --overwrite=never left as it is */
	COUNT_FILTERED, /* on the source, left out by the filter; of
			   what is below them nothing is known */
	COUNT_VANISHED, /* gone from the source before they were copied */
	COUNT_KEPT,     /* only on the destination */
	COUNT_DELETED,  /* files removed that only the destination had */
	COUNT_DELETED_DIRECTORIES, /* directories */
	COUNT_DELETE_REFUSED, /* entries that --max-delete did not let go */
	COUNT_DELETE_FAILED,  /* of the failed: were to be removed */
	COUNT_FAILED,         /* entries that failed (so far) */
	COUNT_SWEPT,          /* stale temporary names removed */
	COUNT_RESUMED_BYTES,  /* of large files, not copied again */
	COUNTERS,
};

struct counters {
	_Atomic uint64_t value[COUNTERS];
};

static inline void counters_add(struct counters *c, enum counter which,
				uint64_t n)
{
	atomic_fetch_add_explicit(&c->value[which], n, memory_order_relaxed);
}

static inline uint64_t counters_get(const struct counters *c,
				    enum counter which)
{
	return atomic_load_explicit(&c->value[which], memory_order_relaxed);
}

#endif
