/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /proc/self/smaps has a paragraph for each mapping: its addresses and rights,
 * and at the end its flags, of which "dd" says that it is not dumped. Pages
 * are read through /proc/self/mem, which fails where there is nothing to read
 * and does not die of it.
 */
#include "dumpable.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define CHUNK ((size_t)64 << 10)

struct search {
	const uint8_t *flipped;
	size_t len;
	int mem;     /* /proc/self/mem */
	char *chunk; /* CHUNK bytes, which are searched */
	size_t found;
};

static bool matches(const struct search *s, const char *at)
{
	for (size_t i = 0; i < s->len; i++)
		if (((uint8_t)at[i] ^ s->flipped[i]) != 0xff)
			return false;
	return true;
}

/* Chunks overlap by what a match may need, and are forgotten at once. */
static void search_mapping(struct search *s, uintptr_t begin, uintptr_t end)
{
	uintptr_t mine = (uintptr_t)s->chunk;

	for (uintptr_t at = begin; at < end; at += CHUNK - s->len) {
		size_t want = end - at < CHUNK ? end - at : CHUNK;
		ssize_t n;

		if (at < mine + CHUNK && at + want > mine)
			continue;
		n = pread(s->mem, s->chunk, want, (off_t)at);
		for (ssize_t i = 0; i + (ssize_t)s->len <= n; i++)
			if (matches(s, s->chunk + i))
				s->found++;
	}
	memset(s->chunk, 0, CHUNK);
}

size_t dumpable_count(const uint8_t *flipped, size_t len)
{
	static char chunk[CHUNK];
	CLEANUP_CLOSE int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/smaps", "re");
	struct search s = {flipped, len, mem, chunk, 0};
	uintptr_t begin = 0, end = 0, a, b;
	char line[512], rights[8];
	bool writable = false;

	if (!maps || mem < 0)
		return SIZE_MAX;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &a, &b,
			   rights) == 3) {
			begin = a;
			end = b;
			writable = rights[1] == 'w';
		} else if (strncmp(line, "VmFlags:", 8) == 0 && writable &&
			   !strstr(line, " dd")) {
			search_mapping(&s, begin, end);
		}
	}
	fclose(maps);
	return s.found;
}
