/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table finds the hold of a state by its handle. What identifies a state
 * (`other`, the generation) never changes in a hold, so that reading needs no
 * lock; how many share it and the seqid of its last OPEN are the table's.
 */
#include "volume/nfs4_hold.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "nfs/compound.h"
#include "nfs/handle.h"

#define BUCKETS 256

struct hold {
	LIST_ENTRY(hold) link; /* the table's */
	struct handle *handle;
	struct stateid stateid; /* its seqid: the table's lock */
	uint32_t generation;    /* of the client, when it was opened */
	unsigned references;    /* the table's lock */
	atomic_bool lost;
};

LIST_HEAD(hold_list, hold);

struct bucket {
	struct hold_list holds;
	unsigned closing; /* CLOSEs under way */
	uint64_t closes;  /* CLOSEs begun so far */
};

struct hold_table {
	pthread_mutex_t lock; /* guards the buckets; a leaf in the lock order */
	struct bucket buckets[BUCKETS];
};

/* What hold_look() says while a CLOSE is under way. */
#define LOOK_CLOSING UINT64_MAX

struct hold_table *hold_table_new(void)
{
	struct hold_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&t->buckets[i].holds);
	return t;
}

struct hold_table *hold_table_free(struct hold_table *t)
{
	if (!t)
		return NULL;
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

struct hold *hold_new(const struct handle *handle)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->handle = handle_dup(handle);
	return h->handle ? h : hold_free(h);
}

struct hold *hold_free(struct hold *h)
{
	if (!h)
		return NULL;
	free(h->handle);
	free(h);
	return NULL;
}

static struct bucket *bucket_of(struct hold_table *t, const struct handle *h)
{
	uint32_t sum = UINT32_C(2166136261);

	for (uint32_t i = 0; i < h->len; i++)
		sum = (sum ^ h->data[i]) * UINT32_C(16777619);
	return &t->buckets[sum % BUCKETS];
}

/* The hold in force that is the same state as `h`. The lock is held. */
static struct hold *find_same(const struct hold_list *list,
			      const struct hold *h)
{
	struct hold *i;

	LIST_FOREACH(i, list, link) {
		if (i->generation == h->generation && !atomic_load(&i->lost) &&
		    !memcmp(i->stateid.other, h->stateid.other,
			    sizeof(h->stateid.other)) &&
		    handle_equal(i->handle, h->handle))
			return i;
	}
	return NULL;
}

/* Replies to two OPENs may come in either order. */
static void note_seqid(struct hold *h, uint32_t seqid)
{
	if ((int32_t)(seqid - h->stateid.seqid) > 0)
		h->stateid.seqid = seqid;
}

struct hold *hold_enter(struct hold_table *t, struct hold *h,
			const struct stateid *stateid, uint32_t generation)
{
	struct hold_list *list = &bucket_of(t, h->handle)->holds;
	struct hold *same;

	h->stateid = *stateid;
	h->generation = generation;
	pthread_mutex_lock(&t->lock);
	same = find_same(list, h);
	if (same) {
		note_seqid(same, stateid->seqid);
		same->references++;
	} else {
		h->references = 1;
		LIST_INSERT_HEAD(list, h, link);
	}
	pthread_mutex_unlock(&t->lock);
	if (!same)
		return h;
	hold_free(h);
	return same;
}

bool hold_get(const struct hold *h, uint32_t generation, struct stateid *ret)
{
	if (h->generation != generation || atomic_load(&h->lost))
		return false;
	/* A seqid of 0 means whichever is the latest (8.2.2). */
	ret->seqid = 0;
	memcpy(ret->other, h->stateid.other, sizeof(ret->other));
	return true;
}

void hold_lose(struct hold *h)
{
	atomic_store(&h->lost, true);
}

bool hold_drop(struct hold_table *t, struct hold *h, uint32_t generation,
	       struct stateid *ret)
{
	struct bucket *b = bucket_of(t, h->handle);
	bool last, close = false;

	pthread_mutex_lock(&t->lock);
	last = --h->references == 0;
	if (last) {
		LIST_REMOVE(h, link);
		*ret = h->stateid;
		/* A lost one too: who knows why its stateid was refused. */
		close = h->generation == generation;
		b->closing += close;
		b->closes += close;
	}
	pthread_mutex_unlock(&t->lock);
	if (last)
		hold_free(h);
	return close;
}

void hold_closed(struct hold_table *t, const struct handle *handle)
{
	pthread_mutex_lock(&t->lock);
	bucket_of(t, handle)->closing--;
	pthread_mutex_unlock(&t->lock);
}

uint64_t hold_look(struct hold_table *t, const struct handle *handle)
{
	const struct bucket *b = bucket_of(t, handle);
	uint64_t look;

	pthread_mutex_lock(&t->lock);
	look = b->closing > 0 ? LOOK_CLOSING : b->closes;
	pthread_mutex_unlock(&t->lock);
	return look;
}

bool hold_is_overtaken(struct hold_table *t, const struct handle *handle,
		       uint64_t look)
{
	return look == LOOK_CLOSING || hold_look(t, handle) != look;
}
