/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each side has a chain of pages: at most one is asked for at a time, since it
 * goes on where the one before ended, and up to PAGES_AHEAD lie ready. A page
 * that comes is queued and the next one asked for, by the thread that brought
 * it; a worker takes it from the queue, which may set the chain going again.
 *
 * States:
 *
 *   FINDING  handles are looked for; nothing else happens
 *   LISTING  pages are asked for and merged
 *   ENDED    the last entry is in the roster, or there was an error
 *
 * Merge and roster are the worker's, and only it goes from LISTING to another
 * state; what others have to say they leave in `failure`, in a chain or in
 * `load`, and schedule it.
 *
 * When the directory has to be found again and nothing was produced yet, all
 * begins anew in another round: pages that were asked for in an older one are
 * thrown away when they come. Later, the chain that failed goes on at its
 * cookie with the new handle, or ends if its side has the directory no more.
 *
 * References: the reader has one, each page in flight, the work while it is
 * queued or runs, and find() until lister_found().
 */
#include "view/lister.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/manifest.h"
#include "view/merge.h"
#include "view/roster.h"
#include "view/workers.h"
#include "volume/volume.h"

/* Pages of a side that lie ready; one more is on its way. */
#define PAGES_AHEAD 2

/* How large a page may be: what an NFS server sends at most. */
#define PAGE_BYTES (1024 * 1024)

/* How often the handles are found anew in one listing. */
#define FINDS_MAX 3

/* After so many entries it looks whether they are enough for now. */
#define ENTRIES_STRIDE 256

enum state { FINDING, LISTING, ENDED };

/* A page, from its request until the merge has it. */
struct page {
	STAILQ_ENTRY(page) link;
	struct lister *lister;
	enum side side;
	unsigned round;
	int64_t asked_ns;
	struct handle *handle; /* that of `list` */
	struct volume_list list;
	struct volume_call call;
};

/* The pages of a side. */
struct chain {
	struct handle *handle; /* NULL: the side has no such directory */
	bool in_flight;
	bool ended; /* no more pages come .. */
	int error;  /* .. because of this */
	uint64_t cookie;
	uint64_t verifier;
	struct volume_circle circle;
	unsigned ready_count;
	STAILQ_HEAD(, page) ready;
};

struct lister {
	struct lister_setup setup;
	struct work work;
	/* The worker's. */
	struct roster *roster; /* what it has published is everybody's */
	struct merge *merge;   /* made when LISTING begins */
	bool has_rows;         /* of interest to it */
	uint64_t added;        /* entries in the roster, but "." and ".." */

	_Atomic unsigned references;

	pthread_mutex_t lock; /* guards all below; a leaf */
	enum state state;
	bool abandoned;
	bool working; /* the work is queued or runs */
	bool again;   /* and is to look again before it ends */
	int failure;  /* to end with */
	int result;   /* of ENDED */
	unsigned round;
	unsigned finds;
	bool anew;       /* FINDING: nothing was produced yet */
	uint64_t wanted; /* where the reader is */
	uint64_t load;   /* an entry to bring back from the spill; 0: none */
	int load_error;
	struct chain chain[SIDES];
};

/* --- Life ----------------------------------------------------------------- */

static void page_free(struct page *p)
{
	if (p) {
		volume_items_done(VOLUME_LIST, &p->list, 1);
		free(p->handle);
	}
	free(p);
}

/* A chain at its beginning, with this handle. */
static void chain_reset(struct chain *c, struct handle *handle)
{
	struct page *p;

	while ((p = STAILQ_FIRST(&c->ready))) {
		STAILQ_REMOVE_HEAD(&c->ready, link);
		page_free(p);
	}
	free(c->handle);
	*c = (struct chain){.handle = handle, .ended = !handle};
	STAILQ_INIT(&c->ready);
}

