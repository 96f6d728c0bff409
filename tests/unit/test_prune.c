/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is removed from the destination, and what must not be, whatever fails
 * or changes meanwhile; and the comparison of both trees under the same
 * trouble. Every run ends with all rows true (world_run), and a run without
 * trouble mends what one with it left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tree.h"
#include "world.h"

static void make_common(const char *root)
{
	tree_directory(root, "d", 0750);
	tree_directory(root, "d/deep", 0711);
	tree_file(root, "top", 10, 1);
	tree_file(root, "d/one", 1000, 2);
	tree_file(root, "d/deep/two", 2000, 3);
	tree_symlink(root, "two", "d/deep/soft");
}

static void make_doomed(const char *root)
{
	tree_directory(root, "gone", 0700);
	tree_directory(root, "gone/deep", 0700);
	tree_directory(root, "gone/empty", 0700);
	tree_file(root, "gone/a", 10, 4);
	tree_file(root, "gone/deep/b", 10, 5);
	tree_symlink(root, "a", "gone/deep/c");
	tree_file(root, "d/x", 10, 6);
	tree_link(root, "d/x", "d/deep/y");
}

static void touch_all(const char *root)
{
	tree_touch(root, "d/deep", 1100000001);
	tree_touch(root, "d", 1100000002);
	tree_touch(root, "", 1100000004);
}

/* Both sides hold all; then the source loses a part, and others put something
 * on the destination. */
static void begin(struct world *w)
{
	char path[160];

	tree_remove(w->path[SOURCE]);
	assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
	world_begin_anew(w);
	make_common(w->path[SOURCE]);
	make_doomed(w->path[SOURCE]);
	touch_all(w->path[SOURCE]);
	world_run_well(w);
	snprintf(path, sizeof(path), "%s/gone", w->path[SOURCE]);
	tree_remove(path);
	tree_unlink(w->path[SOURCE], "d/x");
	tree_unlink(w->path[SOURCE], "d/deep/y");
	touch_all(w->path[SOURCE]);
	tree_directory(w->path[DESTINATION], "others", 0700);
	tree_file(w->path[DESTINATION], "others/theirs", 10, 7);
	tree_file(w->path[DESTINATION], "alone", 10, 8);
}

/* What there is to remove: a, b, c, x, y, theirs, alone; four directories. */
#define FILES       7
#define DIRECTORIES 4

static struct world_run removing(void)
{
	return (struct world_run){.options.deleted = DELETED_REMOVE};
}

/* A run without trouble makes both the same. */
static void mend(struct world *w)
{
	struct world_run run = removing();

	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

static void test_removes(void **state)
{
	struct world *w = *state;
	struct world_run run = removing();

	begin(w);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_DELETED], FILES);
	assert_int_equal(run.counter[COUNT_DELETED_DIRECTORIES], DIRECTORIES);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
	assert_int_equal(world_row(w, "gone").state, STATE_NONE);
	assert_int_equal(world_row(w, "gone/deep/b").state, STATE_NONE);
	run = removing();
	world_run(w, &run);
	assert_int_equal(run.counter[COUNT_DELETED], 0);
	assert_int_equal(run.counter[COUNT_METADATA], 0);
}

/* Each call of a run, on either side, with one rule. */
static void with_each_call(struct world *w, struct fault_rule rule)
{
	struct world_run well = removing();
	uint64_t count[SIDES];

	begin(w);
	world_run(w, &well);
	for (int side = 0; side < SIDES; side++)
		count[side] = well.calls[side][VOLUME_VERBS];
	rule.verb = VOLUME_VERBS;
	for (int side = 0; side < SIDES; side++) {
		for (uint64_t n = 1; n <= count[side]; n++) {
			struct world_run run = removing();

			rule.first = n;
			run.rule[side][0] = rule;
			begin(w);
			world_run(w, &run);
			/* What the source has is never lost. */
			assert_true(tree_exists(w->path[DESTINATION], "top"));
			assert_true(
			    tree_exists(w->path[DESTINATION], "d/deep/two"));
			mend(w);
		}
	}
}

