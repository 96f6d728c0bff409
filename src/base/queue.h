/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * queue - a bounded first-in-first-out queue of pointers between threads.
 *
 * Takers may be told to rest: each has a rank, and only those with ranks below
 * a number are served. 0 holds the queue; without a word all are served.
 *
 * Thread rule: any thread.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>

struct queue;

/* A queue of at most `limit` items; NULL when out of memory. */
struct queue *queue_new(size_t limit);

/* The items left in it are the caller's to free beforehand. */
struct queue *queue_free(struct queue *q);

/*
 * Waits for room and appends `item` (not NULL). -EPIPE once closed: the item
 * stays the caller's.
 */
int queue_push(struct queue *q, void *item);

/* Waits for an item; NULL once the queue is closed and empty. */
void *queue_pop(struct queue *q);

/* Likewise for a taker of rank `rank`, who also waits while he rests. */
void *queue_pop_as(struct queue *q, size_t rank);

/* Serves ranks below `takers` from now on. Who waits for an item does not get
 * it if he is to rest by then. */
void queue_set_takers(struct queue *q, size_t takers);

/*
 * Waits for one item, then takes as many more as are there: up to `max` into
 * `items`. Returns how many, 0 once the queue is closed and empty.
 */
size_t queue_pop_many(struct queue *q, void **items, size_t max);

/* How many items wait now: a hint, old at once. */
size_t queue_length(struct queue *q);

/* No more pushes; pops drain what is there, and nobody rests. */
void queue_close(struct queue *q);

#endif
