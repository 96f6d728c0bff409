/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lookup, make, readlink, link, remove, rename: names good, odd and bad. */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50

static const char *const odd_names[] = {
    "plain",
    "with space",
    " leading and trailing ",
    "new\nline",
    "\n",
    "tab\tand\rreturn",
    "\x01\x1f\x7f",
    "\xff\xfe not UTF-8 \xc3",
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
    "-rf",
    "--",
    "..x",
    "...",
    ".hidden",
    "back\\slash\\n",
    "quo\"te'`$(id)`",
    "*?[a-z]{x,y}",
    "a:b;c|d&e<f>g!h#i%20j~",
    "CON",
    X250 "12345",
};

static const struct {
	const char *what, *name;
	int result;
} bad_names[] = {
    {"empty", "", -EINVAL},
    {"dot", ".", -EINVAL},
    {"two dots", "..", -EINVAL},
    {"slash", "a/b", -EINVAL},
    {"slash first", "/a", -EINVAL},
    {"slash last", "a/", -EINVAL},
    {"256 bytes", X250 "123456", -ENAMETOOLONG},
};

/* `name` goes through every verb that takes one. */
static void try_odd_name(const char *name)
{
	struct handle *dir = make_dir(fixture.dir, "odd");
	struct handle *file = make_file(dir, name, name);
	struct handle *again, *link, *sub;
	struct volume_file *open;
	struct volume_list list;
	char *target;
	struct stat st;

	again = lookup(dir, name);
	assert_content(again, name, strlen(name));
	free(again);
	EXPECT(name, list_all(dir, 0, &list), 0);
	assert_int_equal(list.ret_count, 1);
	assert_string_equal(list.ret_entries[0].name, name);
	volume_items_done(VOLUME_LIST, &list, 1);
	if (fixture.backing) {
		char path[600];

		snprintf(path, sizeof(path), "odd/%s", name);
		assert_int_equal(lstat(backing_path(path), &st), 0);
		assert_int_equal(st.st_size, strlen(name));
	}
	EXPECT(name, do_open(dir, name, false, &open, NULL), 0);
	EXPECT(name, do_close(open), 0);
	EXPECT(name, do_rename(dir, name, fixture.dir, name), 0);
	EXPECT(name, do_link(file, dir, NULL, name, NULL), 0);
	EXPECT(name, do_remove(fixture.dir, name, false), 0);
	EXPECT(name, do_remove(dir, name, false), 0);
	link = make_link(dir, name, name);
	EXPECT(name, do_readlink(link, &target), 0);
	assert_string_equal(target, name);
	free(target);
	EXPECT(name, do_remove(dir, name, false), 0);
	sub = make_dir(dir, name);
	free(make_file(sub, name, ""));
	EXPECT(name, do_remove(sub, name, false), 0);
	EXPECT(name, do_remove(dir, name, true), 0);
	EXPECT(name, do_remove(fixture.dir, "odd", true), 0);
	free(sub);
	free(link);
	free(file);
	free(dir);
}

static void test_odd_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++)
		try_odd_name(odd_names[i]);
}

