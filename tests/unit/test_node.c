/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of nodes: who keeps one alive, when a path gets another one, what
 * a directory remembers, and that a hundred thousand of them are found again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "view/node.h"

#define ROOT_INODE 2

static const struct handle *const no_handles[SIDES];

static struct handle *a_handle(const char *text)
{
	struct handle *h = handle_new(text, strlen(text));

	assert_non_null(h);
	return h;
}

static int setup(void **state)
{
	CLEANUP_FREE struct handle *source = handle_new("rs", 2);
	CLEANUP_FREE struct handle *destination = handle_new("rd", 2);
	const struct handle *root[SIDES] = {source, destination};
	struct node_table *t;

	if (!source || !destination || node_table_new(root, ROOT_INODE, &t))
		return -1;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	node_table_free(*state);
	return 0;
}

static struct node *enter(struct node_table *t, struct node *parent,
			  const char *name, enum entry_type type,
			  uint64_t inode, bool count)
{
	struct node *n = NULL;

	assert_int_equal(node_enter(t, parent, name, type, inode, no_handles,
				    1000, count, &n),
			 0);
	assert_non_null(n);
	return n;
}

static void the_root_is_there_for_ever(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct handle *h;

	assert_non_null(root);
	assert_null(root->parent);
	assert_int_equal(root->type, ENTRY_DIRECTORY);
	assert_int_equal(root->inode, ROOT_INODE);
	h = node_copy_handle(t, root, DESTINATION);
	assert_non_null(h);
	assert_memory_equal(h->data, "rd", 2);
	free(h);
	node_drop(t, root);
	node_forget(t, NODE_ROOT, 5);
	assert_int_equal(node_table_count(t), 1);
	root = node_get(t, NODE_ROOT);
	assert_non_null(root);
	node_drop(t, root);
}

static void a_node_lives_while_it_is_counted_or_held(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *n = enter(t, root, "a", ENTRY_FILE, 10, true);
	uint64_t id = n->id;

	assert_true(id > NODE_ROOT && id < NODE_VIRTUAL);
	node_drop(t, n);
	assert_int_equal(node_table_count(t), 2);
	n = node_get(t, id);
	assert_non_null(n);
	node_count_lookup(t, n);
	node_forget(t, id, 1);
	node_drop(t, n);
	n = node_get(t, id);
	assert_non_null(n);
	node_forget(t, id, 1);
	assert_int_equal(node_table_count(t), 2); /* held */
	node_drop(t, n);
	assert_int_equal(node_table_count(t), 1);
	assert_null(node_get(t, id));
	assert_null(node_find(t, root, "a"));
	node_drop(t, root);
}

static void a_hostile_count_of_forgets_does_no_harm(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *n = enter(t, root, "a", ENTRY_FILE, 10, true);

	node_forget(t, n->id, UINT64_MAX);
	node_forget(t, n->id, 1);
	node_forget(t, 4711, 1);
	assert_int_equal(node_table_count(t), 2);
	node_drop(t, n);
	node_drop(t, root);
	assert_int_equal(node_table_count(t), 1);
}

static void children_keep_their_parents(void **state)
{
	struct node_table *t = *state;
	struct node *n = node_get(t, NODE_ROOT);
	struct node *child;
	CLEANUP_FREE char *path = NULL;
	uint64_t first = 0;

	for (int i = 0; i < 1000; i++) {
		child =
		    enter(t, n, "d", ENTRY_DIRECTORY, 100 + (unsigned)i, true);
		if (i == 0)
			first = child->id;
		node_drop(t, n);
		n = child;
	}
	/* The kernel forgets from the top: all stay for the last one. */
	for (uint64_t id = first; id < n->id; id++)
		node_forget(t, id, 1);
	assert_int_equal(node_table_count(t), 1001);
	path = node_path(t, n);
	assert_non_null(path);
	assert_int_equal(strlen(path), 1999);
	assert_memory_equal(path, "d/d/", 4);
	node_forget(t, n->id, 1);
	node_drop(t, n);
	assert_int_equal(node_table_count(t), 1);
}

