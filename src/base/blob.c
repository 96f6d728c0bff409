/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/blob.h"

#include <stdatomic.h>
#include <stdlib.h>

struct blob *blob_new(size_t size)
{
	struct blob *b;

	if (size > SIZE_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->size = size;
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	if (b &&
	    atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}
