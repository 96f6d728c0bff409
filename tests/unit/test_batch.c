/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batches, over a server in memory: what travels together, and what becomes
 * of the items when a part of a compound, or all of it, was not done.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fake_client.h"
#include "nfs/batch.h"
#include "nfs/proto.h"

#define ITEM_OPS 3

/* An item looks up a name, or makes it. */
struct item {
	char name[16];
	bool make;
	size_t bytes; /* that its cost claims */
	int rounds;   /* -ERESTARTs it answers first; negative: for ever */
	bool was_again;
	unsigned finished;
	int result;
	uint64_t size;
};

struct fixture {
	struct batch_memory *memory;
	struct item items[1000];
	unsigned done;
};

static struct batch_item_cost item_cost(const void *data, const void *previous)
{
	const struct item *item = data;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = ITEM_OPS,
	    .request_bytes = 300 + item->bytes,
	    .response_bytes = 300 + item->bytes,
	};
}

static void item_encode(struct compound *c, struct client *client, void *data,
			const void *previous, bool again)
{
	static const struct attr_set none = {0};
	struct item *item = data;

	(void)client;
	(void)previous;
	item->was_again = again;
	compound_putrootfh(c);
	if (item->make && !again)
		compound_create(c, ENTRY_FIFO, item->name, NULL, &none);
	else
		compound_lookup(c, item->name);
	compound_getattr(c, FATTR_ATTR);
}

static int item_decode(struct reply *r, void *data, const void *previous,
		       bool again)
{
	struct item *item = data;
	struct attr attr;
	int error = reply_putrootfh(r);

	(void)previous;
	if (!error)
		error = item->make && !item->was_again ? reply_create(r)
						       : reply_lookup(r);
	if (error == -EEXIST && again)
		return -ERESTART;
	if (!error)
		error = reply_getattr(r, &attr, NULL);
	if (error)
		return error;
	item->size = attr.size;
	if (item->rounds) {
		item->rounds--;
		return -ERESTART;
	}
	return 0;
}

static void item_finish(void *data, int result)
{
	struct item *item = data;

	item->result = result;
	item->finished++;
}

static const struct batch_kind kind = {
    .name = "item",
    .item_size = sizeof(struct item),
    .cost = item_cost,
    .encode = item_encode,
    .decode = item_decode,
    .finish = item_finish,
};

static void batch_done(void *user)
{
	((struct fixture *)user)->done++;
}

static struct fixture fixture;

static int setup(void **state)
{
	fake_reset();
	fixture = (struct fixture){.memory = batch_memory_new(NULL, 1)};
	*state = &fixture;
	return fixture.memory ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	batch_memory_free(fixture.memory);
	fake_reset();
	return 0;
}

/* `count` items that look up a file of size 10 + (i % 10). */
static void prepare(size_t count)
{
	char text[20] = {0}, name[16];

	for (size_t i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		if (!fake_find(name))
			fake_make(name, text, 10 + i);
	}
	memset(fixture.items, 0, sizeof(fixture.items));
	for (size_t i = 0; i < count; i++)
		snprintf(fixture.items[i].name, sizeof(fixture.items[i].name),
			 "f%zu", i % 10);
}

/* Runs the batch; each item has been finished once. */
static void run(size_t count)
{
	unsigned before = fixture.done;

	assert_int_equal(batch_start(fixture.memory, &kind, fixture.items,
				     count, batch_done, &fixture),
			 0);
	assert_int_equal(fixture.done, before + 1);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fixture.items[i].finished, 1);
}

static void assert_all_found(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fixture.items[i].result, 0);
		assert_int_equal(fixture.items[i].size, 10 + i % 10);
	}
}

static void test_nothing(void **state)
{
	(void)state;
	run(0);
	assert_int_equal(fake.calls, 0);
}

/* 95 operations stand beside SEQUENCE: 31 items. */
static void test_many(void **state)
{
	(void)state;
	prepare(1000);
	run(1000);
	assert_all_found(1000);
	assert_int_equal(fake.max_ops, 31 * ITEM_OPS);
	assert_int_equal(fake.calls, (1000 + 30) / 31);
}

