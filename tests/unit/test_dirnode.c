/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories on their way, and the stack where they wait.
 */
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
#include "sync/dirnode.h"
#include "sync/dirstack.h"
#include "tree.h"

/* Beyond what the stack keeps in memory. */
#define MANY 40000

static struct dirnode *node(struct dirnode *parent, const char *name)
{
	struct dirnode *d =
	    dirnode_new(parent, name, handle_new("s", 1), handle_new("d", 1));

	assert_non_null(d);
	return d;
}

static void assert_path(const struct dirnode *d, const char *name,
			const char *path)
{
	CLEANUP_FREE char *have = dirnode_path(d, name);

	assert_string_equal(have, path);
}

static void test_paths(void **state)
{
	struct dirnode *root = node(NULL, "");
	struct dirnode *a = node(root, "a"), *b = node(a, "b c");

	(void)state;
	assert_path(root, NULL, "");
	assert_path(root, "x", "x");
	assert_path(a, NULL, "a");
	assert_path(a, "x", "a/x");
	assert_path(b, NULL, "a/b c");
	assert_path(b, "\xff\n", "a/b c/\xff\n");
	dirnode_free(b);
	dirnode_free(a);
	dirnode_free(root);
}

/* The root of a retry has the path from the volume's root. */
static void test_path_of_retry(void **state)
{
	struct dirnode *root = node(NULL, "deep");
	struct dirnode *a;

	(void)state;
	root->path = strdup("is/deep");
	a = node(root, "a");
	assert_path(root, NULL, "is/deep");
	assert_path(root, "x", "is/deep/x");
	assert_path(a, "x", "is/deep/a/x");
	free(root->path);
	root->path = strdup("");
	assert_path(root, NULL, "");
	assert_path(a, "x", "a/x");
	dirnode_free(a);
	dirnode_free(root);
}

static void test_thousand_levels(void **state)
{
	struct dirnode *levels[1001];
	CLEANUP_FREE char *path = NULL;
	char name[256];
	size_t len = 0;

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	levels[0] = node(NULL, "");
	for (size_t i = 1; i <= 1000; i++)
		levels[i] = node(levels[i - 1], name);
	path = dirnode_path(levels[1000], "file");
	len = strlen(path);
	assert_int_equal(len, 1000 * 256 + 4);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(path[i * 256 + 255], '/');
	assert_string_equal(path + 1000 * 256, "file");
	for (size_t i = 1001; i-- > 0;)
		dirnode_free(levels[i]);
}

static void test_pending(void **state)
{
	struct dirnode *root = node(NULL, ""), *a;

	(void)state;
	root->id = 5;
	a = node(root, "a");
	assert_int_equal(a->parent_id, 5);
	dirnode_hold(a);
	assert_false(dirnode_drop(a));
	assert_true(dirnode_drop(a));
	dirnode_free(a);
	assert_false(dirnode_drop(root));
	assert_true(dirnode_drop(root));
	dirnode_free(root);
	assert_null(dirnode_free(NULL));
}

/* --- The stack ----------------------------------------------------------- */

struct fixture {
	char directory[64];
	struct dirstack *stack;
	struct dirnode *root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tree_scratch("test_dirstack", f->directory, sizeof(f->directory));
	f->root = node(NULL, "");
	f->root->id = 3;
	*state = f;
	return dirstack_new(f->directory, &f->stack);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dirstack_free(f->stack);
	dirnode_free(f->root);
	tree_remove(f->directory);
	free(f);
	return 0;
}

/* Node number `n`, with something of it in every field. */
static struct dirnode *numbered(struct fixture *f, unsigned n)
{
	struct handle *to = n % 3 ? handle_new(&n, sizeof(n)) : NULL;
	char name[256] = "";
	struct dirnode *d;

	snprintf(name, sizeof(name), "%u%*s", n, (int)(n % 200), "");
	d = dirnode_new(f->root, name, handle_new(name, n % 129), to);
	assert_non_null(d);
	d->id = n;
	d->attr[SOURCE].mtime_ns = n;
	d->attr[DESTINATION].fileid = ~(uint64_t)n;
	d->fresh = n % 2;
	d->shallow = n % 5 == 0;
	d->recorded = n % 7 == 0;
	return d;
}

