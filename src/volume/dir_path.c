/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a handle to an open directory, without ever following a symlink.
 *
 * openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS resolves up to
 * PATH_MAX bytes in one system call; a longer path goes piece by piece, each
 * below the directory the piece before it led to. A kernel without openat2
 * (before 5.6, or a container's filter) gets one component at a time, with
 * O_NOFOLLOW. Either way the walk starts at the root's descriptor, so that
 * nothing above the tree is looked up twice.
 *
 * Directories are opened with O_PATH: that needs no read permission, and
 * what is done below them is checked by the kernel then.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_DIR (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* How often a lookup is repeated that lost a race with a rename. */
#define WALK_TRIES 100

/* --- Paths --------------------------------------------------------------- */

static int openat2_dir(int fd, const char *path)
{
	struct open_how how = {
	    .flags = OPEN_DIR,
	    .resolve =
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long ret = -1;

	for (int i = 0; i < WALK_TRIES; i++) {
		ret = syscall(SYS_openat2, fd, path, &how, sizeof(how));
		if (ret >= 0 || errno != EAGAIN)
			break;
	}
	return (int)ret;
}

bool dir_path_has_openat2(int root)
{
	int fd = openat2_dir(root, ".");

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* How many bytes of path[0..len) one open takes. */
static size_t piece_len(bool has_openat2, const char *path, size_t len)
{
	const char *slash;

	if (has_openat2 && len < PATH_MAX)
		return len;
	if (has_openat2)
		slash = memrchr(path, '/', PATH_MAX);
	else
		slash = memchr(path, '/', len);
	return slash ? (size_t)(slash - path) : len;
}

/* A directory of a handle's path is not what it was. */
static int walk_error(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
		return -ESTALE;
	}
	return -error;
}

int dir_path_open(int root, bool has_openat2, const char *path, size_t len,
		  int *ret_fd)
{
	char piece[PATH_MAX];
	int fd = root;

	if (len == 0)
		fd = openat(root, ".", OPEN_DIR);
	while (len > 0 && fd >= 0) {
		size_t n = piece_len(has_openat2, path, len);
		int next, error;

		memcpy(piece, path, n);
		piece[n] = '\0';
		next = has_openat2 ? openat2_dir(fd, piece)
				   : openat(fd, piece, OPEN_DIR);
		error = errno;
		if (fd != root)
			close(fd);
		errno = error;
		fd = next;
		path += n;
		len -= n;
		if (len > 0) { /* the slash between two pieces */
			path++;
			len--;
		}
	}
	if (fd < 0)
		return walk_error(errno);
	*ret_fd = fd;
	return 0;
}

/* --- The walk ------------------------------------------------------------ */

void dir_walk_init(struct dir_walk *w, struct dir *d)
{
	w->dir = d;
	w->count = 0;
	w->clock = 0;
	w->kept = NULL;
	w->kept_count = 0;
}

void dir_walk_done(struct dir_walk *w)
{
	for (size_t i = 0; i < w->count; i++)
		close(w->places[i].fd);
	for (size_t i = 0; i < w->kept_count; i++)
		free(w->kept[i]);
	free(w->kept);
}

/* Index of the place that holds path[0..len), opening it if need be. */
static int walk_get(struct dir_walk *w, const char *path, size_t len)
{
	size_t oldest = 0, i;
	int result, fd;

	for (i = 0; i < w->count; i++) {
		if (w->places[i].len == len &&
		    !memcmp(w->places[i].path, path, len)) {
			w->places[i].used = ++w->clock;
			return (int)i;
		}
		if (w->places[i].used < w->places[oldest].used)
			oldest = i;
	}
	result =
	    dir_path_open(w->dir->root, w->dir->has_openat2, path, len, &fd);
	if (result)
		return result;
	if (w->count < DIR_WALK_FDS)
		i = w->count++;
	else
		close(w->places[i = oldest].fd);
	w->places[i].path = path;
	w->places[i].len = len;
	w->places[i].fd = fd;
	w->places[i].known = false;
	w->places[i].used = ++w->clock;
	return (int)i;
}

/* Where the object went if it was renamed lately, else NULL. The walk keeps
 * the handle. */
static const struct dir_handle *walk_moved(struct dir_walk *w,
					   struct dir_identity identity)
{
	struct handle *moved = dir_moves_find(w->dir, identity);
	struct handle **kept;

	if (!moved)
		return NULL;
	kept = reallocarray(w->kept, w->kept_count + 1, sizeof(*kept));
	if (!kept) {
		free(moved);
		return NULL;
	}
	w->kept = kept;
	kept[w->kept_count++] = moved;
	return dir_handle_of(moved);
}

static int try_dir(struct dir_walk *w, const struct dir_handle *handle,
		   int *ret_fd)
{
	int i = walk_get(w, handle->path, strlen(handle->path));

	if (i < 0)
		return i;
	if (!w->places[i].known) {
		struct statx st;
		int result = dir_stat(w->places[i].fd, "", &st);

		if (result)
			return result;
		w->places[i].identity = dir_identity_of(&st);
		w->places[i].known = true;
	}
	if (!dir_identity_equal(w->places[i].identity, handle->identity))
		return -ESTALE;
	*ret_fd = w->places[i].fd;
	return 0;
}

int dir_walk_dir(struct dir_walk *w, const struct handle *handle, int *ret_fd,
		 const struct dir_handle **ret_handle)
{
	const struct dir_handle *h = dir_handle_of(handle);
	int result;

	if (h->type != ENTRY_DIRECTORY)
		return -ENOTDIR;
	result = try_dir(w, h, ret_fd);
	if (result == -ESTALE && (h = walk_moved(w, h->identity)))
		result = try_dir(w, h, ret_fd);
	if (!result)
		*ret_handle = h;
	return result;
}

static int try_find(struct dir_walk *w, const struct dir_handle *handle,
		    struct dir_place *ret_place, struct statx *ret_st)
{
	struct dir_place place = {
	    .fd = w->dir->root,
	    .name = handle->path,
	    .handle = handle,
	};
	int result;

	if (*handle->path) {
		const char *slash = strrchr(handle->path, '/');
		size_t len = slash ? (size_t)(slash - handle->path) : 0;
		int i = walk_get(w, handle->path, len);

		if (i < 0)
			return i;
		place.fd = w->places[i].fd;
		place.name = slash ? slash + 1 : handle->path;
	}
	result = dir_stat(place.fd, place.name, ret_st);
	if (result)
		return walk_error(-result);
	if (!dir_identity_equal(dir_identity_of(ret_st), handle->identity))
		return -ESTALE;
	*ret_place = place;
	return 0;
}

int dir_walk_find(struct dir_walk *w, const struct handle *handle,
		  struct dir_place *ret_place, struct statx *ret_st)
{
	const struct dir_handle *h = dir_handle_of(handle);
	int result = try_find(w, h, ret_place, ret_st);

	if (result == -ESTALE && (h = walk_moved(w, h->identity)))
		result = try_find(w, h, ret_place, ret_st);
	return result;
}

int dir_check_file(const struct statx *st)
{
	if (S_ISREG(st->stx_mode))
		return 0;
	return S_ISDIR(st->stx_mode) ? -EISDIR : -EINVAL;
}

/*
 * Opens `name` in `fd` without waiting for anybody (a FIFO that was just
 * swapped in, a lease) and without leaving a trace in the access time where
 * that is allowed: only to the owner and to root.
 */
static int open_quietly(int fd, const char *name, int flags)
{
	bool reading = !(flags & O_PATH) && (flags & O_ACCMODE) == O_RDONLY;
	int ret;

	flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	ret = openat(fd, *name ? name : ".", flags | (reading ? O_NOATIME : 0));
	if (ret < 0 && errno == EPERM && reading)
		ret = openat(fd, *name ? name : ".", flags);
	return ret;
}

int dir_walk_open(struct dir_walk *w, const struct handle *handle, int flags,
		  int *ret_fd, struct statx *ret_st)
{
	struct dir_identity identity = dir_handle_of(handle)->identity;
	struct dir_place place;
	int result, fd;

	result = dir_walk_find(w, handle, &place, ret_st);
	if (!result && !(flags & O_PATH))
		result = dir_check_file(ret_st);
	if (result)
		return result;
	fd = open_quietly(place.fd, place.name, flags);
	if (fd < 0)
		return errno == EAGAIN ? -EBUSY : walk_error(errno);
	result = dir_stat(fd, "", ret_st);
	if (!result && !dir_identity_equal(dir_identity_of(ret_st), identity))
		result = -ESTALE;
	if (result) {
		close(fd);
		return result;
	}
	*ret_fd = fd;
	return 0;
}
