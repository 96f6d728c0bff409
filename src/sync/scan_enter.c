/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The subdirectories of one page: those that the destination lacks are made,
 * all in one call, and each goes on the stack. They are made mode 0700 and
 * get their own attributes when their last child has ended: a mode without
 * write permission would keep this run from filling them, and the rest of the
 * world has no business in a directory that is half there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/scanner.h"
#include "sync/withdraw.h"

static void fail(struct scanner *s, struct subdirectory *sub, int error)
{
	if (!engine_stops_for(s->engine, error, DESTINATION))
		complete_record_failure(s->engine, s->dir, sub->entry->name,
					&sub->entry->attr, error, PHASE_WRITE,
					DESTINATION);
}

static void enter(struct scanner *s, struct subdirectory *sub, bool fresh)
{
	struct engine *e = s->engine;
	CLEANUP_FREE char *path = dirnode_path(s->dir, sub->entry->name);
	CLEANUP_FREE char *only = NULL;
	const char *rest = s->dir->only ? strchr(s->dir->only, '/') : NULL;
	uint64_t id;
	struct dirnode *d;
	int r;

	r = path ? manifest_directory(s->reader, s->dir->id, sub->entry->name,
				      path, &id)
		 : -ENOMEM;
	if (r == 0 && rest && !(only = strdup(rest + 1)))
		r = -ENOMEM;
	if (r < 0) {
		engine_stop(e, r, SIDES);
		return;
	}
	d = dirnode_new(s->dir, sub->entry->name, sub->entry->handle,
			sub->handle);
	if (!d) {
		engine_stop(e, -ENOMEM, SIDES);
		return;
	}
	d->attr[SOURCE] = sub->entry->attr;
	d->attr[DESTINATION] = sub->attr;
	d->id = id;
	d->fresh = fresh;
	d->only = steal(only);
	/* What failed for other reasons than its attributes was not walked. */
	d->again = s->dir->again && (atomic_load(&e->comparing) ||
				     (sub->old_state != STATE_NONE &&
				      (sub->old_state != STATE_FAILED ||
				       sub->old_phase == PHASE_METADATA)));
	d->recorded = sub->old_state != STATE_NONE;
	sub->entry->handle = NULL;
	sub->handle = NULL;
	atomic_fetch_add(&e->scanning, 1);
	dirstack_push(e->stack, d);
}

/* Somebody made the directory since we listed: use it if it is one. */
static bool adopt(struct scanner *s, struct subdirectory *sub)
{
	struct volume_lookup item = {.dir = s->dir->handle[DESTINATION],
				     .name = sub->entry->name};

	volume_run(s->engine->volume[DESTINATION], VOLUME_LOOKUP, &item, 1);
	if (item.result < 0 || item.ret_attr.type != ENTRY_DIRECTORY) {
		volume_items_done(VOLUME_LOOKUP, &item, 1);
		return false;
	}
	sub->attr = item.ret_attr;
	sub->handle = steal(item.ret_handle);
	return true;
}

/* What stands in the way of a directory is not one: it goes. */
static int clear_way(struct scanner *s, struct subdirectory *sub)
{
	struct volume_remove item = {.dir = s->dir->handle[DESTINATION],
				     .name = sub->entry->name};
	struct withdraw w = {.engine = s->engine};
	int r;

	free(steal(sub->handle));
	withdraw_name(&w, s->dir, sub->entry->name);
	r = withdraw_commit(&w);
	if (r < 0)
		return r;
	sub->old_state = STATE_NONE;
	volume_run(s->engine->volume[DESTINATION], VOLUME_REMOVE, &item, 1);
	return item.result == -ENOENT ? 0 : item.result;
}

static void made(struct scanner *s, struct subdirectory *sub,
		 struct volume_make *item)
{
	struct engine *e = s->engine;

	if (item->result == 0) {
		engine_count(e, COUNT_TRANSFERRED_DIRECTORIES, 1);
		report_add(e->report, REPORT_TRANSFERRED,
			   &(struct report_entry){.dir = s->dir,
						  .name = sub->entry->name,
						  .source = &sub->entry->attr,
						  .overwrite = sub->conflict});
		sub->attr = item->ret_attr;
		sub->handle = steal(item->ret_handle);
		enter(s, sub, true);
	} else if (item->result == -EEXIST && adopt(s, sub)) {
		enter(s, sub, false);
	} else {
		fail(s, sub, item->result);
	}
}

static void make_missing(struct scanner *s, struct subdirectory **missing,
			 size_t count)
{
	struct withdraw w = {.engine = s->engine};
	struct volume_make *items;

	items = count > 0 ? calloc(count, sizeof(*items)) : NULL;
	if (!items) {
		if (count > 0)
			engine_stop(s->engine, -ENOMEM, SIDES);
		return;
	}
	for (size_t i = 0; i < count; i++)
		items[i] =
		    (struct volume_make){.dir = s->dir->handle[DESTINATION],
					 .name = missing[i]->entry->name,
					 .type = ENTRY_DIRECTORY};
	withdraw_directory(&w, s->dir);
	if (withdraw_commit(&w) < 0) {
		free(items);
		return;
	}
	volume_run(s->engine->volume[DESTINATION], VOLUME_MAKE, items, count);
	for (size_t i = 0; i < count; i++)
		made(s, missing[i], &items[i]);
	volume_items_done(VOLUME_MAKE, items, count);
	free(items);
}

void scan_enter(struct scanner *s, struct subdirectory *subs, size_t count)
{
	struct engine *e = s->engine;
	CLEANUP_FREE struct subdirectory **missing =
	    calloc(count + 1, sizeof(struct subdirectory *));
	size_t missing_count = 0;

	if (!missing)
		engine_stop(e, -ENOMEM, SIDES);
	for (size_t i = 0; missing && i < count; i++) {
		struct subdirectory *sub = &subs[i];
		int r;

		if (atomic_load(&e->comparing)) {
			enter(s, sub, !sub->exists);
			continue;
		}
		if (sub->exists) {
			if (!s->dir->shallow || sub->old_state == STATE_FAILED)
				enter(s, sub, false);
			continue;
		}
		if (e->options.dry_run) {
			scan_print_directory(s, sub->entry->name,
					     sub->conflict ? REASON_TYPE
							   : REASON_NEW);
			free(steal(sub->handle));
			enter(s, sub, true);
			continue;
		}
		r = sub->conflict ? clear_way(s, sub) : 0;
		if (r < 0)
			fail(s, sub, r);
		else
			missing[missing_count++] = sub;
	}
	if (missing && missing_count > 0 && !e->options.dry_run)
		make_missing(s, missing, missing_count);
	for (size_t i = 0; i < count; i++)
		free(steal(subs[i].handle));
}
