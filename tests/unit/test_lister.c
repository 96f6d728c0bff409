/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of merged directories, produced while they are read: of two local
 * directories, with errors where a test wants them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fault_volume.h"
#include "tree.h"
#include "view/lister.h"
#include "view/merge.h"
#include "view/roster.h"
#include "view/workers.h"
#include "volume/volume.h"

/* Names of a large directory: many pages of a local directory (some 2,000
 * entries each), several times what a lister keeps ahead, and more than a
 * roster holds in memory. */
#define LARGE 30000

struct fixture {
	char base[64];
	char path[SIDES][96];
	struct volume *volume[SIDES];
	struct workers *workers;
	struct lister *lister;
	/* What find() answers: an error, or handles of these sides. */
	int find_result;
	bool find_has[SIDES];
	unsigned finds;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	uint64_t changes;
	unsigned gone;
	unsigned listers;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tree_scratch("test_lister", f->base, sizeof(f->base));
	for (enum side s = 0; s < SIDES; s++) {
		snprintf(f->path[s], sizeof(f->path[s]), "%s/%s", f->base,
			 side_name(s));
		tree_directory(f->base, side_name(s), 0755);
		f->volume[s] = fault_volume_open(f->path[s]);
		f->find_has[s] = true;
	}
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	*state = f;
	return workers_new(2, "test", &f->workers);
}

/* All listers must be gone once their calls have ended. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	lister_abandon(f->lister);
	for (enum side s = 0; s < SIDES; s++)
		volume_free(f->volume[s]);
	workers_free(f->workers);
	assert_int_equal(f->gone, f->listers);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	tree_remove(f->base);
	free(f);
	return 0;
}

/* --- What a lister asks for ----------------------------------------------- */

static void start(void *user, enum side side, struct volume_call *call)
{
	struct fixture *f = user;

	volume_start(f->volume[side], call);
}

static struct manifest_reader *get_reader(void *user, uint64_t *ret_id)
{
	(void)user;
	*ret_id = 0;
	return NULL;
}

static void put_reader(void *user, struct manifest_reader *reader)
{
	(void)user;
	(void)reader;
}

static bool is_hidden(void *user, const char *name)
{
	(void)user;
	return !strcmp(name, "hidden");
}

static struct handle *root_of(struct fixture *f, enum side side)
{
	return handle_dup(volume_get_info(f->volume[side])->root);
}

static void find(void *user, struct lister *l)
{
	struct fixture *f = user;
	struct handle *handle[SIDES] = {NULL, NULL};

	f->finds++;
	for (enum side s = 0; s < SIDES && f->find_result == 0; s++)
		if (f->find_has[s])
			handle[s] = root_of(f, s);
	lister_found(l, f->find_result, handle);
}

static void changed(void *user)
{
	struct fixture *f = user;

	pthread_mutex_lock(&f->lock);
	f->changes++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void gone(void *user)
{
	struct fixture *f = user;

	pthread_mutex_lock(&f->lock);
	f->gone++;
	pthread_mutex_unlock(&f->lock);
}

static void begin(struct fixture *f, bool source, bool destination,
		  bool must_find)
{
	struct lister_setup s = {.spill_directory = f->base,
				 .workers = f->workers,
				 .start = start,
				 .get_reader = get_reader,
				 .put_reader = put_reader,
				 .is_hidden = is_hidden,
				 .find = find,
				 .changed = changed,
				 .gone = gone,
				 .user = f};
	struct handle *handle[SIDES] = {source ? root_of(f, SOURCE) : NULL,
					destination ? root_of(f, DESTINATION)
						    : NULL};

	lister_abandon(f->lister);
	f->listers++;
	assert_int_equal(lister_new(&s, 11, 12, handle, must_find, &f->lister),
			 0);
	assert_null(handle[SOURCE]);
	assert_null(handle[DESTINATION]);
}

static void add_fault(struct fixture *f, enum side side, uint64_t first,
		      int error)
{
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .first = first,
				  .times = 1,
				  .effect = FAULT_FAIL,
				  .error = error};

	fault_volume_add(f->volume[side], &rule);
}

/* --- Reading -------------------------------------------------------------- */

/* As lister_get(), but waits. */
static int get(struct fixture *f, uint64_t number, struct block **ret)
{
	uint64_t seen;
	int r;

	for (;;) {
		pthread_mutex_lock(&f->lock);
		seen = f->changes;
		pthread_mutex_unlock(&f->lock);
		r = lister_get(f->lister, number, ret);
		if (r != -EAGAIN)
			return r;
		pthread_mutex_lock(&f->lock);
		while (f->changes == seen)
			pthread_cond_wait(&f->changed, &f->lock);
		pthread_mutex_unlock(&f->lock);
	}
}

/* Names are their numbers; how often each was seen. */
struct seen {
	unsigned char times[LARGE];
	uint64_t count;
};

