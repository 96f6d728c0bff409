/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `efsbridge history`: the executions of a task, the newest first, from its
 * manifest: for people a line each, or as a JSON array. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/human.h"
#include "base/log.h"
#include "options.h"
#include "standing.h"
#include "sync/manifest.h"
#include "sync/summary.h"
#include "target.h"

#define ERROR_SIZE 1024

struct printing {
	const struct target *target;
	bool json;
	unsigned count;
};

/* What says RUNNING while nobody holds the lock was killed. */
static const char *status_of(const struct printing *p,
			     const struct manifest_execution *x)
{
	return !strcmp(x->status, "RUNNING") && !p->target->held ? "INTERRUPTED"
								 : x->status;
}

/* --- For machines --------------------------------------------------------- */

/* The summary, with what only the record has. */
static int print_object(const struct manifest_execution *x, struct printing *p)
{
	json_t *o = json_loads(x->summary, 0, NULL);
	CLEANUP_FREE char *text = NULL;
	char time[SUMMARY_TIME];

	if (!json_is_object(o)) {
		json_decref(o);
		o = json_object();
	}
	json_object_set_new(o, "Execution", json_integer((json_int_t)x->id));
	json_object_set_new(o, "Status", json_string(status_of(p, x)));
	json_object_set_new(o, "StartTime",
			    json_string(summary_time(x->started_ns, time)));
	json_object_set_new(o, "EndTime",
			    x->ended_ns
				? json_string(summary_time(x->ended_ns, time))
				: json_null());
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!text)
		return -ENOMEM;
	printf("%s%s", p->count++ ? ",\n" : "", text);
	return 0;
}

/* --- For people ----------------------------------------------------------- */

static void print_head(void)
{
	printf("%6s  %-19s  %9s  %-11s  %9s  %10s  %12s  %7s\n", "ID", "START",
	       "DURATION", "STATUS", "FILES", "BYTES", "RATE", "FAILED");
}

static const char *local_time(int64_t wall_ns, char text[40])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm;

	localtime_r(&ts.tv_sec, &tm);
	strftime(text, 40, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

static void print_line(const struct manifest_execution *x, struct printing *p)
{
	char start[40], took[HUMAN_SIZE], size[HUMAN_SIZE], rate[HUMAN_SIZE];
	struct standing s;
	const uint64_t *c = s.snapshot.counter;
	double bytes;
	int64_t ns;

	if (p->count++ == 0)
		print_head();
	if (standing_parse(x->summary, &s) < 0) {
		printf("%6" PRIu64 "  %-19s  %9s  %-11s\n", x->id,
		       local_time(x->started_ns, start), "-", status_of(p, x));
		return;
	}
	/* Not by the wall clock, which may have been put right meanwhile. */
	ns = s.snapshot.elapsed_ns;
	bytes = (double)c[COUNT_BYTES_WRITTEN];
	human_bytes(ns > 0 ? bytes * NS_PER_S / (double)ns : 0, rate);
	printf("%6" PRIu64 "  %-19s  %9s  %-11s  %9" PRIu64
	       "  %10s  %10s/s  %7" PRIu64 "\n",
	       x->id, local_time(x->started_ns, start),
	       human_seconds(ns / NS_PER_S, took), status_of(p, x),
	       c[COUNT_TRANSFERRED], human_bytes(bytes, size), rate,
	       c[COUNT_FAILED]);
	standing_done(&s);
}

/* --- The command ---------------------------------------------------------- */

static int print_one(const struct manifest_execution *x, void *user)
{
	struct printing *p = user;

	if (p->json)
		return print_object(x, p);
	print_line(x, p);
	return 0;
}

static int print_all(struct printing *p)
{
	struct manifest_reader *reader;
	struct manifest *m;
	char error[ERROR_SIZE];
	int r =
	    manifest_open_read(p->target->directory, &m, error, sizeof(error));

	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	if (p->json)
		putchar('[');
	reader = manifest_reader_new(m);
	r = reader ? manifest_each_execution(reader, 0, SIZE_MAX, print_one, p)
		   : -ENOMEM;
	if (p->json)
		puts("]");
	else if (p->count == 0 && r == 0)
		puts("never run");
	manifest_reader_free(reader);
	manifest_close(m);
	if (r < 0)
		log_error("%s: the manifest cannot be read: %s",
			  p->target->directory, strerror(-r));
	return r;
}

/* The only one there is. */
static int print_only(const struct target *t, void *user)
{
	struct printing *p = user;

	p->target = t;
	return print_all(p);
}

static int count_one(const struct target *t, void *user)
{
	(void)t;
	++*(unsigned *)user;
	return 0;
}

/* Nothing was given: there is no doubt if there is one task. */
static int print_the_task(struct printing *p)
{
	unsigned count = 0;
	int r = target_each(count_one, &count);

	if (r == 0 && count == 1)
		return target_each(print_only, p);
	if (r == 0)
		log_error(count ? "which task? efsbridge status lists them"
				: "no task was run by this user");
	return -EINVAL;
}

enum exit_status command_history(const struct options *o)
{
	struct printing p = {.json = o->json};
	struct target t;
	int r = target_find(o, &t);

	if (r == -ENOENT) {
		r = print_the_task(&p);
	} else if (r == 0 && !t.directory) {
		log_error("%s: the mount of another user: ask as that user, "
			  "or read %s/history",
			  t.mount.mountpoint, t.mount.sync_directory);
		r = -EACCES;
		target_done(&t);
	} else if (r == 0) {
		p.target = &t;
		r = print_all(&p);
		target_done(&t);
	}
	return r == 0 ? EXIT_DONE : EXIT_USAGE;
}
