/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter - which entries of the trees a task is about: lists of patterns to
 * include and to exclude, in AWS DataSync's language (pattern.h).
 *
 * An entry is copied when no pattern of the second list matches it or a
 * directory above it and, unless the first list is empty, one of that does.
 * A directory above something that may be included is copied too, as a
 * directory: what is in it is judged one by one.
 *
 * Paths begin with a slash, "/a/b"; the root's is "". A filter that is NULL
 * lets everything through.
 *
 * Thread rule: one thread adds; then read-only, for any thread.
 */
#ifndef SYNC_FILTER_H
#define SYNC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

enum filter_list {
	FILTER_INCLUDE,
	FILTER_EXCLUDE,
	FILTER_LISTS,
};

struct filter;

struct filter *filter_new(void);
struct filter *filter_free(struct filter *f);

/*
 * Adds patterns, joined by '|'. -EINVAL with a sentence in `error` that gives
 * the column (characters, from 1): they are not patterns; none was added.
 */
int filter_add(struct filter *f, enum filter_list which, const char *patterns,
	       char *error, size_t error_size);

/* The longest line of such a file, in bytes: more than DataSync's longest
 * filter, and not all memory where the file is none (/dev/zero). */
#define FILTER_LINE_MAX (256 * 1024)

/*
 * Adds those of a file, which holds such a text in each line; empty lines and
 * those that begin with '#' say nothing. -EINVAL with "FILE:LINE:COLUMN: .." in
 * `error` ("FILE:LINE: .." for a line that is too long), and the errors of
 * reading with "FILE: ..".
 */
int filter_add_file(struct filter *f, enum filter_list which, const char *path,
		    char *error, size_t error_size);

/* Is the entry one that is copied, or cared for on the destination? */
bool filter_allows(const struct filter *f, const char *path, size_t len,
		   bool directory);

/* May anything be below the directory for which that is so? Otherwise nobody
 * need list it. */
bool filter_enters(const struct filter *f, const char *path, size_t len);

/* Is everything below the directory copied, whatever its name? */
bool filter_takes_all(const struct filter *f, const char *path, size_t len);

/* The patterns of a list as one text, as DataSync would take it; "" when there
 * are none. Heap, the caller's; NULL when out of memory. */
char *filter_get_text(const struct filter *f, enum filter_list which);

#endif
