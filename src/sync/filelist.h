/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filelist - the entries that an execution is to copy when somebody lists
 * them: read from a file (pathlist.h), kept by directory in a spill, so that
 * a million of them take no more memory than a few.
 *
 * A directory on the list is copied without what is in it. Directories above
 * an entry are on the way to it.
 *
 * Thread rule: filelist_load() before anything else; then any thread.
 */
#ifndef SYNC_FILELIST_H
#define SYNC_FILELIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volume/volume.h"

struct filelist;

enum {
	FILELIST_LISTED = 1, /* the entry itself is on the list */
	FILELIST_WAY = 2,    /* something below it is */
};

struct filelist_name {
	unsigned flags;
	char name[VOLUME_NAME_MAX + 1];
};

/*
 * Reads the file `path`, "-" is standard input; `nul`: paths end with a NUL.
 * What does not fit in memory goes to a file in `directory`. On failure `error`
 * is a sentence that begins with the file, and the line if it is about one:
 * -EINVAL for what stands in it, else an error of reading or of the spill.
 */
int filelist_load(const char *path, bool nul, const char *directory,
		  struct filelist **ret, char *error, size_t error_size);
struct filelist *filelist_free(struct filelist *l);

/* How many entries are on it. */
uint64_t filelist_get_count(const struct filelist *l);

/*
 * The names in `directory` ("a/b", "" is the root) that are on the list or on
 * the way, in the order of their bytes, behind the name `after` (NULL: from the
 * first): up to `max` of them in `ret`. Their number, or a negative errno.
 */
int filelist_read(struct filelist *l, const char *directory, const char *after,
		  struct filelist_name *ret, int max);

/* Calls `each` for every entry of the list below `directory`, which is not the
 * root. 0, or a negative errno. `each` must not ask this list for anything. */
int filelist_each_below(struct filelist *l, const char *directory,
			void (*each)(void *user, const char *path), void *user);

#endif
