/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The libnfs backend over NFSv3, against a server that breaks connections,
 * forgets, postpones, leaves out what it may leave out, and lies.
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
#include "base/clock.h"
#include "fake_nfs3.h"
#include "volume/location.h"
#include "volume/volume.h"

static struct fake3 fake;
static struct volume *volume;
static const struct handle *root;

static struct volume *open_volume(const char *options)
{
	char text[128], error[512];
	struct location *location = NULL;
	struct volume *v = NULL;

	snprintf(text, sizeof(text),
		 "nfs://127.0.0.1:%u/?vers=3&mountport=%u%s", fake.port,
		 fake.port, options);
	assert_int_equal(location_parse(text, &location, error, sizeof(error)),
			 0);
	if (volume_open_location(location, &v, error, sizeof(error)))
		fail_msg("%s", error);
	location_free(location);
	return v;
}

static int begin(void **state)
{
	(void)state;
	fake3_start(&fake);
	volume = open_volume("&deadline=20");
	root = volume_get_info(volume)->root;
	memset(fake.calls, 0, sizeof(fake.calls));
	return 0;
}

static int end(void **state)
{
	(void)state;
	volume = volume_free(volume);
	fake3_stop(&fake);
	return 0;
}

/* --- One item each -------------------------------------------------------- */

static int remove_name(const char *name)
{
	struct volume_remove item = {.dir = root, .name = name, .result = 1};

	volume_run(volume, VOLUME_REMOVE, &item, 1);
	return item.result;
}

static int rename_name(const char *name, const char *to)
{
	struct volume_rename item = {
	    .dir = root, .name = name, .to_dir = root, .to_name = to};

	volume_run(volume, VOLUME_RENAME, &item, 1);
	return item.result;
}

static int make(const char *temp, const char *name, enum entry_type type,
		const char *target)
{
	struct volume_make item = {
	    .dir = root,
	    .temp_name = temp,
	    .name = name,
	    .type = type,
	    .target = target,
	    .set = {.which = ATTR_SET_MODE, .mode = 0700},
	};

	volume_run(volume, VOLUME_MAKE, &item, 1);
	if (!item.result) {
		assert_non_null(item.ret_handle);
		assert_int_equal(item.ret_attr.type, type);
	}
	volume_items_done(VOLUME_MAKE, &item, 1);
	return item.result;
}

/* `len` bytes, all but those of a long hole in the middle not zero. */
static int write_file(const char *name, size_t len, bool hole)
{
	struct volume_write_whole item = {
	    .dir = root,
	    .temp_name = "temp",
	    .name = name,
	    .len = len,
	    .set = {.which = ATTR_SET_OWNER | ATTR_SET_MODE | ATTR_SET_TIMES,
		    .mode = 04755},
	};
	uint8_t *data = malloc(len + 1);

	memset(data, 'x', len + 1);
	if (hole)
		memset(data + len / 4, 0, len / 2);
	item.data = data;
	volume_run(volume, VOLUME_WRITE_WHOLE, &item, 1);
	if (!item.result) {
		assert_non_null(item.ret_handle);
		assert_int_equal(item.ret_attr.size, len);
	}
	volume_items_done(VOLUME_WRITE_WHOLE, &item, 1);
	free(data);
	return item.result;
}

static struct handle *look_up(const char *name, int *ret_result)
{
	struct volume_lookup item = {.dir = root, .name = name};
	struct handle *handle;

	volume_run(volume, VOLUME_LOOKUP, &item, 1);
	*ret_result = item.result;
	handle = steal(item.ret_handle);
	volume_items_done(VOLUME_LOOKUP, &item, 1);
	return handle;
}

static int link_to(const char *object, const char *temp, const char *name)
{
	int result;
	CLEANUP_FREE struct handle *handle = look_up(object, &result);
	struct volume_link item = {
	    .handle = handle, .dir = root, .temp_name = temp, .name = name};

	assert_int_equal(result, 0);
	volume_run(volume, VOLUME_LINK, &item, 1);
	if (!item.result)
		assert_int_equal(item.ret_attr.nlink, 2);
	return item.result;
}

static int create(const char *name)
{
	struct volume_open item = {.dir = root, .name = name, .create = true};
	struct volume_close gone = {0};

	volume_run(volume, VOLUME_OPEN, &item, 1);
	gone.file = item.ret_file;
	if (!item.result)
		volume_run(volume, VOLUME_CLOSE, &gone, 1);
	volume_items_done(VOLUME_OPEN, &item, 1);
	return item.result;
}

