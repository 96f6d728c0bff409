/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The limiter against a clock of its own, where every wait takes as long as it
 * was asked for: rates are exact there. Then with the system's clock, for what
 * wakes those who wait.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limiter.h"

#define MB UINT64_C(1000000)

/* --- A clock that nobody waits for ---------------------------------------- */

struct fake {
	int64_t now_ns;
	int64_t longest_ns; /* wait */
	struct limiter_clock clock;
	struct limiter *limiter;
	/* What a tick does when its time has come. */
	int64_t change_ns;
	uint64_t rate;
	bool release;
	bool cut_off; /* the last one that was taken */
};

static int64_t fake_now(void *user)
{
	return ((struct fake *)user)->now_ns;
}

static void fake_wait(void *user, int64_t ns)
{
	struct fake *f = user;

	assert_true(ns > 0);
	f->now_ns += ns;
	if (ns > f->longest_ns)
		f->longest_ns = ns;
}

static void fake_tick(void *user)
{
	struct fake *f = user;

	if (!f->change_ns || f->now_ns < f->change_ns)
		return;
	f->change_ns = 0;
	if (f->release)
		limiter_release(f->limiter);
	else
		limiter_set_rate(f->limiter, f->rate);
}

static void fake_init(struct fake *f, uint64_t rate)
{
	*f = (struct fake){
	    .now_ns = 12345 * NS_PER_S,
	    .clock = {fake_now, fake_wait, f},
	};
	f->limiter = limiter_new(&f->clock, fake_tick, f);
	assert_non_null(f->limiter);
	assert_int_equal(limiter_get_rate(f->limiter), 0);
	limiter_set_rate(f->limiter, rate);
	assert_int_equal(limiter_get_rate(f->limiter), rate);
}

/* Takes `count` times `units`; the seconds it took. */
static double take(struct fake *f, unsigned count, uint64_t units)
{
	int64_t begun_ns = f->now_ns;

	while (count-- > 0)
		f->cut_off = !limiter_take(f->limiter, units);
	return (double)(f->now_ns - begun_ns) / NS_PER_S;
}

static void assert_near(double is, double want, double margin)
{
	if (is < want - margin || is > want + margin)
		fail_msg("%f is not %f", is, want);
}

/* Small and large amounts, each at its rate from the first second. */
static void test_rate(void **state)
{
	static const struct {
		uint64_t rate;
		unsigned count;
		uint64_t units;
	} cases[] = {
	    {20 * MB, 200, MB},    /* ranges of a large file */
	    {20 * MB, 10000, 999}, /* small files */
	    {1000, 3, 10000},      /* each many seconds' worth */
	    {1, 5, 1},             /* fewer than a bucket should hold */
	    {3, 1, 100},
	    {1, 1, 1},
	    {((uint64_t)1 << 50), 1000, ((uint64_t)1 << 50) / 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake f;
		double want = (double)cases[i].count * (double)cases[i].units /
			      (double)cases[i].rate;

		fake_init(&f, cases[i].rate);
		assert_near(take(&f, cases[i].count, cases[i].units), want,
			    want * 0.001 + 0.001);
		assert_true(f.longest_ns <= 100 * NS_PER_MS);
		limiter_free(f.limiter);
	}
}

/* Whatever was left unused: never more than a tenth of a second at once, and
 * over ten seconds never much more than ten seconds' worth. */
static void test_smooth(void **state)
{
	struct fake f;
	unsigned had = 0;
	int64_t begun_ns;

	(void)state;
	fake_init(&f, 1000);
	f.now_ns += 3600 * NS_PER_S;
	while (limiter_try(f.limiter, 1))
		had++;
	assert_int_equal(had, 100);
	/* It is caught up with by and by. */
	begun_ns = f.now_ns;
	had = 0;
	while (f.now_ns - begun_ns < NS_PER_S) {
		limiter_take(f.limiter, 1);
		had++;
	}
	assert_in_range(had, 1030, 1041);
	while (f.now_ns - begun_ns < 10 * NS_PER_S) {
		limiter_take(f.limiter, 1);
		had++;
	}
	assert_in_range(had, 10300, 10410);
	/* And then it is the rate itself. */
	take(&f, 50000, 1);
	assert_near(take(&f, 10000, 1), 10, 0.01);
	limiter_free(f.limiter);
}

/* A stall of half a second in every five: the average is the rate still. */
static void test_catches_up(void **state)
{
	struct fake f;
	int64_t begun_ns;
	uint64_t units = 0;

	(void)state;
	fake_init(&f, 20 * MB);
	begun_ns = f.now_ns;
	for (int round = 0; round < 20; round++) {
		int64_t until_ns = f.now_ns + 4850 * NS_PER_MS;

		while (f.now_ns < until_ns) {
			limiter_take(f.limiter, MB);
			units += MB;
		}
		f.now_ns += 150 * NS_PER_MS;
	}
	assert_near((double)units * NS_PER_S / (double)(f.now_ns - begun_ns),
		    20.0 * MB, 0.2 * MB);
	limiter_free(f.limiter);
}

/* Trying takes all or nothing. */
static void test_try(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, 1000);
	assert_false(limiter_try(f.limiter, 1));
	f.now_ns += 50 * NS_PER_MS;
	assert_false(limiter_try(f.limiter, 60));
	assert_true(limiter_try(f.limiter, 50));
	assert_false(limiter_try(f.limiter, 2));
	assert_true(limiter_try(f.limiter, 0));
	limiter_give(f.limiter, 30);
	assert_false(limiter_try(f.limiter, 33));
	assert_true(limiter_try(f.limiter, 30));
	/* More than it ever holds is owed: the next has to wait for that. */
	f.now_ns += 90 * NS_PER_MS;
	assert_false(limiter_try(f.limiter, 1100));
	f.now_ns += NS_PER_S;
	assert_true(limiter_try(f.limiter, 1100));
	assert_false(limiter_try(f.limiter, 1));
	assert_near(take(&f, 1, 10), 1.01, 0.08);
	/* What is given back does not heap up. */
	limiter_give(f.limiter, 1000);
	assert_true(limiter_try(f.limiter, 60));
	assert_false(limiter_try(f.limiter, 60));
	limiter_set_rate(f.limiter, 0);
	assert_true(limiter_try(f.limiter, UINT64_MAX));
	limiter_free(f.limiter);
}

