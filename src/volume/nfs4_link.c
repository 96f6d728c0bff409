/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LINK: one more name for an object.
 *
 *	MAKE	PUTFH object, SAVEFH, PUTFH dir, LINK,
 *		[SAVEFH, RENAME temp name,] PUTFH object, GETATTR
 *	RENAME	PUTFH dir, SAVEFH, RENAME temp name, PUTFH object, GETATTR
 *	CHECK	PUTFH dir, LOOKUP name, GETATTR, PUTFH object, GETATTR
 *	CLEAN	PUTFH dir, REMOVE temp
 *
 * MAKE does it all, unless it ran before without its reply having been seen.
 * Then the temporary name may be there already (go on with RENAME), or even
 * have become the final one (CHECK whether that is the object). A rename that
 * failed leaves the temporary name to be cleaned up.
 */
#include <errno.h>

#include "volume/nfs4.h"

enum link_stage {
	LINK_MAKE,
	LINK_RENAME,
	LINK_CHECK,
	LINK_CLEAN,
};

static int link_init(struct v4_work *work, unsigned parts, size_t items)
{
	const struct volume_link *item = work->item;
	int error = volume_check_name(item->name);

	(void)parts;
	(void)items;
	if (!error && item->temp_name)
		error = volume_check_name(item->temp_name);
	return error;
}

static struct batch_item_cost link_cost(const void *work, const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 8,
	    .request_bytes = 4 * V4_OP_BYTES + 3 * V4_NAME_BYTES,
	    .response_bytes = 2 * V4_OP_BYTES + 2 * V4_ATTR_BYTES,
	};
}

static void link_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	const struct v4_work *work = item;
	const struct volume_link *link = work->item;
	const char *first = link->temp_name ? link->temp_name : link->name;

	(void)client;
	(void)previous;
	(void)again;
	if (work->stage == LINK_MAKE) {
		compound_putfh(c, link->handle);
		compound_savefh(c);
	}
	compound_putfh(c, link->dir);
	if (work->stage == LINK_CLEAN) {
		compound_remove(c, link->temp_name);
		return;
	}
	if (work->stage == LINK_MAKE)
		compound_link(c, first);
	if (work->stage == LINK_CHECK) {
		compound_lookup(c, link->name);
		compound_getattr(c, FATTR_ATTR);
	} else if (link->temp_name) {
		compound_savefh(c);
		compound_rename(c, link->temp_name, link->name);
	}
	compound_putfh(c, link->handle);
	compound_getattr(c, FATTR_ATTR);
}

static int go_to(struct v4_work *work, enum link_stage stage, int error)
{
	work->stage = stage;
	work->error = error;
	return -ERESTART;
}

/* PUTFH of the object and its attributes, at the end of most stages. */
static int get_object(struct reply *r, struct volume_link *link)
{
	int error = reply_putfh(r);

	return error ? error : reply_getattr(r, &link->ret_attr, NULL);
}

static int decode_check(struct reply *r, struct v4_work *work)
{
	struct volume_link *link = work->item;
	struct attr there;
	int error = reply_putfh(r);

	if (!error)
		error = reply_lookup(r);
	if (!error)
		error = reply_getattr(r, &there, NULL);
	if (!error)
		error = get_object(r, link);
	if (error)
		return batch_is_passing(r) ? error : work->error;
	if (there.fileid != link->ret_attr.fileid ||
	    there.fsid_major != link->ret_attr.fsid_major ||
	    there.fsid_minor != link->ret_attr.fsid_minor)
		return work->error;
	return 0;
}

static int decode_clean(struct reply *r, const struct v4_work *work)
{
	int error = reply_putfh(r);

	if (!error)
		error = reply_remove(r);
	return error && batch_is_passing(r) ? error : work->error;
}

/* From the rename on: the end of MAKE, and RENAME. */
static int decode_rename(struct reply *r, struct v4_work *work, bool again)
{
	struct volume_link *link = work->item;
	int error;

	if (link->temp_name) {
		error = reply_savefh(r);
		if (!error)
			error = reply_rename(r);
		if (error && batch_is_passing(r))
			return error;
		if (error == -ENOENT && again)
			return go_to(work, LINK_CHECK, error);
		if (error)
			return go_to(work, LINK_CLEAN, error);
	}
	return get_object(r, link);
}

static int decode_make(struct reply *r, struct v4_work *work, bool again)
{
	const struct volume_link *link = work->item;
	int error = reply_putfh(r);

	if (!error)
		error = reply_savefh(r);
	if (!error)
		error = reply_putfh(r);
	if (!error)
		error = reply_link(r);
	if (error == -EEXIST && again)
		return go_to(work, link->temp_name ? LINK_RENAME : LINK_CHECK,
			     error);
	return error ? error : decode_rename(r, work, again);
}

static int link_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct v4_work *work = item;
	int error;

	(void)previous;
	switch ((enum link_stage)work->stage) {
	case LINK_MAKE:
		return decode_make(r, work, again);
	case LINK_RENAME:
		error = reply_putfh(r);
		return error ? error : decode_rename(r, work, true);
	case LINK_CHECK:
		return decode_check(r, work);
	case LINK_CLEAN:
		break;
	}
	return decode_clean(r, work);
}

const struct v4_verb v4_link_verb = {
    V4_VERB(link, v4_work, volume_link),
    .init = link_init,
};
