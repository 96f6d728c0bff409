/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who answers is settled by one atomic exchange on `claimed`. Two things need
 * more care, because libfuse calls the interrupt function with the lock of its
 * own request held, and frees that request when it is answered:
 *
 *   - The interrupt may be there before the function is registered. Then it is
 *     called from the registration, which still uses the request afterwards:
 *     so during that phase it only leaves word, and request_init() answers.
 *
 *   - It may be about to be called, or be running, while another thread
 *     claims. The claim takes it back under libfuse's lock, which waits for it
 *     to return; until then `struct request` must stay, which the claimer's
 *     reference sees to.
 *
 * The order of locks is libfuse's request, then the list's.
 */
#include "view/request.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "view/core.h"

/* request.phase */
enum {
	PHASE_STARTING,    /* the interrupt function is being registered */
	PHASE_INTERRUPTED, /* and was called */
	PHASE_RUNNING,
};

struct requests {
	pthread_mutex_t lock; /* guards all below; leaf */
	pthread_cond_t gone;  /* live became 0 */
	TAILQ_HEAD(, request) waiting;
	size_t live; /* not yet freed */
};

int requests_new(struct requests **ret)
{
	struct requests *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return -ENOMEM;
	pthread_mutex_init(&rs->lock, NULL);
	pthread_cond_init(&rs->gone, NULL);
	TAILQ_INIT(&rs->waiting);
	*ret = rs;
	return 0;
}

void requests_drain(struct requests *rs)
{
	pthread_mutex_lock(&rs->lock);
	while (rs->live > 0)
		pthread_cond_wait(&rs->gone, &rs->lock);
	pthread_mutex_unlock(&rs->lock);
}

struct requests *requests_free(struct requests *rs)
{
	if (!rs)
		return NULL;
	requests_drain(rs);
	pthread_cond_destroy(&rs->gone);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
	return NULL;
}

/* Takes `r` out of the list, if it is in it; the lock is held. */
static void unlist(struct requests *rs, struct request *r)
{
	if (r->listed)
		TAILQ_REMOVE(&rs->waiting, r, link);
	r->listed = false;
}

/* The one who gets true answers. */
static bool take(struct request *r)
{
	struct requests *rs = r->view->requests;

	if (atomic_exchange(&r->claimed, true))
		return false;
	pthread_mutex_lock(&rs->lock);
	unlist(rs, r);
	pthread_mutex_unlock(&rs->lock);
	return true;
}

/* A reference, unless the last one was dropped already. */
static bool try_hold(struct request *r)
{
	unsigned references = atomic_load(&r->references);

	while (references > 0)
		if (atomic_compare_exchange_weak(&r->references, &references,
						 references + 1))
			return true;
	return false;
}

/* The user does not want to wait any longer. */
static void interrupted(fuse_req_t req, void *data)
{
	struct request *r = data;
	unsigned phase = PHASE_STARTING;

	atomic_compare_exchange_strong(&r->phase, &phase, PHASE_INTERRUPTED);
	if (phase != PHASE_RUNNING || !try_hold(r))
		return;
	if (take(r))
		fuse_reply_err(req, EINTR);
	request_drop(r);
}

static int64_t deadline_of(const struct view *v)
{
	const struct view_options *o = v->setup.options;

	if (!o->soft)
		return INT64_MAX;
	return clock_now_ns() + (int64_t)(o->timeo_s * (double)NS_PER_S);
}

void request_init(struct request *r, struct view *v, fuse_req_t req,
		  void (*free_request)(struct request *r))
{
	struct requests *rs = v->requests;
	unsigned phase = PHASE_STARTING;

	r->view = v;
	r->req = req;
	r->free = free_request;
	r->deadline_ns = deadline_of(v);
	r->listed = req;
	atomic_init(&r->claimed, !req);
	atomic_init(&r->references, 1);
	atomic_init(&r->phase, PHASE_STARTING);
	if (req)
		fuse_req_interrupt_func(req, interrupted, r);
	pthread_mutex_lock(&rs->lock);
	rs->live++;
	if (req)
		TAILQ_INSERT_TAIL(&rs->waiting, r, link);
	pthread_mutex_unlock(&rs->lock);
	if (!atomic_compare_exchange_strong(&r->phase, &phase, PHASE_RUNNING))
		request_fail(r, -EINTR);
}

void request_hold(struct request *r)
{
	atomic_fetch_add(&r->references, 1);
}

void request_drop(struct request *r)
{
	struct requests *rs = r->view->requests;

	if (atomic_fetch_sub(&r->references, 1) > 1)
		return;
	/* The kernel never waits for what nobody will answer. */
	request_fail(r, -EIO);
	r->free(r);
	pthread_mutex_lock(&rs->lock);
	if (--rs->live == 0)
		pthread_cond_signal(&rs->gone);
	pthread_mutex_unlock(&rs->lock);
}

bool request_claim(struct request *r, fuse_req_t *ret)
{
	if (!take(r))
		return false;
	fuse_req_interrupt_func(r->req, NULL, NULL);
	*ret = r->req;
	return true;
}

bool request_is_claimed(const struct request *r)
{
	return atomic_load(&r->claimed);
}

void request_fail(struct request *r, int error)
{
	fuse_req_t req;

	if (error == -ENOTCONN || error == -ECANCELED || error == -ETIMEDOUT)
		error = -EIO;
	if (request_claim(r, &req))
		fuse_reply_err(req, -error);
}

void requests_expire(struct requests *rs, int64_t now_ns)
{
	struct request *r;

	for (;;) {
		pthread_mutex_lock(&rs->lock);
		/* All have the same patience: the oldest is the first. */
		r = TAILQ_FIRST(&rs->waiting);
		if (!r || r->deadline_ns > now_ns) {
			pthread_mutex_unlock(&rs->lock);
			return;
		}
		unlist(rs, r);
		if (!try_hold(r))
			r = NULL;
		pthread_mutex_unlock(&rs->lock);
		if (!r)
			continue;
		request_fail(r, -EIO);
		request_drop(r);
	}
}
