/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The writer of the manifest: a queue, and the one thread that writes.
 *
 * put() appends a copy to the queue; the thread takes the whole queue as one
 * batch once it is worth a transaction: BATCH_ITEMS or BATCH_BYTES are there,
 * the oldest item has waited BATCH_NS, or somebody waits in flush(). While a
 * batch is written the next one gathers.
 *
 * Memory: what is queued or being written counts until it is committed. A put
 * that brings the sum above QUEUE_BYTES waits, after it has appended, until
 * the sum is below again. So the bound is QUEUE_BYTES and one item for each
 * thread that puts. Nobody can wait for ever: above the bound either a batch
 * is being written, or the queue alone is large enough for one.
 *
 * Errors: the first one ends all writing. Its batch was rolled back, what is
 * queued is thrown away, and every later put, flush and stop returns it. What
 * was committed before stays.
 *
 * New directories: an id is given at once, under the lock, and the row is
 * queued. Until it is committed the id is only known here, so uncommitted
 * directories are found by hash; the batch that commits them takes them out.
 * Nothing is remembered of committed ones: the database knows them. A reader
 * asks here (uncommitted?), then the database, then here again with the
 * ticket of the first answer. The ticket is the number of batches done: if it
 * is still the same, a directory that was neither here nor there is new; if
 * not, a commit may have moved it from here to there behind the reader's
 * back, and it starts again.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* When a batch is worth a transaction. */
#define BATCH_ITEMS 8192
#define BATCH_BYTES (2u << 20)
#define BATCH_NS    (500 * NS_PER_MS)

/* What may be queued and in the batch, together. */
#define QUEUE_BYTES (8u << 20)

/* A power of two; some ten thousand uncommitted directories at the most. */
#define BUCKETS 4096

LIST_HEAD(bucket, manifest_item);

struct manifest_writer {
	struct sqlite3 *db; /* the thread's, while it runs */
	struct manifest_apply *apply;
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	pthread_cond_t work;  /* the thread waits for a batch */
	pthread_cond_t done;  /* others wait for a batch to be done */
	struct manifest_items queue;
	size_t queued_items;
	size_t queued_bytes;
	size_t held_bytes; /* queued and in the batch */
	int64_t oldest_ns; /* when the first in the queue was put */
	bool durable;      /* the queue holds the end of an execution */
	bool stopping;
	int error;            /* the first error, negative */
	uint64_t put_count;   /* items put, .. */
	uint64_t done_count;  /* .. and committed */
	uint64_t flush_count; /* somebody waits until so many are committed */
	uint64_t batches;     /* done; the ticket */
	uint64_t next_directory;
	uint64_t next_execution;
	struct bucket uncommitted[BUCKETS];

	_Atomic uint64_t epoch; /* commits so far that dropped a tree */

	pthread_mutex_t watch_lock; /* guards the next two, and is held while
				       the watch is called; a leaf */
	manifest_watch *watch;
	void *watch_user;
};

/* --- The thread ----------------------------------------------------------- */

static bool is_batch_due(const struct manifest_writer *w)
{
	return w->queued_items >= BATCH_ITEMS ||
	       w->queued_bytes >= BATCH_BYTES ||
	       w->flush_count > w->done_count || w->stopping;
}

/* Waits with the lock held; false when all is written and it shall stop. */
static bool wait_for_batch(struct manifest_writer *w)
{
	struct timespec deadline;

	for (;;) {
		if (STAILQ_EMPTY(&w->queue)) {
			if (w->stopping)
				return false;
			pthread_cond_wait(&w->work, &w->lock);
			continue;
		}
		if (is_batch_due(w))
			return true;
		deadline = clock_split_ns(w->oldest_ns + BATCH_NS);
		if (pthread_cond_timedwait(&w->work, &w->lock, &deadline) ==
		    ETIMEDOUT)
			return true;
	}
}

/* Frees the items; those that are directories are hidden by then. */
static void free_items(struct manifest_items *items)
{
	struct manifest_item *item;

	while ((item = STAILQ_FIRST(items))) {
		STAILQ_REMOVE_HEAD(items, link);
		free(item);
	}
}

