/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the operations share and no other module of the view owns. */
#include "view/core.h"

#include "base/clock.h"
#include "nfs/attr.h"
#include "sync/manifest.h"
#include "view/health.h"
#include "view/node.h"
#include "view/notify.h"
#include "view/readers.h"
#include "volume/volume.h"

struct manifest_reader *view_get_reader(struct view *v)
{
	return v->readers ? readers_get(v->readers) : NULL;
}

void view_put_reader(struct view *v, struct manifest_reader *r)
{
	if (v->readers)
		readers_put(v->readers, r);
}

/* The id of a directory whose parent's is `parent`, asked for and noted; 0:
 * none. */
static uint64_t find_id(struct view *v, struct manifest_reader *r,
			struct node *directory, uint64_t epoch, uint64_t parent)
{
	uint64_t id = MANIFEST_ROOT;

	if (directory->parent &&
	    manifest_find_directory(r, parent, directory->name, &id) <= 0)
		return 0;
	node_put_manifest_id(v->nodes, directory, epoch, id);
	if (v->notify)
		notify_know(v->notify, id, directory->id);
	return id;
}

uint64_t view_manifest_id(struct view *v, struct manifest_reader *r,
			  struct node *directory)
{
	/* Read before the ids are asked for: one that is dropped meanwhile is
	 * of an older epoch. */
	uint64_t epoch = manifest_get_epoch(v->setup.manifest);
	uint64_t id = node_get_manifest_id(v->nodes, directory, epoch);

	/* Downwards from the nearest ancestor that is known, one at a time: a
	 * path may be longer than a stack is deep. */
	while (id == 0) {
		struct node *n = directory;
		uint64_t parent = 0;

		while (n->parent && !(parent = node_get_manifest_id(
					  v->nodes, n->parent, epoch)))
			n = n->parent;
		id = find_id(v, r, n, epoch, parent);
		if (id == 0)
			return 0;
		if (n != directory)
			id = 0;
	}
	return id;
}

void view_start(struct view *v, enum side side, struct volume_call *call)
{
	health_start(v->health, side, call);
}

static mode_t type_bits(enum entry_type type)
{
	switch (type) {
	case ENTRY_DIRECTORY:
		return S_IFDIR;
	case ENTRY_SYMLINK:
		return S_IFLNK;
	case ENTRY_FIFO:
		return S_IFIFO;
	case ENTRY_SOCKET:
		return S_IFSOCK;
	case ENTRY_BLOCK:
		return S_IFBLK;
	case ENTRY_CHAR:
		return S_IFCHR;
	case ENTRY_NONE:
	case ENTRY_FILE:
		break;
	}
	return S_IFREG;
}

void view_fill_stat(const struct view *v, const struct attr *a, uint64_t inode,
		    struct stat *ret)
{
	(void)v;
	*ret = (struct stat){
	    .st_ino = inode,
	    .st_mode = type_bits(a->type) | (a->mode & 07777),
	    /* How many directories a merged one holds is not known without
	     * listing it: 1 says so to find(1) and its like. */
	    .st_nlink = a->type == ENTRY_DIRECTORY ? 1 : a->nlink,
	    .st_uid = a->uid,
	    .st_gid = a->gid,
	    .st_size = (off_t)a->size,
	    .st_blksize = VOLUME_RANGE,
	    .st_blocks =
		(blkcnt_t)(a->space_used / 512 + (a->space_used % 512 != 0)),
	    .st_atim = clock_split_ns(a->atime_ns),
	    .st_mtim = clock_split_ns(a->mtime_ns),
	    .st_ctim = clock_split_ns(a->ctime_ns),
	};
}
