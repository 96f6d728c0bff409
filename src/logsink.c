/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "logsink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/cloudwatch.h"
#include "aws/credentials.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/jsonout.h"
#include "base/log.h"
#include "journal.h"
#include "sync/engine.h"
#include "systemlog.h"

/* How long the end waits for CloudWatch Logs. */
#define FLUSH_MS 10000

#define CLOUDWATCH "cloudwatch:"

#define BASIC (LOG_BIT(LOG_ERROR) | LOG_BIT(LOG_WARNING) | LOG_BIT(LOG_NOTICE))

enum place {
	TO_STDERR,
	TO_FILE,
	TO_SYSLOG,
	TO_JOURNAL,
	TO_CLOUDWATCH,
};

struct logsink {
	enum place place;
	bool json;
	char *task;
	int fd; /* of the journal */
	struct credentials *credentials;
	struct cloudwatch *cloudwatch;
	/* Of a sink that is called, one at a time. */
	uint64_t dropped;

	char *path;
	pthread_mutex_t lock; /* guards the file; a leaf */
	int file_fd;
};

static enum place place_of(const char *to)
{
	if (!to || !strcmp(to, "stderr"))
		return TO_STDERR;
	if (!strcmp(to, "syslog"))
		return TO_SYSLOG;
	if (!strcmp(to, "journal"))
		return TO_JOURNAL;
	if (!strncmp(to, CLOUDWATCH, strlen(CLOUDWATCH)))
		return TO_CLOUDWATCH;
	return TO_FILE;
}

/* --- Lines ---------------------------------------------------------------- */

void logsink_format_json(FILE *f, const char *task, const struct log_record *r)
{
	struct jsonout j = jsonout_to(f, false);
	char stamp[LOG_STAMP];

	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "time", log_stamp(r->wall_ns, stamp));
	jsonout_string(&j, "level", log_level_name(r->level));
	jsonout_string(&j, "message", r->message);
	if (task)
		jsonout_string(&j, "task", task);
	if (r->fields.path)
		jsonout_string(&j, "path", r->fields.path);
	if (r->fields.action)
		jsonout_string(&j, "action", r->fields.action);
	if (r->fields.side)
		jsonout_string(&j, "side", r->fields.side);
	if (r->fields.error)
		jsonout_string(&j, "error", r->fields.error);
	jsonout_end_object(&j);
}

