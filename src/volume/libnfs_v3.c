/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a server sends has passed libnfs's decoder, which knows the shapes but
 * not the limits: handles, types and times are checked here.
 */
#include "volume/libnfs_v3.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SET_ID 06000u

/* The least a server may say and be believed. */
#define IO_MIN 1024

const struct ln_verb *const v3_verbs[VOLUME_VERBS] = {
    [VOLUME_LIST] = &v3_list_verb,
    [VOLUME_LOOKUP] = &v3_lookup_verb,
    [VOLUME_GETATTR] = &v3_getattr_verb,
    [VOLUME_READLINK] = &v3_readlink_verb,
    [VOLUME_READ_WHOLE] = &v3_read_whole_verb,
    [VOLUME_WRITE_WHOLE] = &v3_write_whole_verb,
    [VOLUME_MAKE] = &v3_make_verb,
    [VOLUME_LINK] = &v3_link_verb,
    [VOLUME_SETATTR] = &v3_setattr_verb,
    [VOLUME_REMOVE] = &v3_remove_verb,
    [VOLUME_RENAME] = &v3_rename_verb,
    [VOLUME_READ] = &v3_read_verb,
    [VOLUME_OPEN] = &v3_open_verb,
    [VOLUME_WRITE] = &v3_write_verb,
    [VOLUME_COMMIT] = &v3_commit_verb,
    [VOLUME_CLOSE] = &v3_close_verb,
    [VOLUME_STATFS] = &v3_statfs_verb,
};

/* --- Statuses ------------------------------------------------------------- */

static const struct {
	int status;
	int error;
} errors[] = {
    {NFS3_OK, 0},
    {NFS3ERR_PERM, -EPERM},
    {NFS3ERR_NOENT, -ENOENT},
    {NFS3ERR_IO, -EIO},
    {NFS3ERR_NXIO, -ENXIO},
    {NFS3ERR_ACCES, -EACCES},
    {NFS3ERR_EXIST, -EEXIST},
    {NFS3ERR_XDEV, -EXDEV},
    {NFS3ERR_NODEV, -ENODEV},
    {NFS3ERR_NOTDIR, -ENOTDIR},
    {NFS3ERR_ISDIR, -EISDIR},
    {NFS3ERR_INVAL, -EINVAL},
    {NFS3ERR_FBIG, -EFBIG},
    {NFS3ERR_NOSPC, -ENOSPC},
    {NFS3ERR_ROFS, -EROFS},
    {NFS3ERR_MLINK, -EMLINK},
    {NFS3ERR_NAMETOOLONG, -ENAMETOOLONG},
    {NFS3ERR_NOTEMPTY, -ENOTEMPTY},
    {NFS3ERR_DQUOT, -EDQUOT},
    {NFS3ERR_STALE, -ESTALE},
    {NFS3ERR_REMOTE, -EREMOTE},
    {NFS3ERR_BADHANDLE, -ESTALE},
    {NFS3ERR_NOT_SYNC, -EBUSY},
    {NFS3ERR_BAD_COOKIE, -EIO},
    {NFS3ERR_NOTSUPP, -EOPNOTSUPP},
    {NFS3ERR_TOOSMALL, -EMSGSIZE},
    {NFS3ERR_SERVERFAULT, -EIO},
    {NFS3ERR_BADTYPE, -EOPNOTSUPP},
};

int v3_error(int status)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].status == status)
			return errors[i].error;
	return -EIO;
}

int v3_get_status(const void *res)
{
	int status;

	/* Every result begins with it. */
	memcpy(&status, res, sizeof(status));
	return v3_error(status);
}

/* --- What is sent --------------------------------------------------------- */

struct nfs_fh3 v3_fh(const struct handle *handle)
{
	struct nfs_fh3 fh = {0};

	fh.data.data_len = handle->len;
	fh.data.data_val = (char *)(uintptr_t)handle->data;
	return fh;
}

struct diropargs3 v3_where(const struct handle *dir, const char *name)
{
	return (struct diropargs3){
	    .dir = v3_fh(dir),
	    .name = (char *)(uintptr_t)name,
	};
}

struct sattr3 v3_mode(uint32_t mode)
{
	struct sattr3 s;

	memset(&s, 0, sizeof(s));
	s.mode.set_it = 1;
	s.mode.set_mode3_u.mode = mode;
	return s;
}

static struct nfstime3 time_of(int64_t ns)
{
	struct timespec ts = clock_split_ns(ns);

	return (struct nfstime3){
	    .seconds = (uint32_t)ts.tv_sec,
	    .nseconds = (uint32_t)ts.tv_nsec,
	};
}

