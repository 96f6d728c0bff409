/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon tells the id of the execution that serves a `start` as soon as it
 * has taken it ("RequestedExecution"): the one that begins next, so that all
 * that was on the source when it was asked is copied. From then on this only
 * watches that execution:
 *
 *   waiting   another one is under way, or the daemon is paused
 *   running   "Execution" is ours
 *   ended     "EndedExecution" is ours, or a later one
 *   forgotten "RequestedExecution" lies before ours, and ours has not begun:
 *             somebody cancelled it
 *   gone      nothing is mounted there any more: once the lock is free, the
 *             manifest knows whether it ended before (a daemon that unmounts
 *             after a good run, --once), is lost, or never began
 */
#include "handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "options.h"
#include "standing.h"
#include "sync/manifest.h"
#include "sync/mountfile.h"
#include "sync/snapshot.h"
#include "sync/summary.h"
#include "sync/task.h"

#define ERROR_SIZE 1024

/* How often the status is read. */
#define POLL_NS (100 * NS_PER_MS)

/* How long a daemon that unmounts may take until it gives the lock back. */
#define LEAVE_NS (30 * NS_PER_S)

struct handoff {
	struct handoff_setup setup;
	const struct mountfile *mount; /* borrowed while it runs */
	uint64_t execution;            /* ours; 0: not asked yet */
	char *summary;                 /* of it, when it has ended */

	pthread_mutex_t lock; /* guards the next two; a leaf */
	bool known;
	struct snapshot snapshot;
};

int handoff_new(const struct handoff_setup *setup, struct handoff **ret)
{
	struct handoff *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->setup = *setup;
	pthread_mutex_init(&h->lock, NULL);
	*ret = h;
	return 0;
}

struct handoff *handoff_free(struct handoff *h)
{
	if (h) {
		pthread_mutex_destroy(&h->lock);
		free(h->summary);
	}
	free(h);
	return NULL;
}

const char *handoff_get_summary(const struct handoff *h)
{
	return h->summary;
}

bool handoff_get_snapshot(struct handoff *h, struct snapshot *ret)
{
	bool known;

	pthread_mutex_lock(&h->lock);
	known = h->known;
	if (known)
		*ret = h->snapshot;
	pthread_mutex_unlock(&h->lock);
	return known;
}

static const char *mountpoint(const struct handoff *h)
{
	return h->mount->mountpoint;
}

/* --- The same options ----------------------------------------------------- */