static void test_each_call_fails_once(void **state)
{
	with_each_call(*state, (struct fault_rule){.times = 1,
						   .effect = FAULT_FAIL,
						   .error = -EIO});
}

static void test_each_call_is_the_last(void **state)
{
	with_each_call(*state, (struct fault_rule){.times = FAULT_FOREVER,
						   .effect = FAULT_FAIL,
						   .error = -ENOTCONN});
}

static void test_each_answer_is_lost(void **state)
{
	with_each_call(*state, (struct fault_rule){.times = FAULT_FOREVER,
						   .effect = FAULT_LATE,
						   .error = -ENOTCONN});
}

/* A removal that fails is a failure, and all else goes on. */
static void test_cannot_be_removed(void **state)
{
	struct world *w = *state;
	struct world_run run = removing();

	begin(w);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_REMOVE,
						       .name = "b",
						       .first = 1,
						       .times = FAULT_FOREVER,
						       .effect = FAULT_FAIL,
						       .error = -EACCES};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_FAILED], 1);
	assert_int_equal(run.counter[COUNT_DELETE_FAILED], 1);
	assert_int_equal(run.counter[COUNT_DELETED], FILES - 1);
	assert_true(tree_exists(w->path[DESTINATION], "gone/deep/b"));
	assert_false(tree_exists(w->path[DESTINATION], "gone/a"));
	mend(w);
}

/* A listing that fails on either side saves that directory. */
static void test_unlisted_is_kept(void **state)
{
	struct world *w = *state;

	for (int side = 0; side < SIDES; side++) {
		struct world_run run = removing();

		begin(w);
		run.rule[side][0] = (struct fault_rule){.verb = VOLUME_LIST,
							.name = "d",
							.first = 1,
							.times = FAULT_FOREVER,
							.effect = FAULT_FAIL,
							.error = -EIO};
		world_run(w, &run);
		assert_int_equal(run.status, ENGINE_FAILURES);
		assert_true(tree_exists(w->path[DESTINATION], "d/x"));
		assert_false(tree_exists(w->path[DESTINATION], "gone"));
		mend(w);
	}
}

/* --- What happens meanwhile ---------------------------------------------- */

static void put_on_source(void *user)
{
	const struct world *w = user;

	if (!tree_exists(w->path[SOURCE], "alone"))
		tree_file(w->path[SOURCE], "alone", 20, 9);
}

static void replace_there(void *user)
{
	const struct world *w = user;

	if (tree_exists(w->path[DESTINATION], "newer"))
		return;
	tree_file(w->path[DESTINATION], "newer", 30, 10);
	tree_unlink(w->path[DESTINATION], "alone");
	tree_link(w->path[DESTINATION], "newer", "alone");
}

/* Something happens just before the name is looked up again. */
static struct world_run run_with_event(struct world *w, enum side side,
				       void (*event)(void *user))
{
	struct world_run run = removing();

	begin(w);
	run.rule[side][0] = (struct fault_rule){.verb = VOLUME_LOOKUP,
						.name = "alone",
						.first = 1,
						.times = 1,
						.effect = FAULT_CALL,
						.call = event,
						.user = w};
	world_run(w, &run);
	return run;
}

static void test_source_gets_it(void **state)
{
	struct world *w = *state;

	run_with_event(w, SOURCE, put_on_source);
	assert_true(tree_exists(w->path[DESTINATION], "alone"));
	assert_false(tree_exists(w->path[DESTINATION], "gone"));
	mend(w);
}

static void test_another_takes_its_place(void **state)
{
	struct world *w = *state;

	run_with_event(w, DESTINATION, replace_there);
	assert_true(tree_exists(w->path[DESTINATION], "alone"));
	assert_false(tree_exists(w->path[DESTINATION], "gone"));
	mend(w);
}

