/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Large files are read on both sides at the same time, range by range, and
 * compared as they come, up to the first difference. Ranges are cut alike, so
 * two readers stay in step.
 */
#include <errno.h>
#include <string.h>

#include "base/blob.h"
#include "base/digest.h"
#include "sync/complete.h"
#include "sync/difference.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/ranges.h"
#include "sync/report.h"
#include "sync/state.h"
#include "sync/verify.h"

struct pair {
	struct lane *lane;
	struct item *item;
	struct range_reader *reader[SIDES];
	struct attr before[SIDES];
	enum side side;               /* where the last error came from */
	struct digest_stream *digest; /* of what was equal; NULL: nobody asks */
};

static int get_attr(struct pair *p, enum side side, struct attr *ret)
{
	struct volume_getattr item = {.handle = p->item->handle[side]};

	volume_run(p->lane->engine->volume[side], VOLUME_GETATTR, &item, 1);
	p->side = side;
	*ret = item.ret_attr;
	return item.result;
}

/* The next range of both: 1 equal, 0 at the end, or a negative errno; -EILSEQ:
 * they differ. */
static int compare_range(struct pair *p)
{
	const uint8_t *data[SIDES] = {0};
	struct blob *blob[SIDES] = {0};
	size_t len[SIDES] = {0};
	int r[SIDES] = {0};
	int result = 1;

	for (int side = 0; side < SIDES && result > 0; side++) {
		r[side] = range_reader_next(p->reader[side], &data[side],
					    &len[side], &blob[side]);
		p->side = (enum side)side;
		if (r[side] < 0)
			result = r[side];
	}
	if (result > 0 && r[SOURCE] == 0 && r[DESTINATION] == 0)
		result = 0;
	else if (result > 0 && len[SOURCE] != len[DESTINATION])
		result = -EBUSY;
	else if (result > 0 &&
		 memcmp(data[SOURCE], data[DESTINATION], len[SOURCE]) != 0)
		result = -EILSEQ;
	if (result > 0 && p->digest)
		digest_stream_add(p->digest, data[SOURCE], len[SOURCE]);
	for (int side = 0; side < SIDES; side++)
		blob_unref(blob[side]);
	if (result > 0) {
		engine_count(p->lane->engine, COUNT_BYTES_READ, len[SOURCE]);
		transfer_add_done(&p->lane->transfer, len[SOURCE]);
	}
	return result;
}

static int compare_ranges(struct pair *p)
{
	struct engine *e = p->lane->engine;
	struct item *i = p->item;
	int r = 0;

	if (p->digest)
		digest_stream_reset(p->digest);
	for (int side = 0; side < SIDES; side++) {
		p->reader[side] = range_reader_new(
		    e->volume[side], i->handle[side], 0, p->before[SOURCE].size,
		    range_window(e->volume[side]), &e->ranges[side]);
		if (!p->reader[side])
			r = -ENOMEM;
	}
	while (r == 0 && (r = compare_range(p)) > 0) {
		gate_pass(&e->gate);
		r = engine_is_stopping(e) ? -ECANCELED : 0;
	}
	for (int side = 0; side < SIDES; side++)
		p->reader[side] = range_reader_free(p->reader[side]);
	if (r == 0 && p->digest) {
		i->digest = digest_stream_get(p->digest);
		i->has_digest = true;
	}
	return r;
}

/* 0: `differs` of the item is known; -EBUSY: it changed meanwhile. */
static int compare(struct pair *p)
{
	struct engine *e = p->lane->engine;
	struct item *i = p->item;
	bool equal = true;
	struct attr want;
	int r = 0;

	for (int side = 0; r == 0 && side < SIDES; side++)
		r = get_attr(p, (enum side)side, &p->before[side]);
	if (r == 0 && p->before[SOURCE].size == p->before[DESTINATION].size) {
		r = compare_ranges(p);
		equal = r != -EILSEQ;
		if (!equal)
			r = 0;
	}
	for (int side = 0; r == 0 && side < SIDES; side++) {
		r = get_attr(p, (enum side)side, &i->attr[side]);
		if (r == 0 &&
		    !attr_same_version(&p->before[side], &i->attr[side]))
			r = -EBUSY;
	}
	if (r < 0)
		return r;
	want = metadata_want(e, &i->attr[SOURCE]);
	i->differs = difference_of(&want, &i->attr[DESTINATION],
				   metadata_preserve(e, want.type)) |
		     (equal ? 0 : DIFFERS_CONTENT);
	return 0;
}

/* Where the contents differ that of neither is known: they are summed up as
 * two. */
static void sum_up(struct engine *e, const struct item *i)
{
	struct digest content[SIDES] = {i->digest, i->digest};

	if (i->differs & DIFFERS_CONTENT)
		content[DESTINATION].bytes[0] ^= 1;
	verify_sum(e, i->dir, i->name, i->attr, content);
}

void verify_large(struct lane *l, struct item *i)
{
	struct pair p = {.lane = l, .item = i};
	int r;

	/* The report, and the digest of the tree, have it. */
	if (l->engine->sum_trees ||
	    report_wants(l->engine->report, REPORT_VERIFIED, false)) {
		p.digest = digest_stream_new();
		if (!p.digest)
			engine_stop(l->engine, -ENOMEM, SIDES);
	}
	while ((r = compare(&p)) == -EBUSY || r == -ENOENT || r == -ESTALE)
		if (!verify_again(l, i)) {
			digest_stream_free(p.digest);
			return;
		}
	digest_stream_free(p.digest);
	if (r == 0) {
		sum_up(l->engine, i);
		verify_end(l, i);
	} else {
		complete_failed(l->engine, i, r,
				p.side == SOURCE ? PHASE_READ : PHASE_VERIFY,
				p.side, &l->released);
	}
}
