/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two threads: "runner" takes requests from a queue and runs the engine for
 * each; "sampler" looks at the counters once a second while it does.
 *
 * The ids of executions are foretold: they are sequential in the manifest, and
 * only the runner begins any while its process holds the task's lock. So the
 * execution under way has the id that the manifest would have given when it
 * was taken from the queue, and those that wait have the following ones. That
 * fails only when a run ends before it could begin (no memory, a full state
 * directory): then it, and all that waited behind it, have ended with
 * ENGINE_STOPPED, whoever waits for them is told so, and the next request is
 * foretold anew.
 *
 * Runs that nobody asked for (at the start, by the interval, after a side was
 * lost) are put on the same queue when they are due.
 *
 * `lock` guards all that changes and is held while the engine is asked or
 * told something, so that the engine lives as long as that takes. The engine's
 * locks are taken inside it; the engine knows nothing of the runner.
 */
#include "sync/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/filelist.h"
#include "sync/manifest.h"
#include "sync/meter.h"
#include "sync/reason.h"
#include "sync/settings.h"
#include "sync/snapshot.h"
#include "sync/summary.h"
#include "volume/volume.h"

/* How long to wait before a run that lost a side is tried again. */
#define RETRY_FIRST_NS (10 * NS_PER_S)
#define RETRY_MAX_NS   (300 * NS_PER_S)

#define NEVER INT64_MAX

#define WORDS_SIZE 1024

struct request {
	TAILQ_ENTRY(request) next;
	enum runner_kind kind;
	char *path; /* never NULL */
	uint64_t execution;
};

TAILQ_HEAD(request_list, request);

struct runner {
	struct runner_setup setup; /* its strings and objects are borrowed */
	pthread_t thread, sampler;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct request_list queue;
	struct request *current; /* being run, or NULL */
	struct engine *engine;   /* of `current`, once there is one */
	struct sync_options options;
	bool paused;
	bool shutdown;
	atomic_bool leaving; /* the same, for who has no lock */
	bool ended;          /* the thread is through */
	unsigned cancels_wanted, cancels_given; /* of `engine`: 0 to 2 */

	/* Runs that come by themselves, monotonic time, or NEVER. */
	int64_t interval_due_ns;
	int64_t retry_due_ns;
	int64_t retry_delay_ns; /* of the last retry; 0: none */
	struct request *retry;  /* what to try again, or NULL */

	/* What is shown. While nothing runs these are of the last one. */
	struct snapshot last; /* without lists */
	uint64_t requests_before[SIDES];
	struct meter meter;
};

/* --- Requests ------------------------------------------------------------- */

static struct request *request_free(struct request *q)
{
	if (q)
		free(q->path);
	free(q);
	return NULL;
}

static struct request *request_new(enum runner_kind kind, const char *path)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->kind = kind;
	q->path = strdup(path);
	return q->path ? q : request_free(q);
}

static bool is_like(const struct request *q, enum runner_kind kind,
		    const char *path)
{
	return q->kind == kind && !strcmp(q->path, path);
}

static struct request *find_waiting(struct runner *r, enum runner_kind kind,
				    const char *path)
{
	struct request *q;

	TAILQ_FOREACH(q, &r->queue, next)
		if (is_like(q, kind, path))
			return q;
	return NULL;
}

/* The id of what is put on the queue now. */
static uint64_t foretell(const struct runner *r)
{
	const struct request *last = TAILQ_LAST(&r->queue, request_list);

	if (!last)
		last = r->current;
	return last ? last->execution + 1
		    : manifest_next_execution(r->setup.manifest);
}

static void forget_retry(struct runner *r)
{
	r->retry = request_free(r->retry);
	r->retry_due_ns = NEVER;
}

static void forget_waiting(struct runner *r)
{
	struct request *q;

	while ((q = TAILQ_FIRST(&r->queue))) {
		TAILQ_REMOVE(&r->queue, q, next);
		if (q->execution == r->last.requested)
			r->last.requested = 0;
		request_free(q);
	}
}

static void enqueue(struct runner *r, struct request *q)
{
	q->execution = foretell(r);
	/* The end of one that never began is over: another takes its id. */
	if (q->execution <= r->last.ended_execution) {
		r->last.ended = false;
		r->last.ended_execution = 0;
	}
	/* It will do what a retry would. */
	if (r->retry && is_like(r->retry, q->kind, q->path))
		forget_retry(r);
	TAILQ_INSERT_TAIL(&r->queue, q, next);
	pthread_cond_broadcast(&r->changed);
}

