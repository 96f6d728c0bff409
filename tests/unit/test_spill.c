/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spill: a store and a stack that keep what they are given, in bounded
 * memory, in a file that nobody else sees.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sync/spill.h"

struct fixture {
	char directory[64];
	struct spill *s;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->directory, "/tmp/test_spill.XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	*state = f;
	return spill_new(f->directory, &f->s);
}

/* The directory must be empty: rmdir() says so. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	spill_free(f->s);
	r = rmdir(f->directory);
	free(f);
	return r;
}

static void put(struct spill *s, const char *key, const char *value)
{
	assert_int_equal(spill_put(s, key, strlen(key), value, strlen(value)),
			 0);
}

static void assert_value(int found, void *value, size_t len, const char *want)
{
	assert_int_equal(found, want ? 1 : 0);
	if (!want)
		return;
	assert_int_equal(len, strlen(want));
	assert_memory_equal(value, want, len);
	free(value);
}

static void assert_get(struct spill *s, const char *key, const char *want)
{
	void *value = NULL;
	size_t len = 0;
	int found = spill_get(s, key, strlen(key), &value, &len);

	assert_value(found, value, len, want);
}

static void assert_take(struct spill *s, const char *key, const char *want)
{
	void *value = NULL;
	size_t len = 0;
	int found = spill_take(s, key, strlen(key), &value, &len);

	assert_value(found, value, len, want);
}

static void assert_pop(struct spill *s, const char *want)
{
	void *value = NULL;
	size_t len = 0;
	int found = spill_pop(s, &value, &len);

	assert_value(found, value, len, want);
}

static void test_pairs(void **state)
{
	struct spill *s = ((struct fixture *)*state)->s;

	assert_get(s, "a", NULL);
	put(s, "a", "one");
	put(s, "b", "two");
	put(s, "a", "three");
	assert_get(s, "a", "three");
	assert_get(s, "a", "three");
	assert_take(s, "a", "three");
	assert_take(s, "a", NULL);
	assert_get(s, "b", "two");
	put(s, "", "of the empty key");
	put(s, "empty", "");
	assert_get(s, "", "of the empty key");
	assert_take(s, "empty", "");
	assert_int_equal(spill_clear(s), 0);
	assert_get(s, "b", NULL);
	assert_get(s, "", NULL);
	put(s, "b", "again");
	assert_get(s, "b", "again");
}

/* Keys are bytes: NUL in them counts, and no two are mixed up. */
static void test_binary(void **state)
{
	struct spill *s = ((struct fixture *)*state)->s;
	const char one[] = "k\0\xff", two[] = "k\0\xfe";
	void *value;
	size_t len;

	assert_int_equal(spill_put(s, one, 3, one, 3), 0);
	assert_int_equal(spill_put(s, two, 3, two, 3), 0);
	assert_get(s, "k", NULL);
	assert_int_equal(spill_get(s, two, 3, &value, &len), 1);
	assert_int_equal(len, 3);
	assert_memory_equal(value, two, 3);
	free(value);
}

static void test_stack(void **state)
{
	struct spill *s = ((struct fixture *)*state)->s;

	assert_pop(s, NULL);
	assert_int_equal(spill_push(s, "1", 1), 0);
	assert_int_equal(spill_push(s, "22", 2), 0);
	assert_int_equal(spill_push(s, "", 0), 0);
	assert_pop(s, "");
	assert_pop(s, "22");
	assert_int_equal(spill_push(s, "333", 3), 0);

	/* Clearing takes the pairs, not the stack. */
	put(s, "a", "b");
	assert_int_equal(spill_clear(s), 0);
	assert_pop(s, "333");
	assert_pop(s, "1");
	assert_pop(s, NULL);
	assert_pop(s, NULL);
}

static void assert_next(struct spill *s, const char *after,
			const char *want_key, const char *want)
{
	void *key = NULL, *value = NULL;
	size_t key_len = 0, len = 0;
	int found =
	    spill_next(s, after, strlen(after), &key, &key_len, &value, &len);

	assert_value(found, value, len, want);
	assert_value(found, key, key_len, want_key);
}

/* In the order of bytes, and whatever happens between two steps. */
static void test_next(void **state)
{
	struct spill *s = ((struct fixture *)*state)->s;

	assert_next(s, "", NULL, NULL);
	put(s, "b", "two");
	put(s, "\xff", "last");
	put(s, "a", "one");
	put(s, "ab", "one and a half");
	assert_next(s, "", "a", "one");
	assert_next(s, "a", "ab", "one and a half");
	assert_take(s, "b", "two");
	assert_next(s, "ab", "\xff", "last");
	put(s, "ac", "");
	assert_next(s, "ab", "ac", "");
	assert_next(s, "\xff", NULL, NULL);
}

/* Far more than the cache holds: 60 MB in both, in little memory. */
static void test_large(void **state)
{
	struct spill *s = ((struct fixture *)*state)->s;
	uint32_t count = 60000, key;
	char value[1000];
	void *got;
	size_t len;

	memset(value, 'v', sizeof(value));
	for (uint32_t i = 0; i < count; i++) {
		key = i * 2654435761u; /* in no order */
		memcpy(value, &key, sizeof(key));
		assert_int_equal(
		    spill_put(s, &key, sizeof(key), value, sizeof(value) / 2),
		    0);
		assert_int_equal(spill_push(s, value, sizeof(value) / 2), 0);
	}
	for (uint32_t i = 0; i < count; i++) {
		key = (count - 1 - i) * 2654435761u;
		assert_int_equal(spill_take(s, &key, sizeof(key), &got, &len),
				 1);
		assert_int_equal(len, sizeof(value) / 2);
		assert_memory_equal(got, &key, sizeof(key));
		free(got);
		assert_int_equal(spill_pop(s, &got, &len), 1);
		assert_memory_equal(got, &key, sizeof(key));
		free(got);
	}
	assert_pop(s, NULL);
}

static void test_no_name(void **state)
{
	struct fixture *f = *state;
	struct dirent *entry;
	DIR *dir = opendir(f->directory);

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_true(entry->d_name[0] == '.');
	closedir(dir);
}

static void test_no_directory(void **state)
{
	struct spill *s = NULL;

	(void)state;
	assert_int_equal(spill_new("/nonexistent/dir", &s), -ENOENT);
	assert_null(s);
	assert_null(spill_free(NULL));
}

/* In a child: a file system that is full is an error, and stays one. */
static int fill(struct spill *s)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	char value[4000] = "";
	int r = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	for (int i = 0; r == 0 && i < 100000; i++)
		r = spill_push(s, value, sizeof(value));
	if (r >= 0)
		return 2;
	if (spill_put(s, "a", 1, "b", 1) != r || spill_clear(s) != r)
		return 3;
	return 0;
}

static void test_full(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	/* A database must not be carried into a child. */
	f->s = spill_free(f->s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct spill *own;

		if (spill_new(f->directory, &own) < 0)
			_exit(9);
		status = fill(own);
		spill_free(own);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_pairs),
	    T(test_binary),
	    T(test_stack),
	    T(test_next),
	    T(test_large),
	    T(test_no_name),
	    cmocka_unit_test(test_no_directory),
	    T(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
