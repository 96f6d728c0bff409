/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A call of the view is wrapped in one of our own, so that its end is seen.
 * Nothing is kept of a call but when its side became silent: the moment of
 * the last answer, or of the call that found the side idle.
 *
 * Slow answers are answers: a side that takes two seconds for each of many
 * reads is not down, as long as one of them ends every second. A lone call
 * that takes longer is a false alarm, which costs nothing but that the other
 * side is believed for a moment where it can be.
 */
#include "view/health.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "view/core.h"
#include "view/request.h"
#include "volume/volume.h"

/* How often the timer looks. */
#define LOOK_NS (NS_PER_S / 4)

/* The user is told of a silence as long as this. */
#define SAY_NS (5 * NS_PER_S)

struct health_side {
	unsigned asked;     /* calls in flight */
	int64_t silence_ns; /* since when nothing is heard, with `asked` */
	bool lost;          /* the last answer was -ENOTCONN */
	bool said;          /* the user knows that it is down */
};

TAILQ_HEAD(waiter_list, health_waiter);

struct health {
	struct view *view;
	pthread_mutex_t lock;   /* guards all below; leaf */
	pthread_cond_t changed; /* closing, or something ended */
	struct health_side side[SIDES];
	struct waiter_list waiters;
	uint64_t round;
	int64_t hurry_ns; /* a look before the next regular one; 0: none */
	bool ending;
	bool closing;
	bool has_thread;
	pthread_t thread;
};

/* A call of the view on its way. */
struct tracked {
	struct volume_call call;
	struct volume_call *theirs;
	struct health *health;
	enum side side;
};

static bool is_silent(const struct health_side *s, int64_t now_ns,
		      int64_t limit_ns)
{
	return s->asked > 0 && now_ns - s->silence_ns > limit_ns;
}

static bool is_down(const struct health_side *s, int64_t now_ns)
{
	return s->lost || is_silent(s, now_ns, HEALTH_LIMIT_NS);
}

/* --- Calls --------------------------------------------------------------- */

static void note_start(struct health *h, enum side side)
{
	struct health_side *s = &h->side[side];

	pthread_mutex_lock(&h->lock);
	if (s->asked++ == 0)
		s->silence_ns = clock_now_ns();
	pthread_mutex_unlock(&h->lock);
}

static void note_answer(struct health *h, enum side side, int result)
{
	struct health_side *s = &h->side[side];

	pthread_mutex_lock(&h->lock);
	s->silence_ns = clock_now_ns();
	s->lost = result == -ENOTCONN;
	pthread_mutex_unlock(&h->lock);
}

