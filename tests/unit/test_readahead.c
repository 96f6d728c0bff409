/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Read-ahead against a server that answers when it is told to: every fetch is
 * kept in a list until the test lets it end.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "view/readahead.h"

#define MIB    ((uint64_t)VOLUME_RANGE)
#define KERNEL ((size_t)128 * 1024) /* how much the kernel asks by itself */

#define FETCHES 4096

struct world {
	struct readahead_pool pool;
	struct readahead *ra;
	uint64_t size;     /* what the server has */
	bool at_once;      /* fetches end before they return */
	int error;         /* of fetches that end from now on */
	size_t begun;      /* fetches in all */
	size_t waiting;    /* of them, not yet ended */
	uint64_t bytes;    /* asked for in all */
	uint64_t furthest; /* end of the furthest fetch */
	struct readahead_fetch *fetch[FETCHES];
};

struct user {
	struct readahead_read read; /* first */
	bool ended;
};

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + offset / 4096 * 7 + offset / MIB);
}

static void answer(struct world *w, struct readahead_fetch *f)
{
	struct volume_read *read = &f->read;
	uint64_t end = read->offset + read->len;

	if (end > w->size)
		end = w->size;
	read->result = w->error;
	if (!w->error) {
		read->ret_blob = blob_new(read->len);
		assert_non_null(read->ret_blob);
		read->ret_data = read->ret_blob->data;
		for (uint64_t at = read->offset; at < end; at++)
			read->ret_blob->data[read->ret_len++] = byte_at(at);
		read->ret_eof = end == w->size;
	}
	readahead_fetched(f);
}

static void fetch(struct readahead_fetch *f)
{
	struct world *w = f->user;
	uint64_t end = f->read.offset + f->read.len;

	assert_true(f->read.len > 0 && f->read.len <= VOLUME_RANGE);
	assert_true(w->begun < FETCHES);
	w->bytes += f->read.len;
	if (end > w->furthest)
		w->furthest = end;
	if (w->at_once) {
		w->begun++;
		answer(w, f);
		return;
	}
	w->fetch[w->begun++] = f;
	w->waiting++;
}

/* Lets fetch number `i` end. */
static void end_fetch(struct world *w, size_t i)
{
	struct readahead_fetch *f = w->fetch[i];

	assert_non_null(f);
	w->fetch[i] = NULL;
	w->waiting--;
	answer(w, f);
}

/* Lets all end that have begun, the last first if so wished. */
static void end_all(struct world *w, bool backwards)
{
	size_t n = w->begun;

	for (size_t i = 0; i < n; i++) {
		size_t which = backwards ? n - 1 - i : i;

		if (w->fetch[which])
			end_fetch(w, which);
	}
}

static void read_done(struct readahead_read *r)
{
	struct user *u = (struct user *)r;

	assert_false(u->ended);
	u->ended = true;
}

static struct user *start_file_read(struct readahead *ra, uint64_t offset,
				    size_t len)
{
	struct user *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	u->read.offset = offset;
	u->read.len = len;
	u->read.done = read_done;
	readahead_read(ra, &u->read);
	return u;
}

static struct user *start_read(struct world *w, uint64_t offset, size_t len)
{
	return start_file_read(w->ra, offset, len);
}

/* It has ended, with these results and the right bytes. */
static void end_read(struct user *u, int result, size_t len)
{
	uint64_t at = u->read.offset;

	assert_true(u->ended);
	assert_int_equal(u->read.result, result);
	for (size_t i = 0; !result && i < u->read.count; i++) {
		const uint8_t *data = u->read.iov[i].iov_base;

		for (size_t k = 0; k < u->read.iov[i].iov_len; k++, at++) {
			if (data[k] != byte_at(at))
				fail_msg("wrong byte at %ju", (uintmax_t)at);
		}
	}
	if (!result)
		assert_int_equal(at - u->read.offset, len);
	readahead_read_done(&u->read);
	free(u);
}

