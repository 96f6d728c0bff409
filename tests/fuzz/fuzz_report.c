/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is written of names comes out again: a table is read by a reader of RFC
 * 4180, JSON and the lists of a report by libjansson, names that were escaped
 * by escape_undo(); and nothing in them is control or markup to who shows it.
 *
 * The first byte says which; the rest is names, a NUL between.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/csv.h"
#include "base/escape.h"
#include "base/jsonout.h"
#include "fuzz.h"
#include "scratch.h"
#include "standing.h"
#include "sync/report.h"

#define NAMES_MAX 16

struct names {
	char *name[NAMES_MAX];
	size_t count;
	char *text;
	size_t size;
	FILE *file;
};

static void close_text(struct names *n)
{
	check(fclose(steal(n->file)) == 0);
}

static bool is_utf8(const char *s)
{
	for (size_t n; *s; s += n)
		if ((n = escape_utf8_length(s)) == 0)
			return false;
	return true;
}

/* --- Tables --------------------------------------------------------------- */

/* The field in quotes at `at`, its end behind the last quote. */
static char *read_field(const char **at)
{
	char *field = malloc(strlen(*at) + 1), *end = field;

	check(field && *(*at)++ == '"');
	for (; **at != '"' || (*at)[1] == '"'; (*at)++) {
		check(**at != '\0');
		*at += **at == '"';
		*end++ = **at;
	}
	(*at)++;
	*end = '\0';
	return field;
}

static void check_table(struct names *n)
{
	const char *at;

	for (size_t i = 0; i < n->count; i++) {
		CLEANUP_FREE char *text = escape_name(n->name[i]);

		csv_put(n->file, i % 2 ? n->name[i] : text);
		fputs(i + 1 < n->count ? "," : "\r\n", n->file);
	}
	close_text(n);
	at = n->text;
	for (size_t i = 0; i < n->count; i++) {
		CLEANUP_FREE char *text = escape_name(n->name[i]);
		CLEANUP_FREE char *field = read_field(&at);
		const char *want = i % 2 ? n->name[i] : text;

		check(!*field || !strchr("=+-@", *field));
		check(!strcmp(field + (*field == ' ' && *want != ' '), want));
		check(i + 1 < n->count ? *at++ == ',' : !strcmp(at, "\r\n"));
	}
}

/* --- Escapes -------------------------------------------------------------- */

static void check_escapes(struct names *n)
{
	for (size_t i = 0; i < n->count; i++) {
		CLEANUP_FREE char *text = escape_name(n->name[i]);
		CLEANUP_FREE char *page = escape_html(n->name[i]);
		CLEANUP_FREE char *back = NULL;

		check(text && page && is_utf8(text) && is_utf8(page));
		for (const char *s = text; *s; s++)
			check((uint8_t)*s >= ' ' && *s != 0x7f);
		check(!strpbrk(page, "<>\"'\n\r"));
		check(!escape_undo(text, strlen(text), &back));
		check(!strcmp(back, n->name[i]));
	}
}

/* Whatever the text: it is a name, or is refused. */
static void check_undo(struct names *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const char *text = n->name[i];
		CLEANUP_FREE char *name = NULL;
		int r = escape_undo(text, strlen(text), &name);

		check((r == 0) == (name != NULL));
		check(r == 0 || r == -EINVAL);
		check(r < 0 || strlen(name) <= strlen(text));
	}
}

/* --- JSON ----------------------------------------------------------------- */

/* The same, when the name is text; or something else in UTF-8. */
static void check_string(const json_t *value, const char *name)
{
	check(json_is_string(value));
	if (is_utf8(name))
		check(!strcmp(json_string_value(value), name));
	else
		check(strstr(json_string_value(value), "\xef\xbf\xbd") != NULL);
}

