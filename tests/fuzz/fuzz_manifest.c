/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A manifest that somebody else wrote, or a disk damaged: it is refused with a
 * sentence, or what is read of it can be relied on. Two ways to one:
 *
 *   - the file, with bytes changed or cut short;
 *   - rows that no check of the schema let through, with values of all types.
 *
 * It is read as status, report and a run read it, and then, in one of four,
 * opened and written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "scratch.h"
#include "standing.h"
#include "sync/manifest.h"

#define SOURCE      "host:/a"
#define DESTINATION "host:/b"

static char *file; /* its name */
static uint8_t *sound;
static size_t sound_size;

/* --- A sound one ---------------------------------------------------------- */

static void put(struct manifest *m, uint64_t directory, const char *name,
		enum entry_state state)
{
	struct manifest_row row = {
	    .directory = directory,
	    .name = name,
	    .state = state,
	    .type = ENTRY_FILE,
	    .source = {.type = ENTRY_FILE, .nlink = 2, .fileid = 7},
	    .error = state == STATE_FAILED ? -EACCES : 0,
	    .phase = state == STATE_FAILED ? PHASE_READ : PHASE_NONE,
	    .execution = 1,
	};

	check(!manifest_put(m, &row));
}

static void fill(struct manifest *m)
{
	struct manifest_execution e = {.summary = "{\"progress\":0.5}"};
	struct manifest_reader *r = manifest_reader_new(m);
	struct manifest_partial p = {
	    .directory = 1, .name = "p", .temp_name = ".t", .done_bytes = 9};
	uint64_t id = 0;

	check(r && !manifest_begin(m, &e));
	check(!manifest_directory(r, MANIFEST_ROOT, "d", "d", &id));
	put(m, MANIFEST_ROOT, "f", STATE_FAILED);
	put(m, id, "g", STATE_VERIFIED);
	put(m, id, "h", STATE_FAILED);
	check(!manifest_put_partial(m, &p));
	e.status = "SUCCESS";
	check(!manifest_end(m, &e));
	manifest_reader_free(r);
}

static void make_sound(void)
{
	struct manifest *m = NULL;
	char error[512];
	struct stat st;
	int fd;

	check(!manifest_open(scratch(), SOURCE, DESTINATION, &m, error,
			     sizeof(error)));
	fill(m);
	check(!manifest_close(m));
	check(asprintf(&file, "%s/manifest.db", scratch()) > 0);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &st) == 0);
	sound_size = (size_t)st.st_size;
	sound = malloc(sound_size);
	check(sound && read(fd, sound, sound_size) == (ssize_t)sound_size);
	close(fd);
}

static void forget(const char *suffix)
{
	CLEANUP_FREE char *path = NULL;

	check(asprintf(&path, "%s%s", file, suffix) > 0);
	unlink(path);
}

/* As it was, with some bytes changed. */
static void write_file(struct input *in, bool damaged)
{
	CLEANUP_FREE uint8_t *copy = malloc(sound_size);
	size_t size = sound_size;
	int fd;

	check(copy != NULL);
	memcpy(copy, sound, sound_size);
	for (unsigned i = damaged ? input_byte(in) : 0; i > 0 && in->left; i--)
		copy[input_number(in, 3) % sound_size] =
		    (uint8_t)input_byte(in);
	if (damaged && input_byte(in) & 1)
		size = (size_t)input_number(in, 3) % sound_size;
	forget("");
	forget("-wal");
	forget("-shm");
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && write(fd, copy, size) == (ssize_t)size);
	close(fd);
}

/* --- Rows ----------------------------------------------------------------- */

/* A whole row each, of which the input changes some values. */
static const struct {
	const char *sql;
	int columns;
} rows[] = {
    {"INSERT OR REPLACE INTO directory VALUES (?,?,?,?)", 4},
    {"INSERT OR REPLACE INTO entry VALUES "
     "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
     20},
    {"INSERT OR REPLACE INTO partial VALUES "
     "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
     16},
    {"INSERT OR REPLACE INTO execution VALUES (?,?,?,?,?)", 5},
    {"INSERT OR REPLACE INTO task VALUES (?,?)", 2},
    {"UPDATE entry SET execution=?, path=?", 2},
};

static void bind_one(struct input *in, sqlite3_stmt *stmt, int column)
{
	const uint8_t *data;
	size_t len;

	switch (input_byte(in) % 8) {
	case 0:
	case 1:
		sqlite3_bind_int64(stmt, column, input_byte(in));
		break;
	case 2:
		sqlite3_bind_int64(stmt, column,
				   (sqlite3_int64)input_number(in, 8));
		break;
	case 3:
		data = input_bytes(in, input_byte(in), &len);
		sqlite3_bind_text(stmt, column, (const char *)data, (int)len,
				  SQLITE_TRANSIENT);
		break;
	case 4:
		data = input_bytes(in, 16, &len);
		sqlite3_bind_blob(stmt, column, data, (int)len,
				  SQLITE_TRANSIENT);
		break;
	case 5:
		sqlite3_bind_double(stmt, column,
				    (double)input_number(in, 4) / 3);
		break;
	case 6:
		break; /* NULL */
	default:
		data = input_piece(in, &len);
		sqlite3_bind_blob(stmt, column, data, (int)len,
				  SQLITE_TRANSIENT);
	}
}

