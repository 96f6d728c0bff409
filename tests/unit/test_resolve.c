/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and attributes between two directories, as the kernel asks for them:
 * from which side they come, how many calls that takes, and what happens when
 * a side stands still, is lost, or has another directory than a moment ago.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "kernel.h"
#include "sync/tempname.h"
#include "tree.h"
#include "view/health.h"
#include "view/node.h"
#include "view/request.h"

/* --- Where things come from ---------------------------------------------- */

static void each_side_shows_what_it_has(void **state)
{
	struct kernel *f = *state;
	struct fake_answer a;

	tree_file(f->directory[SOURCE], "s", 10, 1);
	tree_file(f->directory[DESTINATION], "d", 20, 2);
	tree_file(f->directory[SOURCE], "both", 30, 3);
	tree_file(f->directory[DESTINATION], "both", 40, 4);
	a = kernel_look_up(f, NODE_ROOT, "s");
	assert_int_equal(a.entry.attr.st_size, 10);
	assert_int_equal(a.entry.generation, 77);
	assert_true(a.entry.attr_timeout == 1000);
	assert_true(a.entry.entry_timeout == 20);
	kernel_assert_origin(f, a.entry.ino, "source");
	a = kernel_look_up(f, NODE_ROOT, "d");
	assert_int_equal(a.entry.attr.st_size, 20);
	kernel_assert_origin(f, a.entry.ino, "destination");
	a = kernel_look_up(f, NODE_ROOT, "both");
	assert_int_equal(a.entry.attr.st_size, 30);
	assert_int_equal(a.entry.attr.st_ino,
			 tree_inode(f->directory[SOURCE], "both"));
	kernel_assert_origin(f, a.entry.ino, "source");
	kernel_assert_negative(f, NODE_ROOT, "neither");
}

static void a_lookup_costs_one_call_a_side(void **state)
{
	struct kernel *f = *state;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[DESTINATION], "a", 0755);
	tree_file(f->directory[SOURCE], "a/f", 10, 1);
	kernel_enter(f, kernel_enter(f, NODE_ROOT, "a"), "f");
	for (enum side side = 0; side < SIDES; side++)
		assert_int_equal(
		    still_volume_count(kernel_volume(f, side), VOLUME_LOOKUP),
		    2);
}

static void a_recorded_copy_is_served_and_nothing_else_changes(void **state)
{
	struct kernel *f = *state;
	struct fake_answer before, after;
	uint64_t dir, id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_directory(f->directory[side], "a", 0755);
		tree_directory(f->directory[side], "a/b", 0755);
		tree_file(f->directory[side], "a/b/f", 10, 1);
	}
	dir = kernel_enter(f, kernel_enter(f, NODE_ROOT, "a"), "b");
	before = kernel_look_up(f, dir, "f");
	id = before.entry.ino;
	kernel_assert_origin(f, id, "source");
	kernel_record(f, "a/b/f");
	kernel_assert_origin(f, id, "destination");
	after = kernel_look_up(f, dir, "f");
	assert_int_equal(after.entry.ino, id);
	assert_memory_equal(&after.entry.attr, &before.entry.attr,
			    sizeof(struct stat));
	/* A change of the source brings it back. */
	tree_poke(f->directory[SOURCE], "a/b/f", 3);
	kernel_assert_origin(f, id, "source");
	kernel_assert_origin(f, dir, "both");
}

/* Directories have other ids in the manifest after a tree was dropped. */
static void records_are_found_after_a_tree_was_dropped(void **state)
{
	struct kernel *f = *state;
	struct manifest *m = f->view.setup.manifest;
	uint64_t dir, id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_directory(f->directory[side], "a", 0755);
		tree_file(f->directory[side], "a/f", 10, 1);
	}
	dir = kernel_enter(f, NODE_ROOT, "a");
	id = kernel_enter(f, dir, "f");
	kernel_record(f, "a/f");
	kernel_assert_origin(f, id, "destination");
	assert_int_equal(manifest_drop_tree(m, MANIFEST_ROOT, "a"), 0);
	assert_int_equal(manifest_flush(m), 0);
	kernel_assert_origin(f, id, "source");
	kernel_record(f, "a/f");
	kernel_assert_origin(f, id, "destination");
}

static void depth_is_no_obstacle(void **state)
{
	struct kernel *f = *state;
	char path[1024] = "";
	uint64_t id = NODE_ROOT;

	for (int depth = 0; depth < 200; depth++) {
		strcat(path, depth ? "/d" : "d");
		for (enum side side = 0; side < SIDES; side++)
			tree_directory(f->directory[side], path, 0755);
		id = kernel_enter(f, id, "d");
	}
	strcat(path, "/f");
	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], path, 10, 1);
	kernel_record(f, path);
	kernel_assert_origin(f, kernel_enter(f, id, "f"), "destination");
}

