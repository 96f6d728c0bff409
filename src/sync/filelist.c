/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spill has a key for each entry: its directory, a NUL, its name, a NUL,
 * and L for one on the list, W for one on the way to others; entries that are
 * both have two. So the names of a directory stand together, sorted.
 *
 * The directories above an entry are put in from below, until there is one
 * that is there already: then those above it are there, too. Most lists are
 * more or less sorted: a list's next path mostly lies where the last one did.
 */
#include "sync/filelist.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sync/pathlist.h"
#include "sync/spill.h"

/* Directory, name, two NULs, the letter. */
#define KEY_MAX (PATHLIST_MAX + 4)

#define READ_SIZE (128 * 1024)

struct filelist {
	pthread_mutex_t lock; /* guards the spill; leaf */
	struct spill *spill;
	uint64_t count;
	/* While it is loaded. */
	char key[KEY_MAX];
	char last[PATHLIST_MAX]; /* the directory of the entry before */
	bool any;                /* there was one */
};

struct filelist *filelist_free(struct filelist *l)
{
	if (l) {
		spill_free(l->spill);
		pthread_mutex_destroy(&l->lock);
	}
	free(l);
	return NULL;
}

static int filelist_new(const char *directory, struct filelist **ret)
{
	struct filelist *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = spill_new(directory, &l->spill);
	if (r < 0) {
		free(l);
		return r;
	}
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return 0;
}

uint64_t filelist_get_count(const struct filelist *l)
{
	return l->count;
}

/* The key of the entry whose path is of so many bytes; its size. */
static size_t make_key(char *key, const char *path, size_t len, char kind)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir = slash ? (size_t)(slash - path) : 0;
	size_t skip = slash ? dir + 1 : 0;
	char *at = mempcpy(key, path, dir);

	*at++ = '\0';
	at = mempcpy(at, path + skip, len - skip);
	*at++ = '\0';
	*at++ = kind;
	return (size_t)(at - key);
}

static int put(struct filelist *l, const char *path, size_t len, char kind)
{
	return spill_put(l->spill, l->key, make_key(l->key, path, len, kind),
			 "", 0);
}

/* 1 when the entry is there, 0 when not. */
static int has(struct filelist *l, const char *path, size_t len, char kind)
{
	void *value;
	size_t size;
	int r = spill_get(l->spill, l->key, make_key(l->key, path, len, kind),
			  &value, &size);

	if (r > 0)
		free(value);
	return r;
}

/* The directories above it, of which the lowest is `len` bytes of the path. */
static int put_way(struct filelist *l, const char *path, size_t len)
{
	const char *slash;
	int r = 0;

	while (len > 0) {
		r = has(l, path, len, 'W');
		if (r != 0)
			return r < 0 ? r : 0;
		r = put(l, path, len, 'W');
		if (r < 0)
			return r;
		slash = memrchr(path, '/', len);
		len = slash ? (size_t)(slash - path) : 0;
	}
	return r;
}

static int add_path(void *user, const char *path)
{
	struct filelist *l = user;
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int r = 0;

	if (!l->any || strncmp(l->last, path, len) || l->last[len] != '\0') {
		r = put_way(l, path, len);
		memcpy(l->last, path, len);
		l->last[len] = '\0';
		l->any = true;
	}
	/* A path may be there twice. */
	len = strlen(path);
	if (r == 0)
		r = has(l, path, len, 'L');
	if (r == 0) {
		r = put(l, path, len, 'L');
		l->count++;
	}
	return r < 0 ? r : 0;
}

