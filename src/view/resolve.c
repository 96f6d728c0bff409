/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each side of a resolve is in one of these states:
 *
 *   HELD      not asked: it is down, and the other one may do
 *   SENT      asked
 *   REFRESH   its directory handle is gone or missing: the directory itself is
 *	       being resolved, in its parent; once
 *   LOST      it cannot be reached now: it is asked again in a second
 *   ANSWERED  to the end
 *
 * Whenever something has happened step() thinks again: it sends what there is
 * to send and finishes as soon as the rule of origin can tell, which may be
 * before both sides have answered: where the source's entry counts whatever
 * the destination has, or when a side is down. A call that is still in flight
 * then keeps the struct, and its answer is thrown away.
 *
 * The root is special: the kernel asks for its attributes on the way to .sync,
 * which answers at once whatever the sides do. So a side that is slow is not
 * waited for: the root shows what it showed last.
 *
 * step() runs on the starter's thread, those of the backends and the timer's,
 * also at the same time. What is to be done is settled under the lock and done
 * after it, so that the lock stays a leaf.
 */
#include "view/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/tempname.h"
#include "view/core.h"
#include "view/health.h"
#include "view/node.h"
#include "view/request.h"
#include "volume/volume.h"

/* A side that was lost is asked again after this; with its directory, when the
 * side answers again, after that. */
#define LOST_NS   NS_PER_S
#define MISSED_NS (100 * NS_PER_MS)

/* How long the root waits for its sides. */
#define ROOT_NS (50 * NS_PER_MS)

enum side_state {
	SIDE_HELD,
	SIDE_SENT,
	SIDE_REFRESH,
	SIDE_LOST,
	SIDE_ANSWERED,
};

struct resolve;

struct resolve_side {
	struct resolve *resolve;
	enum side side;
	enum side_state state;
	bool refreshed;  /* the directory was resolved for it, once */
	int64_t lost_ns; /* when it was, with SIDE_LOST */
	int result;      /* with SIDE_ANSWERED */
	struct attr attr;
	struct handle *found;  /* the entry's */
	struct handle *handle; /* the directory's, or the root's own */
	struct volume_call call;
	union {
		struct volume_lookup lookup;
		struct volume_getattr getattr;
	};
};

struct resolve {
	struct view *view;
	struct node *directory;  /* held; NULL: the root itself is resolved */
	struct node *expected;   /* held; what resolve_node() was given */
	struct request *request; /* held; NULL in a refresh */
	void (*done)(struct resolved *r, struct request *request);
	struct resolve *outer; /* held: whose directory is refreshed */
	struct health_waiter waiter;
	_Atomic unsigned references;
	int64_t started_ns;

	pthread_mutex_t lock; /* guards all below; leaf */
	bool finished;
	bool refreshing; /* the directory is being resolved */
	struct resolve_side side[SIDES];
	struct resolved answer; /* `row` and facts.row from the start */
	char name[];
};

/* How things stand while step() thinks. */
struct standing {
	bool down[SIDES];
	bool soft;   /* a lost side is given up */
	bool ending; /* as everything is */
};

/* What step() has to do. */
struct todo {
	bool send[SIDES];
	bool refresh;
	bool wait;
	bool finish;
	bool last; /* with what the root showed last */
	bool note; /* what it is to show from now on: */
	struct attr noted;
};

static void step(struct resolve *r);

/* --- Judging ------------------------------------------------------------- */

void resolved_done(struct resolved *r)
{
	for (enum side side = 0; side < SIDES; side++) {
		free(r->handle[side]);
		r->handle[side] = NULL;
	}
}

/* True when the copy still has the attributes that were given to it. */
static bool is_untouched(const struct attr *a, const struct manifest_row *row)
{
	return a->mode == row->source.mode && a->uid == row->source.uid &&
	       a->gid == row->source.gid &&
	       a->mtime_ns == row->source.mtime_ns &&
	       (a->type == ENTRY_DIRECTORY || a->size == row->source.size);
}

