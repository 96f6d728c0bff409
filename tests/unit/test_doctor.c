/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the doctor says of a side that lies, refuses or fails, and that it
 * leaves nothing behind. The volumes are local directories with a liar before
 * them.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "doctor_internal.h"
#include "sync/engine.h"
#include "volume/backend.h"
#include "volume/location.h"

#define FINDINGS_MAX 64

/* What is different from how the directory behind is. */
struct lies {
	int64_t skew_ns; /* of its clock */
	uint32_t squash; /* what is made belongs to that user */
	bool no_owner;   /* says yes, and does not do it */
	bool no_mode;
	bool no_times;
	bool no_link_times;
	bool whole_seconds;
	int error[VOLUME_VERBS]; /* what calls answer instead */
	const struct volume_statfs *room;
};

struct liar {
	struct volume volume; /* first, see backend.h */
	struct volume *inner;
	struct lies lies;
};

static void lie_about(const struct lies *l, struct attr *a, bool link)
{
	a->ctime_ns += l->skew_ns;
	if (l->squash)
		a->uid = l->squash;
	if (l->no_owner)
		a->uid = a->gid = 0;
	if (l->no_mode)
		a->mode = 0600;
	if (l->no_times || (l->no_link_times && link))
		a->mtime_ns = 0;
	if (l->whole_seconds)
		a->mtime_ns -= a->mtime_ns % NS_PER_S;
}

static void run(struct volume *v, enum volume_verb verb, void *items,
		size_t count)
{
	struct liar *liar = (struct liar *)v;
	const struct lies *l = &liar->lies;

	if (l->error[verb]) {
		/* A file that cannot be closed is freed all the same. */
		if (verb == VOLUME_CLOSE)
			volume_run(liar->inner, verb, items, count);
		volume_fail(verb, items, count, l->error[verb]);
		return;
	}
	volume_run(liar->inner, verb, items, count);
	if (verb == VOLUME_STATFS && l->room)
		*(struct volume_statfs *)items = *l->room;
	if (verb == VOLUME_OPEN)
		lie_about(l, &((struct volume_open *)items)->ret_attr, false);
	if (verb == VOLUME_SETATTR)
		lie_about(l, &((struct volume_setattr *)items)->ret_attr,
			  false);
	if (verb == VOLUME_MAKE)
		lie_about(l, &((struct volume_make *)items)->ret_attr, true);
}

static void cancel(struct volume *v)
{
	volume_cancel(((struct liar *)v)->inner);
}

static uint64_t get_requests(const struct volume *v)
{
	return volume_get_requests(((const struct liar *)v)->inner);
}

static void free_liar(struct volume *v)
{
	volume_free(((struct liar *)v)->inner);
	free(v);
}

static const struct volume_backend liar_backend = {
    .name = "liar",
    .run = run,
    .cancel = cancel,
    .get_requests = get_requests,
    .free = free_liar,
};

/* --- A consultation ------------------------------------------------------- */

static struct {
	char path[SIDES][64];
	struct location *location[SIDES];
	struct liar *liar[SIDES];
	struct sync_options options;
	struct doctor_setup setup;
	struct doctor doctor;
	struct {
		char check[32];
		enum side side;
		enum doctor_level level;
	} found[FINDINGS_MAX];
	unsigned count;
	unsigned patience; /* looks at `cancelled` until it is so */
} t;

static bool is_cancelled(void *user)
{
	(void)user;
	return t.patience > 0 && --t.patience == 0 ? (t.patience = 1) : false;
}

static void take_finding(void *user, const struct doctor_finding *f)
{
	(void)user;
	assert_true(t.count < FINDINGS_MAX);
	assert_non_null(f->text);
	/* Whoever is told that something is wrong is told what to do. */
	assert_true(f->level == DOCTOR_OK || f->remedy ||
		    !strcmp(f->check, "space"));
	snprintf(t.found[t.count].check, sizeof(t.found[0].check), "%s",
		 f->check);
	t.found[t.count].side = f->side;
	t.found[t.count].level = f->level;
	t.count++;
}

static void open_side(enum side side, const struct lies *lies)
{
	struct liar *liar = calloc(1, sizeof(*liar));
	char error[300];

	assert_non_null(liar);
	strcpy(t.path[side], "/tmp/test_doctor-XXXXXX");
	assert_non_null(mkdtemp(t.path[side]));
	assert_int_equal(location_parse(t.path[side], &t.location[side], error,
					sizeof(error)),
			 0);
	assert_int_equal(volume_open_location(t.location[side], &liar->inner,
					      error, sizeof(error)),
			 0);
	liar->volume.backend = &liar_backend;
	liar->volume.info = *volume_get_info(liar->inner);
	liar->lies = *lies;
	t.liar[side] = liar;
	t.setup.location[side] = t.location[side];
	t.doctor.volume[side] = &liar->volume;
}

