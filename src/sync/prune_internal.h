/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prune_internal - what prune.c (what is noted, and decided), prune_remove.c
 * (the names of one directory) and prune_tree.c (all below a directory) share.
 *
 * Thread rule: the engine's thread, but for what is noted.
 */
#ifndef SYNC_PRUNE_INTERNAL_H
#define SYNC_PRUNE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/prune.h"

struct spill;
struct dirnode;

/* The most names in one call. */
#define PRUNE_BATCH 256

struct prune {
	struct engine *engine;
	pthread_mutex_t lock; /* guards the next three; leaf but for SQLite's */
	struct spill *spill;
	uint64_t directories; /* numbers given */
	uint64_t noted;       /* names in directories that count */

	/* From here on: of the engine's thread. */
	uint64_t counted;  /* all that is to go */
	uint64_t below;    /* of it not listed by the scan */
	uint64_t limit;    /* how many may go */
	uint64_t taken;    /* how many have, or are about to */
	uint64_t failed;   /* .. could not be removed */
	uint64_t made_way; /* obstacles among them */
	unsigned revisits; /* directories to get their attributes again */
	bool refused;
};

/* A name that was noted. */
struct prune_name {
	char *name;
	struct attr attr;
	struct handle *handle; /* NULL: the server gave none */
	bool obstacle;
	struct attr source; /* of an obstacle: what it stands in the way of */
	bool dropped;       /* it is not what was noted, or is to stay */
	char *path;
};

/* What to do with all below a directory. */
enum prune_mode {
	PRUNE_COUNT,
	PRUNE_PRINT,
	PRUNE_REMOVE,
};

/* The names of one directory, up to PRUNE_BATCH; `d` is the directory, and is
 * marked as touched if something in it was changed. */
void prune_names(struct prune *p, struct dirnode *d, struct prune_name *names,
		 size_t count);

/*
 * All below directory `handle`, whose path is `path`; not itself. 0: nothing
 * is left in it; 1: something stays; or a negative errno, the run is ending or
 * the limit was reached.
 */
int prune_tree(struct prune *p, const struct handle *handle, const char *path,
	       enum prune_mode mode);

/* May the entry be removed, as far as the filter and file systems go? */
bool prune_may(struct prune *p, const char *path, const struct attr *attr);

/* One more goes: false when that would be one too many, which is said. */
bool prune_take(struct prune *p);

/* The entry is gone; or could not be removed, which is said. */
void prune_gone(struct prune *p, const char *path, bool directory,
		const struct attr *attr);
void prune_fail(struct prune *p, const char *path, int error);

/* One line of a dry run. */
void prune_print(const char *path);

#endif
