/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a view can be mounted on a directory, and what is mounted there.
 *
 * The kernel tells in /proc/self/mountinfo (proc_pid_mountinfo(5)):
 *
 *	36 35 98:0 /root /mnt/point rw,noatime shared:1 - ext4 /dev/sda rw
 *
 * where blanks in names are written as octal escapes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "view/view.h"
#include "volume/location.h"

#define MOUNT_TYPE "fuse.efsbridge"

/* --- What is mounted ------------------------------------------------------ */

static bool is_octal(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (text[i] < '0' || text[i] > '7')
			return false;
	return true;
}

/* Undoes the escapes of mountinfo where they stand. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && is_octal(from + 1)) {
			*to = (char)((from[1] - '0') * 64 +
				     (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Takes mount point and type out of a line, which is cut up. */
static bool parse_line(char *line, char **ret_point, char **ret_type)
{
	char *rest = line, *field = NULL;

	for (int i = 0; i < 5; i++)
		field = strsep(&rest, " ");
	*ret_point = field;
	/* Optional fields end with a lone '-'. */
	while ((field = strsep(&rest, " ")) && strcmp(field, "-"))
		;
	*ret_type = strsep(&rest, " ");
	if (!*ret_point || !*ret_type)
		return false;
	unescape(*ret_point);
	return true;
}

bool view_is_mounted(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *point, *type;
	bool found = false;
	size_t size = 0;

	if (!f)
		return false;
	/* Of several mounts on one directory the last is on top. */
	while (getline(&line, &size, f) > 0)
		if (parse_line(line, &point, &type) && !strcmp(point, path))
			found = !strcmp(type, MOUNT_TYPE);
	free(line);
	fclose(f);
	return found;
}

/* --- What may be mounted -------------------------------------------------- */

static int check_apart(const char *path, const char *const local[SIDES],
		       char *error, size_t error_size)
{
	for (enum side side = 0; side < SIDES; side++) {
		CLEANUP_FREE char *other =
		    local[side] ? realpath(local[side], NULL) : NULL;
		bool inside = other && location_is_within(path, other);

		if (!other || (!inside && !location_is_within(other, path)))
			continue;
		snprintf(error, error_size,
			 "%s: this mount point lies %s the %s, %s: choose a "
			 "directory apart from both sides",
			 path, inside ? "inside" : "above", side_name(side),
			 other);
		return -EINVAL;
	}
	return 0;
}

static int check_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	errno = 0;
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = -ENOTEMPTY;
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	return r;
}

/* Why a directory cannot be used, and what to do. */
static void explain(const char *path, int r, char *error, size_t error_size)
{
	switch (r) {
	case -ENOENT:
		snprintf(error, error_size,
			 "%s: the mount point does not exist: make it first, "
			 "with mkdir",
			 path);
		break;
	case -ENOTDIR:
		snprintf(error, error_size,
			 "%s: the mount point is not a directory", path);
		break;
	case -ENOTEMPTY:
		snprintf(
		    error, error_size,
		    "%s: the mount point is not empty: what is in it would "
		    "be hidden, choose an empty directory",
		    path);
		break;
	case -ENOTCONN:
		snprintf(error, error_size,
			 "%s: the mount of a process that died is still "
			 "there: end it with umount -l",
			 path);
		break;
	default:
		snprintf(error, error_size,
			 "%s: cannot be used as mount point: %s", path,
			 strerror(-r));
	}
}

/* Of a process that died a moment ago the kernel still knows attributes, unless
 * they are asked for anew. A view that lives answers at once. */
static bool is_dead(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
		     &st) < 0 &&
	       errno == ENOTCONN;
}

int view_check_mountpoint(const char *path, const char *const local[SIDES],
			  char **ret, char *error, size_t error_size)
{
	CLEANUP_FREE char *real = realpath(path, NULL);
	struct stat st;
	int r = 0;

	if (!real || stat(real, &st) < 0)
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	else if (view_is_mounted(real) && is_dead(real))
		r = -ENOTCONN;
	if (r < 0) {
		explain(path, r, error, error_size);
		return r;
	}
	if (view_is_mounted(real)) {
		snprintf(error, error_size,
			 "%s: busy, a view is mounted there: end it with "
			 "umount, or choose another mount point",
			 real);
		return -EBUSY;
	}
	r = check_apart(real, local, error, error_size);
	if (r < 0)
		return r;
	r = check_empty(real);
	if (r < 0) {
		explain(real, r, error, error_size);
		return r;
	}
	*ret = steal(real);
	return 0;
}
