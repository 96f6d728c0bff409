/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each function has the name of libnfs's, and calls that by its address, the
 * next one of that name that the dynamic linker finds. What is encoded is
 * ours and needs no look.
 */
#include "volume/libnfs_zdr.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "volume/libnfs_shim.h"

/* The most bytes that an array takes when it is decoded: its memory is that
 * much larger than the answer. */
#define ARRAY_MAX (256u << 20)

static struct {
	__typeof__(libnfs_zdr_opaque) *opaque;
	__typeof__(libnfs_zdr_bytes) *bytes;
	__typeof__(libnfs_zdr_string) *string;
	__typeof__(libnfs_zdr_array) *array;
} libnfs;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_next(void)
{
	libnfs.opaque = dlsym(RTLD_NEXT, "libnfs_zdr_opaque");
	libnfs.bytes = dlsym(RTLD_NEXT, "libnfs_zdr_bytes");
	libnfs.string = dlsym(RTLD_NEXT, "libnfs_zdr_string");
	libnfs.array = dlsym(RTLD_NEXT, "libnfs_zdr_array");
}

/* Bytes of the answer that were not decoded yet. */
static size_t left(const ZDR *z)
{
	return z->pos >= 0 && z->pos < z->size ? (size_t)(z->size - z->pos) : 0;
}

/* Whether the length that comes next, in pieces of at least four bytes when
 * `pieces`, is one that the answer has. */
static bool has_length(const ZDR *z, bool pieces, uint32_t max)
{
	uint32_t length;

	if (left(z) < sizeof(length))
		return false;
	memcpy(&length, z->buf + z->pos, sizeof(length));
	length = ntohl(length);
	return length <= max &&
	       length <= (left(z) - sizeof(length)) / (pieces ? 4 : 1);
}

bool_t libnfs_zdr_opaque(ZDR *z, char *data, uint32_t size)
{
	pthread_once(&once, find_next);
	if (!libnfs.opaque || (z->x_op == ZDR_DECODE && size > left(z)))
		return FALSE;
	return libnfs.opaque(z, data, size);
}

bool_t libnfs_zdr_bytes(ZDR *z, char **data, uint32_t *size, uint32_t max)
{
	pthread_once(&once, find_next);
	if (!libnfs.bytes ||
	    (z->x_op == ZDR_DECODE && !has_length(z, false, UINT32_MAX)))
		return FALSE;
	return libnfs.bytes(z, data, size, max);
}

bool_t libnfs_zdr_string(ZDR *z, char **text, uint32_t max)
{
	pthread_once(&once, find_next);
	if (!libnfs.string ||
	    (z->x_op == ZDR_DECODE && !has_length(z, false, UINT32_MAX)))
		return FALSE;
	return libnfs.string(z, text, max);
}

bool_t libnfs_zdr_array(ZDR *z, char **array, uint32_t *size, uint32_t max,
			uint32_t each, zdrproc_t proc)
{
	pthread_once(&once, find_next);
	if (!libnfs.array ||
	    (z->x_op == ZDR_DECODE &&
	     !has_length(z, true, ARRAY_MAX / (each ? each : 1))))
		return FALSE;
	return libnfs.array(z, array, size, max, each, proc);
}

struct rpc_context *ln_zdr_context(void)
{
	return rpc_init_context();
}