static unsigned list_root(int *ret_result)
{
	struct volume_list item = {.dir = root};
	unsigned count = 0;

	do {
		if (item.ret_count > 0)
			item.cookie =
			    item.ret_entries[item.ret_count - 1].cookie;
		item.verifier = item.ret_verifier;
		volume_items_done(VOLUME_LIST, &item, 1);
		volume_run(volume, VOLUME_LIST, &item, 1);
		for (size_t i = 0; i < item.ret_count; i++) {
			assert_int_equal(item.ret_entries[i].attr_result, 0);
			assert_non_null(item.ret_entries[i].handle);
			assert_int_equal(item.ret_entries[i].attr.type,
					 ENTRY_FILE);
		}
		count += (unsigned)item.ret_count;
	} while (!item.result && !item.ret_eof);
	*ret_result = item.result;
	volume_items_done(VOLUME_LIST, &item, 1);
	return count;
}

/* --- Answers that were lost ----------------------------------------------- */

static void test_remove_lost(void **state)
{
	(void)state;
	fake3_add(&fake, "a", 1);
	fake.drop[FAKE3_REMOVE] = 1;
	assert_int_equal(remove_name("a"), 0);
	assert_null(fake3_find(&fake, "a"));
	assert_int_equal(fake.calls[FAKE3_REMOVE], 2);
	assert_int_equal(remove_name("a"), -ENOENT);
}

static void test_rename_lost(void **state)
{
	(void)state;
	fake3_add(&fake, "a", 1);
	fake.drop[FAKE3_RENAME] = 1;
	assert_int_equal(rename_name("a", "b"), 0);
	assert_non_null(fake3_find(&fake, "b"));
	/* Nobody has ever seen these. */
	fake.drop[FAKE3_RENAME] = 1;
	assert_int_equal(rename_name("c", "d"), -ENOENT);
	assert_int_equal(rename_name("a", "b"), -ENOENT);
}

static void test_make_lost(void **state)
{
	char target[4001];

	(void)state;
	memset(target, 't', 4000);
	target[4000] = '\0';
	fake.drop[FAKE3_MKDIR] = 1;
	fake.drop[FAKE3_MKNOD] = 1;
	assert_int_equal(make(NULL, "dir", ENTRY_DIRECTORY, NULL), 0);
	assert_int_equal(make(NULL, "dir", ENTRY_DIRECTORY, NULL), -EEXIST);
	assert_int_equal(make(NULL, "fifo", ENTRY_FIFO, NULL), 0);
	fake.drop[FAKE3_SYMLINK] = 1;
	fake.drop[FAKE3_RENAME] = 1;
	assert_int_equal(make("temp", "link", ENTRY_SYMLINK, "to"), 0);
	assert_null(fake3_find(&fake, "temp"));
	/* Too long for libnfs. */
	fake.drop[FAKE3_SYMLINK] = 1;
	assert_int_equal(make(NULL, "long", ENTRY_SYMLINK, target), 0);
	assert_int_equal(fake3_find(&fake, "long")->size, 4000);
	assert_int_equal(make(NULL, "long", ENTRY_SYMLINK, target), -EEXIST);
	/* What is there is something else. */
	fake.drop[FAKE3_MKDIR] = 1;
	assert_int_equal(make(NULL, "fifo", ENTRY_DIRECTORY, NULL), -EEXIST);
	assert_int_equal(fake3_find(&fake, "fifo")->type, 7);
}

static void test_link_lost(void **state)
{
	(void)state;
	fake3_add(&fake, "a", 1);
	fake3_add(&fake, "b", 1);
	fake3_add(&fake, "c", 1);
	fake.drop[FAKE3_LINK] = 1;
	fake.drop[FAKE3_RENAME] = 1;
	assert_int_equal(link_to("a", "temp", "d"), 0);
	assert_ptr_equal(fake3_find(&fake, "a"), fake3_find(&fake, "d"));
	assert_null(fake3_find(&fake, "temp"));
	fake.drop[FAKE3_LINK] = 1;
	assert_int_equal(link_to("b", NULL, "c"), -EEXIST);
	assert_int_equal(fake3_find(&fake, "b")->nlink, 1);
}

/* Whatever is lost, in the end the file is there, and nothing else. */
static void test_write_lost(void **state)
{
	static const int procs[] = {
	    FAKE3_CREATE,  FAKE3_WRITE,  FAKE3_COMMIT,
	    FAKE3_SETATTR, FAKE3_RENAME, FAKE3_GETATTR,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(procs); i++) {
		unsigned called = fake.calls[procs[i]];

		fake.drop[procs[i]] = 2;
		assert_int_equal(write_file("file", 300000, true), 0);
		assert_true(fake.calls[procs[i]] >= called + 3);
		assert_int_equal(fake3_find(&fake, "file")->size, 300000);
		assert_null(fake3_find(&fake, "temp"));
		assert_int_equal(fake.drop[procs[i]], 0);
	}
}

