/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rates and timetables: what is read, what is refused and why, and which rate
 * holds at which time, also on the days when clocks are changed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sync/timetable.h"

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		uint64_t rate;
	} good[] = {
	    {"0", 0},
	    {"off", 0},
	    {"1", 1},
	    {"20000000", 20000000},
	    {"20M", 20000000},
	    {"100k", 100000},
	    {"100K", 100000},
	    {"1.5G", 1500000000},
	    {"0.5k", 500},
	    {"2T", 2000000000000},
	    {"1Ki", 1024},
	    {"20Mi", 20971520},
	    {"1.5Gi", 1610612736},
	    {"1024Ti", RATE_MAX},
	    {"0.0", 0},
	};
	static const char *const bad[] = {"",       "-1",
					  "+1",     " 1",
					  "1 ",     "M",
					  ".5M",    "1.",
					  "1,5",    "1.5.5M",
					  "20m",    "20MB",
					  "0x10",   "inf",
					  "nan",    "1e6",
					  "Off",    "1025Ti",
					  "0.0001", "20M/s",
					  "1i",     "99999999999999999999"};
	uint64_t rate;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(rate_parse(good[i].text, &rate), 0);
		assert_int_equal(rate, good[i].rate);
	}
	rate = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rate_parse(bad[i], &rate), -EINVAL);
	assert_int_equal(rate, 7);
}

static struct timetable table(const char *text)
{
	struct timetable t;
	char error[256] = "";

	assert_int_equal(timetable_parse(text, &t, error, sizeof(error)), 0);
	assert_string_equal(error, "");
	return t;
}

#define AT(hour, minute) ((hour)*60 + (minute))

