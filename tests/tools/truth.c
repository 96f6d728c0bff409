/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "truth.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <xxhash.h>

/* entry.type and entry.flags, as documented. */
#define TYPE_FILE      1
#define TYPE_DIRECTORY 2
#define TYPE_SYMLINK   3
#define TYPE_FIFO      4
#define TYPE_SOCKET    5
#define FLAG_NO_OWNER  0x2
#define FLAG_NO_MODE   0x4
#define FLAG_NO_TIMES  0x8

#define DIGEST_BYTES 16

/* After so many lines the others are only counted. */
#define LINES_MAX 50

static const char entries_sql[] =
    "SELECT d.path, e.name, e.type, e.flags, e.mode, e.uid, e.gid, e.size,"
    " e.mtime_ns, e.destination_fileid, e.digest"
    " FROM entry AS e JOIN directory AS d ON d.id = e.directory"
    " WHERE e.state IN (1, 2)";

static const char partials_sql[] =
    "SELECT d.path, p.temp_name, p.done_bytes, p.digest"
    " FROM partial AS p JOIN directory AS d ON d.id = p.directory";

/* Rows without a directory to be in would escape both. */
static const char orphans_sql[] =
    "SELECT count(*) FROM entry WHERE directory NOT IN"
    " (SELECT id FROM directory)";

static unsigned long rows_judged, claims_false;

/* One false claim. */
static void __attribute__((format(printf, 2, 3)))
deny(const char *path, const char *format, ...)
{
	va_list args;

	if (claims_false++ >= LINES_MAX)
		return;
	printf("%s: ", path);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static int64_t mtime_ns_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static int type_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return TYPE_FILE;
	case S_IFDIR:
		return TYPE_DIRECTORY;
	case S_IFLNK:
		return TYPE_SYMLINK;
	case S_IFIFO:
		return TYPE_FIFO;
	case S_IFSOCK:
		return TYPE_SOCKET;
	default:
		return 0;
	}
}

/* ROOT/DIRECTORY/NAME from two columns; the root itself has no name. */
static void path_of(char ret[PATH_MAX], const char *root,
		    struct sqlite3_stmt *stmt)
{
	int length = sqlite3_column_bytes(stmt, 0);
	int n = snprintf(ret, PATH_MAX, "%s/%.*s/%.*s", root, length,
			 (const char *)sqlite3_column_blob(stmt, 0),
			 sqlite3_column_bytes(stmt, 1),
			 (const char *)sqlite3_column_blob(stmt, 1));

	if (n < 0 || n >= PATH_MAX)
		errx(2, "%s: a path in the manifest is too long", root);
}

/* The canonical digest of the first `size` bytes; false when it is shorter. */
static bool digest_of_file(const char *path, uint64_t size,
			   uint8_t ret[DIGEST_BYTES])
{
	static uint8_t buffer[1 << 20];
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t canonical;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t left = size;
	ssize_t n = 0;

	if (fd < 0 || !state)
		err(2, "%s", path);
	XXH3_128bits_reset(state);
	while (left > 0) {
		n = read(fd, buffer,
			 left < sizeof(buffer) ? left : sizeof(buffer));
		if (n < 0)
			err(2, "%s", path);
		if (n == 0)
			break;
		XXH3_128bits_update(state, buffer, (size_t)n);
		left -= (uint64_t)n;
	}
	close(fd);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	XXH3_freeState(state);
	memcpy(ret, canonical.digest, DIGEST_BYTES);
	return left == 0;
}

static bool digest_of_target(const char *path, uint8_t ret[DIGEST_BYTES])
{
	char target[PATH_MAX];
	XXH128_canonical_t canonical;
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0)
		return false;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(target, (size_t)n));
	memcpy(ret, canonical.digest, DIGEST_BYTES);
	return true;
}

static bool is_digest(struct sqlite3_stmt *stmt, int column,
		      const uint8_t digest[DIGEST_BYTES])
{
	return sqlite3_column_bytes(stmt, column) == DIGEST_BYTES &&
	       memcmp(sqlite3_column_blob(stmt, column), digest,
		      DIGEST_BYTES) == 0;
}

