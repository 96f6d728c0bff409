/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes are a configuration or are refused with a sentence that names the
 * file; of one that was read, all that is in it can be checked and taken.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "options.h"
#include "options_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void take_fault(void *user, const char *error)
{
	(void)user;
	check(!strncmp(error, "F:", 2));
}

static void take_all(const struct conf *c)
{
	const struct conf_section *s;
	char error[CONF_ERROR_SIZE];
	unsigned faults = options_conf_check(c, take_fault, NULL);

	for (size_t i = 0; (s = conf_get_section(c, i)); i++) {
		struct options o;
		int r = 0;

		check(conf_find(c, s->kind, s->name) == s);
		options_init(&o);
		if (s->kind == CONF_TASK)
			r = options_conf_take(&o, c, s->name, error);
		else if (s->kind == CONF_LOCATION)
			r = options_conf_locate(&o, c, SOURCE, s->name, error);
		/* What is checked without a fault is taken without one. */
		check(r == 0 || (faults > 0 && error[0] != '\0'));
		options_done(&o);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *f = size > 0 ? fmemopen((void *)data, size, "r") : NULL;
	char error[CONF_ERROR_SIZE] = "";
	struct conf *c = NULL;

	/* Files of patterns would be any of this machine, its devices too. */
	if (!f || memmem(data, size, "-from", 5))
		goto done;
	if (conf_read(f, "F", &c, error) < 0)
		check(c == NULL && !strncmp(error, "F:", 2));
	else
		take_all(c);
	conf_free(c);
done:
	if (f)
		fclose(f);
	return 0;
}
