/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs - the volume backend for servers that speak no NFSv4.1, through
 * libnfs: what its files share.
 *
 *   libnfs.c          opening, dispatch, cancel, facts
 *   libnfs_conn       one connection: context, thread, requests, resending
 *   libnfs_exchange   one RPC by itself, without libnfs
 *   libnfs_probe      before libnfs comes in: ports, the version, MNT
 *   libnfs_path.c     from the root handle to the volume's
 *   libnfs_shim.h     the versions of libnfs
 *   libnfs_zdr        what its decoder leaves unchecked
 *   libnfs_v3*        NFSv3; one file for each family of verbs
 *
 * These protocols do nothing in batches: each item of a call is a `work`, a
 * small state machine that has one request under way, and many works are
 * under way at once. A work stays on the connection it was given at first, so
 * all that happens to it happens on that connection's thread. A verb with
 * more than one stage draws its stages at the head of its file; a reply that
 * answers LN_NEXT has set the next one.
 *
 * Thread rule: a `struct ln` is shared by all threads and does not change
 * once it is open, but for what is atomic. A work belongs to the thread of its
 * connection.
 *
 * Only volume/libnfs*.c include this.
 */
#ifndef VOLUME_LIBNFS_H
#define VOLUME_LIBNFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/endpoint.h"
#include "volume/backend.h"
#include "volume/libnfs_conn.h"

#define LN_CONNS_MAX 16
#define LN_DONE      1 /* see ln_verb.init */
#define LN_NEXT      2 /* see ln_verb.reply */
#define LN_WAIT      3 /* the same */

struct ln_call;
struct ln_verb;
struct ln_work;

struct ln {
	struct volume volume;               /* first, see backend.h */
	const struct ln_verb *const *verbs; /* VOLUME_VERBS of them */
	struct endpoint *endpoint;
	struct ln_server server;
	struct ln_conn *conns[LN_CONNS_MAX];
	unsigned conn_count;
	atomic_uint next_conn; /* where to look for an idle one first */
	struct handle *root;
	char *location;
	int64_t rtt_ns;

	/* What the server says of itself; the least that makes sense until
	 * it has said it. */
	uint32_t name_max;
	uint32_t link_max; /* 0: not told */
	size_t read_max;   /* bytes of one READ */
	size_t write_max;
	uint64_t file_max; /* bytes of a file */
	atomic_bool no_readdirplus;
	atomic_bool cancelled; /* for what no connection is asked for */
};

/* The head of every work. */
struct ln_work {
	struct ln_request request; /* first */
	struct ln *v;
	const struct ln_verb *verb;
	struct ln_call *call;
	void *item;    /* of the volume call */
	int stage;     /* 0 at the start */
	int error;     /* the result */
	unsigned part; /* which one of the item's */
};

struct ln_verb {
	size_t work_size;
	size_t item_size; /* of the volume's items */
	size_t result_at; /* where such an item keeps its result */

	/* How many works an item becomes; NULL: one. */
	unsigned (*parts)(const struct ln *v, const void *item);

	/* Checks the item and prepares part work->part of `parts`, zeroed but
	 * for its head; `items` is how many the call has. An error is the
	 * item's result, LN_DONE one of 0, and nothing of it is sent; done()
	 * is not called then. NULL: nothing to do. */
	int (*init)(struct ln_work *work, unsigned parts, size_t items);

	/* Calls libnfs for the work's stage; false: it would not. */
	bool (*send)(struct ln_work *work, struct rpc_context *rpc);

	/* Takes the answer, of which nothing may be kept: the work's result,
	 * or LN_NEXT to send again, or LN_WAIT when requests of its own are
	 * under way, after which ln_work_end() is called. That the call may
	 * have been executed before is in work->request.again. */
	int (*reply)(struct ln_work *work, void *data);

	/* Makes one result out of the works of an item, after the last of them
	 * ended; NULL: the one work set it. */
	void (*merge)(struct ln_work *works, unsigned parts);

	/* Frees what a work holds, whatever became of it; NULL: nothing. */
	void (*done)(struct ln_work *work);
};

/* The parts of a verb's definition that are the same for all. */
#define LN_VERB(verb, work_type, item_type)                                   \
	.work_size = sizeof(struct work_type),                                \
	.item_size = sizeof(struct item_type),                                \
	.result_at = offsetof(struct item_type, result), .send = verb##_send, \
	.reply = verb##_reply

/* --- libnfs.c */

/* Carries one item, which need not be one of the waist's, and waits for it;
 * its result. */
int ln_run(struct ln *v, const struct ln_verb *verb, void *item);

/* Ends a work whose reply() answered LN_WAIT. */
void ln_work_end(struct ln_work *work, int result);

/* --- libnfs_path.c */

/*
 * Walks from `from` along `path`, whose part before `path + done` has led
 * there, and returns handle and attributes of the directory at its end. On
 * failure a sentence in `error`.
 */
int ln_walk(struct ln *v, const struct handle *from, const char *path,
	    size_t done, struct handle **ret, struct attr *ret_attr,
	    char *error, size_t error_size);

/* --- libnfs_v3.c */

extern const struct ln_verb *const v3_verbs[VOLUME_VERBS];

/* What the server says of its limits; what it does not say stays as it is. */
void v3_learn_limits(struct ln *v);

#endif
