/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * line - lines of a text that somebody else wrote: a file without a line's end
 * (a disk's, a device's) must not take all memory.
 *
 * Thread rule: as the stream's.
 */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Reads the next line into `line`, a heap buffer of `room` bytes that grows as
 * needed and is the caller's (NULL and 0 at first). It comes without the '\n'
 * at its end and with a NUL behind it; it may hold NULs. 1: a line of
 * `ret_len` bytes; 0: there is none; -EFBIG: one of more than `max` bytes, the
 * rest of which is not read; -ENOMEM, or the error of reading.
 */
int line_read(FILE *file, size_t max, char **line, size_t *room,
	      size_t *ret_len);

#endif
