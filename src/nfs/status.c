// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * status - NFSv4.1 status codes as names and errnos.
 *
 * One table holds both, sorted by code as RFC 8881 lists them, and is searched
 * by bisection. The errnos are those of volume/volume.h; a code has one of its
 * own only where somebody decides differently because of it. Four stay inside
 * nfs/: -EAGAIN (come back later, and nothing else), -E2BIG and -EMSGSIZE (the
 * compound must be smaller), -EREMOTE (the object lives on another server).
 * A void stateid is -EIO, not -ESTALE, for the file's handle is still good:
 * whoever can open the file anew asks status_is_stateid().
 */
#include "nfs/status.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "nfs/proto.h"

struct status_entry {
	uint32_t status;
	int error; /* positive errno */
	const char *name;
};

#define ENTRY(code, error)                              \
	{                                               \
		NFS4ERR_##code, error, "NFS4ERR_" #code \
	}

static const struct status_entry table[] = {
    {NFS4_OK, 0, "NFS4_OK"},
    ENTRY(PERM, EPERM),
    ENTRY(NOENT, ENOENT),
    ENTRY(IO, EIO),
    ENTRY(NXIO, ENXIO),
    ENTRY(ACCESS, EACCES),
    ENTRY(EXIST, EEXIST),
    ENTRY(XDEV, EXDEV),
    ENTRY(NOTDIR, ENOTDIR),
    ENTRY(ISDIR, EISDIR),
    ENTRY(INVAL, EINVAL),
    ENTRY(FBIG, EFBIG),
    ENTRY(NOSPC, ENOSPC),
    ENTRY(ROFS, EROFS),
    ENTRY(MLINK, EMLINK),
    ENTRY(NAMETOOLONG, ENAMETOOLONG),
    ENTRY(NOTEMPTY, ENOTEMPTY),
    ENTRY(DQUOT, EDQUOT),
    ENTRY(STALE, ESTALE),
    ENTRY(BADHANDLE, ESTALE),
    ENTRY(BAD_COOKIE, EIO),
    ENTRY(NOTSUPP, EOPNOTSUPP),
    ENTRY(TOOSMALL, EMSGSIZE),
    ENTRY(SERVERFAULT, EIO),
    ENTRY(BADTYPE, EOPNOTSUPP),
    ENTRY(DELAY, EAGAIN),
    ENTRY(SAME, EIO),
    ENTRY(DENIED, EACCES),
    ENTRY(EXPIRED, EIO),
    ENTRY(LOCKED, EACCES),
    ENTRY(GRACE, EAGAIN),
    ENTRY(FHEXPIRED, ESTALE),
    ENTRY(SHARE_DENIED, EACCES),
    ENTRY(WRONGSEC, EACCES),
    ENTRY(CLID_INUSE, EIO),
    ENTRY(RESOURCE, E2BIG),
    ENTRY(MOVED, EREMOTE),
    ENTRY(NOFILEHANDLE, EIO),
    ENTRY(MINOR_VERS_MISMATCH, EPROTONOSUPPORT),
    ENTRY(STALE_CLIENTID, EIO),
    ENTRY(STALE_STATEID, EIO),
    ENTRY(OLD_STATEID, EIO),
    ENTRY(BAD_STATEID, EIO),
    ENTRY(BAD_SEQID, EIO),
    ENTRY(NOT_SAME, EIO),
    ENTRY(LOCK_RANGE, EINVAL),
    ENTRY(SYMLINK, ELOOP),
    ENTRY(RESTOREFH, EIO),
    ENTRY(LEASE_MOVED, EREMOTE),
    ENTRY(ATTRNOTSUPP, EOPNOTSUPP),
    ENTRY(NO_GRACE, EIO),
    ENTRY(RECLAIM_BAD, EIO),
    ENTRY(RECLAIM_CONFLICT, EIO),
    ENTRY(BADXDR, EIO),
    ENTRY(LOCKS_HELD, EBUSY),
    ENTRY(OPENMODE, EBADF),
    ENTRY(BADOWNER, EINVAL),
    ENTRY(BADCHAR, EINVAL),
    ENTRY(BADNAME, EINVAL),
    ENTRY(BAD_RANGE, EINVAL),
    ENTRY(LOCK_NOTSUPP, EOPNOTSUPP),
    ENTRY(OP_ILLEGAL, EOPNOTSUPP),
    ENTRY(DEADLOCK, EDEADLK),
    ENTRY(FILE_OPEN, EBUSY),
    ENTRY(ADMIN_REVOKED, EIO),
    ENTRY(CB_PATH_DOWN, EIO),
    ENTRY(BADIOMODE, EIO),
    ENTRY(BADLAYOUT, EIO),
    ENTRY(BAD_SESSION_DIGEST, EIO),
    ENTRY(BADSESSION, EIO),
    ENTRY(BADSLOT, EIO),
    ENTRY(COMPLETE_ALREADY, EIO),
    ENTRY(CONN_NOT_BOUND_TO_SESSION, EIO),
    ENTRY(DELEG_ALREADY_WANTED, EIO),
    ENTRY(BACK_CHAN_BUSY, EIO),
    ENTRY(LAYOUTTRYLATER, EAGAIN),
    ENTRY(LAYOUTUNAVAILABLE, EIO),
    ENTRY(NOMATCHING_LAYOUT, EIO),
    ENTRY(RECALLCONFLICT, EIO),
    ENTRY(UNKNOWN_LAYOUTTYPE, EIO),
    ENTRY(SEQ_MISORDERED, EIO),
    ENTRY(SEQUENCE_POS, EIO),
    ENTRY(REQ_TOO_BIG, E2BIG),
    ENTRY(REP_TOO_BIG, EMSGSIZE),
    ENTRY(REP_TOO_BIG_TO_CACHE, EMSGSIZE),
    ENTRY(RETRY_UNCACHED_REP, EIO),
    ENTRY(UNSAFE_COMPOUND, EIO),
    ENTRY(TOO_MANY_OPS, E2BIG),
    ENTRY(OP_NOT_IN_SESSION, EIO),
    ENTRY(HASH_ALG_UNSUPP, EIO),
    ENTRY(CLIENTID_BUSY, EBUSY),
    ENTRY(PNFS_IO_HOLE, EIO),
    ENTRY(SEQ_FALSE_RETRY, EIO),
    ENTRY(BAD_HIGH_SLOT, EIO),
    ENTRY(DEADSESSION, EIO),
    ENTRY(ENCR_ALG_UNSUPP, EIO),
    ENTRY(PNFS_NO_LAYOUT, EIO),
    ENTRY(NOT_ONLY_OP, EIO),
    ENTRY(WRONG_CRED, EACCES),
    ENTRY(WRONG_TYPE, EINVAL),
    ENTRY(DIRDELEG_UNAVAIL, EIO),
    ENTRY(REJECT_DELEG, EIO),
    ENTRY(RETURNCONFLICT, EIO),
    ENTRY(DELEG_REVOKED, EIO),
};

static int compare(const void *key, const void *element)
{
	uint32_t status = *(const uint32_t *)key;
	const struct status_entry *entry = element;

	return (status > entry->status) - (status < entry->status);
}

static const struct status_entry *find(uint32_t status)
{
	return bsearch(&status, table, ARRAY_SIZE(table), sizeof(table[0]),
		       compare);
}

const char *status_name(uint32_t status)
{
	const struct status_entry *entry = find(status);

	return entry ? entry->name : "NFS4ERR_?";
}

int status_to_errno(uint32_t status)
{
	const struct status_entry *entry = find(status);

	return entry ? -entry->error : -EIO;
}

bool status_is_delay(uint32_t status)
{
	return status == NFS4ERR_DELAY || status == NFS4ERR_GRACE ||
	       status == NFS4ERR_LAYOUTTRYLATER;
}

bool status_is_stateid(uint32_t status)
{
	switch (status) {
	case NFS4ERR_BAD_STATEID:
	case NFS4ERR_STALE_STATEID:
	case NFS4ERR_EXPIRED:
	case NFS4ERR_OLD_STATEID:
	case NFS4ERR_ADMIN_REVOKED:
	case NFS4ERR_DELEG_REVOKED:
		return true;
	default:
		return false;
	}
}
