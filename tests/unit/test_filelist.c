/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of paths: what their text means, what is refused in which line, and
 * what a directory is asked for. */
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
#include "sync/filelist.h"
#include "sync/pathlist.h"

/* --- The text ------------------------------------------------------------- */

struct text {
	const char *bytes;
	const char *paths; /* with a blank behind each */
};

static int note(void *user, const char *path)
{
	fprintf(user, "%s ", path);
	return 0;
}

static int read_text(const char *bytes, size_t size, bool nul, char **ret_paths,
		     uint64_t *ret_line, const char **ret_problem)
{
	size_t paths_size;
	FILE *f = open_memstream(ret_paths, &paths_size);
	const struct pathlist_setup setup = {
	    .nul = nul, .each = note, .user = f};
	struct pathlist *l = pathlist_new(&setup);
	int r;

	assert_non_null(f);
	assert_non_null(l);
	r = pathlist_feed(l, bytes, size, ret_problem);
	if (r == 0)
		r = pathlist_end(l, ret_problem);
	*ret_line = pathlist_get_line(l);
	pathlist_free(l);
	fclose(f);
	return r;
}

static const struct text texts[] = {
    {"", ""},
    {"a\nb/c\n", "a b/c "},
    {"a\r\nb", "a b "},
    {"\n\r\na\n\n", "a "},
    {"/a/b\n", "a/b "},
    {"./a//b/./c/\n/\n.\n", "a/b/c "},
    {"a,version\nb,\n", "a b "},
    {"a,\"x\ny\",z\nb\n", "a b "},
    {"a,x\"\"\"\nb\n\",\nc\n", "a c "},
    {"\"a,b\"\n\"c\"\"d\",x\n", "a,b c\"d "},
    {"\"a\nb\"\r\nc", "a\nb c "},
    {"\"a\"", "a "},
    {"a\"b\n", "a\"b "},
    {" a \n#b\n", " a  #b "},
    {"\xef\xbb\xbf"
     "a\n",
     "a "},
    {"\xef\xbb", "\xef\xbb "},
    {"\xef\xbb"
     "a\n\xef\xbb\xbf\n",
     "\xef\xbb"
     "a \xef\xbb\xbf "},
    {"...\n..a\na..\n", "... ..a a.. "},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *problem;
		uint64_t line;
		char *paths;

		assert_int_equal(read_text(texts[i].bytes,
					   strlen(texts[i].bytes), false,
					   &paths, &line, &problem),
				 0);
		assert_string_equal(paths, texts[i].paths);
		free(paths);
	}
}

static void test_nuls(void **state)
{
	static const char bytes[] = "a,b\0c\nd\0\"e\"\0/f\0\r";
	const char *problem;
	uint64_t line;
	char *paths;

	(void)state;
	assert_int_equal(
	    read_text(bytes, sizeof(bytes), true, &paths, &line, &problem), 0);
	assert_string_equal(paths, "a,b c\nd \"e\" f \r ");
	free(paths);
}

struct bad {
	const char *bytes;
	unsigned line;
	const char *problem;
};

static void test_bad_texts(void **state)
{
	static const struct bad bads[] = {
	    {"a\n../b\n", 2, "a path with .. in it"},
	    {"/../a\n", 1, "a path with .. in it"},
	    {"a/..", 1, "a path with .. in it"},
	    {"a\n\"b\nc\nd", 2, "a quote without its end"},
	    {"a,\"x\ny", 1, "a quote without its end"},
	    {"a\n\n\"b\"c\n", 3,
	     "something between a quote and the next comma"},
	    {"a\n,b\n", 2, "a path is missing"},
	    {"\"\"\n", 1, "a path is missing"},
	    {"\"a\nb\"\nc\n..", 4, "a path with .. in it"},
	};
	const char *problem;
	uint64_t line;
	char *paths, *large;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		assert_int_equal(read_text(bads[i].bytes, strlen(bads[i].bytes),
					   false, &paths, &line, &problem),
				 -EINVAL);
		assert_string_equal(problem, bads[i].problem);
		assert_int_equal(line, bads[i].line);
		free(paths);
	}
	assert_int_equal(
	    read_text("a\nb\0c\n", 6, false, &paths, &line, &problem), -EINVAL);
	assert_non_null(strstr(problem, "--from0"));
	assert_int_equal(line, 2);
	free(paths);
	assert_int_equal(read_text("a\0\0b", 4, true, &paths, &line, &problem),
			 -EINVAL);
	assert_string_equal(problem, "a path is missing");
	assert_int_equal(line, 2);
	free(paths);

	/* A name, and a path, of one byte too many. */
	large = malloc(PATHLIST_MAX + 2);
	assert_non_null(large);
	memset(large, 'x', PATHLIST_MAX + 1);
	for (size_t i = 1; i < PATHLIST_MAX; i += 2)
		large[i] = '/';
	assert_int_equal(
	    read_text(large, PATHLIST_MAX, false, &paths, &line, &problem), 0);
	free(paths);
	assert_int_equal(
	    read_text(large, PATHLIST_MAX + 1, false, &paths, &line, &problem),
	    -EINVAL);
	assert_string_equal(problem, "a path of more than 65536 bytes");
	free(paths);
	memset(large, 'x', 256);
	assert_int_equal(read_text(large, 255, false, &paths, &line, &problem),
			 0);
	free(paths);
	assert_int_equal(read_text(large, 256, false, &paths, &line, &problem),
			 -EINVAL);
	assert_string_equal(problem, "a name of more than 255 bytes");
	free(paths);
	free(large);
}

