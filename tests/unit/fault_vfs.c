/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each file has an image: its bytes as of the last sync, and the writes and
 * truncations since. A sync carries them out on the image. Files are known by
 * their names, since SQLite opens one several times.
 */
#include "fault_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <sqlite3.h>

/* A write, or with `bytes` NULL a truncation to `size`. */
struct change {
	STAILQ_ENTRY(change) link;
	int64_t offset;
	size_t size;
	uint8_t *bytes;
};

struct image {
	LIST_ENTRY(image) link;
	char *path;
	uint8_t *bytes; /* that are safe */
	size_t size;
	STAILQ_HEAD(, change) changes;
};

/* What SQLite sees as an open file; the real one stands behind it. */
struct file {
	sqlite3_file base;
	char *path; /* NULL: a temporary one, which nobody keeps */
	sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;

/* Guards all below; a leaf. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, image) images = LIST_HEAD_INITIALIZER(images);
static enum fault_vfs_effect effect;
static uint64_t first, times;
static uint64_t count, failures;

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* --- Images --------------------------------------------------------------- */

static struct image *image_find(const char *path)
{
	struct image *i;

	LIST_FOREACH(i, &images, link)
		if (strcmp(i->path, path) == 0)
			return i;
	i = must(calloc(1, sizeof(*i)));
	i->path = must(strdup(path));
	STAILQ_INIT(&i->changes);
	LIST_INSERT_HEAD(&images, i, link);
	return i;
}

static void image_drop_change(struct image *i)
{
	struct change *c = STAILQ_FIRST(&i->changes);

	STAILQ_REMOVE_HEAD(&i->changes, link);
	free(c->bytes);
	free(c);
}

static void image_forget(struct image *i)
{
	LIST_REMOVE(i, link);
	while (!STAILQ_EMPTY(&i->changes))
		image_drop_change(i);
	free(i->bytes);
	free(i->path);
	free(i);
}

static void image_resize(struct image *i, size_t size)
{
	if (size > i->size) {
		i->bytes = must(realloc(i->bytes, size));
		memset(i->bytes + i->size, 0, size - i->size);
	}
	i->size = size;
}

static void image_apply(struct image *i, const struct change *c)
{
	size_t end = (size_t)c->offset + c->size;

	if (!c->bytes) {
		image_resize(i, c->size);
		return;
	}
	if (end > i->size)
		image_resize(i, end);
	memcpy(i->bytes + c->offset, c->bytes, c->size);
}

static void image_sync(struct image *i)
{
	while (!STAILQ_EMPTY(&i->changes)) {
		image_apply(i, STAILQ_FIRST(&i->changes));
		image_drop_change(i);
	}
}

static void image_add(const char *path, const void *bytes, size_t size,
		      int64_t offset)
{
	struct change *c = must(calloc(1, sizeof(*c)));

	c->offset = offset;
	c->size = size;
	if (bytes)
		c->bytes = memcpy(must(malloc(size + 1)), bytes, size);
	STAILQ_INSERT_TAIL(&image_find(path)->changes, c, link);
}

static int image_store(const struct image *i)
{
	int fd = open(i->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (i->size > 0 && write(fd, i->bytes, i->size) != (ssize_t)i->size)
		r = -EIO;
	close(fd);
	return r;
}

/* --- Faults --------------------------------------------------------------- */

/* Counts a change, with the lock held; does it fail? */
static bool fails(void)
{
	bool bad;

	count++;
	bad = effect != FAULT_VFS_NONE && count >= first &&
	      (effect == FAULT_VFS_POWER || count - first < times);
	failures += bad;
	return bad;
}

/* --- The methods of a file ------------------------------------------------ */

static struct file *file_of(sqlite3_file *base)
{
	return (struct file *)base;
}

static int file_close(sqlite3_file *base)
{
	struct file *f = file_of(base);
	int r = f->real->pMethods->xClose(f->real);

	free(f->path);
	return r;
}

static int file_read(sqlite3_file *base, void *to, int size, sqlite3_int64 at)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xRead(f->real, to, size, at);
}

static int file_write(sqlite3_file *base, const void *from, int size,
		      sqlite3_int64 at)
{
	struct file *f = file_of(base);
	int code = SQLITE_OK;

	pthread_mutex_lock(&lock);
	if (fails())
		code =
		    effect == FAULT_VFS_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	else if (f->path)
		image_add(f->path, from, (size_t)size, at);
	pthread_mutex_unlock(&lock);
	return code == SQLITE_OK
		   ? f->real->pMethods->xWrite(f->real, from, size, at)
		   : code;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *f = file_of(base);
	bool bad;

	pthread_mutex_lock(&lock);
	bad = fails();
	if (!bad && f->path)
		image_add(f->path, NULL, (size_t)size, 0);
	pthread_mutex_unlock(&lock);
	return bad ? SQLITE_IOERR_TRUNCATE
		   : f->real->pMethods->xTruncate(f->real, size);
}

static int file_sync(sqlite3_file *base, int flags)
{
	struct file *f = file_of(base);
	bool bad;

	(void)flags;
	pthread_mutex_lock(&lock);
	bad = fails();
	if (!bad && f->path)
		image_sync(image_find(f->path));
	pthread_mutex_unlock(&lock);
	return bad ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xFileSize(f->real, ret);
}

static int file_lock(sqlite3_file *base, int level)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xLock(f->real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xUnlock(f->real, level);
}

static int file_check_lock(sqlite3_file *base, int *ret)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xCheckReservedLock(f->real, ret);
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
	struct file *f = file_of(base);

