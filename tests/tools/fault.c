/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fault.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "rpcstat.h"

/* Calls whose replies are to be changed, at one time. */
#define WAITING_MAX 512

/* A fragment header: the last one of its record. */
#define MARK_BYTES 4
#define LAST       0x80000000u

enum kind {
	CUT_UP,
	CUT_DOWN,
	HALF_UP,
	HALF_DOWN,
	DROP,
	XID,
	SHORT,
	GARBAGE,
	ERROR,
	READ_SHORT,
	WRITE_SHORT,
	VERIFIER,
	KINDS
};

static const char *const names[KINDS] = {
    [CUT_UP] = "cut-up",
    [CUT_DOWN] = "cut-down",
    [HALF_UP] = "half-up",
    [HALF_DOWN] = "half-down",
    [DROP] = "drop",
    [XID] = "xid",
    [SHORT] = "short",
    [GARBAGE] = "garbage",
    [ERROR] = "error",
    [READ_SHORT] = "read-short",
    [WRITE_SHORT] = "write-short",
    [VERIFIER] = "verifier",
};

/* A call whose reply is changed. */
struct waiting {
	bool used;
	uint64_t connection;
	uint32_t xid;
};

struct fault {
	enum kind kind;
	uint64_t at;  /* from 1 */
	bool forever; /* and all that follow */
	int op;       /* of an error */
	uint32_t status;
	uint64_t seen;     /* what may be hit */
	uint64_t happened; /* what was */
	struct waiting waiting[WAITING_MAX];
};

/* --- Words ---------------------------------------------------------------- */

static uint32_t get_word(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return ntohl(word);
}

static void put_word(unsigned char *p, uint32_t word)
{
	word = htonl(word);
	memcpy(p, &word, sizeof(word));
}

static struct record *make_record(size_t payload)
{
	struct record *r = calloc(1, sizeof(*r) + MARK_BYTES + payload);

	if (!r)
		err(1, "calloc");
	r->size = MARK_BYTES + payload;
	put_word(r->bytes, LAST | (uint32_t)payload);
	return r;
}

static unsigned char *payload_of(struct record *r, size_t *ret_size)
{
	/* It makes one fragment of several; what it lends is ours. */
	return (unsigned char *)(uintptr_t)record_payload(r, ret_size);
}

/* Puts another record in its place, with the first `keep` bytes of it. */
static unsigned char *replace(struct record **record, size_t keep,
			      size_t payload)
{
	size_t size;
	unsigned char *old = payload_of(*record, &size);
	struct record *r = make_record(payload);

	memcpy(r->bytes + MARK_BYTES, old, keep);
	free(*record);
	*record = r;
	return r->bytes + MARK_BYTES;
}

/* --- Which one it is ------------------------------------------------------ */

struct fault *fault_new(const char *text)
{
	struct fault *f = calloc(1, sizeof(*f));
	char name[32], op[32], *end;
	const char *number;
	size_t kind = 0;

	if (!f)
		err(1, "calloc");
	if (sscanf(text, "%31[a-z-]", name) != 1)
		return NULL;
	while (kind < KINDS && strcmp(names[kind], name) != 0)
		kind++;
	number = strrchr(text, ':');
	if (kind == KINDS || !number)
		return NULL;
	f->kind = (enum kind)kind;
	f->at = strtoull(number + 1, &end, 10);
	f->forever = *end == '+';
	if (f->at == 0 || (f->forever ? end[1] : *end))
		return NULL;
	if (f->kind != ERROR)
		return f;
	if (sscanf(text, "error:%31[A-Z_]:%u:", op, &f->status) != 2)
		return NULL;
	f->op = rpcstat_op(op);
	return f->op >= 0 ? f : NULL;
}

uint64_t fault_count(const struct fault *f)
{
	return f->happened;
}

/* Counts one that may be hit: is it? */
static bool hits(struct fault *f)
{
	f->seen++;
	if (f->forever ? f->seen < f->at : f->seen != f->at)
		return false;
	f->happened++;
	return true;
}

static void await(struct fault *f, uint64_t connection, uint32_t xid)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!f->waiting[i].used) {
			f->waiting[i] = (struct waiting){true, connection, xid};
			return;
		}
	errx(1, "too many calls are under way");
}

static bool is_awaited(struct fault *f, uint64_t connection, uint32_t xid)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &f->waiting[i];

		if (w->used && w->connection == connection && w->xid == xid) {
			w->used = false;
			return true;
		}
	}
	return false;
}

/* --- Up ------------------------------------------------------------------- */

/* The reply that says so without a server. */
static void answer(struct fault *f, struct record **record, uint32_t xid)
{
	unsigned char *p = replace(record, 0, 11 * 4);

	put_word(p, xid);
	put_word(p + 4, 1); /* a reply; then accepted, no verifier, success */
	put_word(p + 24, f->status);
	put_word(p + 28, 0); /* tag */
	put_word(p + 32, 1);
	put_word(p + 36, (uint32_t)f->op);
	put_word(p + 40, f->status);
}

/* The compound ends before the operation. */
static enum fault_verdict fail_op(struct fault *f, uint64_t connection,
				  struct record **record,
				  const struct rpcstat_place *place)
{
	size_t size;
	const unsigned char *bytes = payload_of(*record, &size);
	uint32_t xid = get_word(bytes);
	unsigned char *p;

	if (place->index == 0) {
		answer(f, record, xid);
		return FAULT_ANSWER;
	}
	p = replace(record, place->offset, place->offset);
	put_word(p + place->count_at, place->index);
	await(f, connection, xid);
	return FAULT_PASS;
}

