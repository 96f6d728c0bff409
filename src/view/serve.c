/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A fixed number of threads take requests from /dev/fuse: they only start what
 * others do, so a few are enough however long a server takes. (libfuse's own
 * loop starts and ends threads with the load, and cannot be ended from
 * another thread.) They are cancelled while they wait for a request, and
 * nowhere else.
 *
 * The first request is answered before they begin, see view/greeting.c.
 *
 * One more thread asks for the attributes of the mount point, as anybody
 * could: when that has been answered the mount is ready.
 *
 * Descriptors: once the mount is gone libfuse closes the one of /dev/fuse, and
 * its number may be that of another file a moment later. So nobody may answer a
 * request after serve_unmount(); whoever calls it has seen to that.
 *
 * A daemon that dies leaves no mount: with auto_unmount fusermount3 stays
 * behind, sees its socket close and unmounts. It looks whether the connection
 * is dead by opening the mount point; when /dev/fuse is still open then, it
 * waits, is told ECONNABORTED instead of ENOTCONN, and leaves the mount. The
 * kernel lets go of what a dead process had open from the highest number down
 * (task_work_run() goes backwards), so /dev/fuse has a second, high number.
 */
#include "view/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "view/greeting.h"
#include "view/view.h"

/* Threads that take requests. */
#define THREADS 4

/* Requests that the kernel sends without anybody waiting (read-ahead), and
 * from how many on it holds back. */
#define BACKGROUND 128
#define CONGESTED  96

/* The longest read. How far the kernel reads ahead (128 KiB) is left alone: the
 * view has more on its way, and the sooner pages are used the more of them are
 * still in the processor's caches. */
#define READ_BYTES (1024 * 1024)

/* The second number of /dev/fuse is no lower than this. */
#define HIGH_FD 512

/* What the session says of itself, escaped for a list. */
#define OPTIONS_SIZE 2048

struct serve {
	const struct view_setup *setup;
	struct fuse_session *session;
	pthread_t thread[THREADS];
	unsigned threads; /* that were started and not joined */
	pthread_t probe;
	bool has_probe;
	bool mounted;
	int high_fd; /* of /dev/fuse, or -1 */

	pthread_mutex_t lock; /* guards all below; leaf */
	pthread_cond_t changed;
	bool stop;  /* serve_stop() */
	bool gone;  /* the kernel has ended it */
	int result; /* why a thread could not go on */
};

/* --- What libfuse says ---------------------------------------------------- */

/* libfuse has one place for all sessions of a process. */
__attribute__((format(printf, 2, 0))) static void
take_words(enum fuse_log_level level, const char *format, va_list args)
{
	CLEANUP_FREE char *words = NULL;
	int len = vasprintf(&words, format, args);

	if (len < 0) {
		words = NULL;
		return;
	}
	while (len > 0 && words[len - 1] == '\n')
		words[--len] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("%s", words);
	else
		log_debug("%s", words);
}

/* --- The session ---------------------------------------------------------- */

/* Appends to a list of mount options: a ',' or '\' in a value is escaped. */
static int add_option(char *list, const char *name, const char *value)
{
	size_t len = strlen(list);
	int n = snprintf(list + len, OPTIONS_SIZE - len, "%s%s",
			 len > 0 ? "," : "", name);

	if (n < 0 || (size_t)n >= OPTIONS_SIZE - len)
		return -ENAMETOOLONG;
	len += (size_t)n;
	for (; *value; value++) {
		if (len + 3 > OPTIONS_SIZE)
			return -ENAMETOOLONG;
		if (*value == ',' || *value == '\\')
			list[len++] = '\\';
		list[len++] = *value;
	}
	list[len] = '\0';
	return 0;
}

/* execvp() will look for it in the same places. */
static bool has_fusermount(void)
{
	const char *path = getenv("PATH");
	CLEANUP_FREE char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *rest = copy, *folder;
	char name[4096];

	while (rest && (folder = strsep(&rest, ":"))) {
		snprintf(name, sizeof(name), "%s/fusermount3", folder);
		if (access(name, X_OK) == 0)
			return true;
	}
	return access("/usr/bin/fusermount3", X_OK) == 0;
}

