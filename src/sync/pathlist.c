/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine that reads byte by byte, and holds one path at most:
 *
 *   START      at the beginning of a line (or of a path that a NUL ends)
 *   PLAIN      in a path without quotes
 *   QUOTED     in a path in quotes
 *   QUOTE      behind a quote in it: its end, or the first of two
 *   REST       in another column, which says nothing
 *   REST_QUOTED  in such a one in quotes; its end leads back to REST, and
 *              so does the first of two quotes, after which the second one
 *              begins a quote again
 */
#include "sync/pathlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/volume.h"

enum state {
	START,
	PLAIN,
	QUOTED,
	QUOTE,
	REST,
	REST_QUOTED,
};

struct pathlist {
	struct pathlist_setup setup;
	enum state state;
	uint64_t line;    /* at hand */
	uint64_t at_line; /* in which the path began */
	size_t mark;      /* how much of a byte order mark was read */
	size_t len;
	char path[PATHLIST_MAX + 1];
};

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct pathlist *pathlist_new(const struct pathlist_setup *setup)
{
	struct pathlist *l = calloc(1, sizeof(*l));

	if (l) {
		l->setup = *setup;
		l->line = l->at_line = 1;
	}
	return l;
}

struct pathlist *pathlist_free(struct pathlist *l)
{
	free(l);
	return NULL;
}

uint64_t pathlist_get_line(const struct pathlist *l)
{
	return l->at_line;
}

/* Takes what says nothing out of the path. */
static int clean(char *path, const char **ret_problem)
{
	char *to = path;

	for (const char *part = path, *end; *part; part = end + (*end != 0)) {
		size_t len;

		end = strchrnul(part, '/');
		len = (size_t)(end - part);
		if (len == 0 || (len == 1 && *part == '.'))
			continue;
		if (len == 2 && part[0] == '.' && part[1] == '.')
			*ret_problem = "a path with .. in it";
		else if (len > VOLUME_NAME_MAX)
			*ret_problem = "a name of more than 255 bytes";
		if (*ret_problem)
			return -EINVAL;
		if (to > path)
			*to++ = '/';
		/* What it has become is never longer than what it was. */
		memmove(to, part, len);
		to += len;
	}
	*to = '\0';
	return 0;
}

/* The path at hand is whole. */
static int end_path(struct pathlist *l, const char **ret_problem)
{
	int r;

	l->path[l->len] = '\0';
	if (l->len == 0) {
		*ret_problem = "a path is missing";
		return -EINVAL;
	}
	l->len = 0;
	r = clean(l->path, ret_problem);
	if (r == 0 && *l->path)
		r = l->setup.each(l->setup.user, l->path);
	return r;
}

/* The line at hand has ended, behind its path. */
static void end_line(struct pathlist *l)
{
	l->line++;
	l->at_line = l->line;
	l->state = START;
}

static int add(struct pathlist *l, char c, const char **ret_problem)
{
	if (c == '\0')
		*ret_problem =
		    "a NUL (do NULs end the paths? then say --from0)";
	else if (l->len == PATHLIST_MAX)
		*ret_problem = "a path of more than 65536 bytes";
	if (*ret_problem)
		return -EINVAL;
	l->path[l->len++] = c;
	return 0;
}

/* The path was not in quotes: the line's end may have been written by another
 * system. */
static int end_plain(struct pathlist *l, bool line, const char **ret_problem)
{
	if (line && l->len > 0 && l->path[l->len - 1] == '\r')
		l->len--;
	/* An empty line says nothing; an empty column is a mistake. */
	return line && l->len == 0 ? 0 : end_path(l, ret_problem);
}

static int take_plain(struct pathlist *l, char c, const char **ret_problem)
{
	int r;

	if (c == '"' && l->state == START) {
		l->state = QUOTED;
		return 0;
	}
	l->state = PLAIN;
	switch (c) {
	case '\n':
		r = end_plain(l, true, ret_problem);
		if (r == 0)
			end_line(l);
		return r;
	case ',':
		l->state = REST;
		return end_plain(l, false, ret_problem);
	default:
		return add(l, c, ret_problem);
	}
}

/* Behind a quote in a path in quotes. */
static int take_quote(struct pathlist *l, char c, const char **ret_problem)
{
	switch (c) {
	case '"':
		l->state = QUOTED;
		return add(l, c, ret_problem);
	case ',':
	case '\r':
		l->state = REST;
		return end_path(l, ret_problem);
	case '\n': {
		int r = end_path(l, ret_problem);

		if (r == 0)
			end_line(l);
		return r;
	}
	default:
		*ret_problem = "something between a quote and the next comma";
		return -EINVAL;
	}
}

static int take(struct pathlist *l, char c, const char **ret_problem)
{
	switch (l->state) {
	case START:
	case PLAIN:
		return take_plain(l, c, ret_problem);
	case QUOTED:
		if (c == '"')
			l->state = QUOTE;
		else if (c == '\n')
			l->line++;
		return c == '"' ? 0 : add(l, c, ret_problem);
	case QUOTE:
		return take_quote(l, c, ret_problem);
	case REST:
	case REST_QUOTED:
		if (c == '"')
			l->state = l->state == REST ? REST_QUOTED : REST;
		else if (c == '\n' && l->state == REST)
			end_line(l);
		else if (c == '\n')
			l->line++;
		return 0;
	}
	return 0;
}

/* As above, where NULs end the paths. */
static int take_nul(struct pathlist *l, char c, const char **ret_problem)
{
	int r;

	if (c != '\0')
		return add(l, c, ret_problem);
	r = end_path(l, ret_problem);
	if (r == 0)
		end_line(l);
	return r;
}

/* Is the byte part of a mark that some editors put before the text? What
 * began like one and is none is text. */
static int take_mark(struct pathlist *l, char c, bool *ret_taken,
		     const char **ret_problem)
{
	size_t had = l->mark;
	int r = 0;

	*ret_taken = had < 3 && !l->setup.nul && c == byte_order_mark[had];
	if (*ret_taken) {
		l->mark++;
		return 0;
	}
	l->mark = 3;
	for (size_t i = 0; r == 0 && had < 3 && i < had; i++)
		r = take(l, byte_order_mark[i], ret_problem);
	return r;
}

int pathlist_feed(struct pathlist *l, const void *bytes, size_t size,
		  const char **ret_problem)
{
	const char *s = bytes;
	bool taken = false;
	int r = 0;

	*ret_problem = NULL;
	for (size_t i = 0; r == 0 && i < size; i++) {
		if (l->mark < 3)
			r = take_mark(l, s[i], &taken, ret_problem);
		else
			taken = false;
		if (r == 0 && !taken)
			r = l->setup.nul ? take_nul(l, s[i], ret_problem)
					 : take(l, s[i], ret_problem);
	}
	return r;
}

int pathlist_end(struct pathlist *l, const char **ret_problem)
{
	size_t had = l->mark;
	int r = 0;

	*ret_problem = NULL;
	for (size_t i = 0; r == 0 && had < 3 && i < had; i++)
		r = take(l, byte_order_mark[i], ret_problem);
	if (r < 0)
		return r;
	/* The last one may lack its end. */
	if (l->setup.nul)
		return l->len > 0 ? end_path(l, ret_problem) : 0;
	switch (l->state) {
	case QUOTED:
	case REST_QUOTED:
		*ret_problem = "a quote without its end";
		return -EINVAL;
	case QUOTE:
		return end_path(l, ret_problem);
	case PLAIN:
		return end_plain(l, true, ret_problem);
	default:
		return 0;
	}
}
