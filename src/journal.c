/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A field is "NAME=value\n"; a value that has a line end in it is sent as
 * "NAME\n", its length in 64 bits, least byte first, the value, "\n".
 */
#include "journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* How long a message waits for a journal that is behind: it does not hold up
 * the work for longer. */
#define PATIENCE_US 100000

int journal_open(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_usec = PATIENCE_US};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int journal_priority(int level)
{
	switch (level) {
	case LOG_ERROR:
		return 3;
	case LOG_WARNING:
		return 4;
	case LOG_NOTICE:
		return 5;
	case LOG_DEBUG:
		return 7;
	default:
		return 6;
	}
}

static void put_field(FILE *f, const char *name, const char *value)
{
	uint64_t size;

	if (!value)
		return;
	if (!strchr(value, '\n')) {
		fprintf(f, "%s=%s\n", name, value);
		return;
	}
	size = strlen(value);
	fprintf(f, "%s\n", name);
	for (int i = 0; i < 8; i++)
		fputc((int)(size >> (8 * i) & 0xff), f);
	fprintf(f, "%s\n", value);
}

void journal_format(FILE *f, const char *task, const struct log_record *r)
{
	put_field(f, "MESSAGE", r->message);
	fprintf(f, "PRIORITY=%d\n", journal_priority((int)r->level));
	put_field(f, "SYSLOG_IDENTIFIER", "efsbridge");
	put_field(f, "EFSBRIDGE_TASK", task);
	put_field(f, "EFSBRIDGE_PATH", r->fields.path);
	put_field(f, "EFSBRIDGE_ACTION", r->fields.action);
	put_field(f, "EFSBRIDGE_SIDE", r->fields.side);
	put_field(f, "EFSBRIDGE_ERROR", r->fields.error);
}

int journal_put(int fd, const char *task, const struct log_record *r)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -ENOMEM;
	journal_format(f, task, r);
	if (fclose(f) != 0)
		return -ENOMEM;
	return send(fd, text, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
