/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A compound's body is walked like a server would: each operation decodes its
 * arguments and encodes its result. The data of a WRITE may lie outside the
 * body, where a ref says so.
 *
 * Handles are four bytes: an id, 0 for the root. There is one open state a
 * file, counted; a stateid is the file's id in `other`, and `epoch`, so that
 * all can be forgotten at once.
 */
#include "fake_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nfs/proto.h"

struct fake_client fake;

static uint32_t epoch; /* of stateids */

/* A compound being executed. */
struct run {
	const struct compound *c;
	struct xdr_in in;
	struct xdr_out out;
	uint32_t current, saved; /* file ids; NONE */
	bool has_open;           /* the current stateid is set */
};

#define NONE UINT32_MAX

/* --- Files ---------------------------------------------------------------- */

struct fake_file *fake_find(const char *name)
{
	for (size_t i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].name[0] && !strcmp(fake.files[i].name, name))
			return &fake.files[i];
	return NULL;
}

static struct fake_file *by_id(uint32_t id)
{
	for (size_t i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].name[0] && fake.files[i].id == id)
			return &fake.files[i];
	return NULL;
}

static struct fake_file *add(const char *name, enum entry_type type)
{
	for (size_t i = 0; i < FAKE_FILES; i++) {
		struct fake_file *f = &fake.files[i];

		if (f->name[0])
			continue;
		*f = (struct fake_file){.id = ++fake.next_id, .type = type};
		snprintf(f->name, sizeof(f->name), "%s", name);
		f->data = calloc(1, FAKE_BYTES);
		assert(f->data);
		return f;
	}
	assert(!"room");
	return NULL;
}

static void drop(struct fake_file *f)
{
	free(f->data);
	*f = (struct fake_file){0};
}

struct fake_file *fake_make(const char *name, const void *data, size_t len)
{
	struct fake_file *f = add(name, ENTRY_FILE);

	memcpy(f->data, data, len);
	f->size = len;
	f->mode = 0644;
	return f;
}

void fake_reset(void)
{
	for (size_t i = 0; i < FAKE_FILES; i++)
		free(fake.files[i].data);
	fake = (struct fake_client){
	    .limits = {.max_ops = 96,
		       .max_request = 1024 * 1024,
		       .max_response = 1024 * 1024,
		       .slots = 64},
	    .verifier = 1,
	};
	epoch++;
}

/* --- Arguments and results ------------------------------------------------ */

static void get_name(struct run *r, char name[256])
{
	size_t len = 0;
	const uint8_t *data = xdr_get_bytes(&r->in, 255, &len);

	assert(data);
	memcpy(name, data, len);
	name[len] = '\0';
}

/* The current stateid, an open's, or the anonymous one. */
enum stateid_kind { STATE_BAD, STATE_ANONYMOUS, STATE_OPEN };

static enum stateid_kind get_stateid(struct run *r)
{
	uint32_t seqid = xdr_get_u32(&r->in);
	const uint8_t *other = xdr_get_fixed(&r->in, 12);
	static const uint8_t zeros[12];
	uint32_t words[3];

	if (!memcmp(other, zeros, 12))
		return seqid == 0    ? STATE_ANONYMOUS
		       : r->has_open ? STATE_OPEN
				     : STATE_BAD;
	memcpy(words, other, sizeof(words));
	return words[0] == r->current && words[1] == epoch ? STATE_OPEN
							   : STATE_BAD;
}

static void put_stateid(struct run *r)
{
	uint32_t words[3] = {r->current, epoch, 7};

	xdr_put_u32(&r->out, 1);
	xdr_put_fixed(&r->out, words, sizeof(words));
}

static void put_change_info(struct run *r)
{
	xdr_put_u32(&r->out, 1);
	xdr_put_u64(&r->out, 1);
	xdr_put_u64(&r->out, 2);
}

