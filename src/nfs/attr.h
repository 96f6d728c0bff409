/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * attr - what is known of one entry, whatever the server speaks, and what may
 * be set on it.
 *
 * The names are those of RFC 8881 section 5; a backend that lacks an
 * attribute gives the nearest thing (a directory backend derives `change`
 * from the ctime).
 * Thread rule: none needed, plain values.
 */
#ifndef NFS_ATTR_H
#define NFS_ATTR_H

#include <stdbool.h>
#include <stdint.h>

enum entry_type {
	ENTRY_NONE, /* nothing there, or not known */
	ENTRY_FILE,
	ENTRY_DIRECTORY,
	ENTRY_SYMLINK,
	ENTRY_FIFO,
	ENTRY_SOCKET,
	ENTRY_BLOCK, /* EFS has no devices: seen, reported, never made */
	ENTRY_CHAR,
};

struct attr {
	enum entry_type type;
	uint32_t mode; /* permission bits and set-id, sticky: 07777 at most */
	uint32_t uid;
	uint32_t gid;
	uint64_t size;       /* bytes */
	uint64_t space_used; /* bytes allotted on the server's disk */
	uint64_t nlink;
	uint64_t fileid;
	uint64_t fsid_major;
	uint64_t fsid_minor;
	int64_t atime_ns; /* times in ns since 1970, negative before */
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint64_t change; /* differs when content or attributes differ */
};

/* Of a mode on the wire, these are kept; the type of a file may stand above
 * them, as in stat(2). What is beyond both is no mode: the answer is none. */
#define ATTR_MODE_BITS 07777u
#define ATTR_MODE_MAX  0177777u

/* Which fields of `struct attr_set` are to be set. */
#define ATTR_SET_MODE  0x01u
#define ATTR_SET_UID   0x02u
#define ATTR_SET_GID   0x04u
#define ATTR_SET_SIZE  0x08u
#define ATTR_SET_ATIME 0x10u
#define ATTR_SET_MTIME 0x20u
#define ATTR_SET_OWNER (ATTR_SET_UID | ATTR_SET_GID)
#define ATTR_SET_TIMES (ATTR_SET_ATIME | ATTR_SET_MTIME)

struct attr_set {
	uint32_t which; /* ATTR_SET_* */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	int64_t atime_ns;
	int64_t mtime_ns;
};

/* True when both describe the same version of the same object: a change of
 * content or attributes between the two would have been seen. */
static inline bool attr_same_version(const struct attr *a, const struct attr *b)
{
	return a->type == b->type && a->fileid == b->fileid &&
	       a->fsid_major == b->fsid_major &&
	       a->fsid_minor == b->fsid_minor && a->size == b->size &&
	       a->change == b->change && a->ctime_ns == b->ctime_ns &&
	       a->mtime_ns == b->mtime_ns;
}

#endif
