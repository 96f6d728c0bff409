/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client against a server that does as it is told: what goes wrong between
 * the two is recovered, exactly once, or told.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fakeserver.h"
#include "nfs/client.h"
#include "nfs/proto.h"

/* SEQUENCEs by which the client measures the round trip when it is opened. */
#define PINGS 3

static struct client *open_client_for(struct fake *f, unsigned deadline_s,
				      unsigned conns)
{
	struct client_options o = {
	    .host = "127.0.0.1",
	    .port = f->port,
	    .conns = conns,
	    .deadline_s = deadline_s,
	};
	struct client *c;
	char error[512] = "";
	int r;

	fake_start(f);
	o.port = f->port;
	r = client_open(&o, &c, error, sizeof(error));
	if (r < 0)
		print_error("%s\n", error);
	assert_int_equal(r, 0);
	client_settle(c);
	return c;
}

static struct client *open_client(struct fake *f)
{
	return open_client_for(f, 0, 1);
}

static void close_both(struct client *c, struct fake *f)
{
	client_free(c);
	fake_stop(f);
}

/* A call of one PUTROOTFH; `changes`: as if it must not run twice. */
struct test_call {
	struct call call;
	atomic_bool ended;
	unsigned position; /* the how many-th that ended, from 1 */
};

static atomic_uint ended_count;

static void note_end(struct call *call)
{
	struct test_call *t = call->user;

	t->position = ++ended_count;
	t->ended = true;
}

static void start(struct client *c, struct test_call *t, bool changes)
{
	*t = (struct test_call){0};
	t->call.compound = compound_new();
	assert_non_null(t->call.compound);
	compound_putrootfh(t->call.compound);
	t->call.compound->changes = changes;
	t->call.done = note_end;
	t->call.user = t;
	client_submit(c, &t->call, 0);
}

static void wait_until(const atomic_bool *fact)
{
	int64_t deadline = clock_now_ns() + 20 * NS_PER_S;

	while (!*fact && clock_now_ns() < deadline)
		usleep(200);
	assert_true(*fact);
}

static int finish(struct test_call *t)
{
	wait_until(&t->ended);
	t->call.compound = compound_free(t->call.compound);
	return t->call.result;
}

static int run_call(struct client *c, bool changes, bool *again)
{
	struct test_call t;
	int r;

	start(c, &t, changes);
	r = finish(&t);
	if (again)
		*again = t.call.again;
	return r;
}

/* What the server saw of the calls, the client's own SEQUENCEs left out. */
static const struct fake_request *seen(const struct fake *f, unsigned i)
{
	return &f->log[PINGS + i];
}

static bool is_own(const struct fake_request *r)
{
	return r->ops == 1;
}

static void assert_same_request(const struct fake_request *a,
				const struct fake_request *b)
{
	assert_int_equal(a->xid, b->xid);
	assert_int_equal(a->session, b->session);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->sequence, b->sequence);
}

/* --- The usual ------------------------------------------------------------ */

static void test_call_and_farewell(void **state)
{
	struct fake f = {0};
	struct client *c = open_client(&f);
	struct client_limits l = client_get_limits(c);
	struct call call = {.compound = compound_new()};

	(void)state;
	assert_int_equal(l.max_ops, 16);
	assert_int_equal(l.slots, 8);
	assert_int_equal(l.max_request, 1 << 20);
	assert_int_equal(client_get_generation(c), 1);
	assert_int_equal(client_get_clientid(c), 1);
	assert_true(client_get_rtt_ns(c) > 0 &&
		    client_get_rtt_ns(c) < NS_PER_S);

	compound_putrootfh(call.compound);
	assert_int_equal(client_run(c, &call), 0);
	assert_int_equal(call.reply.status, NFS4_OK);
	assert_int_equal(call.reply.left, 1);
	assert_int_equal(reply_putrootfh(&call.reply), 0);
	blob_unref(call.reply.blob);
	compound_free(call.compound);
	assert_int_equal(client_get_requests(c), PINGS + 1);
	/* Slot 0 began with RECLAIM_COMPLETE. */
	assert_int_equal(f.log[0].sequence, 2);
	assert_int_equal(seen(&f, 0)->sequence, PINGS + 2);

	client_free(c);
	assert_int_equal(f.reclaims, 1);
	assert_int_equal(f.destroyed, 2);
	fake_stop(&f);
}

