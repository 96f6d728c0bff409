/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * still_volume - a volume of a local directory whose server can be stopped, as
 * by SIGSTOP, be lost, or fail a few times.
 *
 * Thread rule: any thread.
 */
#ifndef UNIT_STILL_VOLUME_H
#define UNIT_STILL_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volume/volume.h"

/* NULL without memory or directory. Freed with volume_free(). */
struct volume *still_volume_open(const char *path);

/* Calls are held from here on; or those that were are carried out. */
void still_volume_stop(struct volume *v);
void still_volume_continue(struct volume *v);

/* Calls answer -ENOTCONN, or no longer. */
void still_volume_lose(struct volume *v, bool lost);

/* The next `times` calls of `verb` fail with `error`. */
void still_volume_fail(struct volume *v, enum volume_verb verb, unsigned times,
		       int error);

/* Calls of `verb` so far. */
unsigned still_volume_count(struct volume *v, enum volume_verb verb);

/* Waits until as many calls are held. */
void still_volume_wait(struct volume *v, size_t held);
size_t still_volume_held(struct volume *v);

#endif
