/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a task is found, made and locked.
 *
 * Never on a volume: a state directory inside the source would be copied, and
 * one inside the destination could be pruned. So before anything is made,
 * and again on what was made, the way from the state directory up to the root
 * is walked by ".." and every directory on it compared, by device and inode,
 * with the local directories of the task; symbolic links and bind mounts of a
 * whole volume do not deceive that. (A bind mount of a part of a volume does.)
 *
 * The lock is flock() on the file "lock", which holds the id of its owner as
 * text for whoever waits. It is never removed, so all lock one inode; a lock
 * ends with the process, however that ends. Waiting processes stand in line
 * (waitline.h); the first of them asks again every POLL_MS, which also bounds
 * how late it sees that it is cancelled.
 */
#include "sync/task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/directories.h"
#include "base/log.h"
#include "sync/mailbox.h"
#include "sync/mountfile.h"
#include "sync/waitline.h"

/* How often the lock is asked for: half of what the contract promises. */
#define POLL_MS 100

#define SYSTEM_STATE "/var/lib/efsbridge"

/* Hex digits of the digest, and bytes of each location, in a made name. */
#define NAME_DIGITS 16
#define NAME_PART   20
_Static_assert(2 * (NAME_PART + 1) + NAME_DIGITS <= TASK_NAME_MAX, "names");

struct task {
	char name[TASK_NAME_MAX + 1];
	char *directory; /* absolute, canonical */
	int lock_fd;     /* holds the lock; -1 before */
};

/* --- Names ---------------------------------------------------------------- */

static bool is_name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* A name becomes a directory and part of messages, so it is plain. */
bool task_is_name(const char *name)
{
	size_t len = strlen(name);
	bool ok =
	    len > 0 && len <= TASK_NAME_MAX && name[0] != '.' && name[0] != '-';

	for (size_t i = 0; ok && i < len; i++)
		ok = is_name_char(name[i]);
	return ok;
}

static int check_name(const char *name, char *error, size_t error_size)
{
	if (task_is_name(name))
		return 0;
	snprintf(error, error_size,
		 "--task: not a name for a task: use 1 to %d letters, digits, "
		 "'.', '_' and '-', the first neither '.' nor '-'",
		 TASK_NAME_MAX);
	return -EINVAL;
}

/*
 * What people recognise of a location, in at most NAME_PART bytes: runs of
 * other characters become one '-', and none stands at either end.
 */
static void abridge(const char *text, char ret[NAME_PART + 1])
{
	size_t len = 0;

	if (strncmp(text, "nfs://", 6) == 0)
		text += 6;
	for (; *text && len < NAME_PART; text++) {
		if (is_name_char(*text) && *text != '-')
			ret[len++] = *text;
		else if (len > 0 && ret[len - 1] != '-')
			ret[len++] = '-';
		if (len == 1 && ret[0] == '.')
			len = 0;
	}
	while (len > 0 && ret[len - 1] == '-')
		len--;
	ret[len] = '\0';
	if (len == 0)
		strcpy(ret, "root");
}

/* SOURCE_DESTINATION_DIGEST, where the digest is of both whole texts. */
static int make_name(const struct task_options *o, char ret[TASK_NAME_MAX + 1])
{
	struct digest_stream *stream = digest_stream_new();
	char parts[2][NAME_PART + 1], hex[DIGEST_TEXT];
	struct digest d;

	if (!stream)
		return -ENOMEM;
	digest_stream_add(stream, o->source_text, strlen(o->source_text) + 1);
	digest_stream_add(stream, o->destination_text,
			  strlen(o->destination_text) + 1);
	d = digest_stream_get(stream);
	digest_stream_free(stream);

	abridge(o->source_text, parts[0]);
	abridge(o->destination_text, parts[1]);
	digest_format(&d, hex);
	snprintf(ret, TASK_NAME_MAX + 1, "%s_%s_%.*s", parts[0], parts[1],
		 NAME_DIGITS, hex);
	return 0;
}