static void a_touched_copy_shows_its_own_times(void **state)
{
	struct kernel *f = *state;
	struct fake_answer a;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	kernel_record(f, "f");
	tree_chmod(f->directory[DESTINATION], "f", 0600);
	a = kernel_look_up(f, NODE_ROOT, "f");
	kernel_assert_origin(f, a.entry.ino, "destination");
	assert_true(clock_join_ns(a.entry.attr.st_ctim.tv_sec,
				  a.entry.attr.st_ctim.tv_nsec) ==
		    kernel_attr_of(f, DESTINATION, "f").ctime_ns);
}

static void a_source_that_went_away_leaves_its_number(void **state)
{
	struct kernel *f = *state;
	struct fake_answer a, b;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	kernel_record(f, "f");
	a = kernel_look_up(f, NODE_ROOT, "f");
	tree_unlink(f->directory[SOURCE], "f");
	b = kernel_look_up(f, NODE_ROOT, "f");
	assert_int_equal(a.entry.ino, b.entry.ino);
	assert_int_equal(a.entry.attr.st_ino, b.entry.attr.st_ino);
}

static void of_two_types_the_source_counts(void **state)
{
	struct kernel *f = *state;
	struct node *n;

	tree_directory(f->directory[SOURCE], "x", 0755);
	tree_file(f->directory[DESTINATION], "x", 10, 1);
	tree_file(f->directory[SOURCE], "y", 10, 1);
	tree_directory(f->directory[DESTINATION], "y", 0755);
	n = node_get(f->view.nodes, kernel_enter(f, NODE_ROOT, "x"));
	assert_int_equal(n->type, ENTRY_DIRECTORY);
	assert_true(node_has_handle(f->view.nodes, n, SOURCE));
	assert_false(node_has_handle(f->view.nodes, n, DESTINATION));
	node_drop(f->view.nodes, n);
	n = node_get(f->view.nodes, kernel_enter(f, NODE_ROOT, "y"));
	assert_int_equal(n->type, ENTRY_FILE);
	node_drop(f->view.nodes, n);
}

/* --- Names that are none ------------------------------------------------- */

static void names_that_are_none(void **state)
{
	struct kernel *f = *state;
	struct tempname t;
	char name[TEMPNAME_SIZE];
	char too_long[300];
	uint64_t file;

	tempname_init(&t, "a", "b");
	tempname_next(&t, name);
	tree_file(f->directory[SOURCE], name, 10, 1);
	kernel_assert_negative(f, NODE_ROOT, name);
	memset(too_long, 'x', sizeof(too_long));
	too_long[VOLUME_NAME_MAX + 1] = '\0';
	assert_int_equal(kernel_look_up(f, NODE_ROOT, too_long).error,
			 ENAMETOOLONG);
	too_long[VOLUME_NAME_MAX] = '\0';
	kernel_assert_negative(f, NODE_ROOT, too_long);
	tree_file(f->directory[SOURCE], "f", 10, 1);
	file = kernel_enter(f, NODE_ROOT, "f");
	assert_int_equal(kernel_look_up(f, file, "x").error, ENOTDIR);
	assert_int_equal(kernel_look_up(f, 4711, "x").error, ESTALE);
	assert_int_equal(kernel_get_attr(f, 4711).error, ESTALE);
}

static void dots_are_the_node_and_its_parent(void **state)
{
	struct kernel *f = *state;
	uint64_t a, b;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_file(f->directory[SOURCE], "a/b", 10, 1);
	a = kernel_enter(f, NODE_ROOT, "a");
	b = kernel_enter(f, a, "b");
	assert_int_equal(kernel_enter(f, b, "."), b);
	assert_int_equal(kernel_enter(f, b, ".."), a);
	assert_int_equal(kernel_enter(f, a, ".."), NODE_ROOT);
	assert_int_equal(kernel_enter(f, NODE_ROOT, ".."), NODE_ROOT);
	assert_int_equal(kernel_look_up(f, 4711, ".").error, ESTALE);
}

static void what_the_kernel_forgot_is_forgotten(void **state)
{
	struct kernel *f = *state;
	struct fuse_forget_data forget = {.nlookup = 2};
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	forget.ino = kernel_enter(f, NODE_ROOT, "f");
	assert_int_equal(kernel_enter(f, NODE_ROOT, "f"), forget.ino);
	assert_int_equal(node_table_count(f->view.nodes), 2);
	req = fake_req_new(&f->view);
	names_forget_multi(req, 1, &forget);
	kernel_answer_of(req);
	assert_int_equal(node_table_count(f->view.nodes), 1);
}

