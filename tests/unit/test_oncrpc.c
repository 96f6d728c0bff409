/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RPC headers and records, whole, in pieces, and malformed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "nfs/compound.h"
#include "nfs/oncrpc.h"
#include "nfs/proto.h"
#include "nfs/recmark.h"

static void test_call(void **state)
{
	static const uint32_t gids[20] = {7, 8};
	struct oncrpc_auth auth;
	struct xdr_out x;
	struct xdr_in in;
	size_t len;

	(void)state;
	oncrpc_auth_init(&auth, "box", 5, 6, gids, 20);
	xdr_out_init(&x);
	xdr_put_u32(&x, 1234); /* something before it */
	oncrpc_put_call(&x, 0xabcd, NFSPROC4_COMPOUND, &auth);
	oncrpc_set_mark(&x, 4, 1000);
	assert_false(x.failed);
	assert_true(x.len < COMPOUND_HEADROOM);

	xdr_in_init(&in, x.data + 4, x.len - 4);
	assert_int_equal(xdr_get_u32(&in), 0x80000000u | (x.len - 8 + 1000));
	assert_int_equal(xdr_get_u32(&in), 0xabcd);
	assert_int_equal(xdr_get_u32(&in), RPC_CALL);
	assert_int_equal(xdr_get_u32(&in), 2);
	assert_int_equal(xdr_get_u32(&in), 100003);
	assert_int_equal(xdr_get_u32(&in), 4);
	assert_int_equal(xdr_get_u32(&in), 1);
	assert_int_equal(xdr_get_u32(&in), AUTH_FLAVOR_SYS);
	assert_int_equal(xdr_get_u32(&in), 4 + 8 + 4 + 4 + 4 + 16 * 4);
	xdr_get_u32(&in);
	assert_memory_equal(xdr_get_bytes(&in, 255, &len), "box", 3);
	assert_int_equal(xdr_get_u32(&in), 5);
	assert_int_equal(xdr_get_u32(&in), 6);
	assert_int_equal(xdr_get_u32(&in), 16);
	assert_int_equal(xdr_get_u32(&in), 7);
	xdr_get_fixed(&in, 15 * 4);
	assert_int_equal(xdr_get_u64(&in), 0);
	assert_int_equal(xdr_left(&in), 0);
	assert_false(in.failed);
	xdr_out_done(&x);
}

/* The longest name and all groups still leave room for SEQUENCE. */
static void test_auth_bounds(void **state)
{
	static const uint32_t gids[64];
	char name[300];
	struct oncrpc_auth auth;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	oncrpc_auth_init(&auth, name, 0, 0, gids, 64);
	assert_true(auth.len <= sizeof(auth.bytes));
	assert_int_equal(auth.len, 8 + 4 + 4 + 64 + 12 + 64);
	oncrpc_auth_init(&auth, "", 0, 0, NULL, 0);
	assert_int_equal(auth.len, 8 + 4 + 4 + 12);
}

/* Reads the reply made of these words. */
static int read_reply(const uint32_t *words, size_t count, uint32_t *xid)
{
	struct xdr_out x;
	struct xdr_in in;
	int r;

	xdr_out_init(&x);
	for (size_t i = 0; i < count; i++)
		xdr_put_u32(&x, words[i]);
	xdr_in_init(&in, x.data, x.len);
	r = oncrpc_get_reply(&in, xid);
	xdr_out_done(&x);
	return r;
}

static void test_replies(void **state)
{
	static const struct {
		uint32_t words[8];
		size_t count;
		int want;
	} cases[] = {
	    {{9, RPC_REPLY, RPC_MSG_ACCEPTED, 0, 0, RPC_SUCCESS}, 6, 0},
	    /* a verifier of some bytes */
	    {{9, RPC_REPLY, 0, 6, 4, 0xffffffff, RPC_SUCCESS}, 7, 0},
	    {{9, RPC_REPLY, 0, 0, 0, RPC_PROG_UNAVAIL}, 6, -EPROTONOSUPPORT},
	    {{9, RPC_REPLY, 0, 0, 0, RPC_PROG_MISMATCH, 3, 3},
	     8,
	     -EPROTONOSUPPORT},
	    {{9, RPC_REPLY, 0, 0, 0, RPC_GARBAGE_ARGS}, 6, -EBADMSG},
	    {{9, RPC_REPLY, 0, 0, 0, RPC_SYSTEM_ERR}, 6, -EAGAIN},
	    {{9, RPC_REPLY, RPC_MSG_DENIED, RPC_AUTH_ERROR, 1}, 5, -EACCES},
	    {{9, RPC_REPLY, RPC_MSG_DENIED, RPC_MISMATCH, 2, 2},
	     6,
	     -EPROTONOSUPPORT},
	    /* nonsense */
	    {{9, RPC_CALL, 2, 100003, 4, 1}, 6, -EPROTO},
	    {{9, RPC_REPLY, 7, 0, 0, 0}, 6, -EPROTO},
	    {{9, RPC_REPLY, 0, 0, 0, 77}, 6, -EPROTO},
	    {{9, RPC_REPLY, 0, 0, 4000, 0}, 6, -EPROTO},
	    {{9, RPC_REPLY, RPC_MSG_DENIED, 5, 1}, 5, -EPROTO},
	};
	uint32_t xid;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    read_reply(cases[i].words, cases[i].count, &xid),
		    cases[i].want);
		assert_int_equal(xid, cases[i].want == -EPROTO ? 0 : 9);
	}
	for (size_t cut = 0; cut < 6; cut++)
		assert_int_equal(read_reply(cases[0].words, cut, &xid),
				 -EPROTO);
}

