/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest - the SQLite database of a task: what each side held when an entry
 * was last copied and verified, executions, partial large files.
 *
 * The schema is a promise to users and documented in efsbridge-manifest(5).
 * Rows are written by one writer thread in transactions of thousands; callers
 * only queue them. Each scanning thread reads through a reader of its own (a
 * second SQLite connection), which sees what was committed when it asks.
 *
 * A row is put only after what it says has become true on the destination:
 * losing rows in a crash costs work, never truth.
 *
 * Thread rule: manifest_put_*() and manifest_flush() from any thread; a
 * reader belongs to one thread.
 */
#ifndef SYNC_MANIFEST_H
#define SYNC_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "nfs/attr.h"
#include "sync/side.h"

struct manifest;
struct manifest_reader;

/* The id of the root directory; 0 is never a directory. */
#define MANIFEST_ROOT 1

enum entry_state {
	STATE_NONE,     /* no row */
	STATE_COPIED,   /* whole on the destination, not read back */
	STATE_VERIFIED, /* read back from the destination, equal */
	STATE_FAILED,   /* see error and phase */
	STATE_SKIPPED,  /* not copied on purpose (device, ..), see error */
};

/* What was going on when an entry failed. */
enum entry_phase {
	PHASE_NONE,
	PHASE_LIST, /* of the source; the destination's belongs to writing */
	PHASE_READ,
	PHASE_WRITE,
	PHASE_METADATA,
	PHASE_VERIFY,
};

/* struct manifest_row.flags */
#define ROW_UNLINKED                                                           \
	0x1u              /* a hard link copied, or linked to such a copy: the \
			   * link limit was reached */
#define ROW_NO_OWNER 0x2u /* owner or group could not be set */
#define ROW_NO_MODE  0x4u /* mode could not be set as it is */
#define ROW_NO_TIMES 0x8u /* times could not be set */

/* One entry. `name` is borrowed. The root's own row has directory
 * MANIFEST_ROOT and the name "". */
struct manifest_row {
	uint64_t directory;
	const char *name;
	enum entry_state state;
	enum entry_type type;
	uint32_t flags;
	/* The source as it was when it was copied (or when it failed). */
	struct attr source; /* size, mode, uid, gid, times, change, fileid,
			       nlink; fsid and space_used are not kept */
	uint64_t destination_fileid;
	bool has_digest; /* files and symlinks (of the target) */
	struct digest digest;
	int error; /* negative errno, 0 if none; or sync/difference.h */
	enum entry_phase phase;
	uint64_t execution;
};

/* How far a large file got: the first `done_bytes` are durable in temp_name
 * and have this digest. */
struct manifest_partial {
	uint64_t directory;
	char name[256];
	char temp_name[256];
	struct attr source; /* the version that was being copied */
	uint64_t done_bytes;
	struct digest digest; /* of the first done_bytes */
};

struct manifest_execution {
	uint64_t id;         /* 1, 2, ... within the task */
	int64_t started_ns;  /* wall clock */
	int64_t ended_ns;    /* 0: still running, or killed */
	const char *status;  /* "RUNNING", "SUCCESS", "ERROR", "CANCELLED",
			      "TIME_LIMIT" */
	const char *summary; /* JSON: options and counters */
};

/*
 * Opens or makes `<directory>/manifest.db`, brings an older schema up to
 * date, checks that it belongs to this pair of locations (canonical texts;
 * else -EUCLEAN and words), and starts the writer. A newer or damaged
 * database is refused in words and left alone. The caller holds the task's
 * lock (sync/task.h). On failure `error` says what to do.
 */
int manifest_open(const char *directory, const char *source,
		  const char *destination, struct manifest **ret, char *error,
		  size_t error_size);

/* Writes what is queued, checkpoints, closes; readers are freed before.
 * Returns the first error that the writer met, if any. NULL is let through. */
int manifest_close(struct manifest *m);

/*
 * Queue a row or a partial (whole copies are made); waits while 8 MiB are
 * queued. 0, -ENOMEM, or -EINVAL, -ENAMETOOLONG for what no row can hold
 * (a failure without error, ..); an error of the writer thread (disk full,
 * ..) is returned by every later put.
 */
int manifest_put(struct manifest *m, const struct manifest_row *row);
int manifest_put_partial(struct manifest *m, const struct manifest_partial *p);
int manifest_drop(struct manifest *m, uint64_t directory, const char *name);

/*
 * Forgets an entry, its partial, and all below it if it is a directory; their
 * ids mean nothing afterwards. For a directory that is no longer one: without
 * this its rows stay. Flush before the same name is given to
 * manifest_directory() again.
 */
int manifest_drop_tree(struct manifest *m, uint64_t directory,
		       const char *name);
/* Drops the rows of all names of the hard link that has this file id on the
 * destination. */
int manifest_drop_links(struct manifest *m, uint64_t destination_fileid);
int manifest_drop_partial(struct manifest *m, uint64_t directory,
			  const char *name);

/* Waits until all that was put before is committed. */
int manifest_flush(struct manifest *m);

/* A new execution with status RUNNING; earlier ones that still say so were
 * killed and become "INTERRUPTED". Takes started_ns (0: now) and summary
 * (NULL: "") from `ret`, sets its id and started_ns. Committed on return. */
int manifest_begin(struct manifest *m, struct manifest_execution *ret);

/* The id that the next manifest_begin() gives. */
uint64_t manifest_next_execution(struct manifest *m);

