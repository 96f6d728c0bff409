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
#include "fake_fuse.h"
#include "still_volume.h"
#include "sync/manifest.h"
#include "sync/tempname.h"
#include "tree.h"
#include "view/core.h"
#include "view/health.h"
#include "view/node.h"
#include "view/readers.h"
#include "view/request.h"

struct fixture {
	char directory[SIDES][128];
	char state[128];
	struct view view;
	struct view_options options;
	struct manifest_reader *reader;
	bool cancelled;
};

/* --- The fixture --------------------------------------------------------- */

static void open_side(struct fixture *f, enum side side)
{
	tree_scratch(side_name(side), f->directory[side],
		     sizeof(f->directory[side]));
	f->view.setup.volume[side] = still_volume_open(f->directory[side]);
	f->view.setup.location[side] = f->directory[side];
	assert_non_null(f->view.setup.volume[side]);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct handle *root[SIDES];
	struct view *v = &f->view;
	char error[512];

	assert_non_null(f);
	log_set_level(LOG_ERROR);
	f->options = (struct view_options){
	    .attr_timeout_s = 1000,
	    .entry_timeout_s = 20,
	    .negative_timeout_s = 30,
	    .timeo_s = 0.2,
	};
	v->setup.options = &f->options;
	v->generation = 77;
	tree_scratch("state", f->state, sizeof(f->state));
	for (enum side side = 0; side < SIDES; side++) {
		open_side(f, side);
		root[side] = volume_get_info(v->setup.volume[side])->root;
	}
	assert_int_equal(manifest_open(f->state, "s", "d", &v->setup.manifest,
				       error, sizeof(error)),
			 0);
	f->reader = manifest_reader_new(v->setup.manifest);
	assert_non_null(f->reader);
	assert_int_equal(readers_new(v->setup.manifest, &v->readers), 0);
	assert_int_equal(requests_new(&v->requests), 0);
	assert_int_equal(node_table_new(root, 2, &v->nodes), 0);
	assert_int_equal(health_new(v, &v->health), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct view *v = &f->view;

	for (enum side side = 0; side < SIDES; side++)
		volume_cancel(v->setup.volume[side]);
	health_free(v->health);
	requests_free(v->requests);
	node_table_free(v->nodes);
	readers_free(v->readers);
	manifest_reader_free(f->reader);
	assert_int_equal(manifest_close(v->setup.manifest), 0);
	for (enum side side = 0; side < SIDES; side++) {
		volume_free(v->setup.volume[side]);
		tree_remove(f->directory[side]);
	}
	tree_remove(f->state);
	free(f);
	return 0;
}

static struct volume *volume(struct fixture *f, enum side side)
{
	return f->view.setup.volume[side];
}

/* --- Asking -------------------------------------------------------------- */

/* The answer of a request, which is freed. */
static struct fake_answer answer_of(fuse_req_t req)
{
	struct fake_answer a = *fake_req_wait(req);

	fake_req_free(req);
	return a;
}

static fuse_req_t start_lookup(struct fixture *f, uint64_t parent,
			       const char *name)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_lookup(req, parent, name);
	return req;
}

static struct fake_answer look_up(struct fixture *f, uint64_t parent,
				  const char *name)
{
	return answer_of(start_lookup(f, parent, name));
}

/* The id of an entry that must be there. */
static uint64_t enter(struct fixture *f, uint64_t parent, const char *name)
{
	struct fake_answer a = look_up(f, parent, name);

	assert_int_equal(a.error, 0);
	assert_int_not_equal(a.entry.ino, 0);
	return a.entry.ino;
}

static void assert_negative(struct fixture *f, uint64_t parent,
			    const char *name)
{
	struct fake_answer a = look_up(f, parent, name);

	assert_int_equal(a.error, 0);
	assert_int_equal(a.entry.ino, 0);
	assert_true(a.entry.entry_timeout == 30);
}

static struct fake_answer get_attr(struct fixture *f, uint64_t id)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_getattr(req, id, NULL);
	return answer_of(req);
}

static struct fake_answer get_xattr(struct fixture *f, uint64_t id,
				    const char *name, size_t size)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_getxattr(req, id, name, size);
	return answer_of(req);
}

static void assert_xattr(struct fixture *f, uint64_t id, const char *name,
			 const char *value)
{
	struct fake_answer a = get_xattr(f, id, name, 1000);

	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, strlen(value));
	assert_memory_equal(a.data, value, a.len);
}

