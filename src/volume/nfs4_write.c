/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * WRITE_WHOLE: a small file, made under a temporary name and renamed.
 *
 *	WHOLE	[PUTFH dir, SAVEFH,] OPEN temp, WRITE, VERIFY, SETATTR*, CLOSE,
 *		GETATTR, RESTOREFH, RENAME temp name
 *	BEGIN	PUTFH dir, OPEN temp, GETATTR, WRITE*
 *	GO_ON	PUTFH file, WRITE*
 *	END	PUTFH file, SETATTR*, CLOSE, GETATTR, PUTFH dir, SAVEFH,
 *		RENAME temp name
 *	CLOSE	PUTFH dir, SAVEFH, LOOKUP temp, CLOSE, RESTOREFH, REMOVE temp
 *	CLEAN	PUTFH dir, REMOVE temp
 *
 *	WHOLE ------------------------------------> done
 *	  | short write, no VERIFY			^
 *	  v						|
 *	BEGIN -> GO_ON -> .. -> END --------------------+
 *	  any of them failed: CLOSE -> CLEAN -> done with that error
 *
 * Nearly all files go by WHOLE, in one compound with their neighbours, which
 * share the directory's PUTFH and SAVEFH. The operations between OPEN and
 * CLOSE use the current stateid, which OPEN sets (RFC 8881 section
 * 16.2.3.1.2); RESTOREFH brings back the directory, with no stateid.
 *
 * A server may write less than it was given without that being an error, and
 * the compound would go on to the rename. So VERIFY holds the size against
 * what it should be and stops the compound if it differs. Up to a block
 * (VERIFY_ABOVE) it is left out: a server writes a block or fails. Its count
 * is looked at all the same, and the file written again.
 *
 * Data with holes, data too large for one compound, and files that WHOLE did
 * not write are written piece by piece by BEGIN to END, where each count is
 * known before the next step.
 *
 * Data are written FILE_SYNC: what is reported as written survives a crash of
 * the server. Creating, setting attributes and renaming are synchronous in
 * NFS anyway.
 *
 * The temporary file is made GUARDED, so that nobody else's is touched; when
 * the item may have run before it is our own, and UNCHECKED cuts it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/extent.h"
#include "volume/nfs4.h"

/* Data of this many bytes are written whole or not at all. */
#define VERIFY_ABOVE 4096

/* How often the file is begun anew because the server forgot its open. */
#define REFUSED_MAX 3

/* Pieces of one round; a file of VOLUME_WHOLE_MAX has no more extents than
 * this (base/extent.h: a hole is at least EXTENT_HOLE). */
#define PIECES_MAX (VOLUME_WHOLE_MAX / EXTENT_HOLE + 1)

enum write_stage {
	WRITE_WHOLE,
	WRITE_BEGIN,
	WRITE_GO_ON,
	WRITE_END,
	WRITE_CLOSE,
	WRITE_CLEAN,
};

struct write_work {
	struct v4_work head;
	struct attr_set set; /* with the size, when a hole ends the file */

	/* Where the next write starts: extent `at`, and behind it from `pos`.
	 */
	struct extent at; /* len 0: no more */
	size_t pos;

	struct handle *handle;  /* of the file, once BEGIN is done */
	struct stateid stateid; /* of its open */
	unsigned refused;       /* how often the stateid was */
	bool guarded;           /* encoded with GUARDED */
	bool is_made;           /* an OPEN of it went well */

	/* The writes of the round that is under way, when not by WHOLE. */
	struct extent pieces[PIECES_MAX];
	unsigned count;
};

/* --- Extents -------------------------------------------------------------- */

/* The next extent of the data becomes the one to write. */
static void next_extent(struct write_work *work)
{
	const struct volume_write_whole *item = work->head.item;

	work->at = (struct extent){0};
	extent_next(item->data, item->len, 0, &work->pos, &work->at);
}

static void rewind_extents(struct write_work *work)
{
	work->pos = 0;
	next_extent(work);
}

/* `len` bytes of the current extent were written. */
static void advance(struct write_work *work, size_t len)
{
	work->at.offset += len;
	work->at.len -= len;
	if (work->at.len == 0)
		next_extent(work);
}

/* Calls up the writes of one round: the pieces from where the work stands, as
 * many as fit into a request. */