/* What was unlimited leaves neither debt nor credit behind. */
static void test_on_and_off(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, 0);
	assert_near(take(&f, 1000, MB), 0, 0);
	f.now_ns += 3600 * NS_PER_S;
	limiter_set_rate(f.limiter, MB);
	assert_false(limiter_try(f.limiter, 1000));
	assert_near(take(&f, 10, MB), 10, 0.01);
	limiter_set_rate(f.limiter, 0);
	assert_near(take(&f, 1000, MB), 0, 0);
	limiter_free(f.limiter);
}

/* In the middle of a long wait: a minute's worth, then much faster. */
static void test_change_while_waiting(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, 1000);
	f.change_ns = f.now_ns + 10 * NS_PER_S;
	f.rate = 50000;
	/* 10 s bring 10000 of them, the rest 1 s. */
	assert_near(take(&f, 1, 60000), 11, 0.15);
	/* And slower again: what has come since the last look, up to 50 ms of
	 * the old rate, is more than the bucket holds now, and is lost. */
	f.change_ns = f.now_ns + 1 * NS_PER_S;
	f.rate = 1000;
	assert_near(take(&f, 1, 60000), 12.25, 1.3);
	/* To nothing at all. */
	f.change_ns = f.now_ns + 1 * NS_PER_S;
	f.rate = 0;
	assert_near(take(&f, 1, UINT64_MAX), 1, 0.11);
	limiter_free(f.limiter);
}

static void test_release_while_waiting(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, 1);
	f.change_ns = f.now_ns + NS_PER_S;
	f.release = true;
	assert_near(take(&f, 1, MB), 1, 0.11);
	assert_true(f.cut_off);
	/* Who comes later has not waited. */
	assert_near(take(&f, 1000, MB), 0, 0);
	assert_false(f.cut_off);
	assert_true(limiter_try(f.limiter, MB));
	limiter_free(f.limiter);
}

/* --- With the system's clock ---------------------------------------------- */

struct taker {
	struct limiter *limiter;
	uint64_t units;
	_Atomic bool begun;
	_Atomic bool ended;
	pthread_t thread;
};

static void *taker_main(void *arg)
{
	struct taker *t = arg;

	atomic_store(&t->begun, true);
	limiter_take(t->limiter, t->units);
	atomic_store(&t->ended, true);
	return NULL;
}

#define TAKERS 8

/* Eight of them, none of whom would come to an end in a year. */
static void begin(struct taker takers[TAKERS], struct limiter *l)
{
	for (int i = 0; i < TAKERS; i++) {
		takers[i] = (struct taker){.limiter = l, .units = 100 * MB};
		assert_int_equal(pthread_create(&takers[i].thread, NULL,
						taker_main, &takers[i]),
				 0);
	}
	for (int i = 0; i < TAKERS; i++)
		while (!atomic_load(&takers[i].begun))
			sched_yield();
}

static void join(struct taker takers[TAKERS])
{
	for (int i = 0; i < TAKERS; i++)
		pthread_join(takers[i].thread, NULL);
}

static void test_release_wakes(void **state)
{
	struct limiter *l = limiter_new(NULL, NULL, NULL);
	struct taker takers[TAKERS];

	(void)state;
	limiter_set_rate(l, 1);
	begin(takers, l);
	for (int i = 0; i < TAKERS; i++)
		assert_false(atomic_load(&takers[i].ended));
	/* The test ends: all were woken. */
	limiter_release(l);
	join(takers);
	limiter_free(l);
}

static void test_change_wakes(void **state)
{
	struct limiter *l = limiter_new(NULL, NULL, NULL);
	struct taker takers[TAKERS];

	(void)state;
	limiter_set_rate(l, 1);
	begin(takers, l);
	limiter_set_rate(l, 0);
	join(takers);
	/* A new rate is no less. */
	limiter_set_rate(l, 1);
	begin(takers, l);
	limiter_set_rate(l, UINT64_C(1) << 50);
	join(takers);
	limiter_free(l);
}

/* Together they have the rate and not each of them. It may take longer on a
 * busy machine, never less long. */
static void test_shared(void **state)
{
	struct limiter *l = limiter_new(NULL, NULL, NULL);
	struct taker takers[TAKERS];
	int64_t begun_ns = clock_now_ns();

	(void)state;
	limiter_set_rate(l, TAKERS * UINT64_C(400) * MB);
	begin(takers, l);
	join(takers);
	assert_true(clock_now_ns() - begun_ns >= 240 * NS_PER_MS);
	limiter_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_smooth),
	    cmocka_unit_test(test_catches_up),
	    cmocka_unit_test(test_try),
	    cmocka_unit_test(test_on_and_off),
	    cmocka_unit_test(test_change_while_waiting),
	    cmocka_unit_test(test_release_while_waiting),
	    cmocka_unit_test(test_release_wakes),
	    cmocka_unit_test(test_change_wakes),
	    cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
