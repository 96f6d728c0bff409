/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading: small files whole, and ranges of large ones.
 *
 *	READ_WHOLE	PUTFH, GETATTR, READ, GETATTR
 *	READ		PUTFH, READ		(also of a file held open)
 *
 * READ uses the stateid of the file it was given, as long as that is good,
 * and else the anonymous one (RFC 8881 section 8.2.3): no open, no state.
 * A server that refuses it gets OPEN by file handle (CLAIM_FH), READ with the
 * current stateid, CLOSE in the same compound, and is remembered. When READ
 * fails behind such an OPEN, stage CLOSE ends the open before the item ends:
 *
 *	CLOSE		PUTFH, CLOSE
 *
 * Data stay in the reply they came in; a span refers to them. Only what came
 * in several replies (a short read, a file larger than a reply) is put
 * together in a block of the span's own.
 *
 * READ_WHOLE asks for one byte more than is expected, so that the end of file
 * shows. A file that turned out longer is read anew with its real size; one
 * that keeps growing is given back as it is, and the attributes say so.
 *
 * A range too large for one reply is split into parts that travel at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/nfs4.h"
#include "volume/nfs4_hold.h"

/* How often a whole file is read anew because it was longer. */
#define LONGER_MAX 3

/* How often a new open is tried when the server forgot the last one. */
#define REFUSED_MAX 3

enum read_stage {
	READ_READ,
	READ_CLOSE,
};

/* Bytes of a file, as far as they have come. */
struct span {
	uint64_t offset;
	size_t want;
	size_t got;
	bool eof; /* the file ends behind what was got */
	const uint8_t *data;
	struct blob *blob; /* reference; holds data */
	bool own;          /* blob is the span's, with room for `want` */
};

struct read_work {
	struct v4_work head;
	struct span span;
	struct hold *hold;      /* READ: of the item's file; or NULL */
	bool by_open;           /* without one: goes with OPEN and CLOSE */
	bool by_hold;           /* was sent with the hold's stateid */
	unsigned refused;       /* how often its open's stateid was */
	bool has_before;        /* READ_WHOLE: ret_before is set */
	unsigned longer;        /* READ_WHOLE: how often it was */
	struct stateid stateid; /* stage CLOSE: what to close */
};

/* --- Spans ---------------------------------------------------------------- */

static void span_reset(struct span *s)
{
	blob_unref(s->blob);
	s->blob = NULL;
	s->data = NULL;
	s->got = 0;
	s->eof = false;
	s->own = false;
}

/* Makes room for all of the span and moves what came so far there. */
static int span_own(struct span *s)
{
	struct blob *b = blob_new(s->want);

	if (!b)
		return -ENOMEM;
	if (s->got > 0)
		memcpy(b->data, s->data, s->got);
	blob_unref(s->blob);
	s->blob = b;
	s->data = b->data;
	s->own = true;
	return 0;
}

/* Appends `len` bytes that lie in `blob`. */
static int span_add(struct span *s, const uint8_t *data, size_t len,
		    struct blob *blob)
{
	int error;

	if (len > s->want - s->got)
		return -EPROTO; /* more than was asked for */
	if (len == 0)
		return 0;
	if (s->got == 0 && !s->own) {
		blob_unref(s->blob);
		s->blob = blob_ref(blob);
		s->data = data;
		s->own = false;
	} else {
		error = s->own ? 0 : span_own(s);
		if (error)
			return error;
		memcpy(s->blob->data + s->got, data, len);
	}
	s->got += len;
	return 0;
}

static size_t span_ask(const struct span *s, const struct v4 *v)
{
	size_t room = v4_read_room(v);

	return s->want - s->got < room ? s->want - s->got : room;
}

/* --- READ in a compound --------------------------------------------------- */

static unsigned read_ops(const struct read_work *work)
{
	return work->by_open ? 3 : 1;
}

static void put_read(struct compound *c, struct client *client,
		     struct read_work *work)
{
	struct span *s = &work->span;
	uint64_t offset = s->offset + s->got;
	uint32_t len = (uint32_t)span_ask(s, work->head.v);
	struct stateid stateid;

	work->by_hold =
	    work->hold &&
	    hold_get(work->hold, client_get_generation(client), &stateid);
	if (work->by_hold) {
		compound_read(c, &stateid, offset, len);
		return;
	}
	if (!work->by_open) {
		compound_read(c, &stateid_anonymous, offset, len);
		return;
	}
	compound_open(c, client_get_clientid(client), NULL, OPEN_PASSING,
		      OPEN_READ);
	compound_read(c, &stateid_current, offset, len);
	compound_close(c, &stateid_current);
}

