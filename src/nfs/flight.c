// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * flight - the calls of one connection: those that wait and those in slots.
 *
 * Where a call is, from flight_add() to its end:
 *
 *   resting	until its not_before_ns; with a slot (the server said DELAY to
 *		SEQUENCE) or without (the submitter's own back-off)
 *   foreground, background	waits for a slot
 *   a slot, unsent	in the outbox, or waiting for a connection
 *   a slot		sent; its reply is awaited
 *
 * A call goes out again in its slot, as the same bytes, as long as the session
 * lives; the header kept in the slot is what makes them the same. When the
 * session is gone it goes into a new one with a new header, and if it may have
 * been executed it says so in `again`. It may have been when it was sent in
 * whole once more often than a SEQUENCE that failed was heard of it, for that
 * one says that nothing was executed.
 *
 * The xid holds the number of the slot in its low bits, so that a reply finds
 * its call without a search.
 */
#include "nfs/flight.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "nfs/backoff.h"
#include "nfs/link.h"
#include "nfs/oncrpc.h"
#include "nfs/session.h"

/* For deciding whether a server can keep a reply for a replay. */
#define REPLY_BYTES        256
#define REPLY_BYTES_PER_OP 128

#define XID_SLOT_BITS 6
#define XID_SLOT_MASK ((UINT32_C(1) << XID_SLOT_BITS) - 1)

_Static_assert(SESSION_SLOTS <= 1 << XID_SLOT_BITS, "an xid names its slot");

#define NO_SLOT UINT32_MAX

void flight_init(struct flight *f, const struct session *session,
		 const struct oncrpc_auth *auth,
		 void (*end)(void *user, struct call *call, int result),
		 void *user)
{
	memset(f, 0, sizeof(*f));
	slots_init(&f->slots);
	outbox_init(&f->outbox);
	TAILQ_INIT(&f->foreground);
	TAILQ_INIT(&f->background);
	TAILQ_INIT(&f->resting);
	/* Numbers of an earlier life of this process are not met again soon. */
	f->xid = (uint32_t)clock_wall_ns();
	f->session = session;
	f->auth = auth;
	f->end = end;
	f->user = user;
}

void flight_done(struct flight *f)
{
	slots_done(&f->slots);
}

/* --- Calls that wait ------------------------------------------------------ */

static struct call_list *queue_of(struct flight *f, const struct call *call)
{
	return call->foreground ? &f->foreground : &f->background;
}

/* Puts the call among the resting, the soonest first. */
static void rest(struct flight *f, struct call *call)
{
	struct call *before = TAILQ_LAST(&f->resting, call_list);

	while (before && before->not_before_ns > call->not_before_ns)
		before = TAILQ_PREV(before, call_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&f->resting, before, call, link);
	else
		TAILQ_INSERT_HEAD(&f->resting, call, link);
}

void flight_add(struct flight *f, struct call *call)
{
	call->slot = NO_SLOT;
	if (call->not_before_ns > 0)
		rest(f, call);
	else
		TAILQ_INSERT_TAIL(queue_of(f, call), call, link);
}

static void encode_header(struct flight *f, struct slot *slot)
{
	struct call *call = slot->call;
	const struct compound *compound = call->compound;
	uint32_t ops = compound->ops + 1;
	uint32_t reply_bytes = REPLY_BYTES + ops * REPLY_BYTES_PER_OP;
	struct sequence s = {
	    .number = slot->sequence,
	    .slot = slots_index(&f->slots, slot),
	    .highest_slot = slots_highest(&f->slots),
	    /* A reply that the server cannot keep would be refused with
	     * REP_TOO_BIG_TO_CACHE in the middle of the compound; rather be
	     * told that it was lost, should a replay ever ask for it. */
	    .cache = compound->changes && reply_bytes <= f->session->max_cached,
	};

	memcpy(s.session_id, f->session->id, sizeof(s.session_id));
	call->slot = s.slot;
	call->xid = f->xid++ << XID_SLOT_BITS | s.slot;
	oncrpc_put_call(&slot->header, call->xid, NFSPROC4_COMPOUND, f->auth);
	session_put_compound(&slot->header, ops);
	session_put_sequence(&slot->header, &s);
	oncrpc_set_mark(&slot->header, 0, compound_size(compound));
}

/* Why the call in the slot cannot be sent, or 0. */
static int check_request(const struct flight *f, const struct slot *slot)
{
	const struct compound *compound = slot->call->compound;

	if (compound->body.failed || slot->header.failed)
		return -ENOMEM;
	if (compound->ops + 1 > f->session->max_ops ||
	    slot->header.len - 4 + compound_size(compound) >
		f->session->max_request)
		return -E2BIG;
	return 0;
}

/* Gives slots to calls that wait, as far as there are any. */
static void fill_slots(struct flight *f, struct call_list *queue)
{
	struct call *call;

	while ((call = TAILQ_FIRST(queue))) {
		struct slot *slot = slots_take(&f->slots, call);
		int r;

		if (!slot)
			return;
		TAILQ_REMOVE(queue, call, link);
		encode_header(f, slot);
		r = check_request(f, slot);
		if (r < 0)
			flight_end(f, slot, false, r);
		else
			outbox_add(&f->outbox, call);
	}
}

void flight_admit(struct flight *f, int64_t now_ns)
{
	struct call *call;

	while (flight_next_ns(f) <= now_ns) {
		struct slot *slot;

		call = TAILQ_FIRST(&f->resting);
		TAILQ_REMOVE(&f->resting, call, link);
		if (call->slot == NO_SLOT) {
			TAILQ_INSERT_TAIL(queue_of(f, call), call, link);
			continue;
		}
		slot = &f->slots.slot[call->slot];
		slot->resting = false;
		slot->unsent = true;
		f->resting_slots--;
		outbox_add(&f->outbox, call);
	}
	fill_slots(f, &f->foreground);
	fill_slots(f, &f->background);
}

int64_t flight_next_ns(const struct flight *f)
{
	const struct call *call = TAILQ_FIRST(&f->resting);

	return call ? call->not_before_ns : INT64_MAX;
}

/* --- Calls in slots ------------------------------------------------------- */

/* Takes `bytes` that went off the outbox; returns how many calls are whole. */
static unsigned note_sent(struct flight *f, size_t bytes, int64_t now_ns)
{
	const struct call *call;
	unsigned sent = 0;

	while ((call = outbox_take_sent(&f->outbox, &f->slots, &bytes))) {
		struct slot *slot = &f->slots.slot[call->slot];

		slot->unsent = false;
		slot->sends++;
		slot->sent_ns = now_ns;
		sent++;
	}
	return sent;
}

int flight_send(struct flight *f, struct link *link, unsigned *ret_sent)
{
	struct iovec iov[OUTBOX_PIECES];

	*ret_sent = 0;
	while (!outbox_is_empty(&f->outbox)) {
		size_t count = outbox_gather(&f->outbox, &f->slots, iov);
		int64_t now = clock_now_ns();
		size_t total = 0;
		ssize_t n = link_send(link, iov, count);

		if (n < 0)
			return (int)n;
		*ret_sent += note_sent(f, (size_t)n, now);
		for (size_t i = 0; i < count; i++)
			total += iov[i].iov_len;
		/* Less than all: it would take nothing now. */
		if ((size_t)n < total)
			break;
	}
	return 0;
}

static bool is_awaiting(const struct slot *slot)
{
	return slot->call && !slot->unsent && !slot->resting;
}

struct slot *flight_find(struct flight *f, uint32_t xid)
{
	struct slot *slot = &f->slots.slot[xid & XID_SLOT_MASK];

	return is_awaiting(slot) && slot->call->xid == xid ? slot : NULL;
}

unsigned flight_awaited(const struct flight *f)
{
	return f->slots.used - f->resting_slots;
}

bool flight_is_overdue(struct flight *f, int64_t now_ns, int64_t limit_ns)
{
	struct slot *slot;

	for (uint32_t at = 0; (slot = slots_next(&f->slots, &at));)
		if (is_awaiting(slot) && now_ns - slot->sent_ns > limit_ns)
			return true;
	return false;
}

void flight_end(struct flight *f, struct slot *slot, bool advance, int result)
{
	struct call *call = slot->call;

	slots_give(&f->slots, slot, advance);
	f->end(f->user, call, result);
}

void flight_retry(struct flight *f, struct slot *slot, bool advance,
		  bool executed)
{
	struct call *call = slot->call;

	slots_give(&f->slots, slot, advance);
	if (executed && call->compound->changes)
		call->again = true;
	call->slot = NO_SLOT;
	TAILQ_INSERT_HEAD(queue_of(f, call), call, link);
}

void flight_delay(struct flight *f, struct slot *slot, int64_t now_ns)
{
	slot->delays++;
	slot->resting = true;
	slot->call->not_before_ns = now_ns + backoff_ns(slot->delays);
	f->resting_slots++;
	rest(f, slot->call);
}

/* --- All calls ------------------------------------------------------------ */

void flight_cut(struct flight *f)
{
	outbox_clear(&f->outbox);
}

void flight_resend(struct flight *f)
{
	struct slot *slot;

	for (uint32_t at = 0; (slot = slots_next(&f->slots, &at));) {
		if (slot->resting)
			continue;
		slot->unsent = true;
		outbox_add(&f->outbox, slot->call);
	}
}

void flight_recall(struct flight *f)
{
	struct slot *slot;

	outbox_clear(&f->outbox);
	for (uint32_t at = 0; (slot = slots_next(&f->slots, &at));) {
		/* A resting call was last answered by a failed SEQUENCE. */
		unsigned failed = slot->resting ? 1 : 0;

		if (slot->resting)
			TAILQ_REMOVE(&f->resting, slot->call, link);
		flight_retry(f, slot, false, slot->sends > failed);
	}
	f->resting_slots = 0;
}

void flight_end_all(struct flight *f, struct call_list *more, int result)
{
	struct call_list all;
	struct slot *slot;
	struct call *call;

	TAILQ_INIT(&all);
	outbox_clear(&f->outbox);
	for (uint32_t at = 0; (slot = slots_next(&f->slots, &at));) {
		if (!slot->resting)
			TAILQ_INSERT_TAIL(&all, slot->call, link);
		slots_give(&f->slots, slot, false);
	}
	f->resting_slots = 0;
	TAILQ_CONCAT(&all, &f->resting, link);
	TAILQ_CONCAT(&all, &f->foreground, link);
	TAILQ_CONCAT(&all, &f->background, link);
	TAILQ_CONCAT(&all, more, link);
	while ((call = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, call, link);
		f->end(f->user, call, result);
	}
}