/* The kernel did not take the answer: it does not count it. */
static void an_answer_that_did_not_arrive_is_not_counted(void **state)
{
	struct kernel *f = *state;
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_stop(kernel_volume(f, SOURCE));
	req = kernel_start_lookup(f, NODE_ROOT, "f");
	fake_req_abandon(req);
	still_volume_continue(kernel_volume(f, SOURCE));
	assert_int_not_equal(fake_req_wait(req)->entry.ino, 0);
	health_drain(f->view.health);
	fake_req_free(req);
	assert_int_equal(node_table_count(f->view.nodes), 1);
}

/* --- Objects that change ------------------------------------------------- */

static void move(struct kernel *f, enum side side, const char *from,
		 const char *to)
{
	char old[256], new[256];

	snprintf(old, sizeof(old), "%s/%s", f->directory[side], from);
	snprintf(new, sizeof(new), "%s/%s", f->directory[side], to);
	assert_int_equal(rename(old, new), 0);
}

static void another_object_is_another_node(void **state)
{
	struct kernel *f = *state;
	uint64_t id;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	id = kernel_enter(f, NODE_ROOT, "f");
	tree_file(f->directory[SOURCE], "new", 20, 2);
	move(f, SOURCE, "new", "f");
	assert_int_equal(kernel_get_attr(f, id).error, ESTALE);
	assert_int_not_equal(kernel_enter(f, NODE_ROOT, "f"), id);
	tree_unlink(f->directory[SOURCE], "f");
	assert_int_equal(kernel_get_attr(f, id).error, ENOENT);
}

static void a_stale_directory_is_looked_up_again(void **state)
{
	struct kernel *f = *state;
	struct volume *source = kernel_volume(f, SOURCE);
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[SOURCE], "a/b", 0755);
	tree_file(f->directory[SOURCE], "a/b/f", 10, 1);
	dir = kernel_enter(f, kernel_enter(f, NODE_ROOT, "a"), "b");
	assert_int_equal(still_volume_count(source, VOLUME_LOOKUP), 2);
	/* f in b; b in a, and a in the root; then b, and f again. */
	still_volume_fail(source, VOLUME_LOOKUP, 2, -ESTALE);
	kernel_enter(f, dir, "f");
	assert_int_equal(still_volume_count(source, VOLUME_LOOKUP), 7);
	/* But not for ever. */
	still_volume_fail(source, VOLUME_LOOKUP, 1000, -ESTALE);
	assert_int_equal(kernel_look_up(f, dir, "f").error, ESTALE);
	still_volume_fail(source, VOLUME_LOOKUP, 0, 0);
}

static void a_directory_with_another_object_is_stale(void **state)
{
	struct kernel *f = *state;
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	dir = kernel_enter(f, NODE_ROOT, "a");
	move(f, SOURCE, "a", "b");
	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_file(f->directory[SOURCE], "a/f", 10, 1);
	assert_int_equal(kernel_look_up(f, dir, "f").error, ESTALE);
	kernel_enter(f, kernel_enter(f, NODE_ROOT, "a"), "f");
}

static void a_directory_that_turns_up_is_found_in_time(void **state)
{
	struct kernel *f = *state;
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[SOURCE], "a/b", 0755);
	dir = kernel_enter(f, kernel_enter(f, NODE_ROOT, "a"), "b");
	tree_directory(f->directory[DESTINATION], "a", 0755);
	tree_directory(f->directory[DESTINATION], "a/b", 0755);
	tree_file(f->directory[DESTINATION], "a/b/f", 10, 1);
	kernel_assert_negative(f, dir, "f");
	f->options.attr_timeout_s = 0;
	kernel_assert_origin(f, kernel_enter(f, dir, "f"), "destination");
}

/* --- Sides that fail ----------------------------------------------------- */

static void one_side_s_error_is_not_the_other_s(void **state)
{
	struct kernel *f = *state;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	tree_file(f->directory[DESTINATION], "d", 10, 1);
	still_volume_fail(kernel_volume(f, DESTINATION), VOLUME_LOOKUP, 1,
			  -EACCES);
	kernel_enter(f, NODE_ROOT, "f");
	still_volume_fail(kernel_volume(f, DESTINATION), VOLUME_LOOKUP, 1,
			  -EACCES);
	assert_int_equal(kernel_look_up(f, NODE_ROOT, "d").error, EACCES);
	still_volume_fail(kernel_volume(f, SOURCE), VOLUME_LOOKUP, 1, -EACCES);
	assert_int_equal(kernel_look_up(f, NODE_ROOT, "d").error, EACCES);
}

