/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pair.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "options.h"
#include "volume/location.h"
#include "volume/volume.h"

#define ERROR_SIZE 1024

int pair_parse(const struct options *o, struct location *ret[SIDES])
{
	char error[ERROR_SIZE];

	for (enum side side = 0; side < SIDES; side++) {
		int r = location_parse_with(o->location[side],
					    o->location_options[side],
					    &ret[side], error, sizeof(error));

		if (r < 0) {
			log_error("%s: %s", side_name(side), error);
			return r;
		}
	}
	ret[DESTINATION]->to_write = true;
	return 0;
}

/* What can be compared: a path of the server, or of this machine, heap. */
static char *real_path(const struct location *l)
{
	return l->kind == LOCATION_DIRECTORY ? realpath(l->path, NULL)
					     : strdup(l->path);
}

int pair_check_apart(struct location *const location[SIDES])
{
	const struct location *a = location[SOURCE];
	const struct location *b = location[DESTINATION];
	CLEANUP_FREE char *source = NULL;
	CLEANUP_FREE char *destination = NULL;

	if (a->kind != b->kind)
		return 0;
	if (a->kind == LOCATION_NFS &&
	    (strcasecmp(a->host, b->host) || a->port != b->port))
		return 0;
	/* Paths begin at the roots of the access points, wherever those are. */
	if (a->access_point && b->access_point &&
	    strcmp(a->access_point, b->access_point) != 0)
		return 0;
	if (!a->access_point != !b->access_point) {
		log_error("one side is reached through an access point and the "
			  "other is the same file system without: one may lie "
			  "inside the other");
		return -EINVAL;
	}
	source = real_path(a);
	destination = real_path(b);
	if (!source || !destination ||
	    (!location_is_within(source, destination) &&
	     !location_is_within(destination, source)))
		return 0;
	log_error("source and destination are the same or one lies inside "
		  "the other: give two separate trees");
	return -EINVAL;
}

const char *pair_local(struct location *const location[SIDES], enum side side)
{
	const struct location *l = location[side];

	return l->kind == LOCATION_DIRECTORY ? l->path : NULL;
}

struct opening {
	const struct location *location;
	struct volume **volume;
	int result;
	char error[ERROR_SIZE];
};

static void *open_one(void *arg)
{
	struct opening *o = arg;

	o->result = volume_open_location(o->location, o->volume, o->error,
					 sizeof(o->error));
	return NULL;
}

enum exit_status pair_open(struct location *const location[SIDES],
			   struct volume *ret[SIDES])
{
	struct opening open[SIDES] = {
	    {.location = location[SOURCE], .volume = &ret[SOURCE]},
	    {.location = location[DESTINATION], .volume = &ret[DESTINATION]},
	};
	pthread_t thread;
	bool threaded =
	    pthread_create(&thread, NULL, open_one, &open[SOURCE]) == 0;

	open_one(&open[DESTINATION]);
	if (threaded)
		pthread_join(thread, NULL);
	else
		open_one(&open[SOURCE]);
	for (enum side side = 0; side < SIDES; side++)
		if (open[side].result < 0)
			log_error("%s: %s", side_name(side), open[side].error);
	return open[SOURCE].result < 0 || open[DESTINATION].result < 0
		   ? EXIT_UNREACHABLE
		   : EXIT_DONE;
}
