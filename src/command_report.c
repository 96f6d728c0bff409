/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `efsbridge report`: what the runs of a task came to and which entries are
 * failed, from its manifest, for people, for other programs or as a page. The
 * failed are written as they are read, in any number but on the page. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/csv.h"
#include "base/escape.h"
#include "base/human.h"
#include "base/jsonout.h"
#include "base/log.h"
#include "options.h"
#include "report_page.h"
#include "sync/difference.h"
#include "sync/manifest.h"
#include "sync/reason.h"
#include "sync/summary.h"
#include "target.h"

#define ERROR_SIZE 1024

/* More are not read on a page. */
#define PAGE_FAILURES_MAX 1000

struct report_command {
	const struct options *options;
	const struct target *target;
	struct manifest_reader *reader;
	struct report_run *runs;
	size_t count;
	size_t listed; /* failures */
};

/* --- What is known -------------------------------------------------------- */

/* What says RUNNING while nobody holds the lock was killed. */
static const char *status_of(const struct report_command *c, const char *status)
{
	return !strcmp(status, "RUNNING") && !c->target->held ? "INTERRUPTED"
							      : status;
}

static int take_run(const struct manifest_execution *x, void *user)
{
	struct report_command *c = user;
	struct report_run *r;

	if (c->options->execution && x->id != c->options->execution)
		return 0;
	r = reallocarray(c->runs, c->count + 1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	c->runs = r;
	r += c->count++;
	*r = (struct report_run){.id = x->id,
				 .started_ns = x->started_ns,
				 .ended_ns = x->ended_ns,
				 .status = strdup(status_of(c, x->status)),
				 .summary = strdup(x->summary)};
	/* One that was killed has none, and counted nothing that is known. */
	if (standing_parse(x->summary, &r->standing) < 0)
		r->standing = (struct standing){0};
	return r->status && r->summary ? 0 : -ENOMEM;
}

static void free_runs(struct report_command *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->runs[i].status);
		free(c->runs[i].summary);
		standing_done(&c->runs[i].standing);
	}
	free(c->runs);
}

static char *path_of(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "/%s%s%s", directory,
		     *directory && *name ? "/" : "", name) < 0)
		return NULL;
	return path;
}

static const char *code_of(int error)
{
	const char *code = strerrorname_np(-error);

	return difference_of_error(error) || !code ? "DIFFERS" : code;
}

static int each_failed(struct report_command *c, size_t max,
		       int (*each)(const char *path,
				   const struct manifest_row *row, void *user))
{
	return manifest_each_failed(c->reader, c->options->execution, max, each,
				    c);
}

/* --- For people ----------------------------------------------------------- */

static void print_run(const struct report_run *r)
{
	const uint64_t *n = r->standing.snapshot.counter;
	char start[SUMMARY_TIME], took[HUMAN_SIZE], size[HUMAN_SIZE];
	int64_t ns = r->standing.snapshot.elapsed_ns;

	printf("run %" PRIu64 ": %s, %s, %s\n", r->id,
	       summary_time(r->started_ns, start), human_duration(ns, took),
	       r->status);
	printf("  %s in %" PRIu64 " files copied, %" PRIu64
	       " verified, %" PRIu64 " unchanged, %" PRIu64 " removed, %" PRIu64
	       " differ, %" PRIu64 " failed\n",
	       human_bytes((double)n[COUNT_BYTES_WRITTEN], size),
	       n[COUNT_TRANSFERRED], n[COUNT_VERIFIED], n[COUNT_UNCHANGED],
	       n[COUNT_DELETED], n[COUNT_MISMATCHED], n[COUNT_FAILED]);
}

static int print_failure(const char *directory, const struct manifest_row *row,
			 void *user)
{
	struct report_command *c = user;
	CLEANUP_FREE char *path = path_of(directory, row->name);
	CLEANUP_FREE char *text = path ? escape_name(path) : NULL;
	char room[REASON_ROOM];

	if (!text)
		return -ENOMEM;
	if (c->listed++ == 0)
		puts("failed:");
	printf("  %s: %s\n", text, reason_text(row->error, row->phase, room));
	return 0;
}

static int print_text(struct report_command *c)
{
	for (size_t i = 0; i < c->count; i++)
		print_run(&c->runs[i]);
	if (c->count == 0)
		puts("never run");
	return each_failed(c, SIZE_MAX, print_failure);
}

/* --- For tables ----------------------------------------------------------- */

static void print_csv_run(const struct report_run *r)
{
	char start[SUMMARY_TIME], end[SUMMARY_TIME];
	size_t count;
	const struct summary_key *keys = summary_get_keys(&count);

	printf("%" PRIu64 ",%s,%s,%s", r->id, r->status,
	       summary_time(r->started_ns, start),
	       r->ended_ns ? summary_time(r->ended_ns, end) : "");
	for (size_t i = 0; i < count; i++)
		printf(",%" PRIu64,
		       r->standing.snapshot.counter[keys[i].counter]);
	fputs("\r\n", stdout);
}

static int print_csv_failure(const char *directory,
			     const struct manifest_row *row, void *user)
{
	CLEANUP_FREE char *path = path_of(directory, row->name);
	CLEANUP_FREE char *text = path ? escape_name(path) : NULL;
	char room[REASON_ROOM];

	(void)user;
	if (!text)
		return -ENOMEM;
	csv_put(stdout, text);
	printf(",%s,%s,", entry_type_name(row->type), code_of(row->error));
	csv_put(stdout, reason_text(row->error, row->phase, room));
	fputs("\r\n", stdout);
	return 0;
}

