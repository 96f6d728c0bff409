/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One connection to the manifest's database.
 *
 * Every connection is used by one thread at a time, so SQLite's own mutexes
 * are left out. The settings:
 *
 *   journal_mode=WAL   readers and the writer never wait for each other
 *   synchronous=NORMAL a commit is not synced; SQLite syncs the log before it
 *                      moves pages from it into the database. Losing power
 *                      loses the latest commits, never the order of them.
 *   cache_size         bounded, so that memory does not grow with the tree
 *   trusted_schema=0   whoever could write to the file cannot make us call
 *                      functions by a crafted schema
 *
 * No memory mapping: its pages would count as ours.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

/* Page caches in KiB. Readers lose theirs at every commit anyway. */
#define WRITER_CACHE_KIB 16384
#define READER_CACHE_KIB 2048

/* Pages in the write-ahead log that make a checkpoint due: 32 MiB. */
#define CHECKPOINT_PAGES 8192

/* A person may hold the database for a moment with sqlite3(1). */
#define BUSY_MS 60000

/*
 * What SQLite's codes mean to us. The low byte is the primary code; for input
 * and output errors the system's errno says more.
 */
static int errno_of_code(int code, int system_errno)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -ENOLCK;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR: /* a table that should be there is not */
		return -EUCLEAN;
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		if (code == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		return system_errno > 0 ? -system_errno : -EIO;
	default:
		return -EIO;
	}
}

int manifest_db_errno(struct sqlite3 *db)
{
	return errno_of_code(sqlite3_extended_errcode(db),
			     sqlite3_system_errno(db));
}

int manifest_db_exec(struct sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return manifest_db_errno(db);
}

int manifest_db_prepare(struct sqlite3 *db, const char *sql,
			struct sqlite3_stmt **ret)
{
	int r = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret,
				   NULL);

	return r == SQLITE_OK ? 0 : manifest_db_errno(db);
}

int manifest_db_run(struct sqlite3 *db, struct sqlite3_stmt *stmt)
{
	int r = 0;

	if (sqlite3_step(stmt) != SQLITE_DONE)
		r = manifest_db_errno(db);
	sqlite3_reset(stmt);
	return r;
}

int manifest_db_integer(struct sqlite3 *db, const char *sql, int64_t *ret)
{
	struct sqlite3_stmt *stmt = NULL;
	int r = manifest_db_prepare(db, sql, &stmt);

	if (r == 0) {
		r = sqlite3_step(stmt);
		if (r == SQLITE_ROW || r == SQLITE_DONE) {
			*ret =
			    r == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
			r = 0;
		} else {
			r = manifest_db_errno(db);
		}
	}
	sqlite3_finalize(stmt);
	return r;
}

/* SQLite counts every allocation under a global mutex unless told not to
 * before its first use. If somebody used it before, it goes on counting. */
static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* The settings that the head of this file explains. */
static int settle(struct sqlite3 *db, bool writable)
{
	char sql[256];
	int r;

	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_extended_result_codes(db, 1);
	snprintf(sql, sizeof(sql),
		 "PRAGMA trusted_schema=OFF;"
		 "PRAGMA cell_size_check=ON;"
		 "PRAGMA cache_size=-%d;",
		 writable ? WRITER_CACHE_KIB : READER_CACHE_KIB);
	r = manifest_db_exec(db, sql);
	if (r < 0)
		return r;
	/* A reader opens for writing as well, since a database in WAL mode
	 * cannot be read without its shared memory, but it never writes. */
	if (!writable)
		return manifest_db_exec(db, "PRAGMA query_only=ON");
	/* Each checkpoint syncs twice, so a longer log means fewer syncs. */
	sqlite3_wal_autocheckpoint(db, CHECKPOINT_PAGES);
	return manifest_db_exec(db, "PRAGMA synchronous=NORMAL");
}

int manifest_db_open(const char *path, bool writable, struct sqlite3 **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	pthread_once(&once, configure_sqlite);
	if (sqlite3_open_v2(path, ret, flags, NULL) != SQLITE_OK)
		return *ret ? manifest_db_errno(*ret) : -ENOMEM;

	/* SQLite takes a file that it cannot write to as read-only. */
	if (sqlite3_db_readonly(*ret, "main") == 1)
		return -EROFS;
	return settle(*ret, writable);
}

struct sqlite3 *manifest_db_close(struct sqlite3 *db)
{
	sqlite3_close(db);
	return NULL;
}

/* One sentence each: the file, the cause, the remedy. */
int manifest_db_explain(const char *path, struct sqlite3 *db, int error_number,
			char *error, size_t error_size)
{
	const char *why =
	    db ? sqlite3_errmsg(db) : "its tables contradict themselves";

	switch (error_number) {
	case -EUCLEAN:
		snprintf(error, error_size,
			 "%s: the manifest is damaged or not a manifest (%s); "
			 "move it away, and the next run compares all entries "
			 "and makes a new one",
			 path, why);
		break;
	case -EROFS:
	case -EACCES:
	case -EPERM:
		snprintf(error, error_size,
			 "%s: the manifest cannot be written to; make the file "
			 "and its directory writable, or choose another state "
			 "directory with --state",
			 path);
		break;
	case -ENOLCK:
		snprintf(error, error_size,
			 "%s: the manifest is locked by another program; close "
			 "it there (sqlite3?) and run again",
			 path);
		break;
	case -ENOSPC:
	case -EDQUOT:
		snprintf(error, error_size,
			 "%s: no space left for the manifest; free some, or "
			 "choose another state directory with --state",
			 path);
		break;
	default:
		snprintf(error, error_size,
			 "%s: the manifest cannot be opened: %s; see to that, "
			 "or choose another state directory with --state",
			 path, strerror(-error_number));
	}
	return error_number;
}
