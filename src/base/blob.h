/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blob - a reference-counted block of bytes.
 *
 * What a server sent arrives in one blob; the data of the files in it are
 * pointers into that blob, and whoever keeps such a pointer holds a
 * reference. File data thus goes from one side to the other without being
 * copied in between.
 *
 * Thread rule: the count is atomic; the bytes belong to whoever fills them
 * and are read-only once the blob is shared.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob {
	_Atomic unsigned refs;
	size_t size;    /* bytes usable in data */
	uint8_t data[]; /* not initialised */
};

/* A new blob with one reference; NULL when out of memory. */
struct blob *blob_new(size_t size);

/* One more reference; returns `b`. NULL is let through. */
struct blob *blob_ref(struct blob *b);

/* Drops one reference, frees with the last. NULL is let through. */
void blob_unref(struct blob *b);

#endif
