/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Large files. NFSv3 knows no open files: one is a handle and nothing else,
 * and CLOSE sends nothing. So a file whose last name is gone may be gone with
 * it, though it was opened for reading.
 *
 *	open to read	GETATTR, ACCESS
 *	open to write	LOOKUP, GETATTR, ACCESS
 *	create		CREATE, LOOKUP if no handle came, SETATTR, GETATTR
 *
 * ACCESS says at once what each READ or WRITE would be refused.
 *
 * A new file is created exclusively, with a verifier: a server that gets the
 * call once more answers as the first time. What it keeps the verifier in
 * (mostly the times) and the mode are then set. A server that cannot do it
 * gets a guarded CREATE; that one sent again must find an empty file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "volume/libnfs_v3.h"

#define NEW_MODE 0600u

struct volume_file {
	struct handle *handle;
};

static void file_free(struct volume_file *file)
{
	if (file)
		free(file->handle);
	free(file);
}

/* --- OPEN ----------------------------------------------------------------- */

enum open_stage {
	OPEN_CREATE,
	OPEN_LOOKUP,
	OPEN_SETATTR,
	OPEN_GETATTR,
	OPEN_ACCESS,
};

struct open_work {
	struct ln_work head;
	struct handle *handle;
	char verifier[NFS3_CREATEVERFSIZE];
	bool guarded;    /* the server knows no exclusive CREATE */
	bool doubted;    /* the file may be another's: it must be empty */
	uint32_t access; /* to ask for; 0: nothing */
};

static void make_verifier(char *verifier)
{
	int64_t now = clock_wall_ns();

	if (getrandom(verifier, NFS3_CREATEVERFSIZE, GRND_NONBLOCK) !=
	    NFS3_CREATEVERFSIZE)
		memcpy(verifier, &now, NFS3_CREATEVERFSIZE);
}

static int open_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct open_work *work = (struct open_work *)head;
	struct volume_open *item = head->item;
	int error = 0;

	(void)parts;
	(void)items;
	item->ret_file = NULL;
	item->ret_handle = NULL;
	if (item->handle) {
		work->access = ACCESS3_READ;
		head->stage = OPEN_GETATTR;
		work->handle = handle_dup(item->handle);
		return work->handle ? 0 : -ENOMEM;
	}
	error = volume_check_name(item->name);
	head->stage = item->create ? OPEN_CREATE : OPEN_LOOKUP;
	work->access = item->create ? 0 : ACCESS3_MODIFY;
	make_verifier(work->verifier);
	return error;
}

static bool send_create(struct open_work *work, struct rpc_context *rpc)
{
	const struct volume_open *item = work->head.item;
	struct CREATE3args args;

	memset(&args, 0, sizeof(args));
	args.where = v3_where(item->dir, item->name);
	if (work->guarded) {
		args.how.mode = GUARDED;
		args.how.createhow3_u.g_obj_attributes = v3_mode(NEW_MODE);
	} else {
		args.how.mode = EXCLUSIVE;
		memcpy(args.how.createhow3_u.verf, work->verifier,
		       NFS3_CREATEVERFSIZE);
	}
	return SHIM_CALL3(create, rpc, ln_answered, &args, &work->head);
}

static bool open_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct open_work *work = (struct open_work *)head;
	const struct volume_open *item = head->item;
	struct sattr3 set = v3_mode(NEW_MODE);
	struct ACCESS3args access = {.access = work->access};

	switch ((enum open_stage)head->stage) {
	case OPEN_CREATE:
		return send_create(work, rpc);
	case OPEN_LOOKUP:
		return v3_send_lookup(head, rpc, item->dir, item->name);
	case OPEN_SETATTR:
		set.atime.set_it = SET_TO_SERVER_TIME;
		set.mtime.set_it = SET_TO_SERVER_TIME;
		return v3_send_setattr(head, rpc, work->handle, set);
	case OPEN_GETATTR:
		return v3_send_getattr(head, rpc, work->handle);
	case OPEN_ACCESS:
		access.object = v3_fh(work->handle);
		return SHIM_CALL3(access, rpc, ln_answered, &access, head);
	}
	return false;
}