/* A fattr4 to set; what is set goes into `f` (may be NULL). */
static void get_attrs(struct run *r, struct fake_file *f, uint64_t *ret_size)
{
	struct xdr_in *in = &r->in;
	struct fake_file ignored = {0};
	uint32_t words = xdr_get_u32(in);
	uint32_t bits[2] = {0};
	size_t len = 0;

	if (!f)
		f = &ignored;
	for (uint32_t i = 0; i < words; i++)
		bits[i] = xdr_get_u32(in);
	xdr_get_u32(in);
	if (bits[0] & 1u << FATTR4_SIZE) {
		uint64_t size = xdr_get_u64(in);

		if (ret_size)
			*ret_size = size;
		else
			f->size = size;
	}
	if (bits[1] & 1u << (FATTR4_MODE - 32))
		f->mode = xdr_get_u32(in);
	/* An owner set clears set-id bits, whatever mode came with it. */
	if (bits[1] & 1u << (FATTR4_OWNER - 32)) {
		const uint8_t *text = xdr_get_bytes(in, 32, &len);

		f->uid = (uint32_t)strtoul((const char *)text, NULL, 10);
		f->mode &= 01777;
	}
	if (bits[1] & 1u << (FATTR4_OWNER_GROUP - 32))
		xdr_get_bytes(in, 32, &len);
	if (bits[1] & 1u << (FATTR4_TIME_ACCESS_SET - 32))
		xdr_get_fixed(in, 16);
	if (bits[1] & 1u << (FATTR4_TIME_MODIFY_SET - 32)) {
		int64_t seconds;

		xdr_get_u32(in);
		seconds = xdr_get_i64(in);
		f->mtime_ns = seconds * 1000000000 + xdr_get_u32(in);
	}
}

static uint32_t wire_type(enum entry_type type)
{
	switch (type) {
	case ENTRY_FILE:
		return NF4REG;
	case ENTRY_SYMLINK:
		return NF4LNK;
	case ENTRY_FIFO:
		return NF4FIFO;
	case ENTRY_SOCKET:
		return NF4SOCK;
	default:
		return NF4DIR;
	}
}

/* type, size, rdattr_error, filehandle, fileid, mode, numlinks, owner,
 * time_modify: as many of them as are asked for. */
static void put_attrs(struct run *r, const uint32_t asked[2],
		      const struct fake_file *f)
{
	uint32_t bits[2] = {
	    asked[0] & (1u << 1 | 1u << 4 | 1u << 11 | 1u << 19 | 1u << 20),
	    asked[1] & (1u << 1 | 1u << 3 | 1u << 4 | 1u << 21)};
	struct xdr_out *x = &r->out;
	uint32_t id = f ? f->id : 0;
	size_t at;

	xdr_put_u32(x, 2);
	xdr_put_u32(x, bits[0]);
	xdr_put_u32(x, bits[1]);
	at = x->len;
	xdr_put_u32(x, 0);
	if (bits[0] & 1u << 1)
		xdr_put_u32(x, wire_type(f ? f->type : ENTRY_DIRECTORY));
	if (bits[0] & 1u << 4)
		xdr_put_u64(x, f ? f->size : 0);
	if (bits[0] & 1u << 11)
		xdr_put_u32(x, 0);
	if (bits[0] & 1u << 19)
		xdr_put_bytes(x, &id, 4);
	if (bits[0] & 1u << 20)
		xdr_put_u64(x, id);
	if (bits[1] & 1u << 1)
		xdr_put_u32(x, f ? f->mode : 0755);
	if (bits[1] & 1u << 3)
		xdr_put_u32(x, 1);
	if (bits[1] & 1u << 4) {
		char text[16];

		snprintf(text, sizeof(text), "%u", f ? f->uid : 0);
		xdr_put_string(x, text);
	}
	if (bits[1] & 1u << 21) {
		int64_t ns = f ? f->mtime_ns : 0;

		xdr_put_i64(x, ns / 1000000000);
		xdr_put_u32(x, (uint32_t)(ns % 1000000000));
	}
	xdr_patch_u32(x, at, (uint32_t)(x->len - at - 4));
}

static void get_bits(struct run *r, uint32_t bits[2])
{
	uint32_t words = xdr_get_u32(&r->in);

	bits[0] = bits[1] = 0;
	for (uint32_t i = 0; i < words; i++)
		bits[i] = xdr_get_u32(&r->in);
}

/* --- Operations ----------------------------------------------------------- */

/* Each decodes its arguments whole and returns a status; what it puts counts
 * only when that is 0, and then the status stands before it already. */

