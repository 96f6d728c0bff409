// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * conn - one connection to the server: one thread, one stream, one session.
 *
 * The thread's states, each a turn of its loop: not connected (waits for
 * retry_ns, connects), connected without a session (makes one), at work.
 * Other threads reach nothing but the inbox, which the thread empties into its
 * flight of calls each turn; so slots and sequences need no lock.
 *
 * Exactly once. When the connection breaks, the session and the calls in its
 * slots stay; they are sent again as they were, over a new connection, and the
 * server answers from its cache what it had executed (RFC 8881 2.10.6.1).
 * When the session is lost, no new call is sent, and the replies to the others
 * are awaited for a short while (draining); then all calls that are left go
 * into a new session, and those that may have been executed say so (flight.c).
 *
 * Clocks. Nothing moved for `silence` while replies are awaited, or one reply
 * is missing for twice as long: reconnect and send again. No answer at all for
 * the deadline while calls wait: the connection is down, all its calls end,
 * and new ones are refused at once until the server answers again; the thread
 * goes on trying.
 */
#include "nfs/conn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfs/backoff.h"
#include "nfs/client.h"
#include "nfs/flight.h"
#include "nfs/link.h"
#include "nfs/verdict.h"

/* How long one attempt to connect, and one to make a session, may take. */
#define CONNECT_NS (10 * NS_PER_S)
#define SESSION_NS (30 * NS_PER_S)

/* See "Clocks" above; less when the deadline is short. */
#define SILENCE_NS (60 * NS_PER_S)

/* How long a lost session waits for the replies that may still come. */
#define DRAIN_NS (2 * NS_PER_S)

/* A third of the shortest lease that servers in the field give. */
#define RENEW_NS (20 * NS_PER_S)

/* How long the server is waited for when it is told that this is the end. */
#define FAREWELL_NS NS_PER_S

/* How often a call is sent whose replies make no sense. */
#define TRIES_MAX 6

/* The thread looks at its clocks at least this often while calls wait. */
#define TICK_NS NS_PER_S

/* A reply may be longer than the session allows by what surrounds it. */
#define REPLY_SLACK 4096

struct conn {
	struct conn_shared *shared;
	unsigned number; /* of the client's connections, for its name */
	pthread_t thread;
	bool started;
	int wake_fd;
	_Atomic unsigned load;
	atomic_bool has_session; /* `published` is; set with the lock */
	atomic_bool called;      /* to look at what is shared: see link.stop */
	_Atomic int64_t answered_ns; /* when the server made sense last */
	_Atomic int64_t pending_ns;  /* since when calls wait; 0: none do */

	/* The lock guards these. */
	pthread_mutex_t lock;
	pthread_cond_t settled_cond;
	struct call_list inbox;
	bool awake;   /* the thread will look at the inbox before it sleeps */
	bool closed;  /* stopped: -ECANCELED */
	bool down;    /* no answer for too long: -ENOTCONN */
	bool settled; /* the first attempt to open has ended */
	struct session published;

	/* The rest is the thread's (the opener's before it is started). */
	struct link link;
	struct session session;
	bool session_ok;
	bool counted;        /* as a user of the client id */
	struct address home; /* where the last session was made */
	int64_t draining_ns; /* draining until then; 0: not draining */
	struct flight flight;

	unsigned failures;  /* since the last answer */
	int64_t retry_ns;   /* not connected: try again then */
	int64_t sent_ns;    /* when a call was sent the last time */
	int64_t checked_ns; /* when missing replies were looked for */

	struct call renewal; /* SEQUENCE alone */
	bool renewing;
};

/* --- Life ----------------------------------------------------------------- */

static int init_lock(struct conn *c)
{
	pthread_condattr_t attr;
	int r = pthread_mutex_init(&c->lock, NULL);

	if (r != 0)
		return -r;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&c->settled_cond, &attr);
	pthread_condattr_destroy(&attr);
	if (r != 0)
		pthread_mutex_destroy(&c->lock);
	return -r;
}

/* One end for each call. */
static void end_call(void *user, struct call *call, int result)
{
	struct conn *c = user;

	atomic_fetch_sub(&c->load, 1);
	if (call == &c->renewal) {
		c->renewing = false;
		return;
	}
	call->result = result;
	call->done(call);
}

