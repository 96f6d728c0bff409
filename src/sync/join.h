/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * join - the destination's listing of one directory, to be asked by name for
 * each entry that the source lists.
 *
 * The two sides list in orders of their own, so one listing has to be held:
 * in memory up to a bound, beyond it in a spill.
 *
 * Thread rule: belongs to one scanner.
 */
#ifndef SYNC_JOIN_H
#define SYNC_JOIN_H

#include <stddef.h>
#include <stdint.h>

#include "nfs/attr.h"
#include "nfs/handle.h"

struct join;
struct volume_entry;

/* `spill_directory` (borrowed) is used when a directory is large. */
struct join *join_new(const char *spill_directory);
struct join *join_free(struct join *j);

/* Forgets everything, for the next directory. */
void join_reset(struct join *j);

/* Takes name and handle out of `entry`. 0 or negative errno. */
int join_add(struct join *j, struct volume_entry *entry);

/* Looks `name` up: 1 with the attributes and the handle (the caller's), 0
 * when there is none. Each name is asked for once. */
int join_take(struct join *j, const char *name, struct attr *ret_attr,
	      struct handle **ret_handle);

/* How many names were added and not taken. */
uint64_t join_left(const struct join *j);

#endif
