/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine between two local directories: what it does when all is well,
 * when each single call fails, and when things change under it.
 *
 * After every run, whatever became of it, each row of the manifest that
 * claims something must be true (world.h), and no file may stand half copied
 * under its name.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fault_volume.h"
#include "tree.h"
#include "world.h"

#define LARGE       (3u * 1024 * 1024)
#define DIRECTORIES 4 /* of the small tree, with its root */

/* All kinds of entries, hard links within a directory and across, an empty
 * file, one that is all zeros at its end, a large one. */
static void make_tree(const char *root)
{
	tree_directory(root, "d", 0755);
	tree_directory(root, "d/deep", 0750);
	tree_directory(root, "empty", 01777);
	tree_file(root, "small", 100, 1);
	tree_file(root, "none", 0, 2);
	tree_file(root, "d/one", 5000, 3);
	tree_file(root, "d/two", 70000, 4);
	tree_file(root, "d/deep/x\ny \xff", 10, 5);
	tree_file(root, "d/deep/large", LARGE, 6);
	tree_chmod(root, "d/one", 06755);
	tree_link(root, "d/one", "d/one-too");
	tree_link(root, "d/one", "one-three");
	tree_symlink(root, "d/one", "soft");
	tree_symlink(root, "/nowhere", "d/dangling");
	tree_fifo(root, "d/fifo");
	tree_socket(root, "sock");
	tree_touch(root, "empty", 1100000000);
	tree_touch(root, "d/deep", 1100000001);
	tree_touch(root, "d", 1100000002);
	tree_touch(root, "", 1100000003);
}

/* Another version of that tree: new content, other attributes, other types,
 * links made and broken, entries gone. */
static void change_tree(const char *root)
{
	tree_file(root, "small", 120, 21);
	tree_poke(root, "d/two", 9);
	tree_chmod(root, "none", 0600);
	tree_unlink(root, "d/one-too");
	tree_file(root, "d/one-too", 60, 22);
	tree_link(root, "d/two", "d/two-too");
	tree_unlink(root, "soft");
	tree_symlink(root, "elsewhere", "soft");
	tree_unlink(root, "empty");
	tree_file(root, "empty", 33, 23);
	tree_unlink(root, "d/fifo");
	tree_directory(root, "d/fifo", 0700);
	tree_file(root, "d/fifo/new", 1, 24);
	tree_file(root, "d/deep/large", LARGE + 5, 25);
	tree_chmod(root, "sock", 0666);
	tree_touch(root, "d/fifo", 1100000010);
	tree_touch(root, "d/deep", 1100000011);
	tree_touch(root, "d", 1100000012);
	tree_touch(root, "", 1100000013);
}

static uint64_t bytes_moved(const struct world_run *run)
{
	return run->counter[COUNT_BYTES_READ] +
	       run->counter[COUNT_BYTES_WRITTEN];
}

static void assert_nothing_moved(const struct world_run *run)
{
	for (int side = 0; side < SIDES; side++) {
		assert_int_equal(run->calls[side][VOLUME_READ_WHOLE], 0);
		assert_int_equal(run->calls[side][VOLUME_READ], 0);
		assert_int_equal(run->calls[side][VOLUME_READLINK], 0);
	}
	assert_int_equal(run->calls[DESTINATION][VOLUME_WRITE_WHOLE], 0);
	assert_int_equal(run->calls[DESTINATION][VOLUME_WRITE], 0);
	/* The probe at the start makes some, and removes them again. */
	assert_int_equal(run->calls[DESTINATION][VOLUME_MAKE],
			 run->calls[DESTINATION][VOLUME_REMOVE]);
	assert_int_equal(run->calls[DESTINATION][VOLUME_LINK], 0);
	assert_int_equal(run->calls[DESTINATION][VOLUME_RENAME], 0);
	assert_int_equal(run->counter[COUNT_TRANSFERRED], 0);
	assert_int_equal(run->counter[COUNT_METADATA], 0);
	assert_int_equal(bytes_moved(run), 0);
}

/* --- All is well --------------------------------------------------------- */

static void test_fresh(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 12);
	assert_int_equal(run.counter[COUNT_TRANSFERRED_DIRECTORIES], 3);
	assert_int_equal(run.counter[COUNT_LINKED], 2);
	assert_int_equal(run.counter[COUNT_VERIFIED], 12);
	assert_int_equal(run.counter[COUNT_FAILED], 0);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], DIRECTORIES);
	assert_int_equal(world_row_state(w, "d/deep/large", NULL),
			 STATE_VERIFIED);
}

static void test_second_run(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	run = world_run_well(w);
	assert_nothing_moved(&run);
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], DIRECTORIES);
	assert_int_equal(run.calls[DESTINATION][VOLUME_LIST], DIRECTORIES);
	assert_int_equal(run.counter[COUNT_UNCHANGED], 12);
}

static void test_changed_tree(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	change_tree(w->path[SOURCE]);
	world_run_well(w);
	run = world_run_well(w);
	assert_nothing_moved(&run);
}

static void test_metadata_only(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	tree_chmod(w->path[SOURCE], "small", 0400);
	tree_chmod(w->path[SOURCE], "d/one", 0640); /* three names */
	tree_chmod(w->path[SOURCE], "d/deep", 0711);
	tree_chmod(w->path[SOURCE], "d/deep/large", 0444);
	run = world_run_well(w);
	assert_int_equal(run.calls[DESTINATION][VOLUME_WRITE_WHOLE], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_WRITE], 0);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
	run = world_run_well(w);
	assert_nothing_moved(&run);
}

static void test_same_size_and_mtime(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	tree_poke(w->path[SOURCE], "d/two", 100);
	tree_poke(w->path[SOURCE], "d/deep/large", LARGE - 1);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 2);
}

/* The destination was filled by another program: what is the same is not
 * written. */
static void test_filled_before(void **state)
{
	struct world *w = *state;
	struct world_run run;

	make_tree(w->path[SOURCE]);
	make_tree(w->path[DESTINATION]);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_TRANSFERRED], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_WRITE_WHOLE], 0);
	run = world_run_well(w);
	assert_nothing_moved(&run);
}

