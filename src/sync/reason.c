/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first that fits counts: those of a phase stand before those of any. What
 * is not here is said in the system's words. */
#include "sync/reason.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "sync/difference.h"

static const struct {
	int error;
	enum entry_phase phase; /* PHASE_NONE: any */
	const char *text;
} reasons[] = {
    {-EACCES, PHASE_LIST,
     "listing it is not permitted: run as root, or give uid= and gid= of a "
     "user who may read it"},
    {-EACCES, PHASE_READ,
     "reading it is not permitted: run as root, or give uid= and gid= of a "
     "user who may read it"},
    {-EACCES, PHASE_NONE,
     "permission denied: run as root, or let this user write there"},
    {-EPERM, PHASE_NONE,
     "the server does not permit it: run as root without squashing, or leave "
     "out what it refuses (--no-owner, --no-mode, --no-times)"},
    {-EBUSY, PHASE_NONE,
     "it kept changing while it was copied: run again when it is quiet"},
    {-EBADMSG, PHASE_VERIFY,
     "the content read back differs from the source: run again; if it stays, "
     "distrust the destination"},
    {-EUCLEAN, PHASE_NONE,
     "the attributes read back differ from what was set: the server does not "
     "keep them, or somebody else changed them"},
    {-ENOTEMPTY, PHASE_NONE,
     "the destination has a directory there with entries that are not on the "
     "source: move them away and run again"},
    {-EISDIR, PHASE_NONE,
     "the destination has a directory there: move it away and run again"},
    {-EEXIST, PHASE_NONE,
     "something else appeared there on the destination: run again"},
    {-ENAMETOOLONG, PHASE_NONE,
     "the name or link target is longer than the server takes: shorten it"},
    {-EINVAL, PHASE_NONE, "the server refuses this name or value"},
    {-EAGAIN, PHASE_NONE,
     "it changed so much while it was listed that the server lost its place: "
     "run again"},
    {-EFBIG, PHASE_NONE, "the file is larger than the server takes"},
    {-EMLINK, PHASE_NONE, "the server takes no more links"},
    {-ESTALE, PHASE_NONE, "it was removed or replaced meanwhile: run again"},
    {-ENOENT, PHASE_NONE,
     "it or its directory was removed meanwhile: run again"},
    {-EIO, PHASE_NONE,
     "input/output error on the server: see the server's log, run again"},
    {-EOPNOTSUPP, PHASE_NONE, "the server cannot do it"},
    {-ENOTUNIQ, PHASE_NONE,
     "the destination has another there, which --overwrite=never keeps"},
    {-EROFS, PHASE_NONE, "the file system is read-only"},
};

const char *reason_text(int error, enum entry_phase phase,
			char room[REASON_ROOM])
{
	char kinds[DIFFERENCE_TEXT];

	if (difference_of_error(error)) {
		snprintf(room, REASON_ROOM, "differs from the source: %s",
			 difference_text(difference_of_error(error), kinds));
		return room;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].error == error &&
		    (reasons[i].phase == PHASE_NONE ||
		     reasons[i].phase == phase))
			return reasons[i].text;
	return strerrordesc_np(-error) ?: "unknown error";
}

/* What to do about a stop; NULL: the system's words. */
static const char *stop_text(int error)
{
	switch (error) {
	case -ENOTCONN:
	case -ETIMEDOUT:
		return "lost, it did not answer any more: see that it is up "
		       "and run again, what is done is kept";
	case -EDQUOT:
		return "its quota is used up (on EFS: the limit of open files "
		       "or locks of one client): raise it and run again, what "
		       "is done is kept";
	case -ENOSPC:
		return "full: make room and run again, what is done is kept";
	case -EROFS:
		return "read-only: export or mount it read-write, and run "
		       "again, what is done is kept";
	case -ESTALE:
		return "gone: it was removed, or its server has lost what it "
		       "exports: see to that and run again, what is done is "
		       "kept";
	case -EREMCHG:
		return "its root is not the directory that it was in the last "
		       "run: see that the right one is mounted there, and run "
		       "again; if it is meant to be another, say so with "
		       "--new-root. Nothing was changed";
	case -ENOLCK:
		return "manifest.db is locked by another program: stopped, "
		       "what is done is kept; close it there (sqlite3?) and "
		       "run again";
	case -EUCLEAN:
		return "manifest.db is damaged: stopped, what is done is kept; "
		       "move it away, and the next run compares all entries "
		       "and makes a new one";
	}
	return NULL;
}

bool reason_stop(int error, const char *what, const char *where, char *ret,
		 size_t ret_size)
{
	const char *text = stop_text(error);

	if (error == 0 || error == -ECANCELED)
		return false;
	if (error == -ENOMEM)
		snprintf(ret, ret_size,
			 "out of memory: stopped, what is done is kept");
	else if (error == -ETIME)
		snprintf(ret, ret_size,
			 "the time that a run may take (--max-duration) is "
			 "over: stopped, the next run goes on");
	else if (error == -ETOOMANYREFS)
		snprintf(ret, ret_size,
			 "more entries failed than may (--max-errors): "
			 "stopped, what is done is kept");
	else if (text)
		snprintf(ret, ret_size, "%s %s: %s", what, where, text);
	else
		snprintf(ret, ret_size,
			 "%s %s: %s: stopped, what is done is "
			 "kept",
			 what, where, strerror(-error));
	return true;
}
