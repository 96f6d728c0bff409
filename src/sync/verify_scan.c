/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scanners' part of the comparison. A directory that the destination lacks
 * is entered all the same, as one without entries there, so that all that is
 * missing is named; likewise below what only the destination has.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/complete.h"
#include "sync/difference.h"
#include "sync/metadata.h"
#include "sync/reason.h"
#include "sync/scanner.h"
#include "sync/verify.h"
#include "sync/walk.h"

/* Differences that leave nothing to be read. */
#define FINAL (DIFFERS_TYPE | DIFFERS_MISSING | DIFFERS_SIZE)

static bool is_device(const struct attr *a)
{
	return a->type == ENTRY_BLOCK || a->type == ENTRY_CHAR ||
	       a->type == ENTRY_NONE;
}

static uint32_t compare_attr(struct engine *e, const struct attr *source,
			     const struct attr *destination)
{
	struct attr want = metadata_want(e, source);

	return difference_of(&want, destination,
			     metadata_preserve(e, want.type));
}

static bool record(struct scanner *s, const char *name,
		   const struct attr *source, uint32_t kinds)
{
	return verify_record(s->engine, s->reader, s->dir, name, source, kinds);
}

/* Of a directory: `name` in `dir`, or the root without both. */
static void count_equal(struct engine *e, const struct dirnode *dir,
			const char *name, const struct attr *source,
			const struct attr *destination)
{
	engine_count(e, COUNT_VERIFIED_DIRECTORIES, 1);
	report_add(e->report, REPORT_VERIFIED,
		   &(struct report_entry){.dir = dir,
					  .name = name,
					  .path = dir ? NULL : "",
					  .source = source,
					  .destination = destination});
}

/* Of what is not read. */
static void sum_both(struct scanner *s, const struct volume_entry *entry,
		     const struct subdirectory *there)
{
	struct attr attr[SIDES] = {[SOURCE] = entry->attr};

	if (there->exists)
		attr[DESTINATION] = there->attr;
	verify_sum(s->engine, s->dir, entry->name, attr, NULL);
}

/* A directory is compared by its attributes, then entered. */
static int compare_directory(struct scanner *s, struct volume_entry *entry,
			     struct subdirectory *there, uint32_t kinds)
{
	/* What is missing for a good reason lacks its entries for the same. */
	if (kinds && !record(s, entry->name, &entry->attr, kinds) &&
	    (kinds & FINAL))
		return 0;
	if (!kinds)
		count_equal(s->engine, s->dir, entry->name, &entry->attr,
			    &there->attr);
	sum_both(s, entry, there);
	there->entry = entry;
	if (there->exists && there->attr.type != ENTRY_DIRECTORY) {
		free(steal(there->handle));
		there->exists = false;
	}
	return 1;
}

int verify_entry(struct scanner *s, struct volume_entry *entry,
		 struct subdirectory *there)
{
	struct engine *e = s->engine;
	uint32_t kinds = DIFFERS_MISSING;
	struct item *i;

	if (is_device(&entry->attr)) {
		engine_count_once(e, s->dir, COUNT_SKIPPED, 1);
		complete_report_skipped(e, s->dir, entry->name, &entry->attr,
					"such a kind is never copied");
		return 0;
	}
	if (there->exists)
		kinds = compare_attr(e, &entry->attr, &there->attr);
	if (entry->attr.type == ENTRY_DIRECTORY)
		return compare_directory(s, entry, there, kinds);
	if (kinds & FINAL) {
		sum_both(s, entry, there);
		record(s, entry->name, &entry->attr, kinds);
		return 0;
	}
	i = item_new(s->dir, entry->name, &entry->attr, entry->handle);
	if (!i)
		return -ENOMEM;
	entry->name = NULL;
	entry->handle = NULL;
	i->attr[DESTINATION] = there->attr;
	i->handle[DESTINATION] = steal(there->handle);
	i->differs = kinds;
	i->plan.action = PLAN_COMPARE;
	scan_add_work(s, i, item_work_kind(i));
	return 0;
}

/* Names one entry of what only the destination has. */
static void say_extra(struct engine *e, const struct walk *w, const char *name)
{
	CLEANUP_FREE char *path = walk_path(w, name);

	verify_say(e, path ? path : "?", NULL, DIFFERS_EXTRA);
}

/* The entries of a page, without directories: those are named when all below
 * them has been seen, unless the filter hides some of it. */
static void say_page(struct engine *e, const struct walk *w,
		     const struct walk_place *place)
{
	for (size_t k = 0; k < place->count; k++) {
		struct volume_entry *entry = &place->entries[k];
		bool directory = entry->attr.type == ENTRY_DIRECTORY;
		CLEANUP_FREE char *path = walk_path(w, entry->name);

		if (tempname_is_ours(entry->name))
			continue;
		if (path && scan_allows_path(e, path, directory)) {
			if (!directory)
				say_extra(e, w, entry->name);
		} else {
			*place->kept = true;
			free(steal(entry->handle));
		}
	}
}

