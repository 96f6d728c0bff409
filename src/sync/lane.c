/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lane carries one work at a time, to its end. What is released on the way,
 * names that waited for a hard link's leader, is carried by the same lane
 * afterwards: a lane that put it on the queue could wait for room that only
 * lanes make.
 */
#include "sync/lane.h"

#include <errno.h>
#include <stdlib.h>

#include "sync/complete.h"
#include "sync/state.h"
#include "sync/verify.h"

/* Straight code with batches on the heap needs little. */
#define STACK_BYTES (512 * 1024)

struct lanes {
	struct engine *engine;
	struct queue *queue;
	unsigned count; /* started */
	unsigned max;
	struct lane lane[];
};

/* Says what is carried from here on. */
static void show(struct lane *l, const struct work *w)
{
	const struct item *first = TAILQ_FIRST(&w->items);
	bool moves = w->kind == WORK_SMALL || w->kind == WORK_LARGE;

	transfer_begin(&l->engine->transfers, &l->transfer,
		       first ? dirnode_path(first->dir, first->name) : NULL,
		       w->count, moves ? w->bytes : 0);
}

/* While the trees are compared. */
static void compare(struct lane *l, struct work *w)
{
	struct item *i;

	show(l, w);
	if (w->kind == WORK_SMALL)
		verify_small(l, w);
	else if (w->kind == WORK_LARGE)
		while ((i = work_take(w)))
			verify_large(l, i);
	else
		verify_special(l, w);
	transfer_end(&l->engine->transfers, &l->transfer);
}

static void carry(struct lane *l, struct work *w)
{
	struct item *i;

	if (atomic_load(&l->engine->comparing)) {
		compare(l, w);
		return;
	}
	show(l, w);
	switch (w->kind) {
	case WORK_SMALL:
		copy_small(l, w);
		break;
	case WORK_LARGE:
		while ((i = work_take(w)))
			copy_large(l, i);
		break;
	case WORK_SPECIAL:
		make_special(l, w);
		break;
	case WORK_LINK:
		make_links(l, w);
		break;
	case WORK_METADATA:
		set_metadata(l, w);
		break;
	case WORK_KINDS:
		break;
	}
	transfer_end(&l->engine->transfers, &l->transfer);
}

static void carry_one(struct lane *l, struct item *i, enum work_kind kind)
{
	struct work w = {.kind = kind};

	TAILQ_INIT(&w.items);
	work_add(&w, i);
	carry(l, &w);
}

/*
 * The names that waited for a hard link group: those whose leader is done
 * are linked together; where it failed, the first one met leads.
 */
static void carry_released(struct lane *l)
{
	struct link_leader leader;
	struct work links = {.kind = WORK_LINK};
	struct item *i;
	int r;

	TAILQ_INIT(&links.items);
	while ((i = TAILQ_FIRST(&l->released))) {
		TAILQ_REMOVE(&l->released, i, link);
		gate_pass(&l->engine->gate);
		if (engine_is_stopping(l->engine)) {
			complete_abandoned(l->engine, i);
			continue;
		}
		leader = (struct link_leader){0};
		r = links_meet(l->engine->links, i, &leader);
		free(leader.handle);
		if (r < 0) {
			engine_stop(l->engine, r, SIDES);
			complete_abandoned(l->engine, i);
		} else if (r == LINKS_READY) {
			work_add(&links, i);
		} else if (r == LINKS_LEAD) {
			if (i->plan.action == PLAN_UNCHANGED)
				i->plan.action = PLAN_COMPARE;
			complete_planned(l->engine, i);
			carry_one(l, i, item_work_kind(i));
		}
	}
	if (links.count > 0)
		carry(l, &links);
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	struct work *w;
	struct item *i;

	pthread_setname_np(pthread_self(), "lane");
	while ((w = queue_pop_as(l->queue, l->rank))) {
		gate_pass(&l->engine->gate);
		if (engine_is_stopping(l->engine))
			while ((i = work_take(w)))
				complete_abandoned(l->engine, i);
		else
			carry(l, w);
		work_free(w);
		while (!TAILQ_EMPTY(&l->released))
			carry_released(l);
	}
	return NULL;
}

unsigned lane_set_count(struct lanes *l, unsigned count)
{
	pthread_attr_t attr;

	if (count > l->max)
		count = l->max;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (; l->count < count; l->count++) {
		struct lane *lane = &l->lane[l->count];

		lane->engine = l->engine;
		lane->rank = l->count;
		lane->queue = l->queue;
		TAILQ_INIT(&lane->released);
		if (pthread_create(&lane->thread, &attr, lane_main, lane) != 0)
			break;
	}
	pthread_attr_destroy(&attr);
	if (count > l->count)
		count = l->count;
	queue_set_takers(l->queue, count);
	return count;
}

int lane_start(struct engine *e, struct queue *queue, unsigned count,
	       unsigned max, struct lanes **ret)
{
	struct lanes *l = calloc(1, sizeof(*l) + max * sizeof(l->lane[0]));

	if (!l)
		return -ENOMEM;
	l->engine = e;
	l->queue = queue;
	l->max = max;
	if (lane_set_count(l, count) == 0) {
		free(l);
		return -EAGAIN;
	}
	*ret = l;
	return 0;
}

struct lanes *lane_join(struct lanes *l)
{
	if (!l)
		return NULL;
	for (unsigned i = 0; i < l->count; i++) {
		pthread_join(l->lane[i].thread, NULL);
		manifest_reader_free(l->lane[i].reader);
	}
	free(l);
	return NULL;
}
