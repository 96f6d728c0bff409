/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Carrying out queued writes: one transaction for a batch of items, with
 * statements that are prepared once, and one statement for a run of rows.
 *
 * The items are applied in the order in which they were put, so what a crash
 * leaves is always a prefix: a directory's row is there before the rows of
 * its entries, and a later row about an entry never loses to an earlier one.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"

/* In the order of drop_below(), which runs three of them one by one. */
enum statement {
	PUT_ROWS,
	PUT_PARTIAL,
	PUT_DIRECTORY,
	DROP_ROW,
	DROP_PARTIAL,
	FIND_DIRECTORY,
	FIND_DIRECTORIES,
	FIND_LINKS,
	DROP_LINKS,
	DROP_TREE_ROWS,
	DROP_TREE_PARTIALS,
	DROP_TREE_DIRECTORIES,
	INTERRUPT_EXECUTIONS,
	BEGIN_EXECUTION,
	END_EXECUTION,
	PUT_VALUE,
	STATEMENTS,
};

/* UNION (not ALL) ends also when damaged rows point at each other. */
#define TREE                                                       \
	"WITH RECURSIVE tree (id) AS (SELECT ?1 UNION SELECT d.id" \
	" FROM directory AS d JOIN tree AS t ON d.parent = t.id) "

/* 14 columns of a partial, after the key of two. */
#define PLACES_14 \
	"?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16"
_Static_assert(MANIFEST_PARTIAL_COUNT == 14, "PLACES_14");

/* ?1 and ?2 are the key, wherever there is one. A later row takes the place
 * of an earlier one whole; a directory is only ever inserted, so that two ids
 * for one directory are an error here instead of a wrong answer later. */
static const char *const statements[STATEMENTS] = {
    [PUT_ROWS] = "REPLACE INTO entry (directory, name, " MANIFEST_ROW_COLUMNS
		 ") SELECT directory, name, " MANIFEST_ROW_COLUMNS
		 " FROM " MANIFEST_RUN_TABLE,
    [PUT_PARTIAL] =
	"REPLACE INTO partial (directory, name, " MANIFEST_PARTIAL_COLUMNS
	") VALUES (?1, ?2, " PLACES_14 ")",
    [PUT_DIRECTORY] = "INSERT INTO directory (parent, name, id, path)"
		      " VALUES (?1, ?2, ?3, ?4)",
    [DROP_ROW] = "DELETE FROM entry WHERE directory = ?1 AND name = ?2",
    [DROP_PARTIAL] = "DELETE FROM partial WHERE directory = ?1 AND name = ?2",
    [FIND_DIRECTORY] = "SELECT id FROM directory"
		       " WHERE parent = ?1 AND name = ?2",
    [FIND_DIRECTORIES] = "SELECT id FROM directory"
			 " WHERE parent = ?1 LIMIT 1",
    [FIND_LINKS] = "SELECT directory, name FROM entry"
		   " WHERE destination_fileid = ?1 AND nlink > 1",
    [DROP_LINKS] = "DELETE FROM entry WHERE destination_fileid = ?1"
		   " AND nlink > 1",
    [DROP_TREE_ROWS] = TREE "DELETE FROM entry"
			    " WHERE directory IN (SELECT id FROM tree)",
    [DROP_TREE_PARTIALS] = TREE "DELETE FROM partial"
				" WHERE directory IN (SELECT id FROM tree)",
    [DROP_TREE_DIRECTORIES] = TREE "DELETE FROM directory"
				   " WHERE id IN (SELECT id FROM tree)",
    [INTERRUPT_EXECUTIONS] = "UPDATE execution SET status = 'INTERRUPTED'"
			     " WHERE status = 'RUNNING'",
    [BEGIN_EXECUTION] = "INSERT INTO execution"
			" (id, started_ns, ended_ns, status, summary)"
			" VALUES (?1, ?2, 0, 'RUNNING', ?3)",
    [END_EXECUTION] = "UPDATE execution SET ended_ns = ?2, status = ?3,"
		      " summary = ?4 WHERE id = ?1",
    [PUT_VALUE] = "REPLACE INTO task (key, value) VALUES (?1, ?2)",
};

struct manifest_apply {
	struct sqlite3 *db; /* borrowed */
	struct sqlite3_stmt *stmt[STATEMENTS];
	struct manifest_changes *changes; /* of the transaction under way */
	uint64_t leaf; /* a directory without directories; 0: none is known */
	struct manifest_run run; /* rows that wait to be stored together */
};

struct manifest_apply *manifest_apply_free(struct manifest_apply *a)
{
	if (a)
		for (int i = 0; i < STATEMENTS; i++)
			sqlite3_finalize(a->stmt[i]);
	free(a);
	return NULL;
}

