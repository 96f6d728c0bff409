/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sample - a run of the engine that copies a part of the source into a
 * directory of its own on the destination, and takes it away again: how fast a
 * run will be, told by one.
 *
 * The directory has a temporary name (sync/tempname.h), which no view shows and
 * no run copies. What the sample remembers lies in a directory of the state
 * directory, which goes as well.
 *
 * Thread rule: sample_run() on one thread; sample_watch() and sample_stop()
 * from any other meanwhile.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "sync/side.h"

struct filelist;
struct location;
struct sample;
struct sync_options;
struct volume;

struct sample_setup {
	struct location *location[SIDES];
	struct volume *volume[SIDES]; /* of these, open; the sample's alone */
	const struct sync_options *options;
	struct filelist *filelist; /* what may be copied; NULL: all */
	const char *directory;     /* the state directory, which is locked */
	int64_t time_ns;           /* how long it copies */
	uint64_t bytes_max;        /* and how much */
};

int sample_new(const struct sample_setup *setup, struct sample **ret);
struct sample *sample_free(struct sample *s);

/*
 * Copies, and removes what was copied. Negative errno and a sentence in
 * `error`; -ECANCELED after sample_stop(). What cannot be removed again is an
 * error, too.
 */
int sample_run(struct sample *s, char *error, size_t error_size);

/* Ends it when enough was copied; to be called a few times a second. */
void sample_watch(struct sample *s);

/* Ends it: what is in flight ends, and all is removed. */
void sample_stop(struct sample *s);

/* What was copied, in which time. */
void sample_get(const struct sample *s, uint64_t *ret_files,
		uint64_t *ret_bytes, int64_t *ret_ns);

#endif
