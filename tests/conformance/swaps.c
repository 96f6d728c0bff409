/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Somebody changes the tree behind the volume's back: a symlink takes the
 * place of a directory, a FIFO that of a file. Nothing outside is touched,
 * nothing blocks. A server follows its handles, not paths; there it is
 * enough that the outside stays as it was.
 */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

/* The tree of a test, with "outside" beside the directory it is allowed. */
struct trap {
	char *inside;  /* the directory that is swapped for a symlink */
	char *outside; /* where the symlink leads */
	struct handle *dir;
	struct handle *file; /* "file" in it, also hard-linked outside */
	struct handle *sub;  /* "sub" in it */
};

static void join(char **ret, const char *a, const char *b)
{
	assert_true(asprintf(ret, "%s/%s", a, b) > 0);
}

static void trap_set(struct trap *t)
{
	char *path, *other;

	join(&t->inside, fixture.dir_path, "dir");
	join(&t->outside, fixture.dir_path, "outside");
	t->dir = make_dir(fixture.dir, "dir");
	t->file = make_file(t->dir, "file", "inside");
	t->sub = make_dir(t->dir, "sub");
	assert_int_equal(mkdir(t->outside, 0755), 0);
	/* The same inode outside: its identity would not betray it. */
	join(&path, t->inside, "file");
	join(&other, t->outside, "file");
	assert_int_equal(link(path, other), 0);
	free(path);
	free(other);
	join(&other, t->outside, "sub");
	assert_int_equal(mkdir(other, 0755), 0);
	free(other);
	join(&path, fixture.dir_path, "moved");
	assert_int_equal(rename(t->inside, path), 0);
	free(path);
	assert_int_equal(symlink("outside", t->inside), 0);
}

static void trap_done(struct trap *t)
{
	free(t->inside);
	free(t->outside);
	free(t->dir);
	free(t->file);
	free(t->sub);
}

/* Only "file" and "sub" lie outside, and nothing in sub. */
static void assert_outside_untouched(void)
{
	struct handle *outside = lookup(fixture.dir, "outside");
	struct handle *sub = lookup(outside, "sub");
	struct volume_list list;

	EXPECT("outside", list_all(outside, 0, &list), 0);
	assert_int_equal(list.ret_count, 2);
	volume_items_done(VOLUME_LIST, &list, 1);
	EXPECT("outside", list_all(sub, 0, &list), 0);
	assert_int_equal(list.ret_count, 0);
	volume_items_done(VOLUME_LIST, &list, 1);
	free(sub);
	free(outside);
}

static void test_symlink_for_directory(void **state)
{
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = 0111};
	int want = fixture.local ? -ESTALE : 0;
	struct volume_read_whole whole;
	struct volume_list list;
	struct volume_file *file;
	struct trap t;
	struct attr attr;

	(void)state;
	if (!fixture.backing)
		skip();
	trap_set(&t);
	EXPECT("lookup", do_lookup(t.dir, "file", NULL, NULL), want);
	EXPECT("list", list_all(t.dir, 0, &list), want);
	if (!want)
		volume_items_done(VOLUME_LIST, &list, 1);
	EXPECT("getattr", do_getattr(t.file, &attr), want);
	EXPECT("read", do_read_whole(t.file, 6, &whole), want);
	if (!want)
		volume_items_done(VOLUME_READ_WHOLE, &whole, 1);
	EXPECT("setattr", do_setattr(t.sub, &set, NULL), want);
	EXPECT("write", do_write(t.dir, "new", "x", 1, NULL, NULL), want);
	EXPECT("write", do_write(t.sub, "new", "x", 1, NULL, NULL), want);
	EXPECT("make",
	       do_make(t.dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, NULL),
	       want);
	EXPECT("link", do_link(t.file, t.dir, NULL, "link", NULL), want);
	EXPECT("link out", do_link(t.file, fixture.dir, NULL, "link", NULL),
	       want);
	EXPECT("open", do_open(t.dir, "large", true, &file, NULL), want);
	if (!want)
		EXPECT("close", do_close(file), 0);
	EXPECT("rename", do_rename(fixture.dir, "moved", t.dir, "x"),
	       fixture.local ? -ESTALE : -EINVAL, -EIO);
	EXPECT("rename out", do_rename(t.dir, "file", fixture.dir, "x"), want);
	if (fixture.local)
		EXPECT("remove", do_remove(t.dir, "file", false), -ESTALE);
	assert_outside_untouched();
	trap_done(&t);
}

/* A symlink one level above what is asked for. */
static void test_symlink_above(void **state)
{
	struct trap t;

	(void)state;
	if (!fixture.backing || !fixture.local)
		skip();
	trap_set(&t);
	EXPECT("getattr", do_getattr(t.sub, NULL), -ESTALE);
	EXPECT("write", do_write(t.sub, "x", "x", 1, NULL, NULL), -ESTALE);
	EXPECT("make",
	       do_make(t.sub, NULL, "x", ENTRY_DIRECTORY, NULL, NULL, NULL),
	       -ESTALE);
	assert_outside_untouched();
	trap_done(&t);
}

/* Another entry takes the place of a file; nobody waits for it. */
static void test_other_for_file(void **state)
{
	struct attr_set set = {.which = ATTR_SET_SIZE, .size = 0};
	struct volume_read_whole whole;
	struct volume_read read;
	struct volume_file *open;
	char *target;

	(void)state;
	if (!fixture.backing)
		skip();
	alarm(60); /* a FIFO opened would wait for ever */
	for (int i = 0; i < 3; i++) {
		struct handle *file = make_file(fixture.dir, "file", "text");

		assert_int_equal(unlink(backing_path("file")), 0);
		if (i == 0)
			assert_int_equal(mkfifo(backing_path("file"), 0666), 0);
		else if (i == 1)
			assert_int_equal(
			    symlink("/etc/passwd", backing_path("file")), 0);
		else
			assert_int_equal(mkdir(backing_path("file"), 0755), 0);
		EXPECT("read", do_read_whole(file, 4, &whole), -ESTALE);
		EXPECT("range", do_read(file, 0, 4, &read), -ESTALE);
		EXPECT("getattr", do_getattr(file, NULL), -ESTALE);
		EXPECT("setattr", do_setattr(file, &set, NULL), -ESTALE);
		EXPECT("readlink", do_readlink(file, &target), -ESTALE,
		       -EINVAL);
		EXPECT("open", do_open(fixture.dir, "file", false, &open, NULL),
		       -EINVAL, -ELOOP, -EISDIR, -EOPNOTSUPP);
		EXPECT("remove", do_remove(fixture.dir, "file", i == 2), 0);
		free(file);
	}
	alarm(0);
}

/* A file replaced by rename, as editors do, is another file. */
static void test_replaced_file(void **state)
{
	struct handle *file;

	(void)state;
	if (!fixture.backing)
		skip();
	file = make_file(fixture.dir, "file", "one");
	free(make_file(fixture.dir, "new", "two"));
	assert_int_equal(rename(backing_path("new"), backing_path("file")), 0);
	EXPECT("getattr", do_getattr(file, NULL), -ESTALE);
	free(file);
}

const struct CMUnitTest swap_tests[] = {
    CONFORMANCE_TEST(test_symlink_for_directory),
    CONFORMANCE_TEST(test_symlink_above),
    CONFORMANCE_TEST(test_other_for_file),
    CONFORMANCE_TEST(test_replaced_file),
};
const size_t swap_test_count = ARRAY_SIZE(swap_tests);
