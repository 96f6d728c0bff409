/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plots are bars, a run each, since a manifest has what a run came to and
 * not how it went on. Whatever comes from outside goes through escape_html();
 * the page forbids itself scripts and to load anything.
 */
#include "report_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"
#include "sync/counters.h"
#include "view/plot.h"

/* Bars that can still be told from each other, and rows that are read. */
#define BARS_MAX 60
#define ROWS_MAX 500

/* Of a plot, in units of its view box; the margins hold the numbers. */
#define WIDTH       520
#define HEIGHT      210
#define LEFT        78
#define TOP         12
#define BOTTOM      26
#define STEPS       4
#define PLOT_WIDTH  (WIDTH - LEFT - 14)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

static const char style[] =
    "<style>\n"
    ":root { --page: #f5f6f8; --card: #fff; --line: #dfe3e8; --text: #18202b;"
    " --muted: #566170; --bar: #1d5fd1; --good: #16703a; --bad: #b3261e;"
    " --warn: #8a5300; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #0e1318;"
    " --card: #161d25; --line: #2a3440; --text: #e4e9ef; --muted: #9aa6b4;"
    " --bar: #6ea8fe; --good: #6fd08c; --bad: #ff8a80; --warn: #f0b458; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; background: var(--page); color: var(--text);"
    " font: 15px/1.5 system-ui, \"DejaVu Sans\", sans-serif; }\n"
    "main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 40px; }\n"
    "h1 { font-size: 22px; margin: 0; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 15px; margin: 0 0 12px; }\n"
    "p { margin: 6px 0; color: var(--muted); overflow-wrap: anywhere; }\n"
    "section { background: var(--card); border: 1px solid var(--line);"
    " border-radius: 10px; padding: 18px 20px; margin-top: 18px; }\n"
    ".two { display: grid; gap: 18px; grid-template-columns:"
    " repeat(auto-fit, minmax(320px, 1fr)); }\n"
    ".facts { display: grid; gap: 12px; grid-template-columns:"
    " repeat(auto-fit, minmax(140px, 1fr)); }\n"
    ".facts b { display: block; font-size: 22px; }\n"
    ".facts span { color: var(--muted); font-size: 13px; }\n"
    ".wide { overflow-x: auto; }\n"
    "table { border-collapse: collapse; width: 100%; font-size: 13px; }\n"
    "th, td { text-align: right; padding: 5px 10px; white-space: nowrap;"
    " border-bottom: 1px solid var(--line); }\n"
    "th { color: var(--muted); font-weight: 500; }\n"
    "td.text, th.text { text-align: left; white-space: normal;"
    " overflow-wrap: anywhere; }\n"
    ".good { color: var(--good); } .bad { color: var(--bad); }"
    " .warn { color: var(--warn); }\n"
    "svg { width: 100%; height: auto; } svg text { font-size: 12px;"
    " fill: var(--muted); } .grid, .axis { stroke: var(--line); }"
    " .bar { fill: var(--bar); }\n"
    "</style>\n";

static void put_escaped(FILE *f, const char *text)
{
	CLEANUP_FREE char *safe = escape_html(text ? text : "?");

	fputs(safe ? safe : "?", f);
}

static uint64_t count_of(const struct report_run *r, enum counter which)
{
	return r->standing.snapshot.counter[which];
}

static const char *class_of(const char *status)
{
	if (!strcmp(status, "SUCCESS"))
		return "good";
	return strcmp(status, "ERROR") ? "warn" : "bad";
}

static const char *time_text(int64_t wall_ns, char text[40])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm;

	gmtime_r(&ts.tv_sec, &tm);
	strftime(text, 40, "%Y-%m-%d %H:%M UTC", &tm);
	return text;
}

/* --- How it stands -------------------------------------------------------- */

