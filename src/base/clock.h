/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clock - the two clocks of the program.
 *
 * Thread rule: any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* Monotonic time in nanoseconds, for durations and deadlines. */
static inline int64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Wall clock time in nanoseconds since 1970, for people and records. */
static inline int64_t clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/*
 * Seconds and nanoseconds of a signed nanosecond time: the nanoseconds are
 * always 0..999999999, also before 1970.
 */
static inline struct timespec clock_split_ns(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / NS_PER_S,
			      .tv_nsec = ns % NS_PER_S};

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += NS_PER_S;
		ts.tv_sec--;
	}
	return ts;
}

/*
 * The reverse. Times outside what 64 bits of nanoseconds hold (the years 1677
 * to 2262) become the nearest time that fits.
 */
static inline int64_t clock_join_ns(int64_t sec, int64_t nsec)
{
	int64_t ns;

	if (__builtin_mul_overflow(sec, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, nsec, &ns))
		return sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

#endif
