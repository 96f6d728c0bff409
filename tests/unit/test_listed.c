/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Executions that a filter or a list keeps to a part of the tree, when
 * something fails: what is left out is neither touched, nor listed, nor held
 * against the run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sync/filter.h"
#include "tree.h"
#include "world.h"

static void make_tree(const char *root)
{
	tree_directory(root, "d", 0750);
	tree_directory(root, "d/deep", 0711);
	tree_directory(root, "e", 0755);
	tree_file(root, "top", 10, 1);
	tree_file(root, "d/one", 1000, 2);
	tree_file(root, "d/two", 2000, 3);
	tree_file(root, "d/deep/three", 3000, 4);
	tree_file(root, "e/four", 4000, 5);
}

static bool is_there(const struct world *w, const char *path)
{
	return tree_exists(w->path[DESTINATION], path);
}

static struct filter *exclude(const char *patterns)
{
	struct filter *f = filter_new();
	char error[200];

	assert_non_null(f);
	assert_int_equal(
	    filter_add(f, FILTER_EXCLUDE, patterns, error, sizeof(error)), 0);
	return f;
}

static struct fault_rule fault(enum volume_verb verb, const char *name,
			       int error)
{
	return (struct fault_rule){.verb = verb,
				   .name = name,
				   .first = 1,
				   .times = FAULT_FOREVER,
				   .effect = FAULT_FAIL,
				   .error = error};
}

/* --- Filters -------------------------------------------------------------- */

static void test_excluded(void **state)
{
	struct world *w = *state;
	struct world_run run = {.options.filter = exclude("/d|/e/*")};

	make_tree(w->path[SOURCE]);
	tree_directory(w->path[DESTINATION], "d", 0700);
	tree_file(w->path[DESTINATION], "d/own", 7, 7);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	/* The root's, and nothing else. */
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 1);
	assert_int_equal(run.calls[DESTINATION][VOLUME_LIST], 1);
	assert_int_equal(run.counter[COUNT_FILTERED], 1);
	assert_int_equal(run.counter[COUNT_KEPT], 0);
	assert_true(is_there(w, "e"));
	assert_false(is_there(w, "e/four"));
	assert_false(is_there(w, "d/one"));
	assert_true(is_there(w, "d/own"));
	assert_int_equal(world_row_state(w, "d", NULL), STATE_NONE);
	filter_free(run.options.filter);
}

/* A failure on record that the filter hides by now. */
static void test_hidden_failure(void **state)
{
	struct world *w = *state;
	struct world_run run = {
	    .rule[DESTINATION] = {fault(VOLUME_WRITE_WHOLE, "one", -EIO)}};

	make_tree(w->path[SOURCE]);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_FAILED);

	run = (struct world_run){.scope = SCOPE_RETRY,
				 .options.filter = exclude("*/one")};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_false(is_there(w, "d/one"));
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_FAILED);
	filter_free(run.options.filter);

	/* Its whole directory. */
	run = (struct world_run){.scope = SCOPE_RETRY,
				 .options.filter = exclude("/d")};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 0);
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_FAILED);
	filter_free(run.options.filter);
	world_run_well(w);
}

/* --- Lists ---------------------------------------------------------------- */

static struct world_run run_list(struct world *w, const char *list,
				 enum engine_status status)
{
	struct world_run run = {.list = list};

	world_run(w, &run);
	assert_int_equal(run.status, status);
	return run;
}

static void test_list(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	run = run_list(w, "d/deep/three\ne\n/top\n", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 2);
	assert_int_equal(run.counter[COUNT_TRANSFERRED_DIRECTORIES], 3);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_LIST], 0);
	assert_false(is_there(w, "d/one"));
	assert_false(is_there(w, "e/four"));
	assert_int_equal(world_row_state(w, "d/deep/three", NULL),
			 STATE_VERIFIED);
	run = run_list(w, "d/deep/three\n", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_UNCHANGED], 1);
	world_run_well(w);
}

/* More names in a directory than are asked for at once; every third is not
 * there. */
static void test_many(void **state)
{
	enum { COUNT = 1500 };
	struct world *w = *state;
	char *list = malloc(COUNT * 16), *at = list, name[16];
	struct world_run run;

	assert_non_null(list);
	tree_directory(w->path[SOURCE], "d", 0755);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "d/f%d", i);
		at += sprintf(at, "%s\n", name);
		if (i % 3)
			tree_file(w->path[SOURCE], name, 3, (unsigned)i);
	}
	tree_file(w->path[SOURCE], "d/other", 3, 1);
	run = run_list(w, list, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], COUNT / 3 * 2);
	assert_int_equal(run.counter[COUNT_FAILED], COUNT / 3);
	assert_int_equal(run.failed_rows, 0);
	assert_false(is_there(w, "d/other"));
	run = run_list(w, list, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_UNCHANGED], COUNT / 3 * 2);
	assert_int_equal(run.counter[COUNT_FAILED], COUNT / 3);
	assert_int_equal(run.counter[COUNT_LISTED_DESTINATION],
			 COUNT / 3 * 2 + 1);
	world_run_well(w);
	free(list);
}

/* A name that cannot be looked up fails, is tried again, and nothing else. */
static void test_source_fails(void **state)
{
	struct world *w = *state;
	struct world_run run = {
	    .list = "d/one\nd/two\n",
	    .rule[SOURCE] = {fault(VOLUME_LOOKUP, "one", -EIO)}};

	make_tree(w->path[SOURCE]);
	run.rule[SOURCE][0].times = 1;
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_true(is_there(w, "d/one"));
	assert_true(is_there(w, "d/two"));
	assert_false(is_there(w, "d/deep"));
	assert_false(is_there(w, "top"));
}

/* What the destination has under the names is not known: nothing is done in
 * the directory. */
static void test_destination_fails(void **state)
{
	struct world *w = *state;
	struct world_run run = {
	    .list = "d/one\nd/two\ntop\n",
	    .rule[DESTINATION] = {fault(VOLUME_LOOKUP, "one", -EIO)}};

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	tree_file(w->path[SOURCE], "d/two", 500, 9);
	tree_file(w->path[SOURCE], "top", 500, 9);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_int_equal(run.failed_error, -EIO);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	run_list(w, run.list, ENGINE_SUCCESS);
	world_run_well(w);
}

/* A side that is lost is not a list of missing entries. */
static void test_lost(void **state)
{
	struct world *w = *state;
	struct world_run run = {
	    .list = "d/one\nd/two\n",
	    .rule[SOURCE] = {fault(VOLUME_LOOKUP, "one", -ENOTCONN)}};

	make_tree(w->path[SOURCE]);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_LOST);
	assert_int_equal(run.counter[COUNT_FAILED], 0);
}

/* What lies below what is no directory; and a name that has become one. */
static void test_other_types(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	tree_symlink(w->path[SOURCE], "d", "soft");
	run = run_list(w, "top/a\ntop/b/c\nsoft/one\nsoft\n", ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_FAILED], 3);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	assert_true(is_there(w, "soft"));
	assert_false(is_there(w, "top"));
	tree_directory(w->path[DESTINATION], "top", 0755);
	run = run_list(w, "top\n", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	tree_unlink(w->path[DESTINATION], "soft");
	world_run_well(w);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_excluded),     TEST(test_hidden_failure),
	    TEST(test_list),         TEST(test_many),
	    TEST(test_source_fails), TEST(test_destination_fails),
	    TEST(test_lost),         TEST(test_other_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
