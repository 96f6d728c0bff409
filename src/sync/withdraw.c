/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A drop is queued like a row, so the flush in withdraw_commit() waits for one
 * commit of the manifest, however much was noted. A directory's row is dropped
 * once: `withdrawn` is set only after the commit, so whoever finds it set may
 * change the directory at once.
 */
#include "sync/withdraw.h"

#include "sync/state.h"

static void note(struct withdraw *w, int r)
{
	w->needed = true;
	if (r < 0 && !w->error)
		w->error = r;
}

void withdraw_directory(struct withdraw *w, struct dirnode *d)
{
	atomic_store(&d->touched, true);
	if (!d->recorded || atomic_load(&d->withdrawn))
		return;
	/* Two threads may both drop it: each waits for its own commit. */
	w->directory = d;
	note(w, manifest_drop(w->engine->manifest, d->parent_id, d->name));
}

void withdraw_name(struct withdraw *w, struct dirnode *d, const char *name)
{
	withdraw_directory(w, d);
	note(w, manifest_drop(w->engine->manifest, d->id, name));
}

void withdraw_tree(struct withdraw *w, struct dirnode *d, const char *name)
{
	withdraw_directory(w, d);
	note(w, manifest_drop_tree(w->engine->manifest, d->id, name));
}

void withdraw_item(struct withdraw *w, const struct item *i)
{
	withdraw_directory(w, i->dir);
	if (i->old_state != STATE_NONE)
		note(w,
		     manifest_drop(w->engine->manifest, i->dir->id, i->name));
}

void withdraw_object(struct withdraw *w, const struct item *i)
{
	if (i->old_state != STATE_NONE)
		note(w,
		     manifest_drop(w->engine->manifest, i->dir->id, i->name));
	if (i->attr[DESTINATION].nlink > 1)
		note(w, manifest_drop_links(w->engine->manifest,
					    i->attr[DESTINATION].fileid));
}

int withdraw_commit(struct withdraw *w)
{
	int r = w->error;

	if (!w->needed)
		return 0;
	if (r == 0)
		r = manifest_flush(w->engine->manifest);
	if (r < 0)
		engine_stop(w->engine, r, SIDES);
	else if (w->directory)
		atomic_store(&w->directory->withdrawn, true);
	return r;
}
