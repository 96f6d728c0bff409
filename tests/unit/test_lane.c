/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An engine that is told something while it runs: to pause, to use more lanes
 * or fewer; and what its lanes say they carry.
 *
 * The engine runs in a thread of its own. Calls into the volumes stop it where
 * a test wants it. That nothing happens while it is paused is looked at for a
 * moment: where pausing does not work, the next file takes microseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tree.h"
#include "world.h"

#define FILES      40
#define FILE_BYTES 400000 /* one is a batch */
#define LARGE      (48u * 1024 * 1024)
#define GIVE_UP_NS (60 * NS_PER_S)
#define LOOK_NS    (100 * NS_PER_MS)

/* What hooks and tests share. */
struct scene {
	struct world world;
	struct world_run run;
	pthread_t thread;
	bool started;         /* and not joined yet */
	pthread_mutex_t keep; /* the engine stays while it is held */
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool reached;          /* the hook has done what it was for */
	unsigned inside, most; /* calls at the same time, and their maximum */
	unsigned wanted;       /* so many at the same time open the way */
	bool open;
	unsigned jobs;    /* to be set when the way opens; 0: none */
	unsigned later;   /* calls begun after that */
	uint64_t seen[2]; /* done_bytes at two moments */
	unsigned moment;
	unsigned files;
	uint64_t bytes;
	char path[256];
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	world_init(&s->world);
	pthread_mutex_init(&s->keep, NULL);
	s->run.keep = &s->keep;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->run.user = s;
	*state = s;
	return 0;
}

static void cancel(struct scene *s)
{
	pthread_mutex_lock(&s->keep);
	if (s->run.engine)
		engine_cancel(s->run.engine);
	pthread_mutex_unlock(&s->keep);
}

static void go_on(struct scene *s)
{
	pthread_mutex_lock(&s->keep);
	engine_pause(s->run.engine, false);
	pthread_mutex_unlock(&s->keep);
}

/* A test that failed leaves its engine running, perhaps paused. */
static int teardown(void **state)
{
	struct scene *s = *state;

	if (s->started) {
		cancel(s);
		pthread_join(s->thread, NULL);
	}
	world_done(&s->world);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->keep);
	free(s);
	return 0;
}

static void *engine_thread(void *arg)
{
	struct scene *s = arg;

	world_run(&s->world, &s->run);
	return NULL;
}

static void start(struct scene *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, engine_thread, s), 0);
	s->started = true;
}

static void await_end(struct scene *s, enum engine_status status)
{
	pthread_join(s->thread, NULL);
	s->started = false;
	assert_int_equal(s->run.status, status);
}

static void assert_same(struct scene *s)
{
	if (tree_compare(s->world.path[SOURCE], s->world.path[DESTINATION],
			 TREE_LINKS))
		fail_msg("the trees differ");
}

static void make_files(struct scene *s)
{
	char name[32];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%02u", i);
		tree_file(s->world.path[SOURCE], name, FILE_BYTES, i);
	}
}

/* Waits, with the lock held, until `*what` is true. */
static void await(struct scene *s, const bool *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GIVE_UP_NS / NS_PER_S;
	while (!*what)
		if (pthread_cond_timedwait(&s->changed, &s->lock, &until))
			fail_msg("waited in vain");
}

static void await_reached(struct scene *s)
{
	pthread_mutex_lock(&s->lock);
	await(s, &s->reached);
	pthread_mutex_unlock(&s->lock);
}

