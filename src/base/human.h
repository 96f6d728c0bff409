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

/* Seconds as "2:03" or "1:02:03", whole hours however many. */
const char *human_seconds(int64_t s, char text[HUMAN_SIZE]);

/* Wall clock nanoseconds as "2026-11-23 12:03:17 UTC". */
const char *human_time(int64_t wall_ns, char text[HUMAN_SIZE]);

/* The same for machines, as RFC 3339 has it: "2026-11-23T12:03:17Z". */
const char *human_rfc3339(int64_t wall_ns, char text[HUMAN_SIZE]);

#endif
