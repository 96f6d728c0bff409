// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * client - one NFSv4.1 server: a client id and some connections.
 *
 * The client itself has no thread. It resolves the name, opens the first
 * connection on the caller's thread (so that what is wrong can be told at
 * once), measures the round trip with a few SEQUENCEs, and lets the other
 * connections open themselves, which the owner awaits when it has done all
 * else. From then on it only hands calls to the
 * connection that has the fewest, and adds connections as long as that brings
 * something (widen.c).
 *
 * Over a short way one connection is as fast as many and cheaper; over a long
 * one each of them adds a congestion window, and each has slots of its own.
 */
#include "nfs/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/waiter.h"
#include "nfs/backoff.h"
#include "nfs/conn.h"
#include "nfs/outbox.h"
#include "nfs/tls.h"
#include "nfs/widen.h"

#define FIRST_CONNECT_NS (20 * NS_PER_S)
#define SETTLE_NS        (5 * NS_PER_S)
#define FAREWELL_NS      (NS_PER_S)

/* A connection that ends before there is a session may have been cut by
 * chance. */
#define OPEN_TRIES 3

/* SEQUENCEs that measure the round trip; one is enough for such a long one. */
#define PINGS       3
#define RTT_SURE_NS (50 * NS_PER_MS)

#define CONNS_MAX 16

/* Up to these round trips one and two connections do, beyond it four: at the
 * beginning, see widen.c. */
#define RTT_NEAR_NS (3 * NS_PER_MS / 10)
#define RTT_FAR_NS  (5 * NS_PER_MS)

/*
 * Connections are added and never taken away: conns[i] with i < count may be
 * used by any thread. Whoever submits a call looks around once in a while
 * whether more are wanted; one thread at a time, which holds the lock.
 */
struct client {
	struct conn_shared shared;
	atomic_uint count;
	struct conn *conns[CONNS_MAX];

	_Atomic int64_t look_ns; /* when the next look is due */
	pthread_mutex_t lock;
	struct widen widen; /* the lock guards it */
};

/* --- What went wrong, in words -------------------------------------------- */

static const char *remedy_of(int error, bool connected)
{
	if (error == -ETIMEDOUT && connected)
		return "it takes connections but does not answer: is it an NFS "
		       "server, and is it well?";
	switch (error) {
	case -ECONNREFUSED:
		return "is the NFS server running there, and is the port "
		       "right?";
	case -ETIMEDOUT:
		return "check the route, the firewall and the security group "
		       "(inbound TCP for the NFS port)";
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return "check the route to that network";
	case -ECONNRESET:
		return "the server ended the connection: does it let this "
		       "host in, and is it an NFS server?";
	case -EPROTONOSUPPORT:
		return "the server does not speak NFSv4.1: choose another "
		       "version with ?vers= in the location";
	case -EACCES:
		return "the server does not let this host or user in: check "
		       "its export or access policy";
	default:
		return "is it an NFSv4.1 server?";
	}
}

static const char *cause_of(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "no answer";
	case -EPROTO:
		return "protocol error";
	case -EPROTONOSUPPORT:
		return "NFSv4.1 not supported";
	default:
		return strerror(-error);
	}
}

static void explain(char *error, size_t size, const struct address *address,
		    int r, const char *trouble, const char *why)
{
	char text[ENDPOINT_TEXT];

	endpoint_format(address, text);
	if (r == -ENOMEM)
		snprintf(error, size, "out of memory");
	else if (*trouble)
		snprintf(error, size, "cannot use the NFS server at %s: %s",
			 text, trouble);
	else
		snprintf(error, size,
			 "cannot reach the NFS server at %s: %s%s%s%s; %s",
			 text, cause_of(r), *why ? " (" : "", why,
			 *why ? ")" : "", remedy_of(r, *why));
}