static void reach(struct scene *s)
{
	pthread_mutex_lock(&s->lock);
	s->reached = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static uint64_t count(struct scene *s, enum counter which)
{
	return counters_get(engine_get_counters(s->run.engine), which);
}

/* --- Pause ---------------------------------------------------------------- */

static void pause_engine(void *user)
{
	struct scene *s = user;

	engine_pause(s->run.engine, true);
	reach(s);
}

static void count_transfer(const struct engine_transfer *t, void *user)
{
	(void)t;
	++*(unsigned *)user;
}

static unsigned transfers(struct scene *s)
{
	unsigned n = 0;

	engine_each_transfer(s->run.engine, count_transfer, &n);
	return n;
}

/* What was in flight when it was paused has ended. */
static void await_rest(struct scene *s)
{
	int64_t begin = clock_now_ns();

	while (transfers(s) > 0)
		if (clock_now_ns() - begin > GIVE_UP_NS)
			fail_msg("it goes on");
}

static void assert_holds(struct scene *s)
{
	uint64_t done = count(s, COUNT_DONE);
	uint64_t bytes = count(s, COUNT_BYTES_READ);
	int64_t begin = clock_now_ns();

	while (clock_now_ns() - begin < LOOK_NS) {
		assert_int_equal(count(s, COUNT_DONE), done);
		assert_int_equal(count(s, COUNT_BYTES_READ), bytes);
	}
}

/*
 * Pauses when both lanes are here: each is then with a file that it shows. A
 * lane that has passed the gate and not shown its file yet would look as if
 * it rested.
 */
static void pause_both(void *user)
{
	struct scene *s = user;

	pthread_mutex_lock(&s->lock);
	if (++s->inside == 2) {
		engine_pause(s->run.engine, true);
		s->open = s->reached = true;
		pthread_cond_broadcast(&s->changed);
	}
	await(s, &s->open);
	pthread_mutex_unlock(&s->lock);
}

static void pause_at_write(struct scene *s)
{
	make_files(s);
	s->run.options.jobs = 2;
	s->run.rule[DESTINATION][0] =
	    (struct fault_rule){.verb = VOLUME_WRITE_WHOLE,
				.first = 5,
				.times = 2,
				.effect = FAULT_CALL,
				.call = pause_both,
				.user = s};
	start(s);
	await_reached(s);
	await_rest(s);
	assert_int_equal(count(s, COUNT_DONE), 6);
	assert_holds(s);
}

static void test_pause(void **state)
{
	struct scene *s = *state;
	int64_t elapsed_ns;

	pause_at_write(s);
	elapsed_ns = engine_get_elapsed_ns(s->run.engine);
	assert_holds(s);
	assert_true(engine_get_elapsed_ns(s->run.engine) >=
		    elapsed_ns + LOOK_NS);
	go_on(s);
	await_end(s, ENGINE_SUCCESS);
	assert_int_equal(s->run.counter[COUNT_TRANSFERRED], FILES);
	assert_same(s);
}

static void test_cancel_while_paused(void **state)
{
	struct scene *s = *state;

	pause_at_write(s);
	cancel(s);
	await_end(s, ENGINE_CANCELLED);
	assert_int_equal(s->run.counter[COUNT_TRANSFERRED], 6);
	world_run_well(&s->world);
}

static void pause_before(struct world_run *run)
{
	pause_engine(run->user);
}

static void test_pause_before_run(void **state)
{
	struct scene *s = *state;

	make_files(s);
	s->run.begin = pause_before;
	start(s);
	await_reached(s);
	assert_holds(s);
	assert_int_equal(count(s, COUNT_LISTED), 0);
	go_on(s);
	await_end(s, ENGINE_SUCCESS);
	assert_same(s);
}

/* How much of the large file the manifest knows to be durable. */
static int take_partial(const char *path, const struct manifest_partial *p,
			void *user)
{
	(void)path;
	*(uint64_t *)user = p->done_bytes;
	return 0;
}

static uint64_t partial_bytes(struct scene *s)
{
	struct manifest *m;
	struct manifest_reader *r;
	uint64_t bytes = 0;
	char error[512];

	assert_int_equal(
	    manifest_open_read(s->world.state, &m, error, sizeof(error)), 0);
	r = manifest_reader_new(m);
	assert_non_null(r);
	assert_int_equal(manifest_each_partial(r, take_partial, &bytes), 0);
	manifest_reader_free(r);
	manifest_close(m);
	return bytes;
}

static void note_transfer(const struct engine_transfer *t, void *user)
{
	struct scene *s = user;

	snprintf(s->path, sizeof(s->path), "%s", t->path);
	s->files = t->files;
	s->bytes = t->bytes;
	if (s->moment < 2)
		s->seen[s->moment++] = t->done_bytes;
}

/* It stops in the middle of a file, and what it has of it is safe. */
static void test_pause_large(void **state)
{
	struct scene *s = *state;
	int64_t begin;
	uint64_t safe;

	tree_file(s->world.path[SOURCE], "large", LARGE, 1);
	s->run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_READ,
						     .first = 20,
						     .times = 1,
						     .effect = FAULT_CALL,
						     .call = pause_engine,
						     .user = s};
	start(s);
	await_reached(s);
	begin = clock_now_ns();
	while (!(safe = partial_bytes(s)))
		assert_true(clock_now_ns() - begin < GIVE_UP_NS);
	assert_true(safe < LARGE);
	assert_holds(s);
	engine_each_transfer(s->run.engine, note_transfer, s);
	assert_string_equal(s->path, "large");
	assert_int_equal(s->seen[0], safe);
	go_on(s);
	await_end(s, ENGINE_SUCCESS);
	assert_same(s);
}

