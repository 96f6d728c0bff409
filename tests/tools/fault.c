/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fault.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "hostile.h"
#include "nfs3.h"
#include "record.h"
#include "results.h"
#include "rpcstat.h"

/* Calls whose replies are to be changed, at one time. */
#define WAITING_MAX 512

/* NFSv3 (RFC 1813) */
#define NFS3_WRITE  7
#define NFS3_COMMIT 21

enum kind {
	CUT_UP,
	CUT_DOWN,
	HALF_UP,
	HALF_DOWN,
	LATE_UP,
	LATE_DOWN,
	UNCACHED,
	DROP,
	XID,
	SHORT,
	GARBAGE,
	REFUSE,
	ERROR,
	ERROR3,
	READ_SHORT,
	WRITE_SHORT,
	VERIFIER,
	READ_LONG,
	NAME,
	KINDS
};

static const char *const names[KINDS] = {
    [CUT_UP] = "cut-up",
    [CUT_DOWN] = "cut-down",
    [HALF_UP] = "half-up",
    [HALF_DOWN] = "half-down",
    [LATE_UP] = "late-up",
    [LATE_DOWN] = "late-down",
    [UNCACHED] = "uncached",
    [DROP] = "drop",
    [XID] = "xid",
    [SHORT] = "short",
    [GARBAGE] = "garbage",
    [REFUSE] = "refuse",
    [ERROR] = "error",
    [ERROR3] = "error3",
    [READ_SHORT] = "read-short",
    [WRITE_SHORT] = "write-short",
    [VERIFIER] = "verifier",
    [READ_LONG] = "read-long",
    [NAME] = "name",
};

struct status {
	const char *name;
	uint32_t number;
};

/* RFC 8881 section 15.1; the small ones are NFSv3's, too. */
static const struct status statuses[] = {
    {"PERM", 1},
    {"NOENT", 2},
    {"IO", 5},
    {"ACCESS", 13},
    {"EXIST", 17},
    {"FBIG", 27},
    {"NOSPC", 28},
    {"ROFS", 30},
    {"DQUOT", 69},
    {"STALE", 70},
    {"SERVERFAULT", 10006},
    {"DELAY", 10008}, /* JUKEBOX of NFSv3 */
    {"EXPIRED", 10011},
    {"GRACE", 10013},
    {"RESOURCE", 10018},
    {"STALE_CLIENTID", 10022},
    {"BAD_STATEID", 10025},
    {"BADSESSION", 10052},
    {"BADSLOT", 10053},
    {"SEQ_MISORDERED", 10063},
    {"REQ_TOO_BIG", 10065},
    {"REP_TOO_BIG", 10066},
    {"REP_TOO_BIG_TO_CACHE", 10067},
    {"TOO_MANY_OPS", 10070},
    {"DEADSESSION", 10078},
};

/* A call whose reply is changed. */
struct waiting {
	bool used;
	uint64_t connection;
	uint32_t xid;
	int procedure;  /* of NFSv3; -1: a COMPOUND */
	uint32_t index; /* of the operation that is meant */
	uint32_t count; /* that it asked for */
};

struct fault {
	enum kind kind;
	uint64_t at;  /* from 1 */
	bool forever; /* and all that follow */
	int op;       /* of an error, or the procedure */
	uint32_t status;
	const char *name; /* of an entry */
	size_t name_len;
	uint64_t seen;     /* what may be hit */
	uint64_t happened; /* what was */
	struct waiting waiting[WAITING_MAX];
};

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

	payload_of(*record, &size);
	record_splice(record, keep, size - keep, NULL, payload - keep);
	return payload_of(*record, &size);
}

/* --- Which one it is ------------------------------------------------------ */

static bool get_status(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (!strcmp(statuses[i].name, name)) {
			*ret = statuses[i].number;
			return true;
		}
	return false;
}

