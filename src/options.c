/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Lanes beyond this only fight for the slots of the sessions. */
#define JOBS_MAX 512

enum {
	OPT_STATE = 256,
	OPT_TASK,
	OPT_VERIFY,
	OPT_DRY_RUN,
	OPT_NO_OWNER,
	OPT_NO_MODE,
	OPT_NO_TIMES,
	OPT_JOBS,
	OPT_QUIET,
	OPT_JSON,
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
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"json", no_argument, NULL, OPT_JSON},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static const char program_help[] =
    "Usage: efsbridge sync [options] SOURCE DESTINATION\n"
    "       efsbridge --help | --version\n"
    "\n"
    "Copies one NFS file system to another, verified and recorded.\n"
    "\n"
    "  sync            one run in the foreground: see efsbridge sync --help\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "The manual is efsbridge(1).\n";

static const char sync_help[] =
    "Usage: efsbridge sync [options] SOURCE DESTINATION\n"
    "\n"
    "Makes DESTINATION hold what SOURCE holds; entries that only DESTINATION\n"
    "has are kept. A location is one of:\n"
    "  host:/path\n"
    "  nfs://host[:port]/path[?vers=4.1&conns=N&uid=N&gid=N&deadline=SECONDS]\n"
    "  /local/directory\n"
    "\n"
    "  --verify=WHAT   transferred (default): read back what was copied;\n"
    "                  all: and compare unchanged files on both sides; none\n"
    "  --dry-run       list what would be done and why, change nothing\n"
    "  --no-owner      do not preserve owner and group\n"
    "  --no-mode       do not preserve permission bits\n"
    "  --no-times      do not preserve modification and access times\n"
    "  --jobs=N        batches and large files carried at once (default: by\n"
    "                  the round trip)\n"
    "  --state=DIR     directory of the task's manifest\n"
    "  --task=NAME     name of the task, default: made from the locations\n"
    "  --quiet         print nothing but errors\n"
    "  --json          print a summary as JSON on standard output at the end\n"
    "  -v, --verbose   name each entry that is copied\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 all done; 1 done, but entries failed or differ; 2 usage;\n"
    "3 a side could not be reached or was lost; 130 interrupted, go on with\n"
    "the same command. The manual is efsbridge(1).\n";

void options_print_help(enum command command)
{
	fputs(command == COMMAND_SYNC_HELP ? sync_help : program_help, stdout);
}

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

/* One option of `sync`; getopt has complained of an unknown one. */
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
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case 'v':
		o->verbose++;
		break;
	case 'h':
		o->command = COMMAND_SYNC_HELP;
		break;
	case 'V':
		o->command = COMMAND_VERSION;
		break;
	default:
		log_error("see efsbridge sync --help");
		return -EINVAL;
	}
	return 0;
}

static int parse_sync(int argc, char **argv, struct options *o)
{
	int opt, r;

	o->command = COMMAND_SYNC;
	while ((opt = getopt_long(argc, argv, "vhV", sync_options, NULL)) !=
	       -1) {
		r = take_option(opt, o);
		if (r < 0)
			return r;
	}
	if (o->command != COMMAND_SYNC)
		return 0;
	if (argc - optind != SIDES) {
		log_error("sync takes two locations, SOURCE and DESTINATION, "
			  "not %d; see efsbridge sync --help",
			  argc - optind);
		return -EINVAL;
	}
	o->location[SOURCE] = argv[optind];
	o->location[DESTINATION] = argv[optind + 1];
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	*ret = (struct options){0};
	if (argc < 2) {
		log_error("nothing to do; see efsbridge --help");
		return -EINVAL;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		ret->command = COMMAND_HELP;
	else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		ret->command = COMMAND_VERSION;
	else if (!strcmp(argv[1], "sync"))
		return parse_sync(argc - 1, argv + 1, ret);
	else {
		log_error("%s: no such command; see efsbridge --help", argv[1]);
		return -EINVAL;
	}
	return 0;
}
