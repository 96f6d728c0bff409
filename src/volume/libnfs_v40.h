/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_v40 - NFSv4.0 by libnfs's compounds: what its files share.
 *
 *   libnfs_v40.c       names, attributes, directories; what it may do at all
 *   libnfs_v40_read.c  the data of files
 *   libnfs_compound    compounds, built and read
 *
 * Thread rule: that of libnfs.h.
 *
 * Only volume/libnfs*.c include this.
 */
#ifndef VOLUME_LIBNFS_V40_H
#define VOLUME_LIBNFS_V40_H

#include "volume/libnfs.h"

struct ln_compound;

/* The handle of the server's root, by ln_run() of v40_root_verb. */
struct v40_root {
	int result;
	struct handle *handle;
	uint32_t refused; /* NFS4 status of what the server refused, or 0 */
};

extern const struct ln_verb *const v40_verbs[VOLUME_VERBS];
extern const struct ln_verb v40_root_verb, v40_read_whole_verb, v40_read_verb;

/* What the server says of its limits; what it does not say stays as it is. */
void v40_learn_limits(struct ln *v);

/* Gives the compound to libnfs; the answer goes to `work`. */
bool ln_compound_send(struct ln_compound *c, struct ln_work *work,
		      struct rpc_context *rpc);

#endif
