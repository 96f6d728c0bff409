/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Twice a second the volumes are asked since when they wait. A server that has
 * several connections may let one of them wait while the others are answered,
 * so a side is quiet only when it was so each time for a while, and it is back
 * only when it was not for a moment.
 *
 * What ends a run (a cancel, a full disk, the end of its time) lets what is in
 * flight end first. That may be an hour when a side is gone: so from then on
 * the volumes have no more patience than for a slow server.
 */
#include "sync/silence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/log.h"
#include "sync/state.h"
#include "volume/volume.h"

#define LOOK_NS (NS_PER_S / 2)

/* A server that says nothing for so long is quiet .. */
#define QUIET_NS NS_PER_S
/* .. and when it goes on for so long the user is told, */
#define SAY_NS (9 * NS_PER_S)
/* .. as when it was not for so long. */
#define BACK_NS NS_PER_S

/* How long a run that is ending waits for a silent side: one that somebody
 * has cancelled, and any other. */
#define CANCELLED_NS (5 * NS_PER_S)
#define STOPPING_NS  (20 * NS_PER_S)

struct quiet_side {
	int64_t turned_ns; /* when it became quiet, or ceased to be */
	bool quiet;
	int64_t
	    said_ns; /* since when it is silent, as was told; 0: it is not */
};

struct silence {
	struct engine *engine;
	pthread_t thread;
	pthread_mutex_t lock; /* guards `ended`; leaf */
	pthread_cond_t changed;
	bool ended;

	/* The thread's. */
	struct quiet_side side[SIDES];
	int64_t patience_ns; /* that the volumes were given; 0: their own */
};

static void say_silent(struct engine *e, enum side side, int64_t since_ns)
{
	int64_t wall_ns = clock_wall_ns() - (clock_now_ns() - since_ns);
	char text[HUMAN_SIZE];

	atomic_store(&e->silent_ns[side], wall_ns);
	log_warning("%s %s: not answering since %s, still trying",
		    side_name(side), e->location[side],
		    human_time(wall_ns, text));
}

static void say_back(struct engine *e, enum side side, int64_t since_ns)
{
	char text[HUMAN_SIZE];

	atomic_store(&e->silent_ns[side], 0);
	log_notice("%s %s: answers again, after %s", side_name(side),
		   e->location[side],
		   human_duration(clock_now_ns() - since_ns, text));
}

static void look_at(struct silence *s, enum side side, int64_t now_ns)
{
	struct engine *e = s->engine;
	struct quiet_side *q = &s->side[side];
	int64_t since_ns = volume_get_silent_ns(e->volume[side]);
	bool quiet = since_ns > 0 && now_ns - since_ns >= QUIET_NS;

	if (quiet != q->quiet) {
		q->quiet = quiet;
		q->turned_ns = now_ns;
	}
	/* Whoever ends the run says why, and the side may just be given up. */
	if (engine_is_stopping(e))
		return;
	if (quiet && !q->said_ns && now_ns - q->turned_ns >= SAY_NS) {
		q->said_ns = since_ns;
		say_silent(e, side, since_ns);
	} else if (!quiet && q->said_ns && now_ns - q->turned_ns >= BACK_NS) {
		say_back(e, side, q->said_ns);
		q->said_ns = 0;
	}
}

static void set_patience(struct silence *s, int64_t ns)
{
	if (ns == s->patience_ns)
		return;
	s->patience_ns = ns;
	for (int side = 0; side < SIDES; side++)
		volume_set_patience(s->engine->volume[side], ns);
}

static void look(struct silence *s)
{
	struct engine *e = s->engine;
	int64_t now_ns = clock_now_ns();

	for (int side = 0; side < SIDES; side++)
		look_at(s, (enum side)side, now_ns);
	if (atomic_load(&e->cancelled))
		set_patience(s, CANCELLED_NS);
	else if (engine_is_stopping(e))
		set_patience(s, STOPPING_NS);
}

static void *silence_main(void *user)
{
	struct silence *s = user;

	pthread_setname_np(pthread_self(), "silence");
	pthread_mutex_lock(&s->lock);
	while (!s->ended) {
		struct timespec until =
		    clock_split_ns(clock_now_ns() + LOOK_NS);

		if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
			continue;
		pthread_mutex_unlock(&s->lock);
		look(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct silence *silence_free(struct silence *s)
{
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

struct silence *silence_start(struct engine *e)
{
	struct silence *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	if (!s)
		return NULL;
	s->engine = e;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&s->thread, NULL, silence_main, s) != 0)
		return silence_free(s);
	return s;
}

/* A side that came back just before the end. */
static void say_rest(struct silence *s)
{
	struct engine *e = s->engine;

	for (int side = 0; side < SIDES; side++)
		if (s->side[side].said_ns && !engine_is_stopping(e))
			say_back(e, (enum side)side, s->side[side].said_ns);
}

struct silence *silence_end(struct silence *s)
{
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	say_rest(s);
	set_patience(s, 0);
	return silence_free(s);
}
