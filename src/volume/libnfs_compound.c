// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * libnfs wants a request as an array of structs and gives the answer as one.
 * Attributes lie in these as the bytes that were on the wire: a bitmap, and an
 * opaque whose meaning depends on it. They are put together again as the
 * fattr4 that they were, and nfs/fattr.c, which checks all of its input, reads
 * that. libnfs's own high-level calls would know times in microseconds and
 * owners by name only.
 *
 * libnfs decodes into memory that is aligned for four bytes only: results and
 * entries are copied before they are looked at.
 *
 * libnfs leaves a union untouched when the status says that it has nothing in
 * it, so a result is looked at in the order number, status, values.
 */
#include "volume/libnfs_compound.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nfs/fattr.h"
#include "nfs/status.h"
#include "volume/libnfs_shim.h"
#include "volume/volume.h"

/* The largest attributes of one entry, and the largest symlink target. */
#define ATTR_BYTES_MAX 65536
#define TARGET_MAX     65536

/* Words of a bitmap that fattr_get() looks at. */
#define BITMAP_WORDS_MAX 8

/* --- The request ---------------------------------------------------------- */

void ln_compound_init(struct ln_compound *c)
{
	memset(c, 0, sizeof(*c));
	c->args.argarray.argarray_val = c->ops;
}

static nfs_argop4 *add(struct ln_compound *c, nfs_opnum4 op)
{
	nfs_argop4 *arg = &c->ops[c->args.argarray.argarray_len++];

	arg->argop = op;
	return arg;
}

void ln_compound_putfh(struct ln_compound *c, const struct handle *h)
{
	nfs_fh4 *fh = &add(c, OP_PUTFH)->nfs_argop4_u.opputfh.object;

	/* libnfs only reads it. */
	fh->nfs_fh4_len = h->len;
	fh->nfs_fh4_val = (char *)h->data;
}

void ln_compound_putrootfh(struct ln_compound *c)
{
	add(c, OP_PUTROOTFH);
}

void ln_compound_lookup(struct ln_compound *c, const char *name)
{
	component4 *to = &add(c, OP_LOOKUP)->nfs_argop4_u.oplookup.objname;

	to->utf8string_len = (u_int)strlen(name);
	to->utf8string_val = (char *)name;
}

/* Points `to` to the bitmap4 that fattr_put_request() makes. */
static void put_request(struct ln_compound *c, bitmap4 *to,
			enum fattr_want want, bool in_listing)
{
	uint32_t *bits = c->bits[c->args.argarray.argarray_len - 1];
	struct xdr_out out;
	struct xdr_in in;

	xdr_out_init(&out);
	fattr_put_request(&out, want, in_listing);
	xdr_in_init(&in, out.data, out.len);
	to->bitmap4_len = xdr_get_u32(&in);
	if (to->bitmap4_len > 2)
		to->bitmap4_len = 2;
	for (u_int i = 0; i < to->bitmap4_len; i++)
		bits[i] = xdr_get_u32(&in);
	/* Out of memory: nothing is asked for, and that is noticed. */
	if (in.failed || out.failed)
		to->bitmap4_len = 0;
	to->bitmap4_val = bits;
	xdr_out_done(&out);
}

void ln_compound_getattr(struct ln_compound *c, enum fattr_want want)
{
	nfs_argop4 *arg = add(c, OP_GETATTR);

	put_request(c, &arg->nfs_argop4_u.opgetattr.attr_request, want, false);
}

void ln_compound_readdir(struct ln_compound *c, uint64_t cookie,
			 uint64_t verifier, uint32_t max_bytes)
{
	READDIR4args *args = &add(c, OP_READDIR)->nfs_argop4_u.opreaddir;

	args->cookie = cookie;
	memcpy(args->cookieverf, &verifier, sizeof(args->cookieverf));
	args->dircount = max_bytes;
	args->maxcount = max_bytes;
	put_request(c, &args->attr_request, FATTR_ATTR_AND_HANDLE, true);
}

