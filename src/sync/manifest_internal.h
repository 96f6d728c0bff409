/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest_internal - what the files of the manifest share.
 *
 *   manifest.c         the public functions that write; the crash rules
 *   manifest_db.c      one connection to SQLite: opening, errors, words
 *   manifest_schema.c  tables, migrations, whose database it is
 *   manifest_row.c     rows to and from statements; checks; names of codes
 *   manifest_run.c     a run of queued rows as a table that SQLite reads
 *   manifest_apply.c   queued items carried out on the database
 *   manifest_writer.c  the queue, the writer thread, new directory ids
 *   manifest_reader.c  the public functions that read
 *   manifest_history.c likewise, executions
 *
 * Only these files include this header.
 */
#ifndef SYNC_MANIFEST_INTERNAL_H
#define SYNC_MANIFEST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sync/manifest.h"

struct sqlite3;
struct sqlite3_context;
struct sqlite3_stmt;

/* The longest name of an entry, in bytes. */
#define MANIFEST_NAME_MAX 255

/* PRAGMA application_id of a manifest: "efsb". */
#define MANIFEST_APPLICATION_ID 0x65667362

/* PRAGMA user_version that this program writes. */
#define MANIFEST_VERSION 2

/* The oldest one that can be read as it is: version 2 has one more status of an
 * execution, nothing else. */
#define MANIFEST_READABLE 1

/* Prepared statements that a reader keeps. */
#define MANIFEST_QUESTIONS 5

/* All flags of struct manifest_row.flags. */
#define ROW_FLAGS (ROW_UNLINKED | ROW_NO_OWNER | ROW_NO_MODE | ROW_NO_TIMES)

/* --- manifest_db.c --- */

/*
 * Opens a connection for one thread at a time, with our settings. The file
 * must exist. On failure too `*ret` may be a connection, which knows the
 * reason; it is closed with manifest_db_close().
 */
int manifest_db_open(const char *path, bool writable, struct sqlite3 **ret);
struct sqlite3 *manifest_db_close(struct sqlite3 *db);

/* The negative errno for what went wrong last on `db`. */
int manifest_db_errno(struct sqlite3 *db);

/* Runs SQL that returns no rows. */
int manifest_db_exec(struct sqlite3 *db, const char *sql);

/* A statement that will be used many times. */
int manifest_db_prepare(struct sqlite3 *db, const char *sql,
			struct sqlite3_stmt **ret);

/* Runs a statement that returns no rows and makes it ready for the next. */
int manifest_db_run(struct sqlite3 *db, struct sqlite3_stmt *stmt);

/* The one integer that `sql` returns; NULL and no row are 0. */
int manifest_db_integer(struct sqlite3 *db, const char *sql, int64_t *ret);

/* A sentence for the user: what is wrong with `path` and what to do. Returns
 * `error_number`. */
int manifest_db_explain(const char *path, struct sqlite3 *db, int error_number,
			char *error, size_t error_size);

/* --- manifest_schema.c --- */

/* Makes or updates the tables, checks whose database it is. */
int manifest_schema_prepare(struct sqlite3 *db, const char *path,
			    const char *source, const char *destination,
			    char *error, size_t error_size);

/* Checks that a manifest that is only read is one that we understand. */
int manifest_schema_check(struct sqlite3 *db, const char *path, char *error,
			  size_t error_size);

/* --- manifest_row.c --- */

/* The columns of an attr, in the order in which they are bound and read. */
#define MANIFEST_ATTR_COLUMNS                         \
	"type, mode, uid, gid, size, nlink, fileid, " \
	"atime_ns, mtime_ns, ctime_ns, change"
#define MANIFEST_ATTR_COUNT 11

#define MANIFEST_ROW_COLUMNS                                       \
	"state, flags, destination_fileid, digest, error, phase, " \
	"execution, " MANIFEST_ATTR_COLUMNS
#define MANIFEST_ROW_COUNT (7 + MANIFEST_ATTR_COUNT)

#define MANIFEST_PARTIAL_COLUMNS \
	"temp_name, done_bytes, digest, " MANIFEST_ATTR_COLUMNS
#define MANIFEST_PARTIAL_COUNT (3 + MANIFEST_ATTR_COUNT)

/* 0 if `name` can be the name of an entry in a directory: not empty, not
 * "." or "..", no '/', at most 255 bytes; else -EINVAL or -ENAMETOOLONG. */
int manifest_check_name(const char *name);

/* 0 if `path` is names with '/' between them, or "". */
int manifest_check_path(const char *path);

/* 0 if the row may be stored: codes in range, a reason if it failed. */
int manifest_check_row(const struct manifest_row *row);
int manifest_check_partial(const struct manifest_partial *p);

/* Binds the key to ?1 and ?2. Strings are borrowed until the next reset. */
void manifest_bind_key(struct sqlite3_stmt *stmt, uint64_t directory,
		       const char *name);

/* Binds to ?first and what follows, in the order of the columns above. */
void manifest_bind_partial(struct sqlite3_stmt *stmt, int first,
			   const struct manifest_partial *p);

/* Reads columns from number `first` on; -EUCLEAN if they make no sense. */
int manifest_read_row(struct sqlite3_stmt *stmt, int first,
		      struct manifest_row *ret);
int manifest_read_partial(struct sqlite3_stmt *stmt, int first,
			  struct manifest_partial *ret);

/* A name and an id, checked. `ret` holds MANIFEST_NAME_MAX + 1 bytes. */
int manifest_read_name(struct sqlite3_stmt *stmt, int column, char *ret);
int manifest_read_id(struct sqlite3_stmt *stmt, int column, uint64_t *ret);

