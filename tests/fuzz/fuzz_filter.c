/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text is patterns or is refused with a column; what was taken is written
 * out as a text that means the same. The matcher agrees with one that tries
 * everything: the first line of the input is the patterns, the second a path.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The one that tries everything takes its time. */
#define PATTERNS_MAX 24
#define PATH_LENGTH  24

static void check(int holds)
{
	if (!holds)
		abort();
}

/* `p` to the end of its pattern against `s` to its end or, when the pattern
 * has come to its own, to the end of a name. */
static bool naive(const char *p, const char *s)
{
	if (*p == '\0' || *p == '|' || (*p == '/' && (!p[1] || p[1] == '|')))
		if (*s == '\0' || *s == '/')
			return true;
	if (*p == '\0' || *p == '|')
		return false;
	/* Two are one, and would try everything twice. */
	if (p[0] == '*' && p[1] == '*')
		return naive(p + 1, s);
	if (*p == '*')
		return p[1] == '\0' || p[1] == '|' || naive(p + 1, s) ||
		       (*s && naive(p, s + 1));
	if (*p == '\\')
		p++;
	return *p == *s && *s && naive(p + 1, s + 1);
}

static bool naive_any(const char *patterns, const char *path)
{
	for (const char *p = patterns;; p++) {
		if (naive(p, path))
			return true;
		while (*p && *p != '|')
			p += *p == '\\' ? 2 : 1;
		if (!*p)
			return false;
	}
}

static void check_text(const struct filter *f, const char *text)
{
	char *again = filter_get_text(f, FILTER_EXCLUDE);

	check(again && !strcmp(again, text));
	free(again);
}

static void check_path(const struct filter *f, const char *patterns,
		       const char *path)
{
	size_t len = strlen(path);
	bool hidden = !filter_allows(f, path, len, false);

	if (strlen(patterns) <= PATTERNS_MAX && len <= PATH_LENGTH)
		check(hidden == naive_any(patterns, path));
	/* What is below goes with it. */
	for (size_t i = 0; !hidden && i < len; i++)
		if (path[i] == '/')
			check(filter_enters(f, path, i));
	if (hidden && strlen(path) > 0)
		check(!filter_enters(f, path, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	struct filter *f = filter_new();
	char error[300] = "", *path;

	if (!text || !f)
		abort();
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	path = strchrnul(text, '\n');
	if (*path)
		*path++ = '\0';
	if (filter_add(f, FILTER_EXCLUDE, text, error, sizeof(error))) {
		check(!strncmp(error, "column ", 7));
		check_text(f, "");
	} else {
		check_text(f, text);
		if (*path == '/' && !strstr(path, "//") &&
		    path[strlen(path) - 1] != '/')
			check_path(f, text, path);
	}
	filter_free(f);
	free(text);
	return 0;
}
