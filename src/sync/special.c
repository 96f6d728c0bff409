/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * special - symlinks, FIFOs and sockets: what is made in one operation and
 * has no data but a link target.
 *
 * Where something is in the way, the new one is made under a temporary name
 * and renamed over it. FIFOs and sockets have nothing to be compared: one that
 * is there is settled, and only their attributes are looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/state.h"
#include "sync/withdraw.h"

struct thing {
	struct item *item; /* NULL once it has ended */
	char *target;      /* of a symlink on the source */
	bool settled;      /* the destination has it already */
	char temp[TEMPNAME_SIZE];
};

struct batch {
	struct lane *lane;
	struct engine *engine;
	size_t count;
	struct thing *things;
	struct thing **at; /* which thing each item of the call is */
	struct volume_readlink *reads;
	struct volume_make *makes;
};

static void fail(struct batch *b, struct thing *t, int error,
		 enum entry_phase phase, enum side side)
{
	complete_failed(b->engine, steal(t->item), error, phase, side,
			&b->lane->released);
}

/* Reads the targets of those symlinks of at[0..n) from one side. */
static void read_targets(struct batch *b, enum side side, size_t n)
{
	for (size_t k = 0; k < n; k++)
		b->reads[k] = (struct volume_readlink){
		    .handle = b->at[k]->item->handle[side]};
	if (n > 0)
		volume_run(b->engine->volume[side], VOLUME_READLINK, b->reads,
			   n);
}

static void take_target(struct batch *b, struct thing *t,
			struct volume_readlink *r)
{
	struct item *i = t->item;

	if (r->result == -ENOENT || r->result == -ESTALE) {
		complete_missing(b->engine, steal(t->item), &b->lane->released);
	} else if (r->result < 0) {
		fail(b, t, r->result, PHASE_READ, SOURCE);
	} else {
		t->target = steal(r->ret_target);
		i->attr[SOURCE] = r->ret_attr;
		i->digest = digest_of(t->target, strlen(t->target));
		i->has_digest = true;
	}
}

static void read_sources(struct batch *b)
{
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++)
		if (b->things[k].item->attr[SOURCE].type == ENTRY_SYMLINK)
			b->at[n++] = &b->things[k];
	read_targets(b, SOURCE, n);
	for (size_t k = 0; k < n; k++)
		take_target(b, b->at[k], &b->reads[k]);
	volume_items_done(VOLUME_READLINK, b->reads, n);
}

/* The destination's target of one symlink was read to be compared. */
static void compare_one(struct batch *b, struct thing *t,
			const struct volume_readlink *r)
{
	t->settled = r->result == 0 && !strcmp(r->ret_target, t->target);
	if (t->settled || !t->item->plan.protect)
		return;
	if (r->result < 0)
		fail(b, t, r->result, PHASE_WRITE, DESTINATION);
	else
		complete_left(b->engine, steal(t->item), &b->lane->released);
}

static void compare(struct batch *b)
{
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++) {
		struct item *i = b->things[k].item;

		if (i && i->plan.action == PLAN_COMPARE &&
		    i->attr[SOURCE].type == ENTRY_SYMLINK)
			b->at[n++] = &b->things[k];
		else if (i && i->plan.action == PLAN_COMPARE)
			b->things[k].settled = true;
	}
	read_targets(b, DESTINATION, n);
	for (size_t k = 0; k < n; k++)
		compare_one(b, b->at[k], &b->reads[k]);
	volume_items_done(VOLUME_READLINK, b->reads, n);
}

static void finish_settled(struct batch *b)
{
	struct work rest = {.kind = WORK_METADATA};

	TAILQ_INIT(&rest.items);
	for (size_t k = 0; k < b->count; k++) {
		struct thing *t = &b->things[k];

		if (t->item && t->settled) {
			complete_settled(b->engine, t->item);
			work_add(&rest, steal(t->item));
		}
	}
	if (rest.count > 0)
		set_metadata(b->lane, &rest);
}

static void made(struct batch *b, struct thing *t, struct volume_make *m)
{
	if (m->result < 0)
		fail(b, t, m->result, PHASE_WRITE, DESTINATION);
	else
		complete_written(b->engine, t->item, &m->ret_attr,
				 &m->ret_handle);
}

