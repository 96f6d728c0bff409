/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair - both sides of a task, from what the user wrote to open volumes. What
 * goes wrong is logged here.
 *
 * Thread rule: any thread.
 */
#ifndef PAIR_H
#define PAIR_H

#include <stdbool.h>

#include "command.h"
#include "sync/side.h"

struct location;
struct options;
struct volume;

/* -EINVAL, -ENOMEM; `ret` is the caller's, also on failure. */
int pair_parse(const struct options *o, struct location *ret[SIDES]);

/* A tree cannot be copied into itself: -EINVAL when one side is the other or
 * lies in it. Looks at local directories, which may take long. */
int pair_check_apart(struct location *const location[SIDES]);

/* The path of a side that is a local directory, else NULL. */
const char *pair_local(struct location *const location[SIDES], enum side side);

/* Opens both at the same time, since each takes some round trips. `ret` is the
 * caller's, also on failure. */
enum exit_status pair_open(struct location *const location[SIDES],
			   struct volume *ret[SIDES]);

#endif
