/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A batch is cut into carriers. A carrier is one compound on its way with the
 * indices of the items in it, in order. When its reply arrives, the items of
 * a prefix have their results; the rest, if any, is packed into new carriers.
 *
 *	batch_start -> dispatch -> [carrier] -> call_done -> settle
 *			  ^			    |
 *			  +------- the rest --------+
 *
 * What a reply does to the items of its carrier, in order:
 *
 *	result of the item	what becomes of it
 *	0 or an error		finished
 *	-ERESTART		one more round, in order
 *	DELAY, GRACE		back-off, and to the end of the rest, so that
 *				one busy file does not hold up its neighbours
 *	too large		the limit is lowered, sent again
 *	not executed		sent again
 *
 * The back-off is the carrier's and is handed on to the carriers of its rest.
 * It is forgotten as soon as an item gets on. A carrier that got nowhere
 * until the deadline fails the item that is in the way and tries the next.
 *
 * Every round either finishes an item, or brings one a round further (counted
 * and bounded), or is a refusal (counted and bounded per item), or waits
 * (bounded by the deadline): a hostile server cannot keep a batch busy for
 * ever.
 *
 * Counting: `pending` counts the carriers under way, plus one for whoever is
 * dispatching; who takes it to zero ends the batch.
 */
#include "nfs/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "nfs/backoff.h"
#include "nfs/client.h"
#include "nfs/proto.h"
#include "nfs/status.h"

/* Operations in one compound to begin with, SEQUENCE not counted: ganesha
 * refuses more than 100 whatever it negotiated. */
#define OPS_START 96

/* Below these a limit is not lowered any further. */
#define OPS_FLOOR   8
#define BYTES_FLOOR 8192

/* What RPC header, compound header and SEQUENCE add to a reply. */
#define REPLY_OVERHEAD 256

/* The most rounds of one item. A large file that the server reads in pieces
 * of 8 KiB needs 128. */
#define ROUNDS_MAX 512

/* How often an item may be refused for its compound's size: enough to get
 * from the largest to the smallest compound by halves. */
#define REFUSALS_MAX 16

struct batch_memory {
	struct client *client;
	int64_t deadline_ns; /* how long back-offs in a row may last */
	size_t items;        /* in a compound at the most; 0: no limit */

	/* Learned; they only ever fall. */
	atomic_size_t ops;
	atomic_size_t request_bytes;
	atomic_size_t response_bytes;
};

struct item_state {
	uint16_t rounds;
	uint8_t refusals;
	bool again; /* it may have been executed before */
};

struct batch {
	struct batch_memory *memory;
	const struct batch_kind *kind;
	uint8_t *items;
	void (*done)(void *user);
	void *user;
	atomic_size_t pending; /* see the head of this file */
	struct item_state states[];
};

/* A run of back-offs without anything getting on in between. */
struct patience {
	unsigned count;
	int64_t since_ns;
};

struct carrier {
	struct call call;
	struct batch *batch;
	struct compound *compound;
	struct patience patience;
	size_t count;
	uint32_t index[];
};

/* What settle() found out about one carrier. */
struct outcome {
	bool progress;  /* an item was finished or brought a round further */
	bool wait;      /* the server cannot now: send the rest later */
	bool has_later; /* one item was told so ... */
	uint32_t later; /* ... this one, and it goes last */
	size_t rest;    /* indices to send again, moved to the front */
};

static void call_done(struct call *call);

struct batch_memory *batch_memory_new(struct client *client,
				      unsigned deadline_s)
{
	struct batch_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->client = client;
	m->deadline_ns =
	    (deadline_s ? deadline_s : DEADLINE_DEFAULT_S) * NS_PER_S;
	atomic_init(&m->ops, OPS_START);
	atomic_init(&m->request_bytes, SIZE_MAX);
	atomic_init(&m->response_bytes, SIZE_MAX);
	return m;
}

struct batch_memory *batch_memory_free(struct batch_memory *m)
{
	free(m);
	return NULL;
}

