/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lane - the lanes: threads that carry work from side to side.
 *
 * Large files have lanes of their own: few, since each has many ranges in
 * flight and holds them in memory; and so that small files never wait behind
 * them.
 *
 * Thread rule: lane_start() and lane_join() from the engine's thread; a
 * struct lane belongs to its thread.
 */
#ifndef SYNC_LANE_H
#define SYNC_LANE_H

#include <pthread.h>

#include "sync/item.h"
#include "sync/transfer.h"

struct engine;
struct lanes;
struct manifest_reader;
struct queue;

struct lane {
	struct engine *engine;
	unsigned rank; /* in its queue, from 0: the last ones rest first */
	struct queue *queue; /* where its work comes from */
	pthread_t thread;
	struct manifest_reader *reader; /* made when first needed */
	struct item_list released; /* names whose hard link group moved on */
	struct transfer transfer;  /* what it carries, for people to see */
};

/* Starts `count` lanes that take their work from `queue`, with room for `max`,
 * or as many as can be had. 0, or negative errno when it is none. */
int lane_start(struct engine *e, struct queue *queue, unsigned count,
	       unsigned max, struct lanes **ret);

/* Lets `count` of them work: more are started as far as there is room and
 * threads can be had, others rest. Returns how many it is. From one thread at
 * a time. */
unsigned lane_set_count(struct lanes *l, unsigned count);

/* Waits until they ended, which they do once their queue is closed and
 * empty. NULL is let through. */
struct lanes *lane_join(struct lanes *l);

/*
 * The kinds of work, one function each. They end every item of the work,
 * also when the run is stopping.
 */
void copy_small(struct lane *l, struct work *w);   /* copy.c */
void copy_large(struct lane *l, struct item *i);   /* large.c */
void make_special(struct lane *l, struct work *w); /* special.c */
void make_links(struct lane *l, struct work *w);   /* link.c */
void set_metadata(struct lane *l, struct work *w); /* set.c */

/* Makes way for an item whose name is a directory on the destination: 0, or
 * why it stays. */
int clear_directory(struct lane *l, struct item *i); /* clear.c */

#endif
