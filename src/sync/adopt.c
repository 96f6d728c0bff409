/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest knows the other names by the source's file id, and where they
 * are. A record is not believed, only followed: the destination must have that
 * very object there, with the size and time the source has now, and the item
 * is compared afterwards like any other, so at worst a link is made in vain
 * and replaced by a copy.
 */
#include "sync/adopt.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/path.h"
#include "sync/scanner.h"
#include "sync/withdraw.h"

/* Names that are looked at: the first may have been removed meanwhile. */
#define NAMES_MAX 4

struct search {
	struct engine *engine;
	struct item *item;
	struct handle *handle; /* of the object on the destination */
	enum entry_state state;
	bool has_digest;
	struct digest digest;
};

/* Whether the destination still has under this name what the row says, and
 * it is what the item could be: 1 with the handle, 0 to look further. */
static int try_name(const char *path, const struct manifest_row *row,
		    void *user)
{
	struct search *s = user;
	const struct attr *want = &s->item->attr[SOURCE];
	struct attr attr;
	CLEANUP_FREE struct handle *dir =
	    path_find(s->engine, DESTINATION, path, &attr);
	struct volume_lookup found = {.dir = dir, .name = row->name};

	if (!dir)
		return 0;
	volume_run(s->engine->volume[DESTINATION], VOLUME_LOOKUP, &found, 1);
	if (found.result == 0 && found.ret_attr.type == want->type &&
	    found.ret_attr.fileid == row->destination_fileid &&
	    found.ret_attr.size == want->size &&
	    found.ret_attr.mtime_ns == want->mtime_ns) {
		s->handle = steal(found.ret_handle);
		s->state = row->state;
		s->has_digest = row->has_digest;
		s->digest = row->digest;
	}
	volume_items_done(VOLUME_LOOKUP, &found, 1);
	return s->handle != NULL;
}

void adopt_link(struct scanner *s, struct item *i)
{
	struct engine *e = s->engine;
	struct search search = {.engine = e, .item = i};
	struct withdraw claims = {.engine = e};
	struct volume_link link = {.dir = i->dir->handle[DESTINATION],
				   .name = i->name};
	int r;

	/* What is known now, and not for as long as the servers take. */
	manifest_reader_end(s->reader);
	r = manifest_each_link(s->reader, i->attr[SOURCE].fileid, NAMES_MAX,
			       try_name, &search);
	if (r <= 0)
		return;
	link.handle = search.handle;
	withdraw_directory(&claims, i->dir);
	r = withdraw_commit(&claims);
	if (r == 0)
		volume_run(e->volume[DESTINATION], VOLUME_LINK, &link, 1);
	if (r < 0 || link.result < 0) {
		/* It is copied then, and says what is wrong if that fails. */
		free(search.handle);
		return;
	}
	i->handle[DESTINATION] = search.handle;
	i->attr[DESTINATION] = link.ret_attr;
	i->linked = true;
	complete_linked(e, i, false);
	i->old_state = search.state;
	i->has_digest = search.has_digest;
	i->digest = search.digest;
	i->plan = (struct plan){.action = PLAN_COMPARE,
				.reason = REASON_SOURCE,
				.trusted = search.has_digest &&
					   search.state == STATE_VERIFIED};
}
