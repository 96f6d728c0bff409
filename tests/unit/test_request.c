/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests: whoever comes first answers, once, and nothing is freed under
 * anybody; in the right order, in every order, and by threads that race.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fake_fuse.h"
#include "view/core.h"
#include "view/request.h"

struct fixture {
	struct view view;
	struct view_options options;
	fuse_req_t req;
	_Atomic unsigned freed;
};

struct work {
	struct request request; /* first */
	struct fixture *fixture;
};

static void work_free(struct request *r)
{
	struct work *w = (struct work *)r;

	atomic_fetch_add(&w->fixture->freed, 1);
	memset(w, 0xee, sizeof(*w));
	free(w);
}

static struct work *work_new(struct fixture *f)
{
	struct work *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fixture = f;
	request_init(&w->request, &f->view, f->req, work_free);
	return w;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || requests_new(&f->view.requests))
		return -1;
	f->view.setup.options = &f->options;
	f->req = fake_req_new(&f->view);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	requests_free(f->view.requests);
	fake_req_free(f->req);
	free(f);
	return 0;
}

static void the_first_claim_wins(void **state)
{
	struct fixture *f = *state;
	struct work *w = work_new(f);
	fuse_req_t req = NULL;

	assert_false(request_is_claimed(&w->request));
	assert_true(request_claim(&w->request, &req));
	assert_ptr_equal(req, f->req);
	assert_true(request_is_claimed(&w->request));
	assert_false(request_claim(&w->request, &req));
	request_fail(&w->request, -EIO);
	fake_req_interrupt(f->req);
	assert_false(fake_req_is_answered(f->req));
	fuse_reply_err(req, 0);
	request_drop(&w->request);
	assert_int_equal(f->freed, 1);
}

static void it_is_freed_with_the_last_reference(void **state)
{
	struct fixture *f = *state;
	struct work *w = work_new(f);

	request_hold(&w->request);
	request_hold(&w->request);
	request_fail(&w->request, 0);
	request_drop(&w->request);
	request_drop(&w->request);
	assert_int_equal(f->freed, 0);
	request_drop(&w->request);
	assert_int_equal(f->freed, 1);
	assert_int_equal(fake_req_wait(f->req)->error, 0);
}

static void nobody_is_left_without_an_answer(void **state)
{
	struct fixture *f = *state;

	request_drop(&work_new(f)->request);
	assert_int_equal(fake_req_wait(f->req)->error, EIO);
	assert_int_equal(f->freed, 1);
}

static void an_interrupt_answers_at_once(void **state)
{
	struct fixture *f = *state;
	struct work *w = work_new(f);

	fake_req_interrupt(f->req);
	assert_int_equal(fake_req_wait(f->req)->error, EINTR);
	assert_true(request_is_claimed(&w->request));
	fake_req_interrupt(f->req);
	assert_int_equal(f->freed, 0);
	request_drop(&w->request);
	assert_int_equal(f->freed, 1);
}

static void an_interrupt_may_be_there_before(void **state)
{
	struct fixture *f = *state;
	struct work *w;

	fake_req_interrupt(f->req);
	w = work_new(f);
	assert_true(request_is_claimed(&w->request));
	assert_int_equal(fake_req_wait(f->req)->error, EINTR);
	request_drop(&w->request);
	assert_int_equal(f->freed, 1);
}

static void a_lost_side_is_an_input_output_error(void **state)
{
	static const int errors[][2] = {
	    {-ENOTCONN, EIO}, {-ECANCELED, EIO}, {-ETIMEDOUT, EIO},
	    {-EIO, EIO},      {-ESTALE, ESTALE}, {-ENOENT, ENOENT},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct work *w;

		fake_req_free(f->req);
		f->req = fake_req_new(&f->view);
		w = work_new(f);
		request_fail(&w->request, errors[i][0]);
		assert_int_equal(fake_req_wait(f->req)->error, errors[i][1]);
		request_drop(&w->request);
	}
}

