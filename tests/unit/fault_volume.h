/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_volume - a volume of a local directory in which things go wrong as a
 * test wants it: the n-th item of a verb fails, a file changes while it is
 * read, what is read is not what was written, ...
 *
 * Every item is counted, also those that a rule makes fail, so that a test
 * can ask how many calls of a verb there were.
 *
 * Thread rule: rules are added before the volume is used; the rest from any
 * thread.
 */
#ifndef UNIT_FAULT_VOLUME_H
#define UNIT_FAULT_VOLUME_H

#include <stdint.h>

#include "volume/volume.h"

enum fault_effect {
	FAULT_FAIL,    /* the item fails with `error`, nothing is done */
	FAULT_LATE,    /* it is done, but answered with `error` */
	FAULT_CHANGE,  /* the file gets other bytes behind the read */
	FAULT_GROW,    /* the file gets more bytes behind the read */
	FAULT_VANISH,  /* the file is removed before the read */
	FAULT_CORRUPT, /* one bit of what was read is another */
	FAULT_FORGET,  /* from here on the write verifier is another */
	FAULT_CALL,    /* `call` is called before the item is done */
};

#define FAULT_FOREVER UINT64_MAX

/*
 * Of the items of `verb` (VOLUME_VERBS: of any) that concern `name` (NULL:
 * whatever), number `first` (from 1) and those behind it, `times` in all.
 * Strings are borrowed for the life of the volume.
 */
struct fault_rule {
	enum volume_verb verb;
	const char *name;
	uint64_t first;
	uint64_t times;
	enum fault_effect effect;
	int error;
	void (*call)(void *user);
	void *user;
};

/* A volume of directory `path` (borrowed). NULL without memory or directory.
 * Freed with volume_free(). */
struct volume *fault_volume_open(const char *path);

/* At most FAULT_RULES of them. */
#define FAULT_RULES 8
void fault_volume_add(struct volume *v, const struct fault_rule *rule);

/* Links beyond `max` names of one object answer -EMLINK; 0: no limit. */
void fault_volume_limit_links(struct volume *v, uint64_t max);

/* Items of `verb` so far; VOLUME_VERBS: of all. */
uint64_t fault_volume_count(struct volume *v, enum volume_verb verb);

#endif
