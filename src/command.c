/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `efsbridge sync`.
 *
 * The main thread waits for signals and draws the progress; a worker thread
 * does all that may wait for a file system or a server: it looks at local
 * paths, waits for the task's lock, opens both sides, runs the engine. So a
 * signal is answered at once whatever the worker waits for. When the worker
 * has ended the main thread says what came of it and closes everything; a
 * signal then ends the process at once, since all that matters is on the disk
 * and a manifest that was not closed is like one after a crash.
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

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cutover.h"
#include "handoff.h"
#include "logsink.h"
#include "metrics_file.h"
#include "options.h"
#include "pair.h"
#include "progress.h"
#include "standing.h"
#include "sync/filelist.h"
#include "sync/mailbox.h"
#include "sync/manifest.h"
#include "sync/meter.h"
#include "sync/mountfile.h"
#include "sync/reason.h"
#include "sync/settings.h"
#include "sync/snapshot.h"
#include "sync/summary.h"
#include "sync/task.h"
#include "volume/location.h"
#include "volume/volume.h"

#define ERROR_SIZE 1024

/* How often the progress is drawn. */
#define TICK_NS (200 * NS_PER_MS)

/* How long batches in flight may take to end after an interrupt. */
#define PATIENCE_NS (500 * NS_PER_MS)

struct session {
	const struct options *options;
	struct location *location[SIDES];
	struct volume *volume[SIDES];
	struct task *task;
	struct manifest *manifest;
	struct filelist *list;         /* NULL: none was given */
	struct engine *_Atomic engine; /* once it runs; of several the last */
	struct engine *run[CUTOVER_RUNS]; /* all there were */
	struct cutover cutover;           /* with COMMAND_CUTOVER */
	struct meter meter;               /* the main thread's */
	struct progress *progress;
	struct metrics_file metrics;
	struct logsink *_Atomic log; /* once the name of the task is known */

	/* The worker's, when a daemon has the task mounted. */
	struct mountfile mount;
	char task_name[TASK_NAME_MAX + 1];
	char *task_directory;
	struct handoff *_Atomic handoff;

	struct sync_options live; /* the main thread's: with all that was
				     changed while it ran */
	int64_t wait_deadline_ns; /* --max-wait; 0: none */
	atomic_bool interrupted;
	_Atomic bool ended; /* the worker is through */
	/* The worker's; the main thread's when it has ended. */
	enum exit_status status;
	_Atomic bool ran; /* the engine, to its end, which was: */
	enum engine_status end;
};

static bool is_interrupted(void *user)
{
	return atomic_load(&((struct session *)user)->interrupted);
}

static struct task_options task_options(struct session *s)
{
	return (struct task_options){
	    .state = s->options->state,
	    .name = s->options->task,
	    .source_text = s->location[SOURCE]->text,
	    .destination_text = s->location[DESTINATION]->text,
	    .source_dir = pair_local(s->location, SOURCE),
	    .destination_dir = pair_local(s->location, DESTINATION),
	    .no_queue = s->options->no_queue,
	    .deadline_ns = s->wait_deadline_ns,
	    .ret_mount = &s->mount,
	    .cancelled = is_interrupted,
	    .user = s,
	};
}

/* Who hands runs over to the daemon that has the task mounted. */
static int make_handoff(struct session *s, const struct task_options *t)
{
	struct handoff_setup setup = {
	    .options = s->options,
	    .task = s->task_name,
	    .wait_deadline_ns = s->wait_deadline_ns,
	    .interrupted = is_interrupted,
	    .user = s,
	};
	struct handoff *h;
	char error[ERROR_SIZE];
	int r;

	r = task_locate(t, s->task_name, &s->task_directory, error,
			sizeof(error));
	setup.directory = s->task_directory;
	if (r == 0)
		r = handoff_new(&setup, &h);
	if (r == 0)
		atomic_store(&s->handoff, h);
	return r;
}

static int hand_over(struct session *s, const struct task_options *t)
{
	int r = atomic_load(&s->handoff) ? 0 : make_handoff(s, t);

	if (r == 0)
		r = handoff_run(atomic_load(&s->handoff), &s->mount,
				&s->status);
	mountfile_done(&s->mount);
	if (r < 0 && r != -EAGAIN)
		log_error("cannot start: %s", strerror(-r));
	return r;
}

/* A daemon's runs are copies. */
static void refuse_mounted(struct session *s)
{
	log_error("the task is mounted on %s: unmount it first, or write "
		  "verify to its control file for a copy that ends with a "
		  "comparison",
		  s->mount.mountpoint);
	mountfile_done(&s->mount);
	s->status = EXIT_BUSY;
}

