/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kernel - plays the kernel to a view of two local directories, whose volumes
 * can be stopped and lost (still_volume.h). Nothing is mounted; what the view
 * answers is caught (fake_fuse.h). Whatever does not fit fails the test.
 *
 * Thread rule: one test at a time.
 */
#ifndef UNIT_KERNEL_H
#define UNIT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_fuse.h"
#include "still_volume.h"
#include "sync/manifest.h"
#include "view/core.h"

struct kernel {
	char directory[SIDES][128];
	char state[128];
	struct view view;
	struct view_options options;
	struct manifest_reader *reader;
};

/* A hard mount, for cmocka: *state becomes a struct kernel. */
int kernel_setup(void **state);
int kernel_teardown(void **state);

struct volume *kernel_volume(struct kernel *f, enum side side);

/* The answer of a request, which is freed. */
struct fake_answer kernel_answer_of(fuse_req_t req);

/* Requests and their answers. */
fuse_req_t kernel_start_lookup(struct kernel *f, uint64_t parent,
			       const char *name);
struct fake_answer kernel_look_up(struct kernel *f, uint64_t parent,
				  const char *name);
struct fake_answer kernel_get_attr(struct kernel *f, uint64_t id);
struct fake_answer kernel_get_xattr(struct kernel *f, uint64_t id,
				    const char *name, size_t size);

/* The id of an entry that must be there. */
uint64_t kernel_enter(struct kernel *f, uint64_t parent, const char *name);

void kernel_assert_negative(struct kernel *f, uint64_t parent,
			    const char *name);
void kernel_assert_xattr(struct kernel *f, uint64_t id, const char *name,
			 const char *value);
void kernel_assert_origin(struct kernel *f, uint64_t id, const char *value);

/* What a side has. */
struct attr kernel_attr_of(struct kernel *f, enum side side, const char *path);

/* The row of `path` when it was copied just now from side to side; its name is
 * the path's. */
struct manifest_row kernel_row_of(struct kernel *f, const char *path);
void kernel_put(struct kernel *f, const struct manifest_row *row);
/* Both. */
void kernel_record(struct kernel *f, const char *path);

#endif
