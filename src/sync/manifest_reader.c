/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading the manifest: a connection of its own for each thread that reads.
 *
 * Every question is a transaction of its own, so an answer is what was
 * committed when it was asked, and an idle reader never holds back the
 * checkpoints of the writer (but between manifest_reader_begin() and _end()).
 * The calls with `each` hold one snapshot while they last; their callbacks may
 * ask and put.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"

enum question {
	GET_DIRECTORY,
	GET_ROW,
	GET_PARTIAL,
	BEGIN,
	END,
	QUESTIONS,
};

_Static_assert(QUESTIONS == MANIFEST_QUESTIONS, "a statement each");

/* Each question finds at most one row, by a whole key: one walk down one
 * B-tree. */
static const char *const questions[QUESTIONS] = {
    [GET_DIRECTORY] = "SELECT id FROM directory"
		      " WHERE parent = ?1 AND name = ?2",
    [GET_ROW] = "SELECT " MANIFEST_ROW_COLUMNS " FROM entry"
		" WHERE directory = ?1 AND name = ?2",
    [GET_PARTIAL] = "SELECT " MANIFEST_PARTIAL_COLUMNS " FROM partial"
		    " WHERE directory = ?1 AND name = ?2",
    [BEGIN] = "BEGIN",
    [END] = "COMMIT",
};

/* Asked rarely, so prepared each time. */
static const char each_partial[] =
    "SELECT d.path, p.directory, p.name, " MANIFEST_PARTIAL_COLUMNS
    " FROM partial AS p JOIN directory AS d ON d.id = p.directory";

/* Paths are compared byte by byte, so a directory comes before what is in
 * it. The partial index entry_failed gives the failures of an execution. */
static const char each_failed_directory[] =
    "SELECT path FROM directory WHERE id IN (SELECT directory FROM entry"
    " WHERE state = 3 AND (execution = ?1 OR ?1 = 0)) ORDER BY path";

static const char each_failed[] =
    "SELECT d.path, e.directory, e.name, " MANIFEST_ROW_COLUMNS
    " FROM entry AS e JOIN directory AS d ON d.id = e.directory"
    " WHERE e.state = 3 AND (e.execution = ?1 OR ?1 = 0) LIMIT ?2";

static const char count_failed[] =
    "SELECT count(*) FROM (SELECT 1 FROM entry WHERE state = 3 LIMIT ?1)";

/* Of the partial index entry_source_links. */
static const char each_link[] =
    "SELECT d.path, e.directory, e.name, " MANIFEST_ROW_COLUMNS
    " FROM entry AS e JOIN directory AS d ON d.id = e.directory"
    " WHERE e.fileid = ?1 AND e.nlink > 1 AND e.state IN (1, 2) LIMIT ?2";

struct manifest_reader *manifest_reader_free(struct manifest_reader *r)
{
	if (r) {
		for (int i = 0; i < QUESTIONS; i++)
			sqlite3_finalize(r->stmt[i]);
		manifest_db_close(r->db);
	}
	free(r);
	return NULL;
}

struct manifest_reader *manifest_reader_new(struct manifest *m)
{
	struct manifest_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	r->manifest = m;
	err = manifest_db_open(m->path, false, &r->db);
	for (int i = 0; err == 0 && i < QUESTIONS; i++)
		err = manifest_db_prepare(r->db, questions[i], &r->stmt[i]);
	return err < 0 ? manifest_reader_free(r) : r;
}

int manifest_reader_begin(struct manifest_reader *r)
{
	return sqlite3_get_autocommit(r->db)
		   ? manifest_db_run(r->db, r->stmt[BEGIN])
		   : 0;
}

void manifest_reader_end(struct manifest_reader *r)
{
	/* Nothing was written: there is nothing that could fail to commit. */
	if (!sqlite3_get_autocommit(r->db))
		manifest_db_run(r->db, r->stmt[END]);
}

/*
 * Steps a question about one key: 1 and the statement stands on the row, 0
 * there is none. The caller resets the statement.
 */
static int ask(struct manifest_reader *r, struct sqlite3_stmt *stmt,
	       uint64_t directory, const char *name)
{
	manifest_bind_key(stmt, directory, name);
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return manifest_db_errno(r->db);
	}
}

