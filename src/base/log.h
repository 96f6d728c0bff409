/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log - messages to the user on standard error and, for a daemon, in a file.
 *
 * Only owners of a decision log (engine, options, main); what lies below them
 * returns an errno. A terminal's progress line is taken away before a message
 * and drawn again by its owner, see log_set_clear().
 *
 * A sink, see log_set_sink(), takes messages elsewhere, and beside the text
 * what is known of the entry that they are about.
 *
 * Thread rule: any thread; lines are written whole. log_set_file() and
 * log_set_sink() by one thread at a time.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_ERROR,   /* something failed and stays failed */
	LOG_WARNING, /* survived, but the user should know */
	LOG_NOTICE,  /* what happens, one line a step */
	LOG_INFO,    /* one line an entry (-v) */
	LOG_DEBUG,   /* what the developer wants (-vv) */
	LOG_ENTRY,   /* what became of one entry; for sinks alone */
};

/* Messages above `level` are dropped; LOG_NOTICE at the start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/*
 * `clear` is printed before each line (an escape sequence that removes a
 * progress line) or "" for nothing. The string is borrowed for good.
 */
void log_set_clear(const char *clear);

/*
 * From here on messages go to a file as well, each with the time in UTC;
 * those up to LOG_NOTICE always, more as log_set_level() says. It is appended
 * to; one that would grow over LOG_FILE_MAX is renamed to `path`.1 first. NULL
 * ends it. Negative errno when it cannot be opened: then there is none.
 */
int log_set_file(const char *path);
#define LOG_FILE_MAX (8 << 20)

/* What a message is about, as it is shown; NULL: not known. */
struct log_fields {
	const char *path;
	const char *action;
	const char *side;
	const char *error;
};

struct log_record {
	enum log_level level;
	int64_t wall_ns;
	const char *message;      /* without a line end */
	struct log_fields fields; /* borrowed, for the time of the call */
};

typedef void log_sink(void *user, const struct log_record *record);

#define LOG_BIT(level) (1u << (unsigned)(level))

/*
 * From here on `sink` is called with each message of one of `levels`, in bits;
 * with `instead` standard error gets none any more. Calls come one after the
 * other, with a lock held: a sink logs nothing but with log_aside(), and does
 * not wait. NULL ends it; nobody is within it then.
 */
void log_set_sink(log_sink *sink, void *user, unsigned levels, bool instead);

/* Does anybody take such messages? Asked before one is made at some cost. */
bool log_wants(enum log_level level);

/* A warning about the log itself, to standard error and the file, never to the
 * sink. */
void log_aside(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line on standard error, as it is. */
void log_print(const char *line);

/* "error", "warning", "notice", "info" or "debug". */
const char *log_level_name(enum log_level level);

/* "2023-10-16T21:41:34.000Z" */
#define LOG_STAMP 40
const char *log_stamp(int64_t wall_ns, char ret[LOG_STAMP]);

void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Likewise, of an entry. */
void log_about(enum log_level level, const struct log_fields *fields,
	       const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)

#endif
