/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The join of two listings, in memory and beyond; and hard link groups.
 */
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
#include "sync/item.h"
#include "sync/join.h"
#include "sync/links.h"
#include "tree.h"
#include "volume/volume.h"

#define MANY 10000 /* more than the join keeps in memory */

struct fixture {
	char directory[64];
	struct join *join;
	struct links *links;
	struct dirnode *dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tree_scratch("test_join", f->directory, sizeof(f->directory));
	f->join = join_new(f->directory, 4096);
	f->dir = dirnode_new(NULL, "", handle_new("s", 1), handle_new("d", 1));
	*state = f;
	return f->join && f->dir ? links_new(f->directory, &f->links) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	join_free(f->join);
	links_free(f->links);
	dirnode_free(f->dir);
	tree_remove(f->directory);
	free(f);
	return 0;
}

/* --- The join ------------------------------------------------------------ */

static void name_of(unsigned n, char name[300])
{
	snprintf(name, 300, "%u \xff\n%*s", n, (int)(n % 200), "x");
}

static void add(struct fixture *f, unsigned n)
{
	char name[300], bytes[200];
	struct volume_entry e = {.attr = {.type = ENTRY_FILE, .fileid = n}};

	name_of(n, name);
	memset(bytes, (int)n, sizeof(bytes));
	e.name = strdup(name);
	e.handle = n % 10 ? handle_new(bytes, n % 130) : NULL;
	assert_int_equal(join_add(f->join, &e), 0);
	free(e.name);
	free(e.handle);
}

static void assert_taken(struct fixture *f, unsigned n)
{
	char name[300], bytes[200];
	struct handle *h = NULL;
	struct attr a;

	name_of(n, name);
	memset(bytes, (int)n, sizeof(bytes));
	assert_int_equal(join_take(f->join, name, &a, &h), 1);
	assert_int_equal(a.type, ENTRY_FILE);
	assert_int_equal(a.fileid, n);
	assert_int_equal(h != NULL, n % 10 != 0);
	if (h) {
		assert_int_equal(h->len, n % 130);
		assert_memory_equal(h->data, bytes, h->len);
	}
	free(h);
}

static void test_join(void **state)
{
	struct fixture *f = *state;
	struct handle *h = NULL;
	struct attr a;

	for (unsigned round = 0; round < 3; round++) {
		unsigned many = round == 1 ? 10 : MANY;

		for (unsigned n = 0; n < many; n++)
			add(f, n);
		assert_int_equal(join_left(f->join), many);
		/* In another order, and not all of them. */
		for (unsigned n = many; n-- > 5;)
			assert_taken(f, n);
		assert_int_equal(join_take(f->join, "none", &a, &h), 0);
		assert_null(h);
		assert_int_equal(join_left(f->join), 5);
		join_reset(f->join);
		assert_int_equal(join_left(f->join), 0);
		assert_int_equal(join_take(f->join, "1 \xff\nx", &a, &h), 0);
	}
	assert_null(join_free(NULL));
}

/* Names that come twice are there once, as they were last: in memory, in the
 * spill. */
