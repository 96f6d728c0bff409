/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DataSync's pattern language: its documented examples, the corners, the
 * messages, and that no pattern takes more than linear time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/filter.h"

static struct filter *make(const char *include, const char *exclude)
{
	struct filter *f = filter_new();
	char error[200] = "";

	assert_non_null(f);
	if (include)
		assert_int_equal(filter_add(f, FILTER_INCLUDE, include, error,
					    sizeof(error)),
				 0);
	if (exclude)
		assert_int_equal(filter_add(f, FILTER_EXCLUDE, exclude, error,
					    sizeof(error)),
				 0);
	assert_string_equal(error, "");
	return f;
}

static bool allows(const struct filter *f, const char *path)
{
	size_t len = strlen(path);

	/* In this table a directory ends with a slash. */
	return len > 0 && path[len - 1] == '/'
		   ? filter_allows(f, path, len - 1, true)
		   : filter_allows(f, path, len, false);
}

struct row {
	const char *include;
	const char *exclude;
	const char *copied; /* paths, separated by blanks */
	const char *hidden;
};

static const struct row rows[] = {
    /* The examples of DataSync's guide. */
    {.include = "/transfer_this/",
     .copied = "/transfer_this/ /transfer_this/a /transfer_this/b/c",
     .hidden = "/transfer /transfer_this2 /x/transfer_this /Transfer_this/"},
    {.exclude = "*/temp|*/tmp",
     .copied = "/a /temporary /a/tmp2 /atmp /TMP /tm",
     .hidden = "/temp/ /tmp /a/temp/ /a/b/tmp /temp/x /a/tmp/b/c"},
    {.include = "/important_folder_1|/important_folder_2",
     .copied = "/important_folder_1/ /important_folder_2/x",
     .hidden = "/important_folder_3/ /important_folder_ /x"},
    {.include = "/documents*|/code*",
     .copied = "/documents /documents2/ /documents2/a /code/x/y /codex",
     .hidden = "/document /a/documents /Code"},
    {.exclude = "*/.snapshot",
     .copied = "/a /a.snapshot /.snapshots",
     .hidden = "/.snapshot/ /a/.snapshot/ /a/.snapshot/b"},
    {.exclude = "/top-level-folder-to-exclude-1",
     .copied = "/a/top-level-folder-to-exclude-1 /top-level-folder",
     .hidden = "/top-level-folder-to-exclude-1/x"},
    /* What is above is made. */
    {.include = "/folder-to-transfer/*",
     .copied = "/folder-to-transfer/ /folder-to-transfer/x",
     .hidden = "/folder-to-transfer /folder-to-transfer2/"},
    {.exclude = "*.temp|*.tmp",
     .copied = "/temp /a/b.tem /a.temp2 /a.TMP",
     .hidden = "/a.temp /b/c.tmp /d.tmp/x /.tmp"},
    {.include = "/folder/subfolder/file1.txt|/folder/subfolder/file2.txt",
     .copied = "/folder/ /folder/subfolder/ /folder/subfolder/file1.txt",
     .hidden = "/folder /folder/subfolder/file3.txt /folder/sub/ /other/"},
    {.exclude = "*/temporary-folder-*",
     .copied = "/temporary-folder /x",
     .hidden = "/temporary-folder-1/ /a/temporary-folder-/b"},
    /* Exclusion goes first. */
    {.include = "/a",
     .exclude = "*.tmp|/a/b",
     .copied = "/a/ /a/c /a/c/bb",
     .hidden = "/a/x.tmp /a/b/ /a/b/c /b"},
    {.include = "/a|/b", .exclude = "/a", .copied = "/b", .hidden = "/a /a/x"},
    /* One inside the other, in whatever order they are sorted. */
    {.include = "/a/b|/a|/a-b|/a.b/c",
     .copied = "/a/x /a/b /a-b/x /a.b/ /a.b/c",
     .hidden = "/a.b/d /a+b /ab"},
    /* Everything, nothing. */
    {.copied = "/a /a/b/"},
    {.include = "*", .copied = "/a /a/b"},
    {.include = "/", .copied = "/a /a/b"},
    {.exclude = "*", .hidden = "/a /a/b/"},
    {.exclude = "/*", .hidden = "/a /a/b/"},
    {.exclude = "/d/*", .copied = "/d /d/ /da/x", .hidden = "/d/x /d/y/z"},
    {.exclude = "*/", .hidden = "/a /a/b/"},
    /* Stars in the middle, and several. */
    {.exclude = "/a*b",
     .copied = "/ab.c /xab /a",
     .hidden = "/ab /axb /a/x/b/ /a/b/c /abb"},
    {.exclude = "/a/*/c",
     .copied = "/a/c /a/x/cc /a/c/",
     .hidden = "/a/x/c /a/x/y/c /a/x/c/d"},
    {.exclude = "*ab*ab",
     .copied = "/ab /aab /abba /aba",
     .hidden = "/abab /ab/ab /abab/x /xab/abab /ababab"},
    {.exclude = "*aab", .copied = "/aaba", .hidden = "/aaab /aab/x /baaaab"},
    /* Only the last of the places where it is found ends a name. */
    {.exclude = "*/x", .copied = "/xx /x.", .hidden = "/xx/x /x.x/x/y"},
    {.exclude = "*aa", .copied = "/aab", .hidden = "/aabaa /aaa /aab/aa"},
    {.exclude = "**a**b**", .copied = "/ba", .hidden = "/ab /xa/b/c"},
    /* An include may have its star anywhere, which DataSync refuses. */
    {.include = "*.txt",
     .copied = "/a.txt /d/ /d/b.txt /d.txt/x",
     .hidden = "/a /d/b"},
    {.include = "/a*z/k",
     .copied = "/a/ /ab/ /abz/k /a/b/z/k/l /ab/c/",
     .hidden = "/b/ /abz/l"},
    /* Escapes. */
    {.exclude = "/a\\*|/b\\|c|/d\\\\e",
     .copied = "/a /ab /b /c /d /de /d\\\\e",
     .hidden = "/a* /a*/x /b|c /d\\e"},
    {.exclude = "*\\*", .copied = "/a", .hidden = "/a* /a*/b"},
    /* Bytes, whatever they are. */
    {.exclude = "*/\xc3\xa9t\xc3\xa9|*\xff",
     .copied = "/\xc3\xa9 /ete",
     .hidden = "/\xc3\xa9t\xc3\xa9 /a\xff"},
    {.exclude = "*/..a|*/.b|/c..|/.d/e|/...",
     .copied = "/.d/ /a",
     .hidden = "/..a /.b /c.. /.d/e /..."},
};

