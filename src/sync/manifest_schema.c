/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of the manifest, and how they change from version to version.
 *
 * efsbridge-manifest(5) promises this schema to users: a change here is a new
 * version with a step in `migrations`, and a change there.
 *
 * What is found under the name manifest.db is one of
 *
 *   application_id  user_version  tables  what happens
 *   0               0             none    a new file: the tables are made
 *   ours            1..current    any     missing steps are taken
 *   ours            > current     any     refused: made by a newer program
 *   else                                  refused: not a manifest
 *
 * and then belongs to this pair of locations, or is refused. Nothing is
 * written to a database that is refused, its journal mode included. All
 * steps are one transaction: a crash leaves the old version.
 *
 * Names and paths are BLOBs, since any byte but '/' and NUL is legal in them.
 * Columns that hold 64 unsigned bits (fileid, change, ..) show values from
 * 2^63 on as negative: SQLite knows no larger integers.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "sync/difference.h"

/* The numbers are on users' disks: they never change. */
_Static_assert(STATE_COPIED == 1 && STATE_VERIFIED == 2 && STATE_FAILED == 3 &&
		   STATE_SKIPPED == 4,
	       "entry.state is stored");
_Static_assert(ENTRY_FILE == 1 && ENTRY_DIRECTORY == 2 && ENTRY_SYMLINK == 3 &&
		   ENTRY_FIFO == 4 && ENTRY_SOCKET == 5 && ENTRY_BLOCK == 6 &&
		   ENTRY_CHAR == 7,
	       "entry.type is stored");
_Static_assert(PHASE_LIST == 1 && PHASE_READ == 2 && PHASE_WRITE == 3 &&
		   PHASE_METADATA == 4 && PHASE_VERIFY == 5,
	       "entry.phase is stored");
_Static_assert(ROW_FLAGS == 15, "entry.flags is stored");

/* What a source looked like, in `entry` and in `partial`. */
#define ATTR_DEFINITION                                              \
	"type INTEGER NOT NULL CHECK (type BETWEEN 0 AND 7),"        \
	"mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4095),"     \
	"uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295)," \
	"gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295)," \
	"size INTEGER NOT NULL,"                                     \
	"nlink INTEGER NOT NULL,"                                    \
	"fileid INTEGER NOT NULL,"                                   \
	"atime_ns INTEGER NOT NULL,"                                 \
	"mtime_ns INTEGER NOT NULL,"                                 \
	"ctime_ns INTEGER NOT NULL,"                                 \
	"change INTEGER NOT NULL,"

/*
 * `entry` is clustered by its key: the entries of a directory lie side by
 * side, and a scan reads them from few pages. `directory` is not, since it is
 * found by id as well as by name. Only failures are indexed, so that the
 * index costs nothing for what succeeds.
 */
static const char version_1_tables[] =
    "CREATE TABLE task ("
    "key TEXT PRIMARY KEY NOT NULL,"
    "value TEXT NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE directory ("
    "id INTEGER PRIMARY KEY CHECK (id > 0),"
    "parent INTEGER NOT NULL CHECK (parent >= 0),"
    "name BLOB NOT NULL CHECK (typeof(name) = 'blob'),"
    "path BLOB NOT NULL CHECK (typeof(path) = 'blob')"
    ");"
    "CREATE UNIQUE INDEX directory_name ON directory (parent, name);"
    "INSERT INTO directory VALUES (1, 0, x'', x'');"

    "CREATE TABLE entry ("
    "directory INTEGER NOT NULL CHECK (directory > 0),"
    "name BLOB NOT NULL CHECK (typeof(name) = 'blob'),"
    "state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),"
    "flags INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 15),"
    "destination_fileid INTEGER NOT NULL,"
    "digest BLOB CHECK (digest IS NULL OR length(digest) = 16),"
    "error INTEGER NOT NULL CHECK (error >= 0),"
    "phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 5),"
    "execution INTEGER NOT NULL CHECK (execution >= 0)," ATTR_DEFINITION
    "CHECK (state <> 3 OR error <> 0),"
    "PRIMARY KEY (directory, name)"
    ") WITHOUT ROWID;"
    "CREATE INDEX entry_failed ON entry (execution, directory)"
    " WHERE state = 3;"
    "CREATE INDEX entry_links ON entry (destination_fileid)"
    " WHERE nlink > 1;"
    "CREATE INDEX entry_source_links ON entry (fileid) WHERE nlink > 1;"

    "CREATE TABLE partial ("
    "directory INTEGER NOT NULL CHECK (directory > 0),"
    "name BLOB NOT NULL CHECK (typeof(name) = 'blob'),"
    "temp_name BLOB NOT NULL CHECK (typeof(temp_name) = 'blob'),"
    "done_bytes INTEGER NOT NULL CHECK (done_bytes >= 0),"
    "digest BLOB NOT NULL CHECK (length(digest) = 16)," ATTR_DEFINITION
    "PRIMARY KEY (directory, name)"
    ") WITHOUT ROWID;"

    "CREATE TABLE execution ("
    "id INTEGER PRIMARY KEY CHECK (id > 0),"
    "started_ns INTEGER NOT NULL,"
    "ended_ns INTEGER NOT NULL,"
    "status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS', 'ERROR',"
    " 'CANCELLED', 'INTERRUPTED')),"
    "summary TEXT NOT NULL"
    ");"

    "CREATE TABLE error ("
    "code INTEGER PRIMARY KEY,"
    "name TEXT NOT NULL,"
    "text TEXT NOT NULL"
    ");";

