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
#include "conf.h"
#include "options_conf.h"
#include "sync/settings.h"
#include "sync/task.h"

#define ERROR_SIZE 512

/* How long estimate copies when it is not told. */
#define SAMPLE_NS (10 * NS_PER_S)

enum {
	OPT_CONFIG = 256,
	OPT_STATE,
	OPT_TASK,
	OPT_DRY_RUN,
	OPT_NO_QUEUE,
	OPT_MAX_WAIT,
	OPT_QUIET,
	OPT_JSON,
	OPT_CSV,
	OPT_HTML,
	OPT_WATCH,
	OPT_NO_CONNECT,
	OPT_SAMPLE,
	OPT_NO_SYNC,
	OPT_INTERVAL,
	OPT_ONCE,
	OPT_SETTING, /* and on: the options of a task, by number */
};

#define OF(name) (1u << COMMAND_##name)
#define RUNS     (OF(SYNC) | OF(VERIFY) | OF(CUTOVER) | OF(CHECK))
#define ANY      (~0u)

/* The options of the commands; those of a task are in settings.h. */
static const struct command_option {
	struct option option;
	unsigned of; /* the commands that have it: OF() of each */
} command_options[] = {
    {{"config", required_argument, NULL, OPT_CONFIG}, ANY},
    {{"state", required_argument, NULL, OPT_STATE}, ANY},
    {{"task", required_argument, NULL, OPT_TASK}, ANY},
    /* A command line of sync can be checked as it is. */
    {{"dry-run", no_argument, NULL, OPT_DRY_RUN}, OF(SYNC) | OF(CHECK)},
    {{"no-connect", no_argument, NULL, OPT_NO_CONNECT}, OF(CHECK)},
    {{"no-queue", no_argument, NULL, OPT_NO_QUEUE}, RUNS | OF(MOUNT)},
    {{"max-wait", required_argument, NULL, OPT_MAX_WAIT},
     OF(SYNC) | OF(CUTOVER) | OF(CHECK) | OF(MOUNT)},
    {{"no-sync", no_argument, NULL, OPT_NO_SYNC}, OF(MOUNT)},
    {{"interval", required_argument, NULL, OPT_INTERVAL}, OF(MOUNT)},
    {{"once", no_argument, NULL, OPT_ONCE}, OF(MOUNT)},
    {{"options", required_argument, NULL, 'o'}, OF(MOUNT)},
    {{"foreground", no_argument, NULL, 'f'}, OF(MOUNT)},
    {{"debug", no_argument, NULL, 'd'}, OF(MOUNT)},
    {{"sample", optional_argument, NULL, OPT_SAMPLE}, OF(ESTIMATE)},
    {{"watch", no_argument, NULL, OPT_WATCH}, OF(STATUS)},
    {{"csv", no_argument, NULL, OPT_CSV}, OF(REPORT)},
    {{"html", no_argument, NULL, OPT_HTML}, OF(REPORT)},
    {{"json", no_argument, NULL, OPT_JSON}, ANY & ~(OF(MOUNT) | OF(SET))},
    {{"quiet", no_argument, NULL, OPT_QUIET}, RUNS | OF(ESTIMATE) | OF(MOUNT)},
    {{"verbose", no_argument, NULL, 'v'}, RUNS | OF(ESTIMATE) | OF(MOUNT)},
    {{"help", no_argument, NULL, 'h'}, ANY},
    {{"version", no_argument, NULL, 'V'}, ANY},
};

