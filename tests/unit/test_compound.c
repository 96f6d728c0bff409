/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compounds: each operation's bytes against hand-written ones (RFC 5662), and
 * the reading of replies, whole, cut short at every byte, and hostile.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "nfs/compound.h"
#include "nfs/proto.h"

/* --- Encoding ------------------------------------------------------------- */

/* The operations of `c` as hex text equal `want`, spaces left out of it. */
static void assert_hex(const struct compound *c, unsigned ops, const char *want)
{
	char text[4096];
	size_t len = 0;

	assert_false(c->body.failed);
	assert_int_equal(c->ops, ops);
	for (size_t i = COMPOUND_HEADROOM; i < c->body.len; i++)
		len += (size_t)sprintf(text + len, "%02x", c->body.data[i]);
	text[len] = '\0';
	for (const char *t = text; *t || *want; want++) {
		if (*want == ' ')
			continue;
		if (*t != *want)
			print_message("have %s\nwant ..%s\n", text, want);
		assert_int_equal(*t, *want);
		t++;
	}
}

static int setup(void **state)
{
	*state = compound_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	compound_free(*state);
	return 0;
}

static void test_handles(void **state)
{
	struct compound *c = *state;
	struct handle *h = handle_new("abcde", 5);

	compound_putfh(c, h);
	compound_putrootfh(c);
	compound_savefh(c);
	compound_restorefh(c);
	compound_getfh(c);
	compound_lookup(c, "xy");
	assert_hex(c, 6,
		   "00000016 00000005 6162636465000000"
		   "00000018 00000020 0000001f 0000000a"
		   "0000000f 00000002 78790000");
	assert_int_equal(compound_size(c), 44);
	assert_false(c->changes);
	compound_reset(c);
	assert_hex(c, 0, "");
	free(h);
}

static void test_attributes(void **state)
{
	static const struct attr_set set = {.which = ATTR_SET_MODE,
					    .mode = 0644};
	struct compound *c = *state;

	compound_getattr(c, FATTR_ATTR);
	compound_setattr(c, &stateid_current, &set);
	compound_verify_size(c, 7);
	assert_hex(c, 3,
		   "00000009 00000002 0010011a 0030a03a"
		   "00000022 00000001 000000000000000000000000"
		   "00000002 00000000 00000002 00000004 000001a4"
		   "00000025 00000001 00000010 00000008 0000000000000007");
	assert_false(c->changes);
}

static void test_names(void **state)
{
	static const struct attr_set none = {0};
	struct compound *c = *state;

	compound_create(c, ENTRY_SYMLINK, "l", "to", &none);
	assert_hex(c, 1,
		   "00000006 00000005 00000002 746f0000 00000001 6c000000"
		   "00000000 00000000");
	assert_true(c->changes);
	compound_reset(c);
	assert_false(c->changes);
	compound_create(c, ENTRY_FIFO, "f", NULL, &none);
	compound_create(c, ENTRY_SOCKET, "s", NULL, &none);
	compound_create(c, ENTRY_DIRECTORY, "d", NULL, &none);
	assert_hex(c, 3,
		   "00000006 00000007 00000001 66000000 00000000 00000000"
		   "00000006 00000006 00000001 73000000 00000000 00000000"
		   "00000006 00000002 00000001 64000000 00000000 00000000");
	compound_reset(c);
	compound_link(c, "a");
	compound_remove(c, "b");
	compound_rename(c, "c", "d");
	assert_hex(c, 3,
		   "0000000b 00000001 61000000"
		   "0000001c 00000001 62000000"
		   "0000001d 00000001 63000000 00000001 64000000");
	assert_true(c->changes);
}

static void test_listing(void **state)
{
	struct compound *c = *state;

	compound_readdir(c, 3, UINT64_C(0x1122334455667788), 32768);
	compound_readlink(c);
	assert_hex(c, 2,
		   "0000001a 0000000000000003 1122334455667788"
		   "00008000 00008000 00000002 0018091a 0030a03a"
		   "0000001b");
}

