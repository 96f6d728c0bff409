/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dirnode - one directory while it is synced, from the moment its parent
 * meets it until its attributes are set after its last child.
 *
 * `pending` counts what must end before the directory can be finished: its
 * own scan (1 from the start), each subdirectory and each entry under way.
 * Whoever takes the last one hands the node to the finisher; nobody else
 * touches it from then on.
 *
 * Ownership: a node holds one of its parent's pending, so parents outlive
 * their children. handle[] and name are the node's.
 * Thread rule: all fields but those that are atomic are written before the
 * node is shared; error and error_side by its scanner, read by the finisher.
 */
#ifndef SYNC_DIRNODE_H
#define SYNC_DIRNODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/side.h"

struct dirnode {
	TAILQ_ENTRY(dirnode) link; /* on the stack or the finisher's queue */
	struct dirnode *parent;    /* NULL for the root of a pass */
	char *name;                /* "" for the volume's root */
	char *path;                /* roots of a retry pass only, else NULL */
	uint64_t id;               /* in the manifest */
	uint64_t parent_id;        /* likewise: where its own row is */
	struct handle
	    *handle[SIDES];      /* destination NULL: not there (dry run) */
	struct attr attr[SIDES]; /* as listed; destination: before we began */
	char *only;       /* the one entry to be visited, a path from here; "":
			     none, NULL: all. Such a node waits alone, so it never
			     gets into the spill */
	bool only_failed; /* roots of a pass: visit failed entries only */
	bool fresh;       /* we made it: nothing on the destination to list */
	bool shallow;     /* visit entries, enter only failed subdirectories */
	bool again; /* the run has walked it before: its entries are counted,
		       and verified if all are */
	int error;  /* the scan's failure, recorded by the finisher */
	enum side error_side;   /* where it came from */
	bool recorded;          /* the manifest has, or may have, a row of it */
	_Atomic bool withdrawn; /* which has been taken back */
	_Atomic bool touched;   /* we changed something in it */
	_Atomic unsigned pending;
};

TAILQ_HEAD(dirnode_list, dirnode);

/* A node with pending 1. Takes over the handles, copies the name; takes one
 * pending of `parent` and its id. NULL when out of memory: handles stay the
 * caller's. */
struct dirnode *dirnode_new(struct dirnode *parent, const char *name,
			    struct handle *source, struct handle *destination);

/* Frees the node alone: the parent's pending is the caller's to drop. */
struct dirnode *dirnode_free(struct dirnode *d);

static inline void dirnode_hold(struct dirnode *d)
{
	atomic_fetch_add_explicit(&d->pending, 1, memory_order_relaxed);
}

/* True for the one who dropped the last: hand it to the finisher. */
static inline bool dirnode_drop(struct dirnode *d)
{
	return atomic_fetch_sub_explicit(&d->pending, 1,
					 memory_order_acq_rel) == 1;
}

/*
 * The path of entry `name` in `d` from the volume's root, "a/b/name"; with
 * name NULL that of the directory itself, "" for the root. Heap, the
 * caller's; NULL when out of memory.
 */
char *dirnode_path(const struct dirnode *d, const char *name);

#endif
