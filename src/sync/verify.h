/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify - the comparison of both whole trees, metadata included, that
 * --verify=all ends with and `efsbridge verify` consists of. Both sides are
 * listed and read again; what the manifest says is not relied on. Nothing is
 * changed on either.
 *
 * Scanners and lanes do it, as they do a copy, while engine.comparing is set:
 *
 *   verify_scan.c   what listings tell: kinds missing, extra, type, size,
 *		     and the attributes
 *   verify.c        contents of small files, targets of symlinks
 *   verify_large.c  contents of large files
 *
 * A difference is named, counted, and recorded as a failure, so that the next
 * run compares and copies the entry. After a copy, what the source has changed
 * since then is none: the next run sees to it anyway.
 *
 * Thread rule: as the scanner or lane that calls.
 */
#ifndef SYNC_VERIFY_H
#define SYNC_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "nfs/attr.h"
#include "sync/side.h"

struct dirnode;
struct engine;
struct item;
struct lane;
struct manifest_reader;
struct scanner;
struct subdirectory;
struct volume_entry;
struct work;

/* How often an entry that changes while it is read is begun anew. */
#define VERIFY_TRIES 4

/* --- Scanners ------------------------------------------------------------ */

/* Compares an entry of the source with the destination's, which `there` says,
 * `there->entry` aside; takes what it needs out of both. 0, 1 when it is a
 * directory to be entered, or a negative errno. */
int verify_entry(struct scanner *s, struct volume_entry *entry,
		 struct subdirectory *there);

/* What is left in the join: only the destination has it. */
void verify_extra(struct scanner *s);

/* The attributes of both roots. */
void verify_root(struct engine *e);

/* --- Lanes --------------------------------------------------------------- */

/* Each ends all items of the work. */
void verify_small(struct lane *l, struct work *w);
void verify_special(struct lane *l, struct work *w);
void verify_large(struct lane *l, struct item *i); /* verify_large.c */

/*
 * Looks both names up again after what was read did not fit together: true
 * when there is something to be compared anew, else the item has ended.
 */
bool verify_again(struct lane *l, struct item *i);

/* Adds the entry to the digest of both trees, as far as each has it, when
 * somebody asks for those. `attr` and `content` have one for each side;
 * the latter is NULL for what has none. */
void verify_sum(struct engine *e, const struct dirnode *d, const char *name,
		const struct attr *attr, const struct digest *content);

/* Ends the item; it differs in `i->differs`, or not at all. */
void verify_end(struct lane *l, struct item *i);

/* Counts and names a difference that is one, and records it: true. Not one is
 * what the source has changed since a copy, or what was to be left. */
bool verify_record(struct engine *e, struct manifest_reader *reader,
		   struct dirnode *d, const char *name,
		   const struct attr *source, uint32_t kinds);

/* Is the difference not one? */
bool verify_excuses(struct engine *e, struct manifest_reader *reader,
		    const struct dirnode *d, const char *name,
		    const struct attr *source, uint32_t kinds);

/* Counts and names it, also in the report, without a record. `attr` is of the
 * source, or of what only the destination has; may be NULL. */
void verify_say(struct engine *e, const char *path, const struct attr *attr,
		uint32_t kinds);

#endif