static void assert_origin(struct fixture *f, uint64_t id, const char *value)
{
	assert_xattr(f, id, "user.efsbridge.origin", value);
}

/* --- Records ------------------------------------------------------------- */

static struct attr attr_of(struct fixture *f, enum side side, const char *path)
{
	const struct handle *dir = volume_get_info(volume(f, side))->root;
	CLEANUP_FREE char *copy = strdup(path);
	struct handle *old = NULL;
	struct attr attr = {0};
	char *rest = copy, *name;

	while ((name = strsep(&rest, "/"))) {
		struct volume_lookup item = {.dir = dir, .name = name};

		volume_run(volume(f, side), VOLUME_LOOKUP, &item, 1);
		assert_int_equal(item.result, 0);
		attr = item.ret_attr;
		free(old);
		dir = old = item.ret_handle;
	}
	free(old);
	return attr;
}

/* The row of `path` when it was copied just now from side to side. */
static struct manifest_row row_of(struct fixture *f, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	const char *last = strrchr(path, '/');
	uint64_t directory = MANIFEST_ROOT;
	struct manifest_row row;
	char *rest = copy, *name;

	while ((name = strsep(&rest, "/")) && rest)
		assert_int_equal(manifest_directory(f->reader, directory, name,
						    "?", &directory),
				 0);
	row = (struct manifest_row){
	    .directory = directory,
	    .name = last ? last + 1 : path,
	    .state = STATE_VERIFIED,
	    .source = attr_of(f, SOURCE, path),
	    .destination_fileid = attr_of(f, DESTINATION, path).fileid,
	    .execution = 3,
	};
	row.type = row.source.type;
	return row;
}

static void put(struct fixture *f, const struct manifest_row *row)
{
	assert_int_equal(manifest_put(f->view.setup.manifest, row), 0);
	assert_int_equal(manifest_flush(f->view.setup.manifest), 0);
}

static void record(struct fixture *f, const char *path)
{
	struct manifest_row row = row_of(f, path);

	put(f, &row);
}

/* --- Where things come from ---------------------------------------------- */

static void each_side_shows_what_it_has(void **state)
{
	struct fixture *f = *state;
	struct fake_answer a;

	tree_file(f->directory[SOURCE], "s", 10, 1);
	tree_file(f->directory[DESTINATION], "d", 20, 2);
	tree_file(f->directory[SOURCE], "both", 30, 3);
	tree_file(f->directory[DESTINATION], "both", 40, 4);
	a = look_up(f, NODE_ROOT, "s");
	assert_int_equal(a.entry.attr.st_size, 10);
	assert_int_equal(a.entry.generation, 77);
	assert_true(a.entry.attr_timeout == 1000);
	assert_true(a.entry.entry_timeout == 20);
	assert_origin(f, a.entry.ino, "source");
	a = look_up(f, NODE_ROOT, "d");
	assert_int_equal(a.entry.attr.st_size, 20);
	assert_origin(f, a.entry.ino, "destination");
	a = look_up(f, NODE_ROOT, "both");
	assert_int_equal(a.entry.attr.st_size, 30);
	assert_int_equal(a.entry.attr.st_ino,
			 tree_inode(f->directory[SOURCE], "both"));
	assert_origin(f, a.entry.ino, "source");
	assert_negative(f, NODE_ROOT, "neither");
}

static void a_lookup_costs_one_call_a_side(void **state)
{
	struct fixture *f = *state;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[DESTINATION], "a", 0755);
	tree_file(f->directory[SOURCE], "a/f", 10, 1);
	enter(f, enter(f, NODE_ROOT, "a"), "f");
	for (enum side side = 0; side < SIDES; side++)
		assert_int_equal(
		    still_volume_count(volume(f, side), VOLUME_LOOKUP), 2);
}

