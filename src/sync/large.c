/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * large - one file that is too large for a batch: ranges of 1 MiB, many in
 * flight on both sides, hashed in order as they pass.
 *
 *   open a temporary file (or the one an earlier run left)
 *     -> copy ranges; commit what is written, read back what is durable, and
 *        note every so often how far that goes (checkpoint)
 *     -> commit, close, set attributes
 *     -> the source is still what was read?
 *     -> read back the rest and compare the digest
 *     -> rename it to its name, record
 *
 * So nothing stands under the final name that was not read back, each byte
 * after the server had said that it is durable. A checkpoint holds the digest
 * of such a part: a later run reads that back from the destination, compares,
 * and goes on behind it; the source's bytes do not travel twice.
 *
 * Commits, read-back and checkpoints go on beside the writing, which waits for
 * none of them: over a long way each such wait leaves the line empty. The
 * digest at a few offsets is kept (marks); what is durable by the time reaches
 * one of them after the other.
 *
 * One lane runs all of this in order; the ranges in flight are the readers'
 * and the writer's (ranges.h, readback.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/complete.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/ranges.h"
#include "sync/readback.h"
#include "sync/state.h"
#include "sync/withdraw.h"

/* How often a file that changes while it is read is begun anew. */
#define TRIES 4

/* A checkpoint after so many bytes, and no sooner than so long after the one
 * before. */
#define CHECKPOINT_BYTES (64 * 1024 * 1024)
#define CHECKPOINT_NS    (2 * NS_PER_S)

/* One that waits for the writes in flight, when none of the others could be
 * made for so long: a file that is zeros here is not as long there before
 * something is written behind them. */
#define CHECKPOINT_WAIT_BYTES (8 * CHECKPOINT_BYTES)

/* The digest is kept every so many bytes, at so many places: further than what
 * is in flight and not yet committed reaches. */
#define MARK_BYTES (CHECKPOINT_BYTES / 4)
#define MARKS      16

/* The digest of the source's bytes up to `offset`. */
struct mark {
	uint64_t offset;
	struct digest digest;
};

struct large {
	struct lane *lane;
	struct engine *engine;
	struct item *item;
	struct attr source;           /* the version that is being copied */
	struct digest_stream *digest; /* of the source's bytes up to `offset` */
	uint64_t offset;
	bool ends_in_hole; /* what is before `offset` may end in zeros */
	struct volume_file *file;
	struct handle *handle; /* of the temporary file */
	char temp[VOLUME_NAME_MAX + 1];
	uint64_t durable;          /* the destination has so much for good */
	struct readback *readback; /* NULL: nothing is verified */
	struct mark mark[MARKS];   /* ascending, behind saved_offset */
	unsigned marks;
	uint64_t saved_offset; /* of the last checkpoint, 0 for none */
	int64_t saved_ns;
	bool noted;     /* the manifest speaks of the temporary file */
	enum side side; /* which an error came from */
	enum entry_phase phase;
};

static struct volume *volume_of(const struct large *g, enum side side)
{
	return g->engine->volume[side];
}

static int failed(struct large *g, int error, enum entry_phase phase,
		  enum side side)
{
	if (error < 0) {
		g->phase = phase;
		g->side = side;
	}
	return error;
}

/* Hashes bytes [0, to) of a file on `side` into the stream. */
static int hash_file(struct large *g, enum side side,
		     const struct handle *handle, uint64_t to)
{
	struct range_reader *reader = range_reader_new(
	    volume_of(g, side), handle, 0, to, range_window(volume_of(g, side)),
	    &g->engine->ranges[side]);
	const uint8_t *data;
	struct blob *blob;
	size_t len;
	int r;

	if (!reader)
		return -ENOMEM;
	digest_stream_reset(g->digest);
	while ((r = range_reader_next(reader, &data, &len, &blob)) > 0) {
		digest_stream_add(g->digest, data, len);
		blob_unref(blob);
		gate_pass(&g->engine->gate);
		if (engine_is_stopping(g->engine)) {
			r = -ECANCELED;
			break;
		}
	}
	range_reader_free(reader);
	return r;
}

