/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verbs that are one question or one change of a name:
 *
 *	LOOKUP		PUTFH dir, LOOKUP, GETATTR
 *	GETATTR		PUTFH, GETATTR
 *	READLINK	PUTFH, READLINK, GETATTR
 *	REMOVE		[PUTFH dir,] REMOVE
 *	RENAME		[PUTFH dir, SAVEFH, [PUTFH to_dir,]] RENAME
 *	STATFS		PUTFH root, GETATTR (the limits are known since opening)
 *
 * REMOVE and RENAME leave the current and the saved file handle as they are
 * (RFC 8881 sections 18.25 and 18.26), so consecutive items in the same
 * directories share what is in brackets.
 *
 * A change that may have been made before (`again`) is judged by its outcome:
 * a name that is gone was removed; a rename whose source is gone was made if
 * its target is there, which stage CHECK asks.
 *
 * NFSv4's REMOVE takes files and empty directories alike, so the item's
 * `directory` makes no difference here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/nfs4.h"

/* The longest symlink target whose reply is allowed for without a second
 * try: PATH_MAX. */
#define TARGET_BYTES 4112

/* --- LOOKUP --------------------------------------------------------------- */

static int lookup_init(struct v4_work *work, unsigned parts, size_t items)
{
	struct volume_lookup *item = work->item;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	return volume_check_name(item->name);
}

static struct batch_item_cost lookup_cost(const void *work,
					  const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 3,
	    .request_bytes = 2 * V4_OP_BYTES + V4_NAME_BYTES,
	    .response_bytes = V4_OP_BYTES + V4_ATTR_BYTES,
	};
}

static void lookup_encode(struct compound *c, struct client *client, void *work,
			  const void *previous, bool again)
{
	const struct volume_lookup *item = ((struct v4_work *)work)->item;

	(void)client;
	(void)previous;
	(void)again;
	compound_putfh(c, item->dir);
	compound_lookup(c, item->name);
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
}

static int lookup_decode(struct reply *r, void *work, const void *previous,
			 bool again)
{
	struct volume_lookup *item = ((struct v4_work *)work)->item;
	struct handle *handle = NULL;
	int error;

	(void)previous;
	(void)again;
	error = reply_putfh(r);
	if (!error)
		error = reply_lookup(r);
	if (!error)
		error = reply_getattr(r, &item->ret_attr, &handle);
	if (!error)
		v4_set_handle(&item->ret_handle, handle);
	return error;
}

const struct v4_verb v4_lookup_verb = {
    V4_VERB(lookup, v4_work, volume_lookup),
    .init = lookup_init,
};

/* --- GETATTR -------------------------------------------------------------- */

static struct batch_item_cost getattr_cost(const void *work,
					   const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = V4_OP_BYTES + V4_ATTR_BYTES,
	};
}

static void getattr_encode(struct compound *c, struct client *client,
			   void *work, const void *previous, bool again)
{
	const struct volume_getattr *item = ((struct v4_work *)work)->item;

	(void)client;
	(void)previous;
	(void)again;
	compound_putfh(c, item->handle);
	compound_getattr(c, FATTR_ATTR);
}

static int getattr_decode(struct reply *r, void *work, const void *previous,
			  bool again)
{
	struct volume_getattr *item = ((struct v4_work *)work)->item;
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	return error ? error : reply_getattr(r, &item->ret_attr, NULL);
}

const struct v4_verb v4_getattr_verb = {
    V4_VERB(getattr, v4_work, volume_getattr),
};

/* --- READLINK ------------------------------------------------------------- */

static int readlink_init(struct v4_work *work, unsigned parts, size_t items)
{
	struct volume_readlink *item = work->item;

	(void)parts;
	(void)items;
	item->ret_target = NULL;
	return 0;
}

static struct batch_item_cost readlink_cost(const void *work,
					    const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 3,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = V4_OP_BYTES + V4_ATTR_BYTES + TARGET_BYTES,
	};
}

static void readlink_encode(struct compound *c, struct client *client,
			    void *work, const void *previous, bool again)
{
	const struct volume_readlink *item = ((struct v4_work *)work)->item;

	(void)client;
	(void)previous;
	(void)again;
	compound_putfh(c, item->handle);
	compound_readlink(c);
	compound_getattr(c, FATTR_ATTR);
}

static int readlink_decode(struct reply *r, void *work, const void *previous,
			   bool again)
{
	struct volume_readlink *item = ((struct v4_work *)work)->item;
	char *target = NULL;
	int error;

	(void)previous;
	(void)again;
	error = reply_putfh(r);
	if (!error)
		error = reply_readlink(r, &target);
	if (!error)
		error = reply_getattr(r, &item->ret_attr, NULL);
	if (error) {
		free(target);
		return error;
	}
	free(item->ret_target);
	item->ret_target = target;
	return 0;
}

const struct v4_verb v4_readlink_verb = {
    V4_VERB(readlink, v4_work, volume_readlink),
    .init = readlink_init,
};

/* --- REMOVE --------------------------------------------------------------- */

static bool remove_shares(const struct v4_work *work,
			  const struct v4_work *previous)
{
	const struct volume_remove *item = work->item;
	const struct volume_remove *before = previous ? previous->item : NULL;

	return before && v4_same_dir(item->dir, before->dir);
}

