/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rule leans on two facts. A record is put only after the copy it speaks
 * of is whole, and withdrawn before that copy is touched (sync/withdraw.h): so
 * the destination may be believed wherever a record names the object that is
 * there now. And whether the source is still what was copied is said by
 * plan_row_holds(), the same words by which the engine decides to copy again:
 * the view never shows a copy that the next run would replace.
 *
 * A directory is served from both sides whatever this says; the origin of a
 * directory is that of its attributes.
 */
#include "view/origin.h"

#include <stddef.h>

#include "sync/plan.h"

/* Numbers of objects that only the destination has carry the top bit, as few
 * of the source's do. */
#define DESTINATION_RANGE (UINT64_C(1) << 63)

/* Stands for the source's file id 0, which is no inode number for stat(2). */
#define INODE_ZERO UINT64_C(0x7fffffffffffffff)

/* True when the object on the destination is the copy that `row` records. */
static bool is_the_copy(const struct manifest_row *row,
			const struct attr *destination)
{
	return row &&
	       (row->state == STATE_COPIED || row->state == STATE_VERIFIED) &&
	       row->type == destination->type &&
	       row->destination_fileid == destination->fileid;
}

enum origin origin_choose(const struct origin_facts *f)
{
	enum presence source = f->presence[SOURCE];
	enum presence destination = f->presence[DESTINATION];
	bool copied = destination == PRESENT &&
		      is_the_copy(f->row, &f->attr[DESTINATION]);

	if (source == PRESENT)
		return copied && plan_row_holds(f->row, &f->attr[SOURCE])
			   ? ORIGIN_DESTINATION
			   : ORIGIN_SOURCE;
	if (source == UNKNOWN)
		return copied ? ORIGIN_DESTINATION : ORIGIN_WAIT;
	if (destination == UNKNOWN)
		return ORIGIN_WAIT;
	if (copied && f->removes_deleted)
		return ORIGIN_NONE;
	return destination == PRESENT ? ORIGIN_DESTINATION : ORIGIN_NONE;
}

bool origin_is_source_alone(const struct origin_facts *f)
{
	return f->presence[SOURCE] == PRESENT &&
	       f->attr[SOURCE].type != ENTRY_DIRECTORY &&
	       !plan_row_holds(f->row, &f->attr[SOURCE]);
}

/* Scatters the bits of `x`, one to one (the finalizer of SplitMix64): file ids
 * are often small and close together. */
static uint64_t scatter(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t of_source(uint64_t fileid)
{
	return fileid ? fileid : INODE_ZERO;
}

uint64_t origin_inode(const struct origin_facts *f)
{
	if (f->presence[SOURCE] == PRESENT)
		return of_source(f->attr[SOURCE].fileid);
	if (is_the_copy(f->row, &f->attr[DESTINATION]))
		return of_source(f->row->source.fileid);
	return scatter(f->attr[DESTINATION].fileid) | DESTINATION_RANGE;
}

void origin_version(const struct origin_facts *f, enum side side,
		    struct origin_version *ret)
{
	const struct attr *source = NULL;

	if (side == SOURCE)
		source = &f->attr[SOURCE];
	else if (is_the_copy(f->row, &f->attr[DESTINATION]))
		source = &f->row->source;
	*ret = (struct origin_version){
	    .side = side,
	    .fileid = f->attr[side].fileid,
	    .change = f->attr[side].change,
	    .has_source = source,
	    .source_fileid = source ? source->fileid : 0,
	    .source_change = source ? source->change : 0,
	};
}

bool origin_same_bytes(const struct origin_version *a,
		       const struct origin_version *b)
{
	if (a->side == b->side && a->fileid == b->fileid)
		return true;
	return a->has_source && b->has_source &&
	       a->source_fileid == b->source_fileid &&
	       a->source_change == b->source_change;
}
