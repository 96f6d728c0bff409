/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_shim - what differs between the versions of libnfs, in one place.
 *
 *   4.0, 5.0   rpc_nfs3_x_async() answers 0; the data of a READ lie in the
 *              decoded result and are gone when the callback returns
 *   6, 7       rpc_nfs3_x_task() answers the PDU; the data of a READ go into
 *              a buffer of the caller, those of a WRITE are not copied
 *
 * The callers do what suits both: a READ brings its buffer along, and the
 * bytes of a WRITE stay where they are until it is answered. configure says
 * which it is: EB_LIBNFS_TASKS is defined for 6 and 7.
 *
 * Thread rule: a context belongs to one thread.
 *
 * Only volume/libnfs*.c include this.
 */
#ifndef VOLUME_LIBNFS_SHIM_H
#define VOLUME_LIBNFS_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The others need it before them. */
#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-nfs4.h>
#include <nfsc/libnfs-raw.h>

/* SHIM_CALL3(getattr, rpc, done, &args, user): true when the call is on its
 * way, after which done() is called once. */
#ifdef EB_LIBNFS_TASKS
#	define SHIM_CALL3(name, rpc, done, args, user) \
		(rpc_nfs3_##name##_task(rpc, done, args, user) != NULL)
#else
#	define SHIM_CALL3(name, rpc, done, args, user) \
		(rpc_nfs3_##name##_async(rpc, done, args, user) == 0)
#endif

/* The procedure that does nothing, of a version of NFS. */
static inline bool shim_null(struct rpc_context *rpc, int version, rpc_cb done,
			     void *user)
{
#ifdef EB_LIBNFS_TASKS
	return rpc_null_task(rpc, NFS_PROGRAM, version, done, user) != NULL;
#else
	return rpc_null_async(rpc, NFS_PROGRAM, version, done, user) == 0;
#endif
}

/* READ of args->count bytes, for which `buffer` has room. */
static inline bool shim_read3(struct rpc_context *rpc, rpc_cb done,
			      uint8_t *buffer, struct READ3args *args,
			      void *user)
{
#ifdef EB_LIBNFS_TASKS
	return rpc_nfs3_read_task(rpc, done, buffer, args->count, args, user) !=
	       NULL;
#else
	(void)buffer;
	return rpc_nfs3_read_async(rpc, done, args, user) == 0;
#endif
}

/*
 * How many bytes an answered READ brought, which then lie in `buffer`; -1:
 * more than the `room` bytes that were asked for, or less than it says.
 */
static inline int64_t shim_read3_data(const struct READ3resok *ok,
				      uint8_t *buffer, size_t room)
{
	if (ok->count > room)
		return -1;
#ifdef EB_LIBNFS_TASKS
	(void)buffer;
#else
	if (ok->data.data_len != ok->count)
		return -1;
	if (ok->count > 0)
		memcpy(buffer, ok->data.data_val, ok->count);
#endif
	return ok->count;
}

/* A COMPOUND of NFSv4 without READ. */
static inline bool shim_compound4(struct rpc_context *rpc, rpc_cb done,
				  struct COMPOUND4args *args, void *user)
{
#ifdef EB_LIBNFS_TASKS
	return rpc_nfs4_compound_task(rpc, done, args, user) != NULL;
#else
	return rpc_nfs4_compound_async(rpc, done, args, user) == 0;
#endif
}

/* Whether nothing may follow a READ in its COMPOUND. */
#ifdef EB_LIBNFS_TASKS
#	define SHIM_READ4_IS_LAST true
#else
#	define SHIM_READ4_IS_LAST false
#endif

/* A COMPOUND with one READ of `room` bytes, for which `buffer` has room. */
static inline bool shim_read4(struct rpc_context *rpc, rpc_cb done,
			      uint8_t *buffer, size_t room,
			      struct COMPOUND4args *args, void *user)
{
#ifdef EB_LIBNFS_TASKS
	return rpc_nfs4_read_task(rpc, done, buffer, room, args, user) != NULL;
#else
	(void)buffer;
	(void)room;
	return shim_compound4(rpc, done, args, user);
#endif
}

/* As shim_read3_data(). */
static inline int64_t shim_read4_data(const struct READ4resok *ok,
				      uint8_t *buffer, size_t room)
{
	if (ok->data.data_len > room)
		return -1;
#ifdef EB_LIBNFS_TASKS
	(void)buffer;
#else
	if (ok->data.data_len > 0)
		memcpy(buffer, ok->data.data_val, ok->data.data_len);
#endif
	return ok->data.data_len;
}

#endif
