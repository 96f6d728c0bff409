/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * runner - the engine of a task that stays open: runs executions one after
 * another, when asked (runner_request()) and every so often (--interval),
 * until it is stopped. What the mounted daemon has behind its view.
 *
 * Requests that come while an execution is under way wait for its end, since
 * it may have passed by what the asker wants copied; those of the same kind
 * and path are one.
 *
 * A run that lost a side is tried again by itself, after 10 s, 20 s, .. up to
 * 5 min, until one ended otherwise.
 *
 * Thread rule: all functions from any thread. The runner has one thread of its
 * own, "runner", in which the engine runs.
 */
#ifndef SYNC_RUNNER_H
#define SYNC_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/engine.h"
#include "sync/side.h"

struct manifest;
struct runner;
struct snapshot;
struct volume;

struct runner_setup {
	struct volume *volume[SIDES]; /* borrowed; the engine's alone */
	const char *location[SIDES];
	struct manifest *manifest;
	const char *spill_directory;
	const char *task; /* its name, for reports */
	const struct sync_options *options;
	int64_t interval_ns; /* from the start of one run to that of the
				next; 0: only on request */
	int64_t retry_ns;    /* the first wait after a side was lost; 0: 10 s */
	bool start;          /* begin with a run at once */
	/* Called on the runner's thread after each execution; may be NULL. */
	void (*ended)(void *user, enum engine_status status);
	void *user;
};

enum runner_kind {
	RUN_ALL,    /* the whole tree */
	RUN_VERIFY, /* the whole tree, everything is read and compared */
	RUN_PATH,   /* one entry and what lies below it */
	RUN_RETRY,  /* directories that hold failed entries */
};

int runner_new(const struct runner_setup *setup, struct runner **ret);

/*
 * Ends the execution under way: `patience_ns` is how long what is in flight
 * may take before it is cut off (which cancels the volumes for good). Waits
 * for the thread and frees all.
 */
struct runner *runner_free(struct runner *r, int64_t patience_ns);

/*
 * Asks for a run. `path` (RUN_PATH only) is from the root, without a leading
 * '/', "" for all. `ret_execution` (may be NULL) is the id of the execution
 * that will serve it. -EINVAL: no such kind, or not a path; -ESHUTDOWN: being
 * freed.
 */
int runner_request(struct runner *r, enum runner_kind kind, const char *path,
		   uint64_t *ret_execution);

/* Nothing new is begun until runner_resume(); what is in flight ends. -EALREADY
 * when it is so already. Both stay across executions. */
int runner_pause(struct runner *r);
int runner_resume(struct runner *r);

/* Ends the execution under way cleanly and forgets requests that wait.
 * -ESRCH: there was nothing. */
int runner_cancel(struct runner *r);

/*
 * Changes one of the options that may be changed while a run is under way (see
 * settings.h): from now on, and for further executions. As settings_set_live(),
 * or -EAGAIN when the system has no more threads: then it is as many jobs as
 * could be had.
 */
int runner_set(struct runner *r, const char *word, const char *value,
	       char *error, size_t error_size);

/* `with_lists`: samples and transfers too. 0 or -ENOMEM. */
int runner_get_snapshot(struct runner *r, bool with_lists,
			struct snapshot *ret);

/* With all that was changed since it was made. */
struct sync_options runner_get_options(struct runner *r);

/* As in the setup. */
int64_t runner_get_interval_ns(const struct runner *r);

#endif
