/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pages of a directory. The cookie of an entry is the kernel's d_off, and a
 * page goes on with lseek(2) to it, so that a directory of any size is listed
 * in the memory of one page.
 *
 * Not every file system can seek well: on tmpfs before Linux 6.6 a d_off is a
 * mere count, and an entry removed between two pages would hide another. The
 * descriptor of an unfinished listing is therefore kept for the next page,
 * which then needs no seek. DIR_LISTINGS of them are kept; one that was
 * pushed out costs only an open and a seek.
 */
#include "volume/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The buffer for getdents64(2); `max_bytes` chooses between these. */
#define BUFFER_MIN     1024
#define BUFFER_MAX     65536
#define BUFFER_DEFAULT 32768

/* Room for the longest record: what is left below it ends a page. */
#define RECORD_MAX 280

/* A page's memory: handles of very deep entries are long. */
#define PAGE_BYTES (1024 * 1024)

struct dir_listing {
	struct dir_identity identity;
	uint64_t cookie; /* where fd stands */
	int fd;
};

/* A page while it is filled. */
struct page {
	struct dir_walk *walk;
	int fd; /* open for reading */
	const struct dir_handle *dir;
	struct volume_entry *entries;
	size_t count;
	size_t room;     /* places in entries */
	size_t bytes;    /* memory taken */
	uint64_t cookie; /* behind the last entry looked at */
	bool eof;
};

/* --- Listings that go on ------------------------------------------------- */

static int listing_take(struct dir *d, struct dir_identity identity,
			uint64_t cookie)
{
	struct dir_listing *found = NULL;
	int fd = -1;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < DIR_LISTINGS && !found; i++) {
		struct dir_listing *l = d->listings[i];

		if (!l || l->cookie != cookie ||
		    !dir_identity_equal(l->identity, identity))
			continue;
		found = l;
		d->listings[i] = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	if (found)
		fd = found->fd;
	free(found);
	return fd;
}

static void listing_free(struct dir_listing *l)
{
	if (l)
		close(l->fd);
	free(l);
}

/* Keeps `fd`, which is the table's from here on. */
static void listing_keep(struct dir *d, struct dir_identity identity,
			 uint64_t cookie, int fd)
{
	struct dir_listing *l = malloc(sizeof(*l));
	struct dir_listing **place;
	struct dir_listing *old;

	if (!l) {
		close(fd);
		return;
	}
	l->identity = identity;
	l->cookie = cookie;
	l->fd = fd;
	pthread_mutex_lock(&d->lock);
	place = &d->listings[d->next_listing++ % DIR_LISTINGS];
	old = *place;
	*place = l;
	pthread_mutex_unlock(&d->lock);
	listing_free(old);
}

void dir_listings_free(struct dir *d)
{
	for (size_t i = 0; i < DIR_LISTINGS; i++)
		listing_free(d->listings[i]);
}

/* --- One page ------------------------------------------------------------ */

