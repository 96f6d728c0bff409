/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request whose entries are there is answered at once, on the thread that
 * brought it. Others wait in the listing until its lister says that something
 * changed. So that no change is missed, `changes` counts them: who was about
 * to wait and finds another count than before tries once more.
 *
 * What the kernel is told of an entry's attributes it may believe for as long
 * as attr_timeout says, counted from when the sides were asked: a reader who
 * comes late to his snapshot gets names only, and the kernel looks those up
 * that matter. So it does with files that are open, whose attributes are those
 * of what was opened.
 *
 * References to a listing: the kernel's, each lister's, each request's.
 */
#include "view/listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "view/core.h"
#include "view/dotsync.h"
#include "view/lister.h"
#include "view/node.h"
#include "view/request.h"
#include "view/resolve.h"
#include "view/roster.h"
#include "view/workers.h"
#include "volume/volume.h"

/* Threads that merge; what they wait for is the disk. */
#define WORKERS 4

/* What d_ino is where it is not known, as libfuse has it. */
#define INODE_UNKNOWN 0xffffffff

/* No reply holds more entries than one for so many bytes. */
#define ENTRY_PLUS_BYTES 128

struct listing;

struct listings {
	struct view *view;
	struct workers *workers;
	_Atomic bool said_hidden; /* that a side has a name like ours */
	pthread_mutex_t lock;     /* guards what follows; a leaf */
	LIST_HEAD(, listing) open;
};

/* readdir or readdirplus. */
struct read_op {
	struct request request;  /* first */
	struct listing *listing; /* held */
	TAILQ_ENTRY(read_op) link;
	uint64_t number; /* of the first entry wanted */
	size_t size;
	bool plus;
};

TAILQ_HEAD(read_op_list, read_op);

struct listing {
	LIST_ENTRY(listing) link;
	struct listings *all;
	struct view *view;
	struct node *node; /* held */
	_Atomic unsigned references;
	pthread_mutex_t lock;  /* guards what follows; a leaf */
	struct lister *lister; /* NULL once released */
	bool told;             /* something of it was told */
	uint64_t changes;
	struct read_op_list waiting;
};

/* Looks for a directory's handles, for a lister. */
struct find_op {
	struct request request;  /* first; nobody waits for it */
	struct listing *listing; /* the lister's */
	struct lister *lister;
	struct volume_call call;
	struct volume_getattr getattr;
};

/* What a reply is made of. */
struct filling {
	struct view *view;
	struct node *directory;
	fuse_req_t req;
	bool plus;
	char *bytes;
	size_t size;
	size_t used;
	int64_t now_ns;
	uint64_t
	    *counted; /* ids of nodes whose lookups the kernel will count */
	size_t count;
};

static void hold(struct listing *l)
{
	atomic_fetch_add(&l->references, 1);
}

