/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mount: `efsbridge SOURCE DESTINATION MOUNTPOINT`.
 *
 * Unless it stays in the foreground, what follows happens in a child process,
 * see daemon.h. Its main thread waits for signals; a worker thread does all
 * that may wait for a file system or a server: it looks at the mount point,
 * takes the task's lock, opens each side twice (so that what people read never
 * waits behind what is copied), makes the runner and the view, and serves. So
 * there are these phases:
 *
 *	PREPARING  nothing is mounted: a signal ends the process at once
 *	MOUNTING   it may be mounted, and waits for nobody
 *	SERVING    a signal unmounts
 *	ENDING     nothing is mounted any more; what is in flight has
 *PATIENCE_NS
 *
 * The first run is asked for when the mount has answered.
 */
#include "command.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon.h"
#include "logsink.h"
#include "options.h"
#include "pair.h"
#include "sync/manifest.h"
#include "sync/mountfile.h"
#include "sync/runner.h"
#include "sync/snapshot.h"
#include "sync/task.h"
#include "view/view.h"
#include "volume/location.h"
#include "volume/volume.h"

#define ERROR_SIZE 1024

/* How long batches in flight may take to end. */
#define PATIENCE_NS (2 * NS_PER_S)

/* How long another process that runs the task is waited for: one that is just
 * ending, after an unmount for instance. */
#define LOCK_NS      (10 * NS_PER_S)
#define LOCK_TICK_NS (50 * NS_PER_MS)

/* How long a hard mount waits for a server: ten years. */
#define FOREVER_S (10u * 365 * 24 * 3600)

enum phase {
	PREPARING,
	MOUNTING,
	SERVING,
	ENDING,
};

struct mounting {
	const struct options *options;
	struct location *location[SIDES];
	struct volume *volume[SIDES]; /* the engine's */
	struct volume *shown[SIDES];  /* the view's */
	struct task *task;
	struct manifest *manifest;
	struct runner *runner;
	char *mountpoint; /* canonical */
	char *log_path;
	struct logsink *_Atomic log; /* where --log says */
	int64_t lock_deadline_ns;
	int ready_fd; /* for daemon_ready(); -1 in the foreground */
	enum exit_status status;

	pthread_mutex_t lock; /* guards all below; held for view_stop() */
	enum phase phase;
	bool stop;         /* a signal came, or the one run is done */
	struct view *view; /* while SERVING */
};

/* --- The end, from outside ------------------------------------------------ */

/* Ends what is mounted, or what is about to be. */
static enum phase stop(struct mounting *m)
{
	enum phase phase;

	pthread_mutex_lock(&m->lock);
	m->stop = true;
	phase = m->phase;
	if (m->view)
		view_stop(m->view);
	pthread_mutex_unlock(&m->lock);
	return phase;
}

/* --once: on the runner's thread. Whoever has asked for one more run gets it.
 */
static void run_ended(void *user, enum engine_status status)
{
	struct mounting *m = user;
	struct snapshot s;

	if (!m->options->once || status != ENGINE_SUCCESS)
		return;
	if (runner_get_snapshot(m->runner, false, &s) == 0 && s.waiting == 0)
		stop(m);
}

static void take_signals(struct mounting *m, const sigset_t *set)
{
	bool again = false;
	int sig;

	while (sigwait(set, &sig) == 0 && sig != SIGUSR2) {
		enum phase phase;

		if (sig == SIGHUP && logsink_is_file(&m->options->sync)) {
			logsink_reopen(atomic_load(&m->log));
			continue;
		}
		phase = stop(m);
		if (phase == PREPARING || (phase == ENDING && again))
			_exit(EXIT_INTERRUPTED);
		again = true;
	}
}

/* --- Step by step --------------------------------------------------------- */

static enum exit_status check_mountpoint(struct mounting *m)
{
	const char *local[SIDES] = {pair_local(m->location, SOURCE),
				    pair_local(m->location, DESTINATION)};
	char error[ERROR_SIZE];

	if (view_check_mountpoint(m->options->mountpoint, local, &m->mountpoint,
				  error, sizeof(error)) == 0)
		return EXIT_DONE;
	log_error("%s", error);
	return EXIT_USAGE;
}

static bool lock_takes_too_long(void *user)
{
	return clock_now_ns() >= ((struct mounting *)user)->lock_deadline_ns;
}

