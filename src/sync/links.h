/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * links - the hard link groups of the source met so far: entries with one
 * fsid and fileid and more than one name.
 *
 * The first name met leads: it is copied like any file. The others wait until
 * the leader's end is known, then they are linked to it on the destination.
 * When the destination's link limit is reached, the name at hand is copied and
 * leads from then on.
 *
 *   state of a group	where it is	names met now
 *   ----------------	-----------	-------------
 *   none		nowhere		lead
 *   under way		in memory	wait
 *   done		in a spill	are ready to be linked
 *
 * Memory: groups under way only, bounded by the work queue and the names that
 * wait for them.
 * Thread rule: any thread.
 */
#ifndef SYNC_LINKS_H
#define SYNC_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "sync/item.h"
#include "sync/manifest.h"

struct links;

/*
 * What the other names of a group need to know of its leader: among it the
 * version of the source that was copied. Another name may have been listed
 * later, when the source had changed: what its own listing says of the source
 * is not what the destination has.
 */
struct link_leader {
	struct handle *handle; /* on the destination; heap, NULL in dry runs */
	struct attr attr[SIDES];
	enum entry_state state;
	uint32_t flags; /* ROW_UNLINKED: not the group's first object */
	bool has_digest;
	struct digest digest;
};

enum links_verdict {
	LINKS_LEAD,  /* the item leads; links_done() or _failed() must follow */
	LINKS_WAIT,  /* the item was taken and comes back from one of these */
	LINKS_READY, /* the leader is done: `ret` is filled */
};

/* The item as a leader; the handle stays the item's. */
struct link_leader links_leader_of(const struct item *item,
				   enum entry_state state);

/* True when the item's name on the destination is the leader's object. */
bool links_is_same(const struct item *item, const struct link_leader *leader);

/* What is recorded of the leader is recorded of the item. */
void links_follow(struct item *item, const struct link_leader *leader);

int links_new(const char *spill_directory, struct links **ret);
struct links *links_free(struct links *l);

/* Negative errno when the spill fails. `ret->handle` is the caller's. */
int links_meet(struct links *l, struct item *item, struct link_leader *ret);

/* The leader of the item's group again: 1, 0 when there is none (any more). */
int links_get(struct links *l, const struct item *item,
	      struct link_leader *ret);

/* The leader is through: `leader` is copied, those that waited are appended
 * to `waiters`. Also used to put another in its place. */
int links_done(struct links *l, const struct item *item,
	       const struct link_leader *leader, struct item_list *waiters);

/* The leader failed or vanished: the group is forgotten, those that waited
 * must be met again. */
void links_failed(struct links *l, const struct item *item,
		  struct item_list *waiters);

#endif
