/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * origin - which side a path of the merged view is served from: the rule of
 * origin, a pure function.
 *
 *   1. the manifest says copied, the source still is what was copied and the
 *	destination has the object that was made then: destination
 *   2. else, the source has it: source
 *   3. else, the destination has it: destination; unless the task removes what
 *	the source has deleted and the manifest says that it was copied: then
 *	it is gone, and the engine will see to it
 *
 * A side that does not answer now is UNKNOWN. What the other side alone can
 * decide is decided: the destination serves what the manifest says is copied
 * (a change of the source cannot be seen while it is down), the source serves
 * whatever it has (rule 1 needs the destination, but both hold the same
 * content then). The rest has to wait.
 *
 * Thread rule: pure.
 */
#ifndef VIEW_ORIGIN_H
#define VIEW_ORIGIN_H

#include <stdbool.h>

#include "nfs/attr.h"
#include "sync/manifest.h"
#include "sync/side.h"

enum presence {
	ABSENT,
	PRESENT,
	UNKNOWN, /* the side does not answer now */
};

enum origin {
	ORIGIN_NONE, /* neither side has it */
	ORIGIN_SOURCE,
	ORIGIN_DESTINATION,
	ORIGIN_WAIT, /* cannot be told before the side that is UNKNOWN answers
		      */
};

/* What is known of one path. */
struct origin_facts {
	enum presence presence[SIDES];
	struct attr attr[SIDES];        /* of a side that is PRESENT */
	const struct manifest_row *row; /* NULL: none */
	bool removes_deleted;           /* the task's option */
};

enum origin origin_choose(const struct origin_facts *f);

/*
 * True when the source, which is PRESENT, serves the path whatever the
 * destination has: its answer need not be waited for. Never for a directory,
 * which is merged.
 */
bool origin_is_source_alone(const struct origin_facts *f);

/*
 * The number that stat(2) shows: the source's file id where the source has the
 * object or, as the row knows, had it when it was copied; so it stays when the
 * origin moves. What only the destination has gets a number of another range.
 * Never 0. `f` as for origin_choose(), which did not say NONE or WAIT.
 */
uint64_t origin_inode(const struct origin_facts *f);

/*
 * What a reader gets who opens the path: the object, and the version of the
 * source that it is, or is a copy of.
 */
struct origin_version {
	enum side side;
	uint64_t fileid;
	uint64_t change;
	bool has_source; /* false: only the destination knows it */
	uint64_t source_fileid;
	uint64_t source_change;
};

/* Of what `side`, the origin, has. */
void origin_version(const struct origin_facts *f, enum side side,
		    struct origin_version *ret);

/* Do both give the same bytes: one object, or a copy and what it is of? */
bool origin_same_bytes(const struct origin_version *a,
		       const struct origin_version *b);

#endif
