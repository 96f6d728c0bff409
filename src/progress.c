/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/log.h"
#include "sync/snapshot.h"

/* Back to the first column, and away with what is there. */
#define CLEAR_LINE "\r\033[K"

#define BAR_WIDTH 20

struct progress {
	bool bar;
};

struct progress *progress_new(bool bar)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bar = bar;
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

static const char *phase_text(const struct snapshot *s)
{
	if (s->state == SNAPSHOT_PAUSED)
		return "paused";
	if (s->silent_ns[SOURCE] || s->silent_ns[DESTINATION])
		return "waiting";
	switch (s->phase) {
	case ENGINE_STARTING:
		return "starting";
	case ENGINE_RUNNING:
		return s->scanned ? "copying" : "scanning";
	case ENGINE_RETRYING:
		return "retrying";
	case ENGINE_PRUNING:
		return "deleting";
	case ENGINE_COMPARING:
		return "verifying";
	case ENGINE_ENDING:
		return "ending";
	}
	return "?";
}

static void format_line(const struct snapshot *s, char *text, size_t size)
{
	double share = snapshot_progress(s);
	char bar[BAR_WIDTH + 1], written[HUMAN_SIZE], rate[HUMAN_SIZE],
	    left[HUMAN_SIZE] = "-:--";
	uint64_t failed = s->counter[COUNT_FAILED];
	int n;

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)(share * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	if (s->eta_ns >= 0)
		human_seconds(s->eta_ns / NS_PER_S, left);
	n = snprintf(
	    text, size,
	    "%-8s [%s] %" PRIu64 "/%" PRIu64 " files %s, "
	    "%.0f files/s %s/s, %" PRIu64 " seen, ETA %s",
	    phase_text(s), bar, s->counter[COUNT_DONE],
	    s->counter[COUNT_PLANNED],
	    human_bytes((double)s->counter[COUNT_BYTES_WRITTEN], written),
	    s->files_per_s, human_bytes(s->bytes_per_s, rate),
	    s->counter[COUNT_LISTED], left);
	if (failed > 0 && n > 0 && (size_t)n < size)
		snprintf(text + n, size - (size_t)n, ", %" PRIu64 " failed",
			 failed);
}

void progress_update(struct progress *p, const struct snapshot *s)
{
	struct winsize w = {0};
	char line[256];

	if (!p->bar)
		return;
	format_line(s, line, sizeof(line));
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

void progress_print(struct progress *p, const struct snapshot *s)
{
	char line[256];

	format_line(s, line, sizeof(line));
	fprintf(stderr, "%sefsbridge: %s\n", p->bar ? CLEAR_LINE : "", line);
	fflush(stderr);
}

/* "text" of `count` things, left out when there are none. */
static void say_some(const struct snapshot *s, enum counter which,
		     const char *text)
{
	uint64_t n = s->counter[which];

	if (n > 0)
		log_notice("%" PRIu64 " %s", n, text);
}

void progress_finish(struct progress *p, const struct snapshot *s,
		     enum engine_status status)
{
	const uint64_t *c = s->counter;
	double seconds = (double)s->elapsed_ns / NS_PER_S;
	char written[HUMAN_SIZE], rate[HUMAN_SIZE];
	double bytes = (double)c[COUNT_BYTES_WRITTEN];

	if (p->bar)
		fputs(CLEAR_LINE, stderr);
	log_notice(
	    "%s in %.1f s: %" PRIu64 " entries seen, %" PRIu64
	    " files and %" PRIu64 " directories copied (%s, %.0f "
	    "files/s, %s/s), %" PRIu64 " verified, %" PRIu64 " unchanged",
	    status == ENGINE_SUCCESS    ? "done"
	    : status == ENGINE_FAILURES ? "done with failures"
	    : status == ENGINE_LIMITED  ? "done, but nothing was removed"
	    : status == ENGINE_TIME_UP  ? "time is up"
					: "stopped",
	    seconds, c[COUNT_LISTED], c[COUNT_TRANSFERRED],
	    c[COUNT_TRANSFERRED_DIRECTORIES], human_bytes(bytes, written),
	    seconds > 0 ? (double)c[COUNT_TRANSFERRED] / seconds : 0,
	    human_bytes(seconds > 0 ? bytes / seconds : 0, rate),
	    c[COUNT_VERIFIED], c[COUNT_UNCHANGED]);
	say_some(s, COUNT_METADATA, "had only their attributes set");
	say_some(s, COUNT_METADATA_SKIPPED,
		 "lack attributes that may not be set (skipped metadata)");
	say_some(s, COUNT_LINK_LIMIT,
		 "hard links copied as files of their own: the server's link "
		 "limit was reached");
	if (c[COUNT_SKIPPED] > c[COUNT_LEFT])
		log_notice("%" PRIu64 " skipped: devices are not copied",
			   c[COUNT_SKIPPED] - c[COUNT_LEFT]);
	say_some(s, COUNT_LEFT,
		 "skipped: they differ on the destination, and "
		 "--overwrite=never leaves them as they are");
	say_some(s, COUNT_FILTERED, "left out by the filter");
	say_some(s, COUNT_VANISHED, "vanished from the source meanwhile");
	say_some(s, COUNT_CHANGED,
		 "changed on the source since they were copied");
	say_some(s, COUNT_DELETED,
		 "files removed, only the destination had them");
	say_some(s, COUNT_DELETED_DIRECTORIES, "directories removed likewise");
	say_some(s, COUNT_KEPT, "only on the destination, kept");
	if (c[COUNT_MISMATCHED])
		log_error("%" PRIu64 " entries differ between both sides, see "
			  "above",
			  c[COUNT_MISMATCHED]);
	if (c[COUNT_FAILED])
		log_error("%" PRIu64 " entries failed, see above; run again "
			  "to retry",
			  c[COUNT_FAILED]);
}
