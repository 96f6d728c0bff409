/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking and checking are one: a check takes each task into options that are
 * thrown away, and goes on after a fault where a command ends.
 */
#include "options_conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "conf.h"
#include "options.h"
#include "sync/settings.h"
#include "sync/task.h"
#include "volume/location.h"

/* What is being taken, and who hears of faults. */
struct taking {
	struct options *options;
	const struct conf *config;
	void (*fault)(void *user, const char *error);
	void *user;
	bool whole; /* all sections are looked at, each location once */
	unsigned faults;
	int result; /* of the first fault */
};

__attribute__((format(printf, 4, 5))) static void
refuse(struct taking *t, int result, unsigned line, const char *format, ...)
{
	char why[CONF_ERROR_SIZE], error[CONF_ERROR_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	conf_refuse(t->config, line, error, "%s", why);
	t->fault(t->user, error);
	if (t->faults++ == 0)
		t->result = result;
}

/* A value of the file, as it can be shown; what it is must be short. */
static void refuse_value(struct taking *t, int result,
			 const struct conf_entry *e, const char *why)
{
	CLEANUP_FREE char *shown = escape_name(e->value);

	refuse(t, result, e->line, "%s = %.100s: %s", e->key,
	       shown ? shown : "", why);
}

/* --- Keys ----------------------------------------------------------------- */

static int take_state(struct options *o, const char *value, char *error,
		      size_t error_size)
{
	if (*value != '/') {
		snprintf(error, error_size, "say a directory, from the root");
		return -EINVAL;
	}
	o->state = value;
	return 0;
}

static int take_time(int64_t *ret_ns, const char *value, char *error,
		     size_t error_size)
{
	int r = settings_parse_time(value, ret_ns);

	if (r < 0)
		snprintf(error, error_size,
			 "say a time like 30s, 15m, 2h or 1d");
	return r;
}

static int take_interval(struct options *o, const char *value, char *error,
			 size_t error_size)
{
	return take_time(&o->interval_ns, value, error, error_size);
}

static int take_max_wait(struct options *o, const char *value, char *error,
			 size_t error_size)
{
	return take_time(&o->max_wait_ns, value, error, error_size);
}

static int take_view(struct options *o, const char *value, char *error,
		     size_t error_size)
{
	return view_options_parse(value, &o->view, error, error_size);
}

#define FLAG(member) .flag = offsetof(struct options, member)

/* Beside those of settings.h. What says how one run is shown has no place in
 * a file that many runs are made of. */
static const struct key {
	const char *word;
	int (*take)(struct options *o, const char *value, char *error,
		    size_t error_size); /* NULL: yes or no */
	size_t flag;
	bool many;      /* may be there several times */
	bool of_a_task; /* has no place in [defaults] */
} keys[] = {
    {"interval", .take = take_interval},
    {"max-wait", .take = take_max_wait},
    {"no-queue", FLAG(no_queue)},
    {"no-sync", FLAG(no_sync)},
    {"once", FLAG(once)},
    {"options", .take = take_view, .many = true},
    {"quiet", FLAG(quiet)},
    {"state", .take = take_state, .of_a_task = true},
};

static const struct key *find_key(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].word, word))
			return &keys[i];
	return NULL;
}

static const struct setting *find_setting(const char *word)
{
	size_t count;
	const struct setting *all = settings_get(&count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(all[i].word, word))
			return &all[i];
	return NULL;
}

/* All words, for who has written another one; heap, or NULL. */
static char *list_keys(void)
{
	size_t count, size;
	const struct setting *all = settings_get(&count);
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("source, destination", f);
	for (size_t i = 0; i < count; i++)
		fprintf(f, ", %s", all[i].word);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		fprintf(f, ", %s", keys[i].word);
	return fclose(f) == 0 ? text : NULL;
}

static int set_flag(struct options *o, const struct key *k, const char *value,
		    char *error, size_t error_size)
{
	bool *flag = (bool *)((char *)o + k->flag);

	if (!strcmp(value, "yes") || !strcmp(value, "no")) {
		*flag = value[0] == 'y';
		return 0;
	}
	snprintf(error, error_size, "say yes or no");
	return -EINVAL;
}

