/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * escape - names as text: file names are bytes, terminals and JSON are not.
 *
 * Thread rule: pure.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `s` with what could damage a terminal or a line-based report written as
 * \n, \t, \\ or \ooo (octal): control characters, the backslash, bytes that
 * are not UTF-8. Heap, the caller's; NULL when out of memory.
 */
char *escape_name(const char *s);

/*
 * `s` as a JSON string with its quotes. Bytes that are not UTF-8 become
 * U+FFFD. Heap, the caller's; NULL when out of memory.
 */
char *escape_json(const char *s);

/* The length of the UTF-8 sequence at `s`, 0 when there is none. */
size_t escape_utf8_length(const char *s);

#endif
