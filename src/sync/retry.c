/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second try visits directories, not entries: each that has failed entries
 * of this execution becomes the root of a pass of its own, is listed and
 * planned again, and what is done by now is found unchanged. A directory that
 * failed itself is met, and entered, from its parent.
 *
 * The count of failures begins anew with it: an entry that fails again is
 * counted again, one that does not has mended. What cannot be visited again
 * counts as one failure, so that the run does not end as a success.
 *
 * A run that only retries does the same with the failures of all executions
 * before it, as its first visit. There, and where a run is for one path, a
 * visit leaves alone what has not failed (dirnode.only_failed).
 */
#include "sync/retry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/difference.h"
#include "sync/filter.h"
#include "sync/finish.h"
#include "sync/path.h"
#include "sync/reason.h"
#include "sync/state.h"
#include "sync/withdraw.h"

/* The most directories tried again, and the most failures named in the log:
 * where more fail, something is wrong that trying again does not mend. */
#define DIRECTORIES_MAX 10000
#define REPORTED_MAX    100

/* The most old failures of which the source is asked. */
#define LEFTOVERS_MAX 10000

struct paths {
	size_t count;
	char *path[DIRECTORIES_MAX];
	struct dirnode *node[DIRECTORIES_MAX]; /* NULL: no visit */
};

static int note_path(const char *path, void *user)
{
	struct paths *p = user;

	if (p->count == DIRECTORIES_MAX)
		return 0;
	p->path[p->count] = strdup(path);
	return p->path[p->count++] ? 0 : -ENOMEM;
}

/* A directory's place in the manifest. */
struct place {
	uint64_t id;
	uint64_t parent_id;
	const char *name; /* in the path that was asked for */
	bool covered; /* it or one above failed itself: from its parent it is
			 entered with all that is below */
};

/* `execution`: whose failures count, 0 for any. */
static int find_place(struct manifest_reader *reader, uint64_t execution,
		      const char *path, struct place *ret)
{
	CLEANUP_FREE char *copy = strdup(path);
	struct manifest_row row;
	char *end = copy;
	int r = copy ? 0 : -ENOMEM;

	*ret = (struct place){
	    .id = MANIFEST_ROOT, .parent_id = MANIFEST_ROOT, .name = ""};
	while (r >= 0 && *end) {
		char *name = end;
		char cut;

		end = strchrnul(name, '/');
		cut = *end;
		*end = '\0';
		ret->name = path + (name - copy);
		ret->parent_id = ret->id;
		r = manifest_get(reader, ret->parent_id, name, &row);
		if (r > 0 && row.state == STATE_FAILED &&
		    (row.execution == execution || execution == 0))
			ret->covered = true;
		/* `copy` is cut behind this name: it is the path so far. */
		if (r >= 0)
			r = manifest_directory(reader, ret->parent_id, name,
					       copy, &ret->id);
		*end = cut;
		if (cut)
			end++;
	}
	return r < 0 ? r : 0;
}

/* A root for another visit of directory `path`; NULL when one of the sides
 * has no such directory (any more). */
static struct dirnode *node_of(struct engine *e, const char *path,
			       const struct place *place, bool again)
{
	struct handle *handle[SIDES];
	struct attr attr[SIDES];
	struct dirnode *d = NULL;

	for (int side = 0; side < SIDES; side++)
		handle[side] = path_find(e, (enum side)side, path, &attr[side]);
	if (handle[SOURCE] && handle[DESTINATION])
		d = dirnode_new(NULL, place->name, handle[SOURCE],
				handle[DESTINATION]);
	if (!d) {
		free(handle[SOURCE]);
		free(handle[DESTINATION]);
		return NULL;
	}
	d->path = strdup(path);
	if (!d->path)
		return dirnode_free(d);
	d->id = place->id;
	d->parent_id = place->parent_id;
	d->attr[SOURCE] = attr[SOURCE];
	d->attr[DESTINATION] = attr[DESTINATION];
	d->shallow = true;
	d->again = again;
	/* The first visit has recorded it, and left its attributes as they
	 * should be or failed. */
	d->recorded = *place->name != '\0';
	atomic_store(&d->touched, true);
	return d;
}

