/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest as others look at it: read beside its writer, watched, asked
 * for its executions.
 */
#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sync/manifest.h"

struct fixture {
	char directory[64];
	struct manifest *m;        /* the writing one */
	struct manifest *other;    /* read beside it */
	struct manifest_reader *r; /* of `other` */
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
	strcpy(f->directory, "/tmp/test_history.XXXXXX");
	if (!mkdtemp(f->directory) ||
	    manifest_open(f->directory, "a:/", "b:/", &f->m, f->error,
			  sizeof(f->error)) < 0 ||
	    manifest_open_read(f->directory, &f->other, f->error,
			       sizeof(f->error)) < 0)
		return -1;
	f->r = manifest_reader_new(f->other);
	*state = f;
	return f->r ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	manifest_reader_free(f->r);
	manifest_close(f->other);
	manifest_close(f->m);
	nftw(f->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static struct manifest_row sample(uint64_t directory, const char *name)
{
	return (struct manifest_row){
	    .directory = directory,
	    .name = name,
	    .state = STATE_COPIED,
	    .type = ENTRY_FILE,
	    .source = {.type = ENTRY_FILE, .nlink = 1, .fileid = 5},
	    .execution = 1,
	};
}

static void test_read_beside_writer(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got, row = sample(MANIFEST_ROOT, "file");

	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "file", &got), 0);
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "file", &got), 1);
	assert_int_equal(got.source.fileid, 5);
}

static void test_read_only_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row = sample(MANIFEST_ROOT, "file");
	struct manifest_execution e = {0};
	uint64_t id;

	assert_int_equal(manifest_put(f->other, &row), -EROFS);
	assert_int_equal(manifest_drop(f->other, 1, "file"), -EROFS);
	assert_int_equal(manifest_begin(f->other, &e), -EROFS);
	assert_int_equal(manifest_directory(f->r, MANIFEST_ROOT, "d", "d", &id),
			 -EROFS);
	assert_int_equal(manifest_flush(f->other), 0);
}

static void test_nothing_to_read(void **state)
{
	struct fixture *f = *state;
	struct manifest *m;
	char empty[] = "/tmp/test_history.XXXXXX";

	assert_non_null(mkdtemp(empty));
	assert_int_equal(
	    manifest_open_read(empty, &m, f->error, sizeof(f->error)), -ENOENT);
	assert_non_null(strstr(f->error, empty));
	assert_int_equal(rmdir(empty), 0); /* nothing was made in it */
}

/* What is there is told before anything is read. */
static void test_table_missing(void **state)
{
	static const char *const drops[] = {
	    "DROP TABLE execution",
	    "DROP TABLE partial",
	    "ALTER TABLE entry DROP COLUMN digest",
	};
	struct fixture *f = *state;
	char path[128];
	struct manifest *m;

	snprintf(path, sizeof(path), "%s/manifest.db", f->directory);
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		sqlite3 *db;

		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db,
					      "DROP VIEW IF EXISTS entries;"
					      "DROP VIEW IF EXISTS executions;",
					      NULL, NULL, NULL),
				 SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, drops[i], NULL, NULL, NULL),
				 SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(manifest_open_read(f->directory, &m, f->error,
						    sizeof(f->error)),
				 -EUCLEAN);
		assert_non_null(strstr(f->error, path));
		assert_non_null(strstr(f->error, "move it away"));
	}
}

static void test_roots(void **state)
{
	static const uint64_t put[][2] = {{1, 2}, {UINT64_MAX, 0}};
	struct fixture *f = *state;
	uint64_t got[2] = {7, 8};
	sqlite3 *db;
	char path[128];

	assert_int_equal(manifest_get_roots(f->r, got), 0);
	assert_int_equal(got[0], 7);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(manifest_put_roots(f->m, put[i]), 0);
		assert_int_equal(manifest_get_roots(f->r, got), 1);
		assert_memory_equal(got, put[i], sizeof(got));
	}
	assert_int_equal(manifest_put_roots(f->other, put[0]), -EROFS);

	/* Somebody has written there. */
	snprintf(path, sizeof(path), "%s/manifest.db", f->directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE task SET value = '12x'"
				      " WHERE key = 'destination_root'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(manifest_get_roots(f->r, got), -EUCLEAN);
	sqlite3_close(db);
}

