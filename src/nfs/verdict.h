/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verdict - what a reply means for the call, its slot and its session
 * (RFC 8881 sections 2.10.6 and 18.46).
 *
 * Thread rule: pure.
 */
#ifndef NFS_VERDICT_H
#define NFS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/compound.h"
#include "nfs/session.h"

enum verdict_kind {
	VERDICT_ANSWERED, /* `reply` is the caller's */
	VERDICT_REFUSED,  /* not executed; the call ends with `error` */
	VERDICT_DELAY,    /* not executed; send the same again later */
	VERDICT_UNCACHED, /* executed before, its reply is lost */
	VERDICT_SESSION,  /* not executed; the session is of no more use */
	VERDICT_NONSENSE, /* not a reply to this request */
};

struct verdict {
	enum verdict_kind kind;
	int error;      /* of VERDICT_REFUSED */
	bool advance;   /* the slot's sequence was counted up */
	bool sequenced; /* `sequence` holds what the server said */
	struct sequence sequence;
	struct reply reply; /* of VERDICT_ANSWERED; its blob is not set */
};

/* What was asked. */
struct verdict_question {
	const struct session *session;
	uint32_t slot;
	uint32_t number; /* sequence of the slot */
	uint32_t ops;    /* operations, SEQUENCE included */
};

/* `in` stands behind the RPC header of a call that was executed. */
struct verdict verdict_of(struct xdr_in *in, const struct verdict_question *q);

/* The same for a call that RPC refused with `error` of oncrpc_get_reply(). */
struct verdict verdict_of_refusal(int error);

#endif
