/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranges of large files.
 *
 * Linux drops the dirty state of pages it failed to write: after a failed
 * fdatasync() the next one may succeed without the data. A failed commit
 * therefore changes the file's verifier, as a server does that lost its
 * memory, and whoever wrote the file writes it again.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A file open for writing, or for reading. Ranges of it are written, or read,
 * from many threads. */
struct volume_file {
	int fd;
	atomic_uint_fast64_t verifier;
};

static int read_range(int fd, const struct statx *st, struct volume_read *item)
{
	uint64_t left =
	    st->stx_size > item->offset ? st->stx_size - item->offset : 0;
	size_t want = left < item->len ? (size_t)left : item->len;
	struct blob *blob = blob_new(want);
	size_t len = 0;
	int result = 0;

	if (!blob)
		return -ENOMEM;
	if (want > 0)
		result = dir_read_all(fd, blob->data, want, item->offset, &len);
	if (result) {
		blob_unref(blob);
		return result;
	}
	item->ret_blob = blob;
	item->ret_data = blob->data;
	item->ret_len = len;
	item->ret_eof = len < item->len || item->offset + len >= st->stx_size;
	return 0;
}

static int read_by_handle(struct dir_walk *w, struct volume_read *item)
{
	CLEANUP_CLOSE int fd = -1;
	struct statx st;
	int result = dir_walk_open(w, item->handle, O_RDONLY, &fd, &st);

	return result ? result : read_range(fd, &st, item);
}

static int read_open_file(struct volume_read *item)
{
	struct statx st;
	int result = dir_stat(item->file->fd, "", &st);

	return result ? result : read_range(item->file->fd, &st, item);
}

void dir_read(struct dir_walk *w, struct volume_read *item)
{
	if (item->len > VOLUME_RANGE)
		item->result = -EINVAL;
	else if (item->file)
		item->result = read_open_file(item);
	else
		item->result = read_by_handle(w, item);
}

/* Opens `name` in `dir`: only a regular file, and no new one unless `create`
 * says so. */
static int open_name(int dir, const struct volume_open *item, struct statx *st)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int result, fd;

	if (item->create) {
		flags |= O_CREAT | O_EXCL;
	} else {
		result = dir_stat(dir, item->name, st);
		if (!result)
			result = dir_check_file(st);
		if (result)
			return result;
	}
	fd = openat(dir, item->name, flags, 0600);
	if (fd < 0)
		return errno == EAGAIN ? -EBUSY : -errno;
	result = dir_stat(fd, "", st);
	if (!result)
		result = dir_check_file(st);
	if (result) {
		close(fd);
		return result;
	}
	return fd;
}

/* Opens to write: by directory and name. */
static int open_to_write(struct dir_walk *w, struct volume_open *item,
			 int *ret_fd, struct statx *ret_st)
{
	const struct dir_handle *parent;
	int result, dir, fd;

	result = volume_check_name(item->name);
	if (!result)
		result = dir_walk_dir(w, item->dir, &dir, &parent);
	if (result)
		return result;
	fd = open_name(dir, item, ret_st);
	if (fd < 0)
		return fd;
	item->ret_handle = dir_handle_new(parent, item->name, ret_st);
	if (!item->ret_handle) {
		close(fd);
		return -ENOMEM;
	}
	*ret_fd = fd;
	return 0;
}

/* Opens to read: by handle. */
static int open_to_read(struct dir_walk *w, struct volume_open *item,
			int *ret_fd, struct statx *ret_st)
{
	int result = dir_walk_open(w, item->handle, O_RDONLY, ret_fd, ret_st);

	if (result)
		return result;
	item->ret_handle = handle_dup(item->handle);
	if (!item->ret_handle) {
		close(*ret_fd);
		return -ENOMEM;
	}
	return 0;
}

void dir_open_file(struct dir_walk *w, struct volume_open *item)
{
	CLEANUP_FREE struct volume_file *file = malloc(sizeof(*file));
	struct statx st;

	if (!file)
		item->result = -ENOMEM;
	else if (item->handle)
		item->result = open_to_read(w, item, &file->fd, &st);
	else
		item->result = open_to_write(w, item, &file->fd, &st);
	if (item->result)
		return;
	atomic_init(&file->verifier, w->dir->verifier);
	dir_attr_of(&st, &item->ret_attr);
	item->ret_file = steal(file);
}

void dir_write(struct dir_walk *w, struct volume_write *item)
{
	(void)w;
	if (item->len > VOLUME_RANGE)
		item->result = -EINVAL;
	else if (item->offset > INT64_MAX - VOLUME_RANGE)
		item->result = -EFBIG;
	else
		item->result = dir_write_all(item->file->fd, item->data,
					     item->len, item->offset);
	item->ret_verifier = atomic_load(&item->file->verifier);
}

void dir_commit(struct dir_walk *w, struct volume_commit *item)
{
	(void)w;
	item->result = 0;
	if (fdatasync(item->file->fd)) {
		item->result = -errno;
		atomic_fetch_add(&item->file->verifier, 1);
	}
	item->ret_verifier = atomic_load(&item->file->verifier);
}

void dir_close(struct dir_walk *w, struct volume_close *item)
{
	(void)w;
	item->result = close(item->file->fd) ? -errno : 0;
	free(item->file);
	item->file = NULL;
}
