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

/* Lanes beyond this only fight for the slots of the sessions. */
#define JOBS_MAX 512

/* The longest --interval: ten years. */
#define INTERVAL_MAX_S (10ul * 365 * 86400)

#define ERROR_SIZE 512

enum {
	OPT_STATE = 256,
	OPT_TASK,
	OPT_VERIFY,
	OPT_DRY_RUN,
	OPT_NO_OWNER,
	OPT_NO_MODE,
	OPT_NO_TIMES,
	OPT_JOBS,
	OPT_NO_QUEUE,
	OPT_QUIET,
	OPT_JSON,
	OPT_WATCH,
	OPT_NO_SYNC,
	OPT_INTERVAL,
	OPT_ONCE,
};

static const struct option sync_options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"task", required_argument, NULL, OPT_TASK},
    {"verify", required_argument, NULL, OPT_VERIFY},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"no-owner", no_argument, NULL, OPT_NO_OWNER},
    {"no-mode", no_argument, NULL, OPT_NO_MODE},
    {"no-times", no_argument, NULL, OPT_NO_TIMES},
    {"jobs", required_argument, NULL, OPT_JOBS},
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
    {"verify", required_argument, NULL, OPT_VERIFY},
    {"no-owner", no_argument, NULL, OPT_NO_OWNER},
    {"no-mode", no_argument, NULL, OPT_NO_MODE},
    {"no-times", no_argument, NULL, OPT_NO_TIMES},
    {"jobs", required_argument, NULL, OPT_JOBS},
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

static int parse_verify(const char *text, enum sync_verify *ret)
{
	if (!strcmp(text, "transferred"))
		*ret = VERIFY_TRANSFERRED;
	else if (!strcmp(text, "all"))
		*ret = VERIFY_ALL;
	else if (!strcmp(text, "none"))
		*ret = VERIFY_NONE;
	else
		return -EINVAL;
	return 0;
}

static int parse_jobs(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || n < 1 ||
	    n > JOBS_MAX)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

/* "15m", "90s", "90": from a second to ten years. */
static int parse_interval(const char *text, int64_t *ret_ns)
{
	static const struct {
		char unit;
		unsigned long seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || n < 1 ||
	    (*end && end[1] != '\0'))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (*end != units[i].unit)
			continue;
		if (n > INTERVAL_MAX_S / units[i].seconds)
			return -EINVAL;
		*ret_ns = (int64_t)(n * units[i].seconds) * NS_PER_S;
		return 0;
	}
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
		if (parse_interval(optarg, &o->interval_ns) == 0)
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
	case OPT_VERIFY:
		if (parse_verify(optarg, &o->sync.verify) == 0)
			break;
		log_error("--verify=%s: say transferred, all or none", optarg);
		return -EINVAL;
	case OPT_DRY_RUN:
		o->sync.dry_run = true;
		break;
	case OPT_NO_OWNER:
		o->sync.no_owner = true;
		break;
	case OPT_NO_MODE:
		o->sync.no_mode = true;
		break;
	case OPT_NO_TIMES:
		o->sync.no_times = true;
		break;
	case OPT_JOBS:
		if (parse_jobs(optarg, &o->sync.jobs) == 0)
			break;
		log_error("--jobs=%s: say a number from 1 to %d", optarg,
			  JOBS_MAX);
		return -EINVAL;
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
		return take_mount_option(opt, o);
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
	const struct option *long_options;
	int (*take_operands)(struct options *o);
} command_words[] = {
    {"sync", COMMAND_SYNC, "vhV", sync_options, take_locations},
    {"status", COMMAND_STATUS, "hV", status_options, take_target},
    {"history", COMMAND_HISTORY, "hV", history_options, take_target},
};

static const struct command_word mount_word = {
    NULL, COMMAND_MOUNT, "o:fdvhV", mount_options, take_mount,
};

static const struct command_word *find_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_words); i++)
		if (!strcmp(word, command_words[i].word))
			return &command_words[i];
	return NULL;
}

static int parse_command(const struct command_word *w, int argc, char **argv,
			 struct options *o)
{
	int opt;

	o->command = w->command;
	while ((opt = getopt_long(argc, argv, w->short_options, w->long_options,
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
