/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * executions - several executions with the same two volumes, as the mounted
 * daemon has them, told line by line what to do.
 *
 *	executions STATE-DIRECTORY SOURCE DESTINATION
 *
 *	run	begins an execution
 *	cancel	cancels it, once
 *	wait	waits for its end and prints the status, "SUCCESS"
 *
 * Ends with its input; exit status 0, or 2 when something could not begin.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "sync/engine.h"
#include "sync/manifest.h"
#include "sync/summary.h"
#include "volume/location.h"
#include "volume/volume.h"

struct execution {
	struct engine *engine; /* NULL: none */
	pthread_t thread;
	enum engine_status status;
};

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

static void *execution_main(void *arg)
{
	struct execution *x = arg;

	x->status = engine_run(x->engine);
	return NULL;
}

static void begin(struct execution *x, const struct engine_setup *setup)
{
	if (x->engine || engine_new(setup, &x->engine) ||
	    pthread_create(&x->thread, NULL, execution_main, x))
		errx(2, "no execution can begin");
}

static void await(struct execution *x)
{
	pthread_join(x->thread, NULL);
	x->engine = engine_free(x->engine);
	printf("%s\n", summary_status(x->status));
	fflush(stdout);
}

static void obey(struct execution *x, const struct engine_setup *setup,
		 const char *word)
{
	if (!strcmp(word, "run"))
		begin(x, setup);
	else if (x->engine && !strcmp(word, "cancel"))
		engine_cancel(x->engine);
	else if (x->engine && !strcmp(word, "wait"))
		await(x);
	else
		errx(2, "%s: not now", word);
}

int main(int argc, char **argv)
{
	struct sync_options options = {0};
	struct engine_setup setup = {.options = &options};
	struct execution x = {0};
	char error[512];
	char word[16];

	if (argc != 4)
		errx(2, "usage: executions STATE SOURCE DESTINATION");
	setup.spill_directory = argv[1];
	for (int side = 0; side < SIDES; side++) {
		setup.location[side] = argv[2 + side];
		setup.volume[side] = open_volume(argv[2 + side]);
	}
	if (manifest_open(argv[1], argv[2], argv[3], &setup.manifest, error,
			  sizeof(error)))
		errx(2, "%s", error);
	while (scanf("%15s", word) == 1)
		obey(&x, &setup, word);
	if (x.engine)
		await(&x);
	for (int side = 0; side < SIDES; side++)
		volume_free(setup.volume[side]);
	return manifest_close(setup.manifest) ? 2 : 0;
}
