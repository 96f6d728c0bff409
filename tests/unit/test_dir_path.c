/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The walk below a root, with openat2(2) and as an old kernel does it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "volume/dir.h"

static char base[] = "/tmp/dir-path-XXXXXX";
static int root = -1;

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(base))
		return -1;
	root = open(base, O_PATH | O_DIRECTORY);
	if (root < 0 || mkdirat(root, "a", 0755) ||
	    mkdirat(root, "a/b", 0755) || symlinkat("a", root, "link") ||
	    symlinkat("../..", root, "a/out") || symlinkat("/", root, "abs") ||
	    symlinkat("b", root, "a/last") || symlinkat("loop", root, "loop") ||
	    mkfifoat(root, "fifo", 0666))
		return -1;
	return 0;
}

static int end(void **state)
{
	static const char *const names[] = {
	    "a/last", "a/out", "abs", "fifo", "link", "loop",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(root, names[i], 0);
	unlinkat(root, "a/b", AT_REMOVEDIR);
	unlinkat(root, "a", AT_REMOVEDIR);
	close(root);
	return rmdir(base);
}

static const struct {
	const char *path; /* what is opened */
	const char *same; /* what it is, or NULL: -ESTALE */
} rows[] = {
    {"", "."},           {"a", "a"},          {"a/b", "a/b"},
    {"missing", NULL},   {"a/missing", NULL}, {"missing/b", NULL},
    {"link", NULL},      {"link/b", NULL},    {"a/out", NULL},
    {"a/out/tmp", NULL}, {"abs", NULL},       {"abs/tmp", NULL},
    {"a/last", NULL},    {"loop", NULL},      {"loop/x", NULL},
    {"fifo", NULL},      {"fifo/x", NULL},
};

static void try_rows(bool has_openat2)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stat want, got;
		int fd = -1;
		int result = dir_path_open(root, has_openat2, rows[i].path,
					   strlen(rows[i].path), &fd);

		if (!rows[i].same) {
			assert_int_equal(result, -ESTALE);
			assert_int_equal(fd, -1);
			continue;
		}
		assert_int_equal(result, 0);
		assert_int_equal(fstat(fd, &got), 0);
		assert_int_equal(fstatat(root, rows[i].same, &want, 0), 0);
		assert_int_equal(got.st_ino, want.st_ino);
		assert_int_equal(got.st_dev, want.st_dev);
		close(fd);
	}
}

static void test_openat2(void **state)
{
	(void)state;
	/* A kernel without it takes the other way everywhere. */
	if (dir_path_has_openat2(root))
		try_rows(true);
}

static void test_by_component(void **state)
{
	(void)state;
	try_rows(false);
}

/* Makes `levels` directories of names of `len` bytes, one in the other;
 * returns the path. */
static char *make_deep(size_t levels, size_t len)
{
	char *path = calloc(levels, len + 1);
	char name[NAME_MAX + 1];
	int fd = dup(root);

	assert_non_null(path);
	memset(name, 'n', len);
	name[len] = '\0';
	for (size_t i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		strcat(path, name);
		if (i + 1 < levels)
			strcat(path, "/");
	}
	close(fd);
	return path;
}

static void remove_deep(char *path, size_t len)
{
	while (*path) {
		size_t total = strlen(path);
		size_t parent = total > len ? total - len - 1 : 0;
		int fd;

		assert_int_equal(dir_path_open(root, false, path, parent, &fd),
				 0);
		assert_int_equal(unlinkat(fd,
					  path + parent + (parent > 0 ? 1 : 0),
					  AT_REMOVEDIR),
				 0);
		close(fd);
		path[parent] = '\0';
	}
	free(path);
}

static void test_long_paths(void **state)
{
	static const struct {
		size_t levels, len;
	} deep[] = {{1000, 1}, {16, 255}, {17, 255}, {64, 255}, {256, 15}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deep); i++) {
		char *path = make_deep(deep[i].levels, deep[i].len);
		size_t last = strlen(path) - 1;

		for (int how = 0; how < 2; how++) {
			bool new = how &&dir_path_has_openat2(root);
			int fd;

			assert_int_equal(
			    dir_path_open(root, new, path, last + 1, &fd), 0);
			close(fd);
			path[last] = 'x';
			assert_int_equal(
			    dir_path_open(root, new, path, last + 1, &fd),
			    -ESTALE);
			path[last] = 'n';
		}
		remove_deep(path, deep[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_openat2),
	    cmocka_unit_test(test_by_component),
	    cmocka_unit_test(test_long_paths),
	};

	return cmocka_run_group_tests_name("dir_path", tests, begin, end);
}
