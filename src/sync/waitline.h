/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * waitline - the processes that wait for the lock of a task, in the order in
 * which they came.
 *
 * Thread rule: belongs to its thread.
 */
#ifndef SYNC_WAITLINE_H
#define SYNC_WAITLINE_H

#include <stdbool.h>
#include <stdint.h>

/* A place in the line of a state directory. */
struct waitline {
	int fd;        /* of the file "queue"; -1: not in line */
	int64_t place; /* from 1 */
};

#define WAITLINE_NONE ((struct waitline){.fd = -1})

/* Goes to the end of the line: 0, or a negative errno, among them those of a
 * file system without such locks. */
int waitline_enter(struct waitline *w, const char *directory);

/* Is nobody before it? */
bool waitline_is_first(const struct waitline *w);

/* Leaves it; who does not stand there is let through. */
void waitline_leave(struct waitline *w);

/* Does anybody stand in line? Makes nothing. */
bool waitline_is_there(const char *directory);

#endif
