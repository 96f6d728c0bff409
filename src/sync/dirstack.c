/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A waiting node that goes to the spill leaves a record there: the pointer to
 * its parent (which lives on, since the child holds one of its pending), and
 * its fields. It is made anew when it is popped. Nodes in memory are newer
 * than those in the spill, so the order stays last in, first out.
 */
#include "sync/dirstack.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sync/spill.h"

/* Nodes that wait in memory before the older half goes to the spill; a node
 * takes about 600 bytes with its handles. */
#define MEMORY_MAX 16384

struct dirstack {
	pthread_mutex_t lock; /* guards all below; leaf */
	pthread_cond_t changed;
	struct dirnode_list list; /* newest first */
	size_t count;             /* in the list */
	struct spill *spill;
	size_t spilled;
	bool closed;
};

/* What a node is in the spill, followed by name and both handles. */
struct record {
	struct dirnode *parent;
	uint64_t id;
	uint64_t parent_id;
	struct attr attr[SIDES];
	bool fresh;
	bool shallow;
	bool again;
	bool recorded;
	bool has_destination;
	uint32_t name_size; /* with its NUL */
	uint32_t handle_len[SIDES];
};

int dirstack_new(const char *directory, struct dirstack **ret)
{
	struct dirstack *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = spill_new(directory, &s->spill);
	if (r < 0) {
		free(s);
		return r;
	}
	TAILQ_INIT(&s->list);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	*ret = s;
	return 0;
}

struct dirstack *dirstack_free(struct dirstack *s)
{
	if (s) {
		spill_free(s->spill);
		pthread_cond_destroy(&s->changed);
		pthread_mutex_destroy(&s->lock);
	}
	free(s);
	return NULL;
}

static int spill_node(struct dirstack *s, const struct dirnode *d)
{
	const struct handle *to = d->handle[DESTINATION];
	struct record rec = {
	    .parent = d->parent,
	    .id = d->id,
	    .parent_id = d->parent_id,
	    .attr = {d->attr[SOURCE], d->attr[DESTINATION]},
	    .fresh = d->fresh,
	    .shallow = d->shallow,
	    .again = d->again,
	    .recorded = d->recorded,
	    .has_destination = to != NULL,
	    .name_size = (uint32_t)strlen(d->name) + 1,
	    .handle_len = {d->handle[SOURCE]->len, to ? to->len : 0},
	};
	size_t size = sizeof(rec) + rec.name_size + rec.handle_len[SOURCE] +
		      rec.handle_len[DESTINATION];
	uint8_t *bytes = malloc(size);
	uint8_t *at = bytes;
	int r;

	if (!bytes)
		return -ENOMEM;
	at = mempcpy(at, &rec, sizeof(rec));
	at = mempcpy(at, d->name, rec.name_size);
	at = mempcpy(at, d->handle[SOURCE]->data, rec.handle_len[SOURCE]);
	if (to)
		memcpy(at, to->data, to->len);
	r = spill_push(s->spill, bytes, size);
	free(bytes);
	return r;
}

static struct dirnode *node_from(const uint8_t *bytes)
{
	struct record rec;
	const uint8_t *at = bytes + sizeof(rec);
	struct handle *from, *to = NULL;
	struct dirnode *d = NULL;
	const char *name;

	memcpy(&rec, bytes, sizeof(rec));
	name = (const char *)at;
	at += rec.name_size;
	from = handle_new(at, rec.handle_len[SOURCE]);
	at += rec.handle_len[SOURCE];
	if (rec.has_destination)
		to = handle_new(at, rec.handle_len[DESTINATION]);
	if (from && (to || !rec.has_destination))
		d = dirnode_new(NULL, name, from, to);
	if (!d) {
		free(from);
		free(to);
		return NULL;
	}
	/* The parent's pending was taken when the node was first made. */
	d->parent = rec.parent;
	d->id = rec.id;
	d->parent_id = rec.parent_id;
	d->attr[SOURCE] = rec.attr[SOURCE];
	d->attr[DESTINATION] = rec.attr[DESTINATION];
	d->fresh = rec.fresh;
	d->shallow = rec.shallow;
	d->again = rec.again;
	d->recorded = rec.recorded;
	return d;
}

/* Moves the older half of the list to the spill. */
static void make_room(struct dirstack *s)
{
	struct dirnode *d, *next;

	/* Oldest last: the newest of the older half must be popped first. */
	for (d = TAILQ_LAST(&s->list, dirnode_list);
	     d && s->count > MEMORY_MAX / 2; d = next) {
		next = TAILQ_PREV(d, dirnode_list, link);
		/* The roots of a retry are few and stay. */
		if (!d->parent)
			continue;
		if (spill_node(s, d) < 0)
			return;
		TAILQ_REMOVE(&s->list, d, link);
		dirnode_free(d);
		s->count--;
		s->spilled++;
	}
}

void dirstack_push(struct dirstack *s, struct dirnode *d)
{
	pthread_mutex_lock(&s->lock);
	TAILQ_INSERT_HEAD(&s->list, d, link);
	if (++s->count > MEMORY_MAX)
		make_room(s);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* The newest spilled node, or NULL and a negative errno in `error`. */
static struct dirnode *unspill(struct dirstack *s, int *error)
{
	struct dirnode *d = NULL;
	void *bytes;
	size_t len;
	int r;

	r = spill_pop(s->spill, &bytes, &len);
	if (r > 0) {
		d = node_from(bytes);
		free(bytes);
		s->spilled--;
	}
	if (!d)
		*error = r < 0 ? r : r > 0 ? -ENOMEM : -EUCLEAN;
	return d;
}

static int take(struct dirstack *s, struct dirnode **ret, int max)
{
	int n = 0, error = 0;

	while (n < max && (s->count > 0 || s->spilled > 0)) {
		struct dirnode *d = TAILQ_FIRST(&s->list);

		if (d) {
			TAILQ_REMOVE(&s->list, d, link);
			s->count--;
		} else {
			d = unspill(s, &error);
			if (!d)
				break;
		}
		ret[n++] = d;
	}
	return n > 0 ? n : error;
}

int dirstack_pop(struct dirstack *s, struct dirnode **ret, int max)
{
	int n = 0;

	pthread_mutex_lock(&s->lock);
	while ((n = take(s, ret, max)) == 0 && !s->closed)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return n;
}

int dirstack_try_pop(struct dirstack *s, struct dirnode **ret, int max)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = take(s, ret, max);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void dirstack_close(struct dirstack *s)
{
	pthread_mutex_lock(&s->lock);
	s->closed = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}
