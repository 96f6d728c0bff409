/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timetable - a rate for each time of the day: what --bwlimit takes.
 *
 *   20M                                  always
 *   off                                  never a limit
 *   08:00-18:00=20M,off                  20 MB/s by day, else none
 *   22:00-06:00=500M,12:00-13:00=80M,20M at night, at noon, else
 *
 * The times are local, from the first minute up to the second, which may lie
 * on the next day. What no time is for comes last.
 *
 * Thread rule: pure, but for the time zone, which is the process's.
 */
#ifndef SYNC_TIMETABLE_H
#define SYNC_TIMETABLE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The most times a table has. */
#define TIMETABLE_MAX 16

#define TIMETABLE_DAY (24 * 60) /* minutes */

/* All zero: never a limit. */
struct timetable {
	unsigned count;
	struct timetable_span {
		unsigned from, to; /* minutes of the day, to 24:00; a span whose
				      end lies before its begin goes over
				      midnight */
		uint64_t rate;     /* a second, 0: no limit */
	} span[TIMETABLE_MAX];
	uint64_t rest; /* the rate at all other times */
};

/*
 * A rate: bytes a second as "20000000", "20M", "1.5G" (k, M, G and T are
 * thousands; Ki, Mi, Gi and Ti 1024s), or 0 or off for none. -EINVAL. At most
 * RATE_MAX.
 */
#define RATE_MAX (UINT64_C(1) << 50)
int rate_parse(const char *text, uint64_t *ret);

/* -EINVAL with a sentence that says which part of the text is bad and why. */
int timetable_parse(const char *text, struct timetable *ret, char *error,
		    size_t error_size);

/* The rate at `minute` of the day, 0: no limit. */
uint64_t timetable_at_minute(const struct timetable *t, unsigned minute);

/* The rate at a moment, by the local time. */
uint64_t timetable_at(const struct timetable *t, time_t when);

/* As timetable_parse() would read it; heap, NULL when out of memory. */
char *timetable_text(const struct timetable *t);

#endif
