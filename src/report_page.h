/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report_page - the runs of a task as one page of HTML that needs nothing but
 * itself: how it stands, what each run has done as plots and in a table, and
 * what failed. The page is for people who do not run the program.
 *
 * Thread rule: pure, but for the stream.
 */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "standing.h"

/* One run, from the manifest. */
struct report_run {
	uint64_t id;
	int64_t started_ns; /* wall clock */
	int64_t ended_ns;   /* 0: it has not */
	char *status;       /* "SUCCESS", .. */
	char *summary;      /* JSON */
	struct standing standing;
};

struct report_failure {
	const char *path; /* escaped as in .sync/errors, "/" first */
	const char *reason;
	uint64_t execution;
};

struct report_page {
	const char *task;
	const struct report_run *runs; /* the newest first */
	size_t count;
	int64_t made_ns; /* wall clock */
	uint64_t failed; /* how many entries failed, all in all */
};

/* All above the failures. */
void report_page_begin(FILE *f, const struct report_page *p);

/* One row of their table; the first one begins it. */
void report_page_add(FILE *f, const struct report_failure *failure, size_t nth);

/* `listed` of them were added. */
void report_page_end(FILE *f, const struct report_page *p, size_t listed);

#endif
