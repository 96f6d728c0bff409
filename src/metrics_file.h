/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * metrics_file - how far a run is, as a file for the textfile collector of
 * Prometheus' node exporter: what a mount has in .sync/metrics. It is replaced
 * as a whole, so that nobody reads half of it.
 *
 * Thread rule: one thread at a time.
 */
#ifndef METRICS_FILE_H
#define METRICS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "sync/side.h"

struct snapshot;

/* How often it is written while a run goes on. */
#define METRICS_FILE_INTERVAL_S 5

struct metrics_file {
	const char *path; /* NULL: none is written */
	const char *location[SIDES];
	int64_t next_ns; /* of the steady clock; 0: at once */
	bool failed;     /* and that was said */
};

/* Writes it if it is time to, or `now`. What goes wrong is logged once: a run
 * without its metrics is better than none. */
void metrics_file_update(struct metrics_file *m, const char *task,
			 const struct snapshot *s, bool now);

#endif
