/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two hash tables over the same nodes: by id, for what the kernel asks, and by
 * parent and name, for what a lookup finds. Both grow with the number of nodes
 * and never shrink. A node that was replaced is in the first one only.
 *
 * A node whose last lookup, child and holder is gone leaves both, and may be
 * the last child of its parent, and so on upwards; the root stays.
 */
#include "view/node.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Buckets at the start; a power of two, as ever after. */
#define BUCKETS 256

LIST_HEAD(node_list, node);

struct node_table {
	pthread_mutex_t lock; /* guards all below, and nodes; leaf */
	struct node *root;
	struct attr root_attr; /* as it was shown last */
	bool has_root_attr;
	uint64_t last_id;
	size_t count;
	size_t buckets; /* of each table */
	struct node_list *by_id;
	struct node_list *by_name;
};

/* --- The hash tables ----------------------------------------------------- */

static struct node_list *id_bucket(struct node_table *t, uint64_t id)
{
	/* Ids are consecutive: nothing spreads better. */
	return &t->by_id[id & (t->buckets - 1)];
}

static struct node_list *name_bucket(struct node_table *t, uint64_t parent,
				     const char *name)
{
	/* FNV-1a, begun with the parent. */
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^
			parent * UINT64_C(0x9e3779b97f4a7c15);

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return &t->by_name[hash & (t->buckets - 1)];
}

static void insert_name(struct node_table *t, struct node *n)
{
	if (n->linked && n->parent)
		LIST_INSERT_HEAD(name_bucket(t, n->parent->id, n->name), n,
				 by_name);
}

static struct node *find_id(struct node_table *t, uint64_t id)
{
	struct node *n;

	LIST_FOREACH(n, id_bucket(t, id), by_id)
		if (n->id == id)
			return n;
	return NULL;
}

static struct node *find_name(struct node_table *t, const struct node *parent,
			      const char *name)
{
	struct node *n;

	LIST_FOREACH(n, name_bucket(t, parent->id, name), by_name)
		if (n->parent == parent && !strcmp(n->name, name))
			return n;
	return NULL;
}

