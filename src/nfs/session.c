// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * session - the operations that make, use and end an NFSv4.1 session, as XDR.
 *
 * Only what this client wants is encoded: no state protection (SP4_NONE), no
 * back channel in use (its attributes must be sent all the same), no pNFS, no
 * RDMA. The decoder reads what a server may send in answer to that; a union
 * arm that was not asked for is an error.
 */
#include "nfs/session.h"

#include <errno.h>
#include <string.h>

/* The smallest session that carries a useful compound. */
#define REQUEST_MIN 4096
#define OPS_MIN     4

/* The back channel is never used; these are the least that servers accept. */
#define BACK_BYTES  4096
#define BACK_CACHED 0
#define BACK_OPS    2
#define BACK_SLOTS  1

/* An unused callback program number (RFC 5531 section 8.1, transient). */
#define CALLBACK_PROGRAM 0x40000000u

/* --- COMPOUND ------------------------------------------------------------- */

void session_put_compound(struct xdr_out *x, uint32_t ops)
{
	xdr_put_u32(x, 0); /* the tag */
	xdr_put_u32(x, NFS4_MINOR);
	xdr_put_u32(x, ops);
}

int session_get_compound(struct xdr_in *in, uint32_t *ret_status,
			 uint32_t *ret_count)
{
	uint32_t status = xdr_get_u32(in);
	size_t len;
	uint32_t count;

	/* The server echoes the tag, but who would rely on it. */
	xdr_get_bytes(in, NFS4_OPAQUE_LIMIT, &len);
	count = xdr_get_u32(in);
	if (in->failed)
		return -EPROTO;
	*ret_status = status;
	*ret_count = count;
	return 0;
}

int session_get_result(struct xdr_in *in, uint32_t op, uint32_t *ret_status)
{
	uint32_t got = xdr_get_u32(in);
	uint32_t status = xdr_get_u32(in);

	if (in->failed || got != op)
		return -EPROTO;
	*ret_status = status;
	return 0;
}

/* --- EXCHANGE_ID ---------------------------------------------------------- */

void session_put_exchange_id(struct xdr_out *x,
			     const uint8_t verifier[NFS4_VERIFIER_SIZE],
			     const char *owner)
{
	xdr_put_u32(x, OP_EXCHANGE_ID);
	xdr_put_fixed(x, verifier, NFS4_VERIFIER_SIZE);
	xdr_put_string(x, owner);
	xdr_put_u32(x, EXCHGID4_FLAG_USE_NON_PNFS);
	xdr_put_u32(x, SP4_NONE);
	xdr_put_u32(x, 0); /* no implementation id */
}

/* Two texts as one digest, each with its length. */
static struct digest name_of(const uint8_t *major, size_t major_len,
			     const uint8_t *scope, size_t scope_len)
{
	uint8_t both[2 * (DIGEST_SIZE + sizeof(size_t))];
	struct digest d = digest_of(major, major_len);
	uint8_t *p = both;

	p = mempcpy(p, d.bytes, DIGEST_SIZE);
	p = mempcpy(p, &major_len, sizeof(major_len));
	d = digest_of(scope, scope_len);
	p = mempcpy(p, d.bytes, DIGEST_SIZE);
	mempcpy(p, &scope_len, sizeof(scope_len));
	return digest_of(both, sizeof(both));
}

int session_get_exchange_id(struct xdr_in *in, struct exchange_id *ret)
{
	struct exchange_id e = {0};
	const uint8_t *major, *scope;
	size_t major_len, scope_len;
	uint32_t flags;

	e.clientid = xdr_get_u64(in);
	e.sequence = xdr_get_u32(in);
	flags = xdr_get_u32(in);
	e.confirmed = flags & EXCHGID4_FLAG_CONFIRMED_R;
	if (xdr_get_u32(in) != SP4_NONE)
		return -EPROTO;
	xdr_get_u64(in); /* server owner: minor id, */
	major = xdr_get_bytes(in, NFS4_OPAQUE_LIMIT, &major_len);
	scope = xdr_get_bytes(in, NFS4_OPAQUE_LIMIT, &scope_len);
	/* An implementation id may follow: nobody acts on it. */
	if (in->failed)
		return -EPROTO;
	e.server = name_of(major, major_len, scope, scope_len);
	*ret = e;
	return 0;
}