static void test_many_calls(void **state)
{
	enum { COUNT = 500 };
	static struct test_call t[COUNT];
	struct fake f = {0};
	struct client *c = open_client_for(&f, 0, 3);

	(void)state;
	assert_int_equal(f.sessions, 3);
	assert_int_equal(f.clients, 1);
	assert_int_equal(f.reclaims, 1);
	assert_int_equal(client_get_limits(c).slots, 24);
	for (int i = 0; i < COUNT; i++)
		start(c, &t[i], false);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(finish(&t[i]), 0);
	assert_int_equal(f.requests, PINGS + COUNT);
	close_both(c, &f);
}

/* No more slots than were asked for, and no more than there are. */
static void test_few_slots(void **state)
{
	struct fake f = {0};
	struct client_options o = {
	    .host = "127.0.0.1",
	    .conns = 2,
	    .slots = 3,
	};
	struct client *c;
	char error[512];

	(void)state;
	fake_start(&f);
	o.port = f.port;
	assert_int_equal(client_open(&o, &c, error, sizeof(error)), 0);
	client_settle(c);
	assert_int_equal(client_get_limits(c).slots, 2 * 3);
	client_free(c);
	o.slots = 1000;
	assert_int_equal(client_open(&o, &c, error, sizeof(error)), 0);
	client_settle(c);
	assert_int_equal(client_get_limits(c).slots, 2 * 8);
	close_both(c, &f);
}

/* Holds the first call's reply back until the second has come. */
static enum fake_action reverse(struct fake *f, const struct fake_request *r)
{
	static struct fake_request held;

	if (is_own(r))
		return FAKE_ANSWER;
	if (f->step++ == 0) {
		held = *r;
		return FAKE_SILENT;
	}
	fake_answer(f, r);
	fake_answer(f, &held);
	return FAKE_SILENT;
}

static void test_out_of_order(void **state)
{
	struct fake f = {.script = reverse};
	struct client *c = open_client(&f);
	struct test_call a, b;

	(void)state;
	start(c, &a, false);
	start(c, &b, false);
	assert_int_equal(finish(&a), 0);
	assert_int_equal(finish(&b), 0);
	assert_true(a.position > b.position);
	assert_int_equal(seen(&f, 1)->slot, 1);
	assert_int_equal(seen(&f, 1)->sequence, 1);
	close_both(c, &f);
}

/* One slot, and a first call that is held while others come. */
static enum fake_action hold_first(struct fake *f, const struct fake_request *r)
{
	if (is_own(r) || f->step++ > 0)
		return FAKE_ANSWER;
	usleep(100000);
	return FAKE_ANSWER;
}

static void test_foreground_first(void **state)
{
	struct fake f = {.script = hold_first, .slots = 1};
	struct client *c = open_client(&f);
	struct test_call held, later, back, front = {0};

	(void)state;
	start(c, &held, false);
	while (f.step == 0)
		usleep(100);
	start(c, &back, false);
	later = (struct test_call){0};
	later.call = (struct call){
	    .compound = compound_new(), .done = note_end, .user = &later};
	client_submit(c, &later.call, 300 * NS_PER_MS);
	front.call = (struct call){.compound = compound_new(),
				   .done = note_end,
				   .user = &front,
				   .foreground = true};
	client_submit(c, &front.call, 0);
	assert_int_equal(finish(&held), 0);
	assert_int_equal(finish(&front), 0);
	assert_int_equal(finish(&back), 0);
	assert_int_equal(finish(&later), 0);
	assert_true(held.position < front.position);
	assert_true(front.position < back.position);
	assert_true(back.position < later.position);
	close_both(c, &f);
}

