/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * open, read, release: one open file.
 *
 * What it reads is fixed when it is opened: the origin's side and the object
 * there. At once, without waiting, that object is opened on the server too, so
 * that it stays readable when another file takes its name or its last name is
 * removed. When the server has lost it nevertheless (-ESTALE), and the other
 * side holds the very same version, reading goes on there:
 *
 *   STAY    reads go to the side that was opened
 *   ASK     that answered -ESTALE: the other side is asked, what has failed
 *           waits in `stale`
 *   MOVED   reads go to the other side
 *   STALE   it has no such version; the reader gets the error
 *
 * When a side is lost (-ENOTCONN), fetches wait in `lost` for the timer to send
 * them again, unless the mount is soft or nobody has the file open any more.
 *
 * Fetches, reads and the calls that open and close each hold the file, and it
 * goes with the last of them. What is open still when the view ends is closed
 * by it: then the kernel tells nobody any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sync/plan.h"
#include "view/core.h"
#include "view/health.h"
#include "view/node.h"
#include "view/readahead.h"
#include "view/request.h"
#include "view/resolve.h"
#include "volume/volume.h"

enum failover {
	STAY,
	ASK,
	MOVED,
	STALE,
};

STAILQ_HEAD(fetches, readahead_fetch);

struct file {
	LIST_ENTRY(file) link; /* while it is open */
	struct view *view;
	struct node *node; /* held, and open */
	enum side origin;
	bool has_source;
	struct attr source; /* the version of the source that is read */
	struct readahead *readahead;
	_Atomic unsigned references;
	_Atomic bool released; /* nobody has it open any more */
	struct health_waiter waiter;

	pthread_mutex_t lock;         /* guards all below; leaf */
	struct handle *handle[SIDES]; /* the origin's never changes; the other
					 one comes with MOVED */
	struct volume_file *opened;   /* of the origin's handle, or NULL */
	enum failover failover;
	struct fetches stale;
	struct fetches lost;
	bool waits; /* the timer will send what is lost */

	/* One at a time: open, lookup of the other side; at the end close. */
	struct volume_open open;
	struct volume_lookup lookup;
	struct volume_close close;
	struct volume_call open_call;
	struct volume_call lookup_call;
	struct handle *lookup_directory;
	uint64_t lookup_fileid; /* what it has to find */
};

struct files {
	pthread_mutex_t lock; /* guards the list; leaf */
	LIST_HEAD(, file) open;
};

/* open(2) under way. */
struct open_request {
	struct request request; /* first */
	struct node *node;      /* held */
	struct fuse_file_info info;
};

/* read(2) under way. */
struct read_request {
	struct request request; /* first */
	struct readahead_read read;
	struct file *file; /* held */
};

/* --- Life ----------------------------------------------------------------- */

static void file_hold(struct file *f)
{
	atomic_fetch_add(&f->references, 1);
}

