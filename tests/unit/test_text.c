/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people read: numbers (human), names undone and in HTML (escape), the
 * log in its file.
 */
#include <errno.h>
#include <inttypes.h>
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
#include "base/escape.h"
#include "base/human.h"
#include "base/log.h"

/* --- Numbers ------------------------------------------------------------- */

static void test_bytes(void **state)
{
	char t[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_bytes(0, t), "0 B");
	assert_string_equal(human_bytes(1023, t), "1023 B");
	assert_string_equal(human_bytes(1024, t), "1.0 KiB");
	assert_string_equal(human_bytes(1024.0 * 1024 - 1, t), "1.0 MiB");
	assert_string_equal(human_bytes(1.5 * (1 << 30), t), "1.5 GiB");
	assert_string_equal(human_bytes(1e19, t), "8.7 EiB");
}

static void test_counts(void **state)
{
	char t[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_count(0, t), "0");
	assert_string_equal(human_count(999, t), "999");
	assert_string_equal(human_count(1000, t), "1,000");
	assert_string_equal(human_count(UINT64_MAX, t),
			    "18,446,744,073,709,551,615");
	assert_string_equal(human_number(0, t), "0");
	assert_string_equal(human_number(0.34, t), "0.3");
	assert_string_equal(human_number(9.96, t), "10");
	assert_string_equal(human_number(1234.4, t), "1,234");
	assert_string_equal(human_number(1e30, t), "0");
	assert_string_equal(human_percent(0, t), "0.0 %");
	assert_string_equal(human_percent(0.2514, t), "25.1 %");
	assert_string_equal(human_percent(0.99999, t), "99.9 %");
	assert_string_equal(human_percent(1, t), "100.0 %");
}

static void test_times(void **state)
{
	char t[HUMAN_SIZE];

	(void)state;
	assert_string_equal(human_seconds(0, t), "0:00");
	assert_string_equal(human_seconds(123, t), "2:03");
	assert_string_equal(human_seconds(3723, t), "1:02:03");
	assert_string_equal(human_seconds(-5, t), "0:00");
	assert_string_equal(human_duration(0, t), "0.0 s");
	assert_string_equal(human_duration(1999 * NS_PER_MS, t), "1.9 s");
	assert_string_equal(human_duration(9999 * NS_PER_MS, t), "9.9 s");
	assert_string_equal(human_duration(10 * NS_PER_S, t), "0:10");
	assert_string_equal(human_duration(123 * NS_PER_S, t), "2:03");
	assert_string_equal(human_duration(3723 * NS_PER_S, t), "1:02:03");
	assert_string_equal(human_duration(-5, t), "0.0 s");
	assert_string_equal(human_time(1795435397 * NS_PER_S, t),
			    "2026-11-23 12:03:17 UTC");
}

/* --- Names --------------------------------------------------------------- */

static void test_undo_is_the_reverse(void **state)
{
	char name[257];

	(void)state;
	/* All bytes at once, and each in front of a digit. */
	for (unsigned i = 1; i < 256; i++) {
		char one[] = {(char)i, '7', '\0'};
		CLEANUP_FREE char *text = escape_name(one);
		CLEANUP_FREE char *back = NULL;

		name[i - 1] = (char)i;
		assert_int_equal(escape_undo(text, strlen(text), &back), 0);
		assert_string_equal(back, one);
	}
	name[255] = '\0';
	{
		CLEANUP_FREE char *text = escape_name(name);
		CLEANUP_FREE char *back = NULL;

		assert_int_equal(escape_undo(text, strlen(text), &back), 0);
		assert_string_equal(back, name);
	}
}

static void test_undo_refuses(void **state)
{
	static const char *const bad[] = {"\\",     "a\\",   "\\x",   "\\1",
					  "\\12",   "\\128", "\\400", "\\000",
					  "\\777b", "\\N"};
	char *ret = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(escape_undo(bad[i], strlen(bad[i]), &ret),
				 -EINVAL);
	assert_int_equal(escape_undo("a\0b", 3, &ret), -EINVAL);
	/* It reads no further than it was told. */
	assert_int_equal(escape_undo("\\0617", 3, &ret), -EINVAL);
	assert_null(ret);
	assert_int_equal(escape_undo("\\0617", 4, &ret), 0);
	assert_string_equal(ret, "1");
	free(ret);
}

