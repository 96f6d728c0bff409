/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * waiter - one thread waits until another says that something has ended.
 *
 * It lies on the stack of the one who waits. waiter_wake() lets go of it last,
 * so that it may be gone the moment after.
 * Thread rule: waiter_wait() by the thread that has it, waiter_wake() once, by
 * any.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include <pthread.h>
#include <stdbool.h>

struct waiter {
	pthread_mutex_t lock; /* guards done */
	pthread_cond_t changed;
	bool done;
};

#define WAITER_INIT                                  \
	{                                            \
		.lock = PTHREAD_MUTEX_INITIALIZER,   \
		.changed = PTHREAD_COND_INITIALIZER, \
	}

static inline void waiter_wake(struct waiter *w)
{
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* Also ends its use. */
static inline void waiter_wait(struct waiter *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->done)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

#endif
