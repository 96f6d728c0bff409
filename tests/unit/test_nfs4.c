/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nfs4 backend's stages, over a server in memory: each operation of each
 * verb fails once in every way, replies are lost, and the server is poorer
 * than ganesha. After each the promises of volume.h hold: nothing under a
 * temporary name, no open left, whole content or the content from before.
 *
 * What works on a real server is the conformance test's matter.
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
#include "fake_client.h"
#include "nfs/proto.h"
#include "volume/location.h"
#include "volume/volume.h"

#define TEMP ".temp"

static struct volume *volume;
static const struct handle *root;
static uint8_t data[VOLUME_RANGE];

static int open_volume(void)
{
	struct location *location;
	char error[512];

	if (location_parse("nfs://fake/?deadline=1", &location, error,
			   sizeof(error)))
		return -1;
	if (volume_open_location(location, &volume, error, sizeof(error)))
		return -1;
	location_free(location);
	root = volume_get_info(volume)->root;
	fake.ops = 0;
	fake.calls = 0;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251 + 1);
	fake_reset();
	return open_volume();
}

static int teardown(void **state)
{
	(void)state;
	volume = volume_free(volume);
	fake_reset();
	return 0;
}

/* A fresh server and a volume that has learned nothing of it. */
static void renew(void)
{
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
}

static uint32_t fail_status;
static unsigned fail_n;
static bool has_failed;

static uint32_t fail_nth(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)op;
	if (n != fail_n)
		return 0;
	has_failed = true;
	return fail_status;
}

/* What is injected: errors that stay, that pass, and that ask for less. */
static const uint32_t statuses[] = {
    NFS4ERR_IO,      NFS4ERR_NOSPC,        NFS4ERR_DELAY,
    NFS4ERR_PERM,    NFS4ERR_BAD_STATEID,  NFS4ERR_RESOURCE,
    NFS4ERR_NOTSUPP, NFS4ERR_TOO_MANY_OPS, NFS4ERR_STALE,
    NFS4ERR_EXIST,   NFS4ERR_REP_TOO_BIG,
};

/* Runs `scenario` with failure `n` of `status` injected, for every n that it
 * gets to; it returns whether that can go on. */
static void with_every_failure(void (*scenario)(void))
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		fail_status = statuses[i];
		has_failed = true;
		for (fail_n = 0; has_failed; fail_n++) {
			has_failed = false;
			renew();
			scenario();
		}
		assert_true(fail_n > 2);
	}
}

static void assert_content(const char *name, const uint8_t *want, size_t len)
{
	const struct fake_file *f = fake_find(name);

	assert_non_null(f);
	assert_int_equal(f->type, ENTRY_FILE);
	assert_int_equal(f->size, len);
	assert_memory_equal(f->data, want, len);
}

static const struct attr_set usual_set = {
    .which = ATTR_SET_MODE | ATTR_SET_UID | ATTR_SET_MTIME,
    .mode = 0640,
    .uid = 5,
    .mtime_ns = 123456789012,
};

static const struct attr_set set_id = {
    .which = ATTR_SET_MODE | ATTR_SET_UID | ATTR_SET_MTIME,
    .mode = 04755,
    .uid = 5,
    .mtime_ns = 123456789012,
};

/* --- Whole files written -------------------------------------------------- */

/* Three files over old ones, of sizes and kinds that go different ways; the
 * injected failure may fail some of them, but each promise holds. */
static void write_three(const size_t lengths[3], const struct attr_set *set)
{
	static const char *const names[3] = {"a", "b", "c"};
	static const char *const temps[3] = {TEMP "a", TEMP "b", TEMP "c"};
	struct volume_write_whole items[3] = {{0}};

	for (int i = 0; i < 3; i++) {
		fake_make(names[i], "old", 3);
		items[i] = (struct volume_write_whole){
		    .dir = root,
		    .temp_name = temps[i],
		    .name = names[i],
		    .data = data,
		    .len = lengths[i],
		    .set = *set,
		};
	}
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_WRITE_WHOLE, items, 3);
	for (int i = 0; i < 3; i++) {
		const struct fake_file *f = fake_find(names[i]);

		if (items[i].result) {
			assert_content(names[i], (const uint8_t *)"old", 3);
			assert_null(items[i].ret_handle);
		} else {
			assert_content(names[i], data, lengths[i]);
			assert_int_equal(f->mode, set->mode);
			assert_int_equal(f->uid, set->uid);
			assert_int_equal(f->mtime_ns, set->mtime_ns);
			assert_int_equal(items[i].ret_attr.size, lengths[i]);
			assert_non_null(items[i].ret_handle);
		}
		assert_null(fake_find(temps[i]));
	}
	assert_int_equal(fake.opens, 0);
	volume_items_done(VOLUME_WRITE_WHOLE, items, 3);
}

