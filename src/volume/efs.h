/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * efs - how the server of a location is reached when that takes more than a
 * name and a port: TLS, and the mount targets of an Amazon EFS file system
 * with the certificate that tells it who connects.
 *
 * Source: "Amazon EFS User Guide", mounting by DNS name and by address.
 *
 * Thread rule: made and freed by one thread, else read-only; what TLS asks of
 * it comes from any.
 */
#ifndef VOLUME_EFS_H
#define VOLUME_EFS_H

#include <stddef.h>

struct efs;
struct location;
struct tls_options;

/*
 * What `l` needs. For EFS this finds out the region
 * and, for a mount with IAM, fetches keys once, so that what is wrong with them
 * is said now. May take seconds. A negative errno with a sentence.
 */
int efs_new(const struct location *l, struct efs **ret, char *error,
	    size_t error_size);
struct efs *efs_free(struct efs *e);

/* Names or addresses to connect to, with commas between. */
const char *efs_get_hosts(const struct efs *e);

/* NULL: without TLS. */
const struct tls_options *efs_get_tls(const struct efs *e);

#endif
