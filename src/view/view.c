/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes and frees what the view consists of, and tells its operations apart:
 * the .sync tree has node ids of its own, and its name in the root; all else
 * is of the two sides.
 *
 * The end, in this order, each step so that the next one cannot hang:
 *
 *   1. The volumes are cancelled (after a moment of grace if the kernel has
 *	unmounted already, since then only closes are in flight): every
 *	operation that waits fails now.
 *   2. The notifier ends. The kernel may have kept it waiting for a page that
 *	is being read, so requests are still taken.
 *   3. No more requests are taken; what was taken gets its answer.
 *   4. Unmounted, with all answers given: see view/serve.c.
 */
#include "view/view.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "nfs/attr.h"
#include "view/core.h"
#include "view/dotsync.h"
#include "view/health.h"
#include "view/listing.h"
#include "view/node.h"
#include "view/notify.h"
#include "view/origin.h"
#include "view/readers.h"
#include "view/refuse.h"
#include "view/request.h"
#include "view/serve.h"
#include "volume/volume.h"

/* How long closes may take after an unmount, and how often that is seen to. */
#define GRACE_NS      (500 * NS_PER_MS)
#define GRACE_TICK_NS (5 * NS_PER_MS)

/* --- Which operation ------------------------------------------------------ */

static struct view *view_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static bool is_virtual(fuse_ino_t ino)
{
	return ino >= NODE_VIRTUAL;
}

static void view_init(void *user, struct fuse_conn_info *conn)
{
	serve_init(&((struct view *)user)->setup, conn);
}

static void view_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct view *v = view_of(req);

	if (is_virtual(parent) ||
	    (parent == NODE_ROOT && dotsync_is_name(v, name)))
		dotsync_lookup(v, req, parent, name);
	else
		names_lookup(req, parent, name);
}

static void view_getattr(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_getattr(view_of(req), req, ino);
	else
		names_getattr(req, ino, fi);
}

static void view_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
			 int to_set, struct fuse_file_info *fi)
{
	(void)fi;
	if (is_virtual(ino))
		dotsync_setattr(view_of(req), req, ino, attr, to_set);
	else
		fuse_reply_err(req, EROFS);
}

static void view_readlink(fuse_req_t req, fuse_ino_t ino)
{
	if (is_virtual(ino))
		fuse_reply_err(req, EINVAL);
	else
		names_readlink(req, ino);
}

static void view_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_open(view_of(req), req, ino, fi);
	else
		file_open(req, ino, fi);
}

static void view_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_read(view_of(req), req, ino, size, off, fi);
	else
		file_read(req, ino, size, off, fi);
}

static void view_write(fuse_req_t req, fuse_ino_t ino, const char *data,
		       size_t size, off_t off, struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_write(view_of(req), req, ino, data, size, off, fi);
	else
		fuse_reply_err(req, EROFS);
}

static void view_release(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_release(view_of(req), req, ino, fi);
	else
		file_release(req, ino, fi);
}

static void view_opendir(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_opendir(view_of(req), req, ino, fi);
	else
		listing_open(req, ino, fi);
}

static void view_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_readdir(view_of(req), req, ino, size, off, fi, false);
	else
		listing_read(req, ino, size, off, fi);
}

static void view_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			     off_t off, struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_readdir(view_of(req), req, ino, size, off, fi, true);
	else
		listing_read_plus(req, ino, size, off, fi);
}

static void view_releasedir(fuse_req_t req, fuse_ino_t ino,
			    struct fuse_file_info *fi)
{
	if (is_virtual(ino))
		dotsync_releasedir(view_of(req), req, ino, fi);
	else
		listing_release(req, ino, fi);
}

/* .sync answers even when the destination does not. */
static void view_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = {
	    .f_bsize = 4096,
	    .f_frsize = 4096,
	    .f_namemax = VOLUME_NAME_MAX,
	};

	if (is_virtual(ino))
		fuse_reply_statfs(req, &st);
	else
		names_statfs(req, ino);
}

static void view_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			  size_t size)
{
	if (is_virtual(ino))
		fuse_reply_err(req, ENODATA);
	else
		names_getxattr(req, ino, name, size);
}

static void view_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	if (!is_virtual(ino))
		names_listxattr(req, ino, size);
	else if (size == 0)
		fuse_reply_xattr(req, 0);
	else
		fuse_reply_buf(req, NULL, 0);
}

/* Locks are the kernel's own, local to this machine, since there are no
 * operations for them. */
static void fill_operations(struct fuse_lowlevel_ops *ops)
{
	*ops = (struct fuse_lowlevel_ops){
	    .init = view_init,
	    .lookup = view_lookup,
	    .forget = names_forget,
	    .forget_multi = names_forget_multi,
	    .getattr = view_getattr,
	    .setattr = view_setattr,
	    .readlink = view_readlink,
	    .open = view_open,
	    .read = view_read,
	    .write = view_write,
	    .release = view_release,
	    .opendir = view_opendir,
	    .readdir = view_readdir,
	    .readdirplus = view_readdirplus,
	    .releasedir = view_releasedir,
	    .statfs = view_statfs,
	    .getxattr = view_getxattr,
	    .listxattr = view_listxattr,
	};
	refuse_fill(ops);
}