static void test_bytes(void **state)
{
	(void)state;
	prepare(10);
	for (int i = 0; i < 10; i++)
		fixture.items[i].bytes = 400 * 1024;
	run(10);
	assert_all_found(10);
	assert_int_equal(fake.calls, 5);
}

/* Whatever there is room for. */
static void test_items(void **state)
{
	(void)state;
	batch_memory_set_items(fixture.memory, 1);
	prepare(7);
	run(7);
	assert_all_found(7);
	assert_int_equal(fake.calls, 7);
	batch_memory_set_items(fixture.memory, 3);
	prepare(7);
	run(7);
	assert_all_found(7);
	assert_int_equal(fake.calls, 7 + 3);
}

/* More than fits goes alone. */
static void test_oversize(void **state)
{
	(void)state;
	prepare(3);
	fixture.items[1].bytes = 100 * 1024 * 1024;
	run(3);
	assert_all_found(3);
	assert_int_equal(fake.calls, 3);
}

/* A bad item fails alone, and what stands behind it is sent again. */
static void test_prefix(void **state)
{
	(void)state;
	prepare(10);
	strcpy(fixture.items[4].name, "no");
	strcpy(fixture.items[9].name, "no");
	run(10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fixture.items[i].result,
				 i == 4 || i == 9 ? -ENOENT : 0);
		assert_false(fixture.items[i].was_again);
	}
	assert_int_equal(fake.calls, 2);
}

static uint32_t delay_once(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)op;
	return n == 4 * ITEM_OPS + 1 ? NFS4ERR_DELAY : 0;
}

/* The busy item goes last, and only the busy one counts as begun. */
static void test_delay(void **state)
{
	(void)state;
	prepare(10);
	fake.fail_op = delay_once;
	run(10);
	assert_all_found(10);
	assert_int_equal(fake.calls, 2);
	assert_int_equal(fake.delayed, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fixture.items[i].was_again, i == 4);
}

static uint32_t delay_five_times(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)op;
	(void)n;
	return s->delayed < 5 ? NFS4ERR_DELAY : 0;
}

/* A deadline of more than a century is none that passes at once. */
static void test_delay_without_end(void **state)
{
	(void)state;
	batch_memory_free(fixture.memory);
	fixture.memory = batch_memory_new(NULL, UINT_MAX);
	assert_non_null(fixture.memory);
	prepare(1);
	fake.fail_op = delay_five_times;
	run(1);
	assert_all_found(1);
	assert_int_equal(fake.delayed, 5);
}

static uint32_t delay_always(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)n;
	if (op != OP_LOOKUP)
		return 0;
	usleep(100000);
	return NFS4ERR_GRACE;
}

static void test_deadline(void **state)
{
	(void)state;
	prepare(3);
	fake.fail_op = delay_always;
	run(3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture.items[i].result, -ETIMEDOUT);
	assert_in_range(fake.delayed, 8, 14);
}

static int refuse_above_20(struct fake_client *s, const struct compound *c)
{
	(void)s;
	return c->ops > 20 ? -E2BIG : 0;
}

/* A compound too large is halved, and the size remembered. */
static void test_too_large(void **state)
{
	unsigned calls;

	(void)state;
	prepare(31);
	fake.refuse_call = refuse_above_20;
	run(31);
	assert_all_found(31);
	assert_int_equal(batch_get_room(fixture.memory).ops, 10);
	calls = fake.calls;
	prepare(9);
	run(9);
	assert_all_found(9);
	assert_int_equal(fake.calls, calls + 3);
}

/* A server that executes so many operations and no more. */
static void test_too_many_operations(void **state)
{
	unsigned calls;

	(void)state;
	prepare(20);
	fake.ops_max = 16;
	run(20);
	assert_all_found(20);
	assert_int_equal(batch_get_room(fixture.memory).ops, 16);
	calls = fake.calls;
	prepare(10);
	run(10);
	assert_all_found(10);
	assert_int_equal(fake.calls, calls + 2);
}

static int refuse_long_replies(struct fake_client *s, const struct compound *c)
{
	(void)s;
	return c->ops > 2 * ITEM_OPS ? -EMSGSIZE : 0;
}

static void test_reply_too_long(void **state)
{
	(void)state;
	prepare(8);
	for (int i = 0; i < 8; i++)
		fixture.items[i].bytes = 100 * 1024;
	fake.refuse_call = refuse_long_replies;
	run(8);
	assert_all_found(8);
	assert_in_range(batch_get_room(fixture.memory).response_bytes,
			200 * 1024, 300 * 1024);
}

