/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From what MNT gave, or from the server's root, to the directory that a
 * location names: LOOKUP by LOOKUP, each with its attributes. Symlinks are not
 * followed: what is no directory ends the walk with a sentence that names the
 * component and says what to write instead.
 */
#include "volume/libnfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Where a walk is. */
struct walk {
	struct ln *v;
	struct handle *handle;
	struct attr attr;
	char *target; /* of the symlink met, if it could be read */
};

static int read_target(struct walk *w)
{
	struct volume_readlink item = {.handle = w->handle};

	volume_run(&w->v->volume, VOLUME_READLINK, &item, 1);
	if (!item.result)
		w->target = steal(item.ret_target);
	volume_items_done(VOLUME_READLINK, &item, 1);
	return -ELOOP;
}

/* Only directories go on. */
static int check_type(struct walk *w)
{
	if (w->attr.type == ENTRY_DIRECTORY)
		return 0;
	return w->attr.type == ENTRY_SYMLINK ? read_target(w) : -ENOTDIR;
}

static int begin(struct walk *w, const struct handle *from)
{
	struct volume_getattr item = {.handle = from};

	w->handle = handle_dup(from);
	if (!w->handle)
		return -ENOMEM;
	volume_run(&w->v->volume, VOLUME_GETATTR, &item, 1);
	w->attr = item.ret_attr;
	return item.result ? item.result : check_type(w);
}

static int step(struct walk *w, const char *name)
{
	struct volume_lookup item = {.dir = w->handle, .name = name};

	volume_run(&w->v->volume, VOLUME_LOOKUP, &item, 1);
	if (!item.result) {
		free(w->handle);
		w->handle = steal(item.ret_handle);
		w->attr = item.ret_attr;
	}
	volume_items_done(VOLUME_LOOKUP, &item, 1);
	return item.result ? item.result : check_type(w);
}

/* A sentence for the user about what ended the walk at `at`. */
static void explain(const struct walk *w, const char *at, int result,
		    char *error, size_t error_size)
{
	const char *where = w->v->location;

	switch (result) {
	case -ENOENT:
		snprintf(error, error_size,
			 "%s: the server has no \"%s\"; make the directory "
			 "first, or correct the path",
			 where, at);
		break;
	case -ELOOP:
		snprintf(error, error_size,
			 "%s: \"%s\" is a symbolic link%s%s%s, which NFS does "
			 "not follow; write its target instead",
			 where, at, w->target ? " to \"" : "",
			 w->target ? w->target : "", w->target ? "\"" : "");
		break;
	case -ENOTDIR:
		snprintf(error, error_size,
			 "%s: \"%s\" is not a directory; a location names a "
			 "directory",
			 where, at);
		break;
	case -EACCES:
	case -EPERM:
		snprintf(error, error_size,
			 "%s: the server denies access to \"%s\"; look at its "
			 "export rules and at the user that efsbridge runs as",
			 where, at);
		break;
	default:
		snprintf(error, error_size, "%s: cannot look up \"%s\": %s",
			 where, at, strerror(-result));
	}
}

/* Along `path` behind its first `done` bytes. On failure `path` ends with the
 * component that was the reason. */
static int walk_down(struct walk *w, char *path, size_t done)
{
	char *name = path + done;
	int result = 0;

	while (!result) {
		char *slash;

		name += strspn(name, "/");
		if (!*name)
			return 0;
		slash = name + strcspn(name, "/");
		if (!*slash)
			return step(w, name);
		*slash = '\0';
		result = step(w, name);
		if (!result)
			*slash = '/';
		name = slash;
	}
	return result;
}

int ln_walk(struct ln *v, const struct handle *from, const char *path,
	    size_t done, struct handle **ret, struct attr *ret_attr,
	    char *error, size_t error_size)
{
	/* Cut short where the walk ends. */
	CLEANUP_FREE char *at = strdup(path);
	struct walk w = {.v = v};
	int result = at ? begin(&w, from) : -ENOMEM;

	if (!result)
		result = walk_down(&w, at, done);
	if (result) {
		explain(&w, at ? at : path, result, error, error_size);
		free(w.handle);
	} else {
		*ret = w.handle;
		*ret_attr = w.attr;
	}
	free(w.target);
	return result;
}