static void plan_round(struct write_work *work)
{
	struct write_work ahead = *work;
	size_t room = v4_write_room(work->head.v);

	work->count = 0;
	while (ahead.at.len > 0 && work->count < PIECES_MAX && room > 0) {
		size_t len = ahead.at.len < room ? ahead.at.len : room;

		work->pieces[work->count++] =
		    (struct extent){.offset = ahead.at.offset, .len = len};
		room -= len;
		room -= room < V4_OP_BYTES ? room : V4_OP_BYTES;
		advance(&ahead, len);
	}
}

/* --- Sharing and cost ----------------------------------------------------- */

static int write_whole_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct write_work *work = (struct write_work *)head;
	struct volume_write_whole *item = head->item;
	int error = volume_check_name(item->temp_name);
	size_t end;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	if (!error)
		error = volume_check_name(item->name);
	if (error)
		return error;
	if (item->set.which & ATTR_SET_SIZE)
		return -EINVAL;
	if (item->len > VOLUME_WHOLE_MAX)
		return -EFBIG;
	work->set = item->set;
	rewind_extents(work);

	/* One extent goes in one compound; where it ends before the data do,
	 * the size makes the hole. */
	end = work->at.offset + work->at.len;
	if (work->at.len > 0) {
		struct write_work ahead = *work;

		next_extent(&ahead);
		if (ahead.at.len > 0 ||
		    (item->len > VERIFY_ABOVE &&
		     atomic_load(&head->v->no_verify)) ||
		    work->at.len > v4_write_room(head->v))
			head->stage = WRITE_BEGIN;
		while (ahead.at.len > 0) {
			end = ahead.at.offset + ahead.at.len;
			next_extent(&ahead);
		}
	}
	if (end < item->len) {
		work->set.which |= ATTR_SET_SIZE;
		work->set.size = item->len;
	}
	return 0;
}

static bool shares(const struct write_work *work,
		   const struct write_work *previous)
{
	const struct volume_write_whole *item = work->head.item;
	const struct volume_write_whole *before =
	    previous ? previous->head.item : NULL;

	return before && work->head.stage == WRITE_WHOLE &&
	       previous->head.stage == WRITE_WHOLE &&
	       v4_same_dir(item->dir, before->dir);
}

static bool needs_verify(const struct write_work *work)
{
	return work->at.len > VERIFY_ABOVE;
}

static struct batch_item_cost write_whole_cost(const void *item,
					       const void *previous)
{
	const struct write_work *work = item;
	const struct volume_write_whole *write = work->head.item;
	size_t bytes = 0;
	unsigned ops, writes = 0;

	switch ((enum write_stage)work->head.stage) {
	case WRITE_WHOLE:
		writes = work->at.len > 0;
		bytes = work->at.len;
		ops = 5 + writes + needs_verify(work) +
		      v4_setattr_count(&work->set);
		if (!shares(work, previous))
			ops += 2;
		break;
	case WRITE_BEGIN:
	case WRITE_GO_ON:
		writes = PIECES_MAX;
		bytes = v4_write_room(work->head.v);
		if (bytes > write->len)
			bytes = write->len;
		ops = 3 + writes;
		break;
	default:
		ops = 6 + v4_setattr_count(&work->set);
	}
	return (struct batch_item_cost){
	    .ops = ops,
	    .request_bytes =
		bytes + writes * 64 + 5 * V4_OP_BYTES + 3 * V4_NAME_BYTES,
	    .response_bytes =
		2 * V4_OP_BYTES + V4_OPEN_BYTES + V4_ATTR_BYTES + writes * 64,
	};
}

/* --- Encoding ------------------------------------------------------------- */

static void put_open(struct compound *c, struct client *client,
		     struct write_work *work, bool again)
{
	const struct volume_write_whole *write = work->head.item;

	work->guarded = !again;
	compound_open(c, client_get_clientid(client), write->temp_name,
		      again ? OPEN_UNCHECKED : OPEN_GUARDED, OPEN_WRITE);
}

static void put_write(struct compound *c, const struct write_work *work,
		      const struct stateid *stateid, struct extent piece)
{
	const struct volume_write_whole *write = work->head.item;

	compound_write(c, stateid, piece.offset, write->data + piece.offset,
		       piece.len, write->blob, WRITE_FILE_SYNC);
}

static void put_whole(struct compound *c, struct client *client,
		      struct write_work *work, const void *previous, bool again)
{
	const struct volume_write_whole *write = work->head.item;

