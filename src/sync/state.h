/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state - the engine from the inside: what scanners, lanes and the finisher
 * share.
 *
 *   scanners  take directories from the stack, list both sides, plan, and
 *	       put work on the queue; make missing directories
 *   lanes     take work, carry it from side to side, verify, record
 *   finisher  sets the attributes of directories whose last child ended
 *
 * A directory's pending count (dirnode.h) ties the three together: when the
 * root of the pass is finished, everything below it is.
 *
 * Only the modules of the engine include this.
 */
#ifndef SYNC_STATE_H
#define SYNC_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/queue.h"
#include "sync/counters.h"
#include "sync/dirnode.h"
#include "sync/dirstack.h"
#include "sync/engine.h"
#include "sync/gate.h"
#include "sync/item.h"
#include "sync/links.h"
#include "sync/manifest.h"
#include "sync/plan.h"
#include "sync/ranges.h"
#include "sync/side.h"
#include "sync/tempname.h"
#include "sync/transfer.h"
#include "sync/treesum.h"
#include "volume/volume.h"

struct engine {
	struct volume *volume[SIDES];
	const char *location[SIDES];
	struct manifest *manifest;
	const char *spill_directory;
	struct sync_options options;
	uint32_t preserve; /* ATTR_SET_*: what is wanted and permitted */
	uint32_t denied;   /* ATTR_SET_*: wanted, but the server refuses it */
	bool link_times_denied; /* the server drops the times of symlinks */
	_Atomic bool link_times_said; /* and the user knows */
	struct attr root_attr[SIDES]; /* before anything was changed */
	const char *task;             /* its name */
	struct report *report;        /* NULL: none */
	_Atomic uint64_t execution;   /* who watches looks, too */
	int64_t started_ns;           /* monotonic; when it was made */
	int64_t started_wall_ns;
	uint64_t requests_before[SIDES]; /* of earlier executions */
	struct tempname tempname;

	struct counters counters;
	_Atomic enum engine_phase phase;
	_Atomic unsigned scanning; /* directories not yet listed to the end */

	/* Both trees are compared, nothing is changed: set while no scanner or
	 * lane has work. */
	_Atomic bool comparing;
	bool verify_only;          /* from the start */
	bool sum_trees;            /* somebody asks for these: */
	struct treesum sum[SIDES]; /* of what was compared */
	struct prune *prune; /* NULL: what only the destination has is kept */

	/* What is visited, and who may begin something. */
	enum engine_scope scope;
	const char *path;          /* with SCOPE_PATH */
	struct filelist *filelist; /* what is visited of it; NULL: all */
	_Atomic uint64_t missing;  /* entries asked for that the source lacks */
	void (*seen)(void *user, const struct attr *attr,
		     unsigned depth); /* see engine.h */
	void *seen_user;
	struct gate gate;
	_Atomic unsigned jobs; /* lanes; 0: chosen by the round trip */
	struct throttle *throttle;
	struct transfers transfers;
	pthread_mutex_t lanes_lock; /* guards the next two; those of the queues
				       are taken under it */
	struct lanes *lanes;        /* NULL: not started, or ending */
	struct lanes *large_lanes;  /* likewise, of `large` */

	/* Since when a side does not answer, wall clock; 0: it does. */
	_Atomic int64_t silent_ns[SIDES];

	/* Ending early. */
	_Atomic bool cancelled;
	_Atomic int stop_error; /* first fatal errno, 0 if none */
	_Atomic int stop_side;

	/* Scan to lanes. */
	struct dirstack *stack;
	struct queue *work;    /* struct work, all kinds but .. */
	struct queue *large;   /* .. WORK_LARGE, which has lanes of its own */
	unsigned work_calls;   /* calls that carry one work, on each side */
	unsigned call_items;   /* small files in one of them */
	struct budget *budget; /* bytes of small files' data in memory */
	struct range_share ranges[SIDES]; /* of large files */
	struct links *links;
	char (
	    *partials)[TEMPNAME_SIZE]; /* temporary names to be kept, sorted */
	size_t partial_count;

	/* The finisher: nodes with nothing pending. */
	pthread_mutex_t finish_lock; /* guards the next four; leaf */
	pthread_cond_t finish_changed;
	struct dirnode_list finish_list;
	unsigned roots; /* roots of the pass not yet finished */
	bool finish_closed;
};

/* True when the run is to end: nothing new is begun. */
static inline bool engine_is_stopping(const struct engine *e)
{
	return atomic_load_explicit(&e->cancelled, memory_order_relaxed) ||
	       atomic_load_explicit(&e->stop_error, memory_order_relaxed);
}

/*
 * True when `error` of an operation on `side` concerns the whole run (side
 * lost, disk full, cancelled): the run is being stopped, the entry is left
 * for the next one and not reported as failed.
 */
bool engine_stops_for(struct engine *e, int error, enum side side);

/* Counts a failed entry, and ends the run when it is one too many. */
void engine_count_failure(struct engine *e);

/* Ends the run because of `error`; side SIDES: neither volume's fault. The
 * first one counts. */
void engine_stop(struct engine *e, int error, enum side side);

static inline void engine_count(struct engine *e, enum counter which,
				uint64_t n)
{
	counters_add(&e->counters, which, n);
}

/* Counts what is found in (or of) `d`, unless an earlier visit has. */
static inline void engine_count_once(struct engine *e, const struct dirnode *d,
				     enum counter which, uint64_t n)
{
	if (!d->again)
		counters_add(&e->counters, which, n);
}

/* The source has nothing under a path that the execution is for. */
void engine_say_missing(struct engine *e, const char *path);

/* Puts the root of a pass on the stack. */
void engine_push_root(struct engine *e, struct dirnode *d);

/* Drops one pending of `d`; hands it to the finisher when it was the last. */
void engine_drop_directory(struct engine *e, struct dirnode *d);

#endif
