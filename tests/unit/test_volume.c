/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The waist itself, over two small backends: one that only runs calls and one
 * that only starts them.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "volume/backend.h"
#include "volume/location.h"

#define CALLS 300

struct fake {
	struct volume volume;
	atomic_uint running; /* calls inside run() now */
	atomic_uint most;    /* the most at once */
	atomic_uint calls;
	atomic_bool hold; /* run() waits for its end */
	bool late;        /* start() answers from another thread */
	pthread_t thread;
	bool has_thread;
	struct volume_call *call;
};

static void set_results(struct fake *f, void *items, size_t count)
{
	struct volume_getattr *item = items;

	for (size_t i = 0; i < count; i++) {
		item[i].result = 0;
		item[i].ret_attr.size = i;
	}
	atomic_fetch_add(&f->calls, 1);
}

static void fake_run(struct volume *v, enum volume_verb verb, void *items,
		     size_t count)
{
	struct fake *f = (struct fake *)v;
	unsigned now = atomic_fetch_add(&f->running, 1) + 1;
	unsigned most = atomic_load(&f->most);

	assert_int_equal(verb, VOLUME_GETATTR);
	while (now > most &&
	       !atomic_compare_exchange_weak(&f->most, &most, now))
		;
	while (atomic_load(&f->hold))
		sched_yield();
	set_results(f, items, count);
	atomic_fetch_sub(&f->running, 1);
}

static void *answer_late(void *arg)
{
	struct fake *f = arg;

	set_results(f, f->call->items, f->call->count);
	f->call->done(f->call);
	return NULL;
}

static void fake_start(struct volume *v, struct volume_call *call)
{
	struct fake *f = (struct fake *)v;

	f->call = call;
	if (!f->late) {
		answer_late(f);
		return;
	}
	if (f->has_thread)
		pthread_join(f->thread, NULL);
	assert_int_equal(pthread_create(&f->thread, NULL, answer_late, f), 0);
	f->has_thread = true;
}

static void fake_cancel(struct volume *v)
{
	struct fake *f = (struct fake *)v;

	atomic_store(&f->hold, false);
}

static uint64_t fake_requests(const struct volume *v)
{
	return atomic_load(&((const struct fake *)v)->calls);
}

static void fake_free(struct volume *v)
{
	struct fake *f = (struct fake *)v;

	if (f->has_thread)
		pthread_join(f->thread, NULL);
	free(f);
}

static const struct volume_backend runs = {
    .name = "runs",
    .run = fake_run,
    .cancel = fake_cancel,
    .get_requests = fake_requests,
    .free = fake_free,
};

static const struct volume_backend starts = {
    .name = "starts",
    .start = fake_start,
    .cancel = fake_cancel,
    .get_requests = fake_requests,
    .free = fake_free,
};

static struct fake *fake_new(const struct volume_backend *backend,
			     unsigned depth)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->volume.backend = backend;
	f->volume.info.depth = depth;
	return f;
}

struct counter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t count;
};