/* 1 and the id of a committed directory, 0 if there is none. */
static int get_directory(struct manifest_reader *r, uint64_t parent,
			 const char *name, uint64_t *ret_id)
{
	struct sqlite3_stmt *stmt = r->stmt[GET_DIRECTORY];
	int found = ask(r, stmt, parent, name);

	if (found == 1 && manifest_read_id(stmt, 0, ret_id) < 0)
		found = -EUCLEAN;
	sqlite3_reset(stmt);
	return found;
}

int manifest_directory(struct manifest_reader *r, uint64_t parent,
		       const char *name, const char *path, uint64_t *ret_id)
{
	struct manifest_writer *w = r->manifest->writer;
	uint64_t id, ticket;
	int found = manifest_check_name(name);

	if (found == 0)
		found = manifest_check_path(path);
	if (found < 0)
		return found;
	if (parent == 0 || parent > INT64_MAX)
		return -EINVAL;
	if (!w)
		return -EROFS;

	/* Ask the writer, the database, the writer again: the design comment
	 * of manifest_writer.c tells why no commit can slip between. */
	do {
		found = manifest_writer_find_directory(w, parent, name, &id,
						       &ticket);
		if (found == 0)
			found = get_directory(r, parent, name, &id);
		if (found == 0)
			found = manifest_writer_add_directory(
			    w, parent, name, path, ticket, &id);
	} while (found == -EAGAIN);
	if (found < 0)
		return found;
	*ret_id = id;
	return 0;
}

int manifest_find_directory(struct manifest_reader *r, uint64_t parent,
			    const char *name, uint64_t *ret_id)
{
	return get_directory(r, parent, name, ret_id);
}

int manifest_get(struct manifest_reader *r, uint64_t directory,
		 const char *name, struct manifest_row *ret)
{
	struct sqlite3_stmt *stmt = r->stmt[GET_ROW];
	struct manifest_row row = {.directory = directory, .name = name};
	int found = ask(r, stmt, directory, name);

	if (found == 1 && manifest_read_row(stmt, 0, &row) < 0)
		found = -EUCLEAN;
	sqlite3_reset(stmt);

	/* The caller's row is set only when all of it made sense. */
	if (found == 1)
		*ret = row;
	return found;
}

/* A number that was put as text: 1 found, 0 none. */
static int get_number(struct manifest_reader *r, const char *key, uint64_t *ret)
{
	struct sqlite3_stmt *stmt = NULL;
	const char *text;
	char *end = NULL;
	int found = manifest_db_prepare(
	    r->db, "SELECT value FROM task WHERE key = ?1", &stmt);

	if (found < 0)
		return found;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		text = (const char *)sqlite3_column_text(stmt, 0);
		errno = 0;
		*ret = text ? strtoull(text, &end, 10) : 0;
		found = !text                                  ? -ENOMEM
			: errno || end == text || *end != '\0' ? -EUCLEAN
							       : 1;
		break;
	case SQLITE_DONE:
		break;
	default:
		found = manifest_db_errno(r->db);
	}
	sqlite3_finalize(stmt);
	return found;
}

int manifest_get_roots(struct manifest_reader *r, uint64_t ret_fileid[SIDES])
{
	uint64_t fileid[SIDES] = {0};
	int found = 1;

	for (int side = 0; found == 1 && side < SIDES; side++)
		found = get_number(r, manifest_root_key((enum side)side),
				   &fileid[side]);
	if (found == 1)
		memcpy(ret_fileid, fileid, sizeof(fileid));
	return found;
}

