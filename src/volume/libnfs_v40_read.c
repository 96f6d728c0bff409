// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Reading: small files whole, and ranges of large ones.
 *
 *	READ_WHOLE	PUTFH, GETATTR, READ, GETATTR
 *	READ		PUTFH, READ		for each part
 *
 * With a libnfs that wants READ to be the last operation the second GETATTR
 * is a compound of its own, stage ATTR: PUTFH, GETATTR.
 *
 * READ goes with the anonymous stateid. What libnfs decoded is gone when its
 * callback returns, so all data are copied once, to where they stay.
 *
 * READ_WHOLE asks for one byte more than is expected, so that the end of file
 * shows. A file that turned out longer is read on with more room; its
 * attributes are asked for at both ends of it all, and tell what was changed
 * meanwhile. One that keeps growing is given back as it is.
 *
 * A range is cut into parts as long as the server reads at once, which travel
 * together. They fill one blob, and end where the first one of them ended
 * early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "volume/libnfs_compound.h"
#include "volume/libnfs_shim.h"
#include "volume/libnfs_v40.h"

/* How often a whole file is given more room because it was longer. */
#define LONGER_MAX 3

/* --- READ_WHOLE ----------------------------------------------------------- */

enum whole_stage {
	WHOLE_READ,
	WHOLE_ATTR,
};

struct whole_work {
	struct ln_work head;
	struct blob *blob;
	size_t got;
	size_t len; /* of the last READ */
	bool eof;   /* it saw the end */
	bool has_before;
	unsigned longer; /* how often it was */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int whole_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct whole_work *work = (struct whole_work *)head;
	struct volume_read_whole *item = head->item;

	(void)parts;
	(void)items;
	item->ret_blob = NULL;
	work->blob = blob_new(least(item->expect, VOLUME_WHOLE_MAX) + 1);
	if (!work->blob)
		return -ENOMEM;
	head->request.bytes = work->blob->size;
	return 0;
}

static size_t whole_want(const struct whole_work *work)
{
	return least(work->blob->size - work->got, work->head.v->read_max);
}

static bool whole_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct whole_work *work = (struct whole_work *)head;
	const struct volume_read_whole *item = head->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_getattr(&c, FATTR_ATTR);
	if (head->stage == WHOLE_ATTR)
		return ln_compound_send(&c, head, rpc);
	ln_compound_read(&c, work->got, (uint32_t)whole_want(work));
	if (!SHIM_READ4_IS_LAST)
		ln_compound_getattr(&c, FATTR_ATTR);
	return shim_read4(rpc, ln_answered, work->blob->data + work->got,
			  whole_want(work), &c.args, head);
}

/* Room for a file of `size` bytes. */
static int make_room(struct whole_work *work, uint64_t size)
{
	struct blob *larger;

	if (size > VOLUME_WHOLE_MAX)
		return -EFBIG;
	if (size < work->blob->size)
		size = work->blob->size;
	larger = blob_new((size_t)size + 1);
	if (!larger)
		return -ENOMEM;
	memcpy(larger->data, work->blob->data, work->got);
	blob_unref(work->blob);
	work->blob = larger;
	return 0;
}

static void give_whole(struct whole_work *work)
{
	struct volume_read_whole *item = work->head.item;

	item->ret_blob = work->blob;
	item->ret_data = work->blob->data;
	item->ret_len = work->got;
	work->blob = NULL;
}

/* Attributes of after a READ are there: another READ, or the end. */
static int whole_next(struct whole_work *work)
{
	const struct volume_read_whole *item = work->head.item;
	bool more = !work->eof && work->len > 0;
	int error;

	work->head.stage = WHOLE_READ;
	if (item->ret_after.size > VOLUME_WHOLE_MAX)
		return -EFBIG;
	if (more && work->got < work->blob->size)
		return LN_NEXT;
	if (more && work->longer++ < LONGER_MAX) {
		error = make_room(work, item->ret_after.size);
		return error ? error : LN_NEXT;
	}
	give_whole(work);
	return 0;
}

