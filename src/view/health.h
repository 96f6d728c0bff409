/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * health - whether a side answers, told from the view's own calls: a side is
 * down when calls wait and nothing was answered for longer than
 * HEALTH_LIMIT_NS, or when the last answer was that it is lost (-ENOTCONN).
 * Whatever it answers next brings it back.
 *
 * One thread, the timer, looks four times a second: it ends requests whose
 * time is over (-o soft), and lets those who wait for a side think again.
 *
 * Thread rule: any thread.
 */
#ifndef VIEW_HEALTH_H
#define VIEW_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "sync/side.h"

#define HEALTH_LIMIT_NS (1 * NS_PER_S)

/* How soon health_hurry() lets the waiters think again. */
#define HEALTH_HURRY_NS (60 * NS_PER_MS)

struct health;
struct view;
struct volume_call;

/*
 * Somebody who waits for one side and may do without. `poke` is called four
 * times a second, on the timer's thread, with a reference that `hold` took and
 * `poke` drops. `hold` must only count.
 */
struct health_waiter {
	TAILQ_ENTRY(health_waiter) link;
	bool waiting;   /* in the list; guarded by its lock, as .. */
	uint64_t round; /* .. the last look that met it */
	void (*hold)(struct health_waiter *w);
	void (*poke)(struct health_waiter *w);
};

int health_new(struct view *v, struct health **ret);

/*
 * Waits for the calls in flight, whose volumes are cancelled, and for the
 * waiters. The timer goes on until it is freed.
 */
void health_drain(struct health *h);
struct health *health_free(struct health *h);

/* volume_start() with bookkeeping; call->done is called as ever. */
void health_start(struct health *h, enum side side, struct volume_call *call);

bool health_is_down(struct health *h, enum side side);

/* Is a call to this side in flight, whose answer will tell that it is back? */
bool health_is_asked(struct health *h, enum side side);

/* True from health_drain() on: nobody waits for a side any more. */
bool health_is_ending(struct health *h);

/* True: it waits now; false: it did already. health_unwait() likewise tells
 * whether it did. */
bool health_wait(struct health *h, struct health_waiter *w);
bool health_unwait(struct health *h, struct health_waiter *w);

/* All waiters are poked after HEALTH_HURRY_NS at the latest. */
void health_hurry(struct health *h);

#endif
