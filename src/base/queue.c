/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct queue {
	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	pthread_cond_t not_empty;
	pthread_cond_t not_full;
	pthread_cond_t resting; /* here wait those whose rank is not served, so
				   that the others' signals reach them */
	size_t takers;          /* ranks that are served */
	size_t limit;
	size_t head;  /* index of the oldest item */
	size_t count; /* items in the ring */
	bool closed;
	void *ring[]; /* `limit` places */
};

struct queue *queue_new(size_t limit)
{
	struct queue *q = calloc(1, sizeof(*q) + limit * sizeof(void *));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->not_empty, NULL);
	pthread_cond_init(&q->not_full, NULL);
	pthread_cond_init(&q->resting, NULL);
	q->takers = SIZE_MAX;
	q->limit = limit;
	return q;
}

struct queue *queue_free(struct queue *q)
{
	if (q) {
		pthread_cond_destroy(&q->resting);
		pthread_cond_destroy(&q->not_full);
		pthread_cond_destroy(&q->not_empty);
		pthread_mutex_destroy(&q->lock);
	}
	free(q);
	return NULL;
}

int queue_push(struct queue *q, void *item)
{
	int ret = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->closed && q->count == q->limit)
		pthread_cond_wait(&q->not_full, &q->lock);
	if (q->closed)
		ret = -EPIPE;
	else
		q->ring[(q->head + q->count++) % q->limit] = item;
	pthread_mutex_unlock(&q->lock);
	/* Only now, or who is woken would wait for the lock. */
	if (ret == 0)
		pthread_cond_signal(&q->not_empty);
	return ret;
}

static size_t take(struct queue *q, size_t rank, void **items, size_t max)
{
	bool half_empty;
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->closed && (rank >= q->takers || q->count == 0))
		pthread_cond_wait(
		    rank < q->takers ? &q->not_empty : &q->resting, &q->lock);
	while (n < max && q->count > 0) {
		items[n++] = q->ring[q->head];
		q->head = (q->head + 1) % q->limit;
		q->count--;
	}
	half_empty = q->count <= q->limit / 2;
	pthread_mutex_unlock(&q->lock);
	/* Who waits for room is woken once for many items, not for each. */
	if (n > 0 && half_empty)
		pthread_cond_broadcast(&q->not_full);
	return n;
}

size_t queue_pop_many(struct queue *q, void **items, size_t max)
{
	return take(q, 0, items, max);
}

void *queue_pop_as(struct queue *q, size_t rank)
{
	void *item;

	return take(q, rank, &item, 1) ? item : NULL;
}

void *queue_pop(struct queue *q)
{
	return queue_pop_as(q, 0);
}

void queue_set_takers(struct queue *q, size_t takers)
{
	pthread_mutex_lock(&q->lock);
	q->takers = takers;
	/* Everybody looks where he belongs now. */
	pthread_cond_broadcast(&q->not_empty);
	pthread_cond_broadcast(&q->resting);
	pthread_mutex_unlock(&q->lock);
}

size_t queue_length(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->count;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->not_empty);
	pthread_cond_broadcast(&q->resting);
	pthread_cond_broadcast(&q->not_full);
	pthread_mutex_unlock(&q->lock);
}
