// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * clientid - who this process is to one server, and how its connections get
 * their sessions.
 *
 * The steps of clientid_make_session(), each one request (RFC 8881 section
 * 2.4 and 18.36):
 *
 *   EXCHANGE_ID	when the client id is not known; a new one voids all
 *			stateids: `generation` counts up
 *   CREATE_SESSION	STALE_CLIENTID: the server restarted or our lease ran
 *			out, so once more from EXCHANGE_ID; SEQ_MISORDERED: our
 *			count is off, so become a new client by a new verifier
 *   RECLAIM_COMPLETE	once for each client id, in slot 0 of the session: we
 *			have nothing to reclaim, and the server's period of
 *			grace may end earlier for it
 *
 * When the reply to CREATE_SESSION is lost, the sequence is not counted up:
 * whichever connection asks next sends the same request again and is given the
 * session that the server made then, which nobody has used.
 */
#include "nfs/clientid.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/blob.h"
#include "base/clock.h"
#include "nfs/backoff.h"
#include "nfs/link.h"
#include "nfs/oncrpc.h"
#include "nfs/session.h"
#include "nfs/status.h"
#include "nfs/verdict.h"

/* The longest that one request of the set-up waits for its reply. */
#define REPLY_NS (15 * NS_PER_S)

/* How often steps that the server sent back are begun anew. */
#define ROUNDS 6

/* The longest record that is part of the set-up. */
#define RECORD_MAX (64 * 1024)

/* One request of the set-up on its way. */
struct asking {
	struct link *link;
	const struct oncrpc_auth *auth;
	int64_t deadline_ns;
	char *why; /* what the server answered */
	size_t why_size;

	struct xdr_out request;
	uint32_t xid;
	struct blob *blob; /* the reply */
	struct xdr_in in;
};

static int make_random(void *data, size_t len)
{
	return getentropy(data, len) < 0 ? -errno : 0;
}

int clientid_init(struct clientid *c, const char *machine)
{
	uint64_t unique;
	int r = make_random(&unique, sizeof(unique));

	memset(c, 0, sizeof(*c));
	if (r == 0)
		r = make_random(c->verifier, sizeof(c->verifier));
	if (r < 0)
		return r;
	snprintf(c->owner, sizeof(c->owner), "efsbridge/%.64s/%ld/%016" PRIx64,
		 machine, (long)getpid(), unique);
	r = pthread_mutex_init(&c->lock, NULL);
	return -r;
}

void clientid_done(struct clientid *c)
{
	pthread_mutex_destroy(&c->lock);
}

/* --- One request ---------------------------------------------------------- */

static void asking_init(struct asking *a, struct link *link,
			const struct oncrpc_auth *auth, int64_t deadline_ns,
			char *why, size_t why_size)
{
	*a = (struct asking){
	    .link = link,
	    .auth = auth,
	    .deadline_ns = deadline_ns,
	    .why = why,
	    .why_size = why_size,
	    .xid = (uint32_t)clock_now_ns(),
	};
	why[0] = '\0';
}

static void asking_done(struct asking *a)
{
	xdr_out_done(&a->request);
	blob_unref(a->blob);
}

/* Begins a request of `ops` operations, which the caller puts then. */
static struct xdr_out *begin(struct asking *a, uint32_t ops)
{
	blob_unref(a->blob);
	a->blob = NULL;
	a->request.len = 0;
	a->request.failed = false;
	/* Whoever sets up has nothing else under way on this link. */
	a->xid++;
	oncrpc_put_call(&a->request, a->xid, NFSPROC4_COMPOUND, a->auth);
	session_put_compound(&a->request, ops);
	return &a->request;
}

static void note_why(struct asking *a, const char *what, const char *answer)
{
	snprintf(a->why, a->why_size, "%s was answered with %s", what, answer);
}

static int note_refusal(struct asking *a, const char *what, int r)
{
	if (r == -EPROTONOSUPPORT)
		note_why(a, what, "NFS version 4 not supported");
	else if (r == -EACCES)
		note_why(a, what, "AUTH_SYS credential refused");
	else if (r == -EBADMSG)
		note_why(a, what, "arguments not understood");
	else if (r == -ETIMEDOUT)
		note_why(a, what, "nothing");
	else if (r == -EPROTO)
		note_why(a, what, "something that is not NFSv4.1");
	return r == -EBADMSG ? -EPROTO : r;
}

/* Sends it and waits; a->in then stands behind the RPC header. */
static int ask(struct asking *a, const char *what)
{
	int64_t deadline = clock_now_ns() + REPLY_NS;
	int r;

	if (deadline > a->deadline_ns)
		deadline = a->deadline_ns;
	oncrpc_set_mark(&a->request, 0, 0);
	r = link_exchange(a->link, &a->request, a->xid, deadline, &a->blob,
			  &a->in);
	return r < 0 ? note_refusal(a, what, r) : 0;
}

