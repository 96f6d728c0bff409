/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meter - how fast an execution is, told from its counters: samples for
 * plots, one a second and thinned out when there are too many, and the rates
 * of the last ten seconds.
 *
 * Thread rule: one thread at a time.
 */
#ifndef SYNC_METER_H
#define SYNC_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/snapshot.h"

/* Seconds that the rates look back. */
#define METER_WINDOW 10

struct meter {
	/* The whole execution, oldest first, every `step` seconds. */
	struct snapshot_sample sample[SNAPSHOT_SAMPLES];
	size_t count;
	unsigned step;
	/* The last seconds, in a circle: `recent_count` were ever taken. */
	struct snapshot_sample recent[METER_WINDOW];
	size_t recent_count;
};

/* An execution begins. */
void meter_start(struct meter *m);

/* Takes a sample when one is due; call at least once a second. */
void meter_add(struct meter *m, const struct snapshot_sample *now);

/* The rates and the time left of `s`, from its counters; if the execution has
 * `ended`, the rates over all of it. */
void meter_get(const struct meter *m, bool ended, struct snapshot *s);

#endif
