/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest against a real SQLite: what is put is got back, what a crash
 * leaves is a prefix, what is not ours is refused and left alone.
 *
 * Tests that need a process of its own (killed, limited, without rights) fork;
 * the child says what it has to say by its exit status or through a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/manifest.h"

#define SOURCE      "nfs://a.example:2049/"
#define DESTINATION "nfs://b.example:2049/"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define SANITIZED 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#		define SANITIZED 1
#	endif
#endif
#ifndef SANITIZED
#	define SANITIZED 0
#endif

/* What every test starts with: a directory of its own. */
struct fixture {
	char directory[64];
	char path[80]; /* of the database */
	struct manifest *m;
	struct manifest_reader *r;
	char error[512];
};

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->directory, "/tmp/test_manifest.XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/manifest.db", f->directory);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static int try_open(struct fixture *f)
{
	f->error[0] = '\0';
	return manifest_open(f->directory, SOURCE, DESTINATION, &f->m, f->error,
			     sizeof(f->error));
}

static void open_both(struct fixture *f)
{
	assert_int_equal(try_open(f), 0);
	f->r = manifest_reader_new(f->m);
	assert_non_null(f->r);
}

static void close_both(struct fixture *f)
{
	f->r = manifest_reader_free(f->r);
	assert_int_equal(manifest_close(f->m), 0);
	f->m = NULL;
}

static uint64_t directory(struct fixture *f, uint64_t parent, const char *name,
			  const char *path)
{
	uint64_t id = 0;

	assert_int_equal(manifest_directory(f->r, parent, name, path, &id), 0);
	return id;
}

static struct manifest_row sample(uint64_t dir, const char *name)
{
	return (struct manifest_row){
	    .directory = dir,
	    .name = name,
	    .state = STATE_VERIFIED,
	    .type = ENTRY_FILE,
	    .source = {.type = ENTRY_FILE,
		       .mode = 0644,
		       .uid = 1000,
		       .gid = 100,
		       .size = 4096,
		       .nlink = 1,
		       .fileid = 77,
		       .mtime_ns = 1700000000123456789},
	    .has_digest = true,
	    .digest = digest_of(name, strlen(name)),
	    .execution = 1,
	};
}

static void assert_attr_equal(const struct attr *a, const struct attr *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_true(a->size == b->size);
	assert_true(a->nlink == b->nlink);
	assert_true(a->fileid == b->fileid);
	assert_true(a->atime_ns == b->atime_ns);
	assert_true(a->mtime_ns == b->mtime_ns);
	assert_true(a->ctime_ns == b->ctime_ns);
	assert_true(a->change == b->change);
}

/* --- A look at the database with SQLite itself ---------------------------- */

/* Runs SQL on the closed manifest as its user could. */
static void exec_sql(struct fixture *f, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	sqlite3_close(db);
}

/* The first row of `sql`, columns joined by '|'; "" when there is none. */
static char *query(struct fixture *f, const char *sql, char *ret, size_t size)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	size_t len = 0;

	ret[0] = '\0';
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *text =
			    (const char *)sqlite3_column_text(stmt, i);

			len += (size_t)snprintf(ret + len, size - len, "%s%s",
						i ? "|" : "",
						text ? text : "NULL");
		}
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return ret;
}

static void assert_query(struct fixture *f, const char *sql, const char *want)
{
	char text[2048];

	assert_string_equal(query(f, sql, text, sizeof(text)), want);
}

static struct digest file_digest(const char *path)
{
	char buffer[1 << 16];
	struct digest_stream *s = digest_stream_new();
	struct digest d;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		digest_stream_add(s, buffer, (size_t)n);
	close(fd);
	d = digest_stream_get(s);
	digest_stream_free(s);
	return d;
}

/* The database is refused, in words that name it, and not touched. */
static void assert_refused(struct fixture *f, int want, const char *word)
{
	struct digest before = file_digest(f->path), after;

	assert_int_equal(try_open(f), want);
	assert_non_null(strstr(f->error, f->path));
	if (!strstr(f->error, word))
		fail_msg("\"%s\" lacks \"%s\"", f->error, word);
	after = file_digest(f->path);
	assert_true(digest_equal(&before, &after));
}

/* --- Rows ----------------------------------------------------------------- */

