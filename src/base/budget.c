/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/budget.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct budget {
	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	pthread_cond_t changed;
	size_t total;
	size_t used;
	uint64_t next_ticket; /* handed to the next caller that must wait */
	uint64_t serving;     /* the ticket whose turn it is */
	bool cancelled;
};

struct budget *budget_new(size_t total_bytes)
{
	struct budget *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	b->total = total_bytes;
	return b;
}

struct budget *budget_free(struct budget *b)
{
	if (b) {
		pthread_cond_destroy(&b->changed);
		pthread_mutex_destroy(&b->lock);
	}
	free(b);
	return NULL;
}

static bool fits(const struct budget *b, size_t bytes)
{
	return b->used == 0 ||
	       (bytes <= b->total && b->used <= b->total - bytes);
}

int budget_take(struct budget *b, size_t bytes)
{
	uint64_t ticket;
	int ret = 0;

	pthread_mutex_lock(&b->lock);
	ticket = b->next_ticket++;
	while (!b->cancelled && (ticket != b->serving || !fits(b, bytes)))
		pthread_cond_wait(&b->changed, &b->lock);
	b->serving++;
	if (b->cancelled)
		ret = -ECANCELED;
	else
		b->used += bytes;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	return ret;
}

void budget_give(struct budget *b, size_t bytes)
{
	pthread_mutex_lock(&b->lock);
	b->used -= bytes;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void budget_cancel(struct budget *b)
{
	pthread_mutex_lock(&b->lock);
	b->cancelled = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}