static uint32_t do_open(struct run *r, uint32_t injected)
{
	struct fake_file made = {0}, *f = NULL;
	bool creates, guarded = false;
	char name[256] = "";
	uint64_t size = NONE;
	size_t len = 0;
	uint32_t claim;

	xdr_get_fixed(&r->in, 20); /* seqid, access, deny, clientid */
	xdr_get_bytes(&r->in, 64, &len);
	creates = xdr_get_u32(&r->in) == OPEN4_CREATE;
	if (creates) {
		guarded = xdr_get_u32(&r->in) == GUARDED4;
		get_attrs(r, &made, &size);
	}
	claim = xdr_get_u32(&r->in);
	if (claim == CLAIM_NULL)
		get_name(r, name);
	if (injected)
		return injected;
	f = claim == CLAIM_FH ? by_id(r->current) : fake_find(name);
	if (f && creates && guarded)
		return NFS4ERR_EXIST;
	if (!f && !creates)
		return claim == CLAIM_FH ? NFS4ERR_STALE : NFS4ERR_NOENT;
	if (f && f->type != ENTRY_FILE)
		return NFS4ERR_ISDIR;
	if (!f) {
		f = add(name, ENTRY_FILE);
		f->mode = made.mode;
	} else if (size != NONE) {
		f->size = size;
	}
	r->current = f->id;
	r->has_open = true;
	fake.opens++;
	put_stateid(r);
	put_change_info(r);
	xdr_put_u32(&r->out, OPEN4_RESULT_LOCKTYPE_POSIX);
	xdr_put_u32(&r->out, 0);
	xdr_put_u32(&r->out, OPEN_DELEGATE_NONE);
	return 0;
}

static uint32_t do_close(struct run *r, uint32_t injected)
{
	enum stateid_kind kind;

	xdr_get_u32(&r->in);
	kind = get_stateid(r);
	if (injected)
		return injected;
	if (kind != STATE_OPEN)
		return NFS4ERR_BAD_STATEID;
	/* One state a file: its CLOSE ends all opens of it. */
	fake.opens = 0;
	r->has_open = false;
	put_stateid(r);
	return 0;
}

static void forget_opens(struct run *r)
{
	fake.forget_opens = false;
	fake.opens = 0;
	fake.verifier++;
	epoch++;
	r->has_open = false;
}

static uint32_t do_read(struct run *r, uint32_t injected)
{
	enum stateid_kind kind;
	uint64_t offset;
	size_t len, left;
	const struct fake_file *f = by_id(r->current);

	if (fake.forget_opens)
		forget_opens(r);
	kind = get_stateid(r);
	offset = xdr_get_u64(&r->in);
	len = xdr_get_u32(&r->in);
	if (injected)
		return injected;
	if (!f)
		return NFS4ERR_STALE;
	if (kind == STATE_BAD || (kind == STATE_ANONYMOUS && fake.no_anonymous))
		return NFS4ERR_BAD_STATEID;
	left = offset < f->size ? f->size - offset : 0;
	if (len > left)
		len = left;
	if (fake.read_max && len > fake.read_max)
		len = fake.read_max;
	xdr_put_u32(&r->out, len == left);
	xdr_put_bytes(&r->out, f->data + offset, len);
	return 0;
}

/* The data of the WRITE that is being decoded. */
static const uint8_t *get_data(struct run *r, size_t *ret_len)
{
	size_t at = (size_t)(r->in.data - r->c->body.data) + r->in.pos + 4;

	for (unsigned i = 0; i < r->c->ref_count; i++) {
		const struct compound_ref *ref = &r->c->refs[i];

		if (ref->at != at)
			continue;
		*ret_len = xdr_get_u32(&r->in);
		assert(*ret_len == ref->len);
		/* Of the data, only the padding is in the body. */
		r->in.pos += (4 - ref->len % 4) % 4;
		return ref->data;
	}
	return xdr_get_bytes(&r->in, FAKE_BYTES, ret_len);
}

static uint32_t do_write(struct run *r, uint32_t injected)
{
	struct fake_file *f = by_id(r->current);
	enum stateid_kind kind;
	const uint8_t *data;
	uint64_t offset;
	uint32_t stable;
	size_t len = 0;

	if (fake.forget_opens)
		forget_opens(r);
	kind = get_stateid(r);
	offset = xdr_get_u64(&r->in);
	stable = xdr_get_u32(&r->in);
	data = get_data(r, &len);
	if (injected)
		return injected;
	if (!f)
		return NFS4ERR_STALE;
	if (kind != STATE_OPEN)
		return NFS4ERR_BAD_STATEID;
	if (fake.write_max && len > fake.write_max)
		len = fake.write_max;
	assert(offset + len <= FAKE_BYTES);
	if (offset > f->size)
		memset(f->data + f->size, 0, offset - f->size);
	if (len > 0)
		memcpy(f->data + offset, data, len);
	if (offset + len > f->size)
		f->size = offset + len;
	f->mtime_ns = 999;
	xdr_put_u32(&r->out, (uint32_t)len);
	xdr_put_u32(&r->out, stable);
	xdr_put_u64(&r->out, fake.verifier);
	return 0;
}

