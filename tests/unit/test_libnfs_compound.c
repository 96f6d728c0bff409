/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NFSv4.0 compounds for libnfs: what is asked, and what is made of answers
 * that a server made up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "volume/libnfs_compound.h"
#include "volume/libnfs_shim.h"
#include "volume/libnfs_zdr.h"

/* An answer of up to four results. */
struct answer {
	struct COMPOUND4res res;
	nfs_resop4 results[4];
};

static nfs_resop4 *answer_add(struct answer *a, nfs_opnum4 op, nfsstat4 status)
{
	nfs_resop4 *r = &a->results[a->res.resarray.resarray_len++];

	a->res.resarray.resarray_val = a->results;
	a->res.status = status;
	r->resop = op;
	r->nfs_resop4_u.opputfh.status = status;
	return r;
}

/* Attributes as they are on the wire: type FIFO, size 7. */
static uint32_t type_and_size[] = {1u << FATTR4_TYPE | 1u << FATTR4_SIZE};
static char fifo_of_7[] = {0, 0, 0, NF4FIFO, 0, 0, 0, 0, 0, 0, 0, 7};

/* The same with a handle of 3 bytes behind. */
static uint32_t with_handle[] = {1u << FATTR4_TYPE | 1u << FATTR4_SIZE |
				 1u << FATTR4_FILEHANDLE};
static char fifo_and_handle[] = {0, 0, 0, NF4FIFO, 0, 0, 0,   0,   0,   0,
				 0, 7, 0, 0,       0, 3, 'a', 'b', 'c', 0};

static void set_attr(fattr4 *to, uint32_t *bits, u_int words, char *bytes,
		     u_int len)
{
	to->attrmask.bitmap4_val = bits;
	to->attrmask.bitmap4_len = words;
	to->attr_vals.attrlist4_val = bytes;
	to->attr_vals.attrlist4_len = len;
}

static fattr4 *attr_of(nfs_resop4 *r)
{
	return &r->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes;
}

/* --- Requests ---------------------------------------------------------------
 */

static void test_request(void **state)
{
	struct handle *h = handle_new("handle", 6);
	struct ln_compound c;
	nfs_argop4 *op = c.ops;
	uint64_t verifier = 0x0102030405060708;

	(void)state;
	ln_compound_init(&c);
	ln_compound_putfh(&c, h);
	ln_compound_lookup(&c, "name");
	ln_compound_getattr(&c, FATTR_ATTR);
	ln_compound_readdir(&c, 77, verifier, 8192);
	assert_int_equal(c.args.argarray.argarray_len, 4);
	assert_ptr_equal(c.args.argarray.argarray_val, c.ops);
	assert_int_equal(c.args.minorversion, 0);
	assert_int_equal(op[0].argop, OP_PUTFH);
	assert_int_equal(op[0].nfs_argop4_u.opputfh.object.nfs_fh4_len, 6);
	assert_int_equal(op[1].argop, OP_LOOKUP);
	assert_int_equal(op[1].nfs_argop4_u.oplookup.objname.utf8string_len, 4);
	assert_int_equal(op[2].argop, OP_GETATTR);
	assert_int_equal(op[2].nfs_argop4_u.opgetattr.attr_request.bitmap4_len,
			 2);
	assert_int_equal(
	    op[2].nfs_argop4_u.opgetattr.attr_request.bitmap4_val[0],
	    0x0010011a);
	assert_int_equal(op[3].argop, OP_READDIR);
	assert_int_equal(op[3].nfs_argop4_u.opreaddir.cookie, 77);
	assert_memory_equal(op[3].nfs_argop4_u.opreaddir.cookieverf, &verifier,
			    8);
	assert_int_equal(op[3].nfs_argop4_u.opreaddir.maxcount, 8192);
	/* rdattr_error and filehandle, too */
	assert_int_equal(
	    op[3].nfs_argop4_u.opreaddir.attr_request.bitmap4_val[0],
	    0x0018091a);

	ln_compound_init(&c);
	ln_compound_putrootfh(&c);
	ln_compound_readlink(&c);
	ln_compound_read(&c, UINT64_C(1) << 40, 4096);
	assert_int_equal(op[0].argop, OP_PUTROOTFH);
	assert_int_equal(op[1].argop, OP_READLINK);
	assert_int_equal(op[2].nfs_argop4_u.opread.offset, UINT64_C(1) << 40);
	assert_int_equal(op[2].nfs_argop4_u.opread.count, 4096);
	assert_int_equal(op[2].nfs_argop4_u.opread.stateid.seqid, 0);
	free(h);
}