static void test_bad_names(void **state)
{
	const struct handle *dir = fixture.dir;
	struct handle *file = make_file(dir, "file", "x");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++) {
		const char *what = bad_names[i].what;
		const char *name = bad_names[i].name;
		int want = bad_names[i].result;
		struct volume_file *open;
		struct volume_write_whole put = {
		    .dir = dir,
		    .temp_name = name,
		    .name = "good",
		};

		EXPECT(what, do_lookup(dir, name, NULL, NULL), want);
		EXPECT(what, do_write(dir, name, "x", 1, NULL, NULL), want);
		fixture_run(VOLUME_WRITE_WHOLE, &put, 1);
		EXPECT(what, put.result, want);
		EXPECT(what,
		       do_make(dir, NULL, name, ENTRY_FIFO, NULL, NULL, NULL),
		       want);
		EXPECT(what,
		       do_make(dir, TEMP, name, ENTRY_FIFO, NULL, NULL, NULL),
		       want);
		EXPECT(what,
		       do_make(dir, name, "good", ENTRY_FIFO, NULL, NULL, NULL),
		       want);
		EXPECT(what, do_link(file, dir, NULL, name, NULL), want);
		EXPECT(what, do_link(file, dir, name, "good", NULL), want);
		EXPECT(what, do_remove(dir, name, false), want);
		EXPECT(what, do_remove(dir, name, true), want);
		EXPECT(what, do_rename(dir, name, dir, "good"), want);
		EXPECT(what, do_rename(dir, "file", dir, name), want);
		EXPECT(what, do_open(dir, name, true, &open, NULL), want);
		EXPECT(what, do_open(dir, name, false, &open, NULL), want);
	}
	assert_absent(dir, "good");
	assert_absent(dir, TEMP);
	free(file);
}

static void test_lookup(void **state)
{
	struct handle *dir = make_dir(fixture.dir, "dir");
	struct handle *file = make_file(dir, "file", "x");
	struct handle *link = make_link(fixture.dir, "link", "dir");
	struct attr attr, own;

	(void)state;
	EXPECT("file", do_lookup(dir, "file", &attr, NULL), 0);
	EXPECT("getattr", do_getattr(file, &own), 0);
	assert_true(attr_same_version(&attr, &own));
	EXPECT("missing", do_lookup(dir, "missing", NULL, NULL), -ENOENT);
	EXPECT("in a file", do_lookup(file, "x", NULL, NULL), -ENOTDIR);
	/* A symlink is what it is, not where it leads. */
	EXPECT("link", do_lookup(fixture.dir, "link", &attr, NULL), 0);
	assert_int_equal(attr.type, ENTRY_SYMLINK);
	assert_int_equal(attr.size, 3);
	EXPECT("in a link", do_lookup(link, "file", NULL, NULL), -ENOTDIR,
	       -ELOOP);
	free(link);
	free(file);
	free(dir);
}

static void test_make(void **state)
{
	static const enum entry_type types[] = {
	    ENTRY_DIRECTORY,
	    ENTRY_SYMLINK,
	    ENTRY_FIFO,
	    ENTRY_SOCKET,
	};
	struct attr_set set = {
	    .which = ATTR_SET_MODE | ATTR_SET_TIMES,
	    .mode = 0751,
	    .atime_ns = 100,
	    .mtime_ns = early_time(-100),
	};
	struct attr attr;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char name[16], target[] = "../some where/else";
		struct handle *handle;

		snprintf(name, sizeof(name), "type-%d", types[i]);
		EXPECT(name,
		       do_make(fixture.dir, NULL, name, types[i], target, &set,
			       &handle),
		       0);
		EXPECT(name, do_getattr(handle, &attr), 0);
		assert_int_equal(attr.type, types[i]);
		/* Some servers (ganesha) drop the times of a symlink. */
		if (attr.mtime_ns != set.mtime_ns &&
		    (fixture.local || types[i] != ENTRY_SYMLINK))
			fail_msg("%s: mtime %lld", name,
				 (long long)attr.mtime_ns);
		if (types[i] != ENTRY_SYMLINK)
			assert_int_equal(attr.mode, 0751);
		EXPECT(name,
		       do_make(fixture.dir, NULL, name, types[i], target, NULL,
			       NULL),
		       -EEXIST);
		free(handle);
	}
	free(make_dir(fixture.dir, "default"));
	EXPECT("default", do_lookup(fixture.dir, "default", &attr, NULL), 0);
	assert_int_equal(attr.mode, 0700);
	EXPECT(
	    "device",
	    do_make(fixture.dir, NULL, "device", ENTRY_CHAR, NULL, NULL, NULL),
	    -EOPNOTSUPP, -EINVAL);
	EXPECT(
	    "nothing",
	    do_make(fixture.dir, NULL, "nothing", ENTRY_NONE, NULL, NULL, NULL),
	    -EOPNOTSUPP, -EINVAL);
	assert_absent(fixture.dir, "device");
}

