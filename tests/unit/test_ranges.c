/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranges over a volume that answers when the test says so, in the order it
 * says: what a reader asks for, and what a writer calls durable.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "sync/ranges.h"
#include "volume/backend.h"

#define MIB       ((uint64_t)VOLUME_RANGE)
#define CALLS_MAX 128
#define VERIFIER  7

/* It keeps what was asked of it. */
struct fake {
	struct volume volume; /* first, see backend.h */
	struct volume_call *call[CALLS_MAX];
	unsigned calls;
	struct blob *data; /* what is written: no zeros */
};

static void start(struct volume *v, struct volume_call *call)
{
	struct fake *f = (struct fake *)v;

	assert_true(f->calls < CALLS_MAX);
	f->call[f->calls++] = call;
}

static const struct volume_backend fake_backend = {
    .name = "fake",
    .start = start,
};

static int set_up(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->volume.backend = &fake_backend;
	f->data = blob_new(VOLUME_RANGE);
	assert_non_null(f->data);
	memset(f->data->data, 'x', VOLUME_RANGE);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fake *f = *state;

	assert_int_equal(f->calls, 0);
	blob_unref(f->data);
	free(f);
	return 0;
}

/* The call of `verb` that concerns `offset`, which a commit does not, taken
 * out; NULL: nobody asked. */
static struct volume_call *take(struct fake *f, enum volume_verb verb,
				uint64_t offset)
{
	for (unsigned i = 0; i < f->calls; i++) {
		struct volume_call *call = f->call[i];
		const struct volume_write *write = call->items;
		const struct volume_read *read = call->items;

		if (call->verb != verb ||
		    (verb == VOLUME_WRITE && write->offset != offset) ||
		    (verb == VOLUME_READ && read->offset != offset))
			continue;
		f->call[i] = f->call[--f->calls];
		return call;
	}
	return NULL;
}

static void answer_write(struct fake *f, uint64_t offset)
{
	struct volume_call *call = take(f, VOLUME_WRITE, offset);
	struct volume_write *item;

	assert_non_null(call);
	item = call->items;
	for (size_t i = 0; i < call->count; i++) {
		item[i].result = 0;
		item[i].ret_verifier = VERIFIER;
	}
	call->done(call);
}

static void answer_commit(struct fake *f, uint64_t verifier)
{
	struct volume_call *call = take(f, VOLUME_COMMIT, 0);
	struct volume_commit *item;

	assert_non_null(call);
	item = call->items;
	item->result = 0;
	item->ret_verifier = verifier;
	call->done(call);
}

static void answer_read(struct fake *f, uint64_t offset, size_t len)
{
	struct volume_call *call = take(f, VOLUME_READ, offset);
	struct volume_read *item;

	assert_non_null(call);
	item = call->items;
	assert_true(len <= item->len);
	item->result = 0;
	item->ret_blob = blob_new(len);
	assert_non_null(item->ret_blob);
	item->ret_data = item->ret_blob->data;
	item->ret_len = len;
	call->done(call);
}

static int put(struct fake *f, struct range_writer *w, unsigned number)
{
	return range_writer_put(w, number * MIB, f->data->data, VOLUME_RANGE,
				f->data);
}

/* --- Writing -------------------------------------------------------------- */

/* What was not answered when a commit was sent is not covered by it. */
static void test_durable_is_what_a_commit_covers(void **state)
{
	struct fake *f = *state;
	struct range_writer *w =
	    range_writer_new(&f->volume, NULL, 0, 64, NULL);
	unsigned n = 0;

	assert_non_null(w);
	while (f->calls == n) {
		assert_int_equal(put(f, w, n), 0);
		n++;
		assert_true(n < 64);
	}
	/* The first commit, sent before anything was answered. */
	for (unsigned i = 0; i < n; i++)
		answer_write(f, i * MIB);
	assert_int_equal(range_writer_get_durable(w), 0);
	answer_commit(f, VERIFIER);
	assert_int_equal(range_writer_get_durable(w), 0);

	/* The second one, while range n + 3 is under way. */
	for (unsigned i = n; i < 2 * n; i++) {
		assert_int_equal(put(f, w, i), 0);
		if (i != n + 3 && i + 1 < 2 * n)
			answer_write(f, i * MIB);
	}
	answer_write(f, (n + 3) * MIB);
	answer_write(f, (2 * n - 1) * MIB);
	assert_int_equal(range_writer_get_durable(w), 0);
	answer_commit(f, VERIFIER);
	assert_int_equal(range_writer_get_durable(w), (n + 3) * MIB);
	range_writer_free(w);
}

