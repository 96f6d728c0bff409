/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream - a connected byte stream that never blocks.
 *
 * A TCP socket, with TLS on it or without. It is the one place through which
 * bytes go in and out, and nothing above knows which it is: whoever waits asks
 * stream_events() what to wait for, calls stream_advance() until the stream is
 * ready, and stream_flush() when the socket is writable.
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
struct tls;

/*
 * Begins to connect, from any free local port; with `tls` (borrowed, else
 * NULL) encrypted from the first byte. 0 with `ret` set, or a negative errno
 * (-ENETUNREACH, -ENOMEM, ..). Use stream_advance() next.
 */
int stream_connect(const struct sockaddr *address, socklen_t len,
		   struct tls *tls, struct stream **ret);
struct stream *stream_free(struct stream *s);

/* 0 once bytes may be read and written, -EAGAIN: wait for stream_events(),
 * otherwise why it failed (-ECONNREFUSED, -ETIMEDOUT, .., and what
 * tls_stream_advance() has). */
int stream_advance(struct stream *s);

/* A sentence on why stream_advance() failed, or "" when its errno says it. */
const char *stream_get_error(const struct stream *s);

/* Whether TLS took up an earlier session; false without TLS. */
bool stream_is_resumed(const struct stream *s);

int stream_get_fd(const struct stream *s);

/* The poll(2) events to wait for; `want_write`: there is something to send. */
short stream_events(const struct stream *s, bool want_write);

/* How many bytes came (at least 1; fewer than `len` are all there are now);
 * -EAGAIN; -ECONNRESET at the end of the stream, however it ended; other errnos
 * of recv(2). A server that does not take our certificate may say so only here:
 * -EACCES, with a sentence in stream_get_error(). */
ssize_t stream_read(struct stream *s, void *data, size_t len);

/* Sends on what was taken and not sent. An error shows in the next call. */
void stream_flush(struct stream *s);

/* How many bytes were taken (perhaps fewer than given); -EAGAIN; an errno. */
ssize_t stream_writev(struct stream *s, const struct iovec *iov, size_t count);

#endif
