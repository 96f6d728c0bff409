/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Status codes: each has a name, and an errno that the program knows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nfs/proto.h"
#include "nfs/status.h"

static void test_names(void **state)
{
	unsigned known = 0;

	(void)state;
	assert_string_equal(status_name(NFS4_OK), "NFS4_OK");
	assert_string_equal(status_name(NFS4ERR_NOENT), "NFS4ERR_NOENT");
	assert_string_equal(status_name(NFS4ERR_DELEG_REVOKED),
			    "NFS4ERR_DELEG_REVOKED");
	assert_string_equal(status_name(10002), "NFS4ERR_?");
	assert_string_equal(status_name(UINT32_MAX), "NFS4ERR_?");
	/* All from BADHANDLE to DELEG_REVOKED but 10002 and 10073, which are
	 * nothing: out of order, the table's search would miss some. */
	for (uint32_t s = NFS4ERR_BADHANDLE; s <= NFS4ERR_DELEG_REVOKED; s++)
		known += strcmp(status_name(s), "NFS4ERR_?") != 0;
	assert_int_equal(known, 85);
}

static void test_errnos(void **state)
{
	static const struct {
		uint32_t status;
		int error;
	} cases[] = {
	    {NFS4_OK, 0},
	    {NFS4ERR_NOENT, -ENOENT},
	    {NFS4ERR_EXIST, -EEXIST},
	    {NFS4ERR_ACCESS, -EACCES},
	    {NFS4ERR_PERM, -EPERM},
	    {NFS4ERR_NOSPC, -ENOSPC},
	    {NFS4ERR_DQUOT, -EDQUOT},
	    {NFS4ERR_ROFS, -EROFS},
	    {NFS4ERR_NAMETOOLONG, -ENAMETOOLONG},
	    {NFS4ERR_NOTDIR, -ENOTDIR},
	    {NFS4ERR_ISDIR, -EISDIR},
	    {NFS4ERR_NOTEMPTY, -ENOTEMPTY},
	    {NFS4ERR_MLINK, -EMLINK},
	    {NFS4ERR_FBIG, -EFBIG},
	    {NFS4ERR_STALE, -ESTALE},
	    {NFS4ERR_BADHANDLE, -ESTALE},
	    {NFS4ERR_FHEXPIRED, -ESTALE},
	    {NFS4ERR_NOTSUPP, -EOPNOTSUPP},
	    {NFS4ERR_ATTRNOTSUPP, -EOPNOTSUPP},
	    {NFS4ERR_BADNAME, -EINVAL},
	    {NFS4ERR_BADCHAR, -EINVAL},
	    {NFS4ERR_BADOWNER, -EINVAL},
	    {NFS4ERR_RESOURCE, -E2BIG},
	    {NFS4ERR_TOO_MANY_OPS, -E2BIG},
	    {NFS4ERR_REP_TOO_BIG, -EMSGSIZE},
	    {NFS4ERR_BAD_STATEID, -EIO},
	    {NFS4ERR_SERVERFAULT, -EIO},
	    {12345678, -EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(status_to_errno(cases[i].status),
				 cases[i].error);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_true(status_is_delay(NFS4ERR_DELAY));
	assert_true(status_is_delay(NFS4ERR_GRACE));
	assert_false(status_is_delay(NFS4ERR_RESOURCE));
	assert_true(status_is_stateid(NFS4ERR_EXPIRED));
	assert_true(status_is_stateid(NFS4ERR_OLD_STATEID));
	assert_false(status_is_stateid(NFS4ERR_STALE));
	/* Only what asks to come later is -EAGAIN. */
	for (uint32_t s = 1; s < 10100; s++)
		if (status_to_errno(s) == -EAGAIN)
			assert_true(status_is_delay(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_errnos),
	    cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
