/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Large files: an open, many writes in flight, commits, a close.
 *
 *	OPEN	PUTFH dir, OPEN, GETATTR
 *		PUTFH file, GETATTR, OPEN by handle	(to read)
 *	WRITE	PUTFH file, WRITE			(UNSTABLE)
 *		PUTFH file, OPEN by handle, WRITE	(the open was lost)
 *	COMMIT	PUTFH file, COMMIT
 *	CLOSE	PUTFH file, CLOSE
 *
 * An open is lost when the server restarted or forgot the client. A write
 * learns it from the client's generation, or from the server refusing the
 * stateid, and opens the file again in its own compound. Several writes may do
 * so at once: all opens of a file by one owner are one state (RFC 8881
 * section 9.9), and the stateid is kept with seqid 0, which means the latest
 * (8.2.2), so it does not matter which of them came last.
 *
 * The verifier that the caller sees is the server's, mixed with `epoch`, the
 * number of times that the open was lost. Data that were written before and
 * not committed may be lost with it, and so the verifier differs then even if
 * the server's does not. When two pieces of one range disagree, the mix is a
 * value that no commit will ever answer.
 *
 * An open to read is a hold (nfs4_hold.h). Its OPEN is the last operation, so
 * that none is left on the server by an item that failed. A server that does
 * not open by handle, or cannot hold one more file, is not asked twice: the
 * file is then read without a state, as far as it has a name.
 *
 * CREATE that may have run before (stage LOOK): an empty file with the mode
 * that OPEN gives is our own, and is opened by name; anything else is in the
 * way.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "volume/nfs4.h"
#include "volume/nfs4_hold.h"

/* How often a write opens the file anew. */
#define REFUSED_MAX 5

/* How often an open to read that was overtaken by a close is done again. */
#define OVERTAKEN_MAX 8

/* The mode that a file has until its attributes are set. */
#define NEW_MODE 0600

struct volume_file {
	struct v4 *v;
	struct handle *handle;
	bool reading;           /* the rest but `hold` is the writers' */
	struct hold *hold;      /* to read; or NULL */
	bool closing;           /* the hold's CLOSE is under way */
	pthread_mutex_t lock;   /* guards all below; a leaf */
	struct stateid stateid; /* seqid 0 */
	uint32_t generation;    /* of the client, when it was opened */
	uint32_t epoch;         /* counts the opens lost */
};

static struct volume_file *file_free(struct volume_file *f)
{
	struct stateid ignored;

	if (!f)
		return NULL;
	if (f->hold && hold_drop(f->v->holds, f->hold, 0, &ignored))
		hold_closed(f->v->holds, f->handle);
	free(f->handle);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}

static struct volume_file *file_new(struct v4 *v, const struct handle *handle)
{
	struct volume_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	f->v = v;
	f->handle = handle_dup(handle);
	return f->handle ? f : file_free(f);
}

/* A file that is open for writing. */
static struct volume_file *file_opened(struct v4 *v,
				       const struct handle *handle,
				       const struct stateid *stateid,
				       uint32_t generation)
{
	struct volume_file *f = file_new(v, handle);

	if (!f)
		return NULL;
	f->stateid = *stateid;
	f->stateid.seqid = 0;
	f->generation = generation;
	return f;
}

struct hold *v4_file_get_hold(const struct volume_file *file)
{
	return file->hold;
}

/* The stateid to use and its epoch; false when it is known to be void. */
static bool file_get_stateid(struct volume_file *f, struct client *client,
			     struct stateid *ret, uint32_t *ret_epoch)
{
	uint32_t generation = client_get_generation(client);
	bool good;

	pthread_mutex_lock(&f->lock);
	*ret = f->stateid;
	*ret_epoch = f->epoch;
	good = f->generation == generation;
	pthread_mutex_unlock(&f->lock);
	return good;
}

/*
 * A write that found the open of `epoch` lost made a new one. The first to
 * say so begins the next epoch; returns the one that now is.
 */
static uint32_t file_reopened(struct volume_file *f, uint32_t epoch,
			      const struct stateid *stateid,
			      uint32_t generation)
{
	pthread_mutex_lock(&f->lock);
	if (f->epoch == epoch) {
		f->epoch++;
		f->stateid = *stateid;
		f->stateid.seqid = 0;
		f->generation = generation;
	}
	epoch = f->epoch;
	pthread_mutex_unlock(&f->lock);
	return epoch;
}

/* --- OPEN ----------------------------------------------------------------- */

enum open_stage {
	OPEN_OPEN,
	OPEN_LOOK, /* what is there instead of the file to be made? */
	OPEN_TAKE, /* it is ours */
};