/* The same for a compound of the one operation `op`: its status, or that of
 * the compound when it was turned away. */
static int ask_one(struct asking *a, uint32_t op, const char *what,
		   uint32_t *ret_status)
{
	uint32_t status, count;
	int r = ask(a, what);

	if (r < 0)
		return r;
	r = session_get_compound(&a->in, &status, &count);
	if (r == 0 && count > 0)
		r = session_get_result(&a->in, op, &status);
	else if (r == 0 && status == NFS4_OK)
		r = -EPROTO;
	if (r < 0)
		return note_refusal(a, what, r);
	if (status != NFS4_OK)
		note_why(a, what, status_name(status));
	*ret_status = status;
	return 0;
}

/* A status that ends the set-up. */
static int status_to_failure(uint32_t status)
{
	switch (status) {
	case NFS4ERR_MINOR_VERS_MISMATCH:
	case NFS4ERR_OP_ILLEGAL:
	case NFS4ERR_NOTSUPP:
		return -EPROTONOSUPPORT;
	case NFS4ERR_PERM:
	case NFS4ERR_ACCESS:
	case NFS4ERR_WRONGSEC:
	case NFS4ERR_WRONG_CRED:
	case NFS4ERR_CLID_INUSE:
		return -EACCES;
	default:
		return -EPROTO;
	}
}

/* --- The steps ------------------------------------------------------------ */

/* Each step returns 0 when done, -EAGAIN to come back later. */

static int ask_exchange_id(struct clientid *c, struct asking *a,
			   struct exchange_id *ret)
{
	uint32_t status;
	int r;

	session_put_exchange_id(begin(a, 1), c->verifier, c->owner);
	r = ask_one(a, OP_EXCHANGE_ID, "EXCHANGE_ID", &status);
	if (r < 0)
		return r;
	if (status_is_delay(status))
		return -EAGAIN;
	if (status != NFS4_OK)
		return status_to_failure(status);
	r = session_get_exchange_id(&a->in, ret);
	return r < 0 ? note_refusal(a, "EXCHANGE_ID", r) : 0;
}

static int exchange_id(struct clientid *c, struct asking *a)
{
	struct exchange_id e;
	int r = ask_exchange_id(c, a, &e);

	if (r < 0)
		return r;
	if (e.confirmed) {
		/* Nobody else has our owner, so it must be the id we had, and
		 * then our own sequence is the one that counts. */
		if (atomic_load(&c->id) != e.clientid)
			return note_refusal(a, "EXCHANGE_ID", -EPROTO);
	} else {
		c->sequence = e.sequence;
		c->reclaimed = false;
		atomic_store(&c->revoked, false);
		atomic_store(&c->id, e.clientid);
		atomic_fetch_add(&c->generation, 1);
	}
	c->known = true;
	c->server = e.server;
	return 0;
}

/*
 * Whether the link leads to the server that gave the client id. It is told the
 * same owner and verifier once more, which changes nothing there, and on
 * another server leaves a record that nobody confirms.
 */
static int find_server(struct clientid *c, struct asking *a)
{
	struct exchange_id e;
	int r;

	if (!c->known)
		return 0;
	r = ask_exchange_id(c, a, &e);
	if (r < 0)
		return r == -EAGAIN ? -ETIMEDOUT : r;
	if (digest_equal(&e.server, &c->server))
		return 0;
	if (atomic_load(&c->users) > 0) {
		note_why(a, "EXCHANGE_ID", "the name of another server");
		return -EXDEV;
	}
	c->known = false;
	return 0;
}

static int create_session(struct clientid *c, struct asking *a,
			  struct session *ret)
{
	uint32_t status, sequence;
	int r;

	session_put_create(begin(a, 1), atomic_load(&c->id), c->sequence);
	r = ask_one(a, OP_CREATE_SESSION, "CREATE_SESSION", &status);
	if (r < 0)
		return r;
	if (status == NFS4ERR_STALE_CLIENTID ||
	    status == NFS4ERR_SEQ_MISORDERED) {
		c->known = false;
		if (status == NFS4ERR_SEQ_MISORDERED)
			r = make_random(c->verifier, sizeof(c->verifier));
		return r < 0 ? r : -EAGAIN;
	}
	if (status_is_delay(status))
		return -EAGAIN;
	if (status != NFS4_OK)
		return status_to_failure(status);
	r = session_get_create(&a->in, ret, &sequence);
	if (r == 0 && sequence != c->sequence)
		r = -EPROTO;
	if (r < 0)
		return note_refusal(a, "CREATE_SESSION", r);
	c->sequence++;
	return 0;
}