static void the_source_alone_is_not_held_up(void **state)
{
	struct kernel *f = *state;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_stop(kernel_volume(f, DESTINATION));
	for (int i = 0; i < 3; i++)
		kernel_enter(f, NODE_ROOT, "f");
	assert_false(health_is_down(f->view.health, DESTINATION));
}

static void what_the_destination_can_tell_is_told(void **state)
{
	struct kernel *f = *state;
	struct volume *source = kernel_volume(f, SOURCE);
	int64_t began_ns;
	fuse_req_t waits;
	uint64_t id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_file(f->directory[side], "copied", 10, 1);
		tree_file(f->directory[side], "other", 10, 1);
	}
	kernel_record(f, "copied");
	still_volume_stop(source);
	id = kernel_enter(f, NODE_ROOT, "copied");
	assert_true(health_is_down(f->view.health, SOURCE));
	/* From now on it is not even asked. */
	began_ns = clock_now_ns();
	for (int i = 0; i < 20; i++)
		assert_int_equal(kernel_enter(f, NODE_ROOT, "copied"), id);
	assert_true(clock_now_ns() - began_ns < HEALTH_LIMIT_NS);
	assert_int_equal(still_volume_held(source), 1);
	/* But by who must know. */
	waits = kernel_start_lookup(f, NODE_ROOT, "other");
	still_volume_wait(source, 2);
	assert_false(fake_req_is_answered(waits));
	still_volume_continue(source);
	assert_int_not_equal(kernel_answer_of(waits).entry.ino, 0);
	kernel_assert_origin(f, id, "destination");
	assert_false(health_is_down(f->view.health, SOURCE));
}

static void what_the_source_can_tell_is_told(void **state)
{
	struct kernel *f = *state;
	fuse_req_t waits;

	for (enum side side = 0; side < SIDES; side++) {
		tree_file(f->directory[side], "copied", 10, 1);
		tree_directory(f->directory[side], "dir", 0755);
	}
	tree_file(f->directory[DESTINATION], "d", 10, 1);
	kernel_record(f, "copied");
	still_volume_stop(kernel_volume(f, DESTINATION));
	kernel_enter(f, NODE_ROOT, "copied");
	kernel_enter(f, kernel_enter(f, NODE_ROOT, "dir"), "..");
	waits = kernel_start_lookup(f, NODE_ROOT, "d");
	still_volume_wait(kernel_volume(f, DESTINATION), 2);
	assert_false(fake_req_is_answered(waits));
	still_volume_continue(kernel_volume(f, DESTINATION));
	assert_int_not_equal(kernel_answer_of(waits).entry.ino, 0);
}

/* A directory seen while a side was down learns of that side later. */
static void a_side_that_is_back_is_asked_again(void **state)
{
	struct kernel *f = *state;
	uint64_t dir;

	for (enum side side = 0; side < SIDES; side++)
		tree_directory(f->directory[side], "a", 0755);
	tree_file(f->directory[DESTINATION], "a/f", 10, 1);
	still_volume_stop(kernel_volume(f, DESTINATION));
	dir = kernel_enter(f, NODE_ROOT, "a");
	still_volume_continue(kernel_volume(f, DESTINATION));
	kernel_enter(f, dir, "f");
}

static void soft_mounts_give_up(void **state)
{
	struct kernel *f = *state;

	f->options.soft = true;
	still_volume_stop(kernel_volume(f, SOURCE));
	assert_int_equal(kernel_look_up(f, NODE_ROOT, "f").error, EIO);
	still_volume_continue(kernel_volume(f, SOURCE));
	while (health_is_asked(f->view.health, SOURCE))
		usleep(1000);
	still_volume_lose(kernel_volume(f, SOURCE), true);
	assert_int_equal(kernel_look_up(f, NODE_ROOT, "f").error, EIO);
	assert_true(health_is_down(f->view.health, SOURCE));
	still_volume_lose(kernel_volume(f, SOURCE), false);
	kernel_assert_negative(f, NODE_ROOT, "f");
	assert_false(health_is_down(f->view.health, SOURCE));
}

static void hard_mounts_do_not(void **state)
{
	struct kernel *f = *state;
	unsigned asked;
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_lose(kernel_volume(f, SOURCE), true);
	req = kernel_start_lookup(f, NODE_ROOT, "f");
	asked = still_volume_count(kernel_volume(f, SOURCE), VOLUME_LOOKUP);
	while (still_volume_count(kernel_volume(f, SOURCE), VOLUME_LOOKUP) ==
	       asked)
		usleep(1000);
	assert_false(fake_req_is_answered(req));
	still_volume_lose(kernel_volume(f, SOURCE), false);
	assert_int_not_equal(kernel_answer_of(req).entry.ino, 0);
}