/* --- CREATE_SESSION ------------------------------------------------------- */

static void put_channel(struct xdr_out *x, uint32_t bytes, uint32_t cached,
			uint32_t ops, uint32_t slots)
{
	xdr_put_u32(x, 0); /* header padding, for RDMA */
	xdr_put_u32(x, bytes);
	xdr_put_u32(x, bytes);
	xdr_put_u32(x, cached);
	xdr_put_u32(x, ops);
	xdr_put_u32(x, slots);
	xdr_put_u32(x, 0); /* no RDMA */
}

void session_put_create(struct xdr_out *x, uint64_t clientid, uint32_t sequence)
{
	xdr_put_u32(x, OP_CREATE_SESSION);
	xdr_put_u64(x, clientid);
	xdr_put_u32(x, sequence);
	xdr_put_u32(x, 0); /* flags */
	put_channel(x, SESSION_BYTES, SESSION_CACHED_BYTES, SESSION_OPS,
		    SESSION_SLOTS);
	put_channel(x, BACK_BYTES, BACK_CACHED, BACK_OPS, BACK_SLOTS);
	xdr_put_u32(x, CALLBACK_PROGRAM);
	xdr_put_u32(x, 1); /* one way for callbacks to authenticate: none */
	xdr_put_u32(x, AUTH_FLAVOR_NONE);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

int session_get_create(struct xdr_in *in, struct session *ret,
		       uint32_t *ret_sequence)
{
	struct session s = {0};
	const uint8_t *id = xdr_get_fixed(in, sizeof(s.id));
	uint32_t sequence = xdr_get_u32(in);

	xdr_get_u32(in); /* flags */
	xdr_get_u32(in); /* header padding */
	s.max_request = min_u32(xdr_get_u32(in), SESSION_BYTES);
	s.max_response = min_u32(xdr_get_u32(in), SESSION_BYTES);
	s.max_cached = min_u32(xdr_get_u32(in), SESSION_CACHED_BYTES);
	s.max_ops = min_u32(xdr_get_u32(in), SESSION_OPS);
	s.slots = min_u32(xdr_get_u32(in), SESSION_SLOTS);
	/* ca_rdma_ird<1> and the back channel follow, of no interest. */
	if (in->failed || s.max_request < REQUEST_MIN ||
	    s.max_response < REQUEST_MIN || s.max_ops < OPS_MIN || s.slots < 1)
		return -EPROTO;
	memcpy(s.id, id, sizeof(s.id));
	*ret = s;
	*ret_sequence = sequence;
	return 0;
}

/* --- SEQUENCE ------------------------------------------------------------- */

void session_put_sequence(struct xdr_out *x, const struct sequence *s)
{
	xdr_put_u32(x, OP_SEQUENCE);
	xdr_put_fixed(x, s->session_id, sizeof(s->session_id));
	xdr_put_u32(x, s->number);
	xdr_put_u32(x, s->slot);
	xdr_put_u32(x, s->highest_slot);
	xdr_put_u32(x, s->cache);
}

int session_get_sequence(struct xdr_in *in, struct sequence *ret)
{
	struct sequence s = {0};
	const uint8_t *id = xdr_get_fixed(in, sizeof(s.session_id));

	s.number = xdr_get_u32(in);
	s.slot = xdr_get_u32(in);
	s.highest_slot = xdr_get_u32(in);
	s.target_slot = xdr_get_u32(in);
	s.flags = xdr_get_u32(in);
	if (in->failed)
		return -EPROTO;
	memcpy(s.session_id, id, sizeof(s.session_id));
	*ret = s;
	return 0;
}

/* --- The rest ------------------------------------------------------------- */

void session_put_reclaim_complete(struct xdr_out *x)
{
	xdr_put_u32(x, OP_RECLAIM_COMPLETE);
	xdr_put_u32(x, 0); /* rca_one_fs: false, for all of them */
}

void session_put_destroy_session(struct xdr_out *x,
				 const struct session *session)
{
	xdr_put_u32(x, OP_DESTROY_SESSION);
	xdr_put_fixed(x, session->id, sizeof(session->id));
}

void session_put_destroy_clientid(struct xdr_out *x, uint64_t clientid)
{
	xdr_put_u32(x, OP_DESTROY_CLIENTID);
	xdr_put_u64(x, clientid);
}
