/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When connections are added: against models of what limits the rate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nfs/widen.h"

#define MIB ((uint64_t)1 << 20)

/* A side whose rate is the least of what its connections and all else carry. */
struct model {
	struct widen widen;
	struct widen_sight sight;
	uint64_t each; /* bytes a second of one connection */
	uint64_t all;
};

static struct model make(unsigned conns, int64_t rtt_ms)
{
	struct model m = {
	    .widen = {.most = 16},
	    .sight = {.now_ns = 1000 * NS_PER_S,
		      .rtt_ns = rtt_ms * NS_PER_MS,
		      .conns = conns,
		      .ready = conns,
		      .busy = true},
	    .each = 10 * MIB,
	    .all = UINT64_MAX,
	};

	return m;
}

/* So many seconds pass; new connections are ready at once. */
static void pass(struct model *m, unsigned seconds)
{
	while (seconds-- > 0) {
		uint64_t rate = m->each * m->sight.ready;

		m->sight.conns += widen_look(&m->widen, &m->sight);
		m->sight.ready = m->sight.conns;
		assert_true(m->sight.conns <= m->widen.most);
		m->sight.now_ns += NS_PER_S;
		if (m->sight.busy)
			m->sight.bytes += rate < m->all ? rate : m->all;
	}
}

static void test_grows_while_it_pays(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	pass(&m, 2);
	assert_int_equal(m.sight.conns, 6);
	pass(&m, 20);
	assert_int_equal(m.sight.conns, 16);
}

static void test_never_beyond_the_most(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	m.widen.most = 5;
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 5);
}

static void test_another_limit_ends_it(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	m.all = 4 * m.each;
	pass(&m, 30);
	assert_int_equal(m.sight.conns, 6);
	/* After a minute once more, then after two more. */
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 9);
	pass(&m, 90);
	assert_int_equal(m.sight.conns, 9);
	pass(&m, 20);
	assert_int_equal(m.sight.conns, 13);
}

static void test_a_limit_that_goes(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	m.all = 4 * m.each;
	pass(&m, 10);
	m.all = UINT64_MAX;
	pass(&m, 100);
	assert_int_equal(m.sight.conns, 16);
}

static void test_near_only_for_much(void **state)
{
	struct model m = make(1, 0);

	(void)state;
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 1);
	m.each = 100 * MIB;
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 16);
}

static void test_idle_is_no_reason(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	m.sight.busy = false;
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 4);
	/* Nor are looks that lie far apart. */
	m.sight.busy = true;
	for (int i = 0; i < 10; i++) {
		m.sight.now_ns += 10 * NS_PER_S;
		pass(&m, 1);
	}
	assert_int_equal(m.sight.conns, 4);
}

/* What cannot be opened is not judged, and not followed by more. */
static void test_waits_for_the_new_ones(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	pass(&m, 2);
	assert_int_equal(m.sight.conns, 6);
	for (int i = 0; i < 60; i++) {
		m.sight.ready = 4;
		m.sight.bytes += 40 * MIB;
		m.sight.now_ns += NS_PER_S;
		assert_int_equal(widen_look(&m.widen, &m.sight), 0);
	}
	m.sight.ready = 6;
	pass(&m, 30);
	assert_int_equal(m.sight.conns, 16);
}

/* Small files far away: each waits for its round trip, not for a window. */
static void test_little_is_no_reason(void **state)
{
	struct model m = make(4, 70);

	(void)state;
	m.each = MIB;
	pass(&m, 60);
	assert_int_equal(m.sight.conns, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grows_while_it_pays),
	    cmocka_unit_test(test_never_beyond_the_most),
	    cmocka_unit_test(test_another_limit_ends_it),
	    cmocka_unit_test(test_a_limit_that_goes),
	    cmocka_unit_test(test_near_only_for_much),
	    cmocka_unit_test(test_idle_is_no_reason),
	    cmocka_unit_test(test_waits_for_the_new_ones),
	    cmocka_unit_test(test_little_is_no_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
