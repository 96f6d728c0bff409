/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a configuration says, and what is said of one that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <errno.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "conf.h"

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50

static int read_text(const char *text, size_t len, struct conf **ret,
		     char *error)
{
	FILE *f = fmemopen((void *)text, len, "r");
	int r;

	assert_non_null(f);
	r = conf_read(f, "F", ret, error);
	fclose(f);
	return r;
}

static struct conf *good(const char *text)
{
	char error[CONF_ERROR_SIZE] = "";
	struct conf *c = NULL;

	if (read_text(text, strlen(text), &c, error) < 0)
		fail_msg("%s", error);
	return c;
}

/* Each of these is the value of `key` in [task t]. */
static const struct {
	const char *text, *value;
} values[] = {
    {"[task t]\nkey=value", "value"},
    {"[task t]\nkey = value\n", "value"},
    {"[task t]\r\n  key = value\r\n", "value"},
    {"\xEF\xBB\xBF[task t]\nkey=value\n", "value"},
    {"[ task\tt ]\nkey = value\n", "value"},
    {"# c\n; c\n\n[task t] ; c\n  # c = 1\nkey = value ; c\n", "value"},
    {"[task t]\nkey = a;b # c\n", "a;b # c"},
    {"[task t]\nkey: value\n", "value"},
    {"[task t]\nkey = host:/a=b\n", "host:/a=b"},
    {"[task t]\nkey =\n", ""},
    {"[task t]\nkey = ; c\n", ""},
    {"[task t]\nkey = a b  c\n", "a b  c"},
    {"[task t]\nfirst = 1\n   key = value\n", "value"},
    {"[task t]\nkey = va\\\n    lue\n", "value"},
    {"[task t]\nkey = a|\\\n  b|\\\n  c\n", "a|b|c"},
    {"[task t]\nkey = va\\\nlue", "value"},
    {"[task t]\nkey = value\\", "value"},
    {"[task t]\n# c \\\nkey = value\n", "value"},
    {"[task t]\nkey = [x]\n", "[x]"},
    {"[task t]\nkey = \xff\n", "\xff"},
    /* Longer than what libinih takes at once, with what it must not cut at. */
    {"[task t]\nkey = " X250 X250 "\n", X250 X250},
    {"[task t]\nkey = " X250 " ;" X250 "\n", X250},
    {"[task t]\nkey = " X50 X50 X50 "    " X50 X50 X50 "  ." X50 "\n",
     X50 X50 X50 "    " X50 X50 X50 "  ." X50},
    {"[task t]\nkey = " X50 X50 X50 X50 ";#;#;#;#;#;#;#;#;#;#;#;#" X50 "\n",
     X50 X50 X50 X50 ";#;#;#;#;#;#;#;#;#;#;#;#" X50},
    {"[task t]\nkey = " X250 "=" X250 ":" X250 "\n", X250 "=" X250 ":" X250},
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct conf *c = good(values[i].text);
		const struct conf_section *s = conf_find(c, CONF_TASK, "t");
		const struct conf_entry *e;

		assert_non_null(s);
		e = conf_find_entry(s, "key");
		assert_non_null(e);
		assert_string_equal(e->value, values[i].value);
		conf_free(c);
	}
}

/* What is refused, and the beginning of what is said. */
static const struct {
	const char *text, *error;
} bad[] = {
    {"key = value\n", "F:1: key: no section yet"},
    {"[task t]\nkey\n", "F:2: neither a [section] nor a key"},
    {"[task t]\n\n= value\n", "F:3: neither a [section] nor a key"},
    {"[task t]\nkey ; = value\n", "F:2: neither a [section] nor a key"},
    {"[task t\n", "F:1: a section is written [task NAME]"},
    {"[task t] x\n", "F:1: a section is written [task NAME]"},
    {"\n[]\n", "F:2: []: there are [defaults], "},
    {"[default]\n", "F:1: [default]: there are [defaults], "},
    {"[defaults x]\n", "F:1: [defaults x]: there are [defaults], "},
    {"[task]\n", "F:1: [task]: there are [defaults], "},
    {"[task a b]\n", "F:1: [task a b]: there are [defaults], "},
    {"[task .a]\n", "F:1: [task .a]: there are [defaults], "},
    {"[task -a]\n", "F:1: [task -a]: there are [defaults], "},
    {"[task a/b]\n", "F:1: [task a/b]: there are [defaults], "},
    {"[task a\033b]\n", "F:1: [task a\\033b]: there are [defaults], "},
    {"[task " X50 X50 "]\n", "F:1: [task " X50 X50 "]: there are "},
    {"[tasks t]\n", "F:1: [tasks t]: there are [defaults], "},
    {"[task t]\n[location t]\n[task t]\n",
     "F:3: [task t]: this section is in line 1 already"},
    {"[defaults]\n[defaults]\n",
     "F:2: [defaults]: this section is in line 1 already"},
    {"[task t]\n" X50 " = value\n", "F:2: there is no key of that length"},
    {"[task t]\nkey = a\\\n   b\nnone\n", "F:4: neither a [section] nor"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char error[CONF_ERROR_SIZE] = "";
		struct conf *c = NULL;

		assert_int_equal(
		    read_text(bad[i].text, strlen(bad[i].text), &c, error),
		    -EINVAL);
		assert_null(c);
		if (strncmp(error, bad[i].error, strlen(bad[i].error)))
			fail_msg("\"%s\", not \"%s\"", error, bad[i].error);
	}
}

