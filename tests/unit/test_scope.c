/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Executions that visit a part of the tree: one path, or what has failed. They
 * do what they are for, and leave everything else alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tree.h"
#include "world.h"

/* More ranges than are under way at a time: who stops at the 6th write stops
 * before the last one has been begun. */
#define LARGE (32u * 1024 * 1024)

static void make_tree(const char *root)
{
	tree_directory(root, "d", 0750);
	tree_directory(root, "d/deep", 0711);
	tree_directory(root, "e", 0755);
	tree_file(root, "top", 10, 1);
	tree_file(root, "d/one", 1000, 2);
	tree_file(root, "d/two", 2000, 3);
	tree_file(root, "d/deep/three", 3000, 4);
	tree_symlink(root, "three", "d/deep/soft");
	tree_file(root, "e/four", 4000, 5);
	tree_touch(root, "d/deep", 1100000001);
	tree_touch(root, "d", 1100000002);
	tree_touch(root, "e", 1100000003);
	tree_touch(root, "", 1100000004);
}

static bool is_there(const struct world *w, const char *path)
{
	return tree_exists(w->path[DESTINATION], path);
}

static struct world_run run_path(struct world *w, const char *path,
				 enum engine_status status)
{
	struct world_run run = {.scope = SCOPE_PATH, .path = path};

	world_run(w, &run);
	assert_int_equal(run.status, status);
	return run;
}

static struct world_run run_retry(struct world *w, enum engine_status status)
{
	struct world_run run = {.scope = SCOPE_RETRY};

	world_run(w, &run);
	assert_int_equal(run.status, status);
	return run;
}

/* Lets each write of a file of this name fail. */
static struct fault_rule no_write(const char *name)
{
	return (struct fault_rule){.verb = VOLUME_WRITE_WHOLE,
				   .name = name,
				   .first = 1,
				   .times = FAULT_FOREVER,
				   .effect = FAULT_FAIL,
				   .error = -EIO};
}

/* --- One path ------------------------------------------------------------- */

static void test_file(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	run = run_path(w, "d/one", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	assert_int_equal(run.counter[COUNT_TRANSFERRED_DIRECTORIES], 1);
	assert_true(is_there(w, "d/one"));
	assert_false(is_there(w, "d/two"));
	assert_false(is_there(w, "d/deep"));
	assert_false(is_there(w, "e"));
	assert_false(is_there(w, "top"));
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_VERIFIED);
	/* What is on the way may be large. */
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_LIST], 0);
	world_run_well(w);
}

/* A second time there is nothing to do; after a change there is. */
static void test_file_again(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	run = run_path(w, "d/one", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
	assert_int_equal(run.counter[COUNT_UNCHANGED], 1);
	tree_file(w->path[SOURCE], "d/one", 500, 9);
	tree_file(w->path[SOURCE], "d/two", 500, 10);
	tree_touch(w->path[SOURCE], "d", 1100000009);
	run = run_path(w, "d/one", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	/* The other one is left for the next run. */
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
}

static void test_directory(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	run = run_path(w, "d", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 4);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 2);
	assert_true(is_there(w, "d/deep/soft"));
	assert_false(is_there(w, "e"));
	assert_false(is_there(w, "top"));
	tree_unlink(w->path[SOURCE], "top");
	tree_unlink(w->path[SOURCE], "e/four");
	tree_unlink(w->path[SOURCE], "e");
	tree_touch(w->path[SOURCE], "", 1100000004);
	assert_int_equal(tree_compare(w->path[SOURCE], w->path[DESTINATION], 0),
			 0);
}

/* Directories that are made on the way are as on the source. */
static void test_missing_parents(void **state)
{
	struct world *w = *state;
	const char *source = w->path[SOURCE];
	struct world_run run;

	tree_directory(source, "a", 0700);
	tree_directory(source, "a/b", 02755);
	tree_directory(source, "a/b/c", 0500);
	tree_fifo(source, "a/b/c/fifo");
	tree_touch(source, "a/b/c", 1100000001);
	tree_touch(source, "a/b", 1100000002);
	tree_touch(source, "a", 1100000003);
	tree_touch(source, "", 1100000004);
	run = run_path(w, "a/b/c/fifo", ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 1);
	assert_int_equal(run.counter[COUNT_TRANSFERRED_DIRECTORIES], 3);
	assert_int_equal(tree_compare(source, w->path[DESTINATION], 0), 0);
	assert_int_equal(world_row_state(w, "a/b", NULL), STATE_VERIFIED);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
}

static void test_absent(void **state)
{
	static const char *const paths[] = {
	    "none",
	    "d/none",
	    "no/such/path",
	    "d/one/below", /* a file on the way */
	    "d/deep/soft/below",
	};
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		run = run_path(w, paths[i], ENGINE_FAILURES);
		assert_int_equal(run.counter[COUNT_FAILED], 1);
		assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
		assert_int_equal(run.failed_rows, 0);
		assert_false(is_there(w, "d"));
	}
	world_run_well(w);
}

