// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A connection for each call, made by hand: a few of them are all there is,
 * mostly to different ports.
 */
#include "volume/libnfs_exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "nfs/oncrpc.h"
#include "nfs/recmark.h"
#include "volume/libnfs_conn.h"

#define REPLY_MAX    65536
#define RESERVED_TOP 1023
#define RESERVED_LOW 665

/* How often a wait looks whether it is to stop. */
#define SLICE_NS (200 * NS_PER_MS)

void ln_exchange_init(struct ln_exchange *e, uint32_t program, uint32_t version,
		      uint32_t proc)
{
	*e = (struct ln_exchange){
	    .program = program,
	    .version = version,
	    .proc = proc,
	};
	xdr_out_init(&e->args);
}

void ln_exchange_done(struct ln_exchange *e)
{
	xdr_out_done(&e->args);
	blob_unref(e->reply);
	e->reply = NULL;
}

/* --- A connection --------------------------------------------------------- */

static int wait_for(int fd, short events, int64_t deadline,
		    const atomic_bool *stop)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_now_ns();
		int n;

		if (stop && atomic_load(stop))
			return -ECANCELED;
		if (left <= 0)
			return -ETIMEDOUT;
		if (left > SLICE_NS)
			left = SLICE_NS;
		n = poll(&p, 1, (int)(left / NS_PER_MS + 1));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* Gives the socket a port below 1024; without the right to one, any will do. */
static void bind_reserved(int fd, const struct sockaddr *to)
{
	struct sockaddr_storage from = {.ss_family = to->sa_family};
	bool v6 = to->sa_family == AF_INET6;
	socklen_t len =
	    v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	const int count = RESERVED_TOP - RESERVED_LOW + 1;
	int first = (int)(clock_now_ns() / 1000 % count);

	for (int i = 0; i < count; i++) {
		uint16_t port =
		    htons((uint16_t)(RESERVED_LOW + (first + i) % count));

		if (v6)
			((struct sockaddr_in6 *)&from)->sin6_port = port;
		else
			((struct sockaddr_in *)&from)->sin_port = port;
		if (!bind(fd, (struct sockaddr *)&from, len) ||
		    errno != EADDRINUSE)
			return;
	}
}

static int dial(const struct address *address, int64_t deadline,
		const atomic_bool *stop, int *ret)
{
	const struct sockaddr *a = (const struct sockaddr *)&address->bytes;
	CLEANUP_CLOSE int fd =
	    socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	bind_reserved(fd, a);
	if (connect(fd, a, address->len)) {
		if (errno != EINPROGRESS)
			return -errno;
		error = wait_for(fd, POLLOUT, deadline, stop);
		if (error)
			return error;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
			return -errno;
		if (error)
			return -error;
	}
	*ret = fd;
	fd = -1;
	return 0;
}

static int send_all(int fd, const uint8_t *data, size_t len, int64_t deadline,
		    const atomic_bool *stop)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int error = wait_for(fd, POLLOUT, deadline, stop);

			if (error)
				return error;
		} else if (n < 0) {
			return -errno;
		} else {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int receive_record(int fd, struct recmark *r, int64_t deadline,
			  const atomic_bool *stop, struct blob **ret,
			  size_t *ret_len)
{
	for (;;) {
		int got = recmark_next(r, ret, ret_len);
		uint8_t *room;
		size_t len;
		ssize_t n;

		if (got != 0)
			return got < 0 ? got : 0;
		room = recmark_get_room(r, &len);
		n = recv(fd, room, len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			recmark_add(r, (size_t)n);
		} else if (errno != EAGAIN) {
			return -errno;
		} else {
			int error = wait_for(fd, POLLIN, deadline, stop);

			if (error)
				return error;
		}
	}
}

/* --- A call --------------------------------------------------------------- */

static int call_on(int fd, struct ln_exchange *e,
		   const struct oncrpc_auth *auth, int64_t deadline)
{
	const uint32_t xid = (uint32_t)clock_wall_ns();
	struct xdr_out call;
	struct recmark records;
	uint32_t answered = 0;
	int64_t begin = clock_now_ns();
	size_t len = 0;
	int error;

	xdr_out_init(&call);
	oncrpc_put_call_to(&call, xid, e->program, e->version, e->proc, auth);
	xdr_put_fixed(&call, e->args.data, e->args.len);
	error = call.failed || e->args.failed ? -ENOMEM : 0;
	if (!error) {
		oncrpc_set_mark(&call, 0, 0);
		e->sent = true;
		error = send_all(fd, call.data, call.len, deadline, e->stop);
	}
	xdr_out_done(&call);
	if (!error)
		error = recmark_init(&records, REPLY_MAX);
	if (error)
		return error;
	error =
	    receive_record(fd, &records, deadline, e->stop, &e->reply, &len);
	recmark_done(&records);
	if (error)
		return error;
	e->took_ns = clock_now_ns() - begin;
	xdr_in_init(&e->results, e->reply->data, len);
	error = oncrpc_get_reply(&e->results, &answered);
	return !error && answered != xid ? -EPROTO : error;
}

int ln_exchange_run(struct ln_exchange *e, const struct ln_server *s,
		    struct endpoint *endpoint, int64_t limit_ns)
{
	struct oncrpc_auth auth;
	int error = -EHOSTUNREACH;

	oncrpc_auth_init(&auth, s->machine, s->uid, s->gid, s->gids,
			 s->gid_count);
	for (size_t i = 0; i < endpoint_count(endpoint); i++) {
		struct address a = endpoint_get(endpoint, i);
		int64_t deadline = clock_now_ns() + limit_ns;
		CLEANUP_CLOSE int fd = -1;

		endpoint_format(&a, e->address);
		blob_unref(e->reply);
		e->reply = NULL;
		error = dial(&a, deadline, e->stop, &fd);
		if (!error)
			error = call_on(fd, e, &auth, deadline);
		if (!error || error == -ECANCELED)
			break;
	}
	return error;
}
