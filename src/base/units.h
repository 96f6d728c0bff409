/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * units - amounts as people read them.
 *
 * Thread rule: pure.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#define UNITS_TEXT 24

/* "512 B", "1.2 GiB" into `text`, which is returned. */
const char *units_bytes(double bytes, char text[UNITS_TEXT]);

/* "2:03", "1:02:03" into `text`, which is returned. */
const char *units_duration(int64_t ns, char text[UNITS_TEXT]);

#endif
