/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn - one connection to the server: one thread, one stream, one session.
 *
 * The connection reconnects, replays and renews by itself; a call given to it
 * ends once, on its thread (see client.h for what a call ends with).
 *
 * Thread rule: submit and the getters from any thread; the rest by the client
 * that owns it, before start and after stop.
 */
#ifndef NFS_CONN_H
#define NFS_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/clientid.h"
#include "nfs/endpoint.h"
#include "nfs/oncrpc.h"
#include "nfs/session.h"

struct call;
struct conn;
struct tls;

/* What the connections of a client have in common; the client's. */
struct conn_shared {
	struct endpoint *endpoint;
	_Atomic size_t home; /* the address that led to a session last */
	struct tls *tls;     /* NULL: not encrypted */
	struct oncrpc_auth auth;
	struct clientid clientid;
	unsigned slots;      /* of a session at the most; 0: all it has */
	int64_t deadline_ns; /* how long a server may say nothing at all .. */
	_Atomic int64_t patience_ns; /* .. or less, for now; see client.h */
	atomic_bool stop;          /* calls end with -ECANCELED, threads end */
	_Atomic uint64_t requests; /* records sent */
	_Atomic uint64_t bytes;    /* that came and went */
	_Atomic int64_t rtt_ns;    /* least seen, INT64_MAX: none yet */
};

struct conn *conn_new(struct conn_shared *shared, unsigned number);
/* Stopped, or never started. */
struct conn *conn_free(struct conn *c);

/*
 * Connects and makes a session on the caller's thread, so that what is wrong
 * can be told. On failure a negative errno, the address it was about in
 * `ret_address` and the server's answer, or "", in `why`.
 */
int conn_open(struct conn *c, int64_t deadline_ns, struct address *ret_address,
	      char *why, size_t why_size);

/* After conn_open() failed: a sentence on what was wrong before there could be
 * a session, or "" when its errno says that. */
const char *conn_get_trouble(const struct conn *c);

/* Starts the thread; it opens what conn_open() has not. */
int conn_start(struct conn *c);

/* Waits until the thread has tried to open once, well or badly, or the
 * deadline has passed. */
void conn_wait_settled(struct conn *c, int64_t deadline_ns);

/* Makes the thread look at shared->stop and shared->patience_ns, even in the
 * middle of connecting; waits for its end. */
void conn_wake(struct conn *c);
void conn_join(struct conn *c);

/* Calls are taken, and wait, though the server was given up. */
void conn_forgive(struct conn *c);

/* After conn_join(): tells the server that the session is over, unless the
 * thread has, which does so at its end; and when all sessions are, that the
 * client id is; false if there is no connection. */
void conn_end_session(struct conn *c, int64_t deadline_ns);
bool conn_end_clientid(struct conn *c, int64_t deadline_ns);

/*
 * Takes the call; or -ECANCELED once stopped, -ENOTCONN while the server has
 * not answered for the whole deadline: then the call stays the caller's.
 */
int conn_submit(struct conn *c, struct call *call, int64_t delay_ns);

/* Calls taken that have not ended. */
unsigned conn_get_load(const struct conn *c);

/* Since when calls wait and the server has not answered, monotonic; 0: none
 * wait. */
int64_t conn_get_silent_ns(const struct conn *c);

/* Whether it ever had a session: before that, calls would wait for it. */
bool conn_is_ready(const struct conn *c);

/* False when it never had a session. */
bool conn_get_session(struct conn *c, struct session *ret);

#endif