static void a_recorded_copy_is_served_and_nothing_else_changes(void **state)
{
	struct fixture *f = *state;
	struct fake_answer before, after;
	uint64_t dir, id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_directory(f->directory[side], "a", 0755);
		tree_directory(f->directory[side], "a/b", 0755);
		tree_file(f->directory[side], "a/b/f", 10, 1);
	}
	dir = enter(f, enter(f, NODE_ROOT, "a"), "b");
	before = look_up(f, dir, "f");
	id = before.entry.ino;
	assert_origin(f, id, "source");
	record(f, "a/b/f");
	assert_origin(f, id, "destination");
	after = look_up(f, dir, "f");
	assert_int_equal(after.entry.ino, id);
	assert_memory_equal(&after.entry.attr, &before.entry.attr,
			    sizeof(struct stat));
	/* A change of the source brings it back. */
	tree_poke(f->directory[SOURCE], "a/b/f", 3);
	assert_origin(f, id, "source");
	assert_origin(f, dir, "both");
}

/* Directories have other ids in the manifest after a tree was dropped. */
static void records_are_found_after_a_tree_was_dropped(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = f->view.setup.manifest;
	uint64_t dir, id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_directory(f->directory[side], "a", 0755);
		tree_file(f->directory[side], "a/f", 10, 1);
	}
	dir = enter(f, NODE_ROOT, "a");
	id = enter(f, dir, "f");
	record(f, "a/f");
	assert_origin(f, id, "destination");
	assert_int_equal(manifest_drop_tree(m, MANIFEST_ROOT, "a"), 0);
	assert_int_equal(manifest_flush(m), 0);
	assert_origin(f, id, "source");
	record(f, "a/f");
	assert_origin(f, id, "destination");
}

static void depth_is_no_obstacle(void **state)
{
	struct fixture *f = *state;
	char path[1024] = "";
	uint64_t id = NODE_ROOT;

	for (int depth = 0; depth < 200; depth++) {
		strcat(path, depth ? "/d" : "d");
		for (enum side side = 0; side < SIDES; side++)
			tree_directory(f->directory[side], path, 0755);
		id = enter(f, id, "d");
	}
	strcat(path, "/f");
	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], path, 10, 1);
	record(f, path);
	assert_origin(f, enter(f, id, "f"), "destination");
}

static void a_touched_copy_shows_its_own_times(void **state)
{
	struct fixture *f = *state;
	struct fake_answer a;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	record(f, "f");
	tree_chmod(f->directory[DESTINATION], "f", 0600);
	a = look_up(f, NODE_ROOT, "f");
	assert_origin(f, a.entry.ino, "destination");
	assert_true(clock_join_ns(a.entry.attr.st_ctim.tv_sec,
				  a.entry.attr.st_ctim.tv_nsec) ==
		    attr_of(f, DESTINATION, "f").ctime_ns);
}

static void a_source_that_went_away_leaves_its_number(void **state)
{
	struct fixture *f = *state;
	struct fake_answer a, b;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	record(f, "f");
	a = look_up(f, NODE_ROOT, "f");
	tree_unlink(f->directory[SOURCE], "f");
	b = look_up(f, NODE_ROOT, "f");
	assert_int_equal(a.entry.ino, b.entry.ino);
	assert_int_equal(a.entry.attr.st_ino, b.entry.attr.st_ino);
}

static void of_two_types_the_source_counts(void **state)
{
	struct fixture *f = *state;
	struct node *n;

	tree_directory(f->directory[SOURCE], "x", 0755);
	tree_file(f->directory[DESTINATION], "x", 10, 1);
	tree_file(f->directory[SOURCE], "y", 10, 1);
	tree_directory(f->directory[DESTINATION], "y", 0755);
	n = node_get(f->view.nodes, enter(f, NODE_ROOT, "x"));
	assert_int_equal(n->type, ENTRY_DIRECTORY);
	assert_true(node_has_handle(f->view.nodes, n, SOURCE));
	assert_false(node_has_handle(f->view.nodes, n, DESTINATION));
	node_drop(f->view.nodes, n);
	n = node_get(f->view.nodes, enter(f, NODE_ROOT, "y"));
	assert_int_equal(n->type, ENTRY_FILE);
	node_drop(f->view.nodes, n);
}

/* --- Names that are none ------------------------------------------------- */

