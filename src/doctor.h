/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor - looks at both sides of a task before it runs: are they reached, how
 * fast, may they be read and written, is there room. Each finding is told at
 * once, with what to do about it.
 *
 * On the destination it makes a file and a symbolic link under temporary names
 * (sync/tempname.h), which no view shows and no run copies, and removes them,
 * also when it is cancelled; the times of the root are put back.
 *
 * Thread rule: doctor_run() on one thread, which waits for the volumes.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>

#include "sync/side.h"

struct location;
struct sync_options;

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARN, /* it works, but not all of it, or not well */
	DOCTOR_FAIL, /* a run would fail, or its copy would not be one */
};

struct doctor_finding {
	const char *check; /* what was looked at, as in efsbridge(1) */
	enum side side;    /* SIDES: both */
	enum doctor_level level;
	const char *text;   /* what was found */
	const char *remedy; /* what to do about it, NULL: nothing */
	const char *unit;   /* of `value`, a name for JSON; NULL: no value */
	double value;
	bool whole; /* it is a number of things */
};

struct doctor_setup {
	struct location *location[SIDES];
	const struct sync_options *options;
	const char *state_directory; /* of the task, if it has one yet; NULL:
					not known */
	bool (*cancelled)(void *user);
	/* Strings live during the call. */
	void (*found)(void *user, const struct doctor_finding *finding);
	void *user;
};

/*
 * 0 when everything was looked at, -ENOTCONN when a side was not reached,
 * -ECANCELED. `ret_worst` is set in any case.
 */
int doctor_run(const struct doctor_setup *setup, enum doctor_level *ret_worst);

/* "OK", "WARN", "FAIL". */
const char *doctor_level_name(enum doctor_level level);

#endif