static void test_html(void **state)
{
	CLEANUP_FREE char *plain = escape_html("a b/\xc3\xa9");
	CLEANUP_FREE char *bad =
	    escape_html("<b \"x\" 'y'>&amp;\n\x1b\xff</b>");

	(void)state;
	assert_string_equal(plain, "a b/\xc3\xa9");
	assert_string_equal(bad, "&lt;b &quot;x&quot; &#39;y&#39;&gt;&amp;amp;"
				 "\\n\\033\\377&lt;/b&gt;");
}

/* --- The log ------------------------------------------------------------- */

struct place {
	char directory[32];
	char path[64];
	char old[64];
};

static void place_init(struct place *p)
{
	strcpy(p->directory, "/tmp/test_text.XXXXXX");
	assert_non_null(mkdtemp(p->directory));
	snprintf(p->path, sizeof(p->path), "%s/log", p->directory);
	snprintf(p->old, sizeof(p->old), "%s/log.1", p->directory);
}

static void place_done(struct place *p)
{
	unlink(p->path);
	unlink(p->old);
	assert_int_equal(rmdir(p->directory), 0);
}

static char *contents(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(f);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

static void test_log_lines(void **state)
{
	struct place p;
	CLEANUP_FREE char *text = NULL;
	unsigned year, month, day, hour, minute, second, ms;
	int end = 0;

	(void)state;
	place_init(&p);
	assert_int_equal(log_set_file("/nowhere/at/all"), -ENOENT);
	log_notice("before");
	assert_int_equal(log_set_file(p.path), 0);
	/* What is not for the terminal is for the file all the same. */
	log_set_level(LOG_ERROR);
	log_notice("one %d", 1);
	log_info("not this");
	log_set_level(LOG_NOTICE);
	log_warning("two");
	log_error("three");
	assert_int_equal(log_set_file(NULL), 0);
	log_notice("after");
	text = contents(p.path);
	assert_int_equal(sscanf(text, "%u-%u-%uT%u:%u:%u.%uZ one 1%n", &year,
				&month, &day, &hour, &minute, &second, &ms,
				&end),
			 7);
	assert_int_equal(end, 30);
	assert_non_null(strstr(text, "Z warning: two\n"));
	assert_non_null(strstr(text, "Z error: three\n"));
	assert_null(strstr(text, "not this"));
	assert_null(strstr(text, "before"));
	assert_null(strstr(text, "after"));
	place_done(&p);
}

#define LOGGERS 4
#define LINES   30000

static void *write_lines(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_notice("logger %s line %06d, filled up to be rotated",
			   (const char *)arg, i);
	return NULL;
}

/* Every line is whole and in order in log.1 and log, none is lost at the
 * rotation. */
static void count_lines(const char *path, int next[LOGGERS])
{
	FILE *f = fopen(path, "r");
	char line[200];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		int logger, number, end = 0;
		const char *text = strchr(line, ' ');

		assert_non_null(text);
		sscanf(text, " logger %d line %d, filled up to be rotated%n",
		       &logger, &number, &end);
		assert_true(end > 0 && text[end] == '\n');
		assert_int_equal(number, next[logger]++);
	}
	fclose(f);
}

static void test_log_rotates(void **state)
{
	static char names[LOGGERS][2] = {"0", "1", "2", "3"};
	pthread_t thread[LOGGERS];
	int next[LOGGERS] = {0};
	struct stat st, old;
	struct place p;

	(void)state;
	place_init(&p);
	assert_int_equal(log_set_file(p.path), 0);
	log_set_level(LOG_ERROR);
	for (int i = 0; i < LOGGERS; i++)
		assert_int_equal(
		    pthread_create(&thread[i], NULL, write_lines, names[i]), 0);
	for (int i = 0; i < LOGGERS; i++)
		pthread_join(thread[i], NULL);
	log_set_level(LOG_NOTICE);
	log_set_file(NULL);
	assert_int_equal(stat(p.path, &st), 0);
	assert_int_equal(stat(p.old, &old), 0);
	assert_in_range(old.st_size, LOG_FILE_MAX - 100, LOG_FILE_MAX);
	assert_in_range(st.st_size, 1, LOG_FILE_MAX);
	assert_int_equal(st.st_mode & 07777, 0600);
	count_lines(p.old, next);
	count_lines(p.path, next);
	for (int i = 0; i < LOGGERS; i++)
		assert_int_equal(next[i], LINES);
	place_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_undo_is_the_reverse),
	    cmocka_unit_test(test_undo_refuses),
	    cmocka_unit_test(test_html),
	    cmocka_unit_test(test_log_lines),
	    cmocka_unit_test(test_log_rotates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
