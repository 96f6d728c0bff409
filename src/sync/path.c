/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One lookup a component, one after the other: each needs the handle that the
 * one before found. */
#include "sync/path.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/state.h"

struct handle *path_find(struct engine *e, enum side side, const char *path,
			 struct attr *ret_attr)
{
	struct handle *h = handle_dup(volume_get_info(e->volume[side])->root);
	CLEANUP_FREE char *copy = strdup(path);
	char *rest = copy, *name;

	*ret_attr = volume_get_info(e->volume[side])->root_attr;
	while (h && rest && (name = strsep(&rest, "/"))) {
		struct volume_lookup item = {.dir = h, .name = name};

		if (!*name)
			continue;
		volume_run(e->volume[side], VOLUME_LOOKUP, &item, 1);
		free(h);
		h = steal(item.ret_handle);
		*ret_attr = item.ret_attr;
		if (item.result < 0)
			engine_stops_for(e, item.result, side);
		if (item.result < 0 || item.ret_attr.type != ENTRY_DIRECTORY) {
			free(h);
			return NULL;
		}
	}
	return h;
}