static void file_free(struct file *f)
{
	readahead_free(f->readahead);
	for (enum side side = 0; side < SIDES; side++)
		free(f->handle[side]);
	free(f->lookup_directory);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void close_done(struct volume_call *call)
{
	file_free(call->user);
}

static void file_drop(struct file *f)
{
	struct view *v = f->view;

	if (atomic_fetch_sub(&f->references, 1) > 1)
		return;
	f->node = node_drop(v->nodes, f->node);
	if (!f->opened) {
		file_free(f);
		return;
	}
	f->close = (struct volume_close){.file = f->opened};
	f->open_call = (struct volume_call){
	    .verb = VOLUME_CLOSE,
	    .items = &f->close,
	    .count = 1,
	    .done = close_done,
	    .user = f,
	};
	view_start(v, f->origin, &f->open_call);
}

/* --- Fetching ------------------------------------------------------------- */

static void fetch_done(struct volume_call *call);

/* Sends a fetch, which holds the file, to where the file is read from now. */
static void fetch_send(struct file *f, struct readahead_fetch *fetch)
{
	enum side side = f->origin;

	pthread_mutex_lock(&f->lock);
	if (f->failover == MOVED)
		side = !side;
	fetch->read.handle = f->handle[side];
	fetch->read.file = side == f->origin ? f->opened : NULL;
	pthread_mutex_unlock(&f->lock);
	fetch->call = (struct volume_call){
	    .verb = VOLUME_READ,
	    .items = &fetch->read,
	    .count = 1,
	    .done = fetch_done,
	    .user = fetch,
	};
	view_start(f->view, side, &fetch->call);
}

static void fetch_end(struct file *f, struct readahead_fetch *fetch)
{
	readahead_fetched(fetch);
	file_drop(f);
}

static void fetch_start(struct readahead_fetch *fetch)
{
	struct file *f = fetch->user;

	file_hold(f);
	fetch_send(f, fetch);
}

/* Sends fetches once more, or ends them with `error`. */
static void settle(struct file *f, struct fetches *fetches, int error)
{
	struct readahead_fetch *fetch;

	while ((fetch = STAILQ_FIRST(fetches))) {
		STAILQ_REMOVE_HEAD(fetches, link);
		if (error) {
			fetch->read.result = error;
			fetch_end(f, fetch);
		} else {
			fetch_send(f, fetch);
		}
	}
}

/* --- A side that is lost -------------------------------------------------- */

static bool is_patient(const struct file *f)
{
	return !f->view->setup.options->soft && !atomic_load(&f->released) &&
	       !health_is_ending(f->view->health);
}

static struct file *file_of(struct health_waiter *w)
{
	return (struct file *)((char *)w - offsetof(struct file, waiter));
}

static void waiter_hold(struct health_waiter *w)
{
	file_hold(file_of(w));
}

/* Time to try again, or to give up. */
static void waiter_poke(struct health_waiter *w)
{
	struct file *f = file_of(w);
	struct fetches lost = STAILQ_HEAD_INITIALIZER(lost);

	if (health_unwait(f->view->health, w)) {
		pthread_mutex_lock(&f->lock);
		STAILQ_CONCAT(&lost, &f->lost);
		f->waits = false;
		pthread_mutex_unlock(&f->lock);
		settle(f, &lost, is_patient(f) ? 0 : -ENOTCONN);
	}
	file_drop(f);
}

/* Keeps a fetch until the timer comes by. */
static void wait_for_side(struct file *f, enum side side,
			  struct readahead_fetch *fetch)
{
	bool waits;

	file_hold(f);
	pthread_mutex_lock(&f->lock);
	STAILQ_INSERT_TAIL(&f->lost, fetch, link);
	waits = f->waits;
	f->waits = true;
	pthread_mutex_unlock(&f->lock);
	if (!waits)
		health_wait(f->view->health, &f->waiter);
	/* The timer looks after sides that are down only. */
	if (!waits &&
	    (!is_patient(f) || !health_is_down(f->view->health, side)))
		waiter_poke(&f->waiter);
	else
		file_drop(f);
}

/* --- An object that is gone ----------------------------------------------- */

/* The answer to whether reading can go on on the other side. */
static void failover_end(struct file *f, bool moved)
{
	struct fetches stale = STAILQ_HEAD_INITIALIZER(stale);

	pthread_mutex_lock(&f->lock);
	f->failover = moved ? MOVED : STALE;
	STAILQ_CONCAT(&stale, &f->stale);
	pthread_mutex_unlock(&f->lock);
	settle(f, &stale, moved ? 0 : -ESTALE);
}

/* Is what was found what the file reads? */
static bool is_same(const struct file *f)
{
	const struct attr *a = &f->lookup.ret_attr;

	if (a->type != ENTRY_FILE || a->fileid != f->lookup_fileid ||
	    a->size != f->source.size)
		return false;
	return f->origin == SOURCE || (a->mtime_ns == f->source.mtime_ns &&
				       a->ctime_ns == f->source.ctime_ns &&
				       a->change == f->source.change);
}

static void lookup_done(struct volume_call *call)
{
	struct file *f = call->user;
	bool same = f->lookup.result == 0 && is_same(f);

	if (same) {
		pthread_mutex_lock(&f->lock);
		f->handle[!f->origin] = steal(f->lookup.ret_handle);
		pthread_mutex_unlock(&f->lock);
	}
	volume_items_done(VOLUME_LOOKUP, &f->lookup, 1);
	failover_end(f, same);
	file_drop(f);
}

/*
 * Which object of the other side holds what is read: 0 and its file id, or
 * -ESTALE. Of the destination the record tells; on the source it is what the
 * copy was made of.
 */
static int find_twin(const struct file *f, uint64_t *ret_fileid)
{
	struct view *v = f->view;
	struct manifest_reader *reader;
	struct manifest_row row;
	uint64_t id;
	int found = 0;

	if (!f->has_source)
		return -ESTALE;
	if (f->origin == DESTINATION) {
		*ret_fileid = f->source.fileid;
		return 0;
	}
	reader = view_get_reader(v);
	if (!reader)
		return -ESTALE;
	id = view_manifest_id(v, reader, f->node->parent);
	if (id)
		found = manifest_get(reader, id, f->node->name, &row);
	view_put_reader(v, reader);
	if (found != 1 || !plan_row_holds(&row, &f->source))
		return -ESTALE;
	*ret_fileid = row.destination_fileid;
	return 0;
}

/* Asks the other side for the same version under the same name. */
static void failover_ask(struct file *f)
{
	struct view *v = f->view;

	f->lookup_directory =
	    node_copy_handle(v->nodes, f->node->parent, !f->origin);
	if (!f->lookup_directory || find_twin(f, &f->lookup_fileid)) {
		failover_end(f, false);
		return;
	}
	f->lookup = (struct volume_lookup){
	    .dir = f->lookup_directory,
	    .name = f->node->name,
	};
	f->lookup_call = (struct volume_call){
	    .verb = VOLUME_LOOKUP,
	    .items = &f->lookup,
	    .count = 1,
	    .done = lookup_done,
	    .user = f,
	};
	file_hold(f);
	view_start(v, !f->origin, &f->lookup_call);
}

/* A fetch from the side that was opened met -ESTALE. */
static void failover(struct file *f, struct readahead_fetch *fetch)
{
	enum failover was;

	pthread_mutex_lock(&f->lock);
	was = f->failover;
	if (was == STAY)
		f->failover = ASK;
	if (was == STAY || was == ASK)
		STAILQ_INSERT_TAIL(&f->stale, fetch, link);
	pthread_mutex_unlock(&f->lock);
	if (was == STAY)
		failover_ask(f);
	else if (was == MOVED)
		fetch_send(f, fetch);
	else if (was == STALE)
		fetch_end(f, fetch);
}

static void fetch_done(struct volume_call *call)
{
	struct readahead_fetch *fetch = call->user;
	struct file *f = fetch->user;
	bool at_origin = fetch->read.handle == f->handle[f->origin];
	int result = fetch->read.result;

	if (result == -ESTALE && at_origin)
		failover(f, fetch);
	else if ((result == -ENOTCONN || result == -ETIMEDOUT) && is_patient(f))
		wait_for_side(f, at_origin ? f->origin : !f->origin, fetch);
	else
		fetch_end(f, fetch);
}

/* --- open ----------------------------------------------------------------- */

/* The object is held by the server now; or it is not, and goes without. */
static void hold_done(struct volume_call *call)
{
	struct file *f = call->user;

	if (f->open.result == 0) {
		pthread_mutex_lock(&f->lock);
		f->opened = f->open.ret_file;
		pthread_mutex_unlock(&f->lock);
	}
	volume_items_done(VOLUME_OPEN, &f->open, 1);
	file_drop(f);
}

static void hold_start(struct file *f)
{
	f->open = (struct volume_open){.handle = f->handle[f->origin]};
	f->open_call = (struct volume_call){
	    .verb = VOLUME_OPEN,
	    .items = &f->open,
	    .count = 1,
	    .done = hold_done,
	    .user = f,
	};
	file_hold(f);
	view_start(f->view, f->origin, &f->open_call);
}

/* The version of the source that is read, if it is one. */
static void note_source(struct file *f, const struct resolved *r,
			const struct origin_version *version)
{
	f->has_source = version->has_source;
	if (f->has_source)
		f->source =
		    r->origin == SOURCE ? r->attr : r->facts.row->source;
}

/* A file that reads what `r` says; the node is open then. */
static int file_new(struct view *v, struct node *node, struct resolved *r,
		    struct file **ret, bool *ret_keep)
{
	struct file *f = calloc(1, sizeof(*f));
	struct readahead_setup setup = {
	    .size = r->attr.size,
	    .pool = &v->readahead,
	    .fetch = fetch_start,
	    .user = f,
	};
	struct origin_version version;
	int error;

	if (!f)
		return -ENOMEM;
	origin_version(&r->facts, r->origin, &version);
	error = readahead_new(&setup, &f->readahead);
	if (!error)
		error = node_open(v->nodes, node, &version, &r->attr, ret_keep);
	if (error) {
		readahead_free(f->readahead);
		free(f);
		return error;
	}
	f->view = v;
	f->node = node;
	node_hold(v->nodes, node);
	f->origin = r->origin;
	note_source(f, r, &version);
	f->handle[f->origin] = steal(r->handle[f->origin]);
	f->waiter.hold = waiter_hold;
	f->waiter.poke = waiter_poke;
	atomic_init(&f->references, 1);
	pthread_mutex_init(&f->lock, NULL);
	STAILQ_INIT(&f->stale);
	STAILQ_INIT(&f->lost);
	pthread_mutex_lock(&v->files->lock);
	LIST_INSERT_HEAD(&v->files->open, f, link);
	pthread_mutex_unlock(&v->files->lock);
	*ret = f;
	return 0;
}

/* Nobody has it open any more. */
static void file_close(struct file *f)
{
	struct files *files = f->view->files;

	pthread_mutex_lock(&files->lock);
	LIST_REMOVE(f, link);
	pthread_mutex_unlock(&files->lock);
	atomic_store(&f->released, true);
	node_close(f->view->nodes, f->node);
	file_drop(f);
}

static void open_free(struct request *request)
{
	struct open_request *o = (struct open_request *)request;

	node_drop(request->view->nodes, o->node);
	free(o);
}

/* Answers with the open file, and begins to read it. */
static void open_answer(struct open_request *o, struct file *f, bool keep)
{
	struct fuse_file_info info = o->info;
	fuse_req_t req;

	if (!request_claim(&o->request, &req)) {
		file_close(f);
		return;
	}
	/* First, so that the kernel's read finds what is on its way. */
	if (!keep)
		readahead_begin(f->readahead);
	hold_start(f);
	info.fh = (uint64_t)(uintptr_t)f;
	info.keep_cache = keep;
	/* Without anybody who waits for it, it is not released either. */
	if (fuse_reply_open(req, &info) == -ENOENT)
		file_close(f);
}

static void open_resolved(struct resolved *r, struct request *request)
{
	struct open_request *o = (struct open_request *)request;
	struct file *f;
	bool keep;
	int error = r->result;

	if (request_is_claimed(request))
		return;
	if (!error && r->attr.type != ENTRY_FILE)
		error = -ESTALE;
	if (!error)
		error = file_new(request->view, o->node, r, &f, &keep);
	if (error)
		request_fail(request, error);
	else
		open_answer(o, f, keep);
}

void file_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct view *v = fuse_req_userdata(req);
	struct open_request *o;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EROFS);
		return;
	}
	o = calloc(1, sizeof(*o));
	if (!o) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	o->node = node_get(v->nodes, ino);
	if (!o->node) {
		free(o);
		fuse_reply_err(req, ESTALE);
		return;
	}
	o->info = *fi;
	request_init(&o->request, v, req, open_free);
	resolve_node(v, o->node, &o->request, open_resolved);
	request_drop(&o->request);
}

