/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream - a connected byte stream that never blocks.
 *
 * Today a TCP socket. It is the one place through which bytes go in and out,
 * so that encryption can be put between this header and the socket without
 * anything above noticing: whoever waits asks stream_events() what to wait
 * for and calls stream_advance() until it is ready.
 *
 * Thread rule: one thread at a time.
 */
#ifndef NFS_STREAM_H
#define NFS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

/*
 * Begins to connect, from any free local port. 0 with `ret` set, or a
 * negative errno (-ENETUNREACH, -ENOMEM, ..). Use stream_advance() next.
 */
int stream_connect(const struct sockaddr *address, socklen_t len,
		   struct stream **ret);
struct stream *stream_free(struct stream *s);

/* 0 once bytes may be read and written, -EAGAIN: wait for stream_events(),
 * otherwise why it failed (-ECONNREFUSED, -ETIMEDOUT, ..). */
int stream_advance(struct stream *s);

int stream_get_fd(const struct stream *s);

/* The poll(2) events to wait for; `want_write`: there is something to send. */
short stream_events(const struct stream *s, bool want_write);

/* How many bytes came (at least 1); -EAGAIN; -ECONNRESET at the end of the
 * stream, however it ended; other errnos of recv(2). */
ssize_t stream_read(struct stream *s, void *data, size_t len);

/* How many bytes were taken (perhaps fewer than given); -EAGAIN; an errno. */
ssize_t stream_writev(struct stream *s, const struct iovec *iov, size_t count);

#endif