static void test_row_extremes(void **state)
{
	struct fixture *f = *state;
	const char *name = "-rf \n\xff\xfe'\"";
	struct manifest_row row = {
	    .name = name,
	    .state = STATE_FAILED,
	    .type = ENTRY_FILE,
	    .flags = ROW_UNLINKED | ROW_NO_OWNER | ROW_NO_MODE | ROW_NO_TIMES,
	    .source = {.type = ENTRY_FILE,
		       .mode = 07777,
		       .uid = UINT32_MAX,
		       .gid = UINT32_MAX,
		       .size = UINT64_MAX,
		       .nlink = UINT64_MAX,
		       .fileid = UINT64_MAX - 1,
		       .atime_ns = INT64_MIN,
		       .mtime_ns = -1,
		       .ctime_ns = INT64_MAX,
		       .change = UINT64_MAX},
	    .destination_fileid = UINT64_C(1) << 63,
	    .has_digest = true,
	    .digest = digest_of("x", 1),
	    .error = -EBADMSG,
	    .phase = PHASE_VERIFY,
	    .execution = INT64_MAX,
	};
	struct manifest_row got;

	open_both(f);
	row.directory = directory(f, MANIFEST_ROOT, "d\n", "d\n");
	assert_int_equal(manifest_get(f->r, row.directory, name, &got), 0);
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(manifest_get(f->r, row.directory, name, &got),
				 1);
		assert_ptr_equal(got.name, name);
		assert_true(got.directory == row.directory);
		assert_int_equal(got.state, row.state);
		assert_int_equal(got.type, row.type);
		assert_int_equal(got.flags, row.flags);
		assert_attr_equal(&got.source, &row.source);
		assert_true(got.destination_fileid == row.destination_fileid);
		assert_true(got.has_digest);
		assert_true(digest_equal(&got.digest, &row.digest));
		assert_int_equal(got.error, row.error);
		assert_int_equal(got.phase, row.phase);
		assert_true(got.execution == row.execution);
		close_both(f);
		open_both(f);
	}
	close_both(f);
}

static void test_row_replaced_and_dropped(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row = sample(MANIFEST_ROOT, "a"), got;

	open_both(f);
	assert_int_equal(manifest_put(f->m, &row), 0);
	row.state = STATE_COPIED;
	row.has_digest = false;
	row.source.size = 5;
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "a", &got), 1);
	assert_int_equal(got.state, STATE_COPIED);
	assert_false(got.has_digest);
	assert_int_equal(got.source.size, 5);

	assert_int_equal(manifest_drop(f->m, MANIFEST_ROOT, "a"), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "a", &got), 0);
	close_both(f);
}

static void test_row_refused(void **state)
{
	struct fixture *f = *state;
	char long_name[300];
	const char *const names[] = {"", ".", "..", "a/b", "/"};
	struct manifest_row row;

	open_both(f);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		row = sample(2, names[i]);
		assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	}
	memset(long_name, 'n', sizeof(long_name));
	long_name[256] = '\0';
	row = sample(2, long_name);
	assert_int_equal(manifest_put(f->m, &row), -ENAMETOOLONG);
	long_name[255] = '\0';
	assert_int_equal(manifest_put(f->m, &row), 0);

	row = sample(0, "a");
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	row = sample(1, "a");
	row.state = STATE_NONE;
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	row.state = STATE_FAILED; /* without an error */
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	row.error = EIO; /* positive */
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	row = sample(1, "a");
	row.source.mode = 0100644;
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);
	row = sample(1, "a");
	row.flags = 0x10;
	assert_int_equal(manifest_put(f->m, &row), -EINVAL);

	/* The root itself has the empty name. */
	row = sample(MANIFEST_ROOT, "");
	assert_int_equal(manifest_put(f->m, &row), 0);
	close_both(f);
}

static int note_partial(const char *path, const struct manifest_partial *p,
			void *user)
{
	char *text = user;

	sprintf(text + strlen(text), "%s/%s=%s:%" PRIu64 ";", path, p->name,
		p->temp_name, p->done_bytes);
	return 0;
}

static void test_partial(void **state)
{
	struct fixture *f = *state;
	struct manifest_partial p = {
	    .name = "big",
	    .temp_name = ".tmp.big",
	    .source = {.type = ENTRY_FILE, .mode = 0600, .size = 1u << 31},
	    .done_bytes = 1 << 20,
	    .digest = digest_of("big", 3),
	};
	struct manifest_partial got;
	char text[256] = "";

	open_both(f);
	p.directory = directory(f, MANIFEST_ROOT, "d", "d");
	assert_int_equal(manifest_put_partial(f->m, &p), 0);
	p.done_bytes = 2 << 20;
	assert_int_equal(manifest_put_partial(f->m, &p), 0);
	close_both(f);

	open_both(f);
	assert_int_equal(manifest_get_partial(f->r, p.directory, "big", &got),
			 1);
	assert_string_equal(got.temp_name, p.temp_name);
	assert_true(got.done_bytes == p.done_bytes);
	assert_true(digest_equal(&got.digest, &p.digest));
	assert_attr_equal(&got.source, &p.source);
	assert_int_equal(manifest_each_partial(f->r, note_partial, text), 0);
	assert_string_equal(text, "d/big=.tmp.big:2097152;");

	assert_int_equal(manifest_drop_partial(f->m, p.directory, "big"), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get_partial(f->r, p.directory, "big", &got),
			 0);
	strcpy(p.temp_name, "a/b");
	assert_int_equal(manifest_put_partial(f->m, &p), -EINVAL);
	close_both(f);
}

/* --- Directories ---------------------------------------------------------- */

