/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * copy - small files, a batch at a time: read whole from the source, written
 * whole to the destination, read back, recorded. Three requests carry the
 * whole batch; each file keeps its own result.
 *
 * A file whose attributes differ before and after it was read changed
 * meanwhile and is read again, a few times. A file to be compared leaves the
 * batch before the writing when its content is what the destination has.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sync/complete.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/state.h"
#include "sync/withdraw.h"

/* How often a file that changes while it is read is begun anew. */
#define TRIES 4

/* Memory a file takes beside its data, roughly. */
#define OVERHEAD 4096

/* One file of the batch. `item` is NULL once it has ended. */
struct file {
	struct item *item;
	const uint8_t *data;
	size_t len;
	struct blob *blob; /* that holds data */
	bool settled;      /* the destination has the content already */
	char temp[TEMPNAME_SIZE];
};

struct batch {
	struct lane *lane;
	struct engine *engine;
	size_t count;
	struct file *files;
	struct file **at; /* which file each item of the current call is */
	struct volume_read_whole *reads;
	struct volume_write_whole *writes;
};

static void fail(struct batch *b, struct file *f, int error,
		 enum entry_phase phase, enum side side)
{
	complete_failed(b->engine, steal(f->item), error, phase, side,
			&b->lane->released);
}

/* Reads the whole of `n` files, those of at[], from one side. */
static void read_files(struct batch *b, enum side side, size_t n)
{
	for (size_t k = 0; k < n; k++)
		b->reads[k] = (struct volume_read_whole){
		    .handle = b->at[k]->item->handle[side],
		    .expect = (size_t)b->at[k]->item->attr[side].size};
	volume_run(b->engine->volume[side], VOLUME_READ_WHOLE, b->reads, n);
}

/* True when the file must be read again. */
static bool take_source(struct batch *b, struct file *f,
			struct volume_read_whole *r)
{
	struct item *i = f->item;

	if (r->result == -ENOENT || r->result == -ESTALE) {
		complete_missing(b->engine, steal(f->item), &b->lane->released);
		return false;
	}
	if (r->result == -EFBIG) {
		/* It grew: not for a batch any more. */
		copy_large(b->lane, steal(f->item));
		return false;
	}
	if (r->result < 0) {
		fail(b, f, r->result, PHASE_READ, SOURCE);
		return false;
	}
	if (r->ret_after.type != ENTRY_FILE ||
	    r->ret_after.fileid != i->attr[SOURCE].fileid) {
		fail(b, f, -ESTALE, PHASE_READ, SOURCE);
		return false;
	}
	i->attr[SOURCE] = r->ret_after;
	if (!attr_same_version(&r->ret_before, &r->ret_after) ||
	    r->ret_len != r->ret_after.size) {
		if (++i->tries < TRIES)
			return true;
		fail(b, f, -EBUSY, PHASE_READ, SOURCE);
		return false;
	}
	engine_count(b->engine, COUNT_BYTES_READ, r->ret_len);
	f->data = r->ret_data;
	f->len = r->ret_len;
	f->blob = steal(r->ret_blob);
	return false;
}

static void read_sources(struct batch *b)
{
	size_t n = 0, again;

	for (size_t k = 0; k < b->count; k++)
		b->at[n++] = &b->files[k];
	while (n > 0) {
		read_files(b, SOURCE, n);
		again = 0;
		for (size_t k = 0; k < n; k++)
			if (take_source(b, b->at[k], &b->reads[k]))
				b->at[again++] = b->at[k];
		volume_items_done(VOLUME_READ_WHOLE, b->reads, n);
		n = again;
	}
}

