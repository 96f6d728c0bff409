/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox - the calls that a connection is sending, in order, byte by byte.
 *
 * Nothing is copied: a call is its header in the slot, the body of its
 * compound, and the data that the compound refers to. Many small calls go out
 * in one system call.
 *
 * Thread rule: belongs to its connection's thread.
 */
#ifndef NFS_OUTBOX_H
#define NFS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "nfs/client.h"
#include "nfs/slots.h"

/* Pieces of one system call: the largest compound alone must fit. */
#define OUTBOX_PIECES 256

TAILQ_HEAD(call_list, call);

struct outbox {
	struct call_list calls;
	size_t done; /* bytes of the first call that are gone */
};

void outbox_init(struct outbox *o);

static inline bool outbox_is_empty(const struct outbox *o)
{
	return TAILQ_EMPTY(&o->calls);
}

/* `call` has its slot with the header in it. */
void outbox_add(struct outbox *o, struct call *call);

/* Forgets all calls, also the one that is half gone. */
void outbox_clear(struct outbox *o);

/* What to send next, up to OUTBOX_PIECES pieces; returns how many. */
size_t outbox_gather(const struct outbox *o, const struct slots *slots,
		     struct iovec iov[OUTBOX_PIECES]);

/*
 * `*bytes` went: takes those of the first call off it and, when it is whole,
 * the call off the list and returns it. NULL when no more calls are whole.
 */
struct call *outbox_take_sent(struct outbox *o, const struct slots *slots,
			      size_t *bytes);

#endif