/* What stands between the kind and N. */
static bool get_details(struct fault *f, const char *text)
{
	char first[32] = "", second[32] = "";
	int words = sscanf(
	    text, "%*[a-z0-9-]:%31[A-Za-z0-9_]:%31[A-Z_]:", first, second);

	switch (f->kind) {
	case ERROR:
		f->op = rpcstat_op(first);
		return words == 2 && f->op >= 0 &&
		       get_status(second, &f->status);
	case ERROR3:
		f->op = nfs3_procedure(first);
		return words == 2 && f->op >= 0 &&
		       get_status(second, &f->status);
	case REFUSE:
		return get_status(first, &f->status);
	case NAME:
		f->name = hostile_name(first, &f->name_len);
		return f->name;
	default:
		return true;
	}
}

struct fault *fault_new(const char *text)
{
	struct fault *f = calloc(1, sizeof(*f));
	char name[32], *end;
	const char *number;
	size_t kind = 0;

	if (!f)
		err(1, "calloc");
	if (sscanf(text, "%31[a-z0-9-]", name) != 1)
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
	return get_details(f, text) ? f : NULL;
}

uint64_t fault_count(const struct fault *f)
{
	return f->happened;
}

uint64_t fault_places(const struct fault *f)
{
	return f->seen;
}

void fault_stop(struct fault *f)
{
	f->at = UINT64_MAX;
	f->forever = false;
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

static bool hits_entry(void *user)
{
	return hits(user);
}

/* What is known of the call is in `w`, but for whose it is. */
static void await(struct fault *f, uint64_t connection,
		  const unsigned char *call, struct waiting w)
{
	w.used = true;
	w.connection = connection;
	w.xid = get_word(call);
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!f->waiting[i].used) {
			f->waiting[i] = w;
			return;
		}
	errx(1, "too many calls are under way");
}

static bool is_awaited(struct fault *f, uint64_t connection, uint32_t xid,
		       struct waiting *ret)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &f->waiting[i];

		if (w->used && w->connection == connection && w->xid == xid) {
			w->used = false;
			*ret = *w;
			return true;
		}
	}
	return false;
}

/* --- Up: a COMPOUND ------------------------------------------------------- */

/* A reply of so many words behind the header, all zero; they begin at 24. */
static unsigned char *answer(struct record **record, size_t words)
{
	size_t size;
	uint32_t xid = get_word(payload_of(*record, &size));
	unsigned char *p = replace(record, 0, (6 + words) * 4);

	put_word(p, xid);
	put_word(p + 4, 1); /* a reply; then accepted, no verifier, success */
	return p;
}

/* The compound ends before the operation. */
static enum fault_verdict fail_op(struct fault *f, uint64_t connection,
				  struct record **record,
				  const struct rpcstat_place *place)
{
	unsigned char *p;

	if (place->index == 0) {
		p = answer(record, 5);
		put_word(p + 24, f->status);
		put_word(p + 32, 1); /* result, behind an empty tag */
		put_word(p + 36, (uint32_t)f->op);
		put_word(p + 40, f->status);
		return FAULT_ANSWER;
	}
	p = replace(record, place->offset, place->offset);
	put_word(p + place->count_at, place->index);
	await(f, connection, p, (struct waiting){.procedure = -1});
	return FAULT_PASS;
}

/* Half of the word there. */
static void halve(struct record *record, size_t at)
{
	size_t size;
	unsigned char *p = payload_of(record, &size) + at;
	uint32_t count = get_word(p);

	put_word(p, count > 1 ? count / 2 : 1);
}

/* Half of the data there. */
static void halve_data(struct record **record, size_t at)
{
	size_t size;
	uint32_t len = get_word(payload_of(*record, &size) + at);
	uint32_t less = len > 1 ? len / 2 : len;

	record_splice(record, at + 4 + padded(less), padded(len) - padded(less),
		      NULL, 0);
	put_word(payload_of(*record, &size) + at, less);
}

/* SEQUENCE: session, its number, slot, highest slot, whether to keep. */
static bool forbid_keeping(const struct rpcstat_place *place, void *user)
{
	unsigned char *bytes = user;

	if ((int)place->op == rpcstat_op("SEQUENCE"))
		put_word(bytes + place->offset + 32, 0);
	return true;
}

