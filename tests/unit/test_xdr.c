/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XDR: what is encoded is decoded again, and nothing is read that is not
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nfs/xdr.h"

static void test_there_and_back(void **state)
{
	struct xdr_out out;
	struct xdr_in in;
	size_t len = 99;

	(void)state;
	xdr_out_init(&out);
	xdr_put_u32(&out, 0xfedcba98);
	xdr_put_u64(&out, UINT64_C(0x0123456789abcdef));
	xdr_put_i64(&out, -2);
	xdr_put_fixed(&out, "abcde", 5);
	xdr_put_bytes(&out, "xyz", 3);
	xdr_put_string(&out, "");
	xdr_put_u32(&out, 1);
	assert_int_equal(out.len, 4 + 8 + 8 + 8 + 8 + 4 + 4);
	xdr_patch_u32(&out, 0, 7);

	xdr_in_init(&in, out.data, out.len);
	assert_int_equal(xdr_get_u32(&in), 7);
	assert_int_equal(xdr_get_u64(&in), UINT64_C(0x0123456789abcdef));
	assert_int_equal(xdr_get_i64(&in), -2);
	assert_memory_equal(xdr_get_fixed(&in, 5), "abcde\0\0", 8);
	assert_memory_equal(xdr_get_bytes(&in, 3, &len), "xyz", 4);
	assert_int_equal(len, 3);
	assert_non_null(xdr_get_bytes(&in, 0, &len));
	assert_int_equal(len, 0);
	assert_true(xdr_get_bool(&in));
	assert_int_equal(xdr_left(&in), 0);
	assert_false(in.failed);
	xdr_out_done(&out);
}

static void test_growth(void **state)
{
	struct xdr_out out;

	(void)state;
	xdr_out_init(&out);
	for (uint32_t i = 0; i < 100000; i++)
		xdr_put_u32(&out, i);
	assert_int_equal(out.len, 400000);
	assert_int_equal(out.data[399999], (uint8_t)99999);
	assert_null(xdr_reserve(&out, SIZE_MAX - 4));
	assert_true(out.failed);
	assert_null(xdr_reserve(&out, 4));
	xdr_out_done(&out);
}

/* Any cut of a message fails at the cut, and goes on failing. */
static void test_cut_short(void **state)
{
	static const uint8_t bytes[] = {0,   0,   0,   5, 'h', 'e',
					'l', 'l', 'o', 0, 0,   0};
	struct xdr_in in;
	size_t len;

	(void)state;
	for (size_t cut = 0; cut < sizeof(bytes); cut++) {
		xdr_in_init(&in, bytes, cut);
		assert_null(xdr_get_bytes(&in, 100, &len));
		assert_true(in.failed);
		assert_int_equal(xdr_left(&in), 0);
		assert_int_equal(xdr_get_u32(&in), 0);
		assert_int_equal(xdr_get_u64(&in), 0);
		assert_null(xdr_get_fixed(&in, 0));
	}
	xdr_in_init(&in, bytes, sizeof(bytes));
	assert_non_null(xdr_get_bytes(&in, 5, &len));
}

static void test_hostile_lengths(void **state)
{
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	static const uint8_t nine[] = {0, 0, 0, 9, 1, 2, 3, 4,
				       5, 6, 7, 8, 9, 0, 0, 0};
	struct xdr_in in;
	size_t len = 42;

	(void)state;
	xdr_in_init(&in, huge, sizeof(huge));
	assert_null(xdr_get_bytes(&in, SIZE_MAX, &len));
	xdr_in_init(&in, huge, sizeof(huge));
	assert_null(xdr_get_fixed(&in, SIZE_MAX));
	xdr_in_init(&in, huge, sizeof(huge));
	assert_false(xdr_get_bool(&in));
	assert_true(in.failed);
	/* over the caller's limit, though the bytes are there */
	xdr_in_init(&in, nine, sizeof(nine));
	assert_null(xdr_get_bytes(&in, 8, &len));
	assert_true(in.failed);
	assert_int_equal(len, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_hostile_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
