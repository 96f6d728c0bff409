/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the user nobody may not do. A server is asked as uid and gid 65534;
 * with a local directory the program itself becomes nobody for a while, if it
 * is root. Run by an ordinary user, the tests are that user's.
 */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static struct volume *ordinary; /* the volume as an ordinary user sees it */
static struct volume *privileged;
static bool became_nobody;

/* Lets an ordinary user work in the test's directory, and become one. */
static void become_ordinary(void)
{
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = 0777};

	EXPECT("chmod", do_setattr(fixture.dir, &set, NULL), 0);
	privileged = fixture.volume;
	if (fixture.local) {
		became_nobody = geteuid() == 0;
		if (became_nobody) {
			assert_int_equal(setegid(NOBODY), 0);
			assert_int_equal(seteuid(NOBODY), 0);
		}
		ordinary = fixture.volume;
	} else {
		ordinary = fixture_open("uid=65534&gid=65534");
	}
	fixture.volume = ordinary;
}

static void become_privileged(void)
{
	fixture.volume = privileged;
	if (became_nobody) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
		became_nobody = false;
	}
	if (ordinary != privileged)
		volume_free(ordinary);
	ordinary = NULL;
}

/* As in the other files, but a failed assertion must not leave the program
 * an ordinary user's. */
static int denied_end(void **state)
{
	if (ordinary)
		become_privileged();
	return fixture_end(state);
}

static void change_mode(const struct handle *handle, uint32_t mode)
{
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = mode};

	EXPECT("chmod", do_setattr(handle, &set, NULL), 0);
}

static void test_closed_directory(void **state)
{
	struct handle *dir, *file;
	struct volume_list list;
	struct volume_file *open;

	(void)state;
	become_ordinary();
	dir = make_dir(fixture.dir, "dir");
	file = make_file(dir, "file", "x");
	change_mode(dir, 0);
	EXPECT("list", list_all(dir, 0, &list), -EACCES);
	EXPECT("lookup", do_lookup(dir, "file", NULL, NULL), -EACCES);
	change_mode(dir, 0555);
	EXPECT("write", do_write(dir, "new", "x", 1, NULL, NULL), -EACCES);
	EXPECT("make",
	       do_make(dir, NULL, "new", ENTRY_DIRECTORY, NULL, NULL, NULL),
	       -EACCES);
	EXPECT("link", do_link(file, dir, NULL, "new", NULL), -EACCES);
	EXPECT("remove", do_remove(dir, "file", false), -EACCES);
	EXPECT("rename", do_rename(dir, "file", fixture.dir, "x"), -EACCES);
	EXPECT("create", do_open(dir, "new", true, &open, NULL), -EACCES);
	EXPECT("list", list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 1);
	volume_items_done(VOLUME_LIST, &list, 1);
	change_mode(dir, 0700);
	free(file);
	free(dir);
	become_privileged();
}

/* Names may be read but not what they name: each entry says so. */
static void test_names_only(void **state)
{
	struct volume_list list;
	struct handle *dir;

	(void)state;
	become_ordinary();
	dir = make_dir(fixture.dir, "dir");
	free(make_file(dir, "file", "x"));
	change_mode(dir, 0444);
	EXPECT("list", list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 1);
	assert_string_equal(list.ret_entries[0].name, "file");
	if (fixture.local) {
		EXPECT("entry", list.ret_entries[0].attr_result, -EACCES);
		assert_null(list.ret_entries[0].handle);
	}
	volume_items_done(VOLUME_LIST, &list, 1);
	change_mode(dir, 0700);
	free(dir);
	become_privileged();
}

static void test_closed_file(void **state)
{
	struct volume_read_whole whole;
	struct handle *mine, *other;
	struct volume_read read;
	struct volume_file *open;
	struct attr attr;

	(void)state;
	other = make_file(fixture.dir, "other", "secret");
	change_mode(other, 0600);
	become_ordinary();
	mine = make_file(fixture.dir, "mine", "text");
	if (!became_nobody && fixture.local) {
		change_mode(mine, 0);
		EXPECT("own", do_read_whole(mine, 4, &whole), -EACCES);
	} else {
		EXPECT("read", do_read_whole(other, 6, &whole), -EACCES);
		EXPECT("range", do_read(other, 0, 6, &read), -EACCES);
		EXPECT("open",
		       do_open(fixture.dir, "other", false, &open, NULL),
		       -EACCES);
		EXPECT("getattr", do_getattr(other, &attr), 0);
	}
	become_privileged();
	free(mine);
	free(other);
}

/* An owner that cannot be given fails the file and leaves what was there. */
static void test_foreign_owner(void **state)
{
	struct attr_set set = {.which = ATTR_SET_OWNER, .uid = 1, .gid = 1};
	struct handle *file;

	(void)state;
	become_ordinary();
	file = make_file(fixture.dir, "file", "old");
	EXPECT("setattr", do_setattr(file, &set, NULL), -EPERM, -EACCES);
	EXPECT("write", do_write(fixture.dir, "file", "new", 3, &set, NULL),
	       -EPERM, -EACCES);
	assert_content(file, "old", 3);
	assert_absent(fixture.dir, TEMP);
	EXPECT("make",
	       do_make(fixture.dir, NULL, "dir", ENTRY_DIRECTORY, NULL, &set,
		       NULL),
	       -EPERM, -EACCES);
	assert_absent(fixture.dir, "dir");
	EXPECT(
	    "make over",
	    do_make(fixture.dir, TEMP, "file", ENTRY_SYMLINK, "x", &set, NULL),
	    -EPERM, -EACCES);
	assert_content(file, "old", 3);
	assert_absent(fixture.dir, TEMP);
	free(file);
	become_privileged();
}

#define DENIED_TEST(function) \
	cmocka_unit_test_setup_teardown(function, fixture_begin, denied_end)

const struct CMUnitTest denied_tests[] = {
    DENIED_TEST(test_closed_directory),
    DENIED_TEST(test_names_only),
    DENIED_TEST(test_closed_file),
    DENIED_TEST(test_foreign_owner),
};
const size_t denied_test_count = ARRAY_SIZE(denied_tests);