/* Without memory the next time it is due is soon enough. */
static void enqueue_own(struct runner *r, enum runner_kind kind,
			const char *path)
{
	struct request *q =
	    find_waiting(r, kind, path) ? NULL : request_new(kind, path);

	if (q)
		enqueue(r, q);
}

/* Components of 1 to 255 bytes between single '/', none "." or "..". */
static bool is_path(const char *path)
{
	if (!*path)
		return true;
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len > VOLUME_NAME_MAX ||
		    (len <= 2 && !strncmp(path, "..", len)))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

int runner_request(struct runner *r, enum runner_kind kind, const char *path,
		   uint64_t *ret_execution)
{
	struct request *q;
	int result = 0;

	if (!path)
		path = "";
	if ((unsigned)kind > RUN_RETRY || !is_path(path) ||
	    (kind != RUN_PATH && *path))
		return -EINVAL;
	pthread_mutex_lock(&r->lock);
	q = find_waiting(r, kind, path);
	if (r->shutdown) {
		result = -ESHUTDOWN;
	} else if (!q) {
		q = request_new(kind, path);
		if (q)
			enqueue(r, q);
		else
			result = -ENOMEM;
	}
	if (result == 0 && kind == RUN_ALL)
		r->last.requested = q->execution;
	if (result == 0 && ret_execution)
		*ret_execution = q->execution;
	pthread_mutex_unlock(&r->lock);
	return result;
}

/* --- Commands ------------------------------------------------------------- */

/* Tells the engine what it was not told yet. */
static void give_cancels(struct runner *r)
{
	while (r->engine && r->cancels_given < r->cancels_wanted) {
		r->cancels_given++;
		engine_cancel(r->engine);
	}
}