/* As the kernel asks: whole pages, so up to one over the end. */
static size_t page_clip(const struct world *w, uint64_t at, size_t len)
{
	uint64_t left = (w->size + 4095) / 4096 * 4096 - at;

	return left < len ? left : len;
}

/* A read that is answered as soon as its fetches end. */
static void read_now(struct world *w, uint64_t offset, size_t len, size_t want)
{
	struct user *u = start_read(w, offset, len);

	end_all(w, false);
	end_read(u, 0, want);
}

static struct readahead *file_new(struct world *w, uint64_t size)
{
	struct readahead_setup setup = {
	    .size = size,
	    .pool = &w->pool,
	    .fetch = fetch,
	    .user = w,
	};
	struct readahead *ra;

	assert_int_equal(readahead_new(&setup, &ra), 0);
	return ra;
}

static void world_init(struct world *w, uint64_t size)
{
	*w = (struct world){.size = size};
	w->ra = file_new(w, size);
}

/* Nothing is left of it, not even in the pool. */
static void world_done(struct world *w)
{
	end_all(w, false);
	w->ra = readahead_free(w->ra);
	assert_int_equal(w->waiting, 0);
	assert_int_equal(w->pool.bytes, 0);
	assert_int_equal(w->pool.streams, 0);
}

static void reads_of_a_stream_come_from_pieces(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 100 * MIB + 5);
	for (uint64_t at = 0; at < w.size; at += KERNEL)
		read_now(&w, at, page_clip(&w, at, KERNEL),
			 w.size - at < KERNEL ? w.size - at : KERNEL);
	/* Two reads before it is a stream, then whole pieces; all only once. */
	assert_true(w.begun <= 2 + 101);
	assert_int_equal(w.bytes, (w.size + 4095) / 4096 * 4096);
	world_done(&w);
}

static void random_reads_fetch_what_is_asked(void **state)
{
	unsigned seed = 1;
	uint64_t asked = 0;
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	for (int i = 0; i < 1000; i++) {
		uint64_t at = (uint64_t)rand_r(&seed) % (w.size / 4096) * 4096;

		read_now(&w, at, 4096, 4096);
		asked += 4096;
	}
	assert_int_equal(w.bytes, asked);
	assert_int_equal(w.pool.bytes, 0);
	world_done(&w);
}

static void first_read_fetches_nothing_more(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	read_now(&w, 0, 16384, 16384);
	assert_int_equal(w.begun, 1);
	assert_int_equal(w.bytes, 16384);
	world_done(&w);
}

static void small_file_is_fetched_at_open(void **state)
{
	struct world w;
	struct user *u;

	(void)state;
	world_init(&w, 5000);
	readahead_begin(w.ra);
	assert_int_equal(w.begun, 1);
	u = start_read(&w, 0, 8192);
	assert_int_equal(w.begun, 1);
	end_all(&w, true);
	end_read(u, 0, 5000);
	world_done(&w);

	world_init(&w, 8192);
	readahead_begin(w.ra);
	u = start_read(&w, 4096, 4096);
	assert_false(u->ended);
	end_fetch(&w, 0);
	end_read(u, 0, 4096);
	read_now(&w, 0, 4096, 4096);
	assert_int_equal(w.begun, 1);
	world_done(&w);

	/* Also when it is read in order and becomes a stream. */
	world_init(&w, READAHEAD_WHOLE_MAX);
	readahead_begin(w.ra);
	for (uint64_t at = 0; at < w.size; at += KERNEL)
		read_now(&w, at, KERNEL, KERNEL);
	assert_int_equal(w.begun, 1);
	world_done(&w);

	world_init(&w, READAHEAD_WHOLE_MAX + 1);
	readahead_begin(w.ra);
	assert_int_equal(w.begun, 0);
	world_done(&w);

	world_init(&w, 0);
	readahead_begin(w.ra);
	assert_int_equal(w.begun, 0);
	world_done(&w);
}