/* As task_open(). A daemon that has just unmounted is waited for. */
static int take_lock(struct mounting *m, char *error, size_t error_size)
{
	const struct timespec tick = clock_split_ns(LOCK_TICK_NS);
	struct mountfile mount = {0};
	struct task_options t = {
	    .state = m->options->state,
	    .name = m->options->task,
	    .source_text = m->location[SOURCE]->text,
	    .destination_text = m->location[DESTINATION]->text,
	    .source_dir = pair_local(m->location, SOURCE),
	    .destination_dir = pair_local(m->location, DESTINATION),
	    .no_queue = m->options->no_queue,
	    .ret_mount = &mount,
	    .cancelled = lock_takes_too_long,
	    .user = m,
	};
	bool there;
	int r;

	m->lock_deadline_ns =
	    clock_now_ns() + (m->options->max_wait_ns ?: LOCK_NS);
	for (;;) {
		r = task_open(&t, &m->task, error, error_size);
		if (r != -EALREADY)
			return r;
		there = view_is_mounted(mount.mountpoint);
		mountfile_done(&mount);
		if (there || lock_takes_too_long(m))
			return r;
		nanosleep(&tick, NULL);
	}
}

static enum exit_status open_task(struct mounting *m)
{
	char error[ERROR_SIZE];
	int r = take_lock(m, error, sizeof(error));

	switch (r) {
	case 0:
		break;
	case -EALREADY:
		log_error("%s: one mount of a task is enough", error);
		return EXIT_BUSY;
	case -ECANCELED:
		log_error("%s: mount when it has ended", error);
		return EXIT_BUSY;
	default:
		log_error("%s", error);
		return r == -EAGAIN ? EXIT_BUSY : EXIT_USAGE;
	}
	if (!location_is_within(task_get_directory(m->task), m->mountpoint))
		return EXIT_DONE;
	log_error("%s: the state directory lies inside the mount point: choose "
		  "another with --state",
		  task_get_directory(m->task));
	return EXIT_USAGE;
}

/* Where --log says, beside the other. */
static enum exit_status open_sink(struct mounting *m)
{
	const struct logsink_setup setup = {
	    .options = &m->options->sync,
	    .task = task_get_name(m->task),
	    .verbose = m->options->verbose,
	    .quiet = m->options->quiet,
	};
	struct logsink *log;
	char error[ERROR_SIZE];

	if (logsink_new(&setup, &log, error, sizeof(error)) < 0) {
		log_error("--log=%s: %s", m->options->sync.log.to, error);
		return EXIT_USAGE;
	}
	atomic_store(&m->log, log);
	return EXIT_DONE;
}

/* The log is for .sync/log, and for a daemon the only one without --log. */
static enum exit_status open_log(struct mounting *m)
{
	int r;

	if (asprintf(&m->log_path, "%s/log", task_get_directory(m->task)) < 0) {
		m->log_path = NULL;
		log_error("out of memory");
		return EXIT_USAGE;
	}
	r = log_set_file(m->log_path);
	if (r < 0)
		log_warning("%s: %s: there will be no log", m->log_path,
			    strerror(-r));
	return open_sink(m);
}

/* The view's own volumes wait as long as -o says. */
static enum exit_status open_shown(struct mounting *m)
{
	const struct view_options *o = &m->options->view;
	/* Whole seconds, at least the time that was asked for. */
	unsigned whole_s = (unsigned)o->timeo_s;
	unsigned timeo_s = whole_s + (whole_s < o->timeo_s);
	struct location location[SIDES];
	struct location *both[SIDES];

	for (enum side side = 0; side < SIDES; side++) {
		location[side] = *m->location[side];
		location[side].deadline_s = o->soft ? timeo_s : FOREVER_S;
		both[side] = &location[side];
	}
	return pair_open(both, m->shown);
}

static enum exit_status open_manifest(struct mounting *m)
{
	char error[ERROR_SIZE];
	int r;

