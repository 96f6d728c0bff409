/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * logsink - where the messages of a run go, as --log, --log-level and
 * --log-format say: standard error, a file, syslog, the systemd journal or
 * CloudWatch Logs. Errors are on standard error in any case. What cannot be
 * logged is dropped, and that is told; the run goes on.
 *
 * Thread rule: the main thread or the one that has begun the run; one sink at
 * a time in a process.
 */
#ifndef LOGSINK_H
#define LOGSINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct log_record;
struct logsink;
struct sync_options;

struct logsink_setup {
	const struct sync_options *options; /* borrowed for the call */
	const char *task;                   /* its name; NULL: not known */
	unsigned verbose;                   /* as -v is counted */
	bool quiet;
};

/* What goes to standard error by base/log.h alone; before anything is logged.
 */
void logsink_set_level(const struct logsink_setup *setup);

/*
 * Messages go where they are to go from here on. 0 with NULL in `ret` when that
 * is standard error as it is; or a negative errno with a sentence.
 */
int logsink_new(const struct logsink_setup *setup, struct logsink **ret,
		char *error, size_t error_size);

/* Is it a file, which SIGHUP opens anew? */
bool logsink_is_file(const struct sync_options *options);

/* Opens the file anew, when it was moved; of others nothing. `s` may be NULL.
 */
void logsink_reopen(struct logsink *s);

/* Ends it when all has been written, or cannot be in time. `s` may be NULL;
 * returns NULL. */
struct logsink *logsink_free(struct logsink *s);

/* A message as a JSON object, without a line end. */
void logsink_format_json(FILE *f, const char *task,
			 const struct log_record *record);

#endif
