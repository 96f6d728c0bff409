/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/settings.h"

#define ERROR_SIZE 512

enum {
	OPT_STATE = 256,
	OPT_TASK,
	OPT_DRY_RUN,
	OPT_NO_QUEUE,
	OPT_QUIET,
	OPT_JSON,
	OPT_WATCH,
	OPT_NO_SYNC,
	OPT_INTERVAL,
	OPT_ONCE,
	OPT_SETTING, /* and on: the options of a task, by number */
};

static const struct option sync_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"task", required_argument, NULL, OPT_TASK},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"no-queue", no_argument, NULL, OPT_NO_QUEUE},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"json", no_argument, NULL, OPT_JSON},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const struct option mount_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"task", required_argument, NULL, OPT_TASK},
    {"no-queue", no_argument, NULL, OPT_NO_QUEUE},
    {"no-sync", no_argument, NULL, OPT_NO_SYNC},
    {"interval", required_argument, NULL, OPT_INTERVAL},
    {"once", no_argument, NULL, OPT_ONCE},
    {"options", required_argument, NULL, 'o'},
    {"foreground", no_argument, NULL, 'f'},
    {"debug", no_argument, NULL, 'd'},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const struct option status_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"task", required_argument, NULL, OPT_TASK},
    {"json", no_argument, NULL, OPT_JSON},
    {"watch", no_argument, NULL, OPT_WATCH},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const struct option history_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"task", required_argument, NULL, OPT_TASK},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* An option of the task; what is said of it must name it as it was written. */
static int take_setting(int number, struct options *o)
{
	size_t count;
	const struct setting *s = &settings_get(&count)[number];
	char error[ERROR_SIZE];

	if (settings_set(&o->sync, s->word, optarg, error, sizeof(error)) == 0)
		return 0;
	log_error("--%s=%s: %s", s->word, optarg, error);
	return -EINVAL;
}

static int take_view_options(struct options *o)
{
	char error[ERROR_SIZE];

	if (view_options_parse(optarg, &o->view, error, sizeof(error)) == 0)
		return 0;
	log_error("%s", error);
	return -EINVAL;
}

/* What only the mount has. */
static int take_mount_option(int opt, struct options *o)
{
	switch (opt) {
	case 'o':
		return take_view_options(o);
	case 'f':
		o->foreground = true;
		break;
	case 'd':
		o->view.debug = true;
		break;
	case OPT_NO_SYNC:
		o->no_sync = true;
		break;
	case OPT_ONCE:
		o->once = true;
		break;
	case OPT_INTERVAL:
		if (settings_parse_time(optarg, &o->interval_ns) == 0)
			break;
		log_error("--interval=%s: say a time like 30s, 15m, 2h or 1d",
			  optarg);
		return -EINVAL;
	default:
		return -EINVAL;
	}
	return 0;
}

/* One option of any command, whose table says which it has; getopt has
 * complained of an unknown one. */
static int take_option(int opt, struct options *o)
{
	switch (opt) {
	case OPT_STATE:
		o->state = optarg;
		break;
	case OPT_TASK:
		o->task = optarg;
		break;
	case OPT_DRY_RUN:
		o->sync.dry_run = true;
		break;
	case OPT_NO_QUEUE:
		o->no_queue = true;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_WATCH:
		o->watch = true;
		break;
	case 'v':
		o->verbose++;
		break;
	case 'h':
		o->help = true;
		break;
	case 'V':
		o->version = true;
		break;
	default:
		return opt >= OPT_SETTING ? take_setting(opt - OPT_SETTING, o)
					  : take_mount_option(opt, o);
	}
	return 0;
}

static int take_locations(struct options *o)
{
	if (o->operand_count != SIDES) {
		log_error("sync takes two locations, SOURCE and DESTINATION, "
			  "not %u; see efsbridge sync --help",
			  o->operand_count);
		return -EINVAL;
	}
	for (int side = 0; side < SIDES; side++)
		o->location[side] = o->operand[side];
	return 0;
}

