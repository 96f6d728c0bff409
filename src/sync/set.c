/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * set - the attributes of entries whose content is on the destination
 * already: set where they differ, checked, recorded.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/state.h"
#include "sync/withdraw.h"

/* Ends an item whose destination is as it should be. What was verified
 * stays so: its content was not touched. */
static void done(struct lane *l, struct item *i)
{
	complete_done(l->engine, i,
		      i->old_state == STATE_VERIFIED ? STATE_VERIFIED
						     : STATE_COPIED,
		      &l->released);
}

static void was_set(struct lane *l, struct item *i, struct volume_setattr *s)
{
	struct engine *e = l->engine;
	struct attr want = metadata_want(e, &i->attr[SOURCE]);

	if (s->result == 0 && metadata_differs(e, &want, &s->ret_attr))
		s->result = -EUCLEAN;
	if (s->result < 0) {
		complete_failed(e, i, s->result, PHASE_METADATA, DESTINATION,
				&l->released);
		return;
	}
	engine_count(e, COUNT_METADATA, 1);
	i->attr[DESTINATION] = s->ret_attr;
	i->plan.action = PLAN_METADATA;
	done(l, i);
}

static void set_batch(struct lane *l, struct work *w, struct item **items,
		      struct volume_setattr *sets)
{
	struct engine *e = l->engine;
	struct withdraw claims = {.engine = e};
	struct item *i;
	size_t n = 0;

	while ((i = work_take(w))) {
		struct attr want = metadata_want(e, &i->attr[SOURCE]);

		if (!metadata_differs(e, &want, &i->attr[DESTINATION])) {
			i->found = i->plan.action == PLAN_COMPARE && !i->linked;
			if (i->found)
				engine_count(e, COUNT_UNCHANGED, 1);
			done(l, i);
			continue;
		}
		if (i->plan.protect) {
			complete_left(e, i, &l->released);
			continue;
		}
		withdraw_object(&claims, i);
		sets[n] = (struct volume_setattr){
		    .handle = i->handle[DESTINATION],
		    .set = metadata_set(e, &i->attr[SOURCE],
					&i->attr[DESTINATION])};
		items[n++] = i;
	}
	if (withdraw_commit(&claims) < 0) {
		for (size_t k = 0; k < n; k++)
			complete_abandoned(e, items[k]);
		return;
	}
	if (n > 0)
		volume_run(e->volume[DESTINATION], VOLUME_SETATTR, sets, n);
	for (size_t k = 0; k < n; k++)
		was_set(l, items[k], &sets[k]);
}

void set_metadata(struct lane *l, struct work *w)
{
	size_t n = w->count;
	CLEANUP_FREE struct item **items = calloc(n, sizeof(struct item *));
	CLEANUP_FREE struct volume_setattr *sets = calloc(n, sizeof(*sets));
	struct item *i;

	if (items && sets) {
		set_batch(l, w, items, sets);
		return;
	}
	engine_stop(l->engine, -ENOMEM, SIDES);
	while ((i = work_take(w)))
		complete_abandoned(l->engine, i);
}
