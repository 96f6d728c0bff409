/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tempname - the names under which files are written before they are whole.
 *
 *   .efsbridge-tmp-<task 8 hex>-<execution 8 hex>-<number hex>
 *
 * The task part lets a run sweep what earlier runs of the same task left and
 * nothing of another's; the execution part is random, so that nobody can
 * guess a name beforehand.
 *
 * Thread rule: next from any thread.
 */
#ifndef SYNC_TEMPNAME_H
#define SYNC_TEMPNAME_H

#include <stdbool.h>
#include <stdint.h>

#define TEMPNAME_PREFIX ".efsbridge-tmp-"
#define TEMPNAME_SIZE   64 /* room for any of our names with NUL */

struct tempname {
	uint32_t task;
	uint32_t execution;
	_Atomic uint64_t number;
};

/* The task is what joins these two locations (canonical texts). */
void tempname_init(struct tempname *t, const char *source,
		   const char *destination);

/* A name not given before. */
void tempname_next(struct tempname *t, char ret[TEMPNAME_SIZE]);

/* True for any name of this form, of whatever task: never shown or copied. */
bool tempname_is_ours(const char *name);

/* True for what an earlier execution of this task left. */
bool tempname_is_stale(const struct tempname *t, const char *name);

#endif
