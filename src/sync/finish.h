/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * finish - the finisher: one thread that sets the attributes of directories
 * after their last child has ended, and records them.
 *
 * Thread rule: start and join from the engine's thread.
 */
#ifndef SYNC_FINISH_H
#define SYNC_FINISH_H

#include <pthread.h>
#include <stdint.h>

struct engine;

/* 0 or a negative errno. */
int finish_start(struct engine *e, pthread_t *ret);

/* Lets it end once nothing is left to be finished, and waits for it. */
void finish_join(struct engine *e, pthread_t thread);

/* Waits until all roots of the pass are finished or the run is stopping, which
 * it is once the time is over that it may take. */
void finish_wait(struct engine *e);

/* Waits for so long, or until the run is stopping. */
void finish_rest(struct engine *e, int64_t ns);

#endif