/* --- Exactly once --------------------------------------------------------- */

static enum fake_action cut_twice(struct fake *f, const struct fake_request *r)
{
	return is_own(r) || f->step++ >= 2 ? FAKE_ANSWER : FAKE_CUT;
}

static void test_replay_after_cut(void **state)
{
	struct fake f = {.script = cut_twice};
	struct client *c = open_client(&f);
	bool again;

	(void)state;
	assert_int_equal(run_call(c, true, &again), 0);
	assert_false(again);
	assert_int_equal(f.requests, PINGS + 3);
	assert_same_request(seen(&f, 0), seen(&f, 1));
	assert_same_request(seen(&f, 0), seen(&f, 2));
	assert_int_equal(seen(&f, 2)->conn, 3);
	assert_true(seen(&f, 0)->cache);
	assert_int_equal(f.sessions, 1);
	close_both(c, &f);
}

/* More than the server can keep: better not asked for than refused. */
static void test_cache_that_is_too_small(void **state)
{
	struct fake f = {.max_cached = 300};
	struct client *c = open_client(&f);

	(void)state;
	assert_int_equal(run_call(c, true, NULL), 0);
	assert_false(seen(&f, 0)->cache);
	close_both(c, &f);
}

static enum fake_action cut_then_uncached(struct fake *f,
					  const struct fake_request *r)
{
	if (is_own(r))
		return FAKE_ANSWER;
	switch (f->step++) {
	case 0:
		return FAKE_CUT;
	case 1:
		fake_fail_second(f, r, NFS4ERR_RETRY_UNCACHED_REP);
		return FAKE_SILENT;
	default:
		return FAKE_ANSWER;
	}
}

static void test_uncached_reply(void **state)
{
	(void)state;
	for (int changes = 0; changes < 2; changes++) {
		struct fake f = {.script = cut_then_uncached};
		struct client *c = open_client(&f);
		bool again;

		assert_int_equal(run_call(c, changes, &again), 0);
		assert_int_equal(again, changes);
		assert_int_equal(seen(&f, 2)->sequence,
				 seen(&f, 1)->sequence + 1);
		assert_int_equal(f.sessions, 1);
		close_both(c, &f);
	}
}

static enum fake_action lose_session(struct fake *f,
				     const struct fake_request *r)
{
	if (is_own(r) || f->step++ > 0)
		return FAKE_ANSWER;
	fake_fail(r, NFS4ERR_BADSESSION);
	return FAKE_SILENT;
}

/* Refused the first time it was sent: it was not executed. */
static void test_lost_session(void **state)
{
	struct fake f = {.script = lose_session};
	struct client *c = open_client(&f);
	bool again;

	(void)state;
	assert_int_equal(run_call(c, true, &again), 0);
	assert_false(again);
	assert_int_equal(f.sessions, 2);
	assert_int_equal(seen(&f, 1)->session, 2);
	assert_int_equal(seen(&f, 1)->sequence, 1);
	assert_int_equal(f.clients, 1);
	assert_int_equal(client_get_generation(c), 1);
	close_both(c, &f);
}

static enum fake_action cut_then_lose(struct fake *f,
				      const struct fake_request *r)
{
	if (is_own(r))
		return FAKE_ANSWER;
	switch (f->step++) {
	case 0:
		return FAKE_CUT;
	case 1:
		f->stale = 1;
		fake_fail(r, NFS4ERR_BADSESSION);
		return FAKE_SILENT;
	default:
		return FAKE_ANSWER;
	}
}

/* A server that was restarted: it may have executed what it forgot. */
static void test_restarted_server(void **state)
{
	struct fake f = {.script = cut_then_lose};
	struct client *c = open_client(&f);
	bool again;

	(void)state;
	assert_int_equal(run_call(c, true, &again), 0);
	assert_true(again);
	assert_int_equal(f.clients, 2);
	assert_int_equal(f.reclaims, 2);
	assert_int_equal(client_get_generation(c), 2);
	assert_int_equal(client_get_clientid(c), 2);
	assert_int_equal(run_call(c, true, &again), 0);
	assert_false(again);
	close_both(c, &f);
}

