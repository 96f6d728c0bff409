/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text is a location or is refused with a sentence; the canonical text of
 * a location is one that parses to the same again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct location *l = NULL, *again = NULL;
	char error[300] = "";

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (location_parse(text, &l, error, sizeof(error))) {
		check(l == NULL && error[0] != '\0');
	} else {
		check(l->path[0] == '/' && l->text[0] != '\0');
		check(!strstr(l->path, "//") && !strstr(l->path, "/./"));
		check(!location_parse(l->text, &again, error, sizeof(error)));
		check(again->kind == l->kind && again->port == l->port);
		check(!strcmp(again->text, l->text));
		check(!strcmp(again->path, l->path));
		check(!l->host == !again->host);
		check(!l->host || !strcmp(again->host, l->host));
	}
	location_free(again);
	location_free(l);
	free(text);
	return 0;
}
