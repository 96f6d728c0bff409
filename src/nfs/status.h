/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * status - NFSv4.1 status codes (RFC 8881 section 15.1) as names and errnos.
 *
 * Thread rule: pure.
 */
#ifndef NFS_STATUS_H
#define NFS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* "NFS4ERR_NOENT"; "NFS4ERR_<n>" for unknown ones is not made: "NFS4ERR_?". */
const char *status_name(uint32_t status);

/*
 * 0 or a negative errno as volume/volume.h lists them; what has no better one
 * is -EIO (also unknown codes).
 */
int status_to_errno(uint32_t status);

/* The server asks to come back later: DELAY, GRACE, LAYOUTTRYLATER. */
bool status_is_delay(uint32_t status);

/* An open's stateid is void: BAD_STATEID, STALE_STATEID, EXPIRED,
 * OLD_STATEID, ADMIN_REVOKED, DELEG_REVOKED. */
bool status_is_stateid(uint32_t status);

#endif
