/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The language of .sync/control: what is understood, and how the rest is
 * refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "view/control.h"

static struct control_command commands[CONTROL_COMMANDS_MAX];
static size_t count;
static char error[300];

static int parse(const char *text)
{
	count = SIZE_MAX;
	error[0] = '\0';
	return control_parse(text, strlen(text), commands, &count, error,
			     sizeof(error));
}

static void assert_one(const char *text, enum control_verb verb,
		       const char *path)
{
	assert_int_equal(parse(text), 0);
	assert_int_equal(count, 1);
	assert_int_equal(commands[0].verb, verb);
	assert_null(commands[0].word);
	assert_null(commands[0].value);
	if (path)
		assert_string_equal(commands[0].path, path);
	else
		assert_null(commands[0].path);
	control_done(commands, count);
}

static void test_words(void **state)
{
	(void)state;
	assert_one("start\n", CONTROL_START, NULL);
	assert_one("start", CONTROL_START, NULL);
	assert_one(" \tverify \r\n", CONTROL_VERIFY, NULL);
	assert_one("\n\n retry\n\n", CONTROL_RETRY, NULL);
	assert_one("pause", CONTROL_PAUSE, NULL);
	assert_one("resume", CONTROL_RESUME, NULL);
	assert_one("cancel", CONTROL_CANCEL, NULL);
}

static void assert_set(const char *text, const char *word, const char *value)
{
	assert_int_equal(parse(text), 0);
	assert_int_equal(count, 1);
	assert_int_equal(commands[0].verb, CONTROL_SET);
	assert_string_equal(commands[0].word, word);
	assert_string_equal(commands[0].value, value);
	assert_null(commands[0].path);
	control_done(commands, count);
}

static void test_settings(void **state)
{
	(void)state;
	assert_set("jobs=1", "jobs", "1");
	assert_set("jobs=128\n", "jobs", "128");
	assert_set("jobs=064\n", "jobs", "064");
	assert_set(" bwlimit=20M\r\n", "bwlimit", "20M");
	assert_set("bwlimit=off", "bwlimit", "off");
	assert_set("bwlimit=08:00-18:00=20M,off", "bwlimit",
		   "08:00-18:00=20M,off");
	assert_set("iops-limit=1000", "iops-limit", "1000");
}

static void test_paths(void **state)
{
	(void)state;
	assert_one("rescan a", CONTROL_RESCAN, "a");
	assert_one("rescan  /a/b c/ \n", CONTROL_RESCAN, "a/b c");
	assert_one("rescan /", CONTROL_RESCAN, "");
	assert_one("rescan ///", CONTROL_RESCAN, "");
	assert_one("rescan .../..a/.b", CONTROL_RESCAN, ".../..a/.b");
	assert_one("rescan a\\nb\\011\\\\\\377", CONTROL_RESCAN,
		   "a\nb\t\\\377");
	assert_one("rescan a\\040", CONTROL_RESCAN, "a ");
	/* Other bytes stand for themselves. */
	assert_one("rescan \xff\x01", CONTROL_RESCAN, "\xff\x01");
}

static void test_lines_in_order(void **state)
{
	(void)state;
	assert_int_equal(parse("pause\nrescan x\njobs=3\nrescan y"), 0);
	assert_int_equal(count, 4);
	assert_int_equal(commands[0].verb, CONTROL_PAUSE);
	assert_string_equal(commands[1].path, "x");
	assert_string_equal(commands[2].value, "3");
	assert_string_equal(commands[3].path, "y");
	control_done(commands, count);
	assert_int_equal(parse(""), 0);
	assert_int_equal(count, 0);
	assert_int_equal(parse("\n \n"), 0);
	assert_int_equal(count, 0);
}

static void assert_refused(const char *text, const char *word, const char *why)
{
	assert_int_equal(parse(text), -EINVAL);
	assert_int_equal(count, SIZE_MAX);
	if (!strstr(error, word) || !strstr(error, why))
		fail_msg("\"%s\" is refused with: %s", text, error);
}

