/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fattr - attributes on the wire: bitmap4 and fattr4 (RFC 8881 sections 3.3.7
 * and 5).
 *
 * Only the attributes that the program uses are known. An answer may leave
 * out what was asked for (the server does not support it) and gets the
 * nearest thing in its place; one that holds what was not asked for cannot be
 * decoded and is a protocol error.
 *
 * Thread rule: pure.
 */
#ifndef NFS_FATTR_H
#define NFS_FATTR_H

#include "nfs/compound.h"

/* The owner and group of what has no number: "nobody" on all systems. */
#define FATTR_NOBODY 65534u

/* The most bytes that the answer to each request takes, as an XDR result of
 * GETATTR; 128 of each owner string are allowed for. */
#define FATTR_ATTR_BYTES 512u

/* What one fattr4 said. */
struct fattr {
	struct attr attr;      /* defaults filled in */
	int error;             /* from FATTR4_RDATTR_ERROR, a negative errno */
	const uint8_t *handle; /* points into the reply; NULL: not told */
	size_t handle_len;
	struct server_limits limits;
	struct server_space space;
};

/*
 * The bitmap4 of a GETATTR or READDIR. `in_listing` adds the attribute that
 * lets the server report an error for one entry (5.8.1.12).
 */
void fattr_put_request(struct xdr_out *x, enum fattr_want want,
		       bool in_listing);

/* The fattr4 of a SETATTR, CREATE, OPEN or VERIFY. */
void fattr_put_set(struct xdr_out *x, const struct attr_set *set);

/* Reads one fattr4; false (and x->failed) on malformed bytes. */
bool fattr_get(struct xdr_in *x, struct fattr *ret);

/* Reads a bitmap4 and forgets it. */
void fattr_skip_bitmap(struct xdr_in *x);

/*
 * The number in an owner string: digits that fit 32 bits; everything else
 * ("nobody@example.com") is FATTR_NOBODY.
 */
uint32_t fattr_parse_owner(const uint8_t *text, size_t len);

#endif