/* The destination's content of one file was read to be compared. */
static void compare_one(struct batch *b, struct file *f,
			const struct digest *digest,
			const struct volume_read_whole *r)
{
	struct item *i = f->item;
	struct digest there;

	if (r->result == 0 && r->ret_len == f->len) {
		there = digest_of(r->ret_data, r->ret_len);
		f->settled = digest_equal(digest, &there);
		i->attr[DESTINATION] = r->ret_after;
	}
	/* What could not be read may be just what is to be protected. */
	if (r->result < 0 && i->plan.protect)
		fail(b, f, r->result, PHASE_WRITE, DESTINATION);
}

/* What differs and may not be overwritten stays. */
static void leave_protected(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++) {
		struct file *f = &b->files[k];

		if (f->item && !f->settled && f->item->plan.protect)
			complete_left(b->engine, steal(f->item),
				      &b->lane->released);
	}
}

/*
 * Finds those files that need not be written. The record of a verified copy
 * stands for the destination's content; without one it is read.
 */
static void compare(struct batch *b)
{
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++) {
		struct file *f = &b->files[k];
		struct item *i = f->item;
		struct digest digest;

		if (!i)
			continue;
		digest = digest_of(f->data, f->len);
		if (i->plan.action == PLAN_COMPARE &&
		    i->attr[DESTINATION].size == f->len) {
			if (i->plan.trusted)
				f->settled = digest_equal(&digest, &i->digest);
			else
				b->at[n++] = f;
		}
		i->digest = digest;
		i->has_digest = true;
	}
	if (n == 0)
		return;
	read_files(b, DESTINATION, n);
	for (size_t k = 0; k < n; k++)
		compare_one(b, b->at[k], &b->at[k]->item->digest, &b->reads[k]);
	volume_items_done(VOLUME_READ_WHOLE, b->reads, n);
}

/* Files whose content is there already: only their attributes are left. */
static void finish_settled(struct batch *b)
{
	struct work rest = {.kind = WORK_METADATA};

	TAILQ_INIT(&rest.items);
	for (size_t k = 0; k < b->count; k++) {
		struct file *f = &b->files[k];

		if (f->item && f->settled) {
			complete_settled(b->engine, f->item);
			work_add(&rest, steal(f->item));
		}
	}
	if (rest.count > 0)
		set_metadata(b->lane, &rest);
}

static void written(struct batch *b, struct file *f,
		    struct volume_write_whole *w)
{
	if (w->result < 0) {
		fail(b, f, w->result, PHASE_WRITE, DESTINATION);
		return;
	}
	engine_count(b->engine, COUNT_BYTES_WRITTEN, f->len);
	transfer_add_done(&b->lane->transfer, f->len);
	complete_written(b->engine, f->item, &w->ret_attr, &w->ret_handle);
}

static void abandon(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++)
		if (b->files[k].item)
			complete_abandoned(b->engine, steal(b->files[k].item));
}

static void write_files(struct batch *b)
{
	struct engine *e = b->engine;
	struct withdraw claims = {.engine = e};
	size_t n = 0;

	for (size_t k = 0; k < b->count; k++)
		if (b->files[k].item)
			withdraw_item(&claims, b->files[k].item);
	if (withdraw_commit(&claims) < 0) {
		abandon(b);
		return;
	}
	for (size_t k = 0; k < b->count; k++) {
		struct file *f = &b->files[k];
		struct item *i = f->item;
		int r = 0;

		if (i && i->plan.replace)
			r = clear_directory(b->lane, i);
		if (r < 0)
			fail(b, f, r, PHASE_WRITE, DESTINATION);
		if (!f->item)
			continue;
		tempname_next(&e->tempname, f->temp);
		b->at[n] = f;
		b->writes[n++] = (struct volume_write_whole){
		    .dir = i->dir->handle[DESTINATION],
		    .temp_name = f->temp,
		    .name = i->name,
		    .data = f->data,
		    .len = f->len,
		    .blob = f->blob,
		    .set = metadata_set(e, &i->attr[SOURCE],
					&i->attr[DESTINATION])};
	}
	if (n == 0)
		return;
	volume_run(e->volume[DESTINATION], VOLUME_WRITE_WHOLE, b->writes, n);
	for (size_t k = 0; k < n; k++)
		written(b, b->at[k], &b->writes[k]);
	volume_items_done(VOLUME_WRITE_WHOLE, b->writes, n);
}

