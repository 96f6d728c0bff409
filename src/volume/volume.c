/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The waist adds three things to a backend: what the items of each verb look
 * like (one table), a blocking form for a backend that only starts calls, and
 * an asynchronous form for a backend that only runs them.
 *
 * The latter is a pool of threads. It grows by one whenever a call comes in
 * and no thread is idle, up to the volume's depth or POOL_THREADS, and lasts
 * until the volume is freed. Calls wait in it in the order they came. A volume
 * whose user only ever blocks has no pool.
 */
#include "volume/volume.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/waiter.h"
#include "volume/backend.h"
#include "volume/location.h"

/* A pool may have as many threads, however shallow the volume is: they mostly
 * wait for a disk, and a quick call must not wait behind a few slow ones. */
#define POOL_THREADS 16

/* A call that waits in the pool. */
struct pool_task {
	STAILQ_ENTRY(pool_task) link;
	struct volume_call *call;
};

struct volume_pool {
	struct volume *volume;
	pthread_mutex_t lock; /* guards all below; a leaf in the lock order */
	pthread_cond_t work;  /* a task came or the pool closes */
	STAILQ_HEAD(, pool_task) tasks;
	size_t waiting; /* tasks in the list */
	size_t idle;    /* threads that wait for one */
	size_t count;   /* threads made */
	size_t limit;
	bool closing;
	pthread_t threads[]; /* `limit` places */
};

/* --- What items look like ------------------------------------------------ */

#define SHAPE(verb, type)                            \
	[verb] = {                                   \
	    .size = sizeof(struct type),             \
	    .result = offsetof(struct type, result), \
	}

static const struct {
	size_t size;   /* of one item */
	size_t result; /* where its result lies */
} shapes[VOLUME_VERBS] = {
    SHAPE(VOLUME_LIST, volume_list),
    SHAPE(VOLUME_LOOKUP, volume_lookup),
    SHAPE(VOLUME_GETATTR, volume_getattr),
    SHAPE(VOLUME_READLINK, volume_readlink),
    SHAPE(VOLUME_READ_WHOLE, volume_read_whole),
    SHAPE(VOLUME_WRITE_WHOLE, volume_write_whole),
    SHAPE(VOLUME_MAKE, volume_make),
    SHAPE(VOLUME_LINK, volume_link),
    SHAPE(VOLUME_SETATTR, volume_setattr),
    SHAPE(VOLUME_REMOVE, volume_remove),
    SHAPE(VOLUME_RENAME, volume_rename),
    SHAPE(VOLUME_READ, volume_read),
    SHAPE(VOLUME_OPEN, volume_open),
    SHAPE(VOLUME_WRITE, volume_write),
    SHAPE(VOLUME_COMMIT, volume_commit),
    SHAPE(VOLUME_CLOSE, volume_close),
    SHAPE(VOLUME_STATFS, volume_statfs),
};

int volume_item_result(enum volume_verb verb, const void *items, size_t index)
{
	const char *item = (const char *)items + index * shapes[verb].size;
	int result;

	memcpy(&result, item + shapes[verb].result, sizeof(result));
	return result;
}

void volume_fail(enum volume_verb verb, void *items, size_t count, int result)
{
	char *item = items;

	for (size_t i = 0; i < count; i++, item += shapes[verb].size)
		memcpy(item + shapes[verb].result, &result, sizeof(result));
}

static void list_done(struct volume_list *list)
{
	for (size_t i = 0; i < list->ret_count; i++) {
		free(list->ret_entries[i].name);
		free(list->ret_entries[i].handle);
	}
	free(list->ret_entries);
	list->ret_entries = NULL;
	list->ret_count = 0;
	list->ret_verifier = 0;
	list->ret_eof = false;
}

static void read_whole_done(struct volume_read_whole *read)
{
	blob_unref(read->ret_blob);
	read->ret_blob = NULL;
	read->ret_data = NULL;
	read->ret_len = 0;
	read->ret_before = (struct attr){0};
	read->ret_after = (struct attr){0};
}

static void read_done(struct volume_read *read)
{
	blob_unref(read->ret_blob);
	read->ret_blob = NULL;
	read->ret_data = NULL;
	read->ret_len = 0;
	read->ret_eof = false;
}

static void readlink_done(struct volume_readlink *link)
{
	free(link->ret_target);
	link->ret_target = NULL;
	link->ret_attr = (struct attr){0};
}

static void statfs_done(struct volume_statfs *statfs)
{
	*statfs = (struct volume_statfs){.result = statfs->result};
}

/* An item that returned a handle and attributes. */
#define HANDLE_DONE(item)                            \
	do {                                         \
		free((item)->ret_handle);            \
		(item)->ret_handle = NULL;           \
		(item)->ret_attr = (struct attr){0}; \
	} while (0)

