/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first MEMORY_MAX entries are in a hash of lists, and leave it when they
 * are taken; the rest is in the spill, under their names, and is only
 * forgotten as a whole. The spill outlives the directory, so that a tree of
 * many large ones makes one file.
 */
#include "sync/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "sync/spill.h"
#include "volume/volume.h"

/* Entries held in memory: about 400 bytes each, so 2 MiB a scanner. */
#define MEMORY_MAX 4096
#define BUCKETS    4096

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
	uint64_t left;
	const char *spill_directory;
	struct spill *spill; /* made when first needed */
	bool spilled;        /* the spill holds entries of this directory */
};

struct join *join_new(const char *spill_directory)
{
	struct join *j = calloc(1, sizeof(*j));

	if (j)
		j->spill_directory = spill_directory;
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

int join_add(struct join *j, struct volume_entry *entry)
{
	struct entry *e;
	int r;

	if (j->in_memory >= MEMORY_MAX) {
		r = add_spilled(j, entry);
		if (r < 0)
			return r;
	} else {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->name = entry->name;
		e->handle = entry->handle;
		e->attr = entry->attr;
		entry->name = NULL;
		entry->handle = NULL;
		SLIST_INSERT_HEAD(bucket_of(j, e->name), e, link);
		j->in_memory++;
	}
	j->left++;
	return 0;
}

static int take_spilled(struct join *j, const char *name, struct attr *ret_attr,
			struct handle **ret_handle)
{
	uint8_t *value;
	void *bytes;
	size_t len;
	int r;

	r = spill_get(j->spill, name, strlen(name), &bytes, &len);
	if (r <= 0)
		return r;
	value = bytes;
	memcpy(ret_attr, value, sizeof(*ret_attr));
	*ret_handle = NULL;
	if (value[sizeof(*ret_attr)]) {
		*ret_handle = handle_new(value + sizeof(*ret_attr) + 1,
					 len - sizeof(*ret_attr) - 1);
		if (!*ret_handle)
			r = -ENOMEM;
	}
	free(bytes);
	return r;
}

int join_take(struct join *j, const char *name, struct attr *ret_attr,
	      struct handle **ret_handle)
{
	struct entry_list *bucket = bucket_of(j, name);
	struct entry *e;
	int r = 0;

	SLIST_FOREACH(e, bucket, link)
	{
		if (!strcmp(e->name, name)) {
			*ret_attr = e->attr;
			*ret_handle = e->handle;
			e->handle = NULL;
			SLIST_REMOVE(bucket, e, entry, link);
			entry_free(e);
			j->left--;
			return 1;
		}
	}
	if (j->spilled)
		r = take_spilled(j, name, ret_attr, ret_handle);
	if (r > 0)
		j->left--;
	return r;
}

uint64_t join_left(const struct join *j)
{
	return j->left;
}
