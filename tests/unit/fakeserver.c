/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fakeserver - an NFSv4.1 server on a loopback port that does as it is told.
 *
 * One thread polls the listener and the connections and reads whole records,
 * blocking: clients of tests send them in one piece.
 */
#include "fakeserver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nfs/proto.h"

#define RECORD_MAX (4 * 1024 * 1024)

/* --- Replies -------------------------------------------------------------- */

static void put_header(struct xdr_out *x, uint32_t xid, uint32_t status,
		       uint32_t count)
{
	xdr_put_u32(x, 0); /* record mark */
	xdr_put_u32(x, xid);
	xdr_put_u32(x, RPC_REPLY);
	xdr_put_u32(x, RPC_MSG_ACCEPTED);
	xdr_put_u64(x, 0); /* verifier */
	xdr_put_u32(x, RPC_SUCCESS);
	xdr_put_u32(x, status);
	xdr_put_u32(x, 0); /* tag */
	xdr_put_u32(x, count);
}

static void put_session_id(struct xdr_out *x, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		xdr_put_u32(x, number);
}

static void put_sequence(struct fake *f, struct xdr_out *x,
			 const struct fake_request *r)
{
	xdr_put_u32(x, OP_SEQUENCE);
	xdr_put_u32(x, NFS4_OK);
	put_session_id(x, r->session);
	xdr_put_u32(x, r->sequence);
	xdr_put_u32(x, r->slot);
	xdr_put_u32(x, f->slots - 1);
	xdr_put_u32(x, f->slots - 1);
	xdr_put_u32(x, f->flags);
}

static void send_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the client has gone: its right */
		p += n;
		len -= (size_t)n;
	}
}

static void send_record(int fd, struct xdr_out *x)
{
	xdr_patch_u32(x, 0, 0x80000000u | (uint32_t)(x->len - 4));
	send_all(fd, x->data, x->len);
	xdr_out_done(x);
}

void fake_put_answer(struct fake *f, struct xdr_out *x,
		     const struct fake_request *r)
{
	put_header(x, r->xid, NFS4_OK, r->ops);
	put_sequence(f, x, r);
	for (uint32_t i = 1; i < r->ops; i++) {
		xdr_put_u32(x, OP_PUTROOTFH);
		xdr_put_u32(x, NFS4_OK);
	}
}

void fake_answer(struct fake *f, const struct fake_request *r)
{
	struct xdr_out x;

	xdr_out_init(&x);
	fake_put_answer(f, &x, r);
	send_record(r->fd, &x);
}

void fake_fail(const struct fake_request *r, uint32_t status)
{
	struct xdr_out x;

	xdr_out_init(&x);
	put_header(&x, r->xid, status, 1);
	xdr_put_u32(&x, OP_SEQUENCE);
	xdr_put_u32(&x, status);
	send_record(r->fd, &x);
}

void fake_refuse(const struct fake_request *r, uint32_t status)
{
	struct xdr_out x;

	xdr_out_init(&x);
	put_header(&x, r->xid, status, 0);
	send_record(r->fd, &x);
}

void fake_fail_second(struct fake *f, const struct fake_request *r,
		      uint32_t status)
{
	struct xdr_out x;

	xdr_out_init(&x);
	put_header(&x, r->xid, status, 2);
	put_sequence(f, &x, r);
	xdr_put_u32(&x, OP_PUTROOTFH);
	xdr_put_u32(&x, status);
	send_record(r->fd, &x);
}

void fake_send(const struct fake_request *r, const void *data, size_t len)
{
	send_all(r->fd, data, len);
}

/* --- The set-up ----------------------------------------------------------- */

static void exchange_id(struct fake *f, struct xdr_out *x, uint32_t xid)
{
	put_header(x, xid, f->setup_status, 1);
	xdr_put_u32(x, OP_EXCHANGE_ID);
	xdr_put_u32(x, f->setup_status);
	if (f->setup_status != NFS4_OK)
		return;
	xdr_put_u64(x, ++f->clients);
	xdr_put_u32(x, 1);
	xdr_put_u32(x, EXCHGID4_FLAG_USE_NON_PNFS);
	xdr_put_u32(x, SP4_NONE);
	xdr_put_u64(x, 0);
	xdr_put_string(x, f->name ? f->name : "fake");
	xdr_put_string(x, "fake");
	xdr_put_u32(x, 0);
}