static void put_head(FILE *f, const struct report_page *p)
{
	const struct report_run *last = p->count > 0 ? &p->runs[0] : NULL;
	char text[40];

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	      "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	      "content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" "
	      "content=\"default-src 'none'; style-src 'unsafe-inline'; "
	      "img-src data:; base-uri 'none'; form-action 'none'\">\n"
	      "<link rel=\"icon\" href=\"data:,\">\n<title>",
	      f);
	put_escaped(f, p->task);
	fputs(" - efsbridge report</title>\n", f);
	fputs(style, f);
	fputs("</head>\n<body>\n<main>\n<h1>", f);
	put_escaped(f, p->task);
	fputs("</h1>\n", f);
	if (last && last->standing.source) {
		fputs("<p>", f);
		put_escaped(f, last->standing.source);
		fputs(" &rarr; ", f);
		put_escaped(f, last->standing.destination);
		fputs("</p>\n", f);
	}
	fprintf(f, "<p>Made %s by efsbridge</p>\n",
		time_text(p->made_ns, text));
}

static void put_fact(FILE *f, const char *id, const char *value,
		     const char *what)
{
	fprintf(f, "<div><b id=\"%s\">%s</b><span>%s</span></div>\n", id, value,
		what);
}

static void put_facts(FILE *f, const struct report_page *p)
{
	uint64_t files = 0;
	double bytes = 0;
	char text[HUMAN_SIZE];

	for (size_t i = 0; i < p->count; i++) {
		bytes += (double)count_of(&p->runs[i], COUNT_BYTES_WRITTEN);
		files += count_of(&p->runs[i], COUNT_TRANSFERRED);
	}
	fputs("<section>\n<div class=\"facts\">\n", f);
	if (p->count > 0)
		fprintf(f,
			"<div><b id=\"status\" class=\"%s\">%s</b>"
			"<span>last run</span></div>\n",
			class_of(p->runs[0].status), p->runs[0].status);
	put_fact(f, "runs", human_count(p->count, text), "runs");
	put_fact(f, "bytes", human_bytes(bytes, text), "copied in them");
	put_fact(f, "files", human_count(files, text), "files copied");
	put_fact(f, "failed", human_count(p->failed, text),
		 "entries failed and not mended");
	fputs("</div>\n</section>\n", f);
}

/* --- Plots ---------------------------------------------------------------- */

static void put_grid(FILE *f, double step, bool bytes)
{
	char text[HUMAN_SIZE];

	for (int i = 0; i <= STEPS; i++) {
		int y = TOP + PLOT_HEIGHT - i * PLOT_HEIGHT / STEPS;

		fprintf(f,
			"<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%d\" "
			"y2=\"%d\"/><text x=\"%d\" y=\"%d\" "
			"text-anchor=\"end\">%s</text>\n",
			i == 0 ? "axis" : "grid", LEFT, LEFT + PLOT_WIDTH, y, y,
			LEFT - 8, y + 4,
			bytes ? human_bytes(i * step, text)
			      : human_number(i * step, text));
	}
}

/* The oldest on the left. */
static void put_bars(FILE *f, const struct report_page *p, size_t count,
		     enum counter which, double top)
{
	double slot = (double)PLOT_WIDTH / (double)count;
	double width = slot < 40 ? slot * 0.7 : 28;

	for (size_t i = 0; i < count; i++) {
		const struct report_run *r = &p->runs[count - 1 - i];
		double n = (double)count_of(r, which);
		double height = n / top * PLOT_HEIGHT;
		char text[HUMAN_SIZE];

		/* What there is can be seen. */
		if (n > 0 && height < 1)
			height = 1;
		fprintf(f,
			"<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" "
			"width=\"%.1f\" height=\"%.1f\"><title>run %" PRIu64
			": %s</title></rect>\n",
			LEFT + slot * (double)i + (slot - width) / 2,
			TOP + PLOT_HEIGHT - height, width, height, r->id,
			which == COUNT_BYTES_WRITTEN
			    ? human_bytes(n, text)
			    : human_count(count_of(r, which), text));
	}
	fprintf(f,
		"<text x=\"%d\" y=\"%d\">run %" PRIu64 "</text>"
		"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">run %" PRIu64
		"</text>\n",
		LEFT, HEIGHT - 6, p->runs[count - 1].id, LEFT + PLOT_WIDTH,
		HEIGHT - 6, p->runs[0].id);
}

