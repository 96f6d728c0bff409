/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * handle - the opaque name of one object on one volume.
 *
 * An NFS file handle (up to 128 bytes, RFC 8881 section 4), or
 * whatever a backend needs to find an object again. Only the backend that
 * made it looks inside.
 *
 * Ownership: one heap block; whoever holds the pointer frees it with free().
 * Thread rule: immutable once made.
 */
#ifndef NFS_HANDLE_H
#define NFS_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct handle {
	uint32_t len;
	uint8_t data[];
};

/* A handle with these bytes; NULL when out of memory. */
static inline struct handle *handle_new(const void *data, size_t len)
{
	struct handle *h = malloc(sizeof(*h) + len);

	if (!h)
		return NULL;
	h->len = (uint32_t)len;
	if (len > 0)
		memcpy(h->data, data, len);
	return h;
}

static inline struct handle *handle_dup(const struct handle *h)
{
	return handle_new(h->data, h->len);
}

static inline bool handle_equal(const struct handle *a, const struct handle *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

#endif
