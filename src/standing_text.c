/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a task stands, as text: for people, and as JSON where there is no mount
 * that writes it. */
#include "standing.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"
#include "sync/summary.h"

#define BAR_WIDTH 40

/* --- JSON ----------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *time_or_null(int64_t wall_ns)
{
	char text[SUMMARY_TIME];

	return wall_ns ? json_string(summary_time(wall_ns, text)) : json_null();
}

static json_t *count_or_null(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static void put_counters(json_t *o, const struct snapshot *s)
{
	size_t count;
	const struct summary_key *keys = summary_get_keys(&count);

	for (size_t i = 0; i < count; i++)
		json_object_set_new(
		    o, keys[i].key,
		    json_integer((json_int_t)s->counter[keys[i].counter]));
}

/* json_object_set_new() fails on a NULL value, and only then without memory:
 * what is missing in the end was not worth more checks. */
char *standing_json(const struct standing *s)
{
	const struct snapshot *n = &s->snapshot;
	json_t *o = json_object();
	char *text;

	json_object_set_new(o, "Task", text_or_null(s->task));
	json_object_set_new(o, "Source", text_or_null(s->source));
	json_object_set_new(o, "Destination", text_or_null(s->destination));
	json_object_set_new(o, "Mountpoint", text_or_null(s->mountpoint));
	json_object_set_new(o, "State",
			    json_string(snapshot_state_name(n->state)));
	json_object_set_new(o, "Execution",
			    json_integer((json_int_t)n->execution));
	json_object_set_new(o, "Status", text_or_null(s->status));
	json_object_set_new(o, "EndedExecution",
			    count_or_null(n->ended_execution));
	json_object_set_new(o, "StartTime", time_or_null(n->started_ns));
	json_object_set_new(o, "EndTime", time_or_null(n->ended_ns));
	json_object_set_new(
	    o, "Elapsed",
	    json_integer((json_int_t)(n->elapsed_ns / NS_PER_MS)));
	put_counters(o, n);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

/* --- For people ----------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void line(const char *label,
						       const char *format, ...)
{
	va_list args;

	printf("%-12s ", label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Names may hold what a terminal would obey. */
static void name_line(const char *label, const char *name)
{
	CLEANUP_FREE char *text = name ? escape_name(name) : NULL;

	if (text)
		line(label, "%s", text);
}

/* Local time, as people on the machine read it. */
static const char *local_time(int64_t wall_ns, char text[40])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm;

	localtime_r(&ts.tv_sec, &tm);
	strftime(text, 40, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

static void print_bar(const struct standing *s)
{
	char bar[BAR_WIDTH + 1], left[HUMAN_SIZE] = "-:--";
	double share = s->progress > 1 ? 1 : s->progress > 0 ? s->progress : 0;

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)(share * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	if (s->snapshot.eta_ns >= 0)
		human_seconds(s->snapshot.eta_ns / NS_PER_S, left);
	line("progress", "[%s] %.0f %%%s, ETA %s", bar, share * 100,
	     s->snapshot.scanned ? "" : " of what is known so far", left);
}

static void print_counts(const struct snapshot *s, bool running)
{
	const uint64_t *c = s->counter;
	char done[HUMAN_SIZE], planned[HUMAN_SIZE], rate[HUMAN_SIZE];

	line("seen", "%" PRIu64 " entries", c[COUNT_LISTED]);
	if (running) {
		line("files", "%" PRIu64 " of %" PRIu64 ", %.0f/s",
		     c[COUNT_TRANSFERRED], c[COUNT_PLANNED], s->files_per_s);
		line("data", "%s of %s, %s/s",
		     human_bytes((double)c[COUNT_BYTES_WRITTEN], done),
		     human_bytes((double)c[COUNT_PLANNED_BYTES], planned),
		     human_bytes(s->bytes_per_s, rate));
	} else {
		line("copied", "%" PRIu64 " files, %" PRIu64 " directories, %s",
		     c[COUNT_TRANSFERRED], c[COUNT_TRANSFERRED_DIRECTORIES],
		     human_bytes((double)c[COUNT_BYTES_WRITTEN], done));
	}
	line("verified", "%" PRIu64 " files", c[COUNT_VERIFIED]);
	line("unchanged", "%" PRIu64 " files", c[COUNT_UNCHANGED]);
	line("failed", "%" PRIu64, c[COUNT_FAILED]);
}

static void print_state(const struct standing *s)
{
	const struct snapshot *n = &s->snapshot;
	char since[40];

	if (n->state == SNAPSHOT_IDLE || n->execution == 0 ||
	    n->execution == n->ended_execution)
		line("state", "%s", snapshot_state_name(n->state));
	else
		line("state", "%s, execution %" PRIu64 " since %s",
		     snapshot_state_name(n->state), n->execution,
		     local_time(n->started_ns, since));
}

static void print_waiting(const struct snapshot *n)
{
	char since[40];

	for (int side = 0; side < SIDES; side++)
		if (n->silent_ns[side])
			line("waiting",
			     "for the %s: not answering since %s, still trying",
			     side_name((enum side)side),
			     local_time(n->silent_ns[side], since));
}

/* Known of a mount only, and left out where there is none. */
static void print_limits(const struct snapshot *n)
{
	char text[HUMAN_SIZE];

	if (n->limit_bytes_per_s)
		line("limit", "%s/s",
		     human_bytes((double)n->limit_bytes_per_s, text));
	if (n->limit_iops)
		line("limit", "%s operations/s",
		     human_count(n->limit_iops, text));
}

static void print_ends(const struct standing *s, bool running)
{
	const struct snapshot *n = &s->snapshot;
	char when[40], took[HUMAN_SIZE];

	if (n->ended && running)
		line("last run", "execution %" PRIu64 ", ended %s",
		     n->ended_execution, local_time(n->ended_ns, when));
	else if (n->execution && !running)
		line("last run", "execution %" PRIu64 ": %s, %s %s, took %s",
		     n->execution, s->status ?: "?",
		     n->ended ? "ended" : "began",
		     local_time(n->ended ? n->ended_ns : n->started_ns, when),
		     n->ended ? human_seconds(n->elapsed_ns / NS_PER_S, took)
			      : "?");
	else if (!running)
		line("last run", "none");
	if (n->next_ns)
		line("next run", "%s", local_time(n->next_ns, when));
}

void standing_print(const struct standing *s)
{
	const struct snapshot *n = &s->snapshot;
	bool running = n->state != SNAPSHOT_IDLE && n->execution &&
		       n->execution != n->ended_execution;

	name_line("task", s->task);
	name_line("source", s->source);
	name_line("destination", s->destination);
	name_line("mounted on", s->mountpoint ?: "(not mounted)");
	print_state(s);
	print_waiting(n);
	if (running && s->mountpoint)
		print_bar(s);
	if (n->execution)
		print_counts(n, running && s->mountpoint);
	print_limits(n);
	print_ends(s, running);
}
