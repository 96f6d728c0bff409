/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs that change what is there, and runs that verify all, with a fault at
 * each call that they make. (What is copied afresh, and what is removed, have
 * theirs in test_engine.c and test_prune.c.)
 *
 * After every run each row of the manifest that claims something is true
 * (world.h), and the next run makes everything right.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tree.h"
#include "world.h"

/* More than a file that is copied in one piece. */
#define LARGE (3u * 1024 * 1024)

static uint64_t injected; /* faults, in all tests */

static void touch_all(const char *root, int64_t when)
{
	tree_touch(root, "d", when);
	tree_touch(root, "", when);
}

static void make_tree(const char *root)
{
	tree_directory(root, "d", 0755);
	tree_file(root, "d/one", 500, 1);
	tree_link(root, "d/one", "one-too");
	tree_file(root, "d/large", LARGE, 2);
	tree_file(root, "kept", 100, 3);
	tree_file(root, "small", 100, 4);
	tree_symlink(root, "d/one", "soft");
	tree_file(root, "turns", 10, 5);
	touch_all(root, 1100000000);
}

/* Content, mode, a link made and one broken, a target, a type. */
static void change_tree(const char *root)
{
	tree_poke(root, "d/large", 9);
	tree_unlink(root, "one-too");
	tree_file(root, "one-too", 60, 21);
	tree_link(root, "small", "d/small-too");
	tree_chmod(root, "kept", 0600);
	tree_unlink(root, "soft");
	tree_symlink(root, "elsewhere", "soft");
	tree_unlink(root, "turns");
	tree_directory(root, "turns", 0700);
	tree_file(root, "turns/new", 1, 22);
	touch_all(root, 1100000001);
}

/* A copied tree, of which the source has then changed. */
static void begin_changing(struct world *w)
{
	world_begin_anew(w);
	tree_remove(w->path[SOURCE]);
	assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
	make_tree(w->path[SOURCE]);
	world_run_well(w);
	change_tree(w->path[SOURCE]);
}

/* It says how it ended. */
static void judge_end(const struct world_run *run)
{
	switch (run->status) {
	case ENGINE_SUCCESS:
		assert_int_equal(run->failed_rows, 0);
		break;
	case ENGINE_FAILURES:
		assert_true(run->failed_rows > 0);
		assert_true(run->failed_error < 0);
		break;
	case ENGINE_LOST:
	case ENGINE_STOPPED:
		assert_true(run->stop < 0);
		break;
	default:
		fail_msg("status %d", (int)run->status);
	}
}

/* --- Changes -------------------------------------------------------------- */

/* The rule at each call of a run that changes the tree. */
static void change_with(struct world *w, enum side side, struct fault_rule rule)
{
	struct world_run well;
	uint64_t count;

	begin_changing(w);
	well = world_run_well(w);
	count = well.calls[side][VOLUME_VERBS];
	rule.verb = VOLUME_VERBS;
	for (rule.first = 1; rule.first <= count; rule.first++) {
		struct world_run run = {.failed_rows = 0};

		fprintf(stderr, "# %s: call %" PRIu64 ", error %d\n",
			side_name(side), rule.first, rule.error);
		run.rule[side][0] = rule;
		begin_changing(w);
		world_run(w, &run);
		judge_end(&run);
		/* A temporary name that could not be removed is no failure:
		 * the next run removes it. */
		if (run.status == ENGINE_SUCCESS)
			assert_int_equal(
			    tree_compare(w->path[SOURCE], w->path[DESTINATION],
					 TREE_LINKS),
			    tree_count_temporary(w->path[DESTINATION]));
		world_run_well(w);
		assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
		injected++;
	}
}

static void test_change_source_fails_once(void **state)
{
	change_with(*state, SOURCE,
		    (struct fault_rule){.times = 1, .error = -EIO});
}

static void test_change_destination_fails_once(void **state)
{
	change_with(*state, DESTINATION,
		    (struct fault_rule){.times = 1, .error = -EIO});
}

static void test_change_source_lost(void **state)
{
	change_with(
	    *state, SOURCE,
	    (struct fault_rule){.times = FAULT_FOREVER, .error = -ENOTCONN});
}

/* --- Everything is verified ----------------------------------------------- */

/* Both trees are the same: whatever fails, no difference is reported, nothing
 * is written, and success means that all was compared. */
static void verify_with(struct world *w, bool only, struct fault_rule rule)
{
	struct world_run well = {.options.verify = VERIFY_ALL,
				 .verify_only = only};
	struct world_run first = well;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	world_run(w, &well);
	assert_int_equal(well.status, ENGINE_SUCCESS);
	rule.verb = VOLUME_VERBS;
	for (int side = 0; side < SIDES; side++) {
		for (rule.first = 1;
		     rule.first <= well.calls[side][VOLUME_VERBS];
		     rule.first++) {
			struct world_run run = first;

			fprintf(stderr, "# %s: call %" PRIu64 ", error %d\n",
				side_name((enum side)side), rule.first,
				rule.error);
			run.rule[side][0] = rule;
			world_run(w, &run);
			judge_end(&run);
			assert_int_equal(run.counter[COUNT_MISMATCHED], 0);
			assert_int_equal(run.counter[COUNT_BYTES_WRITTEN], 0);
			if (run.status == ENGINE_SUCCESS)
				assert_int_equal(run.counter[COUNT_VERIFIED],
						 well.counter[COUNT_VERIFIED]);
			world_run_well(w);
			injected++;
		}
	}
}

static void test_verify_all_fails_once(void **state)
{
	verify_with(*state, false,
		    (struct fault_rule){.times = 1, .error = -EIO});
}

static void test_verify_only_fails_once(void **state)
{
	verify_with(*state, true,
		    (struct fault_rule){.times = 1, .error = -EIO});
}

static void test_verify_all_lost(void **state)
{
	verify_with(
	    *state, false,
	    (struct fault_rule){.times = FAULT_FOREVER, .error = -ENOTCONN});
}

static int say_how_many(void **state)
{
	(void)state;
	print_message("%" PRIu64 " faults injected and survived\n", injected);
	return 0;
}

#define TEST(name)                                                \
	cmocka_unit_test_setup_teardown(test_##name, world_setup, \
					world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(change_source_fails_once), TEST(change_destination_fails_once),
	    TEST(change_source_lost),       TEST(verify_all_fails_once),
	    TEST(verify_only_fails_once),   TEST(verify_all_lost),
	};

	return cmocka_run_group_tests(tests, NULL, say_how_many);
}
