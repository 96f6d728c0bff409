/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/dotsync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sync/manifest.h"
#include "view/core.h"
#include "view/dotsync_internal.h"
#include "view/node.h"

#define KIND_BITS 6

/* Names never mean another node, so the kernel need not ask for long; sizes
 * and times change all the time. */
#define ENTRY_TIMEOUT_S 60.0
#define ATTR_TIMEOUT_S  0.0

/* What holds names of files is for the user who mounts, and root. */
const struct dotsync_entry dotsync_entries[DOTSYNC_KINDS] = {
    [DOTSYNC_ROOT] = {NULL, DOTSYNC_ROOT, S_IFDIR | 0555},
    [DOTSYNC_CONTROL] = {"control", DOTSYNC_ROOT, S_IFREG | 0600},
    [DOTSYNC_DASHBOARD] = {"dashboard.html", DOTSYNC_ROOT, S_IFREG | 0440},
    [DOTSYNC_ERRORS] = {"errors", DOTSYNC_ROOT, S_IFREG | 0440},
    [DOTSYNC_HISTORY] = {"history", DOTSYNC_ROOT, S_IFDIR | 0555},
    [DOTSYNC_LOG] = {"log", DOTSYNC_ROOT, S_IFREG | 0440},
    [DOTSYNC_METRICS] = {"metrics", DOTSYNC_ROOT, S_IFREG | 0444},
    [DOTSYNC_STATUS] = {"status", DOTSYNC_ROOT, S_IFREG | 0444},
    [DOTSYNC_STATUS_JSON] = {"status.json", DOTSYNC_ROOT, S_IFREG | 0444},
    [DOTSYNC_TASK_JSON] = {"task.json", DOTSYNC_ROOT, S_IFREG | 0444},
    [DOTSYNC_TRANSFERRING] = {"transferring", DOTSYNC_ROOT, S_IFREG | 0440},
    [DOTSYNC_EXECUTION] = {NULL, DOTSYNC_HISTORY, S_IFDIR | 0555},
    [DOTSYNC_SUMMARY] = {"summary.json", DOTSYNC_EXECUTION, S_IFREG | 0440},
};

/* --- Making -------------------------------------------------------------- */

int dotsync_new(struct view *v, struct dotsync **ret)
{
	struct dotsync *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->view = v;
	d->uid = geteuid();
	d->gid = getegid();
	d->mounted_ns = clock_wall_ns();
	*ret = d;
	return 0;
}

struct dotsync *dotsync_free(struct dotsync *d)
{
	if (d) {
		dotsync_text_forget(d);
		pthread_mutex_destroy(&d->lock);
	}
	free(d);
	return NULL;
}

bool dotsync_is_name(const struct view *v, const char *name)
{
	return !strcmp(name, v->setup.options->syncdir);
}

/* --- Nodes --------------------------------------------------------------- */

fuse_ino_t dotsync_id(struct dotsync_node n)
{
	return NODE_VIRTUAL | n.execution << KIND_BITS | n.kind;
}

bool dotsync_node_of(fuse_ino_t ino, struct dotsync_node *ret)
{
	uint64_t rest = ino & ~NODE_VIRTUAL;
	struct dotsync_node n = {
	    .kind = rest & ((1u << KIND_BITS) - 1),
	    .execution = rest >> KIND_BITS,
	};
	bool of_execution =
	    n.kind == DOTSYNC_EXECUTION || n.kind == DOTSYNC_SUMMARY;

	if (!(ino & NODE_VIRTUAL) || n.kind >= DOTSYNC_KINDS ||
	    n.execution > DOTSYNC_EXECUTION_MAX ||
	    of_execution != (n.execution != 0))
		return false;
	*ret = n;
	return true;
}

void dotsync_fill_stat(const struct dotsync *d, struct dotsync_node n,
		       struct stat *ret)
{
	mode_t mode = dotsync_entries[n.kind].mode;
	struct timespec ts = clock_split_ns(d->mounted_ns);

	*ret = (struct stat){
	    .st_ino = dotsync_id(n),
	    .st_mode = mode,
	    .st_nlink = 1, /* of a directory: nobody has counted */
	    .st_uid = d->uid,
	    .st_gid = d->gid,
	    .st_blksize = 4096,
	    .st_atim = ts,
	    .st_mtim = ts,
	    .st_ctim = ts,
	};
}

static void set_size(struct stat *st, off_t size, struct timespec mtime)
{
	st->st_size = size;
	st->st_blocks = (size + 511) / 512;
	st->st_atim = st->st_mtim = st->st_ctim = mtime;
}