/* Names that are one object only on the destination. */
static void test_linked_on_destination_only(void **state)
{
	struct world *w = *state;
	struct world_run run;

	tree_file(w->path[SOURCE], "a", 100, 1);
	tree_file(w->path[SOURCE], "b", 100, 1);
	tree_file(w->path[SOURCE], "c", 100, 1);
	tree_chmod(w->path[SOURCE], "b", 0600);
	tree_chmod(w->path[SOURCE], "c", 0640);
	tree_file(w->path[DESTINATION], "a", 100, 1);
	tree_link(w->path[DESTINATION], "a", "b");
	tree_link(w->path[DESTINATION], "a", "c");
	run = (struct world_run){.failed_rows = 0};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* --- Each call fails ----------------------------------------------------- */

/*
 * What must hold after a run with faults: it says how it ended, and the
 * next run makes everything right.
 */
static void judge_faulted(struct world *w, const struct world_run *run,
			  bool fresh)
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
	case ENGINE_CANCELLED:
	case ENGINE_LIMITED:
	case ENGINE_TIME_UP:
		fail();
	}
	if (fresh)
		assert_int_equal(tree_compare(w->path[SOURCE],
					      w->path[DESTINATION],
					      TREE_CONTENT),
				 0);
	world_run_well(w);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
}

static const char *const verb_names[VOLUME_VERBS + 1] = {
    [VOLUME_LIST] = "LIST",
    [VOLUME_LOOKUP] = "LOOKUP",
    [VOLUME_GETATTR] = "GETATTR",
    [VOLUME_READLINK] = "READLINK",
    [VOLUME_READ_WHOLE] = "READ_WHOLE",
    [VOLUME_WRITE_WHOLE] = "WRITE_WHOLE",
    [VOLUME_MAKE] = "MAKE",
    [VOLUME_LINK] = "LINK",
    [VOLUME_SETATTR] = "SETATTR",
    [VOLUME_REMOVE] = "REMOVE",
    [VOLUME_RENAME] = "RENAME",
    [VOLUME_READ] = "READ",
    [VOLUME_OPEN] = "OPEN",
    [VOLUME_WRITE] = "WRITE",
    [VOLUME_COMMIT] = "COMMIT",
    [VOLUME_CLOSE] = "CLOSE",
    [VOLUME_STATFS] = "STATFS",
    [VOLUME_VERBS] = "any",
};

static void run_faulted(struct world *w, enum side side,
			const struct fault_rule *rule, bool fresh)
{
	struct world_run run = {.failed_rows = 0};

	fprintf(stderr, "# %s: %s %llu, %llu times: effect %d, error %d\n",
		side_name(side), verb_names[rule->verb],
		(unsigned long long)rule->first,
		(unsigned long long)rule->times, (int)rule->effect,
		rule->error);
	run.rule[side][0] = *rule;
	world_run(w, &run);
	judge_faulted(w, &run, fresh);
}

/* The rule for every number of every verb of both sides. */
static void for_each_call(struct world *w, struct fault_rule rule)
{
	struct world_run well;

	make_tree(w->path[SOURCE]);
	well = world_run_well(w);
	for (int side = 0; side < SIDES; side++) {
		for (int verb = 0; verb < VOLUME_VERBS; verb++) {
			uint64_t count = well.calls[side][verb];

			rule.verb = (enum volume_verb)verb;
			for (uint64_t n = 1; n <= count; n++) {
				rule.first = n;
				world_begin_anew(w);
				run_faulted(w, (enum side)side, &rule, true);
			}
		}
	}
}

static void test_each_call_fails_once(void **state)
{
	for_each_call(*state, (struct fault_rule){.times = 1, .error = -EIO});
}

static void test_each_verb_fails_for_good(void **state)
{
	for_each_call(
	    *state, (struct fault_rule){.times = FAULT_FOREVER, .error = -EIO});
}

/* From the n-th call on a side is gone. */
static void lose_side(struct world *w, enum side side, enum fault_effect effect,
		      int error)
{
	struct fault_rule rule = {.verb = VOLUME_VERBS,
				  .times = FAULT_FOREVER,
				  .effect = effect,
				  .error = error};
	uint64_t count;

	make_tree(w->path[SOURCE]);
	count = world_run_well(w).calls[side][VOLUME_VERBS];
	for (uint64_t n = 1; n <= count; n++) {
		rule.first = n;
		world_begin_anew(w);
		run_faulted(w, side, &rule, true);
	}
}

static void test_destination_lost(void **state)
{
	lose_side(*state, DESTINATION, FAULT_FAIL, -ENOTCONN);
}

static void test_source_lost(void **state)
{
	lose_side(*state, SOURCE, FAULT_FAIL, -ENOTCONN);
}

/* The same in a run that changes what is there: the rows must be taken back
 * before. Every call's answer may be lost though it was carried out. */
static void lose_while_changing(struct world *w, enum fault_effect effect)
{
	struct fault_rule rules[] = {
	    {.verb = VOLUME_VERBS,
	     .effect = effect,
	     .times = 1,
	     .error = -ENOTCONN},
	    {.verb = VOLUME_VERBS, .times = FAULT_FOREVER, .error = -ENOTCONN},
	};
	bool lost = true;

	for (uint64_t n = 1; lost; n++) {
		struct world_run run = {.failed_rows = 0};

		world_begin_anew(w);
		tree_remove(w->path[SOURCE]);
		assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
		make_tree(w->path[SOURCE]);
		world_run_well(w);
		change_tree(w->path[SOURCE]);
		rules[0].first = n;
		rules[1].first = n + 1;
		run.rule[DESTINATION][0] = rules[0];
		run.rule[DESTINATION][1] = rules[1];
		fprintf(stderr, "# changing, lost at call %llu\n",
			(unsigned long long)n);
		world_run(w, &run);
		lost = run.status != ENGINE_SUCCESS;
		judge_faulted(w, &run, false);
	}
}

static void test_lost_while_changing(void **state)
{
	lose_while_changing(*state, FAULT_FAIL);
}

static void test_lost_answer_while_changing(void **state)
{
	lose_while_changing(*state, FAULT_LATE);
}

