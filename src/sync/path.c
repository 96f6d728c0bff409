/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One lookup a component, one after the other: each needs the handle that the
 * one before found. */
#include "sync/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/state.h"

/* One step down from `*h`: 0 or a negative errno; `*h` is freed. */
static int step(struct engine *e, enum side side, const char *name,
		struct handle **h, struct attr *attr)
{
	struct volume_lookup item = {.dir = *h, .name = name};

	volume_run(e->volume[side], VOLUME_LOOKUP, &item, 1);
	free(*h);
	*h = steal(item.ret_handle);
	*attr = item.ret_attr;
	if (item.result < 0)
		engine_stops_for(e, item.result, side);
	return item.result;
}

/* 0 and the handle and attributes of `path`, or a negative errno: -ENOTDIR
 * when something on the way is not a directory. */
static int walk(struct engine *e, enum side side, const char *path,
		struct handle **ret, struct attr *ret_attr)
{
	CLEANUP_FREE struct handle *h =
	    handle_dup(volume_get_info(e->volume[side])->root);
	CLEANUP_FREE char *copy = strdup(path);
	char *rest = copy, *name;
	int r = h && copy ? 0 : -ENOMEM;

	*ret_attr = e->root_attr[side];
	while (r == 0 && (name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		r = ret_attr->type == ENTRY_DIRECTORY
			? step(e, side, name, &h, ret_attr)
			: -ENOTDIR;
	}
	if (r == 0)
		*ret = steal(h);
	return r;
}

struct handle *path_find(struct engine *e, enum side side, const char *path,
			 struct attr *ret_attr)
{
	struct handle *h;

	if (walk(e, side, path, &h, ret_attr) < 0)
		return NULL;
	if (ret_attr->type == ENTRY_DIRECTORY)
		return h;
	free(h);
	return NULL;
}

int path_exists(struct engine *e, enum side side, const char *path)
{
	struct attr attr;
	struct handle *h;
	int r = walk(e, side, path, &h, &attr);

	if (r == -ENOENT || r == -ENOTDIR || r == -ESTALE)
		return 0;
	if (r < 0)
		return r;
	free(h);
	return 1;
}
