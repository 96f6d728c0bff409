/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * complete - what becomes of an item: three steps on its way that are counted
 * (planned, settled, written), and the ends it can come to. Each end records,
 * counts, releases what waited for the item, drops its directory's pending
 * and frees it.
 *
 * `released` receives the other names of a hard link group whose leader the
 * item was; its owner (a lane or a scanner) carries them on.
 *
 * Thread rule: any thread that has the item; after an end it is gone.
 */
#ifndef SYNC_COMPLETE_H
#define SYNC_COMPLETE_H

#include "sync/item.h"
#include "sync/side.h"

struct engine;

/* Counts the item as one that needs something done, once. This is no end yet:
 * that counts it as through. */
void complete_planned(struct engine *e, struct item *i);

/* What the item is to be has been found on the destination by comparing its
 * content. Only attributes are left: set_metadata(). */
void complete_settled(struct engine *e, struct item *i);

/* It was written under its name and has these attributes; the handle is taken
 * out of `handle`. What is left is to read it back, or complete_done(). */
void complete_written(struct engine *e, struct item *i, const struct attr *attr,
		      struct handle **handle);

/* It was made there as another name of what is there, which was read back or
 * not. As after complete_written(), what is left is complete_done(). */
void complete_linked(struct engine *e, struct item *i, bool verified);

/*
 * It is on the destination as on the source: copied, or found so. The
 * destination's attributes are in attr[DESTINATION], its handle in
 * handle[DESTINATION], the digest in the item.
 */
void complete_done(struct engine *e, struct item *i, enum entry_state state,
		   struct item_list *released);

/* complete_done() of what was copied, read back or not. */
void complete_copied(struct engine *e, struct item *i, bool verified,
		     struct item_list *released);

/*
 * It failed with `error` on `side`. An error that concerns the whole run
 * (engine_stops_for) ends it without a record instead.
 */
void complete_failed(struct engine *e, struct item *i, int error,
		     enum entry_phase phase, enum side side,
		     struct item_list *released);

/*
 * Its object is gone from the source. When its name is gone too, it vanished;
 * when the name is another object's now (replaced by rename, as editors do),
 * it fails and the retry plans what is there.
 */
void complete_missing(struct engine *e, struct item *i,
		      struct item_list *released);

/* The trees were compared, and it has been said and recorded if it differs. */
void complete_compared(struct engine *e, struct item *i, bool equal);

/* A kind that is never copied. */
void complete_skipped(struct engine *e, struct item *i);

/* The destination's differs and may not be overwritten: skipped, too. */
void complete_left(struct engine *e, struct item *i,
		   struct item_list *released);

/* Tells the report of an entry that is left alone on purpose, where there is no
 * item, or there was one. In a directory that is visited again it was told. */
void complete_report_skipped(struct engine *e, const struct dirnode *d,
			     const char *name, const struct attr *source,
			     const char *reason);

/* The run is ending: the next one will see to it. */
void complete_abandoned(struct engine *e, struct item *i);

/* Says and records that entry `name` of directory `d` failed, where there is
 * no item. */
void complete_record_failure(struct engine *e, struct dirnode *d,
			     const char *name, const struct attr *source,
			     int error, enum entry_phase phase, enum side side);

/* Likewise directory `d` itself; nobody may change it any more. */
void complete_directory_failure(struct engine *e, const struct dirnode *d,
				int error, enum entry_phase phase,
				enum side side);

#endif