static int get_source(struct large *g, struct attr *ret)
{
	struct volume_getattr item = {.handle = g->item->handle[SOURCE]};

	volume_run(volume_of(g, SOURCE), VOLUME_GETATTR, &item, 1);
	if (item.result == 0 &&
	    (item.ret_attr.type != ENTRY_FILE ||
	     item.ret_attr.fileid != g->item->attr[SOURCE].fileid))
		item.result = -ESTALE;
	*ret = item.ret_attr;
	return failed(g, item.result, PHASE_READ, SOURCE);
}

static int open_temp(struct large *g, bool create)
{
	struct withdraw claims = {.engine = g->engine};
	struct volume_open item = {
	    .dir = g->item->dir->handle[DESTINATION],
	    .name = g->temp,
	    .create = create,
	};

	withdraw_directory(&claims, g->item->dir);
	if (withdraw_commit(&claims) < 0)
		return failed(g, -ECANCELED, PHASE_WRITE, DESTINATION);
	volume_run(volume_of(g, DESTINATION), VOLUME_OPEN, &item, 1);
	if (item.result < 0)
		return failed(g, item.result, PHASE_WRITE, DESTINATION);
	g->file = item.ret_file;
	g->handle = item.ret_handle;
	return 0;
}

static int close_temp(struct large *g)
{
	struct volume_close item = {.file = g->file};

	if (!g->file)
		return 0;
	g->file = NULL;
	volume_run(volume_of(g, DESTINATION), VOLUME_CLOSE, &item, 1);
	return failed(g, item.result, PHASE_WRITE, DESTINATION);
}

/* The temporary file is of no use any more. */
static void discard_temp(struct large *g)
{
	struct volume_remove item = {.dir = g->item->dir->handle[DESTINATION],
				     .name = g->temp};

	close_temp(g);
	free(steal(g->handle));
	if (g->temp[0])
		volume_run(volume_of(g, DESTINATION), VOLUME_REMOVE, &item, 1);
	g->temp[0] = '\0';
	g->noted = false;
	manifest_drop_partial(g->engine->manifest, g->item->dir->id,
			      g->item->name);
	g->saved_offset = 0;
	g->offset = 0;
	g->durable = 0;
	g->marks = 0;
	transfer_set_done(&g->lane->transfer, 0);
	digest_stream_reset(g->digest);
}

/* What an earlier run noted of this file: 1, 0 for nothing of use. */
static int find_partial(struct large *g, struct manifest_partial *p)
{
	struct lane *l = g->lane;
	int r;

	if (!l->reader)
		l->reader = manifest_reader_new(g->engine->manifest);
	if (!l->reader)
		return -ENOMEM;
	r = manifest_get_partial(l->reader, g->item->dir->id, g->item->name, p);
	return r > 0 && tempname_is_ours(p->temp_name) ? 1 : r < 0 ? r : 0;
}

/*
 * Goes on with what an earlier run left, when it was of this version of the
 * source and the destination still holds what was noted; `offset` and the
 * digest then stand behind it.
 */
static int resume(struct large *g)
{
	struct manifest_partial p;
	struct digest there;
	bool fits;
	int r;

	r = find_partial(g, &p);
	if (r <= 0)
		return r;
	g->noted = true;
	memcpy(g->temp, p.temp_name, sizeof(g->temp));
	fits = p.source.fileid == g->source.fileid &&
	       p.source.size == g->source.size &&
	       p.source.mtime_ns == g->source.mtime_ns &&
	       p.source.change == g->source.change &&
	       p.done_bytes <= g->source.size;
	r = fits ? open_temp(g, false) : -ENOENT;
	if (r == 0)
		r = hash_file(g, DESTINATION, g->handle, p.done_bytes);
	there = digest_stream_get(g->digest);
	if (r == 0 && digest_equal(&there, &p.digest)) {
		g->offset = g->saved_offset = g->durable = p.done_bytes;
		transfer_set_done(&g->lane->transfer, g->offset);
		engine_count(g->engine, COUNT_RESUMED_BYTES, p.done_bytes);
		return 0;
	}
	/* Of use to the next run, if this one ends here. */
	if (engine_stops_for(g->engine, r, DESTINATION))
		return failed(g, r, PHASE_WRITE, DESTINATION);
	discard_temp(g);
	return 0;
}