static void item_done(enum volume_verb verb, void *item)
{
	switch (verb) {
	case VOLUME_LIST:
		list_done(item);
		break;
	case VOLUME_LOOKUP:
		HANDLE_DONE((struct volume_lookup *)item);
		break;
	case VOLUME_GETATTR:
		((struct volume_getattr *)item)->ret_attr = (struct attr){0};
		break;
	case VOLUME_READLINK:
		readlink_done(item);
		break;
	case VOLUME_READ_WHOLE:
		read_whole_done(item);
		break;
	case VOLUME_WRITE_WHOLE:
		HANDLE_DONE((struct volume_write_whole *)item);
		break;
	case VOLUME_MAKE:
		HANDLE_DONE((struct volume_make *)item);
		break;
	case VOLUME_LINK:
		((struct volume_link *)item)->ret_attr = (struct attr){0};
		break;
	case VOLUME_SETATTR:
		((struct volume_setattr *)item)->ret_attr = (struct attr){0};
		break;
	case VOLUME_READ:
		read_done(item);
		break;
	case VOLUME_OPEN:
		/* The file is VOLUME_CLOSE's to free. */
		((struct volume_open *)item)->ret_file = NULL;
		HANDLE_DONE((struct volume_open *)item);
		break;
	case VOLUME_WRITE:
		((struct volume_write *)item)->ret_verifier = 0;
		break;
	case VOLUME_COMMIT:
		((struct volume_commit *)item)->ret_verifier = 0;
		break;
	case VOLUME_STATFS:
		statfs_done(item);
		break;
	case VOLUME_REMOVE:
	case VOLUME_RENAME:
	case VOLUME_CLOSE:
	case VOLUME_VERBS:
		break;
	}
}

void volume_items_done(enum volume_verb verb, void *items, size_t count)
{
	char *item = items;

	for (size_t i = 0; i < count; i++, item += shapes[verb].size)
		item_done(verb, item);
}

/* Brent's: the mark moves on after 1, 3, 7, .. pages; a circle comes by again
 * once it is in it and its length fits. */
bool volume_circle_closes(struct volume_circle *c, uint64_t cookie)
{
	if (c->pages > 0 && cookie == c->mark)
		return true;
	if (c->pages++ == c->next) {
		c->mark = cookie;
		c->next = 2 * c->pages;
	}
	return false;
}

int volume_list_next(struct volume_list *page)
{
	struct volume_list next = {
	    .dir = page->dir,
	    .cookie = page->cookie,
	    .verifier = page->ret_verifier,
	    .max_bytes = page->max_bytes,
	    .circle = page->circle,
	};
	bool closes = false;

	if (page->ret_count > 0) {
		next.cookie = page->ret_entries[page->ret_count - 1].cookie;
		closes = volume_circle_closes(&next.circle, next.cookie);
	}
	volume_items_done(VOLUME_LIST, page, 1);
	if (closes)
		return -EPROTO;
	*page = next;
	return 0;
}

int volume_check_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len > VOLUME_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return -EINVAL;
	return 0;
}

/* --- The pool ------------------------------------------------------------ */

static void run_call(struct volume *v, struct volume_call *call)
{
	v->backend->run(v, call->verb, call->items, call->count);
	call->done(call);
}

