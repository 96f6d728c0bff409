/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cloudwatch - log messages on their way to CloudWatch Logs.
 *
 * Whoever has a message leaves it here and goes on: it is copied into a bounded
 * queue and never waits for the network. A thread sends batches as large as the
 * service takes them, makes group and stream when they are missing, and tries
 * again for as long as it takes: an outage costs nothing until the queue is
 * full. Then new messages are dropped and counted, and the stream says how
 * many when it goes on.
 *
 * AWS_ENDPOINT_URL_CLOUDWATCH_LOGS (or AWS_ENDPOINT_URL) names another server.
 * Thread rule: any thread; new and free by one, with nobody within.
 */
#ifndef AWS_CLOUDWATCH_H
#define AWS_CLOUDWATCH_H

#include <stddef.h>
#include <stdint.h>

struct cloudwatch;
struct credentials;

struct cloudwatch_options {
	struct credentials *credentials; /* borrowed */
	const char *group;
	const char *stream;
	const char *region;  /* NULL or "": found, see region.h */
	const char *profile; /* that the region may be in; NULL: the usual */
	size_t queue_bytes;  /* 0: 32 MiB */
	unsigned linger_ms;  /* how long a message waits for company; 0: 1 s */
	/*
	 * Told in a sentence when sending begins to fail, when it works again,
	 * and when messages were refused; on the thread of this module, with no
	 * lock held. It must not put a message into this queue for each. NULL:
	 * nobody is told.
	 */
	void (*notice)(void *arg, const char *sentence);
	void *arg;
};

struct cloudwatch_counts {
	uint64_t sent;
	uint64_t queued;  /* not sent yet */
	uint64_t dropped; /* the queue was full, or it was the end */
	uint64_t refused; /* by the service: too old, too new, no good */
};

/* Copies the options and starts the thread. -EINVAL with a sentence when a name
 * is none that the service takes, -ENOMEM, -EAGAIN. */
int cloudwatch_new(const struct cloudwatch_options *options,
		   struct cloudwatch **ret, char *error, size_t error_size);

/*
 * Queues `len` bytes of text as one event of `wall_ms` since 1970. What is no
 * UTF-8 becomes U+FFFD, what is over 256 KiB is cut, nothing is no event.
 */
void cloudwatch_put(struct cloudwatch *c, int64_t wall_ms, const char *text,
		    size_t len);

void cloudwatch_get_counts(struct cloudwatch *c, struct cloudwatch_counts *ret);

/*
 * Sends what is queued, for at most `timeout_ms` (and as long as a search for
 * keys takes that is under way), and ends. The counts at the end go to `ret`
 * unless that is NULL: what could not be sent is in `dropped`.
 * `c` may be NULL; returns NULL.
 */
struct cloudwatch *cloudwatch_free(struct cloudwatch *c, unsigned timeout_ms,
				   struct cloudwatch_counts *ret);

#endif