/* Gone between the first look and the visit. */
static void test_vanishes(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_PATH, .path = "top"};

	make_tree(w->path[SOURCE]);
	run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_LOOKUP,
						  .name = "top",
						  .first = 2,
						  .times = 1,
						  .effect = FAULT_FAIL,
						  .error = -ENOENT};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_FAILED], 1);
	assert_false(is_there(w, "top"));
}

static void test_unreadable(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_PATH, .path = "d/one"};

	make_tree(w->path[SOURCE]);
	run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_LOOKUP,
						  .name = "one",
						  .first = 1,
						  .times = FAULT_FOREVER,
						  .effect = FAULT_FAIL,
						  .error = -EACCES};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_string_equal(run.failed_path, "d");
	assert_int_equal(run.failed_error, -EACCES);
	assert_false(is_there(w, "d/two"));
}

static void test_whole(void **state)
{
	struct world *w = *state;

	make_tree(w->path[SOURCE]);
	run_path(w, "", ENGINE_SUCCESS);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* What fails is tried again, and that visit is for the path alone too. */
static void test_retry_keeps_to_path(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_PATH, .path = "d/one"};

	make_tree(w->path[SOURCE]);
	run.rule[DESTINATION][0] = no_write("one");
	run.rule[DESTINATION][0].times = 1;
	/* The directory on the way fails as well, by its attributes. */
	run.rule[DESTINATION][1] = (struct fault_rule){.verb = VOLUME_SETATTR,
						       .name = "d",
						       .first = 1,
						       .times = 1,
						       .effect = FAULT_FAIL,
						       .error = -EIO};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_true(is_there(w, "d/one"));
	assert_false(is_there(w, "d/two"));
	assert_false(is_there(w, "d/deep"));
	assert_false(is_there(w, "top"));
	world_run_well(w);
}

/* Half a large file elsewhere is not swept by a run for something else. */
static void test_partials_stay(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_ALL};

	make_tree(w->path[SOURCE]);
	tree_file(w->path[SOURCE], "large", LARGE, 7);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 6,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_CANCELLED);
	run_path(w, "d/one", ENGINE_SUCCESS);
	run_retry(w, ENGINE_SUCCESS);
	run = world_run_well(w);
	assert_true(run.counter[COUNT_RESUMED_BYTES] > 0);
}

static void test_dry_run(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_PATH,
				.path = "d/deep/three",
				.options.dry_run = true};

	make_tree(w->path[SOURCE]);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_PLANNED], 1);
	assert_false(is_there(w, "d"));
}

/* --- What has failed ------------------------------------------------------ */

/* A run in which these two fail, and stay so. */
static void fail_two(struct world *w, const char *first, const char *second)
{
	struct world_run run = {.scope = SCOPE_ALL};

	run.rule[DESTINATION][0] = no_write(first);
	run.rule[DESTINATION][1] = no_write(second);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 2);
}

