/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * path - from a path in words to what is there on a volume.
 *
 * Everything else goes from directory to directory by handles; this is for
 * what the manifest names.
 * Thread rule: any thread; it waits for the volume.
 */
#ifndef SYNC_PATH_H
#define SYNC_PATH_H

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/side.h"

struct engine;

/*
 * The handle of directory `path` ("" is the root) on one side, heap, the
 * caller's; NULL when it is not there or the side is lost, which stops the
 * run.
 */
struct handle *path_find(struct engine *e, enum side side, const char *path,
			 struct attr *ret_attr);

/* Whether there is an entry, of any type, under `path`: 1, 0, or a negative
 * errno when it cannot be told (a lost side stops the run). */
int path_exists(struct engine *e, enum side side, const char *path);

#endif
