/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mountfile - the file `mount` in a state directory: where the daemon that
 * holds the task's lock has mounted it. It only counts while the lock is held:
 * a daemon that was killed leaves it behind, and whoever gets the lock next
 * removes it (task_open()).
 *
 * Thread rule: any thread.
 */
#ifndef SYNC_MOUNTFILE_H
#define SYNC_MOUNTFILE_H

#include <stdint.h>

struct mountfile {
	char *mountpoint;     /* absolute */
	char *sync_directory; /* the name of .sync there */
	int64_t pid;
};

/* Written whole, or not at all. `directory` is the state directory. -EINVAL:
 * not UTF-8. */
int mountfile_write(const char *directory, const char *mountpoint,
		    const char *sync_directory);

/* That there is none is no failure. */
int mountfile_remove(const char *directory);

/* 0; -ENOENT: none; -EUCLEAN: it is none of ours. */
int mountfile_read(const char *directory, struct mountfile *ret);

/* Frees what it points to. */
void mountfile_done(struct mountfile *m);

#endif
