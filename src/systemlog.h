/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemlog - syslog(3). It is alone here since its names are also those of
 * base/log.h.
 *
 * Thread rule: any thread.
 */
#ifndef SYSTEMLOG_H
#define SYSTEMLOG_H

/* 0, or a negative errno when nobody listens. */
int systemlog_open(void);

/* `priority` is that of syslog(3), 0 to 7. */
void systemlog_put(int priority, const char *text);

void systemlog_close(void);

#endif