static void write_small(void)
{
	write_three((size_t[]){100, 0, 4096}, &usual_set);
}

static void write_larger(void)
{
	write_three((size_t[]){5000, 20000, VOLUME_WHOLE_MAX}, &set_id);
}

static void write_without_verify(void)
{
	fake.no_verify = true;
	write_three((size_t[]){5000, 10, 20000}, &usual_set);
}

static void write_in_small_requests(void)
{
	fake.limits.max_request = 16 * 1024;
	write_three((size_t[]){30000, 10, 100000}, &usual_set);
}

/* Zeros in the middle and at the end; the largest extents are small. */
static void write_sparse(void)
{
	memset(data, 0, sizeof(data));
	memset(data + 70000, 1, 5000);
	memset(data + 200000, 2, 100);
	write_three((size_t[]){400001, 65536, 100000}, &usual_set);
}

static void test_write_whole_failing(void **state)
{
	(void)state;
	with_every_failure(write_small);
	with_every_failure(write_larger);
	with_every_failure(write_without_verify);
	with_every_failure(write_sparse);
	with_every_failure(write_in_small_requests);
}

/* Everything goes in one compound: 7 operations a file and 2 for all. */
static void test_write_whole_requests(void **state)
{
	struct volume_write_whole items[13];
	char names[13][8], temps[13][8];

	(void)state;
	assert_int_equal(volume_get_info(volume)->whole_items, 13);
	for (int i = 0; i < 13; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		snprintf(temps[i], sizeof(temps[i]), "t%d", i);
		items[i] = (struct volume_write_whole){
		    .dir = root,
		    .temp_name = temps[i],
		    .name = names[i],
		    .data = data,
		    .len = 4096,
		    .set = usual_set,
		};
	}
	volume_run(volume, VOLUME_WRITE_WHOLE, items, 13);
	for (int i = 0; i < 13; i++)
		assert_int_equal(items[i].result, 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(fake.ops, 13 * 7 + 2);
	volume_items_done(VOLUME_WRITE_WHOLE, items, 13);
}

/* The temporary name is somebody else's. */
static void test_write_whole_exists(void **state)
{
	struct volume_write_whole item = {
	    .dir = root, .temp_name = TEMP, .name = "a", .len = 0};

	(void)state;
	fake_make(TEMP, "theirs", 6);
	volume_run(volume, VOLUME_WRITE_WHOLE, &item, 1);
	assert_int_equal(item.result, -EEXIST);
	assert_content(TEMP, (const uint8_t *)"theirs", 6);
}

static void write_lost_reply(const size_t lengths[3])
{
	renew();
	fail_n = UINT32_MAX;
	fake.lose_reply = true;
	write_three(lengths, &usual_set);
	assert_content("a", data, lengths[0]);
	assert_content("b", data, lengths[1]);
	assert_content("c", data, lengths[2]);
}

static void test_write_whole_again(void **state)
{
	(void)state;
	write_lost_reply((size_t[]){10, 0, 4096});
	write_lost_reply((size_t[]){10, 5000, VOLUME_WHOLE_MAX});
}

/* The server takes fewer bytes than given: nothing torn gets a name. */
static void test_write_whole_short(void **state)
{
	static const size_t takes[] = {1, 100, 4095, 4096, 4097, 100000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		size_t large = takes[i] < 1000 ? 300 : 20000;

		renew();
		fail_n = UINT32_MAX;
		fake.write_max = takes[i];
		write_three((size_t[]){large, 0, 200}, &usual_set);
		assert_content("a", data, large);
		assert_content("c", data, 200);
	}
}

static void test_write_whole_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		renew();
		fail_n = UINT32_MAX;
		fake.forget_opens = true;
		fake.no_verify = i;
		write_three((size_t[]){10, 5000, 20000}, &usual_set);
		assert_content("a", data, 10);
		assert_content("c", data, 20000);
	}
}