static enum fake_action always_lose(struct fake *f,
				    const struct fake_request *r)
{
	(void)f;
	if (is_own(r))
		return FAKE_ANSWER;
	fake_fail(r, NFS4ERR_SEQ_MISORDERED);
	return FAKE_SILENT;
}

static void test_sessions_that_never_work(void **state)
{
	struct fake f = {.script = always_lose};
	struct client *c = open_client(&f);

	(void)state;
	assert_int_equal(run_call(c, true, NULL), -EPROTO);
	assert_true(f.sessions < 20);
	close_both(c, &f);
}

static enum fake_action delay_twice(struct fake *f,
				    const struct fake_request *r)
{
	if (is_own(r) || f->step++ >= 2)
		return FAKE_ANSWER;
	fake_fail(r, f->step == 1 ? NFS4ERR_DELAY : NFS4ERR_GRACE);
	return FAKE_SILENT;
}

static void test_delay(void **state)
{
	struct fake f = {.script = delay_twice};
	struct client *c = open_client(&f);
	int64_t begin = clock_now_ns();
	bool again;

	(void)state;
	assert_int_equal(run_call(c, true, &again), 0);
	assert_true(clock_now_ns() - begin >= 30 * NS_PER_MS);
	assert_false(again);
	assert_same_request(seen(&f, 0), seen(&f, 1));
	assert_same_request(seen(&f, 0), seen(&f, 2));
	close_both(c, &f);
}

/* --- Too large ------------------------------------------------------------ */

static enum fake_action refuse_once(struct fake *f,
				    const struct fake_request *r)
{
	if (is_own(r) || f->step++ > 0)
		return FAKE_ANSWER;
	fake_refuse(r, NFS4ERR_RESOURCE);
	return FAKE_SILENT;
}

static void test_resource(void **state)
{
	struct fake f = {.script = refuse_once};
	struct client *c = open_client(&f);

	(void)state;
	assert_int_equal(run_call(c, false, NULL), -E2BIG);
	assert_int_equal(run_call(c, false, NULL), 0);
	/* It was not counted. */
	assert_int_equal(seen(&f, 0)->sequence, seen(&f, 1)->sequence);
	close_both(c, &f);
}

static void test_too_large_to_send(void **state)
{
	static uint8_t data[1 << 20];
	struct fake f = {0};
	struct client *c = open_client(&f);
	struct call call = {.compound = compound_new()};

	(void)state;
	for (int i = 0; i < 16; i++)
		compound_putrootfh(call.compound);
	assert_int_equal(client_run(c, &call), -E2BIG);
	compound_reset(call.compound);
	compound_write(call.compound, &stateid_anonymous, 0, data, sizeof(data),
		       NULL, WRITE_UNSTABLE);
	assert_int_equal(client_run(c, &call), -E2BIG);
	assert_int_equal(f.requests, PINGS);
	compound_free(call.compound);
	close_both(c, &f);
}

/* Larger than what a socket takes at once: many partial writes. */
static void test_large_request(void **state)
{
	static uint8_t data[900 * 1024];
	struct fake f = {0};
	struct client *c = open_client(&f);
	struct call call[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		call[i] = (struct call){.compound = compound_new()};
		compound_write(call[i].compound, &stateid_anonymous, 0, data,
			       sizeof(data), NULL, WRITE_UNSTABLE);
		assert_int_equal(client_run(c, &call[i]), 0);
		blob_unref(call[i].reply.blob);
		compound_free(call[i].compound);
	}
	close_both(c, &f);
}

/* --- Nonsense ------------------------------------------------------------- */

static void send_oversized(struct fake *f, const struct fake_request *r)
{
	static const uint8_t mark[] = {0x81, 0, 0, 0, 1, 2, 3, 4};

	(void)f;
	fake_send(r, mark, sizeof(mark));
}

