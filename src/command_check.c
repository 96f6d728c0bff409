/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `efsbridge check`: of the configuration without an operand, else of both
 * sides of a task. The main thread waits for signals while a worker looks, so
 * that an interrupt ends it soon and cleanly; a second one, or a side that
 * does not answer, ends it at once.
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
#include "base/jsonout.h"
#include "base/log.h"
#include "conf.h"
#include "doctor.h"
#include "options.h"
#include "options_conf.h"
#include "pair.h"
#include "sync/task.h"
#include "volume/location.h"

/* How long the worker may take to remove what it has made. */
#define PATIENCE_NS (10 * NS_PER_S)
#define TICK_NS     (100 * NS_PER_MS)

/* --- The configuration ---------------------------------------------------- */

static void log_fault(void *user, const char *error)
{
	(void)user;
	log_error("%s", error);
}

static enum exit_status check_config(const struct options *o)
{
	CLEANUP_FREE char *path = conf_locate(o->config_path);
	struct conf *config = NULL;
	char error[CONF_ERROR_SIZE];
	const struct conf_section *s;
	unsigned tasks = 0, locations = 0, faults;
	int r = path ? conf_load(path, &config, error) : -ENOMEM;

	if (r < 0) {
		log_error("%s", path ? error : "out of memory");
		return EXIT_USAGE;
	}
	faults = options_conf_check(config, log_fault, NULL);
	for (size_t i = 0; (s = conf_get_section(config, i)); i++) {
		tasks += s->kind == CONF_TASK;
		locations += s->kind == CONF_LOCATION;
	}
	if (faults == 0)
		printf("%s: %u tasks and %u locations, nothing wrong\n", path,
		       tasks, locations);
	conf_free(config);
	return faults == 0 ? EXIT_DONE : EXIT_USAGE;
}

/* --- The doctor ----------------------------------------------------------- */

struct checking {
	const struct options *options;
	struct location *location[SIDES];
	struct jsonout json;
	_Atomic unsigned count[DOCTOR_FAIL + 1]; /* findings of each level */
	_Atomic bool interrupted;
	_Atomic bool ended;
	enum exit_status status;
};

static bool is_cancelled(void *user)
{
	return atomic_load(&((struct checking *)user)->interrupted);
}

/* Nothing is made before both sides were reached, which is the first to be
 * told. */
static bool is_reaching(struct checking *c)
{
	return atomic_load(&c->count[DOCTOR_OK]) == 0 &&
	       atomic_load(&c->count[DOCTOR_WARN]) == 0 &&
	       atomic_load(&c->count[DOCTOR_FAIL]) == 0;
}

static const char *side_word(enum side side)
{
	return side == SIDES ? "both" : side_name(side);
}

static void print_json(struct jsonout *j, const struct doctor_finding *f)
{
	jsonout_begin_object(j, NULL);
	jsonout_string(j, "Check", f->check);
	jsonout_string(j, "Side", side_word(f->side));
	jsonout_string(j, "Result", doctor_level_name(f->level));
	jsonout_string(j, "Text", f->text);
	if (f->remedy)
		jsonout_string(j, "Remedy", f->remedy);
	if (f->unit && f->whole)
		jsonout_uint(j, f->unit, (uint64_t)f->value);
	else if (f->unit)
		jsonout_real(j, f->unit, f->value);
	jsonout_end_object(j);
}

static void take_finding(void *user, const struct doctor_finding *f)
{
	struct checking *c = user;

	atomic_fetch_add(&c->count[f->level], 1);
	if (c->options->json) {
		print_json(&c->json, f);
		return;
	}
	if (c->options->quiet && f->level == DOCTOR_OK)
		return;
	printf("%-4s  %-11s  %-11s  %s\n", doctor_level_name(f->level),
	       side_word(f->side), f->check, f->text);
	if (f->remedy)
		printf("      %s\n", f->remedy);
	fflush(stdout);
}

static void begin_json(struct checking *c)
{
	c->json = jsonout_to(stdout, false);
	jsonout_begin_object(&c->json, NULL);
	jsonout_string(&c->json, "Source", c->location[SOURCE]->text);
	jsonout_string(&c->json, "Destination", c->location[DESTINATION]->text);
	jsonout_begin_array(&c->json, "Checks");
}