static void test_write_whole_over_directory(void **state)
{
	struct volume_write_whole item = {.dir = root,
					  .temp_name = TEMP,
					  .name = "d",
					  .data = data,
					  .len = 9};

	(void)state;
	fake_make("d", "", 0)->type = ENTRY_DIRECTORY;
	volume_run(volume, VOLUME_WRITE_WHOLE, &item, 1);
	assert_int_equal(item.result, -EEXIST);
	assert_null(fake_find(TEMP));
	assert_int_equal(fake.opens, 0);
}

/* --- Whole files read ----------------------------------------------------- */

static struct handle *look_up(const char *name)
{
	struct volume_lookup item = {.dir = root, .name = name};

	volume_run(volume, VOLUME_LOOKUP, &item, 1);
	assert_int_equal(item.result, 0);
	return item.ret_handle;
}

static void read_three(void)
{
	static const size_t lengths[3] = {0, 4096, 100000};
	static const size_t expects[3] = {10, 4096, 50};
	struct volume_read_whole items[3] = {{0}};
	char names[3][4] = {"a", "b", "c"};

	for (int i = 0; i < 3; i++) {
		fake_make(names[i], data, lengths[i]);
		items[i].handle = look_up(names[i]);
		items[i].expect = expects[i];
	}
	fake.ops = 0;
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_READ_WHOLE, items, 3);
	for (int i = 0; i < 3; i++) {
		if (items[i].result) {
			assert_null(items[i].ret_blob);
		} else {
			assert_int_equal(items[i].ret_len, lengths[i]);
			assert_memory_equal(
			    items[i].ret_data ? items[i].ret_data : data, data,
			    lengths[i]);
			assert_int_equal(items[i].ret_before.size, lengths[i]);
			assert_int_equal(items[i].ret_after.size, lengths[i]);
		}
		free((void *)(uintptr_t)items[i].handle);
	}
	assert_int_equal(fake.opens, 0);
	volume_items_done(VOLUME_READ_WHOLE, items, 3);
}

static void read_by_open(void)
{
	fake.no_anonymous = true;
	read_three();
}

static void read_in_small_replies(void)
{
	fake.limits.max_response = 16 * 1024;
	read_three();
}

static void read_short(void)
{
	fake.read_max = 3000;
	read_three();
}

static void test_read_whole_failing(void **state)
{
	(void)state;
	with_every_failure(read_three);
	with_every_failure(read_by_open);
	with_every_failure(read_in_small_replies);
	with_every_failure(read_short);
}

static void test_read_whole_too_large(void **state)
{
	static const size_t expects[] = {0, 10, VOLUME_WHOLE_MAX};

	(void)state;
	fake_make("a", data, VOLUME_WHOLE_MAX + 1);
	for (size_t i = 0; i < ARRAY_SIZE(expects); i++) {
		struct volume_read_whole item = {.expect = expects[i]};
		CLEANUP_FREE struct handle *handle = look_up("a");

		item.handle = handle;
		volume_run(volume, VOLUME_READ_WHOLE, &item, 1);
		assert_int_equal(item.result, -EFBIG);
		assert_null(item.ret_blob);
	}
}

/* --- Ranges and large files ----------------------------------------------- */

static void read_range(void)
{
	struct volume_read items[2] = {{.offset = 1000, .len = 300000},
				       {.offset = 699990, .len = 100}};
	struct handle *handle;

	fake_make("a", data, 700000);
	handle = look_up("a");
	items[0].handle = items[1].handle = handle;
	fake.ops = 0;
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_READ, items, 2);
	if (!items[0].result) {
		assert_int_equal(items[0].ret_len, 300000);
		assert_memory_equal(items[0].ret_data, data + 1000, 300000);
		assert_false(items[0].ret_eof);
	}
	if (!items[1].result) {
		assert_int_equal(items[1].ret_len, 10);
		assert_memory_equal(items[1].ret_data, data + 699990, 10);
		assert_true(items[1].ret_eof);
	}
	assert_int_equal(fake.opens, 0);
	volume_items_done(VOLUME_READ, items, 2);
	free(handle);
}