static void test_times(void **state)
{
	static const struct {
		const char *text;
		unsigned minute;
		uint64_t rate;
	} cases[] = {
	    {"20M", AT(0, 0), 20000000},
	    {"20M", AT(23, 59), 20000000},
	    {"off", AT(12, 0), 0},
	    /* From the first minute up to the second. */
	    {"08:00-18:00=20M,off", AT(7, 59), 0},
	    {"08:00-18:00=20M,off", AT(8, 0), 20000000},
	    {"08:00-18:00=20M,off", AT(17, 59), 20000000},
	    {"08:00-18:00=20M,off", AT(18, 0), 0},
	    /* Without a rest there is no limit. */
	    {"08:00-18:00=20M", AT(19, 0), 0},
	    /* Over midnight. */
	    {"22:30-06:15=1G,5M", AT(22, 29), 5000000},
	    {"22:30-06:15=1G,5M", AT(22, 30), 1000000000},
	    {"22:30-06:15=1G,5M", AT(0, 0), 1000000000},
	    {"22:30-06:15=1G,5M", AT(6, 14), 1000000000},
	    {"22:30-06:15=1G,5M", AT(6, 15), 5000000},
	    /* To and from the ends of the day. */
	    {"00:00-24:00=1,2", AT(0, 0), 1},
	    {"00:00-24:00=1,2", AT(23, 59), 1},
	    {"23:00-00:00=1,2", AT(23, 30), 1},
	    {"23:00-00:00=1,2", AT(0, 0), 2},
	    /* Several, side by side, in any order. */
	    {"12:00-13:00=off,06:00-12:00=3,13:00-06:00=4,5", AT(12, 30), 0},
	    {"12:00-13:00=off,06:00-12:00=3,13:00-06:00=4,5", AT(11, 59), 3},
	    {"12:00-13:00=off,06:00-12:00=3,13:00-06:00=4,5", AT(5, 59), 4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct timetable t = table(cases[i].text);

		assert_int_equal(timetable_at_minute(&t, cases[i].minute),
				 cases[i].rate);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *part; /* what the sentence must name */
		const char *why;  /* and say */
	} cases[] = {
	    {"", "\"\"", "is not a rate"},
	    {"fast", "\"fast\"", "is not a rate"},
	    {"20M,30M", "\"20M\"", "says no time"},
	    {"20M,08:00-18:00=1M", "\"20M\"", "says no time"},
	    {"08:00-18:00=20M,", "\"\"", "is not a rate"},
	    {"08:00-18:00=,off", "\"08:00-18:00=\"", "behind the '='"},
	    {"08:00-18:00=quick,off", "=quick\"", "behind the '='"},
	    {"8:00-18:00=20M,off", "\"8:00", "no time before"},
	    {"08:00=20M,off", "\"08:00=20M\"", "no time before"},
	    {"08:60-18:00=20M,off", "\"08:60", "no time before"},
	    {"08:00-24:01=20M,off", "24:01", "no time before"},
	    {"08:00-18:00:00=20M,off", "18:00:00", "no time before"},
	    {"08.00-18.00=20M,off", "\"08.00", "no time before"},
	    {"=20M,off", "\"=20M\"", "no time before"},
	    {"08:00-08:00=20M,off", "\"08:00-08:00", "no time at all"},
	    {"24:00-08:00=20M,off", "\"24:00-08:00", "no time at all"},
	    {"08:00-18:00=1,17:59-19:00=2,3", "\"17:59", "already"},
	    {"22:00-06:00=1,05:00-07:00=2,3", "\"05:00", "already"},
	    {"22:00-06:00=1,23:00-01:00=2,3", "\"23:00", "already"},
	    {"08:00-\n=1", "\"08:00-\\n=1\"", "no time before"},
	};
	struct timetable t = {.rest = 7};
	char error[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		error[0] = '\0';
		assert_int_equal(
		    timetable_parse(cases[i].text, &t, error, sizeof(error)),
		    -EINVAL);
		assert_non_null(strstr(error, cases[i].part));
		assert_non_null(strstr(error, cases[i].why));
	}
	assert_int_equal(t.rest, 7);
}

static void test_too_many(void **state)
{
	char text[1024] = "", error[256];
	struct timetable t;

	(void)state;
	for (int i = 0; i <= TIMETABLE_MAX; i++) {
		char part[32];

		snprintf(part, sizeof(part), "%02d:00-%02d:30=1,", i, i);
		strcat(text, part);
	}
	strcat(text, "off");
	assert_int_equal(timetable_parse(text, &t, error, sizeof(error)),
			 -EINVAL);
	assert_non_null(strstr(error, "\"16:00-16:30=1\" is one time too"));
	/* One less is taken. */
	memmove(text, strchr(text, ',') + 1, strlen(strchr(text, ',')));
	assert_int_equal(timetable_parse(text, &t, error, sizeof(error)), 0);
	assert_int_equal(t.count, TIMETABLE_MAX);
}

/* What is written is what would be read. */
static void test_text(void **state)
{
	static const char *const same[] = {"off", "20000000",
					   "08:00-18:00=20000000,off",
					   "22:30-06:15=off,12:00-13:00=1,7"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct timetable t = table(same[i]);
		CLEANUP_FREE char *text = timetable_text(&t);

		assert_string_equal(text, same[i]);
	}
}

/* By the clock on the wall, also when that has been changed. */
static void test_local(void **state)
{
	struct timetable t = table("08:00-18:00=1,2");
	static const struct {
		time_t when; /* UTC */
		uint64_t rate;
	} cases[] = {
	    {1774764000, 1}, /* 2026-03-29 06:00 UTC: 08:00 in summer time */
	    {1774763940, 2}, /* 07:59 */
	    {1774677600, 2}, /* the day before: 07:00 in winter time */
	    {1774681200, 1}, /* and 08:00 */
	    {1792909800, 2}, /* 2026-10-25 06:30 UTC: 07:30 in winter time */
	    {1792911600, 1}, /* 08:00 */
	};

	(void)state;
	assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(timetable_at(&t, cases[i].when),
				 cases[i].rate);
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
	assert_int_equal(timetable_at(&t, 8 * 3600 - 1), 2);
	assert_int_equal(timetable_at(&t, 8 * 3600), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rates),   cmocka_unit_test(test_times),
	    cmocka_unit_test(test_refused), cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_text),    cmocka_unit_test(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
