/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * human - numbers as people read them.
 *
 * Each writes to the caller's buffer and returns it.
 * Thread rule: pure.
 */
#ifndef BASE_HUMAN_H
#define BASE_HUMAN_H

#include <stdint.h>

/* Long enough for whatever is written here. */
#define HUMAN_SIZE 32

/* "1.2 GiB". */
const char *human_bytes(double bytes, char text[HUMAN_SIZE]);

/* "1,234,567". */
const char *human_count(uint64_t n, char text[HUMAN_SIZE]);

/* Rates and the like: "0", "0.3", "12", "1,234". */
const char *human_number(double n, char text[HUMAN_SIZE]);

/* A share of 1 as "25.1 %": not 100 % before it is 1. */
const char *human_percent(double share, char text[HUMAN_SIZE]);

/* Seconds as "2:03" or "1:02:03", whole hours however many. */
const char *human_seconds(int64_t s, char text[HUMAN_SIZE]);

/* How long something took: below 10 s as "1.2 s", else as above. */
const char *human_duration(int64_t ns, char text[HUMAN_SIZE]);

/* Wall clock nanoseconds as "2026-11-23 12:03:17 UTC". */
const char *human_time(int64_t wall_ns, char text[HUMAN_SIZE]);

#endif