static uint32_t do_setattr(struct run *r, uint32_t injected)
{
	struct fake_file *f = by_id(r->current);
	enum stateid_kind kind = get_stateid(r);
	uint64_t size = UINT64_MAX;

	get_attrs(r, injected ? NULL : f, &size);
	if (injected)
		return injected;
	if (!f && r->current != 0)
		return NFS4ERR_STALE;
	if (size != UINT64_MAX && kind == STATE_ANONYMOUS && fake.no_anonymous)
		return NFS4ERR_BAD_STATEID;
	if (kind == STATE_BAD)
		return NFS4ERR_BAD_STATEID;
	if (size != UINT64_MAX) {
		if (size > f->size)
			memset(f->data + f->size, 0, size - f->size);
		f->size = size;
	}
	return 0;
}

static uint32_t do_verify(struct run *r, uint32_t injected)
{
	const struct fake_file *f = by_id(r->current);
	uint64_t size = 0;

	get_attrs(r, NULL, &size);
	if (injected)
		return injected;
	if (fake.no_verify)
		return NFS4ERR_NOTSUPP;
	return f && f->size == size ? 0 : NFS4ERR_NOT_SAME;
}

static uint32_t do_create(struct run *r, uint32_t injected)
{
	static const enum entry_type types[] = {
	    [NF4DIR] = ENTRY_DIRECTORY,
	    [NF4LNK] = ENTRY_SYMLINK,
	    [NF4FIFO] = ENTRY_FIFO,
	    [NF4SOCK] = ENTRY_SOCKET,
	};
	uint32_t type = xdr_get_u32(&r->in);
	struct fake_file made = {0}, *f;
	char name[256];
	size_t len = 0;

	if (type == NF4LNK)
		xdr_get_bytes(&r->in, 4096, &len);
	get_name(r, name);
	get_attrs(r, &made, NULL);
	if (injected)
		return injected;
	if (fake_find(name))
		return NFS4ERR_EXIST;
	f = add(name, types[type]);
	f->mode = made.mode;
	r->current = f->id;
	r->has_open = false;
	put_change_info(r);
	xdr_put_u32(&r->out, 0);
	return 0;
}

static uint32_t do_rename(struct run *r, uint32_t injected)
{
	char from[256], to[256];
	struct fake_file *f, *old;

	get_name(r, from);
	get_name(r, to);
	if (injected)
		return injected;
	if (r->saved != 0 || r->current != 0)
		return NFS4ERR_NOFILEHANDLE;
	f = fake_find(from);
	old = fake_find(to);
	if (!f)
		return NFS4ERR_NOENT;
	if (old && old->type == ENTRY_DIRECTORY)
		return NFS4ERR_EXIST;
	if (old && old->id == f->id)
		return 0;
	if (old)
		drop(old);
	snprintf(f->name, sizeof(f->name), "%s", to);
	put_change_info(r);
	put_change_info(r);
	return 0;
}

/* A link is a second entry with the same id. */
static uint32_t do_link(struct run *r, uint32_t injected)
{
	struct fake_file *f = by_id(r->saved), *made;
	char name[256];

	get_name(r, name);
	if (injected)
		return injected;
	if (!f)
		return NFS4ERR_STALE;
	if (fake_find(name))
		return NFS4ERR_EXIST;
	made = add(name, f->type);
	made->id = f->id;
	put_change_info(r);
	return 0;
}

static uint32_t do_remove(struct run *r, uint32_t injected)
{
	struct fake_file *f;
	char name[256];

	get_name(r, name);
	if (injected)
		return injected;
	f = fake_find(name);
	if (!f)
		return NFS4ERR_NOENT;
	drop(f);
	put_change_info(r);
	return 0;
}