/* The log's size is that of its file; a missing one is empty. */
static void stat_log(const struct dotsync *d, struct stat *ret)
{
	const char *path = d->view->setup.log_path;
	struct stat st;

	if (path && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		set_size(ret, st.st_size, st.st_mtim);
}

static int stat_node(struct dotsync *d, struct dotsync_node n, struct stat *ret)
{
	struct dotsync_text *t;
	int r;

	dotsync_fill_stat(d, n, ret);
	if (n.kind == DOTSYNC_LOG)
		stat_log(d, ret);
	if (n.kind == DOTSYNC_LOG || S_ISDIR(ret->st_mode))
		return 0;
	r = dotsync_text_get(d, n, &t);
	if (r < 0)
		return r;
	set_size(ret, (off_t)t->size, clock_split_ns(t->mtime_ns));
	dotsync_text_drop(t);
	return 0;
}

/* --- Lookup -------------------------------------------------------------- */

/* The number of an execution as it is written in history/. */
static bool parse_execution(const char *name, uint64_t *ret)
{
	uint64_t n = 0;

	if (*name < '1' || *name > '9')
		return false;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' ||
		    n > DOTSYNC_EXECUTION_MAX / 10)
			return false;
		n = 10 * n + (uint64_t)(*name - '0');
	}
	*ret = n;
	return n <= DOTSYNC_EXECUTION_MAX;
}

static int find_execution(struct view *v, const char *name, uint64_t *ret)
{
	struct manifest_execution e;
	struct manifest_reader *r;
	int found;

	if (!parse_execution(name, ret))
		return -ENOENT;
	r = view_get_reader(v);
	if (!r)
		return -EMFILE;
	found = manifest_get_execution(r, *ret, &e);
	view_put_reader(v, r);
	if (found > 0) {
		free((char *)e.status);
		free((char *)e.summary);
	}
	return found > 0 ? 0 : found == 0 ? -ENOENT : found;
}

static int find(struct view *v, fuse_ino_t parent, const char *name,
		struct dotsync_node *ret)
{
	struct dotsync_node p;

	if (parent == NODE_ROOT && dotsync_is_name(v, name)) {
		*ret = (struct dotsync_node){.kind = DOTSYNC_ROOT};
		return 0;
	}
	if (!dotsync_node_of(parent, &p))
		return -ENOENT;
	if (p.kind == DOTSYNC_HISTORY) {
		ret->kind = DOTSYNC_EXECUTION;
		return find_execution(v, name, &ret->execution);
	}
	for (enum dotsync_kind k = 0; k < DOTSYNC_KINDS; k++) {
		const struct dotsync_entry *e = &dotsync_entries[k];

		if (e->name && e->parent == p.kind && !strcmp(e->name, name)) {
			*ret = (struct dotsync_node){k, p.execution};
			return 0;
		}
	}
	return -ENOENT;
}

void dotsync_lookup(struct view *v, fuse_req_t req, fuse_ino_t parent,
		    const char *name)
{
	struct fuse_entry_param e = {
	    .generation = v->generation,
	    .attr_timeout = ATTR_TIMEOUT_S,
	    .entry_timeout = ENTRY_TIMEOUT_S,
	};
	struct dotsync_node n = {0};
	int r = find(v, parent, name, &n);

	if (r == 0)
		r = stat_node(v->dotsync, n, &e.attr);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	e.ino = dotsync_id(n);
	fuse_reply_entry(req, &e);
}

/* --- Attributes ---------------------------------------------------------- */

void dotsync_getattr(struct view *v, fuse_req_t req, fuse_ino_t ino)
{
	struct dotsync_node n;
	struct stat st;
	int r =
	    dotsync_node_of(ino, &n) ? stat_node(v->dotsync, n, &st) : -ESTALE;

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, ATTR_TIMEOUT_S);
}

/* Truncating control is part of how a shell writes to it, and means nothing. */
void dotsync_setattr(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct stat *attr, int to_set)
{
	const int refused =
	    FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct dotsync_node n;

	if (!dotsync_node_of(ino, &n))
		fuse_reply_err(req, ESTALE);
	else if (n.kind != DOTSYNC_CONTROL)
		fuse_reply_err(req, EROFS);
	else if (ctx->uid != 0 && ctx->uid != v->dotsync->uid)
		fuse_reply_err(req, EACCES);
	else if (!(to_set & FUSE_SET_ATTR_SIZE) || (to_set & refused) ||
		 attr->st_size != 0)
		fuse_reply_err(req, EPERM);
	else
		dotsync_getattr(v, req, ino);
}