static void take_key(struct taking *t, const struct conf_section *s,
		     const struct conf_entry *e)
{
	const struct key *k = find_key(e->key);
	CLEANUP_FREE char *all = NULL;
	char error[CONF_ERROR_SIZE / 4] = "";
	int r;

	if (k && k->of_a_task && s->kind == CONF_DEFAULTS) {
		refuse(t, -EINVAL, e->line,
		       "%s: tasks cannot share it; say it in a [task NAME]",
		       e->key);
		return;
	}
	if (k && k->take)
		r = k->take(t->options, e->value, error, sizeof(error));
	else if (k)
		r = set_flag(t->options, k, e->value, error, sizeof(error));
	else
		r = settings_set(&t->options->sync, e->key, e->value, error,
				 sizeof(error));
	if (r == -ENOENT && !k && !find_setting(e->key)) {
		all = list_keys();
		refuse(t, -EINVAL, e->line,
		       "%s: there is no such key; there are %s", e->key,
		       all ? all : "others");
	} else if (r < 0) {
		refuse_value(t, r, e, error);
	}
}

static bool may_repeat(const char *word)
{
	const struct key *k = find_key(word);
	const struct setting *s = find_setting(word);

	return (k && k->many) || (s && s->many);
}

/* True unless the key stands in the section before, and must not. */
static bool check_once(struct taking *t, const struct conf_section *s,
		       const struct conf_entry *e)
{
	for (const struct conf_entry *before = s->entries; before < e;
	     before++) {
		if (strcmp(before->key, e->key) || may_repeat(e->key))
			continue;
		refuse(t, -EINVAL, e->line,
		       "%s: it is in line %u already; say it once", e->key,
		       before->line);
		return false;
	}
	return true;
}

/* --- Locations ------------------------------------------------------------ */

/* Adds "key=value" to what location_parse_with() takes. */
static int add_option(char **options, const struct conf_entry *e)
{
	CLEANUP_FREE char *escaped = malloc(3 * strlen(e->value) + 1);
	char *more, *end = escaped;

	if (!escaped)
		return -ENOMEM;
	for (const char *s = e->value; *s; s++)
		if (strchr("%&#", *s))
			end += sprintf(end, "%%%02X", (unsigned char)*s);
		else
			*end++ = *s;
	*end = '\0';
	if (asprintf(&more, "%s%s%s=%s", *options ? *options : "",
		     *options ? "&" : "", e->key, escaped) < 0)
		return -ENOMEM;
	free(*options);
	*options = more;
	return 0;
}

/* True if it is a location, else the fault is told. */
static bool check_text(struct taking *t, const struct conf_entry *e,
		       const char *text, const char *options)
{
	char error[CONF_ERROR_SIZE / 2];
	struct location *l;
	int r = location_parse_with(text, options, &l, error, sizeof(error));

	if (r < 0)
		refuse(t, r, e->line, "%s: %s", e->key, error);
	else
		location_free(l);
	return r == 0;
}

/* One option of a location whose text is good. */
static bool take_location_option(struct taking *t, const char *text,
				 const struct conf_entry *e, char **options)
{
	CLEANUP_FREE char *alone = NULL;

	if (add_option(&alone, e) < 0 || add_option(options, e) < 0) {
		refuse(t, -ENOMEM, e->line, "out of memory");
		return false;
	}
	return check_text(t, e, text, alone);
}

/* The text and the options of a [location]; heap. */
static void take_location(struct taking *t, const struct conf_section *s,
			  const char **ret_text, char **ret_options)
{
	const struct conf_entry *text = conf_find_entry(s, "location");
	CLEANUP_FREE char *options = NULL;
	unsigned before = t->faults;

	if (!text)
		refuse(t, -EINVAL, s->line,
		       "[location %s]: no location; say location = host:/path",
		       s->name);
	else if (!check_text(t, text, text->value, NULL))
		text = NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct conf_entry *e = &s->entries[i];

		if (check_once(t, s, e) && text && strcmp(e->key, "location"))
			take_location_option(t, text->value, e, &options);
	}
	/* What does not go together, or stands in the text as well. */
	if (options && t->faults == before)
		check_text(t, text, text->value, options);
	if (t->faults > before)
		return;
	*ret_text = text->value;
	*ret_options = steal(options);
}

static void set_location(struct taking *t, enum side side,
			 const struct conf_section *s)
{
	free(t->options->location_options[side]);
	t->options->location_options[side] = NULL;
	take_location(t, s, &t->options->location[side],
		      &t->options->location_options[side]);
}

/* A location, or the name of one. */
static void take_side(struct taking *t, enum side side,
		      const struct conf_section *task)
{
	static const char *const words[SIDES] = {"source", "destination"};
	const struct conf_entry *e = conf_find_entry(task, words[side]);
	const struct conf_section *s;

	if (!e) {
		refuse(t, -EINVAL, task->line,
		       "[task %s]: no %s; say %s = a location, or the name of "
		       "a [location]",
		       task->name, words[side], words[side]);
		return;
	}
	s = conf_find(t->config, CONF_LOCATION, e->value);
	if (s && t->whole)
		return;
	if (s)
		set_location(t, side, s);
	else if (task_is_name(e->value))
		refuse_value(t, -EINVAL, e,
			     "there is no [location] of that name; write "
			     "host:/path, nfs://host/path or a local directory "
			     "with / at its beginning");
	else if (check_text(t, e, e->value, NULL))
		t->options->location[side] = e->value;
}

