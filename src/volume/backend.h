/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backend - what stands behind the waist: the operations a backend supplies.
 *
 * A backend embeds `struct volume` as its first member, fills it and gives
 * it to the caller of its open function. It supplies `start` or `run`; the
 * waist makes the other (a blocking start waits, an asynchronous run goes to
 * a small pool of threads).
 *
 * Only volume/ includes this.
 */
#ifndef VOLUME_BACKEND_H
#define VOLUME_BACKEND_H

#include "volume/volume.h"

struct location;
struct volume_pool;

struct volume_backend {
	const char *name; /* "nfs4", "dir", "libnfs" */

	/* Begins `call`; its done() is called once, from any thread, perhaps
	 * before start returns. All results are set by then. */
	void (*start)(struct volume *v, struct volume_call *call);

	/* Carries out all items, in order; results are set on return. */
	void (*run)(struct volume *v, enum volume_verb verb, void *items,
		    size_t count);

	void (*cancel)(struct volume *v);
	uint64_t (*get_requests)(const struct volume *v);

	/* See volume.h. Both NULL where nobody is waited for. */
	int64_t (*get_silent_ns)(const struct volume *v);
	void (*set_patience)(struct volume *v, int64_t ns);

	/* Frees the whole object. */
	void (*free)(struct volume *v);
};

struct volume {
	const struct volume_backend *backend;
	struct volume_info info;  /* filled by the backend's open function */
	struct volume_pool *pool; /* volume.c's, made when first needed */
	const struct volume_pacer *pacer; /* volume.c's; NULL: none */
};

int dir_open(const struct location *location, struct volume **ret, char *error,
	     size_t error_size);
int ln_open(const struct location *location, struct volume **ret, char *error,
	    size_t error_size);
int v4_open(const struct location *location, struct volume **ret, char *error,
	    size_t error_size);

/* 0 when `name` may be a name in a directory, else -EINVAL or
 * -ENAMETOOLONG. */
int volume_check_name(const char *name);

#endif
