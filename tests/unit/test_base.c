/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The small parts: blob, budget, queue, extent, digest, clock, escape.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/budget.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/escape.h"
#include "base/extent.h"
#include "base/queue.h"

/* --- Blob ---------------------------------------------------------------- */

static void *ref_and_unref(void *arg)
{
	for (int i = 0; i < 10000; i++)
		blob_unref(blob_ref(arg));
	blob_unref(arg);
	return NULL;
}

static void test_blob(void **state)
{
	struct blob *b = blob_new(100);
	pthread_t threads[2];

	(void)state;
	assert_non_null(b);
	assert_int_equal(b->size, 100);
	memset(b->data, 1, b->size);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						ref_and_unref, blob_ref(b)),
				 0);
	blob_unref(b);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_null(blob_ref(NULL));
	blob_unref(NULL);
	assert_null(blob_new(SIZE_MAX));
}

/* --- Budget -------------------------------------------------------------- */

struct taker {
	struct budget *budget;
	size_t bytes;
	_Atomic int *order;
	int place; /* in the order in which they were served, from 1 */
	int result;
	_Atomic bool begun;
	pthread_t thread;
};

static void *take(void *arg)
{
	struct taker *t = arg;

	atomic_store(&t->begun, true);
	t->result = budget_take(t->budget, t->bytes);
	t->place = atomic_fetch_add(t->order, 1) + 1;
	if (t->result == 0)
		budget_give(t->budget, t->bytes);
	return NULL;
}

/* Begins a taker and lets it come to its wait, as far as can be told. */
static void begin(struct taker *t)
{
	assert_int_equal(pthread_create(&t->thread, NULL, take, t), 0);
	while (!atomic_load(&t->begun))
		sched_yield();
	for (int i = 0; i < 1000; i++)
		sched_yield();
}

static void test_budget_order(void **state)
{
	struct budget *b = budget_new(100);
	_Atomic int order = 0;
	struct taker large = {.budget = b, .bytes = 90, .order = &order};
	struct taker small = {.budget = b, .bytes = 20, .order = &order};

	(void)state;
	assert_int_equal(budget_take(b, 50), 0);
	assert_int_equal(budget_take(b, 25), 0);
	/* The small one would fit, but the large one came before. */
	begin(&large);
	begin(&small);
	assert_int_equal(atomic_load(&order), 0);
	budget_give(b, 25);
	budget_give(b, 50);
	pthread_join(large.thread, NULL);
	pthread_join(small.thread, NULL);
	assert_int_equal(large.result, 0);
	assert_int_equal(small.result, 0);
	assert_int_equal(large.place, 1);
	assert_int_equal(small.place, 2);
	budget_free(b);
}

static void test_budget_larger_than_total(void **state)
{
	struct budget *b = budget_new(100);
	_Atomic int order = 0;
	struct taker huge = {.budget = b, .bytes = SIZE_MAX, .order = &order};

	(void)state;
	assert_int_equal(budget_take(b, 1000), 0);
	begin(&huge);
	assert_int_equal(atomic_load(&order), 0);
	budget_give(b, 1000);
	pthread_join(huge.thread, NULL);
	assert_int_equal(huge.result, 0);
	budget_free(b);
}

static void test_budget_cancel(void **state)
{
	struct budget *b = budget_new(10);
	_Atomic int order = 0;
	struct taker t[2] = {{.budget = b, .bytes = 5, .order = &order},
			     {.budget = b, .bytes = 6, .order = &order}};

	(void)state;
	assert_int_equal(budget_take(b, 10), 0);
	begin(&t[0]);
	begin(&t[1]);
	budget_cancel(b);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		pthread_join(t[i].thread, NULL);
		assert_int_equal(t[i].result, -ECANCELED);
	}
	assert_int_equal(budget_take(b, 1), -ECANCELED);
	budget_give(b, 10);
	budget_free(b);
}

/* --- Queue --------------------------------------------------------------- */