/* The lock of the task, and true; or the end of the run without it. */
static bool open_task(struct session *s)
{
	const struct timespec pause = clock_split_ns(TICK_NS);
	struct task_options t = task_options(s);
	char error[ERROR_SIZE];
	int r;

	s->status = EXIT_USAGE;
	while ((r = task_open(&t, &s->task, error, sizeof(error))) ==
	       -EALREADY) {
		if (s->options->command != COMMAND_SYNC) {
			refuse_mounted(s);
			return false;
		}
		r = hand_over(s, &t);
		if (r != -EAGAIN)
			return false;
		/* It is about to give the lock back. */
		if (is_interrupted(s))
			break;
		nanosleep(&pause, NULL);
	}
	if (r == 0)
		return true;
	if (is_interrupted(s)) {
		s->status = EXIT_INTERRUPTED;
		return false;
	}
	if (r == -EAGAIN)
		s->status = EXIT_BUSY;
	log_error("%s", error);
	return false;
}

static enum exit_status open_manifest(struct session *s)
{
	char error[ERROR_SIZE];
	int r;

	r = manifest_open(
	    task_get_directory(s->task), s->location[SOURCE]->text,
	    s->location[DESTINATION]->text, &s->manifest, error, sizeof(error));
	if (r < 0)
		log_error("%s", error);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

/* Why a run stopped; what is neither side's fault is that of this machine,
 * mostly of the state directory. */
static void say_why(const struct session *s, const struct engine *e)
{
	char text[ERROR_SIZE];
	enum side side;
	int error = engine_get_stop(e, &side);
	const char *where = side < SIDES ? s->location[side]->text
					 : task_get_directory(s->task);
	const char *what = side < SIDES ? side_name(side) : "state directory";

	if (!reason_stop(error, what, where, text, sizeof(text)))
		return;
	/* That one was asked for. */
	if (error == -ETIME)
		log_notice("%s", text);
	else
		log_error("%s", text);
}

static enum exit_status load_list(struct session *s)
{
	const struct sync_options *o = &s->options->sync;
	char error[ERROR_SIZE];
	int r = 0;

	if (o->files_from)
		r = filelist_load(o->files_from, o->from0,
				  task_get_directory(s->task), &s->list, error,
				  sizeof(error));
	if (r < 0)
		log_error("--files-from: %s", error);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static enum exit_status run_engine(struct session *s, unsigned number,
				   bool verify_only)
{
	struct engine_setup setup = {
	    .volume = {s->volume[SOURCE], s->volume[DESTINATION]},
	    .location = {s->location[SOURCE]->text,
			 s->location[DESTINATION]->text},
	    .manifest = s->manifest,
	    .spill_directory = task_get_directory(s->task),
	    .task = task_get_name(s->task),
	    .filelist = s->list,
	    .options = &s->options->sync,
	    .verify_only = verify_only,
	    .sum_trees = verify_only && s->options->command == COMMAND_CUTOVER,
	    .knows = verify_only ? s->run[0] : NULL,
	};
	struct engine *e;
	int r;

	r = engine_new(&setup, &e);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_USAGE;
	}
	s->run[number] = e;
	atomic_store(&s->engine, e);
	if (atomic_load(&s->interrupted))
		engine_cancel(e);
	s->end = engine_run(e);
	report_deliver(&s->options->sync.report, setup.spill_directory,
		       &s->interrupted);
	return (enum exit_status)summary_exit_status(s->end);
}

/* A last copy, the comparison, and whether anything has changed meanwhile. */
static enum exit_status cut_over(struct session *s)
{
	const char *const location[SIDES] = {s->location[SOURCE]->text,
					     s->location[DESTINATION]->text};
	CLEANUP_FREE char *directory = report_directory(
	    &s->options->sync.report, task_get_directory(s->task));
	enum exit_status status = EXIT_DONE;

	for (unsigned i = 0; status == EXIT_DONE && i < CUTOVER_RUNS; i++)
		status = run_engine(s, i, i == 1);
	cutover_judge(s->run, status != EXIT_DONE, location, &s->cutover);
	if (s->run[0] && directory)
		(void)cutover_write(&s->cutover, directory,
				    task_get_name(s->task));
	return status == EXIT_DONE && !s->cutover.complete ? EXIT_FAILED
							   : status;
}

static enum exit_status run_all(struct session *s)
{
	enum command command = s->options->command;
	enum exit_status status =
	    command == COMMAND_CUTOVER
		? cut_over(s)
		: run_engine(s, 0, command == COMMAND_VERIFY);

