/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine - one execution: scans both volumes, plans, copies, verifies and
 * records every entry.
 *
 * Ownership: the engine borrows the volumes, the manifest and the options for
 * its life.
 * Thread rule: engine_run() is called once, from one thread; the rest from
 * any thread (also while it runs).
 */
#ifndef SYNC_ENGINE_H
#define SYNC_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "sync/counters.h"
#include "sync/report.h"
#include "sync/side.h"
#include "sync/timetable.h"

struct attr;
struct engine;
struct filelist;
struct filter;
struct manifest;
struct volume;

enum sync_verify {
	VERIFY_TRANSFERRED, /* what was copied is read back */
	VERIFY_ALL,         /* and both trees are compared at the end */
	VERIFY_NONE,
};

enum sync_transfer {
	TRANSFER_CHANGED, /* what differs */
	TRANSFER_ALL,     /* everything, whatever the destination has */
};

enum sync_overwrite {
	OVERWRITE_ALWAYS,
	OVERWRITE_NEVER, /* what the destination has stays as it is */
};

/* What only the destination has. */
enum sync_deleted {
	DELETED_KEEP,
	DELETED_REMOVE,
};

/* What --max-delete counts in. */
enum sync_limit {
	LIMIT_NONE,
	LIMIT_ENTRIES,
	LIMIT_PERCENT, /* of the destination's entries */
};

/* What is logged. */
enum sync_logged {
	LOGGED_BASIC, /* errors, warnings, and what happens */
	LOGGED_NOTHING,
	LOGGED_TRANSFER, /* and what becomes of each entry */
};

struct sync_log {
	char *to; /* stderr, a file from the root, syslog, journal, or
		     cloudwatch:GROUP[:STREAM]; NULL: stderr */
	enum sync_logged level;
	bool json; /* a JSON object a line */
};

/* What it points to is freed by settings_done(), and borrowed by copies of the
 * whole. */
struct sync_options {
	enum sync_transfer transfer;
	enum sync_overwrite overwrite;
	enum sync_deleted deleted;
	enum sync_limit max_delete_unit;
	uint64_t max_delete; /* with a unit */
	enum sync_verify verify;
	bool dry_run;          /* print what would be done, change nothing */
	bool no_owner;         /* do not preserve uid and gid */
	bool no_mode;          /* do not preserve permission bits */
	bool no_times;         /* do not preserve mtime and atime */
	bool no_atime;         /* do not preserve the atime alone */
	bool new_root;         /* a root may be another than last time */
	unsigned jobs;         /* lanes; 0: chosen by the round trip */
	struct filter *filter; /* what is left out; NULL: nothing */
	char *files_from;      /* the file that lists what is visited, from
				  the root, or "-"; NULL: all */
	bool from0;            /* its paths end with NULs */
	struct timetable bandwidth; /* bytes a second, by the time of day */
	uint64_t iops;              /* operations a second and side; 0: no
				       limit */
	unsigned tries;             /* of an entry that fails; 0: SYNC_TRIES */
	uint64_t error_stop; /* as many failed entries end it; 0: none do */
	int64_t duration_ns; /* after so long it ends; 0: never */
	struct report_options report;
	char *metrics_file;  /* of who runs it; NULL: none */
	struct sync_log log; /* likewise */
};

/* A second try is given to each entry that fails. */
#define SYNC_TRIES 2

/*
 * What of the tree an execution visits. Directories above a path that the
 * destination lacks are made; a path that the source lacks is said to be
 * missing and makes the run end as ENGINE_FAILURES. A retry takes failed
 * entries of whichever execution, leaves all others alone, and forgets those
 * that the source has no more.
 */
enum engine_scope {
	SCOPE_ALL,
	SCOPE_PATH,  /* one entry and all below it */
	SCOPE_RETRY, /* directories in which the manifest has failed entries */
};

struct engine_setup {
	struct volume *volume[SIDES];
	const char *location[SIDES]; /* canonical texts */
	struct manifest *manifest;   /* a dry run only reads its rows */
	const char *spill_directory; /* for temporary databases, and reports
					that go nowhere else */
	const char *task;            /* its name, for reports */
	const struct sync_options *options;
	enum engine_scope scope;
	struct filelist *filelist; /* entries to be visited; NULL: all.
				      Borrowed */
	const char *path; /* SCOPE_PATH: from the root, "" for it; borrowed */
	bool verify_only; /* compare both trees and change neither; */
	bool sum_trees;   /* and engine_get_tree() will be asked then */
	/* A run that has ended, which has found out what the destination does
	 * not keep; NULL: the run itself does, or one that only compares takes
	 * it that all is kept. */
	const struct engine *knows;
	/* Of a dry run, instead of printing what would be done: called once for
	 * each entry that is looked at, on any thread of the engine. `depth` is
	 * 1 for what lies in the root. May be NULL. */
	void (*seen)(void *user, const struct attr *attr, unsigned depth);
	void *seen_user;
};