static void test_directory_ids(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, id;

	open_both(f);
	a = directory(f, MANIFEST_ROOT, "a", "a");
	assert_true(a > MANIFEST_ROOT);
	b = directory(f, a, "a", "a/a");
	assert_true(b != a);
	assert_true(directory(f, MANIFEST_ROOT, "a", "a") == a);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_true(directory(f, MANIFEST_ROOT, "a", "a") == a);
	close_both(f);

	open_both(f);
	assert_true(directory(f, a, "a", "a/a") == b);
	id = directory(f, b, "c", "a/a/c");
	assert_true(id > a && id > b);
	assert_int_equal(manifest_directory(f->r, 1, "..", "..", &id), -EINVAL);
	assert_int_equal(manifest_directory(f->r, 1, "x", "/x", &id), -EINVAL);
	assert_int_equal(manifest_directory(f->r, 1, "x", "x/", &id), -EINVAL);
	close_both(f);
}

#define RACE_THREADS     4
#define RACE_DIRECTORIES 5000

struct racer {
	struct manifest *m;
	uint64_t ids[RACE_DIRECTORIES];
	int error;
};

static void *race(void *arg)
{
	struct racer *me = arg;
	struct manifest_reader *r = manifest_reader_new(me->m);
	char name[32];

	if (!r)
		me->error = -ENOMEM;
	for (int i = 0; me->error == 0 && i < RACE_DIRECTORIES; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		me->error = manifest_directory(r, MANIFEST_ROOT, name, name,
					       &me->ids[i]);
		if (i % 97 == 0 && me->error == 0)
			me->error = manifest_flush(me->m);
	}
	manifest_reader_free(r);
	return NULL;
}

/* Many threads ask for the same new directories, while they are committed. */
static void test_directory_race(void **state)
{
	struct fixture *f = *state;
	struct racer *racers = calloc(RACE_THREADS, sizeof(*racers));
	pthread_t threads[RACE_THREADS];
	char want[32];

	open_both(f);
	for (int i = 0; i < RACE_THREADS; i++) {
		racers[i].m = f->m;
		pthread_create(&threads[i], NULL, race, &racers[i]);
	}
	for (int i = 0; i < RACE_THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(racers[i].error, 0);
		assert_memory_equal(racers[i].ids, racers[0].ids,
				    sizeof(racers[0].ids));
	}
	close_both(f);
	snprintf(want, sizeof(want), "%d", RACE_DIRECTORIES + 1);
	assert_query(f, "SELECT count(*) FROM directory", want);
	free(racers);
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Memory does not grow with the number of directories. */
static void test_directory_memory(void **state)
{
	struct fixture *f = *state;
	int count = SANITIZED ? 20000 : 200000;
	char name[256], text[32];
	long before = 0;

	open_both(f);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%0200d", i);
		directory(f, MANIFEST_ROOT, name, name);
		if (i == count / 4)
			before = peak_kib();
	}
	/* The last 150,000 would be 60 MiB if they were remembered. */
	if (!SANITIZED)
		assert_true(peak_kib() - before < 16 * 1024);
	close_both(f);
	snprintf(text, sizeof(text), "%d", count + 1);
	assert_query(f, "SELECT count(*) FROM directory", text);
}

static void test_drop_tree(void **state)
{
	struct fixture *f = *state;
	struct manifest_partial p = {
	    .name = "p",
	    .temp_name = ".t",
	    .source = {.type = ENTRY_FILE},
	};
	struct manifest_row row;
	uint64_t a, ab, keep;

	open_both(f);
	a = directory(f, MANIFEST_ROOT, "a", "a");
	ab = directory(f, a, "b", "a/b");
	keep = directory(f, MANIFEST_ROOT, "keep", "keep");
	const uint64_t ids[] = {MANIFEST_ROOT, a, ab, keep};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		row = sample(ids[i], "file");
		assert_int_equal(manifest_put(f->m, &row), 0);
		p.directory = ids[i];
		assert_int_equal(manifest_put_partial(f->m, &p), 0);
	}
	row = sample(MANIFEST_ROOT, "a");
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_drop_tree(f->m, MANIFEST_ROOT, ""), -EINVAL);
	assert_int_equal(manifest_drop_tree(f->m, MANIFEST_ROOT, "a"), 0);
	assert_int_equal(manifest_drop_tree(f->m, MANIFEST_ROOT, "none"), 0);
	close_both(f);
	assert_query(f, "SELECT group_concat(path) FROM entries",
		     "file,keep/file");
	assert_query(f, "SELECT count(*), min(directory) FROM partial", "2|1");
	assert_query(f, "SELECT count(*) FROM directory", "2");

	/* Its ids are not given to others while late rows may use them. */
	open_both(f);
	row = sample(keep + 5, "late");
	assert_int_equal(manifest_put(f->m, &row), 0);
	close_both(f);
	open_both(f);
	assert_true(directory(f, MANIFEST_ROOT, "new", "new") == keep + 6);
	close_both(f);
}

