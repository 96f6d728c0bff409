/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * task - the state directory of a task, and the lock that one process holds
 * on it.
 *
 * A task is a source, a destination and options; what is remembered of it
 * (the manifest, spilled listings, reports) lies in one directory:
 *
 *   --state DIR                              DIR itself, or else
 *   /var/lib/efsbridge/<task>                for root
 *   $XDG_STATE_HOME/efsbridge/<task>         for others
 *   $HOME/.local/state/efsbridge/<task>      when XDG_STATE_HOME is not set
 *
 * <task> is what the user named it, or is made from both locations: a part
 * that people can read and a digest that keeps tasks apart.
 *
 * Thread rule: one thread at a time; the getters from any thread.
 */
#ifndef SYNC_TASK_H
#define SYNC_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name of a task, in bytes. */
#define TASK_NAME_MAX 64

struct mountfile;
struct task;

/* All strings are borrowed for the time of the call. */
struct task_options {
	const char *state;            /* --state, or NULL */
	const char *name;             /* --task, or NULL */
	const char *source_text;      /* canonical location, see location.h */
	const char *destination_text; /* likewise */
	const char *source_dir;       /* its path if it is a local directory */
	const char *destination_dir;  /* likewise; NULL for a server */
	bool no_queue;                /* fail when another process runs it */
	struct mountfile *ret_mount;  /* fail with -EALREADY when a daemon that
					 has it mounted holds the lock, and say
					 where; NULL: wait for it, too */
	int64_t deadline_ns; /* when to wait no longer, monotonic; 0: never */
	/* Asked at least every 200 ms while waiting for the lock; may be
	 * NULL. True makes task_open() give up. */
	bool (*cancelled)(void *user);
	void *user;
};

/*
 * Finds the state directory, makes it (mode 0700, parents too) and locks it.
 * When another process holds the lock, that is logged once and it is waited
 * for, in the order of those who do. On failure `error` is a sentence for the
 * user:
 *
 *   -EINVAL     the name is not one ([A-Za-z0-9._-], 1 to 64, the first
 *               neither '.' nor '-'), or the state directory would lie inside
 *               a local directory of the task
 *   -EAGAIN     run by another process, and `no_queue`, or it is past
 *               `deadline_ns`
 *   -EALREADY   see `ret_mount`
 *   -ECANCELED  `cancelled` said so
 *   others      from the file system
 */
int task_open(const struct task_options *options, struct task **ret,
	      char *error, size_t error_size);

/* Does a process hold the lock of this state directory? Makes nothing. */
bool task_is_held(const char *directory);

/* Gives the lock back; the directory stays. */
struct task *task_free(struct task *t);

/* Absolute, without symbolic links; lives as long as the task. */
const char *task_get_directory(const struct task *t);
const char *task_get_name(const struct task *t);

/*
 * Where the state of a task lies, without making or locking it: what readers
 * (status, history, report) need. `ret_directory` is the caller's to free.
 * Errors as above.
 */
int task_locate(const struct task_options *options,
		char ret_name[TASK_NAME_MAX + 1], char **ret_directory,
		char *error, size_t error_size);

/* The directory in which the state directories of tasks lie that were not
 * given one. Heap, the caller's. Errors as above. */
int task_locate_all(char **ret_directory, char *error, size_t error_size);

/* Could this be the name of a task? */
bool task_is_name(const char *name);

#endif