/* --- The directory -------------------------------------------------------- */

/* Where state lies when nobody said so: by user, then by environment. */
int task_locate_all(char **ret_directory, char *error, size_t error_size)
{
	char **ret = ret_directory;
	const char *base = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	/* The XDG specification: a relative path is to be ignored. */
	if (geteuid() == 0) {
		n = asprintf(ret, "%s", SYSTEM_STATE);
	} else if (base && base[0] == '/') {
		n = asprintf(ret, "%s/efsbridge", base);
	} else if (home && home[0] == '/') {
		n = asprintf(ret, "%s/.local/state/efsbridge", home);
	} else {
		snprintf(error, error_size,
			 "no place for the state of the task: set HOME, or "
			 "give a directory with --state");
		return -ENOENT;
	}
	return n < 0 ? -ENOMEM : 0;
}

static int default_directory(const char *name, char **ret, char *error,
			     size_t error_size)
{
	CLEANUP_FREE char *all = NULL;
	int r = task_locate_all(&all, error, error_size);

	if (r < 0)
		return r;
	return asprintf(ret, "%s/%s", all, name) < 0 ? -ENOMEM : 0;
}

int task_locate(const struct task_options *options,
		char ret_name[TASK_NAME_MAX + 1], char **ret_directory,
		char *error, size_t error_size)
{
	int r;

	if (options->name) {
		r = check_name(options->name, error, error_size);
		if (r == 0)
			strcpy(ret_name, options->name);
	} else {
		r = make_name(options, ret_name);
		if (r < 0)
			snprintf(error, error_size, "out of memory");
	}
	if (r < 0)
		return r;
	if (!options->state)
		return default_directory(ret_name, ret_directory, error,
					 error_size);
	if (options->state[0] == '\0') {
		snprintf(error, error_size, "--state: give a directory");
		return -EINVAL;
	}
	*ret_directory = strdup(options->state);
	return *ret_directory ? 0 : -ENOMEM;
}

/* One directory that the state may not lie in. */
struct forbidden {
	const char *path;
	dev_t dev;
	ino_t ino;
};

static bool is_same(const struct stat *st, const struct forbidden *f)
{
	return f->path && st->st_dev == f->dev && st->st_ino == f->ino;
}

/*
 * Walks from the directory `fd` (which is closed) up to the root. 0, or
 * -EINVAL with the forbidden one in `ret`.
 */
