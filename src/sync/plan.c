/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table, for entries that are on the source and not devices:
 *
 *   destination	record holds	=> action
 *   -----------	------------	   ------
 *   absent		any		copy (directory: enter)
 *   other type		any		copy, replace
 *   size differs	any		copy
 *   mtime differs	any		compare, unless times are not preserved
 *   same		yes		unchanged, or metadata if these differ
 *   same		no		compare
 *   same, but another	any		compare
 *   object than was
 *   recorded
 *
 * A file that was only touched, on either side, then gets its time back
 * without its content being written. "Same" is size and mtime. FIFOs and
 * sockets have no content: there compare means metadata or unchanged.
 * Directories are always entered; their attributes are set after their last
 * child, by the one who finishes them.
 *
 * What is one object with other names on the destination, but not on the
 * source, cannot be given attributes without theirs changing: it is copied.
 *
 * This is what the entry needs. Then the options have their word: what is to
 * be protected and is there is left alone unless nothing would be done to it,
 * and compared only where its attributes agree, since else it differs anyway.
 */
#include "sync/plan.h"

#include <stddef.h>

#include "sync/difference.h"

uint32_t plan_attr_differs(const struct attr *a, const struct attr *b,
			   uint32_t preserve)
{
	uint32_t differs = 0;

	if (a->type != ENTRY_SYMLINK && a->mode != b->mode)
		differs |= ATTR_SET_MODE;
	if (a->uid != b->uid)
		differs |= ATTR_SET_UID;
	if (a->gid != b->gid)
		differs |= ATTR_SET_GID;
	if (a->mtime_ns != b->mtime_ns)
		differs |= ATTR_SET_MTIME;
	return differs & preserve;
}

bool plan_row_holds(const struct manifest_row *row, const struct attr *source)
{
	return row && row->type == source->type &&
	       (row->state == STATE_COPIED || row->state == STATE_VERIFIED) &&
	       row->source.fileid == source->fileid &&
	       row->source.size == source->size &&
	       row->source.mtime_ns == source->mtime_ns &&
	       row->source.ctime_ns == source->ctime_ns &&
	       row->source.change == source->change;
}

static bool has_content(const struct attr *a)
{
	return a->type == ENTRY_FILE || a->type == ENTRY_SYMLINK;
}

/* The source and the destination are of one type with equal size and, where
 * times are preserved, equal mtime. */
static struct plan plan_same(const struct attr *source,
			     const struct attr *destination,
			     const struct manifest_row *row,
			     const struct plan_options *options)
{
	struct plan p = {.action = PLAN_UNCHANGED};

	p.differs = plan_attr_differs(source, destination, options->preserve);
	if (has_content(source) && !plan_row_holds(row, source)) {
		p.action = PLAN_COMPARE;
		p.reason = row && row->state != STATE_FAILED
			       ? REASON_SOURCE
			       : REASON_NOT_RECORDED;
	} else if (has_content(source) &&
		   row->destination_fileid != destination->fileid) {
		p.action = PLAN_COMPARE;
		p.reason = REASON_DESTINATION;
	} else if (p.differs) {
		p.action = PLAN_METADATA;
		p.reason = REASON_ATTRIBUTES;
	}
	return p;
}

/* Whether the row is of a verified copy that the destination still has, as
 * far as its attributes tell, and need not be read to be believed. */
static bool is_trusted(const struct attr *destination,
		       const struct manifest_row *row,
		       const struct plan_options *options)
{
	return row && row->state == STATE_VERIFIED && row->has_digest &&
	       row->destination_fileid == destination->fileid &&
	       row->source.size == destination->size &&
	       (!(options->preserve & ATTR_SET_MTIME) ||
		row->source.mtime_ns == destination->mtime_ns);
}

static struct plan copy_because(enum plan_reason reason)
{
	return (struct plan){.action = PLAN_COPY, .reason = reason};
}

