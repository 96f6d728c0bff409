/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Back to the first column, and away with what is there. */
#define CLEAR_LINE "\r\033[K"

#define BAR_WIDTH 20

struct progress {
	bool bar;
	int64_t last_ns; /* of the rates below */
	uint64_t last_files;
	uint64_t last_bytes;
	double files_per_s;
	double bytes_per_s;
};

struct progress *progress_new(bool bar)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bar = bar;
	p->last_ns = clock_now_ns();
	if (bar)
		log_set_clear(CLEAR_LINE);
	return p;
}

struct progress *progress_free(struct progress *p)
{
	if (p && p->bar) {
		fputs(CLEAR_LINE, stderr);
		log_set_clear("");
	}
	free(p);
	return NULL;
}

/* "1.2 GiB" into `text`. */
static const char *format_bytes(double bytes, char text[16])
{
	static const char *const units[] = {"B",   "KiB", "MiB",
					    "GiB", "TiB", "PiB"};
	size_t unit = 0;

	while (bytes >= 1023.95 && unit < 5) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, 16, unit == 0 ? "%.0f %s" : "%.1f %s", bytes,
		 units[unit]);
	return text;
}

/* "1:02:03" or "2:03" into `text`. */
static const char *format_seconds(int64_t s, char text[24])
{
	if (s >= 3600)
		snprintf(text, 24, "%" PRId64 ":%02d:%02d", s / 3600,
			 (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(text, 24, "%d:%02d", (int)(s / 60), (int)(s % 60));
	return text;
}

/* Files and bytes that are through, of those planned. */
static uint64_t files_done(const struct counters *c)
{
	return counters_get(c, COUNT_DONE);
}

/* Rates are smoothed over some seconds, so that they can be read. */
static void update_rates(struct progress *p, const struct counters *c)
{
	int64_t now = clock_now_ns();
	double s = (double)(now - p->last_ns) / NS_PER_S;
	uint64_t files = files_done(c),
		 bytes = counters_get(c, COUNT_BYTES_WRITTEN);
	double weight = s < 4 ? s / 4 : 1;

	if (s < 0.05)
		return;
	p->files_per_s +=
	    weight * ((double)(files - p->last_files) / s - p->files_per_s);
	p->bytes_per_s +=
	    weight * ((double)(bytes - p->last_bytes) / s - p->bytes_per_s);
	p->last_ns = now;
	p->last_files = files;
	p->last_bytes = bytes;
}

/* The share of the planned work that is through, 0 to 1: by bytes and files
 * alike, since small files cost their number and large ones their bytes. */
static double share_done(const struct counters *c)
{
	double files = (double)counters_get(c, COUNT_PLANNED);
	double bytes = (double)counters_get(c, COUNT_PLANNED_BYTES);
	double done_files = (double)files_done(c);
	double done_bytes = (double)counters_get(c, COUNT_DONE_BYTES);
	double share = files > 0 ? done_files / files : 0;

	if (bytes > 0)
		share = (share + done_bytes / bytes) / 2;
	return share > 1 ? 1 : share;
}

static const char *phase_text(const struct engine *e)
{
	switch (engine_get_phase(e)) {
	case ENGINE_STARTING:
		return "starting";
	case ENGINE_RUNNING:
		return engine_is_scanned(e) ? "copying" : "scanning";
	case ENGINE_RETRYING:
		return "retrying";
	case ENGINE_ENDING:
		return "ending";
	}
	return "?";
}

/* Time left: unknown until the scan has ended. */
static const char *format_left(const struct engine *e, double share,
			       char text[24])
{
	double elapsed = (double)engine_get_elapsed_ns(e) / NS_PER_S;

	if (!engine_is_scanned(e) || share < 0.01)
		return "-:--";
	return format_seconds((int64_t)(elapsed * (1 - share) / share), text);
}

static void format_line(struct progress *p, const struct engine *e, char *line,
			size_t size)
{
	const struct counters *c = engine_get_counters(e);
	double share = share_done(c);
	char bar[BAR_WIDTH + 1], written[16], rate[16], left[24];
	int full = (int)(share * BAR_WIDTH);
	uint64_t failed = counters_get(c, COUNT_FAILED);
	int n;

	update_rates(p, c);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)full);
	bar[BAR_WIDTH] = '\0';
	n = snprintf(
	    line, size,
	    "%-8s [%s] %" PRIu64 "/%" PRIu64 " files %s, "
	    "%.0f files/s %s/s, %" PRIu64 " seen, ETA %s",
	    phase_text(e), bar, files_done(c), counters_get(c, COUNT_PLANNED),
	    format_bytes((double)counters_get(c, COUNT_BYTES_WRITTEN), written),
	    p->files_per_s, format_bytes(p->bytes_per_s, rate),
	    counters_get(c, COUNT_LISTED), format_left(e, share, left));
	if (failed > 0 && n > 0 && (size_t)n < size)
		snprintf(line + n, size - (size_t)n, ", %" PRIu64 " failed",
			 failed);
}

