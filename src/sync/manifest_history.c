/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The executions of a task, for history and status. Asked rarely, so each
 * question is prepared anew.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"

static const char each_execution[] =
    "SELECT id, started_ns, ended_ns, status, summary FROM execution"
    " WHERE id < ?1 ORDER BY id DESC LIMIT ?2";

struct caller {
	int (*each)(const struct manifest_execution *e, void *user);
	void *user;
};

/* The strings live until the statement steps on. */
static int call_execution(struct sqlite3_stmt *stmt, void *user)
{
	const struct caller *c = user;
	struct manifest_execution e = {
	    .started_ns = sqlite3_column_int64(stmt, 1),
	    .ended_ns = sqlite3_column_int64(stmt, 2),
	    .status = (const char *)sqlite3_column_text(stmt, 3),
	    .summary = (const char *)sqlite3_column_text(stmt, 4),
	};
	int r = manifest_read_id(stmt, 0, &e.id);

	if (r == 0 && (!e.summary || !manifest_is_status(e.status)))
		r = -EUCLEAN;
	return r < 0 ? r : c->each(&e, c->user);
}

int manifest_each_execution(
    struct manifest_reader *r, uint64_t before, size_t max,
    int (*each)(const struct manifest_execution *e, void *user), void *user)
{
	struct caller caller = {.each = each, .user = user};
	struct sqlite3_stmt *stmt;
	int err = manifest_db_prepare(r->db, each_execution, &stmt);

	if (err < 0)
		return err;
	if (before == 0 || before > INT64_MAX)
		before = INT64_MAX;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)before);
	/* A negative limit is none. */
	sqlite3_bind_int64(stmt, 2, max > INT64_MAX ? -1 : (int64_t)max);
	return manifest_each_row(r, stmt, call_execution, &caller);
}

struct wanted {
	uint64_t id;
	struct manifest_execution *ret;
};

/* 1: found and copied; 2: there is none of this id. */
static int keep_execution(const struct manifest_execution *e, void *user)
{
	const struct wanted *w = user;
	CLEANUP_FREE char *status = NULL;
	CLEANUP_FREE char *summary = NULL;

	if (e->id != w->id)
		return 2;
	status = strdup(e->status);
	summary = strdup(e->summary);
	if (!status || !summary)
		return -ENOMEM;
	*w->ret = *e;
	w->ret->status = steal(status);
	w->ret->summary = steal(summary);
	return 1;
}

int manifest_get_execution(struct manifest_reader *r, uint64_t id,
			   struct manifest_execution *ret)
{
	struct wanted w = {.id = id, .ret = ret};
	int found;

	if (id == 0 || id >= INT64_MAX)
		return 0;
	found = manifest_each_execution(r, id + 1, 1, keep_execution, &w);
	return found == 2 ? 0 : found;
}