/* Something failed once; in the second try the destination is lost. */
static void test_lost_while_retrying(void **state)
{
	struct world *w = *state;
	uint64_t from, to;

	make_tree(w->path[SOURCE]);
	from = world_run_well(w).calls[DESTINATION][VOLUME_VERBS];
	to = from + 20;
	for (uint64_t n = from; n < to; n++) {
		struct world_run run = {.rule[DESTINATION] = {
					    {.verb = VOLUME_WRITE_WHOLE,
					     .name = "two",
					     .first = 1,
					     .times = 1,
					     .error = -EIO},
					    {.verb = VOLUME_MAKE,
					     .name = "dangling",
					     .first = 1,
					     .times = 1,
					     .error = -EIO},
					    {.verb = VOLUME_VERBS,
					     .first = n,
					     .times = FAULT_FOREVER,
					     .error = -ENOTCONN},
					}};

		fprintf(stderr, "# retrying, lost at call %llu\n",
			(unsigned long long)n);
		world_begin_anew(w);
		world_run(w, &run);
		judge_faulted(w, &run, true);
	}
}

/* A directory that changed and cannot be listed stays failed. */
static void test_unlisted_directory_is_named(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule[SOURCE] = {{.verb = VOLUME_LIST,
						  .name = "deep",
						  .first = 1,
						  .times = FAULT_FOREVER,
						  .error = -EACCES}}};

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	tree_chmod(w->path[SOURCE], "d/deep", 0700);
	tree_file(w->path[SOURCE], "d/deep/more", 10, 40);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_int_equal(run.failed_error, -EACCES);
	assert_string_equal(run.failed_path, "d/deep");
	world_run_well(w);
}

static void test_root_attributes_fail(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};
	uint64_t sets;

	make_tree(w->path[SOURCE]);
	sets = world_run_well(w).calls[DESTINATION][VOLUME_SETATTR];
	world_begin_anew(w);
	/* The root is the last. */
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_SETATTR,
						       .first = sets,
						       .times = FAULT_FOREVER,
						       .error = -EPERM};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_int_equal(run.failed_error, -EPERM);
	world_run_well(w);
}

/* --- Hard links ---------------------------------------------------------- */

static void test_link_limit(void **state)
{
	struct world *w = *state;
	struct world_run run = {.link_max = 3};
	char name[16];
	uint32_t flags;
	unsigned unlinked = 0;

	tree_directory(w->path[SOURCE], "d", 0755);
	tree_file(w->path[SOURCE], "n0", 4000, 1);
	for (int i = 1; i < 8; i++) {
		snprintf(name, sizeof(name), "%sn%d", i % 2 ? "d/" : "", i);
		tree_link(w->path[SOURCE], "n0", name);
	}
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(tree_compare(w->path[SOURCE], w->path[DESTINATION], 0),
			 0);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%sn%d", i % 2 ? "d/" : "", i);
		assert_true(tree_links(w->path[DESTINATION], name) <= 3);
		assert_int_equal(world_row_state(w, name, &flags),
				 STATE_VERIFIED);
		unlinked += !!(flags & ROW_UNLINKED);
	}
	/* Three names at most are linked to the first object. */
	assert_true(unlinked >= 5);
	assert_true(run.counter[COUNT_LINK_LIMIT] >= 2);
	for (int again = 0; again < 3; again++) {
		run = (struct world_run){.link_max = 3};
		world_run(w, &run);
		assert_int_equal(run.status, ENGINE_SUCCESS);
		assert_nothing_moved(&run);
	}
}

/* Many names in many directories, which are met in another order each time:
 * what is one object stays one, and nothing is made anew. */
static void test_link_limit_across(void **state)
{
	struct world *w = *state;
	struct world_run run = {.link_max = 3};
	char name[32];

	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "d%d", i % 8);
		if (i < 8)
			tree_directory(w->path[SOURCE], name, 0755);
		snprintf(name, sizeof(name), "d%d/n%d", i % 8, i);
		if (i == 0)
			tree_file(w->path[SOURCE], name, 40, 1);
		else
			tree_link(w->path[SOURCE], "d0/n0", name);
	}
	for (int again = 0; again < 4; again++) {
		run = (struct world_run){.link_max = 3};
		world_run(w, &run);
		assert_int_equal(run.status, ENGINE_SUCCESS);
		assert_int_equal(
		    tree_compare(w->path[SOURCE], w->path[DESTINATION], 0), 0);
		if (again > 0)
			assert_nothing_moved(&run);
	}
}

/* One of three names was removed on the destination: all are one object
 * again. */
static void test_link_removed_there(void **state)
{
	struct world *w = *state;

	tree_file(w->path[SOURCE], "a", 10, 1);
	tree_link(w->path[SOURCE], "a", "b");
	tree_link(w->path[SOURCE], "a", "c");
	for (char c = 'a'; c <= 'c'; c++) {
		world_run_well(w);
		tree_unlink(w->path[DESTINATION], (char[]){c, '\0'});
	}
	world_run_well(w);
}

static void test_leader_fails(void **state)
{
	struct world *w = *state;
	struct world_run run = {
	    .rule[DESTINATION] = {{.verb = VOLUME_WRITE_WHOLE,
				   .first = 1,
				   .times = 1,
				   .error = -EIO}}};

	tree_file(w->path[SOURCE], "a", 4000, 1);
	for (char c = 'b'; c < 'h'; c++)
		tree_link(w->path[SOURCE], "a", (char[]){c, '\0'});
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS), 0);
}

/* Waits until the first name is copied, then changes what it was copied
 * from, so that only the change time tells. */
static void poke_when_copied(void *user)
{
	struct world *w = user;

	for (int i = 0; i < 1000 && !tree_exists(w->path[DESTINATION], "a");
	     i++)
		usleep(10000);
	tree_poke(w->path[SOURCE], "a", 3);
}

/* A name that is met after the source changed claims no more than the first
 * one does. */
static void test_link_met_after_a_change(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule[SOURCE] = {{.verb = VOLUME_LIST,
						  .name = "z",
						  .first = 1,
						  .times = 1,
						  .effect = FAULT_CALL,
						  .call = poke_when_copied,
						  .user = w}}};

	tree_directory(w->path[SOURCE], "z", 0755);
	tree_file(w->path[SOURCE], "a", 100, 1);
	tree_link(w->path[SOURCE], "a", "z/b");
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_LINKED], 1);
	assert_int_equal(world_row(w, "z/b").source.ctime_ns,
			 world_row(w, "a").source.ctime_ns);
	world_run_well(w);
}