void batch_memory_set_items(struct batch_memory *m, size_t items)
{
	m->items = items;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

struct batch_item_cost batch_get_room(const struct batch_memory *m)
{
	struct client_limits limits = client_get_limits(m->client);
	size_t ops = least(minus(limits.max_ops, 1), COMPOUND_OPS_MAX - 1);

	return (struct batch_item_cost){
	    .ops = (unsigned)least(ops, atomic_load(&m->ops)),
	    .request_bytes = least(minus(limits.max_request, COMPOUND_HEADROOM),
				   atomic_load(&m->request_bytes)),
	    .response_bytes = least(minus(limits.max_response, REPLY_OVERHEAD),
				    atomic_load(&m->response_bytes)),
	};
}

static bool is_too_large(uint32_t status)
{
	switch (status) {
	case NFS4ERR_RESOURCE:
	case NFS4ERR_TOO_MANY_OPS:
	case NFS4ERR_REQ_TOO_BIG:
	case NFS4ERR_REP_TOO_BIG:
	case NFS4ERR_REP_TOO_BIG_TO_CACHE:
		return true;
	default:
		return false;
	}
}

bool batch_is_passing(const struct reply *r)
{
	return status_is_delay(r->failed_status) ||
	       is_too_large(r->failed_status);
}

/* --- Learning ------------------------------------------------------------- */

/* Lowers `*limit` to `value`, but not below `floor`; false if it is no
 * lower than before. */
static bool lower(atomic_size_t *limit, size_t value, size_t floor)
{
	size_t old = atomic_load(limit);

	if (value < floor)
		value = floor;
	while (value < old)
		if (atomic_compare_exchange_weak(limit, &old, value))
			return true;
	return false;
}

static void lower_ops(struct batch_memory *m, size_t ops)
{
	lower(&m->ops, ops, OPS_FLOOR);
}

/*
 * The server refused the whole compound. It does not say whether for its
 * operations or its bytes; operations first, as what one negotiates in bytes
 * is kept to. True when a limit is lower than it was for this compound, be it
 * by another batch.
 */
static bool learn_too_large(struct batch_memory *m, const struct compound *c,
			    size_t items)
{
	size_t size = compound_size(c);

	if (items > 1 && c->ops > OPS_FLOOR) {
		lower_ops(m, c->ops / 2);
		return true;
	}
	return lower(&m->request_bytes, size / 2, BYTES_FLOOR);
}

/* The reply would have been too large: ask for half of it. */
static bool learn_too_long(struct batch_memory *m)
{
	size_t now = batch_get_room(m).response_bytes;

	return lower(&m->response_bytes, now / 2, BYTES_FLOOR);
}

/* --- Sending -------------------------------------------------------------- */

static void *item_at(const struct batch *b, uint32_t index)
{
	return b->items + (size_t)index * b->kind->item_size;
}

static void finish(struct batch *b, uint32_t index, int result)
{
	b->kind->finish(item_at(b, index), result);
}

/* One party less; the last one ends the batch. */
static void drop(struct batch *b)
{
	void (*done)(void *user) = b->done;
	void *user = b->user;

	if (atomic_fetch_sub_explicit(&b->pending, 1, memory_order_acq_rel) > 1)
		return;
	free(b);
	done(user);
}

static struct carrier *carrier_free(struct carrier *r)
{
	if (!r)
		return NULL;
	compound_free(r->compound);
	free(r);
	return NULL;
}

/* A carrier for the items `index[0..count)`, encoded; NULL: no memory. */
static struct carrier *carrier_new(struct batch *b, const uint32_t *index,
				   size_t count, struct patience patience)
{
	struct carrier *r = calloc(1, sizeof(*r) + count * sizeof(*index));
	const void *previous = NULL;

	if (!r)
		return NULL;
	r->batch = b;
	r->patience = patience;
	r->compound = compound_new();
	if (!r->compound)
		return carrier_free(r);
	for (size_t i = 0; i < count; i++) {
		void *item = item_at(b, index[i]);

		r->index[r->count++] = index[i];
		b->kind->encode(r->compound, b->memory->client, item, previous,
				b->states[index[i]].again);
		previous = item;
	}
	if (r->compound->body.failed)
		return carrier_free(r);
	r->call.compound = r->compound;
	r->call.done = call_done;
	r->call.user = r;
	return r;
}

/* How many items from the front of `index` go into one compound: as many as
 * fit, but at least one. */
static size_t fitting(const struct batch *b, const uint32_t *index,
		      size_t count)
{
	struct batch_item_cost room = batch_get_room(b->memory);
	struct batch_item_cost sum = {0};
	const void *previous = NULL;
	size_t n = 0;

	if (b->memory->items > 0)
		count = least(count, b->memory->items);
	while (n < count) {
		const void *item = item_at(b, index[n]);
		struct batch_item_cost cost = b->kind->cost(item, previous);

		sum.ops += cost.ops;
		sum.request_bytes += cost.request_bytes;
		sum.response_bytes += cost.response_bytes;
		if (n > 0 && (sum.ops > room.ops ||
			      sum.request_bytes > room.request_bytes ||
			      sum.response_bytes > room.response_bytes))
			break;
		previous = item;
		n++;
	}
	return n;
}

/* Packs and sends items; those that cannot be sent are finished. */
static void dispatch(struct batch *b, const uint32_t *index, size_t count,
		     struct patience patience, int64_t delay_ns)
{
	while (count > 0) {
		size_t n = fitting(b, index, count);
		struct carrier *r = carrier_new(b, index, n, patience);

		if (r) {
			atomic_fetch_add(&b->pending, 1);
			client_submit(b->memory->client, &r->call, delay_ns);
		} else {
			for (size_t i = 0; i < n; i++)
				finish(b, index[i], -ENOMEM);
		}
		index += n;
		count -= n;
	}
}

/* --- Receiving ------------------------------------------------------------ */

/* The rest starts with these items of the carrier. */
static void keep(struct carrier *r, struct outcome *o, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		r->index[o->rest++] = r->index[i];
}

/*
 * Item `i` was too much, with `executed` operations done before. Behind other
 * items it goes into a smaller compound next time; as the first of its
 * compound it is sent again if a limit could be lowered for it.
 */
static bool learn_from_item(struct carrier *r, uint32_t status, size_t i,
			    size_t executed)
{
	struct batch_memory *m = r->batch->memory;

	switch (status) {
	case NFS4ERR_REP_TOO_BIG:
		return i > 0 || learn_too_long(m);
	case NFS4ERR_REQ_TOO_BIG:
		return i > 0 || learn_too_large(m, r->compound, r->count);
	default:
		if (i > 0)
			lower_ops(m, executed);
		return i > 0;
	}
}

/* Item `i` is not done for a reason that is between server and batch. */
static void judge_passing(struct carrier *r, struct outcome *o, size_t i,
			  size_t executed)
{
	uint32_t status = r->call.reply.failed_status;
	struct item_state *state = &r->batch->states[r->index[i]];

	if (is_too_large(status)) {
		if (++state->refusals > REFUSALS_MAX) {
			finish(r->batch, r->index[i], -EIO);
			return;
		}
		if (learn_from_item(r, status, i, executed)) {
			keep(r, o, i, i + 1);
			return;
		}
		/* It is alone and as small as can be: the server is short
		 * of something, which may pass. */
	}
	o->wait = true;
	o->has_later = true;
	o->later = r->index[i];
}

/*
 * Judges item `i`, whose decode said `error`. Returns true when the results
 * behind it may be read.
 */
static bool judge(struct carrier *r, struct outcome *o, size_t i, int error,
		  size_t executed)
{
	uint32_t index = r->index[i];
	struct item_state *state = &r->batch->states[index];

	if (error == 0) {
		finish(r->batch, index, 0);
		o->progress = true;
		return true;
	}
	state->again = true;
	if (batch_is_passing(&r->call.reply)) {
		judge_passing(r, o, i, executed);
		return false;
	}
	o->progress = true;
	if (error == -ERESTART && ++state->rounds < ROUNDS_MAX) {
		keep(r, o, i, i + 1);
		return true;
	}
	/* Executed in part without saying why is not an answer. */
	if (error == -ENODATA || error == -ERESTART)
		error = -EPROTO;
	finish(r->batch, index, error);
	/* Out of memory, the reader stands in the middle of the item. */
	return error != -ENOMEM;
}

/* Reads an answered carrier's results item by item. */
static void settle(struct carrier *r, struct outcome *o)
{
	struct batch *b = r->batch;
	struct reply *reply = &r->call.reply;
	size_t executed = reply->left > 0 ? reply->left - 1 : 0;
	const void *previous = NULL;
	bool more = true;
	size_t i;

	for (i = 0; more && i < r->count && reply_has_next(reply); i++) {
		struct item_state *state = &b->states[r->index[i]];
		void *item = item_at(b, r->index[i]);
		int error;

		error = b->kind->decode(reply, item, previous, state->again);
		previous = item;
		more = judge(r, o, i, error, executed);
	}
	if (reply->in.failed || i == 0) {
		/* Nonsense: no item behind it has a result, and none is sent
		 * to this server again without a reason. */
		for (; i < r->count; i++)
			finish(r->batch, r->index[i], -EPROTO);
		return;
	}
	for (size_t j = i; j < r->count && reply_has_next(reply); j++)
		b->states[r->index[j]].again = true;
	keep(r, o, i, r->count);
}

/* The compound as a whole came to nothing. */
static void settle_refused(struct carrier *r, struct outcome *o)
{
	struct batch *b = r->batch;
	int result = r->call.result;
	bool lowered = false;

	if (result == -E2BIG)
		lowered = learn_too_large(b->memory, r->compound, r->count);
	else if (result == -EMSGSIZE)
		lowered = learn_too_long(b->memory);
	if (result != -E2BIG && result != -EMSGSIZE) {
		for (size_t i = 0; i < r->count; i++)
			finish(b, r->index[i], result);
		return;
	}
	o->wait = !lowered;
	for (size_t i = 0; i < r->count; i++) {
		if (++b->states[r->index[i]].refusals > REFUSALS_MAX)
			finish(b, r->index[i], -EIO);
		else
			keep(r, o, i, i + 1);
	}
}

/* How long to wait now; doubles from one time to the next. */
static int64_t back_off(struct patience *p, int64_t now_ns)
{
	unsigned shift = p->count < 9 ? p->count : 9;
	int64_t delay_ns = BACKOFF_MIN_NS << shift;

	if (p->count++ == 0)
		p->since_ns = now_ns;
	return delay_ns < BACKOFF_MAX_NS ? delay_ns : BACKOFF_MAX_NS;
}

/* The server has said "later" for as long as is waited for it. */
static bool is_too_late(const struct carrier *r, int64_t now_ns)
{
	const struct batch_memory *m = r->batch->memory;
	int64_t waited_ns = now_ns - r->patience.since_ns;

	return waited_ns >= m->deadline_ns ||
	       waited_ns >= client_get_patience_ns(m->client);
}

static void call_done(struct call *call)
{
	struct carrier *r = call->user;
	struct batch *b = r->batch;
	struct outcome o = {0};
	int64_t now_ns = clock_now_ns();
	int64_t delay_ns = 0;

	if (call->again)
		for (size_t i = 0; i < r->count; i++)
			b->states[r->index[i]].again = true;
	if (call->result == 0)
		settle(r, &o);
	else
		settle_refused(r, &o);
	if (o.progress)
		r->patience = (struct patience){0};
	if (o.wait)
		delay_ns = back_off(&r->patience, now_ns);
	if (o.has_later) {
		if (is_too_late(r, now_ns))
			finish(b, o.later, -ETIMEDOUT);
		else
			r->index[o.rest++] = o.later;
	}
	dispatch(b, r->index, o.rest, r->patience, delay_ns);
	/* Before the batch ends: the compound refers to the items' data. */
	carrier_free(r);
	drop(b);
}

int batch_start(struct batch_memory *memory, const struct batch_kind *kind,
		void *items, size_t count, void (*done)(void *user), void *user)
{
	CLEANUP_FREE uint32_t *index = NULL;
	struct batch *b;

	b = calloc(1, sizeof(*b) + count * sizeof(b->states[0]));
	index = calloc(count + 1, sizeof(*index));
	if (!b || !index) {
		free(b);
		return -ENOMEM;
	}
	b->memory = memory;
	b->kind = kind;
	b->items = items;
	b->done = done;
	b->user = user;
	atomic_init(&b->pending, 1);
	for (size_t i = 0; i < count; i++)
		index[i] = (uint32_t)i;
	dispatch(b, index, count, (struct patience){0}, 0);
	drop(b);
	return 0;
}
