/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * daemon - the work goes on in a child process; the parent waits until it is
 * ready, or has failed, and its exit status tells which.
 *
 * Thread rule: daemon_start() before any thread is started, with SIGINT and
 * SIGTERM blocked; daemon_ready() from any thread, once.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "command.h"

/*
 * In the child it returns true, with `ret_fd` for daemon_ready(). In the parent
 * it returns false when the child is ready or has ended, with the exit status
 * of the parent. SIGINT and SIGTERM that the parent gets end the child.
 */
bool daemon_start(int *ret_fd, enum exit_status *ret_status);

/* The child is ready: it leaves the terminal, standard input, output and
 * error, and the working directory. */
void daemon_ready(int fd);

#endif