/* The batch was committed, or will never be: its ids go, waiters look. */
static void finish_batch(struct manifest_writer *w,
			 const struct manifest_items *batch, size_t count,
			 size_t bytes)
{
	struct manifest_item *item;

	STAILQ_FOREACH(item, batch, link)
		if (item->kind == ITEM_DIRECTORY)
			LIST_REMOVE(item, pending);
	w->held_bytes -= bytes;
	w->done_count += count;
	w->batches++;
	pthread_cond_broadcast(&w->done);
}

static void tell_items(struct manifest_writer *w,
		       const struct manifest_items *items)
{
	const struct manifest_item *item;

	STAILQ_FOREACH(item, items, link)
		if (item->kind == ITEM_ROW || item->kind == ITEM_DROP ||
		    item->kind == ITEM_DROP_TREE)
			w->watch(w->watch_user, item->directory, item->name);
}

/* A committed batch, told to who watches. */
static void tell_watch(struct manifest_writer *w,
		       const struct manifest_items *batch,
		       const struct manifest_changes *changes)
{
	/* Not before the commit: who took the epoch then and found an id that
	 * is about to go would keep it for good. */
	if (changes->trees)
		atomic_fetch_add(&w->epoch, 1);
	pthread_mutex_lock(&w->watch_lock);
	if (w->watch) {
		tell_items(w, batch);
		tell_items(w, &changes->unlinked);
	}
	pthread_mutex_unlock(&w->watch_lock);
}

static void write_batch(struct manifest_writer *w)
{
	struct manifest_items batch = STAILQ_HEAD_INITIALIZER(batch);
	struct manifest_changes changes = {
	    .unlinked = STAILQ_HEAD_INITIALIZER(changes.unlinked)};
	size_t count = w->queued_items;
	size_t bytes = w->queued_bytes;
	bool durable = w->durable;
	int r = w->error;

	STAILQ_CONCAT(&batch, &w->queue);
	w->queued_items = 0;
	w->queued_bytes = 0;
	w->durable = false;

	pthread_mutex_unlock(&w->lock);
	if (r == 0)
		r = manifest_apply(w->apply, &batch, durable, &changes);
	if (r == 0)
		tell_watch(w, &batch, &changes);
	free_items(&changes.unlinked);
	pthread_mutex_lock(&w->lock);

	w->error = r;
	finish_batch(w, &batch, count, bytes);
	pthread_mutex_unlock(&w->lock);
	free_items(&batch);
	pthread_mutex_lock(&w->lock);
}

static void *writer_main(void *arg)
{
	struct manifest_writer *w = arg;

	pthread_setname_np(pthread_self(), "manifest");
	pthread_mutex_lock(&w->lock);
	while (wait_for_batch(w))
		write_batch(w);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for the threads that wait for them. */
static int start_thread(struct manifest_writer *w)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

/* --- Start and stop ------------------------------------------------------- */

/*
 * The first free ids. A directory row may have been dropped while late rows
 * of its entries came after it, so its id may still be in use.
 */
static int find_next_ids(struct manifest_writer *w)
{
	static const char *const directories[] = {
	    "SELECT max(id) FROM directory",
	    "SELECT max(directory) FROM entry",
	    "SELECT max(directory) FROM partial",
	};
	int64_t id, last = MANIFEST_ROOT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(directories); i++) {
		r = manifest_db_integer(w->db, directories[i], &id);
		if (r == 0 && id > last)
			last = id;
	}
	if (r == 0)
		r = manifest_db_integer(w->db, "SELECT max(id) FROM execution",
					&id);
	if (r < 0)
		return r;
	if (last == INT64_MAX || id == INT64_MAX)
		return -EUCLEAN;
	w->next_directory = (uint64_t)last + 1;
	w->next_execution = (uint64_t)id + 1;
	return 0;
}

static struct manifest_writer *writer_new(struct sqlite3 *db)
{
	struct manifest_writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;