struct conn *conn_new(struct conn_shared *shared, unsigned number)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->shared = shared;
	c->number = number;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->renewal.compound = compound_new();
	if (c->wake_fd < 0 || !c->renewal.compound || init_lock(c) < 0) {
		if (c->wake_fd >= 0)
			close(c->wake_fd);
		compound_free(c->renewal.compound);
		free(c);
		return NULL;
	}
	TAILQ_INIT(&c->inbox);
	link_init(&c->link, shared->tls, c->wake_fd, &c->called);
	/* Connections are spread over the hosts. */
	c->link.address = endpoint_find_host(shared->endpoint, number);
	flight_init(&c->flight, &c->session, &shared->auth, end_call, c);
	c->answered_ns = clock_now_ns();
	return c;
}

struct conn *conn_free(struct conn *c)
{
	if (!c)
		return NULL;
	link_done(&c->link);
	flight_done(&c->flight);
	compound_free(c->renewal.compound);
	pthread_cond_destroy(&c->settled_cond);
	pthread_mutex_destroy(&c->lock);
	close(c->wake_fd);
	free(c);
	return NULL;
}

/* --- From other threads --------------------------------------------------- */

/* To look into the inbox. */
static void nudge(struct conn *c)
{
	uint64_t one = 1;

	/* It fails only when it is at its top: then it is awake. */
	(void)!write(c->wake_fd, &one, sizeof(one));
}

void conn_wake(struct conn *c)
{
	atomic_store(&c->called, true);
	nudge(c);
}

void conn_forgive(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->down = false;
	pthread_mutex_unlock(&c->lock);
}

/* Also by who submits, for the thread may be busy with a new session. */
static void note_pending(struct conn *c)
{
	int64_t none = 0;

	if (atomic_load_explicit(&c->pending_ns, memory_order_relaxed) == 0)
		atomic_compare_exchange_strong(&c->pending_ns, &none,
					       clock_now_ns());
}

int conn_submit(struct conn *c, struct call *call, int64_t delay_ns)
{
	bool wake = false;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->closed) {
		r = -ECANCELED;
	} else if (c->down) {
		r = -ENOTCONN;
	} else {
		call->tries = 0;
		call->again = false;
		call->not_before_ns =
		    delay_ns > 0 ? clock_now_ns() + delay_ns : 0;
		TAILQ_INSERT_TAIL(&c->inbox, call, link);
		atomic_fetch_add(&c->load, 1);
		note_pending(c);
		wake = !c->awake;
		c->awake = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (wake)
		nudge(c);
	return r;
}

unsigned conn_get_load(const struct conn *c)
{
	return atomic_load_explicit(&c->load, memory_order_relaxed);
}

int64_t conn_get_silent_ns(const struct conn *c)
{
	int64_t pending_ns = atomic_load(&c->pending_ns);
	int64_t answered_ns = atomic_load(&c->answered_ns);

	if (pending_ns == 0)
		return 0;
	return pending_ns > answered_ns ? pending_ns : answered_ns;
}

bool conn_is_ready(const struct conn *c)
{
	return atomic_load_explicit(&c->has_session, memory_order_relaxed);
}

bool conn_get_session(struct conn *c, struct session *ret)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->has_session;
	*ret = c->published;
	pthread_mutex_unlock(&c->lock);
	return has;
}

void conn_wait_settled(struct conn *c, int64_t deadline_ns)
{
	struct timespec until = clock_split_ns(deadline_ns);
	int r = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->settled && r == 0)
		r = pthread_cond_timedwait(&c->settled_cond, &c->lock, &until);
	pthread_mutex_unlock(&c->lock);
}

/* --- Calls ---------------------------------------------------------------- */

/* Ends all calls, once no new ones are let in any more. */
static void end_all(struct conn *c, int result)
{
	struct call_list more;

	TAILQ_INIT(&more);
	pthread_mutex_lock(&c->lock);
	TAILQ_CONCAT(&more, &c->inbox, link);
	pthread_mutex_unlock(&c->lock);
	flight_end_all(&c->flight, &more, result);
}