static uint32_t do_lookup(struct run *r, uint32_t injected)
{
	const struct fake_file *f;
	char name[256];

	get_name(r, name);
	if (injected)
		return injected;
	f = fake_find(name);
	if (!f)
		return NFS4ERR_NOENT;
	r->current = f->id;
	r->has_open = false;
	return 0;
}

static uint32_t do_putfh(struct run *r, uint32_t injected)
{
	size_t len = 0;
	const uint8_t *data = xdr_get_bytes(&r->in, NFS4_FHSIZE, &len);
	uint32_t id;

	if (injected)
		return injected;
	/* An answer was spoiled that had one of ours. */
	if (len != 4)
		return NFS4ERR_BADHANDLE;
	memcpy(&id, data, 4);
	if (id != 0 && !by_id(id))
		return NFS4ERR_STALE;
	r->current = id;
	r->has_open = false;
	return 0;
}

static uint32_t do_getattr(struct run *r, uint32_t injected)
{
	uint32_t bits[2];

	get_bits(r, bits);
	if (injected)
		return injected;
	if (r->current != 0 && !by_id(r->current))
		return NFS4ERR_STALE;
	put_attrs(r, bits, by_id(r->current));
	return 0;
}

static uint32_t do_readdir(struct run *r, uint32_t injected)
{
	uint64_t cookie = xdr_get_u64(&r->in);
	uint64_t verifier = xdr_get_u64(&r->in);
	uint32_t most, bits[2];
	size_t i;

	xdr_get_u32(&r->in);
	most = xdr_get_u32(&r->in);
	get_bits(r, bits);
	if (injected)
		return injected;
	if (cookie != 0 && verifier != 0 && verifier != fake.verifier)
		return NFS4ERR_NOT_SAME;
	xdr_put_u64(&r->out, fake.verifier);
	/* An entry is allowed a kilobyte. */
	for (i = cookie; i < FAKE_FILES && most >= 1024; i++) {
		if (!fake.files[i].name[0])
			continue;
		xdr_put_u32(&r->out, 1);
		xdr_put_u64(&r->out, i + 1);
		xdr_put_string(&r->out, fake.files[i].name);
		put_attrs(r, bits, &fake.files[i]);
		most -= 1024;
	}
	xdr_put_u32(&r->out, 0);
	xdr_put_u32(&r->out, i == FAKE_FILES);
	return 0;
}

static uint32_t do_plain(struct run *r, uint32_t op, uint32_t injected)
{
	if (injected)
		return injected;
	switch (op) {
	case OP_PUTROOTFH:
		r->current = 0;
		r->has_open = false;
		return 0;
	case OP_SAVEFH:
		r->saved = r->current;
		return 0;
	case OP_RESTOREFH:
		r->current = r->saved;
		r->has_open = false;
		return r->saved == NONE ? NFS4ERR_NOFILEHANDLE : 0;
	case OP_READLINK:
		xdr_put_string(&r->out, "target");
		return 0;
	default:
		assert(!"an operation that the fake knows");
		return NFS4ERR_OP_ILLEGAL;
	}
}

static uint32_t do_commit(struct run *r, uint32_t injected)
{
	xdr_get_fixed(&r->in, 12);
	if (!injected)
		xdr_put_u64(&r->out, fake.verifier);
	return injected;
}

static uint32_t do_op(struct run *r, uint32_t op, uint32_t injected)
{
	switch (op) {
	case OP_PUTFH:
		return do_putfh(r, injected);
	case OP_GETATTR:
		return do_getattr(r, injected);
	case OP_SETATTR:
		return do_setattr(r, injected);
	case OP_VERIFY:
		return do_verify(r, injected);
	case OP_LOOKUP:
		return do_lookup(r, injected);
	case OP_OPEN:
		return do_open(r, injected);
	case OP_CLOSE:
		return do_close(r, injected);
	case OP_READ:
		return do_read(r, injected);
	case OP_WRITE:
		return do_write(r, injected);
	case OP_COMMIT:
		return do_commit(r, injected);
	case OP_CREATE:
		return do_create(r, injected);
	case OP_LINK:
		return do_link(r, injected);
	case OP_REMOVE:
		return do_remove(r, injected);
	case OP_RENAME:
		return do_rename(r, injected);
	case OP_READDIR:
		return do_readdir(r, injected);
	default:
		return do_plain(r, op, injected);
	}
}