static void send_garbage(struct fake *f, const struct fake_request *r)
{
	static const uint8_t bytes[] = {0x80, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};

	(void)f;
	fake_send(r, bytes, sizeof(bytes));
}

/* The right answer but for one bit of the word at byte `at`. */
static void send_bent(struct fake *f, const struct fake_request *r, size_t at)
{
	struct xdr_out x;

	xdr_out_init(&x);
	fake_put_answer(f, &x, r);
	xdr_patch_u32(&x, 0, 0x80000000u | (uint32_t)(x.len - 4));
	x.data[at + 3] ^= 1;
	fake_send(r, x.data, x.len);
	xdr_out_done(&x);
}

static void send_wrong_xid(struct fake *f, const struct fake_request *r)
{
	send_bent(f, r, 4);
}

static void send_wrong_slot(struct fake *f, const struct fake_request *r)
{
	send_bent(f, r, 68);
}

static void send_half(struct fake *f, const struct fake_request *r)
{
	struct xdr_out x;

	xdr_out_init(&x);
	fake_put_answer(f, &x, r);
	xdr_patch_u32(&x, 0, 0x80000000u | (uint32_t)(x.len / 2 - 4));
	fake_send(r, x.data, x.len / 2);
	xdr_out_done(&x);
}

static void (*const nonsense[])(struct fake *f,
				const struct fake_request *r) = {
    send_oversized, send_garbage, send_wrong_xid, send_wrong_slot, send_half,
};

#define NONSENSES (sizeof(nonsense) / sizeof(nonsense[0]))

/* What to send, and how often: for the scripts. */
static atomic_uint nonsense_kind, nonsense_times;

static enum fake_action talk_nonsense(struct fake *f,
				      const struct fake_request *r)
{
	if (is_own(r) || f->step++ >= nonsense_times)
		return FAKE_ANSWER;
	nonsense[nonsense_kind](f, r);
	return FAKE_SILENT;
}

static void test_nonsense_once(void **state)
{
	(void)state;
	nonsense_times = 1;
	for (unsigned i = 0; i < NONSENSES; i++) {
		struct fake f = {.script = talk_nonsense};
		struct client *c = open_client(&f);
		bool again;

		nonsense_kind = i;
		assert_int_equal(run_call(c, true, &again), 0);
		assert_false(again);
		assert_same_request(seen(&f, 0), seen(&f, 1));
		assert_int_equal(f.conns, 2);
		close_both(c, &f);
	}
}

static void test_nonsense_for_ever(void **state)
{
	(void)state;
	nonsense_times = UINT32_MAX;
	for (unsigned i = 0; i < NONSENSES; i++) {
		struct fake f = {.script = talk_nonsense};
		struct client *c = open_client(&f);

		nonsense_kind = i;
		assert_int_equal(run_call(c, true, NULL), -EPROTO);
		/* The client is as good as before. */
		f.script = NULL;
		assert_int_equal(run_call(c, true, NULL), 0);
		close_both(c, &f);
	}
}

static enum fake_action in_fragments(struct fake *f,
				     const struct fake_request *r)
{
	struct xdr_out x;

	xdr_out_init(&x);
	fake_put_answer(f, &x, r);
	for (size_t at = 4; at < x.len; at += 4) {
		uint8_t mark[4] = {at + 4 < x.len ? 0 : 0x80, 0, 0, 4};

		fake_send(r, mark, sizeof(mark));
		fake_send(r, x.data + at, 4);
	}
	xdr_out_done(&x);
	return FAKE_SILENT;
}

static void test_fragments(void **state)
{
	struct fake f = {.script = in_fragments};
	struct client *c = open_client(&f);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(run_call(c, false, NULL), 0);
	close_both(c, &f);
}

/* --- Silence -------------------------------------------------------------- */

static enum fake_action silent_once(struct fake *f,
				    const struct fake_request *r)
{
	return is_own(r) || f->step++ > 0 ? FAKE_ANSWER : FAKE_SILENT;
}

