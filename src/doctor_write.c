/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What can be made on the destination. A file is made, filled, given an owner,
 * a mode and times, and removed, and then a symbolic link: a server tells what
 * it permits only when it is tried, and some say yes and do something else, so
 * what counts is what the attributes say afterwards.
 *
 * Everything made here is removed before this returns; what was cancelled does
 * nothing more but that.
 */
#include "doctor_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/human.h"
#include "sync/engine.h"
#include "sync/tempname.h"

/* Nobody's numbers, and a moment of 2001 that nobody's clock shows. */
#define FOREIGN_ID 54321u
#define FOREIGN_NS INT64_C(981173106123456789)

/* Beyond this, times of both sides tell little about each other, and requests
 * that are signed are refused by AWS some time later. */
#define SKEW_MAX_NS (5 * NS_PER_S)

struct trial {
	struct doctor *doctor;
	struct volume *volume;
	const struct handle *root;
	char name[TEMPNAME_SIZE];
	struct volume_file *file; /* while it is open */
	struct handle *handle;
};

/* --- Making --------------------------------------------------------------- */

static const char *write_remedy(const struct doctor *d, int error)
{
	switch (error) {
	case -EROFS:
		return "Export or mount the destination for writing.";
	case -ENOSPC:
	case -EDQUOT:
		return "Make room on the destination, or raise its quota; EFS "
		       "answers so, too, when a client has too many files "
		       "open.";
	case -EACCES:
	case -EPERM:
		return doctor_uid(d, DESTINATION) == 0
			   ? "The server takes root for somebody else, or lets "
			     "nobody write: export it with no_root_squash; on "
			     "EFS allow elasticfilesystem:ClientWrite and "
			     "ClientRootAccess."
			   : "Run as root, or as who may write there.";
	default:
		return "Look at the server's log.";
	}
}

static void refuse(struct trial *t, const char *what, int error)
{
	doctor_say(t->doctor, "write", DESTINATION, DOCTOR_FAIL,
		   write_remedy(t->doctor, error), "%s: %s", what,
		   strerror(-error));
}

static void tell_skew(struct trial *t, const struct attr *made,
		      int64_t before_ns, int64_t after_ns)
{
	int64_t skew_ns = 0;
	char text[HUMAN_SIZE];
	bool far;

	if (made->ctime_ns < before_ns)
		skew_ns = made->ctime_ns - before_ns;
	else if (made->ctime_ns > after_ns)
		skew_ns = made->ctime_ns - after_ns;
	far = skew_ns > SKEW_MAX_NS || skew_ns < -SKEW_MAX_NS;
	human_duration(skew_ns < 0 ? -skew_ns : skew_ns, text);
	doctor_tell(t->doctor, "clock", DESTINATION,
		    far ? DOCTOR_WARN : DOCTOR_OK,
		    far ? "Let this machine and the server take their time "
			  "from NTP."
			: NULL,
		    "Seconds", (double)skew_ns / (double)NS_PER_S,
		    far ? "the server's clock is %s %s ours"
			: "the server's clock and ours agree to within %s%s",
		    text,
		    !far          ? ""
		    : skew_ns < 0 ? "behind"
				  : "before");
}

static void tell_squash(struct trial *t, const struct attr *made)
{
	uint32_t uid = doctor_uid(t->doctor, DESTINATION);

	if (made->uid == uid)
		return;
	doctor_count(
	    t->doctor, "root-squash", DESTINATION, DOCTOR_FAIL,
	    "Owners cannot be given: export it with no_root_squash; on EFS "
	    "allow elasticfilesystem:ClientRootAccess, and no access point "
	    "that sets a user. Or say --no-owner, and all will be this user's.",
	    "Uid", made->uid,
	    "the server takes user %u for user %u: what is made belongs to "
	    "that one",
	    uid, made->uid);
}

static bool make_file(struct trial *t)
{
	struct volume_open o = {
	    .dir = t->root,
	    .name = t->name,
	    .create = true,
	};
	int64_t before_ns = clock_wall_ns(), after_ns;

	volume_run(t->volume, VOLUME_OPEN, &o, 1);
	after_ns = clock_wall_ns();
	if (o.result < 0) {
		refuse(t, "no file can be made", o.result);
		return false;
	}
	t->file = o.ret_file;
	t->handle = steal(o.ret_handle);
	tell_skew(t, &o.ret_attr, before_ns, after_ns);
	if (!t->doctor->setup->options->no_owner)
		tell_squash(t, &o.ret_attr);
	return true;
}

/* --- Data ----------------------------------------------------------------- */