/* What the entry needs, whatever may be done to it. */
static struct plan plan_need(const struct attr *source,
			     const struct attr *destination,
			     const struct manifest_row *row,
			     const struct plan_options *options)
{
	struct plan p;

	if (!destination) {
		p = copy_because(REASON_NEW);
	} else if (destination->type != source->type) {
		p = copy_because(REASON_TYPE);
		p.replace = true;
	} else if (source->type == ENTRY_DIRECTORY) {
		p = (struct plan){.differs = plan_attr_differs(
				      source, destination, options->preserve)};
	} else if (has_content(source) && source->size != destination->size) {
		p = copy_because(REASON_SIZE);
	} else if (has_content(source) &&
		   (options->preserve & ATTR_SET_MTIME) &&
		   source->mtime_ns != destination->mtime_ns) {
		p = (struct plan){.action = PLAN_COMPARE,
				  .reason = REASON_MTIME,
				  .differs = plan_attr_differs(
				      source, destination, options->preserve)};
	} else {
		p = plan_same(source, destination, row, options);
		p.trusted = is_trusted(destination, row, options);
	}
	if (source->type == ENTRY_DIRECTORY)
		p.action = PLAN_ENTER;
	else if (p.differs && source->nlink <= 1 && destination->nlink > 1)
		p = copy_because(REASON_LINKED);
	return p;
}

/* What an earlier try wrote and found bad when it was read back is not the
 * user's. What a comparison of the trees found may be. */
static bool is_our_failure(const struct manifest_row *row)
{
	return row && row->state == STATE_FAILED &&
	       row->phase == PHASE_VERIFY && !difference_of_error(row->error);
}

/* What becomes of it where the destination's is not to be touched. */
static struct plan plan_protected(struct plan need)
{
	need.protect = true;
	if (need.action == PLAN_COPY || need.action == PLAN_METADATA ||
	    need.replace || (need.action == PLAN_COMPARE && need.differs))
		need.action = PLAN_LEAVE;
	return need;
}

struct plan plan_entry(const struct attr *source,
		       const struct attr *destination,
		       const struct manifest_row *row,
		       const struct plan_options *options)
{
	struct plan p;

	if (!source) {
		p = (struct plan){.action =
				      destination ? PLAN_KEEP : PLAN_NOTHING};
		return p;
	}
	if (source->type == ENTRY_NONE || source->type == ENTRY_BLOCK ||
	    source->type == ENTRY_CHAR)
		return (struct plan){.action = PLAN_SKIP};
	p = plan_need(source, destination, row, options);
	if (destination && options->protect && !is_our_failure(row) &&
	    (p.action != PLAN_ENTER || p.replace))
		return plan_protected(p);
	if (destination && options->copy_all && p.action != PLAN_ENTER &&
	    p.action != PLAN_COPY)
		return copy_because(REASON_ALL);
	return p;
}

const char *plan_action_name(enum plan_action action)
{
	switch (action) {
	case PLAN_NOTHING:
		return "nothing";
	case PLAN_KEEP:
		return "keep";
	case PLAN_SKIP:
		return "skip";
	case PLAN_LEAVE:
		return "leave";
	case PLAN_UNCHANGED:
		return "unchanged";
	case PLAN_METADATA:
		return "metadata";
	case PLAN_COMPARE:
		return "compare";
	case PLAN_COPY:
		return "copy";
	case PLAN_ENTER:
		return "enter";
	}
	return "?";
}

const char *plan_reason_text(enum plan_reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return "";
	case REASON_NEW:
		return "not on the destination";
	case REASON_TYPE:
		return "another type on the destination";
	case REASON_SIZE:
		return "sizes differ";
	case REASON_MTIME:
		return "modification times differ";
	case REASON_SOURCE:
		return "source changed since it was recorded";
	case REASON_DESTINATION:
		return "another object took its place on the destination";
	case REASON_NOT_RECORDED:
		return "no record of a finished copy";
	case REASON_ATTRIBUTES:
		return "attributes differ";
	case REASON_LINKED:
		return "linked to other names on the destination only";
	case REASON_ALL:
		return "everything is copied";
	}
	return "?";
}
