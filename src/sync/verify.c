/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is read of both sides is judged together: the attributes that came
 * with the data are the newest there are, so they are compared again. Where
 * they say that an entry changed while it was read, or it could not be read at
 * all, both names are looked up anew, a few times.
 */
#include "sync/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/complete.h"
#include "sync/difference.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/state.h"

/* Memory a file takes beside its data, roughly. */
#define OVERHEAD 4096

/* --- What differs -------------------------------------------------------- */

/* The record of a copy, if it is of another version of the source. */
static bool is_outdated(const struct manifest_row *row,
			const struct attr *source)
{
	return (row->state == STATE_COPIED || row->state == STATE_VERIFIED) &&
	       !plan_row_holds(row, source);
}

/*
 * Whether a difference is none of the copy's: the source has changed since, or
 * the entry is new; or the copy was told to leave it.
 */
static bool is_excused(struct engine *e, const struct manifest_row *row,
		       const struct attr *source, uint32_t kinds)
{
	bool changed;

	if (e->verify_only)
		return false;
	if (row && row->state == STATE_SKIPPED && row->error == -ENOTUNIQ)
		return true;
	if (kinds & DIFFERS_EXTRA)
		changed = row && (row->state == STATE_COPIED ||
				  row->state == STATE_VERIFIED);
	else
		changed = row ? is_outdated(row, source)
			      : (kinds & DIFFERS_MISSING) != 0;
	if (changed)
		engine_count(e, COUNT_CHANGED, 1);
	return changed;
}

void verify_say(struct engine *e, const char *path, const struct attr *attr,
		uint32_t kinds)
{
	bool extra = kinds & DIFFERS_EXTRA;
	CLEANUP_FREE char *text = escape_name(path);
	struct log_fields fields = {.action = "differs", .side = "destination"};
	char words[DIFFERENCE_TEXT];

	engine_count(e, COUNT_MISMATCHED, 1);
	for (unsigned i = 0; i < DIFFERENCES; i++)
		if (kinds & (1u << i))
			engine_count(e, (enum counter)(COUNT_DIFFERING + i), 1);
	fields.path = !text ? "?" : *text ? text : ".";
	fields.error = difference_text(kinds, words);
	log_about(LOG_ERROR, &fields,
		  "destination %s: differs from the source: %s", fields.path,
		  fields.error);
	report_add(e->report, REPORT_VERIFIED,
		   &(struct report_entry){.path = path,
					  .source = extra ? NULL : attr,
					  .destination = extra ? attr : NULL,
					  .error = difference_error(kinds),
					  .phase = PHASE_VERIFY});
}

/* The record of an entry: 1, 0, or negative after the run was stopped. */
static int get_row(struct engine *e, struct manifest_reader *reader,
		   const struct dirnode *d, const char *name,
		   struct manifest_row *ret)
{
	int r = reader ? manifest_get(reader, d->id, name, ret) : -ENOMEM;

	if (r < 0)
		engine_stop(e, r, SIDES);
	return r;
}

bool verify_excuses(struct engine *e, struct manifest_reader *reader,
		    const struct dirnode *d, const char *name,
		    const struct attr *source, uint32_t kinds)
{
	struct manifest_row row;
	int r = get_row(e, reader, d, name, &row);

	return r < 0 || is_excused(e, r > 0 ? &row : NULL, source, kinds);
}

bool verify_record(struct engine *e, struct manifest_reader *reader,
		   struct dirnode *d, const char *name,
		   const struct attr *source, uint32_t kinds)
{
	CLEANUP_FREE char *path = NULL;
	struct manifest_row row = {0};
	int r = get_row(e, reader, d, name, &row);

	if (r < 0 || is_excused(e, r > 0 ? &row : NULL, source, kinds))
		return false;
	path = dirnode_path(d, name);
	verify_say(e, path ? path : "?", source, kinds);
	/* The source has nothing that a record could be of; and what failed in
	 * this run has said why. */
	if ((kinds & DIFFERS_EXTRA) || (r > 0 && row.state == STATE_FAILED &&
					row.execution == e->execution))
		return true;
	row = (struct manifest_row){.directory = d->id,
				    .name = name,
				    .state = STATE_FAILED,
				    .type = source->type,
				    .source = *source,
				    .error = difference_error(kinds),
				    .phase = PHASE_VERIFY,
				    .execution = e->execution};
	r = manifest_put(e->manifest, &row);
	if (r < 0)
		engine_stop(e, r, SIDES);
	return true;
}

void verify_sum(struct engine *e, const struct dirnode *d, const char *name,
		const struct attr *attr, const struct digest *content)
{
	CLEANUP_FREE char *path = NULL;

	if (!e->sum_trees)
		return;
	path = dirnode_path(d, name);
	if (!path) {
		engine_stop(e, -ENOMEM, SIDES);
		return;
	}
	for (int side = 0; side < SIDES; side++)
		if (attr[side].type != ENTRY_NONE)
			treesum_add(&e->sum[side], path, &attr[side],
				    metadata_preserve(e, attr[side].type),
				    content ? &content[side] : NULL);
}

