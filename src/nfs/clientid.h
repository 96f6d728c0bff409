/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clientid - who this process is to one server (RFC 8881 section 2.4), and how
 * its connections get their sessions.
 *
 * All connections share one client id. CREATE_SESSION counts up a sequence of
 * the client id, so sessions are made one after the other, under a lock that
 * is held for the round trips; whoever is cancelled gives it up at once.
 *
 * Thread rule: any thread.
 */
#ifndef NFS_CLIENTID_H
#define NFS_CLIENTID_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "nfs/proto.h"

struct link;
struct oncrpc_auth;
struct session;

struct clientid {
	_Atomic uint64_t id;
	_Atomic uint32_t generation; /* counts what voids stateids */
	atomic_bool revoked;         /* the server says: all state dropped */
	_Atomic unsigned users;      /* connections with a session of it */

	/* Guards what follows. */
	pthread_mutex_t lock;
	char owner[128];
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	bool known;           /* `id` is the server's, as far as we know */
	struct digest server; /* who gave `id` */
	bool reclaimed;       /* RECLAIM_COMPLETE was said */
	uint32_t sequence;    /* of the next CREATE_SESSION */
};

/* 0, or a negative errno of the random numbers. */
int clientid_init(struct clientid *c, const char *machine);
void clientid_done(struct clientid *c);

/*
 * Makes a session over `link`, and before it a client id where there is none
 * or the server has forgotten it. `ret_sequence` is the next sequence of the
 * session's slot 0, the others begin at 1. On failure a negative errno with
 * what the server answered in `why` ("" if it did not): -EPROTONOSUPPORT: it
 * has no NFSv4.1; -EACCES: not for us; -ETIMEDOUT, -ECANCELED, -ECONNRESET, ..
 *
 * `several`: the link may lead to another server than the client id is of,
 * since the endpoint has several addresses. Then that is asked first: -EXDEV
 * while other connections use the client id where it is from; else the client
 * becomes one of the server that was found.
 *
 * The caller counts as a user until clientid_leave().
 */
int clientid_make_session(struct clientid *c, struct link *link,
			  const struct oncrpc_auth *auth, bool several,
			  int64_t deadline_ns, struct session *ret,
			  uint32_t *ret_sequence, char *why, size_t why_size);

/* A connection has lost its session, or its link; or has the link again. Never
 * waits. */
void clientid_leave(struct clientid *c);
void clientid_return(struct clientid *c);

/* Looks at sr_status_flags of a SEQUENCE. */
void clientid_note_flags(struct clientid *c, uint32_t flags);

/* Ends a session, or the client id when its sessions have ended. What the
 * server says to it changes nothing. */
void clientid_end_session(const struct session *session, struct link *link,
			  const struct oncrpc_auth *auth, int64_t deadline_ns);
void clientid_end(struct clientid *c, struct link *link,
		  const struct oncrpc_auth *auth, int64_t deadline_ns);

#endif
