/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A name is recognised by its whole form: a user's file that only begins like
 * one is a file like any other. */
#include "sync/tempname.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/digest.h"

static uint32_t task_number(const char *source, const char *destination)
{
	char key[8192];
	struct digest d;
	uint32_t n;

	snprintf(key, sizeof(key), "%s\n%s", source, destination);
	d = digest_of(key, strlen(key));
	memcpy(&n, d.bytes, sizeof(n));
	return n;
}

void tempname_init(struct tempname *t, const char *source,
		   const char *destination)
{
	t->task = task_number(source, destination);
	if (getrandom(&t->execution, sizeof(t->execution), 0) !=
	    sizeof(t->execution))
		t->execution = (uint32_t)clock_wall_ns();
	atomic_init(&t->number, 0);
}

void tempname_next(struct tempname *t, char ret[TEMPNAME_SIZE])
{
	snprintf(ret, TEMPNAME_SIZE,
		 TEMPNAME_PREFIX "%08" PRIx32 "-%08" PRIx32 "-%" PRIx64,
		 t->task, t->execution, atomic_fetch_add(&t->number, 1));
}

/* Reads lower-case hex digits, `min` to `max` of them; NULL if it does not
 * fit, else what follows. */
static const char *hex_part(const char *s, int min, int max)
{
	int n = (int)strspn(s, "0123456789abcdef");

	return n >= min && n <= max ? s + n : NULL;
}

bool tempname_is_ours(const char *name)
{
	const char *s = name;

	if (strncmp(s, TEMPNAME_PREFIX, strlen(TEMPNAME_PREFIX)))
		return false;
	s = hex_part(s + strlen(TEMPNAME_PREFIX), 8, 8);
	if (!s || *s++ != '-')
		return false;
	s = hex_part(s, 8, 8);
	if (!s || *s++ != '-')
		return false;
	s = hex_part(s, 1, 16);
	return s && *s == '\0';
}

bool tempname_is_stale(const struct tempname *t, const char *name)
{
	char mine[TEMPNAME_SIZE];
	size_t task_len;

	if (!tempname_is_ours(name))
		return false;
	task_len = strlen(TEMPNAME_PREFIX) + 9;
	snprintf(mine, sizeof(mine),
		 TEMPNAME_PREFIX "%08" PRIx32 "-%08" PRIx32 "-", t->task,
		 t->execution);
	return !strncmp(name, mine, task_len) &&
	       strncmp(name, mine, strlen(mine)) != 0;
}
