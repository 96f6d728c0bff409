/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Phases:
 *
 *   HOLD    the destination's pages go into the join, to its end
 *   STREAM  the source's pages pass, each entry meets its other half
 *   LEFT    what is left in the join
 *   DONE
 *
 * With one side it begins with STREAM, of that side, and there is no join.
 *
 * It is the destination that is held because the engine renames over names
 * there: a server may list such a name twice, and the join has it once.
 *
 * A row is asked for only where the destination has the name: without that the
 * source serves it under its own file id, whatever the manifest says. Rows are
 * read after the listings they are held against, unlike in resolve: a record
 * of a newer object on the destination then does not fit the object listed,
 * and the source serves it a little longer.
 *
 * How old an entry may be counts from when its page was asked for. Where both
 * sides have the same attributes the younger page counts: otherwise all of a
 * large directory would be as old as the beginning of the side that is held.
 */
#include "view/merge.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sync/join.h"
#include "sync/manifest.h"
#include "sync/tempname.h"
#include "view/resolve.h"
#include "volume/volume.h"

/* Entries held in memory: some 250 bytes each, as much as a spill has for its
 * cache. */
#define JOIN_MEMORY 32768

enum phase { HOLD, STREAM, LEFT, DONE };

struct merge {
	struct merge_setup setup;
	enum phase phase;
	enum side streamed;
	struct join *join; /* of the destination; NULL with one side */
	struct volume_list page[SIDES];
	bool has_page[SIDES];
	size_t at; /* entries of the streamed page that were taken */
	int64_t asked_ns[SIDES];
};

/* An entry while it is judged: what each side has, if it has it. */
struct found {
	const char *name;
	bool present[SIDES];
	struct attr attr[SIDES]; /* type ENTRY_NONE: not told */
	struct handle *handle[SIDES];
};

int merge_new(const struct merge_setup *setup, struct merge **ret)
{
	struct merge *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->setup = *setup;
	m->phase = STREAM;
	m->streamed = setup->present[SOURCE] ? SOURCE : DESTINATION;
	if (setup->present[SOURCE] && setup->present[DESTINATION]) {
		m->phase = HOLD;
		m->join = join_new(setup->spill_directory, JOIN_MEMORY);
		if (!m->join) {
			merge_free(m);
			return -ENOMEM;
		}
	}
	*ret = m;
	return 0;
}

struct merge *merge_free(struct merge *m)
{
	if (m) {
		join_free(m->join);
		volume_items_done(VOLUME_LIST, m->page, SIDES);
	}
	free(m);
	return NULL;
}

bool merge_needs(const struct merge *m, enum side side)
{
	if (m->has_page[side])
		return false;
	switch (m->phase) {
	case HOLD:
		return side == DESTINATION;
	case STREAM:
		return side == m->streamed;
	case LEFT:
	case DONE:
		break;
	}
	return false;
}

bool merge_is_done(const struct merge *m)
{
	return m->phase == DONE;
}

void merge_give(struct merge *m, enum side side, struct volume_list *page,
		int64_t asked_ns)
{
	m->page[side] = *page;
	m->has_page[side] = true;
	if (side == m->streamed)
		m->at = 0;
	/* A listing that is held is as old as its first page. */
	if (m->asked_ns[side] == 0 || m->phase != HOLD)
		m->asked_ns[side] = asked_ns;
	page->ret_entries = NULL;
	page->ret_count = 0;
}

/* The page was used up. True when it was the last. */
static bool end_page(struct merge *m, enum side side)
{
	bool eof = m->page[side].ret_eof;

	volume_items_done(VOLUME_LIST, &m->page[side], 1);
	m->has_page[side] = false;
	return eof;
}

static bool is_shown(const struct merge *m, const char *name)
{
	if (tempname_is_ours(name))
		return false;
	return !m->setup.is_hidden || !m->setup.is_hidden(m->setup.user, name);
}

/* --- Judging -------------------------------------------------------------- */

static bool same_attributes(const struct attr *a, const struct attr *b)
{
	return a->type == b->type && a->size == b->size && a->mode == b->mode &&
	       a->uid == b->uid && a->gid == b->gid &&
	       a->mtime_ns == b->mtime_ns;
}

static int64_t listed_ns(const struct merge *m, const struct found *f,
			 enum side origin)
{
	int64_t source = m->asked_ns[SOURCE], dest = m->asked_ns[DESTINATION];

	if (!f->present[SOURCE] || !f->present[DESTINATION])
		return m->asked_ns[origin];
	/* A directory has to do with both sides. */
	if (f->attr[SOURCE].type != ENTRY_DIRECTORY &&
	    same_attributes(&f->attr[SOURCE], &f->attr[DESTINATION]))
		return source > dest ? source : dest;
	return source < dest ? source : dest;
}

/* Both sides, or the one that has it, told the attributes. */
static bool is_told(const struct found *f)
{
	for (int s = 0; s < SIDES; s++)
		if (f->present[s] && f->attr[s].type == ENTRY_NONE)
			return false;
	return true;
}

static void drop_handles(struct found *f)
{
	for (int s = 0; s < SIDES; s++)
		free(steal(f->handle[s]));
}

