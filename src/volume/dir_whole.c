/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files, whole.
 *
 * A file is written under a temporary name and renamed, and its data must be
 * durable before the rename: a crash in between would else show an empty
 * file under the final name. fdatasync(2) is the cheapest call that promises
 * this (it includes a new file's inode and size), and it costs a commit of
 * the journal. Files are therefore written in groups: all of a group's data
 * are sent to the disk, then each file is synced, and the first commit
 * carries the others. An empty file has no data that could be late, so it
 * is not synced. Neither is the directory: a rename that a crash takes back
 * leaves the old file or none, and the next run sees that.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/extent.h"

/* Files written between two syncs; at most the directories a walk keeps
 * open, since each may lie in another one. */
#define GROUP DIR_WALK_FDS

/* One file of a group. */
struct put {
	struct volume_write_whole *item;
	int dir; /* borrowed from the walk */
	const struct dir_handle *parent;
	int fd; /* -1: done with, item->result says how */
};

int dir_read_all(int fd, uint8_t *data, size_t len, uint64_t offset,
		 size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pread(fd, data + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

int dir_write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pwrite(fd, data + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/*
 * Reads the file open as `fd`, whose attributes were `before`. One byte more
 * than its size would show that it grew; the attributes afterwards show that
 * too, so what is read is exactly the size, and most files take one read.
 */
static int read_file(int fd, const struct statx *before,
		     struct volume_read_whole *item)
{
	struct blob *blob = blob_new(before->stx_size);
	struct statx after;
	size_t len;
	int result;

	if (!blob)
		return -ENOMEM;
	result = dir_read_all(fd, blob->data, before->stx_size, 0, &len);
	if (!result)
		result = dir_stat(fd, "", &after);
	if (!result && after.stx_size > VOLUME_WHOLE_MAX)
		result = -EFBIG;
	if (result) {
		blob_unref(blob);
		return result;
	}
	dir_attr_of(before, &item->ret_before);
	dir_attr_of(&after, &item->ret_after);
	item->ret_blob = blob;
	item->ret_data = blob->data;
	item->ret_len = len;
	return 0;
}

void dir_read_whole(struct dir_walk *w, struct volume_read_whole *item)
{
	CLEANUP_CLOSE int fd = -1;
	struct statx before;
	int result;

	result = dir_walk_open(w, item->handle, O_RDONLY, &fd, &before);
	if (!result && before.stx_size > VOLUME_WHOLE_MAX)
		result = -EFBIG;
	if (!result)
		result = read_file(fd, &before, item);
	item->result = result;
}

/* --- Writing ------------------------------------------------------------- */

static int write_extents(int fd, const uint8_t *data, size_t len)
{
	struct extent extent = {0};
	size_t pos = 0, end = 0;

	while (extent_next(data, len, 0, &pos, &extent)) {
		int result = dir_write_all(fd, data + extent.offset, extent.len,
					   extent.offset);

		if (result)
			return result;
		end = extent.offset + extent.len;
	}
	/* What is left are zeros: a hole up to the size. */
	if (end < len && ftruncate(fd, (off_t)len))
		return -errno;
	return 0;
}

/* Ends a file of the group with `result`, without a trace if it failed. */
static void put_end(struct put *p, int result)
{
	p->item->result = result;
	if (p->fd < 0)
		return;
	if (result)
		unlinkat(p->dir, p->item->temp_name, 0);
	close(p->fd);
	p->fd = -1;
}

/* Makes the temporary file with its data and attributes. */
static int put_begin(struct dir_walk *w, struct put *p)
{
	struct volume_write_whole *item = p->item;
	int result;

	if (atomic_load_explicit(&w->dir->cancelled, memory_order_relaxed))
		return -ECANCELED;
	if (item->set.which & ATTR_SET_SIZE)
		return -EINVAL;
	if (item->len > VOLUME_WHOLE_MAX)
		return -EFBIG;
	result = volume_check_name(item->temp_name);
	if (!result)
		result = volume_check_name(item->name);
	if (!result)
		result = dir_walk_dir(w, item->dir, &p->dir, &p->parent);
	if (result)
		return result;
	p->fd =
	    openat(p->dir, item->temp_name,
		   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->fd < 0)
		return -errno;
	result = write_extents(p->fd, item->data, item->len);
	if (!result)
		result = dir_set(p->fd, ENTRY_FILE, &item->set);
	return result;
}

/* Renames the file and tells what it is now. */
static int put_finish(struct put *p)
{
	struct volume_write_whole *item = p->item;
	struct statx st;
	int result;

	if (renameat(p->dir, item->temp_name, p->dir, item->name))
		return -errno;
	/* After the rename, for that changes the ctime. */
	result = dir_stat(p->fd, "", &st);
	if (result)
		return result;
	item->ret_handle = dir_handle_new(p->parent, item->name, &st);
	if (!item->ret_handle)
		return -ENOMEM;
	dir_attr_of(&st, &item->ret_attr);
	return 0;
}

static void put_group(struct dir_walk *w, struct volume_write_whole *items,
		      size_t count)
{
	struct put puts[GROUP];

	for (size_t i = 0; i < count; i++) {
		int result;

		puts[i] = (struct put){.item = &items[i], .fd = -1};
		result = put_begin(w, &puts[i]);
		if (result)
			put_end(&puts[i], result);
	}
	/* A start only: errors come out of fdatasync() below. */
	for (size_t i = 0; i < count; i++)
		if (puts[i].fd >= 0 && items[i].len > 0)
			sync_file_range(puts[i].fd, 0, 0,
					SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < count; i++)
		if (puts[i].fd >= 0 && items[i].len > 0 &&
		    fdatasync(puts[i].fd))
			put_end(&puts[i], -errno);
	for (size_t i = 0; i < count; i++)
		if (puts[i].fd >= 0)
			put_end(&puts[i], put_finish(&puts[i]));
}

void dir_write_whole(struct dir_walk *w, struct volume_write_whole *items,
		     size_t count)
{
	while (count > 0) {
		size_t n = count < GROUP ? count : GROUP;

		put_group(w, items, n);
		items += n;
		count -= n;
	}
}