/* What was copied to where a directory was ends what is said of that one. */
static void test_copied_over_directory(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row;
	uint64_t a, ab;

	open_both(f);
	a = directory(f, MANIFEST_ROOT, "a", "a");
	ab = directory(f, a, "b", "a/b");
	row = sample(ab, "file");
	assert_int_equal(manifest_put(f->m, &row), 0);

	row = sample(MANIFEST_ROOT, "a");
	row.state = STATE_FAILED;
	row.error = -ENOTEMPTY;
	row.phase = PHASE_WRITE;
	assert_int_equal(manifest_put(f->m, &row), 0);
	row = sample(a, "b");
	row.type = row.source.type = ENTRY_DIRECTORY;
	row.has_digest = false;
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_query(f, "SELECT count(*) FROM entry", "3");

	row = sample(MANIFEST_ROOT, "a");
	assert_int_equal(manifest_put(f->m, &row), 0);
	close_both(f);
	assert_query(f, "SELECT group_concat(path) FROM entries", "a");
	assert_query(f, "SELECT count(*) FROM directory", "1");
}

/*
 * Rows of one batch that are stored together: in their order, also around what
 * comes between them and takes some of them away, and more than one statement
 * stores at once.
 */
static void test_runs_of_rows(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row;
	uint64_t a;
	char name[16];

	open_both(f);
	a = directory(f, MANIFEST_ROOT, "a", "a");
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "f%u", i % 1000);
		row = sample(i % 2 ? a : MANIFEST_ROOT, name);
		row.source.size = i;
		assert_int_equal(manifest_put(f->m, &row), 0);
		if (i == 1500)
			assert_int_equal(manifest_drop(f->m, a, "f499"), 0);
	}
	assert_int_equal(manifest_flush(f->m), 0);
	assert_query(f, "SELECT count(*), min(size), max(size) FROM entry",
		     "1000|2000|2999");
	assert_query(f,
		     "SELECT count(*), group_concat(DISTINCT directory)"
		     " FROM entry WHERE size % 2 = 1",
		     "500|2");

	/* What is below goes with the directory, what follows stays. */
	row = sample(a, "late");
	assert_int_equal(manifest_put(f->m, &row), 0);
	row = sample(MANIFEST_ROOT, "a");
	assert_int_equal(manifest_put(f->m, &row), 0);
	row = sample(MANIFEST_ROOT, "z");
	assert_int_equal(manifest_put(f->m, &row), 0);
	close_both(f);
	assert_query(f, "SELECT count(*), max(directory) FROM entry", "502|1");
	assert_query(f,
		     "SELECT group_concat(path) FROM entries"
		     " WHERE path IN ('a', 'z', 'a/late')",
		     "a,z");
}

/* --- Executions and failures ---------------------------------------------- */

static void test_executions(void **state)
{
	struct fixture *f = *state;
	struct manifest_execution e = {.summary = "{\"verify\":true}"};

	open_both(f);
	assert_int_equal(manifest_begin(f->m, &e), 0);
	assert_int_equal(e.id, 1);
	assert_true(e.started_ns > 0);
	close_both(f);
	assert_query(f, "SELECT id, status, ended_ns, summary FROM execution",
		     "1|RUNNING|0|{\"verify\":true}");

	open_both(f);
	e = (struct manifest_execution){.started_ns = -1};
	assert_int_equal(manifest_begin(f->m, &e), 0);
	assert_int_equal(e.id, 2);
	e.status = "FINE";
	assert_int_equal(manifest_end(f->m, &e), -EINVAL);
	e.status = "SUCCESS";
	e.ended_ns = 1700000000000000007;
	e.summary = "{}";
	assert_int_equal(manifest_end(f->m, &e), 0);
	close_both(f);
	assert_query(f, "SELECT status FROM execution WHERE id = 1",
		     "INTERRUPTED");
	assert_query(f, "SELECT * FROM executions WHERE id = 2",
		     "2|SUCCESS|1969-12-31 23:59:59.999999999|"
		     "2023-11-14 22:13:20.000000007|{}");
}

static int note_path(const char *path, void *user)
{
	char *text = user;

	sprintf(text + strlen(text), "[%s]", path);
	return strcmp(path, "stop") == 0 ? -ECANCELED : 0;
}

static int note_row(const char *path, const struct manifest_row *row,
		    void *user)
{
	char *text = user;

	sprintf(text + strlen(text), "[%s %s %d %s]", path, row->name,
		row->error, entry_phase_name(row->phase));
	return 0;
}

static void put_failed(struct fixture *f, uint64_t dir, const char *name,
		       uint64_t execution)
{
	struct manifest_row row = sample(dir, name);

	row.state = STATE_FAILED;
	row.error = -EIO;
	row.phase = PHASE_READ;
	row.execution = execution;
	assert_int_equal(manifest_put(f->m, &row), 0);
}

