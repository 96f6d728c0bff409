/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dirstack - the directories that wait to be scanned: last in, first out, so
 * that the tree is walked depth first and few wait at a time.
 *
 * A directory with millions of subdirectories would still fill the memory:
 * beyond a bound the handles and names of waiting directories go to a spill.
 *
 * Thread rule: any thread.
 */
#ifndef SYNC_DIRSTACK_H
#define SYNC_DIRSTACK_H

#include <stddef.h>

#include "sync/dirnode.h"

struct dirstack;

/* `directory` is where the spill's file is made. 0 or negative errno. */
int dirstack_new(const char *directory, struct dirstack **ret);

/* Frees it; what still waits must have been taken with dirstack_try_pop(). */
struct dirstack *dirstack_free(struct dirstack *s);

/* Takes the node over. Never fails: what cannot be spilled stays in memory. */
void dirstack_push(struct dirstack *s, struct dirnode *d);

/* Up to `max` nodes into `ret`, waits for the first: how many, 0 once closed
 * and empty, or a negative errno when the spill cannot be read back. */
int dirstack_pop(struct dirstack *s, struct dirnode **ret, int max);

/* The same without waiting. */
int dirstack_try_pop(struct dirstack *s, struct dirnode **ret, int max);

/* Pops wait no more; what is there can still be taken. */
void dirstack_close(struct dirstack *s);

#endif
