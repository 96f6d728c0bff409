/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster - the entries of a directory under their numbers 1, 2, 3, .., which
 * are the offsets that the kernel knows them by: what was read once can be
 * read again, as seekdir(3) wants it.
 *
 * Entries lie in blocks that never change once they are published. The last
 * ROSTER_MEMORY bytes of blocks are in memory, those before them in a spill,
 * from which they come back when somebody asks for them.
 *
 * Thread rule: roster_get() and roster_count() from any thread, all else by
 * one thread at a time (the producer).
 */
#ifndef VIEW_ROSTER_H
#define VIEW_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "view/merge.h"

#define ROSTER_MEMORY (2 * 1024 * 1024)

struct block;
struct roster;

/* `spill_directory` is borrowed. NULL when out of memory. */
struct roster *roster_new(const char *spill_directory);
/* Blocks that somebody holds stay. */
struct roster *roster_free(struct roster *r);

/*
 * Appends an entry. It is seen once its block is full or roster_publish() was
 * called. 0 or negative errno.
 */
int roster_add(struct roster *r, const struct merged *entry);
int roster_publish(struct roster *r);

/* How many entries are published, and so the number of the last. */
uint64_t roster_count(struct roster *r);

/* The block in which entry `number` is, held; NULL: it is not in memory now,
 * or not published. */
struct block *roster_get(struct roster *r, uint64_t number);

/* Brings the block of a published entry back into memory, where it stays until
 * another one is brought. 0 or negative errno. */
int roster_load(struct roster *r, uint64_t number);

struct block *block_drop(struct block *b); /* NULL is let through */

/*
 * The entry with this number, which is in the block: `ret` points into it. The
 * entries behind it follow with `*at` as it was left: 0 to begin with. False
 * behind the last.
 */
bool block_read(const struct block *b, uint64_t number, size_t *at,
		struct merged *ret);

#endif