static void put_plot(FILE *f, const struct report_page *p, const char *id,
		     const char *label, enum counter which)
{
	size_t count = p->count < BARS_MAX ? p->count : BARS_MAX;
	bool bytes = which == COUNT_BYTES_WRITTEN;
	double most = 0, step;

	for (size_t i = 0; i < count; i++)
		if ((double)count_of(&p->runs[i], which) > most)
			most = (double)count_of(&p->runs[i], which);
	step = plot_step(most, bytes);
	fprintf(f,
		"<section><h2>%s</h2>\n<svg id=\"%s\" viewBox=\"0 0 %d %d\" "
		"role=\"img\" aria-label=\"%s\">\n",
		label, id, WIDTH, HEIGHT, label);
	put_grid(f, step, bytes);
	put_bars(f, p, count, which, STEPS * step);
	fputs("</svg></section>\n", f);
}

/* --- Runs ----------------------------------------------------------------- */

static void put_run(FILE *f, const struct report_run *r)
{
	int64_t ns = r->standing.snapshot.elapsed_ns;
	double bytes = (double)count_of(r, COUNT_BYTES_WRITTEN);
	char start[40], took[HUMAN_SIZE], size[HUMAN_SIZE], rate[HUMAN_SIZE];
	static const enum counter columns[] = {
	    COUNT_TRANSFERRED, COUNT_VERIFIED, COUNT_UNCHANGED,
	    COUNT_DELETED,     COUNT_FAILED,
	};

	fprintf(f,
		"<tr><td>%" PRIu64 "</td><td class=\"text\">%s</td><td>%s</td>"
		"<td class=\"text %s\">%s</td><td>%s</td><td>%s/s</td>",
		r->id, time_text(r->started_ns, start),
		human_duration(ns, took), class_of(r->status), r->status,
		human_bytes(bytes, size),
		human_bytes(ns > 0 ? bytes * NS_PER_S / (double)ns : 0, rate));
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(f, "<td>%" PRIu64 "</td>", count_of(r, columns[i]));
	fputs("</tr>\n", f);
}

static void put_runs(FILE *f, const struct report_page *p)
{
	size_t count = p->count < ROWS_MAX ? p->count : ROWS_MAX;

	fputs("<section class=\"wide\"><h2>Runs</h2>\n<table id=\"table\">\n"
	      "<tr><th>Run</th><th class=\"text\">Began</th><th>Took</th>"
	      "<th class=\"text\">Ended as</th><th>Copied</th><th>Rate</th>"
	      "<th>Files</th><th>Verified</th><th>Unchanged</th>"
	      "<th>Removed</th><th>Failed</th></tr>\n",
	      f);
	for (size_t i = 0; i < count; i++)
		put_run(f, &p->runs[i]);
	fputs("</table>\n", f);
	if (count < p->count)
		fprintf(f, "<p>and %zu before them</p>\n", p->count - count);
	fputs("</section>\n", f);
}

/* --- The page ------------------------------------------------------------- */

void report_page_begin(FILE *f, const struct report_page *p)
{
	put_head(f, p);
	put_facts(f, p);
	if (p->count == 0)
		return;
	fputs("<div class=\"two\">\n", f);
	put_plot(f, p, "plot-bytes", "Bytes copied", COUNT_BYTES_WRITTEN);
	put_plot(f, p, "plot-files", "Files copied", COUNT_TRANSFERRED);
	fputs("</div>\n", f);
	put_runs(f, p);
}

void report_page_add(FILE *f, const struct report_failure *failure, size_t nth)
{
	if (nth == 0)
		fputs("<section><h2>Failed</h2>\n<table id=\"failures\">\n"
		      "<tr><th class=\"text\">Entry</th>"
		      "<th class=\"text\">Why</th><th>Run</th></tr>\n",
		      f);
	fputs("<tr><td class=\"text\">", f);
	put_escaped(f, failure->path);
	fputs("</td><td class=\"text\">", f);
	put_escaped(f, failure->reason);
	fprintf(f, "</td><td>%" PRIu64 "</td></tr>\n", failure->execution);
}

void report_page_end(FILE *f, const struct report_page *p, size_t listed)
{
	if (listed > 0)
		fputs("</table>\n", f);
	if (listed > 0 && listed < p->failed)
		fprintf(f, "<p>and %" PRIu64 " more</p>\n", p->failed - listed);
	if (listed > 0)
		fputs("</section>\n", f);
	fputs("</main>\n</body>\n</html>\n", f);
}
