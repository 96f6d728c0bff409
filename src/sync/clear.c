/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * clear - makes way where the source has a file and the destination a
 * directory of that name.
 *
 * Only an empty one goes. What is in the other kind may exist nowhere else,
 * and deleted entries are kept: the user is told and decides.
 */
#include <errno.h>

#include "sync/lane.h"
#include "sync/state.h"

int clear_directory(struct lane *l, struct item *i)
{
	struct volume_remove item = {.dir = i->dir->handle[DESTINATION],
				     .name = i->name,
				     .directory = true};

	if (i->attr[DESTINATION].type != ENTRY_DIRECTORY)
		return 0;
	/* What the manifest knows below it ceased to be true before. */
	manifest_drop_tree(l->engine->manifest, i->dir->id, i->name);
	volume_run(l->engine->volume[DESTINATION], VOLUME_REMOVE, &item, 1);
	return item.result == -ENOENT ? 0 : item.result;
}