static int remove_init(struct v4_work *work, unsigned parts, size_t items)
{
	(void)parts;
	(void)items;
	return volume_check_name(((struct volume_remove *)work->item)->name);
}

static struct batch_item_cost remove_cost(const void *work,
					  const void *previous)
{
	return (struct batch_item_cost){
	    .ops = remove_shares(work, previous) ? 1 : 2,
	    .request_bytes = V4_OP_BYTES + V4_NAME_BYTES,
	    .response_bytes = V4_OP_BYTES,
	};
}

static void remove_encode(struct compound *c, struct client *client, void *item,
			  const void *previous, bool again)
{
	struct v4_work *work = item;
	const struct volume_remove *remove = work->item;

	(void)client;
	(void)again;
	work->shared = remove_shares(work, previous);
	if (!work->shared)
		compound_putfh(c, remove->dir);
	compound_remove(c, remove->name);
}

static int remove_decode(struct reply *r, void *item, const void *previous,
			 bool again)
{
	struct v4_work *work = item;
	int error = work->shared ? 0 : reply_putfh(r);

	(void)previous;
	if (error)
		return error;
	error = reply_remove(r);
	return error == -ENOENT && again ? 0 : error;
}

const struct v4_verb v4_remove_verb = {
    V4_VERB(remove, v4_work, volume_remove),
    .init = remove_init,
};

/* --- RENAME --------------------------------------------------------------- */

enum rename_stage {
	RENAME_RENAME,
	RENAME_CHECK, /* the source is gone: is the target there? */
};

static bool rename_shares(const struct v4_work *work,
			  const struct v4_work *previous)
{
	const struct volume_rename *item = work->item;
	const struct volume_rename *before = previous ? previous->item : NULL;

	return before && work->stage == RENAME_RENAME &&
	       previous->stage == RENAME_RENAME &&
	       v4_same_dir(item->dir, before->dir) &&
	       v4_same_dir(item->to_dir, before->to_dir);
}

static int rename_init(struct v4_work *work, unsigned parts, size_t items)
{
	const struct volume_rename *item = work->item;
	int error = volume_check_name(item->name);

	(void)parts;
	(void)items;
	return error ? error : volume_check_name(item->to_name);
}

static struct batch_item_cost rename_cost(const void *work,
					  const void *previous)
{
	return (struct batch_item_cost){
	    .ops = rename_shares(work, previous) ? 1 : 4,
	    .request_bytes = 2 * V4_OP_BYTES + 2 * V4_NAME_BYTES,
	    .response_bytes = V4_OP_BYTES,
	};
}

static void rename_encode(struct compound *c, struct client *client, void *item,
			  const void *previous, bool again)
{
	struct v4_work *work = item;
	const struct volume_rename *rename = work->item;

	(void)client;
	(void)again;
	if (work->stage == RENAME_CHECK) {
		compound_putfh(c, rename->to_dir);
		compound_lookup(c, rename->to_name);
		return;
	}
	work->shared = rename_shares(work, previous);
	if (!work->shared) {
		compound_putfh(c, rename->dir);
		compound_savefh(c);
		compound_putfh(c, rename->to_dir);
	}
	compound_rename(c, rename->name, rename->to_name);
}

static int rename_decode(struct reply *r, void *item, const void *previous,
			 bool again)
{
	struct v4_work *work = item;
	int error;

	(void)previous;
	if (work->stage == RENAME_CHECK) {
		error = reply_putfh(r);
		return error ? error : reply_lookup(r);
	}
	error = v4_get_dir(r, work->shared);
	if (!error && !work->shared)
		error = reply_putfh(r);
	if (error)
		return error;
	error = reply_rename(r);
	if (error == -ENOENT && again) {
		work->stage = RENAME_CHECK;
		return -ERESTART;
	}
	return error;
}

const struct v4_verb v4_rename_verb = {
    V4_VERB(rename, v4_work, volume_rename),
    .init = rename_init,
};

/* --- STATFS --------------------------------------------------------------- */

static struct batch_item_cost statfs_cost(const void *work,
					  const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = 2 * V4_OP_BYTES,
	};
}

static void statfs_encode(struct compound *c, struct client *client, void *work,
			  const void *previous, bool again)
{
	(void)client;
	(void)previous;
	(void)again;
	compound_putfh(c, ((struct v4_work *)work)->v->root);
	compound_getattr(c, FATTR_SPACE);
}

static int statfs_decode(struct reply *r, void *item, const void *previous,
			 bool again)
{
	struct v4_work *work = item;
	struct volume_statfs *statfs = work->item;
	struct server_space space = {0};
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	if (!error)
		error = reply_space(r, &space);
	if (error)
		return error;
	statfs->ret_total_bytes = space.total_bytes;
	statfs->ret_free_bytes = space.free_bytes;
	statfs->ret_avail_bytes = space.avail_bytes;
	statfs->ret_total_files = space.total_files;
	statfs->ret_free_files = space.free_files;
	statfs->ret_name_max = work->v->name_max;
	statfs->ret_link_max = work->v->link_max;
	return 0;
}

const struct v4_verb v4_statfs_verb = {
    V4_VERB(statfs, v4_work, volume_statfs),
};
