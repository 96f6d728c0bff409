/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * summary - an execution as one JSON object, with the names of DataSync's
 * DescribeTaskExecution where it has them.
 *
 * Thread rule: any thread.
 */
#ifndef SYNC_SUMMARY_H
#define SYNC_SUMMARY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sync/counters.h"
#include "sync/engine.h"

/* The counters under their names, in the order in which they are shown. */
struct summary_key {
	const char *key;
	enum counter counter;
};
const struct summary_key *summary_get_keys(size_t *ret_count);

/* A time as it stands in JSON: "2026-03-01T08:30:00Z". */
#define SUMMARY_TIME 40
const char *summary_time(int64_t wall_ns, char ret[SUMMARY_TIME]);

/* The exit status of a command that ran it: 0, 1, 3, 5 or 130. */
int summary_exit_status(enum engine_status status);

/* "SUCCESS", "CANCELLED", "TIME_LIMIT" or "ERROR". */
const char *summary_status(enum engine_status status);

/* The options as a JSON object in one line. */
void summary_print_options(FILE *f, const struct sync_options *o);

/* Heap, the caller's; NULL when out of memory. One line, no newline. */
char *summary_json(const struct engine *e, enum engine_status status);

#endif