int manifest_apply_new(struct sqlite3 *db, struct manifest_apply **ret)
{
	struct manifest_apply *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->db = db;
	r = manifest_run_declare(db, &a->run);
	for (int i = 0; r == 0 && i < STATEMENTS; i++)
		r = manifest_db_prepare(db, statements[i], &a->stmt[i]);
	if (r < 0) {
		manifest_apply_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

static int run(struct manifest_apply *a, enum statement which)
{
	return manifest_db_run(a->db, a->stmt[which]);
}

/* Runs a statement for the key of the item; other places are bound before. */
static int run_keyed(struct manifest_apply *a, enum statement which,
		     const struct manifest_item *item)
{
	manifest_bind_key(a->stmt[which], item->directory, item->name);
	return run(a, which);
}

static int put_partial(struct manifest_apply *a,
		       const struct manifest_item *item)
{
	manifest_bind_partial(a->stmt[PUT_PARTIAL], 3, item->partial);
	return run_keyed(a, PUT_PARTIAL, item);
}

static int put_directory(struct manifest_apply *a,
			 const struct manifest_item *item)
{
	struct sqlite3_stmt *stmt = a->stmt[PUT_DIRECTORY];

	if (item->directory == a->leaf)
		a->leaf = 0;
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)item->made.id);
	sqlite3_bind_blob(stmt, 4, item->made.path,
			  (int)strlen(item->made.path), SQLITE_STATIC);
	return run_keyed(a, PUT_DIRECTORY, item);
}

/* 1 and the id that a statement with its places bound finds, or 0. */
static int find_id(struct manifest_apply *a, enum statement which,
		   int64_t *ret_id)
{
	struct sqlite3_stmt *stmt = a->stmt[which];
	int r = sqlite3_step(stmt);

	if (r == SQLITE_ROW) {
		*ret_id = sqlite3_column_int64(stmt, 0);
		r = 1;
	} else {
		r = r == SQLITE_DONE ? 0 : manifest_db_errno(a->db);
	}
	sqlite3_reset(stmt);
	return r;
}

/* The directory that the key names. Most of what is put lies in a directory
 * that has none, next to what was put before: that is asked only once. */
static int find_directory(struct manifest_apply *a,
			  const struct manifest_item *item, int64_t *ret_id)
{
	int r;

	if (item->directory == a->leaf)
		return 0;
	sqlite3_bind_int64(a->stmt[FIND_DIRECTORIES], 1,
			   (sqlite3_int64)item->directory);
	r = find_id(a, FIND_DIRECTORIES, ret_id);
	if (r == 0)
		a->leaf = item->directory;
	if (r <= 0)
		return r;
	manifest_bind_key(a->stmt[FIND_DIRECTORY], item->directory, item->name);
	return find_id(a, FIND_DIRECTORY, ret_id);
}

/* Stores the rows that wait. */
static int put_run(struct manifest_apply *a)
{
	int r = a->run.count > 0 ? run(a, PUT_ROWS) : 0;

	a->run.count = 0;
	return r;
}

/* What is below the entry, if it is a directory, also what waits. */
static int drop_below(struct manifest_apply *a,
		      const struct manifest_item *item)
{
	int64_t id = 0;
	int r = find_directory(a, item, &id);

	if (r <= 0)
		return r;
	r = put_run(a);
	if (r < 0)
		return r;

	a->changes->trees = true;

	/* Directories last: they are what the tree is found by. */
	r = 0;
	for (int i = DROP_TREE_ROWS; r == 0 && i <= DROP_TREE_DIRECTORIES;
	     i++) {
		sqlite3_bind_int64(a->stmt[i], 1, id);
		r = run(a, (enum statement)i);
	}
	return r;
}

/* The entry, its partial, and what is below. */
static int drop_tree(struct manifest_apply *a, const struct manifest_item *item)
{
	int r = run_keyed(a, DROP_ROW, item);

	if (r == 0)
		r = run_keyed(a, DROP_PARTIAL, item);
	return r < 0 ? r : drop_below(a, item);
}

/* Where something else was copied to, there is no directory any more. */
static bool ends_directory(const struct manifest_row *row)
{
	return row->type != ENTRY_DIRECTORY &&
	       (row->state == STATE_COPIED || row->state == STATE_VERIFIED);
}

/* Rows of one run are stored in their order: of two with one key the later
 * stays. */
static int add_row(struct manifest_apply *a, const struct manifest_item *item)
{
	int r = ends_directory(&item->row) ? drop_below(a, item) : 0;

	if (r == 0 && a->run.count == MANIFEST_RUN_MAX)
		r = put_run(a);
	if (r < 0)
		return r;
	if (a->run.count == 0)
		a->run.first = item;
	a->run.count++;
	return 0;
}

/* There is one writer, and it holds the task's lock: whatever still says
 * RUNNING was killed. */