static int set_paused(struct runner *r, bool paused)
{
	int result = 0;

	pthread_mutex_lock(&r->lock);
	if (r->paused == paused) {
		result = -EALREADY;
	} else {
		r->paused = paused;
		if (r->engine)
			engine_pause(r->engine, paused);
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

int runner_pause(struct runner *r)
{
	return set_paused(r, true);
}

int runner_resume(struct runner *r)
{
	return set_paused(r, false);
}

int runner_cancel(struct runner *r)
{
	int result = 0;

	pthread_mutex_lock(&r->lock);
	if (!r->current && TAILQ_EMPTY(&r->queue) && !r->retry)
		result = -ESRCH;
	forget_waiting(r);
	forget_retry(r);
	if (r->current && r->cancels_wanted == 0)
		r->cancels_wanted = 1;
	give_cancels(r);
	pthread_mutex_unlock(&r->lock);
	return result;
}

/* What is shown of them while nothing runs. */
static void show_options(struct runner *r)
{
	const struct sync_options *o = &r->options;

	r->last.jobs = o->jobs;
	r->last.limit_bytes_per_s = timetable_at(&o->bandwidth, time(NULL));
	r->last.limit_iops = o->iops;
}

int runner_set(struct runner *r, const char *word, const char *value,
	       char *error, size_t error_size)
{
	int result;

	pthread_mutex_lock(&r->lock);
	result = settings_set_live(&r->options, word, value, error, error_size);
	if (result == 0 && r->engine) {
		result = engine_adopt(r->engine, &r->options);
		if (result < 0)
			snprintf(error, error_size,
				 "the system has no more threads");
	} else if (result == 0) {
		show_options(r);
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

struct sync_options runner_get_options(struct runner *r)
{
	struct sync_options options;

	pthread_mutex_lock(&r->lock);
	options = r->options;
	pthread_mutex_unlock(&r->lock);
	return options;
}

int64_t runner_get_interval_ns(const struct runner *r)
{
	return r->setup.interval_ns;
}

/* --- What is shown -------------------------------------------------------- */

static void take_requests(const struct runner *r, struct snapshot *s)
{
	for (int side = 0; side < SIDES; side++)
		s->requests[side] = volume_get_requests(r->setup.volume[side]) -
				    r->requests_before[side];
}

static enum snapshot_state state_of(const struct runner *r)
{
	if (r->current && r->cancels_wanted > 0)
		return SNAPSHOT_ENDING;
	if (r->paused)
		return SNAPSHOT_PAUSED;
	return r->current ? SNAPSHOT_RUNNING : SNAPSHOT_IDLE;
}

/* How the execution under way stands, with the lock held. */
static int take_running(struct runner *r, bool with_lists, struct snapshot *s)
{
	int result;

	if (!r->engine)
		return 0;
	result = snapshot_take_engine(s, r->engine, with_lists);
	take_requests(r, s);
	return result;
}

static int copy_samples(const struct runner *r, struct snapshot *s)
{
	if (r->meter.count == 0)
		return 0;
	s->samples = calloc(r->meter.count, sizeof(*s->samples));
	if (!s->samples)
		return -ENOMEM;
	s->sample_count = r->meter.count;
	memcpy(s->samples, r->meter.sample,
	       s->sample_count * sizeof(*s->samples));
	return 0;
}

static unsigned count_waiting(const struct runner *r)
{
	const struct request *q;
	unsigned n = 0;

	TAILQ_FOREACH(q, &r->queue, next)
		n++;
	return n;
}

static int64_t next_due(const struct runner *r)
{
	return r->retry_due_ns < r->interval_due_ns ? r->retry_due_ns
						    : r->interval_due_ns;
}

int runner_get_snapshot(struct runner *r, bool with_lists, struct snapshot *ret)
{
	struct snapshot s;
	int64_t due_ns;
	int result;

	pthread_mutex_lock(&r->lock);
	s = r->last;
	s.now_ns = clock_wall_ns();
	s.state = state_of(r);
	s.waiting = count_waiting(r);
	due_ns = next_due(r);
	if (due_ns != NEVER)
		s.next_ns = s.now_ns + due_ns - clock_now_ns();
	result = take_running(r, with_lists, &s);
	if (s.execution)
		meter_get(&r->meter, !r->current, &s);
	if (result == 0 && with_lists)
		result = copy_samples(r, &s);
	pthread_mutex_unlock(&r->lock);
	if (result < 0)
		snapshot_done(&s);
	else
		*ret = s;
	return result;
}

/* --- The sampler ---------------------------------------------------------- */

/* Waits until `deadline_ns`, or for news. */
static void wait_until(struct runner *r, int64_t deadline_ns)
{
	struct timespec ts;

	if (deadline_ns == NEVER) {
		pthread_cond_wait(&r->changed, &r->lock);
		return;
	}
	ts = clock_split_ns(deadline_ns);
	pthread_cond_timedwait(&r->changed, &r->lock, &ts);
}

static void *sampler_main(void *arg)
{
	struct runner *r = arg;
	struct snapshot s = {0};
	struct snapshot_sample sample;
	int64_t due_ns = 0;

	pthread_setname_np(pthread_self(), "sampler");
	pthread_mutex_lock(&r->lock);
	while (!r->ended) {
		if (!r->engine) {
			wait_until(r, NEVER);
			due_ns = 0;
		} else if (clock_now_ns() < due_ns) {
			wait_until(r, due_ns);
		} else {
			due_ns = clock_now_ns() + NS_PER_S;
			snapshot_take_engine(&s, r->engine, false);
			sample = snapshot_get_sample(&s);
			meter_add(&r->meter, &sample);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- The runner ----------------------------------------------------------- */

/* Puts what is due on the queue. */
static void take_due(struct runner *r)
{
	int64_t now_ns = clock_now_ns();
	struct request *retry;

	if (now_ns >= r->retry_due_ns) {
		retry = steal(r->retry);
		r->retry_due_ns = NEVER;
		enqueue_own(r, retry->kind, retry->path);
		request_free(retry);
	}
	if (now_ns >= r->interval_due_ns) {
		r->interval_due_ns = now_ns + r->setup.interval_ns;
		enqueue_own(r, RUN_ALL, "");
	}
}

/* The next request; NULL: it is time to end. */
static struct request *next_request(struct runner *r)
{
	struct request *q;

	for (;;) {
		if (r->shutdown)
			return NULL;
		if (!r->paused) {
			take_due(r);
			q = TAILQ_FIRST(&r->queue);
			if (q)
				break;
		}
		wait_until(r, r->paused ? NEVER : next_due(r));
	}
	TAILQ_REMOVE(&r->queue, q, next);
	return q;
}

static void begin(struct runner *r, struct request *q)
{
	struct snapshot *s = &r->last;

	if (r->setup.interval_ns &&
	    (q->kind == RUN_ALL || q->kind == RUN_VERIFY))
		r->interval_due_ns = clock_now_ns() + r->setup.interval_ns;
	r->current = q;
	r->cancels_wanted = 0;
	r->cancels_given = 0;
	s->execution = q->execution;
	s->phase = ENGINE_STARTING;
	s->scanned = false;
	s->started_ns = clock_wall_ns();
	s->elapsed_ns = 0;
	s->moving_bytes = 0;
	memset(s->counter, 0, sizeof(s->counter));
	for (int side = 0; side < SIDES; side++) {
		s->requests[side] = 0;
		r->requests_before[side] =
		    volume_get_requests(r->setup.volume[side]);
	}
	meter_start(&r->meter);
}

static enum engine_scope scope_of(enum runner_kind kind)
{
	switch (kind) {
	case RUN_PATH:
		return SCOPE_PATH;
	case RUN_RETRY:
		return SCOPE_RETRY;
	case RUN_ALL:
	case RUN_VERIFY:
		break;
	}
	return SCOPE_ALL;
}

/* What came of a run. */
struct outcome {
	enum engine_status status;
	uint64_t execution; /* 0: it never began */
	int stop;
	enum side stop_side;
};

/* Makes the engine known, with what was wanted of it before. */
static void publish(struct runner *r, struct engine *e)
{
	pthread_mutex_lock(&r->lock);
	r->engine = e;
	/* They may have been changed while it was made. Fewer threads than
	 * wanted are no reason not to run. */
	engine_adopt(e, &r->options);
	if (r->paused)
		engine_pause(e, true);
	if (r->shutdown && r->cancels_wanted == 0)
		r->cancels_wanted = 1;
	give_cancels(r);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Nobody asks it anything from here on; its last counters stay. */
static void unpublish(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	take_running(r, false, &r->last);
	for (int side = 0; side < SIDES; side++)
		r->last.silent_ns[side] = 0;
	r->engine = NULL;
	pthread_mutex_unlock(&r->lock);
}

/* Reads the list that the options name: anew for each execution. */
static int load_list(const struct runner *r, const struct sync_options *o,
		     struct filelist **ret)
{
	char error[WORDS_SIZE];
	int n;

	if (!o->files_from)
		return 0;
	n = filelist_load(o->files_from, o->from0, r->setup.spill_directory,
			  ret, error, sizeof(error));
	if (n < 0)
		log_error("--files-from: %s", error);
	return n;
}

static struct outcome run(struct runner *r, const struct request *q)
{
	struct outcome o = {.status = ENGINE_STOPPED, .stop_side = SIDES};
	struct sync_options options = runner_get_options(r);
	struct engine_setup setup = {
	    .location = {r->setup.location[SOURCE],
			 r->setup.location[DESTINATION]},
	    .volume = {r->setup.volume[SOURCE], r->setup.volume[DESTINATION]},
	    .manifest = r->setup.manifest,
	    .spill_directory = r->setup.spill_directory,
	    .task = r->setup.task,
	    .options = &options,
	    .scope = scope_of(q->kind),
	    .path = q->path,
	};
	struct engine *e;

	if (q->kind == RUN_VERIFY)
		options.verify = VERIFY_ALL;
	o.stop = load_list(r, &options, &setup.filelist);
	if (o.stop == 0)
		o.stop = engine_new(&setup, &e);
	if (o.stop < 0) {
		filelist_free(setup.filelist);
		return o;
	}
	publish(r, e);
	o.status = engine_run(e);
	o.execution = engine_get_execution(e);
	o.stop = engine_get_stop(e, &o.stop_side);
	unpublish(r);
	engine_free(e);
	filelist_free(setup.filelist);
	report_deliver(&options.report, setup.spill_directory, &r->leaving);
	return o;
}

static void say(const struct runner *r, const struct request *q,
		const struct outcome *o)
{
	const struct snapshot *s = &r->last;
	bool side = o->stop_side < SIDES;
	char words[WORDS_SIZE];

	if (reason_stop(o->stop,
			side ? side_name(o->stop_side) : "state directory",
			side ? r->setup.location[o->stop_side]
			     : r->setup.spill_directory,
			words, sizeof(words))) {
		/* That one was asked for. */
		if (o->stop == -ETIME)
			log_notice("%s", words);
		else
			log_error("%s", words);
	}
	if (!o->execution) {
		log_error("execution %" PRIu64 " could not begin",
			  q->execution);
		return;
	}
	log_notice("execution %" PRIu64 " ended in %.1f s: %s; %" PRIu64
		   " entries seen, %" PRIu64 " files and %" PRIu64
		   " directories copied, %" PRIu64 " bytes written, %" PRIu64
		   " unchanged, %" PRIu64 " failed",
		   o->execution, (double)s->elapsed_ns / NS_PER_S,
		   summary_status(o->status), s->counter[COUNT_LISTED],
		   s->counter[COUNT_TRANSFERRED],
		   s->counter[COUNT_TRANSFERRED_DIRECTORIES],
		   s->counter[COUNT_BYTES_WRITTEN], s->counter[COUNT_UNCHANGED],
		   s->counter[COUNT_FAILED]);
}

/* A run that lost a side is tried again after a while; false: not this one. */
static bool plan_retry(struct runner *r, const struct request *q,
		       const struct outcome *o)
{
	if (o->status != ENGINE_LOST) {
		r->retry_delay_ns = 0;
		return false;
	}
	if (r->shutdown || find_waiting(r, q->kind, q->path))
		return false;
	r->retry_delay_ns = r->retry_delay_ns   ? 2 * r->retry_delay_ns
			    : r->setup.retry_ns ? r->setup.retry_ns
						: RETRY_FIRST_NS;
	if (r->retry_delay_ns > RETRY_MAX_NS)
		r->retry_delay_ns = RETRY_MAX_NS;
	forget_retry(r);
	r->retry = request_new(q->kind, q->path);
	if (!r->retry)
		return false;
	r->retry_due_ns = clock_now_ns() + r->retry_delay_ns;
	return true;
}

/* The promises made for what waits behind a run that never began. */
static void break_promises(struct runner *r)
{
	struct request *q;

	while ((q = TAILQ_FIRST(&r->queue))) {
		TAILQ_REMOVE(&r->queue, q, next);
		r->last.ended_execution = q->execution;
		request_free(q);
	}
}

/* True: it will be tried again after retry_delay_ns. */
static bool end(struct runner *r, struct request *q, const struct outcome *o)
{
	r->current = NULL;
	r->last.phase = ENGINE_ENDING;
	r->last.ended = true;
	r->last.ended_execution = o->execution ?: q->execution;
	r->last.ended_ns = clock_wall_ns();
	r->last.status = o->status;
	if (!o->execution)
		break_promises(r);
	return plan_retry(r, q, o);
}

/* One request, from the queue to its end. */
static void serve(struct runner *r, struct request *q)
{
	struct outcome o;
	int64_t delay_ns;
	bool again;

	log_notice("execution %" PRIu64 " begins", q->execution);
	o = run(r, q);
	say(r, q, &o);
	pthread_mutex_lock(&r->lock);
	again = end(r, q, &o);
	delay_ns = r->retry_delay_ns;
	pthread_mutex_unlock(&r->lock);
	request_free(q);
	if (again)
		log_warning("will try again in %" PRId64 " s",
			    delay_ns / NS_PER_S);
	if (r->setup.ended)
		r->setup.ended(r->setup.user, o.status);
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;
	struct request *q;

	pthread_setname_np(pthread_self(), "runner");
	pthread_mutex_lock(&r->lock);
	while ((q = next_request(r))) {
		begin(r, q);
		pthread_mutex_unlock(&r->lock);
		serve(r, q);
		pthread_mutex_lock(&r->lock);
	}
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- Its life ------------------------------------------------------------- */

static struct runner *release(struct runner *r)
{
	forget_waiting(r);
	forget_retry(r);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

static int start_threads(struct runner *r)
{
	int result = pthread_create(&r->thread, NULL, runner_main, r);

	if (result != 0)
		return -result;
	result = pthread_create(&r->sampler, NULL, sampler_main, r);
	if (result == 0)
		return 0;
	pthread_mutex_lock(&r->lock);
	r->shutdown = true;
	atomic_store(&r->leaving, true);
	r->cancels_wanted = 2;
	give_cancels(r);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	return -result;
}

int runner_new(const struct runner_setup *setup, struct runner **ret)
{
	struct runner *r = calloc(1, sizeof(*r));
	pthread_condattr_t monotonic;
	int result;

	if (!r)
		return -ENOMEM;
	r->setup = *setup;
	r->options = *setup->options;
	show_options(r);
	r->last.eta_ns = -1;
	TAILQ_INIT(&r->queue);
	r->retry_due_ns = NEVER;
	r->interval_due_ns =
	    setup->interval_ns ? clock_now_ns() + setup->interval_ns : NEVER;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (setup->start)
		enqueue_own(r, RUN_ALL, "");
	result = start_threads(r);
	if (result < 0) {
		release(r);
		return result;
	}
	*ret = r;
	return 0;
}

struct runner *runner_free(struct runner *r, int64_t patience_ns)
{
	int64_t deadline_ns = clock_now_ns() + patience_ns;

	if (!r)
		return NULL;
	pthread_mutex_lock(&r->lock);
	r->shutdown = true;
	atomic_store(&r->leaving, true);
	if (r->cancels_wanted == 0)
		r->cancels_wanted = 1;
	give_cancels(r);
	pthread_cond_broadcast(&r->changed);
	while (!r->ended && clock_now_ns() < deadline_ns)
		wait_until(r, deadline_ns);
	r->cancels_wanted = 2;
	if (!r->ended)
		give_cancels(r);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_join(r->sampler, NULL);
	return release(r);
}
