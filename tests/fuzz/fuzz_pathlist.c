/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes are a list of paths or are refused with a line, and it does not
 * matter in which portions they come. Paths that came out are clean, and
 * written down in quotes they come out again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/pathlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	FILE *file;
	char *text; /* the paths, in quotes, each on a line */
	size_t size;
	int result;
	uint64_t line;
	const char *problem;
};

static void check(int holds)
{
	if (!holds)
		abort();
}

static int note(void *user, const char *path)
{
	FILE *f = user;

	check(*path && *path != '/' && path[strlen(path) - 1] != '/');
	check(!strstr(path, "//") && !strstr(path, "/./"));
	check(strcmp(path, ".") && strcmp(path, "..") != 0);
	check(strncmp(path, "../", 3) && !strstr(path, "/../"));
	fputc('"', f);
	for (; *path; path++) {
		if (*path == '"')
			fputc('"', f);
		fputc(*path, f);
	}
	fputs("\"\n", f);
	return 0;
}

static struct outcome read_all(const void *data, size_t size, size_t portion,
			       bool nul)
{
	struct outcome o = {0};
	struct pathlist_setup setup = {.nul = nul, .each = note};
	struct pathlist *l;
	size_t at = 0;

	o.file = setup.user = open_memstream(&o.text, &o.size);
	check(o.file != NULL);
	l = pathlist_new(&setup);
	check(l != NULL);
	while (o.result == 0 && at < size) {
		size_t n = size - at < portion ? size - at : portion;

		o.result =
		    pathlist_feed(l, (const char *)data + at, n, &o.problem);
		at += n;
	}
	if (o.result == 0)
		o.result = pathlist_end(l, &o.problem);
	o.line = pathlist_get_line(l);
	check((o.result == 0) == (o.problem == NULL) && o.line > 0);
	pathlist_free(l);
	fclose(o.file);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool nul = size > 0 && data[0] & 1;
	size_t portion = size > 1 ? 1 + data[1] % 17 : 1;
	struct outcome whole, parts, again;

	if (size < 2)
		return 0;
	data += 2;
	size -= 2;
	whole = read_all(data, size, size + 1, nul);
	parts = read_all(data, size, portion, nul);
	check(whole.result == parts.result && whole.line == parts.line);
	check(!strcmp(whole.text, parts.text));
	again = read_all(whole.text, whole.size, portion, false);
	check(again.result == 0 && !strcmp(whole.text, again.text));
	free(whole.text);
	free(parts.text);
	free(again.text);
	return 0;
}