static void test_failed(void **state)
{
	struct fixture *f = *state;
	char text[512] = "";
	struct manifest_row row;
	uint64_t zab, zbc, count;

	open_both(f);
	zbc = directory(f, directory(f, MANIFEST_ROOT, "z", "z"), "b", "z/b");
	zab = directory(f, directory(f, 2, "a", "z/a"), "b", "z/a/b");
	put_failed(f, zbc, "1", 7);
	put_failed(f, zbc, "2", 7);
	put_failed(f, zab, "3", 7);
	put_failed(f, 2, "4", 7);
	put_failed(f, MANIFEST_ROOT, "", 7);
	put_failed(f, MANIFEST_ROOT, "other", 6);
	row = sample(zbc, "fine");
	row.execution = 7;
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);

	assert_int_equal(
	    manifest_each_failed_directory(f->r, 7, note_path, text), 0);
	assert_string_equal(text, "[][z][z/a/b][z/b]");
	text[0] = '\0';
	assert_int_equal(manifest_each_failed(f->r, 7, 2, note_row, text), 0);
	assert_string_equal(text, "[  -5 read][z 4 -5 read]");
	text[0] = '\0';
	assert_int_equal(
	    manifest_each_failed(f->r, 6, SIZE_MAX, note_row, text), 0);
	assert_string_equal(text, "[ other -5 read]");
	text[0] = '\0';
	assert_int_equal(
	    manifest_each_failed(f->r, 0, SIZE_MAX, note_row, text), 0);
	assert_string_equal(text, "[ other -5 read][  -5 read][z 4 -5 read]"
				  "[z/b 1 -5 read][z/b 2 -5 read]"
				  "[z/a/b 3 -5 read]");
	assert_int_equal(manifest_count_failed(f->r, 100, &count), 0);
	assert_int_equal(count, 6);
	assert_int_equal(manifest_count_failed(f->r, 4, &count), 0);
	assert_int_equal(count, 4);

	/* One that is copied after all is no failure any more. */
	row = sample(MANIFEST_ROOT, "other");
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	text[0] = '\0';
	assert_int_equal(
	    manifest_each_failed(f->r, 6, SIZE_MAX, note_row, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(manifest_count_failed(f->r, UINT64_MAX, &count), 0);
	assert_int_equal(count, 5);

	put_failed(f, directory(f, 1, "stop", "stop"), "x", 8);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(
	    manifest_each_failed_directory(f->r, 8, note_path, text),
	    -ECANCELED);
	close_both(f);
}

/* What efsbridge-manifest(5) promises to sqlite3(1). */
static void test_view(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row;

	open_both(f);
	row = sample(directory(f, MANIFEST_ROOT, "d", "d"), "x y");
	row.source.mode = 04755;
	row.flags = ROW_NO_OWNER | ROW_NO_TIMES;
	assert_int_equal(manifest_put(f->m, &row), 0);
	row = sample(MANIFEST_ROOT, "d");
	row.type = ENTRY_DIRECTORY;
	row.has_digest = false;
	row.state = STATE_FAILED;
	row.error = -EBADMSG;
	row.phase = PHASE_METADATA;
	assert_int_equal(manifest_put(f->m, &row), 0);
	row.name = "";
	row.error = -4000;
	assert_int_equal(manifest_put(f->m, &row), 0);
	close_both(f);
	assert_query(f, "SELECT * FROM entries WHERE path = 'd/x y'",
		     "d/x y|file|verified|4096|4755|1000|100|"
		     "2023-11-14 22:13:20.123456789|"
		     "96c8815a2591c9f137dbf7ee55357f10|NULL|NULL|"
		     "no-owner no-times|1");
	assert_query(f,
		     "SELECT type, state, digest, error, phase FROM entries"
		     " WHERE path = 'd'",
		     "directory|failed|NULL|digests differ|metadata");
	assert_query(f, "SELECT path, error FROM entries WHERE path = '.'",
		     ".|error 4000");
	assert_query(f, "SELECT value FROM task WHERE key = 'source'", SOURCE);
	assert_query(f, "PRAGMA user_version", "2");
	assert_query(f, "PRAGMA integrity_check", "ok");
}

/* --- What is not ours, or not whole --------------------------------------- */

static void make_sample(struct fixture *f, int rows)
{
	char name[32];

	open_both(f);
	for (int i = 0; i < rows; i++) {
		snprintf(name, sizeof(name), "file%07d", i);
		struct manifest_row row = sample(MANIFEST_ROOT, name);

		assert_int_equal(manifest_put(f->m, &row), 0);
	}
	close_both(f);
}

static void test_other_locations(void **state)
{
	struct fixture *f = *state;
	struct manifest *m;

	make_sample(f, 1);
	assert_int_equal(manifest_open(f->directory, DESTINATION, SOURCE, &m,
				       f->error, sizeof(f->error)),
			 -EUCLEAN);
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, SOURCE));
	assert_non_null(strstr(f->error, "--task"));
}

static void test_newer(void **state)
{
	struct fixture *f = *state;

	make_sample(f, 1);
	exec_sql(f, "PRAGMA user_version = 3");
	assert_refused(f, -EUCLEAN, "newer");
}