static void drop(struct listing *l)
{
	if (atomic_fetch_sub(&l->references, 1) > 1)
		return;
	node_drop(l->view->nodes, l->node);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* --- What a lister asks for ----------------------------------------------- */

static void start_call(void *user, enum side side, struct volume_call *call)
{
	struct listing *l = user;

	view_start(l->view, side, call);
}

static struct manifest_reader *get_reader(void *user, uint64_t *ret_id)
{
	struct listing *l = user;
	struct manifest_reader *reader = view_get_reader(l->view);

	*ret_id = reader ? view_manifest_id(l->view, reader, l->node) : 0;
	return reader;
}

static void put_reader(void *user, struct manifest_reader *reader)
{
	struct listing *l = user;

	view_put_reader(l->view, reader);
}

static bool is_hidden(void *user, const char *name)
{
	struct listing *l = user;

	if (l->node->parent || !dotsync_is_name(l->view, name))
		return false;
	if (!atomic_exchange(&l->all->said_hidden, true))
		log_warning("%s: a side has an entry of this name, which ours "
			    "hides: mount with -o syncdir=NAME to see it",
			    name);
	return true;
}

static void gone(void *user)
{
	drop(user);
}

/* --- Finding the handles -------------------------------------------------- */

static void find_free(struct request *r)
{
	free(r);
}

static void find_done(struct resolved *found, struct request *r);

static void found_nothing(struct find_op *op, int error)
{
	struct handle *none[SIDES] = {NULL, NULL};

	lister_found(op->lister, error, none);
}

static void side_answered(struct volume_call *call)
{
	struct find_op *op = call->user;
	int result = op->getattr.result;

	if (result == -ENOTCONN || result == -ECANCELED)
		found_nothing(op, result);
	else
		resolve_node(op->request.view, op->listing->node, &op->request,
			     find_done);
	request_drop(&op->request);
}

/* A side whose handle nobody knows is down. A listing needs both: it is asked
 * for its root, and when it answers all begins once more. */
static void wait_for_side(struct find_op *op, enum side side)
{
	struct view *v = op->request.view;
	const struct volume_info *info = volume_get_info(v->setup.volume[side]);

	op->getattr = (struct volume_getattr){.handle = info->root};
	op->call = (struct volume_call){.verb = VOLUME_GETATTR,
					.items = &op->getattr,
					.count = 1,
					.done = side_answered,
					.user = op};
	request_hold(&op->request);
	view_start(v, side, &op->call);
}

/* Is what was found still the directory that was opened? */
static int check_found(struct listing *l, const struct resolved *found)
{
	struct node *n;
	int r = found->result;

	if (r == 0 && found->attr.type != ENTRY_DIRECTORY)
		r = -ENOTDIR;
	if (r < 0 || !l->node->parent)
		return r;
	r = resolved_enter(l->view, l->node->parent, l->node->name, found,
			   false, &n);
	if (r < 0)
		return r;
	if (n != l->node)
		r = -ESTALE;
	node_drop(l->view->nodes, n);
	return r;
}

static void find_done(struct resolved *found, struct request *r)
{
	struct find_op *op = (struct find_op *)r;
	struct listing *l = op->listing;
	struct handle *handle[SIDES] = {NULL, NULL};
	int error = check_found(l, found);

	for (enum side side = 0; side < SIDES && error == 0; side++) {
		const struct origin_facts *f = &found->facts;

		if (f->presence[side] == PRESENT &&
		    f->attr[side].type == ENTRY_DIRECTORY)
			handle[side] = steal(found->handle[side]);
		if (f->presence[side] != UNKNOWN)
			continue;
		handle[side] = node_copy_handle(l->view->nodes, l->node, side);
		if (handle[side])
			continue;
		free(handle[SOURCE]);
		wait_for_side(op, side);
		return;
	}
	lister_found(op->lister, error, handle);
}

static void find(void *user, struct lister *lister)
{
	struct listing *l = user;
	struct find_op *op = calloc(1, sizeof(*op));
	struct handle *none[SIDES] = {NULL, NULL};

	if (!op) {
		lister_found(lister, -ENOMEM, none);
		return;
	}
	op->listing = l;
	op->lister = lister;
	request_init(&op->request, l->view, NULL, find_free);
	resolve_node(l->view, l->node, &op->request, find_done);
	request_drop(&op->request);
}

/* --- A reply -------------------------------------------------------------- */

static void fill_type(const struct view *v, const struct merged *e,
		      struct stat *ret)
{
	*ret = (struct stat){.st_ino = e->inode ? e->inode : INODE_UNKNOWN};
	if (e->has_attr)
		view_fill_stat(v, &e->attr, e->inode, ret);
	/* "." and ".." are known without. */
	else if (e->inode)
		ret->st_mode = S_IFDIR;
}

static double less(double timeout, double age)
{
	return timeout > age ? timeout - age : 0;
}

/* Makes the node of an entry, whose lookup is counted. False: the entry goes
 * without. */
static bool enter(struct filling *f, const struct merged *e,
		  struct fuse_entry_param *ret)
{
	const struct view_options *o = f->view->setup.options;
	double age = (double)(f->now_ns - e->listed_ns) / NS_PER_S;
	struct attr open_attr;
	struct node *n;
	bool open;

	if (!e->has_attr || age >= o->attr_timeout_s)
		return false;
	if (node_enter(f->view->nodes, f->directory, e->name, e->attr.type,
		       e->inode, e->handle, e->listed_ns, true, &n) < 0)
		return false;
	open = node_get_open_attr(f->view->nodes, n, NULL, &open_attr);
	if (open) {
		node_forget(f->view->nodes, n->id, 1);
	} else {
		ret->ino = n->id;
		ret->generation = f->view->generation;
		ret->attr_timeout = less(o->attr_timeout_s, age);
		ret->entry_timeout = less(o->entry_timeout_s, age);
	}
	node_drop(f->view->nodes, n);
	return !open;
}

/* False: it does not fit any more. */
static bool add_entry(struct filling *f, const struct merged *e,
		      uint64_t number)
{
	struct fuse_entry_param entry = {0};
	size_t left = f->size - f->used, size;
	bool entered = false;

	fill_type(f->view, e, &entry.attr);
	if (f->plus) {
		/* How much is needed does not depend on the node. */
		size = fuse_add_direntry_plus(f->req, NULL, 0, e->name, &entry,
					      (off_t)number);
		if (size > left)
			return false;
		entered = enter(f, e, &entry);
		fuse_add_direntry_plus(f->req, f->bytes + f->used, left,
				       e->name, &entry, (off_t)number);
	} else {
		size = fuse_add_direntry(f->req, f->bytes + f->used, left,
					 e->name, &entry.attr, (off_t)number);
		if (size > left)
			return false;
	}
	if (entered)
		f->counted[f->count++] = entry.ino;
	f->used += size;
	return true;
}

/* Adds the entries of a block from `*number` on. False: it is full. */
static bool add_block(struct filling *f, const struct block *b,
		      uint64_t *number)
{
	struct merged e;
	size_t at = 0;

	while (block_read(b, *number, &at, &e)) {
		if (!add_entry(f, &e, *number))
			return false;
		++*number;
	}
	return true;
}

/* Answers a claimed request, for whose first entry `b` is there (dropped). */
static void answer(struct read_op *op, fuse_req_t req, struct lister *lister,
		   struct block *b)
{
	CLEANUP_FREE char *bytes = malloc(op->size);
	CLEANUP_FREE uint64_t *counted =
	    calloc(op->size / ENTRY_PLUS_BYTES + 1, sizeof(*counted));
	struct filling f = {.view = op->listing->view,
			    .directory = op->listing->node,
			    .req = req,
			    .plus = op->plus,
			    .bytes = bytes,
			    .size = op->size,
			    .now_ns = clock_now_ns(),
			    .counted = counted};
	uint64_t number = op->number;
	bool room = bytes && counted;

	while (b) {
		room = room && add_block(&f, b, &number);
		block_drop(b);
		b = NULL;
		if (room && lister_get(lister, number, &b) != 1)
			b = NULL;
	}
	if (f.used == 0) {
		fuse_reply_err(req, bytes && counted ? EINVAL : ENOMEM);
		return;
	}
	/* What did not reach the kernel is not counted by it. */
	if (fuse_reply_buf(req, bytes, f.used) < 0)
		while (f.count > 0)
			node_forget(f.view->nodes, counted[--f.count], 1);
}

/* --- Waiting -------------------------------------------------------------- */

static struct lister *current_lister(struct listing *l)
{
	struct lister *lister;

	pthread_mutex_lock(&l->lock);
	lister = l->lister ? lister_hold(l->lister) : NULL;
	pthread_mutex_unlock(&l->lock);
	return lister;
}

static void note_told(struct listing *l)
{
	pthread_mutex_lock(&l->lock);
	l->told = true;
	pthread_mutex_unlock(&l->lock);
}

/* True: it is answered, by whomever. */
static bool try_to_answer(struct read_op *op)
{
	struct lister *lister = current_lister(op->listing);
	struct block *b = NULL;
	fuse_req_t req;
	int r;

	if (!lister || request_is_claimed(&op->request)) {
		request_fail(&op->request, -EIO);
		lister_drop(lister);
		return true;
	}
	r = lister_get(lister, op->number, &b);
	if (r != -EAGAIN)
		note_told(op->listing);
	if (r == 1 && request_claim(&op->request, &req))
		answer(op, req, lister, b);
	else if (r == 1)
		block_drop(b);
	else if (r < 0 && r != -EAGAIN)
		request_fail(&op->request, r);
	else if (r == 0 && request_claim(&op->request, &req))
		fuse_reply_buf(req, NULL, 0);
	lister_drop(lister);
	return r != -EAGAIN;
}

/* Takes over the reference to `op`. */
static void answer_or_wait(struct read_op *op)
{
	struct listing *l = op->listing;
	bool waits = false;
	uint64_t seen;

	while (!waits) {
		pthread_mutex_lock(&l->lock);
		seen = l->changes;
		pthread_mutex_unlock(&l->lock);
		if (try_to_answer(op)) {
			request_drop(&op->request);
			return;
		}
		pthread_mutex_lock(&l->lock);
		waits = l->changes == seen;
		if (waits)
			TAILQ_INSERT_TAIL(&l->waiting, op, link);
		pthread_mutex_unlock(&l->lock);
	}
}

/* Called by the lister. */
static void changed(void *user)
{
	struct read_op_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct listing *l = user;
	struct read_op *op;

	pthread_mutex_lock(&l->lock);
	l->changes++;
	TAILQ_CONCAT(&waiting, &l->waiting, link);
	pthread_mutex_unlock(&l->lock);
	while ((op = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, op, link);
		answer_or_wait(op);
	}
}

/* --- Snapshots ------------------------------------------------------------ */

/* A side whose handle is missing may have got the directory since. */
static bool must_find(struct listing *l, struct handle *const handle[SIDES])
{
	double age_s, timeout_s = l->view->setup.options->attr_timeout_s;
	int64_t refreshed_ns;

	if (!l->node->parent || (handle[SOURCE] && handle[DESTINATION]))
		return false;
	refreshed_ns = node_get_refreshed_ns(l->view->nodes, l->node);
	age_s = (double)(clock_now_ns() - refreshed_ns) / NS_PER_S;
	return refreshed_ns == 0 || age_s >= timeout_s;
}

static int begin(struct listing *l, struct lister **ret)
{
	const struct lister_setup setup = {
	    .spill_directory = l->view->setup.state_directory,
	    .workers = l->all->workers,
	    .removes_deleted = l->view->setup.removes_deleted,
	    .start = start_call,
	    .get_reader = get_reader,
	    .put_reader = put_reader,
	    .is_hidden = is_hidden,
	    .find = find,
	    .changed = changed,
	    .gone = gone,
	    .user = l,
	};
	const struct node *n = l->node;
	struct handle *handle[SIDES];
	int r;

	for (enum side side = 0; side < SIDES; side++)
		handle[side] = node_copy_handle(l->view->nodes, l->node, side);
	hold(l);
	r = lister_new(&setup, n->inode, (n->parent ? n->parent : n)->inode,
		       handle, must_find(l, handle), ret);
	if (r < 0)
		drop(l);
	return r;
}

/* rewinddir(3): a new snapshot, if anything was told of this one. */
static int rewind_listing(struct listing *l)
{
	struct lister *fresh, *old;
	bool told;
	int r;

	pthread_mutex_lock(&l->lock);
	told = l->told;
	l->told = false;
	pthread_mutex_unlock(&l->lock);
	if (!told)
		return 0;
	r = begin(l, &fresh);
	if (r < 0)
		return r;
	pthread_mutex_lock(&l->lock);
	old = l->lister;
	l->lister = fresh;
	l->changes++;
	pthread_mutex_unlock(&l->lock);
	lister_abandon(old);
	return 0;
}

/* --- Operations ----------------------------------------------------------- */

static struct listing *listing_new(struct view *v, struct node *node)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->all = v->listings;
	l->view = v;
	l->node = node;
	node_hold(v->nodes, node);
	atomic_init(&l->references, 1);
	pthread_mutex_init(&l->lock, NULL);
	TAILQ_INIT(&l->waiting);
	if (begin(l, &l->lister) < 0) {
		drop(l);
		return NULL;
	}
	pthread_mutex_lock(&l->all->lock);
	LIST_INSERT_HEAD(&l->all->open, l, link);
	pthread_mutex_unlock(&l->all->lock);
	return l;
}

