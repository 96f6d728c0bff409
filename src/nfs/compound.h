/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compound - builds one NFSv4.1 COMPOUND request and reads its reply
 * (RFC 8881 section 16.2 and chapter 18; XDR in RFC 5662).
 *
 * A compound starts with room for the RPC header and the SEQUENCE operation,
 * which client/conn fill in when it is sent; the operations follow. The data
 * of a WRITE is not copied: the compound refers to it and the connection
 * sends it from where it lies.
 *
 * A reply is read operation by operation in the order of the request: each
 * reply_*() checks that the next result is of that operation, returns its
 * status as 0 or a negative errno, and on 0 its values. The first operation
 * that failed is the last one in a reply; reading behind it gives -ENODATA
 * ("not executed"). Malformed bytes give -EPROTO from then on.
 *
 * Ownership: the compound owns its buffer and holds a reference to each blob
 * it refers to. Pointers that replies return live as long as the reply's blob.
 * Thread rule: one thread at a time.
 */
#ifndef NFS_COMPOUND_H
#define NFS_COMPOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/blob.h"
#include "nfs/attr.h"
#include "nfs/handle.h"
#include "nfs/xdr.h"

/* Room for record mark, RPC call header with AUTH_SYS, compound header and
 * SEQUENCE: the first bytes of a compound's body. It is filled from its end
 * backwards, so its start is not fixed. */
#define COMPOUND_HEADROOM 640

/* The most operations one compound of ours holds, SEQUENCE included. */
#define COMPOUND_OPS_MAX 128

/* The most pieces of outside data (WRITEs) in one compound. */
#define COMPOUND_REFS_MAX 64

#define STATEID_SIZE 16

struct stateid {
	uint32_t seqid;
	uint8_t other[12];
};

extern const struct stateid stateid_anonymous; /* all zeros, RFC 8881 8.2.3 */
extern const struct stateid stateid_current;   /* seqid 1, zeros */

/* Data of a WRITE that is sent from where it lies. */
struct compound_ref {
	size_t at; /* it belongs before this byte of `body`, headroom counted */
	const uint8_t *data;
	size_t len;        /* padding is in the body */
	struct blob *blob; /* reference, or NULL: data outlive the call */
};

struct compound {
	struct xdr_out body; /* headroom, then the operations behind SEQUENCE,
				encoded; body.failed: not to be sent */
	unsigned ops;        /* how many, SEQUENCE not counted */
	bool changes;        /* holds operations that must not run twice */
	unsigned ref_count;
	struct compound_ref refs[COMPOUND_REFS_MAX];
};

struct compound *compound_new(void);
struct compound *compound_free(struct compound *c);

/* Empties it to be built anew. */
void compound_reset(struct compound *c);

/* Bytes of the operations with the data they refer to, headroom left out. */
size_t compound_size(const struct compound *c);

/* The attributes of `struct attr` (and the file handle when asked). */
enum fattr_want {
	FATTR_ATTR,            /* what struct attr holds */
	FATTR_ATTR_AND_HANDLE, /* and FATTR4_FILEHANDLE */
	FATTR_LIMITS,          /* what struct server_limits holds */
	FATTR_SPACE,           /* what struct server_space holds */
};

struct server_limits {
	uint32_t lease_s;
	uint32_t name_max; /* 0: not told */
	uint32_t link_max;
	uint64_t read_max; /* 0: not told */
	uint64_t write_max;
};

struct server_space {
	uint64_t total_bytes, free_bytes, avail_bytes;
	uint64_t total_files, free_files;
};

/* There is one open-owner in the whole process, but for the last two: servers
 * bound their number, and in NFSv4.1 opens by one owner need no order. */
enum open_how {
	OPEN_GUARDED,   /* create, NFS4ERR_EXIST if there; mode 0600 */
	OPEN_UNCHECKED, /* create or cut to length 0; mode 0600 */
	OPEN_NAME,      /* the existing file `name` of the current directory */
	OPEN_HANDLE,    /* CLAIM_FH: the current file handle; name NULL */
	OPEN_HOLD,      /* the same, by an owner of its own: no CLOSE of the
			   others touches it */
	OPEN_PASSING,   /* the same for one READ and its CLOSE, which is no
			writer's end */
};

enum open_access {
	OPEN_READ = 1,
	OPEN_WRITE = 2,
};

enum write_stable {
	WRITE_UNSTABLE = 0,
	WRITE_FILE_SYNC = 2,
};