static void window_of_slow_reader_stays_small(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	for (uint64_t at = 0; at < 64 * MIB; at += KERNEL) {
		read_now(&w, at, KERNEL, KERNEL);
		assert_true(w.furthest - (at + KERNEL) < 2 * MIB);
	}
	world_done(&w);
}

static void window_grows_while_reads_wait(void **state)
{
	struct user *u[40];
	size_t n = 0, ahead;
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	read_now(&w, 0, MIB, MIB);
	u[n++] = start_read(&w, MIB, MIB);
	assert_int_equal(w.furthest, 3 * MIB);
	/* Each read waits for a piece of its own, so each doubles it. */
	for (size_t want = 2; want <= 16; want *= 2) {
		n++;
		u[n - 1] = start_read(&w, n * MIB, MIB);
		ahead = w.furthest / MIB - 1 - n;
		/* Pieces that are waited for count, too. */
		assert_int_equal(ahead, want < 16 ? want : 12);
	}
	/* And then no more. */
	for (; n < 40; n++) {
		u[n] = start_read(&w, (1 + n) * MIB, MIB);
		assert_true(w.pool.bytes <= READAHEAD_FILE_MAX);
	}
	end_all(&w, true);
	for (size_t i = 0; i < n; i++)
		end_read(u[i], 0, MIB);
	world_done(&w);
}

static void files_share_what_there_is(void **state)
{
	enum { FILES = 20, READS = 64 };
	static struct user *u[FILES][READS];
	struct readahead *file[FILES];
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	for (size_t i = 0; i < FILES; i++)
		file[i] = file_new(&w, w.size);
	for (uint64_t k = 0; k < READS; k++) {
		for (size_t i = 0; i < FILES; i++) {
			u[i][k] = start_file_read(file[i], k * KERNEL, KERNEL);
			assert_true(w.pool.bytes <= READAHEAD_VIEW_MAX);
		}
	}
	/* None goes without, though the first could have taken it all. */
	assert_int_equal(w.pool.streams, FILES);
	assert_true(w.pool.bytes > READAHEAD_VIEW_MAX / 2);
	end_all(&w, false);
	for (size_t i = 0; i < FILES; i++) {
		for (size_t k = 0; k < READS; k++)
			end_read(u[i][k], 0, KERNEL);
		readahead_free(file[i]);
	}
	world_done(&w);
}

/* As the kernel's own read-ahead does it: many at a time, in any order. */
static void reads_out_of_order(void **state)
{
	enum { TOGETHER = 16 };
	struct user *u[TOGETHER];
	unsigned seed = 2;
	size_t order[TOGETHER];
	struct world w;

	(void)state;
	world_init(&w, 64 * MIB);
	for (uint64_t at = 0; at < w.size; at += TOGETHER * KERNEL) {
		for (size_t i = 0; i < TOGETHER; i++) {
			size_t k = (size_t)rand_r(&seed) % (i + 1);

			order[i] = order[k];
			order[k] = i;
		}
		for (size_t i = 0; i < TOGETHER; i++)
			u[i] = start_read(&w, at + order[i] * KERNEL, KERNEL);
		end_all(&w, true);
		for (size_t i = 0; i < TOGETHER; i++)
			end_read(u[i], 0, KERNEL);
	}
	/* In the first round it cannot be told yet. Then nothing is asked
	 * twice. */
	assert_true(w.bytes <= w.size + 2 * MIB);
	assert_true(w.begun <= 64 + 2 * TOGETHER);
	world_done(&w);
}

static void read_falls_into_several_pieces(void **state)
{
	struct user *u;
	struct world w;

	(void)state;
	world_init(&w, 100 * MIB);
	read_now(&w, 0, KERNEL, KERNEL);
	read_now(&w, KERNEL, KERNEL, KERNEL);
	/* Not on a multiple of anything, across a border of pieces. */
	u = start_read(&w, MIB - 1000, MIB - 7);
	end_all(&w, true);
	assert_int_equal(u->read.count, 2);
	end_read(u, 0, MIB - 7);
	/* From before all pieces into them. */
	u = start_read(&w, MIB - 3000, MIB);
	end_all(&w, false);
	end_read(u, 0, MIB);
	world_done(&w);
}