/* As many files are through as were planned, whatever waited for what. */
static void test_links_are_planned(void **state)
{
	struct world *w = *state;
	struct world_run run;

	tree_file(w->path[SOURCE], "a", 1u << 20, 1);
	for (char c = 'b'; c < 'h'; c++)
		tree_link(w->path[SOURCE], "a", (char[]){c, '\0'});
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_PLANNED], 7);
	assert_int_equal(run.counter[COUNT_DONE], 7);
}

/* --- Things change meanwhile --------------------------------------------- */

/* One rule on one side in a fresh copy of the small tree. */
static struct world_run run_with(struct world *w, enum side side,
				 const struct fault_rule *rule)
{
	struct world_run run = {.failed_rows = 0};

	make_tree(w->path[SOURCE]);
	run.rule[side][0] = *rule;
	world_run(w, &run);
	return run;
}

static struct world_run change_source(struct world *w, enum volume_verb verb,
				      const char *name,
				      enum fault_effect effect, uint64_t times)
{
	return run_with(w, SOURCE,
			&(struct fault_rule){.verb = verb,
					     .name = name,
					     .first = 1,
					     .times = times,
					     .effect = effect});
}

static void assert_stays_busy(struct world *w, enum volume_verb verb,
			      const char *name, const char *path)
{
	struct world_run run =
	    change_source(w, verb, name, FAULT_CHANGE, FAULT_FOREVER);

	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_int_equal(run.failed_error, -EBUSY);
	assert_string_equal(run.failed_path, path);
	assert_false(tree_exists(w->path[DESTINATION], path));
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
	world_run_well(w);
}

static void test_keeps_changing(void **state)
{
	assert_stays_busy(*state, VOLUME_READ_WHOLE, "two", "d/two");
}

static void test_large_keeps_changing(void **state)
{
	assert_stays_busy(*state, VOLUME_READ, "large", "d/deep/large");
}

static void assert_right_at_last(struct world *w, const struct world_run *run)
{
	assert_int_equal(run->status, ENGINE_SUCCESS);
	assert_int_equal(
	    tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_CONTENT),
	    0);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
	world_run_well(w);
}

static void test_changes_once(void **state)
{
	struct world_run run =
	    change_source(*state, VOLUME_READ_WHOLE, "two", FAULT_CHANGE, 1);

	assert_right_at_last(*state, &run);
}

static void test_large_changes_once(void **state)
{
	struct world_run run =
	    change_source(*state, VOLUME_READ, "large", FAULT_CHANGE, 1);

	assert_right_at_last(*state, &run);
}

static void test_grows_once(void **state)
{
	struct world_run run =
	    change_source(*state, VOLUME_READ_WHOLE, "two", FAULT_GROW, 1);

	assert_right_at_last(*state, &run);
}

static void test_large_grows_once(void **state)
{
	struct world_run run =
	    change_source(*state, VOLUME_READ, "large", FAULT_GROW, 1);

	assert_right_at_last(*state, &run);
}

static void grow_much(void *user)
{
	struct world *w = user;

	tree_file(w->path[SOURCE], "d/two", LARGE, 60);
}

/* A small file that is a large one by the time it is read. */
static void test_outgrows_its_batch(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, SOURCE,
		     &(struct fault_rule){.verb = VOLUME_READ_WHOLE,
					  .name = "two",
					  .first = 1,
					  .times = 1,
					  .effect = FAULT_CALL,
					  .call = grow_much,
					  .user = w});

	assert_right_at_last(w, &run);
}

static void shrink_large(void *user)
{
	struct world *w = user;

	tree_file(w->path[SOURCE], "d/deep/large", 1000, 61);
}

static void test_large_shrinks(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, SOURCE,
		     &(struct fault_rule){.verb = VOLUME_READ,
					  .name = "large",
					  .first = 2,
					  .times = 1,
					  .effect = FAULT_CALL,
					  .call = shrink_large,
					  .user = w});

	assert_right_at_last(w, &run);
}

static void test_vanishes(void **state)
{
	struct world_run run =
	    change_source(*state, VOLUME_READ_WHOLE, "two", FAULT_VANISH, 1);

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_VANISHED], 1);
	assert_int_equal(run.failed_rows, 0);
}

/* Another file takes the name of one that is about to be read, as editors do
 * when they save. */
static void replace_two(void *user)
{
	struct world *w = user;
	char from[PATH_MAX], to[PATH_MAX];

	tree_file(w->path[SOURCE], "d/saved", 700, 62);
	snprintf(from, sizeof(from), "%s/d/saved", w->path[SOURCE]);
	snprintf(to, sizeof(to), "%s/d/two", w->path[SOURCE]);
	assert_int_equal(rename(from, to), 0);
}

static void test_replaced(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, SOURCE,
		     &(struct fault_rule){.verb = VOLUME_READ_WHOLE,
					  .name = "two",
					  .first = 1,
					  .times = 1,
					  .effect = FAULT_CALL,
					  .call = replace_two,
					  .user = w});

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_VANISHED], 0);
	assert_right_at_last(w, &run);
}

static void test_large_vanishes(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    change_source(w, VOLUME_READ, "large", FAULT_VANISH, 1);

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_VANISHED], 1);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
}

static void test_link_leader_vanishes(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule[SOURCE] = {{.verb = VOLUME_READ_WHOLE,
						  .first = 1,
						  .times = 1,
						  .effect = FAULT_VANISH}}};

	tree_file(w->path[SOURCE], "a", 10, 1);
	tree_link(w->path[SOURCE], "a", "b");
	tree_link(w->path[SOURCE], "a", "c");
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_VANISHED], 1);
	world_run_well(w);
}

/* --- What is read back --------------------------------------------------- */

static void test_corrupt_read_back(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_READ_WHOLE,
					  .name = "two",
					  .first = 1,
					  .times = 1,
					  .effect = FAULT_CORRUPT});

	/* The second try finds it well. */
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.counter[COUNT_FAILED], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_READ_WHOLE], 6);
	world_run_well(w);
}