	atomic_store(&s->ran, s->run[0] != NULL);
	return status;
}

/* Before the lock is waited for: that is worth a message, too. */
static bool open_log(struct session *s)
{
	const struct task_options t = task_options(s);
	struct logsink_setup setup = {
	    .options = &s->options->sync,
	    .task = s->task_name,
	    .verbose = s->options->verbose,
	    .quiet = s->options->quiet,
	};
	CLEANUP_FREE char *directory = NULL;
	struct logsink *log;
	char error[ERROR_SIZE];

	/* That there is no such task is said when it is opened. */
	if (task_locate(&t, s->task_name, &directory, error, sizeof(error)) < 0)
		setup.task = NULL;
	if (logsink_new(&setup, &log, error, sizeof(error)) < 0) {
		log_error("--log=%s: %s", s->options->sync.log.to, error);
		return false;
	}
	atomic_store(&s->log, log);
	return true;
}

static void *worker_main(void *arg)
{
	struct session *s = arg;

	pthread_setname_np(pthread_self(), "sync");
	if (open_log(s) && pair_check_apart(s->location) == 0 && open_task(s))
		s->status = load_list(s);
	if (s->task && s->status == EXIT_DONE)
		s->status = pair_open(s->location, s->volume);
	if (s->task && s->status == EXIT_DONE)
		s->status = open_manifest(s);
	if (s->manifest && s->status == EXIT_DONE)
		s->status = run_all(s);
	atomic_store(&s->ended, true);
	kill(getpid(), SIGUSR2);
	return NULL;
}

/*
 * One interrupt ends the run cleanly, within half a second: then, or at the
 * second one, what is in flight is cut off.
 */
static void interrupt(struct session *s, int64_t *deadline_ns)
{
	struct engine *e = atomic_load(&s->engine);

	if (!atomic_exchange(&s->interrupted, true)) {
		log_notice("interrupted: ending, run the same command to go "
			   "on");
		*deadline_ns = clock_now_ns() + PATIENCE_NS;
		if (e)
			engine_cancel(e);
	} else {
		*deadline_ns = clock_now_ns();
	}
}

/* Nothing is in flight before the engine exists: nothing to wait for. */
static void cut_off(struct session *s, int64_t *deadline_ns)
{
	struct engine *e = atomic_load(&s->engine);

	if (!e)
		_exit(EXIT_INTERRUPTED);
	engine_cancel(e);
	*deadline_ns = INT64_MAX;
}

/* How far the run is, wherever it is done; false: nothing to show yet. */
static bool look(struct session *s, struct snapshot *ret)
{
	struct engine *e = atomic_load(&s->engine);
	struct handoff *h = atomic_load(&s->handoff);
	struct snapshot_sample now;

	/* Once there is an engine nobody else does the run. */
	if (!e)
		return h && handoff_get_snapshot(h, ret);
	*ret = (struct snapshot){.state = SNAPSHOT_RUNNING};
	snapshot_take_engine(ret, e, false);
	now = snapshot_get_sample(ret);
	meter_add(&s->meter, &now);
	meter_get(&s->meter, atomic_load(&s->ran), ret);
	return true;
}

/* One line of a letter: "word=value". */
static void obey(struct session *s, struct engine *e, char *line)
{
	char error[ERROR_SIZE];
	char *value = strchr(line, '=');
	int r;

	if (!value)
		return;
	*value++ = '\0';
	r = settings_set_live(&s->live, line, value, error, sizeof(error));
	if (r == 0) {
		r = engine_adopt(e, &s->live);
		snprintf(error, sizeof(error), "%s", strerror(-r));
	}
	if (r == 0)
		log_notice("%s=%s from now on", line, value);
	else
		log_warning("%s is not changed: %s", line, error);
}

/* What `efsbridge set` has to say. What is in force is said in the log, and
 * who has sent it waits for no more than that it was taken. */
static void look_into_mailbox(struct session *s)
{
	struct engine *e = atomic_load(&s->engine);
	CLEANUP_FREE char *text = NULL;
	char *rest, *line;
	int r;

	if (!e)
		return;
	r = mailbox_take(task_get_directory(s->task), &text);
	if (r < 0)
		log_warning("%s/mailbox: %s", task_get_directory(s->task),
			    strerror(-r));
	if (r <= 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));)
		obey(s, e, line);
}

/* Of a run that another process does that one tells. */
static void tell_metrics(struct session *s, struct snapshot *now, bool last)
{
	struct engine *e = atomic_load(&s->engine);

	if (!e)
		return;
	now->execution = engine_get_execution(e);
	now->ended_execution = now->ended ? now->execution : 0;
	metrics_file_update(&s->metrics, task_get_name(s->task), now, last);
}