static const char version_2_execution[] =
    "CREATE TABLE execution ("
    "id INTEGER PRIMARY KEY CHECK (id > 0),"
    "started_ns INTEGER NOT NULL,"
    "ended_ns INTEGER NOT NULL,"
    "status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS', 'ERROR',"
    " 'CANCELLED', 'TIME_LIMIT', 'INTERRUPTED')),"
    "summary TEXT NOT NULL"
    ");";

/* Nanoseconds as UTC text; `-` and `%` keep times before 1970 right. */
#define TIME_TEXT(column)                    \
	"datetime((" column " - " TIME_REST( \
	    column) ") / 1000000000, "       \
		    "'unixepoch') || printf('.%09d', " TIME_REST(column) ")"
#define TIME_REST(column) \
	"((" column " % 1000000000 + 1000000000) % 1000000000)"

/* Codes in words, as entry_state_name() and its like say them. */
static const char version_1_views[] =
    "CREATE VIEW entries AS SELECT "
    "CAST(CASE WHEN e.name = x'' THEN '.' WHEN d.path = x'' THEN e.name"
    " ELSE d.path || '/' || e.name END AS TEXT) AS path,"
    "CASE e.type WHEN 0 THEN 'unknown' WHEN 1 THEN 'file'"
    " WHEN 2 THEN 'directory' WHEN 3 THEN 'symlink' WHEN 4 THEN 'fifo'"
    " WHEN 5 THEN 'socket' WHEN 6 THEN 'block device'"
    " WHEN 7 THEN 'character device' END AS type,"
    "CASE e.state WHEN 1 THEN 'copied' WHEN 2 THEN 'verified'"
    " WHEN 3 THEN 'failed' WHEN 4 THEN 'skipped' END AS state,"
    "e.size AS size,"
    "printf('%04o', e.mode) AS mode,"
    "e.uid AS uid,"
    "e.gid AS gid," TIME_TEXT(
	"e.mtime_ns") " AS mtime,"
		      "CASE WHEN e.digest IS NOT NULL THEN "
		      "lower(hex(e.digest)) END AS digest,"
		      "CASE WHEN e.error = 0 THEN NULL ELSE coalesce(x.text,"
		      " 'error ' || e.error) END AS error,"
		      "CASE e.phase WHEN 1 THEN 'list' WHEN 2 THEN 'read' WHEN "
		      "3 THEN 'write'"
		      " WHEN 4 THEN 'metadata' WHEN 5 THEN 'verify' END AS "
		      "phase,"
		      "trim(CASE WHEN e.flags & 1 THEN 'unlinked ' ELSE '' END "
		      "||"
		      " CASE WHEN e.flags & 2 THEN 'no-owner ' ELSE '' END ||"
		      " CASE WHEN e.flags & 4 THEN 'no-mode ' ELSE '' END ||"
		      " CASE WHEN e.flags & 8 THEN 'no-times' ELSE '' END) AS "
		      "notes,"
		      "e.execution AS execution "
		      "FROM entry AS e JOIN directory AS d ON d.id = "
		      "e.directory "
		      "LEFT JOIN error AS x ON x.code = e.error;";

