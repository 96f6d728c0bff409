/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A path is written from its end: only the way up to the root is known. */
#include "sync/dirnode.h"

#include <stdlib.h>
#include <string.h>

struct dirnode *dirnode_new(struct dirnode *parent, const char *name,
			    struct handle *source, struct handle *destination)
{
	struct dirnode *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->name = strdup(name);
	if (!d->name) {
		free(d);
		return NULL;
	}
	d->parent = parent;
	d->handle[SOURCE] = source;
	d->handle[DESTINATION] = destination;
	atomic_init(&d->pending, 1);
	if (parent) {
		d->parent_id = parent->id;
		dirnode_hold(parent);
	}
	return d;
}

struct dirnode *dirnode_free(struct dirnode *d)
{
	if (d) {
		free(d->handle[SOURCE]);
		free(d->handle[DESTINATION]);
		free(d->name);
		free(d->path);
		free(d->only);
	}
	free(d);
	return NULL;
}

/* Writes `part` before `end`, with a slash behind it unless `end` is the end
 * of the path; returns where the path now starts. */
static char *prepend(char *start, const char *part, bool last)
{
	size_t len = strlen(part);

	if (!last)
		*--start = '/';
	return memcpy(start - len, part, len);
}

/* What the node adds to a path: nothing for the volume's root. */
static const char *node_part(const struct dirnode *d)
{
	const char *part = d->path ? d->path : d->name;

	return part && *part ? part : NULL;
}

char *dirnode_path(const struct dirnode *d, const char *name)
{
	size_t len = name ? strlen(name) + 1 : 0;
	bool last = true;
	char *path, *start;

	for (const struct dirnode *n = d; n; n = n->parent)
		if (node_part(n))
			len += strlen(node_part(n)) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	start = path + len;
	*start = '\0';
	if (name) {
		start = prepend(start, name, last);
		last = false;
	}
	for (const struct dirnode *n = d; n; n = n->parent) {
		if (node_part(n)) {
			start = prepend(start, node_part(n), last);
			last = false;
		}
	}
	return memmove(path, start, strlen(start) + 1);
}
