/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The operations on names and attributes: each is a request, resolved, and a
 * reply made of what that brought. Only readlink asks a side once more, and
 * statfs asks one without resolving anything: when that side is lost
 * (-ENOTCONN) they begin again at the timer's next look, unless the mount is
 * soft or nobody waits any more.
 *
 * The extended attributes tell what the view knows of a path:
 *
 *	user.efsbridge.origin     "source" or "destination", "both" for a merged
 *				  directory
 *	user.efsbridge.state      of the record: "verified", "copied", "failed",
 *				  "skipped"
 *	user.efsbridge.digest     of the content, as it was copied; hex
 *	user.efsbridge.error      why it failed or was skipped, in words
 *	user.efsbridge.execution  the one that recorded it
 *
 * All others, among them those that the kernel asks for by itself, do not
 * exist, or cannot as a local file system has it: that is said without asking
 * a side.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "sync/reason.h"
#include "view/core.h"
#include "view/health.h"
#include "view/node.h"
#include "view/request.h"
#include "view/resolve.h"
#include "volume/volume.h"

/* How often a symlink that another one replaced meanwhile is looked up. */
#define READLINK_TRIES 3

struct op {
	struct request request; /* first, see request.h */
	struct node *node;      /* held: the one asked about, or the parent */
	char *name;             /* of a lookup or an extended attribute */
	size_t size;            /* of an extended attribute */
	/* readlink, statfs */
	struct health_waiter waiter;
	void (*again)(struct op *op); /* called when it has waited */
	unsigned tries;
	struct handle *handle;
	struct volume_call call;
	union {
		struct volume_readlink readlink;
		struct volume_statfs statfs;
	};
};

static struct op *op_of(struct request *r)
{
	return (struct op *)r;
}

static struct view *view_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static void op_free(struct request *r)
{
	struct op *op = op_of(r);

	node_drop(r->view->nodes, op->node);
	free(op->handle);
	free(op->name);
	free(op);
}

