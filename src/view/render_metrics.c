/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Prometheus text exposition, format 0.0.4. Every sample has the labels
 * task, source and destination, so that several mounts can be told apart once
 * they are gathered. Counters are those of the execution under way or of the
 * last one: they begin anew with each, which rate() and increase() understand.
 */
#include "view/render.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "sync/summary.h"
#include "view/picture.h"

static const struct {
	enum counter counter;
	const char *name; /* between efsbridge_ and _total */
	const char *help;
} counters[] = {
    {COUNT_PLANNED, "planned_files", "Files that need copying or comparing."},
    {COUNT_PLANNED_BYTES, "planned_bytes", "Bytes of the planned files."},
    {COUNT_DONE, "done_files", "Planned files that are through, however."},
    {COUNT_DONE_BYTES, "done_bytes", "Bytes of the files that are through."},
    {COUNT_LISTED, "source_listed_entries", "Entries seen on the source."},
    {COUNT_LISTED_DESTINATION, "destination_listed_entries",
     "Entries seen on the destination."},
    {COUNT_DIRECTORIES, "listed_folders", "Folders seen on the source."},
    {COUNT_TRANSFERRED, "transferred_files", "Files and links copied."},
    {COUNT_TRANSFERRED_DIRECTORIES, "transferred_folders", "Folders made."},
    {COUNT_BYTES_READ, "read_bytes", "Bytes read from the source."},
    {COUNT_BYTES_WRITTEN, "written_bytes",
     "Bytes written to the destination, holes included."},
    {COUNT_RESUMED_BYTES, "resumed_bytes",
     "Bytes of large files that an earlier execution had copied."},
    {COUNT_VERIFIED, "verified_files", "Files read back and found equal."},
    {COUNT_VERIFIED_DIRECTORIES, "verified_folders",
     "Folders read back and found equal."},
    {COUNT_MISMATCHED, "mismatched_files",
     "Entries that differ between both sides."},
    {COUNT_DIFFERING + 0, "differing_content_entries",
     "Entries that differ in their content."},
    {COUNT_DIFFERING + 1, "differing_size_entries",
     "Entries that differ in their size."},
    {COUNT_DIFFERING + 2, "differing_target_entries",
     "Entries that differ in their link target."},
    {COUNT_DIFFERING + 3, "differing_type_entries",
     "Entries that differ in their type."},
    {COUNT_DIFFERING + 4, "differing_mode_entries",
     "Entries that differ in their permission bits."},
    {COUNT_DIFFERING + 5, "differing_owner_entries",
     "Entries that differ in their owner or group."},
    {COUNT_DIFFERING + 6, "differing_times_entries",
     "Entries that differ in their modification time."},
    {COUNT_DIFFERING + 7, "missing_entries",
     "Entries that the destination lacks, as a comparison found."},
    {COUNT_DIFFERING + 8, "extra_entries",
     "Entries that only the destination has, as a comparison found."},
    {COUNT_CHANGED, "changed_entries",
     "Entries that the source changed after they were copied."},
    {COUNT_UNCHANGED, "unchanged_files", "Files with nothing to do."},
    {COUNT_METADATA, "metadata_entries",
     "Files and folders that only had attributes set."},
    {COUNT_METADATA_SKIPPED, "metadata_skipped_entries",
     "Entries with attributes that may not be set."},
    {COUNT_LINKED, "linked_files", "Copied files that were hard links."},
    {COUNT_LINK_LIMIT, "link_limit_files",
     "Hard links copied as files, beyond the server's limit."},
    {COUNT_SKIPPED, "skipped_entries", "Devices, and files not overwritten."},
    {COUNT_LEFT, "left_entries",
     "Of the skipped: what is not to be overwritten."},
    {COUNT_FILTERED, "filtered_entries",
     "Entries of the source that the filter leaves out."},
    {COUNT_VANISHED, "vanished_entries",
     "Entries gone from the source before they were copied."},
    {COUNT_KEPT, "kept_entries", "Entries only on the destination."},
    {COUNT_DELETED, "deleted_files",
     "Files removed that only the destination had."},
    {COUNT_DELETED_DIRECTORIES, "deleted_folders",
     "Folders removed that only the destination had."},
    {COUNT_DELETE_REFUSED, "delete_refused_entries",
     "Entries that were too many to be removed."},
    {COUNT_DELETE_FAILED, "delete_failed_entries",
     "Of the failed: what could not be removed."},
    {COUNT_FAILED, "failed_entries", "Entries that failed."},
    {COUNT_SWEPT, "swept_files", "Stale temporary files removed."},
};

struct exposition {
	FILE *f;
	char *labels; /* without braces; NULL: out of memory */
};

/* --- Labels -------------------------------------------------------------- */