/* The session's replies hold a tenth of the range. */
static void read_range_in_parts(void)
{
	fake.limits.max_response = 32 * 1024;
	volume = volume_free(volume);
	assert_int_equal(open_volume(), 0);
	read_range();
}

static void read_range_by_open(void)
{
	fake.no_anonymous = true;
	fake.read_max = 50000;
	read_range();
}

static void test_read_failing(void **state)
{
	(void)state;
	with_every_failure(read_range);
	with_every_failure(read_range_in_parts);
	with_every_failure(read_range_by_open);
}

static void close_file(struct volume_file *file, int want)
{
	struct volume_close close = {.file = file};

	volume_run(volume, VOLUME_CLOSE, &close, 1);
	assert_int_equal(close.result, want);
}

static struct volume_open open_to_read(const struct handle *handle)
{
	struct volume_open open = {.handle = handle};

	volume_run(volume, VOLUME_OPEN, &open, 1);
	if (!open.result)
		assert_non_null(open.ret_file);
	else
		assert_null(open.ret_file);
	return open;
}

static int read_from(const struct handle *handle, struct volume_file *file,
		     uint64_t offset, size_t len)
{
	struct volume_read read = {
	    .handle = handle, .file = file, .offset = offset, .len = len};
	int result;

	volume_run(volume, VOLUME_READ, &read, 1);
	result = read.result;
	if (!result) {
		assert_int_equal(read.ret_len, len);
		assert_memory_equal(read.ret_data, data + offset, len);
	}
	volume_items_done(VOLUME_READ, &read, 1);
	return result;
}

/* A file opened to be read, twice. */
static void read_held(void)
{
	struct volume_open opens[2];
	CLEANUP_FREE struct handle *handle = NULL;

	fake_make("a", data, 700000);
	handle = look_up("a");
	fake.ops = 0;
	fake.fail_op = fail_nth;
	opens[0] = open_to_read(handle);
	opens[1] = open_to_read(handle);
	for (int i = 0; i < 2; i++)
		if (!opens[i].result)
			read_from(handle, opens[i].ret_file, 5, 300000);
	fake.fail_op = NULL;
	for (int i = 0; i < 2; i++) {
		if (!opens[i].result) {
			assert_int_equal(
			    read_from(handle, opens[i].ret_file, 600000, 1000),
			    0);
			close_file(opens[i].ret_file, 0);
		}
		volume_items_done(VOLUME_OPEN, &opens[i], 1);
	}
	assert_int_equal(fake.opens, 0);
}

static void read_held_in_parts(void)
{
	fake.limits.max_response = 32 * 1024;
	volume = volume_free(volume);
	assert_int_equal(open_volume(), 0);
	read_held();
}

static void read_held_only(void)
{
	fake.no_anonymous = true;
	fake.read_max = 50000;
	read_held();
}

static void test_held_failing(void **state)
{
	(void)state;
	with_every_failure(read_held);
	with_every_failure(read_held_in_parts);
	with_every_failure(read_held_only);
}

/* One state is shared: what one of two closes, the other still has. */
static void test_held_twice(void **state)
{
	struct volume_open opens[2];
	CLEANUP_FREE struct handle *handle = NULL;
	unsigned calls;

	(void)state;
	fake_make("a", data, 1000);
	handle = look_up("a");
	opens[0] = open_to_read(handle);
	opens[1] = open_to_read(handle);
	assert_int_equal(opens[0].result, 0);
	assert_int_equal(opens[1].result, 0);
	assert_int_equal(opens[0].ret_attr.size, 1000);
	fake.no_anonymous = true;
	calls = fake.calls;
	close_file(opens[0].ret_file, 0);
	assert_int_equal(fake.calls, calls);
	assert_int_equal(read_from(handle, opens[1].ret_file, 0, 900), 0);
	assert_int_equal(fake.calls, calls + 1);
	close_file(opens[1].ret_file, 0);
	assert_int_equal(fake.calls, calls + 2);
	assert_int_equal(fake.opens, 0);
	volume_items_done(VOLUME_OPEN, opens, 2);
}

