/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/s3.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/engine.h"
#include "sync/filter.h"

#define STRING_OF(n)  STRING_OF_(n)
#define STRING_OF_(n) #n

/* The longest time: ten years. */
#define TIME_MAX_S (10ull * 365 * 86400)

/* More of anything is no limit. */
#define LIMIT_MAX UINT64_C(1000000000000)

#define RETRIES_MAX 100

int settings_parse_number(const char *text, uint64_t min, uint64_t max,
			  uint64_t *ret)
{
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

int settings_parse_time(const char *text, int64_t *ret_ns)
{
	static const struct {
		char unit;
		unsigned long long seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || n < 1 ||
	    (*end && end[1] != '\0'))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (*end != units[i].unit)
			continue;
		if (n > TIME_MAX_S / units[i].seconds)
			return -EINVAL;
		*ret_ns = (int64_t)(n * units[i].seconds) * NS_PER_S;
		return 0;
	}
	return -EINVAL;
}

/* --- Choices -------------------------------------------------------------- */

static const struct setting_choice transfer_words[] = {
    {"changed", TRANSFER_CHANGED}, {"all", TRANSFER_ALL}, {0}};

static const struct setting_choice overwrite_words[] = {
    {"always", OVERWRITE_ALWAYS}, {"never", OVERWRITE_NEVER}, {0}};

static const struct setting_choice deleted_words[] = {
    {"keep", DELETED_KEEP},
    {"remove", DELETED_REMOVE},
    {"PRESERVE", DELETED_KEEP},
    {0}};

static const struct setting_choice verify_words[] = {
    {"transferred", VERIFY_TRANSFERRED},
    {"all", VERIFY_ALL},
    {"none", VERIFY_NONE},
    {"ONLY_FILES_TRANSFERRED", VERIFY_TRANSFERRED},
    {"POINT_IN_TIME_CONSISTENT", VERIFY_ALL},
    {0}};

static const struct setting_choice report_words[] = {
    {"none", REPORT_NONE},
    {"summary", REPORT_SUMMARY},
    {"standard", REPORT_STANDARD},
    {"SUMMARY_ONLY", REPORT_SUMMARY},
    {0}};

static const struct setting_choice level_words[] = {
    {"errors", REPORT_ERRORS},
    {"all", REPORT_ALL},
    {"ERRORS_ONLY", REPORT_ERRORS},
    {"SUCCESSES_AND_ERRORS", REPORT_ALL},
    {0}};

static const struct setting_choice logged_words[] = {
    {"off", LOGGED_NOTHING},
    {"basic", LOGGED_BASIC},
    {"transfer", LOGGED_TRANSFER},
    {0}};

static const struct setting_choice format_words[] = {
    {"text", false}, {"json", true}, {0}};

static int choose(const struct setting *s, const char *word, int *ret)
{
	for (const struct setting_choice *c = s->choices; c->word; c++) {
		if (strcasecmp(word, c->word) != 0)
			continue;
		*ret = c->value;
		return 0;
	}
	return -EINVAL;
}

/* Enums are as wide as an int with gcc and clang, whatever their values. */
static int take_choice(const struct setting *s, struct sync_options *o,
		       const char *value, char *error, size_t error_size)
{
	(void)error;
	(void)error_size;
	return choose(s, value, (int *)(void *)((char *)o + s->at));
}

static int take_log_format(const struct setting *s, struct sync_options *o,
			   const char *value, char *error, size_t error_size)
{
	int n, r = choose(s, value, &n);

	(void)error;
	(void)error_size;
	if (r == 0)
		o->log.json = n;
	return r;
}

/* --- Other values --------------------------------------------------------- */

/* "1000" or "5%"; "none" takes a limit back that was set before. */
static int take_max_delete(const struct setting *s, struct sync_options *o,
			   const char *value, char *error, size_t error_size)
{
	size_t len = strlen(value);
	bool percent = len > 0 && value[len - 1] == '%';
	CLEANUP_FREE char *digits = strndup(value, percent ? len - 1 : len);
	uint64_t n;
	int r;

	(void)s;
	(void)error;
	(void)error_size;
	if (!digits)
		return -ENOMEM;
	if (!strcasecmp(value, "none")) {
		o->max_delete_unit = LIMIT_NONE;
		o->max_delete = 0;
		return 0;
	}
	r = settings_parse_number(digits, 0, percent ? 100 : INT64_MAX, &n);
	if (r < 0)
		return r;
	o->max_delete_unit = percent ? LIMIT_PERCENT : LIMIT_ENTRIES;
	o->max_delete = n;
	return 0;
}