/* A server that was born again between write and commit has lost them. */
static void test_durable_needs_the_same_verifier(void **state)
{
	struct fake *f = *state;
	struct range_writer *w =
	    range_writer_new(&f->volume, NULL, 5 * MIB, 64, NULL);
	unsigned n = 5;

	assert_non_null(w);
	assert_int_equal(range_writer_get_durable(w), 5 * MIB);
	do {
		assert_int_equal(put(f, w, n), 0);
		answer_write(f, n++ * MIB);
		assert_true(n < 64);
	} while (f->calls == 0);
	answer_commit(f, VERIFIER + 1);
	assert_int_equal(range_writer_get_durable(w), 5 * MIB);
	assert_int_equal(put(f, w, n), -EAGAIN);
	range_writer_free(w);
}

/* Zeros are not written: the file is not as long before what follows is. */
static void test_durable_ends_before_a_hole(void **state)
{
	struct fake *f = *state;
	struct range_writer *w =
	    range_writer_new(&f->volume, NULL, 0, 64, NULL);
	unsigned last = 33;

	assert_non_null(w);
	for (unsigned i = 0; i <= last; i++) {
		size_t zeros = i == 30              ? VOLUME_RANGE / 2
			       : i > 30 && i < last ? VOLUME_RANGE
						    : 0;

		memset(f->data->data, 'x', VOLUME_RANGE);
		memset(f->data->data + VOLUME_RANGE - zeros, 0, zeros);
		assert_int_equal(put(f, w, i), 0);
		if (i <= 30)
			answer_write(f, i * MIB);
	}
	/* The commit was sent when the last range was not answered. */
	answer_commit(f, VERIFIER);
	assert_int_equal(range_writer_get_durable(w),
			 30 * MIB + VOLUME_RANGE / 2);
	answer_write(f, last * MIB);
	assert_int_equal(range_writer_get_durable(w), last * MIB);
	range_writer_free(w);
}

/* --- Reading -------------------------------------------------------------- */

static void test_reader_keeps_to_its_limit(void **state)
{
	struct fake *f = *state;
	struct range_reader *r = range_reader_new(
	    &f->volume, NULL, 0, 3 * MIB + VOLUME_RANGE / 2, 8, NULL);
	const uint8_t *data;
	struct blob *blob;
	size_t len;

	assert_non_null(r);
	range_reader_limit(r, 0);
	assert_int_equal(range_reader_try(r, &data, &len, &blob), 0);
	assert_int_equal(f->calls, 0);

	range_reader_limit(r, 2 * MIB + VOLUME_RANGE / 2);
	assert_int_equal(range_reader_try(r, &data, &len, &blob), 0);
	assert_int_equal(f->calls, 2);
	answer_read(f, MIB, VOLUME_RANGE);
	assert_int_equal(range_reader_try(r, &data, &len, &blob), 0);
	answer_read(f, 0, VOLUME_RANGE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(range_reader_try(r, &data, &len, &blob), 1);
		assert_int_equal(len, VOLUME_RANGE);
		blob_unref(blob);
	}
	assert_int_equal(range_reader_try(r, &data, &len, &blob), 0);
	assert_int_equal(f->calls, 0);

	range_reader_limit(r, 4 * MIB);
	assert_int_equal(range_reader_try(r, &data, &len, &blob), 0);
	assert_int_equal(f->calls, 2);
	answer_read(f, 2 * MIB, VOLUME_RANGE);
	answer_read(f, 3 * MIB, VOLUME_RANGE / 4);
	assert_int_equal(range_reader_next(r, &data, &len, &blob), 1);
	blob_unref(blob);
	/* The file is shorter than it was. */
	assert_int_equal(range_reader_try(r, &data, &len, &blob), -EBUSY);
	range_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_durable_is_what_a_commit_covers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_durable_needs_the_same_verifier, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_durable_ends_before_a_hole,
					    set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_reader_keeps_to_its_limit,
					    set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