/* Its end: status, ended_ns (0: now), summary; it and all that was put before
 * are on the disk on return (synchronous=FULL). */
int manifest_end(struct manifest *m, const struct manifest_execution *e);

/*
 * The inode numbers of both roots, as a run has met them: by these the next
 * one tells that what it finds there is something else, mostly because a side
 * is not mounted. Committed on return.
 */
int manifest_put_roots(struct manifest *m, const uint64_t fileid[SIDES]);

/*
 * Opens the manifest in `directory` only to be read, beside a process that may
 * be writing it: nothing can be put. -ENOENT when there is none; closed with
 * manifest_close().
 */
int manifest_open_read(const char *directory, struct manifest **ret,
		       char *error, size_t error_size);

/*
 * Lets `committed` be called on the writer's thread for each row that was put
 * or dropped, once that is committed and readers see it; it must not block
 * or call the manifest. `name` "" is the directory's own row. For a tree that
 * is dropped it is called for its root only. NULL: for nothing; on return the
 * one before is not called any more.
 */
typedef void manifest_watch(void *user, uint64_t directory, const char *name);
void manifest_set_watch(struct manifest *m, manifest_watch *committed,
			void *user);

/* Counts up whenever a tree was dropped: directory ids from before may mean
 * nothing any more and have to be found again. */
uint64_t manifest_get_epoch(const struct manifest *m);

/* NULL when out of memory, or of file descriptors (three each). */
struct manifest_reader *manifest_reader_new(struct manifest *m);
struct manifest_reader *manifest_reader_free(struct manifest_reader *r);

/*
 * Between the two all answers are of one moment, and each costs half: for many
 * questions in a row. It must not last, since it holds checkpoints back, and
 * new directories are not to be asked for: manifest_directory() would give one
 * that was committed since a second id. To begin again changes nothing, nor
 * does a begin without success, nor an end without a begin.
 */
int manifest_reader_begin(struct manifest_reader *r);
void manifest_reader_end(struct manifest_reader *r);

/*
 * The id of directory `name` in directory `parent`; a new one is made and
 * queued for writing. `path` is its path from the root ("a/b"), for the
 * record. Asking twice gives the same id, also before it is committed.
 */
int manifest_directory(struct manifest_reader *r, uint64_t parent,
		       const char *name, const char *path, uint64_t *ret_id);

/* The id of directory `name` in directory `parent` if the manifest has one
 * that is committed: 1 found, 0 none, negative error. Makes nothing. */
int manifest_find_directory(struct manifest_reader *r, uint64_t parent,
			    const char *name, uint64_t *ret_id);

/* The row of one entry: 1 found, 0 none, negative error. The name in `ret`
 * is the caller's pointer `name`. */
int manifest_get(struct manifest_reader *r, uint64_t directory,
		 const char *name, struct manifest_row *ret);

/* What manifest_put_roots() was given last: 1 found, 0 none, negative error. */
int manifest_get_roots(struct manifest_reader *r, uint64_t ret_fileid[SIDES]);

/* Likewise for the partial of a large file. */
int manifest_get_partial(struct manifest_reader *r, uint64_t directory,
			 const char *name, struct manifest_partial *ret);

/* Calls `each` with the temporary name (and its directory's path) of every
 * partial: what must not be swept as stale. */
int manifest_each_partial(struct manifest_reader *r,
			  int (*each)(const char *path,
				      const struct manifest_partial *p,
				      void *user),
			  void *user);

/*
 * Calls `each` for each directory that has entries with state FAILED of
 * execution `execution` (0: of any), parents before children: what a retry has
 * to visit. `path` is from the root, "" for it. Here and below a result of
 * `each` other than 0 ends the calls and is returned.
 */
int manifest_each_failed_directory(struct manifest_reader *r,
				   uint64_t execution,
				   int (*each)(const char *path, void *user),
				   void *user);

/* Calls `each` for each failed entry of `execution` (0: of any), at most `max`;
 * `path` is its directory's. */
int manifest_each_failed(
    struct manifest_reader *r, uint64_t execution, size_t max,
    int (*each)(const char *path, const struct manifest_row *row, void *user),
    void *user);

/* How many entries are failed, of any execution; counts no further than `max`,
 * since each one takes a microsecond. */
int manifest_count_failed(struct manifest_reader *r, uint64_t max,
			  uint64_t *ret);

/*
 * Calls `each` for names recorded as done of the hard link that has this file
 * id on the source, at most `max`; a positive return ends it and is returned.
 */
int manifest_each_link(struct manifest_reader *r, uint64_t source_fileid,
		       size_t max,
		       int (*each)(const char *path,
				   const struct manifest_row *row, void *user),
		       void *user);

/*
 * Calls `each` for executions with ids below `before` (0: all), the newest
 * first, at most `max`. Strings live during the call.
 */
int manifest_each_execution(
    struct manifest_reader *r, uint64_t before, size_t max,
    int (*each)(const struct manifest_execution *e, void *user), void *user);

/* One execution: 1 and heap strings (status and summary, the caller's to
 * free), 0 none, negative error. */
int manifest_get_execution(struct manifest_reader *r, uint64_t id,
			   struct manifest_execution *ret);

const char *entry_state_name(enum entry_state state); /* "verified" */
const char *entry_phase_name(enum entry_phase phase); /* "write" */
const char *entry_type_name(enum entry_type type);    /* "directory" */

#endif
