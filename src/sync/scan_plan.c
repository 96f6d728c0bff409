/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a scanner does with each entry of the source: ask the join for the
 * destination's entry and the manifest for the record, plan, and put the item
 * into the work of its kind.
 *
 * A scanner fills one work of each kind at a time, across directories. It may
 * not sit on them: a hard link's other names wait for a leader that lies in
 * one, and directories for all that lies in them. So they are handed out when
 * full, when the lanes have nothing to do, and before the scanner waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "sync/adopt.h"
#include "sync/complete.h"
#include "sync/metadata.h"
#include "sync/prune.h"
#include "sync/scanner.h"
#include "sync/throttle.h"
#include "sync/verify.h"

/* A batch of small files is full at so many bytes for each of its calls, ... */
#define CALL_BYTES_MAX (768 * 1024)
/* ... and of what has no data at so many items. */
#define OTHER_ITEMS_MAX 64

static void flush_kind(struct scanner *s, enum work_kind kind)
{
	struct engine *e = s->engine;
	struct work *w = steal(s->open[kind]);
	struct item *i;

	if (!w)
		return;
	/* To wait for room may take long. */
	manifest_reader_end(s->reader);
	if (queue_push(kind == WORK_LARGE ? e->large : e->work, w) == 0)
		return;
	while ((i = work_take(w)))
		complete_abandoned(e, i);
	work_free(w);
}

void scan_flush(struct scanner *s)
{
	for (int kind = 0; kind < WORK_KINDS; kind++)
		flush_kind(s, (enum work_kind)kind);
}

/* How full a batch gets: under a limit of `rate` a second, no more than a tenth
 * of a second's worth begins at once, but as much as one call carries. */
static uint64_t fill_of(const struct engine *e, uint64_t rate, uint64_t a_call)
{
	uint64_t most = e->work_calls * a_call, tenth = rate / 10;

	if (rate == 0 || tenth > most)
		return most;
	return tenth > a_call ? tenth : a_call;
}

/* The limits of the moment hold for the whole batch: they are looked up once
 * for all its items. */
static struct work *open_work(const struct engine *e, enum work_kind kind)
{
	struct work *w = work_new(kind);

	if (!w)
		return NULL;
	w->count_max = kind == WORK_LARGE ? 1 : OTHER_ITEMS_MAX;
	w->bytes_max = UINT64_MAX;
	if (kind == WORK_SMALL) {
		w->count_max = (unsigned)fill_of(
		    e, throttle_get_iops(e->throttle), e->call_items);
		w->bytes_max = fill_of(e, throttle_get_bandwidth(e->throttle),
				       CALL_BYTES_MAX);
	}
	return w;
}

void scan_add_work(struct scanner *s, struct item *i, enum work_kind kind)
{
	struct work *w = s->open[kind];
	uint64_t size = i->attr[SOURCE].size;

	if (!atomic_load(&s->engine->comparing))
		complete_planned(s->engine, i);
	if (w && w->bytes + size > w->bytes_max) {
		flush_kind(s, kind);
		w = NULL;
	}
	if (!w)
		w = s->open[kind] = open_work(s->engine, kind);
	if (!w) {
		engine_stop(s->engine, -ENOMEM, SIDES);
		complete_abandoned(s->engine, i);
		return;
	}
	work_add(w, i);
	if (w->count >= w->count_max || w->bytes >= w->bytes_max)
		flush_kind(s, kind);
}

/* One line of a dry run: what would be done to which path, and why. */
static void print_plan(const struct engine *e, const struct dirnode *d,
		       const char *name, const char *action,
		       enum plan_reason reason)
{
	char *path = e->seen ? NULL : dirnode_path(d, name);
	char *text = path ? escape_name(path) : NULL;

	if (text)
		printf("%-9s %s%s%s\n", action, text, reason ? "  # " : "",
		       plan_reason_text(reason));
	free(text);
	free(path);
}

