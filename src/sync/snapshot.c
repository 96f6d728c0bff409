/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void snapshot_done(struct snapshot *s)
{
	for (size_t i = 0; i < s->transfer_count; i++)
		free(s->transfers[i].path);
	free(s->transfers);
	free(s->samples);
	s->transfers = NULL;
	s->samples = NULL;
	s->transfer_count = 0;
	s->sample_count = 0;
}

double snapshot_progress(const struct snapshot *s)
{
	double files = (double)s->counter[COUNT_PLANNED];
	double bytes = (double)s->counter[COUNT_PLANNED_BYTES];
	double done_files = (double)s->counter[COUNT_DONE];
	double done_bytes =
	    (double)(s->counter[COUNT_DONE_BYTES] + s->moving_bytes);
	double share = files > 0 ? done_files / files : s->scanned ? 1 : 0;

	if (bytes > 0)
		share =
		    (share + (done_bytes < bytes ? done_bytes / bytes : 1)) / 2;
	return share > 1 ? 1 : share;
}

const char *snapshot_state_name(enum snapshot_state state)
{
	static const char *const names[] = {
	    [SNAPSHOT_IDLE] = "IDLE",
	    [SNAPSHOT_RUNNING] = "RUNNING",
	    [SNAPSHOT_PAUSED] = "PAUSED",
	    [SNAPSHOT_ENDING] = "ENDING",
	};

	return names[state];
}

const char *snapshot_phase_name(enum engine_phase phase, bool scanned)
{
	switch (phase) {
	case ENGINE_STARTING:
		return "STARTING";
	case ENGINE_RUNNING:
		return scanned ? "COPYING" : "SCANNING";
	case ENGINE_RETRYING:
		return "RETRYING";
	case ENGINE_PRUNING:
		return "DELETING";
	case ENGINE_COMPARING:
		return "VERIFYING";
	case ENGINE_ENDING:
		return "ENDING";
	}
	return "ENDING";
}

/* What engine_each_transfer() gathers into. */
struct gathering {
	struct snapshot *snapshot;
	bool with_list;
	int result;
};

static int add_transfer(struct snapshot *s, const struct engine_transfer *t)
{
	struct snapshot_transfer *grown = reallocarray(
	    s->transfers, s->transfer_count + 1, sizeof(*s->transfers));
	char *path;

	if (!grown)
		return -ENOMEM;
	s->transfers = grown;
	path = strdup(t->path);
	if (!path)
		return -ENOMEM;
	s->transfers[s->transfer_count++] = (struct snapshot_transfer){
	    .path = path,
	    .files = t->files,
	    .bytes = t->bytes,
	    .done_bytes = t->done_bytes,
	};
	return 0;
}

static void gather(const struct engine_transfer *t, void *user)
{
	struct gathering *g = user;

	g->snapshot->moving_bytes += t->done_bytes;
	if (g->with_list && g->result == 0)
		g->result = add_transfer(g->snapshot, t);
}

int snapshot_take_engine(struct snapshot *s, struct engine *e, bool with_list)
{
	struct gathering g = {.snapshot = s, .with_list = with_list};
	const struct counters *c = engine_get_counters(e);

	s->phase = engine_get_phase(e);
	s->scanned = engine_is_scanned(e);
	s->elapsed_ns = engine_get_elapsed_ns(e);
	s->jobs = engine_get_jobs(e);
	s->limit_bytes_per_s = engine_get_bandwidth(e);
	s->limit_iops = engine_get_iops(e);
	s->moving_bytes = 0;
	for (int side = 0; side < SIDES; side++)
		s->silent_ns[side] = engine_get_silent_ns(e, (enum side)side);
	engine_each_transfer(e, gather, &g);
	for (int i = 0; i < COUNTERS; i++)
		s->counter[i] = counters_get(c, (enum counter)i);
	return g.result;
}

struct snapshot_sample snapshot_get_sample(const struct snapshot *s)
{
	return (struct snapshot_sample){
	    .elapsed_ns = s->elapsed_ns,
	    .bytes = s->counter[COUNT_BYTES_WRITTEN],
	    .files = s->counter[COUNT_DONE],
	    .listed = s->counter[COUNT_LISTED],
	};
}
