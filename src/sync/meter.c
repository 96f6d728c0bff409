/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When the samples fill the table, every second one is dropped and from then
 * on they are taken half as often: so a plot always shows the whole execution,
 * with 300 to 600 points after the first ten minutes. The rates need seconds
 * and have a small circle of their own.
 */
#include "sync/meter.h"

#include "base/clock.h"

/* A sampler that wakes a little early does not miss its second. */
#define EARLY_NS (20 * NS_PER_MS)

void meter_start(struct meter *m)
{
	m->count = 1;
	m->sample[0] = (struct snapshot_sample){0};
	m->step = 1;
	m->recent_count = 1;
	m->recent[0] = m->sample[0];
}

static bool is_due(const struct snapshot_sample *last,
		   const struct snapshot_sample *now, unsigned seconds)
{
	return now->elapsed_ns - last->elapsed_ns >=
	       seconds * NS_PER_S - EARLY_NS;
}

static void thin_out(struct meter *m)
{
	for (size_t i = 0; i < SNAPSHOT_SAMPLES / 2; i++)
		m->sample[i] = m->sample[2 * i];
	m->count = SNAPSHOT_SAMPLES / 2;
	m->step *= 2;
}

void meter_add(struct meter *m, const struct snapshot_sample *now)
{
	size_t last = (m->recent_count - 1) % METER_WINDOW;

	if (is_due(&m->recent[last], now, 1))
		m->recent[m->recent_count++ % METER_WINDOW] = *now;
	if (m->count == SNAPSHOT_SAMPLES)
		thin_out(m);
	if (is_due(&m->sample[m->count - 1], now, m->step))
		m->sample[m->count++] = *now;
}

/* The oldest sample of the window. */
static const struct snapshot_sample *window_start(const struct meter *m)
{
	return &m->recent[m->recent_count < METER_WINDOW
			      ? 0
			      : m->recent_count % METER_WINDOW];
}

static double rate(uint64_t from, uint64_t to, int64_t ns)
{
	if (ns <= 0 || to <= from)
		return 0;
	return (double)(to - from) * NS_PER_S / (double)ns;
}

/*
 * Seconds until `done` has become `planned` at `per_s`, or, when nothing moved
 * lately, at the pace of the whole execution; -1: cannot be told.
 */
static double seconds_left(uint64_t done, uint64_t planned, double per_s,
			   int64_t elapsed_ns)
{
	if (done >= planned)
		return 0;
	if (per_s <= 0)
		per_s = rate(0, done, elapsed_ns);
	return per_s > 0 ? (double)(planned - done) / per_s : -1;
}

/* Bytes and files each have their pace; the slower one decides. */
static int64_t time_left(const struct snapshot *s)
{
	double bytes, files, left;

	if (!s->scanned || s->state != SNAPSHOT_RUNNING)
		return -1;
	bytes = seconds_left(s->counter[COUNT_DONE_BYTES] + s->moving_bytes,
			     s->counter[COUNT_PLANNED_BYTES], s->bytes_per_s,
			     s->elapsed_ns);
	files = seconds_left(s->counter[COUNT_DONE], s->counter[COUNT_PLANNED],
			     s->files_per_s, s->elapsed_ns);
	left = bytes > files ? bytes : files;
	if (left < 0 || left > 1e9)
		return -1;
	return (int64_t)(left * NS_PER_S);
}

void meter_get(const struct meter *m, bool ended, struct snapshot *s)
{
	static const struct snapshot_sample zero;
	const struct snapshot_sample *from = ended ? &zero : window_start(m);
	const struct snapshot_sample now = snapshot_get_sample(s);
	int64_t ns = now.elapsed_ns - from->elapsed_ns;

	s->bytes_per_s = rate(from->bytes, now.bytes, ns);
	s->files_per_s = rate(from->files, now.files, ns);
	s->entries_per_s = rate(from->listed, now.listed, ns);
	s->eta_ns = ended ? -1 : time_left(s);
}
