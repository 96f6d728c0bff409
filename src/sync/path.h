/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * path - from a path in words to a directory on a volume.
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

#endif
