/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls of many items, in flight together, and cancelled. */
#include "fixture.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"

#define MANY 1000

static void test_no_items(void **state)
{
	(void)state;
	for (int verb = 0; verb < VOLUME_VERBS; verb++)
		volume_run(fixture.volume, (enum volume_verb)verb, NULL, 0);
}

/* A thousand files by one call each of several verbs. */
static void test_many(void **state)
{
	static char names[MANY][32], temps[MANY][40], data[MANY][32];
	static struct volume_write_whole writes[MANY];
	static struct volume_lookup lookups[MANY];
	static struct volume_read_whole reads[MANY];
	static struct volume_getattr attrs[MANY];
	static struct volume_remove removes[MANY];

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		snprintf(temps[i], sizeof(temps[i]), TEMP "-%zu", i);
		snprintf(data[i], sizeof(data[i]), "content %zu", i);
		writes[i] = (struct volume_write_whole){
		    .dir = fixture.dir,
		    .temp_name = temps[i],
		    .name = names[i],
		    .data = (const uint8_t *)data[i],
		    .len = strlen(data[i]),
		    .result = 1,
		};
		lookups[i] = (struct volume_lookup){
		    .dir = fixture.dir, .name = names[i], .result = 1};
		removes[i] = (struct volume_remove){
		    .dir = fixture.dir, .name = names[i], .result = 1};
	}
	fixture_run(VOLUME_WRITE_WHOLE, writes, MANY);
	fixture_run(VOLUME_LOOKUP, lookups, MANY);
	for (size_t i = 0; i < MANY; i++) {
		EXPECT(names[i], writes[i].result, 0);
		EXPECT(names[i], lookups[i].result, 0);
		reads[i] = (struct volume_read_whole){
		    .handle = lookups[i].ret_handle,
		    .expect = lookups[i].ret_attr.size,
		    .result = 1,
		};
		attrs[i] = (struct volume_getattr){
		    .handle = writes[i].ret_handle,
		    .result = 1,
		};
	}
	fixture_run(VOLUME_READ_WHOLE, reads, MANY);
	fixture_run(VOLUME_GETATTR, attrs, MANY);
	fixture_run(VOLUME_REMOVE, removes, MANY);
	for (size_t i = 0; i < MANY; i++) {
		EXPECT(names[i], reads[i].result, 0);
		EXPECT(names[i], attrs[i].result, 0);
		EXPECT(names[i], removes[i].result, 0);
		assert_int_equal(reads[i].ret_len, strlen(data[i]));
		assert_memory_equal(reads[i].ret_data, data[i],
				    strlen(data[i]));
		assert_true(attrs[i].ret_attr.fileid ==
			    lookups[i].ret_attr.fileid);
	}
	volume_items_done(VOLUME_WRITE_WHOLE, writes, MANY);
	volume_items_done(VOLUME_LOOKUP, lookups, MANY);
	volume_items_done(VOLUME_READ_WHOLE, reads, MANY);
	volume_items_done(VOLUME_GETATTR, attrs, MANY);
}

