/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories of which a list says what is wanted (filelist.h): they are not
 * listed, the names on the list are looked up, some hundred in one request.
 * They come in pages like those of a listing, in which every name that was
 * asked for has its entry, the flags of the list in place of the cookie, and
 * attr_result -ENOENT where the side has no such name.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/filelist.h"
#include "sync/scanner.h"

/* Names asked for at once, on each side, over all directories of a group. */
#define NAMES_MAX 512

/* The names of one directory, and its pages that are to hold them. */
struct part {
	struct volume_list *page[SIDES]; /* NULL: that side is not asked */
	size_t first;
	size_t count;
};

/* One request. */
struct asking {
	struct scanner *s;
	size_t count; /* of names */
	struct filelist_name names[NAMES_MAX];
	struct volume_lookup items[SIDES][NAMES_MAX];
	size_t item_count[SIDES];
};

bool scan_is_listed(const struct engine *e, const struct dirnode *d)
{
	return e->filelist && !d->only && !d->only_failed;
}

static bool is_missing(int result)
{
	return result == -ENOENT || result == -ENOTDIR || result == -ESTALE;
}

/* Takes the next names of directory number `number` from the list, behind
 * `after`. */
static int read_names(struct asking *a, struct part *part, int number,
		      const struct dirnode *d, const char *after, int max)
{
	CLEANUP_FREE char *path = dirnode_path(d, NULL);
	int n = path ? filelist_read(a->s->engine->filelist, path, after,
				     a->names + a->count, max)
		     : -ENOMEM;

	if (n < 0) {
		engine_stop(a->s->engine, n, SIDES);
		return -ECANCELED;
	}
	part->first = a->count;
	part->count = (size_t)n;
	a->count += part->count;
	for (int side = 0; side < SIDES; side++) {
		if (!part->page[side])
			continue;
		part->page[side]->ret_eof = n < max;
		if (n > 0)
			strcpy(a->s->after[number][side],
			       a->names[a->count - 1].name);
		for (size_t i = 0; i < part->count; i++)
			a->items[side][a->item_count[side]++] =
			    (struct volume_lookup){
				.dir = part->page[side]->dir,
				.name = a->names[part->first + i].name};
	}
	return 0;
}

static void wake(struct volume_call *call)
{
	sem_post(call->user);
}

/* Both sides at the same time. */
static void look_up(struct asking *a)
{
	struct engine *e = a->s->engine;
	sem_t done;
	struct volume_call call = {.verb = VOLUME_LOOKUP,
				   .items = a->items[DESTINATION],
				   .count = a->item_count[DESTINATION],
				   .done = wake,
				   .user = &done};

	sem_init(&done, 0, 0);
	if (call.count > 0)
		volume_start(e->volume[DESTINATION], &call);
	if (a->item_count[SOURCE] > 0)
		volume_run(e->volume[SOURCE], VOLUME_LOOKUP, a->items[SOURCE],
			   a->item_count[SOURCE]);
	if (call.count > 0)
		while (sem_wait(&done) < 0)
			;
	sem_destroy(&done);
}

/* Makes a page of what was found; `items` are those of its names. An entry of
 * the source may fail alone; the destination has to say of each whether it is
 * there. */
static int fill(struct asking *a, const struct part *part, enum side side,
		struct volume_lookup *items)
{
	struct volume_list *page = part->page[side];
	int r = 0;

	page->ret_entries = calloc(part->count > 0 ? part->count : 1,
				   sizeof(*page->ret_entries));
	if (!page->ret_entries)
		return -ENOMEM;
	for (size_t i = 0; i < part->count; i++) {
		struct volume_entry *entry = &page->ret_entries[i];

		entry->name = strdup(items[i].name);
		if (!entry->name)
			return -ENOMEM;
		entry->cookie = a->names[part->first + i].flags;
		entry->attr = items[i].ret_attr;
		entry->handle = steal(items[i].ret_handle);
		entry->attr_result =
		    is_missing(items[i].result) ? -ENOENT : items[i].result;
		page->ret_count++;
		if (side == DESTINATION && entry->attr_result != -ENOENT &&
		    entry->attr_result < 0)
			r = entry->attr_result;
	}
	return r;
}

