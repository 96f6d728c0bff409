/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/transfer.h"

#include <stdlib.h>

#include "sync/engine.h"

void transfers_init(struct transfers *ts)
{
	pthread_mutex_init(&ts->lock, NULL);
	LIST_INIT(&ts->list);
}

void transfers_done(struct transfers *ts)
{
	pthread_mutex_destroy(&ts->lock);
}

void transfer_begin(struct transfers *ts, struct transfer *t, char *path,
		    unsigned files, uint64_t bytes)
{
	t->path = path;
	t->files = files;
	t->bytes = bytes;
	transfer_set_done(t, 0);
	if (!path)
		return;
	pthread_mutex_lock(&ts->lock);
	LIST_INSERT_HEAD(&ts->list, t, link);
	pthread_mutex_unlock(&ts->lock);
}

void transfer_end(struct transfers *ts, struct transfer *t)
{
	if (!t->path)
		return;
	pthread_mutex_lock(&ts->lock);
	LIST_REMOVE(t, link);
	pthread_mutex_unlock(&ts->lock);
	free(t->path);
	t->path = NULL;
}

void transfers_each(struct transfers *ts,
		    void (*each)(const struct engine_transfer *t, void *user),
		    void *user)
{
	const struct transfer *t;

	pthread_mutex_lock(&ts->lock);
	LIST_FOREACH(t, &ts->list, link) {
		struct engine_transfer shown = {
		    .path = t->path,
		    .files = t->files,
		    .bytes = t->bytes,
		    .done_bytes = atomic_load(&t->done_bytes),
		};

		/* A file may grow while it is copied. */
		if (shown.done_bytes > shown.bytes)
			shown.done_bytes = shown.bytes;
		each(&shown, user);
	}
	pthread_mutex_unlock(&ts->lock);
}
