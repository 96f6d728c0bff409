/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The runner between two local directories: what it does with requests while
 * an execution is under way, and that it foretells their ids.
 *
 * A run is held in the middle by a gate: a call of the source that does not
 * end before the test opens it.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "fault_volume.h"
#include "sync/manifest.h"
#include "sync/runner.h"
#include "sync/snapshot.h"
#include "tree.h"
#include "world.h"

#define PATIENCE_NS (20 * NS_PER_S)

struct fixture {
	struct world world;
	struct volume *volume[SIDES];
	struct manifest *manifest;
	struct sync_options options;
	struct runner_setup setup;
	struct runner *runner;
	char spill[128];
	sem_t entered, opened; /* the gate */
	unsigned ends;         /* calls of ended() */
	enum engine_status last_end;
};

static void count_end(void *user, enum engine_status status)
{
	struct fixture *f = user;

	f->last_end = status;
	__atomic_add_fetch(&f->ends, 1, __ATOMIC_RELEASE);
}

static void pass_gate(void *user)
{
	struct fixture *f = user;

	sem_post(&f->entered);
	sem_wait(&f->opened);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[512] = "";

	if (!f)
		return -1;
	log_set_level(LOG_ERROR);
	world_init(&f->world);
	tree_directory(f->world.path[SOURCE], "d", 0755);
	tree_file(f->world.path[SOURCE], "d/one", 1000, 1);
	tree_file(f->world.path[SOURCE], "two", 2000, 2);
	for (int side = 0; side < SIDES; side++) {
		f->volume[side] = fault_volume_open(f->world.path[side]);
		assert_non_null(f->volume[side]);
		f->setup.volume[side] = f->volume[side];
		f->setup.location[side] = f->world.path[side];
	}
	if (manifest_open(f->world.state, f->world.path[SOURCE],
			  f->world.path[DESTINATION], &f->manifest, error,
			  sizeof(error)) < 0)
		fail_msg("%s", error);
	strcpy(f->spill, f->world.state);
	sem_init(&f->entered, 0, 0);
	sem_init(&f->opened, 0, 0);
	f->setup.manifest = f->manifest;
	f->setup.spill_directory = f->spill;
	f->setup.options = &f->options;
	f->setup.retry_ns = 10 * NS_PER_MS;
	f->setup.ended = count_end;
	f->setup.user = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	/* Whatever a failed test has left at the gate. */
	for (int i = 0; i < 100; i++)
		sem_post(&f->opened);
	runner_free(f->runner, 0);
	assert_int_equal(manifest_close(f->manifest), 0);
	for (int side = 0; side < SIDES; side++)
		volume_free(f->volume[side]);
	world_done(&f->world);
	sem_destroy(&f->entered);
	sem_destroy(&f->opened);
	free(f);
	return 0;
}

/* The n-th listing of the source, and `times` in all, stop at the gate. */
static void add_gate(struct fixture *f, uint64_t n, uint64_t times)
{
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .first = n,
				  .times = times,
				  .effect = FAULT_CALL,
				  .call = pass_gate,
				  .user = f};

	fault_volume_add(f->volume[SOURCE], &rule);
}

static void start(struct fixture *f)
{
	assert_int_equal(runner_new(&f->setup, &f->runner), 0);
}

static uint64_t request(struct fixture *f, enum runner_kind kind,
			const char *path)
{
	uint64_t id = 0;

	assert_int_equal(runner_request(f->runner, kind, path, &id), 0);
	return id;
}

static struct snapshot look(struct fixture *f)
{
	struct snapshot s;

	assert_int_equal(runner_get_snapshot(f->runner, false, &s), 0);
	return s;
}

/* Waits until execution `id` or a later one has ended. */
static struct snapshot wait_end(struct fixture *f, uint64_t id)
{
	const struct timespec pause = {.tv_nsec = 1 * NS_PER_MS};
	int64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	struct snapshot s;

	for (;;) {
		s = look(f);
		if (s.ended && s.ended_execution >= id)
			return s;
		if (clock_now_ns() > deadline_ns)
			fail_msg("execution %d has not ended", (int)id);
		nanosleep(&pause, NULL);
	}
}