static void assert_numbered(struct fixture *f, struct dirnode *d, unsigned n)
{
	char name[256] = "";

	snprintf(name, sizeof(name), "%u%*s", n, (int)(n % 200), "");
	assert_string_equal(d->name, name);
	assert_ptr_equal(d->parent, f->root);
	assert_int_equal(d->parent_id, 3);
	assert_int_equal(d->id, n);
	assert_int_equal(d->handle[SOURCE]->len, n % 129);
	assert_memory_equal(d->handle[SOURCE]->data, name, n % 129);
	if (n % 3)
		assert_memory_equal(d->handle[DESTINATION]->data, &n,
				    sizeof(n));
	else
		assert_null(d->handle[DESTINATION]);
	assert_true(d->attr[SOURCE].mtime_ns == n);
	assert_true(d->attr[DESTINATION].fileid == ~(uint64_t)n);
	assert_int_equal(d->fresh, n % 2);
	assert_int_equal(d->shallow, n % 5 == 0);
	assert_int_equal(d->recorded, n % 7 == 0);
	assert_int_equal(d->pending, 1);
	assert_null(d->path);
	dirnode_free(d);
	assert_false(dirnode_drop(f->root));
}

/* What was pushed last comes first, through the spill and back. */
static void test_spilled_order(void **state)
{
	struct fixture *f = *state;
	struct dirnode *got[7];
	unsigned left = MANY;
	int n;

	for (unsigned i = 0; i < MANY; i++)
		dirstack_push(f->stack, numbered(f, i));
	while ((n = dirstack_try_pop(f->stack, got, 7)) > 0)
		for (int i = 0; i < n; i++)
			assert_numbered(f, got[i], --left);
	assert_int_equal(n, 0);
	assert_int_equal(left, 0);
	assert_int_equal(f->root->pending, 1);
}

/* Pushing goes on while what was spilled comes back. */
static void test_spill_in_between(void **state)
{
	struct fixture *f = *state;
	struct dirnode *got[1];
	unsigned next = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MANY / 2; i++)
			dirstack_push(f->stack, numbered(f, next++));
		for (unsigned i = 0; i < MANY / 2 - 100; i++) {
			assert_int_equal(dirstack_try_pop(f->stack, got, 1), 1);
			assert_numbered(f, got[0], --next);
		}
	}
	while (dirstack_try_pop(f->stack, got, 1) > 0)
		assert_numbered(f, got[0], --next);
	assert_int_equal(next, 0);
}

static void *pop_all(void *arg)
{
	struct fixture *f = arg;
	struct dirnode *got[8];
	uintptr_t count = 0;
	int n;

	while ((n = dirstack_pop(f->stack, got, 8)) > 0) {
		for (int i = 0; i < n; i++)
			dirnode_free(got[i]);
		count += (uintptr_t)n;
	}
	return (void *)count;
}

static void test_close(void **state)
{
	struct fixture *f = *state;
	struct dirnode *got[8];
	pthread_t threads[2];
	uintptr_t sum = 0;
	void *count;
	int n;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pop_all, f),
				 0);
	for (unsigned i = 0; i < 1000; i++)
		dirstack_push(f->stack, numbered(f, i));
	dirstack_close(f->stack);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &count);
		sum += (uintptr_t)count;
	}
	/* What is there stays, and can be had without waiting. */
	while ((n = dirstack_try_pop(f->stack, got, 8)) > 0) {
		for (int i = 0; i < n; i++)
			dirnode_free(got[i]);
		sum += (uintptr_t)n;
	}
	assert_int_equal(sum, 1000);
	assert_int_equal(dirstack_pop(f->stack, got, 8), 0);
}

#define STACK(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_path_of_retry),
	    cmocka_unit_test(test_thousand_levels),
	    cmocka_unit_test(test_pending),
	    STACK(test_spilled_order),
	    STACK(test_spill_in_between),
	    STACK(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