	work->head.shared = shares(work, previous);
	if (!work->head.shared) {
		compound_putfh(c, write->dir);
		compound_savefh(c);
	}
	put_open(c, client, work, again);
	if (work->at.len > 0)
		put_write(c, work, &stateid_current, work->at);
	if (needs_verify(work))
		compound_verify_size(c, work->at.offset + work->at.len);
	v4_setattr_encode(c, &stateid_current, &work->set);
	compound_close(c, &stateid_current);
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
	compound_restorefh(c);
	compound_rename(c, write->temp_name, write->name);
}

static void put_pieces(struct compound *c, struct write_work *work,
		       const struct stateid *stateid)
{
	plan_round(work);
	for (unsigned i = 0; i < work->count; i++)
		put_write(c, work, stateid, work->pieces[i]);
}

static void put_end(struct compound *c, const struct write_work *work)
{
	const struct volume_write_whole *write = work->head.item;

	compound_putfh(c, work->handle);
	v4_setattr_encode(c, &work->stateid, &work->set);
	compound_close(c, &work->stateid);
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
	compound_putfh(c, write->dir);
	compound_savefh(c);
	compound_rename(c, write->temp_name, write->name);
}

static void write_whole_encode(struct compound *c, struct client *client,
			       void *item, const void *previous, bool again)
{
	struct write_work *work = item;
	const struct volume_write_whole *write = work->head.item;

	switch ((enum write_stage)work->head.stage) {
	case WRITE_WHOLE:
		put_whole(c, client, work, previous, again);
		break;
	case WRITE_BEGIN:
		compound_putfh(c, write->dir);
		put_open(c, client, work, again);
		compound_getattr(c, FATTR_ATTR_AND_HANDLE);
		put_pieces(c, work, &stateid_current);
		break;
	case WRITE_GO_ON:
		compound_putfh(c, work->handle);
		put_pieces(c, work, &work->stateid);
		break;
	case WRITE_END:
		put_end(c, work);
		break;
	case WRITE_CLOSE:
		compound_putfh(c, write->dir);
		compound_savefh(c);
		compound_lookup(c, write->temp_name);
		compound_close(c, &work->stateid);
		compound_restorefh(c);
		compound_remove(c, write->temp_name);
		break;
	case WRITE_CLEAN:
		compound_putfh(c, write->dir);
		compound_remove(c, write->temp_name);
		break;
	}
}

/* --- Decoding ------------------------------------------------------------- */

static int go_to(struct write_work *work, enum write_stage stage)
{
	work->head.stage = (int)stage;
	return -ERESTART;
}

/* From the start, piece by piece; `again` will cut what is there. */
static int begin_anew(struct write_work *work)
{
	rewind_extents(work);
	return go_to(work, WRITE_BEGIN);
}

/*
 * An operation behind OPEN failed. An open that the server forgot (it was
 * restarted, or the lease ran out) is made anew; everything else is the
 * item's result, after cleaning up. `closed`: the open is not there any more.
 */
static int failed(struct reply *r, struct write_work *work, int error,
		  bool closed)
{
	if (batch_is_passing(r))
		return error;
	if (reply_refused_stateid(r) && work->refused++ < REFUSED_MAX)
		return begin_anew(work);
	work->head.error = error;
	return go_to(work, closed ? WRITE_CLEAN : WRITE_CLOSE);
}

/* The results up to OPEN; SAVEFH is one of them or not. */
static int get_open(struct reply *r, struct write_work *work, bool saves,
		    bool again)
{
	struct stateid stateid;
	int error = saves ? v4_get_dir(r, work->head.shared) : reply_putfh(r);

	if (!error)
		error = reply_open(r, &stateid);
	if (error == -EEXIST && again && work->guarded)
		return -ERESTART;
	/* What an earlier round has made is cleaned up. */
	if (error)
		return work->is_made ? failed(r, work, error, false) : error;
	work->is_made = true;
	work->stateid = stateid;
	/* A state's seqid 0 means its latest (8.2.2), whoever opened last. */
	work->stateid.seqid = 0;
	return 0;
}

/* GETATTR of the finished file. */
static int get_result(struct reply *r, struct write_work *work)
{
	struct volume_write_whole *write = work->head.item;
	struct handle *handle = NULL;
	int error = reply_getattr(r, &write->ret_attr, &handle);

	if (!error)
		v4_set_handle(&write->ret_handle, handle);
	return error;
}

/* The results of CLOSE to RENAME in WHOLE and END; what gets the directory
 * back is different. */
static int get_tail(struct reply *r, struct write_work *work, bool restores)
{
	int error = reply_close(r);

	if (error)
		return failed(r, work, error, false);
	error = get_result(r, work);
	if (!error && restores)
		error = reply_restorefh(r);
	if (!error && !restores)
		error = v4_get_dir(r, false);
	if (!error)
		error = reply_rename(r);
	return error ? failed(r, work, error, true) : 0;
}

