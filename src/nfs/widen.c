// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * widen - when to give a server more connections.
 *
 * The rule: while all connections are at work, and each carries so much that
 * its window may be the limit, there are half as many more. If then less than
 * half of what that could bring at best is seen, something else was the limit:
 * nothing is tried for a minute, and each time in a row for twice as long. A
 * connection that brought nothing stays; it costs next to nothing.
 *
 * Small files never get there: what they wait for is the round trip, and more
 * calls under way on the same connections are what helps them.
 */
#include "nfs/widen.h"

/* What a connection has under way in a round trip before its window may be the
 * limit; and on a short way a rate: four such connections make the 300 MiB/s
 * at which the relay of the EFS mount helper, too, opens more of them. */
#define WINDOW_BYTES (256.0 * (1 << 10))
#define MUCH_BYTES   (75.0 * (1 << 20))

#define REST_NS     (60 * NS_PER_S)
#define DOUBLED_MAX 6

/* How much more was expected of `conns`, and half of it has to come. */
static bool has_paid(const struct widen *w, double rate, unsigned conns)
{
	return rate * 2 * w->from >= w->rate * (w->from + conns);
}

static void note_failure(struct widen *w, int64_t now_ns)
{
	w->rest_ns = now_ns + (REST_NS << w->failures);
	if (w->failures < DOUBLED_MAX)
		w->failures++;
}

/* True when what was tried is not yet to be judged, or was in vain. */
static bool judge(struct widen *w, const struct widen_sight *s, double rate)
{
	if (s->ready < s->conns)
		return true;
	if (w->settling) {
		w->settling = false;
		return true;
	}
	if (has_paid(w, rate, s->conns)) {
		w->failures = 0;
		w->rate = 0;
		return false;
	}
	note_failure(w, s->now_ns);
	w->rate = 0;
	return true;
}

/* Bytes a second on each connection from which on more of them may help. */
static double much(int64_t rtt_ns)
{
	double full =
	    rtt_ns > 0 ? WINDOW_BYTES * NS_PER_S / (double)rtt_ns : MUCH_BYTES;

	return full < MUCH_BYTES ? full : MUCH_BYTES;
}

unsigned widen_look(struct widen *w, const struct widen_sight *s)
{
	int64_t period = s->now_ns - w->looked_ns;
	bool measured = w->looked_ns != 0 && w->busy && s->busy && period > 0 &&
			period < 3 * WIDEN_PERIOD_NS;
	double rate =
	    measured ? (double)(s->bytes - w->bytes) * NS_PER_S / (double)period
		     : 0;
	unsigned more = s->conns > 1 ? s->conns / 2 : 1;

	w->looked_ns = s->now_ns;
	w->bytes = s->bytes;
	w->busy = s->busy;
	if (!measured) {
		/* What comes now may be something else. */
		w->rate = 0;
		return 0;
	}
	if (w->rate > 0 && judge(w, s, rate))
		return 0;
	if (s->conns >= w->most || s->now_ns < w->rest_ns ||
	    rate < much(s->rtt_ns) * s->conns)
		return 0;
	w->rate = rate;
	w->from = s->conns;
	w->settling = true;
	return more < w->most - s->conns ? more : w->most - s->conns;
}
