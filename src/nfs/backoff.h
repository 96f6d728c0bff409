/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backoff - how long to wait before something is tried again.
 *
 * Thread rule: pure.
 */
#ifndef NFS_BACKOFF_H
#define NFS_BACKOFF_H

#include <stdint.h>

#include "base/clock.h"

#define BACKOFF_MIN_NS (10 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)

/* The wait after `times` failures in a row (1 at least), doubling. */
static inline int64_t backoff_ns(unsigned times)
{
	int64_t ns = BACKOFF_MIN_NS;

	while (times-- > 1 && ns < BACKOFF_MAX_NS)
		ns *= 2;
	return ns < BACKOFF_MAX_NS ? ns : BACKOFF_MAX_NS;
}

#endif