	/* Room made ahead would be a change that is not seen here. */
	if (what == SQLITE_FCNTL_SIZE_HINT)
		return SQLITE_OK;
	return f->real->pMethods->xFileControl(f->real, what, argument);
}

static int file_sector_size(sqlite3_file *base)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xSectorSize(f->real);
}

static int file_characteristics(sqlite3_file *base)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xDeviceCharacteristics(f->real);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend,
			void volatile **ret)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xShmMap(f->real, region, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xShmLock(f->real, offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *base)
{
	struct file *f = file_of(base);

	f->real->pMethods->xShmBarrier(f->real);
}

static int file_shm_unmap(sqlite3_file *base, int remove)
{
	struct file *f = file_of(base);

	return f->real->pMethods->xShmUnmap(f->real, remove);
}

/* Version 2: without mapped pages, whose writes nobody would see. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* --- The VFS -------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base,
		    int flags, int *ret_flags)
{
	struct file *f = file_of(base);
	int code;

	(void)vfs;
	memset(f, 0, sizeof(*f));
	f->real = (sqlite3_file *)(f + 1);
	code = real_vfs->xOpen(real_vfs, path, f->real, flags, ret_flags);
	if (code != SQLITE_OK) {
		/* SQLite closes what has methods. */
		if (f->real->pMethods)
			f->real->pMethods->xClose(f->real);
		return code;
	}
	f->base.pMethods = &methods;
	if (path)
		f->path = must(strdup(path));
	return SQLITE_OK;
}

/* A removal is safe at once: SQLite syncs the directory where it counts. */
static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
	bool bad;

	(void)vfs;
	pthread_mutex_lock(&lock);
	bad = fails();
	if (!bad)
		image_forget(image_find(path));
	pthread_mutex_unlock(&lock);
	return bad ? SQLITE_IOERR_DELETE
		   : real_vfs->xDelete(real_vfs, path, sync_directory);
}

int fault_vfs_install(void)
{
	static sqlite3_vfs vfs;

	real_vfs = sqlite3_vfs_find(NULL);
	if (!real_vfs)
		return -ENOENT;
	/* All others take no file, and look at nothing of their VFS. */
	vfs = *real_vfs;
	vfs.zName = "fault";
	vfs.szOsFile = real_vfs->szOsFile + (int)sizeof(struct file);
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -EIO;
}

/* --- What the test says and asks ------------------------------------------ */

void fault_vfs_arm(enum fault_vfs_effect new_effect, uint64_t new_first,
		   uint64_t new_times)
{
	pthread_mutex_lock(&lock);
	while (!LIST_EMPTY(&images))
		image_forget(LIST_FIRST(&images));
	effect = new_effect;
	first = new_first;
	times = new_times;
	count = failures = 0;
	pthread_mutex_unlock(&lock);
}

void fault_vfs_disarm(void)
{
	pthread_mutex_lock(&lock);
	effect = FAULT_VFS_NONE;
	pthread_mutex_unlock(&lock);
}

uint64_t fault_vfs_count(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = count;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t fault_vfs_failures(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = failures;
	pthread_mutex_unlock(&lock);
	return n;
}

/* The next bit of a sequence (splitmix64). */
static bool toss(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) & 1;
}

int fault_vfs_lose_power(uint64_t seed)
{
	struct image *i;
	int r = 0;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(i, &images, link) {
		while (!STAILQ_EMPTY(&i->changes)) {
			if (seed != 0 && toss(&seed))
				image_apply(i, STAILQ_FIRST(&i->changes));
			image_drop_change(i);
		}
		if (r == 0)
			r = image_store(i);
	}
	pthread_mutex_unlock(&lock);
	return r;
}