static void test_queue_order(void **state)
{
	struct queue *q = queue_new(3);
	int items[5];
	void *out[5];

	(void)state;
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(queue_push(q, &items[i]), 0);
		assert_int_equal(queue_length(q), 3);
		assert_ptr_equal(queue_pop(q), &items[0]);
		assert_int_equal(queue_push(q, &items[3]), 0);
		assert_int_equal(queue_pop_many(q, out, 2), 2);
		assert_ptr_equal(out[0], &items[1]);
		assert_ptr_equal(out[1], &items[2]);
		assert_int_equal(queue_pop_many(q, out, 5), 1);
		assert_ptr_equal(out[0], &items[3]);
		assert_int_equal(queue_length(q), 0);
	}
	assert_int_equal(queue_push(q, &items[4]), 0);
	queue_close(q);
	assert_int_equal(queue_push(q, &items[0]), -EPIPE);
	assert_ptr_equal(queue_pop(q), &items[4]);
	assert_null(queue_pop(q));
	assert_int_equal(queue_pop_many(q, out, 5), 0);
	queue_free(q);
}

#define PASSED 20000

static void *push_all(void *arg)
{
	for (uintptr_t i = 1; i <= PASSED; i++)
		if (queue_push(arg, (void *)i) < 0)
			return (void *)i;
	return NULL;
}

static void test_queue_threads(void **state)
{
	struct queue *q = queue_new(7);
	pthread_t threads[2];
	uint64_t sum = 0;
	size_t n = 0, got;
	void *out[5];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push_all, q),
				 0);
	while (n < 2 * PASSED) {
		assert_true(queue_length(q) <= 7);
		got = queue_pop_many(q, out, 5);
		assert_in_range(got, 1, 5);
		for (size_t i = 0; i < got; i++)
			sum += (uintptr_t)out[i];
		n += got;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, (uint64_t)PASSED * (PASSED + 1));
	queue_free(q);
}

/* Those that wait are let go. */
static void test_queue_close(void **state)
{
	struct queue *q = queue_new(4);
	pthread_t thread;
	void *refused;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, push_all, q), 0);
	while (queue_length(q) < 4)
		sched_yield();
	queue_close(q);
	pthread_join(thread, &refused);
	assert_int_equal((uintptr_t)refused, 5);
	assert_ptr_equal(queue_pop(q), (void *)1);
	queue_free(q);
}

/* --- Extent -------------------------------------------------------------- */

#define BLOCK (256 * 1024)

/* Whether byte `at` of the block lies in a hole: in a run of zero grains
 * (aligned in the file) that is long enough or reaches the end. */
static void oracle_holes(const uint8_t *data, size_t len, uint64_t offset,
			 uint8_t *hole)
{
	size_t run = 0;

	memset(hole, 0, len);
	for (size_t at = 0; at <= len;) {
		size_t next = at;
		bool zero = at < len;

		while (next < len &&
		       (next == at || (offset + next) % EXTENT_GRAIN != 0))
			zero = !data[next++] && zero;
		if (zero) {
			at = next;
			continue;
		}
		if (at - run >= EXTENT_HOLE || (at == len && at > run))
			memset(hole + run, 1, at - run);
		if (at == len)
			break;
		at = run = next;
	}
}

static uint64_t random_next(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *x >> 33;
}

/* Runs of zeros and of other bytes, of lengths around the bounds. */
static void fill(uint8_t *data, size_t len, uint64_t *x)
{
	static const size_t lengths[] = {1,     4095,  4096,  4097,  20000,
					 32767, 32768, 36864, 40960, 70000};
	size_t at = 0;

	while (at < len) {
		size_t n = lengths[random_next(x) % ARRAY_SIZE(lengths)];

		if (n > len - at)
			n = len - at;
		memset(data + at, random_next(x) % 2 ? 0 : 1, n);
		at += n;
	}
}

static void check_extents(const uint8_t *data, size_t len, uint64_t offset,
			  uint8_t *hole)
{
	struct extent e;
	size_t pos = 0, end = 0;

	oracle_holes(data, len, offset, hole);
	while (extent_next(data, len, offset, &pos, &e)) {
		assert_true(e.len > 0 && e.offset + e.len <= len);
		assert_true(e.offset >= end);
		assert_int_equal(pos, e.offset + e.len);
		for (size_t i = end; i < e.offset; i++)
			assert_true(hole[i]);
		for (size_t i = e.offset; i < e.offset + e.len; i++)
			assert_false(hole[i]);
		end = pos;
	}
	for (size_t i = end; i < len; i++)
		assert_true(hole[i]);
}

static void test_extent_property(void **state)
{
	CLEANUP_FREE uint8_t *data = malloc(BLOCK);
	CLEANUP_FREE uint8_t *hole = malloc(BLOCK);
	uint64_t x = 42;

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t len = random_next(&x) % BLOCK;
		uint64_t offset = round % 2 ? random_next(&x) : 0;

		fill(data, len, &x);
		check_extents(data, len, offset, hole);
	}
}

