/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * slots - the slot table of one session (RFC 8881 section 2.10.6.1).
 *
 * A slot carries one request at a time. It keeps the request's header as it
 * was sent, so that after a reconnect the very same bytes go out again and the
 * server answers from its cache instead of executing them twice.
 *
 * Thread rule: belongs to its connection's thread.
 */
#ifndef NFS_SLOTS_H
#define NFS_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/session.h"
#include "nfs/xdr.h"

struct call;

struct slot {
	struct call *call; /* NULL: free */
	uint32_t sequence; /* of this request, or of the next when free */
	unsigned sends;    /* how often it was sent in whole */
	unsigned delays;   /* how often the server said: later */
	bool unsent;       /* waits to be sent, or is sent in part */
	bool resting;      /* waits to be sent again later */
	int64_t sent_ns;   /* when it was sent in whole the last time */
	struct xdr_out header;
};

struct slots {
	uint32_t count; /* of the session */
	uint32_t limit; /* how many of them the server likes to see used */
	uint32_t used;
	uint64_t busy; /* bit n: slot n is taken */
	struct slot slot[SESSION_SLOTS];
};

void slots_init(struct slots *s);
void slots_done(struct slots *s);

/* For a new session: all are free, all sequences begin at 1. */
void slots_reset(struct slots *s, uint32_t count);

/* What the server said in sr_target_highest_slotid. */
void slots_set_target(struct slots *s, uint32_t target);

/* The lowest free slot, now `call`'s; NULL if all that may be used are. */
struct slot *slots_take(struct slots *s, struct call *call);

/* Frees a slot; `advance`: the server counted its request. */
void slots_give(struct slots *s, struct slot *slot, bool advance);

uint32_t slots_index(const struct slots *s, const struct slot *slot);

/* The highest slot that is taken, 0 if none is. */
uint32_t slots_highest(const struct slots *s);

/* The next taken slot from number `*at` on, which moves behind it; or NULL. */
struct slot *slots_next(struct slots *s, uint32_t *at);

#endif
