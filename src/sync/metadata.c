/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/metadata.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/state.h"

#define SET_UID_BIT 04000u
#define SET_GID_BIT 02000u

/* What new entries get under --no-mode. */
#define DEFAULT_FILE_MODE      0644u
#define DEFAULT_DIRECTORY_MODE 0755u

uint32_t metadata_preserve(const struct engine *e, enum entry_type type)
{
	uint32_t preserve = e->preserve;

	if (type == ENTRY_SYMLINK && e->link_times_denied)
		preserve &= ~ATTR_SET_MTIME;
	return preserve;
}

struct attr metadata_want(const struct engine *e, const struct attr *source)
{
	struct attr want = *source;

	if (source->type == ENTRY_DIRECTORY)
		return want;
	if (!(e->preserve & ATTR_SET_UID))
		want.mode &= ~SET_UID_BIT;
	if (!(e->preserve & ATTR_SET_GID))
		want.mode &= ~SET_GID_BIT;
	return want;
}

struct attr_set metadata_set(const struct engine *e, const struct attr *source,
			     const struct attr *existing)
{
	struct attr want = metadata_want(e, source);
	struct attr_set set = {
	    .which = metadata_preserve(e, source->type),
	    .mode = want.mode,
	    .uid = want.uid,
	    .gid = want.gid,
	    .atime_ns = want.atime_ns,
	    .mtime_ns = want.mtime_ns,
	};

	if (set.which & ATTR_SET_MTIME)
		set.which |= ATTR_SET_ATIME;
	if (!(e->preserve & ATTR_SET_MODE)) {
		set.which |= ATTR_SET_MODE;
		if (existing && existing->type == source->type)
			set.mode = existing->mode;
		else
			set.mode = source->type == ENTRY_DIRECTORY
				       ? DEFAULT_DIRECTORY_MODE
				       : DEFAULT_FILE_MODE;
	}
	if (source->type == ENTRY_SYMLINK)
		set.which &= ~ATTR_SET_MODE;
	return set;
}

uint32_t metadata_differs(const struct engine *e, const struct attr *want,
			  const struct attr *have)
{
	return plan_attr_differs(want, have, metadata_preserve(e, want->type));
}

uint32_t metadata_skipped(const struct engine *e, const struct attr *source,
			  const struct attr *have)
{
	uint32_t differs = plan_attr_differs(source, have, e->denied);
	uint32_t flags = 0;

	if (differs & ATTR_SET_OWNER)
		flags |= ROW_NO_OWNER;
	if (e->denied && source->type != ENTRY_SYMLINK &&
	    (e->preserve & ATTR_SET_MODE) && source->mode != have->mode)
		flags |= ROW_NO_MODE;
	if ((e->preserve & ATTR_SET_MTIME) && source->type == ENTRY_SYMLINK &&
	    e->link_times_denied && source->mtime_ns != have->mtime_ns)
		flags |= ROW_NO_TIMES;
	/* Beyond what 64 bits of nanoseconds hold, see clock_join_ns(). */
	if ((e->preserve & ATTR_SET_MTIME) &&
	    (source->mtime_ns == INT64_MAX || source->mtime_ns == INT64_MIN))
		flags |= ROW_NO_TIMES;
	return flags;
}

/* Whether `set` may be set on the probe's file: 0, or why not. A server that
 * squashes may say yes and keep its own owner all the same. */
static int try_set(struct engine *e, const struct handle *handle,
		   struct attr_set set)
{
	struct volume_setattr item = {.handle = handle, .set = set};

	volume_run(e->volume[DESTINATION], VOLUME_SETATTR, &item, 1);
	if (item.result == 0 &&
	    (((set.which & ATTR_SET_UID) && item.ret_attr.uid != set.uid) ||
	     ((set.which & ATTR_SET_GID) && item.ret_attr.gid != set.gid)))
		return -EPERM;
	return item.result;
}

static bool is_denied(int error)
{
	return error == -EPERM || error == -EACCES || error == -EINVAL;
}

static void probe_owner(struct engine *e, const struct volume_open *file)
{
	const struct attr *a = &file->ret_attr;
	int r;

	r = try_set(
	    e, file->ret_handle,
	    (struct attr_set){.which = ATTR_SET_GID, .gid = a->gid + 1});
	if (is_denied(r))
		e->denied |= ATTR_SET_GID;
	r = try_set(
	    e, file->ret_handle,
	    (struct attr_set){.which = ATTR_SET_UID, .uid = a->uid + 1});
	if (is_denied(r))
		e->denied |= ATTR_SET_UID;
	e->denied &= e->preserve;
	e->preserve &= ~e->denied;
	if (e->denied)
		log_warning("destination: %s cannot be set, the server does "
			    "not let this user (it sees us as %u:%u): such "
			    "entries are counted as skipped metadata; run as "
			    "root without squashing, or use --no-owner",
			    e->denied == ATTR_SET_GID   ? "the group"
			    : e->denied == ATTR_SET_UID ? "the owner"
							: "owner and group",
			    a->uid, a->gid);
}

/* Some servers take the times of a symlink and drop them. */
static void probe_link_times(struct engine *e)
{
	struct volume *v = e->volume[DESTINATION];
	char name[TEMPNAME_SIZE];
	struct volume_make link = {
	    .dir = volume_get_info(v)->root,
	    .name = name,
	    .type = ENTRY_SYMLINK,
	    .target = "probe",
	    .set = {.which = ATTR_SET_MTIME, .mtime_ns = NS_PER_S}};
	struct volume_remove gone = {.dir = link.dir, .name = name};

	tempname_next(&e->tempname, name);
	volume_run(v, VOLUME_MAKE, &link, 1);
	e->link_times_denied = link.result == 0
				   ? link.ret_attr.mtime_ns != link.set.mtime_ns
				   : is_denied(link.result);
	volume_run(v, VOLUME_REMOVE, &gone, 1);
	volume_items_done(VOLUME_MAKE, &link, 1);
}

int metadata_probe(struct engine *e)
{
	struct volume *v = e->volume[DESTINATION];
	char name[TEMPNAME_SIZE];
	struct volume_open file = {
	    .dir = volume_get_info(v)->root, .name = name, .create = true};
	struct volume_close end = {0};
	struct volume_remove gone = {.dir = file.dir, .name = name};

	tempname_next(&e->tempname, name);
	volume_run(v, VOLUME_OPEN, &file, 1);
	if (file.result < 0) {
		/* A root that takes no files may have directories that do. */
		if (file.result == -EACCES || file.result == -EPERM)
			return 0;
		return file.result;
	}
	if (e->preserve & ATTR_SET_OWNER)
		probe_owner(e, &file);
	if (e->preserve & ATTR_SET_MTIME)
		probe_link_times(e);
	end.file = file.ret_file;
	file.ret_file = NULL;
	volume_run(v, VOLUME_CLOSE, &end, 1);
	volume_run(v, VOLUME_REMOVE, &gone, 1);
	volume_items_done(VOLUME_OPEN, &file, 1);
	return 0;
}
