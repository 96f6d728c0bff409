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
 * The reverse, of `size` bytes at `s`: what escape_name() wrote becomes the
 * name again. Heap, the caller's. -EINVAL: a backslash that begins none of the
 * sequences above, or a NUL.
 */
int escape_undo(const char *s, size_t size, char **ret);

/*
 * `s` as text between the tags of HTML or in a quoted attribute: & < > " '
 * become references, what a page cannot hold (controls, bytes that are not
 * UTF-8) is written as escape_name() does. Heap, the caller's; NULL when out
 * of memory.
 */
char *escape_html(const char *s);

/*
 * `s` as a JSON string with its quotes. Bytes that are not UTF-8 become
 * U+FFFD. Heap, the caller's; NULL when out of memory.
 */
char *escape_json(const char *s);

/* The length of the UTF-8 sequence at `s`, 0 when there is none. */
size_t escape_utf8_length(const char *s);

#endif