static void abandon(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++)
		if (b->things[k].item)
			complete_abandoned(b->engine, steal(b->things[k].item));
}

static void make_things(struct batch *b)
{
	struct engine *e = b->engine;
	struct withdraw claims = {.engine = e};
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++)
		if (b->things[k].item)
			withdraw_item(&claims, b->things[k].item);
	if (withdraw_commit(&claims) < 0) {
		abandon(b);
		return;
	}
	for (size_t k = 0; k < b->count; k++) {
		struct thing *t = &b->things[k];
		struct item *i = t->item;
		int r = 0;

		if (i && i->plan.replace)
			r = clear_directory(b->lane, i);
		if (r < 0)
			fail(b, t, r, PHASE_WRITE, DESTINATION);
		if (!t->item)
			continue;
		tempname_next(&e->tempname, t->temp);
		b->at[n] = t;
		b->makes[n++] = (struct volume_make){
		    .dir = i->dir->handle[DESTINATION],
		    .temp_name = i->handle[DESTINATION] ? t->temp : NULL,
		    .name = i->name,
		    .type = i->attr[SOURCE].type,
		    .target = t->target,
		    .set = metadata_set(e, &i->attr[SOURCE],
					&i->attr[DESTINATION])};
	}
	if (n == 0)
		return;
	volume_run(e->volume[DESTINATION], VOLUME_MAKE, b->makes, n);
	for (size_t k = 0; k < n; k++)
		made(b, b->at[k], &b->makes[k]);
	volume_items_done(VOLUME_MAKE, b->makes, n);
}

/* Compares the attributes of what was made; ends those that differ. */
static void verify_attributes(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++) {
		struct item *i = b->things[k].item;
		struct attr want;

		if (!i)
			continue;
		want = metadata_want(b->engine, &i->attr[SOURCE]);
		if (metadata_differs(b->engine, &want, &i->attr[DESTINATION]))
			fail(b, &b->things[k], -EUCLEAN, PHASE_VERIFY,
			     DESTINATION);
	}
}

static void verify_targets(struct batch *b)
{
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++)
		if (b->things[k].item &&
		    b->things[k].item->attr[SOURCE].type == ENTRY_SYMLINK)
			b->at[n++] = &b->things[k];
	read_targets(b, DESTINATION, n);
	for (size_t k = 0; k < n; k++) {
		if (b->reads[k].result < 0)
			fail(b, b->at[k], b->reads[k].result, PHASE_VERIFY,
			     DESTINATION);
		else if (strcmp(b->reads[k].ret_target, b->at[k]->target))
			fail(b, b->at[k], -EBADMSG, PHASE_VERIFY, DESTINATION);
	}
	volume_items_done(VOLUME_READLINK, b->reads, n);
}

static void make_batch(struct batch *b, struct work *w)
{
	bool verify = b->engine->options.verify != VERIFY_NONE;
	struct item *i;

	while ((i = work_take(w)))
		b->things[b->count++].item = i;
	read_sources(b);
	compare(b);
	finish_settled(b);
	make_things(b);
	if (verify) {
		verify_attributes(b);
		verify_targets(b);
	}
	for (size_t k = 0; k < b->count; k++) {
		struct thing *t = &b->things[k];

		if (t->item)
			complete_copied(b->engine, steal(t->item), verify,
					&b->lane->released);
		free(t->target);
	}
}

void make_special(struct lane *l, struct work *w)
{
	size_t n = w->count;
	CLEANUP_FREE struct thing *things = calloc(n, sizeof(*things));
	CLEANUP_FREE struct thing **at = calloc(n, sizeof(struct thing *));
	CLEANUP_FREE struct volume_readlink *reads = calloc(n, sizeof(*reads));
	CLEANUP_FREE struct volume_make *makes = calloc(n, sizeof(*makes));
	struct batch b = {.lane = l,
			  .engine = l->engine,
			  .things = things,
			  .at = at,
			  .reads = reads,
			  .makes = makes};
	struct item *i;

	if (things && at && reads && makes) {
		make_batch(&b, w);
		return;
	}
	engine_stop(l->engine, -ENOMEM, SIDES);
	while ((i = work_take(w)))
		complete_abandoned(l->engine, i);
}
