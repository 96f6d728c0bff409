/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files open for reading: they stay what they were, whatever becomes of the
 * name under which they were found. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define LENGTH ((size_t)3 * VOLUME_RANGE + 777)

/* Makes `name` with `data`, range by range. */
static struct handle *make_large(const char *name, const uint8_t *data)
{
	struct volume_file *file;
	struct handle *handle;

	EXPECT("create", do_open(fixture.dir, name, true, &file, &handle), 0);
	for (size_t at = 0; at < LENGTH; at += VOLUME_RANGE) {
		size_t left = LENGTH - at;
		size_t len = left < VOLUME_RANGE ? left : VOLUME_RANGE;

		EXPECT("write", do_range_write(file, at, data + at, len, NULL),
		       0);
	}
	EXPECT("commit", do_commit(file, NULL), 0);
	EXPECT("close", do_close(file), 0);
	return handle;
}

static bool keeps_open(void)
{
	return volume_get_info(fixture.volume)->keeps_open;
}

/* What `file` holds from `from` to its end. Where servers do not keep open
 * files it may be gone, but it never is another. */
static void assert_rest(const struct handle *handle, struct volume_file *file,
			const uint8_t *data, size_t from)
{
	struct volume_read read;
	int result;

	for (size_t at = from; at < LENGTH; at += read.len) {
		size_t left = LENGTH - at;
		size_t want = left < VOLUME_RANGE ? left : VOLUME_RANGE;

		result = do_read_file(handle, file, at, VOLUME_RANGE, &read);
		if (result == -ESTALE && !keeps_open())
			return;
		EXPECT("read", result, 0);
		assert_int_equal(read.ret_len, want);
		assert_memory_equal(read.ret_data, data + at, want);
		assert_true(read.ret_eof == (want == left));
		volume_items_done(VOLUME_READ, &read, 1);
	}
}

static void test_open_to_read(void **state)
{
	struct handle *plain = make_file(fixture.dir, "plain", "0123456789");
	struct handle *empty = make_file(fixture.dir, "empty", "");
	struct handle *dir = make_dir(fixture.dir, "dir");
	struct handle *link = make_link(fixture.dir, "link", "plain");
	struct handle *fifo, *gone = make_file(fixture.dir, "gone", "x");
	struct volume_file *file;
	struct volume_read read;
	struct attr attr;

	(void)state;
	EXPECT(
	    "fifo",
	    do_make(fixture.dir, NULL, "fifo", ENTRY_FIFO, NULL, NULL, &fifo),
	    0);
	EXPECT("remove", do_remove(fixture.dir, "gone", false), 0);
	EXPECT("directory", do_open_read(dir, &file, NULL), -EISDIR);
	EXPECT("symlink", do_open_read(link, &file, NULL), -EINVAL, -ELOOP);
	EXPECT("fifo", do_open_read(fifo, &file, NULL), -EINVAL);
	EXPECT("gone", do_open_read(gone, &file, NULL), -ESTALE);
	EXPECT("open", do_open_read(plain, &file, &attr), 0);
	assert_int_equal(attr.size, 10);
	EXPECT("read", do_read_file(plain, file, 3, 4, &read), 0);
	assert_int_equal(read.ret_len, 4);
	assert_memory_equal(read.ret_data, "3456", 4);
	assert_false(read.ret_eof);
	volume_items_done(VOLUME_READ, &read, 1);
	EXPECT("read", do_read_file(plain, file, 10, 4, &read), 0);
	assert_int_equal(read.ret_len, 0);
	assert_true(read.ret_eof);
	volume_items_done(VOLUME_READ, &read, 1);
	EXPECT("close", do_close(file), 0);
	EXPECT("open", do_open_read(empty, &file, NULL), 0);
	EXPECT("read", do_read_file(empty, file, 0, 4, &read), 0);
	assert_int_equal(read.ret_len, 0);
	assert_true(read.ret_eof);
	volume_items_done(VOLUME_READ, &read, 1);
	EXPECT("close", do_close(file), 0);
	free(gone);
	free(fifo);
	free(link);
	free(dir);
	free(empty);
	free(plain);
}

/* Ways in which a name comes to mean another file, or nothing. */
static void replace_here(void)
{
	free(make_file(fixture.dir, "new", "other bytes"));
	EXPECT("rename", do_rename(fixture.dir, "new", fixture.dir, "f"), 0);
}

static void replace_whole(void)
{
	free(make_file(fixture.dir, "f", "other bytes"));
}

static void remove_here(void)
{
	EXPECT("remove", do_remove(fixture.dir, "f", false), 0);
	assert_absent(fixture.dir, "f");
}

