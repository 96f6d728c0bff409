// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * outbox - the calls that a connection is sending, in order, byte by byte.
 *
 * A call is a row of pieces: header, then the body cut where data belong, and
 * the data. After a partial write the row of the first call is walked again
 * and what is gone is skipped: this needs no state but one number, and a row
 * is short.
 */
#include "nfs/outbox.h"

_Static_assert(OUTBOX_PIECES >= 2 + 2 * COMPOUND_REFS_MAX,
	       "a whole compound fits");

/* Collects pieces, skipping those that are gone. */
struct gathering {
	struct iovec *iov;
	size_t count;
	size_t skip; /* bytes */
};

void outbox_init(struct outbox *o)
{
	TAILQ_INIT(&o->calls);
	o->done = 0;
}

void outbox_add(struct outbox *o, struct call *call)
{
	TAILQ_INSERT_TAIL(&o->calls, call, link);
}

void outbox_clear(struct outbox *o)
{
	outbox_init(o);
}

static void add_piece(struct gathering *g, const uint8_t *data, size_t len)
{
	if (len <= g->skip) {
		g->skip -= len;
		return;
	}
	/* An iovec is const only when it is written from. */
	g->iov[g->count++] = (struct iovec){
	    .iov_base = (void *)(uintptr_t)(data + g->skip),
	    .iov_len = len - g->skip,
	};
	g->skip = 0;
}

static void add_call(struct gathering *g, const struct call *call,
		     const struct slots *slots)
{
	const struct compound *c = call->compound;
	const struct xdr_out *header = &slots->slot[call->slot].header;
	size_t at = COMPOUND_HEADROOM; /* left empty, ours is the slot's */

	add_piece(g, header->data, header->len);
	for (unsigned i = 0; i < c->ref_count; i++) {
		const struct compound_ref *ref = &c->refs[i];

		add_piece(g, c->body.data + at, ref->at - at);
		add_piece(g, ref->data, ref->len);
		at = ref->at;
	}
	if (c->body.len > at)
		add_piece(g, c->body.data + at, c->body.len - at);
}

static size_t pieces_of(const struct call *call)
{
	return 2 + 2 * (size_t)call->compound->ref_count;
}

size_t outbox_gather(const struct outbox *o, const struct slots *slots,
		     struct iovec iov[OUTBOX_PIECES])
{
	struct gathering g = {.iov = iov, .skip = o->done};
	const struct call *call;

	TAILQ_FOREACH(call, &o->calls, link) {
		if (pieces_of(call) > OUTBOX_PIECES - g.count)
			break;
		add_call(&g, call, slots);
	}
	return g.count;
}

struct call *outbox_take_sent(struct outbox *o, const struct slots *slots,
			      size_t *bytes)
{
	struct call *call = TAILQ_FIRST(&o->calls);
	size_t left;

	if (!call)
		return NULL;
	left = slots->slot[call->slot].header.len +
	       compound_size(call->compound) - o->done;
	if (*bytes < left) {
		o->done += *bytes;
		*bytes = 0;
		return NULL;
	}
	*bytes -= left;
	o->done = 0;
	TAILQ_REMOVE(&o->calls, call, link);
	return call;
}