static const char executions_view[] =
    "CREATE VIEW executions AS SELECT "
    "id,"
    "status," TIME_TEXT("started_ns") " AS started,"
				      "CASE WHEN ended_ns <> 0 "
				      "THEN " TIME_TEXT(
					  "ended_ns") " END AS ended,"
						      "summary "
						      "FROM execution;";

/* Reasons in words, for the view. What is missing shows as its number. */
static const struct reason {
	int code;
	const char *name;
	const char *text;
} reasons[] = {
    {EPERM, "EPERM", "operation not permitted"},
    {ENOENT, "ENOENT", "vanished while it was copied"},
    {EINTR, "EINTR", "interrupted"},
    {EIO, "EIO", "input/output error"},
    {ENXIO, "ENXIO", "no such device or address"},
    {ENOMEM, "ENOMEM", "out of memory"},
    {EACCES, "EACCES", "permission denied"},
    {EBUSY, "EBUSY", "changed while it was copied"},
    {EEXIST, "EEXIST", "exists already"},
    {EXDEV, "EXDEV", "lies on another file system"},
    {ENOTDIR, "ENOTDIR", "not a directory"},
    {EISDIR, "EISDIR", "is a directory"},
    {EINVAL, "EINVAL", "invalid argument"},
    {EFBIG, "EFBIG", "file too large"},
    {ENOSPC, "ENOSPC", "no space left"},
    {EROFS, "EROFS", "read-only file system"},
    {EMLINK, "EMLINK", "too many hard links"},
    {ERANGE, "ERANGE", "out of range"},
    {ENAMETOOLONG, "ENAMETOOLONG", "name too long"},
    {ENOTEMPTY, "ENOTEMPTY", "directory not empty"},
    {ELOOP, "ELOOP", "symbolic link where none is followed"},
    {EBADMSG, "EBADMSG", "digests differ"},
    {EPROTO, "EPROTO", "protocol error"},
    {EOVERFLOW, "EOVERFLOW", "value too large"},
    {EOPNOTSUPP, "EOPNOTSUPP", "not supported by the file system"},
    {ENOTCONN, "ENOTCONN", "side not connected"},
    {ETIMEDOUT, "ETIMEDOUT", "timed out"},
    {ESTALE, "ESTALE", "stale file handle"},
    {EUCLEAN, "EUCLEAN", "attributes read back differ"},
    {EREMOTEIO, "EREMOTEIO", "remote input/output error"},
    {EDQUOT, "EDQUOT", "quota exceeded"},
    {ECANCELED, "ECANCELED", "cancelled"},
};

static int insert_reasons(struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt = NULL;
	int r = manifest_db_prepare(
	    db, "INSERT INTO error (code, name, text) VALUES (?1, ?2, ?3)",
	    &stmt);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(reasons); i++) {
		sqlite3_bind_int(stmt, 1, reasons[i].code);
		sqlite3_bind_text(stmt, 2, reasons[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 3, reasons[i].text, -1, SQLITE_STATIC);
		r = manifest_db_run(db, stmt);
	}
	sqlite3_finalize(stmt);
	return r;
}

/* What a comparison of both trees found, in words: every set of kinds. */
static int insert_differences(struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt = NULL;
	char kinds[DIFFERENCE_TEXT], text[DIFFERENCE_TEXT + 16];
	int r = manifest_db_prepare(
	    db,
	    "REPLACE INTO error (code, name, text) VALUES (?1, 'DIFFERS', ?2)",
	    &stmt);

	for (uint32_t set = 1; r == 0 && set < 1u << DIFFERENCES; set++) {
		snprintf(text, sizeof(text), "differs: %s",
			 difference_text(set, kinds));
		sqlite3_bind_int(stmt, 1, -difference_error(set));
		sqlite3_bind_text(stmt, 2, text, -1, SQLITE_TRANSIENT);
		r = manifest_db_run(db, stmt);
	}
	sqlite3_finalize(stmt);
	return r;
}