void compound_putfh(struct compound *c, const struct handle *h);
void compound_putrootfh(struct compound *c);
void compound_savefh(struct compound *c);
void compound_restorefh(struct compound *c);
void compound_getfh(struct compound *c);
void compound_lookup(struct compound *c, const char *name);
void compound_getattr(struct compound *c, enum fattr_want want);
void compound_setattr(struct compound *c, const struct stateid *stateid,
		      const struct attr_set *set);
void compound_readdir(struct compound *c, uint64_t cookie, uint64_t verifier,
		      uint32_t max_bytes);
void compound_readlink(struct compound *c);
void compound_open(struct compound *c, uint64_t clientid, const char *name,
		   enum open_how how, enum open_access access);
void compound_close(struct compound *c, const struct stateid *stateid);
void compound_read(struct compound *c, const struct stateid *stateid,
		   uint64_t offset, uint32_t len);
void compound_write(struct compound *c, const struct stateid *stateid,
		    uint64_t offset, const uint8_t *data, size_t len,
		    struct blob *blob, enum write_stable stable);
void compound_commit(struct compound *c);
/* CREATE: directory, symlink (with target), FIFO or socket. */
void compound_create(struct compound *c, enum entry_type type, const char *name,
		     const char *target, const struct attr_set *set);
/* VERIFY: goes on only if the file's size is `size` (18.31). */
void compound_verify_size(struct compound *c, uint64_t size);
void compound_link(struct compound *c, const char *name);
void compound_remove(struct compound *c, const char *name);
void compound_rename(struct compound *c, const char *from, const char *to);

struct reply {
	struct blob *blob;      /* the record; the reader holds a reference */
	struct xdr_in in;       /* stands behind SEQUENCE's result */
	unsigned left;          /* results left to read */
	uint32_t status;        /* NFS4 status of the whole compound */
	uint32_t failed_status; /* NFS4 status of the operation that a
				   reply_*() call reported last, else 0 */
};

/* True when the next operation was executed (perhaps with an error). */
bool reply_has_next(const struct reply *r);

/* True when what failed last failed because of its stateid: void, or of a
 * kind or mode that the server does not take for this operation. */
bool reply_refused_stateid(const struct reply *r);

/* True when a listing cannot go on because its verifier is not good any more
 * (NFS4ERR_NOT_SAME). */
bool reply_is_not_same(const struct reply *r);

/* Operations of whose results nothing but the status is wanted. */
int reply_putfh(struct reply *r);
int reply_putrootfh(struct reply *r);
int reply_savefh(struct reply *r);
int reply_restorefh(struct reply *r);
int reply_lookup(struct reply *r);
int reply_setattr(struct reply *r);
int reply_create(struct reply *r);
int reply_verify(struct reply *r);
int reply_link(struct reply *r);
int reply_remove(struct reply *r);
int reply_rename(struct reply *r);

int reply_getfh(struct reply *r, struct handle **ret);
/* `ret_handle` may be NULL when it was not asked for. */
int reply_getattr(struct reply *r, struct attr *ret,
		  struct handle **ret_handle);
int reply_limits(struct reply *r, struct server_limits *ret);
int reply_space(struct reply *r, struct server_space *ret);
int reply_open(struct reply *r, struct stateid *ret);
int reply_close(struct reply *r);
int reply_read(struct reply *r, const uint8_t **ret_data, size_t *ret_len,
	       bool *ret_eof);
int reply_write(struct reply *r, uint32_t *ret_count, bool *ret_durable,
		uint64_t *ret_verifier);
int reply_commit(struct reply *r, uint64_t *ret_verifier);
int reply_readlink(struct reply *r, char **ret_target);

/*
 * READDIR: reply_readdir() begins, then reply_dirent() gives one entry after
 * the other: 1 with `ret` filled, 0 at the end of the page with `*ret_eof`
 * set, negative on malformed bytes. Names with NUL or '/' in them, empty
 * ones, "." and ".." from a server are a protocol error.
 */
struct dirent4 {
	uint64_t cookie;
	char *name;            /* heap, the caller's */
	struct handle *handle; /* heap, the caller's; NULL if attr_result */
	int attr_result;       /* from FATTR4_RDATTR_ERROR */
	struct attr attr;
};
int reply_readdir(struct reply *r, uint64_t *ret_verifier);
int reply_dirent(struct reply *r, struct dirent4 *ret, bool *ret_eof);

#endif