/* "SUCCESS 1 CANCELLED 2 " .. as the manifest has them. */
static void assert_executions(struct fixture *f, const char *want)
{
	struct manifest_reader *r = manifest_reader_new(f->manifest);
	struct manifest_execution x;
	char text[512] = "";
	size_t len = 0;

	assert_non_null(r);
	for (uint64_t id = 1; manifest_get_execution(r, id, &x) == 1; id++) {
		len +=
		    (size_t)snprintf(text + len, sizeof(text) - len, "%s%d %s",
				     id > 1 ? ", " : "", (int)id, x.status);
		free((char *)x.status);
		free((char *)x.summary);
	}
	manifest_reader_free(r);
	assert_string_equal(text, want);
}

/* The number under `key` in the summary of an execution. */
static uint64_t summary_number(struct fixture *f, uint64_t id, const char *key)
{
	struct manifest_reader *r = manifest_reader_new(f->manifest);
	struct manifest_execution x;
	json_t *o;
	uint64_t n;

	assert_non_null(r);
	assert_int_equal(manifest_get_execution(r, id, &x), 1);
	o = json_loads(x.summary, 0, NULL);
	assert_true(json_is_integer(json_object_get(o, key)));
	n = (uint64_t)json_integer_value(json_object_get(o, key));
	json_decref(o);
	free((char *)x.status);
	free((char *)x.summary);
	manifest_reader_free(r);
	return n;
}

/* --- Runs ---------------------------------------------------------------- */

static void test_start(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	f->setup.start = true;
	start(f);
	s = wait_end(f, 1);
	assert_int_equal(s.ended_execution, 1);
	assert_int_equal(s.execution, 1);
	assert_int_equal(s.status, ENGINE_SUCCESS);
	assert_int_equal(s.state, SNAPSHOT_IDLE);
	assert_int_equal(s.counter[COUNT_TRANSFERRED], 2);
	assert_int_equal(s.counter[COUNT_BYTES_WRITTEN], 3000);
	assert_true(s.requests[SOURCE] > 0);
	assert_true(s.bytes_per_s > 0);
	assert_true(s.ended_ns >= s.started_ns);
	assert_true(snapshot_progress(&s) == 1);
	/* Nobody asked, and nothing will come by itself. */
	assert_int_equal(s.requested, 0);
	assert_int_equal(s.next_ns, 0);
	assert_int_equal(tree_compare(f->world.path[SOURCE],
				      f->world.path[DESTINATION], TREE_LINKS),
			 0);
	assert_executions(f, "1 SUCCESS");
}

/* The second one counts from zero. */
static void test_twice(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	start(f);
	assert_int_equal(look(f).execution, 0);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	wait_end(f, 1);
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	s = wait_end(f, 2);
	assert_int_equal(s.counter[COUNT_TRANSFERRED], 0);
	assert_int_equal(s.counter[COUNT_UNCHANGED], 2);
	assert_int_equal(s.requested, 2);
	assert_executions(f, "1 SUCCESS, 2 SUCCESS");
	assert_true(s.requests[SOURCE] > 0);
	assert_int_equal(s.requests[SOURCE],
			 summary_number(f, 2, "RequestsToSource"));
	assert_int_equal(s.requests[DESTINATION],
			 summary_number(f, 2, "RequestsToDestination"));
	assert_true(s.requests[DESTINATION] <
		    summary_number(f, 1, "RequestsToDestination"));
}