static void the_same_object_is_the_same_node(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *n = enter(t, root, "a", ENTRY_FILE, 10, true);
	struct node *again = enter(t, root, "a", ENTRY_FILE, 10, true);
	struct node *found = node_find(t, root, "a");

	assert_ptr_equal(n, again);
	assert_ptr_equal(n, found);
	assert_int_equal(n->lookups, 2);
	assert_null(node_find(t, root, "b"));
	assert_null(node_find(t, n, "a"));
	node_drop(t, n);
	node_drop(t, again);
	node_drop(t, found);
	node_drop(t, root);
}

static void check_replaced(struct node_table *t, enum entry_type type,
			   uint64_t inode)
{
	struct node *root = node_get(t, NODE_ROOT);
	struct node *old = enter(t, root, "a", ENTRY_FILE, 10, true);
	struct node *n = enter(t, root, "a", type, inode, true);
	struct node *found = node_find(t, root, "a");

	assert_ptr_not_equal(n, old);
	assert_int_not_equal(n->id, old->id);
	assert_ptr_equal(found, n);
	assert_false(old->linked);
	assert_true(n->linked);
	node_drop(t, found);
	found = node_get(t, old->id);
	assert_ptr_equal(found, old);
	node_drop(t, found);
	/* The old one goes away without touching the name. */
	node_forget(t, old->id, 1);
	node_drop(t, old);
	found = node_find(t, root, "a");
	assert_ptr_equal(found, n);
	node_drop(t, found);
	node_forget(t, n->id, 1);
	node_drop(t, n);
	node_drop(t, root);
	assert_int_equal(node_table_count(t), 1);
}

static void another_object_gets_another_node(void **state)
{
	check_replaced(*state, ENTRY_FILE, 11);
	check_replaced(*state, ENTRY_SYMLINK, 10);
	check_replaced(*state, ENTRY_DIRECTORY, 12);
}

static void ids_are_never_used_again(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	uint64_t last = NODE_ROOT;

	for (int i = 0; i < 100; i++) {
		struct node *n = enter(t, root, "a", ENTRY_FILE, 10, false);

		assert_true(n->id > last);
		last = n->id;
		node_drop(t, n);
	}
	assert_int_equal(node_table_count(t), 1);
	node_drop(t, root);
}

static void assert_handle(struct node_table *t, struct node *n, enum side side,
			  const char *text)
{
	CLEANUP_FREE struct handle *h = node_copy_handle(t, n, side);

	assert_int_equal(node_has_handle(t, n, side), !!text);
	if (!text) {
		assert_null(h);
		return;
	}
	assert_non_null(h);
	assert_int_equal(h->len, strlen(text));
	assert_memory_equal(h->data, text, h->len);
}

static void directories_keep_the_handles_last_seen(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	CLEANUP_FREE struct handle *s = a_handle("s");
	CLEANUP_FREE struct handle *d = a_handle("d");
	CLEANUP_FREE struct handle *d2 = a_handle("d2");
	const struct handle *source[SIDES] = {s, NULL};
	const struct handle *both[SIDES] = {s, d};
	const struct handle *silent[SIDES] = {NULL, d2};
	struct node *n, *again;

	assert_int_equal(node_enter(t, root, "a", ENTRY_DIRECTORY, 10, source,
				    1000, false, &n),
			 0);
	assert_handle(t, n, SOURCE, "s");
	assert_handle(t, n, DESTINATION, NULL);
	assert_int_equal(node_get_refreshed_ns(t, n), 1000);
	assert_int_equal(node_enter(t, root, "a", ENTRY_DIRECTORY, 10, both,
				    2000, false, &again),
			 0);
	assert_ptr_equal(n, again);
	node_drop(t, again);
	assert_handle(t, n, SOURCE, "s");
	assert_handle(t, n, DESTINATION, "d");
	assert_int_equal(node_get_refreshed_ns(t, n), 2000);
	/* The source did not answer: what is known of it stays. */
	assert_int_equal(node_enter(t, root, "a", ENTRY_DIRECTORY, 10, silent,
				    0, false, &again),
			 0);
	node_drop(t, again);
	assert_handle(t, n, SOURCE, "s");
	assert_handle(t, n, DESTINATION, "d2");
	assert_int_equal(node_get_refreshed_ns(t, n), 0);
	/* It answered that it has none. */
	assert_int_equal(node_enter(t, root, "a", ENTRY_DIRECTORY, 10, silent,
				    3000, false, &again),
			 0);
	node_drop(t, again);
	assert_handle(t, n, SOURCE, NULL);
	assert_handle(t, n, DESTINATION, "d2");
	node_drop(t, n);
	node_drop(t, root);
}