/* The open-owner is "efsbridge"; no delegation is wanted (0x400). */
static void test_open(void **state)
{
	struct compound *c = *state;

	compound_open(c, 5, "n", OPEN_GUARDED, OPEN_WRITE);
	assert_true(c->changes);
	assert_hex(c, 1,
		   "00000012 00000000 00000402 00000000"
		   "0000000000000005 00000009 656673627269646765000000"
		   "00000001 00000001"
		   "00000002 00000000 00000002 00000004 00000180"
		   "00000000 00000001 6e000000");
	compound_reset(c);
	compound_open(c, 5, "n", OPEN_UNCHECKED, OPEN_WRITE);
	assert_false(c->changes);
	assert_hex(c, 1,
		   "00000012 00000000 00000402 00000000"
		   "0000000000000005 00000009 656673627269646765000000"
		   "00000001 00000000"
		   "00000002 00000010 00000002 0000000c"
		   "0000000000000000 00000180"
		   "00000000 00000001 6e000000");
	compound_reset(c);
	compound_open(c, 5, "n", OPEN_NAME, OPEN_READ);
	compound_open(c, 5, NULL, OPEN_HANDLE, OPEN_READ);
	assert_hex(c, 2,
		   "00000012 00000000 00000401 00000000"
		   "0000000000000005 00000009 656673627269646765000000"
		   "00000000 00000000 00000001 6e000000"
		   "00000012 00000000 00000401 00000000"
		   "0000000000000005 00000009 656673627269646765000000"
		   "00000000 00000004");
	/* "efsbridge-hold", "efsbridge-read" */
	compound_reset(c);
	compound_open(c, 5, NULL, OPEN_HOLD, OPEN_READ);
	compound_open(c, 5, NULL, OPEN_PASSING, OPEN_READ);
	assert_hex(c, 2,
		   "00000012 00000000 00000401 00000000"
		   "0000000000000005 0000000e 6566736272696467652d686f6c640000"
		   "00000000 00000004"
		   "00000012 00000000 00000401 00000000"
		   "0000000000000005 0000000e 6566736272696467652d726561640000"
		   "00000000 00000004");
}