static void an_interrupt_ends_the_wait(void **state)
{
	struct kernel *f = *state;
	fuse_req_t req;

	still_volume_stop(kernel_volume(f, SOURCE));
	req = kernel_start_lookup(f, NODE_ROOT, "f");
	still_volume_wait(kernel_volume(f, SOURCE), 1);
	fake_req_interrupt(req);
	assert_int_equal(kernel_answer_of(req).error, EINTR);
	still_volume_continue(kernel_volume(f, SOURCE));
}

/* The kernel needs the root's attributes on the way to .sync. */
static void the_root_never_waits(void **state)
{
	struct kernel *f = *state;
	struct fake_answer before = kernel_get_attr(f, NODE_ROOT);
	int64_t began_ns = clock_now_ns();
	struct fake_answer a;

	assert_int_equal(before.error, 0);
	for (enum side side = 0; side < SIDES; side++)
		still_volume_stop(kernel_volume(f, side));
	a = kernel_get_attr(f, NODE_ROOT);
	assert_true(clock_now_ns() - began_ns < HEALTH_LIMIT_NS);
	assert_int_equal(a.error, 0);
	assert_memory_equal(&a.attr, &before.attr, sizeof(a.attr));
	/* What comes too late is not lost. */
	tree_chmod(f->directory[SOURCE], ".", 0700);
	for (enum side side = 0; side < SIDES; side++)
		still_volume_continue(kernel_volume(f, side));
	while (still_volume_held(kernel_volume(f, SOURCE)) > 0 ||
	       (kernel_get_attr(f, NODE_ROOT).attr.st_mode & 07777) != 0700)
		usleep(1000);
}

/* The fixture's end cancels the volumes: nobody waits for ever. */
static void the_end_answers_who_still_waits(void **state)
{
	struct kernel *f = *state;
	fuse_req_t stopped, lost;

	still_volume_lose(kernel_volume(f, DESTINATION), true);
	lost = kernel_start_lookup(f, NODE_ROOT, "f");
	still_volume_stop(kernel_volume(f, SOURCE));
	stopped = kernel_start_lookup(f, NODE_ROOT, "g");
	for (enum side side = 0; side < SIDES; side++)
		volume_cancel(kernel_volume(f, side));
	health_drain(f->view.health);
	assert_int_equal(kernel_answer_of(lost).error, EIO);
	assert_int_equal(kernel_answer_of(stopped).error, EIO);
}

int main(void)
{
#define RESOLVE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
	    RESOLVE_TEST(each_side_shows_what_it_has),
	    RESOLVE_TEST(a_lookup_costs_one_call_a_side),
	    RESOLVE_TEST(a_recorded_copy_is_served_and_nothing_else_changes),
	    RESOLVE_TEST(records_are_found_after_a_tree_was_dropped),
	    RESOLVE_TEST(depth_is_no_obstacle),
	    RESOLVE_TEST(a_touched_copy_shows_its_own_times),
	    RESOLVE_TEST(a_source_that_went_away_leaves_its_number),
	    RESOLVE_TEST(of_two_types_the_source_counts),
	    RESOLVE_TEST(names_that_are_none),
	    RESOLVE_TEST(dots_are_the_node_and_its_parent),
	    RESOLVE_TEST(what_the_kernel_forgot_is_forgotten),
	    RESOLVE_TEST(an_answer_that_did_not_arrive_is_not_counted),
	    RESOLVE_TEST(another_object_is_another_node),
	    RESOLVE_TEST(a_stale_directory_is_looked_up_again),
	    RESOLVE_TEST(a_directory_with_another_object_is_stale),
	    RESOLVE_TEST(a_directory_that_turns_up_is_found_in_time),
	    RESOLVE_TEST(one_side_s_error_is_not_the_other_s),
	    RESOLVE_TEST(the_source_alone_is_not_held_up),
	    RESOLVE_TEST(what_the_destination_can_tell_is_told),
	    RESOLVE_TEST(what_the_source_can_tell_is_told),
	    RESOLVE_TEST(a_side_that_is_back_is_asked_again),
	    RESOLVE_TEST(soft_mounts_give_up),
	    RESOLVE_TEST(hard_mounts_do_not),
	    RESOLVE_TEST(an_interrupt_ends_the_wait),
	    RESOLVE_TEST(the_root_never_waits),
	    RESOLVE_TEST(the_end_answers_who_still_waits),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
