/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A queue in order of arrival; the delay is constant, so it is sorted. */
#include "delayline.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

void delayline_init(struct delayline *line)
{
	STAILQ_INIT(&line->records);
	line->bytes = 0;
}

void delayline_done(struct delayline *line)
{
	struct record *record;

	while ((record = STAILQ_FIRST(&line->records))) {
		STAILQ_REMOVE_HEAD(&line->records, next);
		free(record);
	}
	line->bytes = 0;
}

void delayline_push(struct delayline *line, struct record *record,
		    int64_t due_ns)
{
	record->due_ns = due_ns;
	record->sent = 0;
	line->bytes += record->size;
	STAILQ_INSERT_TAIL(&line->records, record, next);
}

int64_t delayline_due_ns(const struct delayline *line)
{
	const struct record *record = STAILQ_FIRST(&line->records);

	return record ? record->due_ns : INT64_MAX;
}

int delayline_flush(struct delayline *line, int fd, int64_t now_ns)
{
	struct record *record;
	ssize_t n;

	while (delayline_due_ns(line) <= now_ns) {
		record = STAILQ_FIRST(&line->records);
		n = send(fd, record->bytes + record->sent,
			 record->size - record->sent, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		record->sent += (size_t)n;
		line->bytes -= (size_t)n;
		if (record->sent < record->size)
			return -EAGAIN;
		STAILQ_REMOVE_HEAD(&line->records, next);
		free(record);
	}
	return 0;
}
