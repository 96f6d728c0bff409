/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one put back last is the next to be got: its pages are in the cache. */
#include "view/readers.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "sync/manifest.h"

/* How many stay open when nobody uses them: three file descriptors each. */
#define IDLE_MAX 8

struct readers {
	struct manifest *manifest;
	pthread_mutex_t lock; /* guards all below; leaf */
	size_t count;
	struct manifest_reader *idle[IDLE_MAX];
};

int readers_new(struct manifest *m, struct readers **ret)
{
	struct readers *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return -ENOMEM;
	rs->manifest = m;
	pthread_mutex_init(&rs->lock, NULL);
	*ret = rs;
	return 0;
}

struct readers *readers_free(struct readers *rs)
{
	if (!rs)
		return NULL;
	while (rs->count > 0)
		manifest_reader_free(rs->idle[--rs->count]);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
	return NULL;
}

struct manifest_reader *readers_get(struct readers *rs)
{
	struct manifest_reader *r = NULL;

	pthread_mutex_lock(&rs->lock);
	if (rs->count > 0)
		r = rs->idle[--rs->count];
	pthread_mutex_unlock(&rs->lock);
	return r ? r : manifest_reader_new(rs->manifest);
}

void readers_put(struct readers *rs, struct manifest_reader *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&rs->lock);
	if (rs->count < IDLE_MAX) {
		rs->idle[rs->count++] = r;
		r = NULL;
	}
	pthread_mutex_unlock(&rs->lock);
	manifest_reader_free(r);
}
