/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pattern is kept as the pieces between its stars. The first piece stands at
 * the start of the path; each further one is looked for behind the one before,
 * and the first place where it is found is as good as any other, since a star
 * takes whatever lies between. So nothing is ever tried twice, and the search
 * for a piece is Knuth's, Morris' and Pratt's, whose table, made here once,
 * says for each byte of the piece how much of the piece's start ends with it.
 *
 * The last piece has to end where a name of the path ends: what lies below
 * goes with its directory. Behind a star at the end all is matched.
 */
#include "sync/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The longest pattern: tables count with 32 bits, paths are far shorter. */
#define PATTERN_MAX (1024 * 1024)

struct pattern *pattern_free(struct pattern *p)
{
	if (p) {
		free(p->text);
		free(p->bytes);
		free(p->fail);
		free(p->end);
	}
	free(p);
	return NULL;
}

/* How far a pattern goes, and how many stars it has at most. */
static size_t measure(const char *s, size_t size, size_t *ret_stars)
{
	size_t i;

	*ret_stars = 0;
	for (i = 0; i < size && s[i] != '|'; i++) {
		if (s[i] == '\\' && i + 1 < size)
			i++;
		else
			*ret_stars += s[i] == '*';
	}
	return i;
}

/* Room for a pattern of so many bytes and stars. */
static struct pattern *pattern_new(size_t size, size_t stars)
{
	struct pattern *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bytes = malloc(size + 1);
	p->end = calloc(stars + 1, sizeof(*p->end));
	p->fail = calloc(stars > 0 ? size : 1, sizeof(*p->fail));
	return p->bytes && p->end && p->fail ? p : pattern_free(p);
}

/* One byte of the text: what it stands for, and whether that is a star. */
struct symbol {
	char byte;
	bool star;
};

/* Reads one symbol; its size, or 0 and the problem. */
static size_t read_symbol(const char *s, size_t size, struct symbol *ret,
			  const char **ret_problem)
{
	*ret = (struct symbol){.byte = *s, .star = *s == '*'};
	if (*s == '\0') {
		*ret_problem = "a NUL is in no name";
		return 0;
	}
	if (*s != '\\')
		return 1;
	if (size < 2 || !memchr("*|\\", s[1], 3)) {
		*ret_problem = "a backslash goes before *, | or \\ only";
		return 0;
	}
	*ret = (struct symbol){.byte = s[1]};
	return 2;
}

/* Can a path hold what was read so far, the last byte just now? `at` is how
 * much of the last piece there is. */
static const char *check_name(const struct pattern *p, size_t at, bool last)
{
	const char *end = p->bytes + at;
	size_t start = p->pieces > 0 ? p->end[p->pieces - 1] : 0;
	size_t len = at - start;

	if (len >= 2 && end[-1] == '/' && end[-2] == '/')
		return "two slashes in a row are in no path";
	/* What stands between two slashes, or between one and the end. */
	if (last ? len > 0 : len > 0 && end[-1] == '/') {
		const char *name = last ? end : end - 1;
		const char *from = p->bytes + start;
		const char *slash = name;

		while (slash > from && slash[-1] != '/')
			slash--;
		if (slash == from)
			return NULL;
		if ((name - slash == 1 && *slash == '.') ||
		    (name - slash == 2 && slash[0] == '.' && slash[1] == '.'))
			return "paths have no parts . and ..";
	}
	return NULL;
}

/* The tables of the pieces that are looked for: all but the first. */
static void make_tables(struct pattern *p)
{
	size_t start = p->end[0];

	for (size_t i = 1; i < p->pieces; start = p->end[i++]) {
		const char *piece = p->bytes + start;
		uint32_t *fail = p->fail + start;
		uint32_t k = 0;

		for (size_t j = 1; j < p->end[i] - start; j++) {
			while (k > 0 && piece[j] != piece[k])
				k = fail[k - 1];
			if (piece[j] == piece[k])
				k++;
			fail[j] = k;
		}
	}
}