/* A message as this place has it; heap, or NULL. */
static char *make_line(const struct logsink *s, const struct log_record *r)
{
	bool grave = r->level <= LOG_WARNING;
	char *text = NULL, stamp[LOG_STAMP];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (s->json)
		logsink_format_json(f, s->task, r);
	else
		fprintf(
		    f, "%s%s%s%s%s", s->place == TO_STDERR ? "efsbridge: " : "",
		    s->place == TO_FILE ? log_stamp(r->wall_ns, stamp) : "",
		    s->place == TO_FILE ? " " : "",
		    grave ? log_level_name(r->level) : "", grave ? ": " : "");
	if (!s->json)
		fputs(r->message, f);
	if (s->place == TO_FILE)
		fputc('\n', f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- The file ------------------------------------------------------------- */

/* One that others may want to read has their mode already. */
static int open_file(const char *path)
{
	int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

static int write_file(struct logsink *s, const char *line)
{
	size_t size = strlen(line);
	ssize_t n;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	n = write(s->file_fd, line, size);
	if (n < 0)
		r = -errno;
	else if ((size_t)n < size)
		r = -ENOSPC;
	pthread_mutex_unlock(&s->lock);
	return r;
}

bool logsink_is_file(const struct sync_options *o)
{
	return o->log.level != LOGGED_NOTHING && place_of(o->log.to) == TO_FILE;
}

void logsink_reopen(struct logsink *s)
{
	int fd;

	if (!s || s->place != TO_FILE)
		return;
	fd = open_file(s->path);
	if (fd < 0) {
		log_aside("%s: %s: the log stays in the file that was open",
			  s->path, strerror(-fd));
		return;
	}
	pthread_mutex_lock(&s->lock);
	close(s->file_fd);
	s->file_fd = fd;
	pthread_mutex_unlock(&s->lock);
}

/* --- Messages ------------------------------------------------------------- */

static void note_drop(struct logsink *s, int error)
{
	if (s->dropped++ == 0)
		log_aside("the log: %s: messages are dropped",
			  strerror(-error));
}

static int put_line(struct logsink *s, const struct log_record *r)
{
	CLEANUP_FREE char *line = make_line(s, r);

	if (!line)
		return -ENOMEM;
	switch (s->place) {
	case TO_FILE:
		return write_file(s, line);
	case TO_SYSLOG:
		systemlog_put(journal_priority((int)r->level), line);
		break;
	case TO_CLOUDWATCH:
		cloudwatch_put(s->cloudwatch, r->wall_ns / NS_PER_MS, line,
			       strlen(line));
		break;
	default:
		log_print(line);
		break;
	}
	return 0;
}

static void put(void *user, const struct log_record *record)
{
	struct logsink *s = user;
	int r = s->place == TO_JOURNAL ? journal_put(s->fd, s->task, record)
				       : put_line(s, record);

	if (r < 0)
		note_drop(s, r);
}

/* --- CloudWatch ----------------------------------------------------------- */

static void notice(void *user, const char *sentence)
{
	(void)user;
	log_aside("%s", sentence);
}

static int open_cloudwatch(struct logsink *s, const char *to, char *error,
			   size_t error_size)
{
	const struct credentials_options none = {0};
	CLEANUP_FREE char *group = strdup(to + strlen(CLOUDWATCH));
	char *colon = group ? strchr(group, ':') : NULL;
	struct cloudwatch_options o = {.group = group, .notice = notice};
	int r;

	/* Neither name can have a colon. */
	if (colon)
		*colon++ = '\0';
	o.stream = colon ?: s->task ?: "efsbridge";
	r = group ? credentials_new(&none, &s->credentials) : -ENOMEM;
	o.credentials = s->credentials;
	return r < 0 ? r
		     : cloudwatch_new(&o, &s->cloudwatch, error, error_size);
}

static void close_cloudwatch(struct logsink *s)
{
	struct cloudwatch_counts counts = {0};

	if (s->cloudwatch)
		s->cloudwatch =
		    cloudwatch_free(s->cloudwatch, FLUSH_MS, &counts);
	credentials_free(s->credentials);
	if (counts.dropped + counts.refused > 0)
		log_aside(
		    "CloudWatch Logs: %llu messages did not arrive",
		    (unsigned long long)(counts.dropped + counts.refused));
}

/* --- Life ----------------------------------------------------------------- */

/* Of a dry run nothing becomes of an entry. */
static unsigned levels(const struct logsink_setup *setup)
{
	const struct sync_options *o = setup->options;

	return o->log.level == LOGGED_TRANSFER && !o->dry_run
		   ? BASIC | LOG_BIT(LOG_ENTRY)
		   : BASIC;
}

/* What of it is to be on standard error, when that is the place. */
static unsigned stderr_levels(const struct logsink_setup *setup)
{
	unsigned bits = levels(setup);

	if (setup->verbose > 0)
		bits |= LOG_BIT(LOG_INFO);
	if (setup->verbose > 1)
		bits |= LOG_BIT(LOG_DEBUG);
	return setup->quiet && !setup->verbose ? LOG_BIT(LOG_ERROR) : bits;
}

void logsink_set_level(const struct logsink_setup *setup)
{
	const struct sync_log *l = &setup->options->log;

	if (setup->verbose > 0)
		log_set_level(setup->verbose > 1 ? LOG_DEBUG : LOG_INFO);
	else if (setup->quiet || l->level == LOGGED_NOTHING ||
		 place_of(l->to) != TO_STDERR)
		log_set_level(LOG_ERROR);
}

static int open_place(struct logsink *s, const char *to, char *error,
		      size_t error_size)
{
	int r = 0;

	switch (s->place) {
	case TO_FILE:
		s->path = strdup(to);
		r = s->file_fd = s->path ? open_file(to) : -ENOMEM;
		break;
	case TO_SYSLOG:
		r = systemlog_open();
		break;
	case TO_JOURNAL:
		r = s->fd = journal_open(JOURNAL_SOCKET);
		break;
	case TO_CLOUDWATCH:
		r = open_cloudwatch(s, to, error, error_size);
		break;
	default:
		break;
	}
	return r < 0 ? r : 0;
}

static struct logsink *create(const struct logsink_setup *setup)
{
	const struct sync_log *l = &setup->options->log;
	struct logsink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->place = place_of(l->to);
	s->json = l->json;
	s->fd = s->file_fd = -1;
	s->task = setup->task ? strdup(setup->task) : NULL;
	if (!setup->task || s->task)
		return s;
	return logsink_free(s);
}

int logsink_new(const struct logsink_setup *setup, struct logsink **ret,
		char *error, size_t error_size)
{
	const struct sync_log *l = &setup->options->log;
	const char *to = l->to ?: "stderr";
	bool plain = place_of(to) == TO_STDERR && !l->json &&
		     l->level != LOGGED_TRANSFER;
	struct logsink *s;
	int r;

	*ret = NULL;
	if (plain || l->level == LOGGED_NOTHING)
		return 0;
	s = create(setup);
	error[0] = '\0';
	r = s ? open_place(s, to, error, error_size) : -ENOMEM;
	if (r < 0) {
		if (error[0] == '\0')
			snprintf(error, error_size, "%s", strerror(-r));
		logsink_free(s);
		return r;
	}
	log_set_sink(put, s,
		     s->place == TO_STDERR ? stderr_levels(setup)
					   : levels(setup),
		     s->place == TO_STDERR);
	*ret = s;
	return 0;
}

struct logsink *logsink_free(struct logsink *s)
{
	if (!s)
		return NULL;
	log_set_sink(NULL, NULL, 0, false);
	close_cloudwatch(s);
	if (s->place == TO_SYSLOG)
		systemlog_close();
	if (s->fd >= 0)
		close(s->fd);
	if (s->file_fd >= 0)
		close(s->file_fd);
	if (s->dropped > 0)
		log_aside("the log: %llu messages were dropped",
			  (unsigned long long)s->dropped);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s->task);
	free(s);
	return NULL;
}
