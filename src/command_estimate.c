/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `efsbridge estimate`: a dry run that counts what it sees instead of printing
 * what it would do, and then, if asked, a sample. The main thread waits for
 * signals and draws the progress; a worker does all that may wait, as in
 * command.c.
 */
#include "command.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonout.h"
#include "base/log.h"
#include "estimate.h"
#include "options.h"
#include "pair.h"
#include "progress.h"
#include "sample.h"
#include "sync/engine.h"
#include "sync/filelist.h"
#include "sync/manifest.h"
#include "sync/meter.h"
#include "sync/mountfile.h"
#include "sync/reason.h"
#include "sync/snapshot.h"
#include "sync/summary.h"
#include "sync/task.h"
#include "volume/location.h"
#include "volume/volume.h"

#define ERROR_SIZE 1024
#define TICK_NS    (200 * NS_PER_MS)

/* A sample is not larger than that, and no more than a part of the room. */
#define SAMPLE_BYTES (UINT64_C(1) << 30)
#define SAMPLE_SHARE 4

struct estimating {
	const struct options *options;
	struct location *location[SIDES];
	struct volume *volume[SIDES];
	struct task *task;
	struct manifest *manifest;
	struct filelist *list; /* NULL: none was given */
	struct estimate *estimate;
	struct estimate_work work;
	struct meter meter;
	struct progress *progress;

	pthread_mutex_t lock;  /* guards the next three */
	struct engine *engine; /* while it lists */
	struct sample *sample; /* while it runs */
	bool interrupted;

	_Atomic bool ended;
	enum exit_status status;
};

static bool is_interrupted(void *user)
{
	struct estimating *s = user;
	bool so;

	pthread_mutex_lock(&s->lock);
	so = s->interrupted;
	pthread_mutex_unlock(&s->lock);
	return so;
}

/* --- The worker ----------------------------------------------------------- */

/* A run changes what is counted here, so there must be none. */
static enum exit_status open_task(struct estimating *s)
{
	struct mountfile mount = {0};
	const struct task_options t = {
	    .state = s->options->state,
	    .name = s->options->task,
	    .source_text = s->location[SOURCE]->text,
	    .destination_text = s->location[DESTINATION]->text,
	    .source_dir = pair_local(s->location, SOURCE),
	    .destination_dir = pair_local(s->location, DESTINATION),
	    .no_queue = true,
	    .ret_mount = &mount,
	    .cancelled = is_interrupted,
	    .user = s,
	};
	char error[ERROR_SIZE];
	int r = task_open(&t, &s->task, error, sizeof(error));

	mountfile_done(&mount);
	if (r == 0)
		return EXIT_DONE;
	if (r == -ECANCELED)
		return EXIT_INTERRUPTED;
	log_error("%s%s", error,
		  r == -EALREADY ? ": efsbridge status tells what it has "
				   "still to do"
				 : "");
	return r == -EALREADY || r == -EAGAIN ? EXIT_BUSY : EXIT_USAGE;
}

static enum exit_status open_manifest(struct estimating *s)
{
	char error[ERROR_SIZE];
	int r = manifest_open(
	    task_get_directory(s->task), s->location[SOURCE]->text,
	    s->location[DESTINATION]->text, &s->manifest, error, sizeof(error));

	if (r < 0)
		log_error("%s", error);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

/* What --files-from names. */
static enum exit_status load_list(struct estimating *s)
{
	const struct sync_options *o = &s->options->sync;
	char error[ERROR_SIZE];
	int r;

	if (!o->files_from)
		return EXIT_DONE;
	r = filelist_load(o->files_from, o->from0, task_get_directory(s->task),
			  &s->list, error, sizeof(error));
	if (r < 0)
		log_error("--files-from: %s", error);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

/* Sets what a signal has to reach; false: there was one already. */
static bool publish(struct estimating *s, struct engine *e,
		    struct sample *sample)
{
	bool go_on;

	pthread_mutex_lock(&s->lock);
	s->engine = e;
	s->sample = sample;
	go_on = !s->interrupted;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static void say_why(const struct estimating *s, const struct engine *e)
{
	char text[ERROR_SIZE];
	enum side side;
	int error = engine_get_stop(e, &side);
	const char *where = side < SIDES ? s->location[side]->text
					 : task_get_directory(s->task);
	const char *what = side < SIDES ? side_name(side) : "state directory";

	if (reason_stop(error, what, where, text, sizeof(text)))
		log_error("%s", text);
}

static void keep_work(struct estimating *s, const struct engine *e)
{
	const struct counters *c = engine_get_counters(e);

	s->work.files = counters_get(c, COUNT_PLANNED);
	s->work.bytes = counters_get(c, COUNT_PLANNED_BYTES);
	s->work.failed = counters_get(c, COUNT_FAILED);
	s->work.scan_ns = engine_get_elapsed_ns(e);
}

static enum exit_status list_all(struct estimating *s)
{
	struct sync_options options = s->options->sync;
	struct engine_setup setup = {
	    .volume = {s->volume[SOURCE], s->volume[DESTINATION]},
	    .location = {s->location[SOURCE]->text,
			 s->location[DESTINATION]->text},
	    .manifest = s->manifest,
	    .spill_directory = task_get_directory(s->task),
	    .options = &options,
	    .filelist = s->list,
	    .seen = estimate_add,
	    .seen_user = s->estimate,
	};
	enum engine_status end = ENGINE_CANCELLED;
	struct engine *e;
	int r;