static void take_inbox(struct conn *c)
{
	struct call_list taken;
	struct call *call;

	TAILQ_INIT(&taken);
	pthread_mutex_lock(&c->lock);
	c->awake = true;
	TAILQ_CONCAT(&taken, &c->inbox, link);
	pthread_mutex_unlock(&c->lock);
	while ((call = TAILQ_FIRST(&taken))) {
		TAILQ_REMOVE(&taken, call, link);
		flight_add(&c->flight, call);
	}
}

/* False when calls came in. */
static bool may_sleep(struct conn *c)
{
	bool empty;

	pthread_mutex_lock(&c->lock);
	empty = TAILQ_EMPTY(&c->inbox);
	c->awake = !empty;
	pthread_mutex_unlock(&c->lock);
	return empty;
}

/* Sleeps unless calls came in. Awake, nobody needs to wake it: what is
 * submitted while it takes replies is seen in its next turn. */
static void sleep_until(struct conn *c, bool want_write, int64_t deadline_ns)
{
	if (!may_sleep(c))
		return;
	link_wait(&c->link, want_write, deadline_ns);
	pthread_mutex_lock(&c->lock);
	c->awake = true;
	pthread_mutex_unlock(&c->lock);
}

static int send_calls(struct conn *c)
{
	unsigned sent;
	int r = flight_send(&c->flight, &c->link, &sent);

	if (sent > 0) {
		c->sent_ns = c->link.moved_ns;
		atomic_fetch_add_explicit(&c->shared->requests, sent,
					  memory_order_relaxed);
	}
	return r;
}

/* --- Replies -------------------------------------------------------------- */

/* The call's reply made no sense. Ends it when that was too often; then what
 * the server knows of its slot is uncertain, and the session is given up. */
static void blame(struct conn *c, struct slot *slot)
{
	if (++slot->call->tries < TRIES_MAX)
		return;
	c->session_ok = false;
	flight_end(&c->flight, slot, false, -EPROTO);
}

/* The same when nobody knows which call it was meant for. */
static void blame_all(struct conn *c)
{
	struct slot *slot;

	for (uint32_t at = 0; (slot = slots_next(&c->flight.slots, &at));)
		if (!slot->unsent && !slot->resting)
			blame(c, slot);
}

static void note_rtt(struct conn *c, int64_t rtt_ns)
{
	if (rtt_ns < atomic_load(&c->shared->rtt_ns))
		atomic_store(&c->shared->rtt_ns, rtt_ns);
}

/* The server does not know our session any more, or not as we do. */
static void lose_session(struct conn *c, struct slot *slot, int64_t now)
{
	if (!c->draining_ns)
		c->draining_ns = now + DRAIN_NS;
	if (++slot->call->tries < TRIES_MAX)
		flight_retry(&c->flight, slot, false, slot->sends > 1);
	else
		flight_end(&c->flight, slot, false, -EPROTO);
}

/* The one way to a result of 0. The round trip counts only when the request
 * was sent once: who knows which transmission this is the reply to. */
static void answer(struct conn *c, struct slot *slot, const struct verdict *v,
		   struct blob *blob, int64_t now)
{
	struct call *call = slot->call;

	c->failures = 0;
	if (slot->sends == 1)
		note_rtt(c, now - slot->sent_ns);
	call->reply = v->reply;
	call->reply.blob = blob;
	flight_end(&c->flight, slot, v->advance, 0);
}

/* Does what the verdict says; -EPROTO: the connection is of no more use. */
static int carry_out(struct conn *c, struct slot *slot, const struct verdict *v,
		     struct blob *blob)
{
	int64_t now = clock_now_ns();

	if (v->kind != VERDICT_NONSENSE)
		c->answered_ns = now;
	if (v->sequenced) {
		clientid_note_flags(&c->shared->clientid, v->sequence.flags);
		slots_set_target(&c->flight.slots, v->sequence.target_slot);
	}
	switch (v->kind) {
	case VERDICT_ANSWERED:
		answer(c, slot, v, blob, now);
		return 0;
	case VERDICT_REFUSED:
		flight_end(&c->flight, slot, v->advance, v->error);
		return 0;
	case VERDICT_DELAY:
		flight_delay(&c->flight, slot, now);
		return 0;
	case VERDICT_UNCACHED:
		flight_retry(&c->flight, slot, v->advance, true);
		return 0;
	case VERDICT_SESSION:
		lose_session(c, slot, now);
		return 0;
	case VERDICT_NONSENSE:
		break;
	}
	blame(c, slot);
	return -EPROTO;
}