struct search {
	struct fault *fault;
	int op;
	bool found;
	struct rpcstat_place place;
	uint32_t last; /* operation */
	bool compound;
};

static bool look_at(const struct rpcstat_place *place, void *user)
{
	struct search *s = user;

	s->compound = true;
	s->last = place->op;
	if (!s->found && (int)place->op == s->op && hits(s->fault)) {
		s->found = true;
		s->place = *place;
	}
	return true;
}

/* The operation that may be hit; -1: none. */
static int op_of(const struct fault *f)
{
	switch (f->kind) {
	case ERROR:
		return f->op;
	case READ_SHORT:
	case READ_LONG:
		return rpcstat_op("READ");
	case WRITE_SHORT:
		return rpcstat_op("WRITE");
	default:
		return -1;
	}
}

/* A call as a whole is hit, or its reply will be looked at. */
static enum fault_verdict change_whole(struct fault *f, uint64_t connection,
				       struct record **record,
				       const struct search *s)
{
	size_t size;
	const unsigned char *bytes = payload_of(*record, &size);
	struct waiting w = {.procedure = -1};

	if (!s->compound)
		return FAULT_PASS;
	switch (f->kind) {
	case VERIFIER:
		if (((int)s->last == rpcstat_op("WRITE") ||
		     (int)s->last == rpcstat_op("COMMIT")) &&
		    hits(f))
			await(f, connection, bytes, w);
		return FAULT_PASS;
	case NAME:
		/* The result tells what it is. */
		await(f, connection, bytes, w);
		return FAULT_PASS;
	case REFUSE:
		if (!hits(f))
			return FAULT_PASS;
		put_word(answer(record, 3) + 24, f->status);
		return FAULT_ANSWER;
	default:
		return FAULT_PASS;
	}
}

static enum fault_verdict change_call(struct fault *f, uint64_t connection,
				      struct record **record)
{
	struct search s = {.fault = f, .op = op_of(f)};
	size_t size, at;
	const unsigned char *bytes = payload_of(*record, &size);

	rpcstat_each(bytes, size, look_at, &s);
	if (!s.found)
		return change_whole(f, connection, record, &s);
	/* Behind the number: READ has stateid, offset, count; WRITE stateid,
	 * offset, how stable, data. */
	at = s.place.offset + 4 + 16 + 8;
	switch (f->kind) {
	case READ_SHORT:
		halve(*record, at);
		return FAULT_PASS;
	case WRITE_SHORT:
		halve_data(record, at + 4);
		return FAULT_PASS;
	case READ_LONG:
		await(f, connection, bytes,
		      (struct waiting){.procedure = -1,
				       .index = s.place.index,
				       .count = get_word(bytes + at)});
		return FAULT_PASS;
	default:
		return fail_op(f, connection, record, &s.place);
	}
}

/* --- Up: NFSv3 ------------------------------------------------------------ */

static enum fault_verdict change_call3(struct fault *f, uint64_t connection,
				       struct record **record, int procedure,
				       size_t arguments)
{
	size_t size, at;
	const unsigned char *bytes = payload_of(*record, &size);
	struct waiting w = {.procedure = procedure};

	/* READ has handle, offset, count; WRITE has these, how stable, data.
	 * Others are shorter, and some have nothing. */
	at = arguments;
	if (arguments + 4 <= size)
		at += 4 + padded(get_word(bytes + arguments)) + 8;
	switch (f->kind) {
	case ERROR3:
		if (procedure != f->op || !hits(f))
			return FAULT_PASS;
		put_word(answer(record, 1 + nfs3_failure_words(procedure)) + 24,
			 f->status);
		return FAULT_ANSWER;
	case READ_SHORT:
		if (procedure == NFS3_READ && hits(f))
			halve(*record, at);
		return FAULT_PASS;
	case WRITE_SHORT:
		if (procedure == NFS3_WRITE && hits(f)) {
			halve_data(record, at + 8);
			halve(*record, at);
		}
		return FAULT_PASS;
	case READ_LONG:
		if (procedure != NFS3_READ || at + 4 > size || !hits(f))
			return FAULT_PASS;
		w.count = get_word(bytes + at);
		await(f, connection, bytes, w);
		return FAULT_PASS;
	case VERIFIER:
		if ((procedure == NFS3_WRITE || procedure == NFS3_COMMIT) &&
		    hits(f))
			await(f, connection, bytes, w);
		return FAULT_PASS;
	case NAME:
		if (procedure == NFS3_READDIR || procedure == NFS3_READDIRPLUS)
			await(f, connection, bytes, w);
		return FAULT_PASS;
	default:
		return FAULT_PASS;
	}
}

