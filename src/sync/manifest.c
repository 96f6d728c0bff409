/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest: opening, closing, and what writes.
 *
 * What it is good for, and what a crash does to it
 * ------------------------------------------------
 *
 * A row is a statement about the past: "when this entry was copied, the
 * source looked like this, its content had this digest, and the destination
 * held the same". The plan believes it only together with what both sides
 * show now: a source that differs from the row is copied again, and so is a
 * destination that differs from it. From this follow the rules:
 *
 *  1. A row is put after what it says has become true on the destination, and
 *     for a file that means: durable there (the server has committed it).
 *     The engine keeps this rule, the manifest cannot.
 *
 *  2. Rows become durable in the order in which they were put. A crash leaves
 *     a prefix: the transactions of the writer are atomic and in order, and
 *     a write-ahead log loses its newest end first. So a directory's id never
 *     means another directory than the one that its row names, and a newer
 *     row about an entry is never lost while a row put after it is kept.
 *
 *  3. Losing the end of the rows is harmless. A lost row of a copied entry:
 *     the next run finds source and destination equal but no row, and
 *     verifies or copies again. A lost drop: the row speaks of an entry that
 *     both listings lack, nobody asks for it. A lost failure: the next run
 *     fails again and says so.
 *     That is why commits are not synced (synchronous=NORMAL): a killed
 *     process loses what was in its queue (at most half a second of work),
 *     lost power loses what the kernel had not written yet, and both lose
 *     work only.
 *
 *  4. The end of an execution is synced (synchronous=FULL), and with it all
 *     rows before it: what a report said was done is still known after the
 *     power went a moment later.
 *
 *  5. An execution that did not write its end was killed; the next one to
 *     begin marks it INTERRUPTED.
 *
 *  6. A partial says how much of a temporary file is durable. It is put after
 *     the server's commit, like any row; where power takes the row, an older
 *     one or none is left, and less is resumed.
 *
 * A database that is damaged, newer, foreign or not writable is refused with
 * words and left as it is: a person decides what becomes of it.
 *
 * See manifest_internal.h for the other files of the manifest.
 */
#include "sync/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/manifest_internal.h"

/*
 * Makes an empty file, which SQLite takes as an empty database, so that the
 * mode and the refusal of symbolic links are ours. An existing one stays.
 */
static int make_file(const char *path, char *error, size_t error_size)
{
	int fd = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return manifest_db_explain(path, NULL, -errno, error,
					   error_size);
	if (fstat(fd, &st) < 0) {
		r = manifest_db_explain(path, NULL, -errno, error, error_size);
	} else if (!S_ISREG(st.st_mode)) {
		snprintf(error, error_size,
			 "%s: not a regular file; choose another state "
			 "directory with --state",
			 path);
		r = -EINVAL;
	}
	close(fd);
	return r;
}

static struct manifest *manifest_free(struct manifest *m)
{
	if (m)
		free(m->path);
	free(m);
	return NULL;
}