	if (!w)
		return NULL;
	w->db = db;
	STAILQ_INIT(&w->queue);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&w->uncommitted[i]);
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->watch_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &monotonic);
	pthread_cond_init(&w->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return w;
}

static void writer_free(struct manifest_writer *w)
{
	manifest_apply_free(w->apply);
	manifest_db_close(w->db);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->watch_lock);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int manifest_writer_start(struct sqlite3 *db, struct manifest_writer **ret)
{
	struct manifest_writer *w = writer_new(db);
	int r;

	if (!w) {
		manifest_db_close(db);
		return -ENOMEM;
	}
	r = find_next_ids(w);
	if (r == 0)
		r = manifest_apply_new(db, &w->apply);
	if (r == 0)
		r = start_thread(w);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

/*
 * Moves the log into the database, so that a manifest at rest is one file.
 * That a reader is still in the way is no error: nothing is lost.
 */
static int checkpoint(struct manifest_writer *w)
{
	int r;

	sqlite3_busy_timeout(w->db, 0);
	r = sqlite3_wal_checkpoint_v2(w->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
				      NULL, NULL);
	if (r == SQLITE_OK || (r & 0xff) == SQLITE_BUSY)
		return 0;
	return manifest_db_errno(w->db);
}

int manifest_writer_stop(struct manifest_writer *w)
{
	int r;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);

	r = w->error;
	if (r == 0)
		r = checkpoint(w);
	writer_free(w);
	return r;
}

/* --- Watching ------------------------------------------------------------- */

void manifest_writer_set_watch(struct manifest_writer *w, manifest_watch *watch,
			       void *user)
{
	pthread_mutex_lock(&w->watch_lock);
	w->watch = watch;
	w->watch_user = user;
	pthread_mutex_unlock(&w->watch_lock);
}

uint64_t manifest_writer_get_epoch(const struct manifest_writer *w)
{
	return atomic_load(&w->epoch);
}

/* --- Putting -------------------------------------------------------------- */

static const char *copy_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(*at, text, size);

	*at += size;
	return copy;
}

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* One allocation with all that `like` points to. */
static struct manifest_item *copy_item(const struct manifest_item *like)
{
	size_t size = sizeof(*like) + text_size(like->name);
	struct manifest_item *item;
	char *at;

	if (like->kind == ITEM_PARTIAL)
		size += sizeof(*like->partial);
	else if (like->kind == ITEM_DIRECTORY)
		size += text_size(like->made.path);
	else if (like->kind == ITEM_BEGIN || like->kind == ITEM_END)
		size += text_size(like->execution.status) +
			text_size(like->execution.summary);
	item = malloc(size);
	if (!item)
		return NULL;
	memcpy(item, like, sizeof(*item));
	item->size_bytes = size;

	/* The one that needs alignment comes first. */
	at = (char *)item->room;
	if (like->kind == ITEM_PARTIAL) {
		item->partial =
		    memcpy(at, like->partial, sizeof(*like->partial));
		at += sizeof(*like->partial);
	} else if (like->kind == ITEM_DIRECTORY) {
		item->made.path = copy_text(&at, like->made.path);
	} else if (like->kind == ITEM_BEGIN || like->kind == ITEM_END) {
		item->execution.status = copy_text(&at, like->execution.status);
		item->execution.summary =
		    copy_text(&at, like->execution.summary);
	}
	if (like->name)
		item->name = copy_text(&at, like->name);
	if (like->kind == ITEM_ROW)
		item->row.name = item->name;
	return item;
}

/* Appends with the lock held. */
static void append(struct manifest_writer *w, struct manifest_item *item)
{
	bool was_due = is_batch_due(w);
	bool was_empty = STAILQ_EMPTY(&w->queue);

	STAILQ_INSERT_TAIL(&w->queue, item, link);
	w->queued_items++;
	w->queued_bytes += item->size_bytes;
	w->held_bytes += item->size_bytes;
	w->put_count++;
	if (item->kind == ITEM_END)
		w->durable = true;
	if (was_empty)
		w->oldest_ns = clock_now_ns();

	/* The first starts its clock, the one that makes a batch ends it. */
	if (was_empty || (!was_due && is_batch_due(w)))
		pthread_cond_signal(&w->work);
}

