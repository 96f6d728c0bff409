/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deep trees: as many levels as EFS allows, paths longer than PATH_MAX. */
#include "fixture.h"

static void descend(unsigned levels, size_t name_len)
{
	struct handle *dir = handle_dup(fixture.dir);
	struct handle *file, *link;
	struct volume_file *open;
	struct volume_list list;
	char name[256], *target;

	memset(name, 'd', name_len);
	name[name_len] = '\0';
	for (unsigned i = 0; i < levels; i++) {
		struct handle *sub = make_dir(dir, name);

		free(dir);
		dir = sub;
	}
	file = make_file(dir, "file", "deep down");
	assert_content(file, "deep down", 9);
	link = make_link(dir, "link", "up");
	EXPECT("readlink", do_readlink(link, &target), 0);
	free(target);
	EXPECT("link", do_link(file, dir, TEMP, "other", NULL), 0);
	EXPECT("rename", do_rename(dir, "file", fixture.dir, "top"), 0);
	assert_content(file, "deep down", 9);
	EXPECT("back", do_rename(fixture.dir, "top", dir, "file"), 0);
	EXPECT("open", do_open(dir, "large", true, &open, NULL), 0);
	EXPECT("write", do_range_write(open, 0, "x", 1, NULL), 0);
	EXPECT("close", do_close(open), 0);
	EXPECT("list", list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 4);
	volume_items_done(VOLUME_LIST, &list, 1);
	free(link);
	free(file);
	free(dir);
	remove_tree(fixture.dir);
}

static void test_levels(void **state)
{
	(void)state;
	descend(990, 1);
}

static void test_long_names(void **state)
{
	(void)state;
	descend(100, 255);
}

static void test_around_path_max(void **state)
{
	(void)state;
	/* 4,095 and 4,096 bytes and their neighbours. */
	for (size_t len = 13; len <= 17; len++)
		descend(256, len);
}

const struct CMUnitTest tree_tests[] = {
    CONFORMANCE_TEST(test_levels),
    CONFORMANCE_TEST(test_long_names),
    CONFORMANCE_TEST(test_around_path_max),
};
const size_t tree_test_count = ARRAY_SIZE(tree_tests);