/* With a temporary name, what is made replaces what was there. */
static void test_make_over(void **state)
{
	const struct handle *dir = fixture.dir;
	struct handle *file = make_file(dir, "a", "content");
	struct handle *full = make_dir(dir, "full");
	struct attr attr;
	char *target;

	(void)state;
	free(make_file(full, "keep", "me"));
	EXPECT("link over file",
	       do_make(dir, TEMP, "a", ENTRY_SYMLINK, "t", NULL, NULL), 0);
	EXPECT("stale", do_getattr(file, NULL), -ESTALE);
	free(file);
	file = lookup(dir, "a");
	EXPECT("link", do_readlink(file, &target), 0);
	assert_string_equal(target, "t");
	free(target);
	free(file);
	EXPECT("fifo over link",
	       do_make(dir, TEMP, "a", ENTRY_FIFO, NULL, NULL, &file), 0);
	EXPECT("fifo", do_getattr(file, &attr), 0);
	assert_int_equal(attr.type, ENTRY_FIFO);
	EXPECT("socket over nothing",
	       do_make(dir, TEMP, "s", ENTRY_SOCKET, NULL, NULL, NULL), 0);
	EXPECT("link over full directory",
	       do_make(dir, TEMP, "full", ENTRY_SYMLINK, "t", NULL, NULL),
	       -EISDIR, -EEXIST, -ENOTEMPTY);
	assert_absent(dir, TEMP);
	free(lookup(full, "keep"));
	free(file);
	free(full);
}

