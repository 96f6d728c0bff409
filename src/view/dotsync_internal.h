/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dotsync_internal - the .sync tree from the inside. Only dotsync*.c include
 * this.
 *
 *   dotsync.c          nodes: lookup, getattr, setattr
 *   dotsync_dir.c      directories
 *   dotsync_file.c     open files, the log
 *   dotsync_text.c     what is in a file, made and kept for a moment
 *   dotsync_control.c  commands
 *
 * A node is its id: NODE_VIRTUAL, the execution (in history/, else 0) and the
 * kind. So there is nothing to count, to forget or to run out of, and st_ino
 * is the same in every mount.
 */
#ifndef VIEW_DOTSYNC_INTERNAL_H
#define VIEW_DOTSYNC_INTERNAL_H

#include "view/dotsync.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum dotsync_kind {
	DOTSYNC_ROOT, /* .sync itself */
	DOTSYNC_CONTROL,
	DOTSYNC_DASHBOARD,
	DOTSYNC_ERRORS,
	DOTSYNC_HISTORY, /* the directory */
	DOTSYNC_LOG,
	DOTSYNC_METRICS,
	DOTSYNC_STATUS,
	DOTSYNC_STATUS_JSON,
	DOTSYNC_TASK_JSON,
	DOTSYNC_TRANSFERRING,
	DOTSYNC_EXECUTION, /* history/<execution>/ */
	DOTSYNC_SUMMARY,   /* history/<execution>/summary.json */
	DOTSYNC_KINDS,
};

struct dotsync_node {
	enum dotsync_kind kind;
	uint64_t execution; /* of EXECUTION and SUMMARY; else 0 */
};

/* What does not depend on the node's execution. */
struct dotsync_entry {
	const char *name; /* NULL: the root, an execution */
	enum dotsync_kind parent;
	mode_t mode;
};
extern const struct dotsync_entry dotsync_entries[DOTSYNC_KINDS];

/* A text, shared by those who have the file open. */
struct dotsync_text {
	_Atomic unsigned references;
	uint64_t execution;
	int64_t made_ns;  /* monotonic */
	int64_t mtime_ns; /* wall clock */
	size_t size;
	char *data;
};

struct dotsync {
	struct view *view; /* borrowed */
	uid_t uid;         /* of who mounts: owns all */
	gid_t gid;
	int64_t mounted_ns; /* wall clock */

	/* The last text of each kind, guarded by `lock` (a leaf). */
	pthread_mutex_t lock;
	struct dotsync_text *kept[DOTSYNC_KINDS];
};

/* The largest execution that an id has room for. */
#define DOTSYNC_EXECUTION_MAX ((UINT64_C(1) << 56) - 1)

fuse_ino_t dotsync_id(struct dotsync_node n);

/* False: no such node. */
bool dotsync_node_of(fuse_ino_t ino, struct dotsync_node *ret);

/* Its stat, as far as it is known without making its text. */
void dotsync_fill_stat(const struct dotsync *d, struct dotsync_node n,
		       struct stat *ret);

/*
 * The text of a file that is made of a picture (or of the words of control),
 * with a reference for the caller. -ENOENT: the manifest knows no such
 * execution; -ENOMEM; others from the manifest.
 *
 * One that was made a moment ago is given again, so that what stat(2) says of
 * the size is true of what open(2) then finds, and so that whoever asks in a
 * loop costs little.
 */
int dotsync_text_get(struct dotsync *d, struct dotsync_node n,
		     struct dotsync_text **ret);
struct dotsync_text *dotsync_text_drop(struct dotsync_text *t);

/* From now on texts are made anew. */
void dotsync_text_forget(struct dotsync *d);

/* Obeys what was written to control. 0, or a negative errno after a message in
 * the log; what stood before the command that failed has been done. */
int dotsync_obey(struct view *v, uid_t uid, const char *text, size_t size);

#endif
