/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the filter leaves out of the directory at hand. Its path is written
 * down once, and each name behind it: a filter is asked for every entry.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/filter.h"
#include "sync/scanner.h"

/* Room for a path of so many bytes, a name behind it, a slash and the NUL. */
static int make_room(struct scanner *s, size_t len)
{
	size_t room = len + VOLUME_NAME_MAX + 2;
	char *grown;

	if (room <= s->path_room)
		return 0;
	grown = realloc(s->path, 2 * room);
	if (!grown)
		return -ENOMEM;
	s->path = grown;
	s->path_room = 2 * room;
	return 0;
}

int scan_note_path(struct scanner *s)
{
	CLEANUP_FREE char *path = NULL;
	size_t len;

	if (!s->engine->options.filter)
		return 0;
	path = dirnode_path(s->dir, NULL);
	if (!path)
		return -ENOMEM;
	len = strlen(path);
	if (make_room(s, len + 1) < 0)
		return -ENOMEM;
	/* The root's is empty. */
	s->path_len = 0;
	if (len > 0) {
		s->path[0] = '/';
		memcpy(s->path + 1, path, len);
		s->path_len = len + 1;
	}
	return 0;
}

/* The path of an entry of the directory at hand, in the scanner's room. */
static size_t name_behind(const struct scanner *s, const char *name)
{
	size_t len = strlen(name);

	/* A volume gives no longer names, and such a one is no pattern's. */
	if (len > VOLUME_NAME_MAX)
		len = VOLUME_NAME_MAX;
	s->path[s->path_len] = '/';
	memcpy(s->path + s->path_len + 1, name, len);
	return s->path_len + 1 + len;
}

bool scan_allows(const struct scanner *s, const char *name,
		 enum entry_type type)
{
	const struct filter *f = s->engine->options.filter;

	/* What is not known may be a directory. */
	return !f ||
	       filter_allows(f, s->path, name_behind(s, name),
			     type == ENTRY_DIRECTORY || type == ENTRY_NONE);
}

bool scan_allows_path(const struct engine *e, const char *path, bool directory)
{
	const struct filter *f = e->options.filter;
	CLEANUP_FREE char *slashed = NULL;

	if (!f)
		return true;
	/* Out of memory: what is not known to be allowed is left alone. */
	if (asprintf(&slashed, "%s%s", *path ? "/" : "", path) < 0) {
		slashed = NULL;
		return false;
	}
	return filter_allows(f, slashed, strlen(slashed), directory);
}

bool scan_enters(const struct engine *e, const struct dirnode *d)
{
	const struct filter *f = e->options.filter;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *slashed = NULL;

	if (!f)
		return true;
	path = dirnode_path(d, NULL);
	if (path && asprintf(&slashed, "%s%s", *path ? "/" : "", path) < 0)
		slashed = NULL;
	/* Out of memory: its entries will be asked about, one by one. */
	return !slashed || filter_enters(f, slashed, strlen(slashed));
}