void ln_compound_readlink(struct ln_compound *c)
{
	add(c, OP_READLINK);
}

void ln_compound_read(struct ln_compound *c, uint64_t offset, uint32_t len)
{
	READ4args *args = &add(c, OP_READ)->nfs_argop4_u.opread;

	args->offset = offset;
	args->count = len;
}

/* --- The answer ----------------------------------------------------------- */

void ln_reply_init(struct ln_reply *r, const struct COMPOUND4res *res)
{
	*r = (struct ln_reply){.res = res};
}

static int failed(struct ln_reply *r, uint32_t status)
{
	int error = status_to_errno(status);

	r->failed_status = status;
	return error < 0 ? error : -EIO;
}

/* Takes the next result: 0 when `op` was executed well. */
static int begin(struct ln_reply *r, nfs_opnum4 op, const nfs_resop4 **ret)
{
	const struct COMPOUND4res *res = r->res;
	const nfs_resop4 *result = &r->result;

	r->failed_status = 0;
	if (r->next >= res->resarray.resarray_len) {
		/* A server that refuses a compound executes none of it. */
		if (r->next == 0 && res->status != NFS4_OK)
			return failed(r, res->status);
		return -ENODATA;
	}
	memcpy(&r->result,
	       (const char *)res->resarray.resarray_val +
		   r->next++ * sizeof(r->result),
	       sizeof(r->result));
	if (result->resop != op && result->resop != OP_ILLEGAL)
		return -EPROTO;
	/* All results begin with their status. */
	if (result->nfs_resop4_u.opputfh.status != NFS4_OK)
		return failed(r, result->nfs_resop4_u.opputfh.status);
	if (result->resop != op)
		return -EPROTO;
	if (ret)
		*ret = result;
	return 0;
}

int ln_reply_putfh(struct ln_reply *r)
{
	return begin(r, OP_PUTFH, NULL);
}

int ln_reply_putrootfh(struct ln_reply *r)
{
	return begin(r, OP_PUTROOTFH, NULL);
}

int ln_reply_lookup(struct ln_reply *r)
{
	return begin(r, OP_LOOKUP, NULL);
}

/* Reads one fattr4. Its handle points into `bytes`, which the caller ends. */
static int get_fattr(const fattr4 *from, struct xdr_out *bytes,
		     struct fattr *ret)
{
	struct xdr_in in;

	if (from->attrmask.bitmap4_len > BITMAP_WORDS_MAX ||
	    from->attr_vals.attrlist4_len > ATTR_BYTES_MAX)
		return -EPROTO;
	xdr_put_u32(bytes, from->attrmask.bitmap4_len);
	for (u_int i = 0; i < from->attrmask.bitmap4_len; i++)
		xdr_put_u32(bytes, from->attrmask.bitmap4_val[i]);
	xdr_put_bytes(bytes, from->attr_vals.attrlist4_val,
		      from->attr_vals.attrlist4_len);
	if (bytes->failed)
		return -ENOMEM;
	xdr_in_init(&in, bytes->data, bytes->len);
	return fattr_get(&in, ret) ? 0 : -EPROTO;
}

/* A fattr4 as attributes, and as a handle when that is wanted. */
static int get_attr(const fattr4 *from, struct attr *ret,
		    struct handle **ret_handle, int *ret_error)
{
	struct handle *h = NULL;
	struct xdr_out bytes;
	struct fattr f;
	int error;

	xdr_out_init(&bytes);
	error = get_fattr(from, &bytes, &f);
	if (!error && ret_handle && !f.error) {
		h = f.handle ? handle_new(f.handle, f.handle_len) : NULL;
		if (!h)
			error = f.handle ? -ENOMEM : -EPROTO;
	}
	xdr_out_done(&bytes);
	if (error)
		return error;
	*ret = f.attr;
	if (ret_handle)
		*ret_handle = h;
	if (ret_error)
		*ret_error = f.error;
	return 0;
}

int ln_reply_getattr(struct ln_reply *r, struct attr *ret,
		     struct handle **ret_handle)
{
	const nfs_resop4 *result;
	int error = begin(r, OP_GETATTR, &result);