/* The kernel's reference goes. */
static void listing_close(struct listing *l)
{
	struct lister *lister;

	pthread_mutex_lock(&l->all->lock);
	LIST_REMOVE(l, link);
	pthread_mutex_unlock(&l->all->lock);
	pthread_mutex_lock(&l->lock);
	lister = steal(l->lister);
	pthread_mutex_unlock(&l->lock);
	/* Requests that were answered by an interrupt are still there. */
	changed(l);
	lister_abandon(lister);
	drop(l);
}

void listing_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct view *v = fuse_req_userdata(req);
	struct node *n = node_get(v->nodes, ino);
	struct listing *l = NULL;
	int error = ESTALE;

	if (n && n->type != ENTRY_DIRECTORY) {
		error = ENOTDIR;
	} else if (n) {
		l = listing_new(v, n);
		error = ENOMEM;
	}
	node_drop(v->nodes, n);
	if (!l) {
		fuse_reply_err(req, error);
		return;
	}
	fi->fh = (uintptr_t)l;
	if (fuse_reply_open(req, fi) == -ENOENT)
		listing_close(l);
}

/*
 * The listing that the kernel names, and that it holds. The pointer went
 * through the kernel from the thread that opened to this one, which no compiler
 * and no sanitizer knows; the lock, taken at the opening too, orders the two
 * for them.
 */
