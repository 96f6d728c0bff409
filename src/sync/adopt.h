/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * adopt - a new name of a hard link whose other names were copied by an
 * earlier run.
 *
 * When such a name is met first, it would be copied and all others linked to
 * it anew. Instead it is linked to what the destination has, and then compared
 * like any name that is there.
 *
 * Thread rule: the scanner's thread.
 */
#ifndef SYNC_ADOPT_H
#define SYNC_ADOPT_H

struct item;
struct scanner;

/*
 * Looks for another name of `i`, which the destination lacks, and links `i` to
 * it. When that can be done the item has its destination's handle and
 * attributes and is planned to be compared; else it is left as it was.
 */
void adopt_link(struct scanner *s, struct item *i);

#endif
