/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * location - how the user writes a volume.
 *
 *   host:/path                              NFSv4.1, port 2049
 *   nfs://host[:port]/path[?opt=value&..]   the same, with options
 *   [2001:db8::1]:/path, nfs://[::1]:2050/  IPv6 literals in brackets
 *   /local/dir, ./dir, ../dir, ., ..        a local directory
 *
 * In an nfs:// URL, path and values are percent-decoded (a decoded NUL or
 * '/' in a name is refused); in host:/path they are taken as written. A
 * leading "./", "../" or "/" makes it a local directory; anything else that
 * has no ":/" is refused in words, so that a forgotten host never becomes a
 * local directory by chance. A relative path is taken from the working
 * directory at the time of parsing.
 *
 * Options: vers=3, 4.0 or 4.1 (the default), nfsport=N (the same as a port
 * behind the host), mountport=N (of the mount service, with vers=3),
 * conns=N 1..16, uid=N, gid=N (AUTH_SYS credentials; default: the caller's),
 * deadline=SECONDS 1..86400 (how long an unreachable server is waited for),
 * tls (yes or no), ca=FILE (whose certificates are trusted). Only with
 * vers=4.1, to measure with: batch=N 1..64 items in a compound at the most,
 * depth=N 1..64 compounds under way on a connection.
 *
 * A host fs-ID, or its DNS name, is an Amazon EFS file system, reached with TLS
 * unless tls=no says otherwise. Only it has: accesspoint=fsap-ID, iam (yes or
 * no), awsprofile=NAME, rolearn=ARN, region=NAME, az=ZONE, and
 * mounttarget=ADDRESS[,ADDRESS..] in place of its DNS name.
 *
 * Thread rule: immutable once parsed.
 */
#ifndef VOLUME_LOCATION_H
#define VOLUME_LOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum location_kind {
	LOCATION_DIRECTORY,
	LOCATION_NFS,
};

enum location_version {
	LOCATION_V41,
	LOCATION_V40,
	LOCATION_V3,
};

struct location {
	enum location_kind kind;
	enum location_version version; /* of NFS */
	char *text; /* canonical, without options: equal text, equal volume */
	char *host; /* NFS: name or address without brackets */
	char *path; /* starts with '/'; no trailing '/', no "//", "." */
	uint16_t port;       /* NFS: 2049 unless written */
	bool has_port;       /* it was written */
	uint16_t mount_port; /* NFSv3: 0: the portmapper is asked */
	unsigned conns;      /* 0: chosen by the round trip */
	unsigned batch;      /* items in a compound at the most; 0: its room */
	unsigned depth;      /* compounds a connection; 0: as the server says */
	unsigned deadline_s; /* 0: the default */
	int64_t uid;         /* -1: the caller's */
	int64_t gid;
	bool to_write; /* the caller will: opening fails where that cannot be */
	bool tls;      /* encrypted, the server verified */
	char *ca;      /* file of trusted certificates; NULL: the system's */

	/* Amazon EFS. What was not written is NULL. */
	char *file_system; /* "fs-..", also the host; NULL: not EFS */
	char *region;
	char *zone;          /* of the mount target */
	char *mount_targets; /* addresses, with commas between */
	char *access_point;  /* "fsap-.." */
	bool iam;            /* connections are signed */
	char *aws_profile;
	char *role_arn;
};

/*
 * Parses `text`. -EINVAL with a sentence in `error[error_size]` that names
 * what is wrong; -ENOMEM. The result is freed with location_free().
 */
int location_parse(const char *text, struct location **ret, char *error,
		   size_t error_size);

/* Likewise, with `more` options that do not stand in the text: "name=value",
 * more after '&', escaped as in a URL. NULL: there are none. */
int location_parse_with(const char *text, const char *more,
			struct location **ret, char *error, size_t error_size);

struct location *location_free(struct location *l);

/* True when absolute path `inner` is `outer` or lies below it; by the letters,
 * so both had better be canonical. */
bool location_is_within(const char *inner, const char *outer);

#endif
