/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * treesum - one digest of a whole tree, whatever the order in which its entries
 * are met: the sum, modulo 2^64 in each half, of the XXH3-128 digests of all of
 * them. That of an entry is taken of its path, type, the attributes that are
 * preserved, its size and the digest of its content or target.
 *
 * It tells an accident from a copy; against somebody who makes trees collide on
 * purpose it is no help.
 *
 * Thread rule: treesum_add() from any thread; the rest when all have ended.
 */
#ifndef SYNC_TREESUM_H
#define SYNC_TREESUM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/digest.h"

struct attr;

/* All zero is that of an empty set. */
struct treesum {
	_Atomic uint64_t half[2];
	_Atomic uint64_t entries;
};

/* `content` is NULL for what has none; `preserve` is ATTR_SET_*. */
void treesum_add(struct treesum *t, const char *path, const struct attr *attr,
		 uint32_t preserve, const struct digest *content);

/* Hex, into `text`; returns it. */
const char *treesum_text(const struct treesum *t, char text[DIGEST_TEXT]);

#endif