static void check_paths(const struct filter *f, const char *paths, bool wanted)
{
	CLEANUP_FREE char *copy = strdup(paths ? paths : "");
	char *rest = copy, *path;

	assert_non_null(copy);
	while ((path = strsep(&rest, " ")))
		if (*path && allows(f, path) != wanted)
			fail_msg("%s is %s", path,
				 wanted ? "hidden" : "copied");
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct filter *f = make(rows[i].include, rows[i].exclude);

		check_paths(f, rows[i].copied, true);
		check_paths(f, rows[i].hidden, false);
		filter_free(f);
	}
	assert_true(filter_allows(NULL, "/a", 2, false));
	assert_true(filter_enters(NULL, "", 0));
}

struct way {
	const char *include;
	const char *exclude;
	const char *entered; /* "." is the root */
	const char *passed;
};

static const struct way ways[] = {
    {.entered = ". /a /a/b"},
    {.exclude = "/a", .entered = ". /b /aa", .passed = "/a /a/b"},
    {.exclude = "/a/*", .entered = ". /aa", .passed = "/a /a/b"},
    {.exclude = "*", .passed = ". /a"},
    {.exclude = "/*", .passed = ". /a"},
    {.exclude = "*/x/*", .entered = ". /y /xx", .passed = "/x /y/x /x/y"},
    {.exclude = "*/x*", .entered = ". /y", .passed = "/x /y/xx/z"},
    {.exclude = "*.tmp", .entered = ". /y", .passed = "/y.tmp"},
    {.include = "/a/b/c",
     .entered = ". /a /a/b /a/b/c /a/b/c/d",
     .passed = "/b /a/c /a/b/d /aa /a/bb"},
    {.include = "/a/b*", .entered = ". /a /a/b /a/bb", .passed = "/a/c /b"},
    {.include = "/a/b/*", .entered = ". /a /a/b", .passed = "/a/bb"},
    {.include = "*.txt", .entered = ". /a /a/b"},
    {.include = "/a/b", .exclude = "/a/b/*", .passed = "/a/b"},
};

static void check_ways(const struct filter *f, const char *paths, bool wanted)
{
	CLEANUP_FREE char *copy = strdup(paths ? paths : "");
	char *rest = copy, *path;

	assert_non_null(copy);
	while ((path = strsep(&rest, " "))) {
		const char *p = strcmp(path, ".") ? path : "";

		if (*path && filter_enters(f, p, strlen(p)) != wanted)
			fail_msg("%s is %sentered", path, wanted ? "not " : "");
	}
}