/* --- Opening -------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int init_shared(struct conn_shared *s, const struct client_options *o,
		       char *error, size_t error_size)
{
	unsigned deadline_s =
	    o->deadline_s ? o->deadline_s : DEADLINE_DEFAULT_S;
	char machine[ONCRPC_MACHINE_MAX + 1] = "";
	int r;

	gethostname(machine, sizeof(machine) - 1);
	s->slots = o->slots;
	s->deadline_ns = deadline_s * NS_PER_S;
	atomic_init(&s->patience_ns,
		    least(s->deadline_ns, DEADLINE_OPENING_NS));
	atomic_init(&s->rtt_ns, INT64_MAX);
	oncrpc_auth_init(&s->auth, machine, o->uid, o->gid, o->gids,
			 o->gid_count);
	r = clientid_init(&s->clientid, machine);
	if (r < 0) {
		snprintf(error, error_size, "no random numbers: %s",
			 strerror(-r));
		return r;
	}
	r = endpoint_new(o->host, o->port, &s->endpoint, error, error_size);
	if (r == 0 && o->tls) {
		r = tls_new(o->tls, &s->tls, error, error_size);
		if (r < 0)
			endpoint_free(s->endpoint);
	}
	if (r < 0)
		clientid_done(&s->clientid);
	return r;
}

/* From now on anybody may use it. */
static void publish(struct client *c, struct conn *conn)
{
	unsigned count = atomic_load(&c->count);

	c->conns[count] = conn;
	atomic_store(&c->count, count + 1);
}

static int open_first(struct client *c, char *error, size_t error_size)
{
	struct conn *conn = conn_new(&c->shared, 0);
	struct address address;
	int64_t limit = least(FIRST_CONNECT_NS, c->shared.deadline_ns);
	char why[160];
	int r;

	if (!conn) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	publish(c, conn);
	limit += clock_now_ns();
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = conn_open(conn, limit, &address, why, sizeof(why));
		if (r != -ECONNRESET && r != -EPIPE)
			break;
	}
	if (r < 0) {
		explain(error, error_size, &address, r, conn_get_trouble(conn),
			why);
		return r;
	}
	r = conn_start(conn);
	if (r < 0)
		snprintf(error, error_size, "cannot start a thread: %s",
			 strerror(-r));
	return r;
}

/* Improves what is known of the round trip. A failure shows elsewhere. */
static void measure(struct client *c)
{
	struct call call = {.compound = compound_new()};

	for (int i = 0; call.compound && i < PINGS; i++) {
		if (client_run(c, &call) == 0)
			blob_unref(call.reply.blob);
		if (client_get_rtt_ns(c) >= RTT_SURE_NS)
			break;
	}
	compound_free(call.compound);
}

static unsigned choose_conns(const struct client *c, unsigned asked)
{
	int64_t rtt = client_get_rtt_ns(c);

	if (asked)
		return asked < CONNS_MAX ? asked : CONNS_MAX;
	return rtt < RTT_NEAR_NS ? 1 : rtt < RTT_FAR_NS ? 2 : 4;
}

/* The others open themselves; one that cannot is tried again for ever and
 * meanwhile not given any calls. False: no more can be had. */
static bool add_conn(struct client *c)
{
	struct conn *conn = conn_new(&c->shared, atomic_load(&c->count));

	if (!conn)
		return false;
	if (conn_start(conn) < 0) {
		conn_free(conn);
		return false;
	}
	publish(c, conn);
	/* Whoever cancelled meanwhile did not know of it. */
	if (atomic_load(&c->shared.stop))
		conn_wake(conn);
	return true;
}

static void open_others(struct client *c, unsigned count)
{
	while (c->count < count && add_conn(c))
		;
}

void client_settle(struct client *c)
{
	int64_t deadline = clock_now_ns() + SETTLE_NS;
	unsigned count = atomic_load(&c->count);

	for (unsigned i = 1; i < count; i++)
		conn_wait_settled(c->conns[i], deadline);
}