static int make_options(const struct view_setup *setup, char *list)
{
	const struct view_options *o = setup->options;
	bool auto_unmount = o->auto_unmount && has_fusermount();
	const struct {
		bool wanted;
		const char *name;
	} flags[] = {
	    {true, "default_permissions"}, {o->allow_other, "allow_other"},
	    {o->read_only, "ro"},          {o->no_exec, "noexec"},
	    {o->debug, "debug"},           {auto_unmount, "auto_unmount"},
	};
	int r;

	if (o->auto_unmount && !auto_unmount)
		log_warning("fusermount3 is not installed: should this process "
			    "be killed, end the mount with umount -l %s",
			    setup->mountpoint);
	list[0] = '\0';
	r = add_option(list, "subtype=", "efsbridge");
	if (r == 0)
		r = add_option(list, "fsname=",
			       o->fsname[0] ? o->fsname
					    : setup->location[SOURCE]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(flags); i++)
		if (flags[i].wanted)
			r = add_option(list, flags[i].name, "");
	return r;
}

int serve_new(const struct view_setup *setup,
	      const struct fuse_lowlevel_ops *ops, void *user,
	      struct serve **ret)
{
	char list[OPTIONS_SIZE];
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct serve *s;
	int r = make_options(setup, list);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->setup = setup;
	s->high_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	fuse_set_log_func(take_words);
	if (fuse_opt_add_arg(&args, "efsbridge") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, list) == 0)
		s->session = fuse_session_new(&args, ops, sizeof(*ops), user);
	fuse_opt_free_args(&args);
	if (!s->session) {
		serve_free(s);
		return -EINVAL;
	}
	*ret = s;
	return 0;
}

struct fuse_session *serve_get_session(struct serve *s)
{
	return s->session;
}

void serve_init(const struct view_setup *setup, struct fuse_conn_info *conn)
{
	/* libfuse wants READDIRPLUS (also AUTO), ASYNC_READ and
	 * AUTO_INVAL_DATA by itself. For PARALLEL_DIROPS see greeting.c. */
	conn->want |=
	    conn->capable & (FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPORT_SUPPORT |
			     FUSE_CAP_PARALLEL_DIROPS);
	/* Answers are in memory already: a pipe would be one more copy. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
				  FUSE_CAP_SPLICE_READ);
	/* The kernel derives the longest read from the longest write. */
	conn->max_write = READ_BYTES;
	conn->max_background = BACKGROUND;
	conn->congestion_threshold = CONGESTED;
	(void)setup;
}

int serve_mount(struct serve *s, char *error, size_t error_size)
{
	const struct view_options *o = s->setup->options;

	if (fuse_session_mount(s->session, s->setup->mountpoint) == 0) {
		s->mounted = true;
		s->high_fd = fcntl(fuse_session_fd(s->session), F_DUPFD_CLOEXEC,
				   HIGH_FD);
		return 0;
	}
	snprintf(error, error_size, "%s: cannot be mounted: %s",
		 s->setup->mountpoint,
		 geteuid() == 0 ? "see that /dev/fuse is there and may be used "
				  "(in a container it has to be handed in)"
		 : o->allow_other
		     ? "-o allow_other needs the line user_allow_other in "
		       "/etc/fuse.conf unless root mounts"
		     : "see that /dev/fuse and a set-user-id fusermount3 are "
		       "there, and that the mount point is yours");
	return -EIO;
}

/* --- The threads ---------------------------------------------------------- */