static int set_temp(struct large *g, const struct attr_set *set,
		    struct attr *ret)
{
	struct volume_setattr item = {.handle = g->handle, .set = *set};

	volume_run(volume_of(g, DESTINATION), VOLUME_SETATTR, &item, 1);
	*ret = item.ret_attr;
	return failed(g, item.result, PHASE_METADATA, DESTINATION);
}

/* Notes in the manifest how far the destination has it. */
static int note_progress(struct large *g, const struct mark *mark)
{
	struct manifest_partial p = {.directory = g->item->dir->id,
				     .source = g->source,
				     .done_bytes = mark->offset,
				     .digest = mark->digest};
	int r;

	snprintf(p.name, sizeof(p.name), "%s", g->item->name);
	snprintf(p.temp_name, sizeof(p.temp_name), "%s", g->temp);
	g->saved_offset = mark->offset;
	g->saved_ns = clock_now_ns();
	r = manifest_put_partial(g->engine->manifest, &p);
	if (r < 0)
		engine_stop(g->engine, r, SIDES);
	else
		g->noted = true;
	return r < 0 ? -ECANCELED : 0;
}

/* Waits for the writes, makes them durable and notes how far they go. Zeros
 * are not written: where they end it, nothing has made the file that long. */
static int checkpoint(struct large *g, struct range_writer *writer)
{
	struct mark here = {g->offset, digest_stream_get(g->digest)};
	struct attr_set size = {.which = ATTR_SET_SIZE, .size = g->offset};
	struct attr have;
	int r = 0;

	if (g->ends_in_hole)
		r = set_temp(g, &size, &have);
	if (r == 0)
		r = range_writer_commit(writer);
	if (r < 0)
		return r;
	g->durable = g->offset;
	g->marks = 0;
	return note_progress(g, &here);
}

static bool is_checkpoint_due(const struct large *g, uint64_t bytes)
{
	return bytes >= CHECKPOINT_BYTES &&
	       clock_now_ns() - g->saved_ns >= CHECKPOINT_NS;
}

/* Keeps the digest of what was read so far, while there is room. */
static void set_mark(struct large *g)
{
	uint64_t last =
	    g->marks > 0 ? g->mark[g->marks - 1].offset : g->saved_offset;

	if (g->marks < MARKS && g->offset - last >= MARK_BYTES)
		g->mark[g->marks++] =
		    (struct mark){g->offset, digest_stream_get(g->digest)};
}

/* Drops the first marks. */
static void drop_marks(struct large *g, unsigned count)
{
	memmove(g->mark, g->mark + count,
		(g->marks - count) * sizeof(g->mark[0]));
	g->marks -= count;
}

/* A checkpoint at the last mark that is durable, when one is due. */
static int checkpoint_mark(struct large *g)
{
	unsigned past = 0;
	struct mark last;

	while (past < g->marks && g->mark[past].offset <= g->durable)
		past++;
	if (past == 0)
		return 0;
	last = g->mark[past - 1];
	drop_marks(g, past - 1);
	if (!is_checkpoint_due(g, last.offset - g->saved_offset))
		return 0;
	drop_marks(g, 1);
	return note_progress(g, &last);
}

/* What is durable meanwhile is read back and noted. */
static int follow(struct large *g, struct range_writer *writer)
{
	uint64_t durable = range_writer_get_durable(writer);
	int r = 0;

	if (durable > g->durable)
		g->durable = durable;
	if (g->readback)
		r = readback_go_on(g->readback, g->durable);
	if (r < 0)
		return failed(g, r, PHASE_VERIFY, DESTINATION);
	set_mark(g);
	r = checkpoint_mark(g);
	if (r == 0 && g->offset - g->saved_offset >= CHECKPOINT_WAIT_BYTES &&
	    is_checkpoint_due(g, CHECKPOINT_WAIT_BYTES))
		r = checkpoint(g, writer);
	return failed(g, r, PHASE_WRITE, DESTINATION);
}