enum engine_phase {
	ENGINE_STARTING,
	ENGINE_RUNNING,   /* scan, copy, verify: all at once */
	ENGINE_RETRYING,  /* what failed gets its second try */
	ENGINE_PRUNING,   /* what only the destination has is removed */
	ENGINE_COMPARING, /* both trees, at the end */
	ENGINE_ENDING,
};

enum engine_status {
	ENGINE_SUCCESS,   /* all done */
	ENGINE_FAILURES,  /* done, but entries failed or differed */
	ENGINE_LOST,      /* a side was lost: see engine_get_stop() */
	ENGINE_STOPPED,   /* stopped by an error such as a full disk */
	ENGINE_CANCELLED, /* engine_cancel() */
	ENGINE_LIMITED,   /* done, but nothing removed: --max-delete */
	ENGINE_TIME_UP,   /* sync_options.duration_ns */
};

int engine_new(const struct engine_setup *setup, struct engine **ret);
struct engine *engine_free(struct engine *e);

/* Runs the execution to its end. Failures of entries are logged and
 * recorded; the status says how it ended. */
enum engine_status engine_run(struct engine *e);

/*
 * Asks for a clean end: no new work, what is in flight is finished or, when
 * called a second time, cut off. Async-signal-unsafe.
 */
void engine_cancel(struct engine *e);

/*
 * Holds the execution: what is in flight ends (large files at the end of the
 * ranges in flight), nothing new is begun until it goes on. A cancel ends a
 * paused one too. May be called before engine_run().
 */
void engine_pause(struct engine *e, bool pause);

/*
 * As many lanes from now on, 1 to ENGINE_JOBS_MAX (else -EINVAL); more are
 * started, those too many rest after what they carry. -EAGAIN when the system
 * has no more threads: then it is as many as could be had.
 */
#define ENGINE_JOBS_MAX 128
int engine_set_jobs(struct engine *e, unsigned jobs);
unsigned engine_get_jobs(const struct engine *e);

/*
 * Takes over what of `o` may change while it runs: jobs (0: as it is),
 * bandwidth, iops. As engine_set_jobs(); the rest is taken over in any case.
 */
int engine_adopt(struct engine *e, const struct sync_options *o);

/* The limit in force at this moment, 0: none. */
uint64_t engine_get_bandwidth(const struct engine *e);
uint64_t engine_get_iops(const struct engine *e);

/* What lanes carry at this moment. */
struct engine_transfer {
	const char *path; /* of the file; of a batch: of its first file */
	unsigned files;   /* 1, or how many the batch holds */
	uint64_t bytes;
	uint64_t done_bytes;
};

/* Calls `each` for every work under way; strings live during the call, which
 * must not block. */
void engine_each_transfer(struct engine *e,
			  void (*each)(const struct engine_transfer *t,
				       void *user),
			  void *user);

/*
 * Why a run stopped: the errno and the side, for LOST, STOPPED and TIME_UP.
 * Beside those of the volumes: -ETIME, the time that it may take was over;
 * -ETOOMANYREFS, more entries have failed than may; -EREMCHG, the root of a
 * side is another directory than that of the run before.
 */
int engine_get_stop(const struct engine *e, enum side *ret_side);

const struct counters *engine_get_counters(const struct engine *e);
enum engine_phase engine_get_phase(const struct engine *e);

/* True once every directory was listed: the planned totals are final. */
bool engine_is_scanned(const struct engine *e);

int64_t engine_get_elapsed_ns(const struct engine *e);

/* Since when a side has not answered though the run waits for it, wall clock;
 * 0: it does, or not for long enough that the user was told. */
int64_t engine_get_silent_ns(const struct engine *e, enum side side);

/* The digest of the whole tree of a side, and of how many entries, after a run
 * with `sum_trees`; see treesum.h. Returns `text`. */
const char *engine_get_tree(const struct engine *e, enum side side,
			    uint64_t *ret_entries, char text[DIGEST_TEXT]);

/* What of the wanted metadata the destination does not keep, as far as it is
 * known: ATTR_SET_*; and whether those are symlinks' times. */
uint32_t engine_get_denied(const struct engine *e, bool *ret_link_times);

/* The execution's id in the manifest; 0 in a dry run. */
uint64_t engine_get_execution(const struct engine *e);

/* The counters and options as one JSON object (heap, the caller's), also what
 * the manifest keeps of the execution. NULL when out of memory. */
char *engine_get_summary(const struct engine *e, enum engine_status status);

#endif
