/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Large files: open, write, commit, close; read. */
#include "fixture.h"

#include <pthread.h>
#include <sys/stat.h>

#define RANGES 24

/* Many calls in flight at once, and somebody who waits for them. */
struct flight {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	size_t left;
};

static void land(struct volume_call *call)
{
	struct flight *flight = call->user;

	pthread_mutex_lock(&flight->lock);
	flight->left--;
	pthread_cond_signal(&flight->landed);
	pthread_mutex_unlock(&flight->lock);
}

/* Starts one call for each of `count` items of `size` bytes; waits for all. */
static void fly(enum volume_verb verb, void *items, size_t size, size_t count)
{
	struct flight flight = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .landed = PTHREAD_COND_INITIALIZER,
	    .left = count,
	};
	struct volume_call *calls = calloc(count, sizeof(*calls));

	assert_non_null(calls);
	for (size_t i = 0; i < count; i++) {
		calls[i] = (struct volume_call){
		    .verb = verb,
		    .items = (char *)items + i * size,
		    .count = 1,
		    .done = land,
		    .user = &flight,
		};
		fixture_start(&calls[i]);
	}
	pthread_mutex_lock(&flight.lock);
	while (flight.left > 0)
		pthread_cond_wait(&flight.landed, &flight.lock);
	pthread_mutex_unlock(&flight.lock);
	free(calls);
}

static void test_large(void **state)
{
	size_t size = (size_t)RANGES * VOLUME_RANGE - 12345;
	uint8_t *data = noise(size, 42);
	struct volume_write writes[RANGES] = {0};
	struct volume_read reads[RANGES] = {0};
	struct volume_file *file;
	struct handle *handle;
	uint64_t verifier;
	struct attr attr;

	(void)state;
	EXPECT("create", do_open(fixture.dir, "large", true, &file, &handle),
	       0);
	/* The last range first: order is nobody's promise. */
	for (size_t i = 0; i < RANGES; i++) {
		struct volume_write *w = &writes[RANGES - 1 - i];

		w->file = file;
		w->offset = i * VOLUME_RANGE;
		w->data = data + w->offset;
		w->len = i == RANGES - 1 ? size - w->offset : VOLUME_RANGE;
		w->result = 1;
	}
	fly(VOLUME_WRITE, writes, sizeof(writes[0]), RANGES);
	EXPECT("commit", do_commit(file, &verifier), 0);
	for (size_t i = 0; i < RANGES; i++) {
		EXPECT("write", writes[i].result, 0);
		assert_true(writes[i].ret_verifier == verifier);
	}
	EXPECT("close", do_close(file), 0);
	EXPECT("getattr", do_getattr(handle, &attr), 0);
	assert_int_equal(attr.size, size);
	for (size_t i = 0; i < RANGES; i++) {
		reads[i].handle = handle;
		reads[i].offset = i * VOLUME_RANGE;
		reads[i].len = VOLUME_RANGE;
		reads[i].result = 1;
	}
	fly(VOLUME_READ, reads, sizeof(reads[0]), RANGES);
	for (size_t i = 0; i < RANGES; i++) {
		bool last = i == RANGES - 1;

		EXPECT("read", reads[i].result, 0);
		assert_int_equal(reads[i].ret_len,
				 last ? size - reads[i].offset : VOLUME_RANGE);
		assert_true(reads[i].ret_eof == last);
		assert_memory_equal(reads[i].ret_data, data + reads[i].offset,
				    reads[i].ret_len);
	}
	volume_items_done(VOLUME_READ, reads, RANGES);
	volume_items_done(VOLUME_WRITE, writes, RANGES);
	free(handle);
	free(data);
}

static void test_open(void **state)
{
	const struct handle *dir = fixture.dir;
	struct handle *plain = make_file(dir, "plain", "x");
	struct handle *first, *second;
	struct volume_file *file, *other;
	struct attr attr;

	(void)state;
	free(make_dir(dir, "dir"));
	free(make_link(dir, "link", "plain"));
	EXPECT("fifo", do_make(dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, NULL),
	       0);
	EXPECT("missing", do_open(dir, "no", false, &file, NULL), -ENOENT);
	EXPECT("exists", do_open(dir, "plain", true, &file, NULL), -EEXIST);
	EXPECT("over dir", do_open(dir, "dir", true, &file, NULL), -EEXIST,
	       -EISDIR);
	EXPECT("over link", do_open(dir, "link", true, &file, NULL), -EEXIST);
	EXPECT("directory", do_open(dir, "dir", false, &file, NULL), -EISDIR);
	EXPECT("symlink", do_open(dir, "link", false, &file, NULL), -EINVAL,
	       -ELOOP);
	EXPECT("fifo", do_open(dir, "fifo", false, &file, NULL), -EINVAL,
	       -ELOOP, -EOPNOTSUPP);
	EXPECT("in a file", do_open(plain, "x", true, &file, NULL), -ENOTDIR);
	EXPECT("create", do_open(dir, "new", true, &file, &first), 0);
	EXPECT("getattr", do_getattr(first, &attr), 0);
	assert_int_equal(attr.mode, 0600);
	assert_int_equal(attr.size, 0);
	EXPECT("twice", do_open(dir, "new", false, &other, &second), 0);
	EXPECT("write", do_range_write(file, 0, "one", 3, NULL), 0);
	EXPECT("write", do_range_write(other, 3, "two", 3, NULL), 0);
	EXPECT("close", do_close(file), 0);
	EXPECT("write", do_range_write(other, 6, "three", 5, NULL), 0);
	EXPECT("commit", do_commit(other, NULL), 0);
	EXPECT("close", do_close(other), 0);
	assert_content(first, "onetwothree", 11);
	assert_content(second, "onetwothree", 11);
	free(second);
	free(first);
	free(plain);
}

