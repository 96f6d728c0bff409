/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every item that was made comes here exactly once, whatever became of it:
 * its directory's pending, and with it the end of the run, hangs on that.
 *
 * The order within an end is fixed. The row is put first: the finisher may
 * put the directory's as soon as the pending is dropped, and a row never
 * becomes durable before those put earlier. Then the hard link group is
 * released, since it borrows the item's handle. The item goes last.
 */
#include "sync/complete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/metadata.h"
#include "sync/reason.h"
#include "sync/state.h"

/* An error of the manifest's writer ends the run: without a record, nothing
 * that follows could be trusted. */
static void put_row(struct engine *e, const struct manifest_row *row)
{
	int r;

	if (e->options.dry_run)
		return;
	r = manifest_put(e->manifest, row);
	if (r < 0)
		engine_stop(e, r, SIDES);
}

void complete_planned(struct engine *e, struct item *i)
{
	if (i->planned)
		return;
	i->planned = true;
	engine_count(e, COUNT_PLANNED, 1);
	if (i->attr[SOURCE].type == ENTRY_FILE)
		engine_count(e, COUNT_PLANNED_BYTES, i->attr[SOURCE].size);
}

/* Counts a planned item as through. */
static void count_done(struct engine *e, const struct item *i)
{
	if (!i->planned)
		return;
	engine_count(e, COUNT_DONE, 1);
	if (i->attr[SOURCE].type == ENTRY_FILE)
		engine_count(e, COUNT_DONE_BYTES, i->attr[SOURCE].size);
}

static void report_verified(struct engine *e, const struct item *i)
{
	report_add(e->report, REPORT_VERIFIED,
		   &(struct report_entry){.dir = i->dir,
					  .name = i->name,
					  .source = &i->attr[SOURCE],
					  .destination = &i->attr[DESTINATION],
					  .digest = i->has_digest ? &i->digest
								  : NULL});
}

static void end_item(struct engine *e, struct item *i)
{
	struct dirnode *d = i->dir;

	count_done(e, i);
	/* Only now it has the attributes that it stays with. */
	if (i->settled)
		report_verified(e, i);
	item_free(i);
	engine_drop_directory(e, d);
}

/* The path as it may be shown. */
static char *path_text(const struct dirnode *d, const char *name)
{
	char *path = dirnode_path(d, name);
	char *text = path ? escape_name(path) : NULL;

	free(path);
	return text;
}

/* Names an entry as it ends; a dry run has printed its plan. */
static void say(const struct engine *e, const struct item *i, const char *what)
{
	char *path;

	if (log_get_level() < LOG_INFO || e->options.dry_run)
		return;
	path = path_text(i->dir, i->name);
	log_info("%s %s%s%s", what, path ? path : "?",
		 i->plan.reason ? ": " : "", plan_reason_text(i->plan.reason));
	free(path);
}

static void release_group(struct engine *e, struct item *i,
			  enum entry_state state, struct item_list *released)
{
	struct link_leader leader = links_leader_of(i, state);
	int r = links_done(e->links, i, &leader, released);

	if (r < 0)
		engine_stop(e, r, SIDES);
	i->leads = false;
}

/* Content alone is told of when it is written, see complete_written(). */
static void report_done(struct engine *e, const struct item *i)
{
	struct report_entry entry = {
	    .dir = i->dir,
	    .name = i->name,
	    .source = &i->attr[SOURCE],
	    .destination = &i->attr[DESTINATION],
	    .overwrite = true,
	    .metadata = true,
	    .reason = "the destination has it already",
	};

	if (i->plan.action == PLAN_METADATA)
		report_add(e->report, REPORT_TRANSFERRED, &entry);
	else if (i->found ||
		 (i->plan.action == PLAN_UNCHANGED && !i->dir->again))
		report_add(e->report, REPORT_SKIPPED, &entry);
}

