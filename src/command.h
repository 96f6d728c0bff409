/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command - `efsbridge sync`: from the locations to the exit status.
 *
 * Thread rule: main thread, with SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 blocked.
 */
#ifndef COMMAND_H
#define COMMAND_H

struct options;

/* Exit statuses, as efsbridge(1) promises them. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* done, but entries failed or differ */
	EXIT_USAGE = 2,       /* usage or configuration */
	EXIT_UNREACHABLE = 3, /* a side could not be reached or was lost */
	EXIT_BUSY = 4,        /* another process runs the task: --no-queue */
	EXIT_INTERRUPTED = 130,
};

enum exit_status command_sync(const struct options *o);

#endif
