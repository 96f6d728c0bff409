/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_conn - one connection to a server through libnfs: a context, the
 * thread that owns it, and the requests that travel on it.
 *
 * Whoever wants something embeds a `struct ln_request` in what he knows of it
 * and submits it; send() and done() are called on the connection's thread. A
 * request lost with its connection is sent again on the next one, in the order
 * of the first time, with `again` set: what it asks for may have been done
 * already, and only done() can tell. A server that says "later" (JUKEBOX,
 * DELAY, GRACE) is asked again after a while.
 *
 * done() gets the decoded result, which it must check (what a server sends is
 * hostile) and must not keep, or an error:
 *   -ENOTCONN	the server has not answered for the deadline; the
 *		connection takes nothing more
 *   -ETIMEDOUT	the server said "later" until the deadline
 *   -EPROTO	the server refused the call or its answer made no sense
 *   -ECANCELED	the connection was stopped
 *   -ENOMEM	libnfs had no room for it
 * It may submit the same request anew, as the last thing it does with it.
 *
 * Thread rule: ln_conn_submit(), ln_conn_stop() and ln_conn_get_load() from any
 * thread, the rest from the one that made it.
 */
#ifndef VOLUME_LIBNFS_CONN_H
#define VOLUME_LIBNFS_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct endpoint;
struct ln_conn;
struct ln_request;
struct rpc_context;

#define LN_GIDS_MAX 16 /* supplementary groups in AUTH_SYS, RFC 5531 */

/* What the connections to one server share. */
struct ln_server {
	struct endpoint *endpoint;
	char machine[64]; /* this host's name, for AUTH_SYS */
	uint32_t uid;
	uint32_t gid;
	uint32_t gids[LN_GIDS_MAX];
	unsigned gid_count;
	int64_t deadline_ns; /* how long it may say nothing, or "later" .. */
	_Atomic int64_t patience_ns; /* .. or less, for now */
	int version;                 /* of NFS: 3 or 4 */
	unsigned window;             /* requests in flight on one connection */
	atomic_uint_fast64_t requests; /* sent so far */
};

struct ln_request {
	/*
	 * Calls libnfs with ln_answered() as callback and the request as its
	 * data; false when libnfs would not take it.
	 */
	bool (*send)(struct ln_request *r, struct rpc_context *rpc);
	void (*done)(struct ln_request *r, int error, void *data);
	size_t bytes; /* of data, either way; few if there are none */

	/* For done() to read. */
	struct ln_conn *conn;
	bool again; /* the call may have been executed before */

	/* The connection's own. */
	TAILQ_ENTRY(ln_request) link;
	int status;       /* what libnfs said, when not success */
	unsigned losses;  /* connections lost while it was on its way */
	unsigned refused; /* answers that libnfs could not read */
	unsigned delays;  /* answers of "later" */
	int64_t begun_ns; /* submitted */
	int64_t sent_ns;
	int64_t due_ns; /* not to be sent before */
};

/* A connection whose thread runs; it connects when there is need to. NULL when
 * there is no memory or no thread for it. `server` is borrowed. */
struct ln_conn *ln_conn_new(struct ln_server *server);

/* Ends all requests, now and later, with -ECANCELED. */
void ln_conn_stop(struct ln_conn *c);

/* Stops it, waits for its thread, frees it. NULL is let through. */
struct ln_conn *ln_conn_free(struct ln_conn *c);

/* Ends in r->done(), perhaps before it returns when the connection is stopped
 * or down. */
void ln_conn_submit(struct ln_conn *c, struct ln_request *r);

/* Requests submitted and not done. */
unsigned ln_conn_get_load(const struct ln_conn *c);

/* Since when requests wait and the server has not answered, monotonic; 0: it
 * answers, or none wait. */
int64_t ln_conn_get_silent_ns(const struct ln_conn *c);

/* True when it has given the server up, until that answers again. */
bool ln_conn_is_down(const struct ln_conn *c);

/* Requests are taken, and wait, though the server was given up. */
void ln_conn_forgive(struct ln_conn *c);

/* The callback for libnfs. */
void ln_answered(struct rpc_context *rpc, int status, void *data, void *user);

#endif
