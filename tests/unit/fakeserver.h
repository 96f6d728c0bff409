/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fakeserver - an NFSv4.1 server on a loopback port that does as it is told.
 *
 * By itself it makes client ids and sessions, and answers each compound with
 * SEQUENCE and one PUTROOTFH. A script, called for each compound but those of
 * the set-up, may have it do something else. It keeps no replies for replays:
 * scripts see each transmission.
 *
 * Thread rule: the script runs on the server's thread; what tests read of the
 * log they read when no call is under way.
 */
#ifndef FAKESERVER_H
#define FAKESERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "nfs/xdr.h"

#define FAKE_CONNS 8
#define FAKE_LOG   256

struct fake_request {
	uint32_t xid;
	uint32_t ops;     /* 1: SEQUENCE alone */
	uint32_t session; /* number of the session, from 1 */
	uint32_t slot;
	uint32_t sequence;
	bool cache;
	unsigned conn; /* number of the connection, from 1 */
	int fd;
};

enum fake_action {
	FAKE_ANSWER, /* as if there were no script */
	FAKE_SILENT, /* nothing; perhaps the script has answered */
	FAKE_CUT,    /* close the connection */
};

struct fake {
	uint16_t port;

	/* What the test sets before it opens a client. */
	enum fake_action (*script)(struct fake *f,
				   const struct fake_request *r);
	uint32_t slots;        /* of a session */
	uint32_t max_cached;   /* bytes of a reply */
	uint32_t setup_status; /* EXCHANGE_ID answers with it, unless 0 */
	bool other_program;    /* RPC says PROG_MISMATCH to everything */
	uint32_t address;      /* it listens there; 0: 127.0.0.1 */
	bool everywhere;       /* it listens at all addresses */
	const char *name;      /* of the server; NULL: "fake" */

	/* What happened. */
	atomic_uint conns, clients, sessions, reclaims, destroyed, requests;
	struct fake_request log[FAKE_LOG]; /* the first of `requests` */

	/* For scripts: to tell one time from the other, and flags of SEQUENCE.
	 */
	atomic_uint step;
	atomic_uint flags;
	atomic_uint stale;      /* so many CREATE_SESSIONs are STALE_CLIENTID */
	atomic_bool mute;       /* it answers nothing at all */
	atomic_uint setup_cuts; /* so many of the set-up's requests are cut */

	pthread_t thread;
	atomic_bool stop;
	int listener;
	int fds[FAKE_CONNS];
	unsigned numbers[FAKE_CONNS];
};

/* Stopped, connecting is refused; started again, it has the same port. */
void fake_start(struct fake *f);
void fake_stop(struct fake *f);

/* --- For scripts ---------------------------------------------------------- */

/* The usual answer. */
void fake_answer(struct fake *f, const struct fake_request *r);

/* SEQUENCE fails with `status`. */
void fake_fail(const struct fake_request *r, uint32_t status);

/* A compound that has no results at all. */
void fake_refuse(const struct fake_request *r, uint32_t status);

/* SEQUENCE goes well, and the operation behind it fails. */
void fake_fail_second(struct fake *f, const struct fake_request *r,
		      uint32_t status);

/* Bytes as they are, no record mark added. */
void fake_send(const struct fake_request *r, const void *data, size_t len);

/* The usual answer as it would go out, for scripts that bend it. */
void fake_put_answer(struct fake *f, struct xdr_out *x,
		     const struct fake_request *r);

#endif
