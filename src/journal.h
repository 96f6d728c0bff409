/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal - the systemd journal in its native protocol: a datagram is a
 * message, with fields that `journalctl EFSBRIDGE_TASK=nightly` finds.
 *
 * Thread rule: any thread; open and close by one.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdio.h>

struct log_record;

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A descriptor for journal_put(), to be closed with close(2); or a negative
 * errno when nobody listens at the path `socket`. */
int journal_open(const char *socket);

/* 0 or a negative errno: -EAGAIN when the journal does not take it in time,
 * -EMSGSIZE when it is too large. `task` NULL: no such field. */
int journal_put(int fd, const char *task, const struct log_record *record);

/* What is sent of it. */
void journal_format(FILE *f, const char *task, const struct log_record *record);

/* The priority of syslog(3) of a level of base/log.h. */
int journal_priority(int level);

#endif
