/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The manifest on a disk that fails, at each place where it can.
 *
 * Two sessions of a task are a script of steps. Run without a fault and ended
 * behind each step, they say what the database is to hold then. With a fault
 * it must hold what it holds behind some step: not before the last one that
 * was promised (committed; with lost power: an execution's end), and not
 * behind the last one that was asked for. So nothing is claimed that was not
 * put, nothing is lost that was acknowledged, and nothing is out of order.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/cleanup.h"
#include "fault_vfs.h"
#include "sync/manifest.h"

#define SOURCE      "nfs://a.example:2049/"
#define DESTINATION "nfs://b.example:2049/"

/* One attempt at the script. */
struct attempt {
	char directory[64];
	char path[80]; /* of the database */
	struct manifest *m;
	struct manifest_reader *r;
	unsigned asked;    /* steps begun */
	unsigned promised; /* of them committed for sure */
	unsigned durable;  /* of them on the disk for sure */
	int error;         /* the first one */
};

enum action {
	BEGIN,
	END,
	DIRECTORY, /* `name` in `directory`; its id is `number` */
	ROW,
	FAILED,
	LINKED, /* a row with two names, and file id `number` */
	PARTIAL,
	DROP,
	DROP_TREE,
	DROP_PARTIAL,
	DROP_LINKS,
	FLUSH,
	REOPEN,
};

struct step {
	enum action action;
	uint64_t directory;
	const char *name;
	uint64_t number;
};

static const struct step script[] = {
    {.action = BEGIN, .number = 1},
    {ROW, 1, "", 0},
    {DIRECTORY, 1, "d", 2},
    {ROW, 1, "a", 0},
    {ROW, 2, "b", 0},
    {.action = FLUSH},
    {PARTIAL, 2, "big", 0},
    {DIRECTORY, 2, "e", 3},
    {ROW, 3, "c", 0},
    {FAILED, 3, "x", 0},
    {.action = FLUSH},
    {LINKED, 1, "l1", 99},
    {LINKED, 3, "l2", 99},
    {ROW, 1, "z", 0},
    {.action = END, .number = 1},
    {.action = REOPEN},
    {.action = BEGIN, .number = 2},
    {DROP, 1, "a", 0},
    {DROP_PARTIAL, 2, "big", 0},
    {DROP_LINKS, 0, NULL, 99},
    {.action = FLUSH},
    {DROP_TREE, 1, "d", 0},
    {.action = FLUSH},
    {DIRECTORY, 1, "d", 4},
    {ROW, 4, "b", 0},
    {FAILED, 1, "z", 0},
    {.action = END, .number = 2},
    {ROW, 1, "late", 0},
};

#define STEPS ARRAY_SIZE(script)

/* What the database holds behind each step; [0] behind none. */
static char *expected[STEPS + 1];

/* --- The database as text ------------------------------------------------- */

static int print_row(void *user, int columns, char **values, char **names)
{
	FILE *out = user;

	(void)names;
	for (int i = 0; i < columns; i++)
		fprintf(out, "%s|", values[i] ? values[i] : "NULL");
	fputc('\n', out);
	return 0;
}

/* All that the manifest claims, read by SQLite alone. */
static char *dump(const struct attempt *a)
{
	static const char sql[] =
	    "PRAGMA integrity_check;"
	    "SELECT id, parent, hex(name), hex(path) FROM directory "
	    "ORDER BY 1;"
	    "SELECT directory, hex(name), state, flags, hex(digest), error, "
	    "phase, execution, size, nlink, fileid, mtime_ns FROM entry "
	    "ORDER BY 1, 2;"
	    "SELECT directory, hex(name), hex(temp_name), done_bytes, "
	    "hex(digest) FROM partial ORDER BY 1, 2;"
	    "SELECT * FROM execution ORDER BY 1;";
	struct sqlite3 *db;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(sqlite3_open(a->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, print_row, out, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(fclose(out), 0);
	assert_memory_equal(text, "ok|\n", 4);
	return text;
}

/* --- The script ----------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static struct attempt attempt_new(void)
{
	struct attempt a = {.directory = "/tmp/test_manifest_faults.XXXXXX"};

	assert_non_null(mkdtemp(a.directory));
	snprintf(a.path, sizeof(a.path), "%s/manifest.db", a.directory);
	return a;
}

static void attempt_done(struct attempt *a)
{
	nftw(a->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int open_manifest(struct attempt *a)
{
	char error[512] = "";
	int r = manifest_open(a->directory, SOURCE, DESTINATION, &a->m, error,
			      sizeof(error));

	if (r < 0) {
		/* A sentence that names the file. */
		assert_non_null(strstr(error, a->path));
		a->m = NULL;
		return r;
	}
	a->r = manifest_reader_new(a->m);
	return a->r ? 0 : -ENOMEM;
}

static int close_manifest(struct attempt *a)
{
	int r;

	a->r = manifest_reader_free(a->r);
	r = manifest_close(a->m);
	a->m = NULL;
	return r;
}

static int put_row(struct manifest *m, const struct step *s)
{
	struct manifest_row row = {
	    .directory = s->directory,
	    .name = s->name,
	    .state = s->action == FAILED ? STATE_FAILED : STATE_VERIFIED,
	    .type = ENTRY_FILE,
	    .source = {.type = ENTRY_FILE,
		       .size = 4096,
		       .nlink = s->action == LINKED ? 2 : 1,
		       .fileid = 7,
		       .mtime_ns = 1700000000123456789},
	    .destination_fileid = s->number,
	    .has_digest = true,
	    .digest = digest_of(s->name, strlen(s->name)),
	    .error = s->action == FAILED ? -EIO : 0,
	    .phase = s->action == FAILED ? PHASE_READ : PHASE_NONE,
	    .execution = 1,
	};

	return manifest_put(m, &row);
}

static int put_partial(struct manifest *m, const struct step *s)
{
	struct manifest_partial p = {
	    .directory = s->directory,
	    .temp_name = ".efsbridge.1234.tmp",
	    .source = {.type = ENTRY_FILE, .size = 1 << 20},
	    .done_bytes = 4096,
	    .digest = digest_of("x", 1),
	};

	strcpy(p.name, s->name);
	return manifest_put_partial(m, &p);
}

static int begin_or_end(struct manifest *m, const struct step *s)
{
	struct manifest_execution e = {.id = s->number,
				       .started_ns = 1000,
				       .ended_ns = 2000,
				       .status = "SUCCESS",
				       .summary = "{}"};
	int r;

	if (s->action == END)
		return manifest_end(m, &e);
	e.ended_ns = 0;
	r = manifest_begin(m, &e);
	if (r == 0)
		assert_int_equal(e.id, s->number);
	return r;
}

static int make_directory(struct attempt *a, const struct step *s)
{
	uint64_t id = 0;
	int r = manifest_directory(a->r, s->directory, s->name, s->name, &id);

	if (r == 0)
		assert_int_equal(id, s->number);
	return r;
}

static int carry_out(struct attempt *a, const struct step *s)
{
	struct manifest *m = a->m;

	switch (s->action) {
	case BEGIN:
	case END:
		return begin_or_end(m, s);
	case DIRECTORY:
		return make_directory(a, s);
	case ROW:
	case FAILED:
	case LINKED:
		return put_row(m, s);
	case PARTIAL:
		return put_partial(m, s);
	case DROP:
		return manifest_drop(m, s->directory, s->name);
	case DROP_TREE:
		return manifest_drop_tree(m, s->directory, s->name);
	case DROP_PARTIAL:
		return manifest_drop_partial(m, s->directory, s->name);
	case DROP_LINKS:
		return manifest_drop_links(m, s->number);
	case FLUSH:
		return manifest_flush(m);
	case REOPEN: {
		int r = close_manifest(a);

		return r < 0 ? r : open_manifest(a);
	}
	}
	return -EINVAL;
}

/* Step number `i`, and what follows from its success. */
static int take_step(struct attempt *a, unsigned i)
{
	enum action action = script[i].action;
	int r;

	a->asked = i + 1;
	r = carry_out(a, &script[i]);
	if (r < 0)
		return r;
	if (action == BEGIN || action == END || action == FLUSH ||
	    action == REOPEN)
		a->promised = i + 1;
	if (action == END)
		a->durable = i + 1;
	return 0;
}

/*
 * Runs the first `steps` of the script, up to the first failure and then, for
 * what must fail as well and may not crash, to the end of the session.
 */
static void play(struct attempt *a, unsigned steps)
{
	int r = open_manifest(a);

	for (unsigned i = 0; a->m && a->r && i < steps; i++) {
		if (r < 0 && script[i].action == REOPEN)
			break;
		if (r == 0)
			r = take_step(a, i);
		else if (script[i].action == FLUSH || script[i].action == END)
			assert_true(carry_out(a, &script[i]) < 0);
	}
	if (r < 0)
		close_manifest(a);
	else
		r = close_manifest(a);
	if (r == 0)
		a->promised = steps;
	a->error = r;
}

/* --- What must hold afterwards -------------------------------------------- */

/* The manifest opens, and holds what it holds behind a step from `least`. */
static void judge(struct attempt *a, unsigned least)
{
	CLEANUP_FREE char *text = NULL;

	assert_int_equal(open_manifest(a), 0);
	assert_int_equal(close_manifest(a), 0);
	text = dump(a);
	for (unsigned i = least; i <= a->asked; i++)
		if (strcmp(text, expected[i]) == 0)
			return;
	fail_msg("behind step %u, promised %u, there is:\n%s\nnot:\n%s",
		 a->asked, least, text, expected[least]);
}

/* The script with change `n` and those behind it failing. */
static bool play_failing(enum fault_vfs_effect effect, uint64_t n,
			 uint64_t times)
{
	struct attempt a = attempt_new();
	uint64_t failures;

	fault_vfs_arm(effect, n, times);
	play(&a, STEPS);
	failures = fault_vfs_failures();
	fault_vfs_disarm();
	judge(&a, a.promised);
	attempt_done(&a);
	return failures > 0;
}

static void sweep(enum fault_vfs_effect effect, uint64_t times)
{
	uint64_t n = 1;

	while (play_failing(effect, n, times))
		n++;
	/* Opening alone changes more than that. */
	assert_true(n > 20);
	print_message("%" PRIu64 " faults injected and survived\n", n - 1);
}

static void test_write_fails_once(void **state)
{
	(void)state;
	sweep(FAULT_VFS_IO, 1);
}

static void test_disk_full_once(void **state)
{
	(void)state;
	sweep(FAULT_VFS_FULL, 1);
}

static void test_write_fails_for_good(void **state)
{
	(void)state;
	sweep(FAULT_VFS_IO, UINT64_MAX);
}

static void test_disk_full_for_good(void **state)
{
	(void)state;
	sweep(FAULT_VFS_FULL, UINT64_MAX);
}

/* The power goes at change `n`; what was not synced is gone, all or some. */
static bool play_power_loss(uint64_t n, uint64_t seed)
{
	struct attempt a = attempt_new();
	uint64_t failures;
	char shared[96];

	fault_vfs_arm(FAULT_VFS_POWER, n, 1);
	play(&a, STEPS);
	failures = fault_vfs_failures();
	if (failures > 0) {
		assert_int_equal(fault_vfs_lose_power(seed), 0);
		snprintf(shared, sizeof(shared), "%s-shm", a.path);
		unlink(shared);
	}
	fault_vfs_disarm();
	judge(&a, failures > 0 ? a.durable : a.promised);
	attempt_done(&a);
	return failures > 0;
}

static void test_power_lost(void **state)
{
	enum { SEEDS = 4 };
	uint64_t n = 1;
	bool more = true;

	(void)state;
	while (more) {
		for (uint64_t seed = 0; more && seed < SEEDS; seed++)
			more = play_power_loss(n, seed ? seed * 1000 + n : 0);
		n += more;
	}
	assert_true(n > 20);
	print_message("power lost %" PRIu64 " times and survived\n",
		      (n - 1) * SEEDS);
}

/* --- What to expect ------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	if (fault_vfs_install() < 0)
		return -1;
	for (unsigned i = 0; i <= STEPS; i++) {
		struct attempt a = attempt_new();

		fault_vfs_arm(FAULT_VFS_NONE, 0, 0);
		play(&a, i);
		if (a.error < 0)
			return -1;
		expected[i] = dump(&a);
		attempt_done(&a);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fault_vfs_arm(FAULT_VFS_NONE, 0, 0);
	for (unsigned i = 0; i <= STEPS; i++)
		free(expected[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write_fails_once),
	    cmocka_unit_test(test_disk_full_once),
	    cmocka_unit_test(test_write_fails_for_good),
	    cmocka_unit_test(test_disk_full_for_good),
	    cmocka_unit_test(test_power_lost),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