static struct verdict judge(const struct conn *c, const struct slot *slot,
			    struct xdr_in *in)
{
	struct verdict_question q = {
	    .session = &c->session,
	    .slot = slot->call->slot,
	    .number = slot->sequence,
	    .ops = slot->call->compound->ops + 1,
	};

	return verdict_of(in, &q);
}

/* A record that answers none of our requests makes everything behind it
 * doubtful: a reply is never late, for requests are resent only over a new
 * connection. */
static int take_record(struct conn *c, struct blob *blob, size_t len)
{
	struct xdr_in in;
	struct verdict v;
	struct slot *slot = NULL;
	uint32_t xid;
	int r;

	xdr_in_init(&in, blob->data, len);
	r = oncrpc_get_reply(&in, &xid);
	if (r != -EPROTO)
		slot = flight_find(&c->flight, xid);
	if (!slot) {
		blame_all(c);
		return -EPROTO;
	}
	v = r < 0 ? verdict_of_refusal(r) : judge(c, slot, &in);
	return carry_out(c, slot, &v, blob);
}

static int receive(struct conn *c)
{
	for (;;) {
		struct blob *blob;
		size_t len;
		int r = link_receive(&c->link, &blob, &len);

		if (r == -EPROTO)
			blame_all(c);
		if (r <= 0)
			return r;
		r = take_record(c, blob, len);
		blob_unref(blob);
		if (r < 0)
			return r;
	}
}

/* --- Connection and session ----------------------------------------------- */

/* Waits a little before the next attempt, but not before the first. */
static void note_failure(struct conn *c)
{
	int64_t wait = c->failures ? backoff_ns(c->failures) : 0;

	c->failures++;
	c->retry_ns = clock_now_ns() + wait;
}

/* The calls stay in their slots, and the session stays as it is: the server
 * may well remember it when we are back. */
static void drop_link(struct conn *c)
{
	link_close(&c->link);
	flight_cut(&c->flight);
	note_failure(c);
}

/* Whether this connection speaks for its server: as long as one does, the
 * others stay with that server. */
static void note_use(struct conn *c)
{
	bool used = c->link.stream && c->session_ok;

	if (used && !c->counted)
		clientid_return(&c->shared->clientid);
	else if (!used && c->counted)
		clientid_leave(&c->shared->clientid);
	c->counted = used;
}

/* Whoever waits in conn_wait_settled() may go on. */
static void note_settled(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->settled = true;
	pthread_cond_broadcast(&c->settled_cond);
	pthread_mutex_unlock(&c->lock);
}

/* The server promised to send no more than this. */
static void set_reply_limit(struct conn *c)
{
	link_set_limit(&c->link, c->session.max_response + REPLY_SLACK);
}

/* What was in the slots of the session before goes back into the queues: the
 * new one starts with empty slots. The link may be new or the one on which the
 * old session was lost. */