static int get_create(struct open_work *work, const struct CREATE3res *res)
{
	int error = v3_error((int)res->status);

	if (error == -EOPNOTSUPP && !work->guarded) {
		work->guarded = true;
		return LN_NEXT;
	}
	if (error == -EEXIST && work->guarded && work->head.request.again) {
		work->doubted = true;
		work->head.stage = OPEN_LOOKUP;
		return LN_NEXT;
	}
	if (error)
		return error;
	error = v3_get_post_handle(&res->CREATE3res_u.resok.obj, &work->handle);
	if (error < 0)
		return error;
	work->head.stage = error > 0 ? OPEN_SETATTR : OPEN_LOOKUP;
	return LN_NEXT;
}

static int get_lookup(struct open_work *work, const struct LOOKUP3res *res)
{
	const struct volume_open *item = work->head.item;
	struct attr attr;
	bool has_attr;
	int error = v3_get_lookup(res, &work->handle, &attr, &has_attr);

	if (error)
		return error;
	if (work->doubted && (!has_attr || attr.type != ENTRY_FILE ||
			      attr.size != 0 || attr.nlink != 1))
		return -EEXIST;
	work->head.stage = item->create ? OPEN_SETATTR : OPEN_GETATTR;
	return LN_NEXT;
}

/* The file is open. */
static int give_file(struct open_work *work)
{
	struct volume_open *item = work->head.item;
	struct volume_file *file;

	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->handle = handle_dup(work->handle);
	if (!file->handle) {
		free(file);
		return -ENOMEM;
	}
	item->ret_file = file;
	item->ret_handle = work->handle;
	work->handle = NULL;
	return 0;
}

static int get_getattr(struct open_work *work, const struct GETATTR3res *res)
{
	struct volume_open *item = work->head.item;
	int error = v3_get_getattr(res, &item->ret_attr);

	if (error)
		return error;
	if (item->ret_attr.type != ENTRY_FILE)
		return item->ret_attr.type == ENTRY_DIRECTORY ? -EISDIR
							      : -EINVAL;
	if (!work->access)
		return give_file(work);
	work->head.stage = OPEN_ACCESS;
	return LN_NEXT;
}

static int get_access(struct open_work *work, const struct ACCESS3res *res)
{
	if (res->status)
		return v3_error((int)res->status);
	return res->ACCESS3res_u.resok.access & work->access ? give_file(work)
							     : -EACCES;
}

static int open_reply(struct ln_work *head, void *data)
{
	struct open_work *work = (struct open_work *)head;
	int error;

	switch ((enum open_stage)head->stage) {
	case OPEN_CREATE:
		return get_create(work, data);
	case OPEN_LOOKUP:
		return get_lookup(work, data);
	case OPEN_SETATTR:
		error = v3_get_status(data);
		head->stage = OPEN_GETATTR;
		return error ? error : LN_NEXT;
	case OPEN_GETATTR:
		return get_getattr(work, data);
	case OPEN_ACCESS:
		break;
	}
	return get_access(work, data);
}

static void open_done(struct ln_work *head)
{
	free(((struct open_work *)head)->handle);
}

const struct ln_verb v3_open_verb = {
    LN_VERB(open, open_work, volume_open),
    .init = open_init,
    .done = open_done,
};

/* --- WRITE ---------------------------------------------------------------- */

struct write_work {
	struct ln_work head;
	uint64_t offset; /* of what is still to be written */
	const uint8_t *data;
	size_t len;
	size_t asked;
	uint64_t verifier;
	bool has_verifier;
};

static unsigned write_parts(const struct ln *v, const void *item)
{
	const struct volume_write *write = item;

	return (unsigned)((write->len + v->write_max - 1) / v->write_max);
}