/* 0 to 1: all tables of the first version. */
static int migrate_to_1(struct sqlite3 *db)
{
	char sql[64];
	int r = manifest_db_exec(db, version_1_tables);

	if (r == 0)
		r = manifest_db_exec(db, version_1_views);
	if (r == 0)
		r = manifest_db_exec(db, executions_view);
	if (r == 0)
		r = insert_reasons(db);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d",
		 MANIFEST_APPLICATION_ID);
	return manifest_db_exec(db, sql);
}

/*
 * 1 to 2: one more status, and words for differences. A CHECK cannot be
 * changed: the table is made anew, without the view, which would not let it be
 * renamed.
 */
static int migrate_to_2(struct sqlite3 *db)
{
	int r = manifest_db_exec(db, "DROP VIEW executions;"
				     "ALTER TABLE execution RENAME TO old;");

	if (r == 0)
		r = manifest_db_exec(db, version_2_execution);
	if (r == 0)
		r = manifest_db_exec(db,
				     "INSERT INTO execution SELECT * FROM old;"
				     "DROP TABLE old;");
	if (r == 0)
		r = manifest_db_exec(db, executions_view);
	return r < 0 ? r : insert_differences(db);
}

/* migrations[i] leads from version i to i + 1. */
static int (*const migrations[])(struct sqlite3 *db) = {
    migrate_to_1,
    migrate_to_2,
};
_Static_assert(ARRAY_SIZE(migrations) == MANIFEST_VERSION,
	       "a step for every version");

/* Takes the steps from `version` on, inside the caller's transaction. */
static int migrate(struct sqlite3 *db, int64_t version)
{
	char sql[64];
	int r = 0;

	for (; r == 0 && version < MANIFEST_VERSION; version++)
		r = migrations[version](db);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d",
		 MANIFEST_VERSION);
	return manifest_db_exec(db, sql);
}

/* Sets `key`, if it is not there yet. */
static int set_value(struct sqlite3 *db, const char *key, const char *value)
{
	struct sqlite3_stmt *stmt = NULL;
	int r = manifest_db_prepare(
	    db, "INSERT OR IGNORE INTO task (key, value) VALUES (?1, ?2)",
	    &stmt);

	if (r == 0) {
		sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
		r = manifest_db_run(db, stmt);
	}
	sqlite3_finalize(stmt);
	return r;
}

/* 1 if `key` has this value, 0 if not; then what it has is in `ret`. */
static int compare_value(struct sqlite3 *db, const char *key, const char *value,
			 char *ret, size_t ret_size)
{
	struct sqlite3_stmt *stmt = NULL;
	const char *text;
	int r = manifest_db_prepare(db, "SELECT value FROM task WHERE key = ?1",
				    &stmt);

	if (r < 0)
		goto out;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		text = (const char *)sqlite3_column_text(stmt, 0);
		r = text ? strcmp(text, value) == 0 : -ENOMEM;
		snprintf(ret, ret_size, "%s", text ? text : "");
		break;
	case SQLITE_DONE:
		snprintf(ret, ret_size, "(nothing)");
		r = 0;
		break;
	default:
		r = manifest_db_errno(db);
	}
out:
	sqlite3_finalize(stmt);
	return r;
}