/* What differs, as the option that it comes from; NULL: nothing. */
static const char *find_difference(const json_t *theirs, const json_t *ours)
{
	static const struct {
		const char *key;
		const char *option;
	} options[] = {
	    {"TransferMode", "--transfer-mode"},
	    {"OverwriteMode", "--overwrite"},
	    {"PreserveDeletedFiles", "--deleted"},
	    {"MaxDelete", "--max-delete"},
	    {"VerifyMode", "--verify"},
	    {"Uid", "--no-owner"},
	    {"PosixPermissions", "--no-mode"},
	    {"Mtime", "--no-times"},
	    {"Atime", "--no-atime"},
	    {"Retries", "--retries"},
	    {"MaxErrors", "--max-errors"},
	    {"MaxDuration", "--max-duration"},
	    {"Includes", "--include"},
	    {"Excludes", "--exclude"},
	    {"ManifestConfig", "--files-from"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (!json_equal(json_object_get(theirs, options[i].key),
				json_object_get(ours, options[i].key)))
			return options[i].option;
	return NULL;
}

static int load_object(const struct handoff *h, const char *name, json_t **ret)
{
	CLEANUP_FREE char *text = NULL;
	int r =
	    standing_load(mountpoint(h), h->mount->sync_directory, name, &text);

	if (r < 0)
		return r;
	*ret = json_loads(text, 0, NULL);
	return json_is_object(*ret) ? 0 : -EUCLEAN;
}

/* Our options as task.json would have them; NULL when out of memory. */
static json_t *make_options(const struct handoff *h)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	summary_print_options(f, &h->setup.options->sync);
	return fclose(f) == 0 ? json_loads(text, 0, NULL) : NULL;
}

/* The limits of the mount may have been changed since it was made, and hold:
 * to ask for others is no reason not to run. */
static void warn_of_limits(const struct handoff *h, const json_t *theirs,
			   const json_t *ours)
{
	const struct sync_options *o = &h->setup.options->sync;
	bool bytes = o->bandwidth.count || o->bandwidth.rest;

	if ((bytes && !json_equal(json_object_get(theirs, "BytesPerSecond"),
				  json_object_get(ours, "BytesPerSecond"))) ||
	    (o->iops &&
	     !json_equal(json_object_get(theirs, "OperationsPerSecond"),
			 json_object_get(ours, "OperationsPerSecond"))))
		log_warning("task %s is mounted on %s with other limits, which "
			    "hold: change them with efsbridge set",
			    h->setup.task, mountpoint(h));
}

/* 0, or -EINVAL after words; other errors: nobody is there to ask. */
static int check_options(const struct handoff *h)
{
	json_t *ours = make_options(h);
	json_t *theirs = NULL;
	const char *option;
	int r = ours ? load_object(h, "task.json", &theirs) : -ENOMEM;

	if (r == 0) {
		warn_of_limits(h, json_object_get(theirs, "Options"), ours);
		option =
		    find_difference(json_object_get(theirs, "Options"), ours);
		if (option) {
			log_error("task %s is mounted on %s and run there with "
				  "other options, %s differs: give the same, "
				  "or unmount it first",
				  h->setup.task, mountpoint(h), option);
			r = -EINVAL;
		}
	}
	json_decref(theirs);
	json_decref(ours);
	return r;
}

/* What cannot be asked of a daemon at all. */
static int check_request(const struct handoff *h)
{
	const struct sync_options *o = &h->setup.options->sync;

	if (!o->dry_run && !o->jobs)
		return 0;
	log_error("task %s is mounted on %s and run there: %s", h->setup.task,
		  mountpoint(h),
		  o->dry_run
		      ? "--dry-run is not possible before it is unmounted"
		      : "leave --jobs out, and write jobs=N to its "
			"control file");
	return -EINVAL;
}

/* --- Talking with the daemon ---------------------------------------------- */

/* One word to .sync/control. */
static int command(const struct handoff *h, const char *word)
{
	CLEANUP_FREE char *path = NULL;
	ssize_t n, len = (ssize_t)strlen(word);
	int fd, r = 0;

	if (asprintf(&path, "%s/%s/control", mountpoint(h),
		     h->mount->sync_directory) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = write(fd, word, (size_t)len);
	if (n != len)
		r = n < 0 ? -errno : -EIO;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int get_standing(struct handoff *h, struct standing *ret)
{
	CLEANUP_FREE char *text = NULL;
	int r = standing_load(mountpoint(h), h->mount->sync_directory,
			      "status.json", &text);

	return r < 0 ? r : standing_parse(text, ret);
}

/* The errors of a mount point without a daemon. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ENOTCONN ||
	       error == -ECONNABORTED || error == -ENODEV ||
	       error == -ESHUTDOWN;
}

/* What is shown while another execution is under way is that one. */
static void publish(struct handoff *h, const struct standing *s)
{
	pthread_mutex_lock(&h->lock);
	h->snapshot = s->snapshot;
	h->known = true;
	pthread_mutex_unlock(&h->lock);
}

/* 1 when nothing is under way, 0 when something is. */
static int is_idle(struct handoff *h)
{
	struct standing s;
	int r = get_standing(h, &s);

	if (r < 0)
		return r;
	publish(h, &s);
	r = s.snapshot.state == SNAPSHOT_IDLE;
	standing_done(&s);
	return r;
}

/*
 * --no-queue and --max-wait: 0, or -EBUSY after words when it is run already.
 * A daemon cannot be told to forget one run of several, so it is not asked
 * before it can begin at once.
 */
static int check_idle(struct handoff *h)
{
	const struct timespec pause = clock_split_ns(POLL_NS);
	int64_t deadline_ns =
	    h->setup.options->no_queue ? 0 : h->setup.wait_deadline_ns;
	int r;

	while ((r = is_idle(h)) == 0) {
		if (h->setup.interrupted(h->setup.user))
			return -ECANCELED;
		if (clock_now_ns() >= deadline_ns)
			break;
		nanosleep(&pause, NULL);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	log_error("task %s is run by its mount on %s; run again when it has "
		  "ended, or let it wait without --no-queue and --max-wait",
		  h->setup.task, mountpoint(h));
	return -EBUSY;
}

/* 0, -EAGAIN, -ECANCELED, or -EINVAL and -EBUSY after words. */
static int ask(struct handoff *h)
{
	int r = check_options(h);

	if (r == 0 && (h->setup.options->no_queue || h->setup.wait_deadline_ns))
		r = check_idle(h);
	if (r == 0)
		r = command(h, "start\n");
	if (r == 0 || r == -EINVAL || r == -EBUSY || r == -ECANCELED)
		return r;
	if (is_gone(r))
		return -EAGAIN;
	log_error("task %s is mounted on %s, but cannot be started there: %s%s",
		  h->setup.task, mountpoint(h), strerror(-r),
		  r == -EACCES || r == -EPERM
		      ? ": only root and who mounted it may"
		  : r == -EROFS ? ": it is mounted with -o ro"
				: "");
	return -EINVAL;
}

/* --- The end -------------------------------------------------------------- */

/* True when nothing else was wrong with a run than what it did not remove. */
static bool was_limited(const char *summary)
{
	static const char *const wrong[] = {"FilesFailed", "FilesMismatched"};
	json_t *o = json_loads(summary, 0, NULL);
	bool limited =
	    json_integer_value(json_object_get(o, "EntriesNotDeleted")) > 0;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (json_integer_value(json_object_get(o, wrong[i])) > 0)
			limited = false;
	json_decref(o);
	return limited;
}

static enum exit_status status_of(const char *word)
{
	return !strcmp(word, "SUCCESS")      ? EXIT_DONE
	       : !strcmp(word, "CANCELLED")  ? EXIT_INTERRUPTED
	       : !strcmp(word, "TIME_LIMIT") ? EXIT_TIME_UP
					     : EXIT_FAILED;
}

/* What the manifest has of our execution. */
enum record {
	RECORD_NONE,  /* it never began, or cannot be read */
	RECORD_BEGUN, /* and has not ended, or was killed */
	RECORD_ENDED,
};

static enum record take_record(struct handoff *h, enum exit_status *ret)
{
	enum record record = RECORD_NONE;
	struct manifest_execution x = {0};
	struct manifest_reader *reader;
	struct manifest *m;
	char error[ERROR_SIZE];

	if (manifest_open_read(h->setup.directory, &m, error, sizeof(error)) <
	    0) {
		log_debug("%s", error);
		return RECORD_NONE;
	}
	reader = manifest_reader_new(m);
	if (reader && manifest_get_execution(reader, h->execution, &x) == 1) {
		record = x.ended_ns ? RECORD_ENDED : RECORD_BEGUN;
		if (record == RECORD_ENDED) {
			*ret = status_of(x.status);
			if (*ret == EXIT_FAILED && was_limited(x.summary))
				*ret = EXIT_LIMITED;
			h->summary = (char *)steal(x.summary);
		}
		free((char *)x.status);
		free((char *)x.summary);
	}
	manifest_reader_free(reader);
	manifest_close(m);
	return record;
}

/*
 * The mount is away. Our execution may have ended before: with --once it
 * unmounts then. If it has not even begun (a run before it was the last one of
 * the mount) nothing stands against doing it here: -EAGAIN.
 */
static int gone(struct handoff *h, enum exit_status *ret)
{
	const struct timespec pause = clock_split_ns(POLL_NS);
	int64_t deadline_ns = clock_now_ns() + LEAVE_NS;
	enum record record;

	while (task_is_held(h->setup.directory) &&
	       clock_now_ns() < deadline_ns &&
	       !h->setup.interrupted(h->setup.user))
		nanosleep(&pause, NULL);
	if (h->setup.interrupted(h->setup.user)) {
		*ret = EXIT_INTERRUPTED;
		return 0;
	}
	record = take_record(h, ret);
	/* What was cancelled here was cancelled by unmounting. */
	if (record == RECORD_ENDED && *ret != EXIT_INTERRUPTED)
		return 0;
	if (record == RECORD_NONE) {
		log_notice("%s: not mounted any more", mountpoint(h));
		return -EAGAIN;
	}
	log_error("%s: unmounted or dead before execution %" PRIu64
		  " had ended: run again, what is done is kept",
		  mountpoint(h), h->execution);
	*ret = EXIT_UNREACHABLE;
	return 0;
}

static enum exit_status ended(struct handoff *h, const struct standing *s)
{
	enum exit_status status = EXIT_FAILED;
	bool found = take_record(h, &status) == RECORD_ENDED;

	/* The daemon knows more than the record: 1 or 3. */
	if (s->snapshot.ended_execution == h->execution && s->exit_status >= 0)
		return (enum exit_status)s->exit_status;
	if (!found)
		log_error("execution %" PRIu64 " could not begin, see the log "
			  "of %s",
			  h->execution, mountpoint(h));
	return status;
}

/* Only what is ours is cancelled. */
static void cancel(struct handoff *h, const struct standing *s)
{
	const struct snapshot *n = &s->snapshot;
	int r;

	if (n->execution != h->execution || n->ended_execution >= h->execution)
		return;
	r = command(h, "cancel\n");
	if (r < 0)
		log_error("%s: execution %" PRIu64 " cannot be cancelled: %s",
			  mountpoint(h), h->execution, strerror(-r));
}

/* True when there is nothing more to watch. */
static bool judge(struct handoff *h, const struct standing *s,
		  enum exit_status *ret)
{
	const struct snapshot *n = &s->snapshot;

	if (h->execution == 0)
		h->execution = n->requested;
	if (h->setup.interrupted(h->setup.user)) {
		cancel(h, s);
		*ret = EXIT_INTERRUPTED;
		return true;
	}
	if (h->execution && n->ended_execution >= h->execution) {
		*ret = ended(h, s);
		return true;
	}
	if (!h->execution ||
	    (n->requested < h->execution && n->execution < h->execution)) {
		log_error("%s: the run was cancelled before it began",
			  mountpoint(h));
		*ret = EXIT_INTERRUPTED;
		return true;
	}
	return false;
}

static int follow(struct handoff *h, enum exit_status *ret)
{
	const struct timespec pause = clock_split_ns(POLL_NS);
	struct standing s;
	bool over = false;
	int r;

	while (!over) {
		r = get_standing(h, &s);
		if (r < 0) {
			log_debug("%s: %s", mountpoint(h), strerror(-r));
			return gone(h, ret);
		}
		publish(h, &s);
		over = judge(h, &s, ret);
		standing_done(&s);
		if (!over)
			nanosleep(&pause, NULL);
	}
	return 0;
}

int handoff_run(struct handoff *h, const struct mountfile *mount,
		enum exit_status *ret)
{
	int r;

	h->mount = mount;
	h->execution = 0;
	r = check_request(h);
	if (r == 0)
		r = ask(h);
	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		*ret = r == -EBUSY       ? EXIT_BUSY
		       : r == -ECANCELED ? EXIT_INTERRUPTED
					 : EXIT_USAGE;
		return 0;
	}
	log_notice("task %s is mounted on %s: the run is done there",
		   h->setup.task, mountpoint(h));
	return follow(h, ret);
}