static void add_rows(struct input *in)
{
	sqlite3 *db = NULL;

	check(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) ==
	      SQLITE_OK);
	sqlite3_exec(db,
		     "PRAGMA ignore_check_constraints=ON;"
		     "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;"
		     "BEGIN",
		     NULL, NULL, NULL);
	for (unsigned i = input_byte(in) % 8 + 1; i > 0; i--) {
		unsigned which = input_byte(in) % ARRAY_SIZE(rows);
		sqlite3_stmt *stmt = NULL;

		sqlite3_prepare_v2(db, rows[which].sql, -1, &stmt, NULL);
		for (int k = 1; stmt && k <= rows[which].columns; k++)
			bind_one(in, stmt, k);
		sqlite3_step(stmt);
		sqlite3_finalize(stmt);
	}
	sqlite3_exec(db, "COMMIT; PRAGMA journal_mode=WAL", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* --- Reading -------------------------------------------------------------- */

static void check_name(const char *name)
{
	check(*name && strlen(name) <= 255 && !strchr(name, '/'));
	check(strcmp(name, ".") && strcmp(name, "..") != 0);
}

static void check_path(const char *path)
{
	size_t len = strlen(path);

	check(path[0] != '/' && (!len || path[len - 1] != '/'));
	check(!strstr(path, "//") && !strstr(path, "/../"));
	check(strcmp(path, "..") && strncmp(path, "../", 3) != 0);
	check(len < 3 || strcmp(path + len - 3, "/..") != 0);
}

static void check_row(const struct manifest_row *row)
{
	check(row->directory > 0 && row->directory <= INT64_MAX);
	check(row->state >= STATE_COPIED && row->state <= STATE_SKIPPED);
	check(row->type <= ENTRY_CHAR && row->phase <= PHASE_VERIFY);
	check(row->flags <= 15 && row->source.mode <= 07777);
	check(row->error <= 0 && (row->state != STATE_FAILED || row->error));
}

static int take_row(const char *path, const struct manifest_row *row,
		    void *user)
{
	(void)user;
	check_path(path);
	check_row(row);
	if (*row->name || row->directory != MANIFEST_ROOT)
		check_name(row->name);
	return 0;
}

static int take_partial(const char *path, const struct manifest_partial *p,
			void *user)
{
	(void)user;
	check_path(path);
	check_name(p->name);
	check_name(p->temp_name);
	check(p->done_bytes <= INT64_MAX && p->source.mode <= 07777);
	return 0;
}

static int take_directory(const char *path, void *user)
{
	(void)user;
	check_path(path);
	return 0;
}

static int take_execution(const struct manifest_execution *e, void *user)
{
	(void)user;
	check(e->id > 0 && e->status && *e->status && e->summary);
	return 0;
}

static void read_one(struct manifest_reader *r, const char *name)
{
	struct manifest_partial p;
	struct manifest_row row;
	uint64_t id = 0;

	if (manifest_find_directory(r, MANIFEST_ROOT, name, &id) == 1)
		check(id > 0 && id <= INT64_MAX);
	if (manifest_get(r, id ? id : 1, name, &row) == 1)
		check_row(&row);
	if (manifest_get_partial(r, 1, name, &p) == 1)
		check_name(p.temp_name);
}

static void read_all(struct manifest *m)
{
	struct manifest_reader *r = manifest_reader_new(m);
	struct manifest_execution e;
	uint64_t count = 0;

	if (!r)
		return;
	read_one(r, "d");
	read_one(r, "f");
	read_one(r, "");
	check(manifest_each_failed(r, 0, SIZE_MAX, take_row, NULL) <= 0);
	check(manifest_each_failed(r, 1, 3, take_row, NULL) <= 0);
	check(manifest_each_link(r, 7, 9, take_row, NULL) <= 0);
	check(manifest_each_partial(r, take_partial, NULL) <= 0);
	check(manifest_each_failed_directory(r, 0, take_directory, NULL) <= 0);
	check(manifest_each_execution(r, 0, 9, take_execution, NULL) <= 0);
	check(manifest_count_failed(r, 5, &count) < 0 || count <= 5);
	if (manifest_get_execution(r, 1, &e) == 1) {
		take_execution(&e, NULL);
		free((char *)(uintptr_t)e.status);
		free((char *)(uintptr_t)e.summary);
	}
	manifest_reader_free(r);
}

static void use(bool written)
{
	struct standing s = {0};
	struct manifest *m = NULL;
	char error[2048] = "";
	int r;

	r = manifest_open_read(scratch(), &m, error, sizeof(error));
	check((r == 0) == (m != NULL) && (r == 0 || (r < 0 && *error)));
	if (m)
		read_all(m);
	manifest_close(m);
	r = standing_from_manifest(scratch(), false, &s, error, sizeof(error));
	check(r <= 0);
	standing_done(&s);
	if (!written)
		return;
	m = NULL;
	r = manifest_open(scratch(), SOURCE, DESTINATION, &m, error,
			  sizeof(error));
	check((r == 0) == (m != NULL) && (r == 0 || (r < 0 && *error)));
	if (!m)
		return;
	put(m, MANIFEST_ROOT, "f", STATE_COPIED);
	manifest_drop_tree(m, MANIFEST_ROOT, "d");
	manifest_flush(m);
	read_all(m);
	manifest_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned how = input_byte(&in);

	if (!sound)
		make_sound();
	write_file(&in, how & 1);
	if (!(how & 1))
		add_rows(&in);
	use(how % 8 >= 6);
	return 0;
}
