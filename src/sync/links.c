/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Groups under way are in a hash of lists, keyed by what makes a file one
 * object on the source: file system and file id. When a leader is done its
 * group leaves the hash, and what its other names need goes to a spill, where
 * it stays for the run: another name may be met at any time, and no count of
 * those still to come can be trusted (names may lie outside the tree).
 *
 * All is under one lock, the spill included: a name that finds its group
 * neither under way nor done becomes its leader before anybody else can ask.
 */
#include "sync/links.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sync/spill.h"

#define BUCKETS 4096

struct key {
	uint64_t fsid_major;
	uint64_t fsid_minor;
	uint64_t fileid;
};

/* A group whose leader is under way. */
struct group {
	LIST_ENTRY(group) link;
	struct key key;
	struct item_list waiters;
};

LIST_HEAD(group_list, group);

struct links {
	pthread_mutex_t lock; /* guards all below; leaf */
	struct group_list bucket[BUCKETS];
	struct spill *done;
};

/* A done group in the spill, followed by the handle's bytes. */
struct record {
	struct attr attr[SIDES];
	enum entry_state state;
	uint32_t flags;
	bool has_digest;
	struct digest digest;
	bool has_handle;
};

struct link_leader links_leader_of(const struct item *item,
				   enum entry_state state)
{
	return (struct link_leader){
	    .handle = item->handle[DESTINATION],
	    .attr = {item->attr[SOURCE], item->attr[DESTINATION]},
	    .state = state,
	    .flags = item->flags & ROW_UNLINKED,
	    .has_digest = item->has_digest,
	    .digest = item->digest,
	};
}

bool links_is_same(const struct item *item, const struct link_leader *leader)
{
	const struct attr *a = &item->attr[DESTINATION];
	const struct attr *b = &leader->attr[DESTINATION];

	/* A tree may span file systems, and numbers repeat in them. */
	return item->handle[DESTINATION] && leader->handle &&
	       a->type == b->type && a->fileid == b->fileid &&
	       a->fsid_major == b->fsid_major && a->fsid_minor == b->fsid_minor;
}

void links_follow(struct item *item, const struct link_leader *leader)
{
	item->attr[SOURCE] = leader->attr[SOURCE];
	item->flags |= leader->flags;
	item->has_digest = leader->has_digest;
	item->digest = leader->digest;
}

int links_new(const char *spill_directory, struct links **ret)
{
	struct links *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = spill_new(spill_directory, &l->done);
	if (r < 0) {
		free(l);
		return r;
	}
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return 0;
}

struct links *links_free(struct links *l)
{
	struct group *g;

	if (!l)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((g = LIST_FIRST(&l->bucket[i]))) {
			LIST_REMOVE(g, link);
			free(g);
		}
	}
	spill_free(l->done);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

static struct key key_of(const struct item *item)
{
	const struct attr *a = &item->attr[SOURCE];

	return (struct key){a->fsid_major, a->fsid_minor, a->fileid};
}

static struct group_list *bucket_of(struct links *l, const struct key *key)
{
	struct digest d = digest_of(key, sizeof(*key));

	return &l->bucket[(d.bytes[0] | d.bytes[1] << 8) % BUCKETS];
}

static struct group *find(struct links *l, const struct key *key)
{
	struct group *g;

	LIST_FOREACH(g, bucket_of(l, key), link)
		if (!memcmp(&g->key, key, sizeof(*key)))
			return g;
	return NULL;
}

/* 1 with `ret` filled, 0 when the group is not done, or an error. */
static int get_done(struct links *l, const struct key *key,
		    struct link_leader *ret)
{
	struct record rec;
	void *bytes;
	size_t len;
	int r;

	r = spill_get(l->done, key, sizeof(*key), &bytes, &len);
	if (r <= 0)
		return r;
	memcpy(&rec, bytes, sizeof(rec));
	*ret = (struct link_leader){
	    .attr = {rec.attr[SOURCE], rec.attr[DESTINATION]},
	    .state = rec.state,
	    .flags = rec.flags,
	    .has_digest = rec.has_digest,
	    .digest = rec.digest};
	if (rec.has_handle) {
		ret->handle = handle_new((uint8_t *)bytes + sizeof(rec),
					 len - sizeof(rec));
		r = ret->handle ? 1 : -ENOMEM;
	}
	free(bytes);
	return r;
}

int links_get(struct links *l, const struct item *item, struct link_leader *ret)
{
	struct key key = key_of(item);
	int r;

	pthread_mutex_lock(&l->lock);
	r = get_done(l, &key, ret);
	pthread_mutex_unlock(&l->lock);
	return r;
}

static int meet_locked(struct links *l, const struct key *key,
		       struct item *item, struct link_leader *ret)
{
	struct group *g = find(l, key);
	int r;

	if (g) {
		TAILQ_INSERT_TAIL(&g->waiters, item, link);
		return LINKS_WAIT;
	}
	r = get_done(l, key, ret);
	if (r != 0)
		return r < 0 ? r : LINKS_READY;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->key = *key;
	TAILQ_INIT(&g->waiters);
	LIST_INSERT_HEAD(bucket_of(l, key), g, link);
	item->leads = true;
	return LINKS_LEAD;
}

int links_meet(struct links *l, struct item *item, struct link_leader *ret)
{
	struct key key = key_of(item);
	int r;

	pthread_mutex_lock(&l->lock);
	r = meet_locked(l, &key, item, ret);
	pthread_mutex_unlock(&l->lock);
	return r;
}

static int put_done(struct links *l, const struct key *key,
		    const struct link_leader *leader)
{
	struct record rec;
	size_t len = leader->handle ? leader->handle->len : 0;
	uint8_t *bytes = malloc(sizeof(rec) + len);
	int r;

	if (!bytes)
		return -ENOMEM;
	memset(&rec, 0, sizeof(rec));
	rec.attr[SOURCE] = leader->attr[SOURCE];
	rec.attr[DESTINATION] = leader->attr[DESTINATION];
	rec.state = leader->state;
	rec.flags = leader->flags;
	rec.has_digest = leader->has_digest;
	rec.digest = leader->digest;
	rec.has_handle = leader->handle != NULL;
	memcpy(bytes, &rec, sizeof(rec));
	if (len > 0)
		memcpy(bytes + sizeof(rec), leader->handle->data, len);
	r = spill_put(l->done, key, sizeof(*key), bytes, sizeof(rec) + len);
	free(bytes);
	return r;
}

/* Takes the group out of those under way. */
static void forget(struct links *l, const struct key *key,
		   struct item_list *waiters)
{
	struct group *g = find(l, key);

	if (g) {
		TAILQ_CONCAT(waiters, &g->waiters, link);
		LIST_REMOVE(g, link);
		free(g);
	}
}

int links_done(struct links *l, const struct item *item,
	       const struct link_leader *leader, struct item_list *waiters)
{
	struct key key = key_of(item);
	int r;

	pthread_mutex_lock(&l->lock);
	r = put_done(l, &key, leader);
	forget(l, &key, waiters);
	pthread_mutex_unlock(&l->lock);
	return r;
}

void links_failed(struct links *l, const struct item *item,
		  struct item_list *waiters)
{
	struct key key = key_of(item);

	pthread_mutex_lock(&l->lock);
	forget(l, &key, waiters);
	pthread_mutex_unlock(&l->lock);
}
