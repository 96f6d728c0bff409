/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pattern - one pattern of AWS DataSync's filter language.
 *
 * A pattern is matched with paths that begin with a slash, "/a/b", and the
 * root is "". It begins with '/', for what lies at the root, or with '*'. A
 * '*' stands for any characters, slashes too, or for none; \*, \| and \\ are
 * these characters themselves. A slash at the end means nothing. What a
 * pattern matches it matches with all that lies below. Upper and lower case
 * differ; bytes are compared, whatever the encoding.
 *
 * Matching takes time linear in the lengths of pattern and path, and no
 * memory.
 *
 * Thread rule: read-only once made.
 */
#ifndef SYNC_PATTERN_H
#define SYNC_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern {
	char *text;     /* as it was written */
	char *bytes;    /* the pieces between the stars, one after the other */
	uint32_t *fail; /* for each byte, see pattern.c */
	size_t *end;    /* of each piece, in `bytes` */
	size_t pieces;  /* at least one, the first and the last may be empty */
};

/*
 * Parses the first of the `size` bytes' patterns, which ends at a '|' or where
 * they end; `ret_used` is its size without the '|'. -EINVAL: it is not one,
 * because of `ret_problem` (a sentence's part, static) at `ret_used`.
 */
int pattern_parse(const char *s, size_t size, struct pattern **ret,
		  size_t *ret_used, const char **ret_problem);
struct pattern *pattern_free(struct pattern *p);

/* Has it no star? Then `bytes` is the one path that it names. */
static inline bool pattern_is_literal(const struct pattern *p)
{
	return p->pieces == 1;
}

/* Does it match the path, or a directory above it? */
bool pattern_matches(const struct pattern *p, const char *path, size_t len);

/* Does it match everything below the directory, though perhaps not the
 * directory itself: "/d/" and a star does for "/d"? */
bool pattern_covers(const struct pattern *p, const char *path, size_t len);

/* Could it match something below the directory? */
bool pattern_leads(const struct pattern *p, const char *path, size_t len);

#endif
