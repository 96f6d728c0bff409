/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * provider - the places that keys come from; see credentials.h for their order.
 *
 * Each answers with an identity, or -ENOENT when it is not set up here, or
 * another negative errno; `error` then holds a sentence.
 * Thread rule: any thread.
 */
#ifndef AWS_PROVIDER_H
#define AWS_PROVIDER_H

#include <stddef.h>

struct identity;

struct provider {
	const char *region; /* for STS; NULL: whatever fits */
	char *error;
	size_t error_size;
};

int provider_environment(const struct provider *p, struct identity **ret);
int provider_container(const struct provider *p, struct identity **ret);

/* With the role of the environment, or `role_arn` unless that is NULL. */
int provider_web_identity(const struct provider *p, const char *role_arn,
			  struct identity **ret);

/* Of the instance. */
int provider_instance(const struct provider *p, struct identity **ret);

/* -ENOENT: there is no such profile, or it has no keys. */
int provider_profile(const struct provider *p, const char *name,
		     struct identity **ret);

/* Runs a program and reads keys from its standard output. */
int provider_process(const struct provider *p, const char *command,
		     struct identity **ret);

#endif
