/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plan - the decision for one entry, from the source entry, the destination
 * entry and the manifest's row: a pure function.
 *
 * What makes a file "unchanged": size, mtime, mode, uid and gid equal on both
 * sides, and the source's ctime, change counter and file id equal to what the
 * manifest recorded when it was copied. A change of content that kept size
 * and mtime is thus seen.
 *
 * Where size and mtime agree but the record does not (or there is none: the
 * destination was filled by another program; or it speaks of another object on
 * the destination: a backup was put back), the contents are compared and copied
 * only when they differ.
 *
 * What a run may do is narrowed and widened by two options: under
 * --transfer-mode=all everything is copied again, under --overwrite=never
 * nothing that the destination has is touched, which wins over the other. A
 * directory is no obstacle: it is entered, and its attributes follow the
 * source's.
 *
 * Thread rule: pure.
 */
#ifndef SYNC_PLAN_H
#define SYNC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/attr.h"
#include "sync/manifest.h"

enum plan_action {
	PLAN_NOTHING,   /* neither side has it */
	PLAN_KEEP,      /* only the destination has it: kept */
	PLAN_SKIP,      /* a kind that is never copied: a device */
	PLAN_LEAVE,     /* it differs, but must not be overwritten */
	PLAN_UNCHANGED, /* nothing to do */
	PLAN_METADATA,  /* set attributes, leave the content */
	PLAN_COMPARE,   /* read the content, copy it when it differs */
	PLAN_COPY,      /* make or replace it */
	PLAN_ENTER,     /* a directory: go into it, attributes at its end */
};

enum plan_reason {
	REASON_NONE,
	REASON_NEW,          /* not on the destination */
	REASON_TYPE,         /* another type on the destination */
	REASON_SIZE,         /* sizes differ */
	REASON_MTIME,        /* modification times differ */
	REASON_SOURCE,       /* the source changed since it was recorded */
	REASON_DESTINATION,  /* the destination has another object there than
				what was copied */
	REASON_NOT_RECORDED, /* the manifest does not know it, or that it failed
			      */
	REASON_ATTRIBUTES,   /* only mode, owner, group differ */
	REASON_LINKED,       /* one object with other names there, not here,
			      * and attributes differ */
	REASON_ALL,          /* --transfer-mode=all copies everything */
};

struct plan_options {
	uint32_t preserve; /* ATTR_SET_MODE, _UID, _GID, _MTIME: what has to
			      agree, as far as this run may set it */
	bool copy_all;     /* --transfer-mode=all */
	bool protect;      /* --overwrite=never */
};

struct plan {
	enum plan_action action;
	enum plan_reason reason;
	uint32_t differs; /* ATTR_SET_* that must be set when the content is
			     left as it is */
	bool replace;     /* what the destination has must go first */
	bool trusted;     /* to be compared: the record of a verified copy
			     stands for the destination's content */
	bool protect;     /* what the destination has stays: to be left when a
			     comparison finds that it differs */
};

/*
 * `source` and `destination` are NULL when the side has no such entry; `row`
 * is NULL when the manifest has none.
 */
struct plan plan_entry(const struct attr *source,
		       const struct attr *destination,
		       const struct manifest_row *row,
		       const struct plan_options *options);

/* Which of the `preserve` attributes differ between the two; the mode of
 * symlinks means nothing and never differs. */
uint32_t plan_attr_differs(const struct attr *a, const struct attr *b,
			   uint32_t preserve);

/* True when `row` describes a finished copy of just this source version. */
bool plan_row_holds(const struct manifest_row *row, const struct attr *source);

const char *plan_action_name(enum plan_action action);
const char *plan_reason_text(enum plan_reason reason);

#endif
