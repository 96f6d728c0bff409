/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The meter: samples that fit the table however long a run takes, rates of
 * the last seconds, and what is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sync/meter.h"

static struct meter meter;

/* A run that moves 10 files, 1000 bytes a second, for `seconds`. */
static void run_for(unsigned seconds)
{
	struct snapshot_sample now;

	meter_start(&meter);
	for (unsigned s = 0; s <= seconds; s++) {
		now = (struct snapshot_sample){.elapsed_ns = s * NS_PER_S,
					       .bytes = s * 1000,
					       .files = s * 10,
					       .listed = s * 20};
		meter_add(&meter, &now);
	}
}

static void assert_near(double got, double want)
{
	if (got < want * 0.999 || got > want * 1.001)
		fail_msg("%g, not %g", got, want);
}

static void test_samples(void **state)
{
	(void)state;
	run_for(30);
	assert_int_equal(meter.count, 31);
	assert_int_equal(meter.step, 1);
	assert_int_equal(meter.sample[30].files, 300);
}

static void test_thinned_out(void **state)
{
	int64_t step;

	(void)state;
	run_for(100000);
	assert_true(meter.count >= SNAPSHOT_SAMPLES / 2);
	assert_true(meter.count <= SNAPSHOT_SAMPLES);
	/* Evenly spread over the whole run. */
	step = meter.step * NS_PER_S;
	for (size_t i = 0; i < meter.count; i++)
		assert_int_equal(meter.sample[i].elapsed_ns, (int64_t)i * step);
	assert_true(meter.sample[meter.count - 1].elapsed_ns + step >
		    100000 * NS_PER_S);
}

/* Calls more often than once a second make no more samples. */
static void test_not_too_many(void **state)
{
	struct snapshot_sample now = {0};

	(void)state;
	meter_start(&meter);
	for (int i = 0; i < 100; i++) {
		now.elapsed_ns += 100 * NS_PER_MS;
		meter_add(&meter, &now);
	}
	assert_in_range(meter.count, 10, 11);
}

static void test_rates(void **state)
{
	struct snapshot s = {.state = SNAPSHOT_RUNNING,
			     .scanned = true,
			     .elapsed_ns = 100 * NS_PER_S};

	(void)state;
	run_for(100);
	s.counter[COUNT_BYTES_WRITTEN] = 100 * 1000;
	s.counter[COUNT_DONE] = 1000;
	s.counter[COUNT_DONE_BYTES] = 100 * 1000;
	s.counter[COUNT_LISTED] = 2000;
	s.counter[COUNT_PLANNED] = 1500;
	s.counter[COUNT_PLANNED_BYTES] = 120 * 1000;
	meter_get(&meter, false, &s);
	assert_near(s.bytes_per_s, 1000);
	assert_near(s.files_per_s, 10);
	assert_near(s.entries_per_s, 20);
	/* 500 files at 10/s take longer than 20,000 bytes at 1000/s. */
	assert_near((double)s.eta_ns, 50.0 * NS_PER_S);

	/* Nothing moved lately: by the pace of all of it. */
	s.elapsed_ns = 200 * NS_PER_S;
	for (int i = 101; i <= 200; i++) {
		struct snapshot_sample now = snapshot_get_sample(&s);

		now.elapsed_ns = i * NS_PER_S;
		meter_add(&meter, &now);
	}
	meter_get(&meter, false, &s);
	assert_true(s.files_per_s == 0);
	assert_near((double)s.eta_ns, 100.0 * NS_PER_S);

	/* Of one that has ended: over all of it. */
	meter_get(&meter, true, &s);
	assert_near(s.files_per_s, 5);
	assert_int_equal(s.eta_ns, -1);
}

/* Before the end of the scan, or while it is held, nobody can tell. */
static void test_unknown(void **state)
{
	struct snapshot s = {.state = SNAPSHOT_RUNNING,
			     .elapsed_ns = 10 * NS_PER_S};

	(void)state;
	run_for(10);
	s.counter[COUNT_DONE] = 100;
	s.counter[COUNT_PLANNED] = 200;
	meter_get(&meter, false, &s);
	assert_int_equal(s.eta_ns, -1);
	s.scanned = true;
	meter_get(&meter, false, &s);
	assert_near((double)s.eta_ns, 10.0 * NS_PER_S);
	s.state = SNAPSHOT_PAUSED;
	meter_get(&meter, false, &s);
	assert_int_equal(s.eta_ns, -1);
}

/* What a large file has behind it counts before it is through. */
static void test_progress(void **state)
{
	struct snapshot s = {0};

	(void)state;
	assert_true(snapshot_progress(&s) == 0);
	s.scanned = true;
	assert_true(snapshot_progress(&s) == 1);
	s.counter[COUNT_PLANNED] = 2;
	s.counter[COUNT_PLANNED_BYTES] = 1000;
	assert_true(snapshot_progress(&s) == 0);
	s.moving_bytes = 500;
	assert_true(snapshot_progress(&s) == 0.25);
	s.counter[COUNT_DONE] = 1;
	s.counter[COUNT_DONE_BYTES] = 500;
	assert_true(snapshot_progress(&s) == 0.75);
	s.counter[COUNT_DONE] = 2;
	assert_true(snapshot_progress(&s) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_samples),
	    cmocka_unit_test(test_thinned_out),
	    cmocka_unit_test(test_not_too_many),
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
