/* SPDX-License-Identifier: GPL-3.0-or-later */
/* getline(3) with a bound. */
#include "base/line.h"

#include <errno.h>
#include <stdlib.h>

/* What most lines need. */
#define ROOM 128

/* Makes room for byte number `at` of the line and for a NUL behind it. */
static int grow(char **line, size_t *room, size_t at)
{
	size_t more = *room ? 2 * *room : ROOM;
	char *grown;

	if (at + 1 < *room)
		return 0;
	grown = realloc(*line, more);
	if (!grown)
		return -ENOMEM;
	*line = grown;
	*room = more;
	return 0;
}

int line_read(FILE *file, size_t max, char **line, size_t *room,
	      size_t *ret_len)
{
	size_t len = 0;
	int c, r;

	errno = 0;
	while ((c = getc(file)) != EOF && c != '\n') {
		if (len == max)
			return -EFBIG;
		r = grow(line, room, len);
		if (r < 0)
			return r;
		(*line)[len++] = (char)c;
	}
	if (c == EOF && ferror(file))
		return errno > 0 ? -errno : -EIO;
	/* The last line may lack its end. */
	if (c == EOF && len == 0)
		return 0;
	r = grow(line, room, len);
	if (r < 0)
		return r;
	(*line)[len] = '\0';
	*ret_len = len;
	return 1;
}
