/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever comes from outside (names of files, locations, the task's name) goes
 * through put_text() or, in the JSON, through put_json(): a file may be called
 * "<script>".
 */
#include "view/dashboard.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"
#include "sync/reason.h"
#include "sync/summary.h"
#include "view/picture.h"
#include "view/plot.h"
#include "view/render.h"

/* Seconds until the browser loads the page again. */
#define REFRESH_RUNNING 2
#define REFRESH_IDLE    10

/* What the parts are made of. */
struct page {
	FILE *f;
	const struct picture *picture;
	char *json;   /* status.json of this picture */
	json_t *root; /* the same, parsed */
};

/* --- Pieces -------------------------------------------------------------- */

static void put_text(FILE *f, const char *s)
{
	CLEANUP_FREE char *text = escape_html(s);

	fputs(text ? text : "?", f);
}

static double progress(const struct page *g)
{
	return g->picture->snapshot.execution
		   ? snapshot_progress(&g->picture->snapshot)
		   : 0;
}

/* The class that gives state and result a colour. */
static const char *mood(const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	if (s->state == SNAPSHOT_PAUSED || s->state == SNAPSHOT_ENDING)
		return "warn";
	if (picture_is_running(p) || !s->ended)
		return "busy";
	if (s->status == ENGINE_SUCCESS)
		return "good";
	return s->status == ENGINE_CANCELLED || s->status == ENGINE_LIMITED ||
		       s->status == ENGINE_TIME_UP
		   ? "warn"
		   : "bad";
}

/* --- The head ------------------------------------------------------------ */

static void put_refresh(const struct page *g)
{
	fprintf(g->f, "%d",
		picture_is_running(g->picture) ? REFRESH_RUNNING
					       : REFRESH_IDLE);
}

static void put_version(const struct page *g)
{
	fputs(PACKAGE_VERSION, g->f);
}

static void put_percent(const struct page *g)
{
	char text[HUMAN_SIZE];

	fputs(human_percent(progress(g), text), g->f);
}

static void put_task(const struct page *g)
{
	put_text(g->f, g->picture->task);
}

static void put_source(const struct page *g)
{
	put_text(g->f, g->picture->location[SOURCE]);
}

static void put_destination(const struct page *g)
{
	put_text(g->f, g->picture->location[DESTINATION]);
}

static void put_mountpoint(const struct page *g)
{
	put_text(g->f, g->picture->mountpoint);
}

static void put_now(const struct page *g)
{
	char text[HUMAN_SIZE];

	fputs(human_time(g->picture->snapshot.now_ns, text), g->f);
}

static void put_state(const struct page *g)
{
	const struct snapshot *s = &g->picture->snapshot;
	const char *state = snapshot_state_name(s->state);

	fprintf(g->f, "<span class=\"pill %s\" id=\"state\">%s</span>",
		s->state == SNAPSHOT_IDLE ? "quiet" : mood(g->picture), state);
	if (s->ended && !picture_is_running(g->picture))
		fprintf(g->f,
			"\n<span class=\"pill %s\" id=\"result\">last result: "
			"%s</span>",
			mood(g->picture), summary_status(s->status));
}

/* --- Progress ------------------------------------------------------------ */

/* The sentence beside the percentage. */
static void put_lead(const struct page *g)
{
	const struct snapshot *s = &g->picture->snapshot;
	char text[HUMAN_SIZE];

	if (picture_is_running(g->picture))
		fprintf(g->f, "Execution %" PRIu64 " is %s, since %s%s",
			s->execution,
			s->state == SNAPSHOT_PAUSED   ? "paused"
			: s->state == SNAPSHOT_ENDING ? "being cancelled"
			: s->phase == ENGINE_STARTING ? "starting"
			: s->phase == ENGINE_RETRYING
			    ? "trying again what failed"
			: s->phase == ENGINE_PRUNING
			    ? "removing what only the destination has"
			: s->phase == ENGINE_COMPARING ? "comparing both trees"
			: s->phase == ENGINE_ENDING    ? "ending"
			: s->scanned                   ? "copying"
						       : "scanning and copying",
			human_time(s->started_ns, text),
			s->scanned ? "" : "; of what was seen so far");
	else if (s->ended)
		fprintf(g->f, "Execution %" PRIu64 " ended at %s",
			s->ended_execution, human_time(s->ended_ns, text));
	else
		fputs("Nothing was run since the mount", g->f);
}

static void put_bar(const struct page *g)
{
	double share = progress(g);

	fprintf(g->f,
		"<div class=\"bar %s\" id=\"bar\" role=\"progressbar\" "
		"aria-label=\"Progress\" aria-valuemin=\"0\" "
		"aria-valuemax=\"100\" aria-valuenow=\"%.1f\">"
		"<div style=\"width:%.2f%%\"></div></div>",
		mood(g->picture), share * 100, share * 100);
}

/* One tile: what, a value, a remark (may be NULL). */
static void put_tile(FILE *f, const char *what, const char *value,
		     const char *remark)
{
	fprintf(f, "<div><dt>%s</dt><dd>%s", what, value);
	if (remark)
		fprintf(f, "<small>%s</small>", remark);
	fputs("</dd></div>\n", f);
}

static void put_amounts(FILE *f, const struct snapshot *s)
{
	const uint64_t *c = s->counter;
	char a[HUMAN_SIZE], b[HUMAN_SIZE], of[HUMAN_SIZE + 16];

	snprintf(of, sizeof(of), "of %s planned",
		 human_count(c[COUNT_PLANNED], b));
	put_tile(f, "Files", human_count(c[COUNT_DONE], a), of);
	snprintf(of, sizeof(of), "of %s planned",
		 human_bytes((double)c[COUNT_PLANNED_BYTES], b));
	put_tile(
	    f, "Data",
	    human_bytes((double)(c[COUNT_DONE_BYTES] + s->moving_bytes), a),
	    of);
	snprintf(of, sizeof(of), "%s unchanged files",
		 human_count(c[COUNT_UNCHANGED], b));
	put_tile(f, "Entries seen", human_count(c[COUNT_LISTED], a), of);
	snprintf(of, sizeof(of), "%s copied",
		 human_count(c[COUNT_TRANSFERRED], b));
	put_tile(f, "Verified", human_count(c[COUNT_VERIFIED], a), of);
}

static void put_rates(FILE *f, const struct snapshot *s, bool running)
{
	const char *when =
	    running ? "over the last 10 s" : "over the whole execution";
	char a[HUMAN_SIZE], b[HUMAN_SIZE + 4];

	snprintf(b, sizeof(b), "%s/s", human_bytes(s->bytes_per_s, a));
	put_tile(f, "Throughput", b, when);
	put_tile(f, "Files per second", human_number(s->files_per_s, a), when);
}

static void put_tiles(const struct page *g)
{
	const struct snapshot *s = &g->picture->snapshot;
	bool running = picture_is_running(g->picture);
	char a[HUMAN_SIZE], b[HUMAN_SIZE + 16];

	put_amounts(g->f, s);
	put_rates(g->f, s, running);
	snprintf(b, sizeof(b), "%u lanes", s->jobs);
	put_tile(g->f, "Elapsed", human_duration(s->elapsed_ns, a),
		 s->jobs ? b : NULL);
	if (running)
		put_tile(g->f, "Time left",
			 s->eta_ns < 0 ? "-:--" : human_duration(s->eta_ns, a),
			 s->eta_ns < 0 ? "cannot be told yet" : NULL);
	else
		put_tile(g->f, "Next run",
			 s->next_ns ? human_time(s->next_ns, a) : "on request",
			 NULL);
}

/* --- Plots --------------------------------------------------------------- */

/* The samples are a second or more apart: the moment of the picture is the
 * last point. */
static void put_plot(const struct page *g, struct plot plot)
{
	const struct snapshot *s = &g->picture->snapshot;
	struct snapshot_sample now = snapshot_get_sample(s), *all;

	all = calloc(s->sample_count + 1, sizeof(*all));
	if (!all)
		return;
	if (s->sample_count)
		memcpy(all, s->samples, s->sample_count * sizeof(*all));
	plot.samples = all;
	plot.count = s->sample_count;
	/* What lasted shorter would be noise, but for the only one. */
	if (plot.count > 0 && now.elapsed_ns - all[plot.count - 1].elapsed_ns >
				  (plot.count == 1 ? 0 : NS_PER_S / 2))
		all[plot.count++] = now;
	plot_draw(g->f, &plot);
	free(all);
}

static void put_plot_bytes(const struct page *g)
{
	put_plot(g, (struct plot){.id = "plot-bytes",
				  .style = "first",
				  .label = "Bytes per second over time",
				  .bytes = true});
}

static void put_plot_files(const struct page *g)
{
	put_plot(g, (struct plot){.id = "plot-files",
				  .style = "second",
				  .label = "Files per second over time"});
}

/* --- Tables -------------------------------------------------------------- */

/* `heads`: the columns, those of numbers with a '#' in front. */
static void begin_table(FILE *f, const char *id, const char *const heads[])
{
	fprintf(f, "<div class=\"scroll\"><table id=\"%s\">\n<thead><tr>", id);
	for (; *heads; heads++) {
		bool number = **heads == '#';

		fprintf(f, "<th scope=\"col\"%s>%s</th>",
			number ? " class=\"number\"" : "", *heads + number);
	}
	fputs("</tr></thead>\n<tbody>\n", f);
}

static void end_table(FILE *f)
{
	fputs("</tbody></table></div>\n", f);
}

static void put_none(FILE *f, const char *text)
{
	fprintf(f, "<p class=\"none\">%s</p>\n", text);
}

static void put_error_count(const struct page *g)
{
	const struct picture *p = g->picture;
	uint64_t all = p->error_count + p->errors_left_out;
	char text[HUMAN_SIZE];

	fprintf(g->f,
		"%s<span id=\"error-count\" data-value=\"%" PRIu64
		"\">%s</span> %s",
		p->errors_are_more ? "at least " : "", all,
		human_count(all, text), all == 1 ? "entry" : "entries");
	if (p->errors_left_out)
		fprintf(g->f, ", the first %zu are shown", p->error_count);
}

static void put_errors(const struct page *g)
{
	static const char *const heads[] = {"Phase", "Path", "Reason", NULL};
	const struct picture *p = g->picture;

	if (p->trouble) {
		fputs("<p class=\"none\">The manifest cannot be read: ", g->f);
		put_text(g->f, strerrordesc_np(-p->trouble));
		fputs(".</p>\n", g->f);
	}
	if (p->error_count == 0) {
		put_none(g->f, "No entry has failed.");
		return;
	}
	begin_table(g->f, "errors", heads);
	for (size_t i = 0; i < p->error_count; i++) {
		const struct picture_error *e = &p->errors[i];
		char room[REASON_ROOM];

		fprintf(g->f,
			"<tr><td class=\"word\">%s</td><td class=\"path "
			"mono\">",
			entry_phase_name(e->phase));
		put_text(g->f, e->path);
		fputs("</td><td>", g->f);
		put_text(g->f, reason_text(e->error, e->phase, room));
		fputs("</td></tr>\n", g->f);
	}
	end_table(g->f);
}

static void put_transfer_count(const struct page *g)
{
	size_t count = g->picture->snapshot.transfer_count;

	fprintf(g->f, "%zu files or batches", count);
	if (count > DASHBOARD_ROWS_MAX)
		fprintf(g->f, ", %d are shown", DASHBOARD_ROWS_MAX);
}

static void put_transfer(FILE *f, const struct snapshot_transfer *t)
{
	double share =
	    t->bytes > 0 ? (double)t->done_bytes / (double)t->bytes : 0;
	char a[HUMAN_SIZE], b[HUMAN_SIZE];

	if (share > 1)
		share = 1;
	fputs("<tr><td class=\"path mono\">", f);
	put_text(f, t->path);
	if (t->files > 1)
		fprintf(f, " <span class=\"none\">and %u more</span>",
			t->files - 1);
	fprintf(f,
		"</td><td class=\"number\">%s of %s</td>"
		"<td><div class=\"bar\"><div style=\"width:%.1f%%\"></div>"
		"</div></td></tr>\n",
		human_bytes((double)t->done_bytes, a),
		human_bytes((double)t->bytes, b), share * 100);
}

static void put_transfers(const struct page *g)
{
	static const char *const heads[] = {"Path", "#Data", "Progress", NULL};
	const struct snapshot *s = &g->picture->snapshot;

	if (s->transfer_count == 0) {
		put_none(g->f, "Nothing is on its way.");
		return;
	}
	begin_table(g->f, "transfers", heads);
	for (size_t i = 0; i < s->transfer_count && i < DASHBOARD_ROWS_MAX; i++)
		put_transfer(g->f, &s->transfers[i]);
	end_table(g->f);
}

/* --- History ------------------------------------------------------------- */

/* A number of a summary; 0 when it has none. */
static uint64_t number_of(const json_t *summary, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(summary, key));

	return n > 0 ? (uint64_t)n : 0;
}

