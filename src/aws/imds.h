/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * imds - the metadata service of an EC2 instance, version 2 (with a token).
 *
 * AWS_EC2_METADATA_DISABLED=true turns it off,
 * AWS_EC2_METADATA_SERVICE_ENDPOINT names another address, and
 * AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6 takes the one of IPv6. Version 1,
 * which needs no token, is not used: whoever can make a server fetch a URL
 * could have the keys.
 *
 * Thread rule: any thread.
 */
#ifndef AWS_IMDS_H
#define AWS_IMDS_H

#include <stddef.h>

#include "aws/region.h"

struct identity;

/*
 * The keys of the instance's role. -ENOENT when there is no such service or
 * the instance has no role, else another negative errno; with a sentence.
 * A machine outside AWS is recognized after some seconds.
 */
int imds_identity(struct identity **ret, char *error, size_t error_size);

/* The region that the instance is in; errors likewise. */
int imds_region(char ret[REGION_SIZE], char *error, size_t error_size);

#endif