void progress_update(struct progress *p, const struct engine *e)
{
	struct winsize w = {0};
	char line[256];

	if (!p->bar)
		return;
	format_line(p, e, line, sizeof(line));
	/* A line that wraps could not be taken away again. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 &&
	    w.ws_col < sizeof(line))
		line[w.ws_col - 1] = '\0';
	flockfile(stderr);
	fputs(CLEAR_LINE, stderr);
	fputs(line, stderr);
	fflush(stderr);
	funlockfile(stderr);
}

void progress_print(struct progress *p, const struct engine *e)
{
	char line[256];

	format_line(p, e, line, sizeof(line));
	fprintf(stderr, "%sefsbridge: %s\n", p->bar ? CLEAR_LINE : "", line);
	fflush(stderr);
}

/* "text" of `count` things, left out when there are none. */
static void say_some(const struct counters *c, enum counter which,
		     const char *text)
{
	uint64_t n = counters_get(c, which);

	if (n > 0)
		log_notice("%" PRIu64 " %s", n, text);
}

void progress_finish(struct progress *p, const struct engine *e,
		     enum engine_status status)
{
	const struct counters *c = engine_get_counters(e);
	double s = (double)engine_get_elapsed_ns(e) / NS_PER_S;
	char written[16], rate[16];
	uint64_t bytes = counters_get(c, COUNT_BYTES_WRITTEN);

	if (p->bar)
		fputs(CLEAR_LINE, stderr);
	log_notice(
	    "%s in %.1f s: %" PRIu64 " entries seen, %" PRIu64
	    " files and %" PRIu64 " directories copied (%s, %.0f "
	    "files/s, %s/s), %" PRIu64 " verified, %" PRIu64 " unchanged",
	    status == ENGINE_SUCCESS    ? "done"
	    : status == ENGINE_FAILURES ? "done with failures"
					: "stopped",
	    s, counters_get(c, COUNT_LISTED),
	    counters_get(c, COUNT_TRANSFERRED),
	    counters_get(c, COUNT_TRANSFERRED_DIRECTORIES),
	    format_bytes((double)bytes, written),
	    s > 0 ? (double)counters_get(c, COUNT_TRANSFERRED) / s : 0,
	    format_bytes(s > 0 ? (double)bytes / s : 0, rate),
	    counters_get(c, COUNT_VERIFIED), counters_get(c, COUNT_UNCHANGED));
	say_some(c, COUNT_METADATA, "had only their attributes set");
	say_some(c, COUNT_METADATA_SKIPPED,
		 "lack attributes that may not be set (skipped metadata)");
	say_some(c, COUNT_LINK_LIMIT,
		 "hard links copied as files of their own: the server's link "
		 "limit was reached");
	say_some(c, COUNT_SKIPPED, "skipped: devices are not copied");
	say_some(c, COUNT_VANISHED, "vanished from the source meanwhile");
	say_some(c, COUNT_KEPT, "only on the destination, kept");
	if (counters_get(c, COUNT_MISMATCHED))
		log_error("verification found %" PRIu64
			  " unchanged files whose content differs on the "
			  "destination",
			  counters_get(c, COUNT_MISMATCHED));
	if (counters_get(c, COUNT_FAILED))
		log_error("%" PRIu64 " entries failed, see above; run again "
			  "to retry",
			  counters_get(c, COUNT_FAILED));
}
