/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A frame for each level, on the heap: trees may be deeper than a thread's
 * stack. The directories of a page are entered before the next page is asked
 * for, so a frame keeps its page meanwhile. What is removed between two pages
 * does not move the rest: cookies stay valid (RFC 8881 section 18.23.3).
 */
#include "sync/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/state.h"

struct frame {
	struct frame *above;
	char *name; /* of the first: its path */
	struct handle *handle;
	struct volume_list page;
	size_t next;  /* entry of the page not yet looked at for entering */
	bool asked;   /* a page has been */
	bool leaving; /* WALK_LEAVE was given */
	bool kept;
	int error;
};

struct walk {
	struct engine *engine;
	enum side side;
	struct frame *top;
};

static int push(struct walk *w, const char *name, struct handle *handle)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (f)
		f->name = strdup(name);
	if (!f || !f->name) {
		free(f);
		return -ENOMEM;
	}
	f->handle = handle;
	f->above = w->top;
	w->top = f;
	return 0;
}

static void pop(struct walk *w)
{
	struct frame *f = w->top;

	w->top = f->above;
	volume_items_done(VOLUME_LIST, &f->page, 1);
	free(f->handle);
	free(f->name);
	free(f);
}

struct walk *walk_new(struct engine *e, enum side side,
		      const struct handle *handle, const char *path)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct handle *copy = w ? handle_dup(handle) : NULL;

	if (!copy) {
		free(w);
		return NULL;
	}
	w->engine = e;
	w->side = side;
	if (push(w, path, copy) == 0)
		return w;
	free(copy);
	free(w);
	return NULL;
}

struct walk *walk_free(struct walk *w)
{
	while (w && w->top)
		pop(w);
	free(w);
	return NULL;
}

/* Enters the next directory of the page at hand: 1, 0 when there is none. */
static int enter_next(struct walk *w)
{
	struct frame *f = w->top;

	while (f->next < f->page.ret_count) {
		struct volume_entry *entry = &f->page.ret_entries[f->next++];
		int r;

		if (entry->attr_result < 0 || !entry->handle ||
		    entry->attr.type != ENTRY_DIRECTORY)
			continue;
		r = push(w, entry->name, entry->handle);
		if (r < 0)
			return r;
		entry->handle = NULL;
		return 1;
	}
	return 0;
}

static bool is_through(const struct frame *f)
{
	return f->error || (f->asked && f->page.ret_eof);
}

static void ask_page(struct walk *w)
{
	struct frame *f = w->top;

	f->next = 0;
	if (f->asked)
		f->error = volume_list_next(&f->page);
	else
		f->page = (struct volume_list){.dir = f->handle};
	f->asked = true;
	if (f->error)
		return;
	volume_run(w->engine->volume[w->side], VOLUME_LIST, &f->page, 1);
	f->error = f->page.result;
}

static int give(struct walk *w, enum walk_event event, struct walk_place *ret)
{
	struct frame *f = w->top;

	*ret = (struct walk_place){
	    .dir = f->handle, .error = f->error, .kept = &f->kept};
	if (event == WALK_PAGE) {
		ret->entries = f->page.ret_entries;
		ret->count = f->page.ret_count;
	} else if (f->above) {
		ret->parent = f->above->handle;
		ret->name = f->name;
		ret->parent_kept = &f->above->kept;
	}
	return event;
}

int walk_next(struct walk *w, struct walk_place *ret)
{
	int r;

	while (w->top) {
		if (w->top->leaving) {
			pop(w);
			continue;
		}
		gate_pass(&w->engine->gate);
		if (engine_is_stopping(w->engine))
			return -ECANCELED;
		r = enter_next(w);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (!is_through(w->top))
			ask_page(w);
		else
			w->top->leaving = true;
		if (w->top->leaving)
			return give(w, WALK_LEAVE, ret);
		if (!w->top->error)
			return give(w, WALK_PAGE, ret);
	}
	return WALK_END;
}

/* Writes `part` before `end`, with a slash between if something follows. */
static char *prepend(char *end, const char *part)
{
	size_t len = strlen(part);

	if (len > 0 && *end)
		*--end = '/';
	return memcpy(end - len, part, len);
}

char *walk_path(const struct walk *w, const char *name)
{
	size_t len = name ? strlen(name) + 1 : 0;
	char *path, *start;

	for (const struct frame *f = w->top; f; f = f->above)
		len += strlen(f->name) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	/* From its end: only the way up is known. */
	start = path + len;
	*start = '\0';
	if (name)
		start = prepend(start, name);
	for (const struct frame *f = w->top; f; f = f->above)
		start = prepend(start, f->name);
	return memmove(path, start, strlen(start) + 1);
}
