/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message is made once and goes to standard error and, when there is one, to
 * the file and the sink: to the file in one write(2) to a descriptor in append
 * mode, so that whoever follows the file sees whole lines. The file is never
 * allowed to hold up the work: what cannot be written to it (a full disk) is
 * dropped, since it went to standard error as well.
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

/* The sink; guarded by its lock, which is held while it is called. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink *sink;
static void *sink_user;
static _Atomic unsigned sink_levels; /* a look without the lock */
static _Atomic bool sink_instead;

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

static void file_write(const struct log_record *r)
{
	CLEANUP_FREE char *line = NULL;
	char stamp[LOG_STAMP];
	int size;

	size = asprintf(&line, "%s %s%s\n", log_stamp(r->wall_ns, stamp),
			prefix(r->level), r->message);
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

/* --- The sink ------------------------------------------------------------ */

void log_set_sink(log_sink *function, void *user, unsigned levels, bool instead)
{
	pthread_mutex_lock(&sink_lock);
	sink = function;
	sink_user = user;
	atomic_store(&sink_levels, function ? levels : 0);
	atomic_store(&sink_instead, function && instead);
	pthread_mutex_unlock(&sink_lock);
}

static bool sink_wants(enum log_level level)
{
	return atomic_load(&sink_levels) & LOG_BIT(level);
}

static void sink_put(const struct log_record *r)
{
	pthread_mutex_lock(&sink_lock);
	if (sink)
		sink(sink_user, r);
	pthread_mutex_unlock(&sink_lock);
}

/* --- Messages ------------------------------------------------------------ */

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {
	    [LOG_ERROR] = "error",   [LOG_WARNING] = "warning",
	    [LOG_NOTICE] = "notice", [LOG_INFO] = "info",
	    [LOG_DEBUG] = "debug",   [LOG_ENTRY] = "info",
	};

	return names[level];
}

const char *log_stamp(int64_t wall_ns, char ret[LOG_STAMP])
{
	struct timespec at = clock_split_ns(wall_ns);
	struct tm tm;
	size_t n;

	gmtime_r(&at.tv_sec, &tm);
	n = strftime(ret, LOG_STAMP, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, LOG_STAMP - n, ".%03ldZ",
		 at.tv_nsec / (long)NS_PER_MS);
	return ret;
}

void log_print(const char *line)
{
	flockfile(stderr);
	fputs(atomic_load(&clear_line), stderr);
	fprintf(stderr, "%s\n", line);
	fflush(stderr);
	funlockfile(stderr);
}

static void print(const struct log_record *r)
{
	flockfile(stderr);
	fputs(atomic_load(&clear_line), stderr);
	fprintf(stderr, "efsbridge: %s%s\n", prefix(r->level), r->message);
	fflush(stderr);
	funlockfile(stderr);
}

bool log_wants(enum log_level level)
{
	return level <= atomic_load(&threshold) || sink_wants(level);
}

/* What a server said, a target of a symlink or a reason, may be in a message:
 * no letter of it is to command a terminal or to begin a line. That includes
 * U+0080 to U+009F, the controls of two bytes in UTF-8. */
static void make_visible(char *message)
{
	for (char *s = message; *s; s++) {
		uint8_t c = (uint8_t)*s, next = (uint8_t)s[1];

		if (c < ' ' || c == 0x7f)
			*s = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			*s = s[1] = '?';
	}
}

__attribute__((format(printf, 3, 0))) static void
put(enum log_level level, const struct log_fields *fields, const char *format,
    va_list args)
{
	bool sunk = sink_wants(level);
	bool printed =
	    level <= atomic_load(&threshold) && !atomic_load(&sink_instead);
	bool filed = atomic_load(&file_is_open) &&
		     (printed || sunk || level <= LOG_NOTICE);
	CLEANUP_FREE char *message = NULL;
	struct log_record r = {.level = level, .wall_ns = clock_wall_ns()};

	if (!printed && !filed && !sunk)
		return;
	if (vasprintf(&message, format, args) < 0) {
		message = NULL; /* of an unknown value until here */
		return;
	}
	make_visible(message);
	r.message = message;
	if (fields)
		r.fields = *fields;
	if (printed)
		print(&r);
	if (filed)
		file_write(&r);
	if (sunk)
		sink_put(&r);
}

void log_message(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(level, NULL, format, args);
	va_end(args);
}

void log_about(enum log_level level, const struct log_fields *fields,
	       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(level, fields, format, args);
	va_end(args);
}

void log_aside(const char *format, ...)
{
	CLEANUP_FREE char *message = NULL;
	struct log_record r = {.level = LOG_WARNING,
			       .wall_ns = clock_wall_ns()};
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&message, format, args);
	va_end(args);
	if (n < 0) {
		message = NULL;
		return;
	}
	make_visible(message);
	r.message = message;
	print(&r);
	if (atomic_load(&file_is_open))
		file_write(&r);
}
