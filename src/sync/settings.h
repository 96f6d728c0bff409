/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * settings - the options of a task, each under its word: the command line
 * writes --WORD[=VALUE], the configuration WORD = VALUE, .sync/control
 * WORD=VALUE. One table says which there are and what they take.
 *
 * Thread rule: pure; a struct sync_options is its owner's.
 */
#ifndef SYNC_SETTINGS_H
#define SYNC_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sync_options;

/* One of the words that a value may be, ours or DataSync's, in any case. The
 * last one of a list has none. */
struct setting_choice {
	const char *word;
	int value;
};

struct setting {
	const char *word;
	/* What a value is, to follow "say"; NULL: a flag, which takes no
	 * value, or yes or no. */
	const char *expects;
	size_t at; /* of a flag its bool, of a choice its enum: where it is in
		      struct sync_options */
	const struct setting_choice *choices; /* NULL: no choice */
	bool many; /* may be given several times; else the last one counts,
		      and a section of the configuration has it once */
	bool live; /* may be changed while a run is under way: what
		      engine_adopt() takes over */
	/* Sets it. -EINVAL: a bad value; `error` is left empty when `expects`
	 * says all there is to say. -ENOMEM. */
	int (*take)(const struct setting *s, struct sync_options *o,
		    const char *value, char *error, size_t error_size);
};

/* All of them, in the order of the manual. */
const struct setting *settings_get(size_t *ret_count);

/*
 * Sets the option `word`; `value` is NULL when none was written. -ENOENT: no
 * such word; -EINVAL: no value that it takes; -ENOMEM. `error` has a sentence
 * that names neither: the caller knows how it was written, and where.
 */
int settings_set(struct sync_options *o, const char *word, const char *value,
		 char *error, size_t error_size);

/* The same for those that may be changed while a run is under way; -EPERM for
 * one that may not, with a sentence. */
int settings_set_live(struct sync_options *o, const char *word,
		      const char *value, char *error, size_t error_size);
/* Do the options go together? 0, or -EINVAL with a sentence in `error`. To be
 * asked once all are set. */
int settings_check(const struct sync_options *o, char *error,
		   size_t error_size);

/* A whole number from `min` to `max` in decimal digits, nothing else. */
int settings_parse_number(const char *text, uint64_t min, uint64_t max,
			  uint64_t *ret);

/* Frees what settings_set() has put into the options. */
void settings_done(struct sync_options *o);

/* "90", "90s", "15m", "2h", "1d": from a second to ten years. */
int settings_parse_time(const char *text, int64_t *ret_ns);

#endif