/* An answer that cannot be read says not that nothing was done. */
static void test_write_spoilt(void **state)
{
	static const int procs[] = {
	    FAKE3_CREATE,  FAKE3_WRITE,  FAKE3_COMMIT,
	    FAKE3_SETATTR, FAKE3_RENAME, FAKE3_GETATTR,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(procs); i++) {
		fake.spoil[procs[i]] = 2;
		assert_int_equal(write_file("file", 300000, true), 0);
		assert_int_equal(fake3_find(&fake, "file")->size, 300000);
		assert_null(fake3_find(&fake, "temp"));
		assert_int_equal(fake.spoil[procs[i]], 0);
	}
	/* Nor is it asked for ever. */
	fake.spoil[FAKE3_GETATTR] = 100;
	assert_int_equal(write_file("file", 10, false), -EPROTO);
}

/* What lies under the temporary name is not an empty file of ours. */
static void test_write_not_ours(void **state)
{
	(void)state;
	fake3_add(&fake, "temp", 5);
	fake.drop[FAKE3_CREATE] = 1;
	assert_int_equal(write_file("file", 10, false), -EEXIST);
	assert_int_equal(fake3_find(&fake, "temp")->size, 5);
	assert_null(fake3_find(&fake, "file"));
	assert_int_equal(write_file("file", 10, false), -EEXIST);
	assert_non_null(fake3_find(&fake, "temp"));
}

static void test_create_lost(void **state)
{
	(void)state;
	fake.drop[FAKE3_CREATE] = 1;
	assert_int_equal(create("a"), 0);
	assert_int_equal(create("a"), -EEXIST);
	fake.no_exclusive = true;
	fake.drop[FAKE3_CREATE] = 2; /* also the exclusive one */
	assert_int_equal(create("b"), 0);
	fake3_add(&fake, "c", 3);
	fake.drop[FAKE3_CREATE] = 2;
	assert_int_equal(create("c"), -EEXIST);
	assert_int_equal(fake3_find(&fake, "c")->size, 3);
}

/* --- Servers of other habits ---------------------------------------------- */

static void test_later(void **state)
{
	(void)state;
	for (int i = 0; i < FAKE3_PROCS; i++)
		fake.later[i] = 2;
	assert_int_equal(write_file("file", 300000, true), 0);
	assert_int_equal(make("temp", "link", ENTRY_SYMLINK, "to"), 0);
	assert_int_equal(remove_name("file"), 0);
	assert_int_equal(fake.later[FAKE3_COMMIT], 0);
}

static void test_bare(void **state)
{
	int result;

	(void)state;
	fake.bare = true;
	assert_int_equal(write_file("file", 300000, true), 0);
	assert_int_equal(create("large"), 0);
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		fake3_add(&fake, name, 1);
	}
	assert_int_equal(list_root(&result), 42);
	assert_int_equal(result, 0);
	assert_int_equal(make(NULL, "dir", ENTRY_DIRECTORY, NULL), 0);
	assert_int_equal(link_to("file", "temp", "other"), 0);
}

static void test_no_readdirplus(void **state)
{
	int result;

	(void)state;
	fake3_add(&fake, "a", 1);
	fake3_add(&fake, "b", 1);
	fake3_add(&fake, "c", 1);
	fake.no_plus = true;
	assert_int_equal(list_root(&result), 3);
	assert_int_equal(result, 0);
	assert_int_equal(fake.calls[FAKE3_READDIRPLUS], 1);
}

static void test_short_io(void **state)
{
	int result;
	CLEANUP_FREE struct handle *handle = NULL;
	struct volume_read_whole whole = {.expect = 10};
	struct volume_read range = {.offset = 1000, .len = 200000};

	(void)state;
	fake.short_io = 30000;
	assert_int_equal(write_file("file", 100000, false), 0);
	assert_int_equal(fake3_find(&fake, "file")->size, 100000);
	handle = look_up("file", &result);
	whole.handle = handle;
	range.handle = handle;
	volume_run(volume, VOLUME_READ_WHOLE, &whole, 1);
	assert_int_equal(whole.result, 0);
	assert_int_equal(whole.ret_len, 100000);
	volume_items_done(VOLUME_READ_WHOLE, &whole, 1);
	volume_run(volume, VOLUME_READ, &range, 1);
	assert_int_equal(range.result, 0);
	assert_int_equal(range.ret_len, 99000);
	assert_true(range.ret_eof);
	volume_items_done(VOLUME_READ, &range, 1);
}

