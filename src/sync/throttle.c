/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever wants to pass looks, once a second and all together, whether the
 * time of the day has another rate; so does who waits (the limiters' tick).
 * There is no thread for it.
 */
#include "sync/throttle.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/limiter.h"
#include "sync/timetable.h"
#include "volume/volume.h"

/* How often the time of the day is looked at. */
#define LOOK_NS NS_PER_S

struct throttle;

/* What is limited on one side. */
struct toll {
	struct throttle *throttle;
	struct limiter *bytes; /* set for the source only */
	struct limiter *operations;
	struct volume_pacer pacer;
};

struct throttle {
	struct toll side[SIDES];
	_Atomic int64_t look_ns; /* when to look next, monotonic */
	pthread_mutex_t lock;    /* guards rates, and is held while the limiters
				    are told; taken before theirs */
	struct timetable rates;
};

/* With the lock held. */
static void apply(struct throttle *t)
{
	uint64_t rate = timetable_at(&t->rates, time(NULL));

	limiter_set_rate(t->side[SOURCE].bytes, rate);
}

/* Looks at the clock when it is time to; also what the limiters call. */
static void look(void *user)
{
	struct throttle *t = user;
	int64_t now_ns = clock_now_ns();
	int64_t due_ns =
	    atomic_load_explicit(&t->look_ns, memory_order_relaxed);

	/* One of those who come at the same time does it. */
	if (now_ns < due_ns || !atomic_compare_exchange_strong(
				   &t->look_ns, &due_ns, now_ns + LOOK_NS))
		return;
	pthread_mutex_lock(&t->lock);
	apply(t);
	pthread_mutex_unlock(&t->lock);
}

static int pass(void *user, size_t items, uint64_t bytes, bool wait)
{
	struct toll *g = user;

	look(g->throttle);
	if (!wait) {
		if (!limiter_try(g->operations, items))
			return 0;
		if (limiter_try(g->bytes, bytes))
			return 1;
		limiter_give(g->operations, items);
		return 0;
	}
	limiter_take(g->operations, items);
	return limiter_take(g->bytes, bytes) ? 1 : -ECANCELED;
}

struct throttle *throttle_new(void)
{
	struct throttle *t = calloc(1, sizeof(*t));
	bool whole = true;

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	for (int side = 0; side < SIDES; side++) {
		struct toll *g = &t->side[side];

		g->throttle = t;
		g->bytes = limiter_new(NULL, look, t);
		g->operations = limiter_new(NULL, NULL, NULL);
		g->pacer = (struct volume_pacer){.pass = pass, .user = g};
		whole = whole && g->bytes && g->operations;
	}
	return whole ? t : throttle_free(t);
}

struct throttle *throttle_free(struct throttle *t)
{
	if (!t)
		return NULL;
	for (int side = 0; side < SIDES; side++) {
		limiter_free(t->side[side].bytes);
		limiter_free(t->side[side].operations);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

void throttle_set_bandwidth(struct throttle *t, const struct timetable *rates)
{
	pthread_mutex_lock(&t->lock);
	t->rates = *rates;
	apply(t);
	pthread_mutex_unlock(&t->lock);
}

void throttle_set_iops(struct throttle *t, uint64_t per_second)
{
	for (int side = 0; side < SIDES; side++)
		limiter_set_rate(t->side[side].operations, per_second);
}

uint64_t throttle_get_bandwidth(struct throttle *t)
{
	look(t);
	return limiter_get_rate(t->side[SOURCE].bytes);
}

uint64_t throttle_get_iops(const struct throttle *t)
{
	return limiter_get_rate(t->side[SOURCE].operations);
}

void throttle_attach(struct throttle *t, struct volume *const volume[SIDES])
{
	for (int side = 0; side < SIDES; side++)
		volume_set_pacer(volume[side], &t->side[side].pacer);
}

void throttle_detach(struct volume *const volume[SIDES])
{
	for (int side = 0; side < SIDES; side++)
		volume_set_pacer(volume[side], NULL);
}

void throttle_release(struct throttle *t)
{
	for (int side = 0; side < SIDES; side++) {
		limiter_release(t->side[side].bytes);
		limiter_release(t->side[side].operations);
	}
}
