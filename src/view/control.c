/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "sync/engine.h"
#include "sync/settings.h"

#define NAME_LENGTH_MAX 255

#define STRING_OF(n)  STRING_OF_(n)
#define STRING_OF_(n) #n

#define WHY_SIZE 256

#define READ_IT "read the file for those there are"

/* A piece of the text: no NUL ends it. */
struct span {
	const char *at;
	size_t size;
};

static const struct {
	const char *word;
	enum control_verb verb;
} verbs[] = {
    {"start", CONTROL_START},   {"verify", CONTROL_VERIFY},
    {"retry", CONTROL_RETRY},   {"rescan", CONTROL_RESCAN},
    {"pause", CONTROL_PAUSE},   {"resume", CONTROL_RESUME},
    {"cancel", CONTROL_CANCEL},
};

static const char help[] =
    "# Write one of these, one a line:\n"
    "start          run the whole tree\n"
    "verify         run the whole tree, read and compare everything\n"
    "retry          visit the folders with entries that failed\n"
    "rescan PATH    run one entry and what lies below it\n"
    "pause          begin nothing new; what is on its way ends\n"
    "resume         go on\n"
    "cancel         end the execution under way, forget those that wait\n"
    "jobs=N         use N lanes, 1 to " STRING_OF(
	ENGINE_JOBS_MAX) "\n"
			 "bwlimit=RATE   read at most so many bytes a second: "
			 "20M, off, or by the\n"
			 "               time of day 08:00-18:00=20M,off\n"
			 "iops-limit=N   at most so many operations a second "
			 "on each side, or "
			 "off\n";

const char *control_help(void)
{
	return help;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.size > 0 && is_blank(s.at[0])) {
		s.at++;
		s.size--;
	}
	while (s.size > 0 && is_blank(s.at[s.size - 1]))
		s.size--;
	return s;
}

/* Takes the first `size` bytes of `s` away. */
static struct span take(struct span *s, size_t size)
{
	struct span taken = {s->at, size};

	s->at += size;
	s->size -= size;
	return taken;
}

static struct span take_word(struct span *s)
{
	size_t size = 0;

	while (size < s->size && !is_blank(s->at[size]))
		size++;
	return take(s, size);
}

static bool is_word(struct span s, const char *word)
{
	return s.size == strlen(word) && !memcmp(s.at, word, s.size);
}

/* A sentence about some words, which may be anything. */
static int refuse(struct span s, const char *why, char *error,
		  size_t error_size)
{
	CLEANUP_FREE char *raw = strndup(s.at, s.size < 80 ? s.size : 80);
	CLEANUP_FREE char *text = raw ? escape_name(raw) : NULL;

	if (!text)
		return -ENOMEM;
	snprintf(error, error_size, "\"%s\" %s", text, why);
	return -EINVAL;
}

/* An option and its value, which are tried on nobody's options. */
static int parse_setting(struct span s, struct control_command *ret,
			 char *error, size_t error_size)
{
	const char *sign = memchr(s.at, '=', s.size);
	struct span value = s, word = take(&value, (size_t)(sign - s.at));
	struct control_command c = {.verb = CONTROL_SET};
	struct sync_options scratch = {0};
	char why[WHY_SIZE], refused[WHY_SIZE + 16];
	int r = -ENOMEM;

	take(&value, 1);
	c.word = strndup(word.at, word.size);
	c.value = strndup(value.at, value.size);
	if (c.word && c.value)
		r = settings_set_live(&scratch, c.word, c.value, why,
				      sizeof(why));
	if (r == 0) {
		*ret = c;
		return 0;
	}
	control_done(&c, 1);
	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT)
		return refuse(s, "is no command: " READ_IT, error, error_size);
	snprintf(refused, sizeof(refused), "is refused: %s", why);
	return refuse(s, refused, error, error_size);
}

/* Why this is no path from the root, or NULL. */
static const char *path_fault(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 0)
			return "has an empty name in it";
		if (len > NAME_LENGTH_MAX)
			return "has a name of more than 255 bytes in it";
		if (len <= 2 && !strncmp(path, "..", len))
			return "has \".\" or \"..\" in it: write it from the "
			       "root of the tree";
		path += len;
		if (*path == '/')
			path++;
	}
	return NULL;
}

static int parse_path(struct span s, char **ret, char *error, size_t error_size)
{
	CLEANUP_FREE char *path = NULL;
	struct span all = s;
	const char *fault;
	int r;

	while (s.size > 0 && s.at[0] == '/')
		take(&s, 1);
	while (s.size > 0 && s.at[s.size - 1] == '/')
		s.size--;
	r = escape_undo(s.at, s.size, &path);
	if (r == -EINVAL)
		return refuse(all,
			      "has a backslash that begins none of \\n, \\t, "
			      "\\\\ and \\ooo",
			      error, error_size);
	if (r < 0)
		return r;
	fault = path_fault(path);
	if (fault)
		return refuse(all, fault, error, error_size);
	*ret = steal(path);
	return 0;
}

/* One line that is not blank. */
static int parse_line(struct span line, struct control_command *ret,
		      char *error, size_t error_size)
{
	struct span rest = line, word = take_word(&rest);
	struct control_command c = {0};
	size_t i = 0;

	rest = trim(rest);
	if (memchr(word.at, '=', word.size)) {
		if (rest.size > 0)
			return refuse(line, "has more than one word", error,
				      error_size);
		return parse_setting(word, ret, error, error_size);
	}
	while (i < ARRAY_SIZE(verbs) && !is_word(word, verbs[i].word))
		i++;
	if (i == ARRAY_SIZE(verbs))
		return refuse(word, "is no command: " READ_IT, error,
			      error_size);
	c.verb = verbs[i].verb;
	*ret = c;
	if (c.verb == CONTROL_RESCAN && rest.size == 0)
		return refuse(line, "wants a path: / for the whole tree", error,
			      error_size);
	if (c.verb == CONTROL_RESCAN)
		return parse_path(rest, &ret->path, error, error_size);
	if (rest.size > 0)
		return refuse(line, "has more than one word", error,
			      error_size);
	return 0;
}

int control_parse(const char *text, size_t size, struct control_command *ret,
		  size_t *ret_count, char *error, size_t error_size)
{
	struct span left = {text, size};
	size_t count = 0;
	int r = 0;

	if (size > CONTROL_TEXT_MAX) {
		snprintf(error, error_size, "more than %d bytes at once",
			 CONTROL_TEXT_MAX);
		return -E2BIG;
	}
	while (r == 0 && left.size > 0) {
		const char *end = memchr(left.at, '\n', left.size);
		struct span line =
		    take(&left, end ? (size_t)(end - left.at) : left.size);

		if (end)
			take(&left, 1);
		line = trim(line);
		if (line.size == 0)
			continue;
		if (count == CONTROL_COMMANDS_MAX) {
			snprintf(error, error_size,
				 "more than %d commands at once",
				 CONTROL_COMMANDS_MAX);
			r = -E2BIG;
			break;
		}
		r = parse_line(line, &ret[count], error, error_size);
		if (r == 0)
			count++;
	}
	if (r < 0)
		control_done(ret, count);
	else
		*ret_count = count;
	return r;
}

void control_done(struct control_command *commands, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(commands[i].path);
		free(commands[i].word);
		free(commands[i].value);
		commands[i].path = commands[i].word = commands[i].value = NULL;
	}
}