/* An option of the task; what is said of it must name it as it was written. */
static int take_setting(int number, struct options *o)
{
	size_t count;
	const struct setting *s = &settings_get(&count)[number];
	char error[ERROR_SIZE];

	if (settings_set(&o->sync, s->word, optarg, error, sizeof(error)) == 0)
		return 0;
	log_error("--%s%s%s: %s", s->word, optarg ? "=" : "",
		  optarg ? optarg : "", error);
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
	case OPT_CONFIG: /* taken already */
		break;
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
	case OPT_MAX_WAIT:
		if (settings_parse_time(optarg, &o->max_wait_ns) == 0)
			break;
		log_error("--max-wait=%s: say a time like 30s, 15m, 2h or 1d",
			  optarg);
		return -EINVAL;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_CSV:
		o->csv = true;
		break;
	case OPT_HTML:
		o->html = true;
		break;
	case OPT_SAMPLE:
		o->sample_ns = SAMPLE_NS;
		if (!optarg || settings_parse_time(optarg, &o->sample_ns) == 0)
			break;
		log_error("--sample=%s: say a time like 30s or 5m", optarg);
		return -EINVAL;
	case OPT_NO_CONNECT:
		o->no_connect = true;
		break;
	case OPT_WATCH:
		o->watch = true;
		break;
	case '0':
		o->sync.from0 = true;
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

/* --- The configuration ---------------------------------------------------- */

static int load_config(struct options *o)
{
	CLEANUP_FREE char *path = NULL;
	char error[CONF_ERROR_SIZE];
	int r;

	if (o->config)
		return 0;
	path = conf_locate(o->config_path);
	if (!path) {
		log_error("out of memory");
		return -ENOMEM;
	}
	r = conf_load(path, &o->config, error);
	/* A file that nobody has named need not be there. */
	if (r < 0 && (o->config_path || (r != -ENOENT && r != -EACCES)))
		log_error("%s", error);
	return r;
}

static bool is_needless(const struct options *o, int error)
{
	return !o->config_path && (error == -ENOENT || error == -EACCES);
}

/*
 * What the configuration says of a task. A task that is only looked at may be
 * known without it.
 */
static int take_named(struct options *o, bool must_be_there)
{
	const char *name = o->operand[0];
	CLEANUP_FREE char *path = NULL;
	char error[CONF_ERROR_SIZE];
	int r = load_config(o);

	if (r < 0 && is_needless(o, r)) {
		if (!must_be_there)
			return 0;
		path = conf_locate(NULL);
		log_error("%s: neither a task, for %s cannot be read (%s), "
			  "nor two locations",
			  name, path ? path : "the configuration",
			  strerror(-r));
	}
	if (r < 0)
		return r;
	r = options_conf_take(o, o->config, name, error);
	if (r == -ENOENT && !must_be_there)
		return 0;
	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	o->named = true;
	o->operand++;
	o->operand_count--;
	return 0;
}

/* A location as it was given, or the name of one. */
static int take_location(struct options *o, enum side side, const char *word)
{
	char error[CONF_ERROR_SIZE];
	int r;

	o->location[side] = word;
	if (!task_is_name(word))
		return 0;
	r = load_config(o);
	if (r < 0)
		return is_needless(o, r) ? 0 : r;
	r = options_conf_locate(o, o->config, side, word, error);
	/* What is missing from the word itself is said when it is parsed. */
	if (r == 0 || r == -ENOENT)
		return 0;
	log_error("%s", error);
	return r;
}

static int take_pair(struct options *o)
{
	int r = 0;

	for (enum side side = 0; side < SIDES && r == 0; side++)
		r = take_location(o, side, o->operand[side]);
	return r;
}

/* --- Operands ------------------------------------------------------------- */

static int take_locations(struct options *o)
{
	if (o->named)
		return 0;
	if (o->operand_count == SIDES)
		return take_pair(o);
	log_error("%s takes two locations, SOURCE and DESTINATION, or the "
		  "name of a task in the configuration; see efsbridge %s "
		  "--help",
		  o->word, o->word);
	return -EINVAL;
}

/* Without locations it is the configuration that is checked. */
static int take_checked(struct options *o)
{
	return !o->named && o->operand_count == 0 ? 0 : take_locations(o);
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

/* Is it "word=.."? No location is, nor the name of a task; a path may be. */
static bool is_change(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz-");

	return len > 0 && text[len] == '=';
}

/* What stands behind the task. */
static void split_changes(struct options *o)
{
	while (o->operand_count > 0 &&
	       is_change(o->operand[o->operand_count - 1])) {
		o->operand_count--;
		o->change_count++;
	}
	o->change = o->operand + o->operand_count;
}

/* The number of a run behind the task. A number alone is a task's name, unless
 * --state or --task `told` which it is. */
static void split_execution(struct options *o, bool told)
{
	const char *last =
	    o->operand_count > 0 ? o->operand[o->operand_count - 1] : "";

	if (!*last || last[strspn(last, "0123456789")] ||
	    (o->operand_count == 1 && !told))
		return;
	o->execution = strtoull(last, NULL, 10);
	/* None has this number. */
	if (o->execution == 0)
		o->execution = UINT64_MAX;
	o->operand_count--;
}

static int take_reported(struct options *o)
{
	if (o->csv + o->json + o->html <= 1)
		return take_target(o);
	log_error("--csv, --json and --html are different forms: choose one");
	return -EINVAL;
}

static int take_changes(struct options *o)
{
	if (o->change_count > 0)
		return take_target(o);
	log_error("say what to change: bwlimit=20M, iops-limit=1000, jobs=8");
	return -EINVAL;
}

static int take_mount(struct options *o)
{
	unsigned locations = o->named ? 0 : SIDES;

	if (o->operand_count != locations + 1) {
		log_error("a mount takes SOURCE, DESTINATION and MOUNTPOINT, "
			  "or the name of a task in the configuration and "
			  "MOUNTPOINT; for the other commands see efsbridge "
			  "--help");
		return -EINVAL;
	}
	if (!o->named && take_pair(o) < 0)
		return -EINVAL;
	o->mountpoint = o->operand[locations];
	if (o->no_sync && (o->once || o->interval_ns)) {
		log_error("--no-sync says not to copy, %s to do so: choose one",
			  o->once ? "--once" : "--interval");
		return -EINVAL;
	}
	if (o->sync.files_from && !strcmp(o->sync.files_from, "-")) {
		log_error(
		    "--files-from=-: a mount reads the list anew for each "
		    "run: give a file");
		return -EINVAL;
	}
	if (o->view.debug) {
		o->foreground = true;
		o->verbose = 2;
	}
	return 0;
}

/* A proof of a part is none, and of what is not read neither. */
static int take_cutover(struct options *o)
{
	if (o->sync.files_from || o->sync.transfer == TRANSFER_ALL) {
		log_error("cutover compares the whole trees: leave "
			  "--files-from and --transfer-mode=all out");
		return -EINVAL;
	}
	return take_locations(o);
}

/* The words that say what to do; without one it is the mount. */
static const struct command_word {
	const char *word;
	enum command command;
	const char *short_options;
	bool settings;  /* has the options of a task too */
	unsigned named; /* how many operands there are when the first one is
			   the name of a task */
	bool looks;     /* only looks at tasks, also at those that are not in
			   the configuration */
	int (*take_operands)(struct options *o);
} command_words[] = {
    {"sync", COMMAND_SYNC, "0vhV", true, 1, false, take_locations},
    {"verify", COMMAND_VERIFY, "0vhV", true, 1, false, take_locations},
    {"cutover", COMMAND_CUTOVER, "vhV", true, 1, false, take_cutover},
    {"check", COMMAND_CHECK, "0vhV", true, 1, false, take_checked},
    {"estimate", COMMAND_ESTIMATE, "0vhV", true, 1, false, take_locations},
    {"status", COMMAND_STATUS, "hV", false, 1, true, take_target},
    {"history", COMMAND_HISTORY, "hV", false, 1, true, take_target},
    {"report", COMMAND_REPORT, "hV", false, 1, true, take_reported},
    {"set", COMMAND_SET, "hV", false, 1, true, take_changes},
};

static const struct command_word mount_word = {
    NULL, COMMAND_MOUNT, "o:0fdvhV", true, 2, false, take_mount,
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
	struct option *ret = calloc(
	    ARRAY_SIZE(command_options) + settings_count + 1, sizeof(*ret));

	if (!ret)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(command_options); i++)
		if (command_options[i].of & 1u << w->command)
			ret[count++] = command_options[i].option;
	for (size_t i = 0; w->settings && i < settings_count; i++)
		ret[count++] = (struct option){
		    .name = settings[i].word,
		    /* --no-mode=no takes back what the configuration says. */
		    .has_arg = settings[i].expects ? required_argument
						   : optional_argument,
		    .val = OPT_SETTING + (int)i,
		};
	return ret;
}

/* What has to be known of the command line before the rest of it is taken,
 * since that goes over the configuration. */
static int look_ahead(const struct command_word *w, const struct option *all,
		      int argc, char **argv, struct options *o)
{
	bool told = false;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, w->short_options, all, NULL)) !=
	       -1) {
		if (opt == '?')
			return -EINVAL;
		if (opt == 'h')
			o->help = true;
		else if (opt == 'V')
			o->version = true;
		else if (opt == OPT_CONFIG)
			o->config_path = optarg;
		else if (opt == OPT_STATE || opt == OPT_TASK)
			told = true;
		else if (opt == OPT_NO_SYNC)
			o->no_sync = true;
		else if (opt == OPT_ONCE)
			o->once = true;
		else if (opt == OPT_INTERVAL)
			o->interval_ns = 1;
	}
	o->operand = argv + optind;
	o->operand_count = (unsigned)(argc - optind);
	if (w->command == COMMAND_SET)
		split_changes(o);
	else if (w->command == COMMAND_REPORT)
		split_execution(o, told);
	return 0;
}

