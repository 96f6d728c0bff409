/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Session operations, slots, and what a reply means for them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nfs/session.h"
#include "nfs/slots.h"
#include "nfs/verdict.h"

static const struct session session = {.id = "sixteen bytes, a"};

/* --- Operations ----------------------------------------------------------- */

static void test_exchange_id(void **state)
{
	struct xdr_out x;
	struct xdr_in in;
	struct exchange_id e;
	uint32_t status;

	(void)state;
	xdr_out_init(&x);
	xdr_put_u32(&x, OP_EXCHANGE_ID);
	xdr_put_u32(&x, NFS4_OK);
	xdr_put_u64(&x, 77);
	xdr_put_u32(&x, 5);
	xdr_put_u32(&x, EXCHGID4_FLAG_USE_NON_PNFS);
	xdr_put_u32(&x, SP4_NONE);
	xdr_put_u64(&x, 0);
	xdr_put_string(&x, "major");
	xdr_put_string(&x, "scope");
	xdr_put_u32(&x, 0);
	for (size_t cut = 0; cut < x.len - 4; cut += 4) {
		xdr_in_init(&in, x.data, cut);
		assert_true(session_get_result(&in, OP_EXCHANGE_ID, &status) ||
			    session_get_exchange_id(&in, &e));
	}
	xdr_in_init(&in, x.data, x.len);
	assert_int_equal(session_get_result(&in, OP_EXCHANGE_ID, &status), 0);
	assert_int_equal(session_get_exchange_id(&in, &e), 0);
	assert_int_equal(e.clientid, 77);
	assert_int_equal(e.sequence, 5);
	assert_false(e.confirmed);
	/* state protection that was not asked for */
	xdr_patch_u32(&x, 24, SP4_SSV);
	xdr_in_init(&in, x.data + 8, x.len - 8);
	assert_int_equal(session_get_exchange_id(&in, &e), -EPROTO);
	xdr_out_done(&x);
}

/* CREATE_SESSION's result with these attributes of the fore channel. */
static int read_create(uint32_t request, uint32_t response, uint32_t ops,
		       uint32_t slots, struct session *ret)
{
	struct xdr_out x;
	struct xdr_in in;
	uint32_t sequence = 0;
	int r;

	xdr_out_init(&x);
	xdr_put_fixed(&x, session.id, sizeof(session.id));
	xdr_put_u32(&x, 3);
	xdr_put_u32(&x, 0);
	xdr_put_u32(&x, 0);
	xdr_put_u32(&x, request);
	xdr_put_u32(&x, response);
	xdr_put_u32(&x, 2048);
	xdr_put_u32(&x, ops);
	xdr_put_u32(&x, slots);
	xdr_put_u32(&x, 0);
	xdr_in_init(&in, x.data, x.len);
	r = session_get_create(&in, ret, &sequence);
	assert_int_equal(sequence, r == 0 ? 3 : 0);
	xdr_out_done(&x);
	return r;
}

static void test_create_session(void **state)
{
	struct session s;

	(void)state;
	assert_int_equal(read_create(1 << 20, 1 << 19, 50, 30, &s), 0);
	assert_memory_equal(s.id, session.id, sizeof(s.id));
	assert_int_equal(s.max_request, 1 << 20);
	assert_int_equal(s.max_response, 1 << 19);
	assert_int_equal(s.max_cached, 2048);
	assert_int_equal(s.max_ops, 50);
	assert_int_equal(s.slots, 30);
	/* no more than was asked for */
	assert_int_equal(read_create(-1u, -1u, -1u, -1u, &s), 0);
	assert_int_equal(s.max_request, SESSION_BYTES);
	assert_int_equal(s.max_response, SESSION_BYTES);
	assert_int_equal(s.max_ops, SESSION_OPS);
	assert_int_equal(s.slots, SESSION_SLOTS);
	/* of no use */
	assert_int_equal(read_create(100, 1 << 20, 50, 30, &s), -EPROTO);
	assert_int_equal(read_create(1 << 20, 100, 50, 30, &s), -EPROTO);
	assert_int_equal(read_create(1 << 20, 1 << 20, 1, 30, &s), -EPROTO);
	assert_int_equal(read_create(1 << 20, 1 << 20, 50, 0, &s), -EPROTO);
}

/* --- Slots ---------------------------------------------------------------- */