static void drop_data(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++) {
		blob_unref(b->files[k].blob);
		b->files[k].blob = NULL;
		b->files[k].data = NULL;
	}
}

/* Whether what was read back is what was written. */
static int judge(const struct batch *b, const struct item *i,
		 const struct volume_read_whole *r)
{
	struct attr want = metadata_want(b->engine, &i->attr[SOURCE]);
	struct digest there;

	if (r->result < 0)
		return r->result;
	there = digest_of(r->ret_data, r->ret_len);
	if (!digest_equal(&there, &i->digest) ||
	    r->ret_len != i->attr[SOURCE].size)
		return -EBADMSG;
	if (metadata_differs(b->engine, &want, &r->ret_after))
		return -EUCLEAN;
	return 0;
}

static void verify_files(struct batch *b)
{
	size_t n = 0;
	int r;

	for (size_t k = 0; k < b->count; k++)
		if (b->files[k].item)
			b->at[n++] = &b->files[k];
	if (n == 0)
		return;
	/* Expected is what was written, whatever the server says of it. */
	for (size_t k = 0; k < n; k++)
		b->at[k]->item->attr[DESTINATION].size =
		    b->at[k]->item->attr[SOURCE].size;
	read_files(b, DESTINATION, n);
	for (size_t k = 0; k < n; k++) {
		struct item *i = b->at[k]->item;

		r = judge(b, i, &b->reads[k]);
		if (r < 0) {
			fail(b, b->at[k], r, PHASE_VERIFY, DESTINATION);
			continue;
		}
		i->attr[DESTINATION] = b->reads[k].ret_after;
		complete_copied(b->engine, steal(b->at[k]->item), true,
				&b->lane->released);
	}
	volume_items_done(VOLUME_READ_WHOLE, b->reads, n);
}

static void finish_unverified(struct batch *b)
{
	for (size_t k = 0; k < b->count; k++)
		if (b->files[k].item)
			complete_copied(b->engine, steal(b->files[k].item),
					false, &b->lane->released);
}

static void copy_batch(struct batch *b, struct work *w)
{
	struct item *i;

	while ((i = work_take(w)))
		b->files[b->count++].item = i;
	read_sources(b);
	compare(b);
	leave_protected(b);
	finish_settled(b);
	write_files(b);
	drop_data(b);
	if (b->engine->options.verify == VERIFY_NONE)
		finish_unverified(b);
	else
		verify_files(b);
}

void copy_small(struct lane *l, struct work *w)
{
	size_t n = w->count, bytes = (size_t)w->bytes + n * OVERHEAD;
	CLEANUP_FREE struct file *files = calloc(n, sizeof(*files));
	CLEANUP_FREE struct file **at = calloc(n, sizeof(struct file *));
	CLEANUP_FREE struct volume_read_whole *reads =
	    calloc(n, sizeof(*reads));
	CLEANUP_FREE struct volume_write_whole *writes =
	    calloc(n, sizeof(*writes));
	struct batch b = {.lane = l,
			  .engine = l->engine,
			  .files = files,
			  .at = at,
			  .reads = reads,
			  .writes = writes};
	struct item *i;
	int r = 0;

	if (!files || !at || !reads || !writes)
		r = -ENOMEM;
	if (r == 0)
		r = budget_take(l->engine->budget, bytes);
	if (r < 0) {
		if (r == -ENOMEM)
			engine_stop(l->engine, r, SIDES);
		while ((i = work_take(w)))
			complete_abandoned(l->engine, i);
		return;
	}
	copy_batch(&b, w);
	budget_give(l->engine->budget, bytes);
}
