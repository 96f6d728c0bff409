/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log - messages to the user on standard error and, for a daemon, in a file.
 *
 * Only owners of a decision log (engine, options, main); what lies below them
 * returns an errno. A terminal's progress line is taken away before a message
 * and drawn again by its owner, see log_set_clear().
 *
 * Thread rule: any thread; lines are written whole. log_set_file() by one
 * thread at a time.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_ERROR,   /* something failed and stays failed */
	LOG_WARNING, /* survived, but the user should know */
	LOG_NOTICE,  /* what happens, one line a step */
	LOG_INFO,    /* one line an entry (-v) */
	LOG_DEBUG,   /* what the developer wants (-vv) */
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

void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)

#endif