/* Counted only when whoever asked is through with it: see health_drain(). */
static void note_end(struct health *h, enum side side)
{
	pthread_mutex_lock(&h->lock);
	h->side[side].asked--;
	if (h->ending)
		pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static void tracked_done(struct volume_call *call)
{
	struct tracked *t = call->user;
	struct health *h = t->health;
	enum side side = t->side;

	note_answer(h, side, volume_item_result(call->verb, call->items, 0));
	t->theirs->done(t->theirs);
	free(t);
	note_end(h, side);
}

void health_start(struct health *h, enum side side, struct volume_call *call)
{
	struct tracked *t;

	if (call->count == 0) {
		call->done(call);
		return;
	}
	t = malloc(sizeof(*t));
	if (!t) {
		volume_fail(call->verb, call->items, call->count, -ENOMEM);
		call->done(call);
		return;
	}
	*t = (struct tracked){
	    .call = *call,
	    .theirs = call,
	    .health = h,
	    .side = side,
	};
	t->call.done = tracked_done;
	t->call.user = t;
	note_start(h, side);
	volume_start(h->view->setup.volume[side], &t->call);
}

bool health_is_down(struct health *h, enum side side)
{
	bool down;

	pthread_mutex_lock(&h->lock);
	down = is_down(&h->side[side], clock_now_ns());
	pthread_mutex_unlock(&h->lock);
	return down;
}

bool health_is_asked(struct health *h, enum side side)
{
	bool asked;

	pthread_mutex_lock(&h->lock);
	asked = h->side[side].asked > 0;
	pthread_mutex_unlock(&h->lock);
	return asked;
}

bool health_is_ending(struct health *h)
{
	bool ending;

	pthread_mutex_lock(&h->lock);
	ending = h->ending;
	pthread_mutex_unlock(&h->lock);
	return ending;
}

/* --- Those who wait ------------------------------------------------------ */

bool health_wait(struct health *h, struct health_waiter *w)
{
	bool was;

	pthread_mutex_lock(&h->lock);
	was = w->waiting;
	if (!was) {
		w->waiting = true;
		w->round = h->round;
		TAILQ_INSERT_TAIL(&h->waiters, w, link);
	}
	pthread_mutex_unlock(&h->lock);
	return !was;
}

bool health_unwait(struct health *h, struct health_waiter *w)
{
	bool was;

	pthread_mutex_lock(&h->lock);
	was = w->waiting;
	if (was)
		TAILQ_REMOVE(&h->waiters, w, link);
	w->waiting = false;
	if (h->ending)
		pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	return was;
}

/* The next waiter that this round has not met, held; it goes to the end. */
static struct health_waiter *next_waiter(struct health *h)
{
	struct health_waiter *w;

	pthread_mutex_lock(&h->lock);
	w = TAILQ_FIRST(&h->waiters);
	if (w && w->round != h->round) {
		w->round = h->round;
		TAILQ_REMOVE(&h->waiters, w, link);
		TAILQ_INSERT_TAIL(&h->waiters, w, link);
		w->hold(w);
	} else {
		w = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	return w;
}

static void poke_waiters(struct health *h)
{
	struct health_waiter *w;

	while ((w = next_waiter(h)))
		w->poke(w);
}

void health_hurry(struct health *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->hurry_ns == 0) {
		h->hurry_ns = clock_now_ns() + HEALTH_HURRY_NS;
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
}

/* --- The timer ----------------------------------------------------------- */

/* Tells the user when a side falls silent and when it is back. */
static void say(struct health *h, enum side side, bool down)
{
	const char *location = h->view->setup.location[side];

	if (down)
		log_warning("%s %s does not answer: what the other side can "
			    "tell is served, the rest waits",
			    side_name(side), location);
	else
		log_notice("%s %s answers again", side_name(side), location);
}

/* Begins a round. */
static void look(struct health *h)
{
	bool changed[SIDES];
	int64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&h->lock);
	h->round++;
	if (now_ns >= h->hurry_ns)
		h->hurry_ns = 0;
	for (enum side side = 0; side < SIDES; side++) {
		struct health_side *s = &h->side[side];
		bool said = s->lost || is_silent(s, now_ns, SAY_NS) ||
			    (s->said && is_down(s, now_ns));

		changed[side] = said != s->said && !h->ending;
		s->said = said;
	}
	pthread_mutex_unlock(&h->lock);
	for (enum side side = 0; side < SIDES; side++)
		if (changed[side])
			say(h, side, h->side[side].said);
}

/* False when the timer is to end. The lock is held, and let go while it
 * waits. */
static bool wait_for_next(struct health *h)
{
	int64_t regular_ns = clock_now_ns() + LOOK_NS;

	while (!h->closing) {
		bool hurry = h->hurry_ns != 0 && h->hurry_ns < regular_ns;
		struct timespec until =
		    clock_split_ns(hurry ? h->hurry_ns : regular_ns);

		if (pthread_cond_timedwait(&h->changed, &h->lock, &until))
			return true;
	}
	return false;
}

static void *timer_main(void *arg)
{
	struct health *h = arg;

	pthread_mutex_lock(&h->lock);
	while (wait_for_next(h)) {
		pthread_mutex_unlock(&h->lock);
		requests_expire(h->view->requests, clock_now_ns());
		look(h);
		poke_waiters(h);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* --- Life ---------------------------------------------------------------- */

int health_new(struct view *v, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;
	int error;

	if (!h)
		return -ENOMEM;
	h->view = v;
	TAILQ_INIT(&h->waiters);
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &attr);
	pthread_condattr_destroy(&attr);
	error = pthread_create(&h->thread, NULL, timer_main, h);
	if (error) {
		health_free(h);
		return -error;
	}
	h->has_thread = true;
	pthread_setname_np(h->thread, "view-timer");
	*ret = h;
	return 0;
}

void health_drain(struct health *h)
{
	pthread_mutex_lock(&h->lock);
	h->ending = true;
	while (h->side[SOURCE].asked > 0 || h->side[DESTINATION].asked > 0 ||
	       !TAILQ_EMPTY(&h->waiters))
		pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

struct health *health_free(struct health *h)
{
	if (!h)
		return NULL;
	if (h->has_thread) {
		health_drain(h);
		pthread_mutex_lock(&h->lock);
		h->closing = true;
		pthread_cond_broadcast(&h->changed);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread, NULL);
	}
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}