static void test_extent_alignment(void **state)
{
	CLEANUP_FREE uint8_t *data = calloc(1, BLOCK);
	struct extent e;
	size_t pos = 0;

	(void)state;
	assert_false(extent_next(data, 0, 0, &pos, &e));
	assert_false(extent_next(data, BLOCK, 5, &pos, &e));
	/* What is written starts at a grain of the file, not of the block. */
	data[100000] = 1;
	pos = 0;
	assert_true(extent_next(data, BLOCK, 96, &pos, &e));
	assert_int_equal((e.offset + 96) % EXTENT_GRAIN, 0);
	assert_int_equal((e.offset + 96 + e.len) % EXTENT_GRAIN, 0);
	assert_in_range(100000, e.offset, e.offset + e.len - 1);
	assert_int_equal(e.len, EXTENT_GRAIN);
	assert_false(extent_next(data, BLOCK, 96, &pos, &e));
}

/* --- Digest -------------------------------------------------------------- */

static void assert_digest(const struct digest *d, const char *text)
{
	char have[DIGEST_TEXT];

	assert_string_equal(digest_format(d, have), text);
}

static void test_digest_known(void **state)
{
	struct digest d;

	(void)state;
	d = digest_of("", 0);
	assert_digest(&d, "99aa06d3014798d86001c324468d497f");
	d = digest_of("abc", 3);
	assert_digest(&d, "06b05ab6733a618578af5f94892f3950");
}

static void test_digest_stream(void **state)
{
	CLEANUP_FREE uint8_t *data = malloc(200000);
	struct digest_stream *s = digest_stream_new();
	struct digest_stream *other = digest_stream_new();
	struct digest whole, pieces;
	uint64_t x = 7;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < 200000; i++)
		data[i] = (uint8_t)random_next(&x);
	memset(data + 50000, 0, 140000);
	whole = digest_of(data, 200000);
	for (size_t at = 0; at < 50000;) {
		size_t n = random_next(&x) % 5000;

		n = n < 50000 - at ? n : 50000 - at;
		digest_stream_add(s, data + at, n);
		at += n;
	}
	digest_stream_add_zeros(s, 0);
	digest_stream_add_zeros(s, 1);
	digest_stream_add_zeros(s, 139999);
	pieces = digest_stream_get(s);
	assert_false(digest_equal(&whole, &pieces));
	digest_stream_add(other, "of no use", 9);
	digest_stream_copy(other, s);
	digest_stream_add(s, data + 190000, 10000);
	pieces = digest_stream_get(s);
	assert_true(digest_equal(&whole, &pieces));
	/* It goes its own way. */
	pieces = digest_stream_get(other);
	assert_false(digest_equal(&whole, &pieces));
	digest_stream_add(other, data + 190000, 10000);
	pieces = digest_stream_get(other);
	assert_true(digest_equal(&whole, &pieces));
	digest_stream_free(other);
	digest_stream_reset(s);
	pieces = digest_stream_get(s);
	assert_digest(&pieces, "99aa06d3014798d86001c324468d497f");
	assert_null(digest_stream_free(s));
	assert_null(digest_stream_free(NULL));
}

/* --- Clock --------------------------------------------------------------- */

static void assert_split(int64_t ns, int64_t sec, long nsec)
{
	struct timespec ts = clock_split_ns(ns);

	assert_true(ts.tv_sec == sec);
	assert_int_equal(ts.tv_nsec, nsec);
	assert_true(clock_join_ns(ts.tv_sec, ts.tv_nsec) == ns);
}

static void test_clock(void **state)
{
	int64_t before = clock_now_ns();

	(void)state;
	assert_split(0, 0, 0);
	assert_split(1, 0, 1);
	assert_split(-1, -1, 999999999);
	assert_split(-NS_PER_S, -1, 0);
	assert_split(-NS_PER_S - 1, -2, 999999999);
	assert_split(NS_PER_S - 1, 0, 999999999);
	assert_split(INT64_MAX, 9223372036, 854775807);
	assert_true(clock_join_ns(INT64_MAX, 0) == INT64_MAX);
	assert_true(clock_join_ns(INT64_MIN, 0) == INT64_MIN);
	assert_true(clock_join_ns(9223372036, 854775808) == INT64_MAX);
	assert_true(clock_join_ns(9223372037, 0) == INT64_MAX);
	assert_true(clock_join_ns(-9223372038, 0) == INT64_MIN);
	assert_true(clock_now_ns() >= before);
	assert_true(clock_wall_ns() > INT64_C(1600000000) * NS_PER_S);
}

