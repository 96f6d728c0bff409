/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `efsbridge set`: changes options of a run that is under way. A mount is told
 * by its .sync/control, a run in the foreground by the mailbox in its state
 * directory. What is asked for is looked at here already, so that there is
 * nothing left to be refused but a side that is not there.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "options.h"
#include "sync/engine.h"
#include "sync/mailbox.h"
#include "sync/settings.h"
#include "target.h"

#define ERROR_SIZE 512

/* How long a run in the foreground may take to look into its mailbox: one that
 * still reaches for a side does not. */
#define PATIENCE_NS (5 * NS_PER_S)

/* "word=value", tried on nobody's options. */
static int check(const char *change)
{
	CLEANUP_FREE char *word = strdup(change);
	struct sync_options scratch = {0};
	char error[ERROR_SIZE];
	char *value;
	int r;

	if (!word)
		return -ENOMEM;
	value = strchr(word, '=');
	*value++ = '\0';
	r = settings_set_live(&scratch, word, value, error, sizeof(error));
	settings_done(&scratch);
	if (r < 0)
		log_error("%s: %s", change, error);
	return r < 0 ? -EINVAL : 0;
}

/* All of them, a line each; heap, or NULL. */
static char *make_text(const struct options *o)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (unsigned i = 0; i < o->change_count; i++)
		fprintf(f, "%s\n", o->change[i]);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* In one piece, so that all is understood or nothing. */
static int write_control(const struct target *t, const char *text)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSE int fd = -1;
	ssize_t n, len = (ssize_t)strlen(text);

	if (asprintf(&path, "%s/%s/control", t->mount.mountpoint,
		     t->mount.sync_directory) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = write(fd, text, (size_t)len);
	return n < 0 ? -errno : n < len ? -EIO : 0;
}

/* What stands against it, and what to do. */
static const char *remedy(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return ": only root and who runs it may";
	case -EROFS:
		return ": it is mounted with -o ro";
	case -ETIMEDOUT:
		return ": it has not begun yet, or hangs; try again";
	default:
		return "";
	}
}

static int change(const struct target *t, const char *text)
{
	const char *who =
	    t->mounted ? t->mount.mountpoint : t->name ?: t->directory;
	int r;

	if (!t->held) {
		log_error("%s: nobody runs it: give the options to the next "
			  "run",
			  who);
		return -EINVAL;
	}
	r = t->mounted ? write_control(t, text)
		       : mailbox_post(t->directory, text, PATIENCE_NS);
	if (r < 0)
		log_error("%s: nothing was changed: %s%s", who, strerror(-r),
			  remedy(r));
	return r;
}

enum exit_status command_set(const struct options *o)
{
	CLEANUP_FREE char *text = NULL;
	struct target t;
	int r = 0;

	for (unsigned i = 0; i < o->change_count && r == 0; i++)
		r = check(o->change[i]);
	if (r < 0)
		return EXIT_USAGE;
	text = make_text(o);
	r = text ? target_find(o, &t) : -ENOMEM;
	if (r == -ENOENT)
		log_error("which task? efsbridge status lists them");
	if (r < 0)
		return EXIT_USAGE;
	r = change(&t, text);
	target_done(&t);
	return r == 0 ? EXIT_DONE
	       : r == -ETIMEDOUT || r == -ENOTCONN || r == -EIO
		   ? EXIT_UNREACHABLE
		   : EXIT_USAGE;
}
