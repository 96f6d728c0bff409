/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local directory as a volume: opening it, and handing each item of a
 * call to its verb. Calls run to their end in the thread that makes them;
 * the waist's pool makes them asynchronous. A call looks at `cancelled`
 * before each item, which is soon enough: the longest item is one range.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "volume/location.h"

#define WHOLE_ITEMS DIR_WALK_FDS /* a group, see dir_whole.c */
#define CALLS_A_CPU 2

static void dir_statfs(struct dir_walk *w, struct volume_statfs *item)
{
	struct statvfs fs;

	if (fstatvfs(w->dir->root, &fs)) {
		item->result = -errno;
		return;
	}
	*item = (struct volume_statfs){
	    .ret_total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize,
	    .ret_free_bytes = (uint64_t)fs.f_bfree * fs.f_frsize,
	    .ret_avail_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
	    .ret_total_files = fs.f_files,
	    .ret_free_files = fs.f_ffree,
	    .ret_name_max = (uint32_t)fs.f_namemax,
	};
}

static bool is_cancelled(const struct dir *d)
{
	return atomic_load_explicit(&d->cancelled, memory_order_relaxed);
}

#define EACH(type, function)                                 \
	do {                                                 \
		struct type *item = items;                   \
		for (size_t i = 0; i < count; i++, item++) { \
			if (is_cancelled(w.dir))             \
				item->result = -ECANCELED;   \
			else                                 \
				function(&w, item);          \
		}                                            \
	} while (0)

/* A file is closed even when all else is cancelled. */
static void close_all(struct dir_walk *w, struct volume_close *items,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		dir_close(w, &items[i]);
		if (is_cancelled(w->dir))
			items[i].result = -ECANCELED;
	}
}

static void run(struct volume *v, enum volume_verb verb, void *items,
		size_t count)
{
	struct dir_walk w;

	dir_walk_init(&w, (struct dir *)v);
	atomic_fetch_add_explicit(&w.dir->requests, count,
				  memory_order_relaxed);
	switch (verb) {
	case VOLUME_LIST:
		EACH(volume_list, dir_list);
		break;
	case VOLUME_LOOKUP:
		EACH(volume_lookup, dir_lookup);
		break;
	case VOLUME_GETATTR:
		EACH(volume_getattr, dir_getattr);
		break;
	case VOLUME_READLINK:
		EACH(volume_readlink, dir_readlink);
		break;
	case VOLUME_READ_WHOLE:
		EACH(volume_read_whole, dir_read_whole);
		break;
	case VOLUME_WRITE_WHOLE:
		dir_write_whole(&w, items, count);
		break;
	case VOLUME_MAKE:
		EACH(volume_make, dir_make);
		break;
	case VOLUME_LINK:
		EACH(volume_link, dir_link);
		break;
	case VOLUME_SETATTR:
		EACH(volume_setattr, dir_setattr);
		break;
	case VOLUME_REMOVE:
		EACH(volume_remove, dir_remove);
		break;
	case VOLUME_RENAME:
		EACH(volume_rename, dir_rename);
		break;
	case VOLUME_READ:
		EACH(volume_read, dir_read);
		break;
	case VOLUME_OPEN:
		EACH(volume_open, dir_open_file);
		break;
	case VOLUME_WRITE:
		EACH(volume_write, dir_write);
		break;
	case VOLUME_COMMIT:
		EACH(volume_commit, dir_commit);
		break;
	case VOLUME_CLOSE:
		close_all(&w, items, count);
		break;
	case VOLUME_STATFS:
		EACH(volume_statfs, dir_statfs);
		break;
	case VOLUME_VERBS:
		break;
	}
	dir_walk_done(&w);
}

static void cancel(struct volume *v)
{
	struct dir *d = (struct dir *)v;

	atomic_store_explicit(&d->cancelled, true, memory_order_relaxed);
}

static uint64_t get_requests(const struct volume *v)
{
	const struct dir *d = (const struct dir *)v;

	return atomic_load_explicit(&d->requests, memory_order_relaxed);
}

static void free_dir(struct volume *v)
{
	struct dir *d = (struct dir *)v;

	dir_listings_free(d);
	dir_moves_free(d);
	if (d->root >= 0)
		close(d->root);
	pthread_mutex_destroy(&d->lock);
	free((char *)v->info.location);
	free((struct handle *)v->info.root);
	free(d);
}

static const struct volume_backend dir_backend = {
    .name = "dir",
    .run = run,
    .cancel = cancel,
    .get_requests = get_requests,
    .free = free_dir,
};

/* The sentence for a user whose directory cannot be opened. */
static int open_error(const struct location *location, int error, char *text,
		      size_t size)
{
	const char *path = location->path;

	switch (error) {
	case ENOENT:
		snprintf(text, size,
			 "%s: there is no such directory; make it, or correct "
			 "the path",
			 path);
		break;
	case ENOTDIR:
		snprintf(text, size,
			 "%s: this is not a directory; name the directory "
			 "whose content is meant",
			 path);
		break;
	case EACCES:
		snprintf(text, size,
			 "%s: no permission to reach this directory; run as a "
			 "user who may",
			 path);
		break;
	default:
		snprintf(text, size, "%s: the directory cannot be opened: %s",
			 path, strerror(error));
		break;
	}
	return -error;
}

/* Fills what others may know of the volume. */
static int fill_info(struct dir *d, const struct location *location)
{
	struct volume_info *info = &d->volume.info;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct statx st;
	int result = dir_stat(d->root, "", &st);

	if (result)
		return result;
	info->location = strdup(location->text);
	info->protocol = "a local directory";
	info->root = dir_handle_new(NULL, "", &st);
	if (!info->location || !info->root)
		return -ENOMEM;
	dir_attr_of(&st, &info->root_attr);
	info->depth = CALLS_A_CPU * (cpus > 0 ? (unsigned)cpus : 1);
	info->whole_items = WHOLE_ITEMS;
	info->whole_calls = 1;
	info->keeps_open = true;
	return 0;
}

int dir_open(const struct location *location, struct volume **ret, char *error,
	     size_t error_size)
{
	struct dir *d = calloc(1, sizeof(*d));
	int result;

	if (!d)
		return open_error(location, ENOMEM, error, error_size);
	d->volume.backend = &dir_backend;
	pthread_mutex_init(&d->lock, NULL);
	/* What leads here may hold symlinks: it is the user's own path. */
	d->root = open(location->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	result = d->root < 0 ? -errno : fill_info(d, location);
	if (result) {
		free_dir(&d->volume);
		return open_error(location, -result, error, error_size);
	}
	d->has_openat2 = dir_path_has_openat2(d->root);
	d->verifier = (uint64_t)clock_wall_ns();
	*ret = &d->volume;
	return 0;
}