static void test_corrupt_for_good(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_READ_WHOLE,
					  .name = "two",
					  .first = 1,
					  .times = FAULT_FOREVER,
					  .effect = FAULT_CORRUPT});

	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_rows, 1);
	assert_int_equal(run.failed_error, -EBADMSG);
	assert_string_equal(run.failed_path, "d/two");
	world_run_well(w);
}

static void test_large_corrupt_read_back(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_READ,
					  .first = 2,
					  .times = 1,
					  .effect = FAULT_CORRUPT});

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_true(run.counter[COUNT_BYTES_READ] > 2 * LARGE);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
	world_run_well(w);
}

/* How much was written and made durable when reading back began. */
struct beginning {
	struct world_run *run;
	uint64_t writes;
	uint64_t commits;
};

static void note_beginning(void *user)
{
	struct beginning *b = user;
	struct volume *v = b->run->volume[DESTINATION];

	b->writes = fault_volume_count(v, VOLUME_WRITE);
	b->commits = fault_volume_count(v, VOLUME_COMMIT);
}

/* A file so large that commits are made while it is written; a part of it, and
 * its end, is zeros. */
static void make_very_large(const struct world *w)
{
	char path[128];

	tree_file(w->path[SOURCE], "large", 80u << 20, 1);
	snprintf(path, sizeof(path), "%s/large", w->path[SOURCE]);
	assert_int_equal(truncate(path, 100 << 20), 0);
}

/* It is read back while the rest is written, and not before a commit. A disk
 * may be so slow that all was written when its first commit is answered, but
 * not each time. */
static void test_large_read_back_meanwhile(void **state)
{
	struct world *w = *state;
	bool meanwhile = false;

	make_very_large(w);
	for (int i = 0; i < 10 && !meanwhile; i++) {
		struct world_run run = {.failed_rows = 0};
		struct beginning begun = {.run = &run};

		run.rule[DESTINATION][0] =
		    (struct fault_rule){.verb = VOLUME_READ,
					.first = 1,
					.times = 1,
					.effect = FAULT_CALL,
					.call = note_beginning,
					.user = &begun};
		world_begin_anew(w);
		world_run(w, &run);
		assert_int_equal(run.status, ENGINE_SUCCESS);
		assert_true(begun.commits > 0);
		/* Each byte once. */
		assert_int_equal(run.calls[DESTINATION][VOLUME_READ], 100);
		meanwhile = begun.writes < run.calls[DESTINATION][VOLUME_WRITE];
	}
	assert_true(meanwhile);
	world_run_well(w);
}

/* What is wrong is found in what is read back early, too. */
static void test_large_corrupt_meanwhile(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule[DESTINATION] = {{
				    .verb = VOLUME_READ,
				    .first = 1,
				    .times = 1,
				    .effect = FAULT_CORRUPT,
				}}};

	make_very_large(w);
	run.options.tries = 1;
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	assert_int_equal(run.failed_error, -EBADMSG);
	assert_false(tree_exists(w->path[DESTINATION], "large"));
	world_run_well(w);
}

/* The server forgets what was not committed, after some was read back. */
static void test_large_forgotten_meanwhile(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule[DESTINATION] = {{
				    .verb = VOLUME_WRITE,
				    .first = 75,
				    .times = 1,
				    .effect = FAULT_FORGET,
				}}};

	make_very_large(w);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_true(run.calls[DESTINATION][VOLUME_WRITE] > 100);
	world_run_well(w);
}

/* What was altered is named and left as it is; the next run mends it. */
static void test_verify_all_names(void **state)
{
	struct world *w = *state;
	struct world_run run = {.options.verify = VERIFY_ALL};

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	tree_poke(w->path[DESTINATION], "d/two", 7);
	tree_poke(w->path[DESTINATION], "d/deep/large", 7);
	/* The rows became false behind our back; nothing else does here. */
	for (int i = 0; i < 2; i++) {
		run = (struct world_run){.options.verify = VERIFY_ALL,
					 .verify_only = i == 0};
		world_run(w, &run);
		assert_int_equal(run.counter[COUNT_MISMATCHED], i ? 0 : 2);
		assert_int_equal(run.counter[COUNT_DIFFERING], i ? 0 : 2);
		assert_int_equal(run.counter[COUNT_FAILED], 0);
		assert_int_equal(run.failed_rows, i ? 0 : 2);
		assert_int_equal(run.status,
				 i ? ENGINE_SUCCESS : ENGINE_FAILURES);
		assert_int_equal(tree_compare(w->path[SOURCE],
					      w->path[DESTINATION], TREE_LINKS),
				 i ? 0 : 2);
	}
	tree_poke(w->path[DESTINATION], "d/two", 7);
	run = (struct world_run){.options.verify = VERIFY_ALL};
	world_run(w, &run);
	assert_int_equal(run.counter[COUNT_MISMATCHED], 1);
	assert_int_equal(run.status, ENGINE_FAILURES);
	world_run_well(w);
}

static void test_verifier_changes(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_WRITE,
					  .first = 2,
					  .times = 1,
					  .effect = FAULT_FORGET});

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
	world_run_well(w);
}

static void test_verifier_changes_at_commit(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_COMMIT,
					  .first = 1,
					  .times = 1,
					  .effect = FAULT_FORGET});

	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.calls[DESTINATION][VOLUME_WRITE], 6);
	assert_int_equal(tree_count_temporary(w->path[DESTINATION]), 0);
	world_run_well(w);
}

/* --- Ending early -------------------------------------------------------- */

static void test_full_destination(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, DESTINATION,
		     &(struct fault_rule){.verb = VOLUME_WRITE_WHOLE,
					  .first = 3,
					  .times = FAULT_FOREVER,
					  .error = -ENOSPC});

	assert_int_equal(run.status, ENGINE_STOPPED);
	assert_int_equal(run.stop, -ENOSPC);
	assert_int_equal(run.stop_side, DESTINATION);
	assert_int_equal(run.failed_rows, 0);
	world_run_well(w);
}