static void end_json(struct checking *c, enum doctor_level worst)
{
	jsonout_end_array(&c->json);
	jsonout_string(&c->json, "Result",
		       c->status == EXIT_INTERRUPTED
			   ? "INTERRUPTED"
			   : doctor_level_name(worst));
	jsonout_end_object(&c->json);
	putchar('\n');
}

static enum exit_status status_of(int r, enum doctor_level worst)
{
	if (r == -ECANCELED)
		return EXIT_INTERRUPTED;
	if (r < 0)
		return EXIT_UNREACHABLE;
	return worst == DOCTOR_FAIL ? EXIT_FAILED : EXIT_DONE;
}

/* Where the state of the task lies, heap; NULL when that cannot be told, which
 * whoever runs it is told. */
static char *find_state(struct checking *c)
{
	const struct task_options t = {
	    .state = c->options->state,
	    .name = c->options->task,
	    .source_text = c->location[SOURCE]->text,
	    .destination_text = c->location[DESTINATION]->text,
	    .source_dir = pair_local(c->location, SOURCE),
	    .destination_dir = pair_local(c->location, DESTINATION),
	};
	char name[TASK_NAME_MAX + 1], error[512];
	char *directory;
	int r = task_locate(&t, name, &directory, error, sizeof(error));

	return r < 0 ? NULL : directory;
}

static void *worker_main(void *arg)
{
	struct checking *c = arg;
	CLEANUP_FREE char *directory = find_state(c);
	struct doctor_setup setup = {
	    .location = {c->location[SOURCE], c->location[DESTINATION]},
	    .options = &c->options->sync,
	    .state_directory = directory,
	    .cancelled = is_cancelled,
	    .found = take_finding,
	    .user = c,
	};
	enum doctor_level worst;
	int r;

	pthread_setname_np(pthread_self(), "check");
	if (pair_check_apart(c->location) < 0) {
		c->status = EXIT_USAGE;
	} else {
		if (c->options->json)
			begin_json(c);
		r = doctor_run(&setup, &worst);
		c->status = status_of(r, worst);
		if (c->options->json)
			end_json(c, worst);
		else if (!c->options->quiet)
			printf("%u OK, %u WARN, %u FAIL\n",
			       atomic_load(&c->count[DOCTOR_OK]),
			       atomic_load(&c->count[DOCTOR_WARN]),
			       atomic_load(&c->count[DOCTOR_FAIL]));
	}
	atomic_store(&c->ended, true);
	kill(getpid(), SIGUSR2);
	return NULL;
}

static void watch(struct checking *c)
{
	const struct timespec tick = clock_split_ns(TICK_NS);
	int64_t deadline_ns = INT64_MAX;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR2);
	while (!atomic_load(&c->ended)) {
		int sig = sigtimedwait(&set, NULL, &tick);

		if (sig == SIGINT || sig == SIGTERM) {
			if (atomic_exchange(&c->interrupted, true) ||
			    is_reaching(c))
				_exit(EXIT_INTERRUPTED);
			log_notice("interrupted: cleaning up");
			deadline_ns = clock_now_ns() + PATIENCE_NS;
		}
		if (clock_now_ns() >= deadline_ns)
			_exit(EXIT_INTERRUPTED);
	}
}

enum exit_status command_check(const struct options *o)
{
	struct checking c = {.options = o, .status = EXIT_USAGE};
	pthread_t worker;

	if (!o->location[SOURCE])
		return check_config(o);
	if (o->no_connect) {
		puts("nothing wrong in the configuration of this task");
		return EXIT_DONE;
	}
	if (pair_parse(o, c.location) == 0) {
		if (pthread_create(&worker, NULL, worker_main, &c) == 0) {
			watch(&c);
			pthread_join(worker, NULL);
		} else {
			log_error("cannot start a thread");
		}
	}
	for (enum side side = 0; side < SIDES; side++)
		location_free(c.location[side]);
	return c.status;
}
