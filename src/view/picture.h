/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture - all that the texts of the .sync tree are made of, as it is at one
 * moment: how the task stands, what failed, what was run before. Taken from
 * the runner and the manifest; the renderers (view/render.h, view/dashboard.h)
 * see nothing else, so that they can be held against a made-up one.
 *
 * Thread rule: belongs to who took it.
 */
#ifndef VIEW_PICTURE_H
#define VIEW_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/engine.h"
#include "sync/manifest.h"
#include "sync/side.h"
#include "sync/snapshot.h"

struct view;

/* An entry that failed and was not copied since. */
struct picture_error {
	char *path; /* from the root, "." for itself */
	enum entry_phase phase;
	int error; /* negative errno */
};

/* An execution as the manifest keeps it. */
struct picture_execution {
	uint64_t id;
	int64_t started_ns; /* wall clock */
	int64_t ended_ns;   /* 0: under way, or killed */
	char *status;
	char *summary; /* JSON, "" while under way */
};

struct picture {
	/* Borrowed from the view's setup. */
	const char *task;
	const char *location[SIDES];
	const char *mountpoint;
	const char *state_directory;
	struct sync_options options;
	int64_t interval_ns;

	struct snapshot snapshot;

	/* With PICTURE_ERRORS: some, and how many more there are. */
	size_t error_count;
	struct picture_error *errors;
	uint64_t errors_left_out;
	bool errors_are_more; /* even more than that */

	/* With PICTURE_HISTORY: the last ones, the newest first. */
	size_t execution_count;
	struct picture_execution *executions;

	int trouble; /* negative errno: the manifest could not be read */
};

/* Or-ed together: what is in it beside the snapshot. */
#define PICTURE_LISTS   0x1u /* the snapshot's samples and transfers */
#define PICTURE_ERRORS  0x2u
#define PICTURE_HISTORY 0x4u

/* As many errors, but no more than PICTURE_ERRORS_BYTES of their paths. */
#define PICTURE_ERRORS_BYTES (4u << 20)
/* They are counted up to here. */
#define PICTURE_ERRORS_COUNTED 100000
#define PICTURE_HISTORY_MAX    20

/* 0 or -ENOMEM. A manifest that cannot be read is told in `trouble`. */
int picture_take(struct view *v, unsigned parts, size_t max_errors,
		 struct picture *ret);

/* Frees what is its own. */
void picture_done(struct picture *p);

/* True while an execution is under way, which a paused runner need not have. */
bool picture_is_running(const struct picture *p);

#endif
