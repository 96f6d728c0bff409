/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * volume_read - reads a file as the plain client does, without a mount.
 *
 *	volume_read LOCATION PATH [IN-FLIGHT]
 *
 * Ranges of 1 MiB, IN-FLIGHT of them at a time (16). Prints how many bytes it
 * read and in how many microseconds, the opening of the volume not counted:
 * what a reader of the mount is measured by.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/ranges.h"
#include "volume/location.h"
#include "volume/volume.h"

static struct volume *open_volume(const char *text)
{
	struct location *location;
	struct volume *v;
	char error[512];

	if (location_parse(text, &location, error, sizeof(error)))
		errx(2, "%s", error);
	if (volume_open_location(location, &v, error, sizeof(error)))
		errx(2, "%s", error);
	location_free(location);
	return v;
}

/* The file's handle and size, by one lookup for each part of its path. */
static struct handle *find(struct volume *v, const char *path,
			   uint64_t *ret_size)
{
	struct handle *at = handle_dup(volume_get_info(v)->root);
	CLEANUP_FREE char *copy = strdup(path);
	char *state = NULL;

	if (!at || !copy)
		errx(2, "out of memory");
	for (char *name = strtok_r(copy, "/", &state); name;
	     name = strtok_r(NULL, "/", &state)) {
		struct volume_lookup lookup = {.dir = at, .name = name};

		volume_run(v, VOLUME_LOOKUP, &lookup, 1);
		if (lookup.result)
			errx(2, "%s: %s", path, strerror(-lookup.result));
		*ret_size = lookup.ret_attr.size;
		free(at);
		at = lookup.ret_handle;
	}
	return at;
}

/* All of it, in order. */
static uint64_t read_all(struct volume *v, const struct handle *file,
			 uint64_t size, unsigned in_flight)
{
	struct range_reader *reader =
	    range_reader_new(v, file, 0, size, in_flight, NULL);
	const uint8_t *data;
	struct blob *blob;
	uint64_t bytes = 0;
	size_t len;
	int r;

	if (!reader)
		errx(2, "out of memory");
	while ((r = range_reader_next(reader, &data, &len, &blob)) == 1) {
		bytes += len;
		blob_unref(blob);
	}
	range_reader_free(reader);
	if (r)
		errx(1, "reading failed: %s", strerror(-r));
	return bytes;
}

int main(int argc, char **argv)
{
	unsigned long in_flight;
	struct handle *file;
	struct volume *v;
	uint64_t size = 0, bytes;
	int64_t start_ns;

	if (argc < 3 || argc > 4)
		errx(2, "usage: volume_read LOCATION PATH [IN-FLIGHT]");
	in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 16;
	if (in_flight < 1 || in_flight > 1024)
		errx(2, "%s in flight: not a number from 1 to 1024", argv[3]);
	v = open_volume(argv[1]);
	file = find(v, argv[2], &size);
	start_ns = clock_now_ns();
	bytes = read_all(v, file, size, (unsigned)in_flight);
	printf("%ju %jd\n", (uintmax_t)bytes,
	       (intmax_t)((clock_now_ns() - start_ns) / 1000));
	free(file);
	volume_free(v);
	return 0;
}
