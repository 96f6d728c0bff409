/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scanner takes a few directories from the stack at once, so that their
 * first pages travel in one request; a tree of many small directories then
 * costs a fraction of a round trip for each. A directory that goes on behind
 * its first page is listed to its end page by page.
 *
 * The destination is listed first, into the join; then each page of the
 * source is planned against it. Names that only the destination has are what
 * is left in the join. A directory that this run made is empty there and is
 * not listed.
 */
#include "sync/scan.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/scanner.h"
#include "sync/withdraw.h"

/* Entries of a directory held in memory: about 400 bytes each, so 2 MiB a
 * scanner. */
#define JOIN_MEMORY 4096

struct scanners {
	unsigned count;
	struct scanner scanner[];
};

void scan_fail_directory(struct scanner *s, struct dirnode *d, int error,
			 enum side side)
{
	if (engine_stops_for(s->engine, error, side))
		return;
	/* Without the root there is nothing to do. */
	if (!d->parent && !d->path) {
		engine_stop(s->engine, error, side);
		return;
	}
	d->error = error;
	d->error_side = side;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* True for a temporary name that an earlier run left and that nothing needs
 * any more. */
static bool is_sweepable(const struct engine *e, const char *name)
{
	return tempname_is_stale(&e->tempname, name) &&
	       !(e->partial_count > 0 &&
		 bsearch(name, e->partials, e->partial_count, TEMPNAME_SIZE,
			 compare_names));
}

static int add_stale(struct scanner *s, char *name)
{
	char **grown =
	    reallocarray(s->stale, s->stale_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->stale = grown;
	s->stale[s->stale_count++] = name;
	return 0;
}

/* Puts one page of the destination into the join. */
static int join_page(struct scanner *s, struct volume_list *page)
{
	int r;

	for (size_t i = 0; i < page->ret_count; i++) {
		struct volume_entry *entry = &page->ret_entries[i];

		/* Asked for, and not there. */
		if (entry->attr_result == -ENOENT && s->listed)
			continue;
		engine_count_once(s->engine, s->dir, COUNT_LISTED_DESTINATION,
				  1);
		if (is_sweepable(s->engine, entry->name)) {
			r = add_stale(s, entry->name);
			if (r == 0)
				entry->name = NULL;
		} else if (tempname_is_ours(entry->name)) {
			r = 0;
		} else if (!scan_allows(s, entry->name, ENTRY_DIRECTORY)) {
			/* Hidden, also from whoever removes what only the
			 * destination has. What would be let through were it a
			 * directory may stand in the way of one. */
			r = 0;
		} else {
			r = join_add(s->join, entry);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Asks for the page behind `page`, which is emptied. */
static int next_page(struct scanner *s, enum side side,
		     struct volume_list *page)
{
	int r;

	if (s->listed)
		return scan_listed_next(s, side, page);
	r = volume_list_next(page);
	if (r < 0)
		return page->result = r;
	volume_run(s->engine->volume[side], VOLUME_LIST, page, 1);
	return page->result;
}

/* The destination's listing to its end. */
static int join_destination(struct scanner *s, struct volume_list *page)
{
	int r = page->result;

	while (r == 0) {
		r = join_page(s, page);
		if (r < 0 || page->ret_eof)
			break;
		gate_pass(&s->engine->gate);
		if (engine_is_stopping(s->engine))
			return -ECANCELED;
		r = next_page(s, DESTINATION, page);
	}
	return r;
}

static void plan_page(struct scanner *s, struct volume_list *page)
{
	for (size_t i = 0; i < page->ret_count; i++)
		if (!tempname_is_ours(page->ret_entries[i].name))
			scan_entry(s, &page->ret_entries[i]);
	scan_entry(s, NULL);
}

static int plan_source(struct scanner *s, struct volume_list *page)
{
	int r = page->result;

	while (r == 0) {
		plan_page(s, page);
		if (page->ret_eof)
			break;
		gate_pass(&s->engine->gate);
		if (engine_is_stopping(s->engine))
			return -ECANCELED;
		r = next_page(s, SOURCE, page);
	}
	return r;
}

/* Removes the stale temporary names found in the directory. */
static void sweep(struct scanner *s)
{
	struct engine *e = s->engine;
	struct withdraw w = {.engine = e};
	struct volume_remove *items;
	size_t n = s->stale_count;

	items = n > 0 && !e->options.dry_run && !atomic_load(&e->comparing)
		    ? calloc(n, sizeof(*items))
		    : NULL;
	if (items) {
		for (size_t i = 0; i < n; i++)
			items[i] = (struct volume_remove){
			    .dir = s->dir->handle[DESTINATION],
			    .name = s->stale[i],
			    .result = -ECANCELED};
		withdraw_directory(&w, s->dir);
		if (withdraw_commit(&w) == 0)
			volume_run(e->volume[DESTINATION], VOLUME_REMOVE, items,
				   n);
		for (size_t i = 0; i < n; i++)
			if (items[i].result == 0)
				engine_count(e, COUNT_SWEPT, 1);
		free(items);
	}
	for (size_t i = 0; i < n; i++)
		free(s->stale[i]);
	free(s->stale);
	s->stale = NULL;
	s->stale_count = 0;
}

/* Directory number `number` of its group. `page[]` are the first pages of both
 * sides; the destination's is not there (dir NULL) when there is nothing to
 * list. */
static void scan_directory(struct scanner *s, int number, struct dirnode *d,
			   struct volume_list *source,
			   struct volume_list *destination)
{
	int r;

	gate_pass(&s->engine->gate);
	s->dir = d;
	s->number = number;
	s->met = false;
	s->pruned = 0;
	s->listed = scan_is_listed(s->engine, d);
	join_reset(s->join);
	r = scan_note_path(s);
	if (r == 0 && destination->dir)
		r = join_destination(s, destination);
	if (r < 0) {
		scan_fail_directory(s, d, r, DESTINATION);
	} else {
		r = plan_source(s, source);
		if (r < 0)
			scan_fail_directory(s, d, r, SOURCE);
		else
			scan_look_back(s);
	}
	sweep(s);
	volume_items_done(VOLUME_LIST, source, 1);
	volume_items_done(VOLUME_LIST, destination, 1);
}

static void wake(struct volume_call *call)
{
	sem_post(call->user);
}

/* The pages to be asked for: those of one side that are to be listed. */
struct pages {
	size_t count;
	struct volume_list items[SCAN_GROUP];
	struct volume_list *wanted[SCAN_GROUP]; /* where they belong */
};

static void add_page(struct pages *p, struct volume_list *page)
{
	p->items[p->count] = *page;
	p->wanted[p->count++] = page;
}

static void take_pages(const struct pages *p)
{
	for (size_t i = 0; i < p->count; i++)
		*p->wanted[i] = p->items[i];
}

static void list_both(struct scanner *s, struct pages *source,
		      struct pages *destination)
{
	sem_t done;
	struct volume_call call = {.verb = VOLUME_LIST,
				   .items = destination->items,
				   .count = destination->count,
				   .done = wake,
				   .user = &done};

	sem_init(&done, 0, 0);
	if (call.count > 0)
		volume_start(s->engine->volume[DESTINATION], &call);
	if (source->count > 0)
		volume_run(s->engine->volume[SOURCE], VOLUME_LIST,
			   source->items, source->count);
	if (call.count > 0)
		while (sem_wait(&done) < 0)
			;
	sem_destroy(&done);
	take_pages(source);
	take_pages(destination);
}

/* First pages of all directories of the group, both sides at the same time.
 * The destination's page has no `dir` when there is nothing to list. */
static void list_group(struct scanner *s, struct dirnode **nodes, int count,
		       struct volume_list *source,
		       struct volume_list *destination)
{
	struct pages from = {.count = 0}, to = {.count = 0};

	for (int i = 0; i < count; i++) {
		const struct dirnode *d = nodes[i];

		source[i] = (struct volume_list){.dir = d->handle[SOURCE]};
		destination[i] = (struct volume_list){0};
		if (!scan_enters(s->engine, d)) {
			source[i].ret_eof = true;
			continue;
		}
		if (!d->fresh)
			destination[i].dir = d->handle[DESTINATION];
		if (d->only) {
			scan_look_up(s, d, &source[i], &destination[i]);
			continue;
		}
		if (scan_is_listed(s->engine, d))
			continue;
		add_page(&from, &source[i]);
		if (destination[i].dir)
			add_page(&to, &destination[i]);
	}
	list_both(s, &from, &to);
	if (s->engine->filelist)
		scan_listed_pages(s, nodes, count, source, destination);
}

static void scan_group(struct scanner *s, struct dirnode **nodes, int count)
{
	struct volume_list source[SCAN_GROUP], destination[SCAN_GROUP];
	struct engine *e = s->engine;

	gate_pass(&e->gate);
	if (!engine_is_stopping(e)) {
		list_group(s, nodes, count, source, destination);
		for (int i = 0; i < count; i++)
			scan_directory(s, i, nodes[i], &source[i],
				       &destination[i]);
	}
	/* Lanes without work are worse than a batch that is not full. */
	if (queue_length(e->work) == 0)
		scan_flush(s);
	for (int i = 0; i < count; i++) {
		atomic_fetch_sub(&e->scanning, 1);
		engine_drop_directory(e, nodes[i]);
	}
}

static void *scanner_main(void *arg)
{
	struct scanner *s = arg;
	struct dirnode *nodes[SCAN_GROUP];
	int n;

	pthread_setname_np(pthread_self(), "scan");
	for (;;) {
		n = dirstack_try_pop(s->engine->stack, nodes, SCAN_GROUP);
		if (n == 0) {
			scan_flush(s);
			n = dirstack_pop(s->engine->stack, nodes, SCAN_GROUP);
		}
		if (n < 0)
			engine_stop(s->engine, n, SIDES);
		if (n <= 0)
			break;
		scan_group(s, nodes, n);
	}
	scan_flush(s);
	return NULL;
}

static void scanner_done(struct scanner *s)
{
	s->reader = manifest_reader_free(s->reader);
	s->join = join_free(s->join);
	free(s->path);
	free(s->subs);
}

static int scanner_start(struct scanner *s, struct engine *e)
{
	s->engine = e;
	s->reader = manifest_reader_new(e->manifest);
	s->join = join_new(e->spill_directory, JOIN_MEMORY);
	if (s->reader && s->join &&
	    pthread_create(&s->thread, NULL, scanner_main, s) == 0)
		return 0;
	scanner_done(s);
	return -ENOMEM;
}

int scan_start(struct engine *e, unsigned count, struct scanners **ret)
{
	struct scanners *s =
	    calloc(1, sizeof(*s) + count * sizeof(s->scanner[0]));
	int r;

	if (!s)
		return -ENOMEM;
	for (; s->count < count; s->count++) {
		r = scanner_start(&s->scanner[s->count], e);
		if (r < 0 && s->count == 0) {
			free(s);
			return r;
		}
		if (r < 0)
			break;
	}
	*ret = s;
	return 0;
}

struct scanners *scan_join(struct scanners *s)
{
	if (!s)
		return NULL;
	for (unsigned i = 0; i < s->count; i++) {
		pthread_join(s->scanner[i].thread, NULL);
		scanner_done(&s->scanner[i]);
	}
	free(s);
	return NULL;
}
