/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dumpable - looks through the memory of this process as a core dump would.
 *
 * Thread rule: one thread, while the others leave mappings alone.
 */
#ifndef TESTS_TOOLS_DUMPABLE_H
#define TESTS_TOOLS_DUMPABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * How often the text occurs in writable memory that a core dump would hold.
 * It is given with all bits flipped, so that the question is not the answer.
 */
size_t dumpable_count(const uint8_t *flipped, size_t len);

#endif
