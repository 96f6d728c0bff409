/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sts - roles are assumed at the Security Token Service.
 *
 * AWS_ENDPOINT_URL_STS names another server. Answers are asked for as JSON.
 * Thread rule: any thread.
 */
#ifndef AWS_STS_H
#define AWS_STS_H

#include <stddef.h>

struct identity;

struct sts_role {
	const char *arn;
	const char *session;     /* NULL: "efsbridge" */
	const char *external_id; /* NULL: none */
	const char *duration_s;  /* digits; NULL: an hour */
	/* Where to ask; NULL: AWS_REGION, AWS_DEFAULT_REGION or us-east-1. */
	const char *region;
	const char *source; /* of the new identity, for people */
};

/* As who `base` is. -EACCES when the service says no, other negative errnos;
 * with a sentence. */
int sts_assume(const struct sts_role *role, const struct identity *base,
	       struct identity **ret, char *error, size_t error_size);

/* With the token in a file, which is read each time: it is renewed there. */
int sts_assume_with_file(const struct sts_role *role, const char *token_path,
			 struct identity **ret, char *error, size_t error_size);

#endif
