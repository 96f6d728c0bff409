/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A delay line: records go in at one end and come out at the other, in order,
 * each no earlier than the moment it was given. It holds any number of them,
 * as a long cable does. Not thread-safe.
 */
#ifndef TOOLS_DELAYLINE_H
#define TOOLS_DELAYLINE_H

#include "record.h"

struct delayline {
	STAILQ_HEAD(, record) records;
	size_t bytes; /* in all of them, not yet passed on */
};

void delayline_init(struct delayline *line);
void delayline_done(struct delayline *line);

/* Takes the record over. `due_ns` never falls from one call to the next. */
void delayline_push(struct delayline *line, struct record *record,
		    int64_t due_ns);

/* When the first record may leave; INT64_MAX when there is none. */
int64_t delayline_due_ns(const struct delayline *line);

/*
 * Write to a socket, which does not block, what is due at `now_ns`. 0 when
 * all of that was written; -EAGAIN when the socket took no more.
 */
int delayline_flush(struct delayline *line, int fd, int64_t now_ns);

#endif