/* Reading goes on without the state. */
static void test_held_lost(void **state)
{
	struct volume_open open;
	CLEANUP_FREE struct handle *handle = NULL;
	unsigned calls;

	(void)state;
	fake_make("a", data, 1000);
	handle = look_up("a");
	open = open_to_read(handle);
	fake.forget_opens = true;
	calls = fake.calls;
	assert_int_equal(read_from(handle, open.ret_file, 0, 1000), 0);
	assert_int_equal(fake.calls, calls + 2);
	assert_int_equal(read_from(handle, open.ret_file, 0, 1000), 0);
	assert_int_equal(fake.calls, calls + 3);
	close_file(open.ret_file, 0);
	volume_items_done(VOLUME_OPEN, &open, 1);

	open = open_to_read(handle);
	fake.generation++;
	calls = fake.calls;
	assert_int_equal(read_from(handle, open.ret_file, 0, 1000), 0);
	assert_int_equal(fake.calls, calls + 1);
	close_file(open.ret_file, 0);
	assert_int_equal(fake.calls, calls + 1);
	volume_items_done(VOLUME_OPEN, &open, 1);
}

static uint32_t no_open;

static uint32_t refuse_open(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)n;
	return op == OP_OPEN ? no_open : 0;
}

/* What the server says of the open counts only if it is about the file. */
static void test_held_refused(void **state)
{
	static const struct {
		uint32_t status;
		int result;
	} rows[] = {
	    {NFS4ERR_NOTSUPP, 0},      {NFS4ERR_INVAL, 0},
	    {NFS4ERR_DQUOT, 0},        {NFS4ERR_SERVERFAULT, 0},
	    {NFS4ERR_ACCESS, -EACCES}, {NFS4ERR_STALE, -ESTALE},
	};
	CLEANUP_FREE struct handle *handle = NULL;
	CLEANUP_FREE struct handle *dir = NULL;

	(void)state;
	fake_make("a", data, 1000);
	fake_make("d", "", 0)->type = ENTRY_DIRECTORY;
	handle = look_up("a");
	dir = look_up("d");
	fake.fail_op = refuse_open;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct volume_open open;

		no_open = rows[i].status;
		open = open_to_read(handle);
		assert_int_equal(open.result, rows[i].result);
		if (open.result)
			continue;
		assert_int_equal(open.ret_attr.size, 1000);
		assert_int_equal(read_from(handle, open.ret_file, 0, 1000), 0);
		close_file(open.ret_file, 0);
		volume_items_done(VOLUME_OPEN, &open, 1);
	}
	no_open = NFS4ERR_INVAL;
	assert_int_equal(open_to_read(dir).result, -EISDIR);
}

static struct volume_file *open_file(const char *name)
{
	struct volume_open open = {.dir = root, .name = name, .create = true};
	struct volume_file *file;

	volume_run(volume, VOLUME_OPEN, &open, 1);
	assert_int_equal(open.result, 0);
	file = open.ret_file;
	volume_items_done(VOLUME_OPEN, &open, 1);
	return file;
}

static struct volume_write write_at(struct volume_file *file, uint64_t offset,
				    size_t len)
{
	struct volume_write write = {
	    .file = file, .offset = offset, .data = data + offset, .len = len};

	volume_run(volume, VOLUME_WRITE, &write, 1);
	return write;
}

static uint64_t commit(struct volume_file *file)
{
	struct volume_commit commit = {.file = file};

	volume_run(volume, VOLUME_COMMIT, &commit, 1);
	assert_int_equal(commit.result, 0);
	return commit.ret_verifier;
}

static void write_range(void)
{
	struct volume_file *file = open_file("big");
	struct volume_write write;

	fake.ops = 0;
	fake.fail_op = fail_nth;
	write = write_at(file, 0, 400000);
	fake.fail_op = NULL;
	if (!write.result)
		assert_content("big", data, 400000);
	close_file(file, 0);
	assert_int_equal(fake.opens, 0);
}

