/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two listings become one: whatever the sides and the manifest say of a name,
 * however the pages are cut, in memory and beyond. What an entry must be is
 * asked of the rule of origin, which has a test of its own.
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

#include "base/cleanup.h"
#include "sync/manifest.h"
#include "sync/tempname.h"
#include "tree.h"
#include "view/merge.h"
#include "view/origin.h"
#include "view/roster.h"
#include "volume/volume.h"

/* What a side has under a name. */
enum has { NONE, UNTOLD, A_FILE, ANOTHER, A_DIRECTORY, HAS };

/* What the manifest says of it. */
enum row { NO_ROW, HOLDS, OLDER, FAILED, ROWS };

#define NAMES (HAS * HAS * ROWS)

/* More than a join holds in memory. */
#define MANY 50000

struct result {
	char name[256];
	struct merged e;
	bool has_handle[SIDES];
};

struct fixture {
	char directory[64];
	struct manifest *m;
	struct manifest_reader *r;
	struct merge *merge;
	/* What came out of it. */
	struct result *result;
	size_t count;
	size_t pause_every; /* 0: never */
	int error;          /* emit() answers with it */
	const char *hidden;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[500];

	tree_scratch("test_merge", f->directory, sizeof(f->directory));
	f->result = calloc(3 * MANY, sizeof(*f->result));
	if (manifest_open(f->directory, "s", "d", &f->m, error, sizeof(error)))
		return -1;
	f->r = manifest_reader_new(f->m);
	*state = f;
	return f->r && f->result ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	merge_free(f->merge);
	manifest_reader_free(f->r);
	manifest_close(f->m);
	tree_remove(f->directory);
	free(f->result);
	free(f);
	return 0;
}

/* --- Running a merge ------------------------------------------------------ */

static int emit(void *user, const struct merged *e)
{
	struct fixture *f = user;
	struct result *r = &f->result[f->count++];

	assert_true(f->count <= 3 * MANY);
	strcpy(r->name, e->name);
	r->e = *e;
	for (int s = 0; s < SIDES; s++)
		r->has_handle[s] = e->handle[s] != NULL;
	if (f->error < 0)
		return f->error;
	return f->pause_every > 0 && f->count % f->pause_every == 0;
}

static bool is_hidden(void *user, const char *name)
{
	struct fixture *f = user;

	return f->hidden && !strcmp(name, f->hidden);
}

static void begin(struct fixture *f, bool source, bool destination)
{
	struct merge_setup s = {.spill_directory = f->directory,
				.present = {source, destination},
				.is_hidden = is_hidden,
				.emit = emit,
				.user = f};

	f->merge = merge_free(f->merge);
	f->count = 0;
	assert_int_equal(merge_new(&s, &f->merge), 0);
}

/* Entries of a side, as a test has them. */
struct side_list {
	struct volume_entry entry[3 * MANY];
	size_t count;
	size_t given;
	int64_t asked_ns; /* of its first page; one more each */
};

static struct side_list *lists(void)
{
	struct side_list *l = calloc(SIDES, sizeof(*l));

	assert_non_null(l);
	l[SOURCE].asked_ns = 1000;
	l[DESTINATION].asked_ns = 500;
	return l;
}

static struct volume_entry *list_add(struct side_list *l, const char *name,
				     enum entry_type type, uint64_t fileid)
{
	struct volume_entry *e = &l->entry[l->count++];

	*e = (struct volume_entry){
	    .name = strdup(name),
	    .handle = handle_new("handle", 6),
	    .attr = {.type = type, .fileid = fileid, .nlink = 1}};
	return e;
}

static void list_untold(struct side_list *l, const char *name)
{
	struct volume_entry *e = list_add(l, name, ENTRY_NONE, 0);

	free(steal(e->handle));
	e->attr_result = -EACCES;
}

/* The next page: at most `max` entries. */
static struct volume_list next_page(struct side_list *l, size_t max)
{
	struct volume_list page = {0};
	size_t n = l->count - l->given;

	page.ret_count = n < max ? n : max;
	page.ret_entries = calloc(page.ret_count + 1, sizeof(l->entry[0]));
	memcpy(page.ret_entries, &l->entry[l->given],
	       page.ret_count * sizeof(l->entry[0]));
	l->given += page.ret_count;
	page.ret_eof = l->given == l->count;
	return page;
}

