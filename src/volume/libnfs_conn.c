/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request is in one of these places:
 *
 *   inbox    submitted by some thread          (the lock guards it)
 *   waiting  to be sent as soon as there is room in the window
 *   sent     given to libnfs, in the order of sending
 *   delayed  the server said "later"
 *
 * What this file does itself, because libnfs does it badly or not at all:
 *
 *   - libnfs resends what was in flight in the order of its hash table, or
 *     answers it with an error. Here it never reconnects: the context of a
 *     lost connection is destroyed, with its requests forgotten by libnfs,
 *     and those go to the front of `waiting` as they were.
 *   - Its queue has no bound and its count of it is wrong after an error. Here
 *     a window bounds requests and bytes, and libnfs is never asked.
 *   - Its timeouts leave requests half known. Here a connection that is silent
 *     for too long, or that owes one answer for too long, is lost.
 *   - A callback must not call libnfs while a context is purged: callbacks
 *     here never do, a submit from one only appends to `waiting`.
 *   - A listing is decoded by recursion, one level an entry, as many as a
 *     hostile server fits into an answer: the thread has the stack for it.
 */
#include "volume/libnfs_conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfs/backoff.h"
#include "nfs/endpoint.h"
#include "volume/libnfs_shim.h"
#include "volume/libnfs_zdr.h"

/* Bytes of data in flight on a connection; libnfs 4 and 5 copy them. */
#define WINDOW_BYTES (16u << 20)

/* How long a connection may say nothing while answers are owed. */
#define SILENCE_NS (60 * NS_PER_S)
#define TICK_NS    NS_PER_S

/* How long one address is tried. */
#define CONNECT_NS (10 * NS_PER_S)

/* An answer that breaks the connection each time it comes ends its request in
 * the end; a bad network does not get this far. A connection over which nothing
 * came does not count: that is an outage, which ends with the deadline. */
#define LOSSES_MAX 64

/* How often a request is sent whose answer libnfs cannot read. */
#define TRIES_MAX 6

/* An entry of a listing takes at least 32 bytes of an answer of 1 MiB, and a
 * few hundred bytes of stack. */
#define STACK_BYTES (64u << 20)

/* "Later", as NFSv3 and NFSv4 say it. */
#define STATUS_LATER 10008 /* NFS3ERR_JUKEBOX, NFS4ERR_DELAY */
#define STATUS_GRACE 10013 /* NFS4ERR_GRACE */

TAILQ_HEAD(request_list, ln_request);

enum conn_state {
	CONN_CLOSED,
	CONN_CONNECTING,
	CONN_OPEN,
};

struct ln_conn {
	struct ln_server *server;
	pthread_t thread;
	int wake_fd;
	atomic_uint load;
	atomic_bool down; /* given up: nothing is taken, until it answers */
	_Atomic int64_t silent_ns; /* see ln_conn_get_silent_ns() */

	pthread_mutex_t lock; /* guards these; a leaf in the lock order */
	struct request_list inbox;
	bool awake;   /* the thread will look at the inbox before it sleeps */
	bool stopped; /* -ECANCELED */

	/* The rest is the thread's. */
	struct request_list waiting, sent, delayed;
	size_t flying; /* in sent */
	size_t flying_bytes;
	struct rpc_context *rpc;
	enum conn_state state;
	bool purging;  /* libnfs ends all requests: they are not done */
	bool troubled; /* libnfs reported a failure of a request */
	bool ending;   /* the thread is to end */
	size_t address;
	unsigned failures;   /* connections that came to nothing */
	bool heard;          /* something came over this connection */
	int64_t connect_ns;  /* when connecting began */
	int64_t retry_ns;    /* not to connect before */
	int64_t answered_ns; /* the last time the server made sense */
	int64_t pending_ns;  /* since when requests wait; 0: none do */
};

/* --- Requests ------------------------------------------------------------- */

