/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * target - the task that `status`, `history` and `report` are asked about,
 * found from what the user gave: a mount point, the name of a task, both
 * locations, --state or --task.
 *
 * Thread rule: belongs to who made it.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>

#include "sync/mountfile.h"

struct options;

struct target {
	char *name;      /* of the task; NULL: not known */
	char *directory; /* its state directory; NULL: not known, for a mount
			    of somebody else's */
	bool held;       /* a process holds the lock */
	bool mounted;    /* and has it mounted: */
	struct mountfile mount;
};

/* Frees what it points to. */
void target_done(struct target *t);

/* 0, or a negative errno after words. -ENOENT: nothing was given. */
int target_find(const struct options *o, struct target *ret);

/*
 * Calls `each` for every task whose state lies where it does by default, by
 * name; a result other than 0 ends the calls and is returned. Negative errno
 * after words.
 */
int target_each(int (*each)(const struct target *t, void *user), void *user);

#endif
