/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Letters to a run: taken once, in turn, whole; and what lies in the mailbox
 * that is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/mailbox.h"

struct fixture {
	char directory[64];
	char box[80];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->directory, "/tmp/test_mailbox.XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->box, sizeof(f->box), "%s/mailbox", f->directory);
	*state = f;
	return 0;
}

/* Nothing is left, or the directory could not be removed. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rmdir(f->directory), 0);
	free(f);
	return 0;
}

struct sender {
	const struct fixture *fixture;
	char text[16];
	int result;
	pthread_t thread;
};

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	s->result = mailbox_post(s->fixture->directory, s->text, 60 * NS_PER_S);
	return NULL;
}

/* Takes letters until there were `count`; the sum of their numbers. */
static int take(const struct fixture *f, int count)
{
	int64_t deadline_ns = clock_now_ns() + 60 * NS_PER_S;
	int sum = 0;

	while (count > 0) {
		CLEANUP_FREE char *text = NULL;
		int r = mailbox_take(f->directory, &text);

		assert_in_range(r, 0, 1);
		assert_true(clock_now_ns() < deadline_ns);
		if (r == 0)
			continue;
		assert_memory_equal(text, "jobs=", 5);
		sum += atoi(text + 5);
		count--;
	}
	return sum;
}

static void test_letters(void **state)
{
	struct fixture *f = *state;
	struct sender s[8];
	char *text;
	int want = 0;

	assert_int_equal(mailbox_take(f->directory, &text), 0);
	for (int i = 0; i < 8; i++) {
		s[i].fixture = f;
		snprintf(s[i].text, sizeof(s[i].text), "jobs=%d\n", 1 << i);
		want += 1 << i;
		assert_int_equal(
		    pthread_create(&s[i].thread, NULL, sender_main, &s[i]), 0);
	}
	/* Each once, and none is lost for another. */
	assert_int_equal(take(f, 8), want);
	for (int i = 0; i < 8; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].result, 0);
	}
	assert_int_equal(mailbox_take(f->directory, &text), 0);
}

static void test_nobody_takes(void **state)
{
	struct fixture *f = *state;
	char *text, big[MAILBOX_MAX + 2];

	assert_int_equal(mailbox_post(f->directory, "jobs=1\n", NS_PER_MS),
			 -ETIMEDOUT);
	/* It is not found by a later run. */
	assert_int_equal(mailbox_take(f->directory, &text), 0);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(mailbox_post(f->directory, big, NS_PER_MS), -E2BIG);
	assert_int_equal(mailbox_post("/nonexistent/directory", "x", NS_PER_MS),
			 -ENOENT);
}

static void test_no_letters(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	int fd;

	/* Too long. */
	fd = open(f->box, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, MAILBOX_MAX + 1), 0);
	close(fd);
	assert_int_equal(mailbox_take(f->directory, &text), -EUCLEAN);
	assert_int_equal(mailbox_take(f->directory, &text), 0);
	/* Not followed, not waited for. */
	assert_int_equal(symlink("/etc/passwd", f->box), 0);
	assert_int_equal(mailbox_take(f->directory, &text), -ELOOP);
	assert_int_equal(mkfifo(f->box, 0600), 0);
	assert_int_equal(mailbox_take(f->directory, &text), -EUCLEAN);
	assert_int_equal(mailbox_take(f->directory, &text), 0);
	assert_null(text);
	/* What a dead sender has left is not for the next run. */
	assert_int_equal(symlink("whatever", f->box), 0);
	mailbox_clear(f->directory);
	assert_int_equal(mailbox_take(f->directory, &text), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_letters),
	    T(test_nobody_takes),
	    T(test_no_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
