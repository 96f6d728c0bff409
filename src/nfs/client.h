/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client - one NFSv4.1 server: a client id and some connections, each with
 * its own session and its own thread (RFC 8881 sections 2.4, 2.10, 18.35,
 * 18.36).
 *
 * A call is submitted once and ends once, in call->done(), on a connection's
 * thread (or on the submitter's when it cannot be queued). Between the two
 * the client connects, reconnects, replays slots (exactly once), makes a new
 * session or client id, waits for grace periods, and gives up only when the
 * deadline passed without the server answering at all, or when cancelled.
 *
 * What a call ends with:
 *   result 0: the server answered; call->reply stands behind SEQUENCE. A
 *	status that concerns the whole compound and the session (BADSESSION,
 *	SEQ_MISORDERED, DELAY or GRACE on SEQUENCE, ..) never gets here.
 *   -E2BIG: SEQUENCE or the compound was refused for its size or its number
 *	of operations (REQ_TOO_BIG, TOO_MANY_OPS, RESOURCE with nothing done):
 *	send less.
 *   -EMSGSIZE: the reply would not fit (REP_TOO_BIG on SEQUENCE): ask less.
 *   -ENOTCONN, -ECANCELED, -ENOMEM, -EPROTO (the server talks nonsense).
 * `again` says that the request may have been executed before without its
 * reply having been seen (session lost while it was in flight): a caller then
 * reads EEXIST of a create or ENOENT of a remove tolerantly. Calls that
 * change nothing (compound.changes false) are resent silently.
 *
 * Thread rule: submit, cancel and the getters from any thread. done() runs on
 * a connection's thread: it must not block.
 */
#ifndef NFS_CLIENT_H
#define NFS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "nfs/compound.h"

struct client;
struct tls_options;

struct client_options {
	const char *host; /* name or address, or several with commas */
	uint16_t port;
	unsigned conns;      /* 0: chosen by the round trip, 1 to 4, and more
				when they are seen to bring something */
	unsigned conns_most; /* then; 0: as many as there may be */
	unsigned slots;      /* calls in flight on each; 0: as many as the
				server gives */
	unsigned deadline_s; /* 0: the default of an hour; the first connection
				is waited for at most 20 s of it, and a refused
				or unresolvable one not at all */
	const struct tls_options *tls; /* NULL: not encrypted */
	uint32_t uid;                  /* AUTH_SYS */
	uint32_t gid;
	const uint32_t *gids; /* supplementary, up to 16 are sent */
	size_t gid_count;
};

struct call {
	struct compound *compound; /* the caller's; not touched until done */
	void (*done)(struct call *call);
	void *user;
	bool foreground; /* goes before others that wait */

	int result;
	bool again;
	struct reply reply; /* valid in done() with result 0; a caller that
			       keeps pointers takes a reference to its blob */

	/* The client's own while the call is under way. */
	TAILQ_ENTRY(call) link;
	uint32_t xid;
	uint32_t slot;
	int64_t not_before_ns;
	unsigned tries;
};

/* What the session allows, as negotiated; the least of all connections. */
struct client_limits {
	uint32_t max_ops;     /* operations, SEQUENCE included */
	uint32_t max_request; /* bytes of a whole RPC record */
	uint32_t max_response;
	uint32_t slots; /* calls in flight over all connections */
};

/*
 * Connects, makes client id and session. On failure a negative errno and a
 * sentence in `error`: which address, what failed, what to do.
 */
int client_open(const struct client_options *options, struct client **ret,
		char *error, size_t error_size);

/*
 * Waits until all connections have tried to open once, some seconds at most.
 * Before that the client works with those that there are, and its limits are
 * theirs.
 */
void client_settle(struct client *c);

/* No call may be in flight. Destroys sessions and client id as far as the
 * server answers within a second. */
struct client *client_free(struct client *c);

/*
 * Queues `call`; `delay_ns` > 0 sends it no sooner than that (back-off).
 * Foreground calls go before others that wait.
 */
void client_submit(struct client *c, struct call *call, int64_t delay_ns);

/* Submits and waits; returns call->result. The reply's blob reference is the
 * caller's to drop with blob_unref(call->reply.blob). */
int client_run(struct client *c, struct call *call);

/* All calls, waiting and to come, end with -ECANCELED within a second. */
void client_cancel(struct client *c);

/*
 * A deadline that is shorter than the one it was opened with, from now on and
 * for calls that wait already: they end with -ENOTCONN when the server has not
 * answered for so long. 0: the one it was opened with; a server that was given
 * up is waited for again then. It begins with at most DEADLINE_OPENING_NS.
 */
void client_set_patience(struct client *c, int64_t ns);
int64_t client_get_patience_ns(const struct client *c);

/* Since when the server has not answered, though calls wait for it, monotonic;
 * 0: it answers, or is not asked. */
int64_t client_get_silent_ns(const struct client *c);

struct client_limits client_get_limits(const struct client *c);
uint64_t client_get_clientid(const struct client *c); /* for OPEN's owner */
int64_t client_get_rtt_ns(const struct client *c);    /* least seen so far */
uint64_t client_get_requests(const struct client *c); /* records sent */

/* Counts up whenever the client id changed: stateids from before are void. */
uint32_t client_get_generation(const struct client *c);

#endif