static void lister_free(struct lister *l)
{
	for (int s = 0; s < SIDES; s++)
		chain_reset(&l->chain[s], NULL);
	merge_free(l->merge);
	roster_free(l->roster);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

struct lister *lister_hold(struct lister *l)
{
	atomic_fetch_add(&l->references, 1);
	return l;
}

struct lister *lister_drop(struct lister *l)
{
	struct lister_setup setup;

	if (!l)
		return NULL;
	setup = l->setup;
	if (atomic_fetch_sub(&l->references, 1) == 1) {
		lister_free(l);
		setup.gone(setup.user);
	}
	return NULL;
}

/* Lets a worker look at it. */
static void schedule(struct lister *l)
{
	bool add;

	pthread_mutex_lock(&l->lock);
	l->again = true;
	add = !l->working && !l->abandoned;
	if (add) {
		l->working = true;
		lister_hold(l);
	}
	pthread_mutex_unlock(&l->lock);
	if (add)
		workers_add(l->setup.workers, &l->work);
}

/* --- Pages ---------------------------------------------------------------- */

static void page_done(struct volume_call *call);

static struct page *page_new(struct lister *l, enum side side)
{
	const struct chain *c = &l->chain[side];
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->handle = handle_dup(c->handle);
	if (!p->handle) {
		free(p);
		return NULL;
	}
	p->lister = l;
	p->side = side;
	p->round = l->round;
	p->list = (struct volume_list){.dir = p->handle,
				       .cookie = c->cookie,
				       .verifier = c->verifier,
				       .max_bytes = PAGE_BYTES};
	p->call = (struct volume_call){.verb = VOLUME_LIST,
				       .items = &p->list,
				       .count = 1,
				       .done = page_done,
				       .user = p};
	return p;
}

/* The next page of a side, if it is time to ask for it; the lock is held. */
static struct page *next_page(struct lister *l, enum side side)
{
	struct chain *c = &l->chain[side];
	struct page *p;

	if (l->state != LISTING || l->abandoned || c->ended || c->in_flight ||
	    c->ready_count >= PAGES_AHEAD)
		return NULL;
	p = page_new(l, side);
	if (!p) {
		c->ended = true;
		c->error = -ENOMEM;
		l->again = true;
		return NULL;
	}
	c->in_flight = true;
	lister_hold(l);
	return p;
}

static void pump(struct lister *l, enum side side)
{
	struct page *p;

	pthread_mutex_lock(&l->lock);
	p = next_page(l, side);
	pthread_mutex_unlock(&l->lock);
	if (!p)
		return;
	p->asked_ns = clock_now_ns();
	l->setup.start(l->setup.user, side, &p->call);
}

/* Notes that a page came; the lock is held. False: it is of no use. */
static bool queue_page(struct lister *l, struct page *p)
{
	struct chain *c = &l->chain[p->side];
	const struct volume_list *list = &p->list;

	if (p->round != l->round)
		return false;
	c->in_flight = false;
	c->ended = list->result < 0 || list->ret_eof;
	c->error = list->result;
	if (list->result < 0)
		return false;
	if (list->ret_count > 0) {
		c->cookie = list->ret_entries[list->ret_count - 1].cookie;
		/* The page is good, but what is behind it has no end. */
		if (!c->ended && volume_circle_closes(&c->circle, c->cookie)) {
			c->ended = true;
			c->error = -EPROTO;
		}
	}
	c->verifier = list->ret_verifier;
	STAILQ_INSERT_TAIL(&c->ready, p, link);
	c->ready_count++;
	return true;
}

static void page_done(struct volume_call *call)
{
	struct page *p = call->user;
	struct lister *l = p->lister;
	enum side side = p->side;
	bool queued;

	pthread_mutex_lock(&l->lock);
	queued = queue_page(l, p);
	pthread_mutex_unlock(&l->lock);
	if (!queued)
		page_free(p);
	pump(l, side);
	schedule(l);
	lister_drop(l);
}

/* The oldest page of a side that lies ready; NULL: none, and none will come
 * (`ended`), because of an error or not. */
static struct page *take_page(struct lister *l, enum side side, bool *ret_ended,
			      int *ret_error)
{
	struct chain *c = &l->chain[side];
	struct page *p;

	pthread_mutex_lock(&l->lock);
	p = STAILQ_FIRST(&c->ready);
	if (p) {
		STAILQ_REMOVE_HEAD(&c->ready, link);
		c->ready_count--;
	}
	*ret_ended = c->ended;
	*ret_error = c->error;
	pthread_mutex_unlock(&l->lock);
	return p;
}

/* --- The worker ----------------------------------------------------------- */

/* Publishes what there is, and ends. */
static void end(struct lister *l, int result)
{
	int r = roster_publish(l->roster);

	if (result < 0)
		r = result;
	pthread_mutex_lock(&l->lock);
	l->state = ENDED;
	/* Of lister_get() it would mean something else. */
	l->result = r == -EAGAIN ? -EIO : r;
	l->round++;
	for (int s = 0; s < SIDES; s++)
		chain_reset(&l->chain[s], NULL);
	pthread_mutex_unlock(&l->lock);
	l->merge = merge_free(l->merge);
}

/* Has the handles looked for. */
static void find(struct lister *l)
{
	bool anew = l->added == 0;

	if (anew)
		l->merge = merge_free(l->merge);
	pthread_mutex_lock(&l->lock);
	l->state = FINDING;
	l->anew = anew;
	l->finds++;
	lister_hold(l);
	for (int s = 0; s < SIDES && anew; s++)
		chain_reset(&l->chain[s], NULL);
	if (anew)
		l->round++;
	pthread_mutex_unlock(&l->lock);
	l->setup.find(l->setup.user, l);
}

/* A chain that is needed has failed. */
static void chain_failed(struct lister *l, int error)
{
	bool gone = error == -ENOENT || error == -ENOTDIR || error == -ESTALE;

	if (gone && l->finds < FINDS_MAX)
		find(l);
	else
		end(l, error);
}

/* Gives the merge the page of a side, if it needs one. 1: done; 0: it needs
 * none, or there is none yet; -1: the chain failed. */
static int feed_side(struct lister *l, enum side side)
{
	struct volume_list empty = {.ret_eof = true};
	struct page *p;
	bool ended;
	int error;

	if (!merge_needs(l->merge, side))
		return 0;
	p = take_page(l, side, &ended, &error);
	if (p) {
		merge_give(l->merge, side, &p->list, p->asked_ns);
		page_free(p);
		pump(l, side);
		return 1;
	}
	if (!ended)
		return 0;
	if (error < 0) {
		chain_failed(l, error);
		return -1;
	}
	/* The directory vanished from that side: what it had was shown. */
	merge_give(l->merge, side, &empty, clock_now_ns());
	return 1;
}

static bool is_far_ahead(struct lister *l)
{
	uint64_t wanted;

	pthread_mutex_lock(&l->lock);
	wanted = l->wanted;
	pthread_mutex_unlock(&l->lock);
	return l->added >= wanted + LISTER_AHEAD;
}

static bool is_listing(struct lister *l)
{
	bool listing;

	pthread_mutex_lock(&l->lock);
	listing = l->state == LISTING && !l->abandoned;
	pthread_mutex_unlock(&l->lock);
	return listing;
}

/* From the merge. */
static int emit(void *user, const struct merged *entry)
{
	struct lister *l = user;
	int r = roster_add(l->roster, entry);

	if (r < 0)
		return r;
	l->added++;
	return l->added % ENTRIES_STRIDE == 0 && is_far_ahead(l);
}

static bool is_hidden(void *user, const char *name)
{
	const struct lister *l = user;

	return l->setup.is_hidden(l->setup.user, name);
}

static int begin_merge(struct lister *l)
{
	struct merge_setup setup = {.spill_directory = l->setup.spill_directory,
				    .removes_deleted = l->setup.removes_deleted,
				    .is_hidden = is_hidden,
				    .emit = emit,
				    .user = l};

	pthread_mutex_lock(&l->lock);
	for (int s = 0; s < SIDES; s++)
		setup.present[s] = l->chain[s].handle != NULL;
	pthread_mutex_unlock(&l->lock);
	l->has_rows = setup.present[DESTINATION];
	return merge_new(&setup, &l->merge);
}

/* Lets the merge go on with what it has, and publishes. As merge_run(). */
static int merge_some(struct lister *l)
{
	struct manifest_reader *reader;
	uint64_t id = 0;
	int r, published = 0;

	/* Rows only matter where the destination has something. */
	reader = l->has_rows ? l->setup.get_reader(l->setup.user, &id) : NULL;
	if (reader && manifest_reader_begin(reader) < 0)
		id = 0;
	r = merge_run(l->merge, reader, id);
	if (reader) {
		manifest_reader_end(reader);
		l->setup.put_reader(l->setup.user, reader);
	}
	/* "." and ".." alone are not worth a reply. */
	if (l->added > 0)
		published = roster_publish(l->roster);
	return r < 0 || published >= 0 ? r : published;
}

/* Merges until the reader is far behind, or a page is missing. */
static void list(struct lister *l)
{
	int r = l->merge ? 0 : begin_merge(l);

	while (r >= 0 && is_listing(l) && !is_far_ahead(l)) {
		uint64_t before = l->added;
		int fed = feed_side(l, DESTINATION);
		int fed_too = fed < 0 ? fed : feed_side(l, SOURCE);

		if (fed_too < 0)
			return;
		r = merge_some(l);
		if (r == 0 && merge_is_done(l->merge)) {
			end(l, 0);
			return;
		}
		if (l->added > before)
			l->setup.changed(l->setup.user);
		else if (r == 0 && !fed && !fed_too)
			return;
	}
	if (r < 0)
		end(l, r);
}

/* What there is to do. True: there is something new for the reader. */
static bool step(struct lister *l)
{
	uint64_t load;
	bool listing, changed;
	int failure, r = 0;

	pthread_mutex_lock(&l->lock);
	load = l->load;
	l->load = 0;
	failure = l->failure;
	l->failure = 0;
	listing = l->state == LISTING && !l->abandoned;
	pthread_mutex_unlock(&l->lock);
	if (load > 0)
		r = roster_load(l->roster, load);
	if (listing && failure < 0)
		end(l, failure);
	else if (listing)
		list(l);
	pthread_mutex_lock(&l->lock);
	if (load > 0)
		l->load_error = r;
	changed = load > 0 || (listing && l->state == ENDED);
	pthread_mutex_unlock(&l->lock);
	return changed;
}

static void lister_work(struct work *w)
{
	struct lister *l =
	    (struct lister *)((char *)w - offsetof(struct lister, work));
	bool again = true;

	while (again) {
		pthread_mutex_lock(&l->lock);
		l->again = false;
		pthread_mutex_unlock(&l->lock);
		if (step(l))
			l->setup.changed(l->setup.user);
		pthread_mutex_lock(&l->lock);
		again = l->again && !l->abandoned;
		l->working = again;
		pthread_mutex_unlock(&l->lock);
	}
	lister_drop(l);
}

/* --- Public --------------------------------------------------------------- */

static int add_dots(struct lister *l, uint64_t inode, uint64_t parent_inode)
{
	struct merged dot = {.name = ".", .inode = inode};
	struct merged dots = {.name = "..", .inode = parent_inode};
	int r = roster_add(l->roster, &dot);

	return r < 0 ? r : roster_add(l->roster, &dots);
}

int lister_new(const struct lister_setup *setup, uint64_t inode,
	       uint64_t parent_inode, struct handle *handle[SIDES],
	       bool must_find, struct lister **ret)
{
	struct lister *l = calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (l) {
		l->setup = *setup;
		l->work.run = lister_work;
		atomic_init(&l->references, 1);
		l->state = LISTING;
		l->wanted = 1;
		pthread_mutex_init(&l->lock, NULL);
		for (int s = 0; s < SIDES; s++)
			chain_reset(&l->chain[s], steal(handle[s]));
		l->roster = roster_new(setup->spill_directory);
		r = l->roster ? add_dots(l, inode, parent_inode) : -ENOMEM;
	}
	if (r < 0) {
		for (int s = 0; s < SIDES; s++)
			free(steal(handle[s]));
		if (l)
			lister_free(l);
		return r;
	}
	*ret = l;
	if (must_find ||
	    (!l->chain[SOURCE].handle && !l->chain[DESTINATION].handle)) {
		find(l);
		return 0;
	}
	pump(l, DESTINATION);
	pump(l, SOURCE);
	schedule(l);
	return 0;
}

struct lister *lister_abandon(struct lister *l)
{
	if (!l)
		return NULL;
	pthread_mutex_lock(&l->lock);
	l->abandoned = true;
	pthread_mutex_unlock(&l->lock);
	lister_drop(l);
	return NULL;
}

/* Takes a found handle over; the lock is held. */
static void chain_found(struct lister *l, struct chain *c,
			struct handle *handle)
{
	if (l->anew) {
		chain_reset(c, handle);
		return;
	}
	/* The other side's chain goes on as it was. */
	if (c->error < 0) {
		free(c->handle);
		c->handle = steal(handle);
		c->ended = !c->handle;
		c->error = 0;
	}
	free(handle);
}

void lister_found(struct lister *l, int result, struct handle *handle[SIDES])
{
	if (result == 0 && !handle[SOURCE] && !handle[DESTINATION])
		result = -ENOENT;
	pthread_mutex_lock(&l->lock);
	for (int s = 0; s < SIDES; s++)
		chain_found(l, &l->chain[s], steal(handle[s]));
	l->failure = result;
	l->state = LISTING;
	pthread_mutex_unlock(&l->lock);
	for (enum side side = 0; side < SIDES && result == 0; side++)
		pump(l, side);
	schedule(l);
	lister_drop(l);
}

/* An entry that is not in memory: spilled, or not there yet. */
static int get_later(struct lister *l, uint64_t number, bool ended, int result)
{
	bool spilled = number <= roster_count(l->roster);
	int r = -EAGAIN;

	if (!spilled && ended)
		return result;
	pthread_mutex_lock(&l->lock);
	if (spilled && l->load_error < 0) {
		r = l->load_error;
		l->load_error = 0;
	} else if (spilled) {
		l->load = number;
	}
	pthread_mutex_unlock(&l->lock);
	schedule(l);
	return r;
}

int lister_get(struct lister *l, uint64_t number, struct block **ret)
{
	bool ended;
	int result;

	/* What has ended by now was published before that. */
	pthread_mutex_lock(&l->lock);
	l->wanted = number;
	ended = l->state == ENDED;
	result = l->result;
	pthread_mutex_unlock(&l->lock);
	*ret = roster_get(l->roster, number);
	if (!*ret)
		return get_later(l, number, ended, result);
	if (!ended && roster_count(l->roster) < number + LISTER_AHEAD / 2)
		schedule(l);
	return 1;
}
