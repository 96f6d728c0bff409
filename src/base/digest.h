/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * digest - the 128-bit content digest, XXH3-128 by the xxHash library.
 *
 * Thread rule: a `struct digest_stream` belongs to one thread at a time.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16 /* bytes, canonical (big endian) form */
#define DIGEST_TEXT (2 * DIGEST_SIZE + 1) /* room for the hex text with NUL */

struct digest {
	uint8_t bytes[DIGEST_SIZE];
};

struct digest_stream;

/* The digest of `len` bytes at once. */
struct digest digest_of(const void *data, size_t len);

bool digest_equal(const struct digest *a, const struct digest *b);

/* Lower-case hex of `d` into `text`, NUL-terminated; returns `text`. */
char *digest_format(const struct digest *d, char text[DIGEST_TEXT]);

/* A digest over bytes that come piece by piece. NULL when out of memory. */
struct digest_stream *digest_stream_new(void);
struct digest_stream *digest_stream_free(struct digest_stream *s);

/* Forgets what came so far. */
void digest_stream_reset(struct digest_stream *s);

/* `s` has had what `from` has had. */
void digest_stream_copy(struct digest_stream *s,
			const struct digest_stream *from);
void digest_stream_add(struct digest_stream *s, const void *data, size_t len);

/* Adds `len` zero bytes: what a hole in a file reads as. */
void digest_stream_add_zeros(struct digest_stream *s, uint64_t len);

/* The digest of all bytes so far; more may be added afterwards. */
struct digest digest_stream_get(const struct digest_stream *s);

#endif
