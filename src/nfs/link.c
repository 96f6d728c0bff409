// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * link - a stream to one address of the server and the records read from it.
 *
 * Two ways to use it: link_exchange() sends one request and waits for its
 * reply, which lets the set-up of sessions be straight code; link_send() and
 * link_receive() never wait, for the connection's loop with many requests
 * under way. Both wait in link_wait(), the only place that polls.
 */
#include "nfs/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/blob.h"
#include "base/clock.h"
#include "nfs/oncrpc.h"
#include "nfs/stream.h"

void link_init(struct link *l, struct tls *tls, int wake_fd,
	       const atomic_bool *stop)
{
	*l = (struct link){.tls = tls, .wake_fd = wake_fd, .stop = stop};
}

void link_done(struct link *l)
{
	link_close(l);
}

void link_close(struct link *l)
{
	if (l->stream) {
		l->stream = stream_free(l->stream);
		recmark_done(&l->records);
	}
}

void link_set_limit(struct link *l, size_t bytes)
{
	l->records.max = bytes;
}

/* --- Waiting -------------------------------------------------------------- */

static int timeout_ms(int64_t deadline_ns)
{
	int64_t left = deadline_ns - clock_now_ns();

	if (left <= 0)
		return 0;
	if (left > 3600 * NS_PER_S)
		left = 3600 * NS_PER_S;
	return (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

static bool is_stopped(const struct link *l)
{
	return l->stop && atomic_load(l->stop);
}

/* The one poll(2). Whatever was written to wake_fd is taken: its writer has
 * left what it means where we look next. */
static void wait_for(struct link *l, struct stream *s, bool want_write,
		     int64_t deadline_ns)
{
	struct pollfd fds[2] = {{.fd = l->wake_fd, .events = POLLIN},
				{.fd = -1}};
	uint64_t count;

	if (s) {
		fds[1].fd = stream_get_fd(s);
		fds[1].events = stream_events(s, want_write);
	}
	if (poll(fds, 2, timeout_ms(deadline_ns)) <= 0)
		return;
	if (fds[0].revents)
		(void)!read(l->wake_fd, &count, sizeof(count));
	if (fds[1].revents & POLLOUT)
		stream_flush(s);
}

int link_wait(struct link *l, bool want_write, int64_t deadline_ns)
{
	if (!is_stopped(l))
		wait_for(l, l->stream, want_write, deadline_ns);
	return is_stopped(l) ? -ECANCELED : 0;
}

int link_pause(struct link *l, int64_t deadline_ns)
{
	while (!is_stopped(l) && clock_now_ns() < deadline_ns)
		wait_for(l, NULL, false, deadline_ns);
	return is_stopped(l) ? -ECANCELED : 0;
}

/* --- Connecting ----------------------------------------------------------- */

static void note_trouble(struct link *l, const struct stream *s)
{
	snprintf(l->error, sizeof(l->error), "%s", stream_get_error(s));
}

/* A stream may need several steps until it is ready: connecting now, a
 * handshake when there is one. */
static int connect_one(struct link *l, const struct address *a,
		       int64_t deadline_ns)
{
	struct stream *s;
	int r = stream_connect((const struct sockaddr *)&a->bytes, a->len,
			       l->tls, &s);

	if (r < 0)
		return r;
	for (;;) {
		r = stream_advance(s);
		if (r != -EAGAIN)
			break;
		if (is_stopped(l))
			r = -ECANCELED;
		else if (clock_now_ns() >= deadline_ns)
			r = -ETIMEDOUT;
		if (r != -EAGAIN)
			break;
		wait_for(l, s, true, deadline_ns);
	}
	if (r < 0) {
		note_trouble(l, s);
		stream_free(s);
		return r;
	}
	l->peer = *a;
	l->stream = s;
	return 0;
}

/* Each address that is left gets its share of the time that is left, so that
 * a first one which never answers leaves some for the others. */
int link_open(struct link *l, struct endpoint *e, int64_t deadline_ns)
{
	int r = -EHOSTUNREACH;

	l->error[0] = '\0';
	for (size_t left = endpoint_count(e); left > 0; left--) {
		struct address a = endpoint_get(e, l->address);
		int64_t now = clock_now_ns();
		int64_t share = (deadline_ns - now) / (int64_t)left;

		r = connect_one(l, &a, now + share);
		if (r == 0 || r == -ECANCELED)
			break;
		if (left > 1)
			l->address++;
	}
	if (r < 0) {
		if (r != -ECANCELED)
			endpoint_refresh(e);
		return r;
	}
	r = recmark_init(&l->records, SIZE_MAX);
	if (r < 0) {
		l->stream = stream_free(l->stream);
		return r;
	}
	l->moved_ns = clock_now_ns();
	return 0;
}

/* --- Bytes ---------------------------------------------------------------- */

int link_receive(struct link *l, struct blob **ret, size_t *ret_len)
{
	size_t room = 0;
	ssize_t n = 0;

	for (;;) {
		int r = recmark_next(&l->records, ret, ret_len);
		uint8_t *p;

		/* A read that left room took all there was. */
		if (r != 0 || n < (ssize_t)room)
			return r;
		p = recmark_get_room(&l->records, &room);
		n = stream_read(l->stream, p, room);
		if (n == -EAGAIN)
			return 0;
		if (n < 0) {
			note_trouble(l, l->stream);
			return (int)n;
		}
		recmark_add(&l->records, (size_t)n);
		l->moved += (uint64_t)n;
		l->moved_ns = clock_now_ns();
	}
}

ssize_t link_send(struct link *l, const struct iovec *iov, size_t count)
{
	ssize_t n = stream_writev(l->stream, iov, count);

	if (n == -EAGAIN)
		return 0;
	if (n > 0) {
		l->moved += (uint64_t)n;
		l->moved_ns = clock_now_ns();
	}
	return n;
}

/* --- One request, one reply ----------------------------------------------- */

static int send_whole(struct link *l, const struct xdr_out *record,
		      int64_t deadline_ns)
{
	size_t at = 0;

	while (at < record->len) {
		struct iovec iov = {record->data + at, record->len - at};
		ssize_t n = link_send(l, &iov, 1);
		int r;

		if (n < 0)
			return (int)n;
		at += (size_t)n;
		if (n > 0)
			continue;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = link_wait(l, true, deadline_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Waits for any record. */
static int receive_one(struct link *l, int64_t deadline_ns, struct blob **ret,
		       size_t *ret_len)
{
	for (;;) {
		int r = link_receive(l, ret, ret_len);

		if (r != 0)
			return r < 0 ? r : 0;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = link_wait(l, false, deadline_ns);
		if (r < 0)
			return r;
	}
}

static void note_rtt(struct link *l, int64_t rtt_ns)
{
	if (l->rtt_ns == 0 || rtt_ns < l->rtt_ns)
		l->rtt_ns = rtt_ns;
}

int link_exchange(struct link *l, const struct xdr_out *record, uint32_t xid,
		  int64_t deadline_ns, struct blob **ret_blob,
		  struct xdr_in *ret_in)
{
	int64_t begin = clock_now_ns();
	int r;

	if (record->failed)
		return -ENOMEM;
	r = send_whole(l, record, deadline_ns);
	while (r == 0) {
		struct blob *b;
		size_t len;
		uint32_t got;

		r = receive_one(l, deadline_ns, &b, &len);
		if (r < 0)
			return r;
		xdr_in_init(ret_in, b->data, len);
		r = oncrpc_get_reply(ret_in, &got);
		if (r == 0 && got == xid) {
			note_rtt(l, clock_now_ns() - begin);
			*ret_blob = b;
			return 0;
		}
		blob_unref(b);
		if (got != xid && r != -EPROTO)
			r = 0; /* of a request that nobody waits for */
	}
	return r;
}