/* Nobody waits in the middle of a file for a way on that never comes. */
static void test_cancel_large_while_paused(void **state)
{
	struct scene *s = *state;

	tree_file(s->world.path[SOURCE], "large", LARGE, 1);
	s->run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_READ,
						     .first = 20,
						     .times = 1,
						     .effect = FAULT_CALL,
						     .call = pause_engine,
						     .user = s};
	start(s);
	await_reached(s);
	cancel(s);
	await_end(s, ENGINE_CANCELLED);
	s->run = world_run_well(&s->world);
	assert_true(s->run.counter[COUNT_RESUMED_BYTES] > 0);
}

/* --- Jobs ----------------------------------------------------------------- */

/* Stays until so many are inside at the same time. The one that makes it so
 * sets the jobs; afterwards the way is open. */
static void meet(void *user)
{
	struct scene *s = user;
	struct timespec moment = {.tv_nsec = 2 * NS_PER_MS};
	bool later;

	pthread_mutex_lock(&s->lock);
	later = s->open;
	if (later)
		s->later++;
	if (++s->inside > s->most)
		s->most = s->inside;
	if (!s->open && s->inside == s->wanted) {
		s->open = true;
		s->most = 0;
		s->inside = 0;
		if (s->jobs)
			engine_set_jobs(s->run.engine, s->jobs);
		pthread_cond_broadcast(&s->changed);
	}
	await(s, &s->open);
	pthread_mutex_unlock(&s->lock);
	if (!later)
		return;
	/* Long enough for others to come in as well, if any may. */
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&s->lock);
	s->inside--;
	pthread_mutex_unlock(&s->lock);
}

static void meet_at(struct scene *s, enum volume_verb verb, unsigned wanted)
{
	s->wanted = wanted;
	s->run.rule[DESTINATION][0] =
	    (struct fault_rule){.verb = verb,
				.first = 1,
				.times = FAULT_FOREVER,
				.effect = FAULT_CALL,
				.call = meet,
				.user = s};
}

static void more_jobs(void *user)
{
	struct scene *s = user;

	assert_int_equal(engine_get_jobs(s->run.engine), 1);
	assert_int_equal(engine_set_jobs(s->run.engine, 4), 0);
	assert_int_equal(engine_get_jobs(s->run.engine), 4);
}

static void more_at(struct scene *s, enum volume_verb verb)
{
	s->run.options.jobs = 1;
	s->run.rule[SOURCE][0] = (struct fault_rule){.verb = verb,
						     .first = 1,
						     .times = 1,
						     .effect = FAULT_CALL,
						     .call = more_jobs,
						     .user = s};
}

/* Four that wait for each other can only meet if there are four lanes. */
static void test_jobs_up(void **state)
{
	struct scene *s = *state;

	make_files(s);
	more_at(s, VOLUME_READ_WHOLE);
	meet_at(s, VOLUME_WRITE_WHOLE, 4);
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_true(s->open);
	assert_same(s);
}

static void test_jobs_up_large(void **state)
{
	struct scene *s = *state;
	char name[32];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "large%u", i);
		tree_file(s->world.path[SOURCE], name, 1024 * 1024, i);
	}
	more_at(s, VOLUME_READ);
	meet_at(s, VOLUME_RENAME, 3);
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_true(s->open);
	assert_same(s);
}

static void test_jobs_down(void **state)
{
	struct scene *s = *state;

	make_files(s);
	s->run.options.jobs = 4;
	s->jobs = 1;
	meet_at(s, VOLUME_WRITE_WHOLE, 4);
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_int_equal(s->later, FILES - 4);
	assert_int_equal(s->most, 1);
	assert_same(s);
}

