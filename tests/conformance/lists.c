/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Directories, page by page. */
#include "fixture.h"

#include <unistd.h>

#define MANY 5000

/* Makes files "file-0" to "file-<count - 1>" in `dir`, in large calls. */
static void make_many(const struct handle *dir, size_t count)
{
	static char names[1000][32], temps[1000][32];
	static struct volume_write_whole items[1000];

	for (size_t done = 0; done < count;) {
		size_t n = count - done < 1000 ? count - done : 1000;

		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "file-%zu",
				 done + i);
			snprintf(temps[i], sizeof(temps[i]), TEMP "-%zu", i);
			items[i] = (struct volume_write_whole){
			    .dir = dir,
			    .temp_name = temps[i],
			    .name = names[i],
			    .result = 1,
			};
		}
		fixture_run(VOLUME_WRITE_WHOLE, items, n);
		for (size_t i = 0; i < n; i++)
			EXPECT(names[i], items[i].result, 0);
		volume_items_done(VOLUME_WRITE_WHOLE, items, n);
		done += n;
	}
}

/* Counts in seen[] the entries named "file-<n>". */
static void count_seen(const struct volume_list *list, unsigned *seen,
		       size_t count)
{
	for (size_t i = 0; i < list->ret_count; i++) {
		unsigned long n;

		assert_int_equal(
		    sscanf(list->ret_entries[i].name, "file-%lu", &n), 1);
		assert_true(n < count);
		seen[n]++;
	}
}

static void test_empty(void **state)
{
	struct volume_list list;
	struct handle *file = make_file(fixture.dir, "file", "");
	struct handle *dir = make_dir(fixture.dir, "dir");
	struct handle *link = make_link(fixture.dir, "link", "dir");

	(void)state;
	EXPECT("empty", list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 0);
	volume_items_done(VOLUME_LIST, &list, 1);
	EXPECT("file", list_all(file, 0, &list), -ENOTDIR);
	EXPECT("symlink", list_all(link, 0, &list), -ENOTDIR, -ELOOP);
	free(link);
	free(dir);
	free(file);
}

static void test_pages(void **state)
{
	static const size_t sizes[] = {1024, 4096, 70000, 0};
	struct handle *dir = make_dir(fixture.dir, "many");

	(void)state;
	make_many(dir, MANY);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned *seen = calloc(MANY, sizeof(*seen));
		struct volume_list list;

		assert_non_null(seen);
		EXPECT("list", list_all(dir, sizes[i], &list), 0);
		count_seen(&list, seen, MANY);
		for (size_t n = 0; n < MANY; n++)
			if (seen[n] != 1)
				fail_msg("max_bytes %zu: file-%zu seen %u "
					 "times",
					 sizes[i], n, seen[n]);
		assert_int_equal(list.ret_count, MANY);
		volume_items_done(VOLUME_LIST, &list, 1);
		free(seen);
	}
	free(dir);
}

/*
 * Entries come and go between two pages: what was there all the time is seen
 * once. Two more listings run at the same time, and each keeps its place.
 */
static void test_changing(void **state)
{
	struct handle *dir = make_dir(fixture.dir, "changing");
	struct volume_list pages[3] = {{0}};
	unsigned seen[3][1000] = {{0}};
	unsigned turn = 0;

	(void)state;
	make_many(dir, 1000);
	for (int i = 0; i < 3; i++)
		pages[i] = (struct volume_list){.dir = dir, .max_bytes = 2048};
	for (bool eof = false; !eof; turn++) {
		eof = true;
		for (int i = 0; i < 3; i++) {
			struct volume_list *p = &pages[i];

			if (p->ret_eof)
				continue;
			fixture_run(VOLUME_LIST, p, 1);
			assert_int_equal(p->result, 0);
			for (size_t j = 0; j < p->ret_count; j++)
				p->cookie = p->ret_entries[j].cookie;
			for (size_t j = 0; j < p->ret_count; j++) {
				unsigned long n;

				if (sscanf(p->ret_entries[j].name, "file-%lu",
					   &n) == 1)
					seen[i][n]++;
			}
			p->verifier = p->ret_verifier;
			eof = eof && p->ret_eof;
			turn += p->ret_count == 0;
			{
				bool end = p->ret_eof;

				volume_items_done(VOLUME_LIST, p, 1);
				p->ret_eof = end;
			}
		}
		/* Every third goes, and strangers come. */
		for (unsigned k = turn * 30; k < turn * 30 + 30; k += 3) {
			char name[32];

			snprintf(name, sizeof(name), "file-%u", k);
			EXPECT(name, do_remove(dir, name, false), 0, -ENOENT);
		}
	}
	for (int i = 0; i < 3; i++)
		for (unsigned n = 0; n < 1000; n++)
			if (n % 3 != 0)
				assert_int_equal(seen[i][n], 1);
	free(dir);
}

/* Entries carry the attributes and handles that others would give. */
static void test_entries(void **state)
{
	struct handle *dir = make_dir(fixture.dir, "kinds");
	struct volume_list list;
	unsigned types = 0;

	(void)state;
	free(make_file(dir, "file", "12345"));
	free(make_dir(dir, "dir"));
	free(make_link(dir, "link", "file"));
	EXPECT("fifo", do_make(dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, NULL),
	       0);
	EXPECT("socket",
	       do_make(dir, NULL, "socket", ENTRY_SOCKET, NULL, NULL, NULL), 0);
	EXPECT("list", list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 5);
	for (size_t i = 0; i < list.ret_count; i++) {
		const struct volume_entry *e = &list.ret_entries[i];
		struct attr by_name, by_handle;

		EXPECT(e->name, e->attr_result, 0);
		EXPECT(e->name, do_lookup(dir, e->name, &by_name, NULL), 0);
		EXPECT(e->name, do_getattr(e->handle, &by_handle), 0);
		assert_true(attr_same_version(&e->attr, &by_name));
		assert_true(attr_same_version(&e->attr, &by_handle));
		assert_int_equal(e->attr.mode, by_name.mode);
		assert_int_equal(e->attr.uid, by_name.uid);
		assert_int_equal(e->attr.nlink, by_name.nlink);
		types |= 1u << e->attr.type;
	}
	assert_int_equal(types, 1u << ENTRY_FILE | 1u << ENTRY_DIRECTORY |
				    1u << ENTRY_SYMLINK | 1u << ENTRY_FIFO |
				    1u << ENTRY_SOCKET);
	volume_items_done(VOLUME_LIST, &list, 1);
	free(dir);
}

const struct CMUnitTest list_tests[] = {
    CONFORMANCE_TEST(test_empty),
    CONFORMANCE_TEST(test_pages),
    CONFORMANCE_TEST(test_changing),
    CONFORMANCE_TEST(test_entries),
};
const size_t list_test_count = ARRAY_SIZE(list_tests);