static void what_is_no_directory_has_no_handles(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	CLEANUP_FREE struct handle *s = a_handle("s");
	const struct handle *handles[SIDES] = {s, s};
	struct node *n;

	assert_int_equal(
	    node_enter(t, root, "a", ENTRY_FILE, 10, handles, 5, false, &n), 0);
	assert_null(n->directory);
	assert_handle(t, n, SOURCE, NULL);
	assert_int_equal(node_get_refreshed_ns(t, n), 0);
	node_put_manifest_id(t, n, 1, 2);
	assert_int_equal(node_get_manifest_id(t, n, 1), 0);
	node_drop(t, n);
	node_drop(t, root);
}

static void manifest_ids_are_of_their_epoch(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);

	assert_int_equal(node_get_manifest_id(t, root, 0), 0);
	node_put_manifest_id(t, root, 0, 1);
	assert_int_equal(node_get_manifest_id(t, root, 0), 1);
	assert_int_equal(node_get_manifest_id(t, root, 1), 0);
	node_drop(t, root);
}

static struct origin_version version_of(enum side side, uint64_t change,
					uint64_t fileid)
{
	return (struct origin_version){
	    .side = side,
	    .change = change,
	    .fileid = fileid,
	    .has_source = side == SOURCE,
	    .source_change = change,
	    .source_fileid = fileid,
	};
}

static bool open_keeps(struct node_table *t, struct node *n, enum side side,
		       uint64_t change, uint64_t fileid)
{
	struct origin_version version = version_of(side, change, fileid);
	struct attr attr = {.size = change};
	bool keep = false;

	assert_int_equal(node_open(t, n, &version, &attr, &keep), 0);
	node_close(t, n);
	return keep;
}

static void the_page_cache_is_kept_for_the_same_version(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *n = enter(t, root, "a", ENTRY_FILE, 10, false);

	assert_false(open_keeps(t, n, SOURCE, 5, 6));
	assert_true(open_keeps(t, n, SOURCE, 5, 6));
	assert_false(open_keeps(t, n, SOURCE, 7, 6));
	assert_false(open_keeps(t, n, DESTINATION, 7, 6));
	assert_false(open_keeps(t, n, DESTINATION, 7, 8));
	assert_true(open_keeps(t, n, DESTINATION, 7, 8));
	node_drop(t, n);
	node_drop(t, root);
}

static void who_reads_other_bytes_has_another_node(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *n = enter(t, root, "a", ENTRY_FILE, 10, true), *other;
	struct origin_version old = version_of(SOURCE, 5, 10);
	struct origin_version copy = version_of(DESTINATION, 77, 20);
	struct origin_version changed = version_of(SOURCE, 6, 10);
	struct attr attr = {.size = 100}, changed_attr = {.size = 3}, got;
	bool keep;

	/* Source and copy are the same. */
	copy.has_source = true;
	copy.source_fileid = 10;
	copy.source_change = 5;
	assert_false(node_get_open_attr(t, n, &changed, &got));
	assert_int_equal(node_open(t, n, &old, &attr, &keep), 0);
	assert_int_equal(node_open(t, n, &copy, &attr, &keep), 0);
	assert_false(keep);
	node_close(t, n);
	node_separate(t, root, "a", &old);
	assert_false(node_get_open_attr(t, n, &old, &got));
	assert_true(n->linked);

	/* The copy is read, and the source has changed. */
	assert_true(node_get_open_attr(t, n, &changed, &got));
	assert_int_equal(got.size, 100);
	assert_true(node_get_open_attr(t, n, NULL, &got));
	node_separate(t, root, "b", &changed);
	assert_true(n->linked);
	node_separate(t, root, "a", &changed);
	assert_false(n->linked);
	other = enter(t, root, "a", ENTRY_FILE, 10, true);
	assert_ptr_not_equal(other, n);
	assert_int_equal(node_open(t, other, &changed, &changed_attr, &keep),
			 0);
	/* The same when somebody comes by open alone. */
	assert_int_equal(node_open(t, n, &changed, &attr, &keep), -ESTALE);
	assert_int_equal(node_open(t, other, &copy, &attr, &keep), -ESTALE);
	assert_false(other->linked);

	/* Once it is closed it may be anything. */
	node_close(t, other);
	assert_false(node_get_open_attr(t, other, &copy, &got));
	assert_int_equal(node_open(t, other, &copy, &attr, &keep), 0);
	node_close(t, other);
	node_close(t, n);
	node_drop(t, other);
	node_drop(t, n);
	node_drop(t, root);
}