static const char *status_mood(const char *status)
{
	if (!strcmp(status, "SUCCESS"))
		return "good";
	if (!strcmp(status, "ERROR"))
		return "bad";
	return !strcmp(status, "RUNNING") ? "busy" : "warn";
}

/* What is known of it only when it has ended. */
static void put_outcome(FILE *f, const struct picture_execution *x)
{
	json_t *summary = json_loads(x->summary, 0, NULL);
	uint64_t bytes = number_of(summary, "BytesTransferred");
	int64_t ns = x->ended_ns - x->started_ns;
	char text[HUMAN_SIZE];

	fprintf(f, "<td class=\"number\">%s</td>", human_duration(ns, text));
	fprintf(f, "<td class=\"number\">%s</td>",
		human_count(number_of(summary, "FilesTransferred"), text));
	fprintf(f, "<td class=\"number\">%s</td>",
		human_bytes((double)bytes, text));
	fprintf(f, "<td class=\"number\">%s/s</td>",
		human_bytes(ns > 0 ? (double)bytes * NS_PER_S / (double)ns : 0,
			    text));
	fprintf(f, "<td class=\"number\">%s</td>",
		human_count(number_of(summary, "FilesFailed"), text));
	json_decref(summary);
}

static void put_execution(FILE *f, const struct picture_execution *x)
{
	char text[HUMAN_SIZE];

	fprintf(f,
		"<tr><td>%" PRIu64 "</td><td class=\"word\">%s</td>"
		"<td class=\"word\"><span class=\"pill %s\">",
		x->id, human_time(x->started_ns, text), status_mood(x->status));
	put_text(f, x->status);
	fputs("</span></td>", f);
	if (x->ended_ns)
		put_outcome(f, x);
	else
		fputs("<td colspan=\"5\"></td>", f);
	fputs("</tr>\n", f);
}

