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

struct view;

struct request {
	struct view *view;
	fuse_req_t req; /* only for who claimed it */
	_Atomic bool claimed;
	_Atomic unsigned references;
	void (*free)(struct request *r);
	TAILQ_ENTRY(request) link; /* in the view's list of waiting requests */
	int64_t deadline_ns;       /* under -o soft; INT64_MAX: none */
};

/*
 * Begins with one reference, the starter's. From here on the user's interrupt
 * answers it with EINTR and the timer with EIO.
 */
void request_init(struct request *r, struct view *v, fuse_req_t req,
		  void (*free)(struct request *r));

void request_hold(struct request *r);
void request_drop(struct request *r);

/* True: answer it now with a fuse_reply_*() on the result; false: somebody
 * did. A claim takes it out of the timer's and the interrupt's reach. */
bool request_claim(struct request *r, fuse_req_t *ret);

/* For work that is long: is anybody still interested? */
bool request_is_claimed(const struct request *r);

/* Claims and answers with an error: a negative errno, or 0. */
void request_fail(struct request *r, int error);

#endif