static void test_data(void **state)
{
	static const struct stateid stateid = {
	    .seqid = 7, .other = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
	struct compound *c = *state;

	compound_read(c, &stateid_anonymous, 4096, 5);
	compound_write(c, &stateid, 1, (const uint8_t *)"xyz", 3, NULL,
		       WRITE_FILE_SYNC);
	compound_commit(c);
	compound_close(c, &stateid);
	assert_int_equal(c->ref_count, 0);
	assert_hex(c, 4,
		   "00000019 00000000 000000000000000000000000"
		   "0000000000001000 00000005"
		   "00000026 00000007 0102030405060708090a0b0c"
		   "0000000000000001 00000002 00000003 78797a00"
		   "00000005 0000000000000000 00000000"
		   "00000004 00000000 00000007 0102030405060708090a0b0c");
}

/* Large data stay where they are; the padding is in the body behind them. */
static void test_data_by_reference(void **state)
{
	struct compound *c = *state;
	struct blob *blob = blob_new(5001);
	size_t before;

	memset(blob->data, 'd', 5001);
	compound_write(c, &stateid_current, 0, blob->data, 5001, blob,
		       WRITE_UNSTABLE);
	assert_int_equal(c->ref_count, 1);
	assert_int_equal(blob->refs, 2);
	assert_ptr_equal(c->refs[0].data, blob->data);
	assert_int_equal(c->refs[0].len, 5001);
	assert_int_equal(c->refs[0].at, c->body.len - 3);
	assert_int_equal(compound_size(c), 4 + 16 + 8 + 4 + 4 + 5001 + 3);
	assert_memory_equal(c->body.data + c->refs[0].at, "\0\0\0", 3);
	compound_reset(c);
	assert_int_equal(blob->refs, 1);

	/* More pieces than there are refs for are copied. */
	for (int i = 0; i < COMPOUND_REFS_MAX; i++)
		compound_write(c, &stateid_current, 0, blob->data, 2048, blob,
			       WRITE_UNSTABLE);
	before = compound_size(c);
	compound_write(c, &stateid_current, 0, blob->data, 2048, blob,
		       WRITE_UNSTABLE);
	assert_int_equal(c->ref_count, COMPOUND_REFS_MAX);
	assert_int_equal(compound_size(c), before + 36 + 2048);
	compound_reset(c);
	assert_int_equal(blob->refs, 1);
	blob_unref(blob);
}

/* --- Replies -------------------------------------------------------------- */

static void put_result(struct xdr_out *x, uint32_t op, uint32_t status)
{
	xdr_put_u32(x, op);
	xdr_put_u32(x, status);
}

static void put_stateid(struct xdr_out *x, uint8_t fill)
{
	uint8_t other[12];

	memset(other, fill, sizeof(other));
	xdr_put_u32(x, 1);
	xdr_put_fixed(x, other, sizeof(other));
}

static void put_change_info(struct xdr_out *x)
{
	xdr_put_u32(x, 1);
	xdr_put_u64(x, 1);
	xdr_put_u64(x, 2);
}

static void put_size_attr(struct xdr_out *x, uint64_t size)
{
	xdr_put_u32(x, 1);
	xdr_put_u32(x, 1u << FATTR4_SIZE);
	xdr_put_u32(x, 8);
	xdr_put_u64(x, size);
}

static void put_handle_attr(struct xdr_out *x, const char *handle)
{
	uint32_t len = (uint32_t)strlen(handle);

	xdr_put_u32(x, 1);
	xdr_put_u32(x, 1u << FATTR4_FILEHANDLE);
	xdr_put_u32(x, 4 + (len + 3) / 4 * 4);
	xdr_put_string(x, handle);
}

static void put_entry(struct xdr_out *x, uint64_t cookie, const char *name,
		      size_t len)
{
	xdr_put_u32(x, 1);
	xdr_put_u64(x, cookie);
	xdr_put_bytes(x, name, len);
	put_handle_attr(x, "fh");
}

/* Reads `len` bytes of `x` as a reply of `ops` results. */
static struct reply reply_of(const struct xdr_out *x, size_t len, unsigned ops)
{
	struct reply r = {.left = ops};

	xdr_in_init(&r.in, x->data, len);
	return r;
}

/* One result of every operation that is read anywhere. */
#define ALL_OPS 22

static void put_all(struct xdr_out *x)
{
	xdr_out_init(x);
	put_result(x, OP_PUTROOTFH, 0);
	put_result(x, OP_PUTFH, 0);
	put_result(x, OP_SAVEFH, 0);
	put_result(x, OP_RESTOREFH, 0);
	put_result(x, OP_LOOKUP, 0);
	put_result(x, OP_GETFH, 0);
	xdr_put_string(x, "abc");
	put_result(x, OP_GETATTR, 0);
	put_handle_attr(x, "fh");
	put_result(x, OP_SETATTR, 0);
	xdr_put_u32(x, 1);
	xdr_put_u32(x, 16);
	put_result(x, OP_OPEN, 0);
	put_stateid(x, 9);
	put_change_info(x);
	xdr_put_u32(x, 4);
	xdr_put_u32(x, 0);
	xdr_put_u32(x, OPEN_DELEGATE_NONE_EXT);
	xdr_put_u32(x, WND4_RESOURCE);
	xdr_put_u32(x, 0);
	put_result(x, OP_READ, 0);
	xdr_put_u32(x, 1);
	xdr_put_bytes(x, "hello", 5);
	put_result(x, OP_WRITE, 0);
	xdr_put_u32(x, 5);
	xdr_put_u32(x, FILE_SYNC4);
	xdr_put_u64(x, 42);
	put_result(x, OP_COMMIT, 0);
	xdr_put_u64(x, 43);
	put_result(x, OP_CLOSE, 0);
	put_stateid(x, 9);
	put_result(x, OP_VERIFY, 0);
	put_result(x, OP_CREATE, 0);
	put_change_info(x);
	xdr_put_u32(x, 0);
	put_result(x, OP_LINK, 0);
	put_change_info(x);
	put_result(x, OP_REMOVE, 0);
	put_change_info(x);
	put_result(x, OP_RENAME, 0);
	put_change_info(x);
	put_change_info(x);
	put_result(x, OP_READLINK, 0);
	xdr_put_string(x, "target");
	put_result(x, OP_GETATTR, 0);
	put_size_attr(x, 3);
	put_result(x, OP_GETATTR, 0);
	put_size_attr(x, 3);
	put_result(x, OP_READDIR, 0);
	xdr_put_u64(x, 44);
	put_entry(x, 1, "one", 3);
	put_entry(x, 2, "two", 3);
	xdr_put_u32(x, 0);
	xdr_put_u32(x, 1);
}

/* Reads a READDIR; how many entries there were, or an error. */
static int read_listing(struct reply *r, bool *ret_eof)
{
	uint64_t verifier;
	struct dirent4 d;
	int error = reply_readdir(r, &verifier);
	int count = 0;

	if (error)
		return error;
	while ((error = reply_dirent(r, &d, ret_eof)) > 0) {
		free(d.name);
		free(d.handle);
		count++;
	}
	return error ? error : count;
}

/* Reads all that put_all() put; the first error. */
static int read_all(struct reply *r)
{
	struct handle *handle = NULL, *second = NULL;
	struct server_limits limits;
	struct server_space space;
	struct stateid stateid;
	const uint8_t *data;
	char *target = NULL;
	uint64_t verifier;
	struct attr attr;
	uint32_t count;
	bool flag;
	size_t len;
	int error;

#define STEP(call)                \
	do {                      \
		error = (call);   \
		if (error)        \
			goto out; \
	} while (0)
	STEP(reply_putrootfh(r));
	STEP(reply_putfh(r));
	STEP(reply_savefh(r));
	STEP(reply_restorefh(r));
	STEP(reply_lookup(r));
	STEP(reply_getfh(r, &handle));
	STEP(reply_getattr(r, &attr, &second));
	STEP(reply_setattr(r));
	STEP(reply_open(r, &stateid));
	STEP(reply_read(r, &data, &len, &flag));
	assert_int_equal(len, 5);
	assert_memory_equal(data, "hello", 5);
	assert_true(flag);
	STEP(reply_write(r, &count, &flag, &verifier));
	assert_int_equal(count, 5);
	assert_true(flag);
	assert_int_equal(verifier, 42);
	STEP(reply_commit(r, &verifier));
	assert_int_equal(verifier, 43);
	STEP(reply_close(r));
	STEP(reply_verify(r));
	STEP(reply_create(r));
	STEP(reply_link(r));
	STEP(reply_remove(r));
	STEP(reply_rename(r));
	STEP(reply_readlink(r, &target));
	assert_string_equal(target, "target");
	STEP(reply_limits(r, &limits));
	STEP(reply_space(r, &space));
	error = read_listing(r, &flag);
	if (error >= 0) {
		assert_int_equal(error, 2);
		assert_true(flag);
		error = 0;
	}
#undef STEP
out:
	free(handle);
	free(second);
	free(target);
	return error;
}

static void test_replies(void **state)
{
	struct xdr_out x;
	struct reply r;

	(void)state;
	put_all(&x);
	r = reply_of(&x, x.len, ALL_OPS);
	assert_int_equal(read_all(&r), 0);
	assert_false(reply_has_next(&r));
	assert_int_equal(xdr_left(&r.in), 0);
	assert_int_equal(reply_putfh(&r), -ENODATA);
	xdr_out_done(&x);
}

/* The bytes lie in a block of their own size, so that a sanitizer sees a read
 * behind them. */
static void test_replies_cut_short(void **state)
{
	struct xdr_out x;

	(void)state;
	put_all(&x);
	for (size_t len = 0; len < x.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct reply r = {.left = ALL_OPS};

		memcpy(copy, x.data, len);
		xdr_in_init(&r.in, copy, len);
		assert_int_equal(read_all(&r), -EPROTO);
		assert_false(reply_has_next(&r));
		assert_int_equal(reply_putfh(&r), -EPROTO);
		free(copy);
	}
	xdr_out_done(&x);
}

/* Fewer results than operations, and no error: not executed. */
static void test_fewer_results(void **state)
{
	struct xdr_out x;

	(void)state;
	put_all(&x);
	for (unsigned ops = 0; ops < ALL_OPS; ops++) {
		struct reply r = reply_of(&x, x.len, ops);

		assert_int_equal(read_all(&r), -ENODATA);
	}
	xdr_out_done(&x);
}

static void test_failed_operation(void **state)
{
	struct xdr_out x;
	struct reply r;

	(void)state;
	xdr_out_init(&x);
	put_result(&x, OP_PUTFH, 0);
	put_result(&x, OP_SETATTR, NFS4ERR_PERM);
	xdr_put_u32(&x, 0); /* attrsset, also after an error */
	/* A server that lies about going on is not believed. */
	r = reply_of(&x, x.len, 3);
	assert_int_equal(reply_putfh(&r), 0);
	assert_int_equal(reply_setattr(&r), -EPERM);
	assert_int_equal(r.failed_status, NFS4ERR_PERM);
	assert_false(reply_refused_stateid(&r));
	assert_int_equal(xdr_left(&r.in), 0);
	assert_false(reply_has_next(&r));
	assert_int_equal(reply_close(&r), -ENODATA);
	xdr_out_done(&x);

	xdr_out_init(&x);
	put_result(&x, OP_READ, NFS4ERR_OPENMODE);
	r = reply_of(&x, x.len, 1);
	assert_true(reply_close(&r) == -EPROTO); /* another operation */
	r = reply_of(&x, x.len, 1);
	assert_true(reply_read(&r, &(const uint8_t *){NULL}, &(size_t){0},
			       &(bool){false}) < 0);
	assert_true(reply_refused_stateid(&r));
	xdr_out_done(&x);

	/* An operation that the server never heard of (RFC 8881 15.1.3.4). */
	xdr_out_init(&x);
	put_result(&x, OP_ILLEGAL, NFS4ERR_OP_ILLEGAL);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_verify(&r), -EOPNOTSUPP);
	xdr_out_done(&x);
	xdr_out_init(&x);
	put_result(&x, OP_ILLEGAL, 0);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_verify(&r), -EPROTO);
	xdr_out_done(&x);
}

