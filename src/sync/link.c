/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link - the second and further names of hard links: linked to their group's
 * leader on the destination. At the server's link limit (177 on EFS) the name
 * at hand is copied and leads from then on; its record says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/lane.h"
#include "sync/state.h"
#include "sync/withdraw.h"

struct name {
	struct item *item;
	struct link_leader leader;
	char temp[TEMPNAME_SIZE];
};

/*
 * The leader takes no more links. If another has taken its place meanwhile,
 * this name is linked to that one; else it is copied.
 */
static void beyond_limit(struct lane *l, struct name *n)
{
	struct engine *e = l->engine;
	struct item *i = steal(n->item);
	struct work w = {.kind = WORK_LINK};
	struct link_leader now = {0};
	bool moved;

	TAILQ_INIT(&w.items);
	moved =
	    links_get(e->links, i, &now) > 0 &&
	    now.attr[DESTINATION].fileid != n->leader.attr[DESTINATION].fileid;
	free(now.handle);
	if (!moved) {
		i->flags |= ROW_UNLINKED;
		i->leads = true; /* complete_done() puts it in place */
		w.kind = item_work_kind(i);
	}
	work_add(&w, i);
	switch (w.kind) {
	case WORK_LINK:
		make_links(l, &w);
		break;
	case WORK_SMALL:
		copy_small(l, &w);
		break;
	case WORK_LARGE:
		copy_large(l, work_take(&w));
		break;
	default:
		make_special(l, &w);
		break;
	}
}

static void linked(struct lane *l, struct name *n, struct volume_link *v)
{
	struct engine *e = l->engine;
	struct item *i = n->item;

	if (v->result == -EMLINK) {
		beyond_limit(l, n);
		return;
	}
	if (v->result < 0) {
		complete_failed(e, steal(n->item), v->result, PHASE_WRITE,
				DESTINATION, &l->released);
		return;
	}
	i->attr[DESTINATION] = v->ret_attr;
	links_follow(i, &n->leader);
	complete_linked(e, i, n->leader.state == STATE_VERIFIED);
	complete_done(e, steal(n->item), n->leader.state, &l->released);
}

/* The name is the leader's already: a rename over it would do nothing and
 * leave the temporary name. */
static void already_linked(struct lane *l, struct name *n)
{
	struct engine *e = l->engine;
	struct item *i = steal(n->item);

	engine_count_once(e, i->dir, COUNT_UNCHANGED, 1);
	links_follow(i, &n->leader);
	i->recorded = false;
	i->plan.action = PLAN_UNCHANGED;
	complete_done(e, i, n->leader.state, &l->released);
}

/* Finds the leader and makes way: true when the name can be linked. */
static bool prepare(struct lane *l, struct name *n)
{
	struct engine *e = l->engine;
	struct withdraw claims = {.engine = e};
	int r;

	r = links_get(e->links, n->item, &n->leader);
	if (r > 0 && links_is_same(n->item, &n->leader)) {
		already_linked(l, n);
		return false;
	}
	if (r < 0) {
		engine_stop(e, r, SIDES);
		complete_abandoned(e, steal(n->item));
		return false;
	}
	n->item->plan.action = PLAN_COPY;
	complete_planned(e, n->item);
	withdraw_item(&claims, n->item);
	if (withdraw_commit(&claims) < 0) {
		complete_abandoned(e, steal(n->item));
		return false;
	}
	if (r > 0 && n->leader.handle) {
		r = n->item->plan.replace ? clear_directory(l, n->item) : 0;
		if (r == 0)
			return true;
	} else {
		r = -ESTALE;
	}
	complete_failed(e, steal(n->item), r, PHASE_WRITE, DESTINATION,
			&l->released);
	return false;
}

static void link_batch(struct lane *l, struct work *w, struct name *names,
		       struct volume_link *items)
{
	struct engine *e = l->engine;
	struct item *i;
	size_t n = 0;

	while ((i = work_take(w))) {
		names[n].item = i;
		if (!prepare(l, &names[n])) {
			free(names[n].leader.handle);
			names[n] = (struct name){0};
			continue;
		}
		tempname_next(&e->tempname, names[n].temp);
		items[n] = (struct volume_link){
		    .handle = names[n].leader.handle,
		    .dir = i->dir->handle[DESTINATION],
		    .temp_name = i->handle[DESTINATION] ? names[n].temp : NULL,
		    .name = i->name};
		n++;
	}
	if (n > 0)
		volume_run(e->volume[DESTINATION], VOLUME_LINK, items, n);
	for (size_t k = 0; k < n; k++)
		linked(l, &names[k], &items[k]);
	volume_items_done(VOLUME_LINK, items, n);
	for (size_t k = 0; k < n; k++)
		free(names[k].leader.handle);
}

void make_links(struct lane *l, struct work *w)
{
	size_t n = w->count;
	CLEANUP_FREE struct name *names = calloc(n, sizeof(*names));
	CLEANUP_FREE struct volume_link *items = calloc(n, sizeof(*items));
	struct item *i;

	if (names && items) {
		link_batch(l, w, names, items);
		return;
	}
	engine_stop(l->engine, -ENOMEM, SIDES);
	while ((i = work_take(w)))
		complete_abandoned(l->engine, i);
}