static int take_config(const struct command_word *w, struct options *o)
{
	const struct options given = *o;
	int r = 0;

	o->no_sync = o->once = false;
	o->interval_ns = 0;
	if (o->config_path)
		r = load_config(o);
	if (r == 0 && w->named && o->operand_count == w->named &&
	    task_is_name(o->operand[0]))
		r = take_named(o, !w->looks);
	/* These speak against each other: what is given takes the other one of
	 * the configuration away. */
	if (given.no_sync) {
		o->once = false;
		o->interval_ns = 0;
	}
	if (given.once || given.interval_ns)
		o->no_sync = false;
	return r;
}

static int parse_command(const struct command_word *w, int argc, char **argv,
			 struct options *o)
{
	CLEANUP_FREE struct option *all = list_options(w);
	char error[ERROR_SIZE];
	int opt, r;

	if (!all) {
		log_error("out of memory");
		return -ENOMEM;
	}
	o->command = w->command;
	o->word = w->word;
	r = look_ahead(w, all, argc, argv, o);
	if (r == 0 && !o->help && !o->version) {
		r = take_config(w, o);
		if (r < 0)
			return r;
	}
	optind = 0;
	while (r == 0 && (opt = getopt_long(argc, argv, w->short_options, all,
					    NULL)) != -1)
		r = take_option(opt, o);
	if (r < 0) {
		log_error("see efsbridge%s%s --help", w->word ? " " : "",
			  w->word ? w->word : "");
		return r;
	}
	if (o->help || o->version)
		return 0;
	if (settings_check(&o->sync, error, sizeof(error)) < 0) {
		log_error("%s", error);
		return -EINVAL;
	}
	return w->take_operands(o);
}

bool options_is_command(const char *word)
{
	return find_word(word) != NULL;
}

void options_init(struct options *ret)
{
	*ret = (struct options){0};
	view_options_init(&ret->view);
}

void options_done(struct options *o)
{
	for (enum side side = 0; side < SIDES; side++)
		free(o->location_options[side]);
	o->config = conf_free(o->config);
	settings_done(&o->sync);
}

int options_parse(int argc, char **argv, struct options *ret)
{
	const struct command_word *w;

	options_init(ret);
	if (argc < 2) {
		log_error("nothing to do; see efsbridge --help");
		return -EINVAL;
	}
	w = find_word(argv[1]);
	return w ? parse_command(w, argc - 1, argv + 1, ret)
		 : parse_command(&mount_word, argc, argv, ret);
}