/* A label's value: \\, \" and \n are the escapes that there are. Locations
 * are escaped as names first, so that they are UTF-8. */
static void put_value(FILE *f, const char *value)
{
	CLEANUP_FREE char *text = escape_name(value);

	for (const char *c = text ? text : "?"; *c; c++) {
		if (*c == '\\' || *c == '"')
			fputc('\\', f);
		fputc(*c, f);
	}
}

static char *make_labels(const struct picture *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("task=\"", f);
	put_value(f, p->task);
	fputs("\",source=\"", f);
	put_value(f, p->location[SOURCE]);
	fputs("\",destination=\"", f);
	put_value(f, p->location[DESTINATION]);
	fputc('"', f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- Families ------------------------------------------------------------ */

static void put_family(const struct exposition *x, const char *name,
		       const char *type, const char *help)
{
	fprintf(x->f, "# HELP efsbridge_%s %s\n# TYPE efsbridge_%s %s\n", name,
		help, name, type);
}

static void put_gauge(const struct exposition *x, const char *name,
		      const char *help, double value)
{
	put_family(x, name, "gauge", help);
	fprintf(x->f, "efsbridge_%s{%s} %.15g\n", name, x->labels, value);
}

static void put_counter(const struct exposition *x, const char *name,
			const char *help, uint64_t value)
{
	char full[64];

	snprintf(full, sizeof(full), "%s_total", name);
	put_family(x, full, "counter", help);
	fprintf(x->f, "efsbridge_%s{%s} %" PRIu64 "\n", full, x->labels, value);
}

/* One sample for each state, of which one is 1. */
static void put_states(const struct exposition *x, const struct snapshot *s)
{
	put_family(x, "state", "gauge",
		   "Whether the task is in this state: 1 or 0.");
	for (enum snapshot_state i = SNAPSHOT_IDLE; i <= SNAPSHOT_ENDING; i++)
		fprintf(x->f, "efsbridge_state{%s,state=\"%s\"} %d\n",
			x->labels, snapshot_state_name(i), s->state == i);
}

static void put_requests(const struct exposition *x, const struct snapshot *s)
{
	put_family(x, "requests_total", "counter",
		   "Requests of the execution to a side.");
	for (enum side side = SOURCE; side < SIDES; side++)
		fprintf(x->f,
			"efsbridge_requests_total{%s,side=\"%s\"} %" PRIu64
			"\n",
			x->labels, side_name(side), s->requests[side]);
}

static void put_execution(const struct exposition *x, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	put_gauge(x, "running", "Whether an execution is under way: 1 or 0.",
		  picture_is_running(p));
	put_gauge(x, "execution",
		  "The execution under way, or the last one; 0: none.",
		  (double)s->execution);
	put_gauge(x, "progress_ratio",
		  "How much of what is planned is through.",
		  snapshot_progress(s));
	put_gauge(x, "scanned", "Whether what is planned is final: 1 or 0.",
		  s->scanned);
	put_gauge(x, "elapsed_seconds", "How long the execution has taken.",
		  (double)s->elapsed_ns / NS_PER_S);
	if (picture_is_running(p) && s->eta_ns >= 0)
		put_gauge(x, "eta_seconds", "Until the end of the execution.",
			  (double)s->eta_ns / NS_PER_S);
	put_gauge(x, "jobs", "Lanes that carry files.", s->jobs);
	put_gauge(x, "transferring", "Files or batches on their way.",
		  (double)s->transfer_count);
}

static void put_ends(const struct exposition *x, const struct snapshot *s)
{
	if (s->ended) {
		put_gauge(x, "last_exit_status",
			  "How the last execution ended, 0 for success.",
			  summary_exit_status(s->status));
		put_gauge(x, "last_end_timestamp_seconds",
			  "When the last execution ended.",
			  (double)s->ended_ns / NS_PER_S);
	}
	if (s->next_ns)
		put_gauge(x, "next_start_timestamp_seconds",
			  "When the next execution begins by itself.",
			  (double)s->next_ns / NS_PER_S);
}

void render_metrics(FILE *f, const struct picture *p)
{
	CLEANUP_FREE char *labels = make_labels(p);
	const struct exposition x = {.f = f, .labels = labels};

	if (!labels)
		return;
	put_family(&x, "build_info", "gauge", "The version, as a label.");
	fprintf(f, "efsbridge_build_info{%s,version=\"%s\"} 1\n", labels,
		PACKAGE_VERSION);
	put_states(&x, &p->snapshot);
	put_execution(&x, p);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		put_counter(&x, counters[i].name, counters[i].help,
			    p->snapshot.counter[counters[i].counter]);
	put_requests(&x, &p->snapshot);
	put_ends(&x, &p->snapshot);
}
