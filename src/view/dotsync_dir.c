/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listing has no state: the cookie of an entry says where to go on. "." has
 * 1 and ".." has 2; a file or directory with a fixed name has its kind and 3;
 * an execution its number and 2, since history/ lists the newest first and goes
 * on with those that are older.
 *
 * readdirplus gives no attributes: for that all texts would have to be made,
 * where most who list only want the names.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sync/manifest.h"
#include "view/core.h"
#include "view/dotsync_internal.h"
#include "view/node.h"

#define COOKIE_DOT       1
#define COOKIE_DOT_DOT   2
#define COOKIE_KIND      3
#define COOKIE_EXECUTION 2

/* A reply that is being filled. */
struct reply {
	fuse_req_t req;
	struct dotsync *dotsync;
	bool plus;
	char *data;
	size_t size, used;
};

/* 1: it is full. */
static int add(struct reply *r, const char *name, struct dotsync_node n,
	       uint64_t cookie)
{
	/* Node id 0: a name, its type and number, and nothing else. */
	struct fuse_entry_param e = {.ino = 0};
	size_t left = r->size - r->used, needed;

	dotsync_fill_stat(r->dotsync, n, &e.attr);
	if (r->plus)
		needed = fuse_add_direntry_plus(r->req, r->data + r->used, left,
						name, &e, (off_t)cookie);
	else
		needed = fuse_add_direntry(r->req, r->data + r->used, left,
					   name, &e.attr, (off_t)cookie);
	if (needed > left)
		return 1;
	r->used += needed;
	return 0;
}

/* The parent of .sync is not ours; nobody looks at the number. */
static struct dotsync_node parent_of(struct dotsync_node n)
{
	return (struct dotsync_node){.kind = dotsync_entries[n.kind].parent};
}

static int add_dots(struct reply *r, struct dotsync_node n, uint64_t *off)
{
	int full = 0;

	if (*off < COOKIE_DOT)
		full = add(r, ".", n, COOKIE_DOT);
	if (!full && *off < COOKIE_DOT_DOT) {
		full = add(r, "..", parent_of(n), COOKIE_DOT_DOT);
		*off = COOKIE_DOT_DOT;
	}
	return full;
}

static int add_names(struct reply *r, struct dotsync_node n, uint64_t off)
{
	int full = 0;

	for (uint64_t k = 0; !full && k < DOTSYNC_KINDS; k++) {
		const struct dotsync_entry *e = &dotsync_entries[k];
		struct dotsync_node child = {k, n.execution};

		if (e->name && e->parent == n.kind && k + COOKIE_KIND > off)
			full = add(r, e->name, child, k + COOKIE_KIND);
	}
	return full;
}

static int add_execution(const struct manifest_execution *e, void *user)
{
	struct dotsync_node n = {DOTSYNC_EXECUTION, e->id};
	char name[24];

	snprintf(name, sizeof(name), "%" PRIu64, e->id);
	return add(user, name, n, e->id + COOKIE_EXECUTION);
}

static int add_executions(struct reply *r, uint64_t off)
{
	struct manifest_reader *reader;
	int result;

	/* After the first execution there is none. */
	if (off == COOKIE_EXECUTION + 1)
		return 0;
	reader = view_get_reader(r->dotsync->view);
	if (!reader)
		return -EMFILE;
	result = manifest_each_execution(reader, off - COOKIE_EXECUTION,
					 SIZE_MAX, add_execution, r);
	view_put_reader(r->dotsync->view, reader);
	return result;
}

static bool is_directory(fuse_ino_t ino, struct dotsync_node *ret)
{
	return dotsync_node_of(ino, ret) &&
	       S_ISDIR(dotsync_entries[ret->kind].mode);
}

void dotsync_opendir(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     struct fuse_file_info *fi)
{
	struct dotsync_node n;

	(void)v;
	if (is_directory(ino, &n))
		fuse_reply_open(req, fi);
	else
		fuse_reply_err(req, ENOTDIR);
}

void dotsync_readdir(struct view *v, fuse_req_t req, fuse_ino_t ino,
		     size_t size, off_t off, struct fuse_file_info *fi,
		     bool plus)
{
	struct reply r = {
	    .req = req,
	    .dotsync = v->dotsync,
	    .plus = plus,
	    .data = malloc(size),
	    .size = size,
	};
	uint64_t from = off > 0 ? (uint64_t)off : 0;
	struct dotsync_node n;
	int result = r.data ? 0 : -ENOMEM;

	(void)fi;
	if (result == 0 && !is_directory(ino, &n))
		result = -ENOTDIR;
	if (result == 0)
		result = add_dots(&r, n, &from);
	if (result == 0)
		result = n.kind == DOTSYNC_HISTORY ? add_executions(&r, from)
						   : add_names(&r, n, from);
	if (result < 0)
		fuse_reply_err(req, -result);
	else
		fuse_reply_buf(req, r.data, r.used);
	free(r.data);
}

void dotsync_releasedir(struct view *v, fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	(void)v;
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}
