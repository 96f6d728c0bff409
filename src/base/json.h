/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json - JSON written to a stream, key by key. Commas are its business; that
 * what is begun is ended is the caller's.
 *
 * `key` is a constant that needs no escape, or NULL for an element of an array
 * and for the outermost value. What cannot be written (no memory) shows as
 * ferror() of the stream at last, or as null.
 * Thread rule: one thread at a time.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *f;        /* borrowed */
	bool lines;     /* one key a line, indented, for people and grep */
	bool more;      /* the next value is not the first one */
	unsigned depth; /* brackets that are open */
};

static inline struct json json_to(FILE *f, bool lines)
{
	return (struct json){.f = f, .lines = lines};
}

/* For a value that the caller prints himself. */
void json_key(struct json *j, const char *key);

void json_begin_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *key);
void json_end_array(struct json *j);

/* NULL is null. Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *j, const char *key, const char *value);
void json_uint(struct json *j, const char *key, uint64_t value);
/* Three digits after the point; what is no finite number is null. */
void json_real(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