static void unchanged(struct scanner *s, struct item *i,
		      struct item_list *released)
{
	struct engine *e = s->engine;

	engine_count_once(e, i->dir, COUNT_UNCHANGED, 1);
	i->plan.action = PLAN_UNCHANGED;
	i->flags |= i->old_flags & ROW_UNLINKED;
	complete_done(e, i,
		      i->old_state == STATE_VERIFIED ? STATE_VERIFIED
						     : STATE_COPIED,
		      released);
}

/* Hands the item on as it is planned, links left aside. */
static void dispatch(struct scanner *s, struct item *i,
		     struct item_list *released)
{
	struct engine *e = s->engine;

	if (i->plan.action == PLAN_UNCHANGED) {
		unchanged(s, i, released);
	} else if (e->options.dry_run) {
		print_plan(e, i->dir, i->name, plan_action_name(i->plan.action),
			   i->plan.reason);
		/* Its other names would be linked to a new object. */
		if (i->plan.action == PLAN_COPY)
			free(steal(i->handle[DESTINATION]));
		complete_planned(e, i);
		complete_done(e, i, STATE_COPIED, released);
	} else {
		scan_add_work(s, i, item_work_kind(i));
	}
}

/* The item's group has its first name on the destination. */
static void dispatch_link(struct scanner *s, struct item *i,
			  const struct link_leader *leader,
			  struct item_list *released)
{
	struct engine *e = s->engine;
	struct link_leader self;
	int r;

	if (links_is_same(i, leader)) {
		links_follow(i, leader);
		i->old_state = leader->state;
		unchanged(s, i, released);
	} else if (i->plan.action == PLAN_UNCHANGED && i->recorded &&
		   ((i->old_flags | leader->flags) & ROW_UNLINKED)) {
		/* The link limit has parted the group: each name stays with
		 * the object it was given. New names go to the last one. */
		i->flags |= i->old_flags & ROW_UNLINKED;
		self = links_leader_of(i, i->old_state);
		r = self.flags ? links_done(e->links, i, &self, released) : 0;
		if (r < 0)
			engine_stop(e, r, SIDES);
		unchanged(s, i, released);
	} else if (e->options.dry_run) {
		i->plan.action = PLAN_COPY;
		print_plan(e, i->dir, i->name, "link", i->plan.reason);
		complete_planned(e, i);
		complete_done(e, i, STATE_COPIED, released);
	} else {
		scan_add_work(s, i, WORK_LINK);
	}
}

static void meet(struct scanner *s, struct item *i, struct item_list *released)
{
	struct link_leader leader = {0};
	int r = LINKS_LEAD;

	if (i->attr[SOURCE].nlink > 1)
		r = links_meet(s->engine->links, i, &leader);
	if (r < 0) {
		engine_stop(s->engine, r, SIDES);
		complete_abandoned(s->engine, i);
	} else if (r == LINKS_LEAD) {
		if (i->attr[SOURCE].nlink > 1 && i->plan.action == PLAN_COPY &&
		    !i->handle[DESTINATION] && !s->engine->options.dry_run &&
		    s->engine->options.transfer != TRANSFER_ALL)
			adopt_link(s, i);
		dispatch(s, i, released);
	} else if (r == LINKS_READY) {
		dispatch_link(s, i, &leader, released);
		free(leader.handle);
	}
}

static void hand_on(struct scanner *s, struct item *i)
{
	struct item_list released = TAILQ_HEAD_INITIALIZER(released);

	do {
		meet(s, i, &released);
		i = TAILQ_FIRST(&released);
		if (i)
			TAILQ_REMOVE(&released, i, link);
	} while (i);
}

/* What is not touched is neither linked to other names nor they to it: it is
 * alone, whatever group it belongs to. */
