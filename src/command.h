/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command - the commands, from the options to the exit status.
 *
 * Thread rule: main thread; sync, check, estimate and the mount with SIGINT,
 * SIGTERM, SIGUSR1 and SIGUSR2 blocked, the others with signals as they were.
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
	EXIT_TIME_UP = 5,     /* stopped by --max-duration */
	EXIT_LIMITED = 6,     /* done, but --max-delete let nothing go */
	EXIT_INTERRUPTED = 130,
};

enum exit_status command_sync(const struct options *o);

/* Returns when it is unmounted; in the parent of a daemon, when it is mounted.
 */
enum exit_status command_mount(const struct options *o);
enum exit_status command_check(const struct options *o);
enum exit_status command_estimate(const struct options *o);
enum exit_status command_status(const struct options *o);
enum exit_status command_history(const struct options *o);
enum exit_status command_report(const struct options *o);
enum exit_status command_set(const struct options *o);

#endif