static void names_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct tempname t;
	char name[TEMPNAME_SIZE];
	char too_long[300];
	uint64_t file;

	tempname_init(&t, "a", "b");
	tempname_next(&t, name);
	tree_file(f->directory[SOURCE], name, 10, 1);
	assert_negative(f, NODE_ROOT, name);
	memset(too_long, 'x', sizeof(too_long));
	too_long[VOLUME_NAME_MAX + 1] = '\0';
	assert_int_equal(look_up(f, NODE_ROOT, too_long).error, ENAMETOOLONG);
	too_long[VOLUME_NAME_MAX] = '\0';
	assert_negative(f, NODE_ROOT, too_long);
	tree_file(f->directory[SOURCE], "f", 10, 1);
	file = enter(f, NODE_ROOT, "f");
	assert_int_equal(look_up(f, file, "x").error, ENOTDIR);
	assert_int_equal(look_up(f, 4711, "x").error, ESTALE);
	assert_int_equal(get_attr(f, 4711).error, ESTALE);
}

static void dots_are_the_node_and_its_parent(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_file(f->directory[SOURCE], "a/b", 10, 1);
	a = enter(f, NODE_ROOT, "a");
	b = enter(f, a, "b");
	assert_int_equal(enter(f, b, "."), b);
	assert_int_equal(enter(f, b, ".."), a);
	assert_int_equal(enter(f, a, ".."), NODE_ROOT);
	assert_int_equal(enter(f, NODE_ROOT, ".."), NODE_ROOT);
	assert_int_equal(look_up(f, 4711, ".").error, ESTALE);
}

static void what_the_kernel_forgot_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct fuse_forget_data forget = {.nlookup = 2};
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	forget.ino = enter(f, NODE_ROOT, "f");
	assert_int_equal(enter(f, NODE_ROOT, "f"), forget.ino);
	assert_int_equal(node_table_count(f->view.nodes), 2);
	req = fake_req_new(&f->view);
	names_forget_multi(req, 1, &forget);
	answer_of(req);
	assert_int_equal(node_table_count(f->view.nodes), 1);
}

/* The kernel did not take the answer: it does not count it. */
static void an_answer_that_did_not_arrive_is_not_counted(void **state)
{
	struct fixture *f = *state;
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_stop(volume(f, SOURCE));
	req = start_lookup(f, NODE_ROOT, "f");
	fake_req_abandon(req);
	still_volume_continue(volume(f, SOURCE));
	assert_int_not_equal(fake_req_wait(req)->entry.ino, 0);
	health_drain(f->view.health);
	fake_req_free(req);
	assert_int_equal(node_table_count(f->view.nodes), 1);
}

/* --- Objects that change ------------------------------------------------- */

static void move(struct fixture *f, enum side side, const char *from,
		 const char *to)
{
	char old[256], new[256];

	snprintf(old, sizeof(old), "%s/%s", f->directory[side], from);
	snprintf(new, sizeof(new), "%s/%s", f->directory[side], to);
	assert_int_equal(rename(old, new), 0);
}

static void another_object_is_another_node(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	id = enter(f, NODE_ROOT, "f");
	tree_file(f->directory[SOURCE], "new", 20, 2);
	move(f, SOURCE, "new", "f");
	assert_int_equal(get_attr(f, id).error, ESTALE);
	assert_int_not_equal(enter(f, NODE_ROOT, "f"), id);
	tree_unlink(f->directory[SOURCE], "f");
	assert_int_equal(get_attr(f, id).error, ENOENT);
}

static void a_stale_directory_is_looked_up_again(void **state)
{
	struct fixture *f = *state;
	struct volume *source = volume(f, SOURCE);
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[SOURCE], "a/b", 0755);
	tree_file(f->directory[SOURCE], "a/b/f", 10, 1);
	dir = enter(f, enter(f, NODE_ROOT, "a"), "b");
	assert_int_equal(still_volume_count(source, VOLUME_LOOKUP), 2);
	/* f in b; b in a, and a in the root; then b, and f again. */
	still_volume_fail(source, VOLUME_LOOKUP, 2, -ESTALE);
	enter(f, dir, "f");
	assert_int_equal(still_volume_count(source, VOLUME_LOOKUP), 7);
	/* But not for ever. */
	still_volume_fail(source, VOLUME_LOOKUP, 1000, -ESTALE);
	assert_int_equal(look_up(f, dir, "f").error, ESTALE);
	still_volume_fail(source, VOLUME_LOOKUP, 0, 0);
}

static void a_directory_with_another_object_is_stale(void **state)
{
	struct fixture *f = *state;
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	dir = enter(f, NODE_ROOT, "a");
	move(f, SOURCE, "a", "b");
	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_file(f->directory[SOURCE], "a/f", 10, 1);
	assert_int_equal(look_up(f, dir, "f").error, ESTALE);
	enter(f, enter(f, NODE_ROOT, "a"), "f");
}