static int page_grow(struct page *p)
{
	size_t room = p->room ? p->room * 2 : 64;
	struct volume_entry *entries;

	if (p->count < p->room)
		return 0;
	entries = reallocarray(p->entries, room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	p->entries = entries;
	p->room = room;
	return 0;
}

static int page_add(struct page *p, const struct dirent64 *record)
{
	struct volume_entry *e;
	struct statx st;
	int result;

	result = dir_stat(p->fd, record->d_name, &st);
	if (result == -ENOENT)
		return 0; /* removed since the directory was read */
	if (page_grow(p))
		return -ENOMEM;
	e = &p->entries[p->count];
	*e = (struct volume_entry){
	    .name = strdup(record->d_name),
	    .cookie = (uint64_t)record->d_off,
	    .attr_result = result,
	};
	if (!e->name)
		return -ENOMEM;
	p->count++;
	if (!result) {
		dir_attr_of(&st, &e->attr);
		e->handle = dir_handle_new(p->dir, record->d_name, &st);
		if (!e->handle)
			return -ENOMEM;
		p->bytes += e->handle->len;
	}
	p->bytes += sizeof(*e) + strlen(e->name);
	return 0;
}

/* Adds the records of buffer[0..len); *ret_full: not all of them. */
static int page_add_all(struct page *p, const char *buffer, size_t len,
			bool *ret_full)
{
	size_t pos = 0;

	while (pos < len) {
		const struct dirent64 *record =
		    (const struct dirent64 *)(buffer + pos);
		int result;

		pos += record->d_reclen;
		if (strcmp(record->d_name, ".") &&
		    strcmp(record->d_name, "..")) {
			result = page_add(p, record);
			if (result)
				return result;
		}
		p->cookie = (uint64_t)record->d_off;
		*ret_full = p->bytes >= PAGE_BYTES;
		if (!*ret_full || pos == len)
			continue;
		/* The rest is read again with the next page. */
		return lseek(p->fd, record->d_off, SEEK_SET) < 0 ? -errno : 0;
	}
	return 0;
}

/* Reads until the page is full, the directory ends, or nothing but an empty
 * page would come of it. */
static int page_fill(struct page *p, size_t size)
{
	CLEANUP_FREE char *buffer = malloc(size);
	bool full = false;
	size_t left = size;

	if (!buffer)
		return -ENOMEM;
	while (!full) {
		ssize_t n = getdents64(p->fd, buffer, left);
		int result;

		if (n < 0)
			return -errno;
		if (n == 0) {
			p->eof = true;
			return 0;
		}
		result = page_add_all(p, buffer, (size_t)n, &full);
		if (result)
			return result;
		left -= (size_t)n;
		if (left < RECORD_MAX) {
			if (p->count > 0)
				return 0;
			left = size;
		}
	}
	return 0;
}

/*
 * Opens the O_PATH directory `fd` for reading. "." is looked up in it, which
 * takes search permission; who may only read it goes through its link in
 * /proc.
 */
static int open_directory(int fd)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	char path[DIR_PROC_FD];
	int ret;

	ret = openat(fd, ".", flags | O_NOATIME);
	if (ret < 0 && errno == EPERM) /* not the owner */
		ret = openat(fd, ".", flags);
	if (ret < 0 && errno == EACCES)
		ret = open(dir_proc_fd(fd, path), flags);
	if (ret < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return ret;
}

/* A descriptor of directory `fd` that stands at `cookie`. */
static int open_at(struct dir *d, int fd, const struct dir_handle *dir,
		   uint64_t cookie, int *ret_fd)
{
	int ret = -1;

	if (cookie != 0)
		ret = listing_take(d, dir->identity, cookie);
	if (ret < 0) {
		ret = open_directory(fd);
		if (ret < 0)
			return ret;
		if (cookie != 0 && lseek(ret, (off_t)cookie, SEEK_SET) < 0) {
			int error = errno;

			close(ret);
			return -error;
		}
	}
	*ret_fd = ret;
	return 0;
}

void dir_list(struct dir_walk *w, struct volume_list *item)
{
	struct page page = {.walk = w};
	size_t size = item->max_bytes ? item->max_bytes : BUFFER_DEFAULT;
	int fd;

	item->result = dir_walk_dir(w, item->dir, &fd, &page.dir);
	if (!item->result)
		item->result =
		    open_at(w->dir, fd, page.dir, item->cookie, &page.fd);
	if (item->result)
		return;
	if (size < BUFFER_MIN)
		size = BUFFER_MIN;
	if (size > BUFFER_MAX)
		size = BUFFER_MAX;
	item->result = page_fill(&page, size);
	item->ret_entries = page.entries;
	item->ret_count = page.count;
	item->ret_eof = page.eof;
	/* An empty page is the last one, so there is a last entry here. */
	if (!item->result && !page.eof) {
		listing_keep(w->dir, page.dir->identity,
			     page.entries[page.count - 1].cookie, page.fd);
		return;
	}
	close(page.fd);
	if (item->result)
		volume_items_done(VOLUME_LIST, item, 1);
}
