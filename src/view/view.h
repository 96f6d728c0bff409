/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * view - the merged view: a FUSE file system that shows source and
 * destination as one tree, read-only, and the .sync tree in it.
 *
 * The view has volumes of its own, apart from the engine's: so what people
 * read never waits behind what is copied, and cancelling a run cuts nobody
 * off.
 *
 * Thread rule: view_new(), view_run() and view_free() from one thread;
 * view_stop() from any thread.
 */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/side.h"

struct manifest;
struct runner;
struct view;
struct volume;

/* -o options, parsed by view_options_parse() from one or more lists. */
struct view_options {
	bool allow_other; /* default: when run by root */
	bool read_only;   /* -o ro: the kernel refuses all writes, also to
			     .sync/control */
	bool no_exec;
	bool soft;
	bool auto_unmount;     /* default: a daemon that died leaves no mount */
	bool debug;            /* -d, -o debug */
	double timeo_s;        /* -o timeo=N, tenths of a second as in
				  nfs(5); default 60 s */
	double attr_timeout_s; /* default 1 */
	double entry_timeout_s;    /* default 1 */
	double negative_timeout_s; /* default 1 */
	char fsname[256];          /* default: the source's location */
	char syncdir[256];         /* default ".sync" */
};

/* What a mount works with; all of it is borrowed for the life of the view. */
struct view_setup {
	struct volume *volume[SIDES];
	const char *location[SIDES]; /* canonical texts */
	struct manifest *manifest;
	struct runner *runner;       /* the engine behind it */
	const char *task;            /* the task's name */
	const char *state_directory; /* the task's, also for spills */
	const char *log_path;        /* what .sync/log shows */
	const char *mountpoint;      /* absolute */
	bool removes_deleted;        /* what was copied and has been deleted on
					the source is not shown any more */
	const struct view_options *options;
	/* Called once, on a thread of the view, when the mount is usable. */
	void (*ready)(void *user);
	void *user;
};

void view_options_init(struct view_options *ret);

/*
 * Takes over one -o list: "soft,timeo=100". What mount(8), fstab(5) and libfuse
 * use and we need not know (rw, dev, suid, noatime, _netdev, nofail, auto,
 * user, x-*, ..) is let through. -EINVAL with a sentence that names the option.
 */
int view_options_parse(const char *list, struct view_options *o, char *error,
		       size_t error_size);

/*
 * Can a view be mounted on `path`? It has to be an empty directory, not a view
 * already, and neither inside nor above one of the two sides, whose local
 * directories are `local` (NULL for a server). 0 and its canonical path, the
 * caller's to free; a negative errno and a sentence.
 */
int view_check_mountpoint(const char *path, const char *const local[SIDES],
			  char **ret, char *error, size_t error_size);

/* Is a view mounted on this canonical path? */
bool view_is_mounted(const char *path);

/* Is our name in the root free on both sides? Waits for them. */
int view_check_name(const struct view_setup *setup, char *error,
		    size_t error_size);

/* Makes and mounts it; waits for nobody. On failure a sentence in `error`. */
int view_new(const struct view_setup *setup, struct view **ret, char *error,
	     size_t error_size);

/*
 * Serves until unmounted or view_stop(); when it returns nothing is mounted any
 * more, the volumes are cancelled and all operations have ended. 0, or a
 * negative errno when it could not serve.
 */
int view_run(struct view *v);

/* Makes view_run() end, also one that has not begun. */
void view_stop(struct view *v);

/* Unmounts if still mounted. */
struct view *view_free(struct view *v);

#endif
