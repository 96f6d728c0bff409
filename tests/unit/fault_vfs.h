/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_vfs - SQLite's files on a disk that fails, or whose power goes.
 *
 * It stands before the default VFS and takes its place. What changes a file is
 * counted (a write, a sync, a truncation, a removal); from a number on it
 * fails. What was written is also kept here, apart by what was synced since:
 * so the test can put the files into the state in which lost power leaves
 * them.
 *
 * Syncs do not reach the disk. Shared memory is not counted: it is not of the
 * disk.
 *
 * Thread rule: the functions here from one thread, while no database is open;
 * the VFS itself from any.
 */
#ifndef UNIT_FAULT_VFS_H
#define UNIT_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_vfs_effect {
	FAULT_VFS_NONE,
	FAULT_VFS_IO,    /* SQLITE_IOERR_.. */
	FAULT_VFS_FULL,  /* SQLITE_FULL of writes, SQLITE_IOERR_.. of others */
	FAULT_VFS_POWER, /* as IO, for good; see fault_vfs_lose_power() */
};

/* Becomes the default VFS, and is that for the life of the process. */
int fault_vfs_install(void);

/* Forgets all files. Change number `first` (from 1) fails, and `times` - 1
 * behind it. */
void fault_vfs_arm(enum fault_vfs_effect effect, uint64_t first,
		   uint64_t times);

/* No change fails any more; what is known of the files stays. */
void fault_vfs_disarm(void);

/* Changes, and failures among them, since fault_vfs_arm(). */
uint64_t fault_vfs_count(void);
uint64_t fault_vfs_failures(void);

/*
 * Makes the files what power that was lost leaves: all that was synced, and of
 * what was written since a choice that `seed` determines (0: nothing). 0 or
 * negative errno.
 */
int fault_vfs_lose_power(uint64_t seed);

#endif