/* --- The list ------------------------------------------------------------- */

static struct filelist *load(const char *text)
{
	char path[] = "/tmp/test_filelist.XXXXXX", error[300];
	struct filelist *l;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(
	    filelist_load(path, false, "/tmp", &l, error, sizeof(error)), 0);
	unlink(path);
	return l;
}

/* "name+" for the list, "name/" for the way, "name+/" for both. */
static void assert_names(struct filelist *l, const char *directory,
			 const char *wanted)
{
	struct filelist_name names[2];
	char text[500] = "", after[256] = "";
	int n;

	/* Two by two, to go on in the middle. */
	do {
		n = filelist_read(l, directory, *after ? after : NULL, names,
				  2);
		assert_true(n >= 0);
		for (int i = 0; i < n; i++) {
			strcat(text, names[i].name);
			if (names[i].flags & FILELIST_LISTED)
				strcat(text, "+");
			if (names[i].flags & FILELIST_WAY)
				strcat(text, "/");
			strcat(text, " ");
			strcpy(after, names[i].name);
		}
	} while (n == 2);
	assert_string_equal(text, wanted);
}

static void note_below(void *user, const char *path)
{
	strcat(user, path);
	strcat(user, " ");
}

static void test_list(void **state)
{
	struct filelist *l = load("b/c/d\na\nb\nb-x\nb/c.e\nb/c\nb/c/d\n"
				  "b/c/d/e/f\nb.y/z\na\n");
	char below[200] = "";

	(void)state;
	assert_int_equal(filelist_get_count(l), 8);
	assert_names(l, "", "a+ b+/ b-x+ b.y/ ");
	assert_names(l, "b", "c+/ c.e+ ");
	assert_names(l, "b/c", "d+/ ");
	assert_names(l, "b/c/d", "e/ ");
	assert_names(l, "b/c/d/e", "f+ ");
	assert_names(l, "a", "");
	assert_names(l, "none", "");
	assert_names(l, "b.y", "z+ ");
	assert_int_equal(filelist_each_below(l, "b", note_below, below), 0);
	assert_string_equal(below, "b/c b/c.e b/c/d b/c/d/e/f ");
	below[0] = '\0';
	assert_int_equal(filelist_each_below(l, "b/c/d", note_below, below), 0);
	assert_string_equal(below, "b/c/d/e/f ");
	below[0] = '\0';
	assert_int_equal(filelist_each_below(l, "a", note_below, below), 0);
	assert_string_equal(below, "");
	filelist_free(l);
}

static void test_errors(void **state)
{
	struct filelist *l = NULL;
	char error[300], path[] = "/tmp/test_filelist.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a\n..\n", 5), 5);
	close(fd);
	assert_int_equal(
	    filelist_load(path, false, "/tmp", &l, error, sizeof(error)),
	    -EINVAL);
	assert_string_equal(strchr(error, ':'), ":2: a path with .. in it");
	unlink(path);
	assert_int_equal(
	    filelist_load(path, false, "/tmp", &l, error, sizeof(error)),
	    -ENOENT);
	assert_non_null(strstr(error, ": No such file or directory"));
	assert_int_equal(
	    filelist_load("/", false, "/tmp", &l, error, sizeof(error)),
	    -EISDIR);
	assert_string_equal(error, "/: Is a directory");
	assert_int_equal(filelist_load("/dev/null", false, "/nowhere", &l,
				       error, sizeof(error)),
			 -ENOENT);
	assert_non_null(strstr(error, "cannot be kept in /nowhere"));
	assert_null(l);
}

/* More than the spill keeps in memory, in no order. */
static void test_many(void **state)
{
	enum { COUNT = 60000, DIRS = 100 };
	struct filelist_name *names = calloc(COUNT, sizeof(*names));
	char *text = malloc(COUNT * 64), *at = text, dir[64];
	struct filelist *l;
	unsigned seen = 0;

	(void)state;
	assert_non_null(names);
	assert_non_null(text);
	for (unsigned i = 0; i < COUNT; i++) {
		/* All numbers once: it has no factor in common with COUNT. */
		unsigned k = (unsigned)((uint64_t)i * 7919 % COUNT);

		at += sprintf(at, "top/dir%02u/a-long-name-of-number-%u\n",
			      k % DIRS, k);
	}
	l = load(text);
	free(text);
	assert_int_equal(filelist_get_count(l), COUNT);
	for (unsigned i = 0; i < DIRS; i++) {
		int n;

		sprintf(dir, "top/dir%02u", i);
		n = filelist_read(l, dir, NULL, names, COUNT);
		assert_true(n >= 0);
		for (int j = 1; j < n; j++)
			assert_true(strcmp(names[j - 1].name, names[j].name) <
				    0);
		seen += (unsigned)n;
	}
	assert_int_equal(seen, COUNT);
	free(names);
	filelist_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),     cmocka_unit_test(test_nuls),
	    cmocka_unit_test(test_bad_texts), cmocka_unit_test(test_list),
	    cmocka_unit_test(test_errors),    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
