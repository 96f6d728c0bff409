/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LOOKUP, GETATTR, READLINK, REMOVE, RENAME, STATFS.
 *
 * What a server leaves out of an answer though it may give it (attributes of a
 * looked-up name) takes a GETATTR.
 *
 * Sent again after a lost connection: a REMOVE that finds nothing has been
 * done. A RENAME that finds no source has been done when the target is there:
 *
 *	RENAME -- ENOENT, sent again --> CHECK: LOOKUP of the target
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/libnfs_v3.h"

/* The longest target that is believed, bytes. */
#define TARGET_MAX 65536

/* --- LOOKUP --------------------------------------------------------------- */

enum lookup_stage {
	LOOKUP_LOOKUP,
	LOOKUP_GETATTR,
};

static int lookup_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_lookup *item = work->item;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	return volume_check_name(item->name);
}

static bool lookup_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_lookup *item = work->item;

	if (work->stage == LOOKUP_GETATTR)
		return v3_send_getattr(work, rpc, item->ret_handle);
	return v3_send_lookup(work, rpc, item->dir, item->name);
}

static int lookup_reply(struct ln_work *work, void *data)
{
	struct volume_lookup *item = work->item;
	bool has_attr = false;
	int error;

	if (work->stage == LOOKUP_GETATTR)
		return v3_get_getattr(data, &item->ret_attr);
	error =
	    v3_get_lookup(data, &item->ret_handle, &item->ret_attr, &has_attr);
	if (error || has_attr)
		return error;
	work->stage = LOOKUP_GETATTR;
	return LN_NEXT;
}

const struct ln_verb v3_lookup_verb = {
    LN_VERB(lookup, ln_work, volume_lookup),
    .init = lookup_init,
};

/* --- GETATTR -------------------------------------------------------------- */

static bool getattr_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_getattr *item = work->item;

	return v3_send_getattr(work, rpc, item->handle);
}

static int getattr_reply(struct ln_work *work, void *data)
{
	struct volume_getattr *item = work->item;

	return v3_get_getattr(data, &item->ret_attr);
}

const struct ln_verb v3_getattr_verb = {
    LN_VERB(getattr, ln_work, volume_getattr),
};

/* --- READLINK ------------------------------------------------------------- */

enum readlink_stage {
	READLINK_READLINK,
	READLINK_GETATTR,
};

static int readlink_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_readlink *item = work->item;

	(void)parts;
	(void)items;
	item->ret_target = NULL;
	return 0;
}

static bool readlink_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_readlink *item = work->item;
	struct READLINK3args args = {.symlink = v3_fh(item->handle)};

	if (work->stage == READLINK_GETATTR)
		return v3_send_getattr(work, rpc, item->handle);
	return SHIM_CALL3(readlink, rpc, ln_answered, &args, work);
}

static int readlink_reply(struct ln_work *work, void *data)
{
	struct volume_readlink *item = work->item;
	const struct READLINK3res *res = data;
	const struct READLINK3resok *ok = &res->READLINK3res_u.resok;
	size_t len;

	if (work->stage == READLINK_GETATTR)
		return v3_get_getattr(data, &item->ret_attr);
	if (res->status)
		return v3_error((int)res->status);
	len = ok->data ? strnlen(ok->data, TARGET_MAX) : 0;
	if (len == 0 || len == TARGET_MAX)
		return -EPROTO;
	free(item->ret_target);
	item->ret_target = strdup(ok->data);
	if (!item->ret_target)
		return -ENOMEM;
	if (v3_get_post(&ok->symlink_attributes, &item->ret_attr))
		return 0;
	work->stage = READLINK_GETATTR;
	return LN_NEXT;
}

const struct ln_verb v3_readlink_verb = {
    LN_VERB(readlink, ln_work, volume_readlink),
    .init = readlink_init,
};

/* --- REMOVE --------------------------------------------------------------- */

static int remove_init(struct ln_work *work, unsigned parts, size_t items)
{
	(void)parts;
	(void)items;
	return volume_check_name(((struct volume_remove *)work->item)->name);
}

static bool remove_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_remove *item = work->item;

	return v3_send_remove(work, rpc, item->dir, item->name,
			      item->directory);
}

static int remove_reply(struct ln_work *work, void *data)
{
	int error = v3_get_status(data);

	if (error == -ENOENT && work->request.again)
		return 0;
	/* Some servers say so of a directory that is not empty. */
	return error == -EEXIST ? -ENOTEMPTY : error;
}

const struct ln_verb v3_remove_verb = {
    LN_VERB(remove, ln_work, volume_remove),
    .init = remove_init,
};

/* --- RENAME --------------------------------------------------------------- */

enum rename_stage {
	RENAME_RENAME,
	RENAME_CHECK,
};

static int rename_init(struct ln_work *work, unsigned parts, size_t items)
{
	const struct volume_rename *item = work->item;
	int error = volume_check_name(item->name);

	(void)parts;
	(void)items;
	return error ? error : volume_check_name(item->to_name);
}

static bool rename_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_rename *item = work->item;

	if (work->stage == RENAME_CHECK)
		return v3_send_lookup(work, rpc, item->to_dir, item->to_name);
	return v3_send_rename(work, rpc, item->dir, item->name, item->to_dir,
			      item->to_name);
}

static int rename_reply(struct ln_work *work, void *data)
{
	int error = v3_get_status(data);

	if (work->stage == RENAME_RENAME && error == -ENOENT &&
	    work->request.again) {
		work->stage = RENAME_CHECK;
		return LN_NEXT;
	}
	return error;
}

const struct ln_verb v3_rename_verb = {
    LN_VERB(rename, ln_work, volume_rename),
    .init = rename_init,
};

/* --- STATFS --------------------------------------------------------------- */

static bool statfs_send(struct ln_work *work, struct rpc_context *rpc)
{
	struct FSSTAT3args args = {.fsroot = v3_fh(work->v->root)};

	return SHIM_CALL3(fsstat, rpc, ln_answered, &args, work);
}

static int statfs_reply(struct ln_work *work, void *data)
{
	struct volume_statfs *item = work->item;
	const struct FSSTAT3res *res = data;
	const struct FSSTAT3resok *ok = &res->FSSTAT3res_u.resok;

	if (res->status)
		return v3_error((int)res->status);
	item->ret_total_bytes = ok->tbytes;
	item->ret_free_bytes = ok->fbytes;
	item->ret_avail_bytes = ok->abytes;
	item->ret_total_files = ok->tfiles;
	item->ret_free_files = ok->ffiles;
	item->ret_name_max = work->v->name_max;
	item->ret_link_max = work->v->link_max;
	return 0;
}

const struct ln_verb v3_statfs_verb = {
    LN_VERB(statfs, ln_work, volume_statfs),
};
