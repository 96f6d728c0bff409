/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a reply is a walk over the results in the order of the request.
 * begin() takes the number and the status of the next result and settles the
 * three ways in which there is none: all were read (-ENODATA), the bytes are
 * malformed (-EPROTO, sticky in in.failed), or the server answered another
 * operation than the one asked (-EPROTO as well; OP_ILLEGAL excepted, which
 * is how a server answers an operation it never heard of, 15.1.3.4).
 *
 * An operation that failed is the last one (2.2, 16.2.3): `left` becomes 0
 * whatever the server claimed. Values are decoded as a whole and looked at
 * once: end() turns a failed decoder into -EPROTO.
 */
#include <errno.h>

#include "nfs/fattr.h"
#include "nfs/proto.h"
#include "nfs/status.h"

/* The longest symlink target that is read; Linux has 4095, EFS 4080. */
#define TARGET_MAX 65536

/* The longest name (255 bytes everywhere that matters). */
#define NAME_BYTES_MAX 255

/* The longest reason, user or limit in a delegation that nobody asked for. */
#define WHO_MAX 1024

static int malformed(struct reply *r)
{
	r->in.failed = true;
	r->left = 0;
	return -EPROTO;
}

/* Takes the head of the next result: 0 when `op` was executed well. */
static int begin(struct reply *r, uint32_t op)
{
	uint32_t got, status;

	r->failed_status = NFS4_OK;
	if (r->in.failed)
		return -EPROTO;
	if (r->left == 0)
		return -ENODATA;
	got = xdr_get_u32(&r->in);
	status = xdr_get_u32(&r->in);
	if (r->in.failed || (got != op && got != OP_ILLEGAL) ||
	    (got == OP_ILLEGAL && status == NFS4_OK))
		return malformed(r);
	r->left--;
	if (status == NFS4_OK)
		return 0;
	r->left = 0;
	r->failed_status = status;
	return status_to_errno(status);
}

static int end(struct reply *r)
{
	return r->in.failed ? malformed(r) : 0;
}

bool reply_has_next(const struct reply *r)
{
	return !r->in.failed && r->left > 0;
}

bool reply_refused_stateid(const struct reply *r)
{
	/* ACCESS and the rest are about the file, not about the stateid. */
	return status_is_stateid(r->failed_status) ||
	       r->failed_status == NFS4ERR_OPENMODE ||
	       r->failed_status == NFS4ERR_STALE_CLIENTID;
}

bool reply_is_not_same(const struct reply *r)
{
	return r->failed_status == NFS4ERR_NOT_SAME;
}

static void skip_change_info(struct xdr_in *x)
{
	xdr_get_bool(x); /* atomic */
	xdr_get_u64(x);  /* before */
	xdr_get_u64(x);  /* after */
}

static void get_stateid(struct xdr_in *x, struct stateid *ret)
{
	const uint8_t *other;

	ret->seqid = xdr_get_u32(x);
	other = xdr_get_fixed(x, sizeof(ret->other));
	if (other)
		memcpy(ret->other, other, sizeof(ret->other));
}

int reply_putfh(struct reply *r)
{
	return begin(r, OP_PUTFH);
}

int reply_putrootfh(struct reply *r)
{
	return begin(r, OP_PUTROOTFH);
}

int reply_savefh(struct reply *r)
{
	return begin(r, OP_SAVEFH);
}

int reply_restorefh(struct reply *r)
{
	return begin(r, OP_RESTOREFH);
}

int reply_lookup(struct reply *r)
{
	return begin(r, OP_LOOKUP);
}

int reply_verify(struct reply *r)
{
	return begin(r, OP_VERIFY);
}

/* SETATTR4res has the attributes that were set, also after an error. */
int reply_setattr(struct reply *r)
{
	int error = begin(r, OP_SETATTR);

	if (error == -EPROTO || error == -ENODATA)
		return error;
	fattr_skip_bitmap(&r->in);
	return r->in.failed ? malformed(r) : error;
}

int reply_create(struct reply *r)
{
	int error = begin(r, OP_CREATE);

	if (error)
		return error;
	skip_change_info(&r->in);
	fattr_skip_bitmap(&r->in);
	return end(r);
}

