/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * workers - a few threads that do what the others must not: work that takes
 * time, as joining the pages of a large directory does, which asks SQLite
 * about every entry. On the thread of a connection it would hold up all other
 * replies of that connection; on a thread of the session, other people's
 * requests.
 *
 * Work is done in the order in which it was added; different pieces of it at
 * the same time.
 *
 * Thread rule: workers_add() from any thread, and it never waits.
 */
#ifndef VIEW_WORKERS_H
#define VIEW_WORKERS_H

#include <sys/queue.h>

struct workers;

/* Embedded in what the work is about, which must live until run() is called;
 * then it may be added again, or freed. */
struct work {
	STAILQ_ENTRY(work) link;
	void (*run)(struct work *w);
};

/* `name` is what the threads are called. 0 or negative errno. */
int workers_new(unsigned count, const char *name, struct workers **ret);

/* Does what was added, and what that adds; then ends the threads. */
struct workers *workers_free(struct workers *w);

void workers_add(struct workers *w, struct work *work);

#endif
