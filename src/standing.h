/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * standing - how a task stands, as one learns from outside: from the
 * status.json of its mount, or from its manifest.
 *
 * Thread rule: belongs to who made it.
 */
#ifndef STANDING_H
#define STANDING_H

#include <stdint.h>

#include "sync/snapshot.h"

struct standing {
	struct snapshot snapshot; /* without lists */
	double progress;
	int exit_status; /* of the last ended execution; -1: none has */
	char *status;    /* likewise in a word, or RUNNING; may be NULL */
	char *task;      /* this and the following may be NULL */
	char *source;
	char *destination;
	char *mountpoint;
};

/* Frees what it points to. */
void standing_done(struct standing *s);

/*
 * Takes over the text of a status.json, or of a summary (then what only the
 * former has stays empty). -EUCLEAN: it is neither.
 */
int standing_parse(const char *text, struct standing *ret);

/* The text of `<mountpoint>/<sync_directory>/<name>`, heap. Negative errno;
 * -ENOTCONN and -ENOENT when nothing is mounted there (any more). */
int standing_load(const char *mountpoint, const char *sync_directory,
		  const char *name, char **ret);

/*
 * From the manifest in a state directory: its newest execution. `held` is
 * whether a process holds the lock: what says RUNNING was killed otherwise.
 * -ENOENT: there is no manifest. On failure `error` is a sentence.
 */
int standing_from_manifest(const char *directory, bool held,
			   struct standing *ret, char *error,
			   size_t error_size);

/* The same as status.json would have it; heap, NULL when out of memory. */
char *standing_json(const struct standing *s);

/* The screen for people, some lines on standard output. */
void standing_print(const struct standing *s);

#endif
