/* SPDX-License-Identifier: GPL-3.0-or-later */
/* It stands in front of the `dir` backend and hands its calls on. */
#include "still_volume.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "volume/backend.h"
#include "volume/location.h"

struct held {
	STAILQ_ENTRY(held) link;
	struct volume_call *call;
};

STAILQ_HEAD(held_list, held);

struct still_volume {
	struct volume volume; /* first, see backend.h */
	struct volume *inner;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool stopped;
	bool lost;
	bool cancelled;
	enum volume_verb fail_verb;
	unsigned fail_times;
	int fail_error;
	unsigned count[VOLUME_VERBS];
	size_t held_count;
	struct held_list held;
};

static struct still_volume *still_of(struct volume *v)
{
	return (struct still_volume *)v;
}

/* What this call answers without being carried out; the lock is held. */
static int error_for(struct still_volume *s, const struct volume_call *call)
{
	if (s->cancelled)
		return -ECANCELED;
	if (s->lost)
		return -ENOTCONN;
	if (s->fail_times > 0 && s->fail_verb == call->verb) {
		s->fail_times--;
		return s->fail_error;
	}
	return 0;
}

static void start(struct volume *v, struct volume_call *call)
{
	struct still_volume *s = still_of(v);
	struct held *held = NULL;
	int error;

	pthread_mutex_lock(&s->lock);
	s->count[call->verb]++;
	error = error_for(s, call);
	if (!error && s->stopped) {
		held = malloc(sizeof(*held));
		if (!held)
			abort();
		held->call = call;
		STAILQ_INSERT_TAIL(&s->held, held, link);
		s->held_count++;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	if (error) {
		volume_fail(call->verb, call->items, call->count, error);
		call->done(call);
	} else if (!held) {
		volume_start(s->inner, call);
	}
}

/* The calls that were held; the lock is held. */
static void take_held(struct still_volume *s, struct held_list *ret)
{
	STAILQ_INIT(ret);
	STAILQ_CONCAT(ret, &s->held);
	s->held_count = 0;
}

static void cancel(struct volume *v)
{
	struct still_volume *s = still_of(v);
	struct held_list list;
	struct held *held;

	pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	take_held(s, &list);
	pthread_mutex_unlock(&s->lock);
	while ((held = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		volume_fail(held->call->verb, held->call->items,
			    held->call->count, -ECANCELED);
		held->call->done(held->call);
		free(held);
	}
	volume_cancel(s->inner);
}

static uint64_t get_requests(const struct volume *v)
{
	return volume_get_requests(((const struct still_volume *)v)->inner);
}

static void free_still(struct volume *v)
{
	struct still_volume *s = still_of(v);

	volume_free(s->inner);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct volume_backend still_backend = {
    .name = "still",
    .start = start,
    .cancel = cancel,
    .get_requests = get_requests,
    .free = free_still,
};

struct volume *still_volume_open(const char *path)
{
	struct still_volume *s = calloc(1, sizeof(*s));
	struct location *location;
	char error[512];
	int r;

	if (!s || location_parse(path, &location, error, sizeof(error)) < 0) {
		free(s);
		return NULL;
	}
	r = volume_open_location(location, &s->inner, error, sizeof(error));
	location_free(location);
	if (r < 0) {
		free(s);
		return NULL;
	}
	s->volume.backend = &still_backend;
	s->volume.info = *volume_get_info(s->inner);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	STAILQ_INIT(&s->held);
	return &s->volume;
}

void still_volume_stop(struct volume *v)
{
	struct still_volume *s = still_of(v);

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
}

void still_volume_continue(struct volume *v)
{
	struct still_volume *s = still_of(v);
	struct held_list list;
	struct held *held;

	pthread_mutex_lock(&s->lock);
	s->stopped = false;
	take_held(s, &list);
	pthread_mutex_unlock(&s->lock);
	while ((held = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		volume_start(s->inner, held->call);
		free(held);
	}
}

void still_volume_lose(struct volume *v, bool lost)
{
	struct still_volume *s = still_of(v);

	pthread_mutex_lock(&s->lock);
	s->lost = lost;
	pthread_mutex_unlock(&s->lock);
}

void still_volume_fail(struct volume *v, enum volume_verb verb, unsigned times,
		       int error)
{
	struct still_volume *s = still_of(v);

	pthread_mutex_lock(&s->lock);
	s->fail_verb = verb;
	s->fail_times = times;
	s->fail_error = error;
	pthread_mutex_unlock(&s->lock);
}

unsigned still_volume_count(struct volume *v, enum volume_verb verb)
{
	struct still_volume *s = still_of(v);
	unsigned count;

	pthread_mutex_lock(&s->lock);
	count = s->count[verb];
	pthread_mutex_unlock(&s->lock);
	return count;
}

void still_volume_wait(struct volume *v, size_t held)
{
	struct still_volume *s = still_of(v);

	pthread_mutex_lock(&s->lock);
	while (s->held_count < held)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

size_t still_volume_held(struct volume *v)
{
	struct still_volume *s = still_of(v);
	size_t count;

	pthread_mutex_lock(&s->lock);
	count = s->held_count;
	pthread_mutex_unlock(&s->lock);
	return count;
}
