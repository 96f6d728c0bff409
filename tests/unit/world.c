/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "world.h"
#include "sync/filelist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../tools/truth.h"
#include "sync/manifest.h"
#include "tree.h"

void world_init(struct world *w)
{
	tree_scratch("test_engine", w->base, sizeof(w->base));
	for (int side = 0; side < SIDES; side++) {
		stpcpy(stpcpy(stpcpy(w->path[side], w->base), "/"),
		       side_name((enum side)side));
		assert_int_equal(mkdir(w->path[side], 0755), 0);
	}
	stpcpy(stpcpy(w->state, w->base), "/state");
	assert_int_equal(mkdir(w->state, 0700), 0);
}

void world_done(struct world *w)
{
	tree_remove(w->base);
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	world_init(w);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}

void world_begin_anew(struct world *w)
{
	tree_remove(w->path[DESTINATION]);
	tree_remove(w->state);
	assert_int_equal(mkdir(w->path[DESTINATION], 0755), 0);
	assert_int_equal(mkdir(w->state, 0700), 0);
}

void world_cancel(void *user)
{
	struct world_run *run = user;

	engine_cancel(run->engine);
}

static struct manifest *open_manifest(struct world *w)
{
	struct manifest *m;
	char error[512] = "";

	if (manifest_open(w->state, w->path[SOURCE], w->path[DESTINATION], &m,
			  error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return m;
}

static int note_failed(const char *path, const struct manifest_row *row,
		       void *user)
{
	struct world_run *run = user;

	if (run->failed_rows++ == 0) {
		run->failed_error = row->error;
		run->failed_phase = row->phase;
		snprintf(run->failed_path, sizeof(run->failed_path), "%s%s%s",
			 path, *path ? "/" : "", row->name);
	}
	return 0;
}

static void note_end(struct world_run *run, struct manifest *m,
		     struct volume *const volume[SIDES])
{
	const struct counters *c = engine_get_counters(run->engine);
	struct manifest_reader *r;

	run->stop = engine_get_stop(run->engine, &run->stop_side);
	for (int i = 0; i < COUNTERS; i++)
		run->counter[i] = counters_get(c, (enum counter)i);
	for (int side = 0; side < SIDES; side++)
		for (int verb = 0; verb <= VOLUME_VERBS; verb++)
			run->calls[side][verb] = fault_volume_count(
			    volume[side], (enum volume_verb)verb);
	run->failed_rows = 0;
	r = manifest_reader_new(m);
	assert_non_null(r);
	assert_int_equal(manifest_each_failed(r,
					      engine_get_execution(run->engine),
					      1000, note_failed, run),
			 0);
	manifest_reader_free(r);
}

static void judge_manifest(struct world *w)
{
	char db[160];
	unsigned long rows;

	snprintf(db, sizeof(db), "%s/manifest.db", w->state);
	if (truth_judge(db, w->path[DESTINATION], &rows) > 0)
		fail_msg("the manifest claims what is not so");
}

/* The list of a run, NULL when it has none. */
static struct filelist *load_list(const struct world *w,
				  const struct world_run *run)
{
	struct filelist *l = NULL;
	char path[128], error[300] = "";
	FILE *f;

	if (!run->list)
		return NULL;
	snprintf(path, sizeof(path), "%s/list", w->state);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(run->list, f) >= 0);
	assert_int_equal(fclose(f), 0);
	if (filelist_load(path, false, w->state, &l, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return l;
}

void world_run(struct world *w, struct world_run *run)
{
	struct engine_setup setup = {
	    .location = {w->path[SOURCE], w->path[DESTINATION]},
	    .manifest = open_manifest(w),
	    .spill_directory = w->state,
	    .options = &run->options,
	    .scope = run->scope,
	    .path = run->path,
	    .verify_only = run->verify_only,
	    .filelist = load_list(w, run),
	};

	for (int side = 0; side < SIDES; side++) {
		struct volume *v = fault_volume_open(w->path[side]);

		assert_non_null(v);
		for (size_t i = 0; i < 4; i++)
			if (run->rule[side][i].times > 0)
				fault_volume_add(v, &run->rule[side][i]);
		setup.volume[side] = run->volume[side] = v;
	}
	fault_volume_limit_links(setup.volume[DESTINATION], run->link_max);
	assert_int_equal(engine_new(&setup, &run->engine), 0);
	if (run->begin)
		run->begin(run);
	run->status = engine_run(run->engine);
	note_end(run, setup.manifest, setup.volume);
	if (run->keep)
		pthread_mutex_lock(run->keep);
	run->engine = engine_free(run->engine);
	if (run->keep)
		pthread_mutex_unlock(run->keep);
	filelist_free(setup.filelist);
	for (int side = 0; side < SIDES; side++)
		run->volume[side] = volume_free(setup.volume[side]);
	assert_int_equal(manifest_close(setup.manifest), 0);
	judge_manifest(w);
}

struct world_run world_run_well(struct world *w)
{
	struct world_run run = {.failed_rows = 0};

	world_run(w, &run);
	if (run.status != ENGINE_SUCCESS)
		fail_msg("status %d, stop %d, %s: error %d", (int)run.status,
			 run.stop, run.failed_path, run.failed_error);
	if (tree_compare(w->path[SOURCE], w->path[DESTINATION], TREE_LINKS))
		fail_msg("the trees differ");
	return run;
}

struct manifest_row world_row(struct world *w, const char *path)
{
	struct manifest *m = open_manifest(w);
	struct manifest_reader *r = manifest_reader_new(m);
	uint64_t id = MANIFEST_ROOT;
	char copy[256], *end = copy;
	struct manifest_row row = {.state = STATE_NONE};

	assert_non_null(r);
	snprintf(copy, sizeof(copy), "%s", path);
	while (strchr(end, '/')) {
		char *name = end;

		end = strchr(end, '/');
		*end = '\0';
		assert_int_equal(manifest_directory(r, id, name, copy, &id), 0);
		*end++ = '/';
	}
	assert_true(manifest_get(r, id, end, &row) >= 0);
	manifest_reader_free(r);
	assert_int_equal(manifest_close(m), 0);
	row.name = NULL;
	return row;
}

enum entry_state world_row_state(struct world *w, const char *path,
				 uint32_t *ret_flags)
{
	struct manifest_row row = world_row(w, path);

	if (ret_flags)
		*ret_flags = row.flags;
	return row.state;
}