static void test_readlink(void **state)
{
	char target[4000];
	struct handle *link, *file = make_file(fixture.dir, "file", "x");
	char *got;

	(void)state;
	memset(target, 'y', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	link = make_link(fixture.dir, "long", target);
	EXPECT("long", do_readlink(link, &got), 0);
	assert_string_equal(got, target);
	free(got);
	free(link);
	link = make_link(fixture.dir, "odd", "/\xff\n../ /\\..//x/");
	EXPECT("odd", do_readlink(link, &got), 0);
	assert_string_equal(got, "/\xff\n../ /\\..//x/");
	free(got);
	free(link);
	EXPECT("file", do_readlink(file, &got), -EINVAL);
	EXPECT(
	    "empty",
	    do_make(fixture.dir, NULL, "empty", ENTRY_SYMLINK, "", NULL, NULL),
	    -EINVAL, -ENOENT);
	free(file);
}

static void test_link(void **state)
{
	struct handle *sub = make_dir(fixture.dir, "sub");
	struct handle *file = make_file(fixture.dir, "one", "text");
	struct handle *link = make_link(fixture.dir, "link", "one");
	struct handle *two;
	struct attr attr, first;

	(void)state;
	EXPECT("getattr", do_getattr(file, &first), 0);
	assert_int_equal(first.nlink, 1);
	EXPECT("other directory", do_link(file, sub, NULL, "two", &attr), 0);
	assert_int_equal(attr.nlink, 2);
	assert_true(attr.fileid == first.fileid);
	EXPECT("exists", do_link(file, sub, NULL, "two", NULL), -EEXIST);
	free(make_file(sub, "three", "other"));
	EXPECT("over", do_link(file, sub, TEMP, "three", &attr), 0);
	assert_int_equal(attr.nlink, 3);
	assert_absent(sub, TEMP);
	two = lookup(sub, "three");
	assert_content(two, "text", 4);
	EXPECT("symlink", do_link(link, sub, NULL, "link", &attr), 0);
	assert_int_equal(attr.type, ENTRY_SYMLINK);
	assert_int_equal(attr.nlink, 2);
	EXPECT("directory", do_link(sub, fixture.dir, NULL, "dir", NULL),
	       -EISDIR, -EPERM);
	EXPECT("over a directory",
	       do_link(file, fixture.dir, TEMP, "sub", NULL), -EISDIR, -EEXIST,
	       -ENOTEMPTY);
	assert_absent(fixture.dir, TEMP);
	EXPECT("in a file", do_link(file, file, NULL, "x", NULL), -ENOTDIR);
	EXPECT("remove", do_remove(sub, "two", false), 0);
	EXPECT("getattr", do_getattr(file, &attr), 0);
	assert_int_equal(attr.nlink, 2);
	free(two);
	free(link);
	free(file);
	free(sub);
}

static void test_remove(void **state)
{
	struct handle *dir = make_dir(fixture.dir, "dir");

	(void)state;
	free(make_file(dir, "file", "x"));
	free(make_link(dir, "link", "file"));
	EXPECT("missing", do_remove(dir, "missing", false), -ENOENT);
	EXPECT("missing", do_remove(dir, "missing", true), -ENOENT);
	EXPECT("not empty", do_remove(fixture.dir, "dir", true), -ENOTEMPTY,
	       -EEXIST);
	EXPECT("as a file", do_remove(fixture.dir, "dir", false), -EISDIR,
	       -EPERM, -ENOTEMPTY);
	EXPECT("symlink", do_remove(dir, "link", false), 0);
	free(lookup(dir, "file"));
	EXPECT("file", do_remove(dir, "file", false), 0);
	assert_absent(dir, "file");
	EXPECT("directory", do_remove(fixture.dir, "dir", true), 0);
	assert_absent(fixture.dir, "dir");
	free(dir);
}

static void test_rename(void **state)
{
	const struct handle *dir = fixture.dir;
	struct handle *sub = make_dir(dir, "sub");
	struct handle *file = make_file(dir, "a", "aaa");
	struct handle *other = make_file(dir, "b", "b");

	(void)state;
	EXPECT("missing", do_rename(dir, "missing", dir, "x"), -ENOENT);
	EXPECT("within", do_rename(dir, "a", dir, "c"), 0);
	assert_absent(dir, "a");
	/* The handle goes with the file, as often as it is renamed. */
	assert_content(file, "aaa", 3);
	EXPECT("away", do_rename(dir, "c", sub, "d"), 0);
	assert_content(file, "aaa", 3);
	EXPECT("over", do_rename(sub, "d", dir, "b"), 0);
	assert_content(file, "aaa", 3);
	EXPECT("replaced", do_getattr(other, NULL), -ESTALE);
	free(make_file(sub, "keep", "me"));
	EXPECT("file over directory", do_rename(dir, "b", dir, "sub"), -EISDIR,
	       -EEXIST, -ENOTEMPTY);
	free(make_dir(dir, "empty"));
	EXPECT("directory over file", do_rename(dir, "empty", dir, "b"),
	       -ENOTDIR, -EEXIST);
	EXPECT("over a full directory", do_rename(dir, "empty", dir, "sub"),
	       -ENOTEMPTY, -EEXIST);
	EXPECT("directory", do_rename(dir, "sub", dir, "moved"), 0);
	free(lookup(sub, "keep"));
	EXPECT("into itself", do_rename(dir, "moved", sub, "x"), -EINVAL, -EIO);
	EXPECT("into a file", do_rename(dir, "b", file, "x"), -ENOTDIR);
	free(other);
	free(file);
	free(sub);
}

const struct CMUnitTest name_tests[] = {
    CONFORMANCE_TEST(test_odd_names), CONFORMANCE_TEST(test_bad_names),
    CONFORMANCE_TEST(test_lookup),    CONFORMANCE_TEST(test_make),
    CONFORMANCE_TEST(test_make_over), CONFORMANCE_TEST(test_readlink),
    CONFORMANCE_TEST(test_link),      CONFORMANCE_TEST(test_remove),
    CONFORMANCE_TEST(test_rename),
};
const size_t name_test_count = ARRAY_SIZE(name_tests);
