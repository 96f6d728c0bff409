/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns without a star are kept apart, sorted: a list of a hundred thousand
 * paths then costs a few searches for each entry, one for every directory
 * above it. Those with a star are tried one after the other.
 *
 * Sorted are the bytes, so that what lies below a directory stands together.
 */
#include "sync/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sync/pattern.h"

/* Patterns in the order of some kind. */
struct patterns {
	struct pattern **at;
	size_t count;
	size_t room;
};

struct list {
	struct patterns all;   /* as they were given; owns them */
	struct patterns exact; /* without a star, by their bytes */
	struct patterns wild;
};

struct filter {
	struct list list[FILTER_LISTS];
};

struct filter *filter_new(void)
{
	return calloc(1, sizeof(struct filter));
}

struct filter *filter_free(struct filter *f)
{
	for (int i = 0; f && i < FILTER_LISTS; i++) {
		struct list *l = &f->list[i];

		for (size_t k = 0; k < l->all.count; k++)
			pattern_free(l->all.at[k]);
		free(l->all.at);
		free(l->exact.at);
		free(l->wild.at);
	}
	free(f);
	return NULL;
}

static int append(struct patterns *list, struct pattern *p)
{
	struct pattern **grown;
	size_t room;

	if (list->count == list->room) {
		room = list->room ? 2 * list->room : 16;
		grown = reallocarray(list->at, room, sizeof(struct pattern *));
		if (!grown)
			return -ENOMEM;
		list->at = grown;
		list->room = room;
	}
	list->at[list->count++] = p;
	return 0;
}

static int compare_exact(const void *a, const void *b)
{
	const struct pattern *left = *(struct pattern *const *)a;
	const struct pattern *right = *(struct pattern *const *)b;

	return strcmp(left->bytes, right->bytes);
}

/* Sorts in what was added behind the first `from`; takes that back when there
 * is no memory for it. */
static int settle(struct list *l, size_t from)
{
	size_t exact = l->exact.count, wild = l->wild.count;
	int r = 0;

	for (size_t i = from; r == 0 && i < l->all.count; i++)
		r = append(pattern_is_literal(l->all.at[i]) ? &l->exact
							    : &l->wild,
			   l->all.at[i]);
	if (r < 0) {
		l->exact.count = exact;
		l->wild.count = wild;
	} else if (l->exact.count > exact) {
		qsort(l->exact.at, l->exact.count, sizeof(struct pattern *),
		      compare_exact);
	}
	return r;
}

static void take_back(struct list *l, size_t count)
{
	while (l->all.count > count)
		pattern_free(l->all.at[--l->all.count]);
}

