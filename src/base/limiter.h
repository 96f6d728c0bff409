/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limiter - so many units a second and no more, over all threads that take
 * some: a token bucket.
 *
 * It is smooth: what was not used for a while may be caught up with, but never
 * more than a tenth of a second's worth at once, and otherwise at most
 * LIMITER_HASTE times the rate. Whoever takes is served in the order in which
 * they came, so a large amount does not starve.
 *
 * Thread rule: any thread. Its lock is a leaf.
 */
#ifndef BASE_LIMITER_H
#define BASE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

struct limiter;

/* How much faster than the rate it may be while it catches up. */
#define LIMITER_HASTE 1.04

/* Where the time comes from: NULL for that of the system. A test has its own,
 * whose wait() lets it pass. Called without the lock. */
struct limiter_clock {
	int64_t (*now_ns)(void *user);
	void (*wait_ns)(void *user, int64_t ns);
	void *user;
};

/*
 * Without a limit at first. `tick` (may be NULL) is called with `user` by
 * whoever waits, at least every 50 ms and without the lock: it may set the
 * rate. NULL when out of memory.
 */
struct limiter *limiter_new(const struct limiter_clock *clock,
			    void (*tick)(void *user), void *user);
struct limiter *limiter_free(struct limiter *l); /* nobody may be waiting */

/* Units a second, 0 for no limit; whoever waits goes on at the new rate. */
void limiter_set_rate(struct limiter *l, uint64_t per_second);
uint64_t limiter_get_rate(const struct limiter *l);

/* Waits until `units` have come. An amount that is more than comes at once is
 * gathered, and then had whole. False: it was released while it waited. */
bool limiter_take(struct limiter *l, uint64_t units);

/* The same without waiting: false when they are not there, or others wait for
 * theirs; then nothing is taken. More than comes at once is had when as much
 * as that is there, and the rest owed. */
bool limiter_try(struct limiter *l, uint64_t units);

/* Units that were taken and are not used after all. */
void limiter_give(struct limiter *l, uint64_t units);

/* From here on nobody waits any more, and who does goes on at once. */
void limiter_release(struct limiter *l);

#endif