static void put_history(const struct page *g)
{
	static const char *const heads[] = {"Execution", "Start",   "Status",
					    "#Duration", "#Files",  "#Data",
					    "#Rate",     "#Errors", NULL};
	const struct picture *p = g->picture;

	if (p->execution_count == 0) {
		put_none(g->f, "There was none yet.");
		return;
	}
	begin_table(g->f, "history", heads);
	for (size_t i = 0; i < p->execution_count; i++)
		put_execution(g->f, &p->executions[i]);
	end_table(g->f);
}

/* --- All numbers --------------------------------------------------------- */

/* Every key of status.json: for people, and in data-value exactly as there. */
static void put_numbers(const struct page *g)
{
	const char *key;
	json_t *value;

	json_object_foreach(g->root, key, value)
	{
		CLEANUP_FREE char *text = json_dumps(
		    value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		char shown[HUMAN_SIZE];

		fputs("<div><dt>", g->f);
		put_text(g->f, key);
		fputs("</dt><dd data-key=\"", g->f);
		put_text(g->f, key);
		fputs("\" data-value=\"", g->f);
		put_text(g->f, text ? text : "?");
		fputs("\">", g->f);
		if (json_is_string(value))
			put_text(g->f, json_string_value(value));
		else if (json_is_integer(value))
			fputs(human_count((uint64_t)json_integer_value(value),
					  shown),
			      g->f);
		else
			put_text(g->f, json_is_null(value) ? "-"
				       : text              ? text
							   : "?");
		fputs("</dd></div>\n", g->f);
	}
}

/* As the content of a script element, which "</script" or "<!--" would end or
 * change: in JSON a '<' can be written otherwise. */
static void put_json(const struct page *g)
{
	for (const char *c = g->json; *c; c++)
		if (*c == '<')
			fputs("\\u003c", g->f);
		else
			fputc(*c, g->f);
}

/* --- The page ------------------------------------------------------------ */

static const struct {
	const char *word;
	void (*put)(const struct page *g);
} parts[] = {
    {"bar", put_bar},
    {"destination", put_destination},
    {"error_count", put_error_count},
    {"errors", put_errors},
    {"history", put_history},
    {"json", put_json},
    {"lead", put_lead},
    {"mountpoint", put_mountpoint},
    {"now", put_now},
    {"numbers", put_numbers},
    {"percent", put_percent},
    {"plot_bytes", put_plot_bytes},
    {"plot_files", put_plot_files},
    {"refresh", put_refresh},
    {"source", put_source},
    {"state", put_state},
    {"task", put_task},
    {"tiles", put_tiles},
    {"transfer_count", put_transfer_count},
    {"transfers", put_transfers},
    {"version", put_version},
};

static int put_part(const struct page *g, const char *word, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strlen(parts[i].word) == size &&
		    !memcmp(parts[i].word, word, size)) {
			parts[i].put(g);
			return 0;
		}
	return -EINVAL;
}

static int fill_template(const struct page *g)
{
	const char *at = dashboard_html;
	int r = 0;

	while (r == 0) {
		const char *open = strstr(at, "{{");
		const char *close = open ? strstr(open, "}}") : NULL;

		if (!close) {
			fputs(at, g->f);
			break;
		}
		fwrite(at, 1, (size_t)(open - at), g->f);
		r = put_part(g, open + 2, (size_t)(close - open - 2));
		at = close + 2;
	}
	return r;
}

static int make_json(struct page *g)
{
	size_t size;
	FILE *f = open_memstream(&g->json, &size);

	if (!f)
		return -ENOMEM;
	render_status_json(f, g->picture);
	if (fclose(f) != 0)
		return -ENOMEM;
	g->root = json_loads(g->json, 0, NULL);
	return g->root ? 0 : -ENOMEM;
}

int dashboard_render(FILE *f, const struct picture *p)
{
	struct page g = {.f = f, .picture = p};
	int r = make_json(&g);

	if (r == 0)
		r = fill_template(&g);
	json_decref(g.root);
	free(g.json);
	return r;
}