static int write_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct write_work *work = (struct write_work *)head;
	struct volume_write *item = head->item;
	size_t most = head->v->write_max;
	size_t from = head->part * most;

	(void)items;
	if (item->len > VOLUME_RANGE)
		return -EINVAL;
	if (item->offset > head->v->file_max - item->len ||
	    item->offset > INT64_MAX - VOLUME_RANGE)
		return -EFBIG;
	if (item->len == 0)
		return LN_DONE;
	work->offset = item->offset + from;
	work->data = item->data + from;
	work->len = head->part + 1 == parts ? item->len - from : most;
	head->request.bytes = work->len;
	return 0;
}

static bool write_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct write_work *work = (struct write_work *)head;
	const struct volume_write *item = head->item;
	struct WRITE3args args = {.file = v3_fh(item->file->handle)};

	work->asked = work->len;
	args.offset = work->offset;
	args.count = (uint32_t)work->len;
	args.stable = UNSTABLE;
	args.data.data_len = args.count;
	args.data.data_val = (char *)(uintptr_t)work->data;
	return SHIM_CALL3(write, rpc, ln_answered, &args, head);
}

/* One verifier out of two: differing ones make a third, which no other answer
 * has, so that the range is written again. */
static void add_verifier(bool *has, uint64_t *all, uint64_t one)
{
	if (*has && *all != one)
		one = ~(*all ^ (one << 1));
	*all = one;
	*has = true;
}

static uint64_t verifier_of(const char *bytes)
{
	uint64_t verifier;

	memcpy(&verifier, bytes, sizeof(verifier));
	return verifier;
}

static int write_reply(struct ln_work *head, void *data)
{
	struct write_work *work = (struct write_work *)head;
	const struct WRITE3res *res = data;
	const struct WRITE3resok *ok = &res->WRITE3res_u.resok;

	if (res->status)
		return v3_error((int)res->status);
	if (ok->count == 0 || ok->count > work->asked)
		return -EPROTO;
	add_verifier(&work->has_verifier, &work->verifier,
		     verifier_of(ok->verf));
	work->offset += ok->count;
	work->data += ok->count;
	work->len -= ok->count;
	return work->len > 0 ? LN_NEXT : 0;
}

static void write_merge(struct ln_work *head, unsigned parts)
{
	const struct write_work *works = (struct write_work *)head;
	struct volume_write *item = head->item;
	uint64_t all = 0;
	bool has = false;

	for (unsigned i = 0; i < parts; i++)
		add_verifier(&has, &all, works[i].verifier);
	item->ret_verifier = all;
}

const struct ln_verb v3_write_verb = {
    LN_VERB(write, write_work, volume_write),
    .parts = write_parts,
    .init = write_init,
    .merge = write_merge,
};

/* --- COMMIT --------------------------------------------------------------- */

static bool commit_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct volume_commit *item = head->item;
	struct COMMIT3args args = {.file = v3_fh(item->file->handle)};

	return SHIM_CALL3(commit, rpc, ln_answered, &args, head);
}

static int commit_reply(struct ln_work *head, void *data)
{
	struct volume_commit *item = head->item;
	const struct COMMIT3res *res = data;

	if (res->status)
		return v3_error((int)res->status);
	item->ret_verifier = verifier_of(res->COMMIT3res_u.resok.verf);
	return 0;
}

const struct ln_verb v3_commit_verb = {
    LN_VERB(commit, ln_work, volume_commit),
};

/* --- CLOSE ---------------------------------------------------------------- */

static int close_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct volume_close *item = head->item;

	(void)parts;
	(void)items;
	file_free(item->file);
	item->file = NULL;
	return atomic_load(&head->v->cancelled) ? -ECANCELED : LN_DONE;
}

const struct ln_verb v3_close_verb = {
    .work_size = sizeof(struct ln_work),
    .item_size = sizeof(struct volume_close),
    .result_at = offsetof(struct volume_close, result),
    .init = close_init,
};
