/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files written whole:
 *
 *	CREATE, guarded, the temporary name
 *	LOOKUP		if the server did not give its handle
 *	WRITE ..	what is not zeros
 *	COMMIT		of more than one WRITE
 *	SETATTR		size, if the file ends in zeros
 *	SETATTR ..	owner, mode, times
 *	RENAME
 *	GETATTR		after it, for a rename changes the ctime
 *
 * and after a failure REMOVE of the temporary name. A file that takes one
 * WRITE has it FILE_SYNC; others are written UNSTABLE and committed, and when
 * the verifier changed meanwhile, which says that the server lost what was not
 * committed, all is written again, FILE_SYNC.
 *
 * Sent again after a lost connection: the temporary name exists, made by the
 * lost CREATE or by an earlier run. It is taken for ours when it is an empty
 * file without another name. The rename finds no temporary name: done, when
 * the final one is our file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/extent.h"
#include "volume/libnfs_v3.h"

enum stage {
	CREATE,
	ADOPT, /* is what lies under the temporary name ours? */
	FIND,  /* its handle */
	DATA,
	COMMIT,
	SIZE,
	ATTRIBUTES,
	RENAME,
	CHECK_RENAME, /* is it ours that lies under the final name? */
	GETATTR,
	REMOVE, /* after a failure */
};

/* How often what a server lost is written again. */
#define REWRITES_MAX 3

struct write_work {
	struct ln_work head;
	struct handle *handle;
	struct attr attr;     /* of ADOPT */
	size_t pos;           /* data looked at so far, see extent.h */
	struct extent extent; /* under way; len 0: none */
	size_t end;           /* of what was written */
	size_t asked;         /* bytes of the WRITE under way */
	int stable;
	bool written;  /* anything, with the verifier below */
	bool unstable; /* some of it is not durable yet */
	bool changed;  /* the verifier has */
	char verifier[NFS3_WRITEVERFSIZE];
	unsigned rewrites;
	unsigned setattr; /* the next SETATTR */
	int failure;      /* the result after REMOVE */
};

static bool next_extent(struct write_work *w)
{
	const struct volume_write_whole *item = w->head.item;

	return w->extent.len > 0 ||
	       extent_next(item->data, item->len, 0, &w->pos, &w->extent);
}

/* One WRITE is durable by itself; more of them are committed together. */
static void begin_data(struct write_work *w)
{
	const struct volume_write_whole *item = w->head.item;
	struct extent second;
	size_t pos;

	w->pos = 0;
	w->end = 0;
	w->extent = (struct extent){0};
	w->written = false;
	w->unstable = false;
	w->changed = false;
	w->stable = FILE_SYNC;
	if (!next_extent(w) || w->rewrites > 0)
		return;
	pos = w->pos;
	if (w->extent.len > w->head.v->write_max ||
	    extent_next(item->data, item->len, 0, &pos, &second))
		w->stable = UNSTABLE;
}

static int write_whole_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct volume_write_whole *item = head->item;
	int error;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	if (item->set.which & ATTR_SET_SIZE)
		return -EINVAL;
	if (item->len > VOLUME_WHOLE_MAX)
		return -EFBIG;
	error = volume_check_name(item->temp_name);
	if (!error)
		error = volume_check_name(item->name);
	if (!error)
		error = v3_setattr_check(&item->set);
	head->request.bytes = item->len;
	return error;
}

/* --- Sending -------------------------------------------------------------- */

static bool send_create(struct write_work *w, struct rpc_context *rpc)
{
	const struct volume_write_whole *item = w->head.item;
	struct CREATE3args args;

	memset(&args, 0, sizeof(args));
	args.where = v3_where(item->dir, item->temp_name);
	args.how.mode = GUARDED;
	args.how.createhow3_u.g_obj_attributes = v3_mode(0600);
	return SHIM_CALL3(create, rpc, ln_answered, &args, &w->head);
}