static void begin(const struct lies *lies)
{
	static const struct lies none;

	memset(&t, 0, sizeof(t));
	t.setup.options = &t.options;
	t.setup.cancelled = is_cancelled;
	t.setup.found = take_finding;
	t.doctor.setup = &t.setup;
	open_side(SOURCE, &none);
	open_side(DESTINATION, lies);
}

static unsigned entries_of(const char *path)
{
	DIR *d = opendir(path);
	unsigned count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count - 2;
}

static void end(void)
{
	for (enum side side = 0; side < SIDES; side++) {
		volume_free(&t.liar[side]->volume);
		location_free(t.location[side]);
		/* Fails when something was left behind. */
		assert_int_equal(rmdir(t.path[side]), 0);
	}
}

/* -1: it was not looked at. The last one counts. */
static int level_of(const char *check)
{
	int level = -1;

	for (unsigned i = 0; i < t.count; i++)
		if (!strcmp(t.found[i].check, check))
			level = (int)t.found[i].level;
	return level;
}

/* --- Tests ---------------------------------------------------------------- */

/* Without root's rights an owner cannot be given, which is no failure. */
static int owner_level(void)
{
	return geteuid() == 0 ? DOCTOR_OK : DOCTOR_WARN;
}

static void test_well(void **state)
{
	static const char *const checks[] = {"clock", "throughput", "mode",
					     "times", "symlink"};
	static const struct lies none;

	(void)state;
	begin(&none);
	doctor_write(&t.doctor);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		assert_int_equal(level_of(checks[i]), DOCTOR_OK);
	assert_int_equal(level_of("owner"), owner_level());
	assert_int_equal(level_of("root-squash"), -1);
	assert_int_equal(t.doctor.worst, owner_level());
	end();
}