/* Moves one range on: 1, 0 at the end. */
static int pass_range(struct large *g, struct range_reader *reader,
		      struct range_writer *writer)
{
	const uint8_t *data;
	struct blob *blob;
	size_t len;
	int r;

	r = range_reader_next(reader, &data, &len, &blob);
	if (r <= 0)
		return failed(g, r, PHASE_READ, SOURCE);
	digest_stream_add(g->digest, data, len);
	g->ends_in_hole = data[len - 1] == 0;
	r = range_writer_put(writer, g->offset, data, len, blob);
	blob_unref(blob);
	if (r < 0)
		return failed(g, r, PHASE_WRITE, DESTINATION);
	g->offset += len;
	transfer_set_done(&g->lane->transfer, g->offset);
	engine_count(g->engine, COUNT_BYTES_READ, len);
	engine_count(g->engine, COUNT_BYTES_WRITTEN, len);
	r = follow(g, writer);
	return r < 0 ? r : 1;
}

/* Waits while the execution is paused. That may be long: what is done so far
 * is made durable first. */
static int rest(struct large *g, struct range_writer *writer)
{
	int r = 0;

	if (!gate_is_shut(&g->engine->gate))
		return 1;
	if (g->offset > g->saved_offset)
		r = checkpoint(g, writer);
	gate_pass(&g->engine->gate);
	return r < 0 ? failed(g, r, PHASE_WRITE, DESTINATION) : 1;
}

static int copy_ranges(struct large *g)
{
	unsigned window = range_window(volume_of(g, DESTINATION));
	struct range_reader *reader = range_reader_new(
	    volume_of(g, SOURCE), g->item->handle[SOURCE], g->offset,
	    g->source.size, range_window(volume_of(g, SOURCE)),
	    &g->engine->ranges[SOURCE]);
	struct range_writer *writer =
	    range_writer_new(volume_of(g, DESTINATION), g->file, g->offset,
			     window, &g->engine->ranges[DESTINATION]);
	int r = reader && writer ? 1 : -ENOMEM;

	g->saved_ns = clock_now_ns();
	g->marks = 0;
	while (r > 0 && !engine_is_stopping(g->engine)) {
		r = pass_range(g, reader, writer);
		if (r > 0)
			r = rest(g, writer);
	}
	range_reader_free(reader);
	if (r == 0)
		r = failed(g, range_writer_commit(writer), PHASE_WRITE,
			   DESTINATION);
	if (r > 0 || (r == -ECANCELED && engine_is_stopping(g->engine))) {
		/* Stopped in the middle, perhaps while it waited for a limit:
		 * keep what is there, if that can be. */
		checkpoint(g, writer);
		r = failed(g, -ECANCELED, PHASE_WRITE, DESTINATION);
	}
	range_writer_free(writer);
	return r;
}

/* What is left is asked for at once, as far as the file is as long; the answers
 * are awaited later. */
static int ask_for_rest(struct large *g)
{
	if (!g->readback || g->ends_in_hole)
		return 0;
	return failed(g, readback_go_on(g->readback, g->offset), PHASE_VERIFY,
		      DESTINATION);
}

static int finish_attributes(struct large *g)
{
	struct item *i = g->item;
	struct attr want = metadata_want(g->engine, &g->source);
	struct attr_set size = {.which = ATTR_SET_SIZE, .size = g->source.size};
	struct attr_set set =
	    metadata_set(g->engine, &g->source, &i->attr[DESTINATION]);
	struct attr have;
	int r = 0;

	/* A hole at the end has not been written. */
	if (g->ends_in_hole)
		r = set_temp(g, &size, &have);
	if (r == 0)
		r = set_temp(g, &set, &have);
	/* Nor ought it to be longer. */
	if (r == 0 && have.size != g->source.size) {
		r = set_temp(g, &size, &have);
		if (r == 0)
			r = set_temp(g, &set, &have);
	}
	if (r == 0 && have.size != g->source.size)
		r = failed(g, -EUCLEAN, PHASE_VERIFY, DESTINATION);
	if (r == 0 && metadata_differs(g->engine, &want, &have))
		r = failed(g, -EUCLEAN, PHASE_VERIFY, DESTINATION);
	if (r == 0)
		i->attr[DESTINATION] = have;
	return r;
}