static void create_session(struct fake *f, struct xdr_out *x, uint32_t xid,
			   uint32_t sequence)
{
	uint32_t status = NFS4_OK;

	if (f->stale > 0) {
		f->stale--;
		status = NFS4ERR_STALE_CLIENTID;
	}
	put_header(x, xid, status, 1);
	xdr_put_u32(x, OP_CREATE_SESSION);
	xdr_put_u32(x, status);
	if (status != NFS4_OK)
		return;
	put_session_id(x, ++f->sessions);
	xdr_put_u32(x, sequence);
	xdr_put_u32(x, 0);
	for (int channel = 0; channel < 2; channel++) {
		xdr_put_u32(x, 0);
		xdr_put_u32(x, 1 << 20);
		xdr_put_u32(x, 1 << 20);
		xdr_put_u32(x, f->max_cached);
		xdr_put_u32(x, 16);
		xdr_put_u32(x, f->slots);
		xdr_put_u32(x, 0);
	}
}

/* A compound of one operation without SEQUENCE. */
static void set_up(struct fake *f, struct xdr_in *in, uint32_t xid, uint32_t op,
		   int fd)
{
	struct xdr_out x;

	xdr_out_init(&x);
	if (op == OP_EXCHANGE_ID) {
		exchange_id(f, &x, xid);
	} else if (op == OP_CREATE_SESSION) {
		xdr_get_u64(in);
		create_session(f, &x, xid, xdr_get_u32(in));
	} else {
		assert(op == OP_DESTROY_SESSION || op == OP_DESTROY_CLIENTID);
		f->destroyed++;
		put_header(&x, xid, NFS4_OK, 1);
		xdr_put_u32(&x, op);
		xdr_put_u32(&x, NFS4_OK);
	}
	send_record(fd, &x);
}

/* --- Requests ------------------------------------------------------------- */

static enum fake_action act(struct fake *f, struct fake_request *r, uint32_t op)
{
	enum fake_action action = FAKE_ANSWER;

	if (op == OP_RECLAIM_COMPLETE) {
		struct xdr_out x;

		f->reclaims++;
		xdr_out_init(&x);
		put_header(&x, r->xid, NFS4_OK, 2);
		put_sequence(f, &x, r);
		xdr_put_u32(&x, op);
		xdr_put_u32(&x, NFS4_OK);
		send_record(r->fd, &x);
		return FAKE_SILENT;
	}
	if (f->requests < FAKE_LOG)
		f->log[f->requests] = *r;
	f->requests++;
	if (f->script)
		action = f->script(f, r);
	if (action == FAKE_ANSWER)
		fake_answer(f, r);
	return action;
}

static void mismatch(int fd, uint32_t xid)
{
	struct xdr_out x;

	xdr_out_init(&x);
	xdr_put_u32(&x, 0);
	xdr_put_u32(&x, xid);
	xdr_put_u32(&x, RPC_REPLY);
	xdr_put_u32(&x, RPC_MSG_ACCEPTED);
	xdr_put_u64(&x, 0);
	xdr_put_u32(&x, RPC_PROG_MISMATCH);
	xdr_put_u32(&x, 3);
	xdr_put_u32(&x, 3);
	send_record(fd, &x);
}