/* What version 1 had is kept, and takes what it did not. */
static void test_version_1(void **state)
{
	struct manifest_execution x = {0};
	struct fixture *f = *state;
	struct manifest *m;

	make_sample(f, 3);
	exec_sql(
	    f, "DROP VIEW executions; DROP TABLE execution;"
	       "CREATE TABLE execution (id INTEGER PRIMARY KEY CHECK (id > 0),"
	       "started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL,"
	       "status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS',"
	       " 'ERROR', 'CANCELLED', 'INTERRUPTED')),"
	       "summary TEXT NOT NULL);"
	       "CREATE VIEW executions AS SELECT id, status FROM execution;"
	       "INSERT INTO execution VALUES (7, 1, 2, 'SUCCESS', '{}');"
	       "PRAGMA user_version = 1;");
	/* Readers take it as it is. */
	assert_int_equal(
	    manifest_open_read(f->directory, &m, f->error, sizeof(f->error)),
	    0);
	manifest_close(m);
	assert_query(f, "PRAGMA user_version", "1");
	open_both(f);
	assert_int_equal(manifest_begin(f->m, &x), 0);
	assert_int_equal(x.id, 8);
	x.status = "TIME_LIMIT";
	x.started_ns = x.ended_ns = 3;
	x.summary = "{}";
	assert_int_equal(manifest_end(f->m, &x), 0);
	close_both(f);
	assert_query(f, "PRAGMA user_version", "2");
	assert_query(f, "SELECT status, ended FROM executions WHERE id = 7",
		     "SUCCESS|1970-01-01 00:00:00.000000002");
	assert_query(f, "SELECT status FROM executions WHERE id = 8",
		     "TIME_LIMIT");
	assert_query(f, "SELECT count(*) FROM entries", "3");
	assert_query(f, "PRAGMA integrity_check", "ok");
}

static void test_foreign(void **state)
{
	struct fixture *f = *state;

	exec_sql(f, "CREATE TABLE t (x)");
	assert_refused(f, -EUCLEAN, "not made by efsbridge");
	exec_sql(f, "PRAGMA application_id = 5; PRAGMA user_version = 1");
	assert_refused(f, -EUCLEAN, "not made by efsbridge");
}

static void test_not_a_database(void **state)
{
	struct fixture *f = *state;
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fprintf(file, "line %d of something else\n", i);
	fclose(file);
	assert_refused(f, -EUCLEAN, "move it away");
}

static void test_truncated(void **state)
{
	struct fixture *f = *state;

	make_sample(f, 1000);
	assert_int_equal(truncate(f->path, 8192 + 100), 0);
	assert_refused(f, -EUCLEAN, "move it away");
}

/* Damage in the middle shows when it is read, as an error and not a plan. */
static void test_damaged_pages(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got;
	char garbage[4096], name[32];
	int bad = 0;

	make_sample(f, 5000);
	memset(garbage, 0x5a, sizeof(garbage));
	int fd = open(f->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (off_t page = 20; page < 60; page++)
		assert_int_equal(
		    pwrite(fd, garbage, sizeof(garbage), page * 4096),
		    sizeof(garbage));
	close(fd);
	if (try_open(f) < 0) {
		assert_non_null(strstr(f->error, f->path));
		return;
	}
	f->r = manifest_reader_new(f->m);
	assert_non_null(f->r);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "file%07d", i);
		int r = manifest_get(f->r, MANIFEST_ROOT, name, &got);

		assert_true(r == 1 || r == -EUCLEAN);
		bad += r < 0;
	}
	assert_true(bad > 0);
	f->r = manifest_reader_free(f->r);
	manifest_close(f->m);
}

/* Values that no efsbridge wrote. */
static void test_contradictions(void **state)
{
	struct fixture *f = *state;
	const char *const updates[] = {
	    "state = 9",        "state = 3, error = 0",
	    "digest = x'0102'", "digest = 'x'",
	    "type = 8",         "type = 'file'",
	    "mode = 4096",      "uid = -1",
	    "gid = 4294967296", "flags = 16",
	    "error = -5",       "phase = 6",
	    "size = 'big'",     "mtime_ns = 1.5",
	    "execution = -1",
	};
	struct manifest_row got;
	char sql[256];

	for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
		make_sample(f, 1);
		snprintf(sql, sizeof(sql),
			 "PRAGMA ignore_check_constraints = 1;"
			 "UPDATE entry SET %s",
			 updates[i]);
		exec_sql(f, sql);
		open_both(f);
		if (manifest_get(f->r, 1, "file0000000", &got) != -EUCLEAN)
			fail_msg("%s was believed", updates[i]);
		close_both(f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
		/* And the schema keeps them out to begin with. */
		sqlite3 *db;

		if (strstr(updates[i], "'big'") || strstr(updates[i], "1.5") ||
		    strstr(updates[i], "'x'"))
			continue; /* types are checked on reading only */
		make_sample(f, 1);
		snprintf(sql, sizeof(sql), "UPDATE entry SET %s", updates[i]);
		assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
		if (sqlite3_exec(db, sql, NULL, NULL, NULL) !=
		    SQLITE_CONSTRAINT)
			fail_msg("%s was let in", updates[i]);
		sqlite3_close(db);
	}
}

static void test_bad_paths(void **state)
{
	struct fixture *f = *state;
	const char *const paths[] = {"x'2e2e'", "x'2f61'", "x'610062'", "'a'",
				     "x'612f'"};
	char sql[256], text[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		open_both(f);
		put_failed(f, directory(f, 1, "a", "a"), "x", 1);
		close_both(f);
		snprintf(sql, sizeof(sql),
			 "PRAGMA ignore_check_constraints = 1;"
			 "UPDATE directory SET path = %s WHERE id = 2",
			 paths[i]);
		exec_sql(f, sql);
		open_both(f);
		assert_int_equal(
		    manifest_each_failed_directory(f->r, 1, note_path, text),
		    -EUCLEAN);
		close_both(f);
	}
	assert_string_equal(text, "");
}

