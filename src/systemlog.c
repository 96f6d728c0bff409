/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "systemlog.h"

#include <errno.h>
#include <paths.h>
#include <syslog.h>
#include <unistd.h>

int systemlog_open(void)
{
	/* syslog(3) itself would throw everything away without a word. */
	if (access(_PATH_LOG, W_OK) < 0)
		return -errno;
	openlog("efsbridge", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	return 0;
}

void systemlog_put(int priority, const char *text)
{
	syslog(priority, "%s", text);
}

void systemlog_close(void)
{
	closelog();
}