/* What no server can compress or leave out. */
static uint8_t *make_noise(void)
{
	uint64_t x = (uint64_t)clock_wall_ns() | 1;
	uint8_t *noise = malloc(VOLUME_RANGE);

	for (size_t i = 0; noise && i < VOLUME_RANGE; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(noise + i, &x, sizeof(x));
	}
	return noise;
}

/* A few ranges at once. */
static int write_ranges(struct trial *t, const uint8_t *noise, uint64_t offset)
{
	struct volume_write w[DOCTOR_FLIGHT];
	int error = 0;

	for (unsigned i = 0; i < DOCTOR_FLIGHT; i++)
		w[i] = (struct volume_write){
		    .file = t->file,
		    .offset = offset + i * (uint64_t)VOLUME_RANGE,
		    .data = noise,
		    .len = VOLUME_RANGE,
		};
	volume_run(t->volume, VOLUME_WRITE, w, DOCTOR_FLIGHT);
	for (unsigned i = 0; i < DOCTOR_FLIGHT; i++)
		if (w[i].result < 0 && error == 0)
			error = w[i].result;
	volume_items_done(VOLUME_WRITE, w, DOCTOR_FLIGHT);
	return error;
}

static int commit(struct trial *t)
{
	struct volume_commit c = {.file = t->file};

	volume_run(t->volume, VOLUME_COMMIT, &c, 1);
	return c.result;
}

static void try_data(struct trial *t)
{
	CLEANUP_FREE uint8_t *noise = make_noise();
	char bytes[HUMAN_SIZE], rate[HUMAN_SIZE];
	int64_t before = clock_now_ns(), took_ns;
	uint64_t done = 0;
	double per_second;
	int r = noise ? 0 : -ENOMEM;

	while (r == 0 && done < DOCTOR_SAMPLE_BYTES &&
	       clock_now_ns() - before < DOCTOR_SAMPLE_NS &&
	       !doctor_is_cancelled(t->doctor)) {
		r = write_ranges(t, noise, done);
		done += DOCTOR_FLIGHT * (uint64_t)VOLUME_RANGE;
	}
	if (r == 0)
		r = commit(t);
	if (doctor_is_cancelled(t->doctor))
		return;
	if (r < 0) {
		refuse(t, "a sample cannot be written", r);
		return;
	}
	took_ns = clock_now_ns() - before;
	per_second = (double)done * (double)NS_PER_S / (double)took_ns;
	doctor_tell(t->doctor, "throughput", DESTINATION, DOCTOR_OK, NULL,
		    "BytesPerSecond", per_second,
		    "%s written and made durable in %.2f s, %s/s, with %d "
		    "requests under way",
		    human_bytes((double)done, bytes),
		    (double)took_ns / (double)NS_PER_S,
		    human_bytes(per_second, rate), DOCTOR_FLIGHT);
}

/* --- Attributes ----------------------------------------------------------- */

static int set(struct trial *t, const struct handle *handle,
	       const struct attr_set *what, struct attr *ret)
{
	struct volume_setattr s = {.handle = handle, .set = *what};

	volume_run(t->volume, VOLUME_SETATTR, &s, 1);
	*ret = s.ret_attr;
	return s.result;
}

/* What `r` says, or what the attributes say when it says all is well. */
static void tell_set(struct trial *t, const char *check, const char *what,
		     int r, bool so, enum doctor_level level,
		     const char *remedy)
{
	if (r == 0 && so)
		doctor_say(t->doctor, check, DESTINATION, DOCTOR_OK, NULL,
			   "%s can be set", what);
	else
		doctor_say(t->doctor, check, DESTINATION, level, remedy,
			   "%s cannot be set: %s", what,
			   r < 0 ? strerror(-r)
				 : "the server says yes and does not do it");
}

static void try_owner(struct trial *t)
{
	const struct attr_set owner = {
	    .which = ATTR_SET_OWNER,
	    .uid = FOREIGN_ID,
	    .gid = FOREIGN_ID,
	};
	bool root = doctor_uid(t->doctor, DESTINATION) == 0;
	struct attr a;
	int r;

	if (t->doctor->setup->options->no_owner)
		return;
	r = set(t, t->handle, &owner, &a);
	tell_set(t, "owner", "owner and group", r,
		 a.uid == FOREIGN_ID && a.gid == FOREIGN_ID,
		 root ? DOCTOR_FAIL : DOCTOR_WARN,
		 root ? "Let the server take root for root, as said of "
			"root-squash; or say --no-owner."
		      : "Run as root to keep owners; without, all that is "
			"copied belongs to this user.");
}