/* Is it a manifest, and one that this program understands? */
static int check_origin(struct sqlite3 *db, const char *path,
			int64_t *ret_version, char *error, size_t error_size)
{
	int64_t id, tables;
	int r = manifest_db_integer(db, "PRAGMA application_id", &id);

	if (r == 0)
		r = manifest_db_integer(db, "PRAGMA user_version", ret_version);
	if (r == 0)
		r = manifest_db_integer(
		    db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return manifest_db_explain(path, db, r, error, error_size);

	if (id == 0 && *ret_version == 0 && tables == 0)
		return 0;
	if (id != MANIFEST_APPLICATION_ID || *ret_version < 1) {
		snprintf(error, error_size,
			 "%s: this database was not made by efsbridge; move it "
			 "away, or choose another state directory with --state",
			 path);
		return -EUCLEAN;
	}
	if (*ret_version > MANIFEST_VERSION) {
		snprintf(error, error_size,
			 "%s: the manifest was made by a newer efsbridge "
			 "(schema %lld, this program knows up to %d); use that "
			 "one, or choose another state directory with --state",
			 path, (long long)*ret_version, MANIFEST_VERSION);
		return -EUCLEAN;
	}
	return 0;
}

/* Are these the locations that the rows speak of? With others, a plan would
 * take the files of one volume for those of another. */
static int check_locations(struct sqlite3 *db, const char *path,
			   const char *source, const char *destination,
			   char *error, size_t error_size)
{
	char stored[2][1024];
	int same[2];

	same[0] =
	    compare_value(db, "source", source, stored[0], sizeof(stored[0]));
	same[1] = compare_value(db, "destination", destination, stored[1],
				sizeof(stored[1]));
	for (int i = 0; i < 2; i++)
		if (same[i] < 0)
			return manifest_db_explain(path, db, same[i], error,
						   error_size);
	if (same[0] && same[1])
		return 0;
	snprintf(error, error_size,
		 "%s: the manifest belongs to another pair, %s and %s; choose "
		 "another task with --task or state directory with --state",
		 path, stored[0], stored[1]);
	return -EUCLEAN;
}

/* The write-ahead log needs shared memory, which few file systems lack. */
static int check_wal(struct sqlite3 *db, const char *path, char *error,
		     size_t error_size)
{
	struct sqlite3_stmt *stmt = NULL;
	const char *mode = NULL;
	int r = manifest_db_prepare(db, "PRAGMA journal_mode=WAL", &stmt);

	if (r == 0 && sqlite3_step(stmt) == SQLITE_ROW)
		mode = (const char *)sqlite3_column_text(stmt, 0);
	else if (r == 0)
		r = manifest_db_errno(db);
	if (r < 0) {
		manifest_db_explain(path, db, r, error, error_size);
	} else if (!mode || strcmp(mode, "wal") != 0) {
		snprintf(error, error_size,
			 "%s: this file system cannot hold a write-ahead log; "
			 "choose a state directory on a local one with --state",
			 path);
		r = -EOPNOTSUPP;
	}
	sqlite3_finalize(stmt);
	return r;
}

/* All in one transaction, from which any failure goes back. */
static int make_tables(struct sqlite3 *db, int64_t version, const char *source,
		       const char *destination)
{
	int r = manifest_db_exec(db, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	r = migrate(db, version);
	if (r == 0)
		r = set_value(db, "source", source);
	if (r == 0)
		r = set_value(db, "destination", destination);
	if (r == 0)
		r = set_value(db, "made_by", "efsbridge " PACKAGE_VERSION);
	if (r == 0)
		r = manifest_db_exec(db, "COMMIT");
	if (r < 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int manifest_schema_prepare(struct sqlite3 *db, const char *path,
			    const char *source, const char *destination,
			    char *error, size_t error_size)
{
	int64_t version;
	int r = check_origin(db, path, &version, error, error_size);

	/* Only looked at so far; from check_wal() on it is written to. */
	if (r == 0 && version > 0)
		r = check_locations(db, path, source, destination, error,
				    error_size);
	if (r == 0)
		r = check_wal(db, path, error, error_size);
	if (r < 0 || version == MANIFEST_VERSION)
		return r;

	r = make_tables(db, version, source, destination);
	if (r < 0)
		manifest_db_explain(path, db, r, error, error_size);
	return r;
}

/* Returns no rows, and fails where a table or a column is missing. */
static const char all_that_is_read[] =
    "SELECT key, value FROM task LIMIT 0;"
    "SELECT id, parent, name, path FROM directory LIMIT 0;"
    "SELECT directory, name, " MANIFEST_ROW_COLUMNS " FROM entry LIMIT 0;"
    "SELECT directory, name, " MANIFEST_PARTIAL_COLUMNS " FROM partial LIMIT 0;"
    "SELECT id, started_ns, ended_ns, status, summary FROM execution"
    " LIMIT 0;";

int manifest_schema_check(struct sqlite3 *db, const char *path, char *error,
			  size_t error_size)
{
	int64_t version;
	int r = check_origin(db, path, &version, error, error_size);

	if (r < 0)
		return r;
	if (version >= MANIFEST_READABLE) {
		r = manifest_db_exec(db, all_that_is_read);
		return r < 0
			   ? manifest_db_explain(path, db, r, error, error_size)
			   : 0;
	}
	snprintf(error, error_size,
		 "%s: the manifest was never used: run the task once", path);
	return -ENOENT;
}