/* What was asked for is what there is; else more may come. */
static void allow_more(struct client *c, const struct client_options *o)
{
	unsigned most = o->conns_most;

	if (o->conns)
		return;
	c->widen.most = most && most < CONNS_MAX ? most : CONNS_MAX;
	atomic_store(&c->look_ns, clock_now_ns() + WIDEN_PERIOD_NS);
}

int client_open(const struct client_options *options, struct client **ret,
		char *error, size_t error_size)
{
	struct client *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	r = init_shared(&c->shared, options, error, error_size);
	if (r < 0) {
		free(c);
		return r;
	}
	atomic_init(&c->look_ns, INT64_MAX);
	pthread_mutex_init(&c->lock, NULL);
	r = open_first(c, error, error_size);
	if (r < 0) {
		client_free(c);
		return r;
	}
	measure(c);
	open_others(c, choose_conns(c, options->conns));
	allow_more(c, options);
	*ret = c;
	return 0;
}

/* --- Closing -------------------------------------------------------------- */

void client_cancel(struct client *c)
{
	atomic_store(&c->shared.stop, true);
	for (unsigned i = 0; i < c->count; i++)
		conn_wake(c->conns[i]);
}

/* All threads are gone, and with them their sessions; those that never had a
 * thread are ended here. Over the first connection that still stands. */