	options.dry_run = true;
	r = engine_new(&setup, &e);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_USAGE;
	}
	if (publish(s, e, NULL))
		end = engine_run(e);
	publish(s, NULL, NULL);
	if (end != ENGINE_CANCELLED)
		say_why(s, e);
	keep_work(s, e);
	engine_free(e);
	return (enum exit_status)summary_exit_status(end);
}

/* As much as may be, and as there is room for. */
static uint64_t sample_size(struct estimating *s)
{
	struct volume_statfs f = {0};

	volume_run(s->volume[DESTINATION], VOLUME_STATFS, &f, 1);
	if (f.result < 0 || f.ret_avail_bytes / SAMPLE_SHARE > SAMPLE_BYTES)
		return SAMPLE_BYTES;
	return f.ret_avail_bytes / SAMPLE_SHARE;
}

static enum exit_status take_sample(struct estimating *s)
{
	struct sample_setup setup = {
	    .location = {s->location[SOURCE], s->location[DESTINATION]},
	    .volume = {s->volume[SOURCE], s->volume[DESTINATION]},
	    .options = &s->options->sync,
	    .filelist = s->list,
	    .directory = task_get_directory(s->task),
	    .time_ns = s->options->sample_ns,
	    .bytes_max = sample_size(s),
	};
	struct sample *sample;
	char error[ERROR_SIZE] = "";
	int r = sample_new(&setup, &sample);

	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_USAGE;
	}
	log_notice("copying a sample");
	r = publish(s, NULL, sample) ? sample_run(sample, error, sizeof(error))
				     : -ECANCELED;
	publish(s, NULL, NULL);
	s->work.sampled = r == 0;
	sample_get(sample, &s->work.sample_files, &s->work.sample_bytes,
		   &s->work.sample_ns);
	sample_free(sample);
	if (r == -ECANCELED)
		return EXIT_INTERRUPTED;
	if (r < 0)
		log_error("%s", error);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_status work(struct estimating *s)
{
	enum exit_status status;

	if (pair_check_apart(s->location) < 0)
		return EXIT_USAGE;
	status = open_task(s);
	if (status == EXIT_DONE)
		status = pair_open(s->location, s->volume);
	if (status == EXIT_DONE)
		status = open_manifest(s);
	if (status == EXIT_DONE)
		status = load_list(s);
	if (status == EXIT_DONE)
		status = list_all(s);
	if (status == EXIT_DONE && s->options->sample_ns)
		status = take_sample(s);
	return status;
}

static void *worker_main(void *arg)
{
	struct estimating *s = arg;

	pthread_setname_np(pthread_self(), "estimate");
	s->status = work(s);
	atomic_store(&s->ended, true);
	kill(getpid(), SIGUSR2);
	return NULL;
}

/* --- The main thread ------------------------------------------------------ */

/* A second interrupt cuts off what is in flight, and while nothing is, the
 * first one ends it all. */
static void interrupt(struct estimating *s)
{
	pthread_mutex_lock(&s->lock);
	if (!s->engine && !s->sample && !s->work.scan_ns)
		_exit(EXIT_INTERRUPTED);
	if (!s->interrupted)
		log_notice("interrupted: ending");
	s->interrupted = true;
	if (s->engine)
		engine_cancel(s->engine);
	if (s->sample)
		sample_stop(s->sample);
	pthread_mutex_unlock(&s->lock);
}

static void look(struct estimating *s)
{
	struct snapshot now = {.state = SNAPSHOT_RUNNING};
	struct snapshot_sample sample;

	pthread_mutex_lock(&s->lock);
	if (s->engine) {
		snapshot_take_engine(&now, s->engine, false);
		sample = snapshot_get_sample(&now);
		meter_add(&s->meter, &sample);
		meter_get(&s->meter, false, &now);
		progress_update(s->progress, &now);
	}
	if (s->sample)
		sample_watch(s->sample);
	pthread_mutex_unlock(&s->lock);
}

static void watch(struct estimating *s)
{
	const struct timespec tick = clock_split_ns(TICK_NS);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	while (!atomic_load(&s->ended)) {
		int sig = sigtimedwait(&set, NULL, &tick);

		if (sig == SIGINT || sig == SIGTERM)
			interrupt(s);
		else
			look(s);
	}
}

static void report(const struct estimating *s)
{
	struct jsonout j = jsonout_to(stdout, false);

	if (!s->options->json) {
		estimate_print(s->estimate, &s->work, stdout);
		return;
	}
	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "Source", s->location[SOURCE]->text);
	jsonout_string(&j, "Destination", s->location[DESTINATION]->text);
	estimate_json(s->estimate, &s->work, &j);
	jsonout_end_object(&j);
	putchar('\n');
}

static void estimating_done(struct estimating *s)
{
	filelist_free(s->list);
	manifest_close(s->manifest);
	for (enum side side = 0; side < SIDES; side++) {
		volume_free(s->volume[side]);
		location_free(s->location[side]);
	}
	task_free(s->task);
	estimate_free(s->estimate);
	progress_free(s->progress);
	pthread_mutex_destroy(&s->lock);
}

enum exit_status command_estimate(const struct options *o)
{
	struct estimating s = {
	    .options = o,
	    .estimate = estimate_new(),
	    .progress = progress_new(!o->quiet && isatty(STDERR_FILENO)),
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .status = EXIT_USAGE,
	};
	pthread_t worker;

	meter_start(&s.meter);
	if (!s.estimate || !s.progress) {
		log_error("out of memory");
	} else if (pair_parse(o, s.location) == 0) {
		if (pthread_create(&worker, NULL, worker_main, &s) == 0) {
			watch(&s);
			pthread_join(worker, NULL);
		} else {
			log_error("cannot start a thread");
		}
	}
	s.progress = progress_free(s.progress);
	if (s.work.scan_ns > 0 && s.status <= EXIT_FAILED)
		report(&s);
	estimating_done(&s);
	return s.status;
}