static enum fake_action take_request(struct fake *f, unsigned i,
				     const uint8_t *data, size_t len)
{
	struct fake_request r = {.fd = f->fds[i], .conn = f->numbers[i]};
	struct xdr_in in;
	size_t skipped;
	uint32_t op;

	if (f->mute)
		return FAKE_SILENT;
	xdr_in_init(&in, data, len);
	r.xid = xdr_get_u32(&in);
	if (f->other_program) {
		mismatch(r.fd, r.xid);
		return FAKE_SILENT;
	}
	xdr_get_fixed(&in, 5 * 4 + 4); /* up to the credential's flavor */
	xdr_get_bytes(&in, 400, &skipped);
	xdr_get_u64(&in);
	assert(xdr_get_u32(&in) == 0); /* tag */
	assert(xdr_get_u32(&in) == 1); /* minor version */
	r.ops = xdr_get_u32(&in);
	op = xdr_get_u32(&in);
	if (op != OP_SEQUENCE && f->setup_cuts > 0) {
		f->setup_cuts--;
		return FAKE_CUT;
	}
	if (op != OP_SEQUENCE) {
		set_up(f, &in, r.xid, op, r.fd);
		return FAKE_SILENT;
	}
	r.session = xdr_get_u32(&in);
	xdr_get_fixed(&in, 12);
	r.sequence = xdr_get_u32(&in);
	r.slot = xdr_get_u32(&in);
	xdr_get_u32(&in);
	r.cache = xdr_get_bool(&in);
	op = r.ops > 1 ? xdr_get_u32(&in) : 0;
	assert(!in.failed);
	return act(f, &r, op);
}

static bool read_all(int fd, void *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* Reads one request and does something about it; false: close. */
static bool serve(struct fake *f, unsigned i)
{
	CLEANUP_FREE uint8_t *data = NULL;
	uint32_t mark;

	if (!read_all(f->fds[i], &mark, 4))
		return false;
	mark = ntohl(mark) & 0x7fffffff;
	assert(mark <= RECORD_MAX);
	data = malloc(mark);
	assert(data);
	if (!read_all(f->fds[i], data, mark))
		return false;
	return take_request(f, i, data, mark) != FAKE_CUT;
}

/* --- The thread ----------------------------------------------------------- */

static void take_connection(struct fake *f)
{
	int fd = accept(f->listener, NULL, NULL);

	assert(fd >= 0);
	for (unsigned i = 0; i < FAKE_CONNS; i++) {
		if (f->fds[i] < 0) {
			f->fds[i] = fd;
			f->numbers[i] = ++f->conns;
			return;
		}
	}
	close(fd);
}

static void *run(void *user)
{
	struct fake *f = user;

	while (!f->stop) {
		struct pollfd p[FAKE_CONNS + 1];

		for (unsigned i = 0; i < FAKE_CONNS; i++)
			p[i] = (struct pollfd){f->fds[i], POLLIN, 0};
		p[FAKE_CONNS] = (struct pollfd){f->listener, POLLIN, 0};
		if (poll(p, FAKE_CONNS + 1, 20) <= 0)
			continue;
		for (unsigned i = 0; i < FAKE_CONNS; i++) {
			if (p[i].revents && !serve(f, i)) {
				close(f->fds[i]);
				f->fds[i] = -1;
			}
		}
		if (p[FAKE_CONNS].revents)
			take_connection(f);
	}
	return NULL;
}

static void start_listening(struct fake *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(f->port)};
	socklen_t len = sizeof(a);
	int one = 1;

	a.sin_addr.s_addr = htonl(f->everywhere ? INADDR_ANY
				  : f->address  ? f->address
						: INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(f->listener >= 0);
	setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(f->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(f->listener, 8) < 0)
		abort();
	getsockname(f->listener, (struct sockaddr *)&a, &len);
	f->port = ntohs(a.sin_port);
}

void fake_start(struct fake *f)
{
	for (unsigned i = 0; i < FAKE_CONNS; i++)
		f->fds[i] = -1;
	if (!f->slots)
		f->slots = 8;
	if (!f->max_cached)
		f->max_cached = 4096;
	f->stop = false;
	start_listening(f);
	if (pthread_create(&f->thread, NULL, run, f) != 0)
		abort();
}

void fake_stop(struct fake *f)
{
	f->stop = true;
	pthread_join(f->thread, NULL);
	close(f->listener);
	for (unsigned i = 0; i < FAKE_CONNS; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
}