static void wait_for_room(struct manifest_writer *w)
{
	while (w->held_bytes > QUEUE_BYTES && w->error == 0)
		pthread_cond_wait(&w->done, &w->lock);
}

int manifest_writer_put(struct manifest_writer *w,
			const struct manifest_item *like)
{
	struct manifest_item *item = copy_item(like);
	int r;

	if (!item)
		return -ENOMEM;
	pthread_mutex_lock(&w->lock);
	r = w->error;
	if (r == 0) {
		append(w, steal(item));
		wait_for_room(w);
		r = w->error;
	}
	pthread_mutex_unlock(&w->lock);
	free(item);
	return r;
}

int manifest_writer_flush(struct manifest_writer *w)
{
	uint64_t goal;
	int r;

	pthread_mutex_lock(&w->lock);
	goal = w->put_count;
	if (goal > w->flush_count)
		w->flush_count = goal;
	pthread_cond_signal(&w->work);
	while (w->done_count < goal && w->error == 0)
		pthread_cond_wait(&w->done, &w->lock);
	r = w->error;
	pthread_mutex_unlock(&w->lock);
	return r;
}

uint64_t manifest_writer_peek_execution(struct manifest_writer *w)
{
	uint64_t id;

	pthread_mutex_lock(&w->lock);
	id = w->next_execution;
	pthread_mutex_unlock(&w->lock);
	return id;
}

uint64_t manifest_writer_take_execution(struct manifest_writer *w)
{
	uint64_t id;

	pthread_mutex_lock(&w->lock);
	id = w->next_execution++;
	pthread_mutex_unlock(&w->lock);
	return id;
}

/* --- Directories ---------------------------------------------------------- */

static struct bucket *bucket_of(struct manifest_writer *w, uint64_t parent,
				const char *name)
{
	struct digest d = digest_of(name, strlen(name));
	uint64_t hash;

	memcpy(&hash, d.bytes, sizeof(hash));
	hash ^= parent * UINT64_C(0x9e3779b97f4a7c15);
	return &w->uncommitted[(hash >> 32) % BUCKETS];
}

static bool find_uncommitted(struct manifest_writer *w, uint64_t parent,
			     const char *name, uint64_t *ret_id)
{
	const struct manifest_item *item;

	LIST_FOREACH(item, bucket_of(w, parent, name), pending) {
		if (item->directory == parent &&
		    strcmp(item->name, name) == 0) {
			*ret_id = item->made.id;
			return true;
		}
	}
	return false;
}

int manifest_writer_find_directory(struct manifest_writer *w, uint64_t parent,
				   const char *name, uint64_t *ret_id,
				   uint64_t *ret_ticket)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = w->error;
	if (r == 0)
		r = find_uncommitted(w, parent, name, ret_id);
	*ret_ticket = w->batches;
	pthread_mutex_unlock(&w->lock);
	return r;
}

int manifest_writer_add_directory(struct manifest_writer *w, uint64_t parent,
				  const char *name, const char *path,
				  uint64_t ticket, uint64_t *ret_id)
{
	struct manifest_item like = {
	    .kind = ITEM_DIRECTORY,
	    .directory = parent,
	    .name = name,
	    .made = {.path = path},
	};
	struct manifest_item *item = copy_item(&like);
	int r;

	if (!item)
		return -ENOMEM;
	pthread_mutex_lock(&w->lock);
	r = w->error;
	if (r == 0 && !find_uncommitted(w, parent, name, ret_id)) {
		if (w->batches != ticket) {
			r = -EAGAIN;
		} else {
			*ret_id = item->made.id = w->next_directory++;
			LIST_INSERT_HEAD(bucket_of(w, parent, name), item,
					 pending);
			append(w, steal(item));
			wait_for_room(w);
			r = w->error;
		}
	}
	pthread_mutex_unlock(&w->lock);
	free(item);
	return r;
}
