/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files read whole:
 *
 *	BEFORE: GETATTR --> DATA: READ, until the end of file --> AFTER: GETATTR
 *
 * The attributes before are a call of their own, answered before the first
 * READ is sent: a server runs calls of one connection side by side. Those
 * after come with the last READ if the server adds them, which spares AFTER.
 *
 * A range too large for one READ is split into parts that travel at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/libnfs_v3.h"

/* READs begin and end on these, as long as there is a choice. */
#define GRAIN 4096

/* --- A span: bytes that come by one READ after the other ------------------ */

struct span {
	struct blob *blob;
	uint64_t offset; /* in the file */
	size_t want;
	size_t got;
	size_t asked; /* by the READ under way */
	bool eof;
};

/* Makes room for `want` bytes; what is there stays. */
static int span_grow(struct span *s, size_t want)
{
	struct blob *blob = blob_new(want);

	if (!blob)
		return -ENOMEM;
	if (s->got > 0)
		memcpy(blob->data, s->blob->data, s->got);
	blob_unref(s->blob);
	s->blob = blob;
	s->want = want;
	return 0;
}

static bool span_send(struct span *s, struct ln_work *work,
		      struct rpc_context *rpc, const struct handle *handle)
{
	struct READ3args args = {.file = v3_fh(handle)};

	if (!s->blob && span_grow(s, s->want))
		return false;
	s->asked = s->want - s->got;
	if (s->asked > work->v->read_max)
		s->asked = work->v->read_max;
	args.offset = s->offset + s->got;
	args.count = (uint32_t)s->asked;
	return shim_read3(rpc, ln_answered, s->blob->data + s->got, &args,
			  work);
}

/* Takes a READ's answer. */
static int span_add(struct span *s, const struct READ3res *res)
{
	const struct READ3resok *ok = &res->READ3res_u.resok;
	int64_t len;

	if (res->status)
		return v3_error((int)res->status);
	len = shim_read3_data(ok, s->blob->data + s->got, s->asked);
	if (len < 0)
		return -EPROTO;
	s->got += (size_t)len;
	s->eof = ok->eof;
	/* No bytes and no end: it would be asked for ever. */
	return len == 0 && !s->eof ? -EIO : 0;
}

static void span_done(struct span *s)
{
	blob_unref(s->blob);
	s->blob = NULL;
}

/* --- READ_WHOLE ----------------------------------------------------------- */

enum whole_stage {
	WHOLE_BEFORE,
	WHOLE_DATA,
	WHOLE_AFTER,
};

struct whole_work {
	struct ln_work head;
	struct span span;
};

/* Room for a file of `size` bytes and one more, to see where it ends. */
static size_t room_for(uint64_t size)
{
	if (size > VOLUME_WHOLE_MAX)
		size = VOLUME_WHOLE_MAX;
	return ((size_t)size / GRAIN + 1) * GRAIN;
}

static int read_whole_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct whole_work *work = (struct whole_work *)head;
	struct volume_read_whole *item = head->item;

	(void)parts;
	(void)items;
	item->ret_data = NULL;
	item->ret_len = 0;
	item->ret_blob = NULL;
	work->span.want = room_for(item->expect);
	head->request.bytes = work->span.want;
	return 0;
}

static bool read_whole_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct whole_work *work = (struct whole_work *)head;
	const struct volume_read_whole *item = head->item;

	if (head->stage == WHOLE_DATA)
		return span_send(&work->span, head, rpc, item->handle);
	return v3_send_getattr(head, rpc, item->handle);
}

static int check_is_file(const struct attr *attr)
{
	if (attr->type == ENTRY_FILE)
		return 0;
	return attr->type == ENTRY_DIRECTORY ? -EISDIR : -EINVAL;
}

static int whole_before(struct whole_work *work, const void *data)
{
	struct volume_read_whole *item = work->head.item;
	int error = v3_get_getattr(data, &item->ret_before);

	if (!error)
		error = check_is_file(&item->ret_before);
	if (error)
		return error;
	if (item->ret_before.size > VOLUME_WHOLE_MAX)
		return -EFBIG;
	/* It is known better now. */
	work->span.want = room_for(item->ret_before.size);
	work->head.stage = WHOLE_DATA;
	return LN_NEXT;
}

/* Gives the data over to the item. */
static int whole_end(struct whole_work *work)
{
	struct volume_read_whole *item = work->head.item;
	struct span *s = &work->span;

	if (s->got > VOLUME_WHOLE_MAX)
		return -EFBIG;
	item->ret_data = s->blob->data;
	item->ret_len = s->got;
	item->ret_blob = s->blob;
	s->blob = NULL;
	return 0;
}

