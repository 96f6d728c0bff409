/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of a task: which values they take, what is said of others, and
 * that a bad one changes nothing.
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
#include "base/clock.h"
#include "sync/engine.h"
#include "sync/settings.h"

static void test_good(void **state)
{
	struct sync_options o = {0};
	char error[256];

	(void)state;
	assert_int_equal(settings_set(&o, "verify", "all", error, 256), 0);
	assert_int_equal(o.verify, VERIFY_ALL);
	assert_int_equal(settings_set(&o, "jobs", "128", error, 256), 0);
	assert_int_equal(o.jobs, 128);
	assert_int_equal(settings_set(&o, "no-owner", NULL, error, 256), 0);
	assert_true(o.no_owner);
	assert_int_equal(settings_set(&o, "no-owner", "no", error, 256), 0);
	assert_false(o.no_owner);
	assert_int_equal(settings_set(&o, "no-times", "yes", error, 256), 0);
	assert_true(o.no_times);
}

static void test_bad(void **state)
{
	static const struct {
		const char *word, *value;
		int result;
	} bad[] = {
	    {"", "", -ENOENT},
	    {"verif", "all", -ENOENT},
	    {"dry-run", NULL, -ENOENT},
	    {"verify", NULL, -EINVAL},
	    {"verify", "", -EINVAL},
	    {"verify", "everything", -EINVAL},
	    {"jobs", "0", -EINVAL},
	    {"jobs", "129", -EINVAL},
	    {"jobs", " 1", -EINVAL},
	    {"jobs", "1x", -EINVAL},
	    {"jobs", "99999999999999999999", -EINVAL},
	    {"no-owner", "", -EINVAL},
	    {"no-owner", "maybe", -EINVAL},
	};
	const struct sync_options nothing = {0};
	struct sync_options o = {0};
	char error[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		error[0] = '\0';
		assert_int_equal(settings_set(&o, bad[i].word, bad[i].value,
					      error, sizeof(error)),
				 bad[i].result);
		assert_string_not_equal(error, "");
		assert_memory_equal(&o, &nothing, sizeof(o));
	}
}

/* A value or a flag, never both, and no word twice. */
static void test_table(void **state)
{
	size_t count;
	const struct setting *s = settings_get(&count);

	(void)state;
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		assert_true((s[i].expects != NULL) == (s[i].take != NULL));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(s[i].word, s[k].word);
	}
}

static void test_time(void **state)
{
	static const char *const bad[] = {
	    "",    "0", "-1", "1w",    "1hh",
	    "1 h", "h", " 1", "3651d", "18446744073709551616"};
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {{"1", 1},     {"90s", 90},   {"15m", 900},
		    {"2h", 7200}, {"1d", 86400}, {"3650d", 315360000}};
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(settings_parse_time(bad[i], &ns), -EINVAL);
	assert_int_equal(ns, 7);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(settings_parse_time(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].seconds * NS_PER_S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