static int walk_up(int fd, const struct forbidden *forbidden, size_t count,
		   const char **ret)
{
	struct stat st, above;
	int up, r = fstat(fd, &st) < 0 ? -errno : 0;

	while (r == 0) {
		for (size_t i = 0; i < count; i++) {
			if (is_same(&st, &forbidden[i])) {
				*ret = forbidden[i].path;
				r = -EINVAL;
			}
		}
		if (r < 0)
			break;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || fstat(up, &above) < 0)
			r = -errno;
		close(fd);
		fd = up;
		if (r < 0 ||
		    (above.st_dev == st.st_dev && above.st_ino == st.st_ino))
			break; /* the root is its own parent */
		st = above;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* The directory `path`, or the nearest above it that exists. */
static int open_nearest(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	char *slash;
	int fd;

	if (!copy)
		return -ENOMEM;
	for (;;) {
		fd = open(*copy ? copy : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(copy, '/');
		if (!slash)
			return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		*slash = '\0';
	}
}

/* Does `path` lie, or would it lie, inside a local directory of the task? */
static int check_place(const char *path, const struct task_options *o,
		       char *error, size_t error_size)
{
	const char *locals[] = {o->source_dir, o->destination_dir};
	struct forbidden forbidden[2] = {0};
	const char *found = NULL;
	struct stat st;
	int fd, r;

	/* What does not exist holds nothing; the volume will say so. */
	for (size_t i = 0; i < ARRAY_SIZE(locals); i++)
		if (locals[i] && stat(locals[i], &st) == 0)
			forbidden[i] = (struct forbidden){
			    .path = locals[i],
			    .dev = st.st_dev,
			    .ino = st.st_ino,
			};
	fd = open_nearest(path);
	r = fd < 0 ? fd : walk_up(fd, forbidden, ARRAY_SIZE(forbidden), &found);
	if (r == -EINVAL && found)
		snprintf(error, error_size,
			 "%s: the state directory would lie inside %s, which "
			 "this task copies; choose another with --state",
			 path, found);
	else if (r < 0)
		snprintf(error, error_size, "%s: %s", path, strerror(-r));
	return r;
}

/* Makes the state directory and finds out its real name, which stays right
 * when the working directory changes. */
static int make_place(struct task *t, const char *path, char *error,
		      size_t error_size)
{
	int r = directories_make(path);

	if (r == 0) {
		t->directory = realpath(path, NULL);
		if (!t->directory)
			r = -errno;
	}
	if (r < 0)
		snprintf(error, error_size,
			 "%s: the state directory cannot be made: %s; choose "
			 "another with --state",
			 path, strerror(-r));
	return r;
}

/* --- The lock ------------------------------------------------------------- */

static int open_lock(struct task *t, char *error, size_t error_size)
{
	CLEANUP_FREE char *path = NULL;
	int r;

	if (asprintf(&path, "%s/lock", t->directory) < 0) {
		path = NULL;
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	t->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->lock_fd >= 0)
		return 0;
	r = -errno;
	snprintf(error, error_size,
		 "%s: cannot be opened: %s; make the state directory writable, "
		 "or choose another with --state",
		 path, strerror(-r));
	return r;
}

/* Who holds it, in words: the file may be empty for a moment. */
static void describe_owner(int fd, char *ret, size_t ret_size)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end = text;
	long pid = 0;

	if (n > 0) {
		text[n] = '\0';
		pid = strtol(text, &end, 10);
	}
	if (pid > 0 && *end == '\n')
		snprintf(ret, ret_size, "process %ld", pid);
	else
		snprintf(ret, ret_size, "another process");
}

/* 0 once locked, -EAGAIN while another process holds it. */
static int try_lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

/* One that looks whether the lock is held holds it shared for an instant
 * (task_is_held()): that is not taken for a run. */
static int try_lock_settled(int fd)
{
	const struct timespec instant = {.tv_nsec = 5 * NS_PER_MS};
	int r = try_lock(fd);

	for (int i = 0; i < 3 && r == -EAGAIN; i++) {
		nanosleep(&instant, NULL);
		r = try_lock(fd);
	}
	return r;
}

bool task_is_held(const char *directory)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s/lock", directory) < 0) {
		path = NULL;
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* The end of one that does not wait any longer, in words. */
static int give_up(const struct task *t, int r, const char *why, char *error,
		   size_t error_size)
{
	char owner[64];

	describe_owner(t->lock_fd, owner, sizeof(owner));
	snprintf(error, error_size, "task %s is run by %s%s", t->name, owner,
		 why);
	return r;
}

/* While another process runs the task, or others wait before this one: -EAGAIN
 * to go on waiting with no words in `error`, else the end. */
static int keep_waiting(struct task *t, const struct task_options *o,
			char *error, size_t error_size)
{
	if (o->ret_mount && task_is_held(t->directory) &&
	    mountfile_read(t->directory, o->ret_mount) == 0) {
		snprintf(error, error_size, "task %s is mounted on %s", t->name,
			 o->ret_mount->mountpoint);
		return -EALREADY;
	}
	if (o->no_queue)
		return give_up(t, -EAGAIN,
			       "; run again when it has ended, or let it wait "
			       "without --no-queue",
			       error, error_size);
	if (o->cancelled && o->cancelled(o->user))
		return give_up(t, -ECANCELED,
			       ", and waiting for it was cancelled", error,
			       error_size);
	if (o->deadline_ns && clock_now_ns() >= o->deadline_ns)
		return give_up(t, -EAGAIN,
			       ", and the time to wait for it (--max-wait) is "
			       "over",
			       error, error_size);
	error[0] = '\0';
	return -EAGAIN;
}

/* 0 once locked; -EAGAIN while it is another's turn. Who does not queue has its
 * turn when nobody does. */
static int try_turn(struct task *t, const struct task_options *o,
		    const struct waitline *place)
{
	bool turn = o->no_queue ? !waitline_is_there(t->directory)
				: waitline_is_first(place);

	return turn ? try_lock_settled(t->lock_fd) : -EAGAIN;
}

/* Takes the lock, or fails as the options say. */
static int wait_in_line(struct task *t, const struct task_options *o,
			const struct waitline *place, char *error,
			size_t error_size)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * NS_PER_MS};
	bool told = false;
	char owner[64];
	int r;

	while ((r = try_turn(t, o, place)) == -EAGAIN) {
		r = keep_waiting(t, o, error, error_size);
		if (r != -EAGAIN || error[0])
			return r;
		describe_owner(t->lock_fd, owner, sizeof(owner));
		if (!told)
			log_notice("task %s is run by %s, waiting", t->name,
				   owner);
		told = true;
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		snprintf(error, error_size,
			 "%s/lock: cannot be locked: %s; choose a state "
			 "directory on another file system with --state",
			 t->directory, strerror(-r));
	return r;
}