static void test_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct filter *f = make(ways[i].include, ways[i].exclude);

		check_ways(f, ways[i].entered, true);
		check_ways(f, ways[i].passed, false);
		filter_free(f);
	}
}

static bool takes_all(const char *include, const char *exclude,
		      const char *path)
{
	struct filter *f = make(include, exclude);
	bool all = filter_takes_all(f, path, strlen(path));

	filter_free(f);
	return all;
}

static void test_takes_all(void **state)
{
	(void)state;
	assert_true(filter_takes_all(NULL, "/a", 2));
	assert_true(takes_all(NULL, NULL, "/a"));
	assert_true(takes_all("/a", "/b", "/a/c"));
	assert_true(takes_all("/a/*", "/b/c*", "/a"));
	assert_false(takes_all("/a/b", NULL, "/a"));
	assert_false(takes_all(NULL, "/a/b/c", "/a"));
	assert_false(takes_all(NULL, "*.tmp", "/a"));
	assert_false(takes_all(NULL, "/a", "/a/b"));
}

struct refusal {
	const char *patterns;
	const char *error;
};

#define BEGIN \
	"a pattern begins with / (at the root) or * (*/name: at any depth)"
#define ESCAPE "a backslash goes before *, | or \\ only"
#define DOTS   "paths have no parts . and .."

static const struct refusal refusals[] = {
    {"", "column 1: a pattern is missing"},
    {"|/a", "column 1: a pattern is missing"},
    {"/a|", "column 4: a pattern is missing"},
    {"/a||/b", "column 4: a pattern is missing"},
    {"a", "column 1: " BEGIN},
    {"/a| /b", "column 4: " BEGIN},
    {"\\*", "column 1: " BEGIN},
    {"/a\\", "column 3: " ESCAPE},
    {"/a|*/b\\c", "column 7: " ESCAPE},
    {"/\xc3\xa9|*\\x", "column 5: " ESCAPE},
    {"/a//b", "column 4: two slashes in a row are in no path"},
    {"//", "column 2: two slashes in a row are in no path"},
    {"/a/../b", "column 6: " DOTS},
    {"/./b", "column 3: " DOTS},
    {"/b|/a/..", "column 9: " DOTS},
    {"*/../b", "column 5: " DOTS},
};

static void test_refusals(void **state)
{
	struct filter *f = make("/x", NULL);
	CLEANUP_FREE char *text = NULL;
	char error[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		error[0] = '\0';
		assert_int_equal(filter_add(f, FILTER_INCLUDE,
					    refusals[i].patterns, error,
					    sizeof(error)),
				 -EINVAL);
		assert_string_equal(error, refusals[i].error);
	}
	/* All or nothing. */
	text = filter_get_text(f, FILTER_INCLUDE);
	assert_string_equal(text, "/x");
	assert_true(allows(f, "/x"));
	assert_false(allows(f, "/b"));
	filter_free(f);
}

static void test_text(void **state)
{
	struct filter *f = make("/b|/a*", NULL);
	char error[200];
	char *text;

	(void)state;
	assert_int_equal(
	    filter_add(f, FILTER_INCLUDE, "/c\\|d/|*", error, sizeof(error)),
	    0);
	text = filter_get_text(f, FILTER_INCLUDE);
	assert_string_equal(text, "/b|/a*|/c\\|d/|*");
	free(text);
	text = filter_get_text(f, FILTER_EXCLUDE);
	assert_string_equal(text, "");
	free(text);
	filter_free(f);
}

