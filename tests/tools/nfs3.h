/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * As much of NFSv3 (RFC 1813) as a fault proxy needs. Not thread-safe.
 */
#ifndef TOOLS_NFS3_H
#define TOOLS_NFS3_H

#include <stddef.h>
#include <stdint.h>

#define NFS3_READ        6
#define NFS3_READDIR     16
#define NFS3_READDIRPLUS 17

/* The procedure of a call, with where its arguments begin; -1: it is no call
 * of NFSv3. */
int nfs3_procedure_of(const unsigned char *bytes, size_t size,
		      size_t *ret_arguments);

/* The procedure with this name, as READDIRPLUS, or -1. */
int nfs3_procedure(const char *name);

/* How many zero words stand behind the status of one that failed: attributes
 * that are not told. */
size_t nfs3_failure_words(int procedure);

#endif
