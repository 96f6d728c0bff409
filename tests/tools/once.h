/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Does a server do anything twice that is to be done once? CREATE, LINK,
 * REMOVE, RENAME, and OPEN where it creates, each known by its directories and
 * names, are counted when the server says that it has done them. An answer
 * from the server's cache, known by session, slot and sequence, says the same
 * once more and is no second time.
 *
 *	executed   were done
 *	replayed   answers from the cache, to what changes something
 *	repeated   were asked for again after they were done, by a request that
 *		   is not the old one; the server did it, or could not do it any
 *		   more. There ought to be none, unless a session was lost.
 *
 * It is told what truly reaches the server and what truly comes from it,
 * whether the client ever sees that or not. Not thread-safe.
 */
#ifndef TOOLS_ONCE_H
#define TOOLS_ONCE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct once;

struct once *once_new(void);
void once_free(struct once *o);

/* A message without its record mark; the connection by any number. */
void once_up(struct once *o, uint64_t connection, const unsigned char *bytes,
	     size_t size);
void once_down(struct once *o, uint64_t connection, const unsigned char *bytes,
	       size_t size);

/* Lines `key value`. What was repeated is told on standard error at once. */
void once_print(const struct once *o, FILE *stream);

#endif