/* What of the directory is visited: no more than the run is for. */
static int narrow(const struct engine *e, struct dirnode *d)
{
	size_t len = strlen(d->path);
	const char *rest = e->path;

	d->only_failed = e->scope != SCOPE_ALL || e->filelist;
	if (e->scope != SCOPE_PATH)
		return 0;
	if (len > 0) {
		/* Of what is not above the path, but below, all is wanted. */
		if (strncmp(rest, d->path, len) != 0 || rest[len] != '/')
			return 0;
		rest += len + 1;
	}
	d->only = strdup(rest);
	return d->only ? 0 : -ENOMEM;
}

/* The root for another visit of `path`, NULL when there is none to be made. */
static struct dirnode *revisit(struct engine *e, struct manifest_reader *reader,
			       uint64_t execution, const char *path)
{
	struct place place;
	struct dirnode *d;

	if (find_place(reader, execution, path, &place) < 0) {
		engine_count(e, COUNT_FAILED, 1);
		return NULL;
	}
	if (place.covered)
		return NULL;
	d = node_of(e, path, &place, execution != 0);
	if (d && narrow(e, d) < 0)
		d = dirnode_free(d);
	/* Its entries stay failed. Of earlier ones retry_forget_gone() knows
	 * better. */
	if (!d && execution != 0)
		engine_count(e, COUNT_FAILED, 1);
	return d;
}

/*
 * All are found before the first is visited: a visit mends records and makes
 * directories, and what it enters must not be visited on its own as well. Two
 * visits of one directory would write the same names at the same time.
 */
static void revisit_all(struct engine *e, struct manifest_reader *reader,
			uint64_t execution, struct paths *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		gate_pass(&e->gate);
		if (!engine_is_stopping(e))
			paths->node[i] =
			    revisit(e, reader, execution, paths->path[i]);
	}
	for (size_t i = 0; i < paths->count; i++)
		if (paths->node[i])
			engine_push_root(e, paths->node[i]);
}

/* A visit of the root for its attributes alone, whose times the probe has
 * changed. */
static void push_bare_root(struct engine *e)
{
	const struct place place = {
	    .id = MANIFEST_ROOT, .parent_id = MANIFEST_ROOT, .name = ""};
	struct dirnode *d = node_of(e, "", &place, false);

	if (d)
		d->only = strdup("");
	if (d && d->only) {
		engine_push_root(e, d);
		return;
	}
	dirnode_free(d);
	engine_stop(e, -ENOMEM, SIDES);
}

/* Visits the directories with failures of `execution`, 0: of any. */
static void visit_failed(struct engine *e, uint64_t execution)
{
	struct manifest_reader *reader = manifest_reader_new(e->manifest);
	struct paths *paths = calloc(1, sizeof(*paths));
	int r = reader && paths ? manifest_flush(e->manifest) : -ENOMEM;

	if (r == 0)
		r = manifest_each_failed_directory(reader, execution, note_path,
						   paths);
	if (r < 0)
		engine_stop(e, r, SIDES);
	/* The root comes first where it is one of them. */
	else if (execution == 0 && (paths->count == 0 || *paths->path[0]))
		push_bare_root(e);
	/* With more failures than are tried again the count must stay. */
	if (r == 0 && paths->count < DIRECTORIES_MAX) {
		/* What the source lacks has no record and is not tried. */
		atomic_store(&e->counters.value[COUNT_FAILED],
			     atomic_load(&e->missing));
		revisit_all(e, reader, execution, paths);
	} else if (r == 0 && execution == 0) {
		log_error("more than %d directories have failed entries: run "
			  "the whole task",
			  DIRECTORIES_MAX);
		engine_count(e, COUNT_FAILED, 1);
	}
	for (size_t i = 0; paths && i < paths->count; i++)
		free(paths->path[i]);
	free(paths);
	manifest_reader_free(reader);
}

void retry_failed(struct engine *e)
{
	visit_failed(e, e->execution);
}

void retry_recorded(struct engine *e)
{
	visit_failed(e, 0);
}