static int with_change_info(struct reply *r, uint32_t op, unsigned count)
{
	int error = begin(r, op);

	if (error)
		return error;
	for (unsigned i = 0; i < count; i++)
		skip_change_info(&r->in);
	return end(r);
}

int reply_link(struct reply *r)
{
	return with_change_info(r, OP_LINK, 1);
}

int reply_remove(struct reply *r)
{
	return with_change_info(r, OP_REMOVE, 1);
}

int reply_rename(struct reply *r)
{
	return with_change_info(r, OP_RENAME, 2);
}

int reply_getfh(struct reply *r, struct handle **ret)
{
	int error = begin(r, OP_GETFH);
	const uint8_t *data;
	struct handle *h;
	size_t len = 0;

	if (error)
		return error;
	data = xdr_get_bytes(&r->in, NFS4_FHSIZE, &len);
	if (!data || len == 0)
		return malformed(r);
	h = handle_new(data, len);
	if (!h)
		return -ENOMEM;
	*ret = h;
	return 0;
}

/* The fattr4 of a GETATTR. */
static int getattr(struct reply *r, struct fattr *ret)
{
	int error = begin(r, OP_GETATTR);

	if (error)
		return error;
	if (!fattr_get(&r->in, ret))
		return malformed(r);
	return 0;
}

int reply_getattr(struct reply *r, struct attr *ret, struct handle **ret_handle)
{
	struct handle *h = NULL;
	struct fattr f;
	int error = getattr(r, &f);

	if (error)
		return error;
	if (ret_handle) {
		/* FATTR4_FILEHANDLE is REQUIRED (5.6): all servers have it. */
		if (!f.handle)
			return malformed(r);
		h = handle_new(f.handle, f.handle_len);
		if (!h)
			return -ENOMEM;
		*ret_handle = h;
	}
	*ret = f.attr;
	return 0;
}

int reply_limits(struct reply *r, struct server_limits *ret)
{
	struct fattr f;
	int error = getattr(r, &f);

	if (!error)
		*ret = f.limits;
	return error;
}

int reply_space(struct reply *r, struct server_space *ret)
{
	struct fattr f;
	int error = getattr(r, &f);

	if (!error)
		*ret = f.space;
	return error;
}

/* open_delegation4: none is asked for, but a server may give one. */
static void skip_delegation(struct xdr_in *x)
{
	uint32_t type = xdr_get_u32(x);
	struct stateid ignored;
	uint32_t limit_by, why;
	size_t len = 0;

	switch (type) {
	case OPEN_DELEGATE_NONE:
		return;
	case OPEN_DELEGATE_NONE_EXT:
		why = xdr_get_u32(x);
		if (why == WND4_CONTENTION || why == WND4_RESOURCE)
			xdr_get_bool(x);
		return;
	case OPEN_DELEGATE_READ:
	case OPEN_DELEGATE_WRITE:
		get_stateid(x, &ignored);
		xdr_get_bool(x); /* recall */
		if (type == OPEN_DELEGATE_WRITE) {
			limit_by = xdr_get_u32(x);
			if (limit_by != NFS_LIMIT_SIZE &&
			    limit_by != NFS_LIMIT_BLOCKS)
				x->failed = true;
			xdr_get_u64(x); /* a size, or two words of blocks */
		}
		/* nfsace4: type, flag, mask, who */
		xdr_get_fixed(x, 12);
		xdr_get_bytes(x, WHO_MAX, &len);
		return;
	default:
		x->failed = true;
	}
}

int reply_open(struct reply *r, struct stateid *ret)
{
	int error = begin(r, OP_OPEN);
	struct stateid stateid = {0};

	if (error)
		return error;
	get_stateid(&r->in, &stateid);
	skip_change_info(&r->in);
	xdr_get_u32(&r->in); /* rflags: CONFIRM does not exist in 4.1 */
	fattr_skip_bitmap(&r->in);
	skip_delegation(&r->in);
	if (r->in.failed)
		return malformed(r);
	*ret = stateid;
	return 0;
}