void complete_done(struct engine *e, struct item *i, enum entry_state state,
		   struct item_list *released)
{
	struct manifest_row row = {
	    .directory = i->dir->id,
	    .name = i->name,
	    .state = state,
	    .type = i->attr[SOURCE].type,
	    .source = i->attr[SOURCE],
	    .destination_fileid = i->attr[DESTINATION].fileid,
	    .has_digest = i->has_digest,
	    .digest = i->digest,
	    .execution = e->execution,
	};

	i->flags |=
	    metadata_skipped(e, &i->attr[SOURCE], &i->attr[DESTINATION]);
	row.flags = i->flags;
	if ((row.flags & ROW_NO_TIMES) && e->link_times_denied &&
	    !atomic_exchange(&e->link_times_said, true))
		log_warning("destination: the server does not keep the times "
			    "of symlinks: they are counted as skipped "
			    "metadata");
	if ((row.flags & (ROW_NO_OWNER | ROW_NO_MODE | ROW_NO_TIMES)) &&
	    (i->plan.action != PLAN_UNCHANGED || !i->dir->again))
		engine_count(e, COUNT_METADATA_SKIPPED, 1);
	if (i->plan.action != PLAN_UNCHANGED || !i->recorded)
		put_row(e, &row);
	if (i->plan.action != PLAN_UNCHANGED)
		say(e, i, plan_action_name(i->plan.action));
	report_done(e, i);
	if (i->leads)
		release_group(e, i, state, released);
	end_item(e, i);
}

/* Counts what a copy has read back. Where both trees are compared at the end,
 * that counts. */
static bool count_verified(struct engine *e)
{
	if (e->options.verify == VERIFY_ALL)
		return false;
	engine_count(e, COUNT_VERIFIED, 1);
	return true;
}

void complete_settled(struct engine *e, struct item *i)
{
	i->settled = count_verified(e);
	i->old_state = STATE_VERIFIED;
}

static void report_transferred(struct engine *e, const struct item *i)
{
	report_add(
	    e->report, REPORT_TRANSFERRED,
	    &(struct report_entry){.dir = i->dir,
				   .name = i->name,
				   .source = &i->attr[SOURCE],
				   .destination = &i->attr[DESTINATION],
				   .overwrite = i->plan.reason != REASON_NEW});
}

void complete_written(struct engine *e, struct item *i, const struct attr *attr,
		      struct handle **handle)
{
	engine_count(e, COUNT_TRANSFERRED, 1);
	if (i->flags & ROW_UNLINKED)
		engine_count(e, COUNT_LINK_LIMIT, 1);
	i->attr[DESTINATION] = *attr;
	free(i->handle[DESTINATION]);
	i->handle[DESTINATION] = steal(*handle);
	report_transferred(e, i);
}

void complete_linked(struct engine *e, struct item *i, bool verified)
{
	engine_count(e, COUNT_TRANSFERRED, 1);
	engine_count(e, COUNT_LINKED, 1);
	report_transferred(e, i);
	if (verified && count_verified(e))
		report_verified(e, i);
}

void complete_copied(struct engine *e, struct item *i, bool verified,
		     struct item_list *released)
{
	if (verified && count_verified(e))
		report_verified(e, i);
	complete_done(e, i, verified ? STATE_VERIFIED : STATE_COPIED, released);
}

/* Says and records the failure of what `row` names; frees `path`. */
static void record_failure(struct engine *e, struct manifest_row *row,
			   char *path, enum side side)
{
	char room[REASON_ROOM];
	const char *reason = reason_text(row->error, row->phase, room);

	row->state = STATE_FAILED;
	row->type = row->source.type;
	row->execution = e->execution;
	put_row(e, row);
	engine_count_failure(e);
	/* A real run reports at its end what the retry has not mended. */
	if (e->options.dry_run)
		log_error("%s: %s: %s", path ? path : "?", side_name(side),
			  reason);
	else
		log_info("failed %s: %s: %s", path ? path : "?",
			 side_name(side), reason);
	free(path);
}

void complete_record_failure(struct engine *e, struct dirnode *d,
			     const char *name, const struct attr *source,
			     int error, enum entry_phase phase, enum side side)
{
	struct manifest_row row = {
	    .directory = d->id,
	    .name = name,
	    .source = *source,
	    .error = error,
	    .phase = phase,
	};

	record_failure(e, &row, path_text(d, name), side);
}

