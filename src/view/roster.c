/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A block is one piece of memory, written to the spill as it is. In it stand
 * records, one for each entry:
 *
 *	struct record, handles of the source and the destination, name, NUL
 *
 * padded to eight bytes. The producer fills a block that nobody else sees;
 * publishing it makes it part of the list.
 *
 * Of blocks in the spill only the first number is kept in memory: 8 bytes for
 * some hundred entries.
 */
#include "view/roster.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "sync/spill.h"

/* A full block: some hundred entries. */
#define BLOCK_BYTES (64 * 1024)

/* The first block of a directory begins with this. */
#define BLOCK_FIRST 4096

struct record {
	uint32_t size; /* of all of it, with the padding */
	bool has_handle[SIDES];
	bool has_attr;
	uint64_t inode;
	int64_t listed_ns;
	struct attr attr;
	uint8_t bytes[];
};

struct block {
	TAILQ_ENTRY(block) link; /* in memory, published */
	_Atomic unsigned references;
	uint64_t first; /* number of its first entry */
	uint64_t count;
	size_t used; /* bytes of records */
	size_t room;
	_Alignas(struct record) uint8_t bytes[];
};

TAILQ_HEAD(block_list, block);

struct roster {
	const char *spill_directory;
	/* The producer's. */
	struct spill *spill; /* made when first needed */
	struct block *open;  /* being filled */
	uint64_t added;      /* entries, with those in `open` */
	uint64_t *first;     /* of all published blocks, by index */
	size_t blocks;
	size_t first_room;
	size_t spilled;         /* blocks 0 .. spilled - 1 are in the spill */
	pthread_mutex_t lock;   /* guards what follows; a leaf */
	struct block_list list; /* in memory, in their order */
	size_t bytes;           /* of these */
	struct block *loaded;   /* from the spill, the last that was wanted */
	uint64_t count;         /* entries published */
};

struct roster *roster_new(const char *spill_directory)
{
	struct roster *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->spill_directory = spill_directory;
	TAILQ_INIT(&r->list);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

struct block *block_drop(struct block *b)
{
	if (b && atomic_fetch_sub(&b->references, 1) == 1)
		free(b);
	return NULL;
}

struct roster *roster_free(struct roster *r)
{
	struct block *b;

	if (!r)
		return NULL;
	while ((b = TAILQ_FIRST(&r->list))) {
		TAILQ_REMOVE(&r->list, b, link);
		block_drop(b);
	}
	block_drop(r->loaded);
	block_drop(r->open);
	spill_free(r->spill);
	free(r->first);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

/* --- Records -------------------------------------------------------------- */

/* Handles are stored as they are, so that pointers to them can be given. */
static size_t handle_room(const struct handle *h)
{
	return (sizeof(*h) + h->len + 7) & ~(size_t)7;
}

static size_t record_size(const struct merged *e)
{
	size_t size = sizeof(struct record) + strlen(e->name) + 1;

	for (int s = 0; s < SIDES; s++)
		if (e->handle[s])
			size += handle_room(e->handle[s]);
	return (size + 7) & ~(size_t)7;
}

static void record_write(struct record *ret, size_t size,
			 const struct merged *e)
{
	uint8_t *at = ret->bytes;

	*ret = (struct record){.size = (uint32_t)size,
			       .has_attr = e->has_attr,
			       .inode = e->inode,
			       .listed_ns = e->listed_ns,
			       .attr = e->attr};
	for (int s = 0; s < SIDES; s++) {
		const struct handle *h = e->handle[s];

		if (!h)
			continue;
		ret->has_handle[s] = true;
		memcpy(at, h, sizeof(*h) + h->len);
		at += handle_room(h);
	}
	strcpy((char *)at, e->name);
}

bool block_read(const struct block *b, uint64_t number, size_t *at,
		struct merged *ret)
{
	const struct record *record;
	const uint8_t *bytes;