static void replace_behind(void)
{
	FILE *f = fopen(backing_path("new"), "w");

	assert_non_null(f);
	assert_true(fputs("other bytes", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(backing_path("new"), backing_path("f")), 0);
}

static void remove_behind(void)
{
	assert_int_equal(unlink(backing_path("f")), 0);
}

/* The change is made by another client of the same server. */
static void replace_elsewhere(void)
{
	struct volume *ours = fixture.volume;

	fixture.volume = fixture_open("");
	replace_here();
	volume_free(fixture.volume);
	fixture.volume = ours;
}

static void remove_elsewhere(void)
{
	struct volume *ours = fixture.volume;

	fixture.volume = fixture_open("");
	remove_here();
	volume_free(fixture.volume);
	fixture.volume = ours;
}

/* What was opened is read on as it was; the name has what is new. */
static void try_change(void (*change)(void), bool replaces)
{
	uint8_t *data = noise(LENGTH, 7);
	struct handle *handle = make_large("f", data), *now;
	struct volume_file *before, *fresh;
	struct volume_read read;

	EXPECT("open", do_open_read(handle, &before, NULL), 0);
	EXPECT("open", do_open_read(handle, &fresh, NULL), 0);
	EXPECT("read", do_read_file(handle, before, 0, VOLUME_RANGE, &read), 0);
	assert_memory_equal(read.ret_data, data, VOLUME_RANGE);
	volume_items_done(VOLUME_READ, &read, 1);
	change();
	assert_rest(handle, before, data, VOLUME_RANGE);
	EXPECT("close", do_close(before), 0);
	/* The end of one open is not the end of the other. */
	assert_rest(handle, fresh, data, 0);
	if (replaces) {
		now = lookup(fixture.dir, "f");
		assert_content(now, "other bytes", 11);
		EXPECT("open", do_open_read(now, &before, NULL), 0);
		EXPECT("read", do_read_file(now, before, 0, 100, &read), 0);
		assert_int_equal(read.ret_len, 11);
		volume_items_done(VOLUME_READ, &read, 1);
		EXPECT("close", do_close(before), 0);
		free(now);
		EXPECT("remove", do_remove(fixture.dir, "f", false), 0);
	}
	EXPECT("close", do_close(fresh), 0);
	/* Nobody holds it: it is gone. A server that is not told of open files
	 * may keep it a while for itself. */
	if (keeps_open()) {
		EXPECT("read", do_read(handle, 0, 1, &read), -ESTALE);
		EXPECT("open", do_open_read(handle, &before, NULL), -ESTALE);
	}
	free(handle);
	free(data);
}

static void test_replaced(void **state)
{
	(void)state;
	try_change(replace_here, true);
	try_change(replace_whole, true);
	try_change(replace_elsewhere, true);
	if (fixture.backing)
		try_change(replace_behind, true);
}

static void test_removed(void **state)
{
	(void)state;
	try_change(remove_here, false);
	try_change(remove_elsewhere, false);
	if (fixture.backing)
		try_change(remove_behind, false);
}

/* Calls that are under way at the same time. */
struct together {
	pthread_mutex_t lock; /* guards left */
	pthread_cond_t ended;
	size_t left;
};

static void note_end(struct volume_call *call)
{
	struct together *t = call->user;

	pthread_mutex_lock(&t->lock);
	t->left--;
	pthread_cond_signal(&t->ended);
	pthread_mutex_unlock(&t->lock);
}

/* Closes one file and opens another of `handle` meanwhile. */
static struct volume_file *close_and_open(const struct handle *handle,
					  struct volume_file *file,
					  bool open_first)
{
	struct together t = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .ended = PTHREAD_COND_INITIALIZER,
	    .left = 2,
	};
	struct volume_close close = {.file = file, .result = 1};
	struct volume_open open = {.handle = handle, .result = 1};
	struct volume_call calls[2] = {
	    {VOLUME_CLOSE, &close, 1, note_end, &t},
	    {VOLUME_OPEN, &open, 1, note_end, &t},
	};
	struct volume_file *ret;

	volume_start(fixture.volume, &calls[open_first]);
	volume_start(fixture.volume, &calls[!open_first]);
	pthread_mutex_lock(&t.lock);
	while (t.left > 0)
		pthread_cond_wait(&t.ended, &t.lock);
	pthread_mutex_unlock(&t.lock);
	EXPECT("close", close.result, 0);
	EXPECT("open", open.result, 0);
	ret = open.ret_file;
	volume_items_done(VOLUME_OPEN, &open, 1);
	return ret;
}

/* A close never takes away what was opened while it was under way. */
static void test_close_and_open(void **state)
{
	struct volume *ours = fixture.volume;
	struct volume_read read;

	(void)state;
	if (!keeps_open())
		skip();
	fixture.volume = fixture_open("conns=2");
	for (int i = 0; i < 200; i++) {
		struct handle *handle = make_file(fixture.dir, "f", "content");
		struct volume_file *file;

		EXPECT("open", do_open_read(handle, &file, NULL), 0);
		file = close_and_open(handle, file, i % 2);
		EXPECT("remove", do_remove(fixture.dir, "f", false), 0);
		EXPECT("read", do_read_file(handle, file, 0, 10, &read), 0);
		assert_int_equal(read.ret_len, 7);
		volume_items_done(VOLUME_READ, &read, 1);
		EXPECT("close", do_close(file), 0);
		EXPECT("gone", do_read(handle, 0, 10, &read), -ESTALE);
		free(handle);
	}
	volume_free(fixture.volume);
	fixture.volume = ours;
}

const struct CMUnitTest held_tests[] = {
    CONFORMANCE_TEST(test_open_to_read),
    CONFORMANCE_TEST(test_replaced),
    CONFORMANCE_TEST(test_removed),
    CONFORMANCE_TEST(test_close_and_open),
};
const size_t held_test_count = ARRAY_SIZE(held_tests);
