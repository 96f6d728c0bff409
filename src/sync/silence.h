/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * silence - sides that do not answer while a run waits for them: one thread
 * that tells the user, once when it begins and once when it is over, and
 * leaves in engine.silent_ns since when. A run that is ending waits no longer
 * for them than a few seconds.
 *
 * Thread rule: start and end from the engine's thread.
 */
#ifndef SYNC_SILENCE_H
#define SYNC_SILENCE_H

struct engine;
struct silence;

/* NULL when it cannot be had: then nothing is told. */
struct silence *silence_start(struct engine *e);

/* Also gives the volumes their own patience back. NULL is let through. */
struct silence *silence_end(struct silence *s);

#endif