static void check_json(struct names *n)
{
	struct jsonout j = jsonout_to(n->file, n->count % 2);
	const json_t *list;
	json_t *o;

	jsonout_begin_object(&j, NULL);
	jsonout_begin_array(&j, "a");
	for (size_t i = 0; i < n->count; i++) {
		jsonout_string(&j, NULL, n->name[i]);
		jsonout_uint(&j, NULL, i);
	}
	jsonout_end_array(&j);
	jsonout_end_object(&j);
	close_text(n);
	o = json_loads(n->text, 0, NULL);
	list = json_object_get(o, "a");
	check(json_array_size(list) == 2 * n->count);
	for (size_t i = 0; i < n->count; i++)
		check_string(json_array_get(list, 2 * i), n->name[i]);
	json_decref(o);
}

/* A summary, as it is kept: anything, since it is read from a file. */
static void check_standing(struct names *n)
{
	for (size_t i = 0; i < n->count; i++) {
		struct standing s = {0};
		int r = standing_parse(n->name[i], &s);

		check(r == 0 || r == -EUCLEAN);
		if (r == 0) {
			CLEANUP_FREE char *text = standing_json(&s);
			json_t *o = json_loads(text ? text : "", 0, NULL);

			check(json_is_object(o));
			json_decref(o);
		}
		standing_done(&s);
	}
}

/* --- A report's lists ----------------------------------------------------- */

static void check_list(const char *path, const struct names *n)
{
	json_t *o = json_load_file(path, 0, NULL);
	const json_t *list = json_object_get(o, "Skipped");

	check(json_array_size(list) == n->count);
	for (size_t i = 0; i < n->count; i++) {
		const json_t *entry = json_array_get(list, i);
		const json_t *text = json_object_get(entry, "EscapedPath");
		CLEANUP_FREE char *path_text = NULL, *back = NULL;

		check(asprintf(&path_text, "/%s", n->name[i]) > 0);
		check_string(json_object_get(entry, "RelativePath"), path_text);
		check(is_utf8(n->name[i]) == !text);
		if (!text)
			continue;
		check(!escape_undo(json_string_value(text),
				   json_string_length(text), &back));
		check(!strcmp(back, path_text));
	}
	json_decref(o);
}

static void check_report(struct names *n)
{
	static const struct report_options options = {.output = REPORT_STANDARD,
						      .level = REPORT_ALL};
	struct attr a = {.type = ENTRY_FILE, .mtime_ns = (int64_t)n->size};
	CLEANUP_FREE char *lists = NULL;
	struct report *r = NULL;
	char error[REPORT_ERROR];
	struct dirent *e;
	DIR *d;

	check(
	    !report_new(&options, scratch(), "t", 1, &r, error, sizeof(error)));
	for (size_t i = 0; i < n->count; i++) {
		struct report_entry entry = {
		    .path = n->name[i], .source = &a, .reason = n->name[i]};

		report_add(r, REPORT_SKIPPED, &entry);
	}
	check(!report_end(r, "{}", error, sizeof(error)));
	report_free(r);
	check(asprintf(&lists, "%s/Detailed-Reports/t/exec-%017d", scratch(),
		       1) > 0);
	d = opendir(lists);
	check(d != NULL);
	while ((e = readdir(d))) {
		CLEANUP_FREE char *path = NULL;

		if (e->d_name[0] == '.')
			continue;
		check(asprintf(&path, "%s/%s", lists, e->d_name) > 0);
		check_list(path, n);
		unlink(path);
	}
	closedir(d);
}

/* --- All ------------------------------------------------------------------ */

static void split(struct names *n, char *rest, size_t left)
{
	while (left > 0 && n->count < NAMES_MAX) {
		size_t len = strlen(rest);

		n->name[n->count++] = rest;
		rest += len < left ? len + 1 : left;
		left -= len < left ? len + 1 : left;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct names *) = {
	    check_table, check_escapes,  check_undo,
	    check_json,  check_standing, check_report,
	};
	struct names n = {.size = size};
	char *copy;

	if (size < 2)
		return 0;
	copy = malloc(size);
	check(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	split(&n, copy, size - 1);
	n.file = open_memstream(&n.text, &n.size);
	check(n.file != NULL);
	all[data[0] % ARRAY_SIZE(all)](&n);
	if (n.file)
		fclose(n.file);
	free(n.text);
	free(copy);
	return 0;
}