/* What lies in there cannot be named: the comparison is not whole. */
static void fail_extra(struct engine *e, const struct walk *w, int error)
{
	CLEANUP_FREE char *path = walk_path(w, NULL);
	CLEANUP_FREE char *text = path ? escape_name(path) : NULL;
	char room[REASON_ROOM];

	engine_count(e, COUNT_FAILED, 1);
	log_error("destination %s: %s", text ? text : "?",
		  reason_text(error, PHASE_LIST, room));
	report_add(e->report, REPORT_VERIFIED,
		   &(struct report_entry){.path = path ? path : "?",
					  .error = error,
					  .phase = PHASE_LIST});
}

/* Names what lies below: 1 when the filter hides some of it, else 0. */
static int name_below(struct scanner *s, const char *name,
		      const struct handle *handle)
{
	struct engine *e = s->engine;
	CLEANUP_FREE char *path = dirnode_path(s->dir, name);
	struct walk *w = path ? walk_new(e, DESTINATION, handle, path) : NULL;
	struct walk_place place;
	bool kept = false;
	int r = w ? 0 : -ENOMEM;

	while (r == 0 && (r = walk_next(w, &place)) > 0) {
		if (place.error &&
		    engine_stops_for(e, place.error, DESTINATION))
			break;
		if (place.error)
			fail_extra(e, w, place.error);
		kept = *place.kept;
		if (r == WALK_PAGE)
			say_page(e, w, &place);
		else if (place.name && kept)
			*place.parent_kept = true;
		else if (place.name)
			say_extra(e, w, NULL);
		r = 0;
	}
	walk_free(w);
	return r < 0 ? r : kept;
}

/* One name that is left. A directory that is kept for what the filter hides in
 * it is not extra. */
static int extra(struct scanner *s, const char *name, const struct attr *attr,
		 const struct handle *handle)
{
	int r = 0;

	if (!scan_allows(s, name, attr->type) ||
	    verify_excuses(s->engine, s->reader, s->dir, name, attr,
			   DIFFERS_EXTRA))
		return 0;
	if (attr->type == ENTRY_DIRECTORY && handle)
		r = name_below(s, name, handle);
	if (r == 0) {
		struct attr both[SIDES] = {[DESTINATION] = *attr};

		verify_sum(s->engine, s->dir, name, both, NULL);
		record(s, name, attr, DIFFERS_EXTRA);
	}
	return r < 0 ? r : 0;
}

void verify_extra(struct scanner *s)
{
	struct engine *e = s->engine;
	int r;

	if (!e->verify_only && e->options.deleted != DELETED_REMOVE)
		return;
	for (;;) {
		CLEANUP_FREE char *name = NULL;
		CLEANUP_FREE struct handle *handle = NULL;
		struct attr attr;

		r = join_take_next(s->join, &name, &attr, &handle);
		if (r <= 0)
			break;
		r = extra(s, name, &attr, handle);
		if (r < 0)
			break;
	}
	if (r < 0 && r != -ECANCELED)
		engine_stop(e, r, SIDES);
}

/* The root has no name to be met under. */
static void record_root(struct engine *e, const struct attr *source,
			uint32_t kinds)
{
	struct dirnode root = {.name = (char[]){""}, .id = MANIFEST_ROOT};
	struct manifest_reader *reader = manifest_reader_new(e->manifest);

	verify_record(e, reader, &root, "", source, kinds);
	manifest_reader_free(reader);
}

void verify_root(struct engine *e)
{
	struct attr now[SIDES];
	uint32_t kinds;

	for (int side = 0; side < SIDES; side++) {
		struct volume_getattr item = {
		    .handle = volume_get_info(e->volume[side])->root};

		volume_run(e->volume[side], VOLUME_GETATTR, &item, 1);
		if (item.result < 0) {
			engine_stop(e, item.result, (enum side)side);
			return;
		}
		now[side] = item.ret_attr;
	}
	kinds = compare_attr(e, &now[SOURCE], &now[DESTINATION]);
	if (e->sum_trees)
		for (int side = 0; side < SIDES; side++)
			treesum_add(&e->sum[side], "", &now[side],
				    metadata_preserve(e, ENTRY_DIRECTORY),
				    NULL);
	if (!kinds)
		count_equal(e, NULL, NULL, &now[SOURCE], &now[DESTINATION]);
	else if (!e->verify_only &&
		 !attr_same_version(&now[SOURCE], &e->root_attr[SOURCE]))
		engine_count(e, COUNT_CHANGED, 1);
	else
		record_root(e, &now[SOURCE], kinds);
}