static void count_call(struct volume_call *call)
{
	struct counter *c = call->user;

	pthread_mutex_lock(&c->lock);
	c->count++;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void wait_for(struct counter *c, size_t count)
{
	pthread_mutex_lock(&c->lock);
	while (c->count < count)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* `depth` threads at once, and no more, when the volume is that deep; every
 * call ends once. */
static void try_pool(unsigned depth, unsigned threads)
{
	struct counter counter = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER,
	};
	static struct volume_getattr items[CALLS][2];
	static struct volume_call calls[CALLS];
	struct fake *f = fake_new(&runs, depth);
	struct volume *v = &f->volume;

	atomic_store(&f->hold, true);
	for (size_t i = 0; i < CALLS; i++) {
		items[i][0].result = items[i][1].result = 1;
		calls[i] = (struct volume_call){
		    .verb = VOLUME_GETATTR,
		    .items = items[i],
		    .count = 2,
		    .done = count_call,
		    .user = &counter,
		};
		volume_start(v, &calls[i]);
	}
	while (atomic_load(&f->running) < threads)
		sched_yield();
	assert_int_equal(counter.count, 0);
	volume_cancel(v);
	wait_for(&counter, CALLS);
	assert_int_equal(atomic_load(&f->most), threads);
	for (size_t i = 0; i < CALLS; i++)
		assert_int_equal(items[i][1].result, 0);
	/* Threads that are idle by now serve again. */
	volume_start(v, &calls[0]);
	wait_for(&counter, CALLS + 1);
	assert_int_equal(volume_get_requests(v), CALLS + 1);
	assert_null(volume_free(v));
	assert_int_equal(counter.count, CALLS + 1);
}

static void test_pool(void **state)
{
	(void)state;
	try_pool(1, 16);
	try_pool(20, 20);
}

static void test_run(void **state)
{
	struct volume_getattr items[3] = {{.result = 1}};

	(void)state;
	for (int way = 0; way < 3; way++) {
		struct fake *f = fake_new(way ? &starts : &runs, 1);

		f->late = way == 2;
		for (int i = 0; i < 100; i++) {
			items[2].result = 1;
			volume_run(&f->volume, VOLUME_GETATTR, items, 3);
			assert_int_equal(items[2].result, 0);
			assert_int_equal(items[2].ret_attr.size, 2);
		}
		volume_run(&f->volume, VOLUME_GETATTR, NULL, 0);
		assert_int_equal(volume_get_requests(&f->volume), 100);
		volume_free(&f->volume);
	}
}

static void test_start(void **state)
{
	struct counter counter = {
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER,
	};
	struct fake *f = fake_new(&starts, 1);
	struct volume_getattr item = {.result = 1};
	struct volume_call call = {
	    .verb = VOLUME_GETATTR,
	    .items = &item,
	    .count = 1,
	    .done = count_call,
	    .user = &counter,
	};

	(void)state;
	volume_start(&f->volume, &call);
	assert_int_equal(counter.count, 1);
	call.count = 0;
	volume_start(&f->volume, &call);
	assert_int_equal(counter.count, 2);
	volume_free(&f->volume);
	assert_null(volume_free(NULL));
}

static void test_fail(void **state)
{
	struct volume_list lists[2] = {{0}};
	struct volume_close closes[3] = {{0}};
	struct volume_statfs statfs[3] = {{.ret_total_bytes = 5}};

	(void)state;
	volume_fail(VOLUME_LIST, lists, 2, -EIO);
	assert_int_equal(lists[0].result, -EIO);
	assert_int_equal(lists[1].result, -EIO);
	volume_fail(VOLUME_CLOSE, closes, 2, -ENOTCONN);
	assert_int_equal(closes[1].result, -ENOTCONN);
	assert_int_equal(closes[2].result, 0);
	volume_fail(VOLUME_STATFS, statfs, 3, -EIO);
	assert_int_equal(statfs[2].result, -EIO);
	assert_int_equal(statfs[0].ret_total_bytes, 5);
}

/* All that an item returned is freed (the sanitizer looks) and zeroed, its
 * result and what it was asked stay; items that never ran are let through. */
static void test_items_done(void **state)
{
	struct volume_list list = {.cookie = 9, .ret_eof = true};
	struct volume_read_whole whole = {.expect = 3, .result = -EIO};
	struct volume_open open = {.ret_file = (struct volume_file *)&list};
	struct volume_read read = {.len = 1, .ret_len = 1, .ret_eof = true};
	struct volume_readlink link = {.ret_target = strdup("x")};
	struct volume_make make = {.ret_attr.size = 1};
	union {
		struct volume_list list;
		struct volume_write_whole whole;
		struct volume_make make;
		struct volume_statfs statfs;
	} zero[4];

	(void)state;
	list.ret_count = 2;
	list.ret_entries = calloc(2, sizeof(*list.ret_entries));
	list.ret_entries[0].name = strdup("name");
	list.ret_entries[0].handle = handle_new("h", 1);
	list.ret_entries[1].name = strdup("no handle");
	volume_items_done(VOLUME_LIST, &list, 1);
	assert_null(list.ret_entries);
	assert_int_equal(list.ret_count, 0);
	assert_false(list.ret_eof);
	assert_int_equal(list.cookie, 9);

	whole.ret_blob = blob_new(3);
	whole.ret_data = whole.ret_blob->data;
	whole.ret_len = 3;
	volume_items_done(VOLUME_READ_WHOLE, &whole, 1);
	assert_null(whole.ret_data);
	assert_int_equal(whole.ret_len, 0);
	assert_int_equal(whole.result, -EIO);
	assert_int_equal(whole.expect, 3);

	read.ret_blob = blob_new(1);
	volume_items_done(VOLUME_READ, &read, 1);
	assert_null(read.ret_blob);
	assert_false(read.ret_eof);

	open.ret_handle = handle_new("h", 1);
	volume_items_done(VOLUME_OPEN, &open, 1);
	assert_null(open.ret_file);
	assert_null(open.ret_handle);

	volume_items_done(VOLUME_READLINK, &link, 1);
	assert_null(link.ret_target);
	make.ret_handle = handle_new("h", 1);
	volume_items_done(VOLUME_MAKE, &make, 1);
	assert_int_equal(make.ret_attr.size, 0);

	for (int verb = 0; verb < VOLUME_VERBS; verb++) {
		memset(zero, 0, sizeof(zero));
		volume_items_done((enum volume_verb)verb, zero, 1);
		volume_items_done((enum volume_verb)verb, NULL, 0);
	}
}

static void test_names(void **state)
{
	char name[VOLUME_NAME_MAX + 2];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[VOLUME_NAME_MAX + 1] = '\0';
	assert_int_equal(volume_check_name(name), -ENAMETOOLONG);
	name[VOLUME_NAME_MAX] = '\0';
	assert_int_equal(volume_check_name(name), 0);
	assert_int_equal(volume_check_name(NULL), -EINVAL);
	assert_int_equal(volume_check_name(""), -EINVAL);
	assert_int_equal(volume_check_name("."), -EINVAL);
	assert_int_equal(volume_check_name(".."), -EINVAL);
	assert_int_equal(volume_check_name("a/b"), -EINVAL);
	assert_int_equal(volume_check_name("..."), 0);
	assert_int_equal(volume_check_name("\n"), 0);
	assert_int_equal(volume_check_name("\xff"), 0);
}

/* A directory that cannot be opened is named, with what to do. */
static void test_open_errors(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *says;
	} rows[] = {
	    {"/nonexistent/directory", -ENOENT, "make it"},
	    {"/dev/null", -ENOTDIR, "not a directory"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct location *l;
		struct volume *v = NULL;
		char error[256];

		assert_int_equal(
		    location_parse(rows[i].text, &l, error, sizeof(error)), 0);
		assert_int_equal(
		    volume_open_location(l, &v, error, sizeof(error)),
		    rows[i].result);
		assert_null(v);
		assert_non_null(strstr(error, rows[i].text));
		assert_non_null(strstr(error, rows[i].says));
		location_free(l);
	}
}

/* Circles of all lengths behind ways of all lengths are noticed before they
 * were gone round four times; a way without one is not. */
static void test_circles(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 20; way++) {
		for (unsigned circle = 1; circle < 40; circle++) {
			struct volume_circle c = {0};
			unsigned i = 0;

			while (!volume_circle_closes(
			    &c, i < way ? i : way + (i - way) % circle))
				i++;
			assert_true(i >= way + circle);
			assert_true(i < 4 * (way + circle));
		}
	}
	for (struct volume_circle c = {0}; c.pages < 100000;)
		assert_false(volume_circle_closes(&c, c.pages));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pool),        cmocka_unit_test(test_run),
	    cmocka_unit_test(test_start),       cmocka_unit_test(test_fail),
	    cmocka_unit_test(test_items_done),  cmocka_unit_test(test_names),
	    cmocka_unit_test(test_open_errors), cmocka_unit_test(test_circles),
	};

	return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