static void test_cancelled(void **state)
{
	struct world *w = *state;
	struct world_run run = removing();

	begin(w);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_REMOVE,
						       .name = "a",
						       .first = 1,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_CANCELLED);
	mend(w);
}

/* --- What stands in the way ---------------------------------------------- */

static void test_obstacle(void **state)
{
	struct world *w = *state;
	struct world_run run = removing();

	begin(w);
	tree_unlink(w->path[DESTINATION], "top");
	tree_directory(w->path[DESTINATION], "top", 0700);
	tree_directory(w->path[DESTINATION], "top/full", 0700);
	tree_file(w->path[DESTINATION], "top/full/of", 10, 11);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_DELETED], FILES + 1);
	assert_int_equal(run.counter[COUNT_DELETED_DIRECTORIES],
			 DIRECTORIES + 2);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* --- The limit ----------------------------------------------------------- */

static void test_limit(void **state)
{
	static const struct {
		enum sync_limit unit;
		uint64_t n;
		bool goes;
	} limits[] = {
	    {LIMIT_ENTRIES, FILES + DIRECTORIES - 1, false},
	    {LIMIT_ENTRIES, FILES + DIRECTORIES, true},
	    /* 11 of 17 entries are 64.7 %. */
	    {LIMIT_PERCENT, 64, false},
	    {LIMIT_PERCENT, 65, true},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct world_run run = removing();

		begin(w);
		run.options.max_delete_unit = limits[i].unit;
		run.options.max_delete = limits[i].n;
		world_run(w, &run);
		assert_int_equal(run.status, limits[i].goes ? ENGINE_SUCCESS
							    : ENGINE_LIMITED);
		assert_int_equal(run.counter[COUNT_DELETED],
				 limits[i].goes ? FILES : 0);
		assert_int_equal(run.counter[COUNT_DELETE_REFUSED],
				 limits[i].goes ? 0 : FILES + DIRECTORIES);
	}
}

/* --- The comparison ------------------------------------------------------ */

/* With whatever trouble it changes nothing, and never says that all is well
 * where it did not look. */
static void test_comparison_with_each_call(void **state)
{
	struct world *w = *state;
	struct world_run well = {.verify_only = true};

	begin(w);
	mend(w);
	tree_poke(w->path[DESTINATION], "d/one", 7);
	world_run(w, &well);
	assert_int_equal(well.counter[COUNT_MISMATCHED], 1);
	for (int side = 0; side < SIDES; side++) {
		uint64_t count = well.calls[side][VOLUME_VERBS];

		for (uint64_t n = 1; n <= count; n++) {
			struct world_run run = {.verify_only = true};

			run.rule[side][0] =
			    (struct fault_rule){.verb = VOLUME_VERBS,
						.first = n,
						.times = 1,
						.effect = FAULT_FAIL,
						.error = -EIO};
			world_run(w, &run);
			assert_int_not_equal(run.status, ENGINE_SUCCESS);
			assert_int_equal(run.calls[DESTINATION][VOLUME_SETATTR],
					 0);
			assert_int_equal(run.calls[DESTINATION][VOLUME_REMOVE],
					 0);
			assert_int_equal(run.calls[DESTINATION][VOLUME_MAKE],
					 0);
		}
	}
}

int main(void)
{
#define TEST(name)                                                \
	cmocka_unit_test_setup_teardown(test_##name, world_setup, \
					world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(removes),
	    TEST(each_call_fails_once),
	    TEST(each_call_is_the_last),
	    TEST(each_answer_is_lost),
	    TEST(cannot_be_removed),
	    TEST(unlisted_is_kept),
	    TEST(source_gets_it),
	    TEST(another_takes_its_place),
	    TEST(cancelled),
	    TEST(obstacle),
	    TEST(limit),
	    TEST(comparison_with_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
