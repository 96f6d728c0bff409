/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cutover - the proof at the end of a migration, from three executions of one
 * command: a last copy, the comparison of both whole trees, and a run that must
 * find nothing left to do, which shows that the source did not change while the
 * trees were compared.
 *
 * Thread rule: one thread.
 */
#ifndef CUTOVER_H
#define CUTOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "sync/side.h"

struct engine;

#define CUTOVER_RUNS 3

struct cutover {
	bool complete;
	const char *reason; /* why it is not */
	const char *location[SIDES];
	uint64_t execution[CUTOVER_RUNS]; /* 0: not begun */
	uint64_t entries[SIDES];
	char digest[SIDES][DIGEST_TEXT];
	uint64_t bytes;
	uint64_t differences;
	/* What the destination does not keep, and was not compared. */
	bool no_owner, no_group, no_link_times;
	int64_t proven_ns; /* wall clock: when the last run ended */
};

/* What the runs have shown; NULL: not begun. `failed`: one of them did not end
 * well. The strings are constant or borrowed. */
void cutover_judge(struct engine *const run[CUTOVER_RUNS], bool failed,
		   const char *const location[SIDES], struct cutover *ret);

/* Prints it for people on standard error. */
void cutover_say(const struct cutover *c);

/* As JSON, heap, the caller's; NULL when out of memory. */
char *cutover_json(const struct cutover *c);

/* Writes the JSON to DIR/Cutover-Reports/TASK/EXEC.json, DIR being
 * `directory`. Says what goes wrong, and returns it. */
int cutover_write(const struct cutover *c, const char *directory,
		  const char *task);

#endif