void verify_end(struct lane *l, struct item *i)
{
	struct engine *e = l->engine;

	if (i->differs) {
		if (!l->reader)
			l->reader = manifest_reader_new(e->manifest);
		verify_record(e, l->reader, i->dir, i->name, &i->attr[SOURCE],
			      i->differs);
	}
	complete_compared(e, i, !i->differs);
}

/* --- Anew ---------------------------------------------------------------- */

static int look_up(struct engine *e, struct item *i, enum side side)
{
	struct volume_lookup item = {.dir = i->dir->handle[side],
				     .name = i->name};

	volume_run(e->volume[side], VOLUME_LOOKUP, &item, 1);
	if (item.result == 0) {
		i->attr[side] = item.ret_attr;
		free(i->handle[side]);
		i->handle[side] = steal(item.ret_handle);
	}
	volume_items_done(VOLUME_LOOKUP, &item, 1);
	return item.result == -ESTALE ? -ENOENT : item.result;
}

/* An extra entry is none where such are kept, but for who asks for all. */
static bool minds_extra(const struct engine *e)
{
	return e->verify_only || e->options.deleted == DELETED_REMOVE;
}

bool verify_again(struct lane *l, struct item *i)
{
	struct engine *e = l->engine;
	struct attr want;
	int here, there;

	if (++i->tries >= VERIFY_TRIES) {
		complete_failed(e, i, -EBUSY, PHASE_READ, SOURCE, &l->released);
		return false;
	}
	here = look_up(e, i, SOURCE);
	there = look_up(e, i, DESTINATION);
	if (here == -ENOENT && (there == -ENOENT || !minds_extra(e))) {
		engine_count(e, COUNT_VANISHED, 1);
		i->differs = 0;
		complete_compared(e, i, false);
		return false;
	}
	if (here < 0 && here != -ENOENT) {
		complete_failed(e, i, here, PHASE_READ, SOURCE, &l->released);
		return false;
	}
	if (there < 0 && there != -ENOENT) {
		complete_failed(e, i, there, PHASE_VERIFY, DESTINATION,
				&l->released);
		return false;
	}
	if (here < 0 || there < 0) {
		i->differs = here < 0 ? DIFFERS_EXTRA : DIFFERS_MISSING;
	} else {
		want = metadata_want(e, &i->attr[SOURCE]);
		i->differs = difference_of(&want, &i->attr[DESTINATION],
					   metadata_preserve(e, want.type));
		if (!(i->differs & (DIFFERS_TYPE | DIFFERS_SIZE)))
			return true;
	}
	verify_end(l, i);
	return false;
}

/* --- Small files --------------------------------------------------------- */

struct batch {
	struct lane *lane;
	size_t count;
	struct item **items;
	struct volume_read_whole *reads[SIDES];
};

static void read_both(struct batch *b)
{
	for (int side = 0; side < SIDES; side++) {
		for (size_t k = 0; k < b->count; k++)
			b->reads[side][k] = (struct volume_read_whole){
			    .handle = b->items[k]->handle[side],
			    .expect = (size_t)b->items[k]->attr[side].size};
		volume_run(b->lane->engine->volume[side], VOLUME_READ_WHOLE,
			   b->reads[side], b->count);
	}
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESTALE;
}

/* It did not change while it was read, and is what was looked for. */
static bool is_sound(const struct volume_read_whole *r, const struct item *i,
		     enum side side)
{
	return attr_same_version(&r->ret_before, &r->ret_after) &&
	       r->ret_len == r->ret_after.size &&
	       r->ret_after.type == ENTRY_FILE &&
	       r->ret_after.fileid == i->attr[side].fileid;
}

/* What a report and the digests of the trees say of the contents, as far as
 * somebody asks. */
static void digest_contents(struct engine *e, struct item *i,
			    const struct volume_read_whole *here,
			    const struct volume_read_whole *there)
{
	struct digest content[SIDES];

	i->has_digest = report_wants(e->report, REPORT_VERIFIED, false);
	if (!i->has_digest && !e->sum_trees)
		return;
	i->digest = digest_of(here->ret_data, here->ret_len);
	content[SOURCE] = i->digest;
	content[DESTINATION] = i->differs & (DIFFERS_CONTENT | DIFFERS_SIZE)
				   ? digest_of(there->ret_data, there->ret_len)
				   : i->digest;
	verify_sum(e, i->dir, i->name, i->attr, content);
}