static void a_directory_that_turns_up_is_found_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t dir;

	tree_directory(f->directory[SOURCE], "a", 0755);
	tree_directory(f->directory[SOURCE], "a/b", 0755);
	dir = enter(f, enter(f, NODE_ROOT, "a"), "b");
	tree_directory(f->directory[DESTINATION], "a", 0755);
	tree_directory(f->directory[DESTINATION], "a/b", 0755);
	tree_file(f->directory[DESTINATION], "a/b/f", 10, 1);
	assert_negative(f, dir, "f");
	f->options.attr_timeout_s = 0;
	assert_origin(f, enter(f, dir, "f"), "destination");
}

/* --- Sides that fail ----------------------------------------------------- */

static void one_side_s_error_is_not_the_other_s(void **state)
{
	struct fixture *f = *state;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	tree_file(f->directory[DESTINATION], "d", 10, 1);
	still_volume_fail(volume(f, DESTINATION), VOLUME_LOOKUP, 1, -EACCES);
	enter(f, NODE_ROOT, "f");
	still_volume_fail(volume(f, DESTINATION), VOLUME_LOOKUP, 1, -EACCES);
	assert_int_equal(look_up(f, NODE_ROOT, "d").error, EACCES);
	still_volume_fail(volume(f, SOURCE), VOLUME_LOOKUP, 1, -EACCES);
	assert_int_equal(look_up(f, NODE_ROOT, "d").error, EACCES);
}

static void the_source_alone_is_not_held_up(void **state)
{
	struct fixture *f = *state;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_stop(volume(f, DESTINATION));
	for (int i = 0; i < 3; i++)
		enter(f, NODE_ROOT, "f");
	assert_false(health_is_down(f->view.health, DESTINATION));
}

static void what_the_destination_can_tell_is_told(void **state)
{
	struct fixture *f = *state;
	struct volume *source = volume(f, SOURCE);
	int64_t began_ns;
	fuse_req_t waits;
	uint64_t id;

	for (enum side side = 0; side < SIDES; side++) {
		tree_file(f->directory[side], "copied", 10, 1);
		tree_file(f->directory[side], "other", 10, 1);
	}
	record(f, "copied");
	still_volume_stop(source);
	id = enter(f, NODE_ROOT, "copied");
	assert_true(health_is_down(f->view.health, SOURCE));
	/* From now on it is not even asked. */
	began_ns = clock_now_ns();
	for (int i = 0; i < 20; i++)
		assert_int_equal(enter(f, NODE_ROOT, "copied"), id);
	assert_true(clock_now_ns() - began_ns < HEALTH_LIMIT_NS);
	assert_int_equal(still_volume_held(source), 1);
	/* But by who must know. */
	waits = start_lookup(f, NODE_ROOT, "other");
	still_volume_wait(source, 2);
	assert_false(fake_req_is_answered(waits));
	still_volume_continue(source);
	assert_int_not_equal(answer_of(waits).entry.ino, 0);
	assert_origin(f, id, "destination");
	assert_false(health_is_down(f->view.health, SOURCE));
}

static void what_the_source_can_tell_is_told(void **state)
{
	struct fixture *f = *state;
	fuse_req_t waits;

	for (enum side side = 0; side < SIDES; side++) {
		tree_file(f->directory[side], "copied", 10, 1);
		tree_directory(f->directory[side], "dir", 0755);
	}
	tree_file(f->directory[DESTINATION], "d", 10, 1);
	record(f, "copied");
	still_volume_stop(volume(f, DESTINATION));
	enter(f, NODE_ROOT, "copied");
	enter(f, enter(f, NODE_ROOT, "dir"), "..");
	waits = start_lookup(f, NODE_ROOT, "d");
	still_volume_wait(volume(f, DESTINATION), 2);
	assert_false(fake_req_is_answered(waits));
	still_volume_continue(volume(f, DESTINATION));
	assert_int_not_equal(answer_of(waits).entry.ino, 0);
}

/* A directory seen while a side was down learns of that side later. */
static void a_side_that_is_back_is_asked_again(void **state)
{
	struct fixture *f = *state;
	uint64_t dir;

	for (enum side side = 0; side < SIDES; side++)
		tree_directory(f->directory[side], "a", 0755);
	tree_file(f->directory[DESTINATION], "a/f", 10, 1);
	still_volume_stop(volume(f, DESTINATION));
	dir = enter(f, NODE_ROOT, "a");
	still_volume_continue(volume(f, DESTINATION));
	enter(f, dir, "f");
}