static int decode_whole(struct reply *r, struct write_work *work, bool again)
{
	bool is_durable, is_short = false;
	uint64_t verifier;
	uint32_t count;
	int error = get_open(r, work, true, again);

	if (error)
		return error;
	if (work->at.len > 0) {
		error = reply_write(r, &count, &is_durable, &verifier);
		if (error)
			return failed(r, work, error, false);
		is_short = count < work->at.len;
	}
	if (needs_verify(work)) {
		error = reply_verify(r);
		if (error && batch_is_passing(r))
			return error;
		if (error == -EOPNOTSUPP)
			atomic_store(&work->head.v->no_verify, true);
		if (error)
			return begin_anew(work);
	}
	error = v4_setattr_decode(r, &work->set);
	if (error)
		return failed(r, work, error, false);
	error = get_tail(r, work, true);
	return !error && is_short ? begin_anew(work) : error;
}

/* The counts of one round's writes; all results are read. */
static int get_pieces(struct reply *r, struct write_work *work)
{
	size_t written = 0;
	bool is_whole = true;

	for (unsigned i = 0; i < work->count; i++) {
		bool is_durable;
		uint64_t verifier;
		uint32_t len;
		int error = reply_write(r, &len, &is_durable, &verifier);

		if (error)
			return failed(r, work, error, false);
		if (len > work->pieces[i].len)
			return -EPROTO;
		/* Behind a short write all is written again. */
		if (is_whole) {
			advance(work, len);
			written += len;
		}
		is_whole = is_whole && len == work->pieces[i].len;
	}
	if (work->count > 0 && written == 0) {
		work->head.error = -EIO;
		return go_to(work, WRITE_CLOSE);
	}
	return go_to(work, work->at.len > 0 ? WRITE_GO_ON : WRITE_END);
}

static int decode_begin(struct reply *r, struct write_work *work, bool again)
{
	struct handle *handle = NULL;
	struct attr attr;
	int error = get_open(r, work, false, again);

	if (error)
		return error;
	error = reply_getattr(r, &attr, &handle);
	if (error)
		return failed(r, work, error, false);
	v4_set_handle(&work->handle, handle);
	/* Another BEGIN would cut what was written. */
	work->head.stage = WRITE_GO_ON;
	return get_pieces(r, work);
}

static int decode_go_on(struct reply *r, struct write_work *work)
{
	int error = reply_putfh(r);

	return error ? failed(r, work, error, false) : get_pieces(r, work);
}

static int decode_end(struct reply *r, struct write_work *work)
{
	int error = reply_putfh(r);

	if (!error)
		error = v4_setattr_decode(r, &work->set);
	if (error)
		return failed(r, work, error, false);
	return get_tail(r, work, false);
}

/* Cleaning up ends with what made it necessary. */
static int decode_close(struct reply *r, struct write_work *work)
{
	int error = v4_get_dir(r, false);

	if (!error)
		error = reply_lookup(r);
	if (!error)
		error = reply_close(r);
	if (!error)
		error = reply_restorefh(r);
	if (!error)
		error = reply_remove(r);
	if (!error)
		return work->head.error;
	return batch_is_passing(r) ? error : go_to(work, WRITE_CLEAN);
}

static int decode_clean(struct reply *r, const struct write_work *work)
{
	int error = reply_putfh(r);

	if (!error)
		error = reply_remove(r);
	return error && batch_is_passing(r) ? error : work->head.error;
}

static int write_whole_decode(struct reply *r, void *item, const void *previous,
			      bool again)
{
	struct write_work *work = item;

	(void)previous;
	switch ((enum write_stage)work->head.stage) {
	case WRITE_WHOLE:
		return decode_whole(r, work, again);
	case WRITE_BEGIN:
		return decode_begin(r, work, again);
	case WRITE_GO_ON:
		return decode_go_on(r, work);
	case WRITE_END:
		return decode_end(r, work);
	case WRITE_CLOSE:
		return decode_close(r, work);
	case WRITE_CLEAN:
		break;
	}
	return decode_clean(r, work);
}

static void write_whole_done(struct v4_work *head)
{
	free(((struct write_work *)head)->handle);
}

const struct v4_verb v4_write_whole_verb = {
    V4_VERB(write_whole, write_work, volume_write_whole),
    .init = write_whole_init,
    .done = write_whole_done,
};