/* How many characters of UTF-8, or bytes that are none, are before `size`. */
static size_t count_characters(const char *s, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* Adds the patterns of one text, not yet settled. -EINVAL with the problem and
 * its column. */
static int add_text(struct list *l, const char *s, size_t size,
		    size_t *ret_column, const char **ret_problem)
{
	struct pattern *p;
	size_t at = 0, used;
	int r;

	do {
		r = pattern_parse(s + at, size - at, &p, &used, ret_problem);
		if (r < 0) {
			*ret_column = count_characters(s, at + used) + 1;
			return r;
		}
		r = append(&l->all, p);
		if (r < 0) {
			pattern_free(p);
			return r;
		}
		at += used;
		/* The '|' promises another one. */
	} while (at++ < size);
	return 0;
}

int filter_add(struct filter *f, enum filter_list which, const char *patterns,
	       char *error, size_t error_size)
{
	struct list *l = &f->list[which];
	size_t before = l->all.count, column;
	const char *problem;
	int r = add_text(l, patterns, strlen(patterns), &column, &problem);

	if (r == -EINVAL)
		snprintf(error, error_size, "column %zu: %s", column, problem);
	if (r == 0)
		r = settle(l, before);
	if (r == -ENOMEM)
		snprintf(error, error_size, "%s", strerror(ENOMEM));
	if (r < 0)
		take_back(l, before);
	return r;
}

/* Line by line. */
static int add_lines(struct list *l, FILE *file, const char *path, char *error,
		     size_t error_size)
{
	CLEANUP_FREE char *line = NULL;
	const char *problem;
	size_t room = 0, len, column, number = 1;
	int r;

	for (; (r = line_read(file, FILTER_LINE_MAX, &line, &room, &len)) > 0;
	     number++) {
		/* A file may come from another system. */
		if (len > 0 && line[len - 1] == '\r')
			len--;
		if (len == 0 || *line == '#')
			continue;
		r = add_text(l, line, len, &column, &problem);
		if (r == -EINVAL)
			snprintf(error, error_size, "%s:%zu:%zu: %s", path,
				 number, column, problem);
		if (r < 0)
			return r;
	}
	if (r == -EFBIG) {
		snprintf(error, error_size,
			 "%s:%zu: a line of more than %d bytes", path, number,
			 FILTER_LINE_MAX);
		r = -EINVAL;
	}
	return r;
}

int filter_add_file(struct filter *f, enum filter_list which, const char *path,
		    char *error, size_t error_size)
{
	struct list *l = &f->list[which];
	size_t before = l->all.count;
	FILE *file = fopen(path, "re");
	int r = file ? 0 : -errno;

	*error = '\0';
	if (file) {
		r = add_lines(l, file, path, error, error_size);
		fclose(file);
	}
	if (r == 0)
		r = settle(l, before);
	if (r < 0) {
		take_back(l, before);
		if (!*error)
			snprintf(error, error_size, "%s: %s", path,
				 strerror(-r));
	}
	return r;
}

/* The bytes of a pattern against the path and, with `below`, a slash: like
 * strcmp(). */
static int compare(const char *bytes, const char *path, size_t len, bool below)
{
	int c = strncmp(bytes, path, len);

	if (c != 0)
		return c;
	/* No shorter than the path, since that has no NUL. */
	bytes += len;
	if (below && *bytes == '/')
		return bytes[1] != '\0';
	return below ? (unsigned char)*bytes - '/' : *bytes != '\0';
}

/* The first exact pattern that is not lower. */
static size_t find(const struct patterns *exact, const char *path, size_t len,
		   bool below)
{
	size_t low = 0, high = exact->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(exact->at[middle]->bytes, path, len, below) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_exact(const struct patterns *exact, const char *path,
		      size_t len)
{
	size_t at = find(exact, path, len, false);

	return at < exact->count &&
	       compare(exact->at[at]->bytes, path, len, false) == 0;
}

/* Does the list match the path, or a directory above it? */
static bool list_matches(const struct list *l, const char *path, size_t len)
{
	if (l->exact.count > 0)
		for (size_t i = 0; i <= len; i++)
			if ((i == len || path[i] == '/') &&
			    has_exact(&l->exact, path, i))
				return true;
	for (size_t i = 0; i < l->wild.count; i++)
		if (pattern_matches(l->wild.at[i], path, len))
			return true;
	return false;
}

/* Could it match something below the directory, which it does not match? */
static bool list_leads(const struct list *l, const char *path, size_t len)
{
	size_t at = find(&l->exact, path, len, true);

	if (at < l->exact.count && pattern_leads(l->exact.at[at], path, len))
		return true;
	for (size_t i = 0; i < l->wild.count; i++)
		if (pattern_leads(l->wild.at[i], path, len))
			return true;
	return false;
}

/* Does it match all that is below the directory? */
static bool list_covers(const struct list *l, const char *path, size_t len)
{
	if (list_matches(l, path, len))
		return true;
	for (size_t i = 0; i < l->wild.count; i++)
		if (pattern_covers(l->wild.at[i], path, len))
			return true;
	return false;
}

bool filter_allows(const struct filter *f, const char *path, size_t len,
		   bool directory)
{
	const struct list *include, *exclude;

	if (!f)
		return true;
	include = &f->list[FILTER_INCLUDE];
	exclude = &f->list[FILTER_EXCLUDE];
	if (list_matches(exclude, path, len))
		return false;
	return include->all.count == 0 || list_matches(include, path, len) ||
	       (directory && list_leads(include, path, len));
}

bool filter_enters(const struct filter *f, const char *path, size_t len)
{
	return !f || (filter_allows(f, path, len, true) &&
		      !list_covers(&f->list[FILTER_EXCLUDE], path, len));
}

bool filter_takes_all(const struct filter *f, const char *path, size_t len)
{
	const struct list *include, *exclude;

	if (!f)
		return true;
	include = &f->list[FILTER_INCLUDE];
	exclude = &f->list[FILTER_EXCLUDE];
	return !list_matches(exclude, path, len) &&
	       !list_leads(exclude, path, len) &&
	       (include->all.count == 0 || list_covers(include, path, len));
}

char *filter_get_text(const struct filter *f, enum filter_list which)
{
	const struct patterns *all = f ? &f->list[which].all : NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; all && i < all->count; i++)
		fprintf(out, "%s%s", i > 0 ? "|" : "", all->at[i]->text);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
