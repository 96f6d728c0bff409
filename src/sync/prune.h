/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prune - removes what only the destination has: --deleted=remove.
 *
 * While the tree is scanned, what a directory of the destination has beyond
 * the source's is noted, in a spill; a directory counts only if both its
 * listings came to their end without an error. When all is copied and what
 * failed was tried again, what was noted is removed, if it is not more than
 * --max-delete allows: else nothing is.
 *
 * Before a name goes it is looked up again on both sides: the source must
 * still lack it, and the destination must have the object that was noted.
 * Never removed are what a filter hides, and other file systems; a directory
 * with such a thing in it stays.
 *
 * Thread rule: prune_note*() from scanners, each for its directory; the rest
 * from the engine's thread.
 */
#ifndef SYNC_PRUNE_H
#define SYNC_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

struct attr;
struct engine;
struct handle;
struct prune;
struct scanner;

/* 0 or negative errno. */
int prune_new(struct engine *e, struct prune **ret);
struct prune *prune_free(struct prune *p);

/*
 * In the scanner's directory stands a directory in the way of something else:
 * it goes, with all that is in it, and what failed because of it is tried once
 * more.
 */
void prune_note_obstacle(struct scanner *s, const char *name,
			 const struct attr *attr, const struct handle *handle);

/* Both listings of the scanner's directory have ended well: notes what is left
 * in the join, and that what was noted before counts. */
void prune_note(struct scanner *s);

/* Removes what was noted; in a dry run prints it. Waits until the directories
 * concerned have their attributes again. */
void prune_run(struct engine *e);

/* Were directories removed that stood in the way of something? */
bool prune_made_way(const struct prune *p);

/* Was there more to be removed than is allowed? */
bool prune_is_refused(const struct prune *p);

/* How many entries could not be removed. */
uint64_t prune_get_failed(const struct prune *p);

#endif
