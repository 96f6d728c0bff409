/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hostile.h"

#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "nfs3.h"
#include "record.h"
#include "results.h"

#define OP_READ    25
#define OP_READDIR 26

/* Attributes of NFSv3 (RFC 1813 section 2.5), when there are any. */
#define ATTRIBUTES_BYTES 84

struct named {
	const char *word;
	const char *name;
	size_t len;
};

#define NAMED(word, text)                     \
	{                                     \
		word, text, sizeof(text) - 1, \
	}

static const struct named names[] = {
    NAMED("dot", "."),
    NAMED("dotdot", ".."),
    NAMED("empty", ""),
    NAMED("slash", "a/b"),
    NAMED("root", "/escaped"),
    NAMED("climb", "../escaped"),
    NAMED("far", "../../../../escaped"),
    NAMED("nul", "es\0caped"),
};

const char *hostile_name(const char *word, size_t *ret_len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].word, word)) {
			*ret_len = names[i].len;
			return names[i].name;
		}
	return NULL;
}

/* An opaque: its length, what is in it, what fills it up. */
static void put_opaque(struct record **record, size_t at, const void *bytes,
		       size_t len)
{
	size_t size, had;
	const unsigned char *old = record_payload(*record, &size);
	unsigned char *text = calloc(1, 4 + padded(len));

	had = 4 + padded(get_word(old + at));
	put_word(text, (uint32_t)len);
	memcpy(text + 4, bytes, len);
	record_splice(record, at, had, text, 4 + padded(len));
	free(text);
}

/* --- Listings ------------------------------------------------------------- */

struct listing {
	const unsigned char *bytes;
	bool (*hits)(void *user);
	void *user;
	int procedure;
	size_t name_at; /* 0: none is hit yet */
};

/* The list begins at the cursor. */
static void look_for(struct listing *l, struct cursor *c)
{
	while (l->name_at == 0 && take_word(c) == 1) {
		size_t name_at;

		/* Cookie before the name, or the file's number. */
		walk(c, "d");
		name_at = (size_t)(c->p - l->bytes);
		walk(c, "o");
		if (!c->bad && l->hits(l->user))
			l->name_at = name_at;
		if (l->procedure < 0) {
			walk(c, "a");
			continue;
		}
		walk(c, "d");
		if (l->procedure != NFS3_READDIRPLUS)
			continue;
		if (take_word(c) == 1)
			skip(c, ATTRIBUTES_BYTES);
		if (take_word(c) == 1)
			walk(c, "o");
	}
}

static bool look_at(const struct results_place *place, void *user)
{
	struct listing *l = user;
	struct cursor c = {l->bytes + place->body, place->end - place->body,
			   false};

	if (place->op == OP_READDIR && place->status == 0) {
		walk(&c, "d");
		look_for(l, &c);
	}
	return l->name_at == 0;
}

void hostile_listing(struct record **record, int procedure,
		     bool (*hits)(void *user), void *user, const char *name,
		     size_t len)
{
	size_t size, at;
	const unsigned char *bytes = record_payload(*record, &size);
	struct listing l = {bytes, hits, user, procedure, 0};
	struct cursor c;

	if (procedure < 0) {
		results_each(bytes, size, look_at, &l);
	} else {
		at = results_status_at(bytes, size);
		if (at == 0 || get_word(bytes + at) != 0)
			return;
		c = (struct cursor){bytes + at + 4, size - at - 4, false};
		if (take_word(&c) == 1)
			skip(&c, ATTRIBUTES_BYTES);
		walk(&c, "d");
		look_for(&l, &c);
	}
	if (l.name_at)
		put_opaque(record, l.name_at, name, len);
}

/* --- Data ----------------------------------------------------------------- */

struct reading {
	uint32_t index;
	size_t data_at;
};

static bool find_data(const struct results_place *place, void *user)
{
	struct reading *r = user;

	if (place->index == r->index && place->op == OP_READ &&
	    place->status == 0)
		r->data_at = place->body + 4;
	return place->index < r->index;
}

/* Attributes, count and end stand before them. */
static size_t find_data3(const unsigned char *bytes, size_t size)
{
	size_t at = results_status_at(bytes, size);
	struct cursor c = {bytes + at, size - at, at == 0};

	if (take_word(&c) != 0)
		return 0;
	if (take_word(&c) == 1)
		skip(&c, ATTRIBUTES_BYTES);
	walk(&c, "ww");
	return c.bad || c.left < 4 ? 0 : (size_t)(c.p - bytes);
}

void hostile_read(struct record **record, bool nfs3, uint32_t index,
		  uint32_t count)
{
	struct reading r = {index, 0};
	size_t size;
	unsigned char *data;
	const unsigned char *bytes = record_payload(*record, &size);

	if (nfs3)
		r.data_at = find_data3(bytes, size);
	else
		results_each(bytes, size, find_data, &r);
	if (!r.data_at)
		return;
	data = calloc(1, count);
	if (!data)
		return;
	put_opaque(record, r.data_at, data, count);
	if (nfs3) {
		bytes = record_payload(*record, &size);
		put_word((unsigned char *)(uintptr_t)bytes + r.data_at - 8,
			 count);
	}
	free(data);
}
