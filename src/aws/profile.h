/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile - the files that the AWS command line keeps its settings in.
 *
 * ~/.aws/credentials has sections [NAME], ~/.aws/config [profile NAME] and
 * [default]; AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name others. What
 * both say is taken from the first. A file that is not there is an empty one.
 *
 * Thread rule: read-only once opened.
 */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

struct profiles;
struct secret;

/* Reads both files. A negative errno and a sentence when one that is there
 * cannot be read or is over 1 MiB; -ENOMEM. */
int profile_open(struct profiles **ret, char *error, size_t error_size);
/* NULL is let through; returns NULL. */
struct profiles *profile_close(struct profiles *p);

/* `wanted`, or else AWS_PROFILE, or else "default". */
const char *profile_choose(const char *wanted);

/* Whether either file has a section for it. */
bool profile_exists(const struct profiles *p, const char *name);

/* Appends the value of `key`. -ENOENT when it is in neither file or empty. */
int profile_get(const struct profiles *p, const char *name, const char *key,
		struct secret *ret);

#endif