struct open_work {
	struct v4_work head;
	uint32_t generation;      /* of the client when it was sent */
	struct volume_file *file; /* to read: what will be returned, ... */
	struct hold *hold;        /* ... and what will hold it */
	uint64_t look;            /* before the OPEN, see nfs4_hold.h */
	unsigned overtaken;
	bool opened; /* an OPEN went well: */
	struct stateid stateid;
	uint32_t opened_generation;
};

/* All memory is taken before, so that what was opened can be kept. */
static int reading_init(struct open_work *work)
{
	struct volume_open *item = work->head.item;

	work->file = file_new(work->head.v, item->handle);
	work->hold = hold_new(item->handle);
	item->ret_handle = handle_dup(item->handle);
	if (work->file && work->hold && item->ret_handle) {
		work->file->reading = true;
		return 0;
	}
	file_free(work->file);
	hold_free(work->hold);
	v4_set_handle(&item->ret_handle, NULL);
	return -ENOMEM;
}

static int open_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct volume_open *item = head->item;

	(void)parts;
	(void)items;
	item->ret_file = NULL;
	item->ret_handle = NULL;
	if (item->handle)
		return reading_init((struct open_work *)head);
	return volume_check_name(item->name);
}

/* What an item leaves that failed. */
static void open_done(struct v4_work *head)
{
	struct open_work *work = (struct open_work *)head;

	file_free(work->file);
	hold_free(work->hold);
}

static struct batch_item_cost open_cost(const void *work, const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 3,
	    .request_bytes = 3 * V4_OP_BYTES + V4_NAME_BYTES,
	    .response_bytes = V4_OP_BYTES + V4_OPEN_BYTES + V4_ATTR_BYTES,
	};
}

static void open_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	struct open_work *work = item;
	const struct volume_open *open = work->head.item;
	enum open_how how = OPEN_NAME;

	(void)previous;
	(void)again;
	if (work->head.stage == OPEN_OPEN && open->create)
		how = OPEN_GUARDED;
	work->generation = client_get_generation(client);
	if (open->handle) {
		work->look = hold_look(work->head.v->holds, open->handle);
		compound_putfh(c, open->handle);
		compound_getattr(c, FATTR_ATTR);
		compound_open(c, client_get_clientid(client), NULL, OPEN_HOLD,
			      OPEN_READ);
		return;
	}
	compound_putfh(c, open->dir);
	if (work->head.stage == OPEN_LOOK)
		compound_lookup(c, open->name);
	else
		compound_open(c, client_get_clientid(client), open->name, how,
			      OPEN_WRITE);
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
}

/* LOOKUP found something; is it what our lost OPEN made? */
static int decode_look(struct reply *r, struct open_work *work)
{
	struct attr attr;
	int error = reply_lookup(r);

	if (!error)
		error = reply_getattr(r, &attr, NULL);
	if (error)
		return error;
	if (attr.type != ENTRY_FILE || attr.size != 0 || attr.mode != NEW_MODE)
		return -EEXIST;
	work->head.stage = OPEN_TAKE;
	return -ERESTART;
}

/* Does an OPEN of a file that failed so say that it cannot be read? If not, it
 * is only the open that cannot be had. */
static bool forbids_reading(int error)
{
	switch (error) {
	case -EACCES:
	case -ENODATA:
	case -ENOENT:
	case -ENOMEM:
	case -EPERM:
	case -EPROTO:
	case -ESTALE:
		return true;
	default:
		return false;
	}
}

/* Attributes and state of a file to be read. `ret_readable`: that the state
 * cannot be had is all that is wrong. */
static int get_open(struct reply *r, struct open_work *work, bool *ret_readable)
{
	struct volume_open *open = work->head.item;
	struct stateid stateid;
	int error = reply_putfh(r);

	*ret_readable = false;
	if (!error)
		error = reply_getattr(r, &open->ret_attr, NULL);
	if (error)
		return error;
	error = reply_open(r, &stateid);
	if (!error) {
		work->opened = true;
		work->stateid = stateid;
		work->opened_generation = work->generation;
		return 0;
	}
	if (open->ret_attr.type == ENTRY_FILE) {
		*ret_readable = !forbids_reading(error);
		return error;
	}
	return open->ret_attr.type == ENTRY_DIRECTORY ? -EISDIR : -EINVAL;
}

static int reading_decode(struct reply *r, struct open_work *work)
{
	struct volume_open *open = work->head.item;
	struct hold_table *holds = work->head.v->holds;
	bool readable;
	int error = get_open(r, work, &readable);

	if (error && batch_is_passing(r))
		return error;
	if (!error && hold_is_overtaken(holds, open->handle, work->look) &&
	    work->overtaken++ < OVERTAKEN_MAX)
		return -ERESTART;
	/* What went well once is not given up. */
	if (error && !readable && !work->opened)
		return error;
	if (work->opened)
		work->file->hold =
		    hold_enter(holds, steal(work->hold), &work->stateid,
			       work->opened_generation);
	open->ret_file = steal(work->file);
	return 0;
}