static void end_of_file(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3 * MIB + 10);
	for (uint64_t at = 0; at < 3 * MIB; at += MIB / 2)
		read_now(&w, at, MIB / 2, MIB / 2);
	read_now(&w, 3 * MIB, KERNEL, 10);
	read_now(&w, 3 * MIB + 10, KERNEL, 0);
	read_now(&w, 3 * MIB + 4096, KERNEL, 0);
	read_now(&w, 3 * MIB + 9, 1, 1);
	world_done(&w);
}

static void file_that_grew(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2 * MIB);
	w.size += 100;
	read_now(&w, 0, MIB, MIB);
	read_now(&w, MIB, MIB, MIB);
	read_now(&w, 2 * MIB - 50, KERNEL, 150);
	w.size += 100;
	read_now(&w, 2 * MIB - 50, KERNEL, 250);
	world_done(&w);
}

static void file_that_was_truncated(void **state)
{
	struct world w;
	size_t begun;

	(void)state;
	world_init(&w, 100 * MIB);
	read_now(&w, 0, MIB, MIB);
	w.size = 3 * MIB + 5;
	read_now(&w, MIB, MIB, MIB);
	read_now(&w, 2 * MIB, MIB, MIB);
	read_now(&w, 3 * MIB, MIB, 5);
	read_now(&w, 3 * MIB + 5, MIB, 0);
	/* It is not read ahead of its end. */
	begun = w.begun;
	read_now(&w, 4 * MIB, MIB, 0);
	assert_int_equal(w.begun, begun + 1);
	/* And what is there again is seen. */
	w.size = 100 * MIB;
	read_now(&w, 3 * MIB, MIB, MIB);
	world_done(&w);
}

static void error_is_told_who_asked(void **state)
{
	struct user *u;
	struct world w;

	(void)state;
	world_init(&w, 100 * MIB);
	read_now(&w, 0, KERNEL, KERNEL);
	u = start_read(&w, KERNEL, KERNEL);
	/* What is ahead fails: the next one who needs it asks again. */
	end_fetch(&w, 1);
	end_read(u, 0, KERNEL);
	w.error = -EIO;
	end_all(&w, false);
	assert_int_equal(w.pool.bytes, 0);
	w.error = 0;
	read_now(&w, 2 * KERNEL, KERNEL, KERNEL);

	w.error = -EIO;
	u = start_read(&w, 50 * MIB, KERNEL);
	end_all(&w, false);
	end_read(u, -EIO, 0);
	w.error = 0;
	read_now(&w, 50 * MIB, KERNEL, KERNEL);
	world_done(&w);
}

/* A part that failed never makes a read short: that would be the end. */
static void error_behind_good_bytes(void **state)
{
	struct user *u;
	struct world w;

	(void)state;
	world_init(&w, 100 * MIB);
	read_now(&w, 0, KERNEL, KERNEL);
	u = start_read(&w, KERNEL, KERNEL);
	end_fetch(&w, 1);
	end_read(u, 0, KERNEL);
	end_fetch(&w, 2);
	u = start_read(&w, MIB - 4096, 8192);
	w.error = -ESTALE;
	end_all(&w, false);
	end_read(u, -ESTALE, 0);
	w.error = 0;
	world_done(&w);
}