/* Judges what was found, and hands it on. Frees the handles. */
static int emit(struct merge *m, struct found *f,
		struct manifest_reader *reader, uint64_t directory)
{
	const struct attr *attr[SIDES] = {NULL, NULL};
	struct merged e = {.name = f->name};
	struct manifest_row row;
	struct resolved judged;
	bool has_row = false;
	int r;

	if (!is_told(f)) {
		drop_handles(f);
		return m->setup.emit(m->setup.user, &e);
	}
	if (f->present[DESTINATION] && reader && directory != 0) {
		r = manifest_get(reader, directory, f->name, &row);
		has_row = r > 0;
		if (r < 0) {
			drop_handles(f);
			return r;
		}
	}
	for (int s = 0; s < SIDES; s++)
		if (f->present[s])
			attr[s] = &f->attr[s];
	resolve_judge(&judged, attr, f->handle, has_row ? &row : NULL,
		      m->setup.removes_deleted);
	e.has_attr = true;
	e.inode = judged.inode;
	e.attr = judged.attr;
	e.listed_ns = listed_ns(m, f, judged.origin);
	/* Where the sides have different types the source's alone counts. */
	for (int s = 0; s < SIDES && e.attr.type == ENTRY_DIRECTORY; s++)
		if (f->attr[s].type == ENTRY_DIRECTORY)
			e.handle[s] = judged.handle[s];
	/* What is known to be deleted has no entry. */
	if (judged.result == -ENOENT)
		r = 0;
	else
		r = judged.result < 0 ? judged.result
				      : m->setup.emit(m->setup.user, &e);
	resolved_done(&judged);
	return r;
}

/* --- Phases --------------------------------------------------------------- */

/* 1: go on with what there is; 0: a page is needed; or an error. */

static int run_hold(struct merge *m)
{
	struct volume_list *page = &m->page[DESTINATION];
	int r;

	if (!m->has_page[DESTINATION])
		return 0;
	for (size_t i = 0; i < page->ret_count; i++) {
		struct volume_entry *e = &page->ret_entries[i];

		if (!is_shown(m, e->name))
			continue;
		/* The others are found by name: 100 bytes less to hold. */
		if (e->attr.type != ENTRY_DIRECTORY)
			free(steal(e->handle));
		if (e->attr_result < 0)
			e->attr = (struct attr){0};
		r = join_add(m->join, e);
		if (r < 0)
			return r;
	}
	if (end_page(m, DESTINATION))
		m->phase = STREAM;
	return 1;
}

/* Adds what the join has under the same name. */
static int find_held(struct merge *m, struct found *f)
{
	int r = 0;

	if (m->join)
		r = join_take(m->join, f->name, &f->attr[DESTINATION],
			      &f->handle[DESTINATION]);
	if (r > 0)
		f->present[DESTINATION] = true;
	return r;
}

/* One entry of the side that streams. As setup.emit(). */
static int stream_entry(struct merge *m, struct volume_entry *e,
			struct manifest_reader *reader, uint64_t directory)
{
	enum side side = m->streamed;
	struct found f = {.name = e->name};
	int r;

	if (!is_shown(m, e->name))
		return 0;
	f.present[side] = true;
	if (e->attr_result == 0)
		f.attr[side] = e->attr;
	f.handle[side] = steal(e->handle);
	r = find_held(m, &f);
	if (r < 0) {
		drop_handles(&f);
		return r;
	}
	return emit(m, &f, reader, directory);
}

/* Sets `paused` behind an entry where emit() said so. */
static int run_stream(struct merge *m, struct manifest_reader *reader,
		      uint64_t directory, bool *paused)
{
	enum side side = m->streamed;
	struct volume_list *page = &m->page[side];
	int r = 0;

	if (!m->has_page[side])
		return 0;
	while (r == 0 && m->at < page->ret_count)
		r = stream_entry(m, &page->ret_entries[m->at++], reader,
				 directory);
	*paused = r > 0;
	if (r >= 0 && m->at == page->ret_count && end_page(m, side))
		m->phase = m->join ? LEFT : DONE;
	return r < 0 ? r : 1;
}

static int run_left(struct merge *m, struct manifest_reader *reader,
		    uint64_t directory, bool *paused)
{
	int r = 0;

	while (r == 0) {
		struct found f = {.present[DESTINATION] = true};
		CLEANUP_FREE char *name = NULL;

		r = join_take_next(m->join, &name, &f.attr[DESTINATION],
				   &f.handle[DESTINATION]);
		if (r <= 0) {
			m->phase = DONE;
			return r;
		}
		f.name = name;
		r = emit(m, &f, reader, directory);
	}
	*paused = r > 0;
	return r < 0 ? r : 1;
}

int merge_run(struct merge *m, struct manifest_reader *reader,
	      uint64_t directory)
{
	bool paused = false;
	int r = 1;

	while (r > 0 && !paused) {
		switch (m->phase) {
		case HOLD:
			r = run_hold(m);
			break;
		case STREAM:
			r = run_stream(m, reader, directory, &paused);
			break;
		case LEFT:
			r = run_left(m, reader, directory, &paused);
			break;
		case DONE:
			return 0;
		}
	}
	return r;
}