static void note_end(struct serve *s, bool gone, int result)
{
	pthread_mutex_lock(&s->lock);
	s->gone = s->gone || gone;
	if (s->result == 0)
		s->result = result;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void free_buffer(void *buffer)
{
	free(((struct fuse_buf *)buffer)->mem);
}

/* Requests, one after another, until there are no more. */
static int take_requests(struct serve *s, struct fuse_buf *buffer)
{
	int r;

	do {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		r = fuse_session_receive_buf(s->session, buffer);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		if (r > 0)
			fuse_session_process_buf(s->session, buffer);
	} while (!fuse_session_exited(s->session) &&
		 (r > 0 || r == -EINTR || r == -EAGAIN));
	return r < 0 ? r : 0;
}

static void *thread_main(void *arg)
{
	struct serve *s = arg;
	struct fuse_buf buffer = {0};
	int r;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_setname_np(pthread_self(), "view");
	pthread_cleanup_push(free_buffer, &buffer);
	r = take_requests(s, &buffer);
	pthread_cleanup_pop(1);
	note_end(s, true, r);
	return NULL;
}

/* Looks for .sync as anybody could, so that the kernel knows the name from the
 * start. Else it takes the lock of the root to ask for it; and who wants to
 * make a name there has that, while waiting for the end of a look-up that may
 * be waiting for a side. */
static void make_known(const struct view_setup *setup)
{
	CLEANUP_FREE char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", setup->mountpoint,
		     setup->options->syncdir) < 0)
		path = NULL;
	if (path && stat(path, &st) < 0)
		log_debug("%s: %s", path, strerror(errno));
}

/* Does the mount answer? */
static void *probe_main(void *arg)
{
	struct serve *s = arg;
	struct stat st;
	bool ready;

	pthread_setname_np(pthread_self(), "view-probe");
	if (stat(s->setup->mountpoint, &st) < 0)
		return NULL; /* it was unmounted meanwhile */
	make_known(s->setup);
	pthread_mutex_lock(&s->lock);
	ready = !s->stop && !s->gone;
	pthread_mutex_unlock(&s->lock);
	if (!ready)
		return NULL;
	if (s->setup->ready)
		s->setup->ready(s->setup->user);
	return NULL;
}

/* With nobody to greet the threads find that it is gone. */
static int start_threads(struct serve *s)
{
	int error = -greeting_exchange(s->session);

	if (error == ENODEV)
		error = 0;
	while (s->threads < THREADS && error == 0) {
		error = pthread_create(&s->thread[s->threads], NULL,
				       thread_main, s);
		if (error == 0)
			s->threads++;
	}
	if (error == 0)
		error = pthread_create(&s->probe, NULL, probe_main, s);
	s->has_probe = error == 0;
	return -error;
}

int serve_wait(struct serve *s, bool *ret_gone)
{
	int r = start_threads(s);

	pthread_mutex_lock(&s->lock);
	while (r == 0 && !s->stop && !s->gone)
		pthread_cond_wait(&s->changed, &s->lock);
	if (r == 0)
		r = s->result;
	*ret_gone = s->gone;
	pthread_mutex_unlock(&s->lock);
	return r;
}

void serve_stop(struct serve *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void serve_end(struct serve *s)
{
	fuse_session_exit(s->session);
	for (unsigned i = 0; i < s->threads; i++)
		pthread_cancel(s->thread[i]);
	while (s->threads > 0)
		pthread_join(s->thread[--s->threads], NULL);
}

/* --- The end -------------------------------------------------------------- */

void serve_unmount(struct serve *s)
{
	const char *point = s->setup->mountpoint;
	struct stat st;

	if (s->high_fd >= 0)
		close(s->high_fd);
	s->high_fd = -1;
	if (s->mounted)
		fuse_session_unmount(s->session);
	/* libfuse leaves the mount of a connection that was aborted. */
	if (s->mounted && stat(point, &st) < 0 && errno == ENOTCONN)
		umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
	s->mounted = false;
	/* What it waits for has ended with the connection. */
	if (s->has_probe)
		pthread_join(s->probe, NULL);
	s->has_probe = false;
}

struct serve *serve_free(struct serve *s)
{
	if (!s)
		return NULL;
	serve_unmount(s);
	if (s->session)
		fuse_session_destroy(s->session);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