/* In slot 0, with `*sequence`, which counts up when the server did so. */
static int reclaim_complete(struct clientid *c, struct asking *a,
			    const struct session *session, uint32_t *sequence)
{
	struct verdict_question question = {session, 0, *sequence, 2};
	struct sequence s = {.number = *sequence};
	struct verdict v;
	struct xdr_out *x = begin(a, 2);
	int r;

	memcpy(s.session_id, session->id, sizeof(s.session_id));
	session_put_sequence(x, &s);
	session_put_reclaim_complete(x);
	r = ask(a, "RECLAIM_COMPLETE");
	if (r < 0)
		return r;
	v = verdict_of(&a->in, &question);
	*sequence += v.advance;
	if (v.kind == VERDICT_DELAY ||
	    (v.kind == VERDICT_ANSWERED && status_is_delay(v.reply.status)))
		return -EAGAIN;
	if (v.kind != VERDICT_ANSWERED)
		return note_refusal(a, "RECLAIM_COMPLETE", -EPROTO);
	/* COMPLETE_ALREADY is as good; a server that does not know of it needs
	 * no telling. */
	c->reclaimed = true;
	return 0;
}

/* One pass through the steps that are left. */
static int make_session(struct clientid *c, struct asking *a,
			struct session *session, bool *made, uint32_t *sequence)
{
	int r = 0;

	if (!*made) {
		if (!c->known)
			r = exchange_id(c, a);
		if (r == 0)
			r = create_session(c, a, session);
		if (r < 0)
			return r;
		*made = true;
		*sequence = 1;
	}
	return c->reclaimed ? 0 : reclaim_complete(c, a, session, sequence);
}

/* With the lock held. */
static int make_session_in_time(struct clientid *c, struct asking *a,
				struct session *ret, uint32_t *ret_sequence)
{
	unsigned times = 0;
	bool made = false;
	unsigned round = 0;

	for (;;) {
		bool known = c->known;
		int r = make_session(c, a, ret, &made, ret_sequence);
		int64_t later;

		if (r != -EAGAIN)
			return r;
		if (known && !c->known) {
			/* Not later but from the beginning, though not for
			 * ever. */
			if (++round >= ROUNDS)
				return -EPROTO;
			continue;
		}
		later = clock_now_ns() + backoff_ns(++times);
		if (later >= a->deadline_ns)
			return -ETIMEDOUT;
		r = link_pause(a->link, later);
		if (r < 0)
			return r;
	}
}

int clientid_make_session(struct clientid *c, struct link *link,
			  const struct oncrpc_auth *auth, bool several,
			  int64_t deadline_ns, struct session *ret,
			  uint32_t *ret_sequence, char *why, size_t why_size)
{
	struct asking a;
	int r = 0;

	asking_init(&a, link, auth, deadline_ns, why, why_size);
	link_set_limit(link, RECORD_MAX);
	pthread_mutex_lock(&c->lock);
	if (several)
		r = find_server(c, &a);
	if (r == 0)
		r = make_session_in_time(c, &a, ret, ret_sequence);
	if (r == 0)
		clientid_return(c);
	pthread_mutex_unlock(&c->lock);
	asking_done(&a);
	return r;
}

void clientid_leave(struct clientid *c)
{
	atomic_fetch_sub(&c->users, 1);
}

void clientid_return(struct clientid *c)
{
	atomic_fetch_add(&c->users, 1);
}

void clientid_note_flags(struct clientid *c, uint32_t flags)
{
	bool revoked = flags & SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED;

	/* The flag stays up until each stateid was freed: count it once. The
	 * lock is not for here, it may be held for long. */
	if (atomic_load_explicit(&c->revoked, memory_order_relaxed) == revoked)
		return;
	if (!atomic_exchange(&c->revoked, revoked) && revoked)
		atomic_fetch_add(&c->generation, 1);
}

/* --- The end -------------------------------------------------------------- */

void clientid_end_session(const struct session *session, struct link *link,
			  const struct oncrpc_auth *auth, int64_t deadline_ns)
{
	char why[64];
	struct asking a;
	uint32_t status;

	asking_init(&a, link, auth, deadline_ns, why, sizeof(why));
	session_put_destroy_session(begin(&a, 1), session);
	(void)ask_one(&a, OP_DESTROY_SESSION, "DESTROY_SESSION", &status);
	asking_done(&a);
}

void clientid_end(struct clientid *c, struct link *link,
		  const struct oncrpc_auth *auth, int64_t deadline_ns)
{
	char why[64];
	struct asking a;
	uint32_t status;

	asking_init(&a, link, auth, deadline_ns, why, sizeof(why));
	session_put_destroy_clientid(begin(&a, 1), atomic_load(&c->id));
	(void)ask_one(&a, OP_DESTROY_CLIENTID, "DESTROY_CLIENTID", &status);
	asking_done(&a);
}