static void test_lost_side(void **state)
{
	struct world *w = *state;
	struct world_run run =
	    run_with(w, SOURCE,
		     &(struct fault_rule){.verb = VOLUME_READ_WHOLE,
					  .first = 2,
					  .times = FAULT_FOREVER,
					  .error = -ENOTCONN});

	assert_int_equal(run.status, ENGINE_LOST);
	assert_int_equal(run.stop, -ENOTCONN);
	assert_int_equal(run.stop_side, SOURCE);
	assert_int_equal(run.failed_rows, 0);
	world_run_well(w);
}

/* Cancels at each call in turn. */
static void cancel_at_each(struct world *w, bool twice)
{
	uint64_t count = 1;

	make_tree(w->path[SOURCE]);
	for (uint64_t n = 1; n <= count; n += 3) {
		struct world_run run = {.failed_rows = 0};

		for (int i = 0; i < 1 + twice; i++)
			run.rule[DESTINATION][i] =
			    (struct fault_rule){.verb = VOLUME_VERBS,
						.first = n + (uint64_t)i,
						.times = 1,
						.effect = FAULT_CALL,
						.call = world_cancel,
						.user = &run};
		world_begin_anew(w);
		world_run(w, &run);
		if (run.calls[DESTINATION][VOLUME_VERBS] >= n) {
			assert_int_equal(run.status, ENGINE_CANCELLED);
			count = n + 3;
		}
		assert_int_equal(run.failed_rows, 0);
		assert_int_equal(tree_compare(w->path[SOURCE],
					      w->path[DESTINATION],
					      TREE_CONTENT),
				 0);
		world_run_well(w);
	}
	assert_true(count > 30);
}

static void test_cancel(void **state)
{
	cancel_at_each(*state, false);
}

static void test_cancel_twice(void **state)
{
	cancel_at_each(*state, true);
}

static void test_resume_large(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	tree_file(w->path[SOURCE], "large", 16u << 20, 1);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 5,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_CANCELLED);
	assert_false(tree_exists(w->path[DESTINATION], "large"));
	run = world_run_well(w);
	assert_true(run.counter[COUNT_RESUMED_BYTES] > 0);
	assert_int_equal(run.counter[COUNT_RESUMED_BYTES] +
			     run.counter[COUNT_BYTES_READ],
			 16u << 20);
}

/* A destination that is lost while it is looked at is no reason to begin the
 * file anew. */
/* What was noted of a file holds when it ends in a hole, too. */
static void test_resume_hole(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};
	char path[128];

	tree_file(w->path[SOURCE], "large", 1u << 20, 1);
	snprintf(path, sizeof(path), "%s/large", w->path[SOURCE]);
	assert_int_equal(truncate(path, 64 << 20), 0);
	run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_READ,
						  .first = 40,
						  .times = 1,
						  .effect = FAULT_CALL,
						  .call = world_cancel,
						  .user = &run};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_CANCELLED);
	run = world_run_well(w);
	assert_true(run.counter[COUNT_RESUMED_BYTES] > 0);
}

static void test_resume_lost(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	tree_file(w->path[SOURCE], "large", 16u << 20, 1);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 5,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	run = (struct world_run){.rule[DESTINATION] = {{.verb = VOLUME_READ,
							.first = 2,
							.times = FAULT_FOREVER,
							.error = -ENOTCONN}}};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_LOST);
	run = world_run_well(w);
	assert_true(run.counter[COUNT_RESUMED_BYTES] > 0);
}

/* Nor is a directory that cannot be listed this time. */
static void test_resume_unlisted(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	tree_directory(w->path[SOURCE], "d", 0755);
	tree_file(w->path[SOURCE], "d/large", 16u << 20, 1);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 5,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	run = (struct world_run){.rule[SOURCE] = {{.verb = VOLUME_LIST,
						   .name = "d",
						   .first = 1,
						   .times = FAULT_FOREVER,
						   .error = -EIO}}};
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_FAILURES);
	run = world_run_well(w);
	assert_true(run.counter[COUNT_RESUMED_BYTES] > 0);
}

/* What was noted of a file that changed meanwhile is of no use. */
static void test_resume_changed(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	tree_file(w->path[SOURCE], "large", 16u << 20, 1);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 5,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	tree_poke(w->path[SOURCE], "large", 3);
	run = world_run_well(w);
	assert_int_equal(run.counter[COUNT_RESUMED_BYTES], 0);
}

/* A large file that was begun and is gone from the source. */
static void test_partial_is_swept(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	tree_file(w->path[SOURCE], "large", 16u << 20, 1);
	run.rule[DESTINATION][0] = (struct fault_rule){.verb = VOLUME_WRITE,
						       .first = 5,
						       .times = 1,
						       .effect = FAULT_CALL,
						       .call = world_cancel,
						       .user = &run};
	world_run(w, &run);
	tree_unlink(w->path[SOURCE], "large");
	world_run_well(w);
}

/* An equal file in the place of the one that was copied is unchanged; its
 * record, by which other names of it are found, speaks of the new one. */
static void test_replaced_by_equal(void **state)
{
	struct world *w = *state;
	struct world_run run = {.failed_rows = 0};

	for (int side = 0; side < SIDES; side++)
		tree_file(w->path[side], "file", 100, 1);
	world_run_well(w);
	tree_link(w->path[DESTINATION], "file", "kept");
	tree_unlink(w->path[DESTINATION], "file");
	tree_file(w->path[DESTINATION], "file", 100, 1);
	tree_unlink(w->path[DESTINATION], "kept");
	/* It looks the same, but nobody has read it yet. */
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.calls[DESTINATION][VOLUME_READ_WHOLE], 1);
	assert_int_equal(run.calls[DESTINATION][VOLUME_WRITE_WHOLE], 0);
	world_run_well(w);
}

/* --- What the retry visits ----------------------------------------------- */

/* Gives the visit of `p` time to mend what is in it, if it has begun. */
static void await_mended(void *user)
{
	struct world *w = user;
	struct timespec tick = {.tv_nsec = 10000000};
	char from[128], to[128];
	struct stat source, destination;

	snprintf(from, sizeof(from), "%s/p/x", w->path[SOURCE]);
	snprintf(to, sizeof(to), "%s/p/x", w->path[DESTINATION]);
	assert_int_equal(stat(from, &source), 0);
	for (int i = 0; i < 30; i++) {
		if (stat(to, &destination) == 0 &&
		    destination.st_mtim.tv_sec == source.st_mtim.tv_sec)
			i += 10;
		nanosleep(&tick, NULL);
	}
}