/* What names one task, see target.h. */
static int take_target(struct options *o)
{
	unsigned max = o->state || o->task ? 0 : 2;

	/* Both locations, and where the state of their task lies. */
	if (o->operand_count <= max || o->operand_count == 2)
		return 0;
	log_error(max ? "give a mount point, the name of a task, or SOURCE and "
			"DESTINATION"
		      : "--state and --task say which task: leave the rest "
			"out");
	return -EINVAL;
}

static int take_mount(struct options *o)
{
	if (o->operand_count != SIDES + 1) {
		log_error("a mount takes SOURCE, DESTINATION and MOUNTPOINT, "
			  "and sync, status and history are the other "
			  "commands; see efsbridge --help");
		return -EINVAL;
	}
	for (int side = 0; side < SIDES; side++)
		o->location[side] = o->operand[side];
	o->mountpoint = o->operand[SIDES];
	if (o->no_sync && (o->once || o->interval_ns)) {
		log_error("--no-sync says not to copy, %s to do so: choose one",
			  o->once ? "--once" : "--interval");
		return -EINVAL;
	}
	if (o->view.debug) {
		o->foreground = true;
		o->verbose = 2;
	}
	return 0;
}

/* The words that say what to do; without one it is the mount. */
static const struct command_word {
	const char *word;
	enum command command;
	const char *short_options;
	const struct option *long_options; /* its own */
	bool settings;                     /* and those of a task */
	int (*take_operands)(struct options *o);
} command_words[] = {
    {"sync", COMMAND_SYNC, "vhV", sync_options, true, take_locations},
    {"status", COMMAND_STATUS, "hV", status_options, false, take_target},
    {"history", COMMAND_HISTORY, "hV", history_options, false, take_target},
};

static const struct command_word mount_word = {
    NULL, COMMAND_MOUNT, "o:fdvhV", mount_options, true, take_mount,
};

static const struct command_word *find_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_words); i++)
		if (!strcmp(word, command_words[i].word))
			return &command_words[i];
	return NULL;
}

/* What getopt_long() is told of `w`: the heap, or NULL. */
static struct option *list_options(const struct command_word *w)
{
	size_t count = 0;
	size_t settings_count;
	const struct setting *settings = settings_get(&settings_count);
	struct option *ret;

	while (w->long_options[count].name)
		count++;
	ret = calloc(count + settings_count + 1, sizeof(*ret));
	if (!ret)
		return NULL;
	memcpy(ret, w->long_options, count * sizeof(*ret));
	for (size_t i = 0; w->settings && i < settings_count; i++)
		ret[count + i] = (struct option){
		    .name = settings[i].word,
		    .has_arg =
			settings[i].expects ? required_argument : no_argument,
		    .val = OPT_SETTING + (int)i,
		};
	return ret;
}

static int parse_command(const struct command_word *w, int argc, char **argv,
			 struct options *o)
{
	CLEANUP_FREE struct option *long_options = list_options(w);
	int opt;

	if (!long_options) {
		log_error("out of memory");
		return -ENOMEM;
	}

	o->command = w->command;
	while ((opt = getopt_long(argc, argv, w->short_options, long_options,
				  NULL)) != -1) {
		if (take_option(opt, o) == 0)
			continue;
		log_error("see efsbridge%s%s --help", w->word ? " " : "",
			  w->word ? w->word : "");
		return -EINVAL;
	}
	if (o->help || o->version)
		return 0;
	o->operand = argv + optind;
	o->operand_count = (unsigned)(argc - optind);
	return w->take_operands(o);
}

int options_parse(int argc, char **argv, struct options *ret)
{
	const struct command_word *w;

	*ret = (struct options){0};
	if (argc < 2) {
		log_error("nothing to do; see efsbridge --help");
		return -EINVAL;
	}
	view_options_init(&ret->view);
	w = find_word(argv[1]);
	return w ? parse_command(w, argc - 1, argv + 1, ret)
		 : parse_command(&mount_word, argc, argv, ret);
}
