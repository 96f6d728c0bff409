/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/escape.h"

static void new_line(struct json *j)
{
	if (j->lines)
		fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
}

void json_key(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->f);
	if (j->depth > 0)
		new_line(j);
	j->more = true;
	if (key)
		fprintf(j->f, j->lines ? "\"%s\": " : "\"%s\":", key);
}

static void begin(struct json *j, const char *key, char bracket)
{
	json_key(j, key);
	fputc(bracket, j->f);
	j->more = false;
	j->depth++;
}

static void end(struct json *j, char bracket)
{
	j->depth--;
	if (j->more)
		new_line(j);
	fputc(bracket, j->f);
	j->more = true;
}

void json_begin_object(struct json *j, const char *key)
{
	begin(j, key, '{');
}

void json_end_object(struct json *j)
{
	end(j, '}');
}

void json_begin_array(struct json *j, const char *key)
{
	begin(j, key, '[');
}

void json_end_array(struct json *j)
{
	end(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	CLEANUP_FREE char *text = value ? escape_json(value) : NULL;

	json_key(j, key);
	fputs(text ? text : "null", j->f);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_real(struct json *j, const char *key, double value)
{
	json_key(j, key);
	if (isfinite(value))
		fprintf(j->f, "%.3f", value);
	else
		fputs("null", j->f);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	fputs(value ? "true" : "false", j->f);
}

void json_null(struct json *j, const char *key)
{
	json_key(j, key);
	fputs("null", j->f);
}