static int take_jobs(const struct setting *s, struct sync_options *o,
		     const char *value, char *error, size_t error_size)
{
	uint64_t n;
	int r;

	(void)s;
	(void)error;
	(void)error_size;
	r = settings_parse_number(value, 1, ENGINE_JOBS_MAX, &n);
	if (r == 0)
		o->jobs = (unsigned)n;
	return r;
}

/* The options share one filter, which is made when first needed. */
static struct filter *filter_of(struct sync_options *o)
{
	if (!o->filter)
		o->filter = filter_new();
	return o->filter;
}

static int take_include(const struct setting *s, struct sync_options *o,
			const char *value, char *error, size_t error_size)
{
	struct filter *f = filter_of(o);

	(void)s;
	return f ? filter_add(f, FILTER_INCLUDE, value, error, error_size)
		 : -ENOMEM;
}

static int take_exclude(const struct setting *s, struct sync_options *o,
			const char *value, char *error, size_t error_size)
{
	struct filter *f = filter_of(o);

	(void)s;
	return f ? filter_add(f, FILTER_EXCLUDE, value, error, error_size)
		 : -ENOMEM;
}

static int take_include_from(const struct setting *s, struct sync_options *o,
			     const char *value, char *error, size_t error_size)
{
	struct filter *f = filter_of(o);

	(void)s;
	return f ? filter_add_file(f, FILTER_INCLUDE, value, error, error_size)
		 : -ENOMEM;
}

static int take_exclude_from(const struct setting *s, struct sync_options *o,
			     const char *value, char *error, size_t error_size)
{
	struct filter *f = filter_of(o);

	(void)s;
	return f ? filter_add_file(f, FILTER_EXCLUDE, value, error, error_size)
		 : -ENOMEM;
}

static int take_bwlimit(const struct setting *s, struct sync_options *o,
			const char *value, char *error, size_t error_size)
{
	(void)s;
	return timetable_parse(value, &o->bandwidth, error, error_size);
}

/* A whole number, or no limit. */
static int take_limit(const char *value, uint64_t *ret)
{
	if (strcmp(value, "off") != 0)
		return settings_parse_number(value, 0, LIMIT_MAX, ret);
	*ret = 0;
	return 0;
}

static int take_iops(const struct setting *s, struct sync_options *o,
		     const char *value, char *error, size_t error_size)
{
	(void)s;
	(void)error;
	(void)error_size;
	return take_limit(value, &o->iops);
}

static int take_retries(const struct setting *s, struct sync_options *o,
			const char *value, char *error, size_t error_size)
{
	uint64_t n;
	int r = settings_parse_number(value, 0, RETRIES_MAX, &n);

	(void)s;
	(void)error;
	(void)error_size;
	if (r == 0)
		o->tries = (unsigned)n + 1;
	return r;
}

static int take_max_errors(const struct setting *s, struct sync_options *o,
			   const char *value, char *error, size_t error_size)
{
	uint64_t n;
	int r;

	(void)s;
	(void)error;
	(void)error_size;
	if (!strcmp(value, "off")) {
		o->error_stop = 0;
		return 0;
	}
	r = settings_parse_number(value, 0, LIMIT_MAX, &n);
	if (r == 0)
		o->error_stop = n + 1;
	return r;
}

static int take_max_duration(const struct setting *s, struct sync_options *o,
			     const char *value, char *error, size_t error_size)
{
	(void)s;
	(void)error;
	(void)error_size;
	if (strcmp(value, "off") != 0)
		return settings_parse_time(value, &o->duration_ns);
	o->duration_ns = 0;
	return 0;
}

/* The path of a file or directory from the root: a daemon has another
 * directory of its own. NULL when out of memory. */