static int refuse_all(struct fake_client *s, const struct compound *c)
{
	(void)s;
	(void)c;
	return -E2BIG;
}

/* Even single items are too large: this ends. */
static void test_refused_for_ever(void **state)
{
	(void)state;
	prepare(31);
	fake.refuse_call = refuse_all;
	run(31);
	for (int i = 0; i < 31; i++)
		assert_int_equal(fixture.items[i].result, -EIO);
	assert_true(fake.calls < 31 * 40);
}

static int refuse_connection(struct fake_client *s, const struct compound *c)
{
	(void)c;
	return s->calls > 1 ? -ENOTCONN : 0;
}

static void test_side_down(void **state)
{
	(void)state;
	prepare(40);
	fake.refuse_call = refuse_connection;
	run(40);
	for (int i = 0; i < 40; i++)
		assert_int_equal(fixture.items[i].result,
				 i < 31 ? 0 : -ENOTCONN);
}

/* Executed twice, the first reply lost: each item finds its own. */
static void test_again(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(fixture.items[i].name, 16, "new%d", i);
		fixture.items[i].make = true;
	}
	fake.lose_reply = true;
	run(20);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(fixture.items[i].result, 0);
		assert_true(fixture.items[i].was_again);
	}
}

/* Without a reply lost, what exists exists. */
static void test_exists(void **state)
{
	(void)state;
	prepare(1);
	fixture.items[0].make = true;
	run(1);
	assert_int_equal(fixture.items[0].result, -EEXIST);
}

static void test_rounds(void **state)
{
	(void)state;
	prepare(10);
	fixture.items[3].rounds = 5;
	fixture.items[6].rounds = -1;
	run(10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fixture.items[i].result, i == 6 ? -EPROTO : 0);
}

/* Results that end early though nothing failed. */
static void test_nonsense(void **state)
{
	(void)state;
	prepare(10);
	fake.cut_nonsense = true;
	run(10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fixture.items[i].result, -EPROTO);
}

static uint32_t fail_at;
static unsigned fail_n;

static uint32_t fail_nth(struct fake_client *s, uint32_t op, unsigned n)
{
	(void)s;
	(void)op;
	return n == fail_n ? fail_at : 0;
}

/* Every operation of a batch fails once, in every way there is. */
static void test_every_failure(void **state)
{
	static const struct {
		uint32_t status;
		int want;
	} cases[] = {
	    {NFS4ERR_IO, -EIO},       {NFS4ERR_DELAY, 0},
	    {NFS4ERR_RESOURCE, 0},    {NFS4ERR_TOO_MANY_OPS, 0},
	    {NFS4ERR_REP_TOO_BIG, 0}, {NFS4ERR_REP_TOO_BIG_TO_CACHE, 0},
	    {NFS4ERR_REQ_TOO_BIG, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned n = 0; n < 10 * ITEM_OPS; n++) {
			unsigned failed = 0;

			batch_memory_free(fixture.memory);
			fixture.memory = batch_memory_new(NULL, 1);
			assert_non_null(fixture.memory);
			fake_reset();
			prepare(10);
			fake.fail_op = fail_nth;
			fail_at = cases[i].status;
			fail_n = n;
			run(10);
			for (int k = 0; k < 10; k++)
				if (fixture.items[k].result) {
					assert_int_equal(
					    fixture.items[k].result,
					    cases[i].want);
					failed++;
				}
			assert_int_equal(failed, cases[i].want ? 1 : 0);
		}
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_nothing),
	    TEST(test_many),
	    TEST(test_bytes),
	    TEST(test_items),
	    TEST(test_oversize),
	    TEST(test_prefix),
	    TEST(test_delay),
	    TEST(test_delay_without_end),
	    TEST(test_deadline),
	    TEST(test_too_large),
	    TEST(test_too_many_operations),
	    TEST(test_reply_too_long),
	    TEST(test_refused_for_ever),
	    TEST(test_side_down),
	    TEST(test_again),
	    TEST(test_exists),
	    TEST(test_rounds),
	    TEST(test_nonsense),
	    TEST(test_every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