/* Lets the merge run to its end. */
static int run(struct fixture *f, struct side_list *l,
	       const size_t page_max[SIDES])
{
	int r = 0;

	while (r >= 0 && !merge_is_done(f->merge)) {
		for (enum side s = 0; s < SIDES; s++) {
			struct volume_list page;

			if (!merge_needs(f->merge, s))
				continue;
			page = next_page(&l[s], page_max[s]);
			merge_give(f->merge, s, &page, l[s].asked_ns++);
			assert_null(page.ret_entries);
		}
		r = merge_run(f->merge, f->r, MANIFEST_ROOT);
	}
	assert_false(r >= 0 && merge_needs(f->merge, SOURCE));
	assert_false(r >= 0 && merge_needs(f->merge, DESTINATION));
	return r;
}

static void lists_free(struct side_list *l)
{
	for (enum side s = 0; s < SIDES; s++) {
		for (size_t i = l[s].given; i < l[s].count; i++) {
			free(l[s].entry[i].name);
			free(l[s].entry[i].handle);
		}
	}
	free(l);
}

static int compare_results(const void *a, const void *b)
{
	const struct result *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static const struct result *find(const struct fixture *f, const char *name)
{
	struct result want;
	const struct result *found;

	strcpy(want.name, name);
	found =
	    bsearch(&want, f->result, f->count, sizeof(want), compare_results);
	return found;
}

/* Sorts what came; each name must have come once. */
static void sort_results(struct fixture *f)
{
	qsort(f->result, f->count, sizeof(f->result[0]), compare_results);
	for (size_t i = 1; i < f->count; i++)
		assert_string_not_equal(f->result[i - 1].name,
					f->result[i].name);
}

/* --- Every combination ---------------------------------------------------- */

static struct attr attr_of(enum side side, enum has has, unsigned n)
{
	struct attr a = {.type =
			     has == A_DIRECTORY ? ENTRY_DIRECTORY : ENTRY_FILE,
			 .nlink = 1,
			 .mode = 0600,
			 .mtime_ns = 5,
			 .change = 7,
			 .size = 3};

	a.fileid = 1000 * (side + 1u) + n;
	if (has == ANOTHER)
		a.fileid += 100000;
	return a;
}

static void put_row(struct fixture *f, const char *name, enum row row,
		    enum has source, unsigned n)
{
	struct manifest_row r = {.directory = MANIFEST_ROOT,
				 .name = name,
				 .state = STATE_VERIFIED,
				 .type = ENTRY_FILE,
				 .execution = 1};

	if (row == NO_ROW)
		return;
	r.source = attr_of(SOURCE, source == NONE ? A_FILE : source, n);
	if (source == A_DIRECTORY)
		r.type = ENTRY_DIRECTORY;
	r.source.type = r.type;
	r.destination_fileid = attr_of(DESTINATION, A_FILE, n).fileid;
	if (row == OLDER)
		r.source.change--;
	if (row == FAILED) {
		r.state = STATE_FAILED;
		r.error = -EIO;
		r.phase = PHASE_READ;
	}
	assert_int_equal(manifest_put(f->m, &r), 0);
}

static void put_side(struct side_list *l, enum side side, const char *name,
		     enum has has, unsigned n)
{
	if (has == UNTOLD)
		list_untold(l, name);
	else if (has != NONE)
		list_add(l, name, ENTRY_FILE, 0)->attr = attr_of(side, has, n);
}

static void name_of(unsigned n, char name[64])
{
	snprintf(name, 64, "%u \xff\n", n);
}

static void assert_combination(const struct fixture *f, unsigned n)
{
	enum has has[SIDES] = {n % HAS, n / HAS % HAS};
	struct origin_facts facts = {0};
	struct manifest_row row;
	const struct result *r;
	enum side side;
	char name[64];

	name_of(n, name);
	r = find(f, name);
	if (has[SOURCE] == NONE && has[DESTINATION] == NONE) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_int_equal(r->e.has_attr,
			 has[SOURCE] != UNTOLD && has[DESTINATION] != UNTOLD);
	if (!r->e.has_attr)
		return;
	for (enum side s = 0; s < SIDES; s++) {
		facts.presence[s] = has[s] == NONE ? ABSENT : PRESENT;
		facts.attr[s] = attr_of(s, has[s], n);
	}
	if (manifest_get(f->r, MANIFEST_ROOT, name, &row) == 1)
		facts.row = &row;
	side = origin_choose(&facts) == ORIGIN_SOURCE ? SOURCE : DESTINATION;
	assert_int_equal(r->e.attr.fileid, facts.attr[side].fileid);
	assert_int_equal(r->e.attr.type, facts.attr[side].type);
	assert_int_equal(r->e.inode, origin_inode(&facts));
	for (enum side s = 0; s < SIDES; s++)
		assert_int_equal(r->has_handle[s],
				 r->e.attr.type == ENTRY_DIRECTORY &&
				     has[s] == A_DIRECTORY);
}

static void test_combinations(void **state)
{
	static const size_t page_max[SIDES] = {7, 5};
	struct fixture *f = *state;
	struct side_list *l = lists();
	char name[64];

	for (unsigned n = 0; n < NAMES; n++) {
		name_of(n, name);
		put_row(f, name, n / HAS / HAS, n % HAS, n);
		put_side(&l[SOURCE], SOURCE, name, n % HAS, n);
		put_side(&l[DESTINATION], DESTINATION, name, n / HAS % HAS, n);
	}
	assert_int_equal(manifest_flush(f->m), 0);
	begin(f, true, true);
	assert_int_equal(run(f, l, page_max), 0);
	sort_results(f);
	for (unsigned n = 0; n < NAMES; n++)
		assert_combination(f, n);
	assert_int_equal(f->count, NAMES - ROWS);
	lists_free(l);
}

/* How old an entry may be. */
static void test_age(void **state)
{
	static const size_t page_max[SIDES] = {1, 1};
	struct fixture *f = *state;
	struct side_list *l = lists();

	list_add(&l[DESTINATION], "a", ENTRY_FILE, 1);
	list_add(&l[DESTINATION], "b", ENTRY_FILE, 1)->attr.size = 9;
	list_add(&l[DESTINATION], "d", ENTRY_DIRECTORY, 1);
	list_add(&l[DESTINATION], "e", ENTRY_FILE, 1);
	list_add(&l[SOURCE], "a", ENTRY_FILE, 1);
	list_add(&l[SOURCE], "b", ENTRY_FILE, 1);
	list_add(&l[SOURCE], "c", ENTRY_FILE, 1);
	list_add(&l[SOURCE], "d", ENTRY_DIRECTORY, 1);
	begin(f, true, true);
	assert_int_equal(run(f, l, page_max), 0);
	sort_results(f);
	/* The same on both sides: as the source's page. */
	assert_int_equal(find(f, "a")->e.listed_ns, 1000);
	/* Not the same, or a directory: as the older one. */
	assert_int_equal(find(f, "b")->e.listed_ns, 500);
	assert_int_equal(find(f, "c")->e.listed_ns, 1002);
	assert_int_equal(find(f, "d")->e.listed_ns, 500);
	/* As the first page of a listing that was held. */
	assert_int_equal(find(f, "e")->e.listed_ns, 500);
	lists_free(l);
}

/* --- Pages, pauses, sides ------------------------------------------------- */

/* Of each four names the source has the first three, the destination the last
 * three. */
static void fill(struct side_list *l, unsigned many)
{
	char name[64];

	for (unsigned n = 0; n < many; n++) {
		name_of(n, name);
		if (n % 4 != 3)
			list_add(&l[SOURCE], name, ENTRY_FILE, n + 1);
		name_of(many - 1 - n, name);
		if ((many - 1 - n) % 4 != 0)
			list_add(&l[DESTINATION], name, ENTRY_FILE, n + 1);
	}
}

static void assert_numbers(struct fixture *f, unsigned many, unsigned less)
{
	char name[64];

	sort_results(f);
	assert_int_equal(f->count, less == 4 ? many : many - (many + 3) / 4);
	for (unsigned n = 0; n < many; n++) {
		name_of(n, name);
		assert_int_equal(find(f, name) != NULL, n % 4 != less);
	}
}

static void test_pages(void **state)
{
	struct fixture *f = *state;
	enum { MANY_PAGES = 24 };

	for (size_t s = 0; s <= MANY_PAGES; s++) {
		for (size_t d = 0; d <= MANY_PAGES; d++) {
			const size_t page_max[SIDES] = {s + 1, d + 1};
			struct side_list *l = lists();

			fill(l, MANY_PAGES);
			f->pause_every = (s + d) % 5;
			begin(f, true, true);
			assert_int_equal(run(f, l, page_max), 0);
			assert_numbers(f, MANY_PAGES, 4);
			lists_free(l);
		}
	}
}

/* Empty pages before, between and behind the others. */
static void test_empty_pages(void **state)
{
	struct fixture *f = *state;
	struct side_list *l = lists();
	int step = 0;

	fill(l, 20);
	begin(f, true, true);
	while (!merge_is_done(f->merge)) {
		for (enum side s = 0; s < SIDES; s++) {
			struct volume_list page = {0};

			if (!merge_needs(f->merge, s))
				continue;
			if (step++ % 2)
				page = next_page(&l[s], 3);
			/* The last one is empty. */
			if (page.ret_eof && page.ret_count > 0)
				page.ret_eof = false;
			else if (l[s].given == l[s].count)
				page.ret_eof = true;
			merge_give(f->merge, s, &page, 1);
		}
		assert_true(merge_run(f->merge, f->r, MANIFEST_ROOT) >= 0);
	}
	assert_numbers(f, 20, 4);
	lists_free(l);
}

static void test_empty_directories(void **state)
{
	static const size_t page_max[SIDES] = {5, 5};
	struct fixture *f = *state;

	for (int has = 1; has <= 3; has++) {
		struct side_list *l = lists();

		begin(f, has & 1, has & 2);
		assert_int_equal(run(f, l, page_max), 0);
		assert_int_equal(f->count, 0);
		lists_free(l);
	}
}

static void test_one_side(void **state)
{
	static const size_t page_max[SIDES] = {5, 5};
	struct fixture *f = *state;

	for (enum side s = 0; s < SIDES; s++) {
		struct side_list *l = lists();

		fill(l, 40);
		begin(f, s == SOURCE, s == DESTINATION);
		assert_false(
		    merge_needs(f->merge, s == SOURCE ? DESTINATION : SOURCE));
		assert_int_equal(run(f, l, page_max), 0);
		assert_numbers(f, 40, s == SOURCE ? 3 : 0);
		lists_free(l);
	}
}

static void test_spilled(void **state)
{
	static const size_t page_max[SIDES] = {1000, 1500};
	struct fixture *f = *state;
	struct side_list *l = lists();

	fill(l, MANY);
	f->pause_every = 777;
	begin(f, true, true);
	assert_int_equal(run(f, l, page_max), 0);
	assert_numbers(f, MANY, 4);
	lists_free(l);
}

/* --- What is not shown; errors -------------------------------------------- */

static void test_hidden(void **state)
{
	static const size_t page_max[SIDES] = {2, 2};
	struct fixture *f = *state;
	struct side_list *l = lists();
	char temporary[TEMPNAME_SIZE];
	struct tempname t;

	tempname_init(&t, "s", "d");
	tempname_next(&t, temporary);
	f->hidden = ".sync";
	for (enum side s = 0; s < SIDES; s++) {
		list_add(&l[s], temporary, ENTRY_FILE, 1);
		list_add(&l[s], ".sync", ENTRY_DIRECTORY, 2);
		list_add(&l[s], "seen", ENTRY_FILE, 3);
	}
	begin(f, true, true);
	assert_int_equal(run(f, l, page_max), 0);
	assert_int_equal(f->count, 1);
	assert_string_equal(f->result[0].name, "seen");
	lists_free(l);
}

/* A listing that is given up, in the middle of a page and of what is left. */
static void test_errors(void **state)
{
	static const size_t page_max[SIDES] = {4, 4};
	struct fixture *f = *state;

	for (int has = 1; has <= 2; has++) {
		struct side_list *l = lists();

		if (has == 1)
			fill(l, 20);
		else
			list_add(&l[DESTINATION], "left", ENTRY_FILE, 1);
		f->error = -ENOSPC;
		begin(f, true, true);
		assert_int_equal(run(f, l, page_max), -ENOSPC);
		assert_int_equal(f->count, 1);
		lists_free(l);
	}
}

/* --- The roster ----------------------------------------------------------- */

static void add_number(struct roster *r, unsigned n)
{
	struct handle *h[SIDES] = {NULL, NULL};
	char bytes[200], name[256];
	struct merged e = {.name = name, .has_attr = n % 3, .inode = n};

	snprintf(name, sizeof(name), "%u%*s", n, (int)(n % 200), "x");
	memset(bytes, (int)n, sizeof(bytes));
	if (n % 5 == 0)
		e.handle[SOURCE] = h[SOURCE] = handle_new(bytes, n % 130);
	if (n % 7 == 0)
		e.handle[DESTINATION] = h[DESTINATION] = handle_new(bytes, 5);
	e.attr.size = n + 1;
	e.listed_ns = n + 2;
	assert_int_equal(roster_add(r, &e), 0);
	free(h[SOURCE]);
	free(h[DESTINATION]);
}

static void assert_handle(const struct handle *h, unsigned n, size_t len)
{
	char bytes[200];

	memset(bytes, (int)n, sizeof(bytes));
	assert_int_equal(h->len, len);
	assert_memory_equal(h->data, bytes, len);
}

static void assert_number(const struct merged *e, unsigned n)
{
	char name[256];

	snprintf(name, sizeof(name), "%u%*s", n, (int)(n % 200), "x");
	assert_string_equal(e->name, name);
	assert_int_equal(e->has_attr, n % 3 != 0);
	assert_int_equal(e->inode, n);
	assert_int_equal(e->attr.size, n + 1);
	assert_int_equal(e->listed_ns, n + 2);
	assert_int_equal(e->handle[SOURCE] != NULL, n % 5 == 0);
	assert_int_equal(e->handle[DESTINATION] != NULL, n % 7 == 0);
	if (e->handle[SOURCE])
		assert_handle(e->handle[SOURCE], n, n % 130);
	if (e->handle[DESTINATION])
		assert_handle(e->handle[DESTINATION], n, 5);
}

/* Reads from `from` on, at most `max` entries. Returns how many. */
static unsigned read_numbers(struct roster *r, unsigned from, unsigned max)
{
	unsigned n = from;

	while (n < from + max && n <= roster_count(r)) {
		struct block *b = roster_get(r, n);
		struct merged e;
		size_t at = 0;

		if (!b) {
			assert_int_equal(roster_load(r, n), 0);
			b = roster_get(r, n);
		}
		assert_non_null(b);
		while (n < from + max && block_read(b, n, &at, &e))
			assert_number(&e, n++);
		block_drop(b);
	}
	return n - from;
}

static void test_roster(void **state)
{
	struct fixture *f = *state;
	struct roster *r = roster_new(f->directory);
	enum { ALL = 60000 }; /* some 16 MB */
	struct block *first;

	assert_non_null(r);
	assert_null(roster_get(r, 1));
	add_number(r, 1);
	/* Not published. */
	assert_int_equal(roster_count(r), 0);
	assert_null(roster_get(r, 1));
	assert_int_equal(roster_publish(r), 0);
	assert_int_equal(roster_publish(r), 0);
	assert_int_equal(roster_count(r), 1);
	assert_int_equal(read_numbers(r, 1, 9), 1);
	first = roster_get(r, 1);
	for (unsigned n = 2; n <= ALL; n++)
		add_number(r, n);
	assert_int_equal(roster_publish(r), 0);
	assert_int_equal(roster_count(r), ALL);
	/* The first ones are not in memory, the last ones are. */
	assert_null(roster_get(r, 1));
	block_drop(first);
	first = roster_get(r, ALL);
	assert_non_null(first);
	block_drop(first);
	assert_int_equal(read_numbers(r, 1, ALL), ALL);
	for (unsigned n = 1; n < ALL; n = n * 3 + 1) {
		assert_int_equal(read_numbers(r, ALL - n, 300),
				 n + 1 < 300 ? n + 1 : 300);
		assert_int_equal(read_numbers(r, n, 300), 300);
	}
	assert_null(roster_get(r, ALL + 1));
	assert_null(roster_free(r));
	assert_null(roster_free(NULL));
}

/* A block that is held stays when the roster goes. */
static void test_roster_held(void **state)
{
	struct fixture *f = *state;
	struct roster *r = roster_new(f->directory);
	struct merged e;
	struct block *b;
	size_t at = 0;

	add_number(r, 1);
	add_number(r, 2);
	assert_int_equal(roster_publish(r), 0);
	b = roster_get(r, 2);
	roster_free(r);
	assert_true(block_read(b, 2, &at, &e));
	assert_number(&e, 2);
	assert_false(block_read(b, 3, &at, &e));
	assert_null(block_drop(b));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_combinations),
	    TEST(test_age),
	    TEST(test_pages),
	    TEST(test_empty_pages),
	    TEST(test_empty_directories),
	    TEST(test_one_side),
	    TEST(test_spilled),
	    TEST(test_hidden),
	    TEST(test_errors),
	    TEST(test_roster),
	    TEST(test_roster_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