/* --- Its parts ------------------------------------------------------------ */

static int make_nodes(struct view *v)
{
	struct origin_facts facts = {0};
	const struct handle *root[SIDES];

	for (enum side side = 0; side < SIDES; side++) {
		const struct volume_info *info =
		    volume_get_info(v->setup.volume[side]);

		root[side] = info->root;
		facts.presence[side] = PRESENT;
		facts.attr[side] = info->root_attr;
	}
	return node_table_new(root, origin_inode(&facts), &v->nodes);
}

static int make_parts(struct view *v)
{
	struct fuse_lowlevel_ops ops;
	int r = requests_new(&v->requests);

	fill_operations(&ops);
	if (r == 0)
		r = make_nodes(v);
	if (r == 0)
		r = readers_new(v->setup.manifest, &v->readers);
	if (r == 0)
		r = health_new(v, &v->health);
	if (r == 0)
		r = files_new(&v->files);
	if (r == 0)
		r = listings_new(v, &v->listings);
	if (r == 0)
		r = dotsync_new(v, &v->dotsync);
	if (r == 0)
		r = serve_new(&v->setup, &ops, v, &v->serve);
	if (r == 0) {
		v->session = serve_get_session(v->serve);
		r = notify_new(v, &v->notify);
	}
	return r;
}

int view_new(const struct view_setup *setup, struct view **ret, char *error,
	     size_t error_size)
{
	struct view *v = calloc(1, sizeof(*v));
	int r = -ENOMEM;

	if (v) {
		v->setup = *setup;
		v->generation = (uint64_t)clock_wall_ns();
		r = make_parts(v);
	}
	if (r < 0)
		snprintf(error, error_size, "%s: cannot be mounted: %s",
			 setup->mountpoint, strerror(-r));
	else
		r = serve_mount(v->serve, error, error_size);
	if (r < 0) {
		view_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

/* --- Its life ------------------------------------------------------------- */

/* Lets what is in flight end by itself for a moment. */
static void let_end(struct view *v)
{
	const struct timespec tick = clock_split_ns(GRACE_TICK_NS);
	int64_t deadline_ns = clock_now_ns() + GRACE_NS;

	while (clock_now_ns() < deadline_ns &&
	       (health_is_asked(v->health, SOURCE) ||
		health_is_asked(v->health, DESTINATION)))
		nanosleep(&tick, NULL);
}

/* See the head of this file. */
static void end(struct view *v, bool gone)
{
	if (gone)
		let_end(v);
	for (enum side side = 0; side < SIDES; side++)
		volume_cancel(v->setup.volume[side]);
	if (v->notify)
		notify_end(v->notify);
	if (v->serve)
		serve_end(v->serve);
	if (v->health)
		health_drain(v->health);
	/* What it has in work begins nothing new for a request any more. */
	v->listings = listings_free(v->listings);
	if (v->requests)
		requests_drain(v->requests);
	v->files = files_free(v->files);
	if (v->serve)
		serve_unmount(v->serve);
	v->ended = true;
}

int view_run(struct view *v)
{
	bool gone;
	int r = serve_wait(v->serve, &gone);

	end(v, gone);
	return r;
}

void view_stop(struct view *v)
{
	serve_stop(v->serve);
}

struct view *view_free(struct view *v)
{
	if (!v)
		return NULL;
	if (!v->ended)
		end(v, false);
	dotsync_free(v->dotsync);
	health_free(v->health);
	requests_free(v->requests);
	notify_free(v->notify);
	node_table_free(v->nodes);
	readers_free(v->readers);
	serve_free(v->serve);
	free(v);
	return NULL;
}

/* --- Before it is made ---------------------------------------------------- */

int view_check_name(const struct view_setup *setup, char *error,
		    size_t error_size)
{
	const char *name = setup->options->syncdir;

	for (enum side side = 0; side < SIDES; side++) {
		struct volume *volume = setup->volume[side];
		struct volume_lookup lookup = {
		    .dir = volume_get_info(volume)->root,
		    .name = name,
		};
		int r;

		volume_run(volume, VOLUME_LOOKUP, &lookup, 1);
		r = lookup.result;
		volume_items_done(VOLUME_LOOKUP, &lookup, 1);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			snprintf(error, error_size,
				 "%s %s: has an entry named %s, which would be "
				 "hidden by the one that tells the progress: "
				 "give that another name with -o syncdir=NAME",
				 side_name(side), setup->location[side], name);
		else
			snprintf(error, error_size, "%s %s: %s: %s",
				 side_name(side), setup->location[side], name,
				 strerror(-r));
		return r == 0 ? -EEXIST : r;
	}
	return 0;
}