/* One file was read on both sides: true when it has to be once more. */
static bool judge(struct batch *b, struct item *i,
		  const struct volume_read_whole *here,
		  const struct volume_read_whole *there)
{
	struct lane *l = b->lane;
	struct engine *e = l->engine;
	struct attr want;

	if (is_gone(here->result) || is_gone(there->result))
		return verify_again(l, i);
	if (here->result == -EFBIG || there->result == -EFBIG) {
		if (verify_again(l, i))
			verify_large(l, i);
		return false;
	}
	if (here->result < 0 || there->result < 0) {
		bool source = here->result < 0;

		complete_failed(e, i, source ? here->result : there->result,
				source ? PHASE_READ : PHASE_VERIFY,
				source ? SOURCE : DESTINATION, &l->released);
		return false;
	}
	engine_count(e, COUNT_BYTES_READ, here->ret_len);
	if (!is_sound(here, i, SOURCE) || !is_sound(there, i, DESTINATION))
		return verify_again(l, i);
	i->attr[SOURCE] = here->ret_after;
	i->attr[DESTINATION] = there->ret_after;
	want = metadata_want(e, &i->attr[SOURCE]);
	i->differs = difference_of(&want, &i->attr[DESTINATION],
				   metadata_preserve(e, want.type));
	if (here->ret_len == there->ret_len && here->ret_len > 0 &&
	    memcmp(here->ret_data, there->ret_data, here->ret_len) != 0)
		i->differs |= DIFFERS_CONTENT;
	digest_contents(e, i, here, there);
	verify_end(l, i);
	return false;
}

static void compare_small(struct batch *b)
{
	size_t n = b->count, again;

	while (n > 0) {
		b->count = n;
		read_both(b);
		again = 0;
		for (size_t k = 0; k < n; k++) {
			struct item *i = b->items[k];

			if (judge(b, i, &b->reads[SOURCE][k],
				  &b->reads[DESTINATION][k]))
				b->items[again++] = i;
		}
		for (int side = 0; side < SIDES; side++)
			volume_items_done(VOLUME_READ_WHOLE, b->reads[side], n);
		n = again;
	}
}

static void abandon(struct lane *l, struct work *w, int error)
{
	struct item *i;

	if (error == -ENOMEM)
		engine_stop(l->engine, error, SIDES);
	while ((i = work_take(w)))
		complete_abandoned(l->engine, i);
}

void verify_small(struct lane *l, struct work *w)
{
	size_t n = w->count, bytes = SIDES * (size_t)w->bytes + n * OVERHEAD;
	CLEANUP_FREE struct item **items = calloc(n, sizeof(struct item *));
	CLEANUP_FREE struct volume_read_whole *here = calloc(n, sizeof(*here));
	CLEANUP_FREE struct volume_read_whole *there =
	    calloc(n, sizeof(*there));
	struct batch b = {.lane = l, .items = items, .reads = {here, there}};
	struct item *i;
	int r = items && here && there ? 0 : -ENOMEM;

	if (r == 0)
		r = budget_take(l->engine->budget, bytes);
	if (r < 0) {
		abandon(l, w, r);
		return;
	}
	while ((i = work_take(w)))
		items[b.count++] = i;
	compare_small(&b);
	budget_give(l->engine->budget, bytes);
}

/* --- Symlinks ------------------------------------------------------------ */

/* FIFOs and sockets have nothing to be read. */
static void judge_target(struct lane *l, struct item *i,
			 const struct volume_readlink *here,
			 const struct volume_readlink *there)
{
	struct engine *e = l->engine;
	bool source = here->result < 0;

	if (is_gone(here->result) || is_gone(there->result)) {
		/* Replaced by another meanwhile: that is looked at. */
		if (verify_again(l, i))
			complete_failed(e, i, -EBUSY, PHASE_READ, SOURCE,
					&l->released);
		return;
	}
	if (source || there->result < 0) {
		complete_failed(e, i, source ? here->result : there->result,
				source ? PHASE_READ : PHASE_VERIFY,
				source ? SOURCE : DESTINATION, &l->released);
		return;
	}
	if (strcmp(here->ret_target, there->ret_target) != 0)
		i->differs |= DIFFERS_TARGET;
	if (e->sum_trees)
		verify_sum(
		    e, i->dir, i->name, i->attr,
		    (struct digest[]){
			digest_of(here->ret_target, strlen(here->ret_target)),
			digest_of(there->ret_target,
				  strlen(there->ret_target))});
	verify_end(l, i);
}

void verify_special(struct lane *l, struct work *w)
{
	size_t n = w->count, links = 0;
	CLEANUP_FREE struct item **items = calloc(n, sizeof(struct item *));
	CLEANUP_FREE struct volume_readlink *reads =
	    calloc(SIDES * n, sizeof(*reads));
	struct item *i;

	if (!items || !reads) {
		abandon(l, w, -ENOMEM);
		return;
	}
	while ((i = work_take(w))) {
		if (i->attr[SOURCE].type == ENTRY_SYMLINK)
			items[links++] = i;
		else {
			verify_sum(l->engine, i->dir, i->name, i->attr, NULL);
			verify_end(l, i);
		}
	}
	for (int side = 0; side < SIDES; side++) {
		for (size_t k = 0; k < links; k++)
			reads[(size_t)side * n + k].handle =
			    items[k]->handle[side];
		if (links > 0)
			volume_run(l->engine->volume[side], VOLUME_READLINK,
				   reads + (size_t)side * n, links);
	}
	for (size_t k = 0; k < links; k++)
		judge_target(l, items[k], &reads[k], &reads[n + k]);
	volume_items_done(VOLUME_READLINK, reads, SIDES * n);
}
