/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_nfs3 - an NFSv3 server on a loopback port, with its mount service on the
 * same one: a single directory in memory, and faults as a test orders them.
 *
 * It keeps no cache of replies: a call that is sent again is executed again,
 * as by a server that has forgotten its clients.
 *
 * Thread rule: faults are set, and the log is read, when no call is under way.
 */
#ifndef FAKE_NFS3_H
#define FAKE_NFS3_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE3_CONNS   32
#define FAKE3_OBJECTS 64
#define FAKE3_NAMES   64
#define FAKE3_PROCS   22

/* Procedures (RFC 1813). */
enum {
	FAKE3_GETATTR = 1,
	FAKE3_SETATTR,
	FAKE3_LOOKUP,
	FAKE3_ACCESS,
	FAKE3_READLINK,
	FAKE3_READ,
	FAKE3_WRITE,
	FAKE3_CREATE,
	FAKE3_MKDIR,
	FAKE3_SYMLINK,
	FAKE3_MKNOD,
	FAKE3_REMOVE,
	FAKE3_RMDIR,
	FAKE3_RENAME,
	FAKE3_LINK,
	FAKE3_READDIR,
	FAKE3_READDIRPLUS,
	FAKE3_FSSTAT,
	FAKE3_FSINFO,
	FAKE3_PATHCONF,
	FAKE3_COMMIT,
};

struct fake3_object {
	uint32_t type;
	uint32_t nlink;
	uint64_t size;
	uint8_t verifier[8]; /* of an exclusive CREATE */
};

struct fake3_name {
	char name[256]; /* "": none */
	unsigned object;
};

struct fake3 {
	uint16_t port;

	/* Faults. */
	unsigned drop[FAKE3_PROCS];  /* so many are executed, not answered */
	unsigned spoil[FAKE3_PROCS]; /* .. or with an answer cut short */
	unsigned later[FAKE3_PROCS]; /* so many are NFS3ERR_JUKEBOX */
	bool bare;            /* no handles and attributes that need not be */
	bool no_plus;         /* no READDIRPLUS */
	bool no_exclusive;    /* no exclusive CREATE */
	atomic_bool silent;   /* connections are taken, nothing is answered */
	uint32_t short_io;    /* bytes of a READ or WRITE at the most */
	uint32_t handle_len;  /* of the handles LOOKUP gives; 0: right ones */
	uint32_t mode;        /* of all objects; 0: 0600 */
	const char *bad_name; /* an entry of its own in every listing */
	unsigned restart_at;  /* the verifier changes before this WRITE */

	/* What happened. */
	unsigned calls[FAKE3_PROCS];
	char sets[256]; /* what SETATTRs set: 'm' 'u' 'g' 's' 'a' 't', ' ' */

	/* Objects by number; 0 is the directory. */
	struct fake3_object objects[FAKE3_OBJECTS];
	unsigned object_count;
	struct fake3_name names[FAKE3_NAMES];
	uint32_t verifier;

	pthread_t thread;
	atomic_bool stop;
	int listener;
	int fds[FAKE3_CONNS];
};

void fake3_start(struct fake3 *f);
void fake3_stop(struct fake3 *f);

/* The object of that name, or NULL. */
struct fake3_object *fake3_find(struct fake3 *f, const char *name);

/* A new file of this size under a new name. */
void fake3_add(struct fake3 *f, const char *name, uint64_t size);

#endif