/* Failures that are still on record after all was tried. */
struct leftovers {
	struct engine *engine;
	size_t count;
	struct leftover {
		uint64_t directory;
		char *path; /* of the entry */
	} * list;
};

/* Does the filter leave entry `name` of directory `path` out? */
static bool is_hidden(const struct engine *e, const char *path,
		      const char *name)
{
	CLEANUP_FREE char *whole = NULL;

	if (!e->options.filter)
		return false;
	if (asprintf(&whole, "%s%s/%s", *path ? "/" : "", path, name) < 0) {
		whole = NULL;
		return false;
	}
	return !filter_allows(e->options.filter, whole, strlen(whole), true);
}

static int note_leftover(const char *path, const struct manifest_row *row,
			 void *user)
{
	struct leftovers *l = user;
	struct leftover *grown;

	/* The root is there, and has been visited. */
	if (row->execution == l->engine->execution || !*row->name)
		return 0;
	if (is_hidden(l->engine, path, row->name))
		return 0;
	if (l->count == LEFTOVERS_MAX) {
		engine_count(l->engine, COUNT_FAILED, 1);
		return 0;
	}
	grown = reallocarray(l->list, l->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->list = grown;
	grown[l->count].directory = row->directory;
	if (asprintf(&grown[l->count].path, "%s%s%s", path, *path ? "/" : "",
		     row->name) < 0)
		return -ENOMEM;
	l->count++;
	return 0;
}

static void settle_leftover(struct engine *e, const struct leftover *l)
{
	const char *slash = strrchr(l->path, '/');

	if (path_exists(e, SOURCE, l->path) != 0)
		engine_count(e, COUNT_FAILED, 1);
	else if (!engine_is_stopping(e))
		manifest_drop(e->manifest, l->directory,
			      slash ? slash + 1 : l->path);
}

void retry_forget_gone(struct engine *e)
{
	struct manifest_reader *reader = manifest_reader_new(e->manifest);
	struct leftovers left = {.engine = e};
	int r = reader ? manifest_flush(e->manifest) : -ENOMEM;

	if (r == 0)
		r = manifest_each_failed(reader, 0, SIZE_MAX, note_leftover,
					 &left);
	if (r < 0)
		engine_stop(e, r, SIDES);
	for (size_t i = 0; i < left.count; i++) {
		gate_pass(&e->gate);
		if (!engine_is_stopping(e))
			settle_leftover(e, &left.list[i]);
		free(left.list[i].path);
	}
	free(left.list);
	manifest_reader_free(reader);
}

struct sweep {
	struct engine *engine;
	size_t count;
	struct manifest_partial *partials;
	char **paths;
};

static int note_orphan(const char *path, const struct manifest_partial *p,
		       void *user)
{
	struct sweep *s = user;
	struct manifest_partial *partials;
	char **paths, *copy;

	if (is_hidden(s->engine, path, p->name))
		return 0;
	partials = reallocarray(s->partials, s->count + 1, sizeof(*partials));
	if (!partials)
		return -ENOMEM;
	s->partials = partials;
	paths = reallocarray(s->paths, s->count + 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	s->paths = paths;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	s->partials[s->count] = *p;
	s->paths[s->count++] = copy;
	return 0;
}

/*
 * Removes one; its directory is visited once more, so that it gets its times
 * back. Where the source has no such directory, only its row is taken back.
 */
static void remove_orphan(struct engine *e, struct manifest_reader *reader,
			  const char *path, const struct manifest_partial *p)
{
	struct withdraw w = {.engine = e};
	struct volume_remove item = {.name = p->temp_name};
	CLEANUP_FREE struct handle *dir = NULL;
	struct place place;
	struct dirnode *d;
	struct attr attr;

	/* Where a listing failed, the file may still be there: the next run
	 * may go on with it. */
	if (find_place(reader, e->execution, path, &place) < 0 || place.covered)
		return;
	d = node_of(e, path, &place, true);
	if (d) {
		item.dir = d->handle[DESTINATION];
		withdraw_directory(&w, d);
	} else {
		item.dir = dir = path_find(e, DESTINATION, path, &attr);
		manifest_drop(e->manifest, place.parent_id, place.name);
		manifest_flush(e->manifest);
	}
	if (item.dir && tempname_is_ours(p->temp_name) &&
	    withdraw_commit(&w) == 0)
		volume_run(e->volume[DESTINATION], VOLUME_REMOVE, &item, 1);
	else
		item.result = -ENOENT;
	if (item.result == 0)
		engine_count(e, COUNT_SWEPT, 1);
	if (!engine_is_stopping(e))
		manifest_drop_partial(e->manifest, p->directory, p->name);
	if (d)
		engine_push_root(e, d);
}

void retry_sweep_partials(struct engine *e)
{
	struct manifest_reader *reader;
	struct sweep s = {.engine = e};

	if (manifest_flush(e->manifest) < 0)
		return;
	reader = manifest_reader_new(e->manifest);
	if (!reader)
		return;
	/* A run that went well has dropped those it finished or gave up. */
	manifest_each_partial(reader, note_orphan, &s);
	if (s.count > 0)
		atomic_store(&e->phase, ENGINE_RETRYING);
	for (size_t i = 0; i < s.count; i++) {
		/* One at a time: two may lie in one directory. */
		gate_pass(&e->gate);
		if (!engine_is_stopping(e))
			remove_orphan(e, reader, s.paths[i], &s.partials[i]);
		finish_wait(e);
		free(s.paths[i]);
	}
	manifest_reader_free(reader);
	free(s.partials);
	free(s.paths);
}

/* Into the report go all of them. */
static int report_one(const char *path, const struct manifest_row *row,
		      void *user)
{
	struct engine *e = user;
	CLEANUP_FREE char *whole = NULL;

	/* Differences were told when they were found. */
	if (difference_of_error(row->error))
		return 0;
	if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", row->name) < 0)
		whole = NULL;
	report_add(e->report,
		   row->phase == PHASE_VERIFY ? REPORT_VERIFIED
					      : REPORT_TRANSFERRED,
		   &(struct report_entry){.path = whole ? whole : "?",
					  .source = &row->source,
					  .error = row->error,
					  .phase = row->phase});
	return 0;
}

static int report(const char *path, const struct manifest_row *row, void *user)
{
	CLEANUP_FREE char *whole = NULL;
	CLEANUP_FREE char *text = NULL;
	bool source = row->phase == PHASE_READ || row->phase == PHASE_LIST;
	struct log_fields fields = {.action = "failed",
				    .side = source ? "source" : "destination"};
	size_t *named = user;
	char room[REASON_ROOM];

	/* Differences were named when they were found. */
	if (difference_of_error(row->error))
		return 0;
	if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", row->name) < 0)
		whole = NULL;
	text = whole ? escape_name(whole) : NULL;
	fields.path = !text ? "?" : *text ? text : ".";
	fields.error = reason_text(row->error, row->phase, room);
	log_about((*named)++ < REPORTED_MAX ? LOG_ERROR : LOG_ENTRY, &fields,
		  "%s %s: %s", fields.side, fields.path, fields.error);
	return 0;
}

void retry_report_failed(struct engine *e)
{
	uint64_t failed = counters_get(&e->counters, COUNT_FAILED);
	uint64_t missing = atomic_load(&e->missing);
	struct manifest_reader *reader;
	size_t named = 0;

	/* What the source lacks was said to be missing, and has no record. */
	failed -= missing < failed ? missing : failed;
	if (failed == 0)
		return;
	reader = manifest_reader_new(e->manifest);
	if (!reader)
		return;
	manifest_each_failed(reader, e->execution,
			     log_wants(LOG_ENTRY) ? SIZE_MAX : REPORTED_MAX,
			     report, &named);
	if (report_wants(e->report, REPORT_TRANSFERRED, true))
		manifest_each_failed(reader, e->execution, SIZE_MAX, report_one,
				     e);
	manifest_reader_free(reader);
	if (failed > REPORTED_MAX)
		log_error("%llu entries failed; the first %d are named, "
			  "efsbridge-manifest(5) tells how to list them all",
			  (unsigned long long)failed, REPORTED_MAX);
}