/* Twice the buckets. Without the memory for them chains get longer. */
static void grow(struct node_table *t)
{
	size_t old_buckets = t->buckets;
	struct node_list *old = t->by_id;
	struct node_list *by_id = calloc(old_buckets * 2, sizeof(*by_id));
	struct node_list *by_name = calloc(old_buckets * 2, sizeof(*by_name));
	struct node *n;

	if (!by_id || !by_name) {
		free(by_id);
		free(by_name);
		return;
	}
	free(t->by_name);
	t->by_id = by_id;
	t->by_name = by_name;
	t->buckets = old_buckets * 2;
	for (size_t i = 0; i < old_buckets; i++)
		while ((n = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(n, by_id);
			LIST_INSERT_HEAD(id_bucket(t, n->id), n, by_id);
			insert_name(t, n);
		}
	free(old);
}

/* --- Nodes --------------------------------------------------------------- */

static struct node_directory *directory_free(struct node_directory *d)
{
	if (d) {
		for (enum side side = 0; side < SIDES; side++)
			free(d->handle[side]);
		free(d);
	}
	return NULL;
}

/* Copies of the handles that there are. NULL: out of memory. */
static struct node_directory *
directory_new(const struct handle *const handle[SIDES], int64_t now_ns)
{
	struct node_directory *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->refreshed_ns = now_ns;
	for (enum side side = 0; side < SIDES; side++) {
		if (!handle[side])
			continue;
		d->handle[side] = handle_dup(handle[side]);
		if (!d->handle[side])
			return directory_free(d);
	}
	return d;
}

/* Gives a directory node the handles in `fresh`, which takes the old ones. */
static void exchange_handles(struct node *n, struct node_directory *fresh)
{
	for (enum side side = 0; side < SIDES; side++) {
		struct handle *old = n->directory->handle[side];

		if (!fresh->handle[side] && fresh->refreshed_ns == 0)
			continue;
		n->directory->handle[side] = fresh->handle[side];
		fresh->handle[side] = old;
	}
	n->directory->refreshed_ns = fresh->refreshed_ns;
}

static struct node *node_free(struct node *n)
{
	directory_free(n->directory);
	free(n->open);
	free(n);
	return NULL;
}

static struct node *node_new(const char *name, enum entry_type type,
			     uint64_t inode, struct node_directory *directory)
{
	size_t len = strlen(name);
	struct node *n = calloc(1, sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	n->type = type;
	n->inode = inode;
	n->directory = directory;
	n->linked = true;
	memcpy(n->name, name, len);
	return n;
}

static void add(struct node_table *t, struct node *n, struct node *parent)
{
	if (t->count >= t->buckets)
		grow(t);
	n->id = ++t->last_id;
	n->parent = parent;
	if (parent)
		parent->holds++;
	LIST_INSERT_HEAD(id_bucket(t, n->id), n, by_id);
	insert_name(t, n);
	t->count++;
}

/* Its path has another object now. */
static void detach(struct node *n)
{
	LIST_REMOVE(n, by_name);
	n->linked = false;
}

/* Frees `n` when nobody needs it, and then what only it needed. */
static void release(struct node_table *t, struct node *n)
{
	while (n != t->root && n->lookups == 0 && n->holds == 0) {
		struct node *parent = n->parent;

		if (n->linked)
			detach(n);
		LIST_REMOVE(n, by_id);
		node_free(n);
		t->count--;
		parent->holds--;
		n = parent;
	}
}

/* --- The table ----------------------------------------------------------- */

int node_table_new(const struct handle *const root[SIDES], uint64_t root_inode,
		   struct node_table **ret)
{
	struct node_table *t = calloc(1, sizeof(*t));
	struct node_directory *directory = directory_new(root, 0);

	if (t) {
		pthread_mutex_init(&t->lock, NULL);
		t->buckets = BUCKETS;
		t->by_id = calloc(BUCKETS, sizeof(*t->by_id));
		t->by_name = calloc(BUCKETS, sizeof(*t->by_name));
		if (directory)
			t->root = node_new("", ENTRY_DIRECTORY, root_inode,
					   directory);
	}
	if (!t || !t->by_id || !t->by_name || !t->root) {
		if (!t || !t->root)
			directory_free(directory);
		node_table_free(t);
		return -ENOMEM;
	}
	add(t, t->root, NULL);
	*ret = t;
	return 0;
}

struct node_table *node_table_free(struct node_table *t)
{
	struct node *n;

	if (!t)
		return NULL;
	if (t->root && t->count == 0)
		node_free(t->root); /* not in the tables yet */
	for (size_t i = 0; t->by_id && i < t->buckets; i++)
		while ((n = LIST_FIRST(&t->by_id[i]))) {
			LIST_REMOVE(n, by_id);
			node_free(n);
		}
	free(t->by_id);
	free(t->by_name);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

size_t node_table_count(struct node_table *t)
{
	size_t count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}

struct node *node_get(struct node_table *t, uint64_t id)
{
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_id(t, id);
	if (n)
		n->holds++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void node_hold(struct node_table *t, struct node *n)
{
	pthread_mutex_lock(&t->lock);
	n->holds++;
	pthread_mutex_unlock(&t->lock);
}

struct node *node_drop(struct node_table *t, struct node *n)
{
	if (!n)
		return NULL;
	pthread_mutex_lock(&t->lock);
	n->holds--;
	release(t, n);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* The linked node of this name when it is of this object; a node of another
 * object loses the name. */
static struct node *find_object(struct node_table *t, struct node *parent,
				const char *name, enum entry_type type,
				uint64_t inode)
{
	struct node *n = find_name(t, parent, name);

	if (n && (n->type != type || n->inode != inode)) {
		detach(n);
		return NULL;
	}
	return n;
}

int node_enter(struct node_table *t, struct node *parent, const char *name,
	       enum entry_type type, uint64_t inode,
	       const struct handle *const handle[SIDES], int64_t now_ns,
	       bool count_lookup, struct node **ret)
{
	struct node_directory *directory = NULL;
	struct node *made = NULL;
	struct node *n;

	if (type == ENTRY_DIRECTORY) {
		directory = directory_new(handle, now_ns);
		if (!directory)
			return -ENOMEM;
	}
	pthread_mutex_lock(&t->lock);
	n = find_object(t, parent, name, type, inode);
	if (n) {
		if (directory)
			exchange_handles(n, directory);
	} else {
		n = made = node_new(name, type, inode, directory);
		if (n)
			add(t, n, parent);
	}
	if (n) {
		n->holds++;
		n->lookups += count_lookup;
	}
	pthread_mutex_unlock(&t->lock);
	if (!made)
		directory_free(directory);
	if (!n)
		return -ENOMEM;
	*ret = n;
	return 0;
}

struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name)
{
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_name(t, parent, name);
	if (n)
		n->holds++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void node_count_lookup(struct node_table *t, struct node *n)
{
	pthread_mutex_lock(&t->lock);
	n->lookups++;
	pthread_mutex_unlock(&t->lock);
}

void node_forget(struct node_table *t, uint64_t id, uint64_t count)
{
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_id(t, id);
	if (n) {
		n->lookups -= count < n->lookups ? count : n->lookups;
		release(t, n);
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- Open files ---------------------------------------------------------- */

static bool is_open_with_others(const struct node *n,
				const struct origin_version *version)
{
	return n->open && !(version && origin_same_bytes(&n->version, version));
}

int node_open(struct node_table *t, struct node *n,
	      const struct origin_version *version, const struct attr *attr,
	      bool *ret_keep)
{
	int error = 0;

	pthread_mutex_lock(&t->lock);
	if (is_open_with_others(n, version)) {
		if (n->linked && n->parent)
			detach(n);
		error = -ESTALE;
	} else if (!n->open && !(n->open = calloc(1, sizeof(*n->open)))) {
		error = -ENOMEM;
	} else {
		*ret_keep = n->opened && n->version.side == version->side &&
			    n->version.fileid == version->fileid &&
			    n->version.change == version->change;
		n->opened = true;
		n->version = *version;
		n->open->count++;
		n->open->attr = *attr;
	}
	pthread_mutex_unlock(&t->lock);
	return error;
}

void node_close(struct node_table *t, struct node *n)
{
	pthread_mutex_lock(&t->lock);
	if (--n->open->count == 0) {
		free(n->open);
		n->open = NULL;
	}
	pthread_mutex_unlock(&t->lock);
}

void node_separate(struct node_table *t, struct node *parent, const char *name,
		   const struct origin_version *version)
{
	struct node *n;

	pthread_mutex_lock(&t->lock);
	n = find_name(t, parent, name);
	if (n && is_open_with_others(n, version))
		detach(n);
	pthread_mutex_unlock(&t->lock);
}

bool node_get_open_attr(struct node_table *t, struct node *n,
			const struct origin_version *version, struct attr *ret)
{
	bool others;

	pthread_mutex_lock(&t->lock);
	others = is_open_with_others(n, version);
	if (others)
		*ret = n->open->attr;
	pthread_mutex_unlock(&t->lock);
	return others;
}

/* --- Directories --------------------------------------------------------- */

uint64_t node_get_manifest_id(struct node_table *t, struct node *directory,
			      uint64_t epoch)
{
	uint64_t id = 0;

	if (!directory->directory)
		return 0;
	pthread_mutex_lock(&t->lock);
	if (directory->directory->manifest_epoch == epoch)
		id = directory->directory->manifest_id;
	pthread_mutex_unlock(&t->lock);
	return id;
}

void node_put_manifest_id(struct node_table *t, struct node *directory,
			  uint64_t epoch, uint64_t manifest_id)
{
	if (!directory->directory)
		return;
	pthread_mutex_lock(&t->lock);
	directory->directory->manifest_epoch = epoch;
	directory->directory->manifest_id = manifest_id;
	pthread_mutex_unlock(&t->lock);
}

struct handle *node_copy_handle(struct node_table *t, struct node *directory,
				enum side side)
{
	struct handle *copy = NULL;

	if (!directory->directory)
		return NULL;
	pthread_mutex_lock(&t->lock);
	if (directory->directory->handle[side])
		copy = handle_dup(directory->directory->handle[side]);
	pthread_mutex_unlock(&t->lock);
	return copy;
}

bool node_has_handle(struct node_table *t, struct node *directory,
		     enum side side)
{
	bool has;

	if (!directory->directory)
		return false;
	pthread_mutex_lock(&t->lock);
	has = directory->directory->handle[side];
	pthread_mutex_unlock(&t->lock);
	return has;
}

int64_t node_get_refreshed_ns(struct node_table *t, struct node *directory)
{
	int64_t refreshed_ns;

	if (!directory->directory)
		return 0;
	pthread_mutex_lock(&t->lock);
	refreshed_ns = directory->directory->refreshed_ns;
	pthread_mutex_unlock(&t->lock);
	return refreshed_ns;
}

void node_put_root_attr(struct node_table *t, const struct attr *a)
{
	pthread_mutex_lock(&t->lock);
	t->root_attr = *a;
	t->has_root_attr = true;
	pthread_mutex_unlock(&t->lock);
}

bool node_get_root_attr(struct node_table *t, struct attr *ret)
{
	bool has;

	pthread_mutex_lock(&t->lock);
	has = t->has_root_attr;
	if (has)
		*ret = t->root_attr;
	pthread_mutex_unlock(&t->lock);
	return has;
}

char *node_path(struct node_table *t, const struct node *n)
{
	size_t len = 0;
	char *path, *end;

	/* Names and parents never change, and a node holds its parent: no lock
	 * is needed. */
	(void)t;
	for (const struct node *p = n; p->parent; p = p->parent)
		len += strlen(p->name) + 1;
	path = malloc(len > 0 ? len : 1);
	if (!path)
		return NULL;
	end = path + (len > 0 ? len - 1 : 0);
	*end = '\0';
	for (const struct node *p = n; p->parent; p = p->parent) {
		size_t part = strlen(p->name);

		end -= part;
		memcpy(end, p->name, part);
		if (end > path)
			*--end = '/';
	}
	return path;
}
