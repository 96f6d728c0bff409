/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories of which a part is wanted.
 *
 * The way to a path that an execution is for: each directory on it is visited
 * for one entry, the next on the way. That is looked up, since the directory
 * may have millions. The rest is as always, so what the destination lacks is
 * made, and gets its attributes when what is below has ended.
 *
 * A visit for failures: the directory is listed, and what has no failure on
 * record is passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/prune.h"
#include "sync/scanner.h"
#include "sync/verify.h"

/* A page that holds `name`, or nothing. */
static void look_up(struct engine *e, enum side side, const char *name,
		    struct volume_list *page)
{
	struct volume_lookup item = {.dir = page->dir, .name = name};
	struct volume_entry *entry;

	page->ret_eof = true;
	if (!*name)
		return;
	volume_run(e->volume[side], VOLUME_LOOKUP, &item, 1);
	page->result = item.result == -ENOENT ? 0 : item.result;
	if (item.result < 0)
		return;
	entry = calloc(1, sizeof(*entry));
	if (entry)
		entry->name = strdup(name);
	if (!entry || !entry->name) {
		free(entry);
		volume_items_done(VOLUME_LOOKUP, &item, 1);
		page->result = -ENOMEM;
		return;
	}
	entry->attr = item.ret_attr;
	entry->handle = steal(item.ret_handle);
	page->ret_entries = entry;
	page->ret_count = 1;
}

void scan_look_up(struct scanner *s, const struct dirnode *d,
		  struct volume_list *source, struct volume_list *destination)
{
	CLEANUP_FREE char *name = strndup(d->only, strcspn(d->only, "/"));

	if (!name) {
		source->result = -ENOMEM;
		return;
	}
	look_up(s->engine, SOURCE, name, source);
	if (destination->dir)
		look_up(s->engine, DESTINATION, name, destination);
}

/* Nothing lies below what is no directory. */
static bool is_on_the_way(const char *only, const struct volume_entry *entry)
{
	return !strchr(only, '/') || entry->attr_result < 0 ||
	       entry->attr.type == ENTRY_DIRECTORY;
}

/* A second visit is for what the first one has recorded. */
static int has_failed(struct scanner *s, const char *name)
{
	const struct engine *e = s->engine;
	struct manifest_row row;
	int r = manifest_get(s->reader, s->dir->id, name, &row);

	if (r <= 0)
		return r;
	return row.state == STATE_FAILED &&
	       ((e->scope == SCOPE_RETRY && !s->dir->again) ||
		row.execution == e->execution);
}

int scan_is_wanted(struct scanner *s, const struct volume_entry *entry)
{
	const struct dirnode *d = s->dir;
	struct handle *handle;
	struct attr attr;
	int r = 1;

	if (s->listed && !scan_listed_is_wanted(s, entry)) {
		/* Only on the destination, if at all. */
		if (entry->attr_result == -ENOENT)
			return 0;
		r = 0;
	}
	if (d->only) {
		if (!is_on_the_way(d->only, entry))
			return 0;
		s->met = true;
	}
	if (d->only_failed)
		r = has_failed(s, entry->name);
	/* Both sides have the name: it is not one to be counted as kept. */
	if (r == 0 && join_take(s->join, entry->name, &attr, &handle) > 0)
		free(handle);
	return r;
}

/* Counts what only the destination has. What the filter lets through only if
 * it were a directory is in the join, and not counted. */
static void count_kept(struct scanner *s)
{
	uint64_t kept = join_left(s->join);
	int r = s->engine->options.filter ? 1 : 0;

	while (r > 0) {
		CLEANUP_FREE char *name = NULL;
		CLEANUP_FREE struct handle *handle = NULL;
		struct attr attr;

		r = join_take_next(s->join, &name, &attr, &handle);
		if (r > 0 && !scan_allows(s, name, attr.type))
			kept--;
	}
	if (r < 0)
		engine_stop(s->engine, r, SIDES);
	engine_count_once(s->engine, s->dir, COUNT_KEPT, kept);
}

void scan_look_back(struct scanner *s)
{
	const struct dirnode *d = s->dir;

	if (atomic_load(&s->engine->comparing)) {
		if (!d->only)
			verify_extra(s);
		return;
	}
	if (!d->only && s->engine->prune) {
		prune_note(s);
		return;
	}
	if (!d->only) {
		count_kept(s);
		return;
	}
	/* What is gone when it is tried again was there before. */
	if (*d->only && !s->met && !d->again)
		engine_say_missing(s->engine, s->engine->path);
}