static int begin_execution(struct manifest_apply *a,
			   const struct manifest_execution *e)
{
	struct sqlite3_stmt *stmt = a->stmt[BEGIN_EXECUTION];
	int r = run(a, INTERRUPT_EXECUTIONS);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)e->id);
	sqlite3_bind_int64(stmt, 2, e->started_ns);
	sqlite3_bind_text(stmt, 3, e->summary, -1, SQLITE_STATIC);
	return run(a, BEGIN_EXECUTION);
}

static int end_execution(struct manifest_apply *a,
			 const struct manifest_execution *e)
{
	struct sqlite3_stmt *stmt = a->stmt[END_EXECUTION];

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)e->id);
	sqlite3_bind_int64(stmt, 2, e->ended_ns);
	sqlite3_bind_text(stmt, 3, e->status, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, e->summary, -1, SQLITE_STATIC);
	return run(a, END_EXECUTION);
}

/* As text, like all values there. */
static int put_roots(struct manifest_apply *a, const uint64_t fileid[SIDES])
{
	struct sqlite3_stmt *stmt = a->stmt[PUT_VALUE];
	char text[24];
	int r = 0;

	for (int side = 0; r == 0 && side < SIDES; side++) {
		snprintf(text, sizeof(text), "%" PRIu64, fileid[side]);
		sqlite3_bind_text(stmt, 1, manifest_root_key((enum side)side),
				  -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, text, -1, SQLITE_TRANSIENT);
		r = run(a, PUT_VALUE);
	}
	return r;
}

/* Notes the row on which FIND_LINKS stands. */
static int note_unlinked(struct manifest_apply *a)
{
	struct sqlite3_stmt *stmt = a->stmt[FIND_LINKS];
	struct manifest_item *item =
	    calloc(1, sizeof(*item) + MANIFEST_NAME_MAX + 1);
	char *name;
	int r;

	if (!item)
		return -ENOMEM;
	name = (char *)item->room;
	item->kind = ITEM_DROP;
	item->name = name;
	r = manifest_read_id(stmt, 0, &item->directory);
	if (r == 0)
		r = manifest_read_name(stmt, 1, name);
	if (r < 0)
		free(item);
	else
		STAILQ_INSERT_TAIL(&a->changes->unlinked, item, link);
	return r;
}

/* Which rows they are can only be told before they are gone. */
static int drop_links(struct manifest_apply *a,
		      const struct manifest_item *item)
{
	struct sqlite3_stmt *stmt = a->stmt[FIND_LINKS];
	int step, r = 0;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)item->directory);
	while (r == 0 && (step = sqlite3_step(stmt)) != SQLITE_DONE)
		r = step == SQLITE_ROW ? note_unlinked(a)
				       : manifest_db_errno(a->db);
	sqlite3_reset(stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(a->stmt[DROP_LINKS], 1,
			   (sqlite3_int64)item->directory);
	return run(a, DROP_LINKS);
}

/* Constraint errors are -EUCLEAN like damage: checks before the queue keep
 * wrong rows out, so what still violates one contradicts the database. */
static int apply_one(struct manifest_apply *a, const struct manifest_item *item)
{
	switch (item->kind) {
	case ITEM_ROW:
		return add_row(a, item);
	case ITEM_PARTIAL:
		return put_partial(a, item);
	case ITEM_DIRECTORY:
		return put_directory(a, item);
	case ITEM_DROP:
		return run_keyed(a, DROP_ROW, item);
	case ITEM_DROP_LINKS:
		return drop_links(a, item);
	case ITEM_DROP_TREE:
		return drop_tree(a, item);
	case ITEM_DROP_PARTIAL:
		return run_keyed(a, DROP_PARTIAL, item);
	case ITEM_BEGIN:
		return begin_execution(a, &item->execution);
	case ITEM_END:
		return end_execution(a, &item->execution);
	case ITEM_ROOTS:
		return put_roots(a, item->roots);
	}
	return -EINVAL;
}

static int apply_all(struct manifest_apply *a,
		     const struct manifest_items *items)
{
	const struct manifest_item *item;
	int r;

	a->run.count = 0;
	STAILQ_FOREACH(item, items, link) {
		r = item->kind == ITEM_ROW ? 0 : put_run(a);
		if (r == 0)
			r = apply_one(a, item);
		if (r < 0)
			return r;
	}
	return put_run(a);
}

int manifest_apply(struct manifest_apply *a, const struct manifest_items *items,
		   bool durable, struct manifest_changes *changes)
{
	int r = 0;

	a->changes = changes;
	/* Cannot be changed inside a transaction. */
	if (durable)
		r = manifest_db_exec(a->db, "PRAGMA synchronous=FULL");
	if (r == 0)
		r = manifest_db_exec(a->db, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = apply_all(a, items);
	if (r == 0)
		r = manifest_db_exec(a->db, "COMMIT");
	if (r < 0) {
		/* Some errors have rolled back already; then this fails. */
		sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
		return r;
	}
	/* The commit has synced the log, and with it all commits before. */
	return durable ? manifest_db_exec(a->db, "PRAGMA synchronous=NORMAL")
		       : 0;
}