static void put_close(struct compound *c, const struct handle *handle,
		      const struct read_work *work)
{
	compound_putfh(c, handle);
	compound_close(c, &work->stateid);
}

static int get_close(struct reply *r, const struct read_work *work)
{
	int error = reply_putfh(r);

	if (!error)
		error = reply_close(r);
	return error && batch_is_passing(r) ? error : work->head.error;
}

/* READ failed: what now? */
static int read_failed(struct reply *r, struct read_work *work, int error,
		       bool opened)
{
	if (batch_is_passing(r))
		return error;
	if (work->by_hold) {
		if (!reply_refused_stateid(r))
			return error;
		hold_lose(work->hold);
		return -ERESTART;
	}
	if (!opened && !work->by_open && reply_refused_stateid(r)) {
		atomic_store(&work->head.v->no_anonymous_read, true);
		work->by_open = true;
		return -ERESTART;
	}
	/* A server may be short of what a read without an open costs it
	 * (ganesha keeps each such file open, and answers NFS4ERR_IO when it
	 * has no file descriptor left). If not, the error comes again. */
	if (!opened && error == -EIO) {
		work->by_open = true;
		return -ERESTART;
	}
	if (!opened)
		return error;
	/* The open's state is one with that of others who read the file: a
	 * CLOSE of theirs may have ended it. */
	if (reply_refused_stateid(r) && work->refused++ < REFUSED_MAX)
		return -ERESTART;
	work->head.stage = READ_CLOSE;
	work->head.error = error;
	return -ERESTART;
}

/* Reads what put_read() brought; `*ret_len` bytes of it were new. */
static int get_read(struct reply *r, struct read_work *work, size_t *ret_len)
{
	bool by_open = work->by_open && !work->by_hold;
	const uint8_t *data = NULL;
	bool eof = false;
	size_t len = 0;
	int error;

	if (by_open) {
		error = reply_open(r, &work->stateid);
		if (error)
			return error;
	}
	error = reply_read(r, &data, &len, &eof);
	if (error)
		return read_failed(r, work, error, by_open);
	if (by_open) {
		error = reply_close(r);
		if (error)
			return read_failed(r, work, error, true);
	}
	error = span_add(&work->span, data, len, r->blob);
	if (error)
		return error;
	work->span.eof = eof;
	*ret_len = len;
	return 0;
}

static void read_done(struct v4_work *head)
{
	span_reset(&((struct read_work *)head)->span);
}

/* --- READ_WHOLE ----------------------------------------------------------- */

static int read_whole_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct read_work *work = (struct read_work *)head;
	struct volume_read_whole *item = head->item;
	size_t expect =
	    item->expect < VOLUME_WHOLE_MAX ? item->expect : VOLUME_WHOLE_MAX;

	(void)parts;
	(void)items;
	item->ret_data = NULL;
	item->ret_len = 0;
	item->ret_blob = NULL;
	work->span.want = expect + 1;
	work->by_open = atomic_load(&head->v->no_anonymous_read);
	return 0;
}

static struct batch_item_cost read_whole_cost(const void *item,
					      const void *previous)
{
	const struct read_work *work = item;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = 3 + read_ops(work),
	    .request_bytes = 4 * V4_OP_BYTES,
	    .response_bytes = span_ask(&work->span, work->head.v) +
			      2 * V4_ATTR_BYTES + 3 * V4_OP_BYTES,
	};
}

static void read_whole_encode(struct compound *c, struct client *client,
			      void *item, const void *previous, bool again)
{
	struct read_work *work = item;
	const struct volume_read_whole *read = work->head.item;

	(void)previous;
	(void)again;
	if (work->head.stage == READ_CLOSE) {
		put_close(c, read->handle, work);
		return;
	}
	compound_putfh(c, read->handle);
	compound_getattr(c, FATTR_ATTR);
	put_read(c, client, work);
	compound_getattr(c, FATTR_ATTR);
}

/* Gives the data over to the item. */
static int read_whole_end(struct read_work *work)
{
	struct volume_read_whole *read = work->head.item;
	struct span *s = &work->span;

	if (s->got > VOLUME_WHOLE_MAX)
		return -EFBIG;
	read->ret_data = s->data;
	read->ret_len = s->got;
	read->ret_blob = s->blob;
	s->blob = NULL;
	return 0;
}

/* The file goes on behind all that was wanted. */
static int read_whole_longer(struct read_work *work)
{
	const struct volume_read_whole *read = work->head.item;
	struct span *s = &work->span;
	uint64_t size = read->ret_after.size;

	if (size > VOLUME_WHOLE_MAX)
		return -EFBIG;
	if (size < s->want || work->longer++ == LONGER_MAX)
		return read_whole_end(work);
	span_reset(s);
	s->want = (size_t)size + 1;
	work->has_before = false;
	return -ERESTART;
}

