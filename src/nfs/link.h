/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link - a stream to one address of the server and the records read from it,
 * with the waiting that belongs to them.
 *
 * All waits end early when the owner is told to stop: whoever sets `*stop`
 * then makes `wake_fd` (an eventfd) readable.
 *
 * Thread rule: belongs to its connection's thread.
 */
#ifndef NFS_LINK_H
#define NFS_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "nfs/endpoint.h"
#include "nfs/recmark.h"
#include "nfs/xdr.h"

struct blob;
struct stream;
struct tls;

#define LINK_ERROR 256

struct link {
	struct stream *stream; /* NULL: not connected */
	struct tls *tls;       /* borrowed; NULL: not encrypted */
	struct recmark records;
	int wake_fd;             /* borrowed */
	const atomic_bool *stop; /* borrowed; NULL: nobody stops it */
	size_t address;          /* of the endpoint: tried first */
	struct address peer;     /* whom it was connected to last */
	int64_t moved_ns;        /* when bytes came or went the last time */
	uint64_t moved;          /* how many, counted by whoever likes to */
	int64_t rtt_ns;          /* least of link_exchange(), 0: none yet */
	char error[LINK_ERROR];  /* of the last link_open(), or "" */
};

void link_init(struct link *l, struct tls *tls, int wake_fd,
	       const atomic_bool *stop);
void link_done(struct link *l);

/* Tries the addresses one after the other until one connects. The errno is
 * that of the last one, whose number is left in l->address; l->error says more
 * where there is more to say. */
int link_open(struct link *l, struct endpoint *e, int64_t deadline_ns);
void link_close(struct link *l);

/* Records longer than this are a protocol error. */
void link_set_limit(struct link *l, size_t bytes);

/*
 * Waits until bytes came, or may go if `want_write`, or somebody woke us, or
 * the deadline. 0 in all of these cases, -ECANCELED once stopped. Not
 * connected, it only waits for the other two.
 */
int link_wait(struct link *l, bool want_write, int64_t deadline_ns);

/* Waits for the deadline and nothing else; 0, or -ECANCELED. */
int link_pause(struct link *l, int64_t deadline_ns);

/* 1 with one record, 0 when there is none yet, or why the stream is of no more
 * use (-ECONNRESET, -EPROTO, -ENOMEM, ..). Never waits. */
int link_receive(struct link *l, struct blob **ret, size_t *ret_len);

/* How many bytes went; 0 when none may go now. Never waits. */
ssize_t link_send(struct link *l, const struct iovec *iov, size_t count);

/*
 * Sends a whole record and waits for the reply to `xid`, leaving out others.
 * `ret_in` then stands behind its RPC header and points into `ret_blob`.
 * Besides errnos of the stream: -ETIMEDOUT, and those of oncrpc_get_reply().
 */
int link_exchange(struct link *l, const struct xdr_out *record, uint32_t xid,
		  int64_t deadline_ns, struct blob **ret_blob,
		  struct xdr_in *ret_in);

#endif