static int open_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct open_work *work = item;
	struct volume_open *open = work->head.item;
	struct handle *handle = NULL;
	struct stateid stateid;
	int error;

	(void)previous;
	if (open->handle)
		return reading_decode(r, work);
	error = reply_putfh(r);
	if (error)
		return error;
	if (work->head.stage == OPEN_LOOK)
		return decode_look(r, work);
	error = reply_open(r, &stateid);
	if (error == -EEXIST && again && open->create) {
		work->head.stage = OPEN_LOOK;
		return -ERESTART;
	}
	if (!error)
		error = reply_getattr(r, &open->ret_attr, &handle);
	if (error)
		return error;
	v4_set_handle(&open->ret_handle, handle);
	open->ret_file =
	    file_opened(work->head.v, handle, &stateid, work->generation);
	return open->ret_file ? 0 : -ENOMEM;
}

const struct v4_verb v4_open_verb = {
    V4_VERB(open, open_work, volume_open),
    .init = open_init,
    .done = open_done,
};

/* --- WRITE ---------------------------------------------------------------- */

/* A range, or a part of one. */
struct write_work {
	struct v4_work head;
	size_t from; /* within the item's data: the next byte to write */
	size_t to;
	size_t asked;        /* bytes of the write under way */
	uint32_t epoch;      /* of the stateid it was sent with */
	uint32_t generation; /* of the client then */
	bool reopens;        /* it was sent behind an OPEN */
	bool is_void;        /* the server refused the file's stateid */
	unsigned refused;
	bool has_verifier;
	uint64_t verifier;
};

/* Any difference in either changes the result. */
static uint64_t mix(uint64_t verifier, uint64_t other)
{
	return verifier ^ (other * UINT64_C(0x9e3779b97f4a7c15));
}

/* Adds the verifier of one more piece. */
static void add_verifier(bool *has, uint64_t *all, uint64_t verifier)
{
	if (*has && *all != verifier)
		verifier = ~mix(*all, verifier);
	*all = verifier;
	*has = true;
}

static unsigned write_parts(const struct v4 *v, const void *item)
{
	const struct volume_write *write = item;

	return (unsigned)((write->len + v->write_part - 1) / v->write_part);
}

static int write_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct write_work *work = (struct write_work *)head;
	const struct volume_write *item = head->item;
	/* Parts of the same length, in whole blocks. */
	size_t length = (item->len / parts + 4095) & ~(size_t)4095;

	(void)items;
	work->from = length * head->part;
	work->to = head->part + 1 == parts ? item->len : work->from + length;
	if (work->from > item->len)
		work->from = item->len;
	if (work->to > item->len)
		work->to = item->len;
	return 0;
}

static struct batch_item_cost write_cost(const void *item, const void *previous)
{
	const struct write_work *work = item;
	size_t room = v4_write_room(work->head.v);
	size_t len = work->to - work->from;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = 3,
	    .request_bytes = (len < room ? len : room) + 3 * V4_OP_BYTES,
	    .response_bytes = V4_OP_BYTES + V4_OPEN_BYTES,
	};
}

static void write_encode(struct compound *c, struct client *client, void *item,
			 const void *previous, bool again)
{
	struct write_work *work = item;
	const struct volume_write *write = work->head.item;
	size_t room = v4_write_room(work->head.v);
	uint32_t epoch;
	struct stateid stateid;
	bool good;

	(void)previous;
	(void)again;
	work->asked = work->to - work->from;
	if (work->asked > room)
		work->asked = room;
	work->generation = client_get_generation(client);
	good = file_get_stateid(write->file, client, &stateid, &epoch);
	/* Another write may have opened the file since this one failed. */
	work->reopens = !good || (work->is_void && epoch == work->epoch);
	work->epoch = epoch;
	compound_putfh(c, write->file->handle);
	if (work->reopens) {
		compound_open(c, client_get_clientid(client), NULL, OPEN_HANDLE,
			      OPEN_WRITE);
		stateid = stateid_current;
	}
	compound_write(c, &stateid, write->offset + work->from,
		       write->data + work->from, work->asked, write->blob,
		       WRITE_UNSTABLE);
}

static int write_failed(struct reply *r, struct write_work *work, int error)
{
	if (batch_is_passing(r) || !reply_refused_stateid(r) ||
	    work->refused++ >= REFUSED_MAX)
		return error;
	work->is_void = true;
	return -ERESTART;
}