/* The runs, or of one the failures: a table has one kind of rows. */
static int print_csv(struct report_command *c)
{
	size_t count;
	const struct summary_key *keys = summary_get_keys(&count);

	if (c->options->execution) {
		fputs("Path,Type,Code,Reason\r\n", stdout);
		return each_failed(c, SIZE_MAX, print_csv_failure);
	}
	fputs("Execution,Status,StartTime,EndTime", stdout);
	for (size_t i = 0; i < count; i++)
		printf(",%s", keys[i].key);
	fputs("\r\n", stdout);
	for (size_t i = 0; i < c->count; i++)
		print_csv_run(&c->runs[i]);
	return 0;
}

/* --- For programs --------------------------------------------------------- */

/* The summary, with what only the record has. */
static int print_json_run(const struct report_run *r, bool first)
{
	json_t *o = json_loads(r->summary, 0, NULL);
	CLEANUP_FREE char *text = NULL;
	char time[SUMMARY_TIME];

	if (!json_is_object(o)) {
		json_decref(o);
		o = json_object();
	}
	json_object_set_new(o, "Execution", json_integer((json_int_t)r->id));
	json_object_set_new(o, "Status", json_string(r->status));
	json_object_set_new(o, "StartTime",
			    json_string(summary_time(r->started_ns, time)));
	json_object_set_new(o, "EndTime",
			    r->ended_ns
				? json_string(summary_time(r->ended_ns, time))
				: json_null());
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!text)
		return -ENOMEM;
	printf("%s%s", first ? "" : ",\n", text);
	return 0;
}

static int print_json_failure(const char *directory,
			      const struct manifest_row *row, void *user)
{
	struct report_command *c = user;
	CLEANUP_FREE char *path = path_of(directory, row->name);
	CLEANUP_FREE char *text = path ? escape_name(path) : NULL;
	struct jsonout j = jsonout_to(stdout, false);
	char room[REASON_ROOM];

	if (!text)
		return -ENOMEM;
	if (c->listed++ > 0)
		fputs(",\n", stdout);
	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "Path", text);
	jsonout_string(&j, "Type", entry_type_name(row->type));
	jsonout_string(&j, "FailureCode", code_of(row->error));
	jsonout_string(&j, "FailureReason",
		       reason_text(row->error, row->phase, room));
	jsonout_uint(&j, "Execution", row->execution);
	jsonout_end_object(&j);
	return 0;
}

static int print_json(struct report_command *c)
{
	int r = 0;

	fputs("{\"Executions\":[", stdout);
	for (size_t i = 0; i < c->count && r == 0; i++)
		r = print_json_run(&c->runs[i], i == 0);
	fputs("],\n\"Failed\":[", stdout);
	if (r == 0)
		r = each_failed(c, SIZE_MAX, print_json_failure);
	puts("]}");
	return r;
}

/* --- As a page ------------------------------------------------------------ */

static int print_page_failure(const char *directory,
			      const struct manifest_row *row, void *user)
{
	struct report_command *c = user;
	CLEANUP_FREE char *path = path_of(directory, row->name);
	char room[REASON_ROOM];

	if (!path)
		return -ENOMEM;
	report_page_add(stdout,
			&(struct report_failure){
			    .path = path,
			    .reason = reason_text(row->error, row->phase, room),
			    .execution = row->execution},
			c->listed++);
	return 0;
}

static int count_failure(const char *directory, const struct manifest_row *row,
			 void *user)
{
	(void)directory;
	(void)row;
	++*(uint64_t *)user;
	return 0;
}

static int print_page(struct report_command *c)
{
	struct report_page page = {
	    .task = c->target->name ? c->target->name : "efsbridge",
	    .runs = c->runs,
	    .count = c->count,
	    .made_ns = clock_wall_ns(),
	};
	int r = manifest_each_failed(c->reader, c->options->execution, SIZE_MAX,
				     count_failure, &page.failed);

	if (r < 0)
		return r;
	report_page_begin(stdout, &page);
	r = each_failed(c, PAGE_FAILURES_MAX, print_page_failure);
	report_page_end(stdout, &page, c->listed);
	return r;
}

/* --- The command ---------------------------------------------------------- */

static int print(struct report_command *c)
{
	const struct options *o = c->options;
	int r = manifest_each_execution(c->reader, 0, SIZE_MAX, take_run, c);

	if (r < 0)
		return r;
	if (o->execution && c->count == 0) {
		log_error("there is no run %" PRIu64 "; efsbridge history "
			  "lists those there are",
			  o->execution);
		return -EINVAL;
	}
	r = o->html   ? print_page(c)
	    : o->csv  ? print_csv(c)
	    : o->json ? print_json(c)
		      : print_text(c);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = -EIO;
	return r;
}

static int report(struct report_command *c)
{
	struct manifest *m;
	char error[ERROR_SIZE];
	int r =
	    manifest_open_read(c->target->directory, &m, error, sizeof(error));

	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	c->reader = manifest_reader_new(m);
	r = c->reader ? print(c) : -ENOMEM;
	manifest_reader_free(c->reader);
	manifest_close(m);
	free_runs(c);
	if (r < 0 && r != -EINVAL)
		log_error("%s: the report is not whole: %s",
			  c->target->directory, strerror(-r));
	return r;
}

enum exit_status command_report(const struct options *o)
{
	struct report_command c = {.options = o};
	struct target t;
	int r = target_find(o, &t);

	if (r == -ENOENT)
		log_error("which task? efsbridge status lists them");
	if (r < 0)
		return EXIT_USAGE;
	c.target = &t;
	if (t.directory) {
		r = report(&c);
	} else {
		log_error("%s: the mount of another user: ask as that user",
			  t.mount.mountpoint);
		r = -EACCES;
	}
	target_done(&t);
	return r == 0 ? EXIT_DONE : EXIT_USAGE;
}