int manifest_get_partial(struct manifest_reader *r, uint64_t directory,
			 const char *name, struct manifest_partial *ret)
{
	struct sqlite3_stmt *stmt = r->stmt[GET_PARTIAL];
	struct manifest_partial p = {.directory = directory};
	int found;

	if (strlen(name) > MANIFEST_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(p.name, name);
	found = ask(r, stmt, directory, name);
	if (found == 1 && manifest_read_partial(stmt, 0, &p) < 0)
		found = -EUCLEAN;
	sqlite3_reset(stmt);
	if (found == 1)
		*ret = p;
	return found;
}

int manifest_each_row(struct manifest_reader *r, struct sqlite3_stmt *stmt,
		      int (*row)(struct sqlite3_stmt *stmt, void *user),
		      void *user)
{
	int step, err = 0;

	while (err == 0 && (step = sqlite3_step(stmt)) != SQLITE_DONE) {
		if (step == SQLITE_ROW)
			err = row(stmt, user);
		else
			err = manifest_db_errno(r->db);
	}
	sqlite3_finalize(stmt);
	return err;
}

/* What the callers below hand through manifest_each_row() to their row
 * functions. */
struct partial_caller {
	int (*each)(const char *path, const struct manifest_partial *p,
		    void *user);
	void *user;
};

static int call_partial(struct sqlite3_stmt *stmt, void *user)
{
	const struct partial_caller *c = user;
	struct manifest_partial p = {0};
	const char *path;
	int r = manifest_read_path(stmt, 0, &path);

	if (r == 0)
		r = manifest_read_id(stmt, 1, &p.directory);
	if (r == 0)
		r = manifest_read_name(stmt, 2, p.name);
	if (r == 0)
		r = manifest_read_partial(stmt, 3, &p);
	return r < 0 ? r : c->each(path, &p, c->user);
}

int manifest_each_partial(struct manifest_reader *r,
			  int (*each)(const char *path,
				      const struct manifest_partial *p,
				      void *user),
			  void *user)
{
	struct partial_caller caller = {.each = each, .user = user};
	struct sqlite3_stmt *stmt;
	int err = manifest_db_prepare(r->db, each_partial, &stmt);

	return err < 0 ? err
		       : manifest_each_row(r, stmt, call_partial, &caller);
}

struct directory_caller {
	int (*each)(const char *path, void *user);
	void *user;
};

static int call_directory(struct sqlite3_stmt *stmt, void *user)
{
	const struct directory_caller *c = user;
	const char *path;
	int r = manifest_read_path(stmt, 0, &path);

	return r < 0 ? r : c->each(path, c->user);
}

int manifest_each_failed_directory(struct manifest_reader *r,
				   uint64_t execution,
				   int (*each)(const char *path, void *user),
				   void *user)
{
	struct directory_caller caller = {.each = each, .user = user};
	struct sqlite3_stmt *stmt;
	int err = manifest_db_prepare(r->db, each_failed_directory, &stmt);

	if (err < 0)
		return err;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)execution);
	return manifest_each_row(r, stmt, call_directory, &caller);
}

struct row_caller {
	int (*each)(const char *path, const struct manifest_row *row,
		    void *user);
	void *user;
};

static int call_row(struct sqlite3_stmt *stmt, void *user)
{
	const struct row_caller *c = user;
	char name[MANIFEST_NAME_MAX + 1] = "";
	struct manifest_row row = {.name = name};
	const char *path;
	int r = manifest_read_path(stmt, 0, &path);

	if (r == 0)
		r = manifest_read_id(stmt, 1, &row.directory);

	/* The row of the root has no name. */
	if (r == 0 && (row.directory != MANIFEST_ROOT ||
		       sqlite3_column_bytes(stmt, 2) > 0))
		r = manifest_read_name(stmt, 2, name);
	if (r == 0)
		r = manifest_read_row(stmt, 3, &row);
	return r < 0 ? r : c->each(path, &row, c->user);
}

/* `sql` takes a number and a limit, and returns a path and a row. */
static int each_row(struct manifest_reader *r, const char *sql, uint64_t key,
		    size_t max, struct row_caller *caller)
{
	struct sqlite3_stmt *stmt;
	int err = manifest_db_prepare(r->db, sql, &stmt);

	if (err < 0)
		return err;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
	/* A negative limit is none. */
	sqlite3_bind_int64(stmt, 2, max > INT64_MAX ? -1 : (int64_t)max);
	return manifest_each_row(r, stmt, call_row, caller);
}

int manifest_each_failed(
    struct manifest_reader *r, uint64_t execution, size_t max,
    int (*each)(const char *path, const struct manifest_row *row, void *user),
    void *user)
{
	struct row_caller caller = {.each = each, .user = user};

	return each_row(r, each_failed, execution, max, &caller);
}

static int keep_count(struct sqlite3_stmt *stmt, void *user)
{
	*(uint64_t *)user = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

int manifest_count_failed(struct manifest_reader *r, uint64_t max,
			  uint64_t *ret)
{
	struct sqlite3_stmt *stmt;
	int err = manifest_db_prepare(r->db, count_failed, &stmt);

	if (err < 0)
		return err;
	sqlite3_bind_int64(stmt, 1, max > INT64_MAX ? -1 : (int64_t)max);
	return manifest_each_row(r, stmt, keep_count, ret);
}

int manifest_each_link(struct manifest_reader *r, uint64_t source_fileid,
		       size_t max,
		       int (*each)(const char *path,
				   const struct manifest_row *row, void *user),
		       void *user)
{
	struct row_caller caller = {.each = each, .user = user};

	return each_row(r, each_link, source_fileid, max, &caller);
}
