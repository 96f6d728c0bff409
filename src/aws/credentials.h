/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * credentials - whose keys requests to AWS are signed with, kept fresh.
 *
 * A profile that the user names for this purpose is taken, and nothing else.
 * Otherwise the first of these that is set up:
 *
 *   environment     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps
 *                   AWS_SESSION_TOKEN
 *   profile         AWS_PROFILE or "default", when it has keys: its own, a
 *                   role over another profile, a web identity or a program
 *   ECS             AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
 *   EKS             AWS_CONTAINER_CREDENTIALS_FULL_URI
 *   web identity    AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE
 *   EC2             the role of the instance, from its metadata
 *
 * One that is set up and fails is an error: what comes after it would be
 * somebody else. A role that the user names is assumed on top.
 *
 * Thread rule: any thread.
 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include <stddef.h>

#include "aws/identity.h"

struct credentials;

struct credentials_options {
	const char *profile;  /* NULL: the order above */
	const char *role_arn; /* assumed on top; NULL: none */
	const char *region;   /* for STS; NULL: see sts.h */
};

/* Copies the options; fetches nothing yet. -ENOMEM. */
int credentials_new(const struct credentials_options *options,
		    struct credentials **ret);
/* NULL is let through; returns NULL. Nobody may be within it. */
struct credentials *credentials_free(struct credentials *c);

/*
 * Keys that are good now, with a reference for the caller. They are fetched
 * when there are none, and again before they expire: one thread does, the
 * others have the old ones meanwhile if those are still good. When that fails,
 * the old ones serve until they expire. May block for seconds.
 *
 * -ENOENT when nothing is set up, else a negative errno; with a sentence, which
 * holds no secret.
 */
int credentials_get(struct credentials *c, struct identity **ret, char *error,
		    size_t error_size);

/* The service says that `id` is no longer good: the next get fetches. */
void credentials_reject(struct credentials *c, const struct identity *id);

#endif
