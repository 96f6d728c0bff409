/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spill - what does not fit in memory: a keyed store and a stack of byte
 * strings in a temporary SQLite database that vanishes with the process.
 *
 * Used to join the listings of a huge directory, for directories that wait to
 * be scanned, and for hard links already met. The page cache is bounded
 * (8 MiB), nothing is synced, the file is unlinked as soon as it is open.
 *
 * Thread rule: one thread at a time; callers lock.
 */
#ifndef SYNC_SPILL_H
#define SYNC_SPILL_H

#include <stddef.h>

struct spill;

/* `directory` is where the file is made. */
int spill_new(const char *directory, struct spill **ret);
struct spill *spill_free(struct spill *s);

/* Stores or replaces `value` under `key`. 0 or negative errno. */
int spill_put(struct spill *s, const void *key, size_t key_len,
	      const void *value, size_t value_len);

/* 1 with a heap copy in `ret` (the caller frees), 0 when there is none. */
int spill_get(struct spill *s, const void *key, size_t key_len, void **ret,
	      size_t *ret_len);

/* Like get, and takes it out. */
int spill_take(struct spill *s, const void *key, size_t key_len, void **ret,
	       size_t *ret_len);

/*
 * The pair with the lowest key above `after` (bytes compared): 1 with heap
 * copies of key and value (the caller frees both), 0 when there is none. Keys
 * may be put and taken between two calls.
 */
int spill_next(struct spill *s, const void *after, size_t after_len,
	       void **ret_key, size_t *ret_key_len, void **ret,
	       size_t *ret_len);

/* Removes all keys. */
int spill_clear(struct spill *s);

/* Last in, first out. Pop: 1 with a heap copy, 0 when empty. */
int spill_push(struct spill *s, const void *value, size_t value_len);
int spill_pop(struct spill *s, void **ret, size_t *ret_len);

#endif