/* Executes one compound; the results go into `out`. */
static unsigned execute(const struct compound *c, struct xdr_out *out)
{
	struct run r = {.c = c, .current = NONE, .saved = NONE};
	uint32_t status = 0;
	unsigned done = 0;

	xdr_in_init(&r.in, c->body.data + COMPOUND_HEADROOM,
		    c->body.len - COMPOUND_HEADROOM);
	xdr_out_init(&r.out);
	for (; done < c->ops && !status; done++) {
		uint32_t op = xdr_get_u32(&r.in);
		uint32_t injected = 0;
		size_t at;

		if (fake.cut_nonsense && done > 0)
			break;
		if (fake.fail_op)
			injected = fake.fail_op(&fake, op, fake.ops);
		if (fake.ops_max && done >= fake.ops_max)
			injected = NFS4ERR_RESOURCE;
		fake.ops++;
		xdr_put_u32(&r.out, op);
		at = r.out.len;
		xdr_put_u32(&r.out, 0);
		status = do_op(&r, op, injected);
		if (status) {
			r.out.len = at + 4;
			xdr_patch_u32(&r.out, at, status);
		}
		/* SETATTR tells what it set, also when it failed. */
		if (op == OP_SETATTR)
			xdr_put_u32(&r.out, 0);
	}
	assert(!r.in.failed);
	assert(status || fake.cut_nonsense || xdr_left(&r.in) == 0);
	*out = r.out;
	return done;
}

/* --- nfs/client.h --------------------------------------------------------- */

/* The reply, in a blob like a connection's. */
static void answer(struct call *call)
{
	struct xdr_out out;
	unsigned results;

	results = execute(call->compound, &out);
	if (fake.lose_reply) {
		fake.lose_reply = false;
		xdr_out_done(&out);
		call->again = call->compound->changes;
		results = execute(call->compound, &out);
	}
	call->reply = (struct reply){
	    .blob = blob_new(out.len),
	    .left = results,
	};
	assert(call->reply.blob);
	memcpy(call->reply.blob->data, out.data, out.len);
	xdr_in_init(&call->reply.in, call->reply.blob->data, out.len);
	xdr_out_done(&out);
}

static void execute_call(struct call *call)
{
	call->result = 0;
	fake.calls++;
	if (call->compound->ops > fake.max_ops)
		fake.max_ops = call->compound->ops;
	assert(call->compound->ops > 0);
	assert(call->compound->ops < fake.limits.max_ops);
	if (fake.refuse_call)
		call->result = fake.refuse_call(&fake, call->compound);
	if (!call->result)
		answer(call);
	if (!call->result && fake.spoil)
		fake.spoil(&fake, call);
}

int client_open(const struct client_options *options, struct client **ret,
		char *error, size_t error_size)
{
	(void)options;
	(void)error;
	(void)error_size;
	*ret = (struct client *)&fake;
	return 0;
}

struct client *client_free(struct client *c)
{
	(void)c;
	return NULL;
}

void client_submit(struct client *c, struct call *call, int64_t delay_ns)
{
	struct blob *blob;

	(void)c;
	if (delay_ns > 0)
		fake.delayed++;
	execute_call(call);
	/* The call may be gone after done(). */
	blob = call->result ? NULL : call->reply.blob;
	call->done(call);
	blob_unref(blob);
}

int client_run(struct client *c, struct call *call)
{
	(void)c;
	execute_call(call);
	return call->result;
}

void client_cancel(struct client *c)
{
	(void)c;
}

void client_settle(struct client *c)
{
	(void)c;
}

struct client_limits client_get_limits(const struct client *c)
{
	(void)c;
	return fake.limits;
}

uint64_t client_get_clientid(const struct client *c)
{
	(void)c;
	return 1;
}

int64_t client_get_rtt_ns(const struct client *c)
{
	(void)c;
	return 0;
}

uint64_t client_get_requests(const struct client *c)
{
	(void)c;
	return fake.calls;
}

uint32_t client_get_generation(const struct client *c)
{
	(void)c;
	return fake.generation;
}

void client_set_patience(struct client *c, int64_t ns)
{
	(void)c;
	(void)ns;
}

int64_t client_get_patience_ns(const struct client *c)
{
	(void)c;
	return INT64_MAX;
}

int64_t client_get_silent_ns(const struct client *c)
{
	(void)c;
	return 0;
}