static void write_file(char path[64], const char *text, size_t size)
{
	int fd;

	strcpy(path, "/tmp/test_filter.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	close(fd);
}

static int add_file(struct filter *f, const char *text, size_t size,
		    char *error, size_t error_size)
{
	char path[64], *end;
	int r;

	write_file(path, text, size);
	r = filter_add_file(f, FILTER_EXCLUDE, path, error, error_size);
	unlink(path);
	/* The name is another each time. */
	end = strstr(error, path);
	if (end)
		memmove(error, end + strlen(path),
			strlen(end + strlen(path)) + 1);
	return r;
}

#define ADD(f, text, error) \
	add_file(f, text, sizeof(text) - 1, error, sizeof(error))

static void test_files(void **state)
{
	struct filter *f = make(NULL, NULL);
	char error[200];
	char *text;

	(void)state;
	assert_int_equal(ADD(f, "# no pattern\n\n/a\n*/b|/c\r\n/d\\|e", error),
			 0);
	text = filter_get_text(f, FILTER_EXCLUDE);
	assert_string_equal(text, "/a|*/b|/c|/d\\|e");
	free(text);
	assert_false(allows(f, "/x/b"));
	assert_false(allows(f, "/d|e"));
	assert_int_equal(ADD(f, "", error), 0);
	assert_int_equal(ADD(f, "/x\n#\n/y|z\n", error), -EINVAL);
	assert_string_equal(error, ":3:4: " BEGIN);
	assert_int_equal(ADD(f, "/x\n  /y\n", error), -EINVAL);
	assert_string_equal(error, ":2:1: " BEGIN);
	assert_int_equal(ADD(f, "/x\0y\n", error), -EINVAL);
	assert_string_equal(error, ":1:3: a NUL is in no name");
	assert_true(allows(f, "/x"));
	assert_int_equal(filter_add_file(f, FILTER_INCLUDE, "/nowhere/at/all",
					 error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error,
			    "/nowhere/at/all: No such file or directory");
	assert_int_equal(
	    filter_add_file(f, FILTER_INCLUDE, "/", error, sizeof(error)),
	    -EISDIR);
	filter_free(f);
}

/* The longest line there may be, and one byte more; a file without any end. */
static void test_long_lines(void **state)
{
	enum { ROOM = FILTER_LINE_MAX + 8 };
	struct filter *f = make(NULL, NULL);
	char *text = malloc(ROOM);
	char error[200];

	(void)state;
	assert_non_null(text);
	memset(text, 'a', ROOM);
	memcpy(text, "/x\n/", 4);
	assert_int_equal(
	    add_file(f, text, 3 + FILTER_LINE_MAX + 1, error, sizeof(error)),
	    -EINVAL);
	assert_string_equal(error, ":2: a line of more than 262144 bytes");
	assert_true(allows(f, "/x"));
	assert_int_equal(
	    add_file(f, text, 3 + FILTER_LINE_MAX, error, sizeof(error)), 0);
	assert_false(allows(f, "/x"));
	assert_int_equal(filter_add_file(f, FILTER_EXCLUDE, "/dev/zero", error,
					 sizeof(error)),
			 -EINVAL);
	assert_string_equal(error,
			    "/dev/zero:1: a line of more than 262144 bytes");
	free(text);
	filter_free(f);
}

/* Many exact ones, each found, and what lies between and below. */
static void test_many(void **state)
{
	struct filter *f = make(NULL, NULL);
	char error[200], path[64];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/d%u/f%u", i % 7, i * 2);
		assert_int_equal(
		    filter_add(f, FILTER_INCLUDE, path, error, sizeof(error)),
		    0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/d%u/f%u", i % 7, i * 2);
		assert_true(allows(f, path));
		strcat(path, "/below");
		assert_true(allows(f, path));
		snprintf(path, sizeof(path), "/d%u/f%u", i % 7, i * 2 + 1);
		assert_false(allows(f, path));
	}
	assert_true(allows(f, "/d6/"));
	assert_false(allows(f, "/d7/"));
	filter_free(f);
}

/* What makes a matcher that tries again take years. */
static void test_linear(void **state)
{
	enum { STARS = 2000, LENGTH = 64 * 1024 };
	char *pattern = malloc(3 * STARS + 8), *path = malloc(LENGTH + 1);
	int64_t start = clock_now_ns();
	char *at = pattern;
	struct filter *f;

	(void)state;
	assert_non_null(pattern);
	assert_non_null(path);
	for (int i = 0; i < STARS; i++)
		at = stpcpy(at, "*a");
	strcpy(at, "*b");
	memset(path, 'a', LENGTH);
	path[0] = '/';
	path[LENGTH] = '\0';
	f = make(NULL, pattern);
	for (int i = 0; i < 100; i++)
		assert_true(filter_allows(f, path, LENGTH, false));
	filter_free(f);

	/* A piece that nearly matches everywhere. */
	*pattern = '*';
	memset(pattern + 1, 'a', STARS);
	strcpy(pattern + 1 + STARS, "b");
	f = make(NULL, pattern);
	for (int i = 0; i < 100; i++)
		assert_true(filter_allows(f, path, LENGTH, false));
	filter_free(f);
	free(pattern);
	free(path);
	/* Milliseconds in fact; a quadratic one takes half a minute. */
	assert_true(clock_now_ns() - start < 10 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),      cmocka_unit_test(test_ways),
	    cmocka_unit_test(test_takes_all),  cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_text),       cmocka_unit_test(test_files),
	    cmocka_unit_test(test_many),       cmocka_unit_test(test_linear),
	    cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
