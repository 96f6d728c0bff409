/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two buckets, and a unit is taken from both. The small one holds a tenth of a
 * second's worth and is filled a little faster than the rate; the large one
 * holds a second's worth and is filled at the rate. So over any time T not more
 * passes than the rate times T and one second, and not more than LIMITER_HASTE
 * times the rate times T and a tenth: a stall of whoever takes is made up for,
 * slowly, and the average comes to the rate and not to something below it.
 *
 * The one whose turn it is takes what has come, piece by piece, until it has
 * all it wants. So a change of the rate concerns at once what is still
 * missing, and buckets that hold less than somebody wants are no matter.
 */
#include "base/limiter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"

/* What the buckets hold, in seconds of the rate. */
#define SMALL_S 0.1
#define LARGE_S 1.0

/* The longest wait before the time is looked at again: well below what the
 * small bucket holds, so that a late awakening loses nothing. */
#define SLICE_NS (50 * NS_PER_MS)

/* Less than this is nothing: rounding of what is gathered in pieces. */
#define GRAIN 1e-6

struct limiter {
	struct limiter_clock clock; /* of a test; without functions: none */
	void (*tick)(void *user);
	void *user;
	_Atomic uint64_t rate; /* written with the lock held */
	_Atomic bool released; /* likewise */

	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	pthread_cond_t changed;
	double small, large;  /* what the buckets have */
	int64_t filled_ns;    /* when that was so */
	uint64_t next_ticket; /* handed to the next one that takes */
	uint64_t serving;     /* the ticket whose turn it is */
};

struct limiter *limiter_new(const struct limiter_clock *clock,
			    void (*tick)(void *user), void *user)
{
	struct limiter *l = calloc(1, sizeof(*l));
	pthread_condattr_t monotonic;

	if (!l)
		return NULL;
	if (clock)
		l->clock = *clock;
	l->tick = tick;
	l->user = user;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return l;
}

struct limiter *limiter_free(struct limiter *l)
{
	if (l) {
		pthread_cond_destroy(&l->changed);
		pthread_mutex_destroy(&l->lock);
	}
	free(l);
	return NULL;
}

static int64_t now(const struct limiter *l)
{
	return l->clock.now_ns ? l->clock.now_ns(l->clock.user)
			       : clock_now_ns();
}

/* At least a unit fits in, however low the rate is. */
static double room(double rate, double seconds)
{
	return rate * seconds > 1 ? rate * seconds : 1;
}

static double at_most(double have, double max)
{
	return have < max ? have : max;
}

/* Fills the buckets with what has come since they were last looked at. */
static void fill(struct limiter *l)
{
	double rate = (double)atomic_load(&l->rate);
	int64_t now_ns = now(l);
	double seconds = (double)(now_ns - l->filled_ns) / NS_PER_S;

	l->filled_ns = now_ns;
	l->small = at_most(l->small + rate * LIMITER_HASTE * seconds,
			   room(rate, SMALL_S));
	l->large = at_most(l->large + rate * seconds, room(rate, LARGE_S));
}

static double available(const struct limiter *l)
{
	return at_most(l->small, l->large);
}

static void spend(struct limiter *l, double units)
{
	l->small -= units;
	l->large -= units;
}

void limiter_set_rate(struct limiter *l, uint64_t per_second)
{
	if (atomic_load(&l->rate) == per_second)
		return;
	pthread_mutex_lock(&l->lock);
	if (atomic_load(&l->rate) == 0) {
		/* Nothing was counted so far: it begins with empty ones. */
		l->small = l->large = 0;
		l->filled_ns = now(l);
	} else {
		fill(l);
	}
	atomic_store(&l->rate, per_second);
	/* What fitted in before may be too much now. */
	fill(l);
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

uint64_t limiter_get_rate(const struct limiter *l)
{
	return atomic_load_explicit(&l->rate, memory_order_relaxed);
}

static bool is_open(const struct limiter *l)
{
	return limiter_get_rate(l) == 0 ||
	       atomic_load_explicit(&l->released, memory_order_relaxed);
}

/* Lets `ns` pass, or less when something changes; the lock is held before and
 * after. Others may not pass by: it is still the caller's turn. */
static void wait_slice(struct limiter *l, int64_t ns)
{
	struct timespec until;

	if (ns > SLICE_NS)
		ns = SLICE_NS;
	if (l->clock.wait_ns) {
		pthread_mutex_unlock(&l->lock);
		l->clock.wait_ns(l->clock.user, ns);
		pthread_mutex_lock(&l->lock);
	} else {
		until = clock_split_ns(clock_now_ns() + ns);
		pthread_cond_timedwait(&l->changed, &l->lock, &until);
	}
	if (!l->tick)
		return;
	pthread_mutex_unlock(&l->lock);
	l->tick(l->user);
	pthread_mutex_lock(&l->lock);
}

/* How long until `units` more have come, a nanosecond at least. */
static int64_t time_for(const struct limiter *l, double units)
{
	double rate = (double)atomic_load(&l->rate);
	double small_s = (units - l->small) / (rate * LIMITER_HASTE);
	double large_s = (units - l->large) / rate;
	double s = small_s > large_s ? small_s : large_s;

	return s >= 1 ? NS_PER_S : s > 0 ? (int64_t)(s * NS_PER_S) + 1 : 1;
}

/* Gathers `units`, with the lock held, by the one whose turn it is. */
static void gather(struct limiter *l, double units)
{
	while (!is_open(l)) {
		double piece;

		fill(l);
		piece = at_most(available(l), units);
		if (piece > 0) {
			spend(l, piece);
			units -= piece;
		}
		if (units < GRAIN)
			return;
		wait_slice(l, time_for(l, units));
	}
}

bool limiter_take(struct limiter *l, uint64_t units)
{
	uint64_t ticket;
	bool had;

	if (is_open(l) || units == 0)
		return true;
	pthread_mutex_lock(&l->lock);
	ticket = l->next_ticket++;
	while (ticket != l->serving)
		pthread_cond_wait(&l->changed, &l->lock);
	gather(l, (double)units);
	l->serving++;
	had = !atomic_load(&l->released);
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	return had;
}

bool limiter_try(struct limiter *l, uint64_t units)
{
	double wanted;
	bool had;

	if (is_open(l) || units == 0)
		return true;
	pthread_mutex_lock(&l->lock);
	fill(l);
	/* Nobody could try for more than the bucket holds: a full one will do,
	 * and what is missing is owed. */
	wanted = at_most((double)units,
			 room((double)atomic_load(&l->rate), SMALL_S));
	had = is_open(l) ||
	      (l->serving == l->next_ticket && available(l) >= wanted);
	if (had)
		spend(l, (double)units);
	pthread_mutex_unlock(&l->lock);
	return had;
}

void limiter_give(struct limiter *l, uint64_t units)
{
	if (is_open(l) || units == 0)
		return;
	pthread_mutex_lock(&l->lock);
	spend(l, -(double)units);
	fill(l);
	pthread_mutex_unlock(&l->lock);
}

void limiter_release(struct limiter *l)
{
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->released, true);
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}
