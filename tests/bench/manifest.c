/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest - how fast rows are written, and how large they are.
 *
 *	manifest ROWS DIRECTORY
 *
 * Rows of verified files, 100 to a directory, put by one thread in order, as
 * one lane would; then an execution ends, so that all is on the disk. Prints
 * the rows, the microseconds until then, and the bytes of the closed database.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "sync/manifest.h"

#define FILES 100 /* in a directory */

/* A file as a server shows it: numbers that need all of their bytes. */
static struct manifest_row row_of(uint64_t n, uint64_t directory,
				  const char *name)
{
	int64_t time_ns = INT64_C(1700000000123456789) + (int64_t)n * 1000003;
	struct manifest_row row = {
	    .directory = directory,
	    .name = name,
	    .state = STATE_VERIFIED,
	    .type = ENTRY_FILE,
	    .destination_fileid = 7000000 + n,
	    .has_digest = true,
	    .execution = 1,
	    .source =
		{
		    .type = ENTRY_FILE,
		    .mode = 0644,
		    .uid = 1000,
		    .gid = 1000,
		    .size = 4096,
		    .nlink = 1,
		    .fileid = 4000000 + n,
		    .atime_ns = time_ns,
		    .mtime_ns = time_ns,
		    .ctime_ns = time_ns,
		    .change = (uint64_t)time_ns,
		},
	};

	row.digest = digest_of(&n, sizeof(n));
	return row;
}

static void put_rows(struct manifest *m, uint64_t rows)
{
	struct manifest_reader *r = manifest_reader_new(m);
	uint64_t directory = 0;
	char name[32];

	if (!r)
		errx(1, "no reader");
	for (uint64_t n = 0; n < rows; n++) {
		struct manifest_row row;

		if (n % FILES == 0) {
			snprintf(name, sizeof(name), "dir-%05" PRIu64,
				 n / FILES);
			if (manifest_directory(r, MANIFEST_ROOT, name, name,
					       &directory))
				errx(1, "%s: no directory", name);
		}
		snprintf(name, sizeof(name), "file-%07" PRIu64, n % FILES);
		row = row_of(n, directory, name);
		if (manifest_put(m, &row))
			errx(1, "%s: not taken", name);
	}
	manifest_reader_free(r);
}

int main(int argc, char **argv)
{
	struct manifest_execution e = {.status = "SUCCESS", .summary = "{}"};
	uint64_t rows = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	struct manifest *m;
	struct stat st;
	char error[512], *path;
	int64_t start_ns;
	int r;

	if (rows == 0)
		errx(2, "usage: manifest ROWS DIRECTORY");
	if (manifest_open(argv[2], "source", "destination", &m, error,
			  sizeof(error)) < 0)
		errx(1, "%s", error);
	start_ns = clock_now_ns();
	if (manifest_begin(m, &e) < 0)
		errx(1, "no execution");
	put_rows(m, rows);
	r = manifest_end(m, &e);
	start_ns = clock_now_ns() - start_ns;
	if (r < 0 || (r = manifest_close(m)) < 0)
		errx(1, "%s", strerror(-r));
	if (asprintf(&path, "%s/manifest.db", argv[2]) < 0)
		err(1, "asprintf");
	if (stat(path, &st) < 0)
		err(1, "%s", path);
	printf("%" PRIu64 " %" PRId64 " %jd\n", rows, start_ns / 1000,
	       (intmax_t)st.st_size);
	free(path);
	return 0;
}
