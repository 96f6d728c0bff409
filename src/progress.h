/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * progress - how far a run is, for people: a line with a bar on a terminal,
 * one line on request, a few lines at the end.
 *
 * Thread rule: main thread.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>

#include "sync/engine.h"

struct progress;
struct snapshot;

/* `bar` draws a bar on standard error, which is a terminal. */
struct progress *progress_new(bool bar);

/* Takes the bar away. */
struct progress *progress_free(struct progress *p);

/* Draws the bar again; call a few times a second. */
void progress_update(struct progress *p, const struct snapshot *s);

/* One line on standard error, now. */
void progress_print(struct progress *p, const struct snapshot *s);

/* The end: what was done, on standard error by the log. */
void progress_finish(struct progress *p, const struct snapshot *s,
		     enum engine_status status);

#endif
