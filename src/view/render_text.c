/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people read in a terminal, and grep. Names are escaped: a line is an
 * entry, whatever its name is. */
#include "view/render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"
#include "sync/reason.h"
#include "sync/summary.h"
#include "view/picture.h"

#define BAR_WIDTH 40

/* --- status -------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void
put_line(FILE *f, const char *what, const char *format, ...)
{
	va_list args;

	fprintf(f, "%-12s ", what);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	fputc('\n', f);
}

static void put_name(FILE *f, const char *what, const char *name)
{
	CLEANUP_FREE char *text = escape_name(name);

	put_line(f, what, "%s", text ? text : "?");
}

/* "running, execution 3, copying" */
static void put_state(FILE *f, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	if (picture_is_running(p))
		put_line(f, "State", "%s, execution %" PRIu64 ", %s",
			 snapshot_state_name(s->state), s->execution,
			 snapshot_phase_name(s->phase, s->scanned));
	else
		put_line(f, "State", "%s", snapshot_state_name(s->state));
}

/* A side that the run waits for. */
static void put_waiting(FILE *f, const struct snapshot *s)
{
	char text[HUMAN_SIZE];

	for (int side = 0; side < SIDES; side++)
		if (s->silent_ns[side])
			put_line(f, "Waiting",
				 "for the %s: not answering since %s, still "
				 "trying",
				 side_name((enum side)side),
				 human_time(s->silent_ns[side], text));
}

static void put_bar(FILE *f, const struct snapshot *s)
{
	double progress = snapshot_progress(s);
	char bar[BAR_WIDTH + 1], text[HUMAN_SIZE];

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)(progress * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	put_line(f, "Progress", "[%s] %s%s", bar, human_percent(progress, text),
		 s->scanned ? "" : " of what was seen so far");
}

static void put_amounts(FILE *f, const struct snapshot *s)
{
	const uint64_t *c = s->counter;
	char a[HUMAN_SIZE], b[HUMAN_SIZE], d[HUMAN_SIZE];

	put_line(f, "Files", "%s of %s", human_count(c[COUNT_DONE], a),
		 human_count(c[COUNT_PLANNED], b));
	put_line(
	    f, "Bytes", "%s of %s",
	    human_bytes((double)(c[COUNT_DONE_BYTES] + s->moving_bytes), a),
	    human_bytes((double)c[COUNT_PLANNED_BYTES], b));
	put_line(f, "Seen", "%s entries, %s unchanged files, %s folders",
		 human_count(c[COUNT_LISTED], a),
		 human_count(c[COUNT_UNCHANGED], b),
		 human_count(c[COUNT_DIRECTORIES], d));
	put_line(f, "Verified", "%s files, %s folders",
		 human_count(c[COUNT_VERIFIED], a),
		 human_count(c[COUNT_VERIFIED_DIRECTORIES], b));
	put_line(f, "Rates", "%s/s, %s files/s, %s entries/s",
		 human_bytes(s->bytes_per_s, a),
		 human_number(s->files_per_s, b),
		 human_number(s->entries_per_s, d));
}

/* Left out where there is none. */
static void put_limits(FILE *f, const struct snapshot *s)
{
	char a[HUMAN_SIZE];

	if (s->limit_bytes_per_s)
		put_line(f, "Limit", "%s/s",
			 human_bytes((double)s->limit_bytes_per_s, a));
	if (s->limit_iops)
		put_line(f, "Limit", "%s operations/s",
			 human_count(s->limit_iops, a));
}

static void put_times(FILE *f, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;
	char text[HUMAN_SIZE];

	put_line(f, "Started", "%s", human_time(s->started_ns, text));
	put_line(f, "Elapsed", "%s", human_duration(s->elapsed_ns, text));
	if (picture_is_running(p))
		put_line(f, "ETA", "%s",
			 s->eta_ns < 0 ? "-:--"
				       : human_duration(s->eta_ns, text));
}

static void put_results(FILE *f, const struct snapshot *s)
{
	char text[HUMAN_SIZE];

	put_line(
	    f, "Errors", "%s",
	    human_count(s->counter[COUNT_FAILED] + s->counter[COUNT_MISMATCHED],
			text));
	if (s->ended)
		put_line(f, "Last result", "execution %" PRIu64 ": %s, %s",
			 s->ended_execution, summary_status(s->status),
			 human_time(s->ended_ns, text));
	else
		put_line(f, "Last result", "none since the mount");
	put_line(f, "Next run", "%s",
		 s->next_ns ? human_time(s->next_ns, text) : "on request");
}

void render_status(FILE *f, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	put_name(f, "Task", p->task);
	put_name(f, "Source", p->location[SOURCE]);
	put_name(f, "Destination", p->location[DESTINATION]);
	put_name(f, "Mount point", p->mountpoint);
	put_state(f, p);
	put_waiting(f, s);
	if (s->execution) {
		put_bar(f, s);
		put_amounts(f, s);
		put_times(f, p);
	}
	put_limits(f, s);
	put_results(f, s);
}

/* --- errors -------------------------------------------------------------- */

/* The side that said no: what is not read from the source is about the
 * destination. */
static enum side phase_side(enum entry_phase phase)
{
	return phase == PHASE_LIST || phase == PHASE_READ ? SOURCE
							  : DESTINATION;
}

void render_errors(FILE *f, const struct picture *p)
{
	for (size_t i = 0; i < p->error_count; i++) {
		const struct picture_error *e = &p->errors[i];
		CLEANUP_FREE char *path = escape_name(e->path);
		char room[REASON_ROOM];

		fprintf(f, "%s\t%s\t%s\t%s\n", entry_phase_name(e->phase),
			side_name(phase_side(e->phase)),
			reason_text(e->error, e->phase, room),
			path ? path : "?");
	}
	if (p->errors_left_out)
		fprintf(f,
			"# %s%" PRIu64 " more are left out: ask the manifest, "
			"efsbridge-manifest(5)\n",
			p->errors_are_more ? "at least " : "",
			p->errors_left_out);
	if (p->trouble)
		fprintf(f, "# the manifest cannot be read: %s\n",
			strerrordesc_np(-p->trouble));
}

/* --- transferring -------------------------------------------------------- */

void render_transferring(FILE *f, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	for (size_t i = 0; i < s->transfer_count; i++) {
		const struct snapshot_transfer *t = &s->transfers[i];
		CLEANUP_FREE char *path = escape_name(t->path);
		double share =
		    t->bytes > 0 ? (double)t->done_bytes / (double)t->bytes : 0;

		fprintf(f, "%5.1f%%\t%" PRIu64 "\t%" PRIu64 "\t%s",
			share < 1 ? share * 100 : 100.0, t->done_bytes,
			t->bytes, path ? path : "?");
		if (t->files > 1)
			fprintf(f, "\tand %u more", t->files - 1);
		fputc('\n', f);
	}
}
