/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is read here was written by this program, perhaps by another version
 * of it, or lies under a mount point where somebody else serves files: keys
 * that are missing or of another type count as absent.
 */
#include "standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/manifest.h"
#include "sync/summary.h"

/* No text of ours comes near. */
#define TEXT_MAX (1024 * 1024)

void standing_done(struct standing *s)
{
	snapshot_done(&s->snapshot);
	free(s->status);
	free(s->task);
	free(s->source);
	free(s->destination);
	free(s->mountpoint);
	*s = (struct standing){.exit_status = -1};
}

/* --- From an object ------------------------------------------------------- */

static uint64_t get_count(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* -1 for what is null or absent. */
static int64_t get_ms(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);
	double ms = json_number_value(value);

	if (!json_is_number(value) || !(ms >= 0 && ms < 9e12))
		return -1;
	return (int64_t)(ms * NS_PER_MS);
}

/* Wall clock of "2026-03-01T08:30:00Z"; 0 for what is none. */
static int64_t get_time(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	struct tm tm = {0};

	if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return 0;
	return clock_join_ns(timegm(&tm), 0);
}

static char *get_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? strdup(text) : NULL;
}

static enum snapshot_state get_state(const json_t *o)
{
	const char *text = json_string_value(json_object_get(o, "State"));

	for (int i = SNAPSHOT_IDLE; text && i <= SNAPSHOT_ENDING; i++)
		if (!strcmp(text, snapshot_state_name((enum snapshot_state)i)))
			return (enum snapshot_state)i;
	return SNAPSHOT_IDLE;
}

static void get_phase(const json_t *o, struct snapshot *s)
{
	const char *text = json_string_value(json_object_get(o, "Phase"));

	s->phase = ENGINE_ENDING;
	for (int i = ENGINE_STARTING; text && i <= ENGINE_ENDING; i++)
		for (int scanned = 0; scanned <= 1; scanned++)
			if (!strcasecmp(
				text, snapshot_phase_name((enum engine_phase)i,
							  scanned)))
				s->phase = (enum engine_phase)i;
}

static void get_counters(const json_t *o, struct snapshot *s)
{
	size_t count;
	const struct summary_key *keys = summary_get_keys(&count);

	for (size_t i = 0; i < count; i++)
		s->counter[keys[i].counter] = get_count(o, keys[i].key);
	s->requests[SOURCE] = get_count(o, "RequestsToSource");
	s->requests[DESTINATION] = get_count(o, "RequestsToDestination");
}

static void get_snapshot(const json_t *o, struct snapshot *s)
{
	*s =
	    (struct snapshot){.state = get_state(o), .now_ns = clock_wall_ns()};
	s->execution = get_count(o, "Execution");
	get_phase(o, s);
	get_counters(o, s);
	s->scanned = json_is_true(json_object_get(o, "Scanned"));
	s->jobs = (unsigned)get_count(o, "Jobs");
	s->limit_bytes_per_s = get_count(o, "BytesPerSecondLimit");
	s->limit_iops = get_count(o, "OperationsPerSecondLimit");
	s->started_ns = get_time(o, "StartTime");
	s->elapsed_ns = get_ms(o, "Elapsed");
	if (s->elapsed_ns < 0)
		s->elapsed_ns = get_ms(o, "TotalDuration");
	if (s->elapsed_ns < 0)
		s->elapsed_ns = 0;
	s->eta_ns = get_ms(o, "Eta");
	s->bytes_per_s =
	    json_number_value(json_object_get(o, "BytesPerSecond"));
	s->files_per_s =
	    json_number_value(json_object_get(o, "FilesPerSecond"));
	s->entries_per_s =
	    json_number_value(json_object_get(o, "EntriesPerSecond"));
	s->ended_execution = get_count(o, "EndedExecution");
	s->ended = s->ended_execution > 0;
	s->ended_ns = get_time(o, "EndTime");
	s->requested = get_count(o, "RequestedExecution");
	s->next_ns = get_time(o, "NextTime");
	s->silent_ns[SOURCE] = get_time(o, "SourceSilentSince");
	s->silent_ns[DESTINATION] = get_time(o, "DestinationSilentSince");
}

