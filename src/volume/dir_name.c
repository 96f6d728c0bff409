/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names: what makes them, gives an object another one, removes or changes
 * them. An object that replaces another comes into being under a temporary
 * name and is renamed, so that there is no moment without either.
 */
#include "volume/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* --- Make ---------------------------------------------------------------- */

/* Makes an entry of `type`, for nobody but its owner. */
static int make_entry(int dir, const char *name, const struct volume_make *item)
{
	int ret;

	switch (item->type) {
	case ENTRY_DIRECTORY:
		ret = mkdirat(dir, name, 0700);
		break;
	case ENTRY_SYMLINK:
		if (!item->target || !*item->target)
			return -EINVAL;
		ret = symlinkat(item->target, dir, name);
		break;
	case ENTRY_FIFO:
		ret = mknodat(dir, name, S_IFIFO | 0600, 0);
		break;
	case ENTRY_SOCKET:
		ret = mknodat(dir, name, S_IFSOCK | 0600, 0);
		break;
	case ENTRY_BLOCK:
	case ENTRY_CHAR:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
	return ret ? -errno : 0;
}

/* Sets the attributes of what was just made as `first`, gives it its final
 * name and tells what it is now. */
static int make_finish(int dir, const char *first,
		       const struct dir_handle *parent,
		       struct volume_make *item)
{
	CLEANUP_CLOSE int fd =
	    openat(dir, first, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;
	int result;

	if (fd < 0)
		return -errno;
	result = dir_stat(fd, "", &st);
	if (!result && dir_type_of(&st) != item->type)
		result = -ESTALE; /* somebody took the name meanwhile */
	if (!result)
		result = dir_set(fd, item->type, &item->set);
	if (!result && item->temp_name && renameat(dir, first, dir, item->name))
		result = -errno;
	if (!result)
		result = dir_stat(fd, "", &st);
	if (result)
		return result;
	item->ret_handle = dir_handle_new(parent, item->name, &st);
	if (!item->ret_handle)
		return -ENOMEM;
	dir_attr_of(&st, &item->ret_attr);
	return 0;
}

void dir_make(struct dir_walk *w, struct volume_make *item)
{
	const char *first = item->temp_name ? item->temp_name : item->name;
	const struct dir_handle *parent;
	int result, dir;

	result = volume_check_name(item->name);
	if (!result)
		result = volume_check_name(first);
	if (!result && item->temp_name && item->type == ENTRY_DIRECTORY)
		result = -EINVAL;
	if (!result && item->set.which & ATTR_SET_SIZE)
		result = -EINVAL;
	if (!result)
		result = dir_walk_dir(w, item->dir, &dir, &parent);
	if (!result)
		result = make_entry(dir, first, item);
	if (!result) {
		result = make_finish(dir, first, parent, item);
		if (result && result != -ESTALE)
			unlinkat(dir, first,
				 item->type == ENTRY_DIRECTORY ? AT_REMOVEDIR
							       : 0);
	}
	item->result = result;
}

/* --- Link ---------------------------------------------------------------- */

/*
 * The object is linked by its name, for links by descriptor are root's
 * alone; whether it was still the right one is checked on the new name.
 */
static int link_finish(int dir, const char *first, const struct statx *object,
		       struct volume_link *item)
{
	struct statx st;
	int result = dir_stat(dir, first, &st);

	if (!result &&
	    !dir_identity_equal(dir_identity_of(&st), dir_identity_of(object)))
		result = -ESTALE;
	if (!result && item->temp_name) {
		if (renameat(dir, first, dir, item->name))
			result = -errno;
		else
			result = dir_stat(dir, item->name, &st);
	}
	if (!result)
		dir_attr_of(&st, &item->ret_attr);
	return result;
}

void dir_link(struct dir_walk *w, struct volume_link *item)
{
	const char *first = item->temp_name ? item->temp_name : item->name;
	const struct dir_handle *parent;
	struct dir_place place;
	struct statx st;
	int result, dir;

	result = volume_check_name(item->name);
	if (!result)
		result = volume_check_name(first);
	if (!result)
		result = dir_walk_dir(w, item->dir, &dir, &parent);
	if (!result)
		result = dir_walk_find(w, item->handle, &place, &st);
	if (!result && S_ISDIR(st.stx_mode))
		result = -EISDIR;
	if (!result && linkat(place.fd, place.name, dir, first, 0))
		result = errno == ENOENT ? -ESTALE : -errno;
	else if (!result) {
		result = link_finish(dir, first, &st, item);
		if (result)
			unlinkat(dir, first, 0);
	}
	item->result = result;
}

/* --- Remove and rename --------------------------------------------------- */

void dir_remove(struct dir_walk *w, struct volume_remove *item)
{
	const struct dir_handle *parent;
	int result, dir;

	result = volume_check_name(item->name);
	if (!result)
		result = dir_walk_dir(w, item->dir, &dir, &parent);
	if (!result &&
	    unlinkat(dir, item->name, item->directory ? AT_REMOVEDIR : 0))
		result = errno == EEXIST ? -ENOTEMPTY : -errno;
	item->result = result;
}

void dir_rename(struct dir_walk *w, struct volume_rename *item)
{
	const struct dir_handle *from_parent, *to_parent;
	struct statx st;
	int result, from, to;

	result = volume_check_name(item->name);
	if (!result)
		result = volume_check_name(item->to_name);
	if (!result)
		result = dir_walk_dir(w, item->dir, &from, &from_parent);
	if (!result)
		result = dir_walk_dir(w, item->to_dir, &to, &to_parent);
	if (!result)
		result = dir_stat(from, item->name, &st);
	if (!result && renameat(from, item->name, to, item->to_name))
		result = -errno;
	if (!result)
		dir_moves_note(w->dir, to_parent, item->to_name, &st);
	item->result = result;
}
