/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/directories.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* One directory of the way; that it is there already is as good. */
static int make_directory(const char *path)
{
	struct stat st;
	int r = mkdir(path, 0700) < 0 ? -errno : 0;

	/* On a read-only parent mkdir() may not even look whether it exists. */
	if (r < 0 && stat(path, &st) == 0)
		r = S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return r;
}

int directories_make(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	char *at = copy;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && *(at += strspn(at, "/")) != '\0') {
		at += strcspn(at, "/");
		char end = *at;

		*at = '\0';
		r = make_directory(copy);
		*at = end;
	}
	return r;
}