static int whole_reply(struct ln_work *head, void *data)
{
	struct whole_work *work = (struct whole_work *)head;
	struct volume_read_whole *item = head->item;
	struct attr attr;
	struct ln_reply r;
	int error;

	ln_reply_init(&r, data);
	error = ln_reply_putfh(&r);
	if (!error)
		error = ln_reply_getattr(&r, &attr, NULL);
	if (error)
		return error;
	if (head->stage == WHOLE_ATTR) {
		item->ret_after = attr;
		return whole_next(work);
	}
	error = ln_reply_read(&r, work->blob->data + work->got,
			      whole_want(work), &work->len, &work->eof);
	if (error)
		return error;
	work->got += work->len;
	if (!work->has_before)
		item->ret_before = attr;
	work->has_before = true;
	if (SHIM_READ4_IS_LAST) {
		head->stage = WHOLE_ATTR;
		return LN_NEXT;
	}
	error = ln_reply_getattr(&r, &item->ret_after, NULL);
	return error ? error : whole_next(work);
}

static void whole_done(struct ln_work *head)
{
	blob_unref(((struct whole_work *)head)->blob);
}

const struct ln_verb v40_read_whole_verb = {
    LN_VERB(whole, whole_work, volume_read_whole),
    .init = whole_init,
    .done = whole_done,
};

/* --- READ ----------------------------------------------------------------- */

struct range_work {
	struct ln_work head;
	size_t at; /* this part within the range */
	size_t len;
	size_t got;
	bool eof;
};

static unsigned range_parts(const struct ln *v, const void *item)
{
	size_t len = ((const struct volume_read *)item)->len;

	return (unsigned)((len + v->read_max - 1) / v->read_max);
}

static int range_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct range_work *work = (struct range_work *)head;
	struct volume_read *item = head->item;
	size_t most = head->v->read_max;

	(void)items;
	/* The first part makes the blob for all. */
	if (head->part == 0) {
		item->ret_blob = NULL;
		item->ret_len = 0;
		item->ret_eof = false;
		if (item->len > VOLUME_RANGE)
			return -EINVAL;
		item->ret_blob = blob_new(item->len);
		if (!item->ret_blob)
			return -ENOMEM;
	}
	work->at = head->part * most;
	work->len = head->part + 1 < parts ? most : item->len - work->at;
	head->request.bytes = work->len;
	return 0;
}

static bool range_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct range_work *work = (struct range_work *)head;
	const struct volume_read *item = head->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_read(&c, item->offset + work->at + work->got,
			 (uint32_t)(work->len - work->got));
	return shim_read4(rpc, ln_answered,
			  item->ret_blob->data + work->at + work->got,
			  work->len - work->got, &c.args, head);
}

static int range_reply(struct ln_work *head, void *data)
{
	struct range_work *work = (struct range_work *)head;
	struct volume_read *item = head->item;
	struct ln_reply r;
	size_t len;
	int error;

	ln_reply_init(&r, data);
	error = ln_reply_putfh(&r);
	if (!error)
		error = ln_reply_read(
		    &r, item->ret_blob->data + work->at + work->got,
		    work->len - work->got, &len, &work->eof);
	if (error)
		return error;
	work->got += len;
	if (work->eof || work->got == work->len)
		return 0;
	/* A server that gives nothing, and no reason, would be asked for
	 * ever. */
	return len > 0 ? LN_NEXT : -EIO;
}

static void range_merge(struct ln_work *head, unsigned parts)
{
	const struct range_work *works = (struct range_work *)head;
	struct volume_read *item = head->item;

	for (unsigned i = 0; i < parts; i++) {
		item->ret_len += works[i].got;
		item->ret_eof = works[i].eof;
		if (works[i].got < works[i].len)
			break;
	}
	item->ret_data = item->ret_blob->data;
}

const struct ln_verb v40_read_verb = {
    LN_VERB(range, range_work, volume_read),
    .parts = range_parts,
    .init = range_init,
    .merge = range_merge,
};