static void test_missing_table(void **state)
{
	struct fixture *f = *state;

	make_sample(f, 1);
	exec_sql(f, "DROP VIEW entries; DROP TABLE partial");
	assert_refused(f, -EUCLEAN, "damaged");
}

static void test_symlink_and_missing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("/tmp/nowhere", f->path), 0);
	assert_int_equal(try_open(f), -ELOOP);
	assert_non_null(strstr(f->error, f->path));
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_true(try_open(f) < 0);
	assert_non_null(strstr(f->error, f->path));
	assert_int_equal(rmdir(f->path), 0);
	strcat(f->directory, "/none");
	assert_int_equal(try_open(f), -ENOENT);
	*strrchr(f->directory, '/') = '\0';
}

/* An empty file is what a crash right after the making leaves. */
static void test_empty_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(close(creat(f->path, 0600)), 0);
	open_both(f);
	close_both(f);
	assert_query(f, "PRAGMA journal_mode", "wal");
}

/* The exit status of a child that runs `work`. */
static int in_child(struct fixture *f, int (*work)(struct fixture *f))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(work(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 0 when it was refused as it should be. */
static int open_without_rights(struct fixture *f)
{
	int r;

	if (geteuid() == 0 && setuid(65534) < 0)
		return 1;
	r = try_open(f);
	if (r != -EACCES && r != -EROFS && r != -EPERM)
		return 2;
	return strstr(f->error, f->path) && strstr(f->error, "--state") ? 0 : 3;
}

static void test_not_writable(void **state)
{
	struct fixture *f = *state;
	struct digest before, after;

	make_sample(f, 1);
	before = file_digest(f->path);
	assert_int_equal(chmod(f->path, 0444), 0);
	assert_int_equal(chmod(f->directory, 0555), 0);
	assert_int_equal(in_child(f, open_without_rights), 0);
	after = file_digest(f->path);
	assert_true(digest_equal(&before, &after));
	assert_int_equal(chmod(f->directory, 0700), 0);
}

/* --- Crashes and full disks ----------------------------------------------- */

/* The rows 0..count-1 are there and no other; returns the count. */
static int count_prefix(struct fixture *f)
{
	char text[64], name[64], want[64];
	struct manifest_row got;
	int count;

	query(f, "SELECT count(*) FROM entry", text, sizeof(text));
	count = atoi(text);
	open_both(f);
	for (int i = 0; i < count; i++) {
		uint64_t dir;

		snprintf(name, sizeof(name), "d%d", i / 100);
		dir = directory(f, MANIFEST_ROOT, name, name);
		snprintf(name, sizeof(name), "file%07d", i);
		assert_int_equal(manifest_get(f->r, dir, name, &got), 1);
		assert_int_equal(got.source.size, i);
	}
	close_both(f);

	/* Asking made no directory: those of the rows were all there, and at
	 * most the next one more. */
	snprintf(want, sizeof(want), "SELECT count(*) <= %d FROM directory",
		 1 + (count + 99) / 100 + 1);
	assert_query(f, want, "1");
	assert_query(f, "PRAGMA integrity_check", "ok");
	return count;
}

/* Puts row number `i`, 100 to a directory. */
static int put_numbered(struct fixture *f, uint64_t *dir, int i)
{
	char name[64];
	int r;

	if (i % 100 == 0) {
		snprintf(name, sizeof(name), "d%d", i / 100);
		r = manifest_directory(f->r, MANIFEST_ROOT, name, name, dir);
		if (r < 0)
			return r;
	}
	snprintf(name, sizeof(name), "file%07d", i);
	struct manifest_row row = sample(*dir, name);

	row.source.size = (uint64_t)i;
	return manifest_put(f->m, &row);
}

/* Puts rows for ever; writes to `fd` how many are surely committed. */
static void put_until_killed(struct fixture *f, int fd)
{
	uint64_t dir = 0;

	if (try_open(f) < 0)
		_exit(1);
	f->r = manifest_reader_new(f->m);
	for (int i = 0;; i++) {
		if (put_numbered(f, &dir, i) < 0)
			_exit(2);
		if (i % 1000 == 0) {
			int done = i + 1;

			if (manifest_flush(f->m) < 0 ||
			    write(fd, &done, sizeof(done)) != sizeof(done))
				_exit(3);
		}
	}
}

static void test_killed_writer(void **state)
{
	struct fixture *f = *state;
	int fds[2], done, said, status;

	for (int round = 0; round < 5; round++) {
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			put_until_killed(f, fds[1]);
		close(fds[1]);

		/* Killed somewhere after the round's number of commits. */
		said = 0;
		for (int i = 0; i < 3 + 7 * round; i++)
			assert_int_equal(read(fds[0], &said, sizeof(said)),
					 sizeof(said));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		while (read(fds[0], &done, sizeof(done)) == sizeof(done))
			said = done;
		close(fds[0]);
		assert_true(count_prefix(f) >= said);
		exec_sql(f, "DELETE FROM entry;"
			    "DELETE FROM directory WHERE id > 1");
	}
}

/* 0 when a full disk is told by put, flush and close alike. */
static int put_until_full(struct fixture *f)
{
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	uint64_t dir = 0;
	int error, r = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || try_open(f) < 0)
		return 1;
	f->r = manifest_reader_new(f->m);
	if (!f->r)
		return 2;
	for (int i = 0; r == 0 && i < 1000000; i++) {
		r = put_numbered(f, &dir, i);
		/* Something fits; how much comes later is the writer's. */
		if (r == 0 && i == 100)
			r = manifest_flush(f->m);
	}
	error = r;
	if (error != -EFBIG && error != -ENOSPC && error != -EIO)
		return 3;
	if (manifest_flush(f->m) != error)
		return 4;
	if (put_numbered(f, &dir, 1) != error)
		return 5;
	f->r = manifest_reader_free(f->r);
	return manifest_close(f->m) == error ? 0 : 6;
}

static void test_full_disk(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(in_child(f, put_until_full), 0);
	assert_true(count_prefix(f) > 0);
}

/* A reader sees commits at once, and neither waits for the other. */
static void test_reader_in_callback(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got, row;

	open_both(f);
	for (int i = 0; i < 200; i++) {
		row = sample(MANIFEST_ROOT, "same");
		row.source.size = (uint64_t)i;
		assert_int_equal(manifest_put(f->m, &row), 0);
		assert_int_equal(manifest_flush(f->m), 0);
		assert_int_equal(manifest_get(f->r, 1, "same", &got), 1);
		assert_int_equal(got.source.size, i);
	}
	close_both(f);
}

static void *flush_main(void *arg)
{
	return (void *)(intptr_t)manifest_flush(arg);
}

/* Another program that writes is waited for, and readers go on. */
static void test_other_program_writes(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row = sample(MANIFEST_ROOT, "a"), got;
	pthread_t thread;
	void *result;
	sqlite3 *db;

	open_both(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", 0, 0, 0),
			 SQLITE_OK);
	assert_int_equal(manifest_put(f->m, &row), 0);
	pthread_create(&thread, NULL, flush_main, f->m);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "a", &got),
				 0);
	assert_int_equal(sqlite3_exec(db, "COMMIT", 0, 0, 0), SQLITE_OK);
	pthread_join(thread, &result);
	assert_null(result);
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "a", &got), 1);
	sqlite3_close(db);
	close_both(f);
}

