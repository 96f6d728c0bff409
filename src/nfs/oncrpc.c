// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * oncrpc - the headers of ONC RPC calls and replies.
 *
 * The credential is the same in every call of a client, so it is encoded once
 * and copied. A record is sent as one fragment: the record mark is its length
 * with the bit of the last fragment (RFC 5531 section 11). Reading records,
 * where a server may choose fragments, is in recmark.c.
 */
#include "nfs/oncrpc.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "nfs/proto.h"

#define MARK_LAST UINT32_C(0x80000000)

/* --- Calls ---------------------------------------------------------------- */

static uint8_t *put(uint8_t *p, uint32_t value)
{
	value = htobe32(value);
	memcpy(p, &value, 4);
	return p + 4;
}

void oncrpc_auth_init(struct oncrpc_auth *auth, const char *machine,
		      uint32_t uid, uint32_t gid, const uint32_t *gids,
		      size_t gid_count)
{
	size_t name = strnlen(machine, ONCRPC_MACHINE_MAX);
	uint8_t *p = auth->bytes + 8;

	memset(auth, 0, sizeof(*auth));
	if (gid_count > AUTH_GIDS_MAX)
		gid_count = AUTH_GIDS_MAX;

	/* authsys_parms: stamp, machine name, uid, gid, gids. */
	p = put(p, 0);
	p = put(p, (uint32_t)name);
	memcpy(p, machine, name);
	p += (name + 3) & ~(size_t)3;
	p = put(p, uid);
	p = put(p, gid);
	p = put(p, (uint32_t)gid_count);
	for (size_t i = 0; i < gid_count; i++)
		p = put(p, gids[i]);

	auth->len = (size_t)(p - auth->bytes);
	put(auth->bytes, AUTH_FLAVOR_SYS);
	put(auth->bytes + 4, (uint32_t)(auth->len - 8));
}

void oncrpc_put_call_to(struct xdr_out *x, uint32_t xid, uint32_t program,
			uint32_t version, uint32_t proc,
			const struct oncrpc_auth *auth)
{
	xdr_put_u32(x, 0); /* the record mark */
	xdr_put_u32(x, xid);
	xdr_put_u32(x, RPC_CALL);
	xdr_put_u32(x, RPC_VERSION);
	xdr_put_u32(x, program);
	xdr_put_u32(x, version);
	xdr_put_u32(x, proc);
	xdr_put_fixed(x, auth->bytes, auth->len);
	xdr_put_u32(x, AUTH_FLAVOR_NONE); /* the verifier */
	xdr_put_u32(x, 0);
}

void oncrpc_put_call(struct xdr_out *x, uint32_t xid, uint32_t proc,
		     const struct oncrpc_auth *auth)
{
	oncrpc_put_call_to(x, xid, NFS4_PROGRAM, NFS4_VERSION, proc, auth);
}

void oncrpc_set_mark(struct xdr_out *x, size_t begin, size_t more_bytes)
{
	size_t len = x->len - begin - 4 + more_bytes;

	xdr_patch_u32(x, begin, MARK_LAST | (uint32_t)len);
}

/* --- Replies -------------------------------------------------------------- */

static int get_accepted(struct xdr_in *in)
{
	size_t len;
	uint32_t stat;

	xdr_get_u32(
	    in); /* flavor of the verifier: AUTH_SYS has nothing in it */
	xdr_get_bytes(in, AUTH_BYTES_MAX, &len);
	stat = xdr_get_u32(in);
	if (in->failed)
		return -EPROTO;
	switch (stat) {
	case RPC_SUCCESS:
		return 0;
	case RPC_PROG_UNAVAIL:
	case RPC_PROG_MISMATCH:
	case RPC_PROC_UNAVAIL:
		return -EPROTONOSUPPORT;
	case RPC_GARBAGE_ARGS:
		return -EBADMSG;
	case RPC_SYSTEM_ERR:
		return -EAGAIN;
	default:
		return -EPROTO;
	}
}

static int get_denied(struct xdr_in *in)
{
	uint32_t stat = xdr_get_u32(in);

	if (in->failed)
		return -EPROTO;
	switch (stat) {
	case RPC_MISMATCH:
		return -EPROTONOSUPPORT;
	case RPC_AUTH_ERROR:
		return -EACCES;
	default:
		return -EPROTO;
	}
}

int oncrpc_get_reply(struct xdr_in *in, uint32_t *ret_xid)
{
	uint32_t xid = xdr_get_u32(in);
	uint32_t type = xdr_get_u32(in);
	uint32_t stat = xdr_get_u32(in);
	int r = -EPROTO;

	if (!in->failed && type == RPC_REPLY) {
		if (stat == RPC_MSG_ACCEPTED)
			r = get_accepted(in);
		else if (stat == RPC_MSG_DENIED)
			r = get_denied(in);
	}
	*ret_xid = r == -EPROTO ? 0 : xid;
	return r;
}