/* --- Tasks ---------------------------------------------------------------- */

static void take_section(struct taking *t, const struct conf_section *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct conf_entry *e = &s->entries[i];

		if (!check_once(t, s, e))
			continue;
		if (s->kind == CONF_TASK && (!strcmp(e->key, "source") ||
					     !strcmp(e->key, "destination")))
			continue;
		take_key(t, s, e);
	}
}

static void take_task(struct taking *t, const struct conf_section *s)
{
	const struct options *o = t->options;
	char error[CONF_ERROR_SIZE / 2];

	if (options_is_command(s->name))
		refuse(t, -EINVAL, s->line,
		       "[task %s]: this is a command of efsbridge; choose "
		       "another name",
		       s->name);
	take_section(t, s);
	for (enum side side = 0; side < SIDES; side++)
		take_side(t, side, s);
	if (o->no_sync && (o->once || o->interval_ns))
		refuse(t, -EINVAL, s->line,
		       "[task %s]: no-sync says not to copy, %s to do so: "
		       "choose one",
		       s->name, o->once ? "once" : "interval");
	if (settings_check(&o->sync, error, sizeof(error)) < 0)
		refuse(t, -EINVAL, s->line, "[task %s]: %s", s->name, error);
	t->options->task = s->name;
}

/* --- Commands and checks -------------------------------------------------- */

/* Keeps the first one. */
static void keep_error(void *user, const char *error)
{
	char *kept = user;

	if (kept[0] == '\0')
		snprintf(kept, CONF_ERROR_SIZE, "%s", error);
}

int options_conf_take(struct options *o, const struct conf *c, const char *name,
		      char *error)
{
	const struct conf_section *defaults = conf_find(c, CONF_DEFAULTS, "");
	const struct conf_section *task = conf_find(c, CONF_TASK, name);
	struct taking t = {
	    .options = o, .config = c, .fault = keep_error, .user = error};

	error[0] = '\0';
	if (!task) {
		snprintf(error, CONF_ERROR_SIZE,
			 "%.400s: there is no [task %.100s]", conf_get_path(c),
			 name);
		return -ENOENT;
	}
	if (defaults)
		take_section(&t, defaults);
	take_task(&t, task);
	return t.result;
}

int options_conf_locate(struct options *o, const struct conf *c, enum side side,
			const char *name, char *error)
{
	const struct conf_section *s = conf_find(c, CONF_LOCATION, name);
	struct taking t = {
	    .options = o, .config = c, .fault = keep_error, .user = error};

	error[0] = '\0';
	if (!s) {
		snprintf(error, CONF_ERROR_SIZE,
			 "%.400s: there is no [location %.100s]",
			 conf_get_path(c), name);
		return -ENOENT;
	}
	set_location(&t, side, s);
	return t.result;
}

/* What is wrong in [defaults] is told once, not for every task again. */
static void say_nothing(void *user, const char *error)
{
	(void)user;
	(void)error;
}

static void take_defaults(struct options *o, const struct conf *c)
{
	const struct conf_section *s = conf_find(c, CONF_DEFAULTS, "");
	struct taking t = {.options = o, .config = c, .fault = say_nothing};

	if (s)
		take_section(&t, s);
}

/* A section, in options of its own. */
static unsigned check_section(const struct conf *c,
			      const struct conf_section *s,
			      void (*fault)(void *user, const char *error),
			      void *user)
{
	struct options o;
	struct taking t = {.options = &o,
			   .config = c,
			   .fault = fault,
			   .user = user,
			   .whole = true};

	options_init(&o);
	switch (s->kind) {
	case CONF_DEFAULTS:
		take_section(&t, s);
		break;
	case CONF_LOCATION:
		set_location(&t, SOURCE, s);
		break;
	case CONF_TASK:
		take_defaults(&o, c);
		take_task(&t, s);
		break;
	}
	options_done(&o);
	return t.faults;
}

unsigned options_conf_check(const struct conf *c,
			    void (*fault)(void *user, const char *error),
			    void *user)
{
	const struct conf_section *s;
	unsigned faults = 0;

	for (size_t i = 0; (s = conf_get_section(c, i)); i++)
		faults += check_section(c, s, fault, user);
	return faults;
}
