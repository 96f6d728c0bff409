/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * There is room for one letter. It is written under a name of its own and gets
 * the name by link(), which fails while another one lies there: so it is whole
 * when it is seen, and none is written over. Whoever takes it removes the name,
 * and by that the sender knows.
 */
#include "sync/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* How often the sender looks. */
#define POLL_NS (20 * NS_PER_MS)

static char *path_of(const char *directory, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/mailbox%s", directory, suffix) < 0 ? NULL
								      : path;
}

/* The letter under the name `path`, which is a pattern of mkostemp(). */
static int write_letter(char *path, const char *text, struct stat *ret)
{
	CLEANUP_CLOSE int fd = mkostemp(path, O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	r = n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;
	if (r == 0 && fstat(fd, ret) < 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

static void rest(void)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};

	nanosleep(&pause, NULL);
}

/* Puts it there as soon as there is room. */
static int drop_in(const char *letter, const char *box, int64_t deadline_ns)
{
	while (link(letter, box) < 0) {
		if (errno != EEXIST)
			return -errno;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		rest();
	}
	return 0;
}

static bool is_there(const char *box, const struct stat *letter)
{
	struct stat st;

	return lstat(box, &st) == 0 && st.st_dev == letter->st_dev &&
	       st.st_ino == letter->st_ino;
}

/* Until it was taken; then nobody else's is looked for under its number, for
 * the name `letter` keeps that. */
static int await(const char *box, const struct stat *letter,
		 int64_t deadline_ns)
{
	while (is_there(box, letter)) {
		if (clock_now_ns() >= deadline_ns) {
			unlink(box);
			return -ETIMEDOUT;
		}
		rest();
	}
	return 0;
}

int mailbox_post(const char *directory, const char *text, int64_t patience_ns)
{
	int64_t deadline_ns = clock_now_ns() + patience_ns;
	CLEANUP_FREE char *letter = path_of(directory, ".XXXXXX");
	CLEANUP_FREE char *box = path_of(directory, "");
	struct stat st;
	int r;

	if (strlen(text) > MAILBOX_MAX)
		return -E2BIG;
	if (!letter || !box)
		return -ENOMEM;
	r = write_letter(letter, text, &st);
	if (r < 0)
		return r;
	r = drop_in(letter, box, deadline_ns);
	if (r == 0)
		r = await(box, &st, deadline_ns);
	unlink(letter);
	return r;
}

/* Only who may run the task may write there; but what lies there may be
 * anything. */
static int read_letter(int fd, char **ret)
{
	CLEANUP_FREE char *text = calloc(1, MAILBOX_MAX + 1);
	struct stat st;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > MAILBOX_MAX ||
	    (st.st_uid != geteuid() && st.st_uid != 0))
		return -EUCLEAN;
	n = pread(fd, text, MAILBOX_MAX, 0);
	if (n < 0)
		return -errno;
	*ret = steal(text);
	return 1;
}

int mailbox_take(const char *directory, char **ret)
{
	CLEANUP_FREE char *box = path_of(directory, "");
	CLEANUP_CLOSE int fd = -1;
	int r;

	if (!box)
		return -ENOMEM;
	fd = open(box, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	r = fd < 0 ? -errno : read_letter(fd, ret);
	unlink(box);
	return r;
}

void mailbox_clear(const char *directory)
{
	CLEANUP_FREE char *box = path_of(directory, "");

	if (box)
		unlink(box);
}