static void test_coalesced(void **state)
{
	struct fixture *f = *state;

	add_gate(f, 1, 1);
	f->setup.start = true;
	start(f);
	sem_wait(&f->entered);
	/* It may have passed by what the asker wants copied. */
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	assert_int_equal(request(f, RUN_VERIFY, NULL), 3);
	assert_int_equal(request(f, RUN_PATH, "d"), 4);
	assert_int_equal(request(f, RUN_PATH, "d/one"), 5);
	assert_int_equal(request(f, RUN_RETRY, ""), 6);
	/* The same once more. */
	assert_int_equal(request(f, RUN_ALL, ""), 2);
	assert_int_equal(request(f, RUN_VERIFY, NULL), 3);
	assert_int_equal(request(f, RUN_PATH, "d"), 4);
	assert_int_equal(look(f).requested, 2);
	assert_int_equal(look(f).waiting, 5);
	assert_int_equal(look(f).execution, 1);
	assert_int_equal(look(f).state, SNAPSHOT_RUNNING);
	sem_post(&f->opened);
	wait_end(f, 6);
	assert_executions(f, "1 SUCCESS, 2 SUCCESS, 3 SUCCESS, 4 SUCCESS, "
			     "5 SUCCESS, 6 SUCCESS");
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {
	    "/", "/d", "d/", "d//one", ".", "..", "d/..", "./d", "d/./one",
	};
	struct fixture *f = *state;
	char name[300];

	start(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (runner_request(f->runner, RUN_PATH, bad[i], NULL) !=
		    -EINVAL)
			fail_msg("%s was taken", bad[i]);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(runner_request(f->runner, RUN_PATH, name, NULL),
			 -EINVAL);
	assert_int_equal(runner_request(f->runner, RUN_ALL, "d", NULL),
			 -EINVAL);
	assert_int_equal(
	    runner_request(f->runner, (enum runner_kind)9, "", NULL), -EINVAL);
	/* Dots in a name are no steps. */
	assert_int_equal(request(f, RUN_PATH, "..."), 1);
	wait_end(f, 1);
	assert_int_equal(request(f, RUN_PATH, "d/.x"), 2);
	wait_end(f, 2);
}

static void test_interval(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	f->setup.start = true;
	f->setup.interval_ns = 20 * NS_PER_MS;
	start(f);
	s = wait_end(f, 3);
	assert_int_equal(s.status, ENGINE_SUCCESS);
	assert_int_equal(s.requested, 0);

	/* From the start of one to that of the next. */
	runner_free(f->runner, PATIENCE_NS);
	f->setup.interval_ns = 3600 * NS_PER_S;
	f->setup.start = false;
	start(f);
	s = look(f);
	assert_int_equal(s.execution, 0);
	assert_true(s.next_ns > s.now_ns + 3590 * NS_PER_S);
	assert_true(s.next_ns <= s.now_ns + 3600 * NS_PER_S);
}

/* --- Commands ------------------------------------------------------------ */

static void test_pause(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(runner_resume(f->runner), -EALREADY);
	assert_int_equal(runner_pause(f->runner), 0);
	assert_int_equal(runner_pause(f->runner), -EALREADY);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	s = look(f);
	assert_int_equal(s.state, SNAPSHOT_PAUSED);
	assert_int_equal(s.execution, 0);
	assert_int_equal(runner_resume(f->runner), 0);

	/* And one under way. */
	sem_wait(&f->entered);
	assert_int_equal(runner_pause(f->runner), 0);
	s = look(f);
	assert_int_equal(s.state, SNAPSHOT_PAUSED);
	assert_int_equal(s.execution, 1);
	assert_int_equal(s.eta_ns, -1);
	sem_post(&f->opened);
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	assert_int_equal(runner_resume(f->runner), 0);
	wait_end(f, 2);
	assert_executions(f, "1 SUCCESS, 2 SUCCESS");
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(runner_cancel(f->runner), -ESRCH);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	sem_wait(&f->entered);
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	assert_int_equal(look(f).requested, 2);
	assert_int_equal(runner_cancel(f->runner), 0);
	s = look(f);
	assert_int_equal(s.state, SNAPSHOT_ENDING);
	assert_int_equal(s.requested, 0);
	/* What is asked from now on counts. */
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	sem_post(&f->opened);
	wait_end(f, 2);
	assert_executions(f, "1 CANCELLED, 2 SUCCESS");
	assert_int_equal(runner_cancel(f->runner), -ESRCH);
}

/* What waits is forgotten also when nothing runs; what is paused ends. */
static void test_cancel_paused(void **state)
{
	struct fixture *f = *state;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(runner_pause(f->runner), 0);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	assert_int_equal(runner_cancel(f->runner), 0);
	assert_int_equal(look(f).requested, 0);
	assert_int_equal(runner_resume(f->runner), 0);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	sem_wait(&f->entered);
	assert_int_equal(runner_pause(f->runner), 0);
	assert_int_equal(runner_cancel(f->runner), 0);
	sem_post(&f->opened);
	assert_int_equal(wait_end(f, 1).status, ENGINE_CANCELLED);
	assert_int_equal(look(f).state, SNAPSHOT_PAUSED);
	assert_executions(f, "1 CANCELLED");
}

static int set(struct fixture *f, const char *word, const char *value)
{
	char error[256];

	return runner_set(f->runner, word, value, error, sizeof(error));
}

/* The limits before, during and after a run. */
static void test_limits(void **state)
{
	struct fixture *f = *state;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(look(f).limit_bytes_per_s, 0);
	assert_int_equal(set(f, "bwlimit", "500M"), 0);
	assert_int_equal(look(f).limit_bytes_per_s, 500000000);
	assert_int_equal(runner_get_options(f->runner).bandwidth.rest,
			 500000000);
	request(f, RUN_ALL, NULL);
	sem_wait(&f->entered);
	assert_int_equal(look(f).limit_bytes_per_s, 500000000);
	assert_int_equal(look(f).limit_iops, 0);
	assert_int_equal(set(f, "bwlimit", "00:00-12:00=1G,12:00-24:00=1G,1"),
			 0);
	assert_int_equal(set(f, "iops-limit", "100000"), 0);
	assert_int_equal(look(f).limit_bytes_per_s, 1000000000);
	assert_int_equal(look(f).limit_iops, 100000);
	sem_post(&f->opened);
	assert_int_equal(wait_end(f, 1).limit_iops, 100000);
	assert_int_equal(set(f, "bwlimit", "off"), 0);
	assert_int_equal(look(f).limit_bytes_per_s, 0);
}

static void test_jobs(void **state)
{
	struct fixture *f = *state;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(set(f, "jobs", "0"), -EINVAL);
	assert_int_equal(set(f, "jobs", "1000"), -EINVAL);
	assert_int_equal(set(f, "verify", "all"), -EPERM);
	assert_int_equal(set(f, "frob", "1"), -ENOENT);
	assert_int_equal(set(f, "jobs", "3"), 0);
	assert_int_equal(look(f).jobs, 3);
	request(f, RUN_ALL, NULL);
	sem_wait(&f->entered);
	assert_int_equal(look(f).jobs, 3);
	assert_int_equal(set(f, "jobs", "5"), 0);
	assert_int_equal(look(f).jobs, 5);
	sem_post(&f->opened);
	assert_int_equal(wait_end(f, 1).jobs, 5);
	request(f, RUN_ALL, NULL);
	assert_int_equal(wait_end(f, 2).jobs, 5);
}

/* --- What goes wrong ----------------------------------------------------- */

static void test_lost(void **state)
{
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .first = 1,
				  .times = 2,
				  .effect = FAULT_FAIL,
				  .error = -ENOTCONN};
	struct fixture *f = *state;
	struct snapshot s;

	fault_volume_add(f->volume[SOURCE], &rule);
	log_set_level((enum log_level) - 1);
	f->setup.start = true;
	start(f);
	s = wait_end(f, 3);
	assert_int_equal(s.status, ENGINE_SUCCESS);
	assert_int_equal(s.next_ns, 0);
	assert_executions(f, "1 ERROR, 2 ERROR, 3 SUCCESS");
}

