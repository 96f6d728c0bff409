/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes on the wire: what is asked for, what is set, and what is made of
 * answers, good ones, poor ones and hostile ones.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "nfs/fattr.h"
#include "nfs/proto.h"

static void assert_bytes(const struct xdr_out *x, const uint8_t *want,
			 size_t len)
{
	assert_false(x->failed);
	assert_int_equal(x->len, len);
	assert_memory_equal(x->data, want, len);
}

static void test_request(void **state)
{
	/* type change size fsid fileid; mode numlinks owner owner_group
	 * space_used time_access time_metadata time_modify */
	static const uint8_t plain[] = {0, 0,    0,    2,    0x00, 0x10,
					1, 0x1a, 0x00, 0x30, 0xa0, 0x3a};
	/* the same, with rdattr_error and filehandle */
	static const uint8_t listing[] = {0, 0,    0,    2,    0x00, 0x18,
					  9, 0x1a, 0x00, 0x30, 0xa0, 0x3a};
	/* lease_time maxlink maxname maxread maxwrite: one word */
	static const uint8_t limits[] = {0, 0, 0, 1, 0xf0, 0, 4, 0};
	struct xdr_out x;

	(void)state;
	xdr_out_init(&x);
	fattr_put_request(&x, FATTR_ATTR, false);
	assert_bytes(&x, plain, sizeof(plain));
	x.len = 0;
	fattr_put_request(&x, FATTR_ATTR_AND_HANDLE, true);
	assert_bytes(&x, listing, sizeof(listing));
	x.len = 0;
	fattr_put_request(&x, FATTR_LIMITS, false);
	assert_bytes(&x, limits, sizeof(limits));
	xdr_out_done(&x);
}

