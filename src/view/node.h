/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * node - what the kernel knows of the view: one node for each path that it
 * looked up and has not forgotten.
 *
 * A node is a path (its parent and its name) together with the object that
 * was found there. When another object takes the path (another type, another
 * file id that is not merely the copy of it) the path gets a new node and the
 * old one answers ESTALE. Node ids are never used twice while mounted, so the
 * generation number only has to tell one mount from the next.
 *
 * Operations on entries that are not directories go by the parent's handle and
 * the name; only directories keep handles, one of each side that has one.
 * That keeps a node small (about 100 bytes and its name), and memory
 * proportional to what the kernel caches.
 *
 * Ownership: the table owns the nodes. A node lives while the kernel counts
 * lookups of it, a child refers to it, or somebody holds it.
 * Thread rule: all functions from any thread; one lock, the table's, a leaf.
 * `id`, `parent`, `name` and `type` of a node never change; the rest is
 * guarded by that lock.
 */
#ifndef VIEW_NODE_H
#define VIEW_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "nfs/attr.h"
#include "nfs/handle.h"
#include "sync/side.h"
#include "view/origin.h"

/* The id of the root, as the kernel wants it. */
#define NODE_ROOT 1

/* Ids from here on are those of the .sync tree (view/dotsync.h). */
#define NODE_VIRTUAL (UINT64_C(1) << 62)

struct node_table;

/* What only directories have. */
struct node_directory {
	struct handle *handle[SIDES]; /* NULL: not there, or not known */
	int64_t refreshed_ns;         /* when both were last asked for; 0: only
					 one answered */
	uint64_t manifest_id;         /* 0: not known to the manifest (yet) */
	uint64_t manifest_epoch;      /* manifest_get_epoch() it is from */
};

/* What a node has that is open. */
struct node_open {
	unsigned count;   /* of open files */
	struct attr attr; /* of what they read */
};

struct node {
	LIST_ENTRY(node) by_id;
	LIST_ENTRY(node) by_name; /* only while `linked` */
	uint64_t id;
	struct node *parent; /* held; NULL for the root */
	enum entry_type type;
	bool linked;      /* reachable by its name: not replaced */
	uint64_t inode;   /* st_ino */
	uint64_t lookups; /* the kernel's count */
	unsigned holds;   /* ours: children, requests, open files */
	/* What the kernel's page cache holds, from the last open. */
	bool opened;
	struct origin_version version;
	struct node_open *open;           /* NULL: no file is open */
	struct node_directory *directory; /* NULL for other types */
	char name[];
};

/* A table with the root in it, whose handles are copied. */
int node_table_new(const struct handle *const root[SIDES], uint64_t root_inode,
		   struct node_table **ret);
/* Frees all nodes, whatever the kernel still counts. */
struct node_table *node_table_free(struct node_table *t);

size_t node_table_count(struct node_table *t);

/* The node with this id, held; NULL: forgotten, or never there. */
struct node *node_get(struct node_table *t, uint64_t id);
void node_hold(struct node_table *t, struct node *n);
struct node *node_drop(struct node_table *t, struct node *n); /* NULL is let
								 through */

/*
 * The node for `name` in `parent` where an object of this type and inode was
 * found, held once; made when there is none or when what was there is another
 * object. `count_lookup` adds one to the kernel's count: for replies that the
 * kernel counts. For a directory the handles are copied, and refreshed_ns
 * becomes `now_ns`. A NULL handle means that the side does not have it; with
 * now_ns 0 only that it is not known, and what was known stays.
 */
int node_enter(struct node_table *t, struct node *parent, const char *name,
	       enum entry_type type, uint64_t inode,
	       const struct handle *const handle[SIDES], int64_t now_ns,
	       bool count_lookup, struct node **ret);

/* The linked node of that name, held, or NULL. */
struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name);

/* One more lookup of a held node that the kernel counts. */
void node_count_lookup(struct node_table *t, struct node *n);

/* The kernel forgot `count` lookups of node `id`. */
void node_forget(struct node_table *t, uint64_t id, uint64_t count);

/*
 * Open files. The kernel keeps the pages and the attributes of a node once for
 * all who have it open, so they all have to read the same bytes. When the path
 * holds others by now (the source was changed while the copy is read), those
 * who come get a node of their own, and who has the old one keeps what he has.
 */

/*
 * A file is opened that has this version and these attributes. `ret_keep`:
 * that is what the page cache holds already. -ESTALE when other files are open
 * that have other bytes: the node lost its name, and the kernel, told so, looks
 * it up again.
 */
int node_open(struct node_table *t, struct node *n,
	      const struct origin_version *version, const struct attr *attr,
	      bool *ret_keep);
void node_close(struct node_table *t, struct node *n);

/* Before node_enter(): `name` has this version. A node that is open with
 * other bytes loses its name. */
void node_separate(struct node_table *t, struct node *parent, const char *name,
		   const struct origin_version *version);

/* True when the node is open with other bytes than `version` (NULL: than
 * nothing): then its attributes are those of what is read. */
bool node_get_open_attr(struct node_table *t, struct node *n,
			const struct origin_version *version, struct attr *ret);

/* What was put for a directory, for as long as `epoch` is the manifest's; 0
 * when nothing was. */
uint64_t node_get_manifest_id(struct node_table *t, struct node *directory,
			      uint64_t epoch);
void node_put_manifest_id(struct node_table *t, struct node *directory,
			  uint64_t epoch, uint64_t manifest_id);

/* A copy of a directory's handle of one side, the caller's; NULL: none (or
 * out of memory: see node_has_handle()). */
struct handle *node_copy_handle(struct node_table *t, struct node *directory,
				enum side side);
bool node_has_handle(struct node_table *t, struct node *directory,
		     enum side side);

/* When both sides were last asked for a directory; 0: one of them did not
 * answer then. */
int64_t node_get_refreshed_ns(struct node_table *t, struct node *directory);

/* The attributes that the root showed last; false when it showed none yet. */
void node_put_root_attr(struct node_table *t, const struct attr *a);
bool node_get_root_attr(struct node_table *t, struct attr *ret);

/* Path from the root without a leading '/', "" for the root. Heap. */
char *node_path(struct node_table *t, const struct node *n);

#endif
