/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * snapshot - how a task stands at one moment: what .sync/status and its
 * siblings, the dashboard and `efsbridge status` show.
 *
 * Taken by runner_get_snapshot(); plain values, so that a text made of it is
 * consistent in itself.
 * Thread rule: belongs to who took it.
 */
#ifndef SYNC_SNAPSHOT_H
#define SYNC_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/counters.h"
#include "sync/engine.h"
#include "sync/side.h"

/* One sample a second of the running execution, for plots and rates. */
struct snapshot_sample {
	int64_t elapsed_ns; /* since the execution began */
	uint64_t bytes;     /* COUNT_BYTES_WRITTEN by then */
	uint64_t files;     /* COUNT_DONE by then */
	uint64_t listed;    /* COUNT_LISTED by then */
};

#define SNAPSHOT_SAMPLES 600

/* Something on its way from side to side. */
struct snapshot_transfer {
	char *path;     /* of the file; of a batch: of its first file */
	unsigned files; /* 1, or how many a batch holds */
	uint64_t bytes; /* to move in all */
	uint64_t done_bytes;
};

enum snapshot_state {
	SNAPSHOT_IDLE,    /* nothing runs */
	SNAPSHOT_RUNNING, /* an execution is under way */
	SNAPSHOT_PAUSED,  /* nothing is begun until `resume` */
	SNAPSHOT_ENDING,  /* it is being cancelled */
};

struct snapshot {
	int64_t now_ns; /* wall clock, when it was taken */
	enum snapshot_state state;
	unsigned jobs;              /* lanes in use; 0: not known yet */
	uint64_t limit_bytes_per_s; /* in force, 0: none */
	uint64_t limit_iops;        /* likewise */

	/* The execution under way, or the last one of this process; id 0:
	 * there was none. */
	uint64_t execution;
	enum engine_phase phase;
	bool scanned;       /* the planned totals are final */
	int64_t started_ns; /* wall clock */
	int64_t elapsed_ns;
	uint64_t counter[COUNTERS];
	uint64_t moving_bytes; /* of what is on its way: done already, and not
				  yet in COUNT_DONE_BYTES */
	uint64_t requests[SIDES];
	int64_t silent_ns[SIDES]; /* since when it does not answer though it is
				     waited for, wall clock; 0: it does */
	double bytes_per_s; /* over the last 10 s; over all of it when ended */
	double files_per_s;
	double entries_per_s; /* listed on the source */
	int64_t eta_ns;       /* until the end; -1: cannot be told */

	/* How the last execution of this process ended. One that failed before
	 * the manifest could learn of it counts, too. */
	bool ended;
	uint64_t ended_execution;
	enum engine_status status;
	int64_t ended_ns; /* wall clock */

	uint64_t requested; /* the execution that serves the last `start`: it
			       may be waiting, running or ended; 0: none, or
			       `cancel` has forgotten it */
	unsigned waiting;   /* requests behind the execution under way */
	int64_t next_ns;    /* wall clock of the next run that nobody has to ask
			       for: by --interval, or since a side was lost; 0 */

	size_t sample_count; /* oldest first */
	struct snapshot_sample *samples;
	size_t transfer_count;
	struct snapshot_transfer *transfers;
};

/* Frees what it points to. */
void snapshot_done(struct snapshot *s);

/* 0 to 1: how much of what is planned is through, by files and bytes alike,
 * since small files cost their number and large ones their bytes. */
double snapshot_progress(const struct snapshot *s);

const char *snapshot_state_name(enum snapshot_state state); /* "RUNNING" */

/* "STARTING", "SCANNING" (until `scanned`), "COPYING", "RETRYING", "DELETING",
 * "VERIFYING", "ENDING" */
const char *snapshot_phase_name(enum engine_phase phase, bool scanned);

/* Takes over how far the engine is: phase, elapsed_ns, jobs, counters, and
 * with_list transfers. 0 or -ENOMEM. */
int snapshot_take_engine(struct snapshot *s, struct engine *e, bool with_list);

/* The counters of a snapshot as a sample. */
struct snapshot_sample snapshot_get_sample(const struct snapshot *s);

#endif
