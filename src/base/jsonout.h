/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jsonout - JSON written to a stream, key by key. Commas are its business; that
 * what is begun is ended is the caller's. (Names with json_ are libjansson's.)
 *
 * `key` is a constant that needs no escape, or NULL for an element of an array
 * and for the outermost value. What cannot be written shows as ferror() of the
 * stream at last; a string for which there is no memory becomes null, and
 * `failed` says so.
 * Thread rule: one thread at a time.
 */
#ifndef BASE_JSONOUT_H
#define BASE_JSONOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct jsonout {
	FILE *f;        /* borrowed */
	bool lines;     /* one key a line, indented, for people and grep */
	bool more;      /* the next value is not the first one */
	unsigned depth; /* brackets that are open */
	bool failed;    /* a string is missing: out of memory */
};

static inline struct jsonout jsonout_to(FILE *f, bool lines)
{
	return (struct jsonout){.f = f, .lines = lines};
}

/* For a value that the caller prints himself. */
void jsonout_key(struct jsonout *j, const char *key);

void jsonout_begin_object(struct jsonout *j, const char *key);
void jsonout_end_object(struct jsonout *j);
void jsonout_begin_array(struct jsonout *j, const char *key);
void jsonout_end_array(struct jsonout *j);

/* NULL is null. Bytes that are not UTF-8 become U+FFFD. */
void jsonout_string(struct jsonout *j, const char *key, const char *value);
void jsonout_uint(struct jsonout *j, const char *key, uint64_t value);
/* Three digits after the point; what is no finite number is null. */
void jsonout_real(struct jsonout *j, const char *key, double value);
void jsonout_bool(struct jsonout *j, const char *key, bool value);
void jsonout_null(struct jsonout *j, const char *key);

#endif
