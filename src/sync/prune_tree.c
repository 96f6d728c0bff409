/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory with all that is in it: the files of a page go in one request,
 * directories when all below them is gone, those of one parent together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/prune_internal.h"
#include "sync/state.h"
#include "sync/walk.h"

/* A directory that is empty now. What it points to is its parent's, which is
 * left later. */
struct empty {
	char *name;
	const struct handle *parent;
	bool *parent_kept;
	char *path;
};

struct clearing {
	struct prune *prune;
	struct walk *walk;
	enum prune_mode mode;
	size_t count;
	struct empty empty[PRUNE_BATCH];
	struct volume_remove items[PRUNE_BATCH];
};

/* Removes the directories that wait for it. */
static int flush(struct clearing *c)
{
	struct prune *p = c->prune;
	struct engine *e = p->engine;
	int r = 0;

	for (size_t k = 0; k < c->count; k++)
		c->items[k] = (struct volume_remove){.dir = c->empty[k].parent,
						     .name = c->empty[k].name,
						     .directory = true};
	if (c->count > 0)
		volume_run(e->volume[DESTINATION], VOLUME_REMOVE, c->items,
			   c->count);
	for (size_t k = 0; k < c->count; k++) {
		int result = c->items[k].result;

		if (result == 0 || result == -ENOENT) {
			prune_gone(p, c->empty[k].path, true, NULL);
		} else {
			*c->empty[k].parent_kept = true;
			if (engine_stops_for(e, result, DESTINATION))
				r = -ECANCELED;
			else
				prune_fail(p, c->empty[k].path, result);
		}
		free(c->empty[k].name);
		free(c->empty[k].path);
	}
	c->count = 0;
	return r;
}

/* The files of a page. */
static int remove_files(struct clearing *c, const struct walk_place *place)
{
	struct prune *p = c->prune;
	struct engine *e = p->engine;
	CLEANUP_FREE struct volume_remove *items =
	    calloc(place->count + 1, sizeof(*items));
	CLEANUP_FREE const struct volume_entry **at =
	    calloc(place->count + 1, sizeof(*at));
	size_t n = 0;

	if (!items || !at)
		return -ENOMEM;
	for (size_t k = 0; k < place->count; k++)
		if (place->entries[k].name &&
		    place->entries[k].attr.type != ENTRY_DIRECTORY) {
			at[n] = &place->entries[k];
			items[n++] = (struct volume_remove){
			    .dir = place->dir, .name = place->entries[k].name};
		}
	if (n > 0)
		volume_run(e->volume[DESTINATION], VOLUME_REMOVE, items, n);
	for (size_t k = 0; k < n; k++) {
		CLEANUP_FREE char *path = walk_path(c->walk, items[k].name);

		if (items[k].result == 0 && tempname_is_ours(items[k].name))
			engine_count(e, COUNT_SWEPT, 1);
		else if (items[k].result == 0)
			prune_gone(p, path, false, &at[k]->attr);
		if (items[k].result == 0 || items[k].result == -ENOENT)
			continue;
		*place->kept = true;
		if (engine_stops_for(e, items[k].result, DESTINATION))
			return -ECANCELED;
		prune_fail(p, path ?: "?", items[k].result);
	}
	return 0;
}

/* Keeps an entry out of what follows. */
static void keep(const struct walk_place *place, struct volume_entry *entry)
{
	*place->kept = true;
	free(steal(entry->handle));
	free(steal(entry->name));
}

/* Which of a page's entries go; the others are taken out of it. */
static int choose(struct clearing *c, const struct walk_place *place)
{
	struct prune *p = c->prune;

	for (size_t k = 0; k < place->count; k++) {
		struct volume_entry *entry = &place->entries[k];
		CLEANUP_FREE char *path = walk_path(c->walk, entry->name);

		if (!path)
			return -ENOMEM;
		if (tempname_is_ours(entry->name))
			continue;
		if (entry->attr_result < 0) {
			if (c->mode == PRUNE_REMOVE)
				prune_fail(p, path, entry->attr_result);
			keep(place, entry);
			continue;
		}
		p->below += c->mode == PRUNE_COUNT;
		if (!prune_may(p, path, &entry->attr)) {
			keep(place, entry);
			continue;
		}
		if (c->mode == PRUNE_COUNT)
			p->counted++;
		else if (c->mode == PRUNE_PRINT)
			prune_print(path);
		else if (!prune_take(p))
			return -ECANCELED;
	}
	return 0;
}

static int leave(struct clearing *c, const struct walk_place *place)
{
	struct prune *p = c->prune;
	CLEANUP_FREE char *path = walk_path(c->walk, NULL);
	int r = 0;

	/* Its own directories, if any, wait last. */
	if (c->count > 0 && c->empty[c->count - 1].parent == place->dir)
		r = flush(c);
	if (r < 0)
		return r;
	if (place->error) {
		*place->kept = true;
		if (engine_stops_for(p->engine, place->error, DESTINATION))
			return -ECANCELED;
		if (c->mode == PRUNE_REMOVE)
			prune_fail(p, path ?: "?", place->error);
	}
	if (!place->name)
		return *place->kept;
	if (*place->kept)
		*place->parent_kept = true;
	if (*place->kept || c->mode != PRUNE_REMOVE)
		return 0;
	c->empty[c->count].name = strdup(place->name);
	if (!path || !c->empty[c->count].name)
		return -ENOMEM;
	c->empty[c->count].path = steal(path);
	c->empty[c->count].parent = place->parent;
	c->empty[c->count].parent_kept = place->parent_kept;
	c->count++;
	return c->count == PRUNE_BATCH ? flush(c) : 0;
}

int prune_tree(struct prune *p, const struct handle *handle, const char *path,
	       enum prune_mode mode)
{
	CLEANUP_FREE struct clearing *c = calloc(1, sizeof(*c));
	struct walk_place place;
	int r, event;

	if (!c)
		return -ENOMEM;
	c->prune = p;
	c->mode = mode;
	c->walk = walk_new(p->engine, DESTINATION, handle, path);
	r = c->walk ? 0 : -ENOMEM;
	while (r == 0 && (r = event = walk_next(c->walk, &place)) > 0) {
		if (event == WALK_LEAVE) {
			r = leave(c, &place);
			continue;
		}
		r = choose(c, &place);
		if (r == 0 && mode == PRUNE_REMOVE)
			r = remove_files(c, &place);
	}
	for (size_t k = 0; k < c->count; k++) {
		free(c->empty[k].name);
		free(c->empty[k].path);
	}
	walk_free(c->walk);
	return r;
}