static int open_database(const char *path, const char *source,
			 const char *destination, struct sqlite3 **ret,
			 char *error, size_t error_size)
{
	struct sqlite3 *db = NULL;
	int r = make_file(path, error, error_size);

	if (r < 0)
		return r;
	r = manifest_db_open(path, true, &db);
	if (r < 0)
		manifest_db_explain(path, db, r, error, error_size);
	else
		r = manifest_schema_prepare(db, path, source, destination,
					    error, error_size);
	if (r < 0) {
		manifest_db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

int manifest_open(const char *directory, const char *source,
		  const char *destination, struct manifest **ret, char *error,
		  size_t error_size)
{
	struct manifest *m = calloc(1, sizeof(*m));
	struct sqlite3 *db;
	int r;

	if (!m || asprintf(&m->path, "%s/manifest.db", directory) < 0) {
		snprintf(error, error_size, "%s: out of memory", directory);
		free(m);
		return -ENOMEM;
	}
	r = open_database(m->path, source, destination, &db, error, error_size);
	if (r == 0) {
		r = manifest_writer_start(db, &m->writer);
		if (r < 0)
			manifest_db_explain(m->path, NULL, r, error,
					    error_size);
	}
	if (r < 0) {
		manifest_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

/* Is there one that can be read? It is closed again: readers have their own. */
static int check_database(const char *path, char *error, size_t error_size)
{
	struct sqlite3 *db = NULL;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0) {
		r = -errno;
		snprintf(error, error_size, "%s: %s", path, strerror(-r));
		return r;
	}
	r = manifest_db_open(path, false, &db);
	if (r < 0)
		manifest_db_explain(path, db, r, error, error_size);
	else
		r = manifest_schema_check(db, path, error, error_size);
	manifest_db_close(db);
	return r;
}

int manifest_open_read(const char *directory, struct manifest **ret,
		       char *error, size_t error_size)
{
	struct manifest *m = calloc(1, sizeof(*m));
	int r;

	if (!m || asprintf(&m->path, "%s/manifest.db", directory) < 0) {
		snprintf(error, error_size, "%s: out of memory", directory);
		free(m);
		return -ENOMEM;
	}
	r = check_database(m->path, error, error_size);
	if (r < 0) {
		manifest_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

/* Queues an item, unless the manifest is only read. */
static int put(struct manifest *m, const struct manifest_item *like)
{
	return m->writer ? manifest_writer_put(m->writer, like) : -EROFS;
}

void manifest_set_watch(struct manifest *m, manifest_watch *committed,
			void *user)
{
	if (m->writer)
		manifest_writer_set_watch(m->writer, committed, user);
}

uint64_t manifest_get_epoch(const struct manifest *m)
{
	return m->writer ? manifest_writer_get_epoch(m->writer) : 0;
}

int manifest_close(struct manifest *m)
{
	int r = 0;

	if (!m)
		return 0;
	if (m->writer)
		r = manifest_writer_stop(m->writer);
	manifest_free(m);
	return r;
}

int manifest_put(struct manifest *m, const struct manifest_row *row)
{
	struct manifest_item like = {
	    .kind = ITEM_ROW,
	    .directory = row->directory,
	    .name = row->name,
	    .row = *row,
	};
	int r = manifest_check_row(row);

	return r < 0 ? r : put(m, &like);
}

int manifest_put_partial(struct manifest *m, const struct manifest_partial *p)
{
	struct manifest_partial copy = *p;
	struct manifest_item like = {
	    .kind = ITEM_PARTIAL,
	    .directory = p->directory,
	    .name = copy.name,
	    .partial = &copy,
	};
	int r = manifest_check_partial(p);

	return r < 0 ? r : put(m, &like);
}

static int drop(struct manifest *m, enum manifest_item_kind kind,
		uint64_t directory, const char *name)
{
	struct manifest_item like = {
	    .kind = kind,
	    .directory = directory,
	    .name = name,
	};

	return put(m, &like);
}

int manifest_drop_links(struct manifest *m, uint64_t destination_fileid)
{
	struct manifest_item item = {.kind = ITEM_DROP_LINKS,
				     .directory = destination_fileid};

	return put(m, &item);
}

int manifest_drop(struct manifest *m, uint64_t directory, const char *name)
{
	return drop(m, ITEM_DROP, directory, name);
}

int manifest_drop_tree(struct manifest *m, uint64_t directory, const char *name)
{
	int r = manifest_check_name(name);

	return r < 0 ? r : drop(m, ITEM_DROP_TREE, directory, name);
}

int manifest_drop_partial(struct manifest *m, uint64_t directory,
			  const char *name)
{
	return drop(m, ITEM_DROP_PARTIAL, directory, name);
}

int manifest_flush(struct manifest *m)
{
	return m->writer ? manifest_writer_flush(m->writer) : 0;
}

static int put_execution(struct manifest *m, enum manifest_item_kind kind,
			 const struct manifest_execution *e)
{
	struct manifest_item like = {.kind = kind, .execution = *e};
	int r;

	if (!like.execution.summary)
		like.execution.summary = "";
	r = put(m, &like);
	return r < 0 ? r : manifest_flush(m);
}

int manifest_begin(struct manifest *m, struct manifest_execution *ret)
{
	struct manifest_execution e = *ret;
	int r;

	if (!m->writer)
		return -EROFS;
	e.id = manifest_writer_take_execution(m->writer);
	e.status = "RUNNING";
	if (e.started_ns == 0)
		e.started_ns = clock_wall_ns();
	r = put_execution(m, ITEM_BEGIN, &e);
	if (r < 0)
		return r;
	ret->id = e.id;
	ret->started_ns = e.started_ns;
	return 0;
}

int manifest_put_roots(struct manifest *m, const uint64_t fileid[SIDES])
{
	struct manifest_item like = {.kind = ITEM_ROOTS};
	int r;

	memcpy(like.roots, fileid, sizeof(like.roots));
	r = put(m, &like);
	return r < 0 ? r : manifest_flush(m);
}

uint64_t manifest_next_execution(struct manifest *m)
{
	return manifest_writer_peek_execution(m->writer);
}

int manifest_end(struct manifest *m, const struct manifest_execution *e)
{
	struct manifest_execution end = *e;

	if (!e->status || !manifest_is_status(e->status))
		return -EINVAL;
	if (end.ended_ns == 0)
		end.ended_ns = clock_wall_ns();
	return put_execution(m, ITEM_END, &end);
}