static bool time_fits(int64_t ns)
{
	struct timespec ts = clock_split_ns(ns);

	return ts.tv_sec >= 0 && ts.tv_sec <= UINT32_MAX;
}

int v3_setattr_check(const struct attr_set *set)
{
	if (set->which & ATTR_SET_ATIME && !time_fits(set->atime_ns))
		return -EINVAL;
	if (set->which & ATTR_SET_MTIME && !time_fits(set->mtime_ns))
		return -EINVAL;
	return 0;
}

unsigned v3_setattr_count(const struct attr_set *set)
{
	if (!set->which)
		return 0;
	return set->which & ATTR_SET_OWNER && set->which & ATTR_SET_MODE &&
		       set->mode & SET_ID
		   ? 2
		   : 1;
}

struct sattr3 v3_setattr_part(const struct attr_set *set, unsigned i)
{
	uint32_t which = set->which;
	struct sattr3 s;

	memset(&s, 0, sizeof(s));
	if (v3_setattr_count(set) == 2)
		which &= i == 0 ? ~ATTR_SET_MODE : ATTR_SET_MODE;
	if (which & ATTR_SET_MODE) {
		s.mode.set_it = 1;
		s.mode.set_mode3_u.mode = set->mode;
	}
	if (which & ATTR_SET_UID) {
		s.uid.set_it = 1;
		s.uid.set_uid3_u.uid = set->uid;
	}
	if (which & ATTR_SET_GID) {
		s.gid.set_it = 1;
		s.gid.set_gid3_u.gid = set->gid;
	}
	if (which & ATTR_SET_SIZE) {
		s.size.set_it = 1;
		s.size.set_size3_u.size = set->size;
	}
	if (which & ATTR_SET_ATIME) {
		s.atime.set_it = SET_TO_CLIENT_TIME;
		s.atime.set_atime_u.atime = time_of(set->atime_ns);
	}
	if (which & ATTR_SET_MTIME) {
		s.mtime.set_it = SET_TO_CLIENT_TIME;
		s.mtime.set_mtime_u.mtime = time_of(set->mtime_ns);
	}
	return s;
}

/* --- What comes ----------------------------------------------------------- */

static enum entry_type type_of(int type)
{
	switch (type) {
	case NF3REG:
		return ENTRY_FILE;
	case NF3DIR:
		return ENTRY_DIRECTORY;
	case NF3BLK:
		return ENTRY_BLOCK;
	case NF3CHR:
		return ENTRY_CHAR;
	case NF3LNK:
		return ENTRY_SYMLINK;
	case NF3SOCK:
		return ENTRY_SOCKET;
	case NF3FIFO:
		return ENTRY_FIFO;
	default:
		return ENTRY_NONE;
	}
}

static int64_t ns_of(struct nfstime3 t)
{
	return clock_join_ns(t.seconds, t.nseconds);
}

int v3_get_attr(const struct fattr3 *from, struct attr *ret)
{
	enum entry_type type = type_of((int)from->type);

	if (type == ENTRY_NONE || from->mode > ATTR_MODE_MAX ||
	    from->atime.nseconds >= NS_PER_S ||
	    from->mtime.nseconds >= NS_PER_S ||
	    from->ctime.nseconds >= NS_PER_S)
		return -EPROTO;
	*ret = (struct attr){
	    .type = type,
	    .mode = from->mode & ATTR_MODE_BITS,
	    .uid = from->uid,
	    .gid = from->gid,
	    .size = from->size,
	    .space_used = from->used,
	    .nlink = from->nlink,
	    .fileid = from->fileid,
	    .fsid_major = from->fsid,
	    .atime_ns = ns_of(from->atime),
	    .mtime_ns = ns_of(from->mtime),
	    .ctime_ns = ns_of(from->ctime),
	    .change = (uint64_t)ns_of(from->ctime),
	};
	return 0;
}

bool v3_is_gone(const struct attr *attr)
{
	return attr->type == ENTRY_FILE && attr->nlink == 0;
}

int v3_get_post(const struct post_op_attr *from, struct attr *ret)
{
	return from->attributes_follow &&
	       !v3_get_attr(&from->post_op_attr_u.attributes, ret);
}

int v3_get_handle(const struct nfs_fh3 *from, struct handle **slot)
{
	struct handle *handle;

	if (from->data.data_len == 0 || from->data.data_len > NFS3_FHSIZE)
		return -EPROTO;
	handle = handle_new(from->data.data_val, from->data.data_len);
	if (!handle)
		return -ENOMEM;
	free(*slot);
	*slot = handle;
	return 0;
}

