/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files, written and read whole. */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static const size_t sizes[] = {
    0,
    1,
    2,
    3,
    4,
    5,
    511,
    512,
    4095,
    4096,
    4097,
    32767,
    32768,
    32769,
    65536,
    100001,
    131072,
    262143,
    VOLUME_WHOLE_MAX - 1,
    VOLUME_WHOLE_MAX,
};

static void test_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *data = noise(sizes[i], (unsigned)i);
		struct handle *file, *again;

		EXPECT(
		    "write",
		    do_write(fixture.dir, "file", data, sizes[i], NULL, &file),
		    0);
		assert_content(file, data, sizes[i]);
		again = lookup(fixture.dir, "file");
		assert_content(again, data, sizes[i]);
		assert_absent(fixture.dir, TEMP);
		free(again);
		free(file);
		free(data);
	}
}

/* Runs of zeros read back as zeros and take no room. */
static void test_sparse(void **state)
{
	static const struct {
		const char *what;
		size_t data[2][2]; /* offset and length of what is no zero */
		bool small;        /* takes much less room than its size */
	} rows[] = {
	    {"only zeros", {{0, 0}, {0, 0}}, true},
	    {"a tail of zeros", {{0, 100}, {0, 0}}, true},
	    {"zeros first", {{VOLUME_WHOLE_MAX - 50, 50}, {0, 0}}, true},
	    {"a hole", {{0, 4096}, {VOLUME_WHOLE_MAX - 4096, 4096}}, true},
	    {"a short run", {{0, 100000}, {104096, 400000}}, false},
	    {"not aligned", {{1, 1}, {300001, 99}}, true},
	};
	uint8_t *data = malloc(VOLUME_WHOLE_MAX);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct handle *file;
		struct attr attr;

		memset(data, 0, VOLUME_WHOLE_MAX);
		for (int j = 0; j < 2; j++)
			memset(data + rows[i].data[j][0], 'z',
			       rows[i].data[j][1]);
		EXPECT(rows[i].what,
		       do_write(fixture.dir, "file", data, VOLUME_WHOLE_MAX,
				NULL, &file),
		       0);
		assert_content(file, data, VOLUME_WHOLE_MAX);
		EXPECT(rows[i].what, do_getattr(file, &attr), 0);
		if (rows[i].small)
			assert_true(attr.space_used <= VOLUME_WHOLE_MAX / 4);
		free(file);
	}
	/* A length of zeros that no block ends at. */
	memset(data, 0, VOLUME_WHOLE_MAX);
	for (size_t len = 1; len < VOLUME_WHOLE_MAX; len = len * 3 + 1) {
		struct handle *file;

		EXPECT("zeros",
		       do_write(fixture.dir, "file", data, len, NULL, &file),
		       0);
		assert_content(file, data, len);
		free(file);
	}
	free(data);
}

static void test_attributes(void **state)
{
	struct attr_set set = {
	    .which = ATTR_SET_MODE | ATTR_SET_TIMES,
	    .mode = 06751,
	    .atime_ns = early_time(-1234567891),
	    .mtime_ns = INT64_C(4102444800123456789),
	};
	struct volume_write_whole item = {
	    .dir = fixture.dir,
	    .temp_name = TEMP,
	    .name = "file",
	    .data = (const uint8_t *)"data",
	    .len = 4,
	    .set = set,
	};
	struct attr attr;

	(void)state;
	fixture_run(VOLUME_WRITE_WHOLE, &item, 1);
	assert_int_equal(item.result, 0);
	assert_int_equal(item.ret_attr.mode, 06751);
	assert_true(item.ret_attr.mtime_ns == set.mtime_ns);
	assert_true(item.ret_attr.atime_ns == set.atime_ns);
	assert_int_equal(item.ret_attr.size, 4);
	assert_int_equal(item.ret_attr.nlink, 1);
	/* What it answered is what is there: content, type, owner. The rename
	 * may come after the attributes were read and move the ctime. */
	EXPECT("getattr", do_getattr(item.ret_handle, &attr), 0);
	assert_int_equal(attr.mode, 06751);
	assert_true(attr.mtime_ns == set.mtime_ns);
	assert_true(attr.fileid == item.ret_attr.fileid);
	assert_int_equal(attr.uid, item.ret_attr.uid);
	volume_items_done(VOLUME_WRITE_WHOLE, &item, 1);
	set.mode = 0;
	EXPECT("no mode", do_write(fixture.dir, "none", "x", 1, &set, NULL), 0);
	set.which = ATTR_SET_SIZE;
	EXPECT("size", do_write(fixture.dir, "size", "x", 1, &set, NULL),
	       -EINVAL);
	assert_absent(fixture.dir, "size");
	assert_absent(fixture.dir, TEMP);
}