/* A path, checked; it lives until the statement steps on. */
int manifest_read_path(struct sqlite3_stmt *stmt, int column, const char **ret);

/* The key in table `task` of the file id of a side's root. */
const char *manifest_root_key(enum side side);

/* True for a status that an execution can have. */
bool manifest_is_status(const char *status);

/* --- items: what the queue carries --- */

enum manifest_item_kind {
	ITEM_ROW,
	ITEM_PARTIAL,
	ITEM_DIRECTORY,
	ITEM_DROP,
	ITEM_DROP_TREE,
	ITEM_DROP_LINKS, /* `directory` is the file id */
	ITEM_DROP_PARTIAL,
	ITEM_BEGIN,
	ITEM_END,
	ITEM_ROOTS,
};

/* One write, with copies of all its strings behind it. */
struct manifest_item {
	STAILQ_ENTRY(manifest_item) link;  /* in the queue, then the batch */
	LIST_ENTRY(manifest_item) pending; /* ITEM_DIRECTORY: by its key */
	enum manifest_item_kind kind;
	size_t size_bytes;  /* of this allocation */
	uint64_t directory; /* the key; of a directory: its parent */
	const char *name;
	union {
		struct manifest_row row;
		struct manifest_partial *partial;
		struct manifest_execution execution;
		struct {
			uint64_t id;
			const char *path;
		} made;                /* ITEM_DIRECTORY */
		uint64_t roots[SIDES]; /* ITEM_ROOTS: their file ids */
	};
	max_align_t room[]; /* what the pointers above point to */
};

STAILQ_HEAD(manifest_items, manifest_item);

/* Answers with one column of an ITEM_ROW: 0 and 1 are the key, what follows is
 * in the order of MANIFEST_ROW_COLUMNS. Its strings are borrowed. */
void manifest_tell_column(struct sqlite3_context *ret,
			  const struct manifest_item *item, int column);

/* --- manifest_run.c --- */

/* How many rows one statement stores: it keeps a copy of each page that it
 * changes, so this bounds its memory, to 1 MiB. */
#define MANIFEST_RUN_MAX 256

#define MANIFEST_RUN_TABLE "queued"

/* Rows that follow one another in a batch. */
struct manifest_run {
	const struct manifest_item *first; /* all of them ITEM_ROW */
	unsigned count;
};

/* Declares the table on `db`: it holds what is in `run`, which is borrowed
 * until the connection is closed, when a statement begins. */
int manifest_run_declare(struct sqlite3 *db, const struct manifest_run *run);

/* --- manifest_apply.c --- */

struct manifest_apply;

/* The prepared statements of the writer, for connection `db`. */
int manifest_apply_new(struct sqlite3 *db, struct manifest_apply **ret);
struct manifest_apply *manifest_apply_free(struct manifest_apply *a);

/* What a transaction changed beyond what its items say. */
struct manifest_changes {
	bool trees;                     /* directories were dropped */
	struct manifest_items unlinked; /* ITEM_DROP for each row that an
					   ITEM_DROP_LINKS dropped; the
					   caller's to free, in any case */
};

/* Carries out all items in one transaction: all are committed, or none.
 * `durable`: on the disk when this returns. `changes` begins empty. */
int manifest_apply(struct manifest_apply *a, const struct manifest_items *items,
		   bool durable, struct manifest_changes *changes);

/* --- manifest_writer.c --- */

struct manifest_writer;

/* Starts the writer thread on `db`, which it owns from here on, also on
 * failure. `path` is the database, for messages. */
int manifest_writer_start(struct sqlite3 *db, struct manifest_writer **ret);

/* Writes what is queued, ends the thread, closes the database. */
int manifest_writer_stop(struct manifest_writer *w);

/* Queues a copy of the item that `like` describes (its strings are copied,
 * its lists not looked at). */
int manifest_writer_put(struct manifest_writer *w,
			const struct manifest_item *like);

int manifest_writer_flush(struct manifest_writer *w);

/* See manifest_set_watch() and manifest_get_epoch(). */
void manifest_writer_set_watch(struct manifest_writer *w, manifest_watch *watch,
			       void *user);
uint64_t manifest_writer_get_epoch(const struct manifest_writer *w);

/* The id for the next execution, and the one that it will be. */
uint64_t manifest_writer_take_execution(struct manifest_writer *w);
uint64_t manifest_writer_peek_execution(struct manifest_writer *w);

/*
 * The id of a directory that is queued but not yet committed: 1 and the id,
 * or 0 and a ticket: to be shown to manifest_writer_add_directory() once the
 * database was asked as well.
 */
int manifest_writer_find_directory(struct manifest_writer *w, uint64_t parent,
				   const char *name, uint64_t *ret_id,
				   uint64_t *ret_ticket);

/* Gives the directory a new id and queues it, unless another thread just
 * did. -EAGAIN: something was committed since the ticket, start again. */
int manifest_writer_add_directory(struct manifest_writer *w, uint64_t parent,
				  const char *name, const char *path,
				  uint64_t ticket, uint64_t *ret_id);

/* --- manifest_reader.c --- */

struct manifest_reader {
	struct manifest *manifest; /* borrowed */
	struct sqlite3 *db;        /* its own; cannot write */
	struct sqlite3_stmt *stmt[MANIFEST_QUESTIONS];
};

/* Calls `row` for each row of `stmt` until it returns other than 0, and frees
 * the statement. */
int manifest_each_row(struct manifest_reader *r, struct sqlite3_stmt *stmt,
		      int (*row)(struct sqlite3_stmt *stmt, void *user),
		      void *user);

/* --- manifest.c --- */

struct manifest {
	char *path;                     /* of the database */
	struct manifest_writer *writer; /* NULL: only read */
};

#endif