/* --- Whether there is a result
 * ------------------------------------------------ */

static void test_failures(void **state)
{
	struct answer a = {0};
	struct ln_reply r;

	(void)state;
	answer_add(&a, OP_PUTFH, NFS4_OK);
	answer_add(&a, OP_LOOKUP, NFS4ERR_NOENT);
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_putfh(&r), 0);
	assert_int_equal(ln_reply_lookup(&r), -ENOENT);
	assert_int_equal(r.failed_status, NFS4ERR_NOENT);
	assert_int_equal(ln_reply_lookup(&r), -ENODATA);

	/* Another operation than the one asked for. */
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_putrootfh(&r), -EPROTO);

	/* A compound that was refused as a whole. */
	a = (struct answer){.res.status = NFS4ERR_MINOR_VERS_MISMATCH};
	ln_reply_init(&r, &a.res);
	assert_true(ln_reply_putfh(&r) < 0);
	assert_int_equal(r.failed_status, NFS4ERR_MINOR_VERS_MISMATCH);

	/* No result, and no reason. */
	a = (struct answer){0};
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_putfh(&r), -ENODATA);

	/* An operation the server never heard of; it cannot succeed. */
	a = (struct answer){0};
	answer_add(&a, OP_ILLEGAL, NFS4ERR_OP_ILLEGAL);
	ln_reply_init(&r, &a.res);
	assert_true(ln_reply_putfh(&r) < 0);
	a = (struct answer){0};
	answer_add(&a, OP_ILLEGAL, NFS4_OK);
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_putfh(&r), -EPROTO);

	/* A status that nobody knows is no success. */
	a = (struct answer){0};
	answer_add(&a, OP_PUTFH, (nfsstat4)4711);
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_putfh(&r), -EIO);

	a = (struct answer){0};
	answer_add(&a, OP_READDIR, NFS4ERR_NOT_SAME);
	ln_reply_init(&r, &a.res);
	assert_true(ln_reply_readdir(&r, NULL, NULL, NULL) < 0);
	assert_true(ln_reply_is_not_same(&r));
}

/* --- Attributes
 * ----------------------------------------------------------------- */

static int getattr(uint32_t *bits, u_int words, char *bytes, u_int len,
		   struct attr *ret, struct handle **ret_handle)
{
	struct answer a = {0};
	struct ln_reply r;

	set_attr(attr_of(answer_add(&a, OP_GETATTR, NFS4_OK)), bits, words,
		 bytes, len);
	ln_reply_init(&r, &a.res);
	return ln_reply_getattr(&r, ret, ret_handle);
}

static void test_attributes(void **state)
{
	static uint32_t unknown[] = {1u << 31, 1u << 31, 1u << 31};
	static uint32_t many[64];
	struct handle *h = NULL;
	struct attr attr;

	(void)state;
	assert_int_equal(getattr(type_and_size, 1, fifo_of_7, 12, &attr, NULL),
			 0);
	assert_int_equal(attr.type, ENTRY_FIFO);
	assert_int_equal(attr.size, 7);
	assert_int_equal(
	    getattr(with_handle, 1, fifo_and_handle, 20, &attr, &h), 0);
	assert_int_equal(h->len, 3);
	assert_memory_equal(h->data, "abc", 3);
	free(h);

	/* Cut short, too long, with a handle missing, with what nobody asked
	 * for, with more words than there can be. */
	h = NULL;
	assert_int_equal(getattr(type_and_size, 1, fifo_of_7, 8, &attr, NULL),
			 -EPROTO);
	assert_int_equal(
	    getattr(type_and_size, 1, fifo_and_handle, 20, &attr, NULL),
	    -EPROTO);
	assert_int_equal(getattr(type_and_size, 1, fifo_of_7, 12, &attr, &h),
			 -EPROTO);
	assert_null(h);
	assert_int_equal(getattr(unknown, 3, fifo_of_7, 12, &attr, NULL),
			 -EPROTO);
	assert_int_equal(getattr(many, 64, fifo_of_7, 0, &attr, NULL), -EPROTO);
}

/* --- Names and targets
 * -------------------------------------------------------- */