static void paths_go_from_the_root(void **state)
{
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	struct node *a = enter(t, root, "a", ENTRY_DIRECTORY, 10, false);
	struct node *b = enter(t, a, "bcd", ENTRY_FILE, 11, false);
	CLEANUP_FREE char *of_root = node_path(t, root);
	CLEANUP_FREE char *of_a = node_path(t, a);
	CLEANUP_FREE char *of_b = node_path(t, b);

	assert_string_equal(of_root, "");
	assert_string_equal(of_a, "a");
	assert_string_equal(of_b, "a/bcd");
	node_drop(t, b);
	node_drop(t, a);
	node_drop(t, root);
}

static void many_nodes_are_found_again(void **state)
{
	enum { MANY = 100000 };
	struct node_table *t = *state;
	struct node *root = node_get(t, NODE_ROOT);
	uint64_t first = 0;
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		struct node *n;

		snprintf(name, sizeof(name), "file-%u", i);
		n = enter(t, root, name, ENTRY_FILE, 1000 + i, true);
		if (i == 0)
			first = n->id;
		node_drop(t, n);
	}
	assert_int_equal(node_table_count(t), MANY + 1);
	for (unsigned i = 0; i < MANY; i++) {
		struct node *n = node_get(t, first + i);
		struct node *found;

		assert_non_null(n);
		assert_int_equal(n->inode, 1000 + i);
		snprintf(name, sizeof(name), "file-%u", i);
		found = node_find(t, root, name);
		assert_ptr_equal(found, n);
		node_drop(t, found);
		node_drop(t, n);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		node_forget(t, first + i, 1);
	assert_int_equal(node_table_count(t), MANY / 2 + 1);
	node_drop(t, root);
}

/* --- Threads ------------------------------------------------------------- */

#define ROUNDS 3000

static void *look_up_and_forget(void *arg)
{
	struct node_table *t = arg;
	struct node *root = node_get(t, NODE_ROOT);

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct node *d, *n;
		char name[16];

		snprintf(name, sizeof(name), "%u", i % 7);
		if (node_enter(t, root, name, ENTRY_DIRECTORY, 10 + i % 3,
			       no_handles, i, true, &d))
			abort();
		if (node_enter(t, d, "x", ENTRY_FILE, 5, no_handles, i, true,
			       &n))
			abort();
		node_forget(t, n->id, 1);
		node_forget(t, d->id, 1);
		node_drop(t, d);
		free(node_path(t, n));
		node_drop(t, n);
	}
	node_drop(t, root);
	return NULL;
}

static void threads_leave_nothing_behind(void **state)
{
	struct node_table *t = *state;
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, look_up_and_forget, t),
		    0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(node_table_count(t), 1);
}

int main(void)
{
#define NODE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    NODE_TEST(the_root_is_there_for_ever),
	    NODE_TEST(a_node_lives_while_it_is_counted_or_held),
	    NODE_TEST(a_hostile_count_of_forgets_does_no_harm),
	    NODE_TEST(children_keep_their_parents),
	    NODE_TEST(the_same_object_is_the_same_node),
	    NODE_TEST(another_object_gets_another_node),
	    NODE_TEST(ids_are_never_used_again),
	    NODE_TEST(directories_keep_the_handles_last_seen),
	    NODE_TEST(what_is_no_directory_has_no_handles),
	    NODE_TEST(manifest_ids_are_of_their_epoch),
	    NODE_TEST(the_page_cache_is_kept_for_the_same_version),
	    NODE_TEST(who_reads_other_bytes_has_another_node),
	    NODE_TEST(paths_go_from_the_root),
	    NODE_TEST(many_nodes_are_found_again),
	    NODE_TEST(threads_leave_nothing_behind),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
