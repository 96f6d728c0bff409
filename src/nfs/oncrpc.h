/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * oncrpc - the headers of ONC RPC calls and replies (RFC 5531), mostly for
 * program NFS version 4, with AUTH_SYS credentials.
 *
 * Thread rule: pure; a `struct oncrpc_auth` is read-only once made.
 */
#ifndef NFS_ONCRPC_H
#define NFS_ONCRPC_H

#include <stddef.h>
#include <stdint.h>

#include "nfs/xdr.h"

/* Bytes of the machine name that are sent at the most. */
#define ONCRPC_MACHINE_MAX 64

/* A credential of AUTH_SYS as it stands on the wire: flavor, length, body. */
struct oncrpc_auth {
	uint8_t bytes[256];
	size_t len;
};

/* Supplementary groups beyond the 16 that AUTH_SYS can carry are left out. */
void oncrpc_auth_init(struct oncrpc_auth *auth, const char *machine,
		      uint32_t uid, uint32_t gid, const uint32_t *gids,
		      size_t gid_count);

/*
 * Appends room for the record mark and the header of a call to NFSv4's
 * procedure `proc`; its arguments follow. Then oncrpc_set_mark() with where
 * the record began and how many bytes follow that are not in `x`.
 */
void oncrpc_put_call(struct xdr_out *x, uint32_t xid, uint32_t proc,
		     const struct oncrpc_auth *auth);

/* The same for any program. */
void oncrpc_put_call_to(struct xdr_out *x, uint32_t xid, uint32_t program,
			uint32_t version, uint32_t proc,
			const struct oncrpc_auth *auth);
void oncrpc_set_mark(struct xdr_out *x, size_t begin, size_t more_bytes);

/*
 * Reads the header of a reply; `in` then stands before its results. Returns
 *   0			executed, results follow
 *   -EPROTO		not a reply at all; `ret_xid` is 0
 *   -EPROTONOSUPPORT	the server has no such program, or not this version
 *   -EACCES		the credential was refused
 *   -EBADMSG		the server could not read the arguments
 *   -EAGAIN		the server failed for reasons of its own
 * With all but -EPROTO `ret_xid` says which call it answers.
 */
int oncrpc_get_reply(struct xdr_in *in, uint32_t *ret_xid);

#endif