static void test_slots(void **state)
{
	struct slots s;
	struct slot *slot[SESSION_SLOTS];
	/* The table does not look into calls. */
	struct call *call = (struct call *)(void *)&s;
	uint32_t at = 0;

	(void)state;
	slots_init(&s);
	slots_reset(&s, SESSION_SLOTS);
	assert_null(slots_next(&s, &at));
	for (uint32_t i = 0; i < SESSION_SLOTS; i++) {
		slot[i] = slots_take(&s, call);
		assert_int_equal(slots_index(&s, slot[i]), i);
		assert_int_equal(slots_highest(&s), i);
		assert_int_equal(slot[i]->sequence, 1);
	}
	assert_null(slots_take(&s, call));
	slots_give(&s, slot[5], true);
	slots_give(&s, slot[2], false);
	assert_ptr_equal(slots_take(&s, call), slot[2]);
	assert_int_equal(slot[2]->sequence, 1);
	assert_ptr_equal(slots_take(&s, call), slot[5]);
	assert_int_equal(slot[5]->sequence, 2);
	for (uint32_t i = 0; i < SESSION_SLOTS; i++)
		assert_ptr_equal(slots_next(&s, &at), slot[i]);
	assert_null(slots_next(&s, &at));
	slots_done(&s);
}

static void test_slot_target(void **state)
{
	struct slots s;
	struct call *call = (struct call *)(void *)&s;
	struct slot *first;

	(void)state;
	slots_init(&s);
	slots_reset(&s, 4);
	slots_set_target(&s, 0);
	first = slots_take(&s, call);
	assert_non_null(first);
	assert_null(slots_take(&s, call));
	slots_set_target(&s, UINT32_MAX);
	for (int i = 1; i < 4; i++)
		assert_non_null(slots_take(&s, call));
	assert_null(slots_take(&s, call));
	slots_done(&s);
}

/* --- Verdicts ------------------------------------------------------------- */

#define OPS 3 /* SEQUENCE, PUTFH, GETATTR */

/* Header of COMPOUND's results, then SEQUENCE's (if `count` > 0). */
static void put_reply(struct xdr_out *x, uint32_t status, uint32_t count,
		      uint32_t sequence_status)
{
	xdr_put_u32(x, status);
	xdr_put_string(x, "");
	xdr_put_u32(x, count);
	if (count == 0)
		return;
	xdr_put_u32(x, OP_SEQUENCE);
	xdr_put_u32(x, sequence_status);
	if (sequence_status != NFS4_OK)
		return;
	xdr_put_fixed(x, session.id, sizeof(session.id));
	xdr_put_u32(x, 8); /* sequence */
	xdr_put_u32(x, 4); /* slot */
	xdr_put_u32(x, 63);
	xdr_put_u32(x, 31);
	xdr_put_u32(x, SEQ4_STATUS_LEASE_MOVED);
}

static struct verdict judge(const struct xdr_out *x)
{
	const struct verdict_question q = {&session, 4, 8, OPS};
	struct xdr_in in;

	xdr_in_init(&in, x->data, x->len);
	return verdict_of(&in, &q);
}