static bool send_write(struct write_work *w, struct rpc_context *rpc)
{
	const struct volume_write_whole *item = w->head.item;
	struct WRITE3args args = {.file = v3_fh(w->handle)};

	w->asked = w->extent.len < w->head.v->write_max ? w->extent.len
							: w->head.v->write_max;
	args.offset = w->extent.offset;
	args.count = (uint32_t)w->asked;
	args.stable = (enum stable_how)w->stable;
	args.data.data_len = args.count;
	args.data.data_val = (char *)(uintptr_t)(item->data + w->extent.offset);
	return SHIM_CALL3(write, rpc, ln_answered, &args, &w->head);
}

static bool send_size(struct write_work *w, struct rpc_context *rpc)
{
	const struct volume_write_whole *item = w->head.item;
	const struct attr_set set = {
	    .which = ATTR_SET_SIZE,
	    .size = item->len,
	};

	return v3_send_setattr(&w->head, rpc, w->handle,
			       v3_setattr_part(&set, 0));
}

static bool write_whole_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct write_work *w = (struct write_work *)head;
	const struct volume_write_whole *item = head->item;
	struct COMMIT3args commit = {0};

	switch ((enum stage)head->stage) {
	case CREATE:
		return send_create(w, rpc);
	case ADOPT:
	case FIND:
		return v3_send_lookup(head, rpc, item->dir, item->temp_name);
	case DATA:
		return send_write(w, rpc);
	case COMMIT:
		commit.file = v3_fh(w->handle);
		return SHIM_CALL3(commit, rpc, ln_answered, &commit, head);
	case SIZE:
		return send_size(w, rpc);
	case ATTRIBUTES:
		return v3_send_setattr(head, rpc, w->handle,
				       v3_setattr_part(&item->set, w->setattr));
	case RENAME:
		return v3_send_rename(head, rpc, item->dir, item->temp_name,
				      item->dir, item->name);
	case CHECK_RENAME:
		return v3_send_lookup(head, rpc, item->dir, item->name);
	case GETATTR:
		return v3_send_getattr(head, rpc, w->handle);
	case REMOVE:
		return v3_send_remove(head, rpc, item->dir, item->temp_name,
				      false);
	}
	return false;
}

/* --- Answers -------------------------------------------------------------- */

/* Ends in `error`, once the temporary name is gone. */
static int fail(struct write_work *w, int error)
{
	w->failure = error;
	w->head.stage = REMOVE;
	return LN_NEXT;
}

/* The stage behind the data. */
static int data_done(struct write_work *w)
{
	const struct volume_write_whole *item = w->head.item;

	if (w->end < item->len) {
		w->end = item->len;
		w->head.stage = SIZE;
	} else if (w->setattr < v3_setattr_count(&item->set)) {
		w->head.stage = ATTRIBUTES;
	} else {
		w->head.stage = RENAME;
	}
	return LN_NEXT;
}

static int go_on_with_data(struct write_work *w)
{
	if (next_extent(w))
		w->head.stage = DATA;
	else if (w->unstable)
		w->head.stage = COMMIT;
	else
		return data_done(w);
	return LN_NEXT;
}

static int get_create(struct write_work *w, const struct CREATE3res *res)
{
	int error = v3_error((int)res->status);

	if (error == -EEXIST && w->head.request.again) {
		w->head.stage = ADOPT;
		return LN_NEXT;
	}
	if (error)
		return error;
	error = v3_get_post_handle(&res->CREATE3res_u.resok.obj, &w->handle);
	if (error < 0)
		return fail(w, error);
	begin_data(w);
	if (error > 0)
		return go_on_with_data(w);
	w->head.stage = FIND;
	return LN_NEXT;
}