void complete_directory_failure(struct engine *e, const struct dirnode *d,
				int error, enum entry_phase phase,
				enum side side)
{
	struct manifest_row row = {
	    .directory = d->parent_id,
	    .name = d->name,
	    .source = d->attr[SOURCE],
	    .error = error,
	    .phase = phase,
	};

	record_failure(e, &row, path_text(d, NULL), side);
}

void complete_failed(struct engine *e, struct item *i, int error,
		     enum entry_phase phase, enum side side,
		     struct item_list *released)
{
	if (engine_stops_for(e, error, side)) {
		complete_abandoned(e, i);
		return;
	}
	complete_record_failure(e, i->dir, i->name, &i->attr[SOURCE], error,
				phase, side);
	if (i->leads)
		links_failed(e->links, i, released);
	end_item(e, i);
}

/* Whether the source has the item's name: 0, -ENOENT or another error. */
static int look_for_name(struct engine *e, const struct item *i)
{
	struct volume_lookup item = {.dir = i->dir->handle[SOURCE],
				     .name = i->name};

	volume_run(e->volume[SOURCE], VOLUME_LOOKUP, &item, 1);
	volume_items_done(VOLUME_LOOKUP, &item, 1);
	return item.result == -ESTALE ? -ENOENT : item.result;
}

void complete_missing(struct engine *e, struct item *i,
		      struct item_list *released)
{
	int r = look_for_name(e, i);

	if (r != -ENOENT) {
		complete_failed(e, i, r < 0 ? r : -ESTALE, PHASE_READ, SOURCE,
				released);
		return;
	}
	engine_count(e, COUNT_VANISHED, 1);
	say(e, i, "vanished");
	if (i->leads)
		links_failed(e->links, i, released);
	end_item(e, i);
}

void complete_compared(struct engine *e, struct item *i, bool equal)
{
	if (equal) {
		engine_count(e, COUNT_VERIFIED, 1);
		report_verified(e, i);
	}
	end_item(e, i);
}

void complete_report_skipped(struct engine *e, const struct dirnode *d,
			     const char *name, const struct attr *source,
			     const char *reason)
{
	if (!d->again)
		report_add(e->report, REPORT_SKIPPED,
			   &(struct report_entry){.dir = d,
						  .name = name,
						  .source = source,
						  .reason = reason});
}

/* Ends an item that is not copied on purpose, because of `error`. */
static void skip(struct engine *e, struct item *i, int error, const char *what,
		 const char *reason)
{
	struct manifest_row row = {
	    .directory = i->dir->id,
	    .name = i->name,
	    .state = STATE_SKIPPED,
	    .type = i->attr[SOURCE].type,
	    .source = i->attr[SOURCE],
	    .error = error,
	    .execution = e->execution,
	};

	put_row(e, &row);
	engine_count_once(e, i->dir, COUNT_SKIPPED, 1);
	say(e, i, what);
	complete_report_skipped(e, i->dir, i->name, &i->attr[SOURCE], reason);
	end_item(e, i);
}

void complete_skipped(struct engine *e, struct item *i)
{
	skip(e, i, -EOPNOTSUPP, "skipped", "such a kind is never copied");
}

void complete_left(struct engine *e, struct item *i, struct item_list *released)
{
	engine_count_once(e, i->dir, COUNT_LEFT, 1);
	if (i->leads)
		links_failed(e->links, i, released);
	skip(e, i, -ENOTUNIQ, "left",
	     "the destination differs and is not to be overwritten");
}

void complete_abandoned(struct engine *e, struct item *i)
{
	struct item_list waiters = TAILQ_HEAD_INITIALIZER(waiters);
	struct item *w;

	if (i->leads)
		links_failed(e->links, i, &waiters);
	end_item(e, i);
	while ((w = TAILQ_FIRST(&waiters))) {
		TAILQ_REMOVE(&waiters, w, link);
		end_item(e, w);
	}
}