/* A deadline of 3 s makes a silence of 1 s suspicious. */
static void test_reply_that_never_comes(void **state)
{
	struct fake f = {.script = silent_once};
	struct client *c = open_client_for(&f, 3, 1);
	bool again;

	(void)state;
	assert_int_equal(run_call(c, true, &again), 0);
	assert_false(again);
	assert_same_request(seen(&f, 0), seen(&f, 1));
	assert_int_equal(f.conns, 2);
	close_both(c, &f);
}

static enum fake_action silent(struct fake *f, const struct fake_request *r)
{
	f->step += !is_own(r);
	return is_own(r) ? FAKE_ANSWER : FAKE_SILENT;
}

static void test_cancel(void **state)
{
	struct fake f = {.script = silent};
	struct client *c = open_client(&f);
	struct test_call t[20];
	int64_t begin;

	(void)state;
	for (int i = 0; i < 20; i++)
		start(c, &t[i], false);
	while (f.step == 0)
		usleep(100);
	begin = clock_now_ns();
	client_cancel(c);
	for (int i = 0; i < 20; i++)
		assert_int_equal(finish(&t[i]), -ECANCELED);
	assert_int_equal(run_call(c, false, NULL), -ECANCELED);
	client_free(c);
	assert_true(clock_now_ns() - begin < 2 * NS_PER_S);
	fake_stop(&f);
}

/* All calls end at the deadline, new ones are refused at once, and when the
 * server is back, all is well. */
static void test_server_that_is_gone(void **state)
{
	struct fake f = {0};
	struct client *c = open_client_for(&f, 2, 1);
	int64_t begin = clock_now_ns(), end;
	struct test_call t[20];
	int r;

	(void)state;
	fake_stop(&f);
	for (int i = 0; i < 20; i++)
		start(c, &t[i], true);
	for (int i = 0; i < 20; i++)
		assert_int_equal(finish(&t[i]), -ENOTCONN);
	assert_true(clock_now_ns() - begin >= 2 * NS_PER_S);
	begin = clock_now_ns();
	assert_int_equal(run_call(c, true, NULL), -ENOTCONN);
	assert_true(clock_now_ns() - begin < NS_PER_S);
	fake_start(&f);
	end = clock_now_ns() + 20 * NS_PER_S;
	do {
		usleep(10000);
		r = run_call(c, true, NULL);
	} while (r == -ENOTCONN && clock_now_ns() < end);
	assert_int_equal(r, 0);
	close_both(c, &f);
}

static enum fake_action silent_at_first(struct fake *f,
					const struct fake_request *r)
{
	return is_own(r) || f->step ? FAKE_ANSWER : FAKE_SILENT;
}

/* Who has no more patience ends what waits at once, though the deadline is an
 * hour; and who has it again waits again. */
static void test_patience(void **state)
{
	struct fake f = {.script = silent_at_first};
	struct client *c = open_client(&f);
	struct test_call t[20];
	int64_t begin = clock_now_ns(), end = begin + 20 * NS_PER_S;

	(void)state;
	while (client_get_silent_ns(c) != 0 && clock_now_ns() < end)
		usleep(1000);
	assert_int_equal(client_get_silent_ns(c), 0);
	client_set_patience(c, 0);
	assert_true(client_get_patience_ns(c) == 3600 * NS_PER_S);
	for (int i = 0; i < 20; i++)
		start(c, &t[i], false);
	while (client_get_silent_ns(c) == 0 && clock_now_ns() < end)
		usleep(1000);
	assert_in_range(client_get_silent_ns(c), begin, clock_now_ns());
	client_set_patience(c, 2 * NS_PER_S);
	for (int i = 0; i < 20; i++)
		assert_int_equal(finish(&t[i]), -ENOTCONN);
	assert_in_range(clock_now_ns() - begin, 2 * NS_PER_S, 20 * NS_PER_S);
	assert_int_equal(run_call(c, false, NULL), -ENOTCONN);
	client_set_patience(c, 0);
	/* While it may be making a session, who waits is known, too. */
	begin = clock_now_ns();
	f.mute = true;
	start(c, &t[0], false);
	assert_true(client_get_silent_ns(c) >= begin);
	client_set_patience(c, 1);
	assert_int_equal(finish(&t[0]), -ENOTCONN);
	client_set_patience(c, 0);
	f.mute = false;
	f.step = 1;
	assert_int_equal(run_call(c, false, NULL), 0);
	close_both(c, &f);
}