/* Lanes that wait for work when they become too many do not get any. */
static void fewer_jobs(struct world_run *run)
{
	struct scene *s = run->user;

	assert_int_equal(engine_set_jobs(run->engine, 0), -EINVAL);
	assert_int_equal(engine_set_jobs(run->engine, ENGINE_JOBS_MAX + 1),
			 -EINVAL);
	assert_int_equal(engine_set_jobs(run->engine, 1), 0);
	assert_int_equal(engine_get_jobs(run->engine), 1);
	s->open = true;
}

static void test_jobs_before_run(void **state)
{
	struct scene *s = *state;

	make_files(s);
	s->run.options.jobs = 4;
	s->run.begin = fewer_jobs;
	meet_at(s, VOLUME_WRITE_WHOLE, 4);
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_int_equal(s->later, FILES);
	assert_int_equal(s->most, 1);
}

static void rest_and_go_on(void *user)
{
	struct scene *s = user;

	pthread_mutex_lock(&s->lock);
	s->open = true;
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(engine_set_jobs(s->run.engine, 1), 0);
}

/* While the first listing is on its way, all lanes wait at their queue. */
static void test_idle_lanes_rest(void **state)
{
	struct scene *s = *state;

	make_files(s);
	s->run.options.jobs = 4;
	s->run.rule[SOURCE][0] = (struct fault_rule){.verb = VOLUME_LIST,
						     .first = 1,
						     .times = 1,
						     .effect = FAULT_CALL,
						     .call = rest_and_go_on,
						     .user = s};
	meet_at(s, VOLUME_WRITE_WHOLE, 4);
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_int_equal(s->later, FILES);
	assert_int_equal(s->most, 1);
}

/* --- Transfers ------------------------------------------------------------ */

static void look(void *user)
{
	struct scene *s = user;

	pthread_mutex_lock(&s->lock);
	engine_each_transfer(s->run.engine, note_transfer, s);
	pthread_mutex_unlock(&s->lock);
}

static void test_large_transfer(void **state)
{
	struct scene *s = *state;

	tree_directory(s->world.path[SOURCE], "d", 0755);
	tree_file(s->world.path[SOURCE], "d/large", LARGE, 1);
	/* No more than 16 ranges are asked for ahead. */
	for (unsigned i = 0; i < 2; i++)
		s->run.rule[SOURCE][i] =
		    (struct fault_rule){.verb = VOLUME_READ,
					.first = 20 + 20 * i,
					.times = 1,
					.effect = FAULT_CALL,
					.call = look,
					.user = s};
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_string_equal(s->path, "d/large");
	assert_int_equal(s->files, 1);
	assert_int_equal(s->bytes, LARGE);
	assert_true(s->seen[0] > 0);
	assert_true(s->seen[1] > s->seen[0]);
	assert_true(s->seen[1] < LARGE);
}

static void test_batch_transfer(void **state)
{
	struct scene *s = *state;
	char name[32];

	tree_directory(s->world.path[SOURCE], "d", 0755);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "d/f%u", i);
		tree_file(s->world.path[SOURCE], name, 1000, i);
	}
	s->run.rule[DESTINATION][0] =
	    (struct fault_rule){.verb = VOLUME_READ_WHOLE,
				.first = 1,
				.times = 1,
				.effect = FAULT_CALL,
				.call = look,
				.user = s};
	start(s);
	await_end(s, ENGINE_SUCCESS);
	assert_int_equal(strncmp(s->path, "d/f", 3), 0);
	assert_int_equal(s->files, 5);
	assert_int_equal(s->bytes, 5000);
	assert_int_equal(s->seen[0], 5000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(pause),
	    TEST(cancel_while_paused),
	    TEST(pause_before_run),
	    TEST(pause_large),
	    TEST(cancel_large_while_paused),
	    TEST(jobs_up),
	    TEST(jobs_up_large),
	    TEST(jobs_down),
	    TEST(jobs_before_run),
	    TEST(idle_lanes_rest),
	    TEST(large_transfer),
	    TEST(batch_transfer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