/* The last moment that 64 bits hold is in the second before. */
static void test_clock_first_moment(void **state)
{
	struct timespec ts = clock_split_ns(INT64_MIN);

	(void)state;
	assert_true(ts.tv_sec == -9223372037);
	assert_int_equal(ts.tv_nsec, 145224192);
	assert_true(clock_join_ns(ts.tv_sec, ts.tv_nsec) == INT64_MIN);
}

/* --- Escape -------------------------------------------------------------- */

static void test_utf8_length(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} table[] = {
	    {"", 0},
	    {"a", 1},
	    {"\x7f", 1},
	    {"\x80", 0},     /* goes on, nothing begun */
	    {"\xc3\xa9", 2}, /* e with acute */
	    {"\xc3", 0},     /* cut */
	    {"\xc3(", 0},
	    {"\xc0\xaf", 0}, /* overlong '/' */
	    {"\xc1\xbf", 0},
	    {"\xe0\x80\xaf", 0}, /* overlong */
	    {"\xe0\x9f\xbf", 0},
	    {"\xe0\xa0\x80", 3},
	    {"\xe2\x82\xac", 3}, /* euro */
	    {"\xed\x9f\xbf", 3},
	    {"\xed\xa0\x80", 0}, /* surrogate */
	    {"\xed\xbf\xbf", 0},
	    {"\xef\xbf\xbf", 3},
	    {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
	    {"\xf0\x90\x80\x80", 4},
	    {"\xf0\x9f\x98\x80", 4}, /* a face */
	    {"\xf4\x8f\xbf\xbf", 4}, /* the last */
	    {"\xf4\x90\x80\x80", 0}, /* beyond */
	    {"\xf5\x80\x80\x80", 0},
	    {"\xf8\x88\x80\x80\x80", 0}, /* five bytes */
	    {"\xff", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(escape_utf8_length(table[i].bytes),
				 table[i].length);
}

static void assert_escaped(const char *raw, const char *name, const char *json)
{
	CLEANUP_FREE char *n = escape_name(raw);
	CLEANUP_FREE char *j = escape_json(raw);

	assert_string_equal(n, name);
	assert_string_equal(j, json);
}

static void test_escape(void **state)
{
	(void)state;
	assert_escaped("", "", "\"\"");
	assert_escaped("a b/c", "a b/c", "\"a b/c\"");
	assert_escaped("a\nb\tc\\", "a\\nb\\tc\\\\",
		       "\"a\\u000ab\\u0009c\\\\\"");
	assert_escaped("\x1b[2J", "\\033[2J", "\"\\u001b[2J\"");
	assert_escaped("\x7f\r", "\\177\\015", "\"\\u007f\\u000d\"");
	assert_escaped("\"'", "\"'", "\"\\\"'\"");
	assert_escaped("\xc3\xa9\xff", "\xc3\xa9\\377", "\"\xc3\xa9\\ufffd\"");
	assert_escaped("\xc0\xaf", "\\300\\257", "\"\\ufffd\\ufffd\"");
	assert_escaped("\xe2\x82", "\\342\\202", "\"\\ufffd\\ufffd\"");
}

/* The C1 controls are UTF-8, and terminals obey them all the same. */
static void test_escape_c1(void **state)
{
	(void)state;
	assert_escaped("\xc2\x9b"
		       "2J",
		       "\\302\\2332J", "\"\\u009b2J\"");
	assert_escaped("\xc2\xa0", "\xc2\xa0", "\"\xc2\xa0\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_blob),
	    cmocka_unit_test(test_budget_order),
	    cmocka_unit_test(test_budget_larger_than_total),
	    cmocka_unit_test(test_budget_cancel),
	    cmocka_unit_test(test_queue_order),
	    cmocka_unit_test(test_queue_threads),
	    cmocka_unit_test(test_queue_close),
	    cmocka_unit_test(test_extent_property),
	    cmocka_unit_test(test_extent_alignment),
	    cmocka_unit_test(test_digest_known),
	    cmocka_unit_test(test_digest_stream),
	    cmocka_unit_test(test_clock),
	    cmocka_unit_test(test_clock_first_moment),
	    cmocka_unit_test(test_utf8_length),
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_escape_c1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