int v3_get_post_handle(const struct post_op_fh3 *from, struct handle **slot)
{
	int error;

	if (!from->handle_follows)
		return 0;
	error = v3_get_handle(&from->post_op_fh3_u.handle, slot);
	return error ? error : 1;
}

int v3_get_lookup(const struct LOOKUP3res *res, struct handle **slot,
		  struct attr *ret, bool *ret_has_attr)
{
	const struct LOOKUP3resok *ok = &res->LOOKUP3res_u.resok;

	if (res->status)
		return v3_error((int)res->status);
	*ret_has_attr = v3_get_post(&ok->obj_attributes, ret);
	return v3_get_handle(&ok->object, slot);
}

int v3_get_getattr(const struct GETATTR3res *res, struct attr *ret)
{
	int error = v3_error((int)res->status);

	if (!error)
		error =
		    v3_get_attr(&res->GETATTR3res_u.resok.obj_attributes, ret);
	return !error && v3_is_gone(ret) ? -ESTALE : error;
}

/* --- Calls ---------------------------------------------------------------- */

bool v3_send_lookup(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name)
{
	struct LOOKUP3args args = {.what = v3_where(dir, name)};

	return SHIM_CALL3(lookup, rpc, ln_answered, &args, work);
}

bool v3_send_getattr(struct ln_work *work, struct rpc_context *rpc,
		     const struct handle *handle)
{
	struct GETATTR3args args = {.object = v3_fh(handle)};

	return SHIM_CALL3(getattr, rpc, ln_answered, &args, work);
}

bool v3_send_setattr(struct ln_work *work, struct rpc_context *rpc,
		     const struct handle *handle, struct sattr3 set)
{
	struct SETATTR3args args;

	memset(&args, 0, sizeof(args)); /* no guard */
	args.object = v3_fh(handle);
	args.new_attributes = set;
	return SHIM_CALL3(setattr, rpc, ln_answered, &args, work);
}

bool v3_send_remove(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name, bool directory)
{
	struct REMOVE3args file = {.object = v3_where(dir, name)};
	struct RMDIR3args folder = {.object = file.object};

	return directory ? SHIM_CALL3(rmdir, rpc, ln_answered, &folder, work)
			 : SHIM_CALL3(remove, rpc, ln_answered, &file, work);
}

bool v3_send_rename(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name,
		    const struct handle *to_dir, const char *to_name)
{
	struct RENAME3args args = {
	    .from = v3_where(dir, name),
	    .to = v3_where(to_dir, to_name),
	};

	return SHIM_CALL3(rename, rpc, ln_answered, &args, work);
}

/* --- Limits --------------------------------------------------------------- */

struct limits {
	int result;
};

static bool limits_send(struct ln_work *work, struct rpc_context *rpc)
{
	struct FSINFO3args args = {.fsroot = v3_fh(work->v->root)};
	struct PATHCONF3args paths = {.object = args.fsroot};

	if (work->stage == 0)
		return SHIM_CALL3(fsinfo, rpc, ln_answered, &args, work);
	return SHIM_CALL3(pathconf, rpc, ln_answered, &paths, work);
}

static size_t io_limit(uint32_t told)
{
	if (told < IO_MIN)
		return VOLUME_RANGE;
	return told < VOLUME_RANGE ? told : VOLUME_RANGE;
}

static int limits_reply(struct ln_work *work, void *data)
{
	const struct FSINFO3res *info = data;
	const struct PATHCONF3res *paths = data;
	struct ln *v = work->v;

	if (work->stage == 0) {
		if (!info->status) {
			const struct FSINFO3resok *ok =
			    &info->FSINFO3res_u.resok;

			v->read_max = io_limit(ok->rtmax);
			v->write_max = io_limit(ok->wtmax);
			if (ok->maxfilesize > 0)
				v->file_max = ok->maxfilesize;
		}
		work->stage = 1;
		return LN_NEXT;
	}
	if (!paths->status) {
		const struct PATHCONF3resok *ok = &paths->PATHCONF3res_u.resok;

		if (ok->name_max > 0 && ok->name_max < VOLUME_NAME_MAX)
			v->name_max = ok->name_max;
		/* The least that POSIX allows is what servers say that do not
		 * know. */
		if (ok->linkmax > _POSIX_LINK_MAX)
			v->link_max = ok->linkmax;
	}
	return 0;
}

static const struct ln_verb limits_verb = {
    LN_VERB(limits, ln_work, limits),
};

void v3_learn_limits(struct ln *v)
{
	struct limits item = {0};

	(void)ln_run(v, &limits_verb, &item);
}