/* What a copy of a large file does, in its order: the handle stays good. */
static void test_then_rename(void **state)
{
	struct attr_set set = {
	    .which = ATTR_SET_SIZE | ATTR_SET_MODE | ATTR_SET_MTIME,
	    .size = 5000000,
	    .mode = 04755,
	    .mtime_ns = 99,
	};
	struct volume_file *file;
	struct volume_read read;
	struct handle *handle;
	struct attr attr;

	(void)state;
	free(make_file(fixture.dir, "final", "old"));
	EXPECT("create", do_open(fixture.dir, TEMP, true, &file, &handle), 0);
	EXPECT("write", do_range_write(file, 4000000, "tail", 4, NULL), 0);
	EXPECT("commit", do_commit(file, NULL), 0);
	EXPECT("setattr", do_setattr(handle, &set, NULL), 0);
	EXPECT("close", do_close(file), 0);
	EXPECT("rename", do_rename(fixture.dir, TEMP, fixture.dir, "final"), 0);
	EXPECT("getattr", do_getattr(handle, &attr), 0);
	assert_int_equal(attr.size, 5000000);
	assert_int_equal(attr.mode, 04755);
	assert_true(attr.mtime_ns == 99);
	EXPECT("read", do_read(handle, 3999999, 6, &read), 0);
	assert_int_equal(read.ret_len, 6);
	assert_memory_equal(read.ret_data, "\0tail\0", 6);
	assert_false(read.ret_eof);
	volume_items_done(VOLUME_READ, &read, 1);
	assert_true(attr.space_used < 1000000);
	free(handle);
}

static void test_read(void **state)
{
	struct handle *file = make_file(fixture.dir, "file", "0123456789");
	struct handle *empty = make_file(fixture.dir, "empty", "");
	struct handle *link = make_link(fixture.dir, "link", "file");
	static const struct {
		uint64_t offset;
		size_t len, got;
		bool eof;
	} rows[] = {
	    {0, 10, 10, true},
	    {0, 5, 5, false},
	    {5, 5, 5, true},
	    {5, 100, 5, true},
	    {0, VOLUME_RANGE, 10, true},
	    {10, 1, 0, true},
	    {11, 1, 0, true},
	    {UINT64_C(1) << 40, 10, 0, true},
	};
	struct volume_read read;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT("read",
		       do_read(file, rows[i].offset, rows[i].len, &read), 0);
		assert_int_equal(read.ret_len, rows[i].got);
		if (rows[i].got > 0)
			assert_memory_equal(read.ret_data,
					    &"0123456789"[rows[i].offset],
					    rows[i].got);
		if (read.ret_eof != rows[i].eof)
			fail_msg("row %zu: eof is %d", i, read.ret_eof);
		volume_items_done(VOLUME_READ, &read, 1);
	}
	EXPECT("empty", do_read(empty, 0, 100, &read), 0);
	assert_int_equal(read.ret_len, 0);
	assert_true(read.ret_eof);
	volume_items_done(VOLUME_READ, &read, 1);
	EXPECT("directory", do_read(fixture.dir, 0, 1, &read), -EISDIR);
	EXPECT("symlink", do_read(link, 0, 1, &read), -EINVAL, -ELOOP);
	free(link);
	free(empty);
	free(file);
}

/* An error does not spoil the file: later ranges and the close work. */
static void test_write_error(void **state)
{
	struct volume_file *file;
	struct handle *handle;
	uint64_t first, second;

	(void)state;
	EXPECT("create", do_open(fixture.dir, "f", true, &file, &handle), 0);
	EXPECT("far", do_range_write(file, UINT64_MAX - 100, "x", 1, NULL),
	       -EFBIG, -EINVAL);
	EXPECT("write", do_range_write(file, 0, "good", 4, &first), 0);
	EXPECT("commit", do_commit(file, &second), 0);
	assert_true(first == second);
	EXPECT("again", do_commit(file, &second), 0);
	assert_true(first == second);
	EXPECT("write", do_range_write(file, 4, "", 0, &second), 0);
	EXPECT("close", do_close(file), 0);
	assert_content(handle, "good", 4);
	/* Closed without a commit, and removed while open. */
	EXPECT("create", do_open(fixture.dir, "g", true, &file, NULL), 0);
	EXPECT("write", do_range_write(file, 0, "lost", 4, NULL), 0);
	EXPECT("remove", do_remove(fixture.dir, "g", false), 0);
	EXPECT("close", do_close(file), 0, -ESTALE);
	free(handle);
}

const struct CMUnitTest range_tests[] = {
    CONFORMANCE_TEST(test_large),       CONFORMANCE_TEST(test_open),
    CONFORMANCE_TEST(test_then_rename), CONFORMANCE_TEST(test_read),
    CONFORMANCE_TEST(test_write_error),
};
const size_t range_test_count = ARRAY_SIZE(range_tests);