static void get_standing(const json_t *o, struct standing *ret)
{
	const json_t *code = json_object_get(o, "ExitStatus");
	const json_t *progress = json_object_get(o, "Progress");

	get_snapshot(o, &ret->snapshot);
	ret->progress = json_is_number(progress)
			    ? json_number_value(progress)
			    : snapshot_progress(&ret->snapshot);
	ret->exit_status =
	    json_is_integer(code) ? (int)json_integer_value(code) : -1;
	ret->status = get_text(o, "Status");
	ret->task = get_text(o, "Task");
	ret->source = get_text(o, "Source");
	ret->destination = get_text(o, "Destination");
	ret->mountpoint = get_text(o, "Mountpoint");
}

int standing_parse(const char *text, struct standing *ret)
{
	json_t *o = json_loads(text, 0, NULL);
	int r = json_is_integer(json_object_get(o, "Execution")) ? 0 : -EUCLEAN;

	if (r == 0)
		get_standing(o, ret);
	json_decref(o);
	return r;
}

/* --- From a mount --------------------------------------------------------- */

/* The size of a file of .sync is not known before it is read. */
static int read_all(int fd, char **ret)
{
	CLEANUP_FREE char *text = malloc(TEXT_MAX + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	while (len < TEXT_MAX &&
	       (n = read(fd, text + len, TEXT_MAX - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = steal(text);
	return 0;
}

int standing_load(const char *mountpoint, const char *sync_directory,
		  const char *name, char **ret)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s/%s/%s", mountpoint, sync_directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : read_all(fd, ret);
}

/* --- From a manifest ------------------------------------------------------ */

/* How far back to look for one that has ended. */
#define LOOK_BACK 100

struct looking {
	struct standing *standing;
	bool held;
	bool with_counters; /* have been found */
};

/* The counters and locations of an ended execution, in its summary. */
static void take_summary(struct looking *l, const struct manifest_execution *x)
{
	struct standing *s = l->standing;
	json_t *o = json_loads(x->summary, 0, NULL);

	if (!o)
		return;
	get_counters(o, &s->snapshot);
	/* Not by the wall clock, which may have been put right meanwhile. */
	s->snapshot.elapsed_ns = get_ms(o, "TotalDuration");
	if (s->snapshot.elapsed_ns < 0)
		s->snapshot.elapsed_ns = 0;
	s->source = get_text(o, "Source");
	s->destination = get_text(o, "Destination");
	l->with_counters = true;
	json_decref(o);
}

/* Newest first. */
static int look_at(const struct manifest_execution *x, void *user)
{
	struct looking *l = user;
	struct standing *s = l->standing;
	bool running = !strcmp(x->status, "RUNNING");

	if (s->snapshot.execution == 0) {
		s->snapshot.execution = x->id;
		s->snapshot.started_ns = x->started_ns;
		if (running && l->held)
			s->snapshot.state = SNAPSHOT_RUNNING;
		s->status =
		    strdup(running && !l->held ? "INTERRUPTED" : x->status);
		if (!s->status)
			return -ENOMEM;
	}
	if (x->ended_ns && !s->snapshot.ended) {
		s->snapshot.ended = true;
		s->snapshot.ended_execution = x->id;
		s->snapshot.ended_ns = x->ended_ns;
	}
	if (x->ended_ns && x->summary[0])
		take_summary(l, x);
	return l->with_counters;
}

int standing_from_manifest(const char *directory, bool held,
			   struct standing *ret, char *error, size_t error_size)
{
	struct standing s = {.exit_status = -1, .snapshot.eta_ns = -1};
	struct looking l = {.standing = &s, .held = held};
	struct manifest_reader *reader;
	struct manifest *m;
	int r;

	r = manifest_open_read(directory, &m, error, error_size);
	if (r < 0)
		return r;
	reader = manifest_reader_new(m);
	r = reader ? manifest_each_execution(reader, 0, LOOK_BACK, look_at, &l)
		   : -ENOMEM;
	manifest_reader_free(reader);
	manifest_close(m);
	if (r < 0) {
		snprintf(error, error_size,
			 "%s: the manifest cannot be read: %s", directory,
			 strerror(-r));
		standing_done(&s);
		return r;
	}
	s.snapshot.now_ns = clock_wall_ns();
	s.snapshot.scanned = l.with_counters;
	s.progress = snapshot_progress(&s.snapshot);
	*ret = s;
	return 0;
}