/* Delegations are not asked for, but read over when given. */
static void test_delegations(void **state)
{
	static const struct {
		uint32_t type;
		uint32_t limit_by;
		int want;
	} cases[] = {
	    {OPEN_DELEGATE_NONE, 0, 0},
	    {OPEN_DELEGATE_READ, 0, 0},
	    {OPEN_DELEGATE_WRITE, NFS_LIMIT_SIZE, 0},
	    {OPEN_DELEGATE_WRITE, NFS_LIMIT_BLOCKS, 0},
	    {OPEN_DELEGATE_WRITE, 3, -EPROTO},
	    {OPEN_DELEGATE_NONE_EXT, 0, 0},
	    {9, 0, -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stateid stateid;
		struct xdr_out x;
		struct reply r;

		xdr_out_init(&x);
		put_result(&x, OP_OPEN, 0);
		put_stateid(&x, 1);
		put_change_info(&x);
		xdr_put_u64(&x, 0); /* rflags, attrset */
		xdr_put_u32(&x, cases[i].type);
		if (cases[i].type == OPEN_DELEGATE_READ ||
		    cases[i].type == OPEN_DELEGATE_WRITE) {
			put_stateid(&x, 2);
			xdr_put_u32(&x, 0);
		}
		if (cases[i].type == OPEN_DELEGATE_WRITE) {
			xdr_put_u32(&x, cases[i].limit_by);
			xdr_put_u64(&x, 1);
		}
		if (cases[i].type == OPEN_DELEGATE_READ ||
		    cases[i].type == OPEN_DELEGATE_WRITE) {
			xdr_put_u64(&x, 0);
			xdr_put_u32(&x, 0);
			xdr_put_string(&x, "OWNER@");
		}
		if (cases[i].type == OPEN_DELEGATE_NONE_EXT)
			xdr_put_u32(&x, WND4_NOT_WANTED);
		put_result(&x, OP_PUTFH, 0);
		r = reply_of(&x, x.len, 2);
		assert_int_equal(reply_open(&r, &stateid), cases[i].want);
		assert_int_equal(reply_putfh(&r), cases[i].want);
		xdr_out_done(&x);
	}
}

static void test_bad_names(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} names[] = {
	    {"", 0}, {".", 1}, {"..", 2}, {"a/b", 3}, {"/", 1}, {"a\0b", 3},
	};
	static const char good[][4] = {"...", "..x", ".x", " ", "\n", "\xff"};
	char longest[256];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < ARRAY_SIZE(names) + ARRAY_SIZE(good) + 2; i++) {
		size_t g = i - ARRAY_SIZE(names);
		struct xdr_out x;
		struct reply r;
		int want = -EPROTO;
		bool eof;

		xdr_out_init(&x);
		put_result(&x, OP_READDIR, 0);
		xdr_put_u64(&x, 0);
		if (i < ARRAY_SIZE(names)) {
			put_entry(&x, 3, names[i].name, names[i].len);
		} else if (g < ARRAY_SIZE(good)) {
			put_entry(&x, 3, good[g], strlen(good[g]));
			want = 1;
		} else {
			bool fits = g == ARRAY_SIZE(good);

			put_entry(&x, 3, longest, fits ? 255 : 256);
			want = fits ? 1 : -EPROTO;
		}
		xdr_put_u64(&x, 1);
		r = reply_of(&x, x.len, 1);
		assert_int_equal(read_listing(&r, &eof), want);
		xdr_out_done(&x);
	}
}

