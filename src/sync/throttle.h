/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * throttle - the limits of an execution, --bwlimit and --iops-limit, put on
 * both of its volumes.
 *
 * Bytes: what is read from the source. What is written is the same bytes; what
 * is read back from the destination is not counted, since a copy that waited
 * for that would not reach its rate.
 *
 * Operations: items of calls, on each side: a file that is read or written
 * whole, a range, a page of a listing, a name that is made or removed, ...
 *
 * Thread rule: any thread. The volumes must not be used by anybody else
 * between throttle_attach() and throttle_detach().
 */
#ifndef SYNC_THROTTLE_H
#define SYNC_THROTTLE_H

#include <stdint.h>

#include "sync/side.h"

struct throttle;
struct timetable;
struct volume;

/* Without limits. NULL when out of memory. */
struct throttle *throttle_new(void);
struct throttle *throttle_free(struct throttle *t);

/* Both may be called at any time; they concern who waits at the moment, too. */
void throttle_set_bandwidth(struct throttle *t, const struct timetable *rates);
void throttle_set_iops(struct throttle *t, uint64_t per_second);

/* What is in force at this moment, 0: no limit. */
uint64_t throttle_get_bandwidth(struct throttle *t);
uint64_t throttle_get_iops(const struct throttle *t);

/* From attach to detach calls to the volumes wait for their turn. */
void throttle_attach(struct throttle *t, struct volume *const volume[SIDES]);
void throttle_detach(struct volume *const volume[SIDES]);

/* The run is ending: nobody waits any more. What waited for bytes is not
 * begun (-ECANCELED), what waited for its turn as an operation is. */
void throttle_release(struct throttle *t);

#endif
