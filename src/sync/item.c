/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An item lives long where the tree is large (a full queue of batches, and all
 * names that wait for a hard link's leader), so it holds no path: that is made
 * from its directory's when somebody must see it.
 */
#include "sync/item.h"

#include <stdlib.h>

#include "sync/dirnode.h"
#include "volume/volume.h"

struct item *item_new(struct dirnode *dir, char *name,
		      const struct attr *source, struct handle *handle)
{
	struct item *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	dirnode_hold(dir);
	i->dir = dir;
	i->name = name;
	i->attr[SOURCE] = *source;
	i->handle[SOURCE] = handle;
	return i;
}

struct item *item_free(struct item *i)
{
	if (i) {
		free(i->name);
		free(i->handle[SOURCE]);
		free(i->handle[DESTINATION]);
	}
	free(i);
	return NULL;
}

enum work_kind item_work_kind(const struct item *i)
{
	if (i->plan.action == PLAN_METADATA)
		return WORK_METADATA;
	if (i->attr[SOURCE].type != ENTRY_FILE)
		return WORK_SPECIAL;
	return i->attr[SOURCE].size <= VOLUME_WHOLE_MAX ? WORK_SMALL
							: WORK_LARGE;
}

struct work *work_new(enum work_kind kind)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->kind = kind;
	TAILQ_INIT(&w->items);
	return w;
}

struct work *work_free(struct work *w)
{
	free(w);
	return NULL;
}

void work_add(struct work *w, struct item *i)
{
	TAILQ_INSERT_TAIL(&w->items, i, link);
	w->count++;
	if (i->attr[SOURCE].type == ENTRY_FILE)
		w->bytes += i->attr[SOURCE].size;
}

struct item *work_take(struct work *w)
{
	struct item *i = TAILQ_FIRST(&w->items);

	if (i) {
		TAILQ_REMOVE(&w->items, i, link);
		w->count--;
	}
	return i;
}