/* A retry that waits says when it comes, and does not survive a cancel or a
 * request that does the same. */
static void test_lost_then_asked(void **state)
{
	struct fault_rule rule = {.verb = VOLUME_LIST,
				  .first = 1,
				  .times = 2,
				  .effect = FAULT_FAIL,
				  .error = -ENOTCONN};
	struct fixture *f = *state;
	struct snapshot s;

	fault_volume_add(f->volume[SOURCE], &rule);
	log_set_level((enum log_level) - 1);
	f->setup.retry_ns = 100 * NS_PER_S;
	f->setup.start = true;
	start(f);
	s = wait_end(f, 1);
	assert_int_equal(s.status, ENGINE_LOST);
	assert_true(s.next_ns > s.now_ns);
	assert_int_equal(runner_cancel(f->runner), 0);
	assert_int_equal(look(f).next_ns, 0);
	assert_int_equal(runner_cancel(f->runner), -ESRCH);
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	assert_true(wait_end(f, 2).next_ns > 0);
	assert_int_equal(request(f, RUN_ALL, NULL), 3);
	s = wait_end(f, 3);
	assert_int_equal(s.status, ENGINE_SUCCESS);
	assert_int_equal(s.next_ns, 0);
}

/* A run that cannot begin ends what waits behind it, and the ids are right
 * again afterwards. */