static void test_lies(void **state)
{
	const int owner = geteuid() == 0 ? DOCTOR_FAIL : DOCTOR_WARN;
	const struct {
		struct lies lies;
		const char *check;
		int level;
	} cases[] = {
	    {{.skew_ns = 4 * NS_PER_S}, "clock", DOCTOR_OK},
	    {{.skew_ns = 60 * NS_PER_S}, "clock", DOCTOR_WARN},
	    {{.skew_ns = -60 * NS_PER_S}, "clock", DOCTOR_WARN},
	    {{.squash = 65534}, "root-squash", DOCTOR_FAIL},
	    {{.no_owner = true}, "owner", owner},
	    {{.no_mode = true}, "mode", DOCTOR_FAIL},
	    {{.no_times = true}, "times", DOCTOR_FAIL},
	    {{.whole_seconds = true}, "times", DOCTOR_WARN},
	    {{.no_link_times = true}, "symlink", DOCTOR_WARN},
	    {{.no_link_times = true}, "times", DOCTOR_OK},
	    {{.error = {[VOLUME_OPEN] = -EROFS}}, "write", DOCTOR_FAIL},
	    {{.error = {[VOLUME_OPEN] = -EACCES}}, "write", DOCTOR_FAIL},
	    {{.error = {[VOLUME_WRITE] = -ENOSPC}}, "write", DOCTOR_FAIL},
	    {{.error = {[VOLUME_COMMIT] = -EDQUOT}}, "write", DOCTOR_FAIL},
	    {{.error = {[VOLUME_SETATTR] = -EPERM}}, "mode", DOCTOR_FAIL},
	    {{.error = {[VOLUME_SETATTR] = -EPERM}}, "owner", owner},
	    {{.error = {[VOLUME_MAKE] = -EOPNOTSUPP}}, "symlink", DOCTOR_WARN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(&cases[i].lies);
		doctor_write(&t.doctor);
		if (level_of(cases[i].check) != cases[i].level)
			fail_msg("case %zu: %s is %d", i, cases[i].check,
				 level_of(cases[i].check));
		assert_true((int)t.doctor.worst >= cases[i].level);
		end();
	}
}

/* What was said not to matter is not looked at. */
static void test_options(void **state)
{
	static const struct lies squashed = {.squash = 65534};

	(void)state;
	begin(&squashed);
	t.options.no_owner = t.options.no_mode = t.options.no_times = true;
	doctor_write(&t.doctor);
	assert_int_equal(level_of("root-squash"), -1);
	assert_int_equal(level_of("owner"), -1);
	assert_int_equal(level_of("mode"), -1);
	assert_int_equal(level_of("times"), -1);
	assert_int_equal(t.doctor.worst, DOCTOR_OK);
	end();
}

/* Whenever it is cancelled, it removes what it has made. */
static void test_cancelled(void **state)
{
	static const struct lies none;

	(void)state;
	for (unsigned patience = 1; patience < 20; patience++) {
		begin(&none);
		t.patience = patience;
		doctor_write(&t.doctor);
		assert_int_equal(entries_of(t.path[DESTINATION]), 0);
		end();
	}
}

/* What cannot be removed is named. */
static void test_left_behind(void **state)
{
	static const struct lies stuck = {.error = {[VOLUME_REMOVE] = -EACCES}};
	const struct dirent *e;
	DIR *d;

	(void)state;
	begin(&stuck);
	doctor_write(&t.doctor);
	assert_int_equal(level_of("clean-up"), DOCTOR_FAIL);
	d = opendir(t.path[DESTINATION]);
	assert_non_null(d);
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	end();
}

static void test_room(void **state)
{
#define ROOM(total, free, names, links)                            \
	(&(const struct volume_statfs){.ret_total_bytes = (total), \
				       .ret_free_bytes = (free),   \
				       .ret_avail_bytes = (free),  \
				       .ret_total_files = (total), \
				       .ret_free_files = (free),   \
				       .ret_name_max = (names),    \
				       .ret_link_max = (links)})
	const struct {
		const struct volume_statfs *room[SIDES];
		int space, inodes, names, links;
	} cases[] = {
	    {{ROOM(100, 40, 255, 177), ROOM(80, 60, 255, 177)},
	     DOCTOR_OK,
	     DOCTOR_OK,
	     DOCTOR_OK,
	     DOCTOR_OK},
	    {{ROOM(100, 40, 255, 65000), ROOM(80, 59, 143, 177)},
	     DOCTOR_WARN,
	     DOCTOR_WARN,
	     DOCTOR_WARN,
	     DOCTOR_WARN},
	    {{ROOM(100, 40, 0, 0), ROOM(80, 0, 0, 0)},
	     DOCTOR_FAIL,
	     DOCTOR_WARN,
	     DOCTOR_OK,
	     DOCTOR_OK},
	    /* As EFS says it. */
	    {{ROOM(UINT64_C(1) << 63, UINT64_C(1) << 62, 255, 177),
	      ROOM(UINT64_C(1) << 63, UINT64_C(1) << 62, 255, 177)},
	     DOCTOR_OK,
	     DOCTOR_OK,
	     DOCTOR_OK,
	     DOCTOR_OK},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		static const struct lies none;

		begin(&none);
		for (enum side side = 0; side < SIDES; side++)
			t.liar[side]->lies.room = cases[i].room[side];
		doctor_room(&t.doctor);
		assert_int_equal(level_of("space"), cases[i].space);
		assert_int_equal(level_of("inodes"), cases[i].inodes);
		assert_int_equal(level_of("name-limit"), cases[i].names);
		assert_int_equal(level_of("link-limit"), cases[i].links);
		end();
	}
}

static void test_no_room_told(void **state)
{
	static const struct lies mute = {
	    .error = {[VOLUME_STATFS] = -EOPNOTSUPP}};

	(void)state;
	begin(&mute);
	doctor_room(&t.doctor);
	assert_int_equal(level_of("space"), DOCTOR_WARN);
	assert_int_equal(level_of("name-limit"), -1);
	end();
}

/* A source whose files, or directories, cannot be read. */
static void test_source(void **state)
{
	static const struct {
		enum volume_verb verb;
		int error, level;
	} cases[] = {
	    {VOLUME_READ, 0, DOCTOR_OK},
	    {VOLUME_READ, -EIO, DOCTOR_FAIL},
	    {VOLUME_READ, -ESTALE, DOCTOR_OK},
	    {VOLUME_LIST, -EIO, DOCTOR_FAIL},
	};
	static const struct lies none;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[128];
		FILE *f;

		begin(&none);
		snprintf(path, sizeof(path), "%s/file", t.path[SOURCE]);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs("data", f);
		fclose(f);
		t.liar[SOURCE]->lies.error[cases[i].verb] = cases[i].error;
		doctor_read(&t.doctor, SOURCE);
		assert_int_equal(level_of("read"), cases[i].level);
		unlink(path);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_well),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_cancelled),
	    cmocka_unit_test(test_left_behind),
	    cmocka_unit_test(test_room),
	    cmocka_unit_test(test_no_room_told),
	    cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
