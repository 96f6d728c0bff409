/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_v3 - what the verbs of NFSv3 (RFC 1813) share.
 *
 *   libnfs_v3.c        the table of verbs, statuses, attributes, limits
 *   libnfs_v3_list.c   pages of directories
 *   libnfs_v3_names.c  lookup, getattr, readlink, remove, rename, statfs
 *   libnfs_v3_make.c   directories, symlinks, FIFOs, sockets, hard links;
 *                      attributes
 *   libnfs_v3_symlink.c  symlinks whose target is too long for libnfs
 *   libnfs_v3_read.c   small files read whole, ranges of large ones
 *   libnfs_v3_write.c  small files written whole
 *   libnfs_v3_file.c   large files: open, write, commit, close
 *
 * NFSv3 has no change counter: `change` of a struct attr is the ctime. It has
 * no sessions either: a call that was sent again may find that it has been
 * done, and each verb says at its head how it tells that from failure.
 *
 * Thread rule: pure, but for the verbs, which are as libnfs.h says.
 *
 * Only volume/libnfs_v3*.c include this.
 */
#ifndef VOLUME_LIBNFS_V3_H
#define VOLUME_LIBNFS_V3_H

#include "volume/libnfs.h"
#include "volume/libnfs_shim.h"

extern const struct ln_verb v3_list_verb;
extern const struct ln_verb v3_lookup_verb;
extern const struct ln_verb v3_getattr_verb;
extern const struct ln_verb v3_readlink_verb;
extern const struct ln_verb v3_read_whole_verb;
extern const struct ln_verb v3_write_whole_verb;
extern const struct ln_verb v3_make_verb;
extern const struct ln_verb v3_link_verb;
extern const struct ln_verb v3_setattr_verb;
extern const struct ln_verb v3_remove_verb;
extern const struct ln_verb v3_rename_verb;
extern const struct ln_verb v3_read_verb;
extern const struct ln_verb v3_open_verb;
extern const struct ln_verb v3_write_verb;
extern const struct ln_verb v3_commit_verb;
extern const struct ln_verb v3_close_verb;
extern const struct ln_verb v3_statfs_verb;

/* The negative errno of an nfsstat3; 0 for NFS3_OK. */
int v3_error(int status);

/* What may be passed to libnfs, which does not write to it; borrowed. */
struct nfs_fh3 v3_fh(const struct handle *handle);
struct diropargs3 v3_where(const struct handle *dir, const char *name);

/* Attributes of the server: 0, or -EPROTO. */
int v3_get_attr(const struct fattr3 *from, struct attr *ret);

/* The same of an optional one: 1 when it is there and in order, else 0. */
int v3_get_post(const struct post_op_attr *from, struct attr *ret);

/* A file whose last name is gone, which the server happens to have open and
 * therefore still answers for. */
bool v3_is_gone(const struct attr *attr);

/* A copy of the server's handle replaces the one in `*slot`. -EPROTO for one
 * that no server may give, -ENOMEM. */
int v3_get_handle(const struct nfs_fh3 *from, struct handle **slot);

/* The same of an optional one: 1 when it was there, 0 when not, an errno. */
int v3_get_post_handle(const struct post_op_fh3 *from, struct handle **slot);

/* What CREATE, MKDIR, SYMLINK and MKNOD begin with: `mode` and nothing. */
struct sattr3 v3_mode(uint32_t mode);

/*
 * Setting attributes takes up to two SETATTRs: changing the owner clears the
 * set-id bits of a file (chown(2)), and a server is free to apply one call's
 * mode before its owner. So set-id bits get a second one. Number `i` of
 * v3_setattr_count() calls; -EINVAL for times before 1970 and after 2106, for
 * which NFSv3 has no numbers.
 */
unsigned v3_setattr_count(const struct attr_set *set);
struct sattr3 v3_setattr_part(const struct attr_set *set, unsigned i);
int v3_setattr_check(const struct attr_set *set);

/*
 * SYMLINK of any length, on a thread and a connection of its own, which calls
 * done() when it is over: `again` says that it was sent more than once. What
 * is given stays the caller's and lasts until then.
 */
void v3_symlink_long(struct ln_work *work, const struct handle *dir,
		     const char *name, const char *target,
		     void (*done)(struct ln_work *work, int error, bool again));

/* Calls that more than one verb makes. */
bool v3_send_lookup(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name);
bool v3_send_getattr(struct ln_work *work, struct rpc_context *rpc,
		     const struct handle *handle);
bool v3_send_setattr(struct ln_work *work, struct rpc_context *rpc,
		     const struct handle *handle, struct sattr3 set);
bool v3_send_remove(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name, bool directory);
bool v3_send_rename(struct ln_work *work, struct rpc_context *rpc,
		    const struct handle *dir, const char *name,
		    const struct handle *to_dir, const char *to_name);

/* Their answers. LOOKUP gives a handle, and attributes if the server added
 * them: `*ret_has_attr`. The last three are all alike: a status. */
int v3_get_lookup(const struct LOOKUP3res *res, struct handle **slot,
		  struct attr *ret, bool *ret_has_attr);
int v3_get_getattr(const struct GETATTR3res *res, struct attr *ret);
int v3_get_status(const void *res);

#endif
