/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a spill works: an SQLite database whose file has no name.
 *
 * All happens in one transaction that never ends, without a journal and
 * without syncs: pages stay in SQLite's cache, and only what does not fit
 * there is written to the file. A small spill thus never touches the disk.
 * Without a journal a failed write cannot be undone, so the first error
 * (a full disk) is the answer to everything that follows.
 *
 * The file is made by mkstemp() and unlinked as soon as SQLite holds it open:
 * it vanishes with the process, however that ends. (One that is killed
 * between the two calls leaves an empty file "spill.XXXXXX".)
 */
#include "sync/spill.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"

enum statement {
	PUT,
	GET,
	NEXT,
	DROP,
	CLEAR,
	PUSH,
	TOP,
	POP,
	STATEMENTS,
};

/* The stack's ids are its heights, so its top is always known. */
static const char *const statements[STATEMENTS] = {
    [PUT] = "REPLACE INTO pair (key, value) VALUES (?1, ?2)",
    [GET] = "SELECT value FROM pair WHERE key = ?1",
    [NEXT] = "SELECT value, key FROM pair WHERE key > ?1 ORDER BY key LIMIT 1",
    [DROP] = "DELETE FROM pair WHERE key = ?1",
    [CLEAR] = "DELETE FROM pair",
    [PUSH] = "INSERT INTO stack (id, value) VALUES (?1, ?2)",
    [TOP] = "SELECT value FROM stack WHERE id = ?1",
    [POP] = "DELETE FROM stack WHERE id = ?1",
};

/* 8 MiB of cache; larger pages, since nobody syncs them one by one. */
static const char setup[] =
    "PRAGMA page_size = 8192;"
    "PRAGMA journal_mode = OFF;"
    "PRAGMA synchronous = OFF;"
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -8192;"
    "BEGIN EXCLUSIVE;"
    "CREATE TABLE pair (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE stack (id INTEGER PRIMARY KEY, value BLOB NOT NULL);";

struct spill {
	sqlite3 *db; /* in the middle of its one transaction */
	sqlite3_stmt *stmt[STATEMENTS];
	int64_t height; /* of the stack: the id of its top */
	int error;      /* the first, negative */
};

/* Remembers why the statement failed, for good. */
static int spill_fail(struct spill *s)
{
	int code = sqlite3_extended_errcode(s->db);
	int reason = sqlite3_system_errno(s->db);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		s->error = -ENOMEM;
		break;
	case SQLITE_FULL:
		s->error = -ENOSPC;
		break;
	default:
		s->error = reason > 0 ? -reason : -EIO;
	}
	return s->error;
}

/* On failure spill_free() cleans up what there is. */
static int spill_open(struct spill *s, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int r = sqlite3_open_v2(path, &s->db, flags, NULL);

	if (!s->db)
		return -ENOMEM;
	if (r == SQLITE_OK)
		r = sqlite3_exec(s->db, setup, NULL, NULL, NULL);
	for (int i = 0; r == SQLITE_OK && i < STATEMENTS; i++)
		r = sqlite3_prepare_v3(s->db, statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &s->stmt[i],
				       NULL);
	return r == SQLITE_OK ? 0 : spill_fail(s);
}

