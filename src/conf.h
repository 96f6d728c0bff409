/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the configuration file, efsbridge.conf(5), as sections of keys.
 *
 * What is refused here is what is wrong whatever the keys mean: a line that is
 * none, a section that is not known or comes twice, a file that others may
 * write. What keys there are, and what values, options_conf.h knows.
 *
 * Thread rule: immutable once read.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The longest message with a place before it. */
#define CONF_ERROR_SIZE 1024

enum conf_kind {
	CONF_DEFAULTS, /* [defaults] */
	CONF_LOCATION, /* [location NAME] */
	CONF_TASK,     /* [task NAME] */
};

struct conf_entry {
	char *key;
	char *value;
	unsigned line;
};

struct conf_section {
	enum conf_kind kind;
	char *name; /* "" of [defaults] */
	unsigned line;
	struct conf_entry *entries; /* in the order of the file */
	size_t count;
};

struct conf;

/*
 * Where the configuration is, heap: `given` if that is not NULL; for others
 * than root $XDG_CONFIG_HOME/efsbridge.conf (without XDG_CONFIG_HOME,
 * $HOME/.config/efsbridge.conf) if it exists; else the system's. NULL when out
 * of memory.
 */
char *conf_locate(const char *given);

/*
 * Reads `path`. On failure `error` (CONF_ERROR_SIZE) is a sentence that
 * begins with the file and, for what stands in it, the line. -ENOENT: there is
 * no such file; -EACCES: may not be read; -EPERM: this is root, and others may
 * write it; -EINVAL: what stands in it.
 */
int conf_load(const char *path, struct conf **ret, char *error);

/* Likewise, from a stream; `path` is its name in messages. Nobody is asked
 * whose it is. */
int conf_read(FILE *stream, const char *path, struct conf **ret, char *error);

struct conf *conf_free(struct conf *c);

const char *conf_get_path(const struct conf *c);

/* Section number `index`, or NULL after the last one. */
const struct conf_section *conf_get_section(const struct conf *c, size_t index);

/* The section of that kind and name, or NULL. */
const struct conf_section *conf_find(const struct conf *c, enum conf_kind kind,
				     const char *name);

/* The last entry of that key, or NULL. */
const struct conf_entry *conf_find_entry(const struct conf_section *section,
					 const char *key);

/* Writes "FILE:LINE: " and the sentence to `error`. Returns -EINVAL. */
int conf_refuse(const struct conf *c, unsigned line, char *error,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