/* One bad item among good ones fails alone; `first` to last are bad. */
static void try_mixed(const bool *bad, size_t count)
{
	struct handle *gone = make_file(fixture.dir, "gone", "");
	struct handle *dir = make_dir(fixture.dir, "mixed");
	struct volume_write_whole writes[32] = {{0}};
	struct volume_getattr attrs[32] = {{0}};
	struct volume_read_whole reads[32] = {{0}};
	struct volume_setattr sets[32] = {{0}};
	struct volume_make makes[32] = {{0}};
	struct volume_link links[32] = {{0}};
	struct volume_remove removes[32] = {{0}};
	char names[32][24], temps[32][24], dirs[32][24], others[32][24];

	EXPECT("remove", do_remove(fixture.dir, "gone", false), 0);
	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		snprintf(temps[i], sizeof(temps[i]), "t%zu", i);
		snprintf(dirs[i], sizeof(dirs[i]), "d%zu", i);
		snprintf(others[i], sizeof(others[i]), "l%zu", i);
		if (bad[i])
			free(make_dir(dir, dirs[i]));
		writes[i].dir = dir;
		writes[i].temp_name = temps[i];
		writes[i].name = bad[i] ? "a/b" : names[i];
		writes[i].data = (const uint8_t *)names[i];
		writes[i].len = strlen(names[i]);
		makes[i].dir = dir;
		makes[i].name = dirs[i];
		makes[i].type = ENTRY_DIRECTORY;
	}
	fixture_run(VOLUME_WRITE_WHOLE, writes, count);
	fixture_run(VOLUME_MAKE, makes, count);
	for (size_t i = 0; i < count; i++) {
		const struct handle *h = bad[i] ? gone : writes[i].ret_handle;

		attrs[i].handle = h;
		reads[i].handle = h;
		sets[i].handle = h;
		sets[i].set.which = ATTR_SET_MODE;
		sets[i].set.mode = 0640;
		links[i].handle = h;
		links[i].dir = dir;
		links[i].name = others[i];
		removes[i].dir = dir;
		removes[i].name = names[i];
	}
	fixture_run(VOLUME_GETATTR, attrs, count);
	fixture_run(VOLUME_READ_WHOLE, reads, count);
	fixture_run(VOLUME_SETATTR, sets, count);
	fixture_run(VOLUME_LINK, links, count);
	fixture_run(VOLUME_REMOVE, removes, count);
	for (size_t i = 0; i < count; i++) {
		EXPECT("write", writes[i].result, bad[i] ? -EINVAL : 0);
		EXPECT("make", makes[i].result, bad[i] ? -EEXIST : 0);
		EXPECT("getattr", attrs[i].result, bad[i] ? -ESTALE : 0);
		EXPECT("read", reads[i].result, bad[i] ? -ESTALE : 0);
		EXPECT("setattr", sets[i].result, bad[i] ? -ESTALE : 0);
		EXPECT("link", links[i].result, bad[i] ? -ESTALE : 0);
		EXPECT("remove", removes[i].result, bad[i] ? -ENOENT : 0);
		assert_true(!writes[i].ret_handle == bad[i]);
		assert_true(!makes[i].ret_handle == bad[i]);
		if (bad[i])
			continue;
		assert_int_equal(reads[i].ret_len, strlen(names[i]));
		assert_memory_equal(reads[i].ret_data, names[i],
				    strlen(names[i]));
		assert_int_equal(sets[i].ret_attr.mode, 0640);
		assert_int_equal(links[i].ret_attr.nlink, 2);
	}
	volume_items_done(VOLUME_WRITE_WHOLE, writes, count);
	volume_items_done(VOLUME_MAKE, makes, count);
	volume_items_done(VOLUME_READ_WHOLE, reads, count);
	free(gone);
	remove_tree(dir);
	EXPECT("remove", do_remove(fixture.dir, "mixed", true), 0);
	free(dir);
}

static void test_mixed(void **state)
{
	bool bad[32] = {false};

	(void)state;
	/* Each place once, then some patterns. */
	for (size_t i = 0; i < 8; i++) {
		bad[i] = true;
		try_mixed(bad, 8);
		bad[i] = false;
	}
	for (unsigned step = 2; step <= 5; step++) {
		for (size_t i = 0; i < 32; i++)
			bad[i] = i % step == 0;
		try_mixed(bad, 32);
	}
	memset(bad, true, sizeof(bad));
	try_mixed(bad, 32);
}

/* Items of one call in many directories, in turn. */
static void test_many_directories(void **state)
{
	struct volume_write_whole writes[200] = {{0}};
	struct handle *dirs[40];
	char names[200][24], temps[200][24];

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "dir%zu", i);
		dirs[i] = make_dir(fixture.dir, names[i]);
	}
	for (size_t i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		snprintf(temps[i], sizeof(temps[i]), "t%zu", i);
		writes[i].dir = dirs[i % 40];
		writes[i].temp_name = temps[i];
		writes[i].name = names[i];
		writes[i].data = (const uint8_t *)names[i];
		writes[i].len = strlen(names[i]);
	}
	fixture_run(VOLUME_WRITE_WHOLE, writes, 200);
	for (size_t i = 0; i < 200; i++) {
		struct handle *file;

		EXPECT(names[i], writes[i].result, 0);
		file = lookup(dirs[i % 40], names[i]);
		assert_content(file, names[i], strlen(names[i]));
		assert_content(writes[i].ret_handle, names[i],
			       strlen(names[i]));
		free(file);
	}
	volume_items_done(VOLUME_WRITE_WHOLE, writes, 200);
	for (size_t i = 0; i < 40; i++)
		free(dirs[i]);
}

/* --- In flight together -------------------------------------------------- */

struct counter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t count;
};

static void count_call(struct volume_call *call)
{
	struct counter *counter = call->user;

	pthread_mutex_lock(&counter->lock);
	counter->count++;
	pthread_cond_signal(&counter->changed);
	pthread_mutex_unlock(&counter->lock);
}

static void wait_for(struct counter *counter, size_t count)
{
	pthread_mutex_lock(&counter->lock);
	while (counter->count < count)
		pthread_cond_wait(&counter->changed, &counter->lock);
	assert_int_equal(counter->count, count);
	pthread_mutex_unlock(&counter->lock);
}