static void note(struct seen *seen, uint64_t number, const struct merged *e)
{
	unsigned long n;

	if (number <= 2) {
		assert_string_equal(e->name, number == 1 ? "." : "..");
		assert_int_equal(e->inode, 10 + number);
		assert_false(e->has_attr);
		return;
	}
	n = strtoul(e->name, NULL, 10);
	assert_true(n < LARGE);
	assert_true(e->has_attr);
	seen->times[n]++;
	seen->count++;
}

/* Reads from entry `from` to the end; returns what comes behind the last. */
static int read_from(struct fixture *f, uint64_t from, struct seen *seen)
{
	uint64_t number = from;
	struct block *b;
	struct merged e;
	int r;

	*seen = (struct seen){.count = 0};
	while ((r = get(f, number, &b)) == 1) {
		size_t at = 0;

		while (block_read(b, number, &at, &e))
			note(seen, number++, &e);
		block_drop(b);
	}
	return r;
}

static void make(struct fixture *f, enum side side, unsigned n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%u", f->path[side], n);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

/* Of each four names the source has the first three, the destination the last
 * three. */
static void fill(struct fixture *f, unsigned many)
{
	for (unsigned n = 0; n < many; n++) {
		if (n % 4 != 3)
			make(f, SOURCE, n);
		if (n % 4 != 0)
			make(f, DESTINATION, n);
	}
}

static void assert_all(const struct seen *seen, unsigned many)
{
	assert_int_equal(seen->count, many);
	for (unsigned n = 0; n < many; n++)
		assert_int_equal(seen->times[n], 1);
}

/* --- Tests ---------------------------------------------------------------- */

static void test_small(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	fill(f, 100);
	tree_file(f->path[SOURCE], "hidden", 1, 1);
	begin(f, true, true, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_all(&seen, 100);
	/* A round trip a side. */
	for (enum side s = 0; s < SIDES; s++)
		assert_int_equal(fault_volume_count(f->volume[s], VOLUME_LIST),
				 1);
	assert_int_equal(f->finds, 0);
	/* Again from the middle, and behind the end. */
	assert_int_equal(read_from(f, 53, &seen), 0);
	assert_int_equal(seen.count, 50);
	assert_int_equal(read_from(f, 103, &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(read_from(f, UINT64_MAX, &seen), 0);
}

static void test_empty(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	begin(f, true, true, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(read_from(f, 3, &seen), 0);
}

static void test_one_side(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	fill(f, 100);
	for (enum side s = 0; s < SIDES; s++) {
		begin(f, s == SOURCE, s == DESTINATION, false);
		assert_int_equal(read_from(f, 1, &seen), 0);
		assert_int_equal(seen.count, 75);
		assert_int_equal(seen.times[0], s == SOURCE);
		assert_int_equal(seen.times[3], s == DESTINATION);
	}
}

/* The first handles are missing, or thought to be wrong. */
static void test_find(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	fill(f, 40);
	begin(f, false, false, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_all(&seen, 40);
	assert_int_equal(f->finds, 1);
	begin(f, true, false, true);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_all(&seen, 40);
	f->find_has[SOURCE] = false;
	begin(f, true, false, true);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_int_equal(seen.count, 30);
	f->find_has[DESTINATION] = false;
	begin(f, true, false, true);
	assert_int_equal(read_from(f, 3, &seen), -ENOENT);
	f->find_result = -EACCES;
	begin(f, true, false, true);
	assert_int_equal(read_from(f, 3, &seen), -EACCES);
	assert_int_equal(f->finds, 5);
}

/* A handle that is gone is found again, wherever that shows: nothing is
 * missing, nothing comes twice. */
static void test_stale(void **state)
{
	static const int errors[] = {-ESTALE, -ENOENT, -ENOTDIR};
	struct fixture *f = *state;
	struct seen seen;

	fill(f, LARGE);
	for (unsigned i = 0; i < 6; i++) {
		enum side side = i % 2 ? SOURCE : DESTINATION;
		uint64_t before;

		volume_free(f->volume[side]);
		f->volume[side] = fault_volume_open(f->path[side]);
		add_fault(f, side, 1 + i * i / 4, errors[i % 3]);
		before = f->finds;
		begin(f, true, true, false);
		assert_int_equal(read_from(f, 1, &seen), 0);
		assert_all(&seen, LARGE);
		assert_int_equal(f->finds, before + 1);
		lister_abandon(steal(f->lister));
	}
}

/* One that stays so is told in the end. */
static void test_stale_for_ever(void **state)
{
	struct fixture *f = *state;
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .first = 1,
				  .times = FAULT_FOREVER,
				  .effect = FAULT_FAIL,
				  .error = -ESTALE};
	struct seen seen;

	fault_volume_add(f->volume[DESTINATION], &rule);
	begin(f, true, true, false);
	assert_int_equal(read_from(f, 3, &seen), -ESTALE);
	assert_true(f->finds > 0);
}

/* The directory is removed from the source while it is listed: what was shown
 * stays, then comes what only the destination has. */
static void test_vanishes(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	fill(f, LARGE);
	add_fault(f, SOURCE, 3, -ESTALE);
	f->find_has[SOURCE] = false;
	begin(f, true, true, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	assert_int_equal(f->finds, 1);
	assert_true(seen.count >= (uint64_t)LARGE * 3 / 4);
	assert_true(seen.count < LARGE);
	for (unsigned n = 0; n < LARGE; n++)
		assert_int_equal(seen.times[n],
				 n % 4 != 0 ? 1 : seen.times[n] & 1);
}

/* Any other error of a side is the reader's, not a shorter listing. */
static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	fill(f, LARGE);
	for (unsigned i = 0; i < 8; i++) {
		enum side side = i % 2 ? SOURCE : DESTINATION;

		volume_free(f->volume[side]);
		f->volume[side] = fault_volume_open(f->path[side]);
		add_fault(f, side, 1 + i / 2, i % 3 ? -EACCES : -EIO);
		begin(f, true, true, false);
		assert_int_equal(read_from(f, 1, &seen),
				 i % 3 ? -EACCES : -EIO);
		/* Nothing before the destination's end. */
		if (side == DESTINATION || i == 1)
			assert_int_equal(seen.count, 0);
		else
			assert_true(seen.count > 0 && seen.count < LARGE);
		for (unsigned n = 0; n < LARGE; n++)
			assert_true(seen.times[n] <= 1);
		/* It stays so. */
		assert_int_equal(read_from(f, 3 + seen.count, &seen),
				 i % 3 ? -EACCES : -EIO);
		lister_abandon(steal(f->lister));
	}
	assert_int_equal(f->finds, 0);
}

/* What is read again is what it was: from the spill, too. */
static void test_seek(void **state)
{
	struct fixture *f = *state;
	struct seen *seen = calloc(2, sizeof(*seen));
	static char names[LARGE + 3][8];
	struct block *b;
	struct merged e;
	size_t at;

	fill(f, LARGE);
	begin(f, true, true, false);
	for (uint64_t n = 3; n < LARGE + 3; n++) {
		assert_int_equal(get(f, n, &b), 1);
		at = 0;
		assert_true(block_read(b, n, &at, &e));
		strcpy(names[n], e.name);
		block_drop(b);
	}
	for (uint64_t n = 3; n < LARGE + 3; n += 997) {
		uint64_t number = n % 2 ? n : LARGE + 5 - n;

		assert_int_equal(get(f, number, &b), 1);
		at = 0;
		assert_true(block_read(b, number, &at, &e));
		assert_string_equal(e.name, names[number]);
		block_drop(b);
	}
	/* Far ahead of everything, in a new one. */
	begin(f, true, true, false);
	assert_int_equal(read_from(f, LARGE - 7, &seen[0]), 0);
	assert_int_equal(seen[0].count, 10);
	assert_int_equal(read_from(f, 1, &seen[1]), 0);
	assert_all(&seen[1], LARGE);
	free(seen);
}

/* Without a reader it stops: one that is read to its end meanwhile asks for
 * several times as many pages. */
static void test_bounded(void **state)
{
	struct fixture *f = *state;
	struct lister *still;
	uint64_t all, total;
	struct seen seen;

	fill(f, LARGE);
	begin(f, true, false, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	all = fault_volume_count(f->volume[SOURCE], VOLUME_LIST);
	begin(f, true, false, false);
	still = steal(f->lister);
	begin(f, true, false, false);
	assert_int_equal(read_from(f, 1, &seen), 0);
	total = fault_volume_count(f->volume[SOURCE], VOLUME_LIST);
	assert_true(total > 2 * all);
	/* What it keeps ahead, and the pages that lie ready. */
	assert_true(total - 2 * all <= all * LISTER_AHEAD / seen.count + 1 + 3);
	assert_true(total - 2 * all < all * 2 / 3);
	lister_abandon(still);
}

/* Given up at any time: nothing is left, nobody is called. */
static void test_abandon(void **state)
{
	struct fixture *f = *state;
	struct block *b;

	fill(f, 6000);
	for (unsigned i = 0; i < 40; i++) {
		begin(f, true, true, i % 4 == 0);
		if (i % 3 == 0)
			get(f, 1, &b) == 1 ? block_drop(b) : NULL;
		if (i % 5 == 0)
			lister_get(f->lister, 5000, &b) == 1 ? block_drop(b)
							     : NULL;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_small),    TEST(test_empty),   TEST(test_one_side),
	    TEST(test_find),     TEST(test_stale),   TEST(test_stale_for_ever),
	    TEST(test_vanishes), TEST(test_errors),  TEST(test_seek),
	    TEST(test_bounded),  TEST(test_abandon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