static enum fake_action forget_and_fall_silent(struct fake *f,
					       const struct fake_request *r)
{
	if (is_own(r))
		return FAKE_ANSWER;
	f->mute = true;
	fake_fail(r, NFS4ERR_BADSESSION);
	return FAKE_SILENT;
}

/* Also while it makes a session with somebody who never says anything. */
static void test_patience_without_session(void **state)
{
	struct fake f = {.script = forget_and_fall_silent};
	struct client *c = open_client(&f);
	struct test_call t;
	int64_t begin = clock_now_ns();

	(void)state;
	client_set_patience(c, 0);
	start(c, &t, false);
	while (!f.mute)
		usleep(1000);
	usleep(2100000);
	begin = clock_now_ns();
	client_set_patience(c, 2 * NS_PER_S);
	assert_int_equal(finish(&t), -ENOTCONN);
	assert_true(clock_now_ns() - begin < 3 * NS_PER_S);
	client_free(c);
	fake_stop(&f);
}

static enum fake_action cut_five_times(struct fake *f,
				       const struct fake_request *r)
{
	return is_own(r) || f->step++ > 4 ? FAKE_ANSWER : FAKE_CUT;
}

/* With a deadline of years, calls outlast a server that comes and goes. */
static void test_endless_patience(void **state)
{
	static const unsigned deadlines[] = {10 * 366 * 86400, UINT_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		struct fake f = {.script = cut_five_times};
		struct client *c = open_client_for(&f, deadlines[i], 2);
		struct test_call gone;

		assert_int_equal(run_call(c, true, NULL), 0);
		assert_true(f.step > 5);
		fake_stop(&f);
		start(c, &gone, true);
		fake_start(&f);
		assert_int_equal(finish(&gone), 0);
		close_both(c, &f);
	}
}

/* A client that goes on submitting from done() does not go down the stack. */
static struct client *refusing;

static void submit_next(struct call *call)
{
	struct test_call *t = call->user;

	assert_int_equal(call->result, -ECANCELED);
	if (++t->position < 200000)
		client_submit(refusing, call, 0);
	else
		t->ended = true;
}

static void test_refused_calls(void **state)
{
	struct test_call t = {0};
	struct fake f = {0};

	(void)state;
	refusing = open_client(&f);
	client_cancel(refusing);
	t.call.compound = compound_new();
	t.call.done = submit_next;
	t.call.user = &t;
	client_submit(refusing, &t.call, 0);
	assert_int_equal(finish(&t), -ECANCELED);
	close_both(refusing, &f);
}

/* --- State ---------------------------------------------------------------- */

static void test_revoked_state(void **state)
{
	struct fake f = {0};
	struct client *c = open_client(&f);

	(void)state;
	f.flags = SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED;
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_call(c, false, NULL), 0);
	assert_int_equal(client_get_generation(c), 2);
	f.flags = 0;
	assert_int_equal(run_call(c, false, NULL), 0);
	assert_int_equal(client_get_generation(c), 2);
	close_both(c, &f);
}

/* --- What cannot be opened ------------------------------------------------ */

static int open_error(const char *host, uint16_t port, unsigned deadline_s,
		      char *error, size_t size)
{
	struct client_options o = {
	    .host = host, .port = port, .deadline_s = deadline_s};
	struct client *c = NULL;
	int r = client_open(&o, &c, error, size);

	assert_null(c);
	return r;
}