static int write_decode(struct reply *r, void *item, const void *previous,
			bool again)
{
	struct write_work *work = item;
	const struct volume_write *write = work->head.item;
	struct stateid stateid;
	uint64_t verifier;
	uint32_t count;
	bool is_durable;
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	if (error)
		return error;
	if (work->reopens) {
		error = reply_open(r, &stateid);
		if (error)
			return write_failed(r, work, error);
		work->epoch = file_reopened(write->file, work->epoch, &stateid,
					    work->generation);
		work->is_void = false;
	}
	error = reply_write(r, &count, &is_durable, &verifier);
	if (error)
		return write_failed(r, work, error);
	if (count > work->asked)
		return -EPROTO;
	if (count == 0 && work->asked > 0)
		return -EIO;
	add_verifier(&work->has_verifier, &work->verifier,
		     mix(verifier, work->epoch));
	work->from += count;
	return work->from < work->to ? -ERESTART : 0;
}

static void write_merge(struct v4_work *head, unsigned parts)
{
	const struct write_work *works = (struct write_work *)head;
	struct volume_write *item = head->item;
	uint64_t all = 0;
	bool has = false;

	for (unsigned i = 0; i < parts; i++)
		add_verifier(&has, &all, works[i].verifier);
	item->ret_verifier = all;
}

const struct v4_verb v4_write_verb = {
    V4_VERB(write, write_work, volume_write),
    .parts = write_parts,
    .init = write_init,
    .merge = write_merge,
};

/* --- COMMIT --------------------------------------------------------------- */

static struct batch_item_cost commit_cost(const void *work,
					  const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = V4_OP_BYTES,
	};
}

static void commit_encode(struct compound *c, struct client *client, void *item,
			  const void *previous, bool again)
{
	const struct v4_work *work = item;
	const struct volume_commit *commit = work->item;

	(void)client;
	(void)previous;
	(void)again;
	compound_putfh(c, commit->file->handle);
	compound_commit(c);
}

static int commit_decode(struct reply *r, void *item, const void *previous,
			 bool again)
{
	const struct v4_work *work = item;
	struct volume_commit *commit = work->item;
	struct stateid ignored;
	uint64_t verifier;
	uint32_t epoch;
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	if (!error)
		error = reply_commit(r, &verifier);
	if (error)
		return error;
	file_get_stateid(commit->file, work->v->client, &ignored, &epoch);
	commit->ret_verifier = mix(verifier, epoch);
	return 0;
}

const struct v4_verb v4_commit_verb = {
    V4_VERB(commit, v4_work, volume_commit),
};

/* --- CLOSE ---------------------------------------------------------------- */

struct close_work {
	struct v4_work head;
	struct stateid stateid; /* of a hold */
};

/* Only the last close of a hold is sent. */
static int close_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct close_work *work = (struct close_work *)head;
	struct volume_close *close = head->item;
	struct volume_file *file = close->file;
	uint32_t generation = client_get_generation(head->v->client);

	(void)parts;
	(void)items;
	if (!file->reading)
		return 0;
	file->closing =
	    file->hold && hold_drop(head->v->holds, steal(file->hold),
				    generation, &work->stateid);
	if (file->closing)
		return 0;
	close->file = file_free(file);
	return V4_DONE;
}

static struct batch_item_cost close_cost(const void *work, const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = V4_OP_BYTES,
	};
}

static void close_encode(struct compound *c, struct client *client, void *item,
			 const void *previous, bool again)
{
	struct close_work *work = item;
	const struct volume_close *close = work->head.item;
	struct stateid stateid = work->stateid;
	bool good = close->file->reading;
	uint32_t epoch;

	(void)previous;
	(void)again;
	compound_putfh(c, close->file->handle);
	if (!good)
		good = file_get_stateid(close->file, client, &stateid, &epoch);
	/* An open that is lost needs no close. */
	work->head.shared = !good;
	if (good)
		compound_close(c, &stateid);
}

static int close_decode(struct reply *r, void *item, const void *previous,
			bool again)
{
	const struct v4_work *work = item;
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	if (!error && !work->shared)
		error = reply_close(r);
	/* Gone is as good as closed: the open, or the file itself. */
	return error == -ESTALE || reply_refused_stateid(r) ? 0 : error;
}

static void close_done(struct v4_work *work)
{
	struct volume_close *close = work->item;
	struct volume_file *file = close->file;

	if (file->closing)
		hold_closed(file->v->holds, file->handle);
	close->file = file_free(file);
}

const struct v4_verb v4_close_verb = {
    V4_VERB(close, close_work, volume_close),
    .init = close_init,
    .done = close_done,
};
