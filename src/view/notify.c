/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A row speaks of a directory by its id in the manifest; the kernel knows
 * nodes. The map between them has the directories that somebody looked into
 * last, as many as fit; a row of any other one costs one look into the map.
 *
 * Only attributes are invalidated. Pages are dropped by the open that follows,
 * which reads from another side than the one before and says so (view/file.c);
 * who has the file open meanwhile goes on with the same bytes. To have the
 * kernel drop pages here would make it wait for those that are being read, and
 * so for a server that may have stopped.
 */
#include "view/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "sync/manifest.h"
#include "view/core.h"
#include "view/node.h"

/* Rows that may wait. */
#define QUEUE_MAX 65536

/* Directories that the map holds, and in how many places each may be. */
#define MAP_PLACES ((size_t)1 << 17)
#define MAP_WAYS   ((size_t)4)

/* A row that was committed. */
struct notify_row {
	STAILQ_ENTRY(notify_row) link;
	uint64_t node_id; /* of the directory */
	char name[];
};

STAILQ_HEAD(row_list, notify_row);

/* Where a directory of the manifest is; zeros: nothing. */
struct place {
	uint64_t manifest_id;
	uint64_t node_id;
};

struct notify {
	struct view *view;
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below; leaf */
	pthread_cond_t changed;
	struct row_list rows;
	size_t count; /* of rows */
	bool closing;
	struct place map[MAP_PLACES]; /* memory only where it is used */
};

/* --- The map -------------------------------------------------------------- */

/* The places where a directory may be. */
static struct place *ways_of(struct notify *n, uint64_t manifest_id)
{
	uint64_t hash = manifest_id * UINT64_C(0x9e3779b97f4a7c15);

	return &n->map[(hash >> 32) % (MAP_PLACES / MAP_WAYS) * MAP_WAYS];
}

void notify_know(struct notify *n, uint64_t manifest_id, uint64_t node_id)
{
	struct place *way = ways_of(n, manifest_id);
	size_t which = MAP_WAYS - 1;

	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < MAP_WAYS; i++)
		if (way[i].manifest_id == manifest_id) {
			which = i;
			break;
		}
	/* The newest is the first, the oldest goes. */
	memmove(way + 1, way, which * sizeof(*way));
	way[0] = (struct place){manifest_id, node_id};
	pthread_mutex_unlock(&n->lock);
}

/* The node of a directory, or 0; the lock is held. */
static uint64_t find_node(struct notify *n, uint64_t manifest_id)
{
	const struct place *way = ways_of(n, manifest_id);

	for (size_t i = 0; i < MAP_WAYS; i++)
		if (way[i].manifest_id == manifest_id)
			return way[i].node_id;
	return 0;
}

/* --- Rows ----------------------------------------------------------------- */

/* On the manifest's writer: only queues. */
static void row_committed(void *user, uint64_t directory, const char *name)
{
	struct notify *n = user;
	size_t len = strlen(name);
	struct notify_row *row;
	uint64_t node_id;

	pthread_mutex_lock(&n->lock);
	node_id =
	    n->count < QUEUE_MAX && !n->closing ? find_node(n, directory) : 0;
	pthread_mutex_unlock(&n->lock);
	if (node_id == 0)
		return;
	row = malloc(sizeof(*row) + len + 1);
	if (!row)
		return;
	row->node_id = node_id;
	memcpy(row->name, name, len + 1);
	pthread_mutex_lock(&n->lock);
	STAILQ_INSERT_TAIL(&n->rows, row, link);
	n->count++;
	pthread_cond_signal(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

/* The next row; NULL at the end. */
static struct notify_row *next_row(struct notify *n)
{
	struct notify_row *row = NULL;

	pthread_mutex_lock(&n->lock);
	while (!n->closing && STAILQ_EMPTY(&n->rows))
		pthread_cond_wait(&n->changed, &n->lock);
	if (!n->closing) {
		row = STAILQ_FIRST(&n->rows);
		STAILQ_REMOVE_HEAD(&n->rows, link);
		n->count--;
	}
	pthread_mutex_unlock(&n->lock);
	return row;
}

/* The node that a row is about, held; NULL: nobody knows it. */
static struct node *node_of(struct view *v, const struct notify_row *row)
{
	struct node *directory = node_get(v->nodes, row->node_id);
	struct node *node;

	if (!directory || !row->name[0])
		return directory;
	node = node_find(v->nodes, directory, row->name);
	node_drop(v->nodes, directory);
	return node;
}

static void *notify_main(void *arg)
{
	struct notify *n = arg;
	struct view *v = n->view;
	struct notify_row *row;

	while ((row = next_row(n))) {
		struct node *node = node_of(v, row);

		/* What the kernel has forgotten meanwhile it says so of. */
		if (node)
			fuse_lowlevel_notify_inval_inode(v->session, node->id,
							 -1, 0);
		node_drop(v->nodes, node);
		free(row);
	}
	return NULL;
}

/* --- Life ----------------------------------------------------------------- */

int notify_new(struct view *v, struct notify **ret)
{
	struct notify *n = calloc(1, sizeof(*n));
	int error;

	if (!n)
		return -ENOMEM;
	n->view = v;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	STAILQ_INIT(&n->rows);
	error = pthread_create(&n->thread, NULL, notify_main, n);
	if (error) {
		pthread_cond_destroy(&n->changed);
		pthread_mutex_destroy(&n->lock);
		free(n);
		return -error;
	}
	n->has_thread = true;
	pthread_setname_np(n->thread, "view-notify");
	manifest_set_watch(v->setup.manifest, row_committed, n);
	*ret = n;
	return 0;
}

void notify_end(struct notify *n)
{
	pthread_mutex_lock(&n->lock);
	n->closing = true;
	pthread_cond_signal(&n->changed);
	pthread_mutex_unlock(&n->lock);
	if (n->has_thread)
		pthread_join(n->thread, NULL);
	n->has_thread = false;
}

struct notify *notify_free(struct notify *n)
{
	struct notify_row *row;

	if (!n)
		return NULL;
	manifest_set_watch(n->view->setup.manifest, NULL, NULL);
	notify_end(n);
	while ((row = STAILQ_FIRST(&n->rows))) {
		STAILQ_REMOVE_HEAD(&n->rows, link);
		free(row);
	}
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}
