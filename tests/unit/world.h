/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * world - two directories, a state directory, and runs of the engine between
 * them, with faults.
 *
 * Thread rule: one thread at a time.
 */
#ifndef UNIT_WORLD_H
#define UNIT_WORLD_H

#include <pthread.h>

#include "fault_volume.h"
#include "sync/counters.h"
#include "sync/engine.h"
#include "sync/manifest.h"
#include "sync/side.h"

struct world {
	char base[64];
	char path[SIDES][96];
	char state[96];
};

struct world_run {
	/* What the test wants. */
	struct sync_options options;
	struct fault_rule rule[SIDES][4];
	uint64_t link_max; /* of the destination */
	enum engine_scope scope;
	const char *path; /* with SCOPE_PATH */
	const char *list; /* lines, the entries to be visited; NULL: all */
	bool verify_only;
	void (*begin)(
	    struct world_run *run); /* with `engine`, before it runs */
	void *user;                 /* the test's own */

	/* While it runs; for FAULT_CALL, and for other threads that hold
	 * `keep`: the engine is freed under it, if it is set, for what they
	 * tell it may end the run before their call has returned. */
	struct engine *engine;
	pthread_mutex_t *keep;
	struct volume *volume[SIDES];

	/* What came of it. */
	enum engine_status status;
	int stop;
	enum side stop_side;
	uint64_t counter[COUNTERS];
	uint64_t calls[SIDES][VOLUME_VERBS + 1];
	unsigned failed_rows; /* of this execution */
	int failed_error;     /* of the first */
	enum entry_phase failed_phase;
	char failed_path[256];
};

/* Empty directories; freed with world_done(). */
void world_init(struct world *w);
void world_done(struct world *w);

/* Setup and teardown of a test whose state is a world. */
int world_setup(void **state);
int world_teardown(void **state);

/* Empties the destination and the state. */
void world_begin_anew(struct world *w);

/* Runs the engine; judges afterwards whether every row of the manifest is
 * true, and fails the test if not. */
void world_run(struct world *w, struct world_run *run);

/* Runs with default options; the status must be SUCCESS and the trees the
 * same, without temporary names. Returns what came of it. */
struct world_run world_run_well(struct world *w);

/* The row of entry `path` ("a/b"), without its name; state NONE: none. */
struct manifest_row world_row(struct world *w, const char *path);

/* The state that it has, and its flags. */
enum entry_state world_row_state(struct world *w, const char *path,
				 uint32_t *ret_flags);

/* For FAULT_CALL: cancels the run that `user` points to. */
void world_cancel(void *user);

#endif
