/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan - the scanners: threads that list directories on both sides, plan
 * each entry, make missing directories and hand out work.
 *
 * Thread rule: scan_start() and scan_join() from the engine's thread.
 */
#ifndef SYNC_SCAN_H
#define SYNC_SCAN_H

struct engine;
struct scanners;

/* Starts `count` scanners. 0 or negative errno. */
int scan_start(struct engine *e, unsigned count, struct scanners **ret);

/* Waits until they ended, which they do once the stack is closed. NULL is let
 * through. */
struct scanners *scan_join(struct scanners *s);

#endif
