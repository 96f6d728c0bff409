/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One JSON object, put in place by a rename: a reader sees all of it or none.
 */
#include "sync/mountfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"

#define NAME     "mount"
#define NEW_NAME "mount.new"

/* "<directory>/<name>", heap; NULL when out of memory. */
static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* json_error_t tells no errno, so files are read and written by stdio. */
static int write_object(const char *path, const json_t *object)
{
	FILE *f = fopen(path, "we");
	int r = 0;

	if (!f)
		return -errno;
	if (json_dumpf(object, f, JSON_COMPACT) < 0 || fputc('\n', f) == EOF)
		r = -EIO;
	if (fclose(f) != 0 && r == 0)
		r = -errno;
	return r;
}

int mountfile_write(const char *directory, const char *mountpoint,
		    const char *sync_directory)
{
	CLEANUP_FREE char *path = join(directory, NAME);
	CLEANUP_FREE char *temporary = join(directory, NEW_NAME);
	json_t *object = json_pack("{s:s, s:s, s:I}", "Mountpoint", mountpoint,
				   "SyncDirectory", sync_directory, "Pid",
				   (json_int_t)getpid());
	int r;

	if (!path || !temporary || !object) {
		json_decref(object);
		return path && temporary ? -EINVAL : -ENOMEM;
	}
	r = write_object(temporary, object);
	json_decref(object);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int mountfile_remove(const char *directory)
{
	CLEANUP_FREE char *path = join(directory, NAME);

	if (!path)
		return -ENOMEM;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Takes the members over; a mount point is absolute, a name has no '/'. */
static int take_members(json_t *object, struct mountfile *ret)
{
	const char *mountpoint, *name;
	json_int_t pid;
	struct mountfile m;

	if (json_unpack(object, "{s:s, s:s, s:I}", "Mountpoint", &mountpoint,
			"SyncDirectory", &name, "Pid", &pid) < 0 ||
	    mountpoint[0] != '/' || !*name || strchr(name, '/'))
		return -EUCLEAN;
	m = (struct mountfile){
	    .mountpoint = strdup(mountpoint),
	    .sync_directory = strdup(name),
	    .pid = pid,
	};
	if (!m.mountpoint || !m.sync_directory) {
		mountfile_done(&m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

int mountfile_read(const char *directory, struct mountfile *ret)
{
	CLEANUP_FREE char *path = join(directory, NAME);
	json_t *object;
	FILE *f;
	int r;

	if (!path)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	object = json_loadf(f, 0, NULL);
	fclose(f);
	r = object ? take_members(object, ret) : -EUCLEAN;
	json_decref(object);
	return r;
}

void mountfile_done(struct mountfile *m)
{
	free(m->mountpoint);
	free(m->sync_directory);
	*m = (struct mountfile){0};
}