static void soft_mounts_give_up(void **state)
{
	struct fixture *f = *state;

	f->options.soft = true;
	still_volume_stop(volume(f, SOURCE));
	assert_int_equal(look_up(f, NODE_ROOT, "f").error, EIO);
	still_volume_continue(volume(f, SOURCE));
	while (health_is_asked(f->view.health, SOURCE))
		usleep(1000);
	still_volume_lose(volume(f, SOURCE), true);
	assert_int_equal(look_up(f, NODE_ROOT, "f").error, EIO);
	assert_true(health_is_down(f->view.health, SOURCE));
	still_volume_lose(volume(f, SOURCE), false);
	assert_negative(f, NODE_ROOT, "f");
	assert_false(health_is_down(f->view.health, SOURCE));
}

static void hard_mounts_do_not(void **state)
{
	struct fixture *f = *state;
	unsigned asked;
	fuse_req_t req;

	tree_file(f->directory[SOURCE], "f", 10, 1);
	still_volume_lose(volume(f, SOURCE), true);
	req = start_lookup(f, NODE_ROOT, "f");
	asked = still_volume_count(volume(f, SOURCE), VOLUME_LOOKUP);
	while (still_volume_count(volume(f, SOURCE), VOLUME_LOOKUP) == asked)
		usleep(1000);
	assert_false(fake_req_is_answered(req));
	still_volume_lose(volume(f, SOURCE), false);
	assert_int_not_equal(answer_of(req).entry.ino, 0);
}

static void an_interrupt_ends_the_wait(void **state)
{
	struct fixture *f = *state;
	fuse_req_t req;

	still_volume_stop(volume(f, SOURCE));
	req = start_lookup(f, NODE_ROOT, "f");
	still_volume_wait(volume(f, SOURCE), 1);
	fake_req_interrupt(req);
	assert_int_equal(answer_of(req).error, EINTR);
	still_volume_continue(volume(f, SOURCE));
}

/* The kernel needs the root's attributes on the way to .sync. */
static void the_root_never_waits(void **state)
{
	struct fixture *f = *state;
	struct fake_answer before = get_attr(f, NODE_ROOT);
	int64_t began_ns = clock_now_ns();
	struct fake_answer a;

	assert_int_equal(before.error, 0);
	for (enum side side = 0; side < SIDES; side++)
		still_volume_stop(volume(f, side));
	a = get_attr(f, NODE_ROOT);
	assert_true(clock_now_ns() - began_ns < HEALTH_LIMIT_NS);
	assert_int_equal(a.error, 0);
	assert_memory_equal(&a.attr, &before.attr, sizeof(a.attr));
	/* What comes too late is not lost. */
	tree_chmod(f->directory[SOURCE], ".", 0700);
	for (enum side side = 0; side < SIDES; side++)
		still_volume_continue(volume(f, side));
	while (still_volume_held(volume(f, SOURCE)) > 0 ||
	       (get_attr(f, NODE_ROOT).attr.st_mode & 07777) != 0700)
		usleep(1000);
}

/* The fixture's end cancels the volumes: nobody waits for ever. */
static void the_end_answers_who_still_waits(void **state)
{
	struct fixture *f = *state;
	fuse_req_t stopped, lost;

	still_volume_lose(volume(f, DESTINATION), true);
	lost = start_lookup(f, NODE_ROOT, "f");
	still_volume_stop(volume(f, SOURCE));
	stopped = start_lookup(f, NODE_ROOT, "g");
	for (enum side side = 0; side < SIDES; side++)
		volume_cancel(volume(f, side));
	health_drain(f->view.health);
	assert_int_equal(answer_of(lost).error, EIO);
	assert_int_equal(answer_of(stopped).error, EIO);
}

/* --- What else is told --------------------------------------------------- */