	if (error)
		return error;
	return get_attr(
	    &result->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
	    ret, ret_handle, NULL);
}

/* The next result's fattr4, whatever is in it. */
static int get_facts(struct ln_reply *r, struct fattr *ret)
{
	const nfs_resop4 *result;
	struct xdr_out bytes;
	int error = begin(r, OP_GETATTR, &result);

	if (error)
		return error;
	xdr_out_init(&bytes);
	error = get_fattr(
	    &result->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
	    &bytes, ret);
	xdr_out_done(&bytes);
	return error;
}

int ln_reply_limits(struct ln_reply *r, struct server_limits *ret)
{
	struct fattr f;
	int error = get_facts(r, &f);

	if (!error)
		*ret = f.limits;
	return error;
}

int ln_reply_space(struct ln_reply *r, struct server_space *ret)
{
	struct fattr f;
	int error = get_facts(r, &f);

	if (!error)
		*ret = f.space;
	return error;
}

/* A heap string of `len` bytes: libnfs 4 ends none of its strings. */
static int dup_string(const char *data, size_t len, size_t max, char **ret)
{
	char *s;

	if (len > max || (len > 0 && memchr(data, '\0', len)))
		return -EPROTO;
	s = strndup(len > 0 ? data : "", len);
	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

int ln_reply_readlink(struct ln_reply *r, char **ret_target)
{
	const nfs_resop4 *result;
	const linktext4 *link;
	int error = begin(r, OP_READLINK, &result);

	if (error)
		return error;
	link = &result->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	return dup_string(link->utf8string_val, link->utf8string_len,
			  TARGET_MAX, ret_target);
}

int ln_reply_read(struct ln_reply *r, uint8_t *buffer, size_t room,
		  size_t *ret_len, bool *ret_eof)
{
	const nfs_resop4 *result;
	const READ4resok *ok;
	int error = begin(r, OP_READ, &result);
	int64_t len;

	if (error)
		return error;
	ok = &result->nfs_resop4_u.opread.READ4res_u.resok4;
	len = shim_read4_data(ok, buffer, room);
	if (len < 0)
		return -EPROTO;
	*ret_len = (size_t)len;
	*ret_eof = ok->eof;
	return 0;
}

int ln_reply_readdir(struct ln_reply *r, uint64_t *ret_verifier, bool *ret_eof,
		     const struct entry4 **ret_first)
{
	const nfs_resop4 *result;
	const READDIR4resok *ok;
	int error = begin(r, OP_READDIR, &result);

	if (error)
		return error;
	ok = &result->nfs_resop4_u.opreaddir.READDIR4res_u.resok4;
	memcpy(ret_verifier, ok->cookieverf, sizeof(*ret_verifier));
	*ret_eof = ok->reply.eof;
	*ret_first = ok->reply.entries;
	return 0;
}

int ln_reply_dirent(const struct entry4 **entry, struct dirent4 *ret)
{
	struct entry4 e;
	struct dirent4 d = {0};
	int error;

	if (!*entry)
		return 0;
	memcpy(&e, (const char *)*entry, sizeof(e));
	d.cookie = e.cookie;
	error = dup_string(e.name.utf8string_val, e.name.utf8string_len,
			   VOLUME_NAME_MAX, &d.name);
	if (error)
		return error;
	/* "." and "..", or a path, would lead somewhere else. */
	if (d.name[0] == '\0' || strchr(d.name, '/') || !strcmp(d.name, ".") ||
	    !strcmp(d.name, ".."))
		error = -EPROTO;
	if (!error)
		error = get_attr(&e.attrs, &d.attr, &d.handle, &d.attr_result);
	if (error) {
		free(d.name);
		return error;
	}
	*entry = e.nextentry;
	*ret = d;
	return 1;
}

bool ln_reply_is_not_same(const struct ln_reply *r)
{
	return r->failed_status == NFS4ERR_NOT_SAME;
}