static void write_range_in_parts(void)
{
	fake.limits.max_request = 32 * 1024;
	volume = volume_free(volume);
	assert_int_equal(open_volume(), 0);
	write_range();
}

static void write_range_short(void)
{
	fake.write_max = 70000;
	write_range();
}

static void test_write_failing(void **state)
{
	(void)state;
	with_every_failure(write_range);
	with_every_failure(write_range_in_parts);
	with_every_failure(write_range_short);
}

/* Equal while the server runs, different once it lost something. */
static void test_verifier(void **state)
{
	struct volume_file *file = open_file("big");
	struct volume_write first, second, third;
	uint64_t committed;

	(void)state;
	first = write_at(file, 0, 1000);
	second = write_at(file, 1000, 1000);
	assert_int_equal(first.ret_verifier, second.ret_verifier);
	assert_int_equal(first.ret_verifier, commit(file));

	/* The server restarts: its verifier changes and the open is gone. */
	fake.forget_opens = true;
	third = write_at(file, 2000, 1000);
	assert_int_equal(third.result, 0);
	committed = commit(file);
	assert_int_equal(third.ret_verifier, committed);
	assert_int_not_equal(first.ret_verifier, committed);
	assert_content("big", data, 3000);

	/* Only the client is new: the server's verifier stays. */
	fake.generation++;
	first = write_at(file, 3000, 1000);
	assert_int_equal(first.result, 0);
	committed = commit(file);
	assert_int_equal(first.ret_verifier, committed);
	assert_int_not_equal(third.ret_verifier, committed);
	close_file(file, 0);
	assert_int_equal(fake.opens, 0);
}

/* A close needs no open, and no file either. */
static void test_close_lost(void **state)
{
	struct volume_file *file = open_file("a");

	(void)state;
	fake.generation++;
	close_file(file, 0);
	file = open_file("b");
	fake_find("b")->name[0] = '\0';
	close_file(file, 0);
}

static void test_open_again(void **state)
{
	struct volume_open open = {.dir = root, .name = "a", .create = true};
	struct volume_file *file;

	(void)state;
	fake.lose_reply = true;
	file = open_file("a");
	assert_int_equal(fake_find("a")->mode, 0600);
	close_file(file, 0);
	/* There before, and not what OPEN makes. */
	fake_make("b", "x", 1);
	fake.lose_reply = true;
	open.name = "b";
	volume_run(volume, VOLUME_OPEN, &open, 1);
	assert_int_equal(open.result, -EEXIST);
	assert_content("b", (const uint8_t *)"x", 1);
}

/* --- Names ---------------------------------------------------------------- */

static void make_three(void)
{
	struct volume_make items[3] = {
	    {.dir = root, .name = "d", .type = ENTRY_DIRECTORY},
	    {.dir = root,
	     .name = "l",
	     .temp_name = TEMP "l",
	     .type = ENTRY_SYMLINK,
	     .target = "to"},
	    {.dir = root,
	     .name = "f",
	     .temp_name = TEMP "f",
	     .type = ENTRY_FIFO},
	};

	fake_make("f", "old", 3);
	for (int i = 0; i < 3; i++)
		items[i].set = set_id;
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_MAKE, items, 3);
	for (int i = 0; i < 3; i++) {
		const struct fake_file *f = fake_find(items[i].name);

		if (items[i].result && i == 2) {
			assert_content("f", (const uint8_t *)"old", 3);
		} else if (items[i].result) {
			assert_null(f);
		} else {
			assert_non_null(f);
			assert_int_equal(f->type, items[i].type);
			assert_int_equal(f->mtime_ns, set_id.mtime_ns);
			if (f->type != ENTRY_SYMLINK)
				assert_int_equal(f->mode, set_id.mode);
		}
		if (items[i].temp_name)
			assert_null(fake_find(items[i].temp_name));
	}
	volume_items_done(VOLUME_MAKE, items, 3);
}

static void make_again(void)
{
	fake.lose_reply = true;
	make_three();
}

static void test_make_failing(void **state)
{
	(void)state;
	with_every_failure(make_three);
	fail_n = UINT32_MAX;
	renew();
	make_again();
	assert_int_equal(fake_find("d")->type, ENTRY_DIRECTORY);
}