static void hard_requests_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	struct work *w = work_new(f);

	requests_expire(f->view.requests, INT64_MAX - 1);
	assert_false(fake_req_is_answered(f->req));
	request_fail(&w->request, 0);
	request_drop(&w->request);
}

static void soft_requests_have_their_time(void **state)
{
	struct fixture *f = *state;
	int64_t before_ns = clock_now_ns();
	struct work *w;

	f->options.soft = true;
	f->options.timeo_s = 30;
	w = work_new(f);
	requests_expire(f->view.requests, before_ns + 29 * NS_PER_S);
	assert_false(fake_req_is_answered(f->req));
	requests_expire(f->view.requests, clock_now_ns() + 31 * NS_PER_S);
	assert_int_equal(fake_req_wait(f->req)->error, EIO);
	assert_int_equal(f->freed, 0);
	requests_expire(f->view.requests, clock_now_ns() + 31 * NS_PER_S);
	request_drop(&w->request);
	assert_int_equal(f->freed, 1);
}

/* --- Races --------------------------------------------------------------- */

/* As many rounds as show what can go wrong, under a sanitizer too. */
#define ROUNDS 3000

struct race {
	struct fixture *fixture;
	pthread_barrier_t start;
	pthread_barrier_t end;
	struct work *work;
	fuse_req_t req;
};

static void *interrupter(void *arg)
{
	struct race *race = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->start);
		fake_req_interrupt(race->req);
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

static void *timer(void *arg)
{
	struct race *race = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->start);
		requests_expire(race->fixture->view.requests, INT64_MAX - 1);
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

static void *completion(void *arg)
{
	struct race *race = arg;
	fuse_req_t req;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->start);
		if (race->work) {
			if (request_claim(&race->work->request, &req))
				fuse_reply_err(req, 0);
			request_drop(&race->work->request);
		}
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

/* Runs the four against each other; the starter makes the request before the
 * others come, or at the same time (`late`). */
static void run_race(struct fixture *f, bool late)
{
	struct race race = {.fixture = f};
	pthread_t threads[3];

	f->options.soft = true;
	pthread_barrier_init(&race.start, NULL, 4);
	pthread_barrier_init(&race.end, NULL, 4);
	pthread_create(&threads[0], NULL, interrupter, &race);
	pthread_create(&threads[1], NULL, timer, &race);
	pthread_create(&threads[2], NULL, completion, &race);
	for (int i = 0; i < ROUNDS; i++) {
		fake_req_free(f->req);
		f->req = race.req = fake_req_new(&f->view);
		race.work = late ? NULL : work_new(f);
		if (race.work)
			request_hold(&race.work->request);
		pthread_barrier_wait(&race.start);
		request_drop(&(late ? work_new(f) : race.work)->request);
		pthread_barrier_wait(&race.end);
		assert_true(fake_req_is_answered(f->req));
		assert_int_equal(f->freed, i + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&race.start);
	pthread_barrier_destroy(&race.end);
}

static void completion_timer_and_interrupt_race(void **state)
{
	run_race(*state, false);
}

static void timer_and_interrupt_race_the_start(void **state)
{
	run_race(*state, true);
}

int main(void)
{
#define REQUEST_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    REQUEST_TEST(the_first_claim_wins),
	    REQUEST_TEST(it_is_freed_with_the_last_reference),
	    REQUEST_TEST(nobody_is_left_without_an_answer),
	    REQUEST_TEST(an_interrupt_answers_at_once),
	    REQUEST_TEST(an_interrupt_may_be_there_before),
	    REQUEST_TEST(a_lost_side_is_an_input_output_error),
	    REQUEST_TEST(hard_requests_wait_for_ever),
	    REQUEST_TEST(soft_requests_have_their_time),
	    REQUEST_TEST(completion_timer_and_interrupt_race),
	    REQUEST_TEST(timer_and_interrupt_race_the_start),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