static void test_cannot_begin(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	log_set_level((enum log_level) - 1);
	start(f);
	assert_int_equal(runner_pause(f->runner), 0);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	assert_int_equal(request(f, RUN_VERIFY, NULL), 2);
	strcat(f->spill, "/none");
	assert_int_equal(runner_resume(f->runner), 0);
	s = wait_end(f, 2);
	assert_int_equal(s.status, ENGINE_STOPPED);
	assert_int_equal(s.state, SNAPSHOT_IDLE);
	assert_executions(f, "");

	strcpy(f->spill, f->world.state);
	assert_int_equal(request(f, RUN_ALL, NULL), 1);
	s = wait_end(f, 1);
	assert_int_equal(s.ended_execution, 1);
	assert_int_equal(s.status, ENGINE_SUCCESS);
	assert_int_equal(request(f, RUN_ALL, NULL), 2);
	wait_end(f, 2);
	assert_executions(f, "1 SUCCESS, 2 SUCCESS");
}

/* --- Its end ------------------------------------------------------------- */

static void *free_now(void *arg)
{
	struct fixture *f = arg;

	f->runner = runner_free(f->runner, PATIENCE_NS);
	return NULL;
}

static void test_free_while_running(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	struct snapshot s;

	add_gate(f, 1, 1);
	f->setup.start = true;
	start(f);
	sem_wait(&f->entered);
	request(f, RUN_ALL, NULL);
	assert_int_equal(pthread_create(&thread, NULL, free_now, f), 0);
	do
		s = look(f);
	while (s.state != SNAPSHOT_ENDING);
	assert_int_equal(runner_request(f->runner, RUN_ALL, NULL, NULL),
			 -ESHUTDOWN);
	sem_post(&f->opened);
	pthread_join(thread, NULL);
	assert_int_equal(f->ends, 1);
	assert_int_equal(f->last_end, ENGINE_CANCELLED);
	assert_executions(f, "1 CANCELLED");
}

/* What does not end in time is cut off. */
static void test_free_impatient(void **state)
{
	struct fixture *f = *state;

	f->setup.start = true;
	start(f);
	f->runner = runner_free(f->runner, 0);
	assert_true(f->ends <= 1);
}

/* --- What is shown ------------------------------------------------------- */

static void test_lists(void **state)
{
	struct fixture *f = *state;
	struct snapshot s;

	add_gate(f, 1, 1);
	start(f);
	assert_int_equal(runner_get_snapshot(f->runner, true, &s), 0);
	assert_int_equal(s.sample_count, 0);
	assert_int_equal(s.transfer_count, 0);
	snapshot_done(&s);
	request(f, RUN_ALL, NULL);
	sem_wait(&f->entered);
	assert_int_equal(runner_get_snapshot(f->runner, true, &s), 0);
	assert_int_equal(s.execution, 1);
	assert_true(s.sample_count >= 1);
	assert_int_equal(s.samples[0].elapsed_ns, 0);
	assert_false(s.scanned);
	assert_int_equal(s.eta_ns, -1);
	snapshot_done(&s);
	sem_post(&f->opened);
	wait_end(f, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_start),          T(test_twice),
	    T(test_coalesced),      T(test_bad_requests),
	    T(test_interval),       T(test_pause),
	    T(test_cancel),         T(test_cancel_paused),
	    T(test_jobs),           T(test_limits),
	    T(test_lost),           T(test_lost_then_asked),
	    T(test_cannot_begin),   T(test_free_while_running),
	    T(test_free_impatient), T(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
