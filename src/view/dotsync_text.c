/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/manifest.h"
#include "view/control.h"
#include "view/core.h"
#include "view/dashboard.h"
#include "view/dotsync_internal.h"
#include "view/picture.h"
#include "view/render.h"

/* How long a text is given again. Longer than it takes from stat(2) to
 * open(2), and too short for anybody to notice. */
#define FRESH_NS (250 * NS_PER_MS)

#define ERRORS_MAX 10000

static void render_dashboard(FILE *f, const struct picture *p)
{
	dashboard_render(f, p);
}

static void render_control(FILE *f, const struct picture *p)
{
	(void)p;
	fputs(control_help(), f);
}

/* What a file of this kind is made of. */
static const struct {
	void (*render)(FILE *f, const struct picture *p);
	unsigned parts; /* of the picture */
	size_t max_errors;
} recipes[DOTSYNC_KINDS] = {
    [DOTSYNC_CONTROL] = {render_control, 0, 0},
    [DOTSYNC_DASHBOARD] = {render_dashboard,
			   PICTURE_LISTS | PICTURE_ERRORS | PICTURE_HISTORY,
			   DASHBOARD_ROWS_MAX},
    [DOTSYNC_ERRORS] = {render_errors, PICTURE_ERRORS, ERRORS_MAX},
    [DOTSYNC_METRICS] = {render_metrics, PICTURE_LISTS, 0},
    [DOTSYNC_STATUS] = {render_status, 0, 0},
    [DOTSYNC_STATUS_JSON] = {render_status_json, 0, 0},
    [DOTSYNC_TASK_JSON] = {render_task_json, 0, 0},
    [DOTSYNC_TRANSFERRING] = {render_transferring, PICTURE_LISTS, 0},
};

/* --- Making -------------------------------------------------------------- */

static int write_picture(struct view *v, enum dotsync_kind kind, FILE *f,
			 int64_t *ret_mtime_ns)
{
	struct picture p;
	int r =
	    picture_take(v, recipes[kind].parts, recipes[kind].max_errors, &p);

	if (r < 0)
		return r;
	recipes[kind].render(f, &p);
	*ret_mtime_ns = p.snapshot.now_ns;
	picture_done(&p);
	return 0;
}

static int write_summary(struct view *v, uint64_t execution, FILE *f,
			 int64_t *ret_mtime_ns)
{
	struct manifest_reader *r = view_get_reader(v);
	struct manifest_execution e;
	struct picture_execution x;
	int found;

	if (!r)
		return -EMFILE;
	found = manifest_get_execution(r, execution, &e);
	view_put_reader(v, r);
	if (found <= 0)
		return found < 0 ? found : -ENOENT;
	x = (struct picture_execution){
	    .id = e.id,
	    .started_ns = e.started_ns,
	    .ended_ns = e.ended_ns,
	    .status = (char *)e.status,
	    .summary = (char *)e.summary,
	};
	render_summary_json(f, &x);
	*ret_mtime_ns = e.ended_ns ? e.ended_ns : e.started_ns;
	free(x.status);
	free(x.summary);
	return 0;
}

/* A new text with one reference. */
static int make(struct dotsync *d, struct dotsync_node n,
		struct dotsync_text **ret)
{
	struct dotsync_text *t = calloc(1, sizeof(*t));
	FILE *f = t ? open_memstream(&t->data, &t->size) : NULL;
	int r = -ENOMEM;

	if (!f) {
		free(t);
		return r;
	}
	/* It is as old as the moment it speaks of. */
	t->made_ns = clock_now_ns();
	t->execution = n.execution;
	atomic_init(&t->references, 1);
	if (n.kind == DOTSYNC_SUMMARY)
		r = write_summary(d->view, n.execution, f, &t->mtime_ns);
	else if (recipes[n.kind].render)
		r = write_picture(d->view, n.kind, f, &t->mtime_ns);
	else
		r = -EISDIR;
	if (r == 0 && ferror(f))
		r = -ENOMEM;
	if (fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		dotsync_text_drop(t);
	else
		*ret = t;
	return r;
}

/* --- Keeping ------------------------------------------------------------- */

struct dotsync_text *dotsync_text_drop(struct dotsync_text *t)
{
	if (t && atomic_fetch_sub(&t->references, 1) == 1) {
		free(t->data);
		free(t);
	}
	return NULL;
}

static struct dotsync_text *get_kept(struct dotsync *d, struct dotsync_node n)
{
	int64_t now_ns = clock_now_ns();
	struct dotsync_text *t;

	pthread_mutex_lock(&d->lock);
	t = d->kept[n.kind];
	if (t &&
	    (t->execution != n.execution || now_ns - t->made_ns > FRESH_NS))
		t = NULL;
	if (t)
		atomic_fetch_add(&t->references, 1);
	pthread_mutex_unlock(&d->lock);
	return t;
}

static void keep(struct dotsync *d, struct dotsync_node n,
		 struct dotsync_text *t)
{
	struct dotsync_text *old;

	atomic_fetch_add(&t->references, 1);
	pthread_mutex_lock(&d->lock);
	old = d->kept[n.kind];
	d->kept[n.kind] = t;
	pthread_mutex_unlock(&d->lock);
	dotsync_text_drop(old);
}

int dotsync_text_get(struct dotsync *d, struct dotsync_node n,
		     struct dotsync_text **ret)
{
	struct dotsync_text *t = get_kept(d, n);
	int r;

	if (!t) {
		r = make(d, n, &t);
		if (r < 0)
			return r;
		keep(d, n, t);
	}
	*ret = t;
	return 0;
}

void dotsync_text_forget(struct dotsync *d)
{
	struct dotsync_text *old[DOTSYNC_KINDS];

	pthread_mutex_lock(&d->lock);
	for (int i = 0; i < DOTSYNC_KINDS; i++)
		old[i] = steal(d->kept[i]);
	pthread_mutex_unlock(&d->lock);
	for (int i = 0; i < DOTSYNC_KINDS; i++)
		dotsync_text_drop(old[i]);
}
