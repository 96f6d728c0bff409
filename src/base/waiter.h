/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * waiter - one thread waits until another says that something has ended.
 *
 * It lies on the stack of the one who waits, and may be gone the moment after
 * waiter_wake() has let it go on. sem_post(3) allows that, and unlike a
 * condition it does not wake a thread only to make it wait for a lock.
 * Thread rule: waiter_wait() by the thread that has it, waiter_wake() once, by
 * any.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include <semaphore.h>

struct waiter {
	sem_t ended;
};

static inline void waiter_init(struct waiter *w)
{
	(void)sem_init(&w->ended, 0, 0);
}

static inline void waiter_wake(struct waiter *w)
{
	(void)sem_post(&w->ended);
}

/* Also ends its use. */
static inline void waiter_wait(struct waiter *w)
{
	/* It fails for nothing but a signal. */
	while (sem_wait(&w->ended) < 0)
		;
	(void)sem_destroy(&w->ended);
}

#endif