/* An operation on node `ino`; NULL: `req` was answered with an error. */
static struct op *op_new(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct view *v = view_of(req);
	struct op *op = calloc(1, sizeof(*op));

	if (!op || (name && !(op->name = strdup(name)))) {
		free(op);
		fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	op->node = node_get(v->nodes, ino);
	if (!op->node) {
		free(op->name);
		free(op);
		/* Of an earlier mount, as NFS clients may ask for. */
		fuse_reply_err(req, ESTALE);
		return NULL;
	}
	request_init(&op->request, v, req, op_free);
	return op;
}

/* --- A side that is lost ------------------------------------------------- */

static struct op *op_of_waiter(struct health_waiter *w)
{
	return (struct op *)((char *)w - offsetof(struct op, waiter));
}

static void waiter_hold(struct health_waiter *w)
{
	request_hold(&op_of_waiter(w)->request);
}

static bool is_patient(const struct request *r)
{
	return !r->view->setup.options->soft && !request_is_claimed(r) &&
	       !health_is_ending(r->view->health);
}

/* Time to try again; or not, then the last reference answers. */
static void waiter_poke(struct health_waiter *w)
{
	struct op *op = op_of_waiter(w);
	struct request *r = &op->request;

	if (health_unwait(r->view->health, w)) {
		if (is_patient(r))
			op->again(op);
		request_drop(r);
	}
	request_drop(r);
}

/* True: the call that brought `result` will be made again. Called from its
 * end, so that health_drain() sees either the call or the waiter. */
static bool wait_for_side(struct op *op, int result)
{
	struct request *r = &op->request;

	if (result != -ENOTCONN || !is_patient(r))
		return false;
	op->waiter.hold = waiter_hold;
	op->waiter.poke = waiter_poke;
	request_hold(r);
	health_wait(r->view->health, &op->waiter);
	return true;
}

/* --- lookup, forget ------------------------------------------------------ */

/* Nobody of that name: the kernel remembers it for a while. */
static void reply_negative(struct view *v, struct request *r)
{
	struct fuse_entry_param e = {
	    .entry_timeout = v->setup.options->negative_timeout_s,
	};
	fuse_req_t req;

	if (request_claim(r, &req))
		fuse_reply_entry(req, &e);
}

/* Answers with `n`, whose lookup was counted. */
static void reply_entry(struct view *v, struct request *r, const struct node *n,
			const struct attr *a)
{
	struct fuse_entry_param e = {
	    .ino = n->id,
	    .generation = v->generation,
	    .attr_timeout = v->setup.options->attr_timeout_s,
	    .entry_timeout = v->setup.options->entry_timeout_s,
	};
	uint64_t id = n->id;
	fuse_req_t req;

	view_fill_stat(v, a, n->inode, &e.attr);
	/* What did not reach the kernel is not counted there. */
	if (!request_claim(r, &req) || fuse_reply_entry(req, &e))
		node_forget(v->nodes, id, 1);
}

static void lookup_done(struct resolved *found, struct request *r)
{
	struct op *op = op_of(r);
	struct view *v = r->view;
	struct node *n;
	int error = found->result;

	if (error == -ENOENT) {
		reply_negative(v, r);
		return;
	}
	if (!error)
		error = resolved_enter(v, op->node, op->name, found, true, &n);
	if (error) {
		request_fail(r, error);
		return;
	}
	reply_entry(v, r, n, &found->attr);
	node_drop(v->nodes, n);
}

/* A node that is known already, as an NFS server asks for it. */
static void lookup_known_done(struct resolved *found, struct request *r)
{
	struct op *op = op_of(r);
	struct view *v = r->view;

	if (found->result) {
		request_fail(r, found->result);
		return;
	}
	node_count_lookup(v->nodes, op->node);
	reply_entry(v, r, op->node, &found->attr);
}

/* "." and "..": the operation is about another node than its directory. */
static void lookup_known(struct op *op)
{
	struct view *v = op->request.view;
	struct node *n = op->node;

	if (!strcmp(op->name, "..") && n->parent) {
		op->node = n->parent;
		node_hold(v->nodes, op->node);
		node_drop(v->nodes, n);
	}
	resolve_node(v, op->node, &op->request, lookup_known_done);
}

void names_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct op *op = op_new(req, parent, name);

	if (!op)
		return;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		lookup_known(op);
	else if (op->node->type != ENTRY_DIRECTORY)
		request_fail(&op->request, -ENOTDIR);
	else
		resolve_start(op->request.view, op->node, op->name,
			      &op->request, lookup_done);
	request_drop(&op->request);
}

void names_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	node_forget(view_of(req)->nodes, ino, count);
	fuse_reply_none(req);
}

void names_forget_multi(fuse_req_t req, size_t count,
			struct fuse_forget_data *forgets)
{
	struct view *v = view_of(req);

