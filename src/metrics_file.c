/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/snapshot.h"
#include "view/picture.h"
#include "view/render.h"

/* `path` ends in XXXXXX. The exporter takes no name that ends so, and may be
 * another user. NULL with errno. */
static FILE *create(char *path)
{
	int fd = mkostemp(path, O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	int error = errno;

	if (f)
		(void)fchmod(fd, 0644);
	if (!f && fd >= 0) {
		close(fd);
		unlink(path);
	}
	errno = error;
	return f;
}

static int replace(const char *path, const struct picture *p)
{
	CLEANUP_FREE char *temporary = NULL;
	FILE *f;
	bool bad;
	int r = 0;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	f = create(temporary);
	if (!f)
		return -errno;
	render_metrics(f, p);
	bad = ferror(f);
	if (fclose(f) != 0)
		r = -errno;
	else if (bad)
		r = -EIO;
	else if (rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

void metrics_file_update(struct metrics_file *m, const char *task,
			 const struct snapshot *s, bool now)
{
	const struct picture p = {
	    .task = task,
	    .location = {m->location[SOURCE], m->location[DESTINATION]},
	    .snapshot = *s,
	};
	int r;

	if (!m->path || (!now && clock_now_ns() < m->next_ns))
		return;
	m->next_ns = clock_now_ns() + METRICS_FILE_INTERVAL_S * NS_PER_S;
	r = replace(m->path, &p);
	if (r < 0 && !m->failed)
		log_error("%s: the metrics are not written: %s", m->path,
			  strerror(-r));
	m->failed = r < 0;
}