static int read_file(struct pathlist *text, int fd, const char **ret_problem,
		     bool *ret_unread)
{
	CLEANUP_FREE char *bytes = malloc(READ_SIZE);
	ssize_t n = 0;
	int r = bytes ? 0 : -ENOMEM;

	*ret_unread = false;
	while (r == 0) {
		n = read(fd, bytes, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		r = pathlist_feed(text, bytes, (size_t)n, ret_problem);
	}
	if (r == 0 && n < 0) {
		*ret_unread = true;
		return -errno;
	}
	return r == 0 ? pathlist_end(text, ret_problem) : r;
}

static int load(struct filelist *l, int fd, const char *name, bool nul,
		char *error, size_t error_size)
{
	const struct pathlist_setup setup = {
	    .nul = nul, .each = add_path, .user = l};
	struct pathlist *text = pathlist_new(&setup);
	const char *problem = NULL;
	bool unread;
	int r = text ? read_file(text, fd, &problem, &unread) : -ENOMEM;

	if (problem)
		snprintf(error, error_size, "%s:%llu: %s", name,
			 (unsigned long long)pathlist_get_line(text), problem);
	else if (r < 0 && text && unread)
		snprintf(error, error_size, "%s: %s", name, strerror(-r));
	else if (r < 0)
		snprintf(error, error_size, "%s: cannot be kept: %s", name,
			 strerror(-r));
	pathlist_free(text);
	return r;
}

int filelist_load(const char *path, bool nul, const char *directory,
		  struct filelist **ret, char *error, size_t error_size)
{
	bool given = !strcmp(path, "-");
	const char *name = given ? "standard input" : path;
	int fd = given ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct filelist *l = NULL;
	int r = fd < 0 ? -errno : 0;

	if (r < 0) {
		snprintf(error, error_size, "%s: %s", name, strerror(-r));
		return r;
	}
	r = filelist_new(directory, &l);
	if (r < 0)
		snprintf(error, error_size, "%s: cannot be kept in %s: %s",
			 name, directory, strerror(-r));
	else
		r = load(l, fd, name, nul, error, error_size);
	if (!given)
		close(fd);
	if (r < 0)
		filelist_free(l);
	else
		*ret = l;
	return r;
}

/* The first key behind `key`, which is changed to it: 1, or 0 when it does not
 * begin with `prefix`, or a negative errno. */
static int next_key(struct filelist *l, char *key, size_t *size,
		    const char *prefix, size_t prefix_len)
{
	CLEANUP_FREE void *found = NULL;
	CLEANUP_FREE void *value = NULL;
	size_t found_size, value_size;
	int r = spill_next(l->spill, key, *size, &found, &found_size, &value,
			   &value_size);

	if (r <= 0)
		return r;
	/* What was put is not longer. */
	if (found_size > KEY_MAX || found_size < prefix_len ||
	    memcmp(found, prefix, prefix_len) != 0)
		return 0;
	memcpy(key, found, found_size);
	*size = found_size;
	return 1;
}

/* Takes a key of the directory into the names: 1, or 0 when there is no room
 * for another one. */
static int take_name(struct filelist_name *ret, int *count, int max,
		     const char *name, char kind)
{
	unsigned flag = kind == 'L' ? FILELIST_LISTED : FILELIST_WAY;

	if (*count > 0 && !strcmp(ret[*count - 1].name, name)) {
		ret[*count - 1].flags |= flag;
		return 1;
	}
	if (*count == max)
		return 0;
	ret[*count].flags = flag;
	/* A list has no longer names. */
	strncpy(ret[*count].name, name, VOLUME_NAME_MAX);
	ret[(*count)++].name[VOLUME_NAME_MAX] = '\0';
	return 1;
}

int filelist_read(struct filelist *l, const char *directory, const char *after,
		  struct filelist_name *ret, int max)
{
	size_t len = strlen(directory) + 1, size;
	CLEANUP_FREE char *key = malloc(KEY_MAX);
	int count = 0, r = 1;

	if (!key)
		return -ENOMEM;
	if (len + VOLUME_NAME_MAX + 2 > KEY_MAX)
		return 0;
	size = (size_t)((char *)mempcpy(key, directory, len) - key);
	/* X is behind both letters. */
	if (after) {
		char *end = stpncpy(key + len, after, VOLUME_NAME_MAX);

		*end++ = '\0';
		*end++ = 'X';
		size = (size_t)(end - key);
	}
	pthread_mutex_lock(&l->lock);
	while (r > 0) {
		r = next_key(l, key, &size, directory, len);
		if (r > 0)
			r = take_name(ret, &count, max, key + len,
				      key[size - 1]);
	}
	pthread_mutex_unlock(&l->lock);
	return r < 0 ? r : count;
}

/* Those whose keys begin with the first `len` bytes of `prefix`. */
static int each_with(struct filelist *l, const char *prefix, size_t len,
		     void (*each)(void *user, const char *path), void *user)
{
	CLEANUP_FREE char *key = malloc(KEY_MAX);
	CLEANUP_FREE char *path = malloc(KEY_MAX + 1);
	size_t size = len;
	int r = key && path ? 1 : -ENOMEM;

	if (r > 0)
		memcpy(key, prefix, len);
	while (r > 0) {
		r = next_key(l, key, &size, prefix, len);
		if (r <= 0 || key[size - 1] != 'L')
			continue;
		snprintf(path, KEY_MAX + 1, "%s/%s", key,
			 key + strlen(key) + 1);
		each(user, path);
	}
	return r;
}

int filelist_each_below(struct filelist *l, const char *directory,
			void (*each)(void *user, const char *path), void *user)
{
	size_t len = strlen(directory);
	CLEANUP_FREE char *prefix = malloc(len + 2);
	int r;

	if (!prefix)
		return -ENOMEM;
	if (len + 2 > KEY_MAX)
		return 0;
	/* In the directory itself, ... */
	memcpy(prefix, directory, len + 1);
	pthread_mutex_lock(&l->lock);
	r = each_with(l, prefix, len + 1, each, user);
	/* ... and in those below. */
	prefix[len] = '/';
	if (r == 0)
		r = each_with(l, prefix, len + 1, each, user);
	pthread_mutex_unlock(&l->lock);
	return r;
}
