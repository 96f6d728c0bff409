/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config - the configuration file, efsbridge.conf(5), as sections of keys.
 *
 * What is refused here is what is wrong whatever the keys mean: a line that is
 * none, a section that is not known or comes twice, a file that others may
 * write. What keys there are, and what values, options_config.h knows.
 *
 * Thread rule: immutable once read.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The longest message with a place before it. */
#define CONFIG_ERROR_SIZE 1024

enum config_kind {
	CONFIG_DEFAULTS, /* [defaults] */
	CONFIG_LOCATION, /* [location NAME] */
	CONFIG_TASK,     /* [task NAME] */
};

struct config_entry {
	char *key;
	char *value;
	unsigned line;
};

struct config_section {
	enum config_kind kind;
	char *name; /* "" of [defaults] */
	unsigned line;
	struct config_entry *entries; /* in the order of the file */
	size_t count;
};

struct config;

/*
 * Where the configuration is, heap: `given` if that is not NULL; for others
 * than root $XDG_CONFIG_HOME/efsbridge.conf (without XDG_CONFIG_HOME,
 * $HOME/.config/efsbridge.conf) if it exists; else the system's. NULL when out
 * of memory.
 */
char *config_locate(const char *given);

/*
 * Reads `path`. On failure `error` (CONFIG_ERROR_SIZE) is a sentence that
 * begins with the file and, for what stands in it, the line. -ENOENT: there is
 * no such file; -EACCES: may not be read; -EPERM: this is root, and others may
 * write it; -EINVAL: what stands in it.
 */
int config_load(const char *path, struct config **ret, char *error);

/* Likewise, from a stream; `path` is its name in messages. Nobody is asked
 * whose it is. */
int config_read(FILE *stream, const char *path, struct config **ret,
		char *error);

struct config *config_free(struct config *c);

const char *config_get_path(const struct config *c);

/* Section number `index`, or NULL after the last one. */
const struct config_section *config_get_section(const struct config *c,
						size_t index);

/* The section of that kind and name, or NULL. */
const struct config_section *
config_find(const struct config *c, enum config_kind kind, const char *name);

/* The last entry of that key, or NULL. */
const struct config_entry *
config_find_entry(const struct config_section *section, const char *key);

/* Writes "FILE:LINE: " and the sentence to `error`. Returns -EINVAL. */
int config_refuse(const struct config *c, unsigned line, char *error,
		  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
