/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request - one operation of the kernel that is answered later: from the
 * completion of a call, or before that because the user interrupted it
 * (EINTR) or because it took too long under -o soft (EIO).
 *
 * Whoever claims the request first answers it; the others find it claimed and
 * only drop what they hold. It is embedded as the first member of what an
 * operation needs, and freed by `free` when the last reference is dropped:
 * calls in flight hold one each, since their items are in it.
 *
 * Thread rule: all functions from any thread.
 */
#ifndef VIEW_REQUEST_H
#define VIEW_REQUEST_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct requests;
struct view;

struct request {
	struct view *view;
	fuse_req_t req; /* only for who claimed it */
	_Atomic bool claimed;
	_Atomic unsigned references;
	_Atomic unsigned phase; /* request.c: of request_init() */
	void (*free)(struct request *r);
	TAILQ_ENTRY(request) link; /* in the view's list of waiting requests */
	bool listed;               /* guarded by the list's lock */
	int64_t deadline_ns;       /* under -o soft; INT64_MAX: none */
};

/* The requests of a view that wait, oldest first. */
int requests_new(struct requests **ret);

/* Waits until all requests are answered and freed: their calls must end. */
void requests_drain(struct requests *rs);
/* The timer, which looks after them, has ended. */
struct requests *requests_free(struct requests *rs);

/* Answers those whose time is over with EIO: the timer's business. */
void requests_expire(struct requests *rs, int64_t now_ns);

/*
 * Begins with one reference, the starter's. From here on the user's interrupt
 * answers it with EINTR and the timer with EIO: it may be claimed on return.
 * `req` NULL: work of our own, which nobody waits for; claimed from the start.
 */
void request_init(struct request *r, struct view *v, fuse_req_t req,
		  void (*free)(struct request *r));

void request_hold(struct request *r);
/* The last one frees it; it is answered with EIO if nobody has by then. */
void request_drop(struct request *r);

/*
 * True: answer it now with a fuse_reply_*() on the result; false: somebody
 * did. A claim takes it out of the timer's and the interrupt's reach. The
 * caller holds a reference until it has returned.
 */
bool request_claim(struct request *r, fuse_req_t *ret);

/* For work that is long: is anybody still interested? */
bool request_is_claimed(const struct request *r);

/*
 * Claims and answers with an error: a negative errno, or 0. A side that is
 * lost is EIO to the kernel's callers: ENOTCONN from a mount means that its
 * daemon is dead.
 */
void request_fail(struct request *r, int error);

#endif
