/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What may be set cannot be asked of a server, it can only be tried: so a run
 * begins by making entries with a foreign owner, a foreign group and a time.
 * A server that squashes root says yes and keeps its own owner; some drop the
 * times of symlinks. What it refuses is left out of all that follows (of
 * `preserve`), neither set nor compared, so that a second run finds nothing
 * to do, and is noted in each row where it makes a difference.
 *
 * A time beyond what the destination's protocol can say (NFSv3 counts from 1970
 * to 2106) becomes the nearest that it can.
 *
 * Set-id bits go where the owner or group they speak of is not kept. Those of
 * directories stay: there set-gid only tells how new entries get their group.
 */
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

/* The nearest time that the destination can keep. */
static int64_t fit_time(const struct engine *e, int64_t ns)
{
	const struct volume_info *info =
	    volume_get_info(e->volume[DESTINATION]);

	if (!info->short_times)
		return ns;
	if (ns < 0)
		return 0;
	return ns < VOLUME_SHORT_TIME_END ? ns : VOLUME_SHORT_TIME_END - 1;
}

struct attr metadata_want(const struct engine *e, const struct attr *source)
{
	struct attr want = *source;

	want.atime_ns = fit_time(e, source->atime_ns);
	want.mtime_ns = fit_time(e, source->mtime_ns);
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

	if ((set.which & ATTR_SET_MTIME) && !e->options.no_atime)
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
	    (source->mtime_ns == INT64_MAX || source->mtime_ns == INT64_MIN ||
	     source->mtime_ns != fit_time(e, source->mtime_ns)))
		flags |= ROW_NO_TIMES;
	return flags;
}

/* An owner that is nobody's: not ours, nor what a server squashes to. */
#define PROBE_ID 2147480001u

/* What the probe makes: all in one request. */
enum probe {
	PROBE_PLAIN, /* whom the server takes us for */
	PROBE_UID,
	PROBE_GID,
	PROBE_LINK, /* a symlink with a time */
	PROBES,
};

static bool is_denied(int error)
{
	return error == -EPERM || error == -EACCES || error == -EINVAL;
}

/* What was made, or why not. A server that squashes may say yes and keep its
 * own owner all the same; some take the times of a symlink and drop them. */
static void judge_probes(struct engine *e, const struct volume_make *m)
{
	const struct attr *gid = &m[PROBE_GID].ret_attr;
	const struct attr *uid = &m[PROBE_UID].ret_attr;
	const struct attr *link = &m[PROBE_LINK].ret_attr;

	if (m[PROBE_UID].result == 0 ? uid->uid != PROBE_ID
				     : is_denied(m[PROBE_UID].result))
		e->denied |= ATTR_SET_UID;
	if (m[PROBE_GID].result == 0 ? gid->gid != PROBE_ID
				     : is_denied(m[PROBE_GID].result))
		e->denied |= ATTR_SET_GID;
	e->link_times_denied = m[PROBE_LINK].result == 0
				   ? link->mtime_ns != NS_PER_S
				   : is_denied(m[PROBE_LINK].result);
	e->denied &= e->preserve;
	e->preserve &= ~e->denied;
}

static void say_denied(const struct engine *e, const struct attr *ours)
{
	const char *what = e->denied == ATTR_SET_GID   ? "the group"
			   : e->denied == ATTR_SET_UID ? "the owner"
						       : "owner and group";

	if (e->denied)
		log_warning("destination: %s cannot be set, the server does "
			    "not let this user (it sees us as %u:%u): such "
			    "entries are counted as skipped metadata; run as "
			    "root without squashing, on EFS through no access "
			    "point that sets a user, or use --no-owner",
			    what, ours->uid, ours->gid);
}

/* What is left here would stay until the next run: once more, if need be. */
static void remove_probes(struct volume *v, struct volume_remove *gone)
{
	struct volume_remove again[PROBES];
	size_t n = 0;

	volume_run(v, VOLUME_REMOVE, gone, PROBES);
	for (int i = 0; i < PROBES; i++)
		if (gone[i].result != 0 && gone[i].result != -ENOENT)
			again[n++] = gone[i];
	if (n > 0)
		volume_run(v, VOLUME_REMOVE, again, n);
}

/* Makes the probes and removes them; what came of it is in `make`. */
static void probe(struct engine *e, struct volume_make *make)
{
	struct volume *v = e->volume[DESTINATION];
	const struct handle *root = volume_get_info(v)->root;
	struct volume_remove gone[PROBES];
	char name[PROBES][TEMPNAME_SIZE];

	for (int i = 0; i < PROBES; i++) {
		tempname_next(&e->tempname, name[i]);
		make[i] = (struct volume_make){
		    .dir = root, .name = name[i], .type = ENTRY_FIFO};
		gone[i] = (struct volume_remove){.dir = root, .name = name[i]};
	}
	make[PROBE_UID].set =
	    (struct attr_set){.which = ATTR_SET_UID, .uid = PROBE_ID};
	make[PROBE_GID].set =
	    (struct attr_set){.which = ATTR_SET_GID, .gid = PROBE_ID};
	make[PROBE_LINK].type = ENTRY_SYMLINK;
	make[PROBE_LINK].target = "probe";
	make[PROBE_LINK].set =
	    (struct attr_set){.which = ATTR_SET_MTIME, .mtime_ns = NS_PER_S};
	volume_run(v, VOLUME_MAKE, make, PROBES);
	remove_probes(v, gone);
}

int metadata_probe(struct engine *e)
{
	struct volume_make make[PROBES];
	bool failed;
	int r;

	probe(e, make);
	failed = make[PROBE_UID].result < 0 || make[PROBE_GID].result < 0 ||
		 make[PROBE_LINK].result < 0;
	if (make[PROBE_PLAIN].result == 0 && failed) {
		/* Much hangs on it: to be refused once is not yet a rule, and
		 * what failed for another reason tells nothing. */
		volume_items_done(VOLUME_MAKE, make, PROBES);
		probe(e, make);
	}
	r = make[PROBE_PLAIN].result;
	if (r == 0) {
		judge_probes(e, make);
		say_denied(e, &make[PROBE_PLAIN].ret_attr);
	}
	volume_items_done(VOLUME_MAKE, make, PROBES);
	/* A root that takes no entries may have directories that do. */
	return is_denied(r) || r == -EOPNOTSUPP ? 0 : r;
}