static void stream_survives_a_stray(void **state)
{
	uint64_t at = 0, strays = 0;
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	for (; at < 32 * MIB; at += KERNEL) {
		read_now(&w, at, KERNEL, KERNEL);
		read_now(&w, 900 * MIB + at * 3, 4096, 4096);
		strays += 4096;
	}
	assert_true(w.bytes <= at + strays + 2 * MIB);
	/* But not many. */
	for (int i = 0; i < 4; i++)
		read_now(&w, (uint64_t)(500 - i * 10) * MIB, 4096, 4096);
	assert_int_equal(w.pool.bytes, 0);
	assert_int_equal(w.pool.streams, 0);
	world_done(&w);
}

static void stream_elsewhere(void **state)
{
	uint64_t before;
	struct world w;

	(void)state;
	world_init(&w, 1024 * MIB);
	for (uint64_t at = 0; at < 8 * MIB; at += KERNEL)
		read_now(&w, at, KERNEL, KERNEL);
	before = w.bytes;
	for (uint64_t at = 700 * MIB; at < 708 * MIB; at += KERNEL)
		read_now(&w, at, KERNEL, KERNEL);
	assert_true(w.bytes - before <= 10 * MIB);
	assert_int_equal(w.pool.streams, 1);
	world_done(&w);
}

static void fetches_that_end_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 20 * MIB + 1);
	w.at_once = true;
	readahead_begin(w.ra);
	for (uint64_t at = 0; at < w.size; at += KERNEL)
		read_now(&w, at, page_clip(&w, at, KERNEL),
			 w.size - at < KERNEL ? w.size - at : KERNEL);
	assert_int_equal(w.bytes, (w.size + 4095) / 4096 * 4096);
	world_done(&w);
}

/* Any reads in any order, their fetches ending in any order. */
static void any_reads_give_the_right_bytes(void **state)
{
	enum { OPEN = 24 };
	struct user *u[OPEN] = {NULL};
	size_t len[OPEN];
	struct world w;

	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		unsigned random = seed;
		uint64_t at = 0;

		world_init(&w, 24 * MIB + 12345);
		for (int step = 0; step < 300; step++) {
			size_t i = (size_t)rand_r(&random) % OPEN;

			if (u[i] && u[i]->ended) {
				end_read(u[i], 0, len[i]);
				u[i] = NULL;
			}
			if (rand_r(&random) % 8 == 0)
				at = (uint64_t)rand_r(&random) % w.size;
			if (!u[i]) {
				size_t ask = 1 + (size_t)rand_r(&random) % MIB;

				len[i] = w.size - at < ask ? w.size - at : ask;
				u[i] = start_read(&w, at, ask);
				at = (at + len[i]) % w.size;
			}
			for (size_t k = 0; k < w.begun; k++) {
				if (w.fetch[k] && rand_r(&random) % 4 == 0)
					end_fetch(&w, k);
			}
			assert_true(w.pool.bytes <= READAHEAD_FILE_MAX);
		}
		end_all(&w, true);
		for (size_t i = 0; i < OPEN; i++) {
			if (u[i])
				end_read(u[i], 0, len[i]);
			u[i] = NULL;
		}
		world_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_of_a_stream_come_from_pieces),
	    cmocka_unit_test(random_reads_fetch_what_is_asked),
	    cmocka_unit_test(first_read_fetches_nothing_more),
	    cmocka_unit_test(small_file_is_fetched_at_open),
	    cmocka_unit_test(window_of_slow_reader_stays_small),
	    cmocka_unit_test(window_grows_while_reads_wait),
	    cmocka_unit_test(files_share_what_there_is),
	    cmocka_unit_test(reads_out_of_order),
	    cmocka_unit_test(read_falls_into_several_pieces),
	    cmocka_unit_test(end_of_file),
	    cmocka_unit_test(file_that_grew),
	    cmocka_unit_test(file_that_was_truncated),
	    cmocka_unit_test(error_is_told_who_asked),
	    cmocka_unit_test(error_behind_good_bytes),
	    cmocka_unit_test(stream_survives_a_stray),
	    cmocka_unit_test(stream_elsewhere),
	    cmocka_unit_test(fetches_that_end_at_once),
	    cmocka_unit_test(any_reads_give_the_right_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
