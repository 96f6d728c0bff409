/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * csv - fields of tables for other programs, RFC 4180.
 *
 * Thread rule: pure, but for the stream.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdio.h>

/*
 * Writes `text` as a field in quotes. What a spreadsheet would take for a
 * formula begins with a space: a name must not become one. What cannot be
 * written shows as ferror() of the stream.
 */
void csv_put(FILE *f, const char *text);

#endif
