/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passing an open gate costs one load; the lock is for who waits. */
#include "sync/gate.h"

void gate_init(struct gate *g)
{
	atomic_init(&g->paused, false);
	atomic_init(&g->released, false);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
}

void gate_done(struct gate *g)
{
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}

void gate_set_paused(struct gate *g, bool paused)
{
	pthread_mutex_lock(&g->lock);
	atomic_store(&g->paused, paused);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void gate_release(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	atomic_store(&g->released, true);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

bool gate_is_shut(const struct gate *g)
{
	return atomic_load_explicit(&g->paused, memory_order_relaxed) &&
	       !atomic_load_explicit(&g->released, memory_order_relaxed);
}

void gate_pass(struct gate *g)
{
	if (!gate_is_shut(g))
		return;
	pthread_mutex_lock(&g->lock);
	while (gate_is_shut(g))
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}
