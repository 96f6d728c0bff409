/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of one directory. They were noted a while ago, so both sides are asked
 * again: what the source has got meanwhile, or what somebody put in its place,
 * is not what the user wants to be rid of. Their rows go before they do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/dirnode.h"
#include "sync/prune_internal.h"
#include "sync/state.h"
#include "sync/withdraw.h"

struct batch {
	struct prune *prune;
	struct engine *engine;
	struct dirnode *dir;
	struct prune_name *names;
	size_t count;
};

/* 0, or a negative errno that ends the run. */
static int look_up(struct batch *b, enum side side,
		   struct volume_lookup items[PRUNE_BATCH])
{
	int r = 0;

	for (size_t k = 0; k < b->count; k++)
		items[k] = (struct volume_lookup){.dir = b->dir->handle[side],
						  .name = b->names[k].name};
	volume_run(b->engine->volume[side], VOLUME_LOOKUP, items, b->count);
	for (size_t k = 0; k < b->count; k++)
		if (items[k].result < 0 && items[k].result != -ENOENT &&
		    engine_stops_for(b->engine, items[k].result, side))
			r = -ECANCELED;
	return r;
}

/* Is the name still to go, as the source has it? */
static bool source_agrees(const struct prune_name *n,
			  const struct volume_lookup *here)
{
	if (n->obstacle)
		return here->result == 0 &&
		       here->ret_attr.type != ENTRY_DIRECTORY;
	return here->result == -ENOENT;
}

/* Is what the destination has there what was noted? */
static bool is_noted(const struct prune_name *n,
		     const struct volume_lookup *there)
{
	return there->result == 0 && there->ret_attr.type == n->attr.type &&
	       there->ret_attr.fileid == n->attr.fileid;
}

static int ask_again(struct batch *b)
{
	struct volume_lookup *here = calloc(PRUNE_BATCH, sizeof(*here));
	struct volume_lookup *there = calloc(PRUNE_BATCH, sizeof(*there));
	int r = here && there ? 0 : -ENOMEM;

	if (r == 0)
		r = look_up(b, SOURCE, here);
	if (r == 0)
		r = look_up(b, DESTINATION, there);
	for (size_t k = 0; r == 0 && k < b->count; k++) {
		struct prune_name *n = &b->names[k];

		n->dropped =
		    !source_agrees(n, &here[k]) || !is_noted(n, &there[k]);
		if (n->dropped)
			continue;
		n->source = here[k].ret_attr;
		free(n->handle);
		n->handle = steal(there[k].ret_handle);
		n->path = dirnode_path(b->dir, n->name);
		if (!n->path)
			r = -ENOMEM;
		else if (!prune_may(b->prune, n->path, &there[k].ret_attr))
			n->dropped = true;
		else if (!prune_take(b->prune))
			r = -ECANCELED;
	}
	if (here)
		volume_items_done(VOLUME_LOOKUP, here, b->count);
	if (there)
		volume_items_done(VOLUME_LOOKUP, there, b->count);
	free(here);
	free(there);
	return r;
}

/* What an obstacle stands in the way of has failed, and is found by that when
 * it is tried again. */
static int put_failure(struct batch *b, const struct prune_name *n)
{
	const struct manifest_row row = {
	    .directory = b->dir->id,
	    .name = n->name,
	    .state = STATE_FAILED,
	    .type = n->source.type,
	    .source = n->source,
	    .error = -ENOTEMPTY,
	    .phase = PHASE_WRITE,
	    .execution = b->engine->execution,
	};

	return manifest_put(b->engine->manifest, &row);
}

/* Takes back what the manifest says of them, and of the directory. */
static int take_back(struct batch *b)
{
	struct withdraw w = {.engine = b->engine};
	bool any = false;
	int r;

	for (size_t k = 0; k < b->count; k++) {
		if (b->names[k].dropped)
			continue;
		any = true;
		withdraw_tree(&w, b->dir, b->names[k].name);
	}
	r = any ? withdraw_commit(&w) : 0;
	for (size_t k = 0; r == 0 && k < b->count; k++)
		if (!b->names[k].dropped && b->names[k].obstacle)
			r = put_failure(b, &b->names[k]);
	return r;
}

/* A directory that could not be emptied stays, without a word: what is in it
 * has been said to. */
static int empty(struct batch *b, struct prune_name *n)
{
	int r;

	if (n->attr.type != ENTRY_DIRECTORY || n->dropped)
		return 0;
	if (!n->handle) {
		n->dropped = true;
		prune_fail(b->prune, n->path, -EIO);
		return 0;
	}
	r = prune_tree(b->prune, n->handle, n->path, PRUNE_REMOVE);
	n->dropped = r != 0;
	return r < 0 ? r : 0;
}

static void removed(struct batch *b, struct prune_name *n, int error)
{
	struct prune *p = b->prune;

	if (error == 0 || error == -ENOENT) {
		prune_gone(p, n->path, n->attr.type == ENTRY_DIRECTORY,
			   &n->attr);
		p->made_way += n->obstacle;
	} else if (!engine_stops_for(b->engine, error, DESTINATION)) {
		prune_fail(p, n->path, error);
	}
}

static void remove_names(struct batch *b)
{
	struct volume_remove items[PRUNE_BATCH];
	struct prune_name *at[PRUNE_BATCH];
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++) {
		if (b->names[k].dropped)
			continue;
		at[n] = &b->names[k];
		items[n++] = (struct volume_remove){
		    .dir = b->dir->handle[DESTINATION],
		    .name = b->names[k].name,
		    .directory = b->names[k].attr.type == ENTRY_DIRECTORY};
	}
	if (n > 0)
		volume_run(b->engine->volume[DESTINATION], VOLUME_REMOVE, items,
			   n);
	for (size_t k = 0; k < n; k++)
		removed(b, at[k], items[k].result);
}

void prune_names(struct prune *p, struct dirnode *d, struct prune_name *names,
		 size_t count)
{
	struct batch b = {.prune = p,
			  .engine = p->engine,
			  .dir = d,
			  .names = names,
			  .count = count};
	int r = ask_again(&b);

	if (r == 0)
		r = take_back(&b);
	for (size_t k = 0; r == 0 && k < count; k++)
		r = empty(&b, &names[k]);
	if (r == 0)
		remove_names(&b);
	else if (r != -ECANCELED)
		engine_stop(p->engine, r, SIDES);
}