/* Fills what follows from `facts`. False: it cannot be told yet. */
static bool judge(struct resolved *r)
{
	enum origin origin = origin_choose(&r->facts);

	if (origin == ORIGIN_WAIT)
		return false;
	r->result = origin == ORIGIN_NONE ? -ENOENT : 0;
	if (r->result)
		return true;
	r->origin = origin == ORIGIN_SOURCE ? SOURCE : DESTINATION;
	r->inode = origin_inode(&r->facts);
	r->attr = r->facts.attr[r->origin];
	if (r->origin == DESTINATION && r->facts.row &&
	    r->facts.row->destination_fileid == r->attr.fileid &&
	    is_untouched(&r->attr, r->facts.row))
		r->attr.ctime_ns = r->facts.row->source.ctime_ns;
	/* A hard link's names arrive one after the other: all are counted from
	 * the first on. */
	if (r->facts.presence[SOURCE] == PRESENT)
		r->attr.nlink = r->facts.attr[SOURCE].nlink;
	return true;
}

void resolve_judge(struct resolved *ret, const struct attr *const attr[SIDES],
		   struct handle *handle[SIDES], const struct manifest_row *row,
		   bool removes_deleted)
{
	*ret = (struct resolved){.facts.removes_deleted = removes_deleted};
	for (enum side side = 0; side < SIDES; side++) {
		ret->facts.presence[side] = attr[side] ? PRESENT : ABSENT;
		if (attr[side])
			ret->facts.attr[side] = *attr[side];
		ret->handle[side] = steal(handle[side]);
	}
	if (row) {
		ret->row = *row;
		ret->row.name = NULL;
		ret->facts.row = &ret->row;
	}
	judge(ret);
}

/* The side's handle of a merged directory: where the sides have different
 * types the source's entry alone counts. */
static const struct handle *directory_handle(const struct resolved *r,
					     enum side side)
{
	return r->facts.presence[side] == PRESENT &&
		       r->facts.attr[side].type == ENTRY_DIRECTORY
		   ? r->handle[side]
		   : NULL;
}

int resolved_enter(struct view *v, struct node *parent, const char *name,
		   const struct resolved *r, bool count_lookup,
		   struct node **ret)
{
	const struct handle *handle[SIDES] = {
	    directory_handle(r, SOURCE),
	    directory_handle(r, DESTINATION),
	};
	bool known = r->facts.presence[SOURCE] != UNKNOWN &&
		     r->facts.presence[DESTINATION] != UNKNOWN;
	struct origin_version version;

	if (r->attr.type == ENTRY_FILE) {
		origin_version(&r->facts, r->origin, &version);
		node_separate(v->nodes, parent, name, &version);
	}
	return node_enter(v->nodes, parent, name, r->attr.type, r->inode,
			  handle, known ? clock_now_ns() : 0, count_lookup,
			  ret);
}

/* --- Life ---------------------------------------------------------------- */

static void hold(struct resolve *r)
{
	atomic_fetch_add(&r->references, 1);
}

