/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cleanup - scope cleanups for straight-line code.
 *
 * A variable marked with one of these frees what it holds when its scope
 * ends; `steal()` hands the value on and disarms the cleanup.
 * Thread rule: none needed.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP_FREE  __attribute__((cleanup(cleanup_free_ptr)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_fd)))

/* The value of pointer variable `p`, which is NULL from here on. */
#define steal(p)                                  \
	({                                        \
		__typeof__(p) steal_value_ = (p); \
		(p) = NULL;                       \
		steal_value_;                     \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