/* A directory that failed, and in which something failed, is visited once:
 * two visits at a time would write the same names. */
static void test_retry_visits_once(void **state)
{
	struct world *w = *state;
	struct world_run run = {.rule = {
				    [SOURCE] = {{.verb = VOLUME_READ_WHOLE,
						 .name = "y",
						 .first = 1,
						 .times = 1,
						 .error = -EIO},
						{.verb = VOLUME_READ_WHOLE,
						 .name = "z",
						 .first = 1,
						 .times = 1,
						 .error = -EIO},
						{.verb = VOLUME_LOOKUP,
						 .name = "p-q",
						 .first = 1,
						 .times = 1,
						 .effect = FAULT_CALL,
						 .call = await_mended,
						 .user = w}},
				    [DESTINATION] = {{.verb = VOLUME_SETATTR,
						      .name = "x",
						      .first = 1,
						      .times = 1,
						      .error = -EIO}},
				}};

	tree_directory(w->path[SOURCE], "p", 0755);
	tree_directory(w->path[SOURCE], "p/x", 0755);
	tree_directory(w->path[SOURCE], "p-q", 0755);
	tree_file(w->path[SOURCE], "p/x/y", 10, 1);
	tree_file(w->path[SOURCE], "p-q/z", 10, 2);
	tree_touch(w->path[SOURCE], "p/x", 1100000000);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	/* Four directories, then p, x and p-q. */
	assert_int_equal(run.calls[SOURCE][VOLUME_LIST], 7);
	world_run_well(w);
}

/* Which side could not be listed is told by the phase. */
static void test_list_phases(void **state)
{
	struct world *w = *state;

	for (int side = 0; side < SIDES; side++) {
		struct world_run run = {0};

		run.rule[side][0] = (struct fault_rule){.verb = VOLUME_LIST,
							.name = "d",
							.first = 1,
							.times = FAULT_FOREVER,
							.error = -EIO};
		make_tree(w->path[SOURCE]);
		world_run_well(w);
		world_run(w, &run);
		assert_int_equal(run.status, ENGINE_FAILURES);
		assert_string_equal(run.failed_path, "d");
		assert_int_equal(run.failed_phase,
				 side == SOURCE ? PHASE_LIST : PHASE_WRITE);
		tree_remove(w->path[SOURCE]);
		assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
		world_begin_anew(w);
	}
}

/* --- What the retry counts ----------------------------------------------- */

static void assert_same_counts(const struct world_run *a,
			       const struct world_run *b)
{
	static const enum counter same[] = {
	    COUNT_LISTED,   COUNT_DIRECTORIES, COUNT_VERIFIED_DIRECTORIES,
	    COUNT_VERIFIED, COUNT_UNCHANGED,   COUNT_KEPT,
	    COUNT_FAILED,
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (a->counter[same[i]] != b->counter[same[i]])
			fail_msg("counter %d: %llu, %llu", (int)same[i],
				 (unsigned long long)a->counter[same[i]],
				 (unsigned long long)b->counter[same[i]]);
}

/* What only the retry gets to see is counted there. */
static void test_retry_counts_what_is_new(void **state)
{
	struct world *w = *state;
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .name = "d",
				  .first = 1,
				  .times = 1,
				  .error = -EIO};
	struct world_run well, retried;

	make_tree(w->path[SOURCE]);
	well = world_run_well(w);
	world_begin_anew(w);
	retried = (struct world_run){.rule[SOURCE][0] = rule};
	world_run(w, &retried);
	assert_int_equal(retried.status, ENGINE_SUCCESS);
	assert_same_counts(&well, &retried);
}

/* A record stands for the destination when a file is compared to be copied,
 * but not when all is verified. */
static void test_verify_all_reads_both(void **state)
{
	struct world *w = *state;
	struct world_run run = {.options.verify = VERIFY_ALL};

	tree_file(w->path[SOURCE], "a", 1000, 1);
	world_run_well(w);
	tree_chmod(w->path[SOURCE], "a", 0600);
	tree_chmod(w->path[SOURCE], "a", 0644);
	tree_chmod(w->path[DESTINATION], "a", 0644);
	tree_poke(w->path[DESTINATION], "a", 7);
	world_run(w, &run);
	assert_int_equal(run.calls[DESTINATION][VOLUME_READ_WHOLE], 1);
	assert_int_equal(run.counter[COUNT_MISMATCHED], 1);
	world_run_well(w);
}

/* What was seen before is neither counted nor verified again. */
static void test_retry_verifies_once(void **state)
{
	struct world *w = *state;
	struct world_run all = {.options.verify = VERIFY_ALL};
	struct world_run retried = all;

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	world_run(w, &all);
	tree_poke(w->path[DESTINATION], "d/two", 7);
	world_run(w, &retried);
	assert_int_equal(retried.counter[COUNT_MISMATCHED], 1);
	assert_int_equal(retried.counter[COUNT_VERIFIED],
			 all.counter[COUNT_VERIFIED] - 1);
	assert_int_equal(retried.counter[COUNT_UNCHANGED],
			 all.counter[COUNT_UNCHANGED]);
}

/* --- What --verify=all may not call a mismatch -------------------------- */

/* Verifies all of a copied small tree with one rule on one side. */
static struct world_run verify_all_with(struct world *w, enum side side,
					const struct fault_rule *rule)
{
	struct world_run run = {.options.verify = VERIFY_ALL};

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	run.rule[side][0] = *rule;
	world_run(w, &run);
	assert_int_equal(run.counter[COUNT_MISMATCHED], 0);
	return run;
}

/* A read that failed compared nothing. */
static void test_verify_all_unreadable(void **state)
{
	static const enum volume_verb verbs[] = {VOLUME_READ_WHOLE,
						 VOLUME_READLINK, VOLUME_READ};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct fault_rule rule = {.verb = verbs[i],
					  .first = 1,
					  .times = FAULT_FOREVER,
					  .error = -ENOTCONN};
		struct world_run run = verify_all_with(w, DESTINATION, &rule);

		assert_int_equal(run.status, ENGINE_LOST);
		assert_int_equal(run.failed_rows, 0);
		tree_remove(w->path[SOURCE]);
		assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
		world_begin_anew(w);
	}
}

