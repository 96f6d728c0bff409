/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first entries are in a hash of lists, the rest is in the
 * spill, under their names; from both they leave when they are taken. The
 * spill outlives the directory, so that a tree of many large ones makes one
 * file.
 *
 * What is left is taken bucket by bucket, then from the spill in the order of
 * the names, behind the last one: those need not be removed one by one.
 */
#include "sync/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "sync/spill.h"
#include "volume/volume.h"

#define BUCKETS 4096

struct entry {
	SLIST_ENTRY(entry) link;
	char *name;
	struct handle *handle; /* NULL when the server did not give it */
	struct attr attr;
};

SLIST_HEAD(entry_list, entry);

struct join {
	struct entry_list bucket[BUCKETS];
	size_t in_memory; /* added to the buckets since the reset */
	size_t memory_max;
	uint64_t left;
	const char *spill_directory;
	struct spill *spill; /* made when first needed */
	bool spilled;        /* the spill holds entries of this directory */
	/* How far join_take_next() has come. */
	size_t next_bucket;
	char last[VOLUME_NAME_MAX + 1]; /* taken from the spill; "": none */
};

struct join *join_new(const char *spill_directory, size_t memory_max)
{
	struct join *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->spill_directory = spill_directory;
	j->memory_max = memory_max;
	return j;
}

struct join *join_free(struct join *j)
{
	if (j) {
		join_reset(j);
		spill_free(j->spill);
	}
	free(j);
	return NULL;
}

static void entry_free(struct entry *e)
{
	free(e->name);
	free(e->handle);
	free(e);
}

void join_reset(struct join *j)
{
	struct entry *e;

	for (size_t i = 0; j->in_memory > 0 && i < BUCKETS; i++) {
		while ((e = SLIST_FIRST(&j->bucket[i]))) {
			SLIST_REMOVE_HEAD(&j->bucket[i], link);
			entry_free(e);
		}
	}
	if (j->spilled)
		spill_clear(j->spill);
	j->spilled = false;
	j->in_memory = 0;
	j->left = 0;
	j->next_bucket = 0;
	j->last[0] = '\0';
}

static struct entry_list *bucket_of(struct join *j, const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *s = name; *s; s++)
		hash = (hash ^ (uint8_t)*s) * 16777619u;
	return &j->bucket[hash % BUCKETS];
}

static int add_spilled(struct join *j, const struct volume_entry *entry)
{
	size_t len = entry->handle ? entry->handle->len : 0;
	uint8_t bytes[sizeof(struct attr) + 1 + 4096];
	uint8_t *value = bytes;
	int r;

	if (!j->spill) {
		r = spill_new(j->spill_directory, &j->spill);
		if (r < 0)
			return r;
	}
	if (sizeof(struct attr) + 1 + len > sizeof(bytes)) {
		value = malloc(sizeof(struct attr) + 1 + len);
		if (!value)
			return -ENOMEM;
	}
	memcpy(value, &entry->attr, sizeof(struct attr));
	value[sizeof(struct attr)] = entry->handle != NULL;
	if (len > 0)
		memcpy(value + sizeof(struct attr) + 1, entry->handle->data,
		       len);
	r = spill_put(j->spill, entry->name, strlen(entry->name), value,
		      sizeof(struct attr) + 1 + len);
	if (value != bytes)
		free(value);
	j->spilled = true;
	return r;
}

static struct entry *find(struct join *j, const char *name)
{
	struct entry *e;

	SLIST_FOREACH(e, bucket_of(j, name), link)
	if (!strcmp(e->name, name))
		return e;
	return NULL;
}

static int add_in_memory(struct join *j, struct volume_entry *entry)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->name = steal(entry->name);
	e->handle = steal(entry->handle);
	e->attr = entry->attr;
	SLIST_INSERT_HEAD(bucket_of(j, e->name), e, link);
	j->in_memory++;
	return 0;
}

int join_add(struct join *j, struct volume_entry *entry)
{
	struct entry *old = find(j, entry->name);
	int r;

	if (old) {
		free(old->handle);
		old->handle = steal(entry->handle);
		old->attr = entry->attr;
		return 0;
	}
	if (j->in_memory < j->memory_max)
		r = add_in_memory(j, entry);
	else
		r = add_spilled(j, entry);
	if (r == 0)
		j->left++;
	return r;
}

/* What add_spilled() stored, taken apart. 1, or -ENOMEM. */
static int read_spilled(const uint8_t *value, size_t len, struct attr *ret_attr,
			struct handle **ret_handle)
{
	memcpy(ret_attr, value, sizeof(*ret_attr));
	*ret_handle = NULL;
	if (value[sizeof(*ret_attr)]) {
		*ret_handle = handle_new(value + sizeof(*ret_attr) + 1,
					 len - sizeof(*ret_attr) - 1);
		if (!*ret_handle)
			return -ENOMEM;
	}
	return 1;
}

static int take_spilled(struct join *j, const char *name, struct attr *ret_attr,
			struct handle **ret_handle)
{
	void *bytes;
	size_t len;
	int r;

	r = spill_take(j->spill, name, strlen(name), &bytes, &len);
	if (r <= 0)
		return r;
	r = read_spilled(bytes, len, ret_attr, ret_handle);
	free(bytes);
	return r;
}

int join_take(struct join *j, const char *name, struct attr *ret_attr,
	      struct handle **ret_handle)
{
	struct entry *e = find(j, name);
	int r = 0;

	if (e) {
		*ret_attr = e->attr;
		*ret_handle = steal(e->handle);
		SLIST_REMOVE(bucket_of(j, name), e, entry, link);
		entry_free(e);
		r = 1;
	} else if (j->spilled) {
		r = take_spilled(j, name, ret_attr, ret_handle);
	}
	if (r > 0)
		j->left--;
	return r;
}

static int take_next_spilled(struct join *j, char **ret_name,
			     struct attr *ret_attr, struct handle **ret_handle)
{
	CLEANUP_FREE void *key = NULL;
	CLEANUP_FREE void *value = NULL;
	size_t key_len, len;
	int r = spill_next(j->spill, j->last, strlen(j->last), &key, &key_len,
			   &value, &len);

	if (r <= 0)
		return r;
	memcpy(j->last, key, key_len);
	j->last[key_len] = '\0';
	*ret_name = strdup(j->last);
	if (!*ret_name)
		return -ENOMEM;
	r = read_spilled(value, len, ret_attr, ret_handle);
	if (r < 0)
		free(steal(*ret_name));
	return r;
}

int join_take_next(struct join *j, char **ret_name, struct attr *ret_attr,
		   struct handle **ret_handle)
{
	int r = 0;

	for (; j->in_memory > 0 && j->next_bucket < BUCKETS; j->next_bucket++) {
		struct entry_list *bucket = &j->bucket[j->next_bucket];
		struct entry *e = SLIST_FIRST(bucket);

		if (!e)
			continue;
		SLIST_REMOVE_HEAD(bucket, link);
		*ret_name = steal(e->name);
		*ret_handle = steal(e->handle);
		*ret_attr = e->attr;
		entry_free(e);
		j->left--;
		return 1;
	}
	if (j->spilled)
		r = take_next_spilled(j, ret_name, ret_attr, ret_handle);
	if (r > 0)
		j->left--;
	return r;
}

uint64_t join_left(const struct join *j)
{
	return j->left;
}