/* READ: stateid, offset, count. */
static void shorten_read(struct record *record,
			 const struct rpcstat_place *place)
{
	size_t size;
	unsigned char *p = payload_of(record, &size) + place->offset + 28;
	uint32_t count = get_word(p);

	put_word(p, count > 1 ? count / 2 : 1);
}

/* WRITE: stateid, offset, how stable, data. */
static void shorten_write(struct record **record,
			  const struct rpcstat_place *place)
{
	size_t size, at = place->offset + 32;
	unsigned char *old = payload_of(*record, &size);
	uint32_t len = get_word(old + at);
	uint32_t less = len > 1 ? len / 2 : len;
	size_t padded = (len + 3u) & ~3u, kept = (less + 3u) & ~3u;
	size_t rest = size - (at + 4 + padded);
	struct record *r = make_record(at + 4 + kept + rest);
	unsigned char *p = r->bytes + MARK_BYTES;

	memcpy(p, old, at + 4 + less);
	put_word(p + at, less);
	memcpy(p + at + 4 + kept, old + at + 4 + padded, rest);
	free(*record);
	*record = r;
}

struct search {
	struct fault *fault;
	int op;
	bool found;
	struct rpcstat_place place;
	uint32_t last; /* operation */
};

static bool look_at(const struct rpcstat_place *place, void *user)
{
	struct search *s = user;

	s->last = place->op;
	if (!s->found && (int)place->op == s->op && hits(s->fault)) {
		s->found = true;
		s->place = *place;
	}
	return true;
}

static enum fault_verdict change_call(struct fault *f, uint64_t connection,
				      struct record **record)
{
	struct search s = {.fault = f, .op = -1};
	size_t size;
	const unsigned char *bytes = payload_of(*record, &size);

	if (f->kind == ERROR)
		s.op = f->op;
	else if (f->kind == READ_SHORT)
		s.op = rpcstat_op("READ");
	else if (f->kind == WRITE_SHORT)
		s.op = rpcstat_op("WRITE");
	rpcstat_each(bytes, size, look_at, &s);
	if (f->kind == VERIFIER) {
		if (((int)s.last == rpcstat_op("WRITE") ||
		     (int)s.last == rpcstat_op("COMMIT")) &&
		    hits(f))
			await(f, connection, get_word(bytes));
		return FAULT_PASS;
	}
	if (!s.found)
		return FAULT_PASS;
	if (f->kind == READ_SHORT)
		shorten_read(*record, &s.place);
	else if (f->kind == WRITE_SHORT)
		shorten_write(record, &s.place);
	else
		return fail_op(f, connection, record, &s.place);
	return FAULT_PASS;
}

enum fault_verdict fault_up(struct fault *f, uint64_t connection,
			    struct record **record)
{
	switch (f->kind) {
	case CUT_UP:
		return hits(f) ? FAULT_CUT : FAULT_PASS;
	case HALF_UP:
		return hits(f) ? FAULT_HALF : FAULT_PASS;
	case ERROR:
	case READ_SHORT:
	case WRITE_SHORT:
	case VERIFIER:
		return change_call(f, connection, record);
	default:
		return FAULT_PASS;
	}
}

/* --- Down ----------------------------------------------------------------- */

/* Where the status of a compound stands in its reply; 0: it has none. */
static size_t status_at(const unsigned char *p, size_t size)
{
	size_t at;

	if (size < 28 || get_word(p + 4) != 1 || get_word(p + 8) != 0)
		return 0;
	at = 20 + ((get_word(p + 16) + 3u) & ~3u);
	return at + 16 <= size && get_word(p + at) == 0 ? at + 4 : 0;
}

/* One more result at the end of the reply. */
static void append_error(struct fault *f, struct record **record)
{
	size_t size, at, count_at;
	unsigned char *p = payload_of(*record, &size);

	at = status_at(p, size);
	/* What failed before it is what counts. */
	if (at == 0 || get_word(p + at) != 0)
		return;
	count_at = at + 8 + ((get_word(p + at + 4) + 3u) & ~3u);
	p = replace(record, size, size + 8);
	put_word(p + at, f->status);
	put_word(p + count_at, get_word(p + count_at) + 1);
	put_word(p + size, (uint32_t)f->op);
	put_word(p + size + 4, f->status);
}

static void spoil(struct fault *f, struct record **record)
{
	size_t size, at;
	unsigned char *p = payload_of(*record, &size);

	switch (f->kind) {
	case XID:
		p[0] ^= 0x5a;
		break;
	case SHORT:
		replace(record, size / 8 * 4, size / 8 * 4);
		break;
	case GARBAGE:
		at = status_at(p, size);
		if (at)
			put_word(p + at + 8, UINT32_MAX);
		break;
	default:
		break;
	}
}

enum fault_verdict fault_down(struct fault *f, uint64_t connection,
			      struct record **record)
{
	size_t size;
	unsigned char *p = payload_of(*record, &size);
	bool awaited = size >= 8 && is_awaited(f, connection, get_word(p));

	switch (f->kind) {
	case CUT_DOWN:
		return hits(f) ? FAULT_CUT : FAULT_PASS;
	case HALF_DOWN:
		return hits(f) ? FAULT_HALF : FAULT_PASS;
	case DROP:
		return hits(f) ? FAULT_SWALLOW : FAULT_PASS;
	case XID:
	case SHORT:
	case GARBAGE:
		if (hits(f))
			spoil(f, record);
		return FAULT_PASS;
	case ERROR:
		if (awaited)
			append_error(f, record);
		return FAULT_PASS;
	case VERIFIER:
		if (awaited)
			p[size - 1] ^= 1;
		return FAULT_PASS;
	default:
		return FAULT_PASS;
	}
}
