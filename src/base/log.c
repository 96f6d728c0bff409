/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message is made once and goes to standard error and, when there is one, to
 * the file: there in one write(2) to a descriptor in append mode, so that
 * whoever follows the file sees whole lines. The file is never allowed to hold
 * up the work: what cannot be written to it (a full disk) is dropped, since it
 * went to standard error as well.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static _Atomic enum log_level threshold = LOG_NOTICE;
static const char *_Atomic clear_line = "";

/* The file; guarded by its lock, a leaf. */
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;
static int file_fd = -1;
static char *file_path;
static int64_t file_bytes;
static _Atomic bool file_is_open; /* a look without the lock */

void log_set_level(enum log_level level)
{
	atomic_store(&threshold, level);
}

enum log_level log_get_level(void)
{
	return atomic_load(&threshold);
}

void log_set_clear(const char *clear)
{
	atomic_store(&clear_line, clear);
}

static const char *prefix(enum log_level level)
{
	switch (level) {
	case LOG_ERROR:
		return "error: ";
	case LOG_WARNING:
		return "warning: ";
	default:
		return "";
	}
}

/* --- The file ------------------------------------------------------------ */

/* Opens file_path to append to it. */
static int file_reopen(void)
{
	struct stat st;

	file_fd =
	    open(file_path,
		 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file_fd < 0)
		return -errno;
	file_bytes = fstat(file_fd, &st) == 0 ? st.st_size : 0;
	return 0;
}

static void file_close(void)
{
	if (file_fd >= 0)
		close(file_fd);
	file_fd = -1;
}

/* The full file becomes the old one, whose predecessor goes. */
static void file_rotate(void)
{
	CLEANUP_FREE char *old = NULL;

	if (asprintf(&old, "%s.1", file_path) < 0) {
		old = NULL;
		return;
	}
	if (rename(file_path, old) < 0)
		return;
	file_close();
	file_reopen();
}

static void file_write(enum log_level level, const char *message)
{
	struct timespec now = clock_split_ns(clock_wall_ns());
	CLEANUP_FREE char *line = NULL;
	char stamp[32];
	struct tm tm;
	int size;

	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	size = asprintf(&line, "%s.%03ldZ %s%s\n", stamp,
			now.tv_nsec / (long)NS_PER_MS, prefix(level), message);
	if (size < 0) {
		line = NULL;
		return;
	}
	pthread_mutex_lock(&file_lock);
	if (file_path && file_bytes > 0 && file_bytes + size > LOG_FILE_MAX)
		file_rotate();
	/* One that could not be opened after a rotation is tried again. */
	if (file_path && (file_fd >= 0 || file_reopen() == 0)) {
		ssize_t n = write(file_fd, line, (size_t)size);

		file_bytes += n > 0 ? n : 0;
	}
	pthread_mutex_unlock(&file_lock);
}

int log_set_file(const char *path)
{
	char *copy = path ? strdup(path) : NULL;
	int r = 0;

	if (path && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&file_lock);
	file_close();
	free(file_path);
	file_path = copy;
	if (file_path)
		r = file_reopen();
	if (r) {
		free(file_path);
		file_path = NULL;
	}
	atomic_store(&file_is_open, file_path != NULL);
	pthread_mutex_unlock(&file_lock);
	return r;
}

/* --- Messages ------------------------------------------------------------ */

static void print(enum log_level level, const char *message)
{
	flockfile(stderr);
	fputs(atomic_load(&clear_line), stderr);
	fprintf(stderr, "efsbridge: %s%s\n", prefix(level), message);
	fflush(stderr);
	funlockfile(stderr);
}

void log_message(enum log_level level, const char *format, ...)
{
	bool printed = level <= atomic_load(&threshold);
	bool filed =
	    atomic_load(&file_is_open) && (printed || level <= LOG_NOTICE);
	CLEANUP_FREE char *message = NULL;
	va_list args;
	int n;

	if (!printed && !filed)
		return;
	va_start(args, format);
	n = vasprintf(&message, format, args);
	va_end(args);
	if (n < 0) {
		message = NULL; /* of an unknown value until here */
		return;
	}
	if (printed)
		print(level, message);
	if (filed)
		file_write(level, message);
}