static void fill_all(struct asking *a, struct part *parts, size_t count)
{
	for (int side = 0; side < SIDES; side++) {
		struct volume_lookup *items = a->items[side];
		int r = 0;

		for (size_t k = 0; k < count; k++) {
			if (!parts[k].page[side])
				continue;
			r = fill(a, &parts[k], (enum side)side, items);
			if (r < 0)
				parts[k].page[side]->result = r;
			items += parts[k].count;
		}
		volume_items_done(VOLUME_LOOKUP, a->items[side],
				  a->item_count[side]);
	}
}

/* Whatever is wrong with one directory, all its pages have it. */
static void fail(struct part *part, int error)
{
	for (int side = 0; side < SIDES; side++)
		if (part->page[side])
			part->page[side]->result = error;
	part->count = 0;
}

void scan_listed_pages(struct scanner *s, struct dirnode **nodes, int count,
		       struct volume_list *source,
		       struct volume_list *destination)
{
	struct asking *a = calloc(1, sizeof(*a));
	struct part parts[SCAN_GROUP] = {0};
	size_t used = 0;

	for (int i = 0; i < count; i++) {
		struct part *part = &parts[used];
		int r = a ? 0 : -ENOMEM;

		/* One that is passed over has ended. */
		if (!scan_is_listed(s->engine, nodes[i]) || source[i].ret_eof)
			continue;
		used++;
		part->page[SOURCE] = &source[i];
		if (destination[i].dir)
			part->page[DESTINATION] = &destination[i];
		if (r == 0) {
			a->s = s;
			r = read_names(a, part, i, nodes[i], NULL,
				       NAMES_MAX / SCAN_GROUP);
		}
		if (r < 0)
			fail(part, r);
	}
	if (a && used > 0) {
		look_up(a);
		fill_all(a, parts, used);
	}
	free(a);
}

int scan_listed_next(struct scanner *s, enum side side,
		     struct volume_list *page)
{
	struct volume_list next = {.dir = page->dir};
	struct part part = {0};
	struct asking *a = calloc(1, sizeof(*a));
	int r = a ? 0 : -ENOMEM;

	part.page[side] = &next;
	if (r == 0) {
		a->s = s;
		r = read_names(a, &part, s->number, s->dir,
			       s->after[s->number][side], NAMES_MAX);
	}
	if (r == 0) {
		look_up(a);
		fill_all(a, &part, 1);
		r = next.result;
	}
	free(a);
	volume_items_done(VOLUME_LIST, page, 1);
	*page = next;
	page->result = r;
	return r;
}

static void say_below(void *user, const char *path)
{
	engine_say_missing(user, path);
}

/* The list has entries below it, and it is no directory. */
static void say_all_below(struct scanner *s, const char *name)
{
	CLEANUP_FREE char *path = dirnode_path(s->dir, name);
	int r = path ? filelist_each_below(s->engine->filelist, path, say_below,
					   s->engine)
		     : -ENOMEM;

	if (r < 0)
		engine_stop(s->engine, r, SIDES);
}

static void say_missing(struct scanner *s, const char *name)
{
	CLEANUP_FREE char *path = dirnode_path(s->dir, name);

	if (path)
		engine_say_missing(s->engine, path);
	else
		engine_stop(s->engine, -ENOMEM, SIDES);
}

bool scan_listed_is_wanted(struct scanner *s, const struct volume_entry *entry)
{
	bool missing = entry->attr_result == -ENOENT;
	bool other =
	    entry->attr_result == 0 && entry->attr.type != ENTRY_DIRECTORY;

	/* What is missing when it is met again was said to be. */
	if ((missing || other) && (entry->cookie & FILELIST_WAY) &&
	    !s->dir->again)
		say_all_below(s, entry->name);
	if (missing && (entry->cookie & FILELIST_LISTED) && !s->dir->again)
		say_missing(s, entry->name);
	return !missing && (!other || (entry->cookie & FILELIST_LISTED));
}
