/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * difference - in what an entry differs between both sides, when the trees
 * are compared: a set of kinds, their names, and how the manifest keeps them.
 *
 * Thread rule: pure.
 */
#ifndef SYNC_DIFFERENCE_H
#define SYNC_DIFFERENCE_H

#include <stdint.h>

struct attr;

/* Kinds, as bits. The manifest keeps them: their values stay. */
#define DIFFERS_CONTENT 0x001u
#define DIFFERS_SIZE    0x002u /* then the content is not read */
#define DIFFERS_TARGET  0x004u /* of a symbolic link */
#define DIFFERS_TYPE    0x008u /* then nothing else is compared */
#define DIFFERS_MODE    0x010u
#define DIFFERS_OWNER   0x020u /* or group */
#define DIFFERS_TIMES   0x040u /* of the last modification */
#define DIFFERS_MISSING 0x080u /* not on the destination */
#define DIFFERS_EXTRA   0x100u /* only on the destination */

#define DIFFERENCES 9 /* kinds there are; kind `i` is bit 1 << i */

/* Room for the names of all kinds. */
#define DIFFERENCE_TEXT 96

/* "content", "size", ... */
const char *difference_name(unsigned index);

/* "mode, owner" */
const char *difference_text(uint32_t kinds, char ret[DIFFERENCE_TEXT]);

/*
 * As the error of a failed row: below -65536, so that no errno is meant. The
 * kinds of such an error; 0 when it is an errno.
 */
int difference_error(uint32_t kinds);
uint32_t difference_of_error(int error);

/* The kinds in which the attributes of two entries differ; `preserve` as for
 * plan_attr_differs(). Content and target are not looked at. */
uint32_t difference_of(const struct attr *want, const struct attr *have,
		       uint32_t preserve);

#endif