static int dirent(const char *name, size_t len, struct dirent4 *ret)
{
	struct entry4 entry = {
	    .cookie = 5,
	    .name = {.utf8string_len = (u_int)len,
		     .utf8string_val = (char *)name},
	};
	const struct entry4 *at = &entry;
	int result;

	set_attr(&entry.attrs, with_handle, 1, fifo_and_handle, 20);
	result = ln_reply_dirent(&at, ret);
	if (result > 0)
		assert_null(at);
	return result;
}

static void test_names(void **state)
{
	static uint32_t error_bits[] = {1u << FATTR4_RDATTR_ERROR};
	static char denied[] = {0, 0, 0, NFS4ERR_ACCESS};
	struct entry4 entry = {
	    .name = {.utf8string_len = 1, .utf8string_val = (char *)"x"},
	};
	const struct entry4 *at = NULL;
	char longest[256];
	struct dirent4 d;

	(void)state;
	assert_int_equal(ln_reply_dirent(&at, &d), 0);
	/* libnfs ends no string. */
	assert_int_equal(dirent("name and what follows", 4, &d), 1);
	assert_string_equal(d.name, "name");
	assert_int_equal(d.cookie, 5);
	assert_int_equal(d.handle->len, 3);
	assert_int_equal(d.attr.type, ENTRY_FIFO);
	free(d.name);
	free(d.handle);

	assert_int_equal(dirent("", 0, &d), -EPROTO);
	assert_int_equal(dirent(NULL, 0, &d), -EPROTO);
	assert_int_equal(dirent(".", 1, &d), -EPROTO);
	assert_int_equal(dirent("..", 2, &d), -EPROTO);
	assert_int_equal(dirent("../x", 4, &d), -EPROTO);
	assert_int_equal(dirent("a/b", 3, &d), -EPROTO);
	assert_int_equal(dirent("a\0b", 3, &d), -EPROTO);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(dirent(longest, 256, &d), -EPROTO);
	assert_int_equal(dirent(longest, 255, &d), 1);
	free(d.name);
	free(d.handle);

	/* Attributes that could not be had are no reason to lose the name. */
	set_attr(&entry.attrs, error_bits, 1, denied, 4);
	at = &entry;
	assert_int_equal(ln_reply_dirent(&at, &d), 1);
	assert_int_equal(d.attr_result, -EACCES);
	assert_null(d.handle);
	free(d.name);
}

static void test_target(void **state)
{
	struct answer a = {0};
	linktext4 *link =
	    &answer_add(&a, OP_READLINK, NFS4_OK)
		 ->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	char *target = NULL;
	struct ln_reply r;

	(void)state;
	link->utf8string_val = (char *)"../target, and more";
	link->utf8string_len = 9;
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_readlink(&r, &target), 0);
	assert_string_equal(target, "../target");
	free(target);

	link->utf8string_val = (char *)"a\0b";
	link->utf8string_len = 3;
	ln_reply_init(&r, &a.res);
	assert_int_equal(ln_reply_readlink(&r, &target), -EPROTO);
}

/* Lengths beyond the answer, and those that come round to its front. */
static void test_lengths(void **state)
{
	static const uint32_t bad[] = {13, 0xfffffff0, UINT32_MAX, 0x40000001};
	uint32_t words[4] = {0};
	struct rpc_context *rpc = ln_zdr_context();
	ZDR z;

	(void)state;
	assert_non_null(rpc);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct nfs_fh3 handle = {0};
		bitmap4 bitmap = {0};
		char *name = NULL;

		words[0] = htonl(bad[i]);
		zdrmem_create(&z, (char *)words, sizeof(words), ZDR_DECODE);
		assert_false(zdr_nfs_fh3(&z, &handle));
		zdrmem_create(&z, (char *)words, sizeof(words), ZDR_DECODE);
		assert_false(zdr_filename3(&z, &name));
		zdrmem_create(&z, (char *)words, sizeof(words), ZDR_DECODE);
		assert_false(zdr_bitmap4(&z, &bitmap));
		zdr_destroy(&z);
	}
	zdrmem_create(&z, (char *)words, 4, ZDR_DECODE);
	assert_false(zdr_cookieverf3(&z, (char *)words));
	words[0] = htonl(3);
	zdrmem_create(&z, (char *)words, sizeof(words), ZDR_DECODE);
	assert_true(zdr_bitmap4(&z, &(bitmap4){0}));
	zdr_destroy(&z);
	rpc_destroy_context(rpc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request),    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_attributes), cmocka_unit_test(test_names),
	    cmocka_unit_test(test_target),     cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
