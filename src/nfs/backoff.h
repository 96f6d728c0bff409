/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backoff - how long to wait before something is tried again, and for how long
 * that goes on.
 *
 * Thread rule: pure.
 */
#ifndef NFS_BACKOFF_H
#define NFS_BACKOFF_H

#include <stdint.h>

#include "base/clock.h"

#define BACKOFF_MIN_NS (10 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)

/*
 * How long a server may say nothing, or only "later", before it is given up
 * for lost, unless somebody says otherwise. An outage of many minutes is no
 * reason to end a run; for a job that begins every night there must be an end.
 */
#define DEADLINE_DEFAULT_S 3600

/* The same while something is opened: there is no run yet that would last. */
#define DEADLINE_OPENING_NS (180 * NS_PER_S)

/* The wait after `times` failures in a row (1 at least), doubling. */
static inline int64_t backoff_ns(unsigned times)
{
	int64_t ns = BACKOFF_MIN_NS;

	while (times-- > 1 && ns < BACKOFF_MAX_NS)
		ns *= 2;
	return ns < BACKOFF_MAX_NS ? ns : BACKOFF_MAX_NS;
}

#endif
