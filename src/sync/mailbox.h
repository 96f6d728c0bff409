/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailbox - the file `mailbox` in a state directory: by it another process
 * tells the one that runs the task in the foreground what to change.
 *
 * Thread rule: any thread.
 */
#ifndef SYNC_MAILBOX_H
#define SYNC_MAILBOX_H

#include <stdint.h>

/* No letter is longer, in bytes. */
#define MAILBOX_MAX 4096

/*
 * Puts a letter into it, after those of others, and waits until it was taken:
 * 0; -ETIMEDOUT: it was not within `patience_ns`, and is taken back; -E2BIG;
 * others from the file system.
 */
int mailbox_post(const char *directory, const char *text, int64_t patience_ns);

/* For the process that has the task's lock. 0: nothing is there; 1: `ret` is
 * what was, heap. Negative errno: what was there is no letter, and is thrown
 * away. */
int mailbox_take(const char *directory, char **ret);

/* Throws away what is there: for the one that has just got the lock. */
void mailbox_clear(const char *directory);

#endif