/* What is no text, or none that somebody wrote. */
static void test_other_files(void **state)
{
	static const char nul[] = "[task t]\nkey = a\0b\n";
	const size_t size = (1 << 20) + 2;
	char error[CONF_ERROR_SIZE] = "";
	struct conf *c = NULL;
	char *text;

	(void)state;
	assert_int_equal(read_text(nul, sizeof(nul) - 1, &c, error), -EINVAL);
	assert_non_null(strstr(error, "F:2: there is a NUL byte"));

	text = malloc(size);
	assert_non_null(text);
	memset(text, '#', size);
	assert_int_equal(read_text(text, size, &c, error), -EINVAL);
	assert_non_null(strstr(error, "F:1: the file is longer"));

	/* A line that can be cut nowhere, since it is nearly all spaces. */
	memset(text, ' ', 1000);
	memcpy(text, "[task t]\nk=a", 12);
	strcpy(text + 1000, "b\n");
	assert_int_equal(read_text(text, 1002, &c, error), -EINVAL);
	assert_non_null(strstr(error, "F:2: too many spaces"));
	assert_null(c);
	free(text);
}

static void test_sections(void **state)
{
	struct conf *c = good("[defaults]\na = 1\n[task empty]\n"
			      "[location x]\nb = 1\nb = 2\n[task x]\n");
	const struct conf_section *s;

	(void)state;
	assert_string_equal(conf_get_path(c), "F");
	s = conf_get_section(c, 0);
	assert_int_equal(s->kind, CONF_DEFAULTS);
	assert_string_equal(s->name, "");
	s = conf_find(c, CONF_TASK, "empty");
	assert_non_null(s);
	assert_int_equal(s->line, 3);
	assert_int_equal(s->count, 0);
	s = conf_find(c, CONF_LOCATION, "x");
	assert_int_equal(s->count, 2);
	assert_int_equal(s->entries[1].line, 6);
	assert_string_equal(conf_find_entry(s, "b")->value, "2");
	assert_null(conf_find_entry(s, "a"));
	assert_ptr_equal(conf_get_section(c, 3), conf_find(c, CONF_TASK, "x"));
	assert_null(conf_get_section(c, 4));
	assert_null(conf_find(c, CONF_LOCATION, "empty"));
	conf_free(c);
}

/* Root believes only what nobody else can write; others read their own. */
static void test_owner(void **state)
{
	const bool root = geteuid() == 0;
	char path[] = "/tmp/test_conf-XXXXXX";
	char error[CONF_ERROR_SIZE] = "";
	int fd = mkstemp(path);
	struct conf *c = NULL;
	static const mode_t open_to_others[] = {0620, 0602, 0666};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[task t]\n", 9), 9);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(conf_load(path, &c, error), 0);
	c = conf_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(open_to_others); i++) {
		assert_int_equal(fchmod(fd, open_to_others[i]), 0);
		assert_int_equal(conf_load(path, &c, error), root ? -EPERM : 0);
		if (root)
			assert_non_null(strstr(error, "chmod go-w it"));
		c = conf_free(c);
	}
	if (root) {
		assert_int_equal(fchmod(fd, 0600), 0);
		assert_int_equal(fchown(fd, 12345, 0), 0);
		assert_int_equal(conf_load(path, &c, error), -EPERM);
		assert_non_null(strstr(error, "user 12345"));
	}
	close(fd);
	unlink(path);
	assert_int_equal(conf_load(path, &c, error), -ENOENT);
	assert_int_equal(conf_load("/", &c, error), -EISDIR);
	assert_null(c);
}

/* For others than root it may be their own; for root it is the system's. */
static void test_locate(void **state)
{
	CLEANUP_FREE char *given = conf_locate("x");
	CLEANUP_FREE char *system = NULL;

	(void)state;
	assert_string_equal(given, "x");
	setenv("XDG_CONFIG_HOME", "/nowhere", 1);
	system = conf_locate(NULL);
	assert_string_equal(system, SYSCONFDIR "/efsbridge.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),   cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_sections), cmocka_unit_test(test_other_files),
	    cmocka_unit_test(test_owner),    cmocka_unit_test(test_locate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
