/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * widen - when to give a server more connections.
 *
 * What one connection carries is limited by its congestion window on a long
 * way, and by what a server or network gives one stream on a short one. None
 * of that can be asked for; but it can be tried, and what came of it be seen.
 *
 * Thread rule: one thread at a time.
 */
#ifndef NFS_WIDEN_H
#define NFS_WIDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* How often to look. */
#define WIDEN_PERIOD_NS NS_PER_S

struct widen {
	unsigned most;     /* connections there may be */
	int64_t looked_ns; /* the last time; 0: not yet */
	uint64_t bytes;    /* by then */
	bool busy;         /* then */

	/* What is being tried: */
	double rate;   /* bytes a second without it; 0: nothing is */
	unsigned from; /* connections there were */
	bool settling; /* they begin slowly */

	unsigned failures; /* in a row */
	int64_t rest_ns;   /* nothing is tried until then */
};

/* What there is to see. */
struct widen_sight {
	int64_t now_ns;
	uint64_t bytes; /* that came and went so far */
	int64_t rtt_ns; /* least seen */
	unsigned conns;
	unsigned ready; /* of them, with a session */
	bool busy;      /* each has calls under way */
};

/* How many connections to add, mostly 0. */
unsigned widen_look(struct widen *w, const struct widen_sight *s);

#endif
