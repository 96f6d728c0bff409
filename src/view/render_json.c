/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names are those of DataSync's DescribeTaskExecution where it has them;
 * the counters share the summary's table (sync/summary.h). */
#include "view/render.h"

#include "base/clock.h"
#include "base/jsonout.h"
#include "sync/engine.h"
#include "sync/summary.h"
#include "view/picture.h"

static void put_time(struct jsonout *j, const char *key, int64_t wall_ns)
{
	char text[SUMMARY_TIME];

	jsonout_string(j, key, wall_ns ? summary_time(wall_ns, text) : NULL);
}

static void put_ms(struct jsonout *j, const char *key, int64_t ns)
{
	if (ns < 0)
		jsonout_null(j, key);
	else
		jsonout_uint(j, key, (uint64_t)(ns / NS_PER_MS));
}

static void put_task(struct jsonout *j, const struct picture *p)
{
	jsonout_string(j, "Task", p->task);
	jsonout_string(j, "Source", p->location[SOURCE]);
	jsonout_string(j, "Destination", p->location[DESTINATION]);
	jsonout_string(j, "Mountpoint", p->mountpoint);
}

/* How the execution under way stands, or how the last one ended. */
static void put_execution(struct jsonout *j, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;
	bool running = picture_is_running(p);

	jsonout_string(j, "State", snapshot_state_name(s->state));
	jsonout_uint(j, "Execution", s->execution);
	jsonout_string(j, "Phase",
		       running ? snapshot_phase_name(s->phase, s->scanned)
			       : NULL);
	jsonout_string(j, "Status",
		       running    ? "RUNNING"
		       : s->ended ? summary_status(s->status)
				  : NULL);
	if (s->ended)
		jsonout_uint(j, "ExitStatus",
			     (uint64_t)summary_exit_status(s->status));
	else
		jsonout_null(j, "ExitStatus");
	jsonout_uint(j, "EndedExecution", s->ended ? s->ended_execution : 0);
	jsonout_uint(j, "RequestedExecution", s->requested);
	put_time(j, "StartTime", s->execution ? s->started_ns : 0);
	put_time(j, "EndTime", s->ended && !running ? s->ended_ns : 0);
	put_time(j, "NextTime", s->next_ns);
	put_time(j, "SourceSilentSince", s->silent_ns[SOURCE]);
	put_time(j, "DestinationSilentSince", s->silent_ns[DESTINATION]);
}

/* null where there is none. */
static void put_limit(struct jsonout *j, const char *key, uint64_t n)
{
	if (n)
		jsonout_uint(j, key, n);
	else
		jsonout_null(j, key);
}

static void put_progress(struct jsonout *j, const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	put_ms(j, "Elapsed", s->elapsed_ns);
	put_ms(j, "Eta", picture_is_running(p) ? s->eta_ns : -1);
	jsonout_real(j, "Progress", snapshot_progress(s));
	jsonout_bool(j, "Scanned", s->scanned);
	jsonout_uint(j, "Jobs", s->jobs);
	put_limit(j, "BytesPerSecondLimit", s->limit_bytes_per_s);
	put_limit(j, "OperationsPerSecondLimit", s->limit_iops);
	jsonout_real(j, "BytesPerSecond", s->bytes_per_s);
	jsonout_real(j, "FilesPerSecond", s->files_per_s);
	jsonout_real(j, "EntriesPerSecond", s->entries_per_s);
}

static void put_counters(struct jsonout *j, const struct snapshot *s)
{
	size_t count;
	const struct summary_key *keys = summary_get_keys(&count);

	for (size_t i = 0; i < count; i++)
		jsonout_uint(j, keys[i].key, s->counter[keys[i].counter]);
	jsonout_uint(j, "RequestsToSource", s->requests[SOURCE]);
	jsonout_uint(j, "RequestsToDestination", s->requests[DESTINATION]);
}

void render_status_json(FILE *f, const struct picture *p)
{
	struct jsonout j = jsonout_to(f, true);

	jsonout_begin_object(&j, NULL);
	put_task(&j, p);
	put_execution(&j, p);
	put_progress(&j, p);
	put_counters(&j, &p->snapshot);
	jsonout_end_object(&j);
	fputc('\n', f);
}

void render_task_json(FILE *f, const struct picture *p)
{
	struct jsonout j = jsonout_to(f, true);

	jsonout_begin_object(&j, NULL);
	put_task(&j, p);
	jsonout_string(&j, "StateDirectory", p->state_directory);
	if (p->interval_ns)
		jsonout_uint(&j, "Interval",
			     (uint64_t)(p->interval_ns / NS_PER_MS));
	else
		jsonout_null(&j, "Interval");
	jsonout_uint(&j, "Jobs", p->snapshot.jobs);
	jsonout_key(&j, "Options");
	summary_print_options(f, &p->options);
	jsonout_end_object(&j);
	fputc('\n', f);
}

/* What the manifest has of an execution that was killed, or is under way, is
 * little more than that it began. */
void render_summary_json(FILE *f, const struct picture_execution *x)
{
	struct jsonout j = jsonout_to(f, true);

	if (*x->summary) {
		fprintf(f, "%s\n", x->summary);
		return;
	}
	jsonout_begin_object(&j, NULL);
	jsonout_uint(&j, "Execution", x->id);
	jsonout_string(&j, "Status", x->status);
	put_time(&j, "StartTime", x->started_ns);
	put_time(&j, "EndTime", x->ended_ns);
	jsonout_end_object(&j);
	fputc('\n', f);
}
