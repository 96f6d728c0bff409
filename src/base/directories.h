/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * directories - a directory made with all that leads to it.
 *
 * Thread rule: pure.
 */
#ifndef BASE_DIRECTORIES_H
#define BASE_DIRECTORIES_H

/* mkdir -p, with mode 0700 for what it makes. -ENOTDIR: something else stands
 * in the way; -ENOMEM and what mkdir(2) says. */
int directories_make(const char *path);

#endif