static void watch(struct session *s)
{
	struct timespec tick = clock_split_ns(TICK_NS);
	int64_t deadline_ns = INT64_MAX;
	struct snapshot now;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	while (!atomic_load(&s->ended)) {
		int sig = sigtimedwait(&set, NULL, &tick);

		if (sig == SIGINT || sig == SIGTERM) {
			interrupt(s, &deadline_ns);
		} else if (!atomic_load(&s->ended) && look(s, &now)) {
			sig == SIGUSR1 ? progress_print(s->progress, &now)
				       : progress_update(s->progress, &now);
			tell_metrics(s, &now, false);
		}
		if (sig == SIGHUP)
			logsink_reopen(atomic_load(&s->log));
		look_into_mailbox(s);
		if (clock_now_ns() >= deadline_ns)
			cut_off(s, &deadline_ns);
	}
}

/* After the worker has ended. */
static void report(struct session *s)
{
	struct engine *e = atomic_load(&s->engine);
	struct snapshot now;
	char *text;

	if (!s->ran)
		return;
	say_why(s, e);
	look(s, &now);
	progress_finish(s->progress, &now, s->end);
	now.state = SNAPSHOT_IDLE;
	now.ended = true;
	now.ended_ns = clock_wall_ns();
	now.status = s->end;
	tell_metrics(s, &now, true);
	if (s->options->command == COMMAND_CUTOVER)
		cutover_say(&s->cutover);
	if (!s->options->json)
		return;
	text = s->options->command == COMMAND_CUTOVER
		   ? cutover_json(&s->cutover)
		   : engine_get_summary(e, s->end);
	puts(text ? text : "{}");
	fflush(stdout);
	free(text);
}

/* Likewise, of a run that was handed over. */
static void report_handoff(struct session *s)
{
	struct handoff *h = atomic_load(&s->handoff);
	const char *text = h ? handoff_get_summary(h) : NULL;
	struct standing standing;

	if (!text || standing_parse(text, &standing) < 0)
		return;
	progress_finish(s->progress, &standing.snapshot,
			s->status == EXIT_DONE      ? ENGINE_SUCCESS
			: s->status == EXIT_FAILED  ? ENGINE_FAILURES
			: s->status == EXIT_LIMITED ? ENGINE_LIMITED
			: s->status == EXIT_TIME_UP ? ENGINE_TIME_UP
						    : ENGINE_STOPPED);
	standing_done(&standing);
	if (!s->options->json)
		return;
	puts(text);
	fflush(stdout);
}

static void leave(int sig)
{
	(void)sig;
	_exit(EXIT_INTERRUPTED);
}

/* From here on an interrupt is not waited for any more. */
static void let_signals_end(void)
{
	struct sigaction action = {.sa_handler = leave};
	sigset_t set;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void session_done(struct session *s)
{
	int r;

	for (int i = 0; i < CUTOVER_RUNS; i++)
		engine_free(s->run[i]);
	filelist_free(s->list);
	r = manifest_close(s->manifest);
	if (r < 0) {
		log_error("manifest: %s: the last records are lost, their "
			  "files are compared again next time",
			  strerror(-r));
		if (s->status == EXIT_DONE)
			s->status = EXIT_FAILED;
	}
	/* Both sides take their leave at the same time. */
	for (int side = 0; side < SIDES; side++)
		if (s->volume[side])
			volume_cancel(s->volume[side]);
	for (int side = 0; side < SIDES; side++) {
		volume_free(s->volume[side]);
		location_free(s->location[side]);
	}
	task_free(s->task);
	handoff_free(atomic_load(&s->handoff));
	free(s->task_directory);
	progress_free(s->progress);
}

enum exit_status command_sync(const struct options *o)
{
	struct session s = {.options = o, .status = EXIT_USAGE};
	pthread_t worker;

	s.progress = progress_new(!o->quiet && isatty(STDERR_FILENO));
	if (!s.progress) {
		log_error("out of memory");
		return EXIT_USAGE;
	}
	if (o->max_wait_ns)
		s.wait_deadline_ns = clock_now_ns() + o->max_wait_ns;
	s.live = o->sync;
	meter_start(&s.meter);
	if (pair_parse(o, s.location) == 0) {
		s.metrics = (struct metrics_file){
		    .path = o->sync.metrics_file,
		    .location = {s.location[SOURCE]->text,
				 s.location[DESTINATION]->text},
		};
		if (pthread_create(&worker, NULL, worker_main, &s) == 0) {
			watch(&s);
			pthread_join(worker, NULL);
			report(&s);
			report_handoff(&s);
		} else {
			log_error("cannot start a thread");
		}
	}
	let_signals_end();
	session_done(&s);
	logsink_free(atomic_load(&s.log));
	return s.status;
}