/* An entry whose attributes could not be read is an entry all the same. */
static void test_entry_error(void **state)
{
	struct xdr_out x;
	struct dirent4 d;
	struct reply r;
	uint64_t verifier;
	bool eof = true;

	(void)state;
	xdr_out_init(&x);
	put_result(&x, OP_READDIR, 0);
	xdr_put_u64(&x, 5);
	xdr_put_u32(&x, 1);
	xdr_put_u64(&x, 8);
	xdr_put_string(&x, "locked");
	xdr_put_u32(&x, 1);
	xdr_put_u32(&x, 1u << FATTR4_RDATTR_ERROR);
	xdr_put_u32(&x, 4);
	xdr_put_u32(&x, NFS4ERR_ACCESS);
	xdr_put_u64(&x, 0);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_readdir(&r, &verifier), 0);
	assert_int_equal(reply_dirent(&r, &d, &eof), 1);
	assert_string_equal(d.name, "locked");
	assert_int_equal(d.cookie, 8);
	assert_int_equal(d.attr_result, -EACCES);
	assert_null(d.handle);
	free(d.name);
	assert_int_equal(reply_dirent(&r, &d, &eof), 0);
	assert_false(eof);
	xdr_out_done(&x);
}

static void test_bad_values(void **state)
{
	const uint8_t *data;
	struct xdr_out x;
	struct reply r;
	uint64_t verifier;
	uint32_t count;
	char *target;
	bool flag;
	size_t len;

	(void)state;
	/* A symlink's target with a NUL in it. */
	xdr_out_init(&x);
	put_result(&x, OP_READLINK, 0);
	xdr_put_bytes(&x, "a\0b", 3);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_readlink(&r, &target), -EPROTO);
	/* READ: a boolean that is none, and a length beyond the record. */
	x.len = 0;
	put_result(&x, OP_READ, 0);
	xdr_put_u32(&x, 2);
	xdr_put_bytes(&x, "abcd", 4);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_read(&r, &data, &len, &flag), -EPROTO);
	x.len = 0;
	put_result(&x, OP_READ, 0);
	xdr_put_u32(&x, 0);
	xdr_put_u32(&x, UINT32_MAX);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_read(&r, &data, &len, &flag), -EPROTO);
	/* WRITE: a stability that does not exist. */
	x.len = 0;
	put_result(&x, OP_WRITE, 0);
	xdr_put_u64(&x, 3);
	xdr_put_u64(&x, 0);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_write(&r, &count, &flag, &verifier), -EPROTO);
	/* GETFH: no handle at all. */
	x.len = 0;
	put_result(&x, OP_GETFH, 0);
	xdr_put_u32(&x, 0);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(reply_getfh(&r, &(struct handle *){NULL}), -EPROTO);
	/* GETATTR: the handle asked for is not there. */
	x.len = 0;
	put_result(&x, OP_GETATTR, 0);
	put_size_attr(&x, 1);
	r = reply_of(&x, x.len, 1);
	assert_int_equal(
	    reply_getattr(&r, &(struct attr){0}, &(struct handle *){NULL}),
	    -EPROTO);
	xdr_out_done(&x);
}

#define WITH_COMPOUND(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WITH_COMPOUND(test_handles),
	    WITH_COMPOUND(test_attributes),
	    WITH_COMPOUND(test_names),
	    WITH_COMPOUND(test_listing),
	    WITH_COMPOUND(test_open),
	    WITH_COMPOUND(test_data),
	    WITH_COMPOUND(test_data_by_reference),
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_replies_cut_short),
	    cmocka_unit_test(test_fewer_results),
	    cmocka_unit_test(test_failed_operation),
	    cmocka_unit_test(test_delegations),
	    cmocka_unit_test(test_bad_names),
	    cmocka_unit_test(test_entry_error),
	    cmocka_unit_test(test_bad_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