static void test_twice(void **state)
{
	struct fixture *f = *state;
	char name[300], *left;
	struct handle *h;
	struct attr a;

	for (unsigned n = 0; n < MANY; n++)
		add(f, n);
	for (unsigned n = 0; n < MANY; n += 100) {
		struct volume_entry e = {.attr = {.fileid = n + 1}};

		name_of(n, name);
		e.name = strdup(name);
		assert_int_equal(join_add(f->join, &e), 0);
		free(e.name);
		free(e.handle);
	}
	for (unsigned n = 0; n < MANY; n++) {
		if (n % 100 > 0) {
			assert_taken(f, n);
			continue;
		}
		name_of(n, name);
		assert_int_equal(join_take(f->join, name, &a, &h), 1);
		assert_int_equal(a.fileid, n + 1);
		assert_null(h);
	}
	assert_int_equal(join_take_next(f->join, &left, &a, &h), 0);
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of each three names two are taken; the third are all left, each once. */
static void test_left(void **state)
{
	static uint64_t seen[MANY];
	struct fixture *f = *state;
	char want[300], *name;
	struct handle *h;
	struct attr a;

	for (unsigned round = 0; round < 3; round++) {
		unsigned many = round == 1 ? 10 : MANY, count = 0;

		for (unsigned n = 0; n < many; n++)
			add(f, n);
		for (unsigned n = 0; n < many; n++)
			if (n % 3)
				assert_taken(f, n);
		while (join_take_next(f->join, &name, &a, &h) == 1) {
			assert_true(count < many);
			name_of((unsigned)a.fileid, want);
			assert_string_equal(name, want);
			assert_int_equal(h ? h->len : 0,
					 a.fileid % 10 ? a.fileid % 130 : 0);
			seen[count++] = a.fileid;
			free(name);
			free(h);
		}
		qsort(seen, count, sizeof(seen[0]), compare_numbers);
		assert_int_equal(count, (many + 2) / 3);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(seen[i], 3 * i);
		assert_int_equal(join_left(f->join), 0);
		assert_int_equal(join_take_next(f->join, &name, &a, &h), 0);
		join_reset(f->join);
	}
}

/* --- Hard link groups ---------------------------------------------------- */

static struct item *item(struct fixture *f, uint64_t fileid, const char *name)
{
	struct attr a = {.type = ENTRY_FILE,
			 .nlink = 9,
			 .fileid = fileid,
			 .fsid_major = 1,
			 .fsid_minor = 2};
	struct item *i = item_new(f->dir, strdup(name), &a, handle_new("h", 1));

	assert_non_null(i);
	return i;
}

static int meet(struct fixture *f, struct item *i, struct link_leader *ret)
{
	*ret = (struct link_leader){0};
	return links_meet(f->links, i, ret);
}

static struct link_leader leader_of(const char *handle, uint64_t fileid)
{
	return (struct link_leader){.handle = handle_new(handle, 3),
				    .attr[DESTINATION].fileid = fileid,
				    .state = STATE_VERIFIED,
				    .has_digest = true,
				    .digest = digest_of(handle, 3)};
}

static void assert_leader(const struct link_leader *have, const char *handle,
			  uint64_t fileid)
{
	struct digest d = digest_of(handle, 3);

	assert_int_equal(have->attr[DESTINATION].fileid, fileid);
	assert_int_equal(have->state, STATE_VERIFIED);
	assert_true(have->has_digest);
	assert_true(digest_equal(&have->digest, &d));
	assert_int_equal(have->handle->len, 3);
	assert_memory_equal(have->handle->data, handle, 3);
	free(have->handle);
}

static void assert_waiters(struct item_list *list, const char *names)
{
	char text[100] = "";
	struct item *i;

	while ((i = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, i, link);
		strcat(text, i->name);
		item_free(i);
	}
	assert_string_equal(text, names);
}

static void test_links(void **state)
{
	struct fixture *f = *state;
	struct item_list waiters = TAILQ_HEAD_INITIALIZER(waiters);
	struct item *a = item(f, 7, "a"), *b = item(f, 7, "b"),
		    *c = item(f, 7, "c"), *d = item(f, 7, "d"),
		    *other = item(f, 8, "o");
	struct link_leader first = leader_of("one", 100);
	struct link_leader second = leader_of("two", 200);
	struct link_leader got;

	assert_int_equal(meet(f, a, &got), LINKS_LEAD);
	assert_true(a->leads);
	assert_int_equal(links_get(f->links, a, &got), 0);
	assert_int_equal(meet(f, b, &got), LINKS_WAIT);
	assert_int_equal(meet(f, c, &got), LINKS_WAIT);
	assert_int_equal(meet(f, other, &got), LINKS_LEAD);

	/* Done: those that waited come back in their order. */
	assert_int_equal(links_done(f->links, a, &first, &waiters), 0);
	assert_waiters(&waiters, "bc");
	assert_int_equal(meet(f, d, &got), LINKS_READY);
	assert_leader(&got, "one", 100);
	assert_int_equal(links_get(f->links, d, &got), 1);
	assert_leader(&got, "one", 100);

	/* Another takes its place. */
	assert_int_equal(links_done(f->links, d, &second, &waiters), 0);
	assert_true(TAILQ_EMPTY(&waiters));
	assert_int_equal(links_get(f->links, a, &got), 1);
	assert_leader(&got, "two", 200);

	links_failed(f->links, other, &waiters);
	assert_true(TAILQ_EMPTY(&waiters));
	free(first.handle);
	free(second.handle);
	item_free(a);
	item_free(d);
	item_free(other);
}

static void test_failed_leader(void **state)
{
	struct fixture *f = *state;
	struct item_list waiters = TAILQ_HEAD_INITIALIZER(waiters);
	struct item *a = item(f, 7, "a"), *b = item(f, 7, "b"),
		    *c = item(f, 7, "c");
	struct link_leader got, nothing = {.state = STATE_COPIED};

	assert_int_equal(meet(f, a, &got), LINKS_LEAD);
	assert_int_equal(meet(f, b, &got), LINKS_WAIT);
	assert_int_equal(meet(f, c, &got), LINKS_WAIT);
	links_failed(f->links, a, &waiters);
	TAILQ_REMOVE(&waiters, b, link);
	TAILQ_REMOVE(&waiters, c, link);
	assert_true(TAILQ_EMPTY(&waiters));

	/* Met again, the first of them leads. */
	assert_int_equal(meet(f, b, &got), LINKS_LEAD);
	assert_int_equal(meet(f, c, &got), LINKS_WAIT);
	/* In a dry run a leader has no handle. */
	assert_int_equal(links_done(f->links, b, &nothing, &waiters), 0);
	assert_waiters(&waiters, "c");
	assert_int_equal(links_get(f->links, a, &got), 1);
	assert_null(got.handle);
	assert_int_equal(got.state, STATE_COPIED);
	assert_false(got.has_digest);
	item_free(a);
	item_free(b);
}

/* Files of two file systems may have one number. */
static void test_file_systems(void **state)
{
	struct fixture *f = *state;
	struct item_list waiters = TAILQ_HEAD_INITIALIZER(waiters);
	struct item *a = item(f, 7, "a"), *b = item(f, 7, "b");
	struct link_leader got;

	b->attr[SOURCE].fsid_minor++;
	assert_int_equal(meet(f, a, &got), LINKS_LEAD);
	assert_int_equal(meet(f, b, &got), LINKS_LEAD);
	links_failed(f->links, a, &waiters);
	links_failed(f->links, b, &waiters);
	item_free(a);
	item_free(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_join),  TEST(test_twice),         TEST(test_left),
	    TEST(test_links), TEST(test_failed_leader), TEST(test_file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