/* Makes a link of "a" as "b", with a temporary name or without. */
static int link_file(const char *temp)
{
	struct volume_link item = {.dir = root, .name = "b", .temp_name = temp};
	struct handle *handle;

	fake.fail_op = NULL;
	if (!fake_find("a"))
		fake_make("a", "x", 1);
	handle = look_up("a");
	item.handle = handle;
	fake.ops = 0;
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_LINK, &item, 1);
	free(handle);
	if (!item.result)
		assert_int_equal(fake_find("b")->id, fake_find("a")->id);
	if (temp)
		assert_null(fake_find(temp));
	return item.result;
}

static void link_plain(void)
{
	link_file(NULL);
}

static void link_over(void)
{
	fake_make("b", "old", 3);
	/* What fails behind the rename fails with the link made. */
	if (link_file(TEMP) && fake_find("b")->id != fake_find("a")->id)
		assert_content("b", (const uint8_t *)"old", 3);
}

static void test_link_failing(void **state)
{
	(void)state;
	with_every_failure(link_plain);
	with_every_failure(link_over);
	fail_n = UINT32_MAX;
	renew();
	fake.lose_reply = true;
	/* look_up() changes nothing, so the reply lost is the link's. */
	assert_int_equal(link_file(NULL), 0);
	renew();
	assert_int_equal(link_file(NULL), 0);
	assert_int_equal(link_file(NULL), -EEXIST);
}

static void test_remove_again(void **state)
{
	struct volume_remove items[3] = {
	    {.dir = root, .name = "a"},
	    {.dir = root, .name = "b"},
	    {.dir = root, .name = "no"},
	};

	(void)state;
	fake_make("a", "", 0);
	fake_make("b", "", 0);
	volume_run(volume, VOLUME_REMOVE, &items[2], 1);
	assert_int_equal(items[2].result, -ENOENT);
	fake.lose_reply = true;
	volume_run(volume, VOLUME_REMOVE, items, 2);
	assert_int_equal(items[0].result, 0);
	assert_int_equal(items[1].result, 0);
	assert_null(fake_find("a"));
	assert_null(fake_find("b"));
}

static void test_rename_again(void **state)
{
	struct volume_rename items[2] = {
	    {.dir = root, .name = "a", .to_dir = root, .to_name = "b"},
	    {.dir = root, .name = "no", .to_dir = root, .to_name = "x"},
	};

	(void)state;
	fake_make("a", "1", 1);
	fake.lose_reply = true;
	volume_run(volume, VOLUME_RENAME, items, 2);
	assert_int_equal(items[0].result, 0);
	assert_int_equal(items[1].result, -ENOENT);
	assert_content("b", (const uint8_t *)"1", 1);
}

static void setattr_size(void)
{
	struct volume_setattr item = {
	    .set = {.which = ATTR_SET_SIZE | ATTR_SET_MODE,
		    .size = 2,
		    .mode = 0604},
	};
	struct handle *handle;

	fake_make("a", "1234", 4);
	handle = look_up("a");
	item.handle = handle;
	fake.ops = 0;
	fake.fail_op = fail_nth;
	volume_run(volume, VOLUME_SETATTR, &item, 1);
	if (!item.result) {
		assert_content("a", (const uint8_t *)"12", 2);
		assert_int_equal(fake_find("a")->mode, 0604);
	}
	free(handle);
}

static void test_setattr(void **state)
{
	(void)state;
	with_every_failure(setattr_size);
	fail_n = UINT32_MAX;
	renew();
	fake.no_anonymous = true;
	setattr_size();
	assert_int_equal(fake_find("a")->size, 2);
	assert_int_equal(fake.opens, 0);
}

/* --- Listings ------------------------------------------------------------- */

static void test_list_pages(void **state)
{
	struct volume_list list = {.dir = root, .max_bytes = 5000};
	unsigned count = 0, pages = 0;
	char name[8];

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		fake_make(name, "", 0);
	}
	for (bool eof = false; !eof; pages++) {
		volume_run(volume, VOLUME_LIST, &list, 1);
		assert_int_equal(list.result, 0);
		count += (unsigned)list.ret_count;
		eof = list.ret_eof;
		list.verifier = list.ret_verifier;
		if (list.ret_count)
			list.cookie =
			    list.ret_entries[list.ret_count - 1].cookie;
		volume_items_done(VOLUME_LIST, &list, 1);
		/* The server's verifier changes: the cookies stay good. */
		fake.verifier++;
	}
	assert_int_equal(count, 30);
	assert_true(pages > 6);
}