static int read_whole_decode(struct reply *r, void *item, const void *previous,
			     bool again)
{
	struct read_work *work = item;
	struct volume_read_whole *read = work->head.item;
	struct span *s = &work->span;
	struct attr before;
	size_t len = 0;
	int error;

	(void)previous;
	(void)again;
	if (work->head.stage == READ_CLOSE)
		return get_close(r, work);
	error = reply_putfh(r);
	if (!error)
		error = reply_getattr(r, &before, NULL);
	if (!error)
		error = get_read(r, work, &len);
	if (!error)
		error = reply_getattr(r, &read->ret_after, NULL);
	if (error) {
		/* Data must not stay while the attributes from before them
		 * are read anew. */
		span_reset(s);
		work->has_before = false;
		return error;
	}
	if (!work->has_before) {
		read->ret_before = before;
		work->has_before = true;
	}
	if (s->eof)
		return read_whole_end(work);
	if (s->got == s->want)
		return read_whole_longer(work);
	/* Nothing and no end: a server that forgets to say eof. */
	if (len == 0)
		return s->got >= read->ret_after.size ? read_whole_end(work)
						      : -EIO;
	return -ERESTART;
}

const struct v4_verb v4_read_whole_verb = {
    V4_VERB(read_whole, read_work, volume_read_whole),
    .init = read_whole_init,
    .done = read_done,
};

/* --- READ ----------------------------------------------------------------- */

static unsigned read_parts(const struct v4 *v, const void *item)
{
	const struct volume_read *read = item;
	size_t most = v->read_part;

	return (unsigned)((read->len + most - 1) / most);
}

static int read_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct read_work *work = (struct read_work *)head;
	struct volume_read *item = head->item;
	size_t length, from, to;

	(void)items;
	item->ret_data = NULL;
	item->ret_len = 0;
	item->ret_eof = false;
	item->ret_blob = NULL;
	/* Parts of the same length, in whole blocks. */
	length = (item->len / parts + 4095) & ~(size_t)4095;
	from = length * head->part;
	to = head->part + 1 == parts ? item->len : from + length;
	if (from > item->len)
		from = item->len;
	if (to > item->len)
		to = item->len;
	if (item->file)
		work->hold = v4_file_get_hold(item->file);
	work->span.offset = item->offset + from;
	work->span.want = to - from;
	work->by_open = atomic_load(&head->v->no_anonymous_read);
	return 0;
}

static struct batch_item_cost read_cost(const void *item, const void *previous)
{
	const struct read_work *work = item;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = 1 + read_ops(work),
	    .request_bytes = 3 * V4_OP_BYTES,
	    .response_bytes =
		span_ask(&work->span, work->head.v) + 3 * V4_OP_BYTES,
	};
}

static void read_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	struct read_work *work = item;
	const struct volume_read *read = work->head.item;

	(void)previous;
	(void)again;
	if (work->head.stage == READ_CLOSE) {
		put_close(c, read->handle, work);
		return;
	}
	compound_putfh(c, read->handle);
	put_read(c, client, work);
}

static int read_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct read_work *work = item;
	struct span *s = &work->span;
	size_t len = 0;
	int error;

	(void)previous;
	(void)again;
	if (work->head.stage == READ_CLOSE)
		return get_close(r, work);
	error = reply_putfh(r);
	if (!error)
		error = get_read(r, work, &len);
	if (error)
		return error;
	if (s->eof || s->got == s->want)
		return 0;
	return len > 0 ? -ERESTART : -EIO;
}

/* Puts the parts together, up to the first that met the end of file. */
static void read_merge(struct v4_work *head, unsigned parts)
{
	struct read_work *works = (struct read_work *)head;
	struct volume_read *item = head->item;
	struct span all = {.want = item->len};
	int error = item->result;

	if (parts == 1) {
		all = works[0].span;
		works[0].span.blob = NULL;
	}
	for (unsigned i = 0; parts > 1 && i < parts && !error; i++) {
		const struct span *s = &works[i].span;

		error = all.own ? 0 : span_own(&all);
		if (!error)
			error = span_add(&all, s->data, s->got, s->blob);
		all.eof = s->eof;
		if (all.eof)
			break;
	}
	if (error) {
		span_reset(&all);
		item->result = error;
		return;
	}
	item->ret_data = all.data;
	item->ret_len = all.got;
	item->ret_eof = all.eof;
	item->ret_blob = all.blob;
}

const struct v4_verb v4_read_verb = {
    V4_VERB(read, read_work, volume_read),
    .parts = read_parts,
    .init = read_init,
    .merge = read_merge,
    .done = read_done,
};