int reply_close(struct reply *r)
{
	int error = begin(r, OP_CLOSE);
	struct stateid ignored;

	if (error)
		return error;
	get_stateid(&r->in, &ignored);
	return end(r);
}

int reply_read(struct reply *r, const uint8_t **ret_data, size_t *ret_len,
	       bool *ret_eof)
{
	int error = begin(r, OP_READ);
	const uint8_t *data;
	size_t len = 0;
	bool eof;

	if (error)
		return error;
	eof = xdr_get_bool(&r->in);
	data = xdr_get_bytes(&r->in, xdr_left(&r->in), &len);
	if (r->in.failed)
		return malformed(r);
	*ret_data = data;
	*ret_len = len;
	*ret_eof = eof;
	return 0;
}

int reply_write(struct reply *r, uint32_t *ret_count, bool *ret_durable,
		uint64_t *ret_verifier)
{
	int error = begin(r, OP_WRITE);
	uint32_t count, committed;
	uint64_t verifier;

	if (error)
		return error;
	count = xdr_get_u32(&r->in);
	committed = xdr_get_u32(&r->in);
	verifier = xdr_get_u64(&r->in);
	if (r->in.failed || committed > FILE_SYNC4)
		return malformed(r);
	*ret_count = count;
	*ret_durable = committed == FILE_SYNC4;
	*ret_verifier = verifier;
	return 0;
}

int reply_commit(struct reply *r, uint64_t *ret_verifier)
{
	int error = begin(r, OP_COMMIT);
	uint64_t verifier;

	if (error)
		return error;
	verifier = xdr_get_u64(&r->in);
	if (r->in.failed)
		return malformed(r);
	*ret_verifier = verifier;
	return 0;
}

/* A heap string of these bytes. -EPROTO for a NUL among them. */
static int dup_string(const uint8_t *data, size_t len, char **ret)
{
	char *s;

	if (len > 0 && memchr(data, '\0', len))
		return -EPROTO;
	s = malloc(len + 1);
	if (!s)
		return -ENOMEM;
	if (len > 0)
		memcpy(s, data, len);
	s[len] = '\0';
	*ret = s;
	return 0;
}

int reply_readlink(struct reply *r, char **ret_target)
{
	int error = begin(r, OP_READLINK);
	const uint8_t *data;
	size_t len = 0;

	if (error)
		return error;
	data = xdr_get_bytes(&r->in, TARGET_MAX, &len);
	if (!data)
		return malformed(r);
	error = dup_string(data, len, ret_target);
	return error == -EPROTO ? malformed(r) : error;
}

int reply_readdir(struct reply *r, uint64_t *ret_verifier)
{
	int error = begin(r, OP_READDIR);
	uint64_t verifier;

	if (error)
		return error;
	verifier = xdr_get_u64(&r->in);
	if (r->in.failed)
		return malformed(r);
	*ret_verifier = verifier;
	return 0;
}

static bool is_good_name(const uint8_t *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.');
}

int reply_dirent(struct reply *r, struct dirent4 *ret, bool *ret_eof)
{
	struct dirent4 d = {0};
	const uint8_t *name;
	struct fattr f;
	size_t len = 0;
	int error;

	if (r->in.failed)
		return -EPROTO;
	if (!xdr_get_bool(&r->in)) {
		bool eof = xdr_get_bool(&r->in);

		if (r->in.failed)
			return malformed(r);
		*ret_eof = eof;
		return 0;
	}
	d.cookie = xdr_get_u64(&r->in);
	name = xdr_get_bytes(&r->in, NAME_BYTES_MAX, &len);
	if (!name || !is_good_name(name, len) || !fattr_get(&r->in, &f))
		return malformed(r);
	d.attr_result = f.error;
	/* A server that gives attributes gives the handle, which it MUST
	 * support; one that leaves it out has nothing to go on with. */
	if (!f.error && !f.handle)
		d.attr_result = -EIO;
	if (!d.attr_result) {
		d.attr = f.attr;
		d.handle = handle_new(f.handle, f.handle_len);
		if (!d.handle)
			return -ENOMEM;
	}
	error = dup_string(name, len, &d.name);
	if (error) {
		free(d.handle);
		return error;
	}
	*ret = d;
	return 1;
}