/* --- read, release -------------------------------------------------------- */

static void read_free(struct request *request)
{
	struct read_request *r = (struct read_request *)request;

	file_drop(r->file);
	free(r);
}

static void read_done(struct readahead_read *read)
{
	struct read_request *r =
	    (struct read_request *)((char *)read -
				    offsetof(struct read_request, read));
	fuse_req_t req;

	if (read->result)
		request_fail(&r->request, read->result);
	else if (request_claim(&r->request, &req))
		fuse_reply_iov(req, read->iov, (int)read->count);
	readahead_read_done(read);
	request_drop(&r->request);
}

void file_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi)
{
	struct view *v = fuse_req_userdata(req);
	struct file *f = (struct file *)(uintptr_t)fi->fh;
	struct read_request *r;

	(void)ino;
	if (off < 0 || size == 0) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	file_hold(f);
	r->file = f;
	r->read.offset = (uint64_t)off;
	r->read.len = size;
	r->read.done = read_done;
	request_init(&r->request, v, req, read_free);
	readahead_read(f->readahead, &r->read);
}

void file_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	file_close((struct file *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* --- All of them ---------------------------------------------------------- */

int files_new(struct files **ret)
{
	struct files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	pthread_mutex_init(&files->lock, NULL);
	LIST_INIT(&files->open);
	*ret = files;
	return 0;
}

struct files *files_free(struct files *files)
{
	struct file *f;

	if (!files)
		return NULL;
	/* No other thread opens or releases any. */
	while ((f = LIST_FIRST(&files->open)))
		file_close(f);
	pthread_mutex_destroy(&files->lock);
	free(files);
	return NULL;
}
