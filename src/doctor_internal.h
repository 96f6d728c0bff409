/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_internal - what the parts of the doctor share. Only they include it.
 *
 *   doctor.c        reaches both sides, and calls the others
 *   doctor_root.c   whether they are the sides of the last run
 *   doctor_read.c   what can be read of a side, and how fast
 *   doctor_write.c  what can be made on the destination, and how fast
 *   doctor_room.c   space and limits
 *
 * Thread rule: that of doctor_run().
 */
#ifndef DOCTOR_INTERNAL_H
#define DOCTOR_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor.h"
#include "sync/side.h"
#include "volume/volume.h"

/* A sample of data: at most so much, and no longer than that. */
#define DOCTOR_SAMPLE_BYTES (32u * 1024 * 1024)
#define DOCTOR_SAMPLE_NS    (3 * NS_PER_S)

/* Ranges of it in flight. */
#define DOCTOR_FLIGHT 8

struct doctor {
	const struct doctor_setup *setup;
	struct volume *volume[SIDES];
	enum doctor_level worst;
};

/* One finding; see struct doctor_finding. */
__attribute__((format(printf, 6, 7))) void
doctor_say(struct doctor *d, const char *check, enum side side,
	   enum doctor_level level, const char *remedy, const char *format,
	   ...);

/* Likewise, with a number: a measure, or how many of something. */
__attribute__((format(printf, 8, 9))) void
doctor_tell(struct doctor *d, const char *check, enum side side,
	    enum doctor_level level, const char *remedy, const char *unit,
	    double value, const char *format, ...);

__attribute__((format(printf, 8, 9))) void
doctor_count(struct doctor *d, const char *check, enum side side,
	     enum doctor_level level, const char *remedy, const char *unit,
	     uint64_t value, const char *format, ...);

bool doctor_is_cancelled(const struct doctor *d);

/* As whom the side is asked: what the server does with it is another thing. */
uint32_t doctor_uid(const struct doctor *d, enum side side);

/* False: a side is another than in the last run; what it is like is of no use
 * then, and nothing is to be made there. */
bool doctor_root(struct doctor *d);
void doctor_read(struct doctor *d, enum side side);
void doctor_write(struct doctor *d);
void doctor_room(struct doctor *d);

#endif