	if (*at == 0)
		for (uint64_t n = b->first; n < number && *at < b->used; n++)
			*at += ((const struct record *)(b->bytes + *at))->size;
	if (*at >= b->used)
		return false;
	record = (const struct record *)(b->bytes + *at);
	*at += record->size;
	*ret = (struct merged){.has_attr = record->has_attr,
			       .inode = record->inode,
			       .listed_ns = record->listed_ns,
			       .attr = record->attr};
	bytes = record->bytes;
	for (int s = 0; s < SIDES; s++) {
		if (!record->has_handle[s])
			continue;
		ret->handle[s] = (const struct handle *)bytes;
		bytes += handle_room(ret->handle[s]);
	}
	ret->name = (const char *)bytes;
	return true;
}

/* --- Publishing ----------------------------------------------------------- */

static int spill_block(struct roster *r, const struct block *b, size_t index)
{
	int e = 0;

	if (!r->spill)
		e = spill_new(r->spill_directory, &r->spill);
	if (e == 0)
		e = spill_put(r->spill, &index, sizeof(index), b->bytes,
			      b->used);
	return e;
}

/* The oldest blocks go to the spill until the rest is small enough. */
static int trim(struct roster *r)
{
	struct block *b;
	int e = 0;

	while (e == 0) {
		pthread_mutex_lock(&r->lock);
		b = r->bytes > ROSTER_MEMORY ? TAILQ_FIRST(&r->list) : NULL;
		pthread_mutex_unlock(&r->lock);
		/* Only this thread removes it, so it stays meanwhile. */
		if (!b || b == TAILQ_LAST(&r->list, block_list))
			break;
		e = spill_block(r, b, r->spilled);
		if (e < 0)
			break;
		r->spilled++;
		pthread_mutex_lock(&r->lock);
		TAILQ_REMOVE(&r->list, b, link);
		r->bytes -= b->room;
		pthread_mutex_unlock(&r->lock);
		block_drop(b);
	}
	return e;
}

/* Gives back the room that a block does not need. */
static struct block *block_shrink(struct block *b)
{
	struct block *smaller = realloc(b, sizeof(*b) + b->used);

	if (!smaller)
		return b;
	smaller->room = smaller->used;
	return smaller;
}

static int note_first(struct roster *r, uint64_t first)
{
	if (r->blocks == r->first_room) {
		size_t room = r->first_room ? 2 * r->first_room : 16;
		uint64_t *grown = reallocarray(r->first, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->first = grown;
		r->first_room = room;
	}
	r->first[r->blocks++] = first;
	return 0;
}

int roster_publish(struct roster *r)
{
	struct block *b;
	int e;

	if (!r->open)
		return 0;
	e = note_first(r, r->open->first);
	if (e < 0)
		return e;
	b = block_shrink(steal(r->open));
	pthread_mutex_lock(&r->lock);
	TAILQ_INSERT_TAIL(&r->list, b, link);
	r->bytes += b->room;
	r->count += b->count;
	pthread_mutex_unlock(&r->lock);
	return trim(r);
}

static struct block *block_new(uint64_t first, size_t room)
{
	struct block *b = malloc(sizeof(*b) + room);

	if (!b)
		return NULL;
	*b = (struct block){.references = 1, .first = first, .room = room};
	return b;
}

/* Makes room for a record of this size in the open block. */
static int make_room(struct roster *r, size_t size)
{
	size_t room = r->added == 0 ? BLOCK_FIRST : BLOCK_BYTES;
	int e;

	if (r->open && r->open->room - r->open->used >= size)
		return 0;
	e = roster_publish(r);
	if (e < 0)
		return e;
	r->open = block_new(r->added + 1, size > room ? size : room);
	return r->open ? 0 : -ENOMEM;
}

int roster_add(struct roster *r, const struct merged *entry)
{
	size_t size = record_size(entry);
	struct block *b;
	int e = make_room(r, size);

	if (e < 0)
		return e;
	b = r->open;
	record_write((struct record *)(b->bytes + b->used), size, entry);
	b->used += size;
	b->count++;
	r->added++;
	return 0;
}

/* --- Reading -------------------------------------------------------------- */

uint64_t roster_count(struct roster *r)
{
	uint64_t count;

	pthread_mutex_lock(&r->lock);
	count = r->count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

static bool has_number(const struct block *b, uint64_t number)
{
	return number >= b->first && number - b->first < b->count;
}

struct block *roster_get(struct roster *r, uint64_t number)
{
	struct block *b;

	pthread_mutex_lock(&r->lock);
	/* Most ask for what came last. */
	TAILQ_FOREACH_REVERSE(b, &r->list, block_list, link)
	if (has_number(b, number))
		break;
	if (!b && r->loaded && has_number(r->loaded, number))
		b = r->loaded;
	if (b)
		atomic_fetch_add(&b->references, 1);
	pthread_mutex_unlock(&r->lock);
	return b;
}

/* The index of the spilled block that has this number. */
static size_t index_of(const struct roster *r, uint64_t number)
{
	size_t low = 0, high = r->spilled;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->first[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int roster_load(struct roster *r, uint64_t number)
{
	size_t index = index_of(r, number), len;
	struct block *b, *old;
	void *bytes;
	int e;

	b = roster_get(r, number);
	if (b) {
		block_drop(b);
		return 0;
	}
	e = r->spilled > 0
		? spill_get(r->spill, &index, sizeof(index), &bytes, &len)
		: 0;
	/* What was published is here or there. */
	if (e <= 0)
		return e < 0 ? e : -EIO;
	b = block_new(r->first[index], len);
	if (b) {
		memcpy(b->bytes, bytes, len);
		b->used = len;
		b->count = r->first[index + 1] - b->first;
	}
	free(bytes);
	if (!b)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	old = r->loaded;
	r->loaded = b;
	pthread_mutex_unlock(&r->lock);
	block_drop(old);
	return has_number(b, number) ? 0 : -EIO;
}