static void test_find_directory(void **state)
{
	struct fixture *f = *state;
	struct manifest_reader *w = manifest_reader_new(f->m);
	uint64_t id = 0, found = 0;

	assert_non_null(w);
	assert_int_equal(
	    manifest_find_directory(f->r, MANIFEST_ROOT, "d", &found), 0);
	assert_int_equal(manifest_directory(w, MANIFEST_ROOT, "d", "d", &id),
			 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(
	    manifest_find_directory(f->r, MANIFEST_ROOT, "d", &found), 1);
	assert_int_equal(found, id);
	manifest_reader_free(w);
}

/* --- Watching ------------------------------------------------------------- */

struct seen {
	unsigned calls;
	char names[256];
};

static void see(void *user, uint64_t directory, const char *name)
{
	struct seen *s = user;

	assert_int_equal(directory, MANIFEST_ROOT);
	s->calls++;
	strcat(strcat(s->names, name), ";");
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	struct manifest_row a = sample(MANIFEST_ROOT, "a");
	struct manifest_row b = sample(MANIFEST_ROOT, "b");
	struct seen s = {0};

	manifest_set_watch(f->m, see, &s);
	assert_int_equal(manifest_put(f->m, &a), 0);
	assert_int_equal(manifest_put(f->m, &b), 0);
	assert_int_equal(manifest_drop(f->m, MANIFEST_ROOT, "a"), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_string_equal(s.names, "a;b;a;");

	manifest_set_watch(f->m, NULL, NULL);
	assert_int_equal(manifest_put(f->m, &a), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(s.calls, 3);
}

static void post(void *user, uint64_t directory, const char *name)
{
	(void)directory;
	(void)name;
	sem_post(user);
}

/* Nobody flushes: once the watch is called, a reader sees the row. */
static void test_watch_comes_after_commit(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got, row = sample(MANIFEST_ROOT, "a");
	sem_t called;

	sem_init(&called, 0, 0);
	manifest_set_watch(f->m, post, &called);
	for (unsigned i = 1; i <= 3; i++) {
		row.source.size = i;
		assert_int_equal(manifest_put(f->m, &row), 0);
		sem_wait(&called);
		assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "a", &got),
				 1);
		assert_int_equal(got.source.size, i);
	}
	manifest_set_watch(f->m, NULL, NULL);
	sem_destroy(&called);
}

/* Which rows a hard link has is only known to the writer. */
static void test_watch_links(void **state)
{
	struct fixture *f = *state;
	struct manifest_row row = sample(MANIFEST_ROOT, "a");
	struct seen s = {0};

	row.source.nlink = 2;
	row.destination_fileid = 9;
	assert_int_equal(manifest_put(f->m, &row), 0);
	row.name = "b";
	assert_int_equal(manifest_put(f->m, &row), 0);
	row.name = "c";
	row.destination_fileid = 10;
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	manifest_set_watch(f->m, see, &s);
	assert_int_equal(manifest_drop_links(f->m, 9), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_string_equal(s.names, "a;b;");
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "b", &row), 0);
	assert_int_equal(manifest_get(f->r, MANIFEST_ROOT, "c", &row), 1);
}

/* A file copied over a directory drops what was recorded below it. */
static void test_epoch_of_replaced(void **state)
{
	struct fixture *f = *state;
	struct manifest_reader *w = manifest_reader_new(f->m);
	struct manifest_row row = sample(MANIFEST_ROOT, "d");
	uint64_t id;

	assert_non_null(w);
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get_epoch(f->m), 0);
	assert_int_equal(manifest_directory(w, MANIFEST_ROOT, "d", "d", &id),
			 0);
	assert_int_equal(manifest_put(f->m, &row), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get_epoch(f->m), 1);
	assert_int_equal(manifest_find_directory(f->r, MANIFEST_ROOT, "d", &id),
			 0);
	manifest_reader_free(w);
}

static void test_epoch(void **state)
{
	struct fixture *f = *state;
	struct manifest_reader *w = manifest_reader_new(f->m);
	struct seen s = {0};
	uint64_t id;

	assert_non_null(w);
	assert_int_equal(manifest_get_epoch(f->m), 0);
	assert_int_equal(manifest_directory(w, MANIFEST_ROOT, "d", "d", &id),
			 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get_epoch(f->m), 0);
	manifest_set_watch(f->m, see, &s);
	assert_int_equal(manifest_drop_tree(f->m, MANIFEST_ROOT, "d"), 0);
	assert_int_equal(manifest_flush(f->m), 0);
	assert_int_equal(manifest_get_epoch(f->m), 1);
	assert_string_equal(s.names, "d;");
	manifest_reader_free(w);
}

/* --- Executions ----------------------------------------------------------- */

static int collect(const struct manifest_execution *e, void *user)
{
	char *text = user;

	sprintf(text + strlen(text), "%d:%s:%s ", (int)e->id, e->status,
		e->summary);
	return 0;
}

static void test_executions(void **state)
{
	struct fixture *f = *state;
	struct manifest_execution e = {0}, got = {0};
	char text[256] = "";

	for (int i = 1; i <= 3; i++) {
		e = (struct manifest_execution){.started_ns = i};
		assert_int_equal(manifest_begin(f->m, &e), 0);
		if (i == 3)
			break;
		e.status = i == 1 ? "SUCCESS" : "ERROR";
		e.summary = i == 1 ? "{}" : "{\"a\":1}";
		assert_int_equal(manifest_end(f->m, &e), 0);
	}
	assert_int_equal(manifest_each_execution(f->r, 0, 9, collect, text), 0);
	assert_string_equal(text, "3:RUNNING: 2:ERROR:{\"a\":1} 1:SUCCESS:{} ");
	text[0] = '\0';
	assert_int_equal(manifest_each_execution(f->r, 3, 1, collect, text), 0);
	assert_string_equal(text, "2:ERROR:{\"a\":1} ");

	assert_int_equal(manifest_get_execution(f->r, 1, &got), 1);
	assert_int_equal(got.id, 1);
	assert_int_equal(got.started_ns, 1);
	assert_true(got.ended_ns > 1);
	assert_string_equal(got.status, "SUCCESS");
	free((char *)got.status);
	free((char *)got.summary);
	assert_int_equal(manifest_get_execution(f->r, 4, &got), 0);
	assert_int_equal(manifest_get_execution(f->r, 0, &got), 0);
	assert_int_equal(manifest_get_execution(f->r, UINT64_MAX, &got), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_read_beside_writer),
	    T(test_read_only_writes_nothing),
	    T(test_nothing_to_read),
	    T(test_table_missing),
	    T(test_roots),
	    T(test_find_directory),
	    T(test_watch),
	    T(test_watch_comes_after_commit),
	    T(test_watch_links),
	    T(test_epoch),
	    T(test_epoch_of_replaced),
	    T(test_executions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