	r = manifest_open(
	    task_get_directory(m->task), m->location[SOURCE]->text,
	    m->location[DESTINATION]->text, &m->manifest, error, sizeof(error));
	if (r < 0)
		log_error("%s", error);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static enum exit_status make_runner(struct mounting *m)
{
	struct runner_setup setup = {
	    .volume = {m->volume[SOURCE], m->volume[DESTINATION]},
	    .location = {m->location[SOURCE]->text,
			 m->location[DESTINATION]->text},
	    .manifest = m->manifest,
	    .spill_directory = task_get_directory(m->task),
	    .task = task_get_name(m->task),
	    .options = &m->options->sync,
	    .interval_ns = m->options->interval_ns,
	    .ended = run_ended,
	    .user = m,
	};
	int r = runner_new(&setup, &m->runner);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* The mount has answered: on a thread of the view. */
static void is_ready(void *user)
{
	struct mounting *m = user;
	int r = mountfile_write(task_get_directory(m->task), m->mountpoint,
				m->options->view.syncdir);

	if (r < 0)
		log_warning("%s: %s: other commands will not find this mount",
			    task_get_directory(m->task), strerror(-r));
	log_notice("mounted on %s", m->mountpoint);
	if (!m->options->no_sync)
		runner_request(m->runner, RUN_ALL, NULL, NULL);
	if (m->ready_fd >= 0)
		daemon_ready(m->ready_fd);
}

/* --- Serving -------------------------------------------------------------- */

static bool set_phase(struct mounting *m, enum phase phase, struct view *view)
{
	bool go_on;

	pthread_mutex_lock(&m->lock);
	m->phase = phase;
	m->view = view;
	go_on = !m->stop;
	pthread_mutex_unlock(&m->lock);
	return go_on;
}

/* From the first moment of the mount to its end. */
static enum exit_status show(struct mounting *m, const struct view_setup *setup)
{
	char error[ERROR_SIZE];
	struct view *view;
	int r;

	if (!set_phase(m, MOUNTING, NULL))
		return EXIT_INTERRUPTED;
	r = view_new(setup, &view, error, sizeof(error));
	if (r < 0) {
		set_phase(m, ENDING, NULL);
		log_error("%s", error);
		return EXIT_USAGE;
	}
	if (set_phase(m, SERVING, view))
		r = view_run(view);
	set_phase(m, ENDING, NULL);
	mountfile_remove(task_get_directory(m->task));
	if (r < 0)
		log_error("%s: the mount has ended: %s", m->mountpoint,
			  strerror(-r));
	else
		log_notice("unmounted from %s", m->mountpoint);
	/* What copies is ended first: the view has ended already. */
	m->runner = runner_free(m->runner, PATIENCE_NS);
	view_free(view);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_status serve(struct mounting *m)
{
	struct view_setup setup = {
	    .volume = {m->shown[SOURCE], m->shown[DESTINATION]},
	    .location = {m->location[SOURCE]->text,
			 m->location[DESTINATION]->text},
	    .manifest = m->manifest,
	    .runner = m->runner,
	    .task = task_get_name(m->task),
	    .state_directory = task_get_directory(m->task),
	    .log_path = m->log_path,
	    .mountpoint = m->mountpoint,
	    /* Behind a filter something may be kept for ever. */
	    .removes_deleted = m->options->sync.deleted == DELETED_REMOVE &&
			       !m->options->sync.filter,
	    .options = &m->options->view,
	    .ready = is_ready,
	    .user = m,
	};
	char error[ERROR_SIZE];
	int r = view_check_name(&setup, error, sizeof(error));

	if (r == 0)
		return show(m, &setup);
	log_error("%s", error);
	return r == -EEXIST ? EXIT_USAGE : EXIT_UNREACHABLE;
}

static void *worker_main(void *arg)
{
	static enum exit_status (*const steps[])(struct mounting * m) = {
	    check_mountpoint, open_task,     open_log,    NULL,
	    open_shown,       open_manifest, make_runner, serve,
	};
	struct mounting *m = arg;

	pthread_setname_np(pthread_self(), "mount");
	m->status = EXIT_DONE;
	if (pair_check_apart(m->location) < 0)
		m->status = EXIT_USAGE;
	for (size_t i = 0; m->status == EXIT_DONE && i < ARRAY_SIZE(steps); i++)
		m->status =
		    steps[i] ? steps[i](m) : pair_open(m->location, m->volume);
	kill(getpid(), SIGUSR2);
	return NULL;
}

/* --- The whole ------------------------------------------------------------ */

static void mounting_done(struct mounting *m)
{
	int r;

	runner_free(m->runner, PATIENCE_NS);
	r = manifest_close(m->manifest);
	if (r < 0) {
		log_error("manifest: %s: the last records are lost, their "
			  "files are compared again next time",
			  strerror(-r));
		if (m->status == EXIT_DONE)
			m->status = EXIT_FAILED;
	}
	/* Both sides take their leave at the same time. */
	for (enum side side = 0; side < SIDES; side++) {
		if (m->shown[side])
			volume_cancel(m->shown[side]);
		if (m->volume[side])
			volume_cancel(m->volume[side]);
	}
	for (enum side side = 0; side < SIDES; side++) {
		volume_free(m->shown[side]);
		volume_free(m->volume[side]);
		location_free(m->location[side]);
	}
	logsink_free(atomic_load(&m->log));
	log_set_file(NULL);
	task_free(m->task);
	free(m->mountpoint);
	free(m->log_path);
	pthread_mutex_destroy(&m->lock);
}

static void run_worker(struct mounting *m)
{
	pthread_t worker;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&worker, NULL, worker_main, m) != 0) {
		log_error("cannot start a thread");
		return;
	}
	take_signals(m, &set);
	pthread_join(worker, NULL);
}

enum exit_status command_mount(const struct options *o)
{
	struct mounting m = {
	    .options = o,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .ready_fd = -1,
	    .status = EXIT_USAGE,
	};

	if (!o->foreground && !daemon_start(&m.ready_fd, &m.status))
		return m.status;
	if (pair_parse(o, m.location) == 0)
		run_worker(&m);
	mounting_done(&m);
	return m.status;
}
