/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What view_new() makes, without a session. */
#include "kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tree.h"
#include "view/health.h"
#include "view/node.h"
#include "view/readers.h"
#include "view/request.h"

/* --- Life --------------------------------------------------------------- */

static void open_side(struct kernel *f, enum side side)
{
	tree_scratch(side_name(side), f->directory[side],
		     sizeof(f->directory[side]));
	f->view.setup.volume[side] = still_volume_open(f->directory[side]);
	f->view.setup.location[side] = f->directory[side];
	assert_non_null(f->view.setup.volume[side]);
}

int kernel_setup(void **state)
{
	struct kernel *f = calloc(1, sizeof(*f));
	const struct handle *root[SIDES];
	struct view *v = &f->view;
	char error[512];

	assert_non_null(f);
	log_set_level(LOG_ERROR);
	f->options = (struct view_options){
	    .attr_timeout_s = 1000,
	    .entry_timeout_s = 20,
	    .negative_timeout_s = 30,
	    .timeo_s = 0.2,
	};
	v->setup.options = &f->options;
	v->generation = 77;
	tree_scratch("state", f->state, sizeof(f->state));
	for (enum side side = 0; side < SIDES; side++) {
		open_side(f, side);
		root[side] = volume_get_info(v->setup.volume[side])->root;
	}
	assert_int_equal(manifest_open(f->state, "s", "d", &v->setup.manifest,
				       error, sizeof(error)),
			 0);
	f->reader = manifest_reader_new(v->setup.manifest);
	assert_non_null(f->reader);
	assert_int_equal(readers_new(v->setup.manifest, &v->readers), 0);
	assert_int_equal(requests_new(&v->requests), 0);
	assert_int_equal(node_table_new(root, 2, &v->nodes), 0);
	assert_int_equal(health_new(v, &v->health), 0);
	*state = f;
	return 0;
}

int kernel_teardown(void **state)
{
	struct kernel *f = *state;
	struct view *v = &f->view;

	for (enum side side = 0; side < SIDES; side++)
		volume_cancel(v->setup.volume[side]);
	health_free(v->health);
	requests_free(v->requests);
	node_table_free(v->nodes);
	readers_free(v->readers);
	manifest_reader_free(f->reader);
	assert_int_equal(manifest_close(v->setup.manifest), 0);
	for (enum side side = 0; side < SIDES; side++) {
		volume_free(v->setup.volume[side]);
		tree_remove(f->directory[side]);
	}
	tree_remove(f->state);
	free(f);
	return 0;
}

struct volume *kernel_volume(struct kernel *f, enum side side)
{
	return f->view.setup.volume[side];
}

/* --- Asking -------------------------------------------------------------- */

/* The answer of a request, which is freed. */
struct fake_answer kernel_answer_of(fuse_req_t req)
{
	struct fake_answer a = *fake_req_wait(req);

	fake_req_free(req);
	return a;
}

fuse_req_t kernel_start_lookup(struct kernel *f, uint64_t parent,
			       const char *name)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_lookup(req, parent, name);
	return req;
}

struct fake_answer kernel_look_up(struct kernel *f, uint64_t parent,
				  const char *name)
{
	return kernel_answer_of(kernel_start_lookup(f, parent, name));
}

/* The id of an entry that must be there. */
uint64_t kernel_enter(struct kernel *f, uint64_t parent, const char *name)
{
	struct fake_answer a = kernel_look_up(f, parent, name);

	assert_int_equal(a.error, 0);
	assert_int_not_equal(a.entry.ino, 0);
	return a.entry.ino;
}

void kernel_assert_negative(struct kernel *f, uint64_t parent, const char *name)
{
	struct fake_answer a = kernel_look_up(f, parent, name);

	assert_int_equal(a.error, 0);
	assert_int_equal(a.entry.ino, 0);
	assert_true(a.entry.entry_timeout == 30);
}

struct fake_answer kernel_get_attr(struct kernel *f, uint64_t id)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_getattr(req, id, NULL);
	return kernel_answer_of(req);
}

struct fake_answer kernel_get_xattr(struct kernel *f, uint64_t id,
				    const char *name, size_t size)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_getxattr(req, id, name, size);
	return kernel_answer_of(req);
}

void kernel_assert_xattr(struct kernel *f, uint64_t id, const char *name,
			 const char *value)
{
	struct fake_answer a = kernel_get_xattr(f, id, name, 1000);

	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, strlen(value));
	assert_memory_equal(a.data, value, a.len);
}

void kernel_assert_origin(struct kernel *f, uint64_t id, const char *value)
{
	kernel_assert_xattr(f, id, "user.efsbridge.origin", value);
}

/* --- Records ------------------------------------------------------------- */

struct attr kernel_attr_of(struct kernel *f, enum side side, const char *path)
{
	const struct handle *dir =
	    volume_get_info(kernel_volume(f, side))->root;
	CLEANUP_FREE char *copy = strdup(path);
	struct handle *old = NULL;
	struct attr attr = {0};
	char *rest = copy, *name;

	while ((name = strsep(&rest, "/"))) {
		struct volume_lookup item = {.dir = dir, .name = name};

		volume_run(kernel_volume(f, side), VOLUME_LOOKUP, &item, 1);
		assert_int_equal(item.result, 0);
		attr = item.ret_attr;
		free(old);
		dir = old = item.ret_handle;
	}
	free(old);
	return attr;
}

/* The row of `path` when it was copied just now from side to side. */
struct manifest_row kernel_row_of(struct kernel *f, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	const char *last = strrchr(path, '/');
	uint64_t directory = MANIFEST_ROOT;
	struct manifest_row row;
	char *rest = copy, *name;

	while ((name = strsep(&rest, "/")) && rest)
		assert_int_equal(manifest_directory(f->reader, directory, name,
						    "?", &directory),
				 0);
	row = (struct manifest_row){
	    .directory = directory,
	    .name = last ? last + 1 : path,
	    .state = STATE_VERIFIED,
	    .source = kernel_attr_of(f, SOURCE, path),
	    .destination_fileid = kernel_attr_of(f, DESTINATION, path).fileid,
	    .execution = 3,
	};
	row.type = row.source.type;
	return row;
}

void kernel_put(struct kernel *f, const struct manifest_row *row)
{
	assert_int_equal(manifest_put(f->view.setup.manifest, row), 0);
	assert_int_equal(manifest_flush(f->view.setup.manifest), 0);
}

void kernel_record(struct kernel *f, const char *path)
{
	struct manifest_row row = kernel_row_of(f, path);

	kernel_put(f, &row);
}
