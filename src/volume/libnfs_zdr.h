/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_zdr - what libnfs's decoder takes from a server is checked.
 *
 * The decoder of libnfs 4 and 5 believes lengths: one beyond the answer reads
 * and, in an array, writes beyond its memory; one near 2^32 goes backwards. Its
 * parts call each other by their names, as functions of a shared library, and
 * those of this program come first: the four that read a length are here, look
 * at it, and hand on to libnfs's own.
 *
 * Thread rule: any thread.
 *
 * Only volume/libnfs*.c include this.
 */
#ifndef VOLUME_LIBNFS_ZDR_H
#define VOLUME_LIBNFS_ZDR_H

struct rpc_context;

/* A context of libnfs's, whose answers are decoded with these checks; NULL when
 * there is no memory for it. Whoever makes it here has them linked in: nothing
 * else of the program names the four. */
struct rpc_context *ln_zdr_context(void);

#endif
