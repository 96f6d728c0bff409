/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request that goes up is walked over with the handle it speaks of kept as a
 * hash: PUTFH sets it, LOOKUP adds a name to it. So each operation that counts
 * gets a key, which is kept until the reply comes.
 */
#include "once.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "results.h"
#include "rpcstat.h"

enum {
	OP_CREATE = 6,
	OP_LINK = 11,
	OP_LOOKUP = 15,
	OP_OPEN = 18,
	OP_PUTFH = 22,
	OP_PUTROOTFH = 24,
	OP_REMOVE = 28,
	OP_RENAME = 29,
	OP_RESTOREFH = 31,
	OP_SAVEFH = 32,
	OP_SEQUENCE = 53,
};

#define NFS4_OK       0
#define NFS4ERR_DELAY 10008
#define NFS4ERR_GRACE 10013

#define NF4LNK 5
#define NF4BLK 3
#define NF4CHR 4

/* As many as a request has operations. */
#define KEYS_MAX 128

/* Calls whose replies are awaited; older ones are forgotten. */
#define CALLS_MAX 1024

#define HASH_START UINT64_C(0xcbf29ce484222325)

struct key {
	uint32_t index; /* of the operation */
	uint32_t op;
	uint64_t hash;
};

struct call {
	uint64_t connection;
	uint32_t xid;
	size_t count;
	struct key keys[KEYS_MAX];
};

/* Hashes; 0 is an empty place. */
struct set {
	uint64_t *places;
	size_t size; /* a power of two */
	size_t used;
};

struct once {
	struct call *calls; /* a ring */
	size_t next;
	struct set done;
	struct set answered; /* session, slot and sequence */
	uint64_t executed;
	uint64_t replayed;
	uint64_t repeated;
};

/* --- Sets ----------------------------------------------------------------- */