/* Without a flush a row is there within a second or so. */
static void test_written_in_time(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row = sample(MANIFEST_ROOT, "a"), got;
	const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
	int64_t start = clock_now_ns();
	int found = 0;

	open_both(f);
	assert_int_equal(manifest_put(f->m, &row), 0);
	while (found == 0 && clock_now_ns() - start < 20 * NS_PER_S) {
		found = manifest_get(f->r, MANIFEST_ROOT, "a", &got);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(found, 1);
	close_both(f);
}

static void test_names_of_codes(void **state)
{
	(void)state;
	assert_string_equal(entry_state_name(STATE_VERIFIED), "verified");
	assert_string_equal(entry_phase_name(PHASE_WRITE), "write");
	assert_string_equal(entry_type_name(ENTRY_DIRECTORY), "directory");
	assert_string_equal(entry_type_name((enum entry_type)99), "unknown");
}

/* Between begin and end nothing changes for the reader. */
static void test_reader_moment(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got, row = sample(MANIFEST_ROOT, "same");

	open_both(f);
	assert_int_equal(manifest_reader_begin(f->r), 0);
	assert_int_equal(manifest_get(f->r, 1, "same", &got), 0);
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get(f->r, 1, "same", &got), 0);
	manifest_reader_end(f->r);
	assert_int_equal(manifest_get(f->r, 1, "same", &got), 1);
	manifest_reader_end(f->r);
	close_both(f);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_row_extremes),
	    T(test_reader_moment),
	    T(test_row_replaced_and_dropped),
	    T(test_row_refused),
	    T(test_partial),
	    T(test_directory_ids),
	    T(test_directory_race),
	    T(test_directory_memory),
	    T(test_drop_tree),
	    T(test_copied_over_directory),
	    T(test_runs_of_rows),
	    T(test_executions),
	    T(test_failed),
	    T(test_view),
	    T(test_other_locations),
	    T(test_newer),
	    T(test_version_1),
	    T(test_version_1),
	    T(test_foreign),
	    T(test_not_a_database),
	    T(test_truncated),
	    T(test_damaged_pages),
	    T(test_contradictions),
	    T(test_bad_paths),
	    T(test_missing_table),
	    T(test_symlink_and_missing),
	    T(test_empty_file),
	    T(test_not_writable),
	    T(test_killed_writer),
	    T(test_full_disk),
	    T(test_reader_in_callback),
	    T(test_other_program_writes),
	    T(test_written_in_time),
	    cmocka_unit_test(test_names_of_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
