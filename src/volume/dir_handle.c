/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a local handle holds. A path is what lets an ordinary user find an
 * object again (open_by_handle_at(2) is root's alone); the identity beside it
 * says whether what is found is still the same object.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

struct dir_identity dir_identity_of(const struct statx *st)
{
	struct dir_identity identity = {
	    .dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
	    .ino = st->stx_ino,
	};

	if (st->stx_mask & STATX_BTIME)
		identity.birth_ns =
		    clock_join_ns(st->stx_btime.tv_sec, st->stx_btime.tv_nsec);
	return identity;
}

bool dir_identity_equal(struct dir_identity a, struct dir_identity b)
{
	return a.dev == b.dev && a.ino == b.ino && a.birth_ns == b.birth_ns;
}

enum entry_type dir_type_of(const struct statx *st)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFREG:
		return ENTRY_FILE;
	case S_IFDIR:
		return ENTRY_DIRECTORY;
	case S_IFLNK:
		return ENTRY_SYMLINK;
	case S_IFIFO:
		return ENTRY_FIFO;
	case S_IFSOCK:
		return ENTRY_SOCKET;
	case S_IFBLK:
		return ENTRY_BLOCK;
	case S_IFCHR:
		return ENTRY_CHAR;
	}
	return ENTRY_NONE;
}

static int64_t time_of(const struct statx_timestamp *t)
{
	return clock_join_ns(t->tv_sec, t->tv_nsec);
}

void dir_attr_of(const struct statx *st, struct attr *ret)
{
	*ret = (struct attr){
	    .type = dir_type_of(st),
	    .mode = st->stx_mode & 07777,
	    .uid = st->stx_uid,
	    .gid = st->stx_gid,
	    .size = st->stx_size,
	    .space_used = st->stx_blocks * 512,
	    .nlink = st->stx_nlink,
	    .fileid = st->stx_ino,
	    .fsid_major = st->stx_dev_major,
	    .fsid_minor = st->stx_dev_minor,
	    .atime_ns = time_of(&st->stx_atime),
	    .mtime_ns = time_of(&st->stx_mtime),
	    .ctime_ns = time_of(&st->stx_ctime),
	};
	ret->change = (uint64_t)ret->ctime_ns;
}

int dir_stat(int fd, const char *name, struct statx *ret)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	if (!*name)
		flags |= AT_EMPTY_PATH;
	if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, ret))
		return -errno;
	return 0;
}

struct handle *dir_handle_new(const struct dir_handle *parent, const char *name,
			      const struct statx *st)
{
	struct dir_handle head = {
	    .identity = dir_identity_of(st),
	    .type = dir_type_of(st),
	};
	size_t parent_len = parent ? strlen(parent->path) : 0;
	size_t name_len = parent ? strlen(name) : 0;
	size_t len = sizeof(head) + parent_len + 1 + name_len + 1;
	struct handle *h = malloc(sizeof(*h) + len);
	char *path;

	if (!h)
		return NULL;
	h->len = (uint32_t)len;
	memcpy(h->data, &head, sizeof(head));
	path = (char *)h->data + sizeof(head);
	if (parent_len > 0) {
		memcpy(path, parent->path, parent_len);
		path += parent_len;
		*path++ = '/';
	} else {
		h->len--; /* no slash */
	}
	if (name_len > 0)
		memcpy(path, name, name_len);
	path[name_len] = '\0';
	return h;
}

const struct dir_handle *dir_handle_of(const struct handle *handle)
{
	return (const struct dir_handle *)handle->data;
}

void dir_moves_note(struct dir *d, const struct dir_handle *to_dir,
		    const char *to_name, const struct statx *st)
{
	struct handle *handle = dir_handle_new(to_dir, to_name, st);
	struct dir_identity identity = dir_identity_of(st);
	struct dir_move *place = NULL;

	if (!handle)
		return; /* the old handle goes stale, as it may */
	pthread_mutex_lock(&d->lock);
	/* An object moved twice keeps one place. */
	for (size_t i = 0; i < DIR_MOVES && d->moves[i].handle; i++)
		if (dir_identity_equal(d->moves[i].identity, identity))
			place = &d->moves[i];
	if (!place)
		place = &d->moves[d->next_move++ % DIR_MOVES];
	free(place->handle);
	place->handle = handle;
	place->identity = identity;
	pthread_mutex_unlock(&d->lock);
}

struct handle *dir_moves_find(struct dir *d, struct dir_identity identity)
{
	struct handle *found = NULL;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < DIR_MOVES && d->moves[i].handle; i++) {
		if (!dir_identity_equal(d->moves[i].identity, identity))
			continue;
		found = handle_dup(d->moves[i].handle);
		break;
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

void dir_moves_free(struct dir *d)
{
	for (size_t i = 0; i < DIR_MOVES; i++)
		free(d->moves[i].handle);
}