static void end(struct ln_conn *c, struct ln_request *r, int error, void *data)
{
	atomic_fetch_sub(&c->load, 1);
	r->done(r, error, data);
}

static void end_list(struct ln_conn *c, struct request_list *list, int error)
{
	struct request_list ended = TAILQ_HEAD_INITIALIZER(ended);
	struct ln_request *r;

	/* What done() submits must not come into this list. */
	TAILQ_CONCAT(&ended, list, link);
	while ((r = TAILQ_FIRST(&ended))) {
		TAILQ_REMOVE(&ended, r, link);
		end(c, r, error, NULL);
	}
}

static void take_off(struct ln_conn *c, struct ln_request *r)
{
	TAILQ_REMOVE(&c->sent, r, link);
	c->flying--;
	c->flying_bytes -= r->bytes;
}

static void delay(struct ln_conn *c, struct ln_request *r)
{
	int64_t now = clock_now_ns();

	if (now - r->begun_ns >= atomic_load(&c->server->patience_ns)) {
		end(c, r, -ETIMEDOUT, NULL);
		return;
	}
	r->due_ns = now + backoff_ns(++r->delays);
	TAILQ_INSERT_TAIL(&c->delayed, r, link);
}

/* Every result of both versions begins with its status. */
static bool says_later(const void *data)
{
	int status;

	if (!data)
		return false;
	memcpy(&status, data, sizeof(status));
	return status == STATUS_LATER || status == STATUS_GRACE;
}

void ln_answered(struct rpc_context *rpc, int status, void *data, void *user)
{
	struct ln_request *r = user;
	struct ln_conn *c = r->conn;

	(void)rpc;
	if (c->purging)
		return;
	if (status != RPC_STATUS_SUCCESS) {
		/* Whether the connection is at fault shows when libnfs
		 * returns. */
		r->status = status;
		c->troubled = true;
		return;
	}
	c->answered_ns = clock_now_ns();
	c->failures = 0;
	take_off(c, r);
	if (says_later(data))
		delay(c, r);
	else
		end(c, r, 0, data);
}

/* --- The context ---------------------------------------------------------- */

/* Destroys the context; what was sent is to be sent again, before all else. */
static void disconnect(struct ln_conn *c)
{
	struct ln_request *r, *next;

	c->state = CONN_CLOSED;
	if (!c->rpc)
		return;
	c->purging = true;
	rpc_destroy_context(c->rpc);
	c->purging = false;
	c->troubled = false;
	c->rpc = NULL;
	TAILQ_FOREACH(r, &c->sent, link) {
		r->again = true;
		r->losses += c->heard;
		r->status = 0;
	}
	TAILQ_CONCAT(&c->sent, &c->waiting, link);
	TAILQ_CONCAT(&c->waiting, &c->sent, link);
	c->flying = 0;
	c->flying_bytes = 0;
	for (r = TAILQ_FIRST(&c->waiting); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->losses < LOSSES_MAX)
			continue;
		TAILQ_REMOVE(&c->waiting, r, link);
		end(c, r, -EPROTO, NULL);
	}
}

/* The connection came to nothing, or ended with answers owed. */
static void lose(struct ln_conn *c)
{
	unsigned count = (unsigned)endpoint_count(c->server->endpoint);

	if (c->state == CONN_CONNECTING)
		c->address++;
	disconnect(c);
	c->failures++;
	/* Each address once before there is a pause. */
	c->retry_ns = clock_now_ns();
	if (c->failures > count) {
		c->retry_ns += backoff_ns(c->failures - count);
		endpoint_refresh(c->server->endpoint);
	}
}

/* The server that was given up is there again. */
static void revived(struct rpc_context *rpc, int status, void *data, void *user)
{
	struct ln_conn *c = user;

	(void)rpc;
	(void)data;
	if (c->purging)
		return;
	if (status != RPC_STATUS_SUCCESS) {
		c->troubled = true;
		return;
	}
	c->state = CONN_OPEN;
	atomic_store(&c->down, false);
}