/* Reads back what is left, and compares. */
static int verify_temp(struct large *g, const struct digest *digest)
{
	struct digest there;
	int r;

	if (!g->readback)
		return 0;
	r = readback_go_on(g->readback, g->source.size);
	while (r == 0 && (r = readback_next(g->readback)) > 0) {
		gate_pass(&g->engine->gate);
		r = engine_is_stopping(g->engine) ? -ECANCELED : 0;
	}
	there = readback_get(g->readback);
	if (r == 0 && !digest_equal(&there, digest))
		r = -EBADMSG;
	return failed(g, r, PHASE_VERIFY, DESTINATION);
}

static int rename_temp(struct large *g)
{
	struct item *i = g->item;
	struct volume_rename item = {.dir = i->dir->handle[DESTINATION],
				     .name = g->temp,
				     .to_dir = i->dir->handle[DESTINATION],
				     .to_name = i->name};
	struct volume_lookup found = {.dir = item.dir, .name = i->name};
	struct withdraw claims = {.engine = g->engine};
	int r;

	withdraw_item(&claims, i);
	r = withdraw_commit(&claims) < 0 ? -ECANCELED : 0;
	if (r == 0 && i->plan.replace)
		r = clear_directory(g->lane, i);
	if (r == 0) {
		volume_run(volume_of(g, DESTINATION), VOLUME_RENAME, &item, 1);
		r = item.result;
	}
	if (r < 0)
		return failed(g, r, PHASE_WRITE, DESTINATION);
	g->temp[0] = '\0';
	/* A handle may be made of the name: ask for the new one. */
	volume_run(volume_of(g, DESTINATION), VOLUME_LOOKUP, &found, 1);
	if (found.result < 0)
		return failed(g, found.result, PHASE_WRITE, DESTINATION);
	complete_written(g->engine, i, &found.ret_attr, &found.ret_handle);
	return 0;
}

/* The temporary file is open, and what it has already is known. */
static int begin(struct large *g)
{
	int r = get_source(g, &g->source);

	if (r == 0)
		r = resume(g);
	if (r == 0 && !g->file) {
		tempname_next(&g->engine->tempname, g->temp);
		r = open_temp(g, true);
	}
	if (r < 0 || g->engine->options.verify == VERIFY_NONE)
		return r;
	g->readback = readback_new(volume_of(g, DESTINATION), g->handle,
				   g->offset, g->source.size, g->digest,
				   &g->engine->ranges[DESTINATION]);
	return g->readback ? 0 : failed(g, -ENOMEM, PHASE_VERIFY, DESTINATION);
}

/* All of a try. */
static int copy_whole(struct large *g)
{
	struct item *i = g->item;
	struct digest digest;
	struct attr now;
	int r;

	r = begin(g);
	if (r == 0)
		r = copy_ranges(g);
	digest = digest_stream_get(g->digest);
	if (r == 0)
		r = ask_for_rest(g);
	if (r == 0)
		r = close_temp(g);
	if (r == 0)
		r = finish_attributes(g);
	if (r == 0)
		r = get_source(g, &now);
	if (r == 0 && !attr_same_version(&now, &g->source))
		r = failed(g, -EBUSY, PHASE_READ, SOURCE);
	if (r == 0)
		r = verify_temp(g, &digest);
	if (r == 0)
		r = rename_temp(g);
	if (r < 0)
		return r;
	manifest_drop_partial(g->engine->manifest, i->dir->id, i->name);
	i->attr[SOURCE] = g->source;
	i->digest = digest;
	i->has_digest = true;
	return 0;
}

/* One try: 0, or why not; -EBUSY and -EAGAIN are worth another. */
static int copy_once(struct large *g)
{
	int r = copy_whole(g);

	g->readback = readback_free(g->readback);
	return r;
}