static void try_mode(struct trial *t)
{
	const struct attr_set mode = {.which = ATTR_SET_MODE, .mode = 0751};
	struct attr a;
	int r;

	if (t->doctor->setup->options->no_mode)
		return;
	r = set(t, t->handle, &mode, &a);
	tell_set(t, "mode", "the mode", r, a.mode == 0751, DOCTOR_FAIL,
		 "Look at the options of the export or mount; or say "
		 "--no-mode.");
}

static void try_times(struct trial *t)
{
	const struct attr_set times = {
	    .which = ATTR_SET_TIMES,
	    .atime_ns = FOREIGN_NS,
	    .mtime_ns = FOREIGN_NS,
	};
	struct attr a;
	int r;

	if (t->doctor->setup->options->no_times)
		return;
	r = set(t, t->handle, &times, &a);
	if (r == 0 && a.mtime_ns != FOREIGN_NS &&
	    a.mtime_ns / NS_PER_S == FOREIGN_NS / NS_PER_S)
		doctor_say(t->doctor, "times", DESTINATION, DOCTOR_WARN,
			   "Nothing can be done here; files whose times are "
			   "finer are compared again in each run.",
			   "times are kept to the second or so only");
	else
		tell_set(t, "times", "times", r, a.mtime_ns == FOREIGN_NS,
			 DOCTOR_FAIL,
			 "Look at the options of the export or mount; or say "
			 "--no-times.");
}

/* --- Symbolic links ------------------------------------------------------- */

static void remove_name(struct trial *t)
{
	struct volume_remove r = {.dir = t->root, .name = t->name};

	volume_run(t->volume, VOLUME_REMOVE, &r, 1);
	if (r.result < 0 && r.result != -ENOENT)
		doctor_say(t->doctor, "clean-up", DESTINATION, DOCTOR_FAIL,
			   "Remove it by hand: no view shows it, and no run "
			   "copies it.",
			   "%s cannot be removed: %s", t->name,
			   strerror(-r.result));
}

static void try_symlink(struct trial *t)
{
	const bool no_times = t->doctor->setup->options->no_times;
	struct volume_make m = {
	    .dir = t->root,
	    .name = t->name,
	    .type = ENTRY_SYMLINK,
	    .target = "nowhere",
	    .set = {.which = no_times ? 0 : ATTR_SET_TIMES,
		    .atime_ns = FOREIGN_NS,
		    .mtime_ns = FOREIGN_NS},
	};

	volume_run(t->volume, VOLUME_MAKE, &m, 1);
	if (m.result < 0)
		doctor_say(t->doctor, "symlink", DESTINATION, DOCTOR_WARN,
			   "Those of the source will fail, all else is copied.",
			   "symbolic links cannot be made: %s",
			   strerror(-m.result));
	else if (!no_times && m.ret_attr.mtime_ns != FOREIGN_NS)
		doctor_say(t->doctor, "symlink", DESTINATION, DOCTOR_WARN,
			   "Nothing can be done here: they are copied, with "
			   "other times.",
			   "the server drops the times of symbolic links");
	else
		doctor_say(t->doctor, "symlink", DESTINATION, DOCTOR_OK, NULL,
			   "symbolic links can be made");
	if (m.result == 0)
		remove_name(t);
	volume_items_done(VOLUME_MAKE, &m, 1);
}

/* --- The whole ------------------------------------------------------------ */

static void close_file(struct trial *t)
{
	struct volume_close c = {.file = steal(t->file)};

	volume_run(t->volume, VOLUME_CLOSE, &c, 1);
}

/* What was made and removed has changed them. */
static void restore_root(struct trial *t)
{
	const struct attr *before = &volume_get_info(t->volume)->root_attr;
	const struct attr_set times = {
	    .which = ATTR_SET_TIMES,
	    .atime_ns = before->atime_ns,
	    .mtime_ns = before->mtime_ns,
	};
	struct attr ignored;

	/* Where that is refused nothing can be done about it. */
	set(t, t->root, &times, &ignored);
}

void doctor_write(struct doctor *d)
{
	struct trial t = {
	    .doctor = d,
	    .volume = d->volume[DESTINATION],
	    .root = volume_get_info(d->volume[DESTINATION])->root,
	};
	static void (*const tries[])(struct trial * t) = {
	    try_data,
	    try_owner,
	    try_mode,
	    try_times,
	};
	struct tempname names;

	/* Of no task: a run that sweeps what is stale leaves it alone. */
	tempname_init(&names, "", "");
	tempname_next(&names, t.name);
	if (!make_file(&t))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++)
		if (!doctor_is_cancelled(d))
			tries[i](&t);
	close_file(&t);
	remove_name(&t);
	if (!doctor_is_cancelled(d))
		try_symlink(&t);
	restore_root(&t);
	free(t.handle);
}