/* A server that stands still takes connections, too: one that was given up has
 * to answer something before it is trusted. */
static void connected(struct rpc_context *rpc, int status, void *data,
		      void *user)
{
	struct ln_conn *c = user;

	(void)data;
	if (c->purging)
		return;
	if (status != RPC_STATUS_SUCCESS)
		c->troubled = true;
	else if (!atomic_load(&c->down))
		c->state = CONN_OPEN;
	else if (!shim_null(rpc, c->server->version, revived, c))
		c->troubled = true;
}

static bool set_credential(struct ln_conn *c)
{
	struct ln_server *s = c->server;
	struct AUTH *auth = libnfs_authunix_create(s->machine, s->uid, s->gid,
						   s->gid_count, s->gids);

	if (auth)
		rpc_set_auth(c->rpc, auth);
	return auth != NULL;
}

/* Numbers of calls: two connections must not begin with the same ones. */
static uint32_t first_xid(void)
{
	uint32_t xid;

	if (getrandom(&xid, sizeof(xid), GRND_NONBLOCK) != sizeof(xid))
		xid = (uint32_t)clock_wall_ns();
	return xid;
}

static void connect_now(struct ln_conn *c)
{
	struct address a = endpoint_get(c->server->endpoint, c->address);
	char host[NI_MAXHOST], service[8];

	c->state = CONN_CONNECTING;
	c->heard = false;
	c->connect_ns = clock_now_ns();
	c->rpc = ln_zdr_context();
	if (!c->rpc || !set_credential(c) ||
	    getnameinfo((struct sockaddr *)&a.bytes, a.len, host, sizeof(host),
			service, sizeof(service),
			NI_NUMERICHOST | NI_NUMERICSERV)) {
		lose(c);
		return;
	}
	rpc_set_next_xid(c->rpc, first_xid());
	if (rpc_connect_async(c->rpc, host, atoi(service), connected, c))
		lose(c);
}

/* Requests that libnfs ended by itself though the connection goes on: their
 * answers make no sense, and what they ask for may have been done. */
static void retry_refused(struct ln_conn *c)
{
	struct ln_request *r, *next;

	c->troubled = false;
	for (r = TAILQ_FIRST(&c->sent); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->status == 0)
			continue;
		take_off(c, r);
		r->again = true;
		if (++r->refused < TRIES_MAX)
			TAILQ_INSERT_TAIL(&c->waiting, r, link);
		else
			end(c, r, -EPROTO, NULL);
	}
}

static bool was_given_up(const struct ln_conn *c)
{
	const struct ln_request *r;

	TAILQ_FOREACH(r, &c->sent, link)
		if (r->status != 0 && r->status != RPC_STATUS_ERROR)
			return true;
	return false;
}

