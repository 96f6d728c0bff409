/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether both roots are those of the last run, as a run asks before it begins
 * (check_roots() in sync/engine.c). */
#include "doctor_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sync/engine.h"
#include "sync/manifest.h"

#define ERROR_SIZE 1024

static bool tell_roots(struct doctor *d, const uint64_t before[SIDES])
{
	bool same = true;

	for (enum side side = 0; side < SIDES; side++) {
		const struct volume_info *info =
		    volume_get_info(d->volume[side]);

		if (info->root_attr.fileid == before[side]) {
			doctor_say(d, "root", side, DOCTOR_OK, NULL,
				   "its root is the directory that it was in "
				   "the last run");
			continue;
		}
		same = false;
		doctor_say(d, "root", side, DOCTOR_FAIL,
			   "See that the right one is mounted there; if it is "
			   "meant to be another, say so with --new-root.",
			   "%s: its root is not the directory that it was in "
			   "the last run",
			   info->location);
	}
	return same;
}

/* 1: `ret` is what the last run found; 0: there is none; or negative. */
static int get_roots(const char *directory, uint64_t ret[SIDES], char *error,
		     size_t error_size)
{
	struct manifest_reader *reader;
	struct manifest *m;
	int r = manifest_open_read(directory, &m, error, error_size);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	reader = manifest_reader_new(m);
	r = reader ? manifest_get_roots(reader, ret) : -ENOMEM;
	manifest_reader_free(reader);
	manifest_close(m);
	if (r < 0)
		snprintf(error, error_size,
			 "%s: the manifest cannot be read: %s", directory,
			 strerror(-r));
	return r;
}

bool doctor_root(struct doctor *d)
{
	uint64_t before[SIDES];
	char error[ERROR_SIZE];
	int r;

	if (!d->setup->state_directory || d->setup->options->new_root)
		return true;
	r = get_roots(d->setup->state_directory, before, error, sizeof(error));
	if (r > 0)
		return tell_roots(d, before);
	if (r < 0)
		doctor_say(d, "root", SIDES, DOCTOR_FAIL,
			   "Move the manifest away, and the next run compares "
			   "all entries and makes a new one.",
			   "%s", error);
	return true;
}
