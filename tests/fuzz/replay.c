/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A fuzzer without libFuzzer: fuzz_x reads the files of its corpus, which are
 * in tests/fuzz/corpus/x, or those that are its arguments. So `make check` goes
 * through all that was ever found, with any compiler.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz.h"

/* The file that is read, for whoever looks for the reason of a crash. */
static char current[4096];

static void tell(int number)
{
	static const char words[] = "# fails on ";

	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0 ||
	    write(STDERR_FILENO, current, strlen(current)) < 0 ||
	    write(STDERR_FILENO, "\n", 1) < 0)
		_exit(1);
	signal(number, SIG_DFL);
	raise(number);
}

/* 0, or 1 when it cannot be read. */
static int replay(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	/* Of its exact size, so that a sanitizer sees what is behind it. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		return 1;
	close(fd);
	snprintf(current, sizeof(current), "%s", path);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 0;
}

/* How many files were read; negative: not all could be. */
static int replay_all(const char *directory)
{
	struct dirent **names;
	int count = scandir(directory, &names, NULL, alphasort);
	int done = 0;

	if (count < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		CLEANUP_FREE char *path = NULL;

		if (asprintf(&path, "%s/%s", directory, names[i]->d_name) < 0)
			abort();
		if (names[i]->d_name[0] != '.' && done >= 0)
			done = replay(path) ? -1 : done + 1;
		free(names[i]);
	}
	free(names);
	return done;
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir");
	const char *name = strrchr(argv[0], '/');
	CLEANUP_FREE char *directory = NULL;
	int failed = 0, count;

	signal(SIGABRT, tell);
	signal(SIGSEGV, tell);
	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	if (argc > 1)
		return failed;
	name = name ? name + 1 : argv[0];
	name += !strncmp(name, "fuzz_", 5) ? 5 : 0;
	if (asprintf(&directory, "%s/tests/fuzz/corpus/%s",
		     source ? source : ".", name) < 0)
		return 1;
	puts("1..1");
	fflush(stdout);
	count = replay_all(directory);
	if (count > 0)
		printf("ok 1 - %s: %d files hold\n", name, count);
	else
		printf("not ok 1 - %s: no corpus to be read in %s\n", name,
		       directory);
	return count <= 0;
}
