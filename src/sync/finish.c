/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories come to the finisher in the order in which their last child
 * ended, children before parents. All that wait when it looks are finished in
 * one call, so the more there are the less each costs; finishing one drops
 * its parent's pending, which may bring the parent.
 *
 * A directory's times are right only once nothing in it changes any more. That
 * holds when its pending is gone: whoever changes a name in it holds one. Its
 * own attributes change nothing in its parent.
 */
#include "sync/finish.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sync/complete.h"
#include "sync/metadata.h"
#include "sync/state.h"
#include "sync/withdraw.h"

/* The most directories in one call. */
#define AT_ONCE 256

struct batch {
	struct engine *engine;
	size_t count;
	struct dirnode *nodes[AT_ONCE];
	struct volume_setattr sets[AT_ONCE];
	size_t set_count;
	struct dirnode *set_nodes[AT_ONCE];
};

void engine_drop_directory(struct engine *e, struct dirnode *d)
{
	if (!dirnode_drop(d))
		return;
	pthread_mutex_lock(&e->finish_lock);
	TAILQ_INSERT_TAIL(&e->finish_list, d, link);
	pthread_cond_broadcast(&e->finish_changed);
	pthread_mutex_unlock(&e->finish_lock);
}

static void take_waiting(struct batch *b)
{
	struct engine *e = b->engine;
	struct dirnode *d;

	b->count = 0;
	pthread_mutex_lock(&e->finish_lock);
	while (TAILQ_EMPTY(&e->finish_list) && !e->finish_closed)
		pthread_cond_wait(&e->finish_changed, &e->finish_lock);
	while (b->count < AT_ONCE && (d = TAILQ_FIRST(&e->finish_list))) {
		TAILQ_REMOVE(&e->finish_list, d, link);
		b->nodes[b->count++] = d;
	}
	pthread_mutex_unlock(&e->finish_lock);
}

static void count_verified(struct engine *e, struct dirnode *d)
{
	engine_count_once(e, d, COUNT_VERIFIED_DIRECTORIES, 1);
	if (!d->again)
		report_add(e->report, REPORT_VERIFIED,
			   &(struct report_entry){.dir = d,
						  .source = &d->attr[SOURCE],
						  .destination =
						      &d->attr[DESTINATION]});
}

/* Records a directory that has its attributes. The volume's root has a row
 * only while it is failed. */
static void record(struct engine *e, struct dirnode *d)
{
	struct manifest_row row = {
	    .name = d->name,
	    .state = STATE_VERIFIED,
	    .type = ENTRY_DIRECTORY,
	    .source = d->attr[SOURCE],
	    .destination_fileid = d->attr[DESTINATION].fileid,
	    .execution = e->execution,
	};
	int r;

	row.flags =
	    metadata_skipped(e, &d->attr[SOURCE], &d->attr[DESTINATION]);
	if (row.flags)
		engine_count_once(e, d, COUNT_METADATA_SKIPPED, 1);
	if (e->options.verify != VERIFY_ALL)
		count_verified(e, d);
	if (e->options.dry_run)
		return;
	row.directory = d->parent_id;
	r = *d->name ? manifest_put(e->manifest, &row)
		     : manifest_drop(e->manifest, d->parent_id, d->name);
	if (r < 0)
		engine_stop(e, r, SIDES);
}

/* A directory that was there and has other attributes now. */
static void count_adjusted(struct engine *e, struct dirnode *d)
{
	engine_count(e, COUNT_METADATA, 1);
	report_add(e->report, REPORT_TRANSFERRED,
		   &(struct report_entry){.dir = d,
					  .source = &d->attr[SOURCE],
					  .destination = &d->attr[DESTINATION],
					  .overwrite = true,
					  .metadata = true});
}

static void was_set(struct engine *e, struct dirnode *d,
		    struct volume_setattr *s)
{
	struct attr want = metadata_want(e, &d->attr[SOURCE]);
	bool adjusted;

	if (s->result == 0 && metadata_differs(e, &want, &s->ret_attr))
		s->result = -EUCLEAN;
	if (s->result < 0) {
		if (!engine_stops_for(e, s->result, DESTINATION))
			complete_directory_failure(e, d, s->result,
						   PHASE_METADATA, DESTINATION);
		return;
	}
	adjusted = !d->fresh &&
		   metadata_differs(e, &want, &d->attr[DESTINATION]) &&
		   !d->again;
	d->attr[DESTINATION] = s->ret_attr;
	if (adjusted)
		count_adjusted(e, d);
	record(e, d);
}

static bool needs_setting(struct engine *e, struct dirnode *d)
{
	struct attr want = metadata_want(e, &d->attr[SOURCE]);

	return d->fresh || atomic_load(&d->touched) ||
	       metadata_differs(e, &want, &d->attr[DESTINATION]);
}

