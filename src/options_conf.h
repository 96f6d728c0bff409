/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options_conf - what the configuration says, as if the command line had
 * said it: the keys of its sections, and their values.
 *
 * [defaults] and [task NAME] hold the options of a task under the same words
 * as the command line (sync/settings.h), some of sync and the mount, and, a
 * task, `source` and `destination`: locations, or names of [location]
 * sections. These hold `location` and its options.
 *
 * Thread rule: main thread.
 */
#ifndef OPTIONS_CONF_H
#define OPTIONS_CONF_H

#include "sync/side.h"

struct conf;
struct options;

/*
 * Takes over [defaults] and [task NAME]; `o` borrows from `c`. On failure
 * `error` (CONF_ERROR_SIZE) names file, line and key. -ENOENT: no such task.
 */
int options_conf_take(struct options *o, const struct conf *c, const char *name,
		      char *error);

/* Takes over [location NAME] for a side, likewise. */
int options_conf_locate(struct options *o, const struct conf *c, enum side side,
			const char *name, char *error);

/*
 * Looks at all sections, and calls `fault` with a sentence for each fault.
 * Returns how many there were.
 */
unsigned options_conf_check(const struct conf *c,
			    void (*fault)(void *user, const char *error),
			    void *user);

#endif