/* Takes the pieces out of the one pattern. 0, or -EINVAL with the problem. */
static int read_pieces(struct pattern *p, const char *s, size_t size,
		       size_t *ret_used, const char **ret_problem)
{
	struct symbol symbol = {0}, before;
	size_t at = 0, n;

	*ret_problem = NULL;
	for (*ret_used = 0; *ret_used < size; *ret_used += n) {
		before = symbol;
		n = read_symbol(s + *ret_used, size - *ret_used, &symbol,
				ret_problem);
		if (n == 0)
			return -EINVAL;
		if (symbol.star && !before.star)
			p->end[p->pieces++] = at;
		if (symbol.star)
			continue;
		p->bytes[at++] = symbol.byte;
		*ret_problem = check_name(p, at, false);
		if (*ret_problem)
			return -EINVAL;
	}
	if (!symbol.star)
		*ret_problem = check_name(p, at, true);
	/* "/dir/" is "/dir". */
	if (at > (p->pieces > 0 ? p->end[p->pieces - 1] : 0) &&
	    p->bytes[at - 1] == '/')
		at--;
	p->bytes[at] = '\0';
	p->end[p->pieces++] = at;
	return *ret_problem ? -EINVAL : 0;
}

int pattern_parse(const char *s, size_t size, struct pattern **ret,
		  size_t *ret_used, const char **ret_problem)
{
	size_t stars, own = measure(s, size, &stars);
	struct pattern *p;
	int r;

	*ret_used = 0;
	*ret_problem = NULL;
	if (own == 0)
		*ret_problem = "a pattern is missing";
	else if (*s != '/' && *s != '*')
		*ret_problem = "a pattern begins with / (at the root) or * "
			       "(*/name: at any depth)";
	else if (own > PATTERN_MAX)
		*ret_problem = "the pattern is too long";
	if (*ret_problem)
		return -EINVAL;
	p = pattern_new(own, stars);
	if (!p)
		return -ENOMEM;
	r = read_pieces(p, s, own, ret_used, ret_problem);
	if (r == 0 && !(p->text = strndup(s, *ret_used)))
		r = -ENOMEM;
	if (r < 0) {
		pattern_free(p);
		return r;
	}
	make_tables(p);
	*ret = p;
	return 0;
}

/* What is matched: a path, with a slash behind it or not. */
struct subject {
	const char *s;
	size_t len;
	bool slash;
};

static size_t subject_length(const struct subject *s)
{
	return s->len + s->slash;
}

static char subject_at(const struct subject *s, size_t i)
{
	return i < s->len ? s->s[i] : '/';
}

/* Does a name end before byte `i`? */
static bool is_boundary(const struct subject *s, size_t i)
{
	return i == subject_length(s) || subject_at(s, i) == '/';
}

static bool begins_with(const struct subject *s, const char *piece, size_t len)
{
	if (len > subject_length(s))
		return false;
	for (size_t i = 0; i < len; i++)
		if (subject_at(s, i) != piece[i])
			return false;
	return true;
}

/* Looks for piece `i` at or behind `*at`, and moves there: behind it. The last
 * one has to end a name. */
static bool find_piece(const struct pattern *p, size_t i,
		       const struct subject *s, size_t *at)
{
	size_t start = p->end[i - 1], len = p->end[i] - start;
	const char *piece = p->bytes + start;
	const uint32_t *fail = p->fail + start;
	bool last = i == p->pieces - 1;
	size_t k = 0;

	if (len == 0)
		return true;
	for (size_t j = *at; j < subject_length(s); j++) {
		while (k > 0 && (k == len || subject_at(s, j) != piece[k]))
			k = fail[k - 1];
		if (subject_at(s, j) == piece[k])
			k++;
		if (k == len && (!last || is_boundary(s, j + 1))) {
			*at = j + 1;
			return true;
		}
	}
	return false;
}

static bool matches(const struct pattern *p, const struct subject *s)
{
	size_t at = p->end[0];

	if (!begins_with(s, p->bytes, p->end[0]))
		return false;
	if (pattern_is_literal(p))
		return is_boundary(s, at);
	for (size_t i = 1; i < p->pieces; i++)
		if (!find_piece(p, i, s, &at))
			return false;
	return true;
}

bool pattern_matches(const struct pattern *p, const char *path, size_t len)
{
	const struct subject s = {.s = path, .len = len};

	return matches(p, &s);
}

bool pattern_covers(const struct pattern *p, const char *path, size_t len)
{
	const struct subject s = {.s = path, .len = len, .slash = true};
	size_t last = p->pieces - 1;

	if (pattern_matches(p, path, len))
		return true;
	return last > 0 && p->end[last] == p->end[last - 1] && matches(p, &s);
}

bool pattern_leads(const struct pattern *p, const char *path, size_t len)
{
	const struct subject s = {.s = path, .len = len, .slash = true};
	size_t own = p->end[0];

	if (own > subject_length(&s))
		own = subject_length(&s);
	else if (pattern_is_literal(p))
		return pattern_matches(p, path, len);
	return begins_with(&s, p->bytes, own);
}
