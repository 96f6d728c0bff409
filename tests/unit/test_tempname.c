/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Temporary names: which are ours, and which of those nobody needs any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sync/tempname.h"

static void test_form(void **state)
{
	static const char *const ours[] = {
	    ".efsbridge-tmp-00000000-00000000-0",
	    ".efsbridge-tmp-0123abcd-ffffffff-0123456789abcdef",
	};
	static const char *const others[] = {
	    "",
	    ".efsbridge-tmp-",
	    ".efsbridge-tmp-00000000",
	    ".efsbridge-tmp-00000000-",
	    ".efsbridge-tmp-00000000-00000000",
	    ".efsbridge-tmp-00000000-00000000-",
	    ".efsbridge-tmp-0000000-00000000-0",
	    ".efsbridge-tmp-000000000-00000000-0",
	    ".efsbridge-tmp-00000000-0000000-0",
	    ".efsbridge-tmp-00000000-00000000-00112233445566778",
	    ".efsbridge-tmp-00000000-00000000-0 ",
	    ".efsbridge-tmp-00000000-00000000-0.txt",
	    ".efsbridge-tmp-0000000G-00000000-0",
	    ".efsbridge-tmp-ABCDEF00-00000000-0",
	    "efsbridge-tmp-00000000-00000000-0",
	    "..efsbridge-tmp-00000000-00000000-0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		assert_true(tempname_is_ours(ours[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(tempname_is_ours(others[i]));
}

static void test_next(void **state)
{
	struct tempname t;
	char a[TEMPNAME_SIZE], b[TEMPNAME_SIZE];

	(void)state;
	tempname_init(&t, "/a", "/b");
	tempname_next(&t, a);
	tempname_next(&t, b);
	assert_string_not_equal(a, b);
	assert_true(tempname_is_ours(a));
	assert_true(tempname_is_ours(b));
	/* The longest there can be. */
	t.task = t.execution = UINT32_MAX;
	t.number = UINT64_MAX;
	tempname_next(&t, a);
	assert_true(tempname_is_ours(a));
	assert_true(strlen(a) < TEMPNAME_SIZE);
}

static void test_stale(void **state)
{
	struct tempname mine, earlier, other;
	char name[TEMPNAME_SIZE];

	(void)state;
	tempname_init(&mine, "/a", "/b");
	tempname_init(&earlier, "/a", "/b");
	tempname_init(&other, "/b", "/a");
	assert_int_equal(mine.task, earlier.task);
	assert_int_not_equal(mine.task, other.task);
	earlier.execution = mine.execution + 1;

	tempname_next(&mine, name);
	assert_false(tempname_is_stale(&mine, name));
	tempname_next(&earlier, name);
	assert_true(tempname_is_stale(&mine, name));
	tempname_next(&other, name);
	assert_false(tempname_is_stale(&mine, name));
	assert_false(tempname_is_stale(&mine, "file"));
	/* One digit more is no name of ours, whatever it starts with. */
	tempname_next(&earlier, name);
	strcat(name, "~");
	assert_false(tempname_is_stale(&mine, name));
}

/* The border between both locations counts. */
static void test_task(void **state)
{
	struct tempname a, b;

	(void)state;
	tempname_init(&a, "/a/", "b");
	tempname_init(&b, "/a", "/b");
	assert_int_not_equal(a.task, b.task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_next),
	    cmocka_unit_test(test_stale),
	    cmocka_unit_test(test_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