static void test_refused_connection(void **state)
{
	struct fake f = {0};
	char error[512], port[32];

	(void)state;
	fake_start(&f); /* to have a port that is free then */
	fake_stop(&f);
	assert_int_equal(
	    open_error("127.0.0.1", f.port, 0, error, sizeof(error)),
	    -ECONNREFUSED);
	snprintf(port, sizeof(port), "127.0.0.1 port %u", f.port);
	assert_non_null(strstr(error, port));
	assert_non_null(strstr(error, "refused"));
	assert_non_null(strstr(error, "running"));
}

/* Cut before there is a session: by chance, or by a server that wants no one.
 */
static void test_cut_set_up(void **state)
{
	struct fake f = {.setup_cuts = 2};
	struct client *c = open_client(&f);
	char error[512];

	(void)state;
	assert_int_equal(f.setup_cuts, 0);
	assert_int_equal(f.sessions, 1);
	client_free(c);
	f.setup_cuts = 1000;
	assert_int_equal(
	    open_error("127.0.0.1", f.port, 10, error, sizeof(error)),
	    -ECONNRESET);
	assert_int_equal(f.setup_cuts, 1000 - 3);
	assert_non_null(strstr(error, "ended the connection"));
	fake_stop(&f);
}

static void test_unknown_name(void **state)
{
	char error[512];

	(void)state;
	assert_int_equal(
	    open_error("no such name", 2049, 0, error, sizeof(error)),
	    -EHOSTUNREACH);
	assert_non_null(strstr(error, "no such name"));
}

static void test_other_versions(void **state)
{
	struct fake f = {.other_program = true};
	char error[512];

	(void)state;
	fake_start(&f);
	assert_int_equal(
	    open_error("127.0.0.1", f.port, 0, error, sizeof(error)),
	    -EPROTONOSUPPORT);
	assert_non_null(strstr(error, "NFSv4.1"));
	fake_stop(&f);

	f = (struct fake){.setup_status = NFS4ERR_MINOR_VERS_MISMATCH};
	fake_start(&f);
	assert_int_equal(
	    open_error("127.0.0.1", f.port, 0, error, sizeof(error)),
	    -EPROTONOSUPPORT);
	assert_non_null(strstr(error, "NFS4ERR_MINOR_VERS_MISMATCH"));
	fake_stop(&f);
}

/* It takes the connection and says nothing: a listener that nobody serves. */
static void test_mute_server(void **state)
{
	struct fake f = {0};
	char error[512];

	(void)state;
	fake_start(&f);
	f.stop = true;
	pthread_join(f.thread, NULL);
	assert_int_equal(
	    open_error("127.0.0.1", f.port, 1, error, sizeof(error)),
	    -ETIMEDOUT);
	assert_non_null(strstr(error, "does not answer"));
	close(f.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_call_and_farewell),
	    cmocka_unit_test(test_many_calls),
	    cmocka_unit_test(test_few_slots),
	    cmocka_unit_test(test_out_of_order),
	    cmocka_unit_test(test_foreground_first),
	    cmocka_unit_test(test_replay_after_cut),
	    cmocka_unit_test(test_cache_that_is_too_small),
	    cmocka_unit_test(test_uncached_reply),
	    cmocka_unit_test(test_lost_session),
	    cmocka_unit_test(test_restarted_server),
	    cmocka_unit_test(test_sessions_that_never_work),
	    cmocka_unit_test(test_delay),
	    cmocka_unit_test(test_resource),
	    cmocka_unit_test(test_too_large_to_send),
	    cmocka_unit_test(test_large_request),
	    cmocka_unit_test(test_nonsense_once),
	    cmocka_unit_test(test_nonsense_for_ever),
	    cmocka_unit_test(test_fragments),
	    cmocka_unit_test(test_reply_that_never_comes),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_server_that_is_gone),
	    cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_patience_without_session),
	    cmocka_unit_test(test_endless_patience),
	    cmocka_unit_test(test_refused_calls),
	    cmocka_unit_test(test_revoked_state),
	    cmocka_unit_test(test_refused_connection),
	    cmocka_unit_test(test_cut_set_up),
	    cmocka_unit_test(test_unknown_name),
	    cmocka_unit_test(test_other_versions),
	    cmocka_unit_test(test_mute_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
