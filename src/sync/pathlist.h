/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pathlist - the text of a list of paths, as AWS DataSync's manifests are:
 * bytes go in as they are read, paths come out.
 *
 * Lines of comma-separated values (RFC 4180), of which the first column is a
 * path; the others say nothing. A path that holds a comma, a quote at its
 * beginning or the end of a line is in quotes, with quotes in it doubled. Or,
 * as find(1) prints them with -print0, paths that each end with a NUL.
 *
 * Paths are from the root of the location, with a slash before them or not.
 * They come out as "a/b": without empty parts and parts ".". What is empty
 * then, the root, does not come out.
 *
 * Thread rule: one thread at a time.
 */
#ifndef SYNC_PATHLIST_H
#define SYNC_PATHLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest path, in bytes as it is written. */
#define PATHLIST_MAX (64 * 1024)

struct pathlist;

struct pathlist_setup {
	bool nul; /* paths end with a NUL */
	/* Called for each path, which lives during the call. A negative errno
	 * ends the reading. */
	int (*each)(void *user, const char *path);
	void *user;
};

struct pathlist *pathlist_new(const struct pathlist_setup *setup);
struct pathlist *pathlist_free(struct pathlist *l);

/*
 * Takes the next bytes. -EINVAL: they are no paths, because of `ret_problem`
 * (a sentence's part, static) in line pathlist_get_line(); or what each()
 * returned.
 */
int pathlist_feed(struct pathlist *l, const void *bytes, size_t size,
		  const char **ret_problem);

/* There are no more. As above. */
int pathlist_end(struct pathlist *l, const char **ret_problem);

/* The line at hand, from 1, in which the path at hand began; with `nul` the
 * number of the path. */
uint64_t pathlist_get_line(const struct pathlist *l);

#endif
