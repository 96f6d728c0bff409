/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text is commands or is refused with a sentence, in printable ASCII or
 * UTF-8; what is understood is within its bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/engine.h"
#include "sync/settings.h"
#include "view/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_command(const struct control_command *c)
{
	struct sync_options o = {0};
	char error[256];

	check(c->verb <= CONTROL_SET);
	check((c->path != NULL) == (c->verb == CONTROL_RESCAN));
	check((c->word != NULL) == (c->verb == CONTROL_SET));
	check((c->value != NULL) == (c->verb == CONTROL_SET));
	if (c->verb == CONTROL_SET)
		check(settings_set_live(&o, c->word, c->value, error,
					sizeof(error)) == 0);
	if (c->path && *c->path) {
		check(c->path[0] != '/' && !strstr(c->path, "//"));
		check(!strstr(c->path, "/../") && strcmp(c->path, "..") != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_command commands[CONTROL_COMMANDS_MAX];
	/* A copy without a NUL behind it. */
	char *text = malloc(size ? size : 1);
	char error[300] = "";
	size_t count = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (control_parse(text, size, commands, &count, error, sizeof(error))) {
		check(count == 0 && error[0] != '\0');
		check(!strpbrk(error, "\n\r\t\x1b"));
	} else {
		check(count <= CONTROL_COMMANDS_MAX && error[0] == '\0');
		for (size_t i = 0; i < count; i++)
			check_command(&commands[i]);
		control_done(commands, count);
	}
	free(text);
	return 0;
}