static char *whole_path(const char *value)
{
	CLEANUP_FREE char *here = NULL;
	char *path = NULL;

	if (*value == '/')
		return strdup(value);
	here = getcwd(NULL, 0);
	return here && asprintf(&path, "%s/%s", here, value) >= 0 ? path : NULL;
}

static int take_report_to(const struct setting *s, struct sync_options *o,
			  const char *value, char *error, size_t error_size)
{
	char *path;

	(void)s;
	(void)error;
	(void)error_size;
	if (!*value)
		return -EINVAL;
	path = s3_is_url(value) ? strdup(value) : whole_path(value);
	if (!path)
		return -ENOMEM;
	free(o->report.to);
	o->report.to = path;
	return 0;
}

static int take_metrics_file(const struct setting *s, struct sync_options *o,
			     const char *value, char *error, size_t error_size)
{
	char *path;

	(void)s;
	(void)error;
	(void)error_size;
	if (!*value)
		return -EINVAL;
	path = whole_path(value);
	if (!path)
		return -ENOMEM;
	free(o->metrics_file);
	o->metrics_file = path;
	return 0;
}

/* Whoever runs it opens what this names, see logsink.h; a file that is called
 * like one of the words is written with a slash. */
static int take_log(const struct setting *s, struct sync_options *o,
		    const char *value, char *error, size_t error_size)
{
	static const char cloudwatch[] = "cloudwatch:";
	bool word = !strcmp(value, "stderr") || !strcmp(value, "syslog") ||
		    !strcmp(value, "journal") ||
		    !strncmp(value, cloudwatch, sizeof(cloudwatch) - 1);
	char *text;

	(void)s;
	(void)error;
	(void)error_size;
	if (!*value || !strcmp(value, cloudwatch))
		return -EINVAL;
	text = word ? strdup(value) : whole_path(value);
	if (!text)
		return -ENOMEM;
	free(o->log.to);
	o->log.to = text;
	return 0;
}

static int take_files_from(const struct setting *s, struct sync_options *o,
			   const char *value, char *error, size_t error_size)
{
	char *path;

	(void)s;
	(void)error;
	(void)error_size;
	if (!*value)
		return -EINVAL;
	path = strcmp(value, "-") ? whole_path(value) : strdup(value);
	if (!path)
		return -ENOMEM;
	free(o->files_from);
	o->files_from = path;
	return 0;
}

#define FLAG(member) .at = offsetof(struct sync_options, member)
#define CHOICE(member, words)                                             \
	.take = take_choice, .at = offsetof(struct sync_options, member), \
	.choices = (words)

_Static_assert(sizeof(enum sync_verify) == sizeof(int) &&
		   sizeof(enum report_level) == sizeof(int),
	       "see take_choice()");

static const struct setting settings[] = {
    {"transfer-mode", "changed or all", CHOICE(transfer, transfer_words)},
    {"overwrite", "always or never", CHOICE(overwrite, overwrite_words)},
    {"deleted", "keep or remove", CHOICE(deleted, deleted_words)},
    {"max-delete", "a number, a percentage such as 5%, or none",
     .take = take_max_delete},
    {"verify", "transferred, all or none", CHOICE(verify, verify_words)},
    {"no-owner", FLAG(no_owner)},
    {"no-mode", FLAG(no_mode)},
    {"no-times", FLAG(no_times)},
    {"no-atime", FLAG(no_atime)},
    {"new-root", FLAG(new_root)},
    {"jobs", "a number from 1 to " STRING_OF(ENGINE_JOBS_MAX),
     .take = take_jobs, .live = true},
    {"include", "patterns, joined by |", .take = take_include, .many = true},
    {"include-from", "a file of patterns", .take = take_include_from,
     .many = true},
    {"exclude", "patterns, joined by |", .take = take_exclude, .many = true},
    {"exclude-from", "a file of patterns", .take = take_exclude_from,
     .many = true},
    {"files-from", "a file of paths, or - for standard input",
     .take = take_files_from},
    {"from0", FLAG(from0)},
    {"bwlimit", "a rate like 20M, or times like 08:00-18:00=20M,off",
     .take = take_bwlimit, .live = true},
    {"iops-limit", "how many a second, 0 or off for no limit",
     .take = take_iops, .live = true},
    {"retries", "a number from 0 to " STRING_OF(RETRIES_MAX),
     .take = take_retries},
    {"max-errors", "how many entries may fail, or off",
     .take = take_max_errors},
    {"max-duration", "a time like 90s, 15m, 6h or 1d, or off",
     .take = take_max_duration},
    {"report", "none, summary or standard",
     CHOICE(report.output, report_words)},
    {"report-level", "errors or all", CHOICE(report.level, level_words)},
    {"report-transferred", "errors or all",
     CHOICE(report.kind[REPORT_TRANSFERRED], level_words)},
    {"report-verified", "errors or all",
     CHOICE(report.kind[REPORT_VERIFIED], level_words)},
    {"report-skipped", "errors or all",
     CHOICE(report.kind[REPORT_SKIPPED], level_words)},
    {"report-deleted", "errors or all",
     CHOICE(report.kind[REPORT_DELETED], level_words)},
    {"report-to", "a directory, or s3://bucket/prefix", .take = take_report_to},
    {"metrics-file", "a file", .take = take_metrics_file},
    {"log", "stderr, a file, syslog, journal or cloudwatch:GROUP[:STREAM]",
     .take = take_log},
    {"log-level", "off, basic or transfer", CHOICE(log.level, logged_words)},
    {"log-format", "text or json", .take = take_log_format,
     .choices = format_words},
};

