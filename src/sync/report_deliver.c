/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reports on their way to S3. They wait in DIR/reports of the state directory
 * under the names that they are to have below the prefix; a file is removed
 * when it has arrived.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "aws/s3.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "sync/report.h"

#define ERROR_SIZE 1024

struct delivery {
	struct s3 *s3;
	const char *directory;
	unsigned arrived, left;
};

/* Whole reports only; what a killed run left behind never becomes whole. */
static void deliver_file(struct delivery *d, const char *path)
{
	const char *name = path + strlen(d->directory) + 1;
	size_t len = strlen(path);
	char error[ERROR_SIZE];

	if (len < 5 || strcmp(path + len - 5, ".json") != 0)
		return;
	if (s3_upload(d->s3, path, name, "application/json", error,
		      sizeof(error)) < 0) {
		d->left++;
		if (d->left == 1)
			log_error("report: %s", error);
		return;
	}
	d->arrived++;
	if (unlink(path) < 0)
		log_warning("%s: %s: it was uploaded and stays", path,
			    strerror(errno));
}

static void walk(struct delivery *d, const atomic_bool *cancel)
{
	char *const roots[] = {(char *)(uintptr_t)d->directory, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	while (fts && (e = fts_read(fts)) && !atomic_load(cancel)) {
		if (e->fts_info == FTS_F)
			deliver_file(d, e->fts_path);
		else if (e->fts_info == FTS_DP && e->fts_level > 0)
			/* Only what is empty goes. */
			(void)rmdir(e->fts_path);
	}
	if (fts)
		fts_close(fts);
}

static void deliver(const struct report_options *o, const char *directory,
		    struct credentials *credentials, const atomic_bool *cancel)
{
	struct delivery d = {.directory = directory};
	const struct s3_options options = {
	    .credentials = credentials,
	    .cancel = cancel,
	};
	char error[ERROR_SIZE];

	if (s3_new(o->to, &options, &d.s3, error, sizeof(error)) < 0) {
		log_error("report: %s; it stays in %s", error, directory);
		return;
	}
	walk(&d, cancel);
	s3_free(d.s3);
	if (d.left > 0)
		log_error("report: %u files could not be uploaded to %s; they "
			  "stay in %s, and the next run tries again",
			  d.left, o->to, directory);
	else if (d.arrived > 0)
		log_info("report: %u files uploaded to %s", d.arrived, o->to);
}

void report_deliver(const struct report_options *options,
		    const char *state_directory, const atomic_bool *cancel)
{
	CLEANUP_FREE char *directory = NULL;
	const struct credentials_options none = {0};
	struct credentials *credentials;

	if (options->output == REPORT_NONE || !options->to ||
	    !s3_is_url(options->to))
		return;
	directory = report_directory(options, state_directory);
	if (!directory || credentials_new(&none, &credentials) < 0) {
		log_error("out of memory: the report is not uploaded");
		return;
	}
	deliver(options, directory, credentials, cancel);
	credentials_free(credentials);
}
