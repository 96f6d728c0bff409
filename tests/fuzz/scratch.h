/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scratch - a directory for a fuzzer that needs files, in memory if there is
 * such a place; it is gone when the program ends well.
 *
 * Thread rule: one thread.
 */
#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

static char scratch_path[128];

static inline int scratch_remove_one(const char *path, const struct stat *st,
				     int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void scratch_remove(void)
{
	nftw(scratch_path, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*scratch_path)
		return scratch_path;
	if (access("/dev/shm", W_OK) == 0)
		tmp = "/dev/shm";
	snprintf(scratch_path, sizeof(scratch_path), "%s/efsbridge-fuzz.XXXXXX",
		 tmp ? tmp : "/tmp");
	check(mkdtemp(scratch_path) != NULL);
	atexit(scratch_remove);
	return scratch_path;
}

#endif
