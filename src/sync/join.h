/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * join - one side's listing of a directory, to be asked by name for each entry
 * that the other side lists, and then for the names that are left. The engine
 * puts the destination's into it.
 *
 * The two sides list in orders of their own, so one listing has to be held:
 * in memory up to a bound, beyond it in a spill.
 *
 * Thread rule: one thread at a time.
 */
#ifndef SYNC_JOIN_H
#define SYNC_JOIN_H

#include <stddef.h>
#include <stdint.h>

#include "nfs/attr.h"
#include "nfs/handle.h"

struct join;
struct volume_entry;

/* `spill_directory` (borrowed) is used when a directory is large: for what is
 * beyond `memory_max` entries. */
struct join *join_new(const char *spill_directory, size_t memory_max);
struct join *join_free(struct join *j);

/* Forgets everything, for the next directory. */
void join_reset(struct join *j);

/*
 * May take name and handle out of `entry`. 0 or negative errno. A name that is
 * there already has the new attributes: a server may list one twice when
 * another object is renamed to it meanwhile.
 */
int join_add(struct join *j, struct volume_entry *entry);

/* Looks `name` up: 1 with the attributes and the handle (the caller's), 0
 * when there is none. Each name is asked for once. */
int join_take(struct join *j, const char *name, struct attr *ret_attr,
	      struct handle **ret_handle);

/*
 * Takes any name out that is left: 1 with the name and the handle (the
 * caller's), 0 when there is none. Once it was called nothing is added until
 * the next reset.
 */
int join_take_next(struct join *j, char **ret_name, struct attr *ret_attr,
		   struct handle **ret_handle);

/* How many names were added and not taken. */
uint64_t join_left(const struct join *j);

#endif
