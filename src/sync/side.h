/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * side - the two volumes of a task, as an index.
 *
 * Thread rule: none needed.
 */
#ifndef SYNC_SIDE_H
#define SYNC_SIDE_H

enum side {
	SOURCE,
	DESTINATION,
	SIDES,
};

/* "source" or "destination", for messages. */
static inline const char *side_name(enum side side)
{
	return side == SOURCE ? "source" : "destination";
}

#endif
