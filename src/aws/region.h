/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * region - which region of AWS is meant, and what its names end in.
 *
 * Thread rule: any thread; the environment must not change meanwhile.
 */
#ifndef AWS_REGION_H
#define AWS_REGION_H

#include <stdbool.h>
#include <stddef.h>

/* 32 letters and a NUL. */
#define REGION_SIZE 33

/* Small letters, digits and '-', which stands neither first nor last. */
bool region_is_valid(const char *text);

/*
 * The region in the name of a mount target, "fs-X.efs.REGION.amazonaws.com",
 * with or without a zone before it and with any partition's ending. False for
 * other names.
 */
bool region_of_host(const char *host, char ret[REGION_SIZE]);

/* What names of the region's services end in: "amazonaws.com", for China
 * "amazonaws.com.cn", and so on. */
const char *region_suffix(const char *region);

/*
 * The first that there is of: `wanted` (NULL or "" for none), the one in
 * `host` (NULL: none), AWS_REGION, AWS_DEFAULT_REGION, `region` of the profile
 * in the configuration (`profile` NULL: AWS_PROFILE or "default"), and what
 * the instance's metadata say. -EINVAL when it is no region, -ENOENT when
 * nothing tells one, with a sentence in `error`. May take some seconds.
 */
int region_find(const char *wanted, const char *host, const char *profile,
		char ret[REGION_SIZE], char *error, size_t error_size);

#endif