static void test_start(void **state)
{
	struct counter counter = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER,
	};
	static struct volume_getattr items[500][3];
	static struct volume_call calls[500];
	struct handle *file = make_file(fixture.dir, "file", "x");
	struct volume_call none = {
	    .verb = VOLUME_GETATTR,
	    .done = count_call,
	    .user = &counter,
	};

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		for (size_t j = 0; j < 3; j++)
			items[i][j] = (struct volume_getattr){
			    .handle = j == 1 ? fixture.dir : file,
			    .result = 1,
			};
		calls[i] = (struct volume_call){
		    .verb = VOLUME_GETATTR,
		    .items = items[i],
		    .count = 3,
		    .done = count_call,
		    .user = &counter,
		};
		volume_start(fixture.volume, &calls[i]);
	}
	wait_for(&counter, 500);
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < 3; j++) {
			EXPECT("getattr", items[i][j].result, 0);
			assert_int_equal(items[i][j].ret_attr.type,
					 j == 1 ? ENTRY_DIRECTORY : ENTRY_FILE);
		}
	volume_start(fixture.volume, &none);
	wait_for(&counter, 501);
	free(file);
}

/* Threads that each run their own calls on one volume. */
static void *run_thread(void *arg)
{
	unsigned number = *(unsigned *)arg;
	char temp[32], name[32];
	long failures = 0;

	for (unsigned i = 0; i < 50; i++) {
		struct volume_write_whole put = {
		    .dir = fixture.dir,
		    .temp_name = temp,
		    .name = name,
		    .data = (const uint8_t *)name,
		};
		struct volume_read_whole get = {.expect = 1};

		snprintf(temp, sizeof(temp), "t-%u-%u", number, i);
		snprintf(name, sizeof(name), "f-%u-%u", number, i % 7);
		put.len = strlen(name);
		fixture_run(VOLUME_WRITE_WHOLE, &put, 1);
		get.handle = put.ret_handle;
		if (!put.result)
			fixture_run(VOLUME_READ_WHOLE, &get, 1);
		if (put.result || get.result || get.ret_len != strlen(name) ||
		    memcmp(get.ret_data, name, get.ret_len) != 0)
			failures++;
		volume_items_done(VOLUME_READ_WHOLE, &get, 1);
		volume_items_done(VOLUME_WRITE_WHOLE, &put, 1);
	}
	return (void *)failures;
}

static void test_threads(void **state)
{
	pthread_t threads[8];
	unsigned numbers[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		numbers[i] = i;
		assert_int_equal(
		    pthread_create(&threads[i], NULL, run_thread, &numbers[i]),
		    0);
	}
	for (unsigned i = 0; i < 8; i++) {
		void *failures;

		pthread_join(threads[i], &failures);
		assert_null(failures);
	}
}

/* After a cancel all ends soon, one way or the other, and stays so. */
static void test_cancel(void **state)
{
	struct counter counter = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER,
	};
	static struct volume_getattr items[200][50];
	static struct volume_call calls[200];
	struct volume *volume = fixture_open("");
	const struct handle *root = volume_get_info(volume)->root;
	struct volume_lookup after = {.dir = root, .name = "x", .result = 1};
	struct volume_lookup dir = {.dir = root, .name = fixture.dir_name};
	struct volume_open open = {.name = "file", .create = true};
	struct volume_close close = {.result = 1};
	int64_t start;

	(void)state;
	volume_run(volume, VOLUME_LOOKUP, &dir, 1);
	assert_int_equal(dir.result, 0);
	open.dir = dir.ret_handle;
	/* One that only reads opens no file here. */
	if (!fixture.writer) {
		volume_run(volume, VOLUME_OPEN, &open, 1);
		assert_int_equal(open.result, 0);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t j = 0; j < 50; j++)
			items[i][j].handle = root;
		calls[i] = (struct volume_call){
		    .verb = VOLUME_GETATTR,
		    .items = items[i],
		    .count = 50,
		    .done = count_call,
		    .user = &counter,
		};
		volume_start(volume, &calls[i]);
	}
	start = clock_now_ns();
	volume_cancel(volume);
	wait_for(&counter, 200);
	/* Far less than the deadline of a server that says nothing. */
	assert_true(clock_now_ns() - start < 30 * NS_PER_S);
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < 50; j++)
			EXPECT("in flight", items[i][j].result, 0, -ECANCELED);
	volume_run(volume, VOLUME_LOOKUP, &after, 1);
	EXPECT("afterwards", after.result, -ECANCELED);
	/* What was open is closed all the same. */
	close.file = open.ret_file;
	if (close.file) {
		volume_run(volume, VOLUME_CLOSE, &close, 1);
		EXPECT("close", close.result, -ECANCELED);
	}
	volume_items_done(VOLUME_OPEN, &open, 1);
	volume_items_done(VOLUME_LOOKUP, &dir, 1);
	volume_free(volume);
}

const struct CMUnitTest call_tests[] = {
    CONFORMANCE_TEST(test_no_items), CONFORMANCE_TEST(test_many),
    CONFORMANCE_TEST(test_mixed),    CONFORMANCE_TEST(test_many_directories),
    CONFORMANCE_TEST(test_start),    CONFORMANCE_TEST(test_threads),
    CONFORMANCE_TEST(test_cancel),
};
const size_t call_test_count = ARRAY_SIZE(call_tests);