static void say_farewell(struct client *c)
{
	int64_t deadline = clock_now_ns() + FAREWELL_NS;

	for (unsigned i = 0; i < c->count; i++)
		conn_end_session(c->conns[i], deadline);
	for (unsigned i = 0; i < c->count; i++)
		if (conn_end_clientid(c->conns[i], deadline))
			return;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	client_cancel(c);
	for (unsigned i = 0; i < c->count; i++)
		conn_join(c->conns[i]);
	say_farewell(c);
	for (unsigned i = 0; i < c->count; i++)
		conn_free(c->conns[i]);
	tls_free(c->shared.tls);
	endpoint_free(c->shared.endpoint);
	clientid_done(&c->shared.clientid);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

/* --- Calls ---------------------------------------------------------------- */

/* The numbers are old when they are read, and good enough. The first one had
 * a session when it was opened. */
static unsigned find_idlest(const struct client *c, unsigned count)
{
	unsigned best = 0, least = conn_get_load(c->conns[0]);

	for (unsigned i = 1; i < count && least > 0; i++) {
		unsigned load = conn_get_load(c->conns[i]);

		if (load < least && conn_is_ready(c->conns[i])) {
			least = load;
			best = i;
		}
	}
	return best;
}

static struct widen_sight see(const struct client *c, int64_t now)
{
	struct widen_sight s = {
	    .now_ns = now,
	    .bytes = atomic_load(&c->shared.bytes),
	    .rtt_ns = client_get_rtt_ns(c),
	    .conns = atomic_load(&c->count),
	    .busy = true,
	};

	for (unsigned i = 0; i < s.conns; i++) {
		if (!conn_is_ready(c->conns[i]))
			continue;
		s.ready++;
		if (conn_get_load(c->conns[i]) == 0)
			s.busy = false;
	}
	return s;
}

/* Looks whether more connections are wanted, when it is time to. Of several
 * threads that come at once one does it. */
static void look_around(struct client *c)
{
	int64_t due = atomic_load_explicit(&c->look_ns, memory_order_relaxed);
	struct widen_sight sight;
	unsigned more;
	int64_t now;

	if (due == INT64_MAX)
		return;
	now = clock_now_ns();
	if (now < due || pthread_mutex_trylock(&c->lock) != 0)
		return;
	/* Another one may just have been here. */
	if (now >= atomic_load(&c->look_ns)) {
		atomic_store(&c->look_ns, now + WIDEN_PERIOD_NS);
		sight = see(c, now);
		for (more = widen_look(&c->widen, &sight); more > 0; more--)
			if (!add_conn(c))
				break;
	}
	pthread_mutex_unlock(&c->lock);
}

/*
 * Ends a call that no connection took, on this thread. Its done() may submit
 * the next one, which is refused as well, and so on through thousands: such
 * calls are put behind each other here, not on top of each other on the stack.
 */
static void refuse(struct call *call, int result)
{
	static _Thread_local struct call_list *refused;
	struct call_list list;

	call->again = false;
	call->result = result;
	if (refused) {
		TAILQ_INSERT_TAIL(refused, call, link);
		return;
	}
	TAILQ_INIT(&list);
	TAILQ_INSERT_TAIL(&list, call, link);
	refused = &list;
	while ((call = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, call, link);
		call->done(call);
	}
	refused = NULL;
}

void client_submit(struct client *c, struct call *call, int64_t delay_ns)
{
	unsigned count, first;
	int r = -ENOTCONN;

	/* Before the call is given away, with which the client may end. */
	look_around(c);
	count = atomic_load(&c->count);
	first = find_idlest(c, count);
	/* A connection that is down leaves the call to the others. */
	for (unsigned i = 0; i < count && r == -ENOTCONN; i++)
		r = conn_submit(c->conns[(first + i) % count], call, delay_ns);
	if (r < 0)
		refuse(call, r);
}

/* The reply's blob is the connection's: keep it for the caller. */
static void wake_waiting(struct call *call)
{
	if (call->result == 0)
		blob_ref(call->reply.blob);
	waiter_wake(call->user);
}

int client_run(struct client *c, struct call *call)
{
	struct waiter w;

	waiter_init(&w);
	call->done = wake_waiting;
	call->user = &w;
	call->reply.blob = NULL;
	client_submit(c, call, 0);
	waiter_wait(&w);
	return call->result;
}

/* --- What is known -------------------------------------------------------- */

static uint32_t least_of(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void client_set_patience(struct client *c, int64_t ns)
{
	int64_t deadline_ns = c->shared.deadline_ns;
	int64_t now_ns = ns > 0 ? least(ns, deadline_ns) : deadline_ns;

	int64_t before_ns = atomic_exchange(&c->shared.patience_ns, now_ns);

	/* Who waits for longer than that shall see it at once; and who gave the
	 * server up when there was less of it, waits again. */
	for (unsigned i = 0; i < c->count && before_ns != now_ns; i++)
		if (before_ns > now_ns)
			conn_wake(c->conns[i]);
		else
			conn_forgive(c->conns[i]);
}

int64_t client_get_patience_ns(const struct client *c)
{
	return atomic_load(&c->shared.patience_ns);
}

/* Of connections that wait, the one that was answered last tells. */
int64_t client_get_silent_ns(const struct client *c)
{
	int64_t last = 0;

	for (unsigned i = 0; i < c->count; i++) {
		int64_t since = conn_get_silent_ns(c->conns[i]);

		if (since > last)
			last = since;
	}
	return last;
}

struct client_limits client_get_limits(const struct client *c)
{
	struct client_limits l = {UINT32_MAX, UINT32_MAX, UINT32_MAX, 0};
	struct session s;

	for (unsigned i = 0; i < c->count; i++) {
		if (!conn_get_session(c->conns[i], &s))
			continue;
		l.max_ops = least_of(l.max_ops, s.max_ops);
		l.max_request = least_of(l.max_request, s.max_request);
		l.max_response = least_of(l.max_response, s.max_response);
		l.slots += s.slots;
	}
	return l;
}

uint64_t client_get_clientid(const struct client *c)
{
	return atomic_load(&c->shared.clientid.id);
}

uint32_t client_get_generation(const struct client *c)
{
	return atomic_load(&c->shared.clientid.generation);
}

int64_t client_get_rtt_ns(const struct client *c)
{
	return atomic_load(&c->shared.rtt_ns);
}

uint64_t client_get_requests(const struct client *c)
{
	return atomic_load(&c->shared.requests);
}