static struct listing *listing_get(fuse_req_t req,
				   const struct fuse_file_info *fi)
{
	struct view *v = fuse_req_userdata(req);

	pthread_mutex_lock(&v->listings->lock);
	pthread_mutex_unlock(&v->listings->lock);
	return (struct listing *)(uintptr_t)fi->fh;
}

static void read_op_free(struct request *r)
{
	struct read_op *op = (struct read_op *)r;

	drop(op->listing);
	free(op);
}

static void read_entries(fuse_req_t req, size_t size, off_t off,
			 const struct fuse_file_info *fi, bool plus)
{
	struct listing *l = listing_get(req, fi);
	struct read_op *op = calloc(1, sizeof(*op));
	int r = 0;

	if (!op || off < 0) {
		free(op);
		fuse_reply_err(req, off < 0 ? EINVAL : ENOMEM);
		return;
	}
	op->listing = l;
	op->number = (uint64_t)off + 1;
	op->size = size;
	op->plus = plus;
	hold(l);
	request_init(&op->request, l->view, req, read_op_free);
	if (off == 0)
		r = rewind_listing(l);
	if (r < 0) {
		request_fail(&op->request, r);
		request_drop(&op->request);
		return;
	}
	answer_or_wait(op);
}

void listing_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	(void)ino;
	read_entries(req, size, off, fi, false);
}

void listing_read_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	(void)ino;
	read_entries(req, size, off, fi, true);
}

void listing_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	listing_close(listing_get(req, fi));
	fuse_reply_err(req, 0);
}

/* --- All of them ---------------------------------------------------------- */

int listings_new(struct view *v, struct listings **ret)
{
	struct listings *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	all->view = v;
	pthread_mutex_init(&all->lock, NULL);
	LIST_INIT(&all->open);
	r = workers_new(WORKERS, "listing", &all->workers);
	if (r < 0) {
		listings_free(all);
		return r;
	}
	*ret = all;
	return 0;
}

struct listings *listings_free(struct listings *all)
{
	struct listing *l;

	if (!all)
		return NULL;
	/* Then no work begins anything new, and nobody waits for it. */
	while ((l = LIST_FIRST(&all->open)))
		listing_close(l);
	workers_free(all->workers);
	pthread_mutex_destroy(&all->lock);
	free(all);
	return NULL;
}
