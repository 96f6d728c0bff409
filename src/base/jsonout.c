/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/jsonout.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/escape.h"

static void new_line(struct jsonout *j)
{
	if (j->lines)
		fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
}

void jsonout_key(struct jsonout *j, const char *key)
{
	if (j->more)
		fputc(',', j->f);
	if (j->depth > 0)
		new_line(j);
	j->more = true;
	if (key)
		fprintf(j->f, j->lines ? "\"%s\": " : "\"%s\":", key);
}

static void begin(struct jsonout *j, const char *key, char bracket)
{
	jsonout_key(j, key);
	fputc(bracket, j->f);
	j->more = false;
	j->depth++;
}

static void end(struct jsonout *j, char bracket)
{
	j->depth--;
	if (j->more)
		new_line(j);
	fputc(bracket, j->f);
	j->more = true;
}

void jsonout_begin_object(struct jsonout *j, const char *key)
{
	begin(j, key, '{');
}

void jsonout_end_object(struct jsonout *j)
{
	end(j, '}');
}

void jsonout_begin_array(struct jsonout *j, const char *key)
{
	begin(j, key, '[');
}

void jsonout_end_array(struct jsonout *j)
{
	end(j, ']');
}

void jsonout_string(struct jsonout *j, const char *key, const char *value)
{
	CLEANUP_FREE char *text = value ? escape_json(value) : NULL;

	jsonout_key(j, key);
	if (value && !text)
		j->failed = true;
	fputs(text ? text : "null", j->f);
}

void jsonout_uint(struct jsonout *j, const char *key, uint64_t value)
{
	jsonout_key(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void jsonout_real(struct jsonout *j, const char *key, double value)
{
	jsonout_key(j, key);
	if (isfinite(value))
		fprintf(j->f, "%.3f", value);
	else
		fputs("null", j->f);
}

void jsonout_bool(struct jsonout *j, const char *key, bool value)
{
	jsonout_key(j, key);
	fputs(value ? "true" : "false", j->f);
}

void jsonout_null(struct jsonout *j, const char *key)
{
	jsonout_key(j, key);
	fputs("null", j->f);
}