static uint64_t hash_more(uint64_t h, const void *bytes, size_t size)
{
	const unsigned char *p = bytes;

	while (size-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

static uint64_t *find(const struct set *s, uint64_t hash)
{
	size_t i = hash & (s->size - 1);

	while (s->places[i] && s->places[i] != hash)
		i = (i + 1) & (s->size - 1);
	return s->places + i;
}

static bool has(const struct set *s, uint64_t hash)
{
	return s->size > 0 && *find(s, hash) == hash;
}

static void grow(struct set *s)
{
	struct set old = *s;

	s->size = old.size ? 2 * old.size : 1024;
	s->places = calloc(s->size, sizeof(*s->places));
	if (!s->places)
		err(1, "calloc");
	for (size_t i = 0; i < old.size; i++)
		if (old.places[i])
			*find(s, old.places[i]) = old.places[i];
	free(old.places);
}

static void add(struct set *s, uint64_t hash)
{
	if (has(s, hash))
		return;
	if (2 * s->used >= s->size)
		grow(s);
	*find(s, hash) = hash;
	s->used++;
}

/* --- Up ------------------------------------------------------------------- */

struct walker {
	const unsigned char *bytes;
	uint64_t current, saved; /* handles */
	struct call *call;
};

static uint64_t with_opaque(uint64_t h, struct cursor *c)
{
	const unsigned char *p = c->p;

	skip_opaque(c);
	return c->bad ? h : hash_more(h, p, 4 + get_word(p));
}

static uint64_t created(uint64_t directory, struct cursor *c)
{
	switch (take_word(c)) {
	case NF4LNK:
		skip_opaque(c);
		break;
	case NF4BLK:
	case NF4CHR:
		skip(c, 8);
		break;
	}
	return with_opaque(directory, c);
}

/* The file; `ret_creates`: it may be a new one. */
static uint64_t opened(uint64_t directory, struct cursor *c, bool *ret_creates)
{
	walk(c, "wwwdo");
	*ret_creates = take_word(c) == 1;
	if (*ret_creates) {
		switch (take_word(c)) {
		case 2:
			skip(c, 8);
			break;
		case 3:
			skip(c, 8);
			/* Fall through. */
		default:
			walk(c, "a");
		}
	}
	/* Claimed by its name, or else it is the current one. */
	return take_word(c) == 0 ? with_opaque(directory, c) : directory;
}

static void note(struct walker *w, const struct rpcstat_place *place,
		 uint64_t hash)
{
	struct call *call = w->call;

	if (call->count < KEYS_MAX)
		call->keys[call->count++] = (struct key){
		    place->index, place->op, hash_more(hash, &place->op, 4)};
}

static bool step(const struct rpcstat_place *place, void *user)
{
	struct walker *w = user;
	struct cursor c = {w->bytes + place->offset + 4,
			   place->end - place->offset - 4, false};
	uint64_t pair = hash_more(w->current, &w->saved, sizeof(w->saved));
	bool creates;

	switch (place->op) {
	case OP_PUTROOTFH:
		w->current = HASH_START;
		break;
	case OP_PUTFH:
		w->current = with_opaque(HASH_START, &c);
		break;
	case OP_LOOKUP:
		w->current = with_opaque(w->current, &c);
		break;
	case OP_SAVEFH:
		w->saved = w->current;
		break;
	case OP_RESTOREFH:
		w->current = w->saved;
		break;
	case OP_CREATE:
		w->current = created(w->current, &c);
		note(w, place, w->current);
		break;
	case OP_OPEN:
		w->current = opened(w->current, &c, &creates);
		if (creates)
			note(w, place, w->current);
		break;
	case OP_REMOVE:
		note(w, place, with_opaque(w->current, &c));
		break;
	case OP_LINK:
		note(w, place, with_opaque(pair, &c));
		break;
	case OP_RENAME:
		pair = with_opaque(pair, &c);
		note(w, place, with_opaque(pair, &c));
		break;
	}
	return true;
}

void once_up(struct once *o, uint64_t connection, const unsigned char *bytes,
	     size_t size)
{
	struct call *call = o->calls + o->next;
	struct walker w = {bytes, HASH_START, HASH_START, call};

	if (size < 4)
		return;
	*call = (struct call){.connection = connection, .xid = get_word(bytes)};
	rpcstat_each(bytes, size, step, &w);
	if (call->count > 0)
		o->next = (o->next + 1) % CALLS_MAX;
	else
		call->connection = 0;
}

/* --- Down ----------------------------------------------------------------- */

static struct call *find_call(struct once *o, uint64_t connection, uint32_t xid)
{
	/* The youngest first. */
	for (size_t i = 1; i <= CALLS_MAX; i++) {
		struct call *call =
		    o->calls + (o->next + CALLS_MAX - i) % CALLS_MAX;

		if (call->connection == connection && call->xid == xid &&
		    call->count > 0)
			return call;
	}
	return NULL;
}

struct judge {
	struct once *once;
	const struct call *call;
	const unsigned char *bytes;
};

static void judge_key(struct once *o, const struct key *key, uint32_t status)
{
	if (status == NFS4ERR_DELAY || status == NFS4ERR_GRACE)
		return;
	if (has(&o->done, key->hash)) {
		o->repeated++;
		warnx("operation %u, done before, now answers %u", key->op,
		      status);
	}
	if (status != NFS4_OK)
		return;
	o->executed++;
	add(&o->done, key->hash);
}

static bool judge(const struct results_place *place, void *user)
{
	struct judge *j = user;
	struct once *o = j->once;
	uint64_t request;

	/* Session, sequence and slot; the rest of the result may change. */
	if (place->op == OP_SEQUENCE && place->status == NFS4_OK) {
		request = hash_more(HASH_START, j->bytes + place->body, 24);
		if (has(&o->answered, request)) {
			o->replayed++;
			return false;
		}
		add(&o->answered, request);
	}
	for (size_t i = 0; i < j->call->count; i++)
		if (j->call->keys[i].index == place->index &&
		    j->call->keys[i].op == place->op)
			judge_key(o, j->call->keys + i, place->status);
	return true;
}

void once_down(struct once *o, uint64_t connection, const unsigned char *bytes,
	       size_t size)
{
	struct call *call;
	struct judge j;

	if (size < 4)
		return;
	call = find_call(o, connection, get_word(bytes));
	if (!call)
		return;
	j = (struct judge){o, call, bytes};
	results_each(bytes, size, judge, &j);
	call->count = 0;
}

/* --- All ------------------------------------------------------------------ */

struct once *once_new(void)
{
	struct once *o = calloc(1, sizeof(*o));

	if (!o)
		err(1, "calloc");
	o->calls = calloc(CALLS_MAX, sizeof(*o->calls));
	if (!o->calls)
		err(1, "calloc");
	return o;
}

void once_free(struct once *o)
{
	if (!o)
		return;
	free(o->calls);
	free(o->done.places);
	free(o->answered.places);
	free(o);
}

void once_print(const struct once *o, FILE *stream)
{
	fprintf(stream, "executed %ju\n", (uintmax_t)o->executed);
	fprintf(stream, "replayed %ju\n", (uintmax_t)o->replayed);
	fprintf(stream, "repeated %ju\n", (uintmax_t)o->repeated);
}
