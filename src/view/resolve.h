/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve - one name of one directory looked up on both sides at the same
 * time and judged by the rule of origin: what lookup, getattr, open, readlink
 * and the extended attributes all begin with.
 *
 * It costs one round trip, of the slower side. The manifest is read first:
 * a record that becomes true meanwhile only delays the switch, and one that
 * becomes false no longer fits what the sides answer. When a side does not
 * answer (view/health.h) and the other one can decide, it does.
 *
 * A directory handle that is gone (-ESTALE), or missing for longer than the
 * attribute timeout, is looked up again in the directory's parent first.
 *
 * Thread rule: resolve_start() from any thread; done() runs on a thread of a
 * backend (or the starter's, or the timer's) and must not block.
 */
#ifndef VIEW_RESOLVE_H
#define VIEW_RESOLVE_H

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/manifest.h"
#include "view/origin.h"

struct node;
struct request;
struct view;

struct resolved {
	int result;                   /* 0, -ENOENT, .. */
	enum side origin;             /* with result 0 */
	uint64_t inode;               /* st_ino */
	struct attr attr;             /* the origin's; see resolve_judge() */
	struct origin_facts facts;    /* facts.row points to `row` or is NULL */
	struct manifest_row row;      /* `name` is not set */
	struct handle *handle[SIDES]; /* of the sides that are PRESENT */
	int error[SIDES]; /* of one that is UNKNOWN; 0: it did not answer */
};

/* Frees the handles. */
void resolved_done(struct resolved *r);

/*
 * The node of what was resolved, result 0, as `name` of `parent`: node_enter()
 * with the handles that a merged directory has, for a file node_separate().
 */
int resolved_enter(struct view *v, struct node *parent, const char *name,
		   const struct resolved *r, bool count_lookup,
		   struct node **ret);

/*
 * Looks `name` up in `directory`; NULL and the root: the root itself. `done`
 * is called once, with the result, which it owns (the struct is freed by
 * resolve after it returned; take handles out by setting them NULL). While it
 * is under way it holds `directory` and one reference of `request`.
 */
void resolve_start(struct view *v, struct node *directory, const char *name,
		   struct request *request,
		   void (*done)(struct resolved *r, struct request *request));

/* The same for a node that is known: by its parent and its name; -ESTALE when
 * the path holds another object than the node (type or inode) by now. */
void resolve_node(struct view *v, struct node *node, struct request *request,
		  void (*done)(struct resolved *r, struct request *request));

/*
 * Judges an entry whose two sides are known already, as from listings. Takes
 * the handles over. `row` may be NULL. result is 0, or -ENOENT for neither,
 * and for what is known to be deleted.
 *
 * A copy whose attributes are those of the record is shown with the source's
 * ctime: so the move of the origin is no change for tar, git and backups.
 */
void resolve_judge(struct resolved *ret, const struct attr *const attr[SIDES],
		   struct handle *handle[SIDES], const struct manifest_row *row,
		   bool removes_deleted);

#endif
