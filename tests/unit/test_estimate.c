/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is counted of a tree at the edges of the bands, and what time a sample
 * stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/jsonout.h"
#include "estimate.h"
#include "nfs/attr.h"

static const struct estimate_work no_work;

static json_t *as_json(const struct estimate *e, const struct estimate_work *w)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct jsonout j;
	json_t *ret;

	assert_non_null(f);
	j = jsonout_to(f, false);
	jsonout_begin_object(&j, NULL);
	estimate_json(e, w, &j);
	jsonout_end_object(&j);
	fclose(f);
	ret = json_loads(text, 0, NULL);
	assert_non_null(ret);
	free(text);
	return ret;
}

static json_int_t number(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static json_int_t in_array(const json_t *o, const char *array, size_t index,
			   const char *key)
{
	return number(json_array_get(json_object_get(o, array), index), key);
}

static void add_file(struct estimate *e, uint64_t size, uint32_t uid,
		     int64_t age_ns)
{
	const struct attr a = {
	    .type = ENTRY_FILE,
	    .size = size,
	    .uid = uid,
	    .mtime_ns = clock_wall_ns() - age_ns,
	};

	estimate_add(e, &a, 1);
}

static void test_bands(void **state)
{
	const int64_t day_ns = 86400 * NS_PER_S;
	struct estimate *e = estimate_new();
	json_t *o;

	(void)state;
	add_file(e, 0, 0, -NS_PER_S);
	add_file(e, 1, 0, day_ns / 2);
	add_file(e, 4096, 0, day_ns * 2);
	add_file(e, 4097, 0, day_ns * 8);
	add_file(e, UINT64_C(1) << 32, 0, day_ns * 3000);
	add_file(e, UINT64_C(1) << 36, 0, INT64_MAX / 2);
	add_file(e, (UINT64_C(1) << 36) + 1, 0, 0);
	o = as_json(e, &no_work);
	assert_int_equal(in_array(o, "Sizes", 0, "Files"), 1);
	assert_int_equal(in_array(o, "Sizes", 1, "Files"), 2);
	assert_int_equal(in_array(o, "Sizes", 1, "Bytes"), 4097);
	assert_int_equal(in_array(o, "Sizes", 2, "Files"), 1);
	assert_int_equal(in_array(o, "Sizes", 6, "Files"), 1);
	assert_int_equal(in_array(o, "Sizes", 7, "Files"), 1);
	assert_int_equal(in_array(o, "Sizes", 8, "Files"), 1);
	assert_int_equal(in_array(o, "Ages", 0, "Files"), 3);
	assert_int_equal(in_array(o, "Ages", 1, "Files"), 1);
	assert_int_equal(in_array(o, "Ages", 2, "Files"), 1);
	assert_int_equal(in_array(o, "Ages", 6, "Files"), 2);
	assert_null(json_object_get(o, "ExpectedDuration"));
	json_decref(o);
	estimate_free(e);
}

static void test_depths(void **state)
{
	const struct attr a = {.type = ENTRY_DIRECTORY};
	struct estimate *e = estimate_new();
	json_t *o;

	(void)state;
	estimate_add(e, &a, 1);
	estimate_add(e, &a, 32);
	estimate_add(e, &a, 33);
	estimate_add(e, &a, 1000);
	o = as_json(e, &no_work);
	assert_int_equal(json_array_size(json_object_get(o, "Depths")), 2);
	assert_int_equal(in_array(o, "Depths", 1, "Depth"), 32);
	assert_int_equal(number(o, "EntriesDeeper"), 2);
	json_decref(o);
	estimate_free(e);
}

/* Two thousand more than can be told apart: nothing gets lost. */
static void test_owners(void **state)
{
	struct estimate *e = estimate_new();
	const json_t *others;
	json_t *o;

	(void)state;
	add_file(e, 1 << 20, 7, 0);
	for (uint32_t i = 0; i < 6000; i++)
		add_file(e, 1, UINT32_MAX - i * 8192, 0);
	add_file(e, 1 << 20, 7, 0);
	o = as_json(e, &no_work);
	assert_int_equal(in_array(o, "Owners", 0, "Uid"), 7);
	assert_int_equal(in_array(o, "Owners", 0, "Entries"), 2);
	assert_int_equal(in_array(o, "Owners", 0, "Bytes"), 2 << 20);
	assert_int_equal(json_array_size(json_object_get(o, "Owners")), 10);
	others = json_object_get(o, "OtherOwners");
	assert_int_equal(number(others, "Entries"), 6000 - 9);
	assert_int_equal(number(others, "Bytes"), 6000 - 9);
	json_decref(o);
	estimate_free(e);
}

static void test_time(void **state)
{
	struct estimate_work w = {
	    .files = 1000,
	    .bytes = 4000,
	    .scan_ns = NS_PER_S,
	    .sampled = true,
	    .sample_files = 100,
	    .sample_bytes = 200,
	    .sample_ns = NS_PER_S,
	};
	struct estimate_time t;

	(void)state;
	assert_true(estimate_time(&w, &t));
	assert_int_equal(t.least_ns, 10 * NS_PER_S);
	assert_int_equal(t.expected_ns, 15 * NS_PER_S);
	assert_int_equal(t.most_ns, 20 * NS_PER_S);
	/* No bytes: the files alone tell. */
	w.sample_bytes = 0;
	assert_true(estimate_time(&w, &t));
	assert_int_equal(t.most_ns, 10 * NS_PER_S);
	/* Not faster than listing. */
	w.scan_ns = 60 * NS_PER_S;
	assert_true(estimate_time(&w, &t));
	assert_int_equal(t.least_ns, 60 * NS_PER_S);
	/* Longer than can be said. */
	w.files = UINT64_MAX;
	assert_false(estimate_time(&w, &t));
	w.sample_files = 0;
	assert_false(estimate_time(&w, &t));
	w.sampled = false;
	assert_false(estimate_time(&w, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bands),
	    cmocka_unit_test(test_depths),
	    cmocka_unit_test(test_owners),
	    cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