static void test_refused(void **state)
{
	char name[300] = "rescan ";

	(void)state;
	assert_refused("frob", "\"frob\"", "is no command");
	assert_refused("START", "\"START\"", "is no command");
	assert_refused("starts", "\"starts\"", "is no command");
	assert_refused("\x1b[2J", "\"\\033[2J\"", "is no command");
	assert_refused("start now", "\"start now\"", "more than one word");
	assert_refused("jobs", "\"jobs\"", "is no command");
	assert_refused("jobs=", "\"jobs=\"", "1 to 128");
	assert_refused("jobs=0", "\"jobs=0\"", "1 to 128");
	assert_refused("jobs=129", "\"jobs=129\"", "1 to 128");
	assert_refused("jobs=-1", "\"jobs=-1\"", "1 to 128");
	assert_refused("jobs=1x", "\"jobs=1x\"", "1 to 128");
	assert_refused("jobs=x1", "\"jobs=x1\"", "1 to 128");
	assert_refused("jobs=4294967297", "jobs=", "1 to 128");
	assert_refused("bwlimit=", "\"bwlimit=\"", "is not a rate");
	assert_refused("bwlimit=fast", "\"bwlimit=fast\"", "is not a rate");
	assert_refused("bwlimit=08:00=1,off", "\"bwlimit=08:00=1,off\"",
		       "no time before");
	assert_refused("iops-limit=-1", "\"iops-limit=-1\"", "how many");
	assert_refused("=", "\"=\"", "is no command");
	assert_refused("=1", "\"=1\"", "is no command");
	assert_refused("frob=1", "\"frob=1\"", "is no command");
	/* Those that a run has for its life. */
	assert_refused("verify=all", "\"verify=all\"", "cannot be changed");
	assert_refused("retries=3", "\"retries=3\"", "cannot be changed");
	assert_refused("jobs=1 2", "\"jobs=1 2\"", "more than one word");
	assert_refused("rescan", "\"rescan\"", "wants a path");
	assert_refused("rescan a//b", "\"a//b\"", "empty name");
	assert_refused("rescan a/../b", "\"a/../b\"", "\"..\"");
	assert_refused("rescan .", "\".\"", "root of the tree");
	assert_refused("rescan ..", "\"..\"", "root of the tree");
	assert_refused("rescan \\x", "\"\\\\x\"", "backslash");
	memset(name + 7, 'x', 256);
	assert_refused(name, "xxx", "255 bytes");
	name[7 + 255] = '\0';
	assert_one(name, CONTROL_RESCAN, name + 7);
}

/* One bad word, and nothing is understood. */
static void test_all_or_none(void **state)
{
	(void)state;
	assert_refused("rescan a\nrescan b\nfrob\n", "\"frob\"", "no command");
}

/* A NUL is no end of anything. */
static void test_nul(void **state)
{
	static const char text[] = "start\0more\n";
	static const char path[] = "rescan a\0b";

	(void)state;
	assert_int_equal(control_parse(text, sizeof(text) - 1, commands, &count,
				       error, sizeof(error)),
			 -EINVAL);
	assert_int_equal(control_parse(path, sizeof(path) - 1, commands, &count,
				       error, sizeof(error)),
			 -EINVAL);
}

static void test_too_much(void **state)
{
	CLEANUP_FREE char *big = calloc(1, CONTROL_TEXT_MAX + 2);

	(void)state;
	assert_non_null(big);
	memset(big, '\n', CONTROL_TEXT_MAX + 1);
	assert_int_equal(parse(big), -E2BIG);
	assert_non_null(strstr(error, "bytes at once"));
	big[CONTROL_TEXT_MAX] = '\0';
	assert_int_equal(parse(big), 0);
	big[0] = '\0';
	for (int i = 0; i <= CONTROL_COMMANDS_MAX; i++) {
		assert_int_equal(parse(big), 0);
		assert_int_equal(count, i);
		control_done(commands, count);
		strcat(big, "rescan a\n");
	}
	assert_int_equal(parse(big), -E2BIG);
	assert_non_null(strstr(error, "64 commands"));
}

/* What the file says when it is read names every word that is understood. */
static void test_help(void **state)
{
	static const char *const words[] = {
	    "start",  "verify", "retry", "rescan",   "pause",
	    "resume", "cancel", "jobs=", "bwlimit=", "iops-limit="};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char line[32] = "\n";

		strcat(line, words[i]);
		assert_non_null(strstr(control_help(), line));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_lines_in_order),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_all_or_none),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_too_much),
	    cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