static int make_session(struct conn *c, int64_t deadline_ns, char *why,
			size_t why_size)
{
	bool several =
	    endpoint_count(c->shared->endpoint) > 1 ||
	    (c->home.len > 0 && !address_equal(&c->link.peer, &c->home));
	uint32_t sequence;
	int r;

	flight_recall(&c->flight);
	r = clientid_make_session(&c->shared->clientid, &c->link,
				  &c->shared->auth, several, deadline_ns,
				  &c->session, &sequence, why, why_size);
	if (r == -EXDEV)
		c->link.address = atomic_load(&c->shared->home);
	if (r < 0)
		return r;
	c->counted = true;
	if (c->shared->slots > 0 && c->session.slots > c->shared->slots)
		c->session.slots = c->shared->slots;
	c->home = c->link.peer;
	atomic_store(&c->shared->home, c->link.address);
	slots_reset(&c->flight.slots, c->session.slots);
	c->flight.slots.slot[0].sequence = sequence;
	set_reply_limit(c);
	c->session_ok = true;
	c->draining_ns = 0;
	c->answered_ns = clock_now_ns();
	c->sent_ns = c->answered_ns;
	note_rtt(c, c->link.rtt_ns);
	pthread_mutex_lock(&c->lock);
	c->published = c->session;
	c->has_session = true;
	c->down = false;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int conn_open(struct conn *c, int64_t deadline_ns, struct address *ret_address,
	      char *why, size_t why_size)
{
	struct endpoint *e = c->shared->endpoint;
	int r = link_open(&c->link, e, deadline_ns);

	why[0] = '\0';
	*ret_address = endpoint_get(e, c->link.address);
	if (r == 0)
		r = make_session(c, deadline_ns, why, why_size);
	if (r < 0)
		link_close(&c->link);
	else
		note_settled(c);
	return r;
}

const char *conn_get_trouble(const struct conn *c)
{
	return c->link.error;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* One attempt to connect, when its time has come. */
static void connect_turn(struct conn *c)
{
	int64_t allowed = least(CONNECT_NS, c->shared->deadline_ns);
	int r;

	if (clock_now_ns() < c->retry_ns) {
		int64_t until = clock_now_ns() + TICK_NS;

		sleep_until(c, false, least(until, c->retry_ns));
		return;
	}
	r = link_open(&c->link, c->shared->endpoint, clock_now_ns() + allowed);
	if (r < 0) {
		note_failure(c);
		note_settled(c);
		return;
	}
	/* At another address there may be another server, which may have given
	 * the same id to somebody else's session. */
	if (!address_equal(&c->link.peer, &c->home))
		c->session_ok = false;
	if (c->session_ok) {
		set_reply_limit(c);
		flight_resend(&c->flight);
	}
}

/* One attempt to make a session on a new connection or the old one. */
static void session_turn(struct conn *c)
{
	int64_t allowed = least(SESSION_NS, c->shared->deadline_ns);
	char why[160];

	if (make_session(c, clock_now_ns() + allowed, why, sizeof(why)) < 0)
		drop_link(c);
	note_settled(c);
}

/* --- Clocks --------------------------------------------------------------- */

/* Keeps the lease when nothing else does. */
static void renew(struct conn *c, int64_t now)
{
	if (c->renewing || now - c->sent_ns < RENEW_NS)
		return;
	c->renewing = true;
	c->renewal.tries = 0;
	c->renewal.not_before_ns = 0;
	atomic_fetch_add(&c->load, 1);
	flight_add(&c->flight, &c->renewal);
}

/* -ETIMEDOUT when the connection seems to be dead. */
static int check_silence(struct conn *c, int64_t now)
{
	int64_t limit = least(SILENCE_NS, c->shared->deadline_ns / 3);

	if (flight_awaited(&c->flight) == 0)
		return 0;
	if (now - c->link.moved_ns > limit)
		return -ETIMEDOUT;
	if (now - c->checked_ns < TICK_NS)
		return 0;
	c->checked_ns = now;
	return flight_is_overdue(&c->flight, now, 2 * limit) ? -ETIMEDOUT : 0;
}

/* Ends all calls when the server has not answered for the deadline, or for as
 * long as whoever uses it has patience now. */
static void check_deadline(struct conn *c)
{
	if (atomic_load(&c->load) == (c->renewing ? 1 : 0)) {
		c->pending_ns = 0;
		return;
	}
	note_pending(c);
	if (clock_now_ns() - conn_get_silent_ns(c) <
	    atomic_load(&c->shared->patience_ns))
		return;
	pthread_mutex_lock(&c->lock);
	c->down = true;
	pthread_mutex_unlock(&c->lock);
	c->session_ok = false;
	drop_link(c);
	c->pending_ns = 0;
	end_all(c, -ENOTCONN);
}

/* When the next thing is due though nobody wakes us. */
static int64_t next_ns(const struct conn *c, int64_t now)
{
	int64_t next = c->sent_ns + RENEW_NS;

	if (c->renewing || next < now)
		next = now + RENEW_NS;
	if (atomic_load_explicit(&c->load, memory_order_relaxed) > 0)
		next = least(next, now + TICK_NS);
	if (c->draining_ns)
		return least(next, c->draining_ns);
	return least(next, flight_next_ns(&c->flight));
}

/* --- The thread ----------------------------------------------------------- */

/* True when the lost session has no more replies to wait for. */
static bool is_drained(struct conn *c, int64_t now)
{
	if (!c->draining_ns)
		return false;
	if (flight_awaited(&c->flight) == 0)
		return true;
	if (now < c->draining_ns)
		return false;
	drop_link(c);
	return true;
}

static void count_bytes(struct conn *c)
{
	atomic_fetch_add_explicit(&c->shared->bytes, c->link.moved,
				  memory_order_relaxed);
	c->link.moved = 0;
}

/* Sends what may go, sleeps until something happens, takes what came. */
static int exchange_bytes(struct conn *c, int64_t now)
{
	int r = send_calls(c);

	if (r == 0) {
		sleep_until(c, !outbox_is_empty(&c->flight.outbox),
			    next_ns(c, now));
		r = receive(c);
	}
	count_bytes(c);
	return r < 0 ? r : check_silence(c, clock_now_ns());
}

/* Connected, with a session. A session that was lost is left when nothing more
 * is to be expected of it, but its connection may serve the next one. */
static void work_turn(struct conn *c)
{
	int64_t now = clock_now_ns();

	renew(c, now);
	if (!c->draining_ns)
		flight_admit(&c->flight, now);
	if (exchange_bytes(c, now) < 0)
		drop_link(c);
	if (c->session_ok && is_drained(c, clock_now_ns())) {
		c->session_ok = false;
		if (c->link.stream)
			note_failure(c);
	}
}

/* A server that loses each new session at once is not asked in a hurry. */
static void pause_before_session(struct conn *c)
{
	if (c->failures > 1)
		(void)link_pause(&c->link, c->retry_ns);
}

/* A turn ends at once when it is called, so a stop is seen; and each ends with
 * a look at the deadline, which goes by in all states. */
static void *run(void *user)
{
	struct conn *c = user;
	char name[16];

	snprintf(name, sizeof(name), "nfs-conn-%u", c->number);
	pthread_setname_np(pthread_self(), name);
	for (;;) {
		/* Before it looks: a call that comes later is seen later. */
		atomic_store(&c->called, false);
		if (atomic_load(&c->shared->stop))
			break;
		take_inbox(c);
		if (!c->link.stream) {
			connect_turn(c);
		} else if (!c->session_ok) {
			pause_before_session(c);
			session_turn(c);
		} else {
			work_turn(c);
		}
		check_deadline(c);
		note_use(c);
	}
	/* A request that is half sent leaves no way to say anything else. */
	if (c->flight.outbox.done > 0)
		link_close(&c->link);
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_mutex_unlock(&c->lock);
	end_all(c, -ECANCELED);
	note_settled(c);
	/* Here, so that all connections do it at the same time: over a long way
	 * one after the other takes longer than a small run. What is still to
	 * be said is bounded by its own deadline. */
	c->link.stop = NULL;
	conn_end_session(c, clock_now_ns() + FAREWELL_NS);
	return NULL;
}

int conn_start(struct conn *c)
{
	sigset_t all, before;
	int r;

	/* Signals are for main(): the thread inherits this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->started = r == 0;
	return -r;
}

void conn_join(struct conn *c)
{
	if (c->started)
		pthread_join(c->thread, NULL);
	c->started = false;
	c->link.stop = NULL;
}

void conn_end_session(struct conn *c, int64_t deadline_ns)
{
	if (c->link.stream && c->session_ok)
		clientid_end_session(&c->session, &c->link, &c->shared->auth,
				     deadline_ns);
	c->session_ok = false;
}

bool conn_end_clientid(struct conn *c, int64_t deadline_ns)
{
	if (!c->link.stream)
		return false;
	clientid_end(&c->shared->clientid, &c->link, &c->shared->auth,
		     deadline_ns);
	return true;
}