static int get_lookup(struct write_work *w, const struct LOOKUP3res *res)
{
	bool has_attr = false;
	int error = v3_get_lookup(res, &w->handle, &w->attr, &has_attr);

	if (w->head.stage == ADOPT) {
		/* Whose it is, is not known: it is left alone. */
		if (error)
			return error == -ENOENT ? -EIO : error;
		if (!has_attr || w->attr.type != ENTRY_FILE ||
		    w->attr.size != 0 || w->attr.nlink != 1)
			return -EEXIST;
		begin_data(w);
	} else if (error) {
		return fail(w, error);
	}
	return go_on_with_data(w);
}

static void note_verifier(struct write_work *w, const char *verifier)
{
	if (w->written && memcmp(w->verifier, verifier, sizeof(w->verifier)))
		w->changed = true;
	memcpy(w->verifier, verifier, sizeof(w->verifier));
	w->written = true;
}

static int get_write(struct write_work *w, const struct WRITE3res *res)
{
	const struct WRITE3resok *ok = &res->WRITE3res_u.resok;

	if (res->status)
		return fail(w, v3_error((int)res->status));
	if (ok->count == 0 || ok->count > w->asked)
		return fail(w, -EPROTO);
	note_verifier(w, ok->verf);
	if (ok->committed != FILE_SYNC)
		w->unstable = true;
	w->extent.offset += ok->count;
	w->extent.len -= ok->count;
	w->end = w->extent.offset;
	return go_on_with_data(w);
}

static int get_commit(struct write_work *w, const struct COMMIT3res *res)
{
	if (res->status)
		return fail(w, v3_error((int)res->status));
	note_verifier(w, res->COMMIT3res_u.resok.verf);
	if (!w->changed)
		return data_done(w);
	if (w->rewrites++ == REWRITES_MAX)
		return fail(w, -EIO);
	begin_data(w);
	return go_on_with_data(w);
}

static int get_rename(struct write_work *w, const void *data)
{
	int error = v3_get_status(data);

	if (error == -ENOENT && w->head.request.again) {
		w->head.stage = CHECK_RENAME;
		return LN_NEXT;
	}
	if (error)
		return fail(w, error);
	w->head.stage = GETATTR;
	return LN_NEXT;
}

/* Handles of one object are equal on most servers; where they are not, the
 * file is written once more by whoever retries. */
static int get_check(struct write_work *w, const struct LOOKUP3res *res)
{
	struct handle *found = NULL;
	bool has_attr;
	int error = v3_get_lookup(res, &found, &w->attr, &has_attr);

	if (!error && !handle_equal(found, w->handle))
		error = -ENOENT;
	free(found);
	if (error)
		return error;
	w->head.stage = GETATTR;
	return LN_NEXT;
}

static int get_getattr(struct write_work *w, const struct GETATTR3res *res)
{
	struct volume_write_whole *item = w->head.item;
	int error = v3_get_getattr(res, &item->ret_attr);

	if (error)
		return error;
	item->ret_handle = w->handle;
	w->handle = NULL;
	return 0;
}

static int write_whole_reply(struct ln_work *head, void *data)
{
	struct write_work *w = (struct write_work *)head;
	int error;

	switch ((enum stage)head->stage) {
	case CREATE:
		return get_create(w, data);
	case ADOPT:
	case FIND:
		return get_lookup(w, data);
	case DATA:
		return get_write(w, data);
	case COMMIT:
		return get_commit(w, data);
	case ATTRIBUTES:
		w->setattr++;
		/* fallthrough */
	case SIZE:
		error = v3_get_status(data);
		return error ? fail(w, error) : data_done(w);
	case RENAME:
		return get_rename(w, data);
	case CHECK_RENAME:
		return get_check(w, data);
	case GETATTR:
		return get_getattr(w, data);
	case REMOVE:
		break;
	}
	return w->failure;
}

static void write_whole_done(struct ln_work *head)
{
	free(((struct write_work *)head)->handle);
}

const struct ln_verb v3_write_whole_verb = {
    LN_VERB(write_whole, write_work, volume_write_whole),
    .init = write_whole_init,
    .done = write_whole_done,
};