static int wait_for_lock(struct task *t, const struct task_options *o,
			 char *error, size_t error_size)
{
	struct waitline place = WAITLINE_NONE;
	int r;

	/* Without the line all come in as they may. */
	if (!o->no_queue) {
		r = waitline_enter(&place, t->directory);
		if (r < 0)
			log_debug("queue: %s", strerror(-r));
	}
	r = wait_in_line(t, o, &place, error, error_size);
	waitline_leave(&place);
	return r;
}

/* For people and for those who wait: not being able to is no failure. */
static void write_owner(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		log_debug("lock: owner not written: %s", strerror(errno));
}

/* --- The task ------------------------------------------------------------- */

/* All steps of task_open(); on failure task_free() undoes them. */
static int prepare(struct task *t, const struct task_options *o, char *error,
		   size_t error_size)
{
	CLEANUP_FREE char *path = NULL;
	int r = task_locate(o, t->name, &path, error, error_size);

	if (r == 0)
		r = check_place(path, o, error, error_size);
	if (r == 0)
		r = make_place(t, path, error, error_size);

	/* The part that was made may have led elsewhere by "..". */
	if (r == 0)
		r = check_place(t->directory, o, error, error_size);
	if (r == 0)
		r = open_lock(t, error, error_size);
	if (r == 0)
		r = wait_for_lock(t, o, error, error_size);
	return r;
}

int task_open(const struct task_options *options, struct task **ret,
	      char *error, size_t error_size)
{
	struct task *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	t->lock_fd = -1;
	r = prepare(t, options, error, error_size);
	if (r < 0) {
		task_free(t);
		return r;
	}
	/* Left behind by a daemon that was killed. */
	if (mountfile_remove(t->directory) < 0)
		log_debug("mount: cannot be removed");
	/* For one that has ended before it was taken. */
	mailbox_clear(t->directory);
	write_owner(t->lock_fd);
	*ret = t;
	return 0;
}

struct task *task_free(struct task *t)
{
	if (t) {
		if (t->lock_fd >= 0)
			close(t->lock_fd);
		free(t->directory);
	}
	free(t);
	return NULL;
}

const char *task_get_directory(const struct task *t)
{
	return t->directory;
}

const char *task_get_name(const struct task *t)
{
	return t->name;
}