static void test_verdicts(void **state)
{
	enum {
		A = VERDICT_ANSWERED,
		R = VERDICT_REFUSED,
		D = VERDICT_DELAY,
		U = VERDICT_UNCACHED,
		S = VERDICT_SESSION,
		N = VERDICT_NONSENSE,
	};
	static const struct {
		uint32_t status, count, sequence_status;
		int kind, error;
		bool advance;
	} cases[] = {
	    {NFS4_OK, OPS, NFS4_OK, A, 0, true},
	    {NFS4ERR_NOENT, 2, NFS4_OK, A, 0, true},
	    {NFS4ERR_DELAY, 2, NFS4_OK, A, 0, true},
	    {NFS4ERR_RESOURCE, 3, NFS4_OK, A, 0, true},
	    /* too large, in all the ways in which servers say it */
	    {NFS4ERR_RESOURCE, 0, 0, R, -E2BIG, false},
	    {NFS4ERR_TOO_MANY_OPS, 1, NFS4ERR_TOO_MANY_OPS, R, -E2BIG, false},
	    {NFS4ERR_REQ_TOO_BIG, 1, NFS4ERR_REQ_TOO_BIG, R, -E2BIG, false},
	    {NFS4ERR_RESOURCE, 1, NFS4_OK, R, -E2BIG, true},
	    {NFS4ERR_RESOURCE, 2, NFS4_OK, R, -E2BIG, true},
	    {NFS4ERR_REP_TOO_BIG, 1, NFS4ERR_REP_TOO_BIG, R, -EMSGSIZE, false},
	    {NFS4ERR_SERVERFAULT, 1, NFS4ERR_SERVERFAULT, R, -EPROTO, false},
	    {NFS4ERR_MINOR_VERS_MISMATCH, 0, 0, R, -EPROTO, false},
	    {NFS4ERR_DELAY, 1, NFS4ERR_DELAY, D, 0, false},
	    {NFS4ERR_DELAY, 0, 0, D, 0, false},
	    {NFS4ERR_RETRY_UNCACHED_REP, 2, NFS4_OK, U, 0, true},
	    {NFS4ERR_RETRY_UNCACHED_REP, 1, NFS4_OK, U, 0, true},
	    {NFS4ERR_RETRY_UNCACHED_REP, 1, NFS4ERR_RETRY_UNCACHED_REP, U, 0,
	     true},
	    {NFS4ERR_BADSESSION, 1, NFS4ERR_BADSESSION, S, 0, false},
	    {NFS4ERR_DEADSESSION, 1, NFS4ERR_DEADSESSION, S, 0, false},
	    {NFS4ERR_BADSLOT, 1, NFS4ERR_BADSLOT, S, 0, false},
	    {NFS4ERR_BAD_HIGH_SLOT, 1, NFS4ERR_BAD_HIGH_SLOT, S, 0, false},
	    {NFS4ERR_SEQ_MISORDERED, 1, NFS4ERR_SEQ_MISORDERED, S, 0, false},
	    {NFS4ERR_SEQ_FALSE_RETRY, 1, NFS4ERR_SEQ_FALSE_RETRY, S, 0, false},
	    {NFS4ERR_CONN_NOT_BOUND_TO_SESSION, 1,
	     NFS4ERR_CONN_NOT_BOUND_TO_SESSION, S, 0, false},
	    /* nonsense */
	    {NFS4_OK, 0, 0, N, 0, false},
	    {NFS4_OK, OPS - 1, NFS4_OK, N, 0, false},
	    {NFS4_OK, OPS + 1, NFS4_OK, N, 0, false},
	    {NFS4_OK, UINT32_MAX, NFS4_OK, N, 0, false},
	    {NFS4ERR_NOENT, 1, NFS4_OK, N, 0, false},
	    {NFS4ERR_NOENT, 1, NFS4ERR_DELAY, N, 0, false},
	    {NFS4ERR_DELAY, 2, NFS4ERR_DELAY, N, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xdr_out x;
		struct verdict v;

		xdr_out_init(&x);
		put_reply(&x, cases[i].status, cases[i].count,
			  cases[i].sequence_status);
		v = judge(&x);
		assert_int_equal(v.kind, cases[i].kind);
		assert_int_equal(v.error, cases[i].error);
		assert_int_equal(v.advance, cases[i].advance);
		if (v.kind == VERDICT_ANSWERED) {
			assert_int_equal(v.reply.left, cases[i].count - 1);
			assert_int_equal(v.reply.status, cases[i].status);
			assert_int_equal(v.reply.in.pos, x.len);
			assert_int_equal(v.sequence.target_slot, 31);
			assert_int_equal(v.sequence.flags,
					 SEQ4_STATUS_LEASE_MOVED);
		}
		xdr_out_done(&x);
	}
}

/* Any word of the reply to another slot, sequence, session or operation, and
 * any cut, is noticed. */
static void test_foreign_replies(void **state)
{
	struct xdr_out x;

	(void)state;
	xdr_out_init(&x);
	put_reply(&x, NFS4_OK, OPS, NFS4_OK);
	for (size_t at = 8; at <= 40; at += 4) {
		uint8_t before = x.data[at + 3];

		x.data[at + 3] ^= 1;
		assert_int_equal(judge(&x).kind, VERDICT_NONSENSE);
		x.data[at + 3] = before;
	}
	assert_int_equal(judge(&x).kind, VERDICT_ANSWERED);
	for (; x.len > 0; x.len--)
		if (x.len < 56)
			assert_int_equal(judge(&x).kind, VERDICT_NONSENSE);
	xdr_out_done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exchange_id),
	    cmocka_unit_test(test_create_session),
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_slot_target),
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_foreign_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
