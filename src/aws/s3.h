/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * s3 - local files are uploaded below s3://bucket/prefix.
 *
 * AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) names another server, whose
 * buckets are the first part of the path. Each request carries SHA-256 and MD5
 * of what it brings, so that a damaged upload is refused.
 *
 * Thread rule: one thread at a time.
 */
#ifndef AWS_S3_H
#define AWS_S3_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct credentials;
struct s3;

struct s3_options {
	struct credentials *credentials; /* borrowed */
	const char *region;              /* NULL or "": found, see region.h */
	const char *profile; /* that the region may be in; NULL: the usual */
	/* When true, an upload ends with -ECANCELED; may be NULL. Borrowed. */
	const atomic_bool *cancel;
	size_t part_size; /* larger files go in parts of it; 0: 64 MiB */
};

/* Whether `text` begins with "s3://". */
bool s3_is_url(const char *text);

/*
 * Checks the URL and finds the region, which may take some seconds; no request
 * goes to S3. -EINVAL when the URL has no good bucket, -ENOENT without a
 * region; -ENOMEM. With a sentence.
 */
int s3_new(const char *url, const struct s3_options *options, struct s3 **ret,
	   char *error, size_t error_size);
/* NULL is let through; returns NULL. */
struct s3 *s3_free(struct s3 *s);

/*
 * Uploads the file at `path` as `name`, which is put behind the prefix and may
 * have slashes. `type` is its Content-Type. What may pass is tried again, five
 * times within about ten seconds. On failure there is no such object (or the
 * old one), the local file is as it was, and `error` tells the whole URL and
 * the reason: -EACCES when S3 says no, -ENOENT when there is no such bucket (or
 * file), -ECANCELED, what http_perform() returns, or -EIO.
 */
int s3_upload(struct s3 *s, const char *path, const char *name,
	      const char *type, char *error, size_t error_size);

#endif
