/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transfer - what is on its way from side to side at this moment, for people
 * to see: one for each lane that carries something.
 *
 * Thread rule: begin, end, set_done and add_done from the lane;
 * transfers_each from any thread. The lock is a leaf.
 */
#ifndef SYNC_TRANSFER_H
#define SYNC_TRANSFER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

struct engine_transfer;

struct transfer {
	LIST_ENTRY(transfer) link;
	char *path;     /* of the first file; heap */
	unsigned files; /* in the batch */
	uint64_t bytes;
	_Atomic uint64_t done_bytes;
};

struct transfers {
	pthread_mutex_t lock; /* guards the list and what is in it */
	LIST_HEAD(, transfer) list;
};

void transfers_init(struct transfers *ts);
void transfers_done(struct transfers *ts);

/* Takes `path` over; NULL, for want of memory: it is not shown. */
void transfer_begin(struct transfers *ts, struct transfer *t, char *path,
		    unsigned files, uint64_t bytes);
void transfer_end(struct transfers *ts, struct transfer *t);

static inline void transfer_set_done(struct transfer *t, uint64_t done_bytes)
{
	atomic_store_explicit(&t->done_bytes, done_bytes, memory_order_relaxed);
}

static inline void transfer_add_done(struct transfer *t, uint64_t bytes)
{
	atomic_fetch_add_explicit(&t->done_bytes, bytes, memory_order_relaxed);
}

/* See engine_each_transfer(). */
void transfers_each(struct transfers *ts,
		    void (*each)(const struct engine_transfer *t, void *user),
		    void *user);

#endif