/* What was there before, of whatever kind, is replaced or kept whole. */
static void test_replace(void **state)
{
	const struct handle *dir = fixture.dir;
	struct handle *old = make_file(dir, "file", "old");
	struct handle *full = make_dir(dir, "full"), *file;
	struct volume_file *open;

	(void)state;
	EXPECT("over file", do_write(dir, "file", "new!", 4, NULL, &file), 0);
	assert_content(file, "new!", 4);
	EXPECT("replaced", do_getattr(old, NULL), -ESTALE);
	free(file);
	free(make_link(dir, "link", "file"));
	EXPECT("over symlink", do_write(dir, "link", "l", 1, NULL, &file), 0);
	assert_content(file, "l", 1);
	free(file);
	file = lookup(dir, "file");
	assert_content(file, "new!", 4); /* the link was not followed */
	free(file);
	EXPECT("fifo", do_make(dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, NULL),
	       0);
	EXPECT("over fifo", do_write(dir, "fifo", "f", 1, NULL, NULL), 0);
	free(make_file(full, "keep", "me"));
	EXPECT("over directory", do_write(dir, "full", "x", 1, NULL, NULL),
	       -EISDIR, -EEXIST, -ENOTEMPTY);
	free(lookup(full, "keep"));
	assert_absent(dir, TEMP);
	EXPECT("in a file", do_write(old, "x", "x", 1, NULL, NULL), -ENOTDIR,
	       -ESTALE);
	/* A name written to is not the file that somebody has open. */
	EXPECT("open", do_open(dir, "file", false, &open, &file), 0);
	EXPECT("over open", do_write(dir, "file", "z", 1, NULL, NULL), 0);
	EXPECT("close", do_close(open), 0);
	free(file);
	file = lookup(dir, "file");
	assert_content(file, "z", 1);
	free(file);
	free(full);
	free(old);
}

static void test_read_errors(void **state)
{
	const struct handle *dir = fixture.dir;
	struct attr_set set = {
	    .which = ATTR_SET_SIZE,
	    .size = VOLUME_WHOLE_MAX + 1,
	};
	struct handle *big = make_file(dir, "big", "x");
	struct handle *link = make_link(dir, "link", "big"), *fifo;
	struct volume_read_whole item;

	(void)state;
	EXPECT("grow", do_setattr(big, &set, NULL), 0);
	EXPECT("too big, one byte expected", do_read_whole(big, 1, &item),
	       -EFBIG);
	EXPECT("too big", do_read_whole(big, VOLUME_WHOLE_MAX, &item), -EFBIG);
	set.size = UINT64_C(1) << 40;
	EXPECT("grow", do_setattr(big, &set, NULL), 0);
	EXPECT("far too big", do_read_whole(big, 1, &item), -EFBIG);
	EXPECT("directory", do_read_whole(dir, 1, &item), -EISDIR);
	EXPECT("symlink", do_read_whole(link, 1, &item), -EINVAL, -ELOOP);
	EXPECT("fifo",
	       do_make(dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, &fifo), 0);
	EXPECT("fifo", do_read_whole(fifo, 1, &item), -EINVAL);
	free(fifo);
	free(link);
	free(big);
}

/* `expect` is only a guess. */
static void test_read_expectations(void **state)
{
	static const size_t guesses[] = {
	    0, 1, 4096, 99999, 100000, 100001, VOLUME_WHOLE_MAX,
	};
	uint8_t *data = noise(100000, 3);
	struct handle *file, *empty = make_file(fixture.dir, "empty", "");
	struct volume_read_whole item;

	(void)state;
	EXPECT("write",
	       do_write(fixture.dir, "file", data, 100000, NULL, &file), 0);
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		EXPECT("read", do_read_whole(file, guesses[i], &item), 0);
		assert_int_equal(item.ret_after.size, 100000);
		assert_int_equal(item.ret_len, 100000);
		assert_memory_equal(item.ret_data, data, 100000);
		volume_items_done(VOLUME_READ_WHOLE, &item, 1);
		assert_null(item.ret_blob);
		EXPECT("empty", do_read_whole(empty, guesses[i], &item), 0);
		assert_int_equal(item.ret_len, 0);
		assert_int_equal(item.ret_after.size, 0);
		volume_items_done(VOLUME_READ_WHOLE, &item, 1);
	}
	free(empty);
	free(file);
	free(data);
}

/* Second opinion: the backing holds the bytes, the mode and the times. */
static void test_backing(void **state)
{
	struct attr_set set = {
	    .which = ATTR_SET_MODE | ATTR_SET_MTIME,
	    .mode = 0604,
	    .mtime_ns = 1000000001,
	};
	uint8_t *data, *got;
	struct stat st;
	FILE *f;

	(void)state;
	if (!fixture.backing)
		skip();
	data = noise(70000, 9);
	got = malloc(70001);
	memset(data + 8192, 0, 40000);
	EXPECT("write", do_write(fixture.dir, "file", data, 70000, &set, NULL),
	       0);
	f = fopen(backing_path("file"), "rb");
	assert_non_null(f);
	assert_int_equal(fread(got, 1, 70001, f), 70000);
	assert_int_equal(fstat(fileno(f), &st), 0);
	fclose(f);
	assert_memory_equal(got, data, 70000);
	assert_int_equal(st.st_mode, S_IFREG | 0604);
	assert_int_equal(st.st_mtim.tv_sec, 1);
	assert_int_equal(st.st_mtim.tv_nsec, 1);
	assert_int_equal(access(backing_path(TEMP), F_OK), -1);
	free(data);
	free(got);
}

const struct CMUnitTest whole_tests[] = {
    CONFORMANCE_TEST(test_sizes),
    CONFORMANCE_TEST(test_sparse),
    CONFORMANCE_TEST(test_attributes),
    CONFORMANCE_TEST(test_replace),
    CONFORMANCE_TEST(test_read_errors),
    CONFORMANCE_TEST(test_read_expectations),
    CONFORMANCE_TEST(test_backing),
};
const size_t whole_test_count = ARRAY_SIZE(whole_tests);