static uint32_t too_small(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)n;
	return op == OP_READDIR && s->calls < 4 ? NFS4ERR_TOOSMALL : 0;
}

static void test_list_too_small(void **state)
{
	struct volume_list list = {.dir = root, .max_bytes = 4096};

	(void)state;
	fake_make("a", "", 0);
	fake.fail_op = too_small;
	volume_run(volume, VOLUME_LIST, &list, 1);
	assert_int_equal(list.result, 0);
	assert_int_equal(list.ret_count, 1);
	assert_int_equal(fake.calls, 4);
	volume_items_done(VOLUME_LIST, &list, 1);
}

/* The first pages of several directories travel in one compound. */
static void test_list_together(void **state)
{
	struct volume_list lists[20] = {{0}};

	(void)state;
	fake_make("a", "", 0);
	for (int i = 0; i < 20; i++)
		lists[i].dir = root;
	volume_run(volume, VOLUME_LIST, lists, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(lists[i].ret_count, 1);
	assert_int_equal(fake.calls, 1);
	volume_items_done(VOLUME_LIST, lists, 20);
}

/* --- Opening -------------------------------------------------------------- */

/* Opens nfs://fake/PATH; the sentence must hold `words`. */
static void assert_no_open(const char *path, int want, const char *words)
{
	struct location *location;
	struct volume *none = NULL;
	char error[512], text[128];

	snprintf(text, sizeof(text), "nfs://fake/%s", path);
	assert_int_equal(location_parse(text, &location, error, sizeof(error)),
			 0);
	assert_int_equal(
	    volume_open_location(location, &none, error, sizeof(error)), want);
	if (!strstr(error, words))
		fail_msg("\"%s\" does not say \"%s\"", error, words);
	location_free(location);
}

static uint32_t moved(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	return op == OP_GETATTR && n > 1 ? NFS4ERR_MOVED : 0;
}

static uint32_t denied(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)n;
	return op == OP_LOOKUP ? NFS4ERR_ACCESS : 0;
}

static void test_open_path(void **state)
{
	(void)state;
	fake_make("file", "", 0);
	fake_make("link", "", 0)->type = ENTRY_SYMLINK;
	fake_make("dir", "", 0)->type = ENTRY_DIRECTORY;
	assert_no_open("dir/no/more", -ENOENT, "\"/dir/no\"");
	assert_no_open("dir/file", -ENOTDIR,
		       "\"/dir/file\" is not a directory");
	assert_no_open("file/x", -ENOTDIR, "\"/file\" is not a directory");
	assert_no_open("dir/link/x", -ELOOP,
		       "\"/dir/link\" is a symbolic link to \"target\"");
	fake.ops = 0;
	fake.fail_op = moved;
	assert_no_open("dir", -EREMOTE, "another server");
	fake.fail_op = denied;
	assert_no_open("dir", -EACCES, "denies access");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_write_whole_failing),
	    TEST(test_write_whole_requests),
	    TEST(test_write_whole_exists),
	    TEST(test_write_whole_again),
	    TEST(test_write_whole_short),
	    TEST(test_write_whole_forgotten),
	    TEST(test_write_whole_over_directory),
	    TEST(test_read_whole_failing),
	    TEST(test_read_whole_too_large),
	    TEST(test_read_failing),
	    TEST(test_held_failing),
	    TEST(test_held_twice),
	    TEST(test_held_lost),
	    TEST(test_held_refused),
	    TEST(test_write_failing),
	    TEST(test_verifier),
	    TEST(test_close_lost),
	    TEST(test_open_again),
	    TEST(test_make_failing),
	    TEST(test_link_failing),
	    TEST(test_remove_again),
	    TEST(test_rename_again),
	    TEST(test_setattr),
	    TEST(test_list_pages),
	    TEST(test_list_too_small),
	    TEST(test_list_together),
	    TEST(test_open_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
