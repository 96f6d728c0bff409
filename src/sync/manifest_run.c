/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run of queued rows as a table that SQLite reads, so that one statement
 * stores them all:
 *
 *	REPLACE INTO entry (..) SELECT .. FROM queued
 *
 * A statement for each row opens four trees, allocates their cursors, binds
 * twenty values and ends a savepoint, each time. Here that is paid once a run,
 * and the values go straight from the item to the row.
 *
 * The table exists on the writer's connection alone, has no name in the
 * database, and is read from its first row to its last: it answers no other
 * question (https://sqlite.org/vtab.html, an eponymous-only virtual table).
 */
#include "sync/manifest_internal.h"

#include <stdlib.h>

#include <sqlite3.h>

struct run_table {
	struct sqlite3_vtab base; /* first, as SQLite demands */
	const struct manifest_run *run;
};

struct run_cursor {
	struct sqlite3_vtab_cursor base; /* first */
	const struct manifest_item *at;
	unsigned left;
};

static int connect_table(struct sqlite3 *db, void *user, int argc,
			 const char *const *argv, struct sqlite3_vtab **ret,
			 char **error)
{
	struct run_table *t;
	int r = sqlite3_declare_vtab(
	    db, "CREATE TABLE x (directory, name, " MANIFEST_ROW_COLUMNS ")");

	(void)argc, (void)argv, (void)error;
	if (r != SQLITE_OK)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return SQLITE_NOMEM;
	t->run = user;
	*ret = &t->base;
	return SQLITE_OK;
}

static int disconnect_table(struct sqlite3_vtab *table)
{
	free(table);
	return SQLITE_OK;
}

static int best_index(struct sqlite3_vtab *table,
		      struct sqlite3_index_info *info)
{
	(void)table;
	info->estimatedRows = MANIFEST_RUN_MAX;
	return SQLITE_OK;
}

static int open_cursor(struct sqlite3_vtab *table,
		       struct sqlite3_vtab_cursor **ret)
{
	struct run_cursor *c = calloc(1, sizeof(*c));

	(void)table;
	if (!c)
		return SQLITE_NOMEM;
	*ret = &c->base;
	return SQLITE_OK;
}

static int close_cursor(struct sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static int rewind_cursor(struct sqlite3_vtab_cursor *cursor, int index,
			 const char *name, int argc,
			 struct sqlite3_value **argv)
{
	struct run_cursor *c = (struct run_cursor *)cursor;
	const struct run_table *t = (const struct run_table *)cursor->pVtab;

	(void)index, (void)name, (void)argc, (void)argv;
	c->at = t->run->first;
	c->left = t->run->count;
	return SQLITE_OK;
}

static int next_row(struct sqlite3_vtab_cursor *cursor)
{
	struct run_cursor *c = (struct run_cursor *)cursor;

	c->at = STAILQ_NEXT(c->at, link);
	c->left--;
	return SQLITE_OK;
}

static int is_at_end(struct sqlite3_vtab_cursor *cursor)
{
	return ((const struct run_cursor *)cursor)->left == 0;
}

static int get_column(struct sqlite3_vtab_cursor *cursor,
		      struct sqlite3_context *ret, int column)
{
	const struct run_cursor *c = (const struct run_cursor *)cursor;

	manifest_tell_column(ret, c->at, column);
	return SQLITE_OK;
}

static int get_rowid(struct sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret)
{
	*ret = -(sqlite3_int64)((const struct run_cursor *)cursor)->left;
	return SQLITE_OK;
}

int manifest_run_declare(struct sqlite3 *db, const struct manifest_run *run)
{
	static const struct sqlite3_module module = {
	    .xConnect = connect_table,
	    .xBestIndex = best_index,
	    .xDisconnect = disconnect_table,
	    .xOpen = open_cursor,
	    .xClose = close_cursor,
	    .xFilter = rewind_cursor,
	    .xNext = next_row,
	    .xEof = is_at_end,
	    .xColumn = get_column,
	    .xRowid = get_rowid,
	};

	/* SQLite does not write to what it is handed. */
	if (sqlite3_create_module(db, MANIFEST_RUN_TABLE, &module,
				  (void *)(uintptr_t)run) != SQLITE_OK)
		return manifest_db_errno(db);
	return 0;
}