static int copy_tries(struct large *g)
{
	int r = copy_once(g);

	for (unsigned n = 1; n < TRIES && (r == -EBUSY || r == -EAGAIN); n++) {
		close_temp(g);
		free(steal(g->handle));
		if (r == -EBUSY || g->saved_offset == 0)
			discard_temp(g);
		else
			manifest_flush(g->engine->manifest);
		digest_stream_reset(g->digest);
		g->offset = g->durable = 0;
		r = copy_once(g);
	}
	return r;
}

/*
 * Whether the destination has the source's content already: 1 or 0. A record
 * of a verified copy stands for the destination's content.
 */
static int is_settled(struct large *g)
{
	struct item *i = g->item;
	struct digest here, there = i->digest;
	struct attr now;
	int r;

	r = get_source(g, &g->source);
	if (r < 0)
		return r;
	i->attr[SOURCE] = g->source;
	r = hash_file(g, SOURCE, i->handle[SOURCE], g->source.size);
	if (r < 0)
		return failed(g, r, PHASE_READ, SOURCE);
	engine_count(g->engine, COUNT_BYTES_READ, g->source.size);
	here = digest_stream_get(g->digest);
	if (g->source.size != i->attr[DESTINATION].size)
		return 0;
	if (!i->plan.trusted) {
		r = hash_file(g, DESTINATION, i->handle[DESTINATION],
			      g->source.size);
		if (r < 0 && r != -EBUSY)
			return failed(
			    g, r, i->plan.protect ? PHASE_WRITE : PHASE_VERIFY,
			    DESTINATION);
		there = digest_stream_get(g->digest);
	}
	r = get_source(g, &now);
	if (r < 0)
		return r;
	i->attr[SOURCE] = now;
	if (!attr_same_version(&now, &g->source) ||
	    !digest_equal(&here, &there))
		return 0;
	i->digest = here;
	i->has_digest = true;
	return 1;
}

static void settle(struct large *g)
{
	struct work w = {.kind = WORK_METADATA};

	TAILQ_INIT(&w.items);
	complete_settled(g->engine, g->item);
	work_add(&w, steal(g->item));
	set_metadata(g->lane, &w);
}

/* Where the destination has no room left, what the next run knows nothing of
 * only takes some. */
static bool is_in_the_way(const struct large *g)
{
	int error = atomic_load(&g->engine->stop_error);

	return g->temp[0] && !g->noted &&
	       (error == -ENOSPC || error == -EDQUOT);
}

/* Ends the item after its copy came to `r`. */
static void end(struct large *g, int r)
{
	struct engine *e = g->engine;

	if (r == 0) {
		complete_copied(e, steal(g->item),
				e->options.verify != VERIFY_NONE,
				&g->lane->released);
		return;
	}
	if (engine_stops_for(e, r, g->side)) {
		if (is_in_the_way(g))
			discard_temp(g);
		complete_abandoned(e, steal(g->item));
		return;
	}
	discard_temp(g);
	if (g->side == SOURCE && (r == -ENOENT || r == -ESTALE))
		complete_missing(e, steal(g->item), &g->lane->released);
	else
		complete_failed(e, steal(g->item), r, g->phase, g->side,
				&g->lane->released);
}

static void copy(struct large *g)
{
	int r = 0;

	if (g->item->plan.action == PLAN_COMPARE) {
		r = is_settled(g);
		if (r > 0) {
			settle(g);
			return;
		}
		if (r == 0 && g->item->plan.protect) {
			complete_left(g->engine, steal(g->item),
				      &g->lane->released);
			return;
		}
		digest_stream_reset(g->digest);
	}
	if (r == 0)
		r = copy_tries(g);
	close_temp(g);
	end(g, r);
}

void copy_large(struct lane *l, struct item *i)
{
	struct engine *e = l->engine;
	struct large g = {.lane = l, .engine = e, .item = i};

	g.digest = digest_stream_new();
	if (!g.digest)
		engine_stop(e, -ENOMEM, SIDES);
	if (!g.digest) {
		complete_abandoned(e, i);
		return;
	}
	copy(&g);
	free(g.handle);
	digest_stream_free(g.digest);
}
