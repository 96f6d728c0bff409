/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/runner.h"
#include "view/core.h"

/* What the callbacks of the manifest add to. */
struct taking {
	struct picture *picture;
	size_t max_errors;
	size_t bytes; /* of paths so far */
};

/* The root's own row has the name "". */
static char *join(const char *directory, const char *name)
{
	char *path;

	if (!*name)
		return strdup(*directory ? directory : ".");
	if (asprintf(&path, "%s%s%s", directory, *directory ? "/" : "", name) <
	    0)
		return NULL;
	return path;
}

static int add_error(const char *directory, const struct manifest_row *row,
		     void *user)
{
	struct taking *t = user;
	struct picture *p = t->picture;
	size_t size = strlen(directory) + strlen(row->name) + 2;

	if (t->bytes + size > PICTURE_ERRORS_BYTES)
		return 1;
	/* Grows by doubling: at 0 and at every power of two. */
	if ((p->error_count & (p->error_count - 1)) == 0) {
		size_t room = p->error_count ? 2 * p->error_count : 1;
		struct picture_error *grown =
		    reallocarray(p->errors, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->errors = grown;
	}
	p->errors[p->error_count] = (struct picture_error){
	    .path = join(directory, row->name),
	    .phase = row->phase,
	    .error = row->error,
	};
	if (!p->errors[p->error_count].path)
		return -ENOMEM;
	p->error_count++;
	t->bytes += size;
	return 0;
}

static int add_execution(const struct manifest_execution *e, void *user)
{
	struct taking *t = user;
	struct picture *p = t->picture;
	struct picture_execution *x = &p->executions[p->execution_count];

	*x = (struct picture_execution){
	    .id = e->id,
	    .started_ns = e->started_ns,
	    .ended_ns = e->ended_ns,
	    .status = strdup(e->status),
	    .summary = strdup(e->summary),
	};
	p->execution_count++;
	return x->status && x->summary ? 0 : -ENOMEM;
}

/* Some of them, and how many there are, within bounds: they may be millions,
 * and the page is loaded every other second. */
static int ask_errors(struct manifest_reader *r, struct taking *t)
{
	struct picture *p = t->picture;
	uint64_t all = 0;
	int result = manifest_each_failed(r, 0, t->max_errors, add_error, t);

	if (result >= 0)
		result = manifest_count_failed(r, PICTURE_ERRORS_COUNTED, &all);
	if (result == 0 && all > p->error_count)
		p->errors_left_out = all - p->error_count;
	p->errors_are_more = all == PICTURE_ERRORS_COUNTED;
	return result;
}

/* All from one moment, too. */
static int ask_manifest(struct manifest_reader *r, unsigned parts,
			struct taking *t)
{
	int result = 0;

	if (parts & PICTURE_ERRORS)
		result = ask_errors(r, t);
	if (result == 0 && (parts & PICTURE_HISTORY)) {
		t->picture->executions = calloc(
		    PICTURE_HISTORY_MAX, sizeof(*t->picture->executions));
		result = t->picture->executions
			     ? manifest_each_execution(
				   r, 0, PICTURE_HISTORY_MAX, add_execution, t)
			     : -ENOMEM;
	}
	return result;
}

static int take_manifest(struct view *v, unsigned parts, struct taking *t)
{
	struct manifest_reader *r = view_get_reader(v);
	bool begun;
	int result;

	if (!r) {
		t->picture->trouble = -EMFILE;
		return 0;
	}
	begun = manifest_reader_begin(r) == 0;
	result = ask_manifest(r, parts, t);
	if (begun)
		manifest_reader_end(r);
	view_put_reader(v, r);
	if (result == -ENOMEM)
		return result;
	t->picture->trouble = result;
	return 0;
}

int picture_take(struct view *v, unsigned parts, size_t max_errors,
		 struct picture *ret)
{
	const struct view_setup *setup = &v->setup;
	struct picture p = {
	    .task = setup->task,
	    .mountpoint = setup->mountpoint,
	    .state_directory = setup->state_directory,
	    .options = runner_get_options(setup->runner),
	    .interval_ns = runner_get_interval_ns(setup->runner),
	};
	struct taking t = {.picture = &p, .max_errors = max_errors};
	int r;

	for (int side = 0; side < SIDES; side++)
		p.location[side] = setup->location[side];
	r = runner_get_snapshot(setup->runner, parts & PICTURE_LISTS,
				&p.snapshot);
	if (r == 0 && (parts & (PICTURE_ERRORS | PICTURE_HISTORY)))
		r = take_manifest(v, parts, &t);
	if (r) {
		picture_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}