static void *pool_thread(void *arg)
{
	struct volume_pool *pool = arg;
	struct pool_task *task;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (STAILQ_EMPTY(&pool->tasks) && !pool->closing) {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
		}
		task = STAILQ_FIRST(&pool->tasks);
		if (!task)
			break;
		STAILQ_REMOVE_HEAD(&pool->tasks, link);
		pool->waiting--;
		pthread_mutex_unlock(&pool->lock);
		run_call(pool->volume, task->call);
		free(task);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static struct volume_pool *pool_new(struct volume *v)
{
	size_t limit =
	    v->info.depth > POOL_THREADS ? v->info.depth : POOL_THREADS;
	struct volume_pool *pool =
	    calloc(1, sizeof(*pool) + limit * sizeof(pthread_t));

	if (!pool)
		return NULL;
	pool->volume = v;
	pool->limit = limit;
	STAILQ_INIT(&pool->tasks);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	return pool;
}

/* Lets the threads finish what waits and ends them. */
static void pool_free(struct volume_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* The volume's pool, made by whoever comes first; NULL: out of memory. */
static struct volume_pool *pool_get(struct volume *v)
{
	struct volume_pool *pool = __atomic_load_n(&v->pool, __ATOMIC_ACQUIRE);
	struct volume_pool *made;

	if (pool)
		return pool;
	made = pool_new(v);
	if (made &&
	    !__atomic_compare_exchange_n(&v->pool, &pool, made, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		pool_free(made);
		return pool;
	}
	return made;
}

/* Makes a thread; the lock is held. True when the pool has any. */
static bool pool_grow(struct volume_pool *pool)
{
	pthread_t *place = &pool->threads[pool->count];

	if (pool->count < pool->limit && pool->waiting > pool->idle &&
	    !pthread_create(place, NULL, pool_thread, pool)) {
		pthread_setname_np(*place, "volume");
		pool->count++;
	}
	return pool->count > 0;
}

/* Hands `call` to a thread. False when that cannot be. */
static bool pool_submit(struct volume_pool *pool, struct volume_call *call)
{
	struct pool_task *task = malloc(sizeof(*task));
	bool taken;

	if (!task)
		return false;
	task->call = call;
	pthread_mutex_lock(&pool->lock);
	pool->waiting++;
	taken = pool_grow(pool);
	if (taken) {
		STAILQ_INSERT_TAIL(&pool->tasks, task, link);
		pthread_cond_signal(&pool->work);
	} else {
		pool->waiting--;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!taken)
		free(task);
	return taken;
}

/* --- Calls --------------------------------------------------------------- */

void volume_set_pacer(struct volume *v, const struct volume_pacer *pacer)
{
	v->pacer = pacer;
}

/* The bytes of file data that a call is expected to read. */
static uint64_t bytes_of(enum volume_verb verb, const void *items, size_t count)
{
	const struct volume_read_whole *whole = items;
	const struct volume_read *range = items;
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if (verb == VOLUME_READ_WHOLE)
			bytes += whole[i].expect;
		else if (verb == VOLUME_READ)
			bytes += range[i].len;
	return bytes;
}

/* 1: the call may begin; see struct volume_pacer. */
static int ask_pacer(const struct volume *v, enum volume_verb verb,
		     const void *items, size_t count, bool wait)
{
	const struct volume_pacer *p = v->pacer;

	return p ? p->pass(p->user, count, bytes_of(verb, items, count), wait)
		 : 1;
}

/* Begins a call that was let through. */
static void start_call(struct volume *v, struct volume_call *call)
{
	struct volume_pool *pool;

	if (v->backend->start) {
		v->backend->start(v, call);
		return;
	}
	pool = pool_get(v);
	/* With no thread to be had, the caller's does the work. */
	if (!pool || !pool_submit(pool, call))
		run_call(v, call);
}

/* One that was asked for and is not to be. */
static void fail_call(struct volume_call *call, int error)
{
	volume_fail(call->verb, call->items, call->count, error);
	call->done(call);
}

void volume_start(struct volume *v, struct volume_call *call)
{
	int r = call->count
		    ? ask_pacer(v, call->verb, call->items, call->count, true)
		    : 0;

	if (r > 0)
		start_call(v, call);
	else
		fail_call(call, r);
}

bool volume_try_start(struct volume *v, struct volume_call *call)
{
	int r = call->count
		    ? ask_pacer(v, call->verb, call->items, call->count, false)
		    : -ECANCELED;

	if (r > 0)
		start_call(v, call);
	else if (r < 0)
		fail_call(call, r);
	return r != 0;
}

static void wake_waiter(struct volume_call *call)
{
	waiter_wake(call->user);
}

void volume_run(struct volume *v, enum volume_verb verb, void *items,
		size_t count)
{
	struct waiter waiter;
	struct volume_call call = {
	    .verb = verb,
	    .items = items,
	    .count = count,
	    .done = wake_waiter,
	    .user = &waiter,
	};
	int r;

	if (count == 0)
		return;
	r = ask_pacer(v, verb, items, count, true);
	if (r < 0) {
		volume_fail(verb, items, count, r);
		return;
	}
	if (v->backend->run) {
		v->backend->run(v, verb, items, count);
		return;
	}
	waiter_init(&waiter);
	v->backend->start(v, &call);
	waiter_wait(&waiter);
}

void volume_cancel(struct volume *v)
{
	v->backend->cancel(v);
}

/* --- Life and facts ------------------------------------------------------ */

static int open_kind(const struct location *location, struct volume **ret,
		     char *error, size_t error_size)
{
	switch (location->kind) {
	case LOCATION_DIRECTORY:
		return dir_open(location, ret, error, error_size);
	case LOCATION_NFS:
		return location->version == LOCATION_V41
			   ? v4_open(location, ret, error, error_size)
			   : ln_open(location, ret, error, error_size);
	}
	snprintf(error, error_size, "%s: a location of an unknown kind",
		 location->text);
	return -EINVAL;
}

int volume_open_location(const struct location *location, struct volume **ret,
			 char *error, size_t error_size)
{
	int r = open_kind(location, ret, error, error_size);

	/* The patience of opening is over. */
	if (r == 0)
		volume_set_patience(*ret, 0);
	return r;
}

struct volume *volume_free(struct volume *v)
{
	if (v) {
		pool_free(v->pool);
		v->backend->free(v);
	}
	return NULL;
}

const struct volume_info *volume_get_info(const struct volume *v)
{
	return &v->info;
}

uint64_t volume_get_requests(const struct volume *v)
{
	return v->backend->get_requests(v);
}

int64_t volume_get_silent_ns(const struct volume *v)
{
	return v->backend->get_silent_ns ? v->backend->get_silent_ns(v) : 0;
}

void volume_set_patience(struct volume *v, int64_t ns)
{
	if (v->backend->set_patience)
		v->backend->set_patience(v, ns);
}