static void symlinks_are_read_where_they_are(void **state)
{
	struct fixture *f = *state;
	struct fake_answer a;
	uint64_t id, file;
	fuse_req_t req;

	tree_symlink(f->directory[SOURCE], "of source", "l");
	tree_symlink(f->directory[DESTINATION], "of destination", "l");
	tree_file(f->directory[SOURCE], "f", 10, 1);
	id = enter(f, NODE_ROOT, "l");
	/* The first one that was found is gone by then. */
	still_volume_fail(volume(f, SOURCE), VOLUME_READLINK, 1, -ESTALE);
	req = fake_req_new(&f->view);
	names_readlink(req, id);
	a = answer_of(req);
	assert_int_equal(a.error, 0);
	assert_string_equal(a.data, "of source");
	still_volume_fail(volume(f, SOURCE), VOLUME_READLINK, 1000, -ESTALE);
	req = fake_req_new(&f->view);
	names_readlink(req, id);
	assert_int_equal(answer_of(req).error, ESTALE);
	file = enter(f, NODE_ROOT, "f");
	req = fake_req_new(&f->view);
	names_readlink(req, file);
	assert_int_equal(answer_of(req).error, EINVAL);
}

static struct fake_answer list_xattrs(struct fixture *f, uint64_t id,
				      size_t size)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_listxattr(req, id, size);
	return answer_of(req);
}

static void extended_attributes_tell_what_is_known(void **state)
{
	static const char one[] = "user.efsbridge.origin";
	static const char all[] = "user.efsbridge.origin\0"
				  "user.efsbridge.state\0"
				  "user.efsbridge.digest\0"
				  "user.efsbridge.error\0"
				  "user.efsbridge.execution";
	struct fixture *f = *state;
	struct manifest_row row;
	char hex[DIGEST_TEXT];
	struct fake_answer a;
	uint64_t id;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	id = enter(f, NODE_ROOT, "f");
	a = list_xattrs(f, id, 0);
	assert_int_equal(a.len, sizeof(one));
	a = list_xattrs(f, id, sizeof(one));
	assert_memory_equal(a.data, one, sizeof(one));
	assert_int_equal(get_xattr(f, id, "user.efsbridge.state", 9).error,
			 ENODATA);
	row = row_of(f, "f");
	row.state = STATE_FAILED;
	row.error = -EBUSY;
	row.phase = PHASE_READ;
	row.has_digest = true;
	row.digest = digest_of("x", 1);
	put(f, &row);
	a = list_xattrs(f, id, 1000);
	assert_int_equal(a.len, sizeof(all));
	assert_memory_equal(a.data, all, sizeof(all));
	assert_xattr(f, id, "user.efsbridge.state", "failed");
	assert_xattr(f, id, "user.efsbridge.execution", "3");
	assert_xattr(f, id, "user.efsbridge.digest",
		     digest_format(&row.digest, hex));
	a = get_xattr(f, id, "user.efsbridge.error", 1000);
	assert_non_null(memmem(a.data, a.len, "changing", 8));
	a = get_xattr(f, id, "user.efsbridge.state", 0);
	assert_int_equal(a.len, strlen("failed"));
	assert_int_equal(get_xattr(f, id, "user.efsbridge.state", 5).error,
			 ERANGE);
	assert_int_equal(list_xattrs(f, id, 5).error, ERANGE);
}

static void foreign_attributes_cost_nothing(void **state)
{
	struct fixture *f = *state;

	still_volume_stop(volume(f, SOURCE));
	still_volume_stop(volume(f, DESTINATION));
	assert_int_equal(get_xattr(f, 2, "security.capability", 10).error,
			 ENODATA);
	assert_int_equal(get_xattr(f, 2, "user.efsbridge.", 10).error, ENODATA);
	assert_int_equal(still_volume_held(volume(f, SOURCE)), 0);
}

static void statfs_is_the_destination_s(void **state)
{
	struct fixture *f = *state;
	fuse_req_t req = fake_req_new(&f->view);

	names_statfs(req, NODE_ROOT);
	assert_int_equal(answer_of(req).len, 255);
	assert_int_equal(
	    still_volume_count(volume(f, DESTINATION), VOLUME_STATFS), 1);
	assert_int_equal(still_volume_count(volume(f, SOURCE), VOLUME_STATFS),
			 0);
}

int main(void)
{
#define RESOLVE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
	    RESOLVE_TEST(symlinks_are_read_where_they_are),
	    RESOLVE_TEST(extended_attributes_tell_what_is_known),
	    RESOLVE_TEST(foreign_attributes_cost_nothing),
	    RESOLVE_TEST(statfs_is_the_destination_s),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