/* A directory whose listing failed gets its attributes all the same. */
static void prepare(struct batch *b, struct withdraw *claims, struct dirnode *d)
{
	struct engine *e = b->engine;

	if (engine_is_stopping(e) || !d->handle[DESTINATION] ||
	    e->options.dry_run || atomic_load(&e->comparing))
		return;
	if (!needs_setting(e, d)) {
		if (!d->error)
			record(e, d);
		return;
	}
	withdraw_directory(claims, d);
	b->set_nodes[b->set_count] = d;
	b->sets[b->set_count++] = (struct volume_setattr){
	    .handle = d->handle[DESTINATION],
	    .set = metadata_set(e, &d->attr[SOURCE],
				d->fresh ? NULL : &d->attr[DESTINATION])};
}

/* Sets the attributes of those that need it. */
static void set_batch(struct batch *b)
{
	struct engine *e = b->engine;
	struct withdraw claims = {.engine = e};

	b->set_count = 0;
	for (size_t k = 0; k < b->count; k++)
		prepare(b, &claims, b->nodes[k]);
	if (withdraw_commit(&claims) < 0 || b->set_count == 0)
		return;
	volume_run(e->volume[DESTINATION], VOLUME_SETATTR, b->sets,
		   b->set_count);
	for (size_t k = 0; k < b->set_count; k++)
		if (!b->set_nodes[k]->error)
			was_set(e, b->set_nodes[k], &b->sets[k]);
}

static void finish_batch(struct batch *b)
{
	struct engine *e = b->engine;

	set_batch(b);
	for (size_t k = 0; k < b->count; k++) {
		const struct dirnode *d = b->nodes[k];

		if (d->error && !engine_is_stopping(e))
			complete_directory_failure(
			    e, d, d->error,
			    d->error_side == SOURCE ? PHASE_LIST : PHASE_WRITE,
			    d->error_side);
	}
}

/* Frees a finished node and lets its parent know. */
static void release(struct engine *e, struct dirnode *d)
{
	struct dirnode *parent = d->parent;

	dirnode_free(d);
	if (parent) {
		engine_drop_directory(e, parent);
		return;
	}
	pthread_mutex_lock(&e->finish_lock);
	e->roots--;
	pthread_cond_broadcast(&e->finish_changed);
	pthread_mutex_unlock(&e->finish_lock);
}

static void *finisher_main(void *arg)
{
	struct batch *b = arg;

	pthread_setname_np(pthread_self(), "finish");
	for (;;) {
		take_waiting(b);
		if (b->count == 0)
			break;
		finish_batch(b);
		for (size_t k = 0; k < b->count; k++)
			release(b->engine, b->nodes[k]);
	}
	free(b);
	return NULL;
}

int finish_start(struct engine *e, pthread_t *ret)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->engine = e;
	if (pthread_create(ret, NULL, finisher_main, b) == 0)
		return 0;
	free(b);
	return -EAGAIN;
}

void finish_join(struct engine *e, pthread_t thread)
{
	pthread_mutex_lock(&e->finish_lock);
	e->finish_closed = true;
	pthread_cond_broadcast(&e->finish_changed);
	pthread_mutex_unlock(&e->finish_lock);
	pthread_join(thread, NULL);
}

/* When the time that the run may take is over. */
static int64_t deadline_of(const struct engine *e)
{
	int64_t ns;

	if (!e->options.duration_ns ||
	    __builtin_add_overflow(e->started_ns, e->options.duration_ns, &ns))
		return INT64_MAX;
	return ns;
}

/*
 * Waits for something to change, at most until `until_ns`. The engine's thread
 * does nothing else while the others work, so it is here that the end of the
 * time is seen. The lock is held; it is not while the run is stopped.
 */
static void await_change(struct engine *e, int64_t until_ns)
{
	int64_t deadline_ns = deadline_of(e);
	struct timespec ts;

	if (clock_now_ns() >= deadline_ns) {
		pthread_mutex_unlock(&e->finish_lock);
		engine_stop(e, -ETIME, SIDES);
		pthread_mutex_lock(&e->finish_lock);
		return;
	}
	ts = clock_split_ns(until_ns < deadline_ns ? until_ns : deadline_ns);
	pthread_cond_timedwait(&e->finish_changed, &e->finish_lock, &ts);
}

void finish_wait(struct engine *e)
{
	pthread_mutex_lock(&e->finish_lock);
	while (e->roots > 0 && !engine_is_stopping(e))
		await_change(e, INT64_MAX);
	pthread_mutex_unlock(&e->finish_lock);
}

void finish_rest(struct engine *e, int64_t ns)
{
	int64_t until_ns = clock_now_ns() + ns;

	pthread_mutex_lock(&e->finish_lock);
	while (!engine_is_stopping(e) && clock_now_ns() < until_ns)
		await_change(e, until_ns);
	pthread_mutex_unlock(&e->finish_lock);
}