static void hand_on_protected(struct scanner *s, struct item *i)
{
	struct item_list none = TAILQ_HEAD_INITIALIZER(none);

	if (i->plan.action != PLAN_LEAVE) {
		dispatch(s, i, &none);
		return;
	}
	if (s->engine->options.dry_run)
		print_plan(s->engine, i->dir, i->name,
			   plan_action_name(i->plan.action), i->plan.reason);
	complete_left(s->engine, i, &none);
}

/* Notes a subdirectory of the page at hand. */
static int add_subdirectory(struct scanner *s, const struct subdirectory *sub)
{
	struct subdirectory *grown;
	size_t room;

	if (s->sub_count == s->sub_room) {
		room = s->sub_room ? 2 * s->sub_room : 64;
		grown = reallocarray(s->subs, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->subs = grown;
		s->sub_room = room;
	}
	s->subs[s->sub_count++] = *sub;
	return 0;
}

/* What the destination and the manifest say of one name. */
struct counterpart {
	bool exists;
	struct attr attr;
	struct handle *handle;
	bool recorded;
	struct manifest_row row;
};

static int find_counterpart(struct scanner *s, const char *name,
			    struct counterpart *c)
{
	int r;

	*c = (struct counterpart){0};
	r = join_take(s->join, name, &c->attr, &c->handle);
	if (r < 0)
		return r;
	c->exists = r > 0;
	/* Of what the destination lacks the manifest may still have a row, from
	 * before somebody removed it. It is not asked: it would cost a search
	 * for each new entry, and speaks of an object that is gone. */
	if (!c->exists)
		return 0;
	/* The questions about a page are one transaction, until something has
	 * to be waited for. */
	manifest_reader_begin(s->reader);
	r = manifest_get(s->reader, s->dir->id, name, &c->row);
	c->recorded = r > 0;
	return r < 0 ? r : 0;
}

static struct item *make_item(struct scanner *s, struct volume_entry *entry,
			      struct counterpart *c, struct plan plan)
{
	struct item *i =
	    item_new(s->dir, entry->name, &entry->attr, entry->handle);

	if (!i)
		return NULL;
	entry->name = NULL;
	entry->handle = NULL;
	i->plan = plan;
	if (c->exists) {
		i->attr[DESTINATION] = c->attr;
		i->handle[DESTINATION] = steal(c->handle);
	}
	if (c->recorded) {
		i->old_state = c->row.state;
		i->old_flags = c->row.flags;
		i->has_digest = c->row.has_digest;
		i->digest = c->row.digest;
	}
	return i;
}

static int plan_one(struct scanner *s, struct volume_entry *entry,
		    struct counterpart *c)
{
	struct engine *e = s->engine;
	struct attr want = metadata_want(e, &entry->attr);
	struct plan_options options = {
	    .preserve = metadata_preserve(e, want.type),
	    .copy_all = e->options.transfer == TRANSFER_ALL && !s->dir->again,
	    .protect = e->options.overwrite == OVERWRITE_NEVER};
	struct plan plan = plan_entry(&want, c->exists ? &c->attr : NULL,
				      c->recorded ? &c->row : NULL, &options);
	struct subdirectory sub;
	struct item *i;
	int r;

	if (plan.action == PLAN_ENTER) {
		sub = (struct subdirectory){
		    .entry = entry,
		    .exists = c->exists && !plan.replace,
		    .conflict = plan.replace,
		    .attr = c->attr,
		    .handle = c->handle,
		    .old_state = c->recorded ? c->row.state : STATE_NONE,
		    .old_phase = c->recorded ? c->row.phase : PHASE_NONE};
		r = add_subdirectory(s, &sub);
		if (r == 0)
			c->handle = NULL;
		return r;
	}
	if (plan.action == PLAN_COPY && plan.replace &&
	    c->attr.type == ENTRY_DIRECTORY)
		prune_note_obstacle(s, entry->name, &c->attr, c->handle);
	i = make_item(s, entry, c, plan);
	if (!i)
		return -ENOMEM;
	i->recorded = c->recorded &&
		      plan_row_holds(&c->row, &i->attr[SOURCE]) &&
		      c->row.destination_fileid == i->attr[DESTINATION].fileid;
	if (plan.action == PLAN_SKIP)
		complete_skipped(e, i);
	else if (plan.protect)
		hand_on_protected(s, i);
	else
		hand_on(s, i);
	return 0;
}

/* The same while the trees are compared. */
static int compare_one(struct scanner *s, struct volume_entry *entry)
{
	struct subdirectory there = {0};
	int r = join_take(s->join, entry->name, &there.attr, &there.handle);

	if (r < 0)
		return r;
	there.exists = r > 0;
	r = verify_entry(s, entry, &there);
	if (r > 0)
		r = add_subdirectory(s, &there);
	else
		free(there.handle);
	return r;
}

/* An entry of which the source gives no attributes. */
static void fail_entry(struct scanner *s, const struct volume_entry *entry)
{
	int error = entry->attr_result < 0 ? entry->attr_result : -EIO;
	struct handle *handle;
	struct attr attr;

	/* Both sides have the name: it is not one to be counted as kept. */
	if (join_take(s->join, entry->name, &attr, &handle) > 0)
		free(handle);
	if (!engine_stops_for(s->engine, error, SOURCE))
		complete_record_failure(s->engine, s->dir, entry->name,
					&entry->attr, error, PHASE_LIST,
					SOURCE);
}

/* What the filter hides of the source is of no account on the destination,
 * either; what is known of it stays as it is. */
static bool is_hidden(struct scanner *s, const struct volume_entry *entry)
{
	enum entry_type type =
	    entry->attr_result == 0 ? entry->attr.type : ENTRY_NONE;
	struct handle *handle;
	struct attr attr;

	if (scan_allows(s, entry->name, type))
		return false;
	engine_count_once(s->engine, s->dir, COUNT_FILTERED, 1);
	complete_report_skipped(s->engine, s->dir, entry->name,
				entry->attr_result == 0 ? &entry->attr : NULL,
				"a filter leaves it out");
	if (join_take(s->join, entry->name, &attr, &handle) > 0)
		free(handle);
	return true;
}

static void tell_seen(const struct scanner *s, const struct attr *attr)
{
	const struct engine *e = s->engine;
	unsigned depth = 1;

	if (!e->seen || s->dir->again)
		return;
	for (const struct dirnode *d = s->dir; d->parent; d = d->parent)
		depth++;
	e->seen(e->seen_user, attr, depth);
}

void scan_entry(struct scanner *s, struct volume_entry *entry)
{
	struct engine *e = s->engine;
	struct counterpart c;
	int r;

	if (!entry) {
		manifest_reader_end(s->reader);
		scan_enter(s, s->subs, s->sub_count);
		s->sub_count = 0;
		return;
	}
	if (is_hidden(s, entry))
		return;
	r = scan_is_wanted(s, entry);
	if (r <= 0) {
		if (r < 0)
			engine_stop(e, r, SIDES);
		return;
	}
	engine_count_once(e, s->dir, COUNT_LISTED, 1);
	if (entry->attr_result == 0 && entry->attr.type == ENTRY_DIRECTORY)
		engine_count_once(e, s->dir, COUNT_DIRECTORIES, 1);
	if (entry->attr_result < 0 || !entry->handle) {
		fail_entry(s, entry);
		return;
	}
	tell_seen(s, &entry->attr);
	if (atomic_load(&e->comparing)) {
		r = compare_one(s, entry);
	} else {
		r = find_counterpart(s, entry->name, &c);
		if (r == 0)
			r = plan_one(s, entry, &c);
		free(c.handle);
	}
	if (r < 0)
		engine_stop(e, r, SIDES);
}

void scan_print_directory(const struct scanner *s, const char *name,
			  enum plan_reason reason)
{
	print_plan(s->engine, s->dir, name, "mkdir", reason);
}
