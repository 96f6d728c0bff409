/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session - the operations that make, use and end an NFSv4.1 session, as XDR
 * (RFC 8881 sections 18.35 to 18.37, 18.46, 18.50, 18.51).
 *
 * session_put_*() append to a request, session_get_*() read from a reply and
 * return 0 or -EPROTO. No input or output happens here.
 *
 * Thread rule: pure.
 */
#ifndef NFS_SESSION_H
#define NFS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "nfs/proto.h"
#include "nfs/xdr.h"

/* The slots that are asked for, and the most that are used. */
#define SESSION_SLOTS 64

/* Operations asked for in a compound. ganesha echoes any wish and enforces
 * 100; this one it keeps. */
#define SESSION_OPS 96

/* Bytes asked for: 2 MiB of data and what stands around them. */
#define SESSION_BYTES (2 * 1024 * 1024 + 64 * 1024)

/* Bytes of a reply that the server is asked to keep for a replay. */
#define SESSION_CACHED_BYTES (64 * 1024)

struct session {
	uint8_t id[NFS4_SESSIONID_SIZE];
	/* As granted by the server, at most what was asked for. */
	uint32_t max_request;  /* bytes of an RPC record, without its mark */
	uint32_t max_response; /* likewise */
	uint32_t max_cached;   /* bytes of a reply that is kept for a replay */
	uint32_t max_ops;      /* SEQUENCE included */
	uint32_t slots;
};

/* Header of the arguments of COMPOUND: empty tag, minor version 1. */
void session_put_compound(struct xdr_out *x, uint32_t ops);

/* Header of its results. */
int session_get_compound(struct xdr_in *in, uint32_t *ret_status,
			 uint32_t *ret_count);

/* Operation and status that begin a result; -EPROTO if it is not `op`'s. */
int session_get_result(struct xdr_in *in, uint32_t op, uint32_t *ret_status);

/* EXCHANGE_ID with no state protection and no pNFS. */
void session_put_exchange_id(struct xdr_out *x,
			     const uint8_t verifier[NFS4_VERIFIER_SIZE],
			     const char *owner);

struct exchange_id {
	uint64_t clientid;
	uint32_t sequence;    /* for CREATE_SESSION; void when confirmed */
	bool confirmed;       /* the server knew this client already */
	struct digest server; /* of what it calls itself: the same for all
				 addresses of a server (RFC 8881 section
				 2.10.5) */
};
int session_get_exchange_id(struct xdr_in *in, struct exchange_id *ret);

/* CREATE_SESSION with what SESSION_* ask for and no callbacks. */
void session_put_create(struct xdr_out *x, uint64_t clientid,
			uint32_t sequence);
/* `ret_sequence` is the number it answers. -EPROTO also for a session too
 * small to be of use. */
int session_get_create(struct xdr_in *in, struct session *ret,
		       uint32_t *ret_sequence);

struct sequence {
	uint8_t session_id[NFS4_SESSIONID_SIZE];
	uint32_t number; /* of the slot's request */
	uint32_t slot;
	uint32_t highest_slot; /* in use (request); enforced (reply) */
	uint32_t target_slot;  /* reply: the highest the server likes */
	uint32_t flags;        /* reply: SEQ4_STATUS_* */
	bool cache;            /* request: keep the reply */
};
void session_put_sequence(struct xdr_out *x, const struct sequence *s);
int session_get_sequence(struct xdr_in *in, struct sequence *ret);

void session_put_reclaim_complete(struct xdr_out *x);
void session_put_destroy_session(struct xdr_out *x,
				 const struct session *session);
void session_put_destroy_clientid(struct xdr_out *x, uint64_t clientid);

#endif
