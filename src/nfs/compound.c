/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One buffer holds what is encoded. Its first COMPOUND_HEADROOM bytes stay
 * empty for the connection, which learns slot and sequence id only when it
 * sends; so nothing is moved or copied then.
 *
 * The data of a WRITE stays where it is: a ref remembers the place in the
 * buffer where it belongs, and the connection makes a list of pieces of the
 * two (writev). Data too short to be worth a piece, and data for which no ref
 * is left, is copied into the buffer.
 *
 * `changes` is set by the operations that answer differently when they run a
 * second time: those that make or take away a name. Setting attributes and
 * writing at an offset may be repeated.
 *
 * Running out of memory is sticky in body.failed and looked at by whoever
 * sends.
 */
#include "nfs/compound.h"

#include <assert.h>
#include <stdlib.h>

#include "nfs/fattr.h"
#include "nfs/proto.h"

/* WRITE data shorter than this is copied: cheaper than a piece of its own. */
#define COPY_BELOW 1024

/* The open-owners of the whole process; a client id is one process's, so that
 * they need no name of its own. */
static const char open_owner[] = "efsbridge";
static const char hold_owner[] = "efsbridge-hold";
static const char read_owner[] = "efsbridge-read";

const struct stateid stateid_anonymous = {0};
const struct stateid stateid_current = {.seqid = 1};

struct compound *compound_new(void)
{
	struct compound *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	xdr_out_init(&c->body);
	compound_reset(c);
	if (c->body.failed)
		return compound_free(c);
	return c;
}

static void drop_refs(struct compound *c)
{
	for (unsigned i = 0; i < c->ref_count; i++)
		blob_unref(c->refs[i].blob);
	c->ref_count = 0;
}

struct compound *compound_free(struct compound *c)
{
	if (!c)
		return NULL;
	drop_refs(c);
	xdr_out_done(&c->body);
	free(c);
	return NULL;
}

void compound_reset(struct compound *c)
{
	drop_refs(c);
	c->body.len = 0;
	c->body.failed = false;
	c->ops = 0;
	c->changes = false;
	xdr_reserve(&c->body, COMPOUND_HEADROOM);
}

size_t compound_size(const struct compound *c)
{
	size_t size = c->body.len - COMPOUND_HEADROOM;

	for (unsigned i = 0; i < c->ref_count; i++)
		size += c->refs[i].len;
	return size;
}

static void put_op(struct compound *c, uint32_t op)
{
	/* SEQUENCE takes one of the operations. */
	assert(c->ops < COMPOUND_OPS_MAX - 1);
	xdr_put_u32(&c->body, op);
	c->ops++;
}

static void put_stateid(struct compound *c, const struct stateid *s)
{
	xdr_put_u32(&c->body, s->seqid);
	xdr_put_fixed(&c->body, s->other, sizeof(s->other));
}

void compound_putfh(struct compound *c, const struct handle *h)
{
	put_op(c, OP_PUTFH);
	xdr_put_bytes(&c->body, h->data, h->len);
}

void compound_putrootfh(struct compound *c)
{
	put_op(c, OP_PUTROOTFH);
}

void compound_savefh(struct compound *c)
{
	put_op(c, OP_SAVEFH);
}

void compound_restorefh(struct compound *c)
{
	put_op(c, OP_RESTOREFH);
}

void compound_getfh(struct compound *c)
{
	put_op(c, OP_GETFH);
}

void compound_lookup(struct compound *c, const char *name)
{
	put_op(c, OP_LOOKUP);
	xdr_put_string(&c->body, name);
}

void compound_getattr(struct compound *c, enum fattr_want want)
{
	put_op(c, OP_GETATTR);
	fattr_put_request(&c->body, want, false);
}

void compound_setattr(struct compound *c, const struct stateid *stateid,
		      const struct attr_set *set)
{
	put_op(c, OP_SETATTR);
	put_stateid(c, stateid);
	fattr_put_set(&c->body, set);
}

/*
 * 18.23. `dircount` bounds names and cookies only and is a hint; the same
 * number for both lets `maxcount` alone decide.
 */
void compound_readdir(struct compound *c, uint64_t cookie, uint64_t verifier,
		      uint32_t max_bytes)
{
	put_op(c, OP_READDIR);
	xdr_put_u64(&c->body, cookie);
	xdr_put_u64(&c->body, verifier);
	xdr_put_u32(&c->body, max_bytes);
	xdr_put_u32(&c->body, max_bytes);
	fattr_put_request(&c->body, FATTR_ATTR_AND_HANDLE, true);
}

void compound_readlink(struct compound *c)
{
	put_op(c, OP_READLINK);
}

static bool is_by_handle(enum open_how how)
{
	return how == OPEN_HANDLE || how == OPEN_HOLD || how == OPEN_PASSING;
}

static const char *owner_of(enum open_how how)
{
	return how == OPEN_HOLD      ? hold_owner
	       : how == OPEN_PASSING ? read_owner
				     : open_owner;
}