/* The server restarts between two WRITEs: all of it is written again. */
static void test_restart(void **state)
{
	(void)state;
	fake.restart_at = 2;
	assert_int_equal(write_file("file", 150000, false), 0);
	assert_int_equal(fake.calls[FAKE3_WRITE], 3 + 3);
}

/* Set-id bits come after the owner, for a chown clears them. */
static void test_owner_first(void **state)
{
	(void)state;
	*fake.sets = '\0';
	assert_int_equal(write_file("file", 10, false), 0);
	assert_string_equal(fake.sets, "m ugat m ");
}

/* --- Lies ----------------------------------------------------------------- */

static void test_bad_handles(void **state)
{
	static const uint32_t lens[] = {65, 128};
	int result;

	(void)state;
	fake3_add(&fake, "a", 1);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		fake.handle_len = lens[i];
		assert_null(look_up("a", &result));
		assert_int_equal(result, -EPROTO);
	}
	/* The connection goes on. */
	fake.handle_len = 0;
	free(look_up("a", &result));
	assert_int_equal(result, 0);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {"a/b", "", "/"};
	int result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fake.bad_name = names[i];
		list_root(&result);
		assert_int_equal(result, -EPROTO);
	}
}

/* The type may stand in the mode; what is no mode is not taken for one. */
static void test_bad_modes(void **state)
{
	struct volume_getattr item = {.handle = root};

	(void)state;
	fake.mode = 0140750;
	volume_run(volume, VOLUME_GETATTR, &item, 1);
	assert_int_equal(item.result, 0);
	assert_int_equal(item.ret_attr.mode, 0750);
	fake.mode = UINT32_MAX;
	volume_run(volume, VOLUME_GETATTR, &item, 1);
	assert_int_equal(item.result, -EPROTO);
}

/* --- A server that is gone ------------------------------------------------ */

static void test_deadline(void **state)
{
	struct volume_lookup items[3];
	struct volume *v = open_volume("&deadline=1&conns=2");
	const struct handle *dir = volume_get_info(v)->root;
	int64_t begun = clock_now_ns();

	(void)state;
	fake.silent = true;
	for (int i = 0; i < 3; i++)
		items[i] = (struct volume_lookup){.dir = dir, .name = "a"};
	volume_run(v, VOLUME_LOOKUP, items, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(items[i].result, -ENOTCONN);
	assert_true(clock_now_ns() - begun < 10 * NS_PER_S);
	/* And nobody waits for it a second time. */
	volume_run(v, VOLUME_LOOKUP, items, 1);
	begun = clock_now_ns();
	volume_run(v, VOLUME_LOOKUP, items, 1);
	assert_int_equal(items[0].result, -ENOTCONN);
	assert_true(clock_now_ns() - begun < NS_PER_S / 2);
	/* But it is not given up for ever. */
	fake.silent = false;
	begun = clock_now_ns();
	do {
		usleep(10000);
		volume_run(v, VOLUME_LOOKUP, items, 1);
	} while (items[0].result == -ENOTCONN &&
		 clock_now_ns() - begun < 30 * NS_PER_S);
	assert_int_equal(items[0].result, -ENOENT);
	volume_free(v);
}

static void cancel_now(struct volume_call *call)
{
	*(bool *)call->user = true;
}

static void test_cancel(void **state)
{
	struct volume_lookup item = {.dir = root, .name = "a"};
	bool done = false;
	struct volume_call call = {
	    .verb = VOLUME_LOOKUP,
	    .items = &item,
	    .count = 1,
	    .done = cancel_now,
	    .user = &done,
	};

	(void)state;
	fake.silent = true;
	volume_start(volume, &call);
	volume_cancel(volume);
	volume = volume_free(volume); /* joins the thread that ended it */
	assert_true(done);
	assert_int_equal(item.result, -ECANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_remove_lost),    TEST(test_rename_lost),
	    TEST(test_make_lost),      TEST(test_link_lost),
	    TEST(test_write_lost),     TEST(test_write_spoilt),
	    TEST(test_write_not_ours), TEST(test_create_lost),
	    TEST(test_later),          TEST(test_bare),
	    TEST(test_no_readdirplus), TEST(test_short_io),
	    TEST(test_restart),        TEST(test_owner_first),
	    TEST(test_bad_handles),    TEST(test_bad_names),
	    TEST(test_bad_modes),      TEST(test_deadline),
	    TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
