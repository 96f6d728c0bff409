/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_compound - builds one NFSv4.0 COMPOUND as libnfs wants it, and reads
 * what libnfs made of the answer (RFC 7530 chapters 14 and 16).
 *
 * Only operations that read are here. They need no state on the server: READ
 * goes with the anonymous stateid (9.1.4.3), so there is neither a client id
 * nor a lease that could be lost. Attributes have the same form in both minor
 * versions and are coded by nfs/fattr.h; the numbers of errors are the same,
 * too.
 *
 * A reply is read operation by operation in the order of the request, as in
 * nfs/compound.h: 0 or a negative errno, -ENODATA for what was not executed,
 * -EPROTO for nonsense, -EAGAIN when the server asks to come back later.
 *
 * Ownership: a compound borrows handles and names until it was submitted (that
 * encodes it at once); it is a value and needs no end. Replies borrow what
 * libnfs decoded, which lives until the callback returns.
 * Thread rule: one thread at a time.
 *
 * Only volume/libnfs*.c include this.
 */
#ifndef VOLUME_LIBNFS_COMPOUND_H
#define VOLUME_LIBNFS_COMPOUND_H

#include <nfsc/libnfs-zdr.h>

#include <nfsc/libnfs-raw-nfs4.h>

#include "nfs/compound.h"

/* The most operations in one of them. */
#define LN_OPS_MAX 4

struct ln_compound {
	struct COMPOUND4args args; /* what libnfs is given */
	nfs_argop4 ops[LN_OPS_MAX];
	uint32_t bits[LN_OPS_MAX][2]; /* attributes asked for */
};

void ln_compound_init(struct ln_compound *c);

void ln_compound_putfh(struct ln_compound *c, const struct handle *h);
void ln_compound_putrootfh(struct ln_compound *c);
void ln_compound_lookup(struct ln_compound *c, const char *name);
void ln_compound_getattr(struct ln_compound *c, enum fattr_want want);
void ln_compound_readdir(struct ln_compound *c, uint64_t cookie,
			 uint64_t verifier, uint32_t max_bytes);
void ln_compound_readlink(struct ln_compound *c);
void ln_compound_read(struct ln_compound *c, uint64_t offset, uint32_t len);

struct ln_reply {
	const struct COMPOUND4res *res;
	unsigned next;          /* the result to be read */
	nfs_resop4 result;      /* the one read last, where it is aligned */
	uint32_t failed_status; /* NFS4 status of what failed last, else 0 */
};

void ln_reply_init(struct ln_reply *r, const struct COMPOUND4res *res);

/* Operations of whose results nothing but the status is wanted. */
int ln_reply_putfh(struct ln_reply *r);
int ln_reply_putrootfh(struct ln_reply *r);
int ln_reply_lookup(struct ln_reply *r);

/* `ret_handle`, heap, may be NULL when it was not asked for. */
int ln_reply_getattr(struct ln_reply *r, struct attr *ret,
		     struct handle **ret_handle);
int ln_reply_limits(struct ln_reply *r, struct server_limits *ret);
int ln_reply_space(struct ln_reply *r, struct server_space *ret);
int ln_reply_readlink(struct ln_reply *r, char **ret_target);
/* READ of `room` bytes, which then lie in `buffer`. */
int ln_reply_read(struct ln_reply *r, uint8_t *buffer, size_t room,
		  size_t *ret_len, bool *ret_eof);

/*
 * READDIR: ln_reply_readdir() begins and gives the first entry; then
 * ln_reply_dirent() reads one after the other: 1 with `ret` filled, 0 behind
 * the last. What `ret` holds is the caller's.
 */
int ln_reply_readdir(struct ln_reply *r, uint64_t *ret_verifier, bool *ret_eof,
		     const struct entry4 **ret_first);
int ln_reply_dirent(const struct entry4 **entry, struct dirent4 *ret);

/* True when a listing cannot go on because its verifier is not good any
 * more. */
bool ln_reply_is_not_same(const struct ln_reply *r);

#endif
