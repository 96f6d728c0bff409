/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of the manifest: what may be stored, how it is bound to a statement,
 * and how it is read back.
 *
 * A database is input: users may have written to it, a disk may have turned
 * bits. What is read is checked for its type and range, and what makes no
 * sense is -EUCLEAN, never a plan.
 */
#include "sync/manifest_internal.h"

#include <errno.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"

/* Permission bits with set-id and sticky: the type is a column of its own. */
#define MODE_MAX 07777

int manifest_check_name(const char *name)
{
	size_t len = strlen(name);

	if (len > MANIFEST_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

int manifest_check_path(const char *path)
{
	char name[MANIFEST_NAME_MAX + 1];
	size_t len;
	int r;

	/* One name after the other; a '/' must be followed by one more. */
	while (*path) {
		len = strcspn(path, "/");
		if (len > MANIFEST_NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		r = manifest_check_name(name);
		if (r < 0)
			return r;
		path += len;
		if (*path == '/' && *++path == '\0')
			return -EINVAL;
	}
	return 0;
}

/* Times, sizes and counters may be anything that a server says. */
static bool is_attr(const struct attr *a)
{
	return a->type >= ENTRY_NONE && a->type <= ENTRY_CHAR &&
	       a->mode <= MODE_MAX;
}

int manifest_check_row(const struct manifest_row *row)
{
	/* SQLite's integers end at 2^63 - 1; ids are counted, not given. */
	if (row->directory == 0 || row->directory > INT64_MAX ||
	    row->execution > INT64_MAX)
		return -EINVAL;
	if (row->state < STATE_COPIED || row->state > STATE_SKIPPED ||
	    row->type < ENTRY_NONE || row->type > ENTRY_CHAR ||
	    row->phase < PHASE_NONE || row->phase > PHASE_VERIFY ||
	    (row->flags & ~ROW_FLAGS) || !is_attr(&row->source))
		return -EINVAL;
	/* What failed has a reason; it is what the user asks for. */
	if (row->error > 0 || (row->state == STATE_FAILED && row->error == 0))
		return -EINVAL;

	/* The root has a row too, under the empty name. */
	if (row->directory == MANIFEST_ROOT && row->name[0] == '\0')
		return 0;
	return manifest_check_name(row->name);
}

int manifest_check_partial(const struct manifest_partial *p)
{
	int r;

	if (p->directory == 0 || p->directory > INT64_MAX ||
	    p->done_bytes > INT64_MAX || !is_attr(&p->source))
		return -EINVAL;
	/* A name that fills its array is not terminated. */
	if (!memchr(p->name, '\0', sizeof(p->name)) ||
	    !memchr(p->temp_name, '\0', sizeof(p->temp_name)))
		return -ENAMETOOLONG;
	r = manifest_check_name(p->name);
	return r < 0 ? r : manifest_check_name(p->temp_name);
}

/* --- To a statement -------------------------------------------------------
 *
 * Binding can only fail for lack of memory, and then the statement misses a
 * value that may not be NULL and fails when it is run.
 */

/* Bytes, not text: SQLite neither checks nor converts them. The text lives
 * as long as the item, which outlives the run of the statement. */
static void bind_bytes(struct sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_blob(stmt, at, text, (int)strlen(text), SQLITE_STATIC);
}

/* 64 bits as they are: above 2^63 they look negative. */
static void bind_bits(struct sqlite3_stmt *stmt, int at, uint64_t value)
{
	sqlite3_bind_int64(stmt, at, (sqlite3_int64)value);
}

void manifest_bind_key(struct sqlite3_stmt *stmt, uint64_t directory,
		       const char *name)
{
	bind_bits(stmt, 1, directory);
	bind_bytes(stmt, 2, name);
}

/* In the order of MANIFEST_ATTR_COLUMNS; tell_attr() and next_attr() follow the
 * same. */
static void bind_attr(struct sqlite3_stmt *stmt, int at, enum entry_type type,
		      const struct attr *a)
{
	sqlite3_bind_int(stmt, at++, (int)type);
	sqlite3_bind_int(stmt, at++, (int)a->mode);
	bind_bits(stmt, at++, a->uid);
	bind_bits(stmt, at++, a->gid);
	bind_bits(stmt, at++, a->size);
	bind_bits(stmt, at++, a->nlink);
	bind_bits(stmt, at++, a->fileid);
	sqlite3_bind_int64(stmt, at++, a->atime_ns);
	sqlite3_bind_int64(stmt, at++, a->mtime_ns);
	sqlite3_bind_int64(stmt, at++, a->ctime_ns);
	bind_bits(stmt, at++, a->change);
}

void manifest_bind_partial(struct sqlite3_stmt *stmt, int first,
			   const struct manifest_partial *p)
{
	int at = first;

	bind_bytes(stmt, at++, p->temp_name);
	bind_bits(stmt, at++, p->done_bytes);
	sqlite3_bind_blob(stmt, at++, p->digest.bytes, DIGEST_SIZE,
			  SQLITE_STATIC);
	bind_attr(stmt, at, p->source.type, &p->source);
}

/* --- To a statement that asks ---------------------------------------------
 *
 * The other way: a statement that stores a run of rows asks for each column.
 */

static void tell_bytes(struct sqlite3_context *ret, const void *bytes,
		       size_t size)
{
	sqlite3_result_blob(ret, bytes, (int)size, SQLITE_STATIC);
}

static int64_t attr_column(const struct manifest_row *row, int column)
{
	const struct attr *a = &row->source;

	switch (column) {
	case 0:
		return row->type;
	case 1:
		return a->mode;
	case 2:
		return a->uid;
	case 3:
		return a->gid;
	case 4:
		return (int64_t)a->size;
	case 5:
		return (int64_t)a->nlink;
	case 6:
		return (int64_t)a->fileid;
	case 7:
		return a->atime_ns;
	case 8:
		return a->mtime_ns;
	case 9:
		return a->ctime_ns;
	default:
		return (int64_t)a->change;
	}
}

void manifest_tell_column(struct sqlite3_context *ret,
			  const struct manifest_item *item, int column)
{
	const struct manifest_row *row = &item->row;

	switch (column) {
	case 0:
		sqlite3_result_int64(ret, (sqlite3_int64)item->directory);
		break;
	case 1:
		tell_bytes(ret, item->name, strlen(item->name));
		break;
	case 2:
		sqlite3_result_int64(ret, row->state);
		break;
	case 3:
		sqlite3_result_int64(ret, row->flags);
		break;
	case 4:
		sqlite3_result_int64(ret,
				     (sqlite3_int64)row->destination_fileid);
		break;
	case 5:
		if (row->has_digest)
			tell_bytes(ret, row->digest.bytes, DIGEST_SIZE);
		break;
	case 6:
		sqlite3_result_int64(ret, -(sqlite3_int64)row->error);
		break;
	case 7:
		sqlite3_result_int64(ret, row->phase);
		break;
	case 8:
		sqlite3_result_int64(ret, (sqlite3_int64)row->execution);
		break;
	default:
		sqlite3_result_int64(ret, attr_column(row, column - 9));
	}
}

/* --- From a statement -----------------------------------------------------
 *
 * A cursor over the columns remembers that something was wrong, so that one
 * look at the end does for all.
 */

struct columns {
	struct sqlite3_stmt *stmt;
	int at; /* the next column */
	bool wrong;
};

static int64_t next_integer(struct columns *c)
{
	if (sqlite3_column_type(c->stmt, c->at) != SQLITE_INTEGER)
		c->wrong = true;
	return sqlite3_column_int64(c->stmt, c->at++);
}

/* An integer from 0 to `max`. */
static uint32_t next_small(struct columns *c, uint32_t max)
{
	int64_t value = next_integer(c);

	if (value < 0 || value > max) {
		c->wrong = true;
		return 0;
	}
	return (uint32_t)value;
}

static uint64_t next_bits(struct columns *c)
{
	return (uint64_t)next_integer(c);
}

/* True with a digest, false without one (or with one that cannot be). */
static bool next_digest(struct columns *c, struct digest *ret)
{
	int at = c->at++;

	if (sqlite3_column_type(c->stmt, at) == SQLITE_NULL)
		return false;
	if (sqlite3_column_type(c->stmt, at) != SQLITE_BLOB ||
	    sqlite3_column_bytes(c->stmt, at) != DIGEST_SIZE) {
		c->wrong = true;
		return false;
	}
	memcpy(ret->bytes, sqlite3_column_blob(c->stmt, at), DIGEST_SIZE);
	return true;
}

static void next_attr(struct columns *c, struct attr *ret)
{
	ret->type = next_small(c, ENTRY_CHAR);
	ret->mode = next_small(c, MODE_MAX);
	ret->uid = next_small(c, UINT32_MAX);
	ret->gid = next_small(c, UINT32_MAX);
	ret->size = next_bits(c);
	ret->nlink = next_bits(c);
	ret->fileid = next_bits(c);
	ret->atime_ns = next_integer(c);
	ret->mtime_ns = next_integer(c);
	ret->ctime_ns = next_integer(c);
	ret->change = next_bits(c);
}

int manifest_read_row(struct sqlite3_stmt *stmt, int first,
		      struct manifest_row *ret)
{
	struct columns c = {.stmt = stmt, .at = first};

	ret->state = next_small(&c, STATE_SKIPPED);
	ret->flags = next_small(&c, ROW_FLAGS);
	ret->destination_fileid = next_bits(&c);
	ret->has_digest = next_digest(&c, &ret->digest);
	ret->error = -(int)next_small(&c, INT32_MAX);
	ret->phase = next_small(&c, PHASE_VERIFY);
	ret->execution = next_bits(&c);
	next_attr(&c, &ret->source);
	ret->type = ret->source.type;
	/* What manifest_check_row() would not have let in. */
	if (ret->state == STATE_NONE || ret->execution > INT64_MAX ||
	    (ret->state == STATE_FAILED && ret->error == 0))
		c.wrong = true;
	return c.wrong ? -EUCLEAN : 0;
}

int manifest_read_partial(struct sqlite3_stmt *stmt, int first,
			  struct manifest_partial *ret)
{
	struct columns c = {.stmt = stmt, .at = first + 1};
	int r = manifest_read_name(stmt, first, ret->temp_name);

	if (r < 0)
		return r;
	ret->done_bytes = next_bits(&c);
	if (ret->done_bytes > INT64_MAX || !next_digest(&c, &ret->digest))
		c.wrong = true;
	next_attr(&c, &ret->source);
	return c.wrong ? -EUCLEAN : 0;
}

int manifest_read_name(struct sqlite3_stmt *stmt, int column, char *ret)
{
	const void *bytes = sqlite3_column_blob(stmt, column);
	int len = sqlite3_column_bytes(stmt, column);

	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB ||
	    len > MANIFEST_NAME_MAX)
		return -EUCLEAN;
	if (len > 0)
		memcpy(ret, bytes, (size_t)len);
	ret[len] = '\0';

	/* A NUL inside would make it another name than the one stored. */
	if (strlen(ret) != (size_t)len || manifest_check_name(ret) < 0)
		return -EUCLEAN;
	return 0;
}

int manifest_read_id(struct sqlite3_stmt *stmt, int column, uint64_t *ret)
{
	struct columns c = {.stmt = stmt, .at = column};
	int64_t value = next_integer(&c);

	if (c.wrong || value <= 0)
		return -EUCLEAN;
	*ret = (uint64_t)value;
	return 0;
}

int manifest_read_path(struct sqlite3_stmt *stmt, int column, const char **ret)
{
	const char *path;

	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
		return -EUCLEAN;

	/* As text it ends with a NUL; the bytes stay what they are. */
	path = (const char *)sqlite3_column_text(stmt, column);
	if (!path)
		return -ENOMEM;
	/* What is read is walked on a volume: no ".." may be in it. */
	if (strlen(path) != (size_t)sqlite3_column_bytes(stmt, column) ||
	    manifest_check_path(path) < 0)
		return -EUCLEAN;
	*ret = path;
	return 0;
}

/* --- Names of codes -------------------------------------------------------
 *
 * The view `entries` says the same words: see manifest_schema.c.
 */

const char *manifest_root_key(enum side side)
{
	return side == SOURCE ? "source_root" : "destination_root";
}

bool manifest_is_status(const char *status)
{
	static const char *const all[] = {"RUNNING",    "SUCCESS",
					  "ERROR",      "CANCELLED",
					  "TIME_LIMIT", "INTERRUPTED"};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(status, all[i]) == 0)
			return true;
	return false;
}

const char *entry_state_name(enum entry_state state)
{
	switch (state) {
	case STATE_NONE:
		return "none";
	case STATE_COPIED:
		return "copied";
	case STATE_VERIFIED:
		return "verified";
	case STATE_FAILED:
		return "failed";
	case STATE_SKIPPED:
		return "skipped";
	}
	return "unknown";
}

const char *entry_phase_name(enum entry_phase phase)
{
	switch (phase) {
	case PHASE_NONE:
		return "none";
	case PHASE_LIST:
		return "list";
	case PHASE_READ:
		return "read";
	case PHASE_WRITE:
		return "write";
	case PHASE_METADATA:
		return "metadata";
	case PHASE_VERIFY:
		return "verify";
	}
	return "unknown";
}

const char *entry_type_name(enum entry_type type)
{
	switch (type) {
	case ENTRY_NONE:
		return "unknown";
	case ENTRY_FILE:
		return "file";
	case ENTRY_DIRECTORY:
		return "directory";
	case ENTRY_SYMLINK:
		return "symlink";
	case ENTRY_FIFO:
		return "fifo";
	case ENTRY_SOCKET:
		return "socket";
	case ENTRY_BLOCK:
		return "block device";
	case ENTRY_CHAR:
		return "character device";
	}
	return "unknown";
}
