// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * stream - a connected byte stream that never blocks.
 *
 * A non-blocking TCP socket: connecting, then open, or shaking hands and then
 * open. Nagle's algorithm is
 * off, because records are handed over whole. Keepalive finds a peer that
 * vanished while nothing is under way; while something is, the connection has
 * stricter clocks of its own.
 */
#include "nfs/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nfs/tls.h"

#define KEEP_IDLE_S     30
#define KEEP_INTERVAL_S 10
#define KEEP_COUNT      3

struct stream {
	int fd;
	bool open;            /* connect(2) has succeeded */
	struct tls *tls;      /* borrowed; NULL: plain */
	struct tls_stream *t; /* once connect(2) has succeeded */
	char error[TLS_ERROR];
};

static void set_option(int fd, int level, int name, int value)
{
	/* Each of them makes things better, none is needed. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
}

int stream_connect(const struct sockaddr *address, socklen_t len,
		   struct tls *tls, struct stream **ret)
{
	CLEANUP_CLOSE int fd = socket(
	    address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stream *s;

	if (fd < 0)
		return -errno;
	set_options(fd);
	if (connect(fd, address, len) < 0 && errno != EINPROGRESS)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = fd;
	s->tls = tls;
	fd = -1;
	*ret = s;
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (s) {
		tls_stream_free(s->t);
		close(s->fd);
		free(s);
	}
	return NULL;
}

/* 0 once connect(2) has succeeded. */
static int advance_connect(struct stream *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (s->open)
		return 0;
	/* SO_ERROR is 0 both before and after success: only a writable
	 * socket tells that connect(2) has come to an end. */
	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error)
		return -error;
	s->open = true;
	return 0;
}

int stream_advance(struct stream *s)
{
	int r = advance_connect(s);

	if (r == 0 && s->tls && !s->t)
		r = tls_stream_new(s->tls, s->fd, &s->t, s->error);
	if (r < 0 || !s->t)
		return r;
	r = tls_stream_advance(s->t, s->error);
	/* What there is to say should nothing come of it. */
	if (r == -EAGAIN)
		strcpy(s->error, "it does not answer the TLS handshake: does "
				 "it speak TLS on this port?");
	else if (r == 0)
		s->error[0] = '\0';
	return r;
}

const char *stream_get_error(const struct stream *s)
{
	return s->error;
}

bool stream_is_resumed(const struct stream *s)
{
	return s->t && tls_stream_is_resumed(s->t);
}

int stream_get_fd(const struct stream *s)
{
	return s->fd;
}

short stream_events(const struct stream *s, bool want_write)
{
	if (!s->open)
		return POLLOUT;
	if (s->t)
		return tls_stream_events(s->t, want_write);
	return want_write ? POLLIN | POLLOUT : POLLIN;
}

ssize_t stream_read(struct stream *s, void *data, size_t len)
{
	ssize_t n;

	if (s->t)
		return tls_stream_read(s->t, data, len, s->error);
	do
		n = recv(s->fd, data, len, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return n;
}

ssize_t stream_writev(struct stream *s, const struct iovec *iov, size_t count)
{
	/* sendmsg(2) only reads through msg_iov. */
	struct msghdr message = {
	    .msg_iov = (struct iovec *)(uintptr_t)iov,
	    .msg_iovlen = count,
	};
	ssize_t n;

	if (s->t)
		return tls_stream_writev(s->t, iov, count);
	do
		n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return n;
}

void stream_flush(struct stream *s)
{
	if (s->t)
		(void)tls_stream_flush(s->t);
}