static void drop(struct resolve *r)
{
	if (atomic_fetch_sub(&r->references, 1) > 1)
		return;
	for (enum side side = 0; side < SIDES; side++) {
		free(r->side[side].handle);
		free(r->side[side].found);
	}
	node_drop(r->view->nodes, r->directory);
	node_drop(r->view->nodes, r->expected);
	if (r->request)
		request_drop(r->request);
	if (r->outer)
		drop(r->outer);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void waiter_hold(struct health_waiter *w)
{
	hold((struct resolve *)((char *)w - offsetof(struct resolve, waiter)));
}

static void waiter_poke(struct health_waiter *w)
{
	struct resolve *r =
	    (struct resolve *)((char *)w - offsetof(struct resolve, waiter));

	step(r);
	drop(r);
}

static void stop_waiting(struct resolve *r)
{
	if (health_unwait(r->view->health, &r->waiter))
		drop(r);
}

/* --- One side ------------------------------------------------------------ */

/* Is it worth asking for the directory once more? The root has no parent to
 * ask. */
static bool may_refresh(const struct resolve_side *s)
{
	return !s->refreshed && s->resolve->directory &&
	       s->resolve->directory->parent;
}

static void side_answer(struct resolve_side *s, int result)
{
	s->state = SIDE_ANSWERED;
	s->result = result;
}

static void side_lose(struct resolve_side *s)
{
	s->state = SIDE_LOST;
	s->lost_ns = clock_now_ns();
}

/* What the call brought; the lock is held. */
static void side_take_answer(struct resolve_side *s, int result)
{
	struct resolve *r = s->resolve;

	if (result == -ENOTDIR)
		result = -ESTALE;
	if (result == -ESTALE && may_refresh(s))
		s->state = SIDE_REFRESH;
	else if (result == -ENOTCONN)
		side_lose(s);
	else
		side_answer(s, result);
	if (result)
		return;
	if (r->directory) {
		s->attr = s->lookup.ret_attr;
		s->found = steal(s->lookup.ret_handle);
	} else {
		s->attr = s->getattr.ret_attr;
		s->found = handle_dup(s->handle);
		if (!s->found)
			s->result = -ENOMEM;
	}
}

static void side_done(struct volume_call *call)
{
	struct resolve_side *s = call->user;
	struct resolve *r = s->resolve;

	pthread_mutex_lock(&r->lock);
	side_take_answer(s, volume_item_result(call->verb, call->items, 0));
	volume_items_done(call->verb, call->items, call->count);
	pthread_mutex_unlock(&r->lock);
	step(r);
	drop(r);
}

static void side_send(struct resolve_side *s)
{
	struct resolve *r = s->resolve;

	s->call = (struct volume_call){
	    .count = 1,
	    .done = side_done,
	    .user = s,
	};
	if (r->directory) {
		s->lookup = (struct volume_lookup){
		    .dir = s->handle,
		    .name = r->name,
		};
		s->call.verb = VOLUME_LOOKUP;
		s->call.items = &s->lookup;
	} else {
		s->getattr = (struct volume_getattr){.handle = s->handle};
		s->call.verb = VOLUME_GETATTR;
		s->call.items = &s->getattr;
	}
	hold(r);
	view_start(r->view, s->side, &s->call);
}

/* --- Refreshing the directory -------------------------------------------- */

static struct resolve *resolve_new(struct view *v, struct node *directory,
				   const char *name);
static void begin(struct resolve *r);

/* The directory as it was resolved: is it still the same, and with which
 * handles? They are noted in its node. */
static int check_directory(struct resolve *r, const struct resolved *found)
{
	struct node *n;
	int error = found->result;

	if (error)
		return error == -ENOENT ? -ESTALE : error;
	if (found->attr.type != ENTRY_DIRECTORY)
		return -ESTALE;
	error = resolved_enter(r->view, r->directory->parent,
			       r->directory->name, found, false, &n);
	if (error)
		return error;
	if (n != r->directory)
		error = -ESTALE;
	node_drop(r->view->nodes, n);
	return error;
}

/* A side that waited for the directory; the lock is held. True: ask it. */
static bool side_refreshed(struct resolve_side *s, const struct resolved *found,
			   int error)
{
	const struct handle *handle = directory_handle(found, s->side);
	bool was_missing = !s->handle;

	s->refreshed = true;
	if (error) {
		/* What has no directory any more has nothing in it. */
		side_answer(s,
			    was_missing && error == -ESTALE ? -ENOENT : error);
		return false;
	}
	free(s->handle);
	s->handle = handle ? handle_dup(handle) : NULL;
	if (s->handle) {
		s->state = SIDE_SENT;
	} else if (handle) {
		side_answer(s, -ENOMEM);
	} else if (found->error[s->side]) {
		side_answer(s, found->error[s->side]);
	} else if (found->facts.presence[s->side] == UNKNOWN) {
		/* It is down: the directory is asked for again later. */
		side_lose(s);
	} else {
		side_answer(s, -ENOENT);
	}
	return s->handle;
}

/* `found` is what r's directory was resolved to. */
static void refresh_done(struct resolve *r, const struct resolved *found)
{
	int error = check_directory(r, found);
	bool send[SIDES] = {false, false};

	pthread_mutex_lock(&r->lock);
	r->refreshing = false;
	for (enum side side = 0; side < SIDES; side++)
		if (r->side[side].state == SIDE_REFRESH)
			send[side] =
			    side_refreshed(&r->side[side], found, error);
	pthread_mutex_unlock(&r->lock);
	for (enum side side = 0; side < SIDES; side++)
		if (send[side])
			side_send(&r->side[side]);
	step(r);
}

static void refresh(struct resolve *r)
{
	struct resolve *inner =
	    resolve_new(r->view, r->directory->parent, r->directory->name);

	if (!inner) {
		struct resolved failed = {.result = -ENOMEM};

		refresh_done(r, &failed);
		return;
	}
	hold(r);
	inner->outer = r;
	begin(inner);
}

/* --- Deciding ------------------------------------------------------------ */

/* What one side is known to hold. True: that is to be waited for. */
static bool state_facts(struct resolve_side *s, bool down,
			struct origin_facts *f)
{
	f->presence[s->side] = UNKNOWN;
	if (s->state != SIDE_ANSWERED)
		return !down && s->state != SIDE_HELD && s->state != SIDE_LOST;
	if (s->result == 0) {
		f->presence[s->side] = PRESENT;
		f->attr[s->side] = s->attr;
	} else if (s->result == -ENOENT) {
		f->presence[s->side] = ABSENT;
	}
	return false;
}

/* The rule cannot tell yet: asks whoever was not asked. With nobody left to
 * wait for, the first error is the answer. */
static void wait_or_fail(struct resolve *r, struct todo *todo)
{
	bool waits = false;
	int error = 0;

	for (enum side side = 0; side < SIDES; side++) {
		struct resolve_side *s = &r->side[side];

		if (s->state == SIDE_HELD) {
			s->state = SIDE_SENT;
			todo->send[side] = true;
		}
		waits = waits || s->state != SIDE_ANSWERED;
		if (!error && s->state == SIDE_ANSWERED && s->result != -ENOENT)
			error = s->result;
	}
	todo->wait = waits;
	todo->finish = !waits;
	r->answer.result = error;
}

/* Is it time to ask a lost side again? */
static bool is_time(const struct resolve_side *s, bool down)
{
	int64_t wait_ns = s->handle || down ? LOST_NS : MISSED_NS;

	return clock_now_ns() - s->lost_ns >= wait_ns;
}

/* Sides that were lost: asked again after a while, given up at the end. */
static void revive(struct resolve *r, const struct standing *now,
		   struct todo *todo)
{
	for (enum side side = 0; side < SIDES; side++) {
		struct resolve_side *s = &r->side[side];

		if (s->state != SIDE_LOST)
			continue;
		if (now->ending || (now->soft && s->handle)) {
			side_answer(s, -ENOTCONN);
		} else if (is_time(s, now->down[side])) {
			s->state = s->handle ? SIDE_SENT : SIDE_REFRESH;
			todo->send[side] = s->handle;
			s->refreshed = s->refreshed && s->handle;
		}
	}
}

/* The root's attributes once both sides have answered, perhaps too late for
 * who asked; the lock is held. */
static void note_root(struct resolve *r, struct todo *todo)
{
	struct resolved now = {.facts.row = r->answer.facts.row};

	for (enum side side = 0; side < SIDES; side++) {
		if (r->side[side].state != SIDE_ANSWERED)
			return;
		state_facts(&r->side[side], false, &now.facts);
	}
	todo->note = judge(&now) && now.result == 0;
	todo->noted = now.attr;
}

/* The root shows what it showed last. */
static void show_last(struct resolve *r)
{
	struct resolved *a = &r->answer;
	struct view *v = r->view;
	struct node *root = node_get(v->nodes, NODE_ROOT);

	a->result = 0;
	a->origin = SOURCE;
	a->inode = root->inode;
	if (!node_get_root_attr(v->nodes, &a->attr))
		a->attr = volume_get_info(v->setup.volume[SOURCE])->root_attr;
	node_drop(v->nodes, root);
}

/* The root waits no longer. */
static void hurry(struct resolve *r, const struct standing *now,
		  struct todo *todo)
{
	if (todo->finish || (!now->down[SOURCE] && !now->down[DESTINATION] &&
			     clock_now_ns() - r->started_ns < ROOT_NS))
		return;
	/* A side that is down is asked often enough by those who must wait. */
	todo->send[SOURCE] = false;
	todo->send[DESTINATION] = false;
	todo->last = true;
	todo->finish = true;
	todo->wait = false;
}

/* Moves on as far as possible; the lock is held. */
static void decide(struct resolve *r, const struct standing *now,
		   struct todo *todo)
{
	struct origin_facts *f = &r->answer.facts;
	bool waits = false;

	if (!r->directory)
		note_root(r, todo);
	if (r->finished)
		return;
	revive(r, now, todo);
	for (enum side side = 0; side < SIDES; side++) {
		waits |= state_facts(&r->side[side], now->down[side], f);
		if (r->side[side].state == SIDE_REFRESH && !r->refreshing)
			todo->refresh = true;
	}
	r->refreshing |= todo->refresh;
	if (origin_is_source_alone(f))
		waits = false;
	if (waits)
		todo->wait = true;
	else if (judge(&r->answer))
		todo->finish = true;
	else
		wait_or_fail(r, todo);
	if (!r->directory)
		hurry(r, now, todo);
	r->finished = todo->finish;
	for (enum side side = 0; todo->finish && side < SIDES; side++) {
		struct resolve_side *s = &r->side[side];

		r->answer.handle[side] = steal(s->found);
		if (s->state == SIDE_ANSWERED && f->presence[side] == UNKNOWN)
			r->answer.error[side] = s->result;
	}
}

/* Tells whoever asked. Only once: by the thread that set `finished`. */
static void finish(struct resolve *r)
{
	struct resolved *a = &r->answer;

	stop_waiting(r);
	if (!a->result && r->expected &&
	    (a->attr.type != r->expected->type ||
	     a->inode != r->expected->inode))
		a->result = -ESTALE;
	if (r->outer)
		refresh_done(r->outer, a);
	else
		r->done(a, r->request);
	resolved_done(a);
}

/* Has the timer look after it. */
static void start_waiting(struct resolve *r)
{
	bool finished;

	hold(r);
	if (!health_wait(r->view->health, &r->waiter)) {
		drop(r);
		return;
	}
	/* It may have ended on another thread before it was in the list. */
	pthread_mutex_lock(&r->lock);
	finished = r->finished;
	pthread_mutex_unlock(&r->lock);
	if (finished)
		stop_waiting(r);
}

static void step(struct resolve *r)
{
	struct health *health = r->view->health;
	struct todo todo = {0};
	struct standing now = {
	    .down[SOURCE] = health_is_down(health, SOURCE),
	    .down[DESTINATION] = health_is_down(health, DESTINATION),
	    .soft = r->view->setup.options->soft,
	    .ending = health_is_ending(health),
	};

	pthread_mutex_lock(&r->lock);
	decide(r, &now, &todo);
	pthread_mutex_unlock(&r->lock);
	if (todo.note)
		node_put_root_attr(r->view->nodes, &todo.noted);
	if (todo.last)
		show_last(r);
	if (todo.finish)
		finish(r);
	else if (todo.wait)
		start_waiting(r);
	for (enum side side = 0; side < SIDES; side++)
		if (todo.send[side])
			side_send(&r->side[side]);
	if (todo.refresh)
		refresh(r);
}

/* --- Starting ------------------------------------------------------------ */

static struct resolve *resolve_new(struct view *v, struct node *directory,
				   const char *name)
{
	size_t len = name ? strlen(name) : 0;
	struct resolve *r = calloc(1, sizeof(*r) + len + 1);

	if (!r)
		return NULL;
	r->view = v;
	r->started_ns = clock_now_ns();
	r->answer.facts.removes_deleted = v->setup.removes_deleted;
	r->directory = directory;
	if (directory)
		node_hold(v->nodes, directory);
	r->waiter.hold = waiter_hold;
	r->waiter.poke = waiter_poke;
	atomic_init(&r->references, 1);
	pthread_mutex_init(&r->lock, NULL);
	for (enum side side = 0; side < SIDES; side++) {
		r->side[side].resolve = r;
		r->side[side].side = side;
	}
	if (len > 0)
		memcpy(r->name, name, len);
	return r;
}

/* The manifest's row of the entry, as it is before the sides are asked. */
static void read_row(struct resolve *r)
{
	struct manifest_reader *reader = view_get_reader(r->view);
	uint64_t id = MANIFEST_ROOT;

	if (!reader)
		return;
	if (r->directory)
		id = view_manifest_id(r->view, reader, r->directory);
	if (id && manifest_get(reader, id, r->name, &r->answer.row) == 1) {
		r->answer.row.name = NULL;
		r->answer.facts.row = &r->answer.row;
	}
	view_put_reader(r->view, reader);
}

/* The handle to ask a side with, and whether to ask it at all. */
static void side_prepare(struct resolve_side *s)
{
	struct resolve *r = s->resolve;
	struct view *v = r->view;
	struct node *directory = r->directory;
	int64_t patience_ns =
	    (int64_t)(v->setup.options->attr_timeout_s * (double)NS_PER_S);
	int64_t seen_ns;

	if (!directory) {
		directory = node_get(v->nodes, NODE_ROOT);
		s->handle = node_copy_handle(v->nodes, directory, s->side);
		node_drop(v->nodes, directory);
	} else {
		s->handle = node_copy_handle(v->nodes, directory, s->side);
	}
	if (s->handle) {
		s->state = health_is_down(v->health, s->side) &&
				   health_is_asked(v->health, s->side)
			       ? SIDE_HELD
			       : SIDE_SENT;
		return;
	}
	seen_ns =
	    r->directory ? node_get_refreshed_ns(v->nodes, r->directory) : 0;
	if (may_refresh(s) &&
	    (seen_ns == 0 || clock_now_ns() - seen_ns >= patience_ns))
		s->state = SIDE_REFRESH;
	else
		side_answer(s, -ENOENT);
}

/* Takes the caller's reference. */
static void begin(struct resolve *r)
{
	bool send[SIDES];

	read_row(r);
	for (enum side side = 0; side < SIDES; side++) {
		side_prepare(&r->side[side]);
		send[side] = r->side[side].state == SIDE_SENT;
	}
	for (enum side side = 0; side < SIDES; side++)
		if (send[side])
			side_send(&r->side[side]);
	/* With both on their way nothing can be told yet. */
	if (!send[SOURCE] || !send[DESTINATION] || !r->directory)
		step(r);
	if (!r->directory)
		health_hurry(r->view->health);
	drop(r);
}

static void start(struct view *v, struct node *directory, const char *name,
		  struct node *expected, struct request *request,
		  void (*done)(struct resolved *r, struct request *request))
{
	struct resolved failed = {.result = -ENOMEM};
	struct resolve *r;

	if (name && strlen(name) > VOLUME_NAME_MAX) {
		failed.result = -ENAMETOOLONG;
		done(&failed, request);
		return;
	}
	if (name && tempname_is_ours(name)) {
		failed.result = -ENOENT;
		done(&failed, request);
		return;
	}
	r = resolve_new(v, directory, name);
	if (!r) {
		done(&failed, request);
		return;
	}
	r->done = done;
	r->request = request;
	request_hold(request);
	r->expected = expected;
	if (expected)
		node_hold(v->nodes, expected);
	begin(r);
}

void resolve_start(struct view *v, struct node *directory, const char *name,
		   struct request *request,
		   void (*done)(struct resolved *r, struct request *request))
{
	start(v, name ? directory : NULL, name, NULL, request, done);
}

void resolve_node(struct view *v, struct node *node, struct request *request,
		  void (*done)(struct resolved *r, struct request *request))
{
	if (node->parent)
		start(v, node->parent, node->name, node, request, done);
	else
		start(v, NULL, NULL, NULL, request, done);
}