/* A source that changes meanwhile is a change like any other. */
static void test_verify_all_grows(void **state)
{
	static const char *const names[] = {"two", "large"};
	static const enum volume_verb verbs[] = {VOLUME_READ_WHOLE,
						 VOLUME_GETATTR};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct fault_rule rule = {.verb = verbs[i],
					  .name = names[i],
					  .first = 1,
					  .times = 1,
					  .effect = FAULT_GROW};
		struct world_run run = verify_all_with(w, SOURCE, &rule);

		assert_int_equal(run.status, ENGINE_SUCCESS);
		world_run_well(w);
		tree_remove(w->path[SOURCE]);
		assert_int_equal(mkdir(w->path[SOURCE], 0755), 0);
		world_begin_anew(w);
	}
}

/* --- Options ------------------------------------------------------------- */

/* What a dry run prints, in `text`, each line with a newline before it. */
static struct world_run dry_run(struct world *w, char *text, size_t size)
{
	struct world_run run = {.options.dry_run = true};
	int out = dup(STDOUT_FILENO);
	FILE *printed = tmpfile();
	size_t len;

	assert_non_null(printed);
	fflush(stdout);
	dup2(fileno(printed), STDOUT_FILENO);
	world_run(w, &run);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(printed);
	text[0] = '\n';
	len = fread(text + 1, 1, size - 2, printed);
	text[1 + len] = '\0';
	fclose(printed);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	return run;
}

static void assert_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no line \"%s\" in:%s", line + 1, text);
}

static void test_dry_run(void **state)
{
	struct world *w = *state;
	struct world_run run;
	char text[4096];

	make_tree(w->path[SOURCE]);
	run = dry_run(w, text, sizeof(text));
	assert_line(text, "\ncopy      small  # not on the destination\n");
	assert_line(text, "\nmkdir     d/deep  # not on the destination\n");
	for (int verb = 0; verb < VOLUME_VERBS; verb++)
		if (verb != VOLUME_LIST && verb != VOLUME_GETATTR)
			assert_int_equal(run.calls[DESTINATION][verb], 0);
	assert_false(tree_exists(w->path[DESTINATION], "small"));
	world_run_well(w);
}

/* What is said of names whose object would be another one, and of types. */
static void test_dry_run_of_changes(void **state)
{
	struct world *w = *state;
	char text[4096];

	make_tree(w->path[SOURCE]);
	world_run_well(w);
	dry_run(w, text, sizeof(text));
	assert_string_equal(text, "\n");
	tree_file(w->path[SOURCE], "d/one", 6000, 33);
	tree_unlink(w->path[SOURCE], "small");
	tree_directory(w->path[SOURCE], "small", 0755);
	dry_run(w, text, sizeof(text));
	assert_line(text, "\ncopy      one-three  # sizes differ\n");
	assert_line(text, "\nlink      d/one  # sizes differ\n");
	assert_line(text, "\nlink      d/one-too  # sizes differ\n");
	assert_line(text,
		    "\nmkdir     small  # another type on the destination\n");
	world_run_well(w);
}

static void test_verify_none(void **state)
{
	struct world *w = *state;
	struct world_run run = {.options.verify = VERIFY_NONE};

	make_tree(w->path[SOURCE]);
	world_run(w, &run);
	assert_int_equal(run.status, ENGINE_SUCCESS);
	assert_int_equal(run.calls[DESTINATION][VOLUME_READ_WHOLE], 0);
	assert_int_equal(run.calls[DESTINATION][VOLUME_READ], 0);
	assert_int_equal(world_row_state(w, "d/two", NULL), STATE_COPIED);
	run = world_run_well(w);
	assert_nothing_moved(&run);
}

#define TEST(name)                                                \
	cmocka_unit_test_setup_teardown(test_##name, world_setup, \
					world_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(fresh),
	    TEST(second_run),
	    TEST(changed_tree),
	    TEST(metadata_only),
	    TEST(same_size_and_mtime),
	    TEST(filled_before),
	    TEST(linked_on_destination_only),
	    TEST(each_call_fails_once),
	    TEST(each_verb_fails_for_good),
	    TEST(destination_lost),
	    TEST(source_lost),
	    TEST(lost_while_changing),
	    TEST(lost_answer_while_changing),
	    TEST(lost_while_retrying),
	    TEST(unlisted_directory_is_named),
	    TEST(root_attributes_fail),
	    TEST(link_limit),
	    TEST(link_limit_across),
	    TEST(link_removed_there),
	    TEST(leader_fails),
	    TEST(link_met_after_a_change),
	    TEST(links_are_planned),
	    TEST(keeps_changing),
	    TEST(large_keeps_changing),
	    TEST(changes_once),
	    TEST(large_changes_once),
	    TEST(grows_once),
	    TEST(large_grows_once),
	    TEST(outgrows_its_batch),
	    TEST(large_shrinks),
	    TEST(vanishes),
	    TEST(replaced),
	    TEST(large_vanishes),
	    TEST(link_leader_vanishes),
	    TEST(corrupt_read_back),
	    TEST(corrupt_for_good),
	    TEST(large_corrupt_read_back),
	    TEST(large_read_back_meanwhile),
	    TEST(large_corrupt_meanwhile),
	    TEST(large_forgotten_meanwhile),
	    TEST(verify_all_names),
	    TEST(verifier_changes),
	    TEST(verifier_changes_at_commit),
	    TEST(full_destination),
	    TEST(lost_side),
	    TEST(cancel),
	    TEST(cancel_twice),
	    TEST(resume_large),
	    TEST(resume_hole),
	    TEST(resume_lost),
	    TEST(resume_unlisted),
	    TEST(resume_changed),
	    TEST(partial_is_swept),
	    TEST(verify_all_unreadable),
	    TEST(verify_all_grows),
	    TEST(replaced_by_equal),
	    TEST(retry_visits_once),
	    TEST(list_phases),
	    TEST(retry_counts_what_is_new),
	    TEST(retry_verifies_once),
	    TEST(verify_all_reads_both),
	    TEST(dry_run),
	    TEST(dry_run_of_changes),
	    TEST(verify_none),
	};

	/* One test alone: test_engine test_fresh */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