/* The openflag4 and createhow4 of an OPEN. */
static void put_open_how(struct compound *c, enum open_how how)
{
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = 0600};

	if (how == OPEN_NAME || is_by_handle(how)) {
		xdr_put_u32(&c->body, OPEN4_NOCREATE);
		return;
	}
	/* A size of 0 cuts a file that exists already (18.16.3). */
	if (how == OPEN_UNCHECKED)
		set.which |= ATTR_SET_SIZE;
	xdr_put_u32(&c->body, OPEN4_CREATE);
	xdr_put_u32(&c->body, how == OPEN_GUARDED ? GUARDED4 : UNCHECKED4);
	fattr_put_set(&c->body, &set);
}

void compound_open(struct compound *c, uint64_t clientid, const char *name,
		   enum open_how how, enum open_access access)
{
	put_op(c, OP_OPEN);
	/* In a session the open-owner's seqid means nothing (8.13, 18.16.3). */
	xdr_put_u32(&c->body, 0);
	xdr_put_u32(&c->body, access | OPEN4_SHARE_ACCESS_WANT_NO_DELEG);
	xdr_put_u32(&c->body, OPEN4_SHARE_DENY_NONE);
	xdr_put_u64(&c->body, clientid);
	xdr_put_string(&c->body, owner_of(how));
	put_open_how(c, how);
	if (is_by_handle(how)) {
		xdr_put_u32(&c->body, CLAIM_FH);
	} else {
		xdr_put_u32(&c->body, CLAIM_NULL);
		xdr_put_string(&c->body, name);
	}
	if (how == OPEN_GUARDED)
		c->changes = true;
}

void compound_close(struct compound *c, const struct stateid *stateid)
{
	put_op(c, OP_CLOSE);
	xdr_put_u32(&c->body, 0); /* seqid, unused in a session */
	put_stateid(c, stateid);
}

void compound_read(struct compound *c, const struct stateid *stateid,
		   uint64_t offset, uint32_t len)
{
	put_op(c, OP_READ);
	put_stateid(c, stateid);
	xdr_put_u64(&c->body, offset);
	xdr_put_u32(&c->body, len);
}

void compound_write(struct compound *c, const struct stateid *stateid,
		    uint64_t offset, const uint8_t *data, size_t len,
		    struct blob *blob, enum write_stable stable)
{
	static const uint8_t zeros[4];

	put_op(c, OP_WRITE);
	put_stateid(c, stateid);
	xdr_put_u64(&c->body, offset);
	xdr_put_u32(&c->body, stable);
	if (len < COPY_BELOW || c->ref_count == COMPOUND_REFS_MAX) {
		xdr_put_bytes(&c->body, data, len);
		return;
	}
	xdr_put_u32(&c->body, (uint32_t)len);
	c->refs[c->ref_count++] = (struct compound_ref){
	    .at = c->body.len,
	    .data = data,
	    .len = len,
	    .blob = blob_ref(blob),
	};
	if (len % 4) {
		uint8_t *pad = xdr_reserve(&c->body, 4 - len % 4);

		if (pad)
			memcpy(pad, zeros, 4 - len % 4);
	}
}

void compound_commit(struct compound *c)
{
	put_op(c, OP_COMMIT);
	/* Offset and count 0: the whole file (18.3.3). */
	xdr_put_u64(&c->body, 0);
	xdr_put_u32(&c->body, 0);
}

static uint32_t type_to_wire(enum entry_type type)
{
	switch (type) {
	case ENTRY_DIRECTORY:
		return NF4DIR;
	case ENTRY_SYMLINK:
		return NF4LNK;
	case ENTRY_FIFO:
		return NF4FIFO;
	case ENTRY_SOCKET:
		return NF4SOCK;
	default:
		/* The server answers NFS4ERR_BADTYPE (18.4.3). */
		return NF4REG;
	}
}

void compound_create(struct compound *c, enum entry_type type, const char *name,
		     const char *target, const struct attr_set *set)
{
	put_op(c, OP_CREATE);
	xdr_put_u32(&c->body, type_to_wire(type));
	if (type == ENTRY_SYMLINK)
		xdr_put_string(&c->body, target);
	xdr_put_string(&c->body, name);
	fattr_put_set(&c->body, set);
	c->changes = true;
}

void compound_verify_size(struct compound *c, uint64_t size)
{
	struct attr_set set = {.which = ATTR_SET_SIZE, .size = size};

	put_op(c, OP_VERIFY);
	fattr_put_set(&c->body, &set);
}

void compound_link(struct compound *c, const char *name)
{
	put_op(c, OP_LINK);
	xdr_put_string(&c->body, name);
	c->changes = true;
}

void compound_remove(struct compound *c, const char *name)
{
	put_op(c, OP_REMOVE);
	xdr_put_string(&c->body, name);
	c->changes = true;
}

void compound_rename(struct compound *c, const char *from, const char *to)
{
	put_op(c, OP_RENAME);
	xdr_put_string(&c->body, from);
	xdr_put_string(&c->body, to);
	c->changes = true;
}
