/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * handoff - a run that the daemon does which has the task mounted: asks for
 * it through .sync/control, follows it in .sync/status.json, and takes its end
 * from the manifest.
 *
 * Thread rule: handoff_run() from one thread; handoff_get_snapshot() from any
 * thread; the rest when it has ended.
 */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"

struct handoff;
struct mountfile;
struct options;
struct snapshot;

/* Borrowed for the life of the handoff. */
struct handoff_setup {
	const struct options *options;
	const char *task;         /* its name */
	const char *directory;    /* its state directory */
	int64_t wait_deadline_ns; /* for a run that is under way; 0: none */
	bool (*interrupted)(void *user);
	void *user;
};

int handoff_new(const struct handoff_setup *setup, struct handoff **ret);
struct handoff *handoff_free(struct handoff *h);

/*
 * From the request to the exit status; what went wrong is logged. -EAGAIN:
 * nothing is mounted there any more, and nothing was begun: see to the lock
 * again, and call it again if need be. `mount` is borrowed for the call.
 */
int handoff_run(struct handoff *h, const struct mountfile *mount,
		enum exit_status *ret);

/* How far it is; false: not known yet. */
bool handoff_get_snapshot(struct handoff *h, struct snapshot *ret);

/* The summary of the execution, as JSON; NULL: it has not ended, or has left
 * none. Lives as long as the handoff. */
const char *handoff_get_summary(const struct handoff *h);

#endif