const struct setting *settings_get(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(settings);
	return settings;
}

static int set_flag(bool *flag, const char *value, char *error,
		    size_t error_size)
{
	if (!value || !strcmp(value, "yes"))
		*flag = true;
	else if (!strcmp(value, "no"))
		*flag = false;
	else {
		snprintf(error, error_size, "say yes or no");
		return -EINVAL;
	}
	return 0;
}

static int set_value(const struct setting *s, struct sync_options *o,
		     const char *value, char *error, size_t error_size)
{
	int r = -EINVAL;

	error[0] = '\0';
	if (value)
		r = s->take(s, o, value, error, error_size);
	if (r == -ENOMEM)
		snprintf(error, error_size, "out of memory");
	else if (r < 0 && error[0] == '\0')
		snprintf(error, error_size, "say %s", s->expects);
	return r;
}

static const struct setting *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].word, word))
			return &settings[i];
	return NULL;
}

int settings_set(struct sync_options *o, const char *word, const char *value,
		 char *error, size_t error_size)
{
	const struct setting *s = find(word);

	if (!s) {
		snprintf(error, error_size, "there is no such option");
		return -ENOENT;
	}
	return s->expects ? set_value(s, o, value, error, error_size)
			  : set_flag((bool *)((char *)o + s->at), value, error,
				     error_size);
}

int settings_set_live(struct sync_options *o, const char *word,
		      const char *value, char *error, size_t error_size)
{
	const struct setting *s = find(word);

	if (!s || s->live)
		return settings_set(o, word, value, error, error_size);
	snprintf(error, error_size,
		 "it cannot be changed while a run is under "
		 "way");
	return -EPERM;
}

void settings_done(struct sync_options *o)
{
	o->filter = filter_free(o->filter);
	free(o->files_from);
	o->files_from = NULL;
	free(o->report.to);
	o->report.to = NULL;
	free(o->metrics_file);
	o->metrics_file = NULL;
	free(o->log.to);
	o->log.to = NULL;
}

int settings_check(const struct sync_options *o, char *error, size_t error_size)
{
	const char *problem = NULL;

	if (o->deleted == DELETED_REMOVE && o->transfer == TRANSFER_ALL)
		problem = "--deleted=remove and --transfer-mode=all exclude "
			  "each other: copy everything in one run, remove in "
			  "another";
	else if (o->files_from && o->filter)
		problem = "--files-from says what is copied: leave --include "
			  "and --exclude out";
	else if (o->files_from && o->deleted == DELETED_REMOVE)
		problem = "--files-from says what is copied, and nothing of "
			  "what is removed: leave --deleted=remove out";
	else if (o->from0 && !o->files_from)
		problem = "--from0 says how the list of --files-from is "
			  "written: give that, too";
	if (!problem)
		return 0;
	snprintf(error, error_size, "%s", problem);
	return -EINVAL;
}