static void test_retry(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	fail_two(w, "one", "three");
	/* None of this is what the retry is for. */
	tree_file(w->path[SOURCE], "d/two", 77, 8);
	tree_file(w->path[SOURCE], "d/new", 77, 9);
	tree_directory(w->path[SOURCE], "d/newer", 0755);
	tree_file(w->path[SOURCE], "e/four", 77, 10);
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 2);
	assert_int_equal(run.counter[COUNT_TRANSFERRED_DIRECTORIES], 0);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 2);
	assert_int_equal(run.counter[COUNT_KEPT], 0);
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_VERIFIED);
	assert_int_equal(world_row_state(w, "d/deep/three", NULL),
			 STATE_VERIFIED);
	assert_false(is_there(w, "d/new"));
	assert_false(is_there(w, "d/newer"));
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 3);
}

/* Whichever execution it was. */
static void test_retry_of_several(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_PATH, .path = "e"};

	make_tree(w->path[SOURCE]);
	fail_two(w, "one", "three");
	tree_file(w->path[SOURCE], "e/four", 77, 10);
	run.rule[DESTINATION][0] = no_write("four");
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 3);
	world_run_well(w);
}

static void test_retry_fails_again(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_RETRY};

	make_tree(w->path[SOURCE]);
	fail_two(w, "one", "three");
	run.rule[DESTINATION][0] = no_write("one");
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_FAILED], 1);
	assert_int_equal(run.failed_rows, 1);
	assert_string_equal(run.failed_path, "d/one");
	assert_true(is_there(w, "d/deep/three"));
	run_retry(w, ENGINE_SUCCESS);
	world_run_well(w);
}

/* A directory that failed is visited with all that is below. */
static void test_retry_directory(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_ALL};

	make_tree(w->path[SOURCE]);
	run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_LIST,
						  .name = "d",
						  .first = 1,
						  .times = FAULT_FOREVER,
						  .effect = FAULT_FAIL,
						  .error = -EIO};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_false(is_there(w, "d/deep"));
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 4);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* What the source has no more is not a failure any more. */
static void test_retry_forgets(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	fail_two(w, "one", "three");
	tree_unlink(w->path[SOURCE], "d/one");
	tree_unlink(w->path[SOURCE], "d/deep/three");
	tree_unlink(w->path[SOURCE], "d/deep/soft");
	tree_unlink(w->path[SOURCE], "d/deep");
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_FAILED], 0);
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_NONE);
	assert_int_equal(world_row_state(w, "d/deep/three", NULL), STATE_NONE);
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 0);
}

/* Where it cannot be told, it stays one. */
static void test_retry_cannot_tell(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_RETRY};

	make_tree(w->path[SOURCE]);
	fail_two(w, "one", "three");
	tree_unlink(w->path[SOURCE], "d/one");
	run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_LOOKUP,
						  .name = "one",
						  .first = 1,
						  .times = FAULT_FOREVER,
						  .effect = FAULT_FAIL,
						  .error = -EIO};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.counter[COUNT_FAILED], 1);
	assert_int_equal(world_row_state(w, "d/one", NULL), STATE_FAILED);
}

static void test_retry_of_nothing(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	run = run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 0);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
	/* Nor did it leave the root with other times. */
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* A name of a hard link that failed joins the others. */
static void test_retry_link(void **state)
{
	struct world *w = *state;
	struct world_run run = {.scope = SCOPE_ALL};

	make_tree(w->path[SOURCE]);
	tree_link(w->path[SOURCE], "top", "e/top-too");
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_LINK,
						       .first = 1,
						       .times = FAULT_FOREVER,
						       .effect = FAULT_FAIL,
						       .error = -EIO};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	run_retry(w, ENGINE_SUCCESS);
	assert_int_equal(tree_links(w->path[DESTINATION], "top"), 2);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
}

int main(void)
{
#define TEST(name)                                                \
	cmocka_unit_test_setup_teardown(test_##name, world_setup, \
					world_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(file),
	    TEST(file_again),
	    TEST(directory),
	    TEST(missing_parents),
	    TEST(absent),
	    TEST(vanishes),
	    TEST(unreadable),
	    TEST(whole),
	    TEST(retry_keeps_to_path),
	    TEST(partials_stay),
	    TEST(dry_run),
	    TEST(retry),
	    TEST(retry_of_several),
	    TEST(retry_fails_again),
	    TEST(retry_directory),
	    TEST(retry_forgets),
	    TEST(retry_cannot_tell),
	    TEST(retry_of_nothing),
	    TEST(retry_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