int spill_new(const char *directory, struct spill **ret)
{
	struct spill *s = calloc(1, sizeof(*s));
	CLEANUP_FREE char *path = NULL;
	int fd, r;

	if (!s)
		return -ENOMEM;
	if (asprintf(&path, "%s/spill.XXXXXX", directory) < 0) {
		path = NULL;
		spill_free(s);
		return -ENOMEM;
	}
	/* mkstemp() chooses the name and the mode, SQLite opens it again. */
	fd = mkstemp(path);
	if (fd < 0) {
		r = -errno;
		spill_free(s);
		return r;
	}
	close(fd);
	r = spill_open(s, path);
	unlink(path);
	if (r < 0) {
		spill_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct spill *spill_free(struct spill *s)
{
	if (s) {
		for (int i = 0; i < STATEMENTS; i++)
			sqlite3_finalize(s->stmt[i]);
		sqlite3_close(s->db);
	}
	free(s);
	return NULL;
}

/* SQLite takes a null pointer for NULL, which is no value here. */
static void bind_bytes(sqlite3_stmt *stmt, int at, const void *bytes,
		       size_t len)
{
	sqlite3_bind_blob64(stmt, at, len > 0 ? bytes : "", len, SQLITE_STATIC);
}

/* Runs a bound statement that returns nothing. */
static int run(struct spill *s, enum statement which)
{
	int r = sqlite3_step(s->stmt[which]) == SQLITE_DONE ? 0 : spill_fail(s);

	sqlite3_reset(s->stmt[which]);
	return r;
}

/* A heap copy of a column of the row that the statement stands on. */
static int copy_column(sqlite3_stmt *stmt, int column, void **ret,
		       size_t *ret_len)
{
	const void *value = sqlite3_column_blob(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);
	void *copy = malloc(len > 0 ? len : 1);

	if (!copy)
		return -ENOMEM;
	if (len > 0)
		memcpy(copy, value, len);
	*ret = copy;
	*ret_len = len;
	return 1;
}

/* 1 with a copy of the value that the bound statement finds, 0 for none. */
static int fetch(struct spill *s, enum statement which, void **ret,
		 size_t *ret_len)
{
	int r = sqlite3_step(s->stmt[which]);

	if (r == SQLITE_ROW)
		r = copy_column(s->stmt[which], 0, ret, ret_len);
	else
		r = r == SQLITE_DONE ? 0 : spill_fail(s);
	sqlite3_reset(s->stmt[which]);
	return r;
}

int spill_put(struct spill *s, const void *key, size_t key_len,
	      const void *value, size_t value_len)
{
	if (s->error < 0)
		return s->error;
	bind_bytes(s->stmt[PUT], 1, key, key_len);
	bind_bytes(s->stmt[PUT], 2, value, value_len);
	return run(s, PUT);
}

int spill_get(struct spill *s, const void *key, size_t key_len, void **ret,
	      size_t *ret_len)
{
	if (s->error < 0)
		return s->error;
	bind_bytes(s->stmt[GET], 1, key, key_len);
	return fetch(s, GET, ret, ret_len);
}

/* Having fetched a value, removes its row; without success, not the copy. */
static int drop_fetched(struct spill *s, enum statement which, void **ret)
{
	int r = run(s, which);

	if (r < 0) {
		free(*ret);
		*ret = NULL;
		return r;
	}
	return 1;
}

int spill_take(struct spill *s, const void *key, size_t key_len, void **ret,
	       size_t *ret_len)
{
	int r = spill_get(s, key, key_len, ret, ret_len);

	if (r <= 0)
		return r;
	bind_bytes(s->stmt[DROP], 1, key, key_len);
	return drop_fetched(s, DROP, ret);
}

int spill_next(struct spill *s, const void *after, size_t after_len,
	       void **ret_key, size_t *ret_key_len, void **ret, size_t *ret_len)
{
	sqlite3_stmt *stmt = s->stmt[NEXT];
	CLEANUP_FREE void *key = NULL;
	int r;

	if (s->error < 0)
		return s->error;
	bind_bytes(stmt, 1, after, after_len);
	r = sqlite3_step(stmt);
	if (r == SQLITE_ROW) {
		r = copy_column(stmt, 1, &key, ret_key_len);
		if (r == 1)
			r = copy_column(stmt, 0, ret, ret_len);
		if (r == 1)
			*ret_key = steal(key);
	} else {
		r = r == SQLITE_DONE ? 0 : spill_fail(s);
	}
	sqlite3_reset(stmt);
	return r;
}

int spill_clear(struct spill *s)
{
	return s->error < 0 ? s->error : run(s, CLEAR);
}

int spill_push(struct spill *s, const void *value, size_t value_len)
{
	int r;

	if (s->error < 0)
		return s->error;
	sqlite3_bind_int64(s->stmt[PUSH], 1, s->height + 1);
	bind_bytes(s->stmt[PUSH], 2, value, value_len);
	r = run(s, PUSH);
	if (r == 0)
		s->height++;
	return r;
}

int spill_pop(struct spill *s, void **ret, size_t *ret_len)
{
	int r;

	if (s->error < 0)
		return s->error;
	if (s->height == 0)
		return 0;
	sqlite3_bind_int64(s->stmt[TOP], 1, s->height);
	r = fetch(s, TOP, ret, ret_len);
	/* What was pushed is there: otherwise the file was tampered with. */
	if (r <= 0)
		return r == 0 ? -EIO : r;
	sqlite3_bind_int64(s->stmt[POP], 1, s->height);
	r = drop_fetched(s, POP, ret);
	if (r == 1)
		s->height--;
	return r;
}
