/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * extent - which parts of a block of file data need to be written.
 *
 * Long runs of zeros become holes: they are left out when a new file is
 * written and its size is set instead.
 * Thread rule: none needed, pure.
 */
#ifndef BASE_EXTENT_H
#define BASE_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The alignment and the shortest length of a run that becomes a hole, in
 * bytes. Shorter runs are written: an operation of their own costs more than
 * the bytes, and file systems allot in 4 KiB blocks anyway.
 */
#define EXTENT_GRAIN 4096
#define EXTENT_HOLE  32768

struct extent {
	size_t offset; /* within the block looked at */
	size_t len;
};

/*
 * The next part of `data[0..len)` at or after `*pos` that must be written:
 * true with `ret` set and `*pos` moved behind it, false when only zeros (or
 * nothing) are left. `offset` is where `data` lies in the file; runs are
 * aligned in the file, not in the block. Start with `*pos` 0.
 */
bool extent_next(const uint8_t *data, size_t len, uint64_t offset, size_t *pos,
		 struct extent *ret);

#endif