static void test_set(void **state)
{
	static const uint8_t nothing[] = {0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t size_only[] = {0, 0, 0, 1, 0, 0, 0, 0x10, 0, 0,
					    0, 8, 0, 0, 0, 1, 0, 0,    0, 2};
	static const uint8_t all[] = {
	    0,    0,    0,    2,    0,    0,    0,    0,    /* no size */
	    0,    0x41, 0,    0x32,                         /* the rest */
	    0,    0,    0,    52,                           /* bytes */
	    0,    0,    0x0d, 0xed,                         /* 06755 */
	    0,    0,    0,    4,    '1',  '0',  '0',  '0',  /* owner */
	    0,    0,    0,    1,    '0',  0,    0,    0,    /* group */
	    0,    0,    0,    1,    0xff, 0xff, 0xff, 0xff, /* -1 s .. */
	    0xff, 0xff, 0xff, 0xff, 0x3b, 0x9a, 0xc9, 0xff, /* 999999999 */
	    0,    0,    0,    1,    0,    0,    0,    0,
	    0,    0,    0,    2,    0,    0,    0,    5,
	};
	struct attr_set set = {0};
	struct xdr_out x;

	(void)state;
	xdr_out_init(&x);
	fattr_put_set(&x, &set);
	assert_bytes(&x, nothing, sizeof(nothing));
	x.len = 0;
	set = (struct attr_set){.which = ATTR_SET_SIZE,
				.size = UINT64_C(0x100000002)};
	fattr_put_set(&x, &set);
	assert_bytes(&x, size_only, sizeof(size_only));
	x.len = 0;
	set = (struct attr_set){
	    .which = ATTR_SET_MODE | ATTR_SET_OWNER | ATTR_SET_TIMES,
	    .mode = 0106755, /* the type is left out */
	    .uid = 1000,
	    .gid = 0,
	    .atime_ns = -1,
	    .mtime_ns = 2 * NS_PER_S + 5,
	};
	fattr_put_set(&x, &set);
	assert_bytes(&x, all, sizeof(all));
	xdr_out_done(&x);
}

static void test_owner(void **state)
{
	static const struct {
		const char *text;
		uint32_t id;
	} cases[] = {
	    {"0", 0},
	    {"1000", 1000},
	    {"4294967295", UINT32_MAX},
	    {"4294967296", FATTR_NOBODY},
	    {"99999999999", FATTR_NOBODY},
	    {"", FATTR_NOBODY},
	    {"root", FATTR_NOBODY},
	    {"nobody@example.com", FATTR_NOBODY},
	    {"10 ", FATTR_NOBODY},
	    {"-1", FATTR_NOBODY},
	    {"0x10", FATTR_NOBODY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
		    fattr_parse_owner((const uint8_t *)cases[i].text,
				      strlen(cases[i].text)),
		    cases[i].id);
}

/* A fattr4 with these two words of bitmap; its values follow by hand, and
 * end() sets their length. */
struct answer {
	struct xdr_out x;
	size_t length_at;
};

static void answer_begin(struct answer *a, uint32_t word0, uint32_t word1)
{
	xdr_out_init(&a->x);
	xdr_put_u32(&a->x, 2);
	xdr_put_u32(&a->x, word0);
	xdr_put_u32(&a->x, word1);
	a->length_at = a->x.len;
	xdr_put_u32(&a->x, 0);
}

static void answer_end(struct answer *a)
{
	xdr_patch_u32(&a->x, a->length_at,
		      (uint32_t)(a->x.len - a->length_at - 4));
}

static bool answer_read(const struct answer *a, size_t len, struct fattr *ret)
{
	struct xdr_in in;

	xdr_in_init(&in, a->x.data, len);
	return fattr_get(&in, ret) && xdr_left(&in) == 0;
}

static void put_time(struct xdr_out *x, int64_t s, uint32_t ns)
{
	xdr_put_i64(x, s);
	xdr_put_u32(x, ns);
}

/* All that struct attr holds, with error and handle. */
static void full_answer(struct answer *a)
{
	struct xdr_out *x = &a->x;

	answer_begin(a, 0x0018091a, 0x0030a03a);
	xdr_put_u32(x, NF4REG);
	xdr_put_u64(x, 77);   /* change */
	xdr_put_u64(x, 4096); /* size */
	xdr_put_u64(x, 3);    /* fsid */
	xdr_put_u64(x, 4);
	xdr_put_u32(x, 0); /* rdattr_error */
	xdr_put_bytes(x, "handle", 6);
	xdr_put_u64(x, 99);    /* fileid */
	xdr_put_u32(x, 04755); /* mode */
	xdr_put_u32(x, 2);     /* numlinks */
	xdr_put_string(x, "1001");
	xdr_put_string(x, "staff@example.com");
	xdr_put_u64(x, 8192); /* space_used */
	put_time(x, 10, 1);
	put_time(x, -1, 999999999);
	put_time(x, 12, 4000000000u); /* beyond a second */
	answer_end(a);
}

static void test_full(void **state)
{
	struct answer a;
	struct fattr f;

	(void)state;
	full_answer(&a);
	assert_true(answer_read(&a, a.x.len, &f));
	assert_int_equal(f.attr.type, ENTRY_FILE);
	assert_int_equal(f.attr.change, 77);
	assert_int_equal(f.attr.size, 4096);
	assert_int_equal(f.attr.fsid_major, 3);
	assert_int_equal(f.attr.fsid_minor, 4);
	assert_int_equal(f.error, 0);
	assert_int_equal(f.handle_len, 6);
	assert_memory_equal(f.handle, "handle", 6);
	assert_int_equal(f.attr.fileid, 99);
	assert_int_equal(f.attr.mode, 04755);
	assert_int_equal(f.attr.nlink, 2);
	assert_int_equal(f.attr.uid, 1001);
	assert_int_equal(f.attr.gid, FATTR_NOBODY);
	assert_int_equal(f.attr.space_used, 8192);
	assert_int_equal(f.attr.atime_ns, 10 * NS_PER_S + 1);
	assert_int_equal(f.attr.ctime_ns, -1);
	assert_int_equal(f.attr.mtime_ns, 12 * NS_PER_S + 999999999);
	xdr_out_done(&a.x);
}

static void test_truncated(void **state)
{
	struct answer a;
	struct fattr f;

	(void)state;
	full_answer(&a);
	for (size_t len = 0; len < a.x.len; len++)
		assert_false(answer_read(&a, len, &f));
	xdr_out_done(&a.x);
}

/* A server that supports only what it must. */
static void test_defaults(void **state)
{
	struct answer a;
	struct fattr f;

	(void)state;
	answer_begin(&a, 1u << FATTR4_TYPE | 1u << FATTR4_SIZE,
		     1u << (FATTR4_TIME_MODIFY - 32));
	xdr_put_u32(&a.x, NF4DIR);
	xdr_put_u64(&a.x, 5);
	put_time(&a.x, 7, 0);
	answer_end(&a);
	assert_true(answer_read(&a, a.x.len, &f));
	assert_int_equal(f.attr.type, ENTRY_DIRECTORY);
	assert_int_equal(f.attr.mode, 0700);
	assert_int_equal(f.attr.nlink, 1);
	assert_int_equal(f.attr.uid, FATTR_NOBODY);
	assert_int_equal(f.attr.gid, FATTR_NOBODY);
	assert_int_equal(f.attr.space_used, 5);
	assert_int_equal(f.attr.mtime_ns, 7 * NS_PER_S);
	assert_int_equal(f.attr.ctime_ns, 7 * NS_PER_S);
	assert_int_equal(f.attr.atime_ns, 7 * NS_PER_S);
	assert_int_equal(f.attr.change, 7 * NS_PER_S);
	assert_null(f.handle);
	xdr_out_done(&a.x);
}

static void test_entry_error(void **state)
{
	struct answer a;
	struct fattr f;

	(void)state;
	answer_begin(&a, 1u << FATTR4_RDATTR_ERROR, 0);
	xdr_put_u32(&a.x, NFS4ERR_ACCESS);
	answer_end(&a);
	assert_true(answer_read(&a, a.x.len, &f));
	assert_int_equal(f.error, -EACCES);
	xdr_out_done(&a.x);
}

static void test_types(void **state)
{
	static const enum entry_type want[] = {
	    ENTRY_NONE, ENTRY_FILE,    ENTRY_DIRECTORY, ENTRY_BLOCK,
	    ENTRY_CHAR, ENTRY_SYMLINK, ENTRY_SOCKET,    ENTRY_FIFO,
	    ENTRY_NONE, ENTRY_NONE,    ENTRY_NONE,
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct answer a;
		struct fattr f;

		answer_begin(&a, 1u << FATTR4_TYPE, 0);
		xdr_put_u32(&a.x, i);
		answer_end(&a);
		assert_true(answer_read(&a, a.x.len, &f));
		assert_int_equal(f.attr.type, want[i]);
		xdr_out_done(&a.x);
	}
}

/* The type may stand in the mode; what is no mode is not taken for one. */
static void test_modes(void **state)
{
	static const struct {
		uint32_t wire;
		bool taken;
	} cases[] = {
	    {01750, true},    {0101750, true},     {0177777, true},
	    {0200000, false}, {UINT32_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer a;
		struct fattr f;

		answer_begin(&a, 0, 1u << (FATTR4_MODE - 32));
		xdr_put_u32(&a.x, cases[i].wire);
		answer_end(&a);
		assert_int_equal(answer_read(&a, a.x.len, &f), cases[i].taken);
		if (cases[i].taken)
			assert_int_equal(f.attr.mode, cases[i].wire & 07777);
		xdr_out_done(&a.x);
	}
}

/* Answers that cannot be decoded: unknown attributes, bytes too many, empty
 * or oversized handles, a bitmap without end. */
static void test_hostile(void **state)
{
	struct answer a;
	struct fattr f;
	uint8_t handle[NFS4_FHSIZE + 4] = {0};

	(void)state;
	answer_begin(&a, 1u << FATTR4_ACL, 0);
	xdr_put_u32(&a.x, 0);
	answer_end(&a);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);

	answer_begin(&a, 1u << FATTR4_TYPE, 0);
	xdr_put_u64(&a.x, NF4REG);
	answer_end(&a);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);

	answer_begin(&a, 1u << FATTR4_FILEHANDLE, 0);
	xdr_put_bytes(&a.x, handle, sizeof(handle));
	answer_end(&a);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);

	answer_begin(&a, 1u << FATTR4_FILEHANDLE, 0);
	xdr_put_bytes(&a.x, handle, 0);
	answer_end(&a);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);

	xdr_out_init(&a.x);
	xdr_put_u32(&a.x, UINT32_MAX);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);

	/* A bit in the third word, which nobody asked for. */
	xdr_out_init(&a.x);
	xdr_put_u32(&a.x, 3);
	xdr_put_u64(&a.x, 0);
	xdr_put_u32(&a.x, 1);
	xdr_put_bytes(&a.x, "abcd", 4);
	assert_false(answer_read(&a, a.x.len, &f));
	xdr_out_done(&a.x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request),     cmocka_unit_test(test_set),
	    cmocka_unit_test(test_owner),       cmocka_unit_test(test_full),
	    cmocka_unit_test(test_truncated),   cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_entry_error), cmocka_unit_test(test_types),
	    cmocka_unit_test(test_modes),       cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