enum fault_verdict fault_up(struct fault *f, uint64_t connection,
			    struct record **record)
{
	size_t size, arguments;
	unsigned char *bytes = payload_of(*record, &size);
	int procedure;

	switch (f->kind) {
	case CUT_UP:
		return hits(f) ? FAULT_CUT : FAULT_PASS;
	case HALF_UP:
		return hits(f) ? FAULT_HALF : FAULT_PASS;
	case LATE_UP:
		return hits(f) ? FAULT_LATE : FAULT_PASS;
	case UNCACHED:
		rpcstat_each(bytes, size, forbid_keeping, bytes);
		return FAULT_PASS;
	case REFUSE:
	case ERROR:
	case ERROR3:
	case READ_SHORT:
	case WRITE_SHORT:
	case VERIFIER:
	case READ_LONG:
	case NAME:
		procedure = nfs3_procedure_of(bytes, size, &arguments);
		if (procedure > 0 && size >= arguments + 4)
			return change_call3(f, connection, record, procedure,
					    arguments);
		return change_call(f, connection, record);
	default:
		return FAULT_PASS;
	}
}

/* --- Down ----------------------------------------------------------------- */

/* One more result at the end of the reply. */
static void append_error(struct fault *f, struct record **record)
{
	size_t size, at, count_at;
	unsigned char *p = payload_of(*record, &size);

	at = results_status_at(p, size);
	/* What failed before it is what counts. */
	if (at == 0 || get_word(p + at) != 0)
		return;
	count_at = at + 8 + padded(get_word(p + at + 4));
	/* SETATTR tells which attributes it has set even then. */
	p = replace(record, size,
		    size + 8 + (f->op == rpcstat_op("SETATTR") ? 4 : 0));
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
		at = results_status_at(p, size);
		if (at && at + 12 <= size)
			put_word(p + at + 8, UINT32_MAX);
		break;
	default:
		break;
	}
}

/* The reply to a call that was waited for. */
static void change_reply(struct fault *f, struct record **record,
			 const struct waiting *w)
{
	size_t size, at;
	unsigned char *p = payload_of(*record, &size);

	switch (f->kind) {
	case ERROR:
		append_error(f, record);
		break;
	case VERIFIER:
		at = results_status_at(p, size);
		if (at && get_word(p + at) == 0)
			p[size - 1] ^= 1;
		break;
	case READ_LONG:
		hostile_read(record, w->procedure == NFS3_READ, w->index,
			     w->count + 4096);
		break;
	case NAME:
		hostile_listing(record, w->procedure, hits_entry, f, f->name,
				f->name_len);
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
	struct waiting w;

	if (size >= 8 && is_awaited(f, connection, get_word(p), &w))
		change_reply(f, record, &w);
	switch (f->kind) {
	case CUT_DOWN:
	case UNCACHED:
		return hits(f) ? FAULT_CUT : FAULT_PASS;
	case HALF_DOWN:
		return hits(f) ? FAULT_HALF : FAULT_PASS;
	case LATE_DOWN:
		return hits(f) ? FAULT_LATE : FAULT_PASS;
	case DROP:
		return hits(f) ? FAULT_SWALLOW : FAULT_PASS;
	case XID:
	case SHORT:
	case GARBAGE:
		if (hits(f))
			spoil(f, record);
		return FAULT_PASS;
	default:
		return FAULT_PASS;
	}
}

void fault_ended(struct fault *f, uint64_t connection)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (f->waiting[i].connection == connection)
			f->waiting[i].used = false;
}
