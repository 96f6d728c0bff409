// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The files are looked through again for each key: they are short, and are
 * read when keys are fetched, once an hour. A line that begins with a blank
 * belongs to the value before it (nested settings), and is passed over.
 */
#include "aws/profile.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "aws/secret.h"
#include "base/cleanup.h"

#define FILE_MAX ((size_t)1 << 20)

struct profiles {
	struct secret credentials;
	struct secret config;
};

/* A line, and what is left of the text behind it. */
struct line {
	const char *begin, *end;
	const char *next;
};

static bool next_line(const char **text, struct line *line)
{
	if (!**text)
		return false;
	line->begin = *text;
	line->end = *text + strcspn(*text, "\n");
	*text = *line->end ? line->end + 1 : line->end;
	while (line->end > line->begin && (unsigned char)line->end[-1] <= ' ')
		line->end--;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes blanks off both ends. */
static void trim(const char **begin, const char **end)
{
	while (*begin < *end && is_blank(**begin))
		++*begin;
	while (*end > *begin && is_blank((*end)[-1]))
		--*end;
}

static bool is_text(const char *begin, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - begin) == len && memcmp(begin, text, len) == 0;
}

/* Whether a line that begins with '[' begins the section of `name`. */
static bool is_section(struct line line, const char *name, bool config)
{
	static const char word[] = "profile";
	const char *begin = line.begin + 1;
	const char *end = memchr(begin, ']', (size_t)(line.end - begin));

	if (!end)
		return false;
	trim(&begin, &end);
	if (config && (size_t)(end - begin) > strlen(word) &&
	    memcmp(begin, word, strlen(word)) == 0 &&
	    is_blank(begin[strlen(word)])) {
		begin += strlen(word);
		trim(&begin, &end);
	} else if (config && strcmp(name, "default") != 0) {
		return false;
	}
	return is_text(begin, end, name);
}

/* Goes to the line behind the header of the section: a text for next_line(),
 * or NULL. A section may be there twice: `from` is where to go on. */
static const char *find_section(const char *from, const char *name, bool config)
{
	struct line line;

	while (next_line(&from, &line))
		if (*line.begin == '[' && is_section(line, name, config))
			return from;
	return NULL;
}

/* Looks for the key up to the next section; appends its value. */
static bool find_key(const char *text, const char *key, struct secret *ret)
{
	struct line line;

	while (next_line(&text, &line) && *line.begin != '[') {
		const char *equals =
		    memchr(line.begin, '=', (size_t)(line.end - line.begin));
		const char *begin = line.begin, *end = equals;

		if (!equals || is_blank(*begin) || *begin == '#' ||
		    *begin == ';')
			continue;
		trim(&begin, &end);
		if (!is_text(begin, end, key))
			continue;
		begin = equals + 1;
		end = line.end;
		trim(&begin, &end);
		secret_put(ret, begin, (size_t)(end - begin));
		return end > begin;
	}
	return false;
}

static bool find(const struct secret *file, const char *name, bool config,
		 const char *key, struct secret *ret)
{
	const char *at = secret_text(file);

	while ((at = find_section(at, name, config)))
		if (find_key(at, key, ret))
			return true;
	return false;
}

/* --- The files ------------------------------------------------------------ */

/* The path in the variable, or the one below the home directory; heap. */
static char *file_path(const char *variable, const char *below_home)
{
	const char *path = getenv(variable), *home = getenv("HOME");
	struct passwd *pw;
	char *ret;

	if (path && *path)
		return strdup(path);
	if (!home || !*home) {
		pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : "/";
	}
	return asprintf(&ret, "%s/.aws/%s", home, below_home) < 0 ? NULL : ret;
}

static int read_file(struct secret *to, const char *variable,
		     const char *below_home, char *error, size_t error_size)
{
	CLEANUP_FREE char *path = file_path(variable, below_home);
	int r = path ? secret_put_file(to, path, FILE_MAX) : -ENOMEM;

	/* A home that is not there or not ours has no settings for us. */
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		snprintf(error, error_size, "%s: %s",
			 path ? path : "out of memory", strerror(-r));
	return r;
}

int profile_open(struct profiles **ret, char *error, size_t error_size)
{
	struct profiles *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	r = read_file(&p->credentials, "AWS_SHARED_CREDENTIALS_FILE",
		      "credentials", error, error_size);
	if (r == 0)
		r = read_file(&p->config, "AWS_CONFIG_FILE", "config", error,
			      error_size);
	if (r < 0) {
		profile_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct profiles *profile_close(struct profiles *p)
{
	if (p) {
		secret_done(&p->credentials);
		secret_done(&p->config);
		free(p);
	}
	return NULL;
}

const char *profile_choose(const char *wanted)
{
	const char *variable = getenv("AWS_PROFILE");

	if (wanted && *wanted)
		return wanted;
	return variable && *variable ? variable : "default";
}

bool profile_exists(const struct profiles *p, const char *name)
{
	return find_section(secret_text(&p->credentials), name, false) ||
	       find_section(secret_text(&p->config), name, true);
}

int profile_get(const struct profiles *p, const char *name, const char *key,
		struct secret *ret)
{
	if (!find(&p->credentials, name, false, key, ret) &&
	    !find(&p->config, name, true, key, ret))
		return -ENOENT;
	return secret_check(ret);
}
