/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static _Atomic enum log_level threshold = LOG_NOTICE;
static const char *_Atomic clear_line = "";

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
		return "efsbridge: error: ";
	case LOG_WARNING:
		return "efsbridge: warning: ";
	default:
		return "efsbridge: ";
	}
}

void log_message(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > atomic_load(&threshold))
		return;
	va_start(args, format);
	flockfile(stderr);
	fputs(atomic_load(&clear_line), stderr);
	fputs(prefix(level), stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	fflush(stderr);
	funlockfile(stderr);
	va_end(args);
}
