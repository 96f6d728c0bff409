/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_exchange - one RPC by itself, without libnfs: sent on a connection of
 * its own and answered, or not.
 *
 * It is for the few calls that libnfs makes badly: MNT, whose answer its
 * decoder trusts; and those that are longer than its buffer for arguments. The
 * connection comes from a port below 1024 when this process may have one,
 * which servers mostly ask for.
 *
 * Thread rule: one thread at a time; it blocks.
 */
#ifndef VOLUME_LIBNFS_EXCHANGE_H
#define VOLUME_LIBNFS_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "nfs/endpoint.h"
#include "nfs/xdr.h"

struct blob;
struct ln_server;

struct ln_exchange {
	uint32_t program;
	uint32_t version;
	uint32_t proc;
	const atomic_bool
	    *stop;           /* -ECANCELED once set; NULL: nobody stops it */
	struct xdr_out args; /* to be filled between init and run */
	bool sent;           /* the call may have been executed */
	struct blob *reply;
	struct xdr_in results;       /* within reply */
	int64_t took_ns;             /* from sending to the answer */
	char address[ENDPOINT_TEXT]; /* the last one asked */
};

void ln_exchange_init(struct ln_exchange *e, uint32_t program, uint32_t version,
		      uint32_t proc);
void ln_exchange_done(struct ln_exchange *e);

/*
 * Calls at one address after the other until one answers, each for `limit_ns`
 * at the most. 0 with `results` to be read; the errors of oncrpc_get_reply(),
 * or errnos of the connection, -ETIMEDOUT among them.
 */
int ln_exchange_run(struct ln_exchange *e, const struct ln_server *s,
		    struct endpoint *endpoint, int64_t limit_ns);

#endif