static int whole_data(struct whole_work *work, const void *data)
{
	struct volume_read_whole *item = work->head.item;
	const struct READ3res *res = data;
	struct span *s = &work->span;
	int error = span_add(s, res);

	if (error)
		return error;
	if (!s->eof) {
		/* It has grown meanwhile. */
		if (s->got > VOLUME_WHOLE_MAX)
			return -EFBIG;
		if (s->got == s->want)
			error = span_grow(s, room_for(2 * (uint64_t)s->want));
		return error ? error : LN_NEXT;
	}
	if (v3_get_post(&res->READ3res_u.resok.file_attributes,
			&item->ret_after))
		return whole_end(work);
	work->head.stage = WHOLE_AFTER;
	return LN_NEXT;
}

static int read_whole_reply(struct ln_work *head, void *data)
{
	struct whole_work *work = (struct whole_work *)head;
	struct volume_read_whole *item = head->item;
	int error;

	switch (head->stage) {
	case WHOLE_BEFORE:
		return whole_before(work, data);
	case WHOLE_DATA:
		return whole_data(work, data);
	default:
		error = v3_get_getattr(data, &item->ret_after);
		return error ? error : whole_end(work);
	}
}

static void read_whole_done(struct ln_work *head)
{
	span_done(&((struct whole_work *)head)->span);
}

const struct ln_verb v3_read_whole_verb = {
    LN_VERB(read_whole, whole_work, volume_read_whole),
    .init = read_whole_init,
    .done = read_whole_done,
};

/* --- READ ----------------------------------------------------------------- */

struct read_work {
	struct ln_work head;
	struct span span;
};

static unsigned read_parts(const struct ln *v, const void *item)
{
	const struct volume_read *read = item;

	return (unsigned)((read->len + v->read_max - 1) / v->read_max);
}

static int read_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct read_work *work = (struct read_work *)head;
	struct volume_read *item = head->item;
	size_t most = head->v->read_max;

	(void)items;
	item->ret_data = NULL;
	item->ret_len = 0;
	item->ret_eof = false;
	item->ret_blob = NULL;
	if (item->len > VOLUME_RANGE)
		return -EINVAL;
	if (item->len == 0)
		return LN_DONE;
	work->span.offset = item->offset + head->part * most;
	work->span.want =
	    head->part + 1 == parts ? item->len - head->part * most : most;
	head->request.bytes = work->span.want;
	return 0;
}

static bool read_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct read_work *work = (struct read_work *)head;
	const struct volume_read *item = head->item;

	return span_send(&work->span, head, rpc, item->handle);
}

static int read_reply(struct ln_work *head, void *data)
{
	struct read_work *work = (struct read_work *)head;
	const struct volume_read *item = head->item;
	const struct READ3res *res = data;
	struct span *s = &work->span;
	int error = span_add(s, res);
	struct attr attr;

	if (error)
		return error;
	if (!item->file &&
	    v3_get_post(&res->READ3res_u.resok.file_attributes, &attr) &&
	    v3_is_gone(&attr))
		return -ESTALE;
	return s->eof || s->got == s->want ? 0 : LN_NEXT;
}

/* Puts the parts into one blob, up to the first that met the end of file. */
static int join_parts(struct volume_read *item, struct read_work *works,
		      unsigned parts)
{
	struct blob *blob = blob_new(item->len);

	if (!blob)
		return -ENOMEM;
	item->ret_blob = blob;
	item->ret_data = blob->data;
	for (unsigned i = 0; i < parts; i++) {
		const struct span *s = &works[i].span;

		memcpy(blob->data + item->ret_len, s->blob->data, s->got);
		item->ret_len += s->got;
		item->ret_eof = s->eof;
		if (s->got < s->want)
			break;
	}
	return 0;
}

static void read_merge(struct ln_work *head, unsigned parts)
{
	struct read_work *works = (struct read_work *)head;
	struct volume_read *item = head->item;
	struct span *s = &works[0].span;

	if (item->result)
		return;
	if (parts > 1) {
		item->result = join_parts(item, works, parts);
		return;
	}
	item->ret_data = s->blob->data;
	item->ret_len = s->got;
	item->ret_eof = s->eof;
	item->ret_blob = s->blob;
	s->blob = NULL;
}

static void read_done(struct ln_work *head)
{
	span_done(&((struct read_work *)head)->span);
}

const struct ln_verb v3_read_verb = {
    LN_VERB(read, read_work, volume_read),
    .parts = read_parts,
    .init = read_init,
    .merge = read_merge,
    .done = read_done,
};
