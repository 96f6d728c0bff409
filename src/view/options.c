/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The -o options of a mount, one comma-separated list at a time; a backslash
 * before a comma makes it part of a value, as in libfuse.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "view/view.h"

/* The longest that any time-out may be: a year. */
#define LONGEST_S (365.0 * 24 * 3600)

struct parsing {
	struct view_options *options;
	char *error;
	size_t error_size;
};

void view_options_init(struct view_options *ret)
{
	*ret = (struct view_options){
	    .allow_other = geteuid() == 0,
	    .auto_unmount = true,
	    .timeo_s = 60,
	    .attr_timeout_s = 1,
	    .entry_timeout_s = 1,
	    .negative_timeout_s = 1,
	    .syncdir = ".sync",
	};
}

/* Words that switch something. */
static bool take_flag(const char *word, struct view_options *o)
{
	if (!strcmp(word, "soft") || !strcmp(word, "hard"))
		o->soft = word[0] == 's';
	else if (!strcmp(word, "ro") || !strcmp(word, "rw"))
		o->read_only = word[1] == 'o';
	else if (!strcmp(word, "exec") || !strcmp(word, "noexec"))
		o->no_exec = word[0] == 'n';
	else if (!strcmp(word, "allow_other"))
		o->allow_other = true;
	else if (!strcmp(word, "noallow_other"))
		o->allow_other = false;
	else if (!strcmp(word, "auto_unmount"))
		o->auto_unmount = true;
	else if (!strcmp(word, "noauto_unmount"))
		o->auto_unmount = false;
	else if (!strcmp(word, "debug"))
		o->debug = true;
	else
		return false;
	return true;
}

/* What is so already, or is mount(8)'s and fstab(5)'s own business. */
static bool is_known_to_others(const char *word)
{
	static const char *const words[] = {
	    "_netdev",    "async",       "atime",
	    "auto",       "defaults",    "default_permissions",
	    "dev",        "diratime",    "dirsync",
	    "group",      "lazytime",    "loud",
	    "noatime",    "noauto",      "nodev",
	    "nodiratime", "nofail",      "nolazytime",
	    "norelatime", "nosuid",      "nouser",
	    "owner",      "relatime",    "silent",
	    "suid",       "strictatime", "sync",
	    "user",       "users",       "subtype=efsbridge",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(word, words[i]))
			return true;
	return !strncmp(word, "x-", 2) || !strncmp(word, "comment=", 8);
}

static int take_seconds(const struct parsing *p, const char *word,
			const char *value, double unit_s, double *ret)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(value, &end);
	if (errno || end == value || *end || !isfinite(n) || n < 0 ||
	    n * unit_s > LONGEST_S) {
		snprintf(p->error, p->error_size,
			 "-o %s: say a number of %s, 0 or more", word,
			 unit_s < 1 ? "tenths of a second" : "seconds");
		return -EINVAL;
	}
	*ret = n * unit_s;
	return 0;
}

static int take_timeo(const struct parsing *p, const char *word,
		      const char *value)
{
	int r = take_seconds(p, word, value, 0.1, &p->options->timeo_s);

	if (r == 0 && p->options->timeo_s == 0) {
		snprintf(p->error, p->error_size,
			 "-o %s: nothing is answered in no time: say 1 or more",
			 word);
		r = -EINVAL;
	}
	return r;
}

static int take_text(const struct parsing *p, const char *word,
		     const char *value, char *ret, size_t size)
{
	if (*value == '\0' || strlen(value) >= size) {
		snprintf(p->error, p->error_size,
			 "-o %s: say 1 to %zu bytes behind the '='", word,
			 size - 1);
		return -EINVAL;
	}
	strcpy(ret, value);
	return 0;
}

static int take_syncdir(const struct parsing *p, const char *word,
			const char *value)
{
	if (strchr(value, '/') || !strcmp(value, ".") || !strcmp(value, "..")) {
		snprintf(p->error, p->error_size,
			 "-o %s: say a name, without '/'", word);
		return -EINVAL;
	}
	return take_text(p, word, value, p->options->syncdir,
			 sizeof(p->options->syncdir));
}

/* Words with a value; 1: not one of them. */
static int take_value(const struct parsing *p, const char *word)
{
	struct view_options *o = p->options;
	const struct {
		const char *name;
		double *seconds;
	} times[] = {
	    {"attr_timeout=", &o->attr_timeout_s},
	    {"entry_timeout=", &o->entry_timeout_s},
	    {"negative_timeout=", &o->negative_timeout_s},
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		size_t len = strlen(times[i].name);

		if (!strncmp(word, times[i].name, len))
			return take_seconds(p, word, word + len, 1,
					    times[i].seconds);
	}
	if (!strncmp(word, "timeo=", 6))
		return take_timeo(p, word, word + 6);
	if (!strncmp(word, "fsname=", 7))
		return take_text(p, word, word + 7, o->fsname,
				 sizeof(o->fsname));
	if (!strncmp(word, "syncdir=", 8))
		return take_syncdir(p, word, word + 8);
	return 1;
}

static int take_word(const struct parsing *p, const char *word)
{
	int r;

	if (*word == '\0' || take_flag(word, p->options) ||
	    is_known_to_others(word))
		return 0;
	r = take_value(p, word);
	if (r == 1) {
		snprintf(p->error, p->error_size,
			 "-o %s: no such option; see efsbridge(1)", word);
		r = -EINVAL;
	}
	return r;
}

int view_options_parse(const char *list, struct view_options *o, char *error,
		       size_t error_size)
{
	struct parsing p = {o, error, error_size};
	CLEANUP_FREE char *word = malloc(strlen(list) + 1);
	size_t len = 0;
	int r = 0;

	if (!word) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	for (const char *c = list; r == 0; c++) {
		if (*c == '\\' && c[1] != '\0') {
			word[len++] = *++c;
		} else if (*c != ',' && *c != '\0') {
			word[len++] = *c;
		} else {
			word[len] = '\0';
			r = take_word(&p, word);
			len = 0;
			if (*c == '\0')
				break;
		}
	}
	return r;
}