	for (size_t i = 0; i < count; i++)
		node_forget(v->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* --- getattr ------------------------------------------------------------- */

/* Files that are open keep their attributes when the path has other bytes by
 * now, or none: those are put into `ret` then. */
static bool open_attr(struct view *v, struct node *n,
		      const struct resolved *found, struct attr *ret)
{
	struct origin_version version;

	if (found->result == -ENOENT || found->result == -ESTALE)
		return node_get_open_attr(v->nodes, n, NULL, ret);
	if (found->result || found->attr.type != ENTRY_FILE)
		return false;
	origin_version(&found->facts, found->origin, &version);
	return node_get_open_attr(v->nodes, n, &version, ret);
}

static void getattr_done(struct resolved *found, struct request *r)
{
	struct view *v = r->view;
	struct node *n = op_of(r)->node;
	struct attr attr = found->attr;
	struct stat st;
	fuse_req_t req;

	if (!open_attr(v, n, found, &attr) && found->result) {
		request_fail(r, found->result);
		return;
	}
	view_fill_stat(v, &attr, n->inode, &st);
	if (request_claim(r, &req))
		fuse_reply_attr(req, &st, v->setup.options->attr_timeout_s);
}

void names_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct op *op = op_new(req, ino, NULL);

	(void)fi;
	if (!op)
		return;
	resolve_node(op->request.view, op->node, &op->request, getattr_done);
	request_drop(&op->request);
}

/* --- readlink ------------------------------------------------------------ */

static void readlink_resolved(struct resolved *found, struct request *r);

static void readlink_start(struct op *op)
{
	resolve_node(op->request.view, op->node, &op->request,
		     readlink_resolved);
}

static void readlink_done(struct volume_call *call)
{
	struct op *op = call->user;
	struct request *r = &op->request;
	CLEANUP_FREE char *target = steal(op->readlink.ret_target);
	int result = op->readlink.result;
	fuse_req_t req;

	if (result == -ESTALE && ++op->tries < READLINK_TRIES)
		/* Its copy was replaced by a newer one. */
		readlink_start(op);
	else if (wait_for_side(op, result))
		; /* readlink_start() */
	else if (result)
		request_fail(r, result);
	else if (request_claim(r, &req))
		fuse_reply_readlink(req, target);
	request_drop(r);
}

static void readlink_resolved(struct resolved *found, struct request *r)
{
	struct op *op = op_of(r);

	if (found->result) {
		request_fail(r, found->result);
		return;
	}
	if (found->attr.type != ENTRY_SYMLINK) {
		request_fail(r, -EINVAL);
		return;
	}
	free(op->handle);
	op->handle = steal(found->handle[found->origin]);
	op->readlink = (struct volume_readlink){.handle = op->handle};
	op->call = (struct volume_call){
	    .verb = VOLUME_READLINK,
	    .items = &op->readlink,
	    .count = 1,
	    .done = readlink_done,
	    .user = op,
	};
	request_hold(r);
	view_start(r->view, found->origin, &op->call);
}

void names_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct op *op = op_new(req, ino, NULL);

	if (!op)
		return;
	op->again = readlink_start;
	readlink_start(op);
	request_drop(&op->request);
}

/* --- Extended attributes ------------------------------------------------- */

/* Room for any value. */
#define XATTR_VALUE_SIZE 512

static const char *xattr_origin(const struct resolved *r, char *text)
{
	const struct origin_facts *f = &r->facts;

	(void)text;
	if (f->presence[SOURCE] == PRESENT &&
	    f->presence[DESTINATION] == PRESENT &&
	    f->attr[SOURCE].type == ENTRY_DIRECTORY &&
	    f->attr[DESTINATION].type == ENTRY_DIRECTORY)
		return "both";
	return side_name(r->origin);
}

static const char *xattr_state(const struct resolved *r, char *text)
{
	const struct manifest_row *row = r->facts.row;

	(void)text;
	return row ? entry_state_name(row->state) : NULL;
}

static const char *xattr_digest(const struct resolved *r, char *text)
{
	const struct manifest_row *row = r->facts.row;

	return row && row->has_digest ? digest_format(&row->digest, text)
				      : NULL;
}

static const char *xattr_error(const struct resolved *r, char *text)
{
	const struct manifest_row *row = r->facts.row;

	return row && row->error ? reason_text(row->error, row->phase, text)
				 : NULL;
}

static const char *xattr_execution(const struct resolved *r, char *text)
{
	const struct manifest_row *row = r->facts.row;

	if (!row)
		return NULL;
	snprintf(text, XATTR_VALUE_SIZE, "%llu",
		 (unsigned long long)row->execution);
	return text;
}

/* The value: constant, or made in `text`; NULL: this path has none. */
static const struct xattr {
	const char *name;
	const char *(*get)(const struct resolved *r, char *text);
} xattrs[] = {
    {"user.efsbridge.origin", xattr_origin},
    {"user.efsbridge.state", xattr_state},
    {"user.efsbridge.digest", xattr_digest},
    {"user.efsbridge.error", xattr_error},
    {"user.efsbridge.execution", xattr_execution},
};

static const struct xattr *find_xattr(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(xattrs); i++)
		if (!strcmp(xattrs[i].name, name))
			return &xattrs[i];
	return NULL;
}