/* --- Records -------------------------------------------------------------- */

/* Appends a fragment with `len` bytes that count up from `*next`. */
static void put_fragment(struct xdr_out *x, size_t len, bool last,
			 uint8_t *next)
{
	uint8_t *p;

	xdr_put_u32(x, (uint32_t)len | (last ? 0x80000000u : 0));
	p = xdr_reserve(x, len);
	for (size_t i = 0; i < len; i++)
		p[i] = (*next)++;
}

/*
 * Gives the bytes to a reader in steps of up to `step` bytes and checks that
 * `records` records of `len` bytes come out; returns the first error or 0.
 */
static int feed(const struct xdr_out *x, size_t step, size_t max,
		unsigned records, size_t len)
{
	struct recmark r;
	size_t at = 0, got;
	struct blob *b;
	int result;

	assert_int_equal(recmark_init(&r, max), 0);
	for (;;) {
		size_t room;
		uint8_t *p;

		result = recmark_next(&r, &b, &got);
		if (result == 1) {
			assert_int_equal(got, len);
			for (size_t i = 0; i < got; i++)
				assert_int_equal(b->data[i], (uint8_t)i);
			blob_unref(b);
			assert_true(records-- > 0);
			continue;
		}
		if (result < 0 || at == x->len)
			break;
		p = recmark_get_room(&r, &room);
		assert_true(room > 0);
		if (room > step)
			room = step;
		if (room > x->len - at)
			room = x->len - at;
		memcpy(p, x->data + at, room);
		recmark_add(&r, room);
		at += room;
	}
	if (result == 0)
		assert_int_equal(records, 0);
	recmark_done(&r);
	return result;
}

static void test_records(void **state)
{
	static const size_t lens[] = {0, 1, 4, 511, 4096, 40000, 300000};
	static const size_t steps[] = {1, 3, 4, 1000, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct xdr_out x;

		xdr_out_init(&x);
		for (int n = 0; n < 3; n++) {
			uint8_t next = 0;

			put_fragment(&x, lens[i], true, &next);
		}
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
			assert_int_equal(feed(&x, steps[s], 300000, 3, lens[i]),
					 0);
		xdr_out_done(&x);
	}
}

static void test_fragments(void **state)
{
	static const size_t steps[] = {1, 7, 5000, 1 << 20};
	struct xdr_out x;

	(void)state;
	xdr_out_init(&x);
	for (int n = 0; n < 2; n++) {
		uint8_t next = 0;

		put_fragment(&x, 1, false, &next);
		put_fragment(&x, 20000, false, &next);
		for (int i = 0; i < 99; i++)
			put_fragment(&x, 1, false, &next);
		put_fragment(&x, 50000, false, &next);
		put_fragment(&x, 0, true, &next);
	}
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
		assert_int_equal(feed(&x, steps[s], 70100, 2, 70100), 0);
	assert_int_equal(feed(&x, 1 << 20, 70099, 0, 0), -EPROTO);
	xdr_out_done(&x);
}

static void test_hostile_marks(void **state)
{
	static const uint32_t marks[] = {
	    0xffffffff, 0x7fffffff, 0x80000000u + 1001,
	    1001,       0, /* empty, and not the last: no progress */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct xdr_out x;

		xdr_out_init(&x);
		xdr_put_u32(&x, marks[i]);
		assert_int_equal(feed(&x, 4, 1000, 0, 0), -EPROTO);
		xdr_out_done(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_call),
	    cmocka_unit_test(test_auth_bounds),
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_fragments),
	    cmocka_unit_test(test_hostile_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