/* What a row says of the bytes of a file or symlink. */
static void judge_content(struct sqlite3_stmt *stmt, const char *path,
			  const struct stat *st)
{
	uint8_t digest[DIGEST_BYTES];
	int64_t size = sqlite3_column_int64(stmt, 7);
	bool readable;

	if (S_ISREG(st->st_mode) && st->st_size != size) {
		deny(path, "size is %jd, not %" PRId64, (intmax_t)st->st_size,
		     size);
		return;
	}
	if (sqlite3_column_type(stmt, 10) == SQLITE_NULL) {
		deny(path, "the row has no digest");
		return;
	}
	if (S_ISREG(st->st_mode))
		readable = digest_of_file(path, (uint64_t)size, digest);
	else
		readable = digest_of_target(path, digest);
	if (!readable || !is_digest(stmt, 10, digest))
		deny(path, "the content is another");
}

static void judge_metadata(struct sqlite3_stmt *stmt, const char *path,
			   const struct stat *st)
{
	int flags = sqlite3_column_int(stmt, 3);
	mode_t mode = (mode_t)sqlite3_column_int(stmt, 4);
	uid_t uid = (uid_t)sqlite3_column_int64(stmt, 5);
	gid_t gid = (gid_t)sqlite3_column_int64(stmt, 6);
	int64_t mtime_ns = sqlite3_column_int64(stmt, 8);

	if (!(flags & FLAG_NO_MODE) && !S_ISLNK(st->st_mode) &&
	    (st->st_mode & ALLPERMS) != mode)
		deny(path, "mode is %04o, not %04o", st->st_mode & ALLPERMS,
		     mode);
	if (!(flags & FLAG_NO_OWNER) &&
	    (st->st_uid != uid || st->st_gid != gid))
		deny(path, "owner is %u:%u, not %u:%u", st->st_uid, st->st_gid,
		     uid, gid);
	if (!(flags & FLAG_NO_TIMES) && mtime_ns_of(st) != mtime_ns)
		deny(path, "mtime is %" PRId64 ", not %" PRId64,
		     mtime_ns_of(st), mtime_ns);
}

static void judge_entry(struct sqlite3_stmt *stmt, const char *root)
{
	char path[PATH_MAX];
	struct stat st;
	int type = sqlite3_column_int(stmt, 2);
	uint64_t fileid = (uint64_t)sqlite3_column_int64(stmt, 9);

	path_of(path, root, stmt);
	rows_judged++;
	if (lstat(path, &st) < 0) {
		deny(path, "%s", strerror(errno));
		return;
	}
	if (type_of(&st) != type) {
		deny(path, "type is %d, not %d", type_of(&st), type);
		return;
	}
	if (fileid != 0 && fileid != st.st_ino)
		deny(path, "fileid is %ju, not %" PRIu64, (uintmax_t)st.st_ino,
		     fileid);
	if (type == TYPE_FILE || type == TYPE_SYMLINK)
		judge_content(stmt, path, &st);
	judge_metadata(stmt, path, &st);
}

static void judge_partial(struct sqlite3_stmt *stmt, const char *root)
{
	char path[PATH_MAX];
	uint8_t digest[DIGEST_BYTES];
	uint64_t done = (uint64_t)sqlite3_column_int64(stmt, 2);
	struct stat st;

	path_of(path, root, stmt);
	rows_judged++;
	if (lstat(path, &st) < 0 && errno == ENOENT)
		return;
	if (!digest_of_file(path, done, digest) || !is_digest(stmt, 3, digest))
		deny(path, "does not begin with those %" PRIu64 " bytes", done);
}

static void judge_nothing_lost(struct sqlite3_stmt *stmt, const char *root)
{
	if (sqlite3_column_int64(stmt, 0) > 0)
		deny(root, "entries without a directory in the manifest");
}

/* All rows of a query through one judge. */
static void judge_all(struct sqlite3 *db, const char *sql, const char *root,
		      void (*judge)(struct sqlite3_stmt *stmt,
				    const char *root))
{
	struct sqlite3_stmt *stmt;
	int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (r != SQLITE_OK)
		errx(2, "%s", sqlite3_errmsg(db));
	while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
		judge(stmt, root);
	if (r != SQLITE_DONE)
		errx(2, "%s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
}

unsigned long truth_judge(const char *db_path, const char *directory,
			  unsigned long *ret_rows)
{
	struct sqlite3 *db;

	rows_judged = claims_false = 0;
	if (sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY, NULL) !=
	    SQLITE_OK)
		errx(2, "%s: %s", db_path, sqlite3_errmsg(db));
	judge_all(db, entries_sql, directory, judge_entry);
	judge_all(db, partials_sql, directory, judge_partial);
	judge_all(db, orphans_sql, directory, judge_nothing_lost);
	sqlite3_close(db);
	*ret_rows = rows_judged;
	return claims_false;
}
