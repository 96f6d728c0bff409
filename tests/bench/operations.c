/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * operations - how long one operation on a tree takes.
 *
 *	operations [--threads N] [--count N] WHAT <PATHS
 *
 * PATHS are names of files, each with a NUL behind it. WHAT is
 *
 *	stat	the attributes of each, once
 *	read	each is opened, read to its end, and closed, once
 *	page	--count pages of 4 KiB somewhere in the first file
 *	xattr	--count times user.efsbridge.origin of the first file, or the
 *		error that it has none
 *
 * The threads share the work. Prints how many operations there were and the
 * microseconds that all of it took. Exit status 1: one failed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define PAGE        4096
#define BLOCK       (1 << 20)

/* What a thread has for itself. */
struct worker {
	pthread_t thread;
	char *buffer; /* BLOCK bytes */
	uint64_t random;
};

static char **paths;
static size_t path_count;
static size_t total; /* operations */
static int page_fd = -1;
static uint64_t page_count;
static void (*operation)(struct worker *w, size_t i);
static atomic_size_t next;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

/* --- Operations ----------------------------------------------------------- */

static void do_stat(struct worker *w, size_t i)
{
	struct stat st;

	(void)w;
	if (lstat(paths[i], &st) < 0)
		err(1, "%s", paths[i]);
}

static void do_read(struct worker *w, size_t i)
{
	int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		err(1, "%s", paths[i]);
	while ((n = read(fd, w->buffer, BLOCK)) > 0)
		;
	if (n < 0)
		err(1, "%s", paths[i]);
	close(fd);
}

/* xorshift64: good enough to be no order that a reader ahead could guess. */
static uint64_t roll(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void do_page(struct worker *w, size_t i)
{
	uint64_t page = roll(w) % page_count;

	(void)i;
	if (pread(page_fd, w->buffer, PAGE, (off_t)(page * PAGE)) != PAGE)
		err(1, "%s", paths[0]);
}

static void do_xattr(struct worker *w, size_t i)
{
	(void)i;
	if (lgetxattr(paths[0], "user.efsbridge.origin", w->buffer, PAGE) < 0 &&
	    errno != ENODATA)
		err(1, "%s", paths[0]);
}

/* --- The rest ------------------------------------------------------------- */

static void *work(void *arg)
{
	struct worker *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&next, 1)) < total)
		operation(w, i);
	return NULL;
}

static void read_paths(void)
{
	size_t room = 0, size = 0;
	char *path = NULL;

	while (getdelim(&path, &size, '\0', stdin) > 0) {
		if (path_count == room) {
			room = 2 * room + 1024;
			paths = reallocarray(paths, room, sizeof(*paths));
			if (!paths)
				err(2, "reallocarray");
		}
		paths[path_count++] = path;
		path = NULL;
		size = 0;
	}
	free(path);
	if (ferror(stdin) || path_count == 0)
		errx(2, "no paths to work on");
}

static void open_pages(void)
{
	struct stat st;

	page_fd = open(paths[0], O_RDONLY | O_CLOEXEC);
	if (page_fd < 0 || fstat(page_fd, &st) < 0)
		err(2, "%s", paths[0]);
	page_count = (uint64_t)st.st_size / PAGE;
	if (page_count == 0)
		errx(2, "%s: smaller than a page", paths[0]);
	posix_fadvise(page_fd, 0, 0, POSIX_FADV_RANDOM);
}

static size_t number_of(const char *option, const char *text, size_t max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < 1 || n > max)
		errx(2, "--%s: a number from 1 to %zu, not `%s`", option, max,
		     text);
	return n;
}

static void choose(const char *what, size_t count)
{
	total = count;
	if (!strcmp(what, "stat") || !strcmp(what, "read")) {
		operation = *what == 's' ? do_stat : do_read;
		total = path_count;
	} else if (!strcmp(what, "page")) {
		operation = do_page;
		open_pages();
	} else if (!strcmp(what, "xattr")) {
		operation = do_xattr;
	} else {
		errx(2, "%s: no such operation", what);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"count", required_argument, NULL, 'c'},
	    {"threads", required_argument, NULL, 't'},
	    {0},
	};
	static struct worker workers[THREADS_MAX];
	size_t threads = 1, count = 1000;
	int64_t start_us;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			count = number_of("count", optarg, 100000000);
		else if (c == 't')
			threads = number_of("threads", optarg, THREADS_MAX);
		else
			return 2;
	}
	if (argc - optind != 1)
		errx(2, "usage: operations [--threads N] [--count N] "
			"stat|read|page|xattr <PATHS");
	read_paths();
	choose(argv[optind], count);
	for (size_t i = 0; i < threads; i++) {
		workers[i].random = i + 1;
		workers[i].buffer = malloc(BLOCK);
		if (!workers[i].buffer)
			err(2, "malloc");
	}
	start_us = now_us();
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(2, "cannot start a thread");
	for (size_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	printf("%zu %jd\n", total, (intmax_t)(now_us() - start_us));
	return 0;
}