/* Of a name that is none of them: no data, or no such kind of names? Access
 * control lists never get here, the kernel knows that there are none. */
static int unknown_xattr(const char *name)
{
	static const char *const kinds[] = {"user.", "trusted.", "security."};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(name, kinds[i], strlen(kinds[i])))
			return ENODATA;
	return EOPNOTSUPP;
}

/* Answers with a value or a list: its length when `size` is 0. */
static void reply_xattr(struct request *r, const char *value, size_t len)
{
	size_t size = op_of(r)->size;
	fuse_req_t req;

	if (size > 0 && len > size)
		request_fail(r, -ERANGE);
	else if (!request_claim(r, &req))
		return;
	else if (size == 0)
		fuse_reply_xattr(req, len);
	else
		fuse_reply_buf(req, value, len);
}

static void getxattr_done(struct resolved *found, struct request *r)
{
	char text[XATTR_VALUE_SIZE];
	const char *value = NULL;
	int error = found->result;

	if (!error) {
		value = find_xattr(op_of(r)->name)->get(found, text);
		error = value ? 0 : -ENODATA;
	}
	if (error)
		request_fail(r, error);
	else
		reply_xattr(r, value, strlen(value));
}

static void listxattr_done(struct resolved *found, struct request *r)
{
	char list[ARRAY_SIZE(xattrs) * 32];
	char text[XATTR_VALUE_SIZE];
	size_t len = 0;

	if (found->result) {
		request_fail(r, found->result);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(xattrs); i++) {
		size_t name = strlen(xattrs[i].name) + 1;

		if (!xattrs[i].get(found, text))
			continue;
		memcpy(list + len, xattrs[i].name, name);
		len += name;
	}
	reply_xattr(r, list, len);
}

void names_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		    size_t size)
{
	struct op *op;

	if (!find_xattr(name)) {
		fuse_reply_err(req, unknown_xattr(name));
		return;
	}
	op = op_new(req, ino, name);
	if (!op)
		return;
	op->size = size;
	resolve_node(op->request.view, op->node, &op->request, getxattr_done);
	request_drop(&op->request);
}

void names_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct op *op = op_new(req, ino, NULL);

	if (!op)
		return;
	op->size = size;
	resolve_node(op->request.view, op->node, &op->request, listxattr_done);
	request_drop(&op->request);
}

/* --- statfs -------------------------------------------------------------- */

static void statfs_done(struct volume_call *call)
{
	struct op *op = call->user;
	struct request *r = &op->request;
	const struct volume_statfs *s = &op->statfs;
	struct statvfs st = {
	    .f_bsize = VOLUME_RANGE,
	    .f_frsize = 4096,
	    .f_blocks = s->ret_total_bytes / 4096,
	    .f_bfree = s->ret_free_bytes / 4096,
	    .f_bavail = s->ret_avail_bytes / 4096,
	    .f_files = s->ret_total_files,
	    .f_ffree = s->ret_free_files,
	    .f_favail = s->ret_free_files,
	    .f_namemax = VOLUME_NAME_MAX,
	};
	fuse_req_t req;

	if (s->ret_name_max > 0 && s->ret_name_max < VOLUME_NAME_MAX)
		st.f_namemax = s->ret_name_max;
	if (wait_for_side(op, s->result))
		; /* statfs_start() */
	else if (s->result)
		request_fail(r, s->result);
	else if (request_claim(r, &req))
		fuse_reply_statfs(req, &st);
	request_drop(r);
}

/* The destination's: there it will all be. */
static void statfs_start(struct op *op)
{
	op->statfs = (struct volume_statfs){0};
	op->call = (struct volume_call){
	    .verb = VOLUME_STATFS,
	    .items = &op->statfs,
	    .count = 1,
	    .done = statfs_done,
	    .user = op,
	};
	request_hold(&op->request);
	view_start(op->request.view, DESTINATION, &op->call);
}

void names_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct op *op = op_new(req, ino, NULL);

	if (!op)
		return;
	op->again = statfs_start;
	statfs_start(op);
	request_drop(&op->request);
}