/* Before libnfs takes it: that does not tell. */
static void listen_for(struct ln_conn *c, short events)
{
	char byte;

	if (!c->heard && c->state == CONN_OPEN && (events & POLLIN))
		c->heard = recv(rpc_get_fd(c->rpc), &byte, 1,
				MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void service(struct ln_conn *c, short events)
{
	bool owed = c->flying > 0 || c->state == CONN_CONNECTING;

	listen_for(c, events);
	if (rpc_service(c->rpc, events) < 0) {
		/* A server may end an idle connection as it likes. */
		if (owed)
			lose(c);
		else
			disconnect(c);
	} else if (c->troubled) {
		if (c->state == CONN_CONNECTING || was_given_up(c))
			lose(c);
		else
			retry_refused(c);
	}
}

/* --- Sending -------------------------------------------------------------- */

static void send_waiting(struct ln_conn *c)
{
	struct ln_request *r;

	while ((r = TAILQ_FIRST(&c->waiting)) && c->state == CONN_OPEN) {
		if (c->flying >= c->server->window ||
		    (c->flying > 0 &&
		     c->flying_bytes + r->bytes > WINDOW_BYTES))
			return;
		TAILQ_REMOVE(&c->waiting, r, link);
		TAILQ_INSERT_TAIL(&c->sent, r, link);
		c->flying++;
		c->flying_bytes += r->bytes;
		r->status = 0;
		r->sent_ns = clock_now_ns();
		atomic_fetch_add_explicit(&c->server->requests, 1,
					  memory_order_relaxed);
		if (!r->send(r, c->rpc)) {
			take_off(c, r);
			end(c, r, -ENOMEM, NULL);
		}
	}
}

static void wake_delayed(struct ln_conn *c, int64_t now)
{
	struct ln_request *r, *next;

	for (r = TAILQ_FIRST(&c->delayed); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->due_ns > now)
			continue;
		TAILQ_REMOVE(&c->delayed, r, link);
		TAILQ_INSERT_TAIL(&c->waiting, r, link);
	}
}

/* --- Clocks --------------------------------------------------------------- */

static void give_up(struct ln_conn *c, int error)
{
	disconnect(c);
	end_list(c, &c->waiting, error);
	end_list(c, &c->delayed, error);
}

static void check_silence(struct ln_conn *c, int64_t now)
{
	const struct ln_request *oldest = TAILQ_FIRST(&c->sent);
	int64_t limit = c->server->deadline_ns / 3;
	int64_t heard;

	if (limit > SILENCE_NS)
		limit = SILENCE_NS;
	if (c->state == CONN_CONNECTING && now - c->connect_ns > CONNECT_NS) {
		lose(c);
		return;
	}
	if (!oldest)
		return;
	heard =
	    oldest->sent_ns > c->answered_ns ? oldest->sent_ns : c->answered_ns;
	if (now - heard > limit || now - oldest->sent_ns > 2 * limit)
		lose(c);
}

/* The server has not answered for the deadline, or for as long as whoever uses
 * it has patience now: it is given up. */
static void check_deadline(struct ln_conn *c, int64_t now)
{
	int64_t since;

	if (c->flying == 0 && TAILQ_EMPTY(&c->waiting)) {
		c->pending_ns = 0;
		atomic_store(&c->silent_ns, 0);
		return;
	}
	if (c->pending_ns == 0)
		c->pending_ns = now;
	since = c->pending_ns > c->answered_ns ? c->pending_ns : c->answered_ns;
	atomic_store(&c->silent_ns, since);
	if (now - since < atomic_load(&c->server->patience_ns))
		return;
	atomic_store(&c->down, true);
	give_up(c, -ENOTCONN);
}

/* Whether there is need for a connection. */
static bool is_wanted(const struct ln_conn *c)
{
	return !TAILQ_EMPTY(&c->waiting) || atomic_load(&c->down);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds to sleep at the most; -1: for ever. */
static int sleep_ms(const struct ln_conn *c, int64_t now)
{
	const struct ln_request *r;
	int64_t next = INT64_MAX;

	TAILQ_FOREACH(r, &c->delayed, link)
		next = least(next, r->due_ns);
	if (c->flying > 0 || !TAILQ_EMPTY(&c->waiting) ||
	    c->state == CONN_CONNECTING)
		next = least(next, now + TICK_NS);
	if (c->state == CONN_CLOSED && is_wanted(c))
		next = least(next, c->retry_ns);
	if (next == INT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now) / NS_PER_MS + 1);
}

/* --- The thread ----------------------------------------------------------- */

static void take_inbox(struct ln_conn *c)
{
	pthread_mutex_lock(&c->lock);
	TAILQ_CONCAT(&c->waiting, &c->inbox, link);
	c->awake = false;
	c->ending = c->stopped;
	pthread_mutex_unlock(&c->lock);
}

static void sleep_and_serve(struct ln_conn *c)
{
	struct pollfd fds[2] = {
	    {.fd = c->wake_fd, .events = POLLIN},
	    {.fd = -1},
	};
	eventfd_t woken;

	if (c->rpc) {
		fds[1].fd = rpc_get_fd(c->rpc);
		fds[1].events = (short)rpc_which_events(c->rpc);
	}
	if (poll(fds, 2, sleep_ms(c, clock_now_ns())) < 0)
		return;
	/* From here on a submit need not wake anybody. */
	pthread_mutex_lock(&c->lock);
	c->awake = true;
	pthread_mutex_unlock(&c->lock);
	if (fds[0].revents)
		(void)eventfd_read(c->wake_fd, &woken);
	if (c->rpc && fds[1].revents)
		service(c, fds[1].revents);
}

static void *conn_main(void *arg)
{
	struct ln_conn *c = arg;
	int64_t now;

	for (;;) {
		take_inbox(c);
		if (c->ending)
			break;
		now = clock_now_ns();
		/* What came in before it was known. */
		if (atomic_load(&c->down))
			end_list(c, &c->waiting, -ENOTCONN);
		wake_delayed(c, now);
		if (is_wanted(c) && c->state == CONN_CLOSED &&
		    now >= c->retry_ns)
			connect_now(c);
		send_waiting(c);
		sleep_and_serve(c);
		now = clock_now_ns();
		check_silence(c, now);
		check_deadline(c, now);
	}
	give_up(c, -ECANCELED);
	return NULL;
}

/* --- For others ----------------------------------------------------------- */

static void wake(struct ln_conn *c)
{
	(void)eventfd_write(c->wake_fd, 1);
}

void ln_conn_submit(struct ln_conn *c, struct ln_request *r)
{
	bool sleeps = false;
	int error = 0;

	r->conn = c;
	r->again = false;
	r->losses = 0;
	r->refused = 0;
	r->delays = 0;
	r->begun_ns = clock_now_ns();
	atomic_fetch_add(&c->load, 1);
	pthread_mutex_lock(&c->lock);
	if (c->stopped) {
		error = -ECANCELED;
	} else if (atomic_load(&c->down)) {
		error = -ENOTCONN;
	} else {
		TAILQ_INSERT_TAIL(&c->inbox, r, link);
		sleeps = !c->awake;
		c->awake = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (error)
		end(c, r, error, NULL);
	else if (sleeps)
		wake(c);
}

unsigned ln_conn_get_load(const struct ln_conn *c)
{
	return atomic_load_explicit(&c->load, memory_order_relaxed);
}

int64_t ln_conn_get_silent_ns(const struct ln_conn *c)
{
	return atomic_load_explicit(&c->silent_ns, memory_order_relaxed);
}

bool ln_conn_is_down(const struct ln_conn *c)
{
	return atomic_load(&c->down);
}

void ln_conn_forgive(struct ln_conn *c)
{
	atomic_store(&c->down, false);
}

void ln_conn_stop(struct ln_conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopped = true;
	pthread_mutex_unlock(&c->lock);
	wake(c);
}

static int start_thread(struct ln_conn *c)
{
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error)
		return -error;
	error = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (!error)
		error = pthread_create(&c->thread, &attr, conn_main, c);
	pthread_attr_destroy(&attr);
	if (!error)
		pthread_setname_np(c->thread, "libnfs-conn");
	return -error;
}

struct ln_conn *ln_conn_new(struct ln_server *server)
{
	struct ln_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->server = server;
	TAILQ_INIT(&c->inbox);
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->sent);
	TAILQ_INIT(&c->delayed);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	if (start_thread(c)) {
		pthread_mutex_destroy(&c->lock);
		close(c->wake_fd);
		free(c);
		return NULL;
	}
	return c;
}

struct ln_conn *ln_conn_free(struct ln_conn *c)
{
	if (!c)
		return NULL;
	ln_conn_stop(c);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	close(c->wake_fd);
	free(c);
	return NULL;
}
