/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The clock on the wall is asked, not a distance from midnight: so on the days
 * when the clocks are changed 08:00 is still 08:00. A minute that there is
 * twice then has its rate twice, one that there is not has none.
 */
#include "sync/timetable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"

/* How a rate may be written, for all sentences about it. */
#define RATE_WORDS "a rate like 20M, 1.5G or 100k (bytes a second), 0 or off"

/* --- Rates ---------------------------------------------------------------- */

/* What the letters behind a number stand for; false: nothing. */
static bool unit_of(const char *text, uint64_t *ret)
{
	static const struct {
		const char *text;
		uint64_t size;
	} units[] = {
	    {"", 1},
	    {"k", 1000},
	    {"K", 1000},
	    {"M", 1000000},
	    {"G", 1000000000},
	    {"T", 1000000000000},
	    {"Ki", UINT64_C(1) << 10},
	    {"Mi", UINT64_C(1) << 20},
	    {"Gi", UINT64_C(1) << 30},
	    {"Ti", UINT64_C(1) << 40},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(text, units[i].text)) {
			*ret = units[i].size;
			return true;
		}
	return false;
}

/* A decimal number by hand: strtod() would take "inf", "0x1p9", and the
 * comma of a locale. */
static const char *take_number(const char *text, double *ret)
{
	double n = 0, place = 1;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	if (p == text || p - text > 18)
		return NULL;
	if (*p == '.') {
		const char *first = ++p;

		for (; *p >= '0' && *p <= '9'; p++)
			n += (place /= 10) * (*p - '0');
		if (p == first || p - first > 9)
			return NULL;
	}
	*ret = n;
	return p;
}

int rate_parse(const char *text, uint64_t *ret)
{
	const char *end;
	uint64_t unit;
	double n;

	if (!strcmp(text, "off")) {
		*ret = 0;
		return 0;
	}
	end = take_number(text, &n);
	if (!end || !unit_of(end, &unit))
		return -EINVAL;
	n *= (double)unit;
	/* What is less than a byte, but not nothing, would be no limit. */
	if (n > (double)RATE_MAX || (n > 0 && n < 1))
		return -EINVAL;
	*ret = (uint64_t)(n + 0.5);
	return 0;
}

/* --- Tables --------------------------------------------------------------- */

/* "08:30" as a minute of the day; NULL: no time. */
static const char *take_time(const char *p, unsigned *ret)
{
	unsigned digit[4];
	unsigned minute;

	for (int i = 0; i < 4; i++, p++) {
		if (i == 2 && *p++ != ':')
			return NULL;
		digit[i] = (unsigned)*p - '0';
		if (digit[i] > 9)
			return NULL;
	}
	minute = digit[2] * 10 + digit[3];
	*ret = (digit[0] * 10 + digit[1]) * 60 + minute;
	return minute < 60 && *ret <= TIMETABLE_DAY ? p : NULL;
}

static int refuse(const char *part, const char *why, char *error,
		  size_t error_size)
{
	CLEANUP_FREE char *raw = strndup(part, 60);
	CLEANUP_FREE char *text = raw ? escape_name(raw) : NULL;

	snprintf(error, error_size, "\"%s\" %s", text ? text : "?", why);
	return -EINVAL;
}

/* The parts of the day that a span covers; `ret` has room for two. */
static unsigned split(const struct timetable_span *s, unsigned ret[2][2])
{
	ret[0][0] = s->from;
	ret[0][1] = s->to;
	if (s->from < s->to)
		return 1;
	ret[0][1] = TIMETABLE_DAY;
	ret[1][0] = 0;
	ret[1][1] = s->to;
	return 2;
}

static bool overlap(const struct timetable_span *a,
		    const struct timetable_span *b)
{
	unsigned x[2][2], y[2][2];
	unsigned n = split(a, x), m = split(b, y);

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < m; k++)
			if (x[i][0] < y[k][1] && y[k][0] < x[i][1])
				return true;
	return false;
}

static int add_span(struct timetable *t, const struct timetable_span *s,
		    const char *part, char *error, size_t error_size)
{
	if (s->from == s->to || s->from == TIMETABLE_DAY)
		return refuse(part, "is no time at all", error, error_size);
	for (unsigned i = 0; i < t->count; i++)
		if (overlap(&t->span[i], s))
			return refuse(part,
				      "is in part a time that has a rate "
				      "already",
				      error, error_size);
	if (t->count == TIMETABLE_MAX)
		return refuse(part, "is one time too many", error, error_size);
	t->span[t->count++] = *s;
	return 0;
}

/* One part of the list, which says when. */
static int parse_span(struct timetable *t, const char *part, char *error,
		      size_t error_size)
{
	struct timetable_span s;
	const char *p = take_time(part, &s.from);

	if (p && *p++ == '-')
		p = take_time(p, &s.to);
	else
		p = NULL;
	if (!p || *p != '=')
		return refuse(part,
			      "has no time before the '=': say it like "
			      "08:00-18:00=20M",
			      error, error_size);
	if (rate_parse(p + 1, &s.rate) < 0)
		return refuse(part, "wants " RATE_WORDS " behind the '='",
			      error, error_size);
	return add_span(t, &s, part, error, error_size);
}

int timetable_parse(const char *text, struct timetable *ret, char *error,
		    size_t error_size)
{
	CLEANUP_FREE char *copy = strdup(text);
	struct timetable t = {0};
	char *part = copy;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && part) {
		char *comma = strchr(part, ',');
		bool last = comma == NULL;

		if (comma)
			*comma = '\0';
		if (strchr(part, '='))
			r = parse_span(&t, part, error, error_size);
		else if (!last)
			r = refuse(part,
				   "says no time: only the last rate, which "
				   "holds at all others, has none",
				   error, error_size);
		else if (rate_parse(part, &t.rest) < 0)
			r = refuse(part, "is not " RATE_WORDS, error,
				   error_size);
		part = last ? NULL : comma + 1;
	}
	if (r == 0)
		*ret = t;
	return r;
}

uint64_t timetable_at_minute(const struct timetable *t, unsigned minute)
{
	for (unsigned i = 0; i < t->count; i++) {
		unsigned part[2][2];
		unsigned n = split(&t->span[i], part);

		for (unsigned k = 0; k < n; k++)
			if (minute >= part[k][0] && minute < part[k][1])
				return t->span[i].rate;
	}
	return t->rest;
}

uint64_t timetable_at(const struct timetable *t, time_t when)
{
	struct tm tm = {0};

	if (t->count == 0 || !localtime_r(&when, &tm))
		return t->rest;
	return timetable_at_minute(t, (unsigned)(tm.tm_hour * 60 + tm.tm_min));
}

static void print_rate(FILE *f, uint64_t rate)
{
	if (rate == 0)
		fputs("off", f);
	else
		fprintf(f, "%" PRIu64, rate);
}

char *timetable_text(const struct timetable *t)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (unsigned i = 0; i < t->count; i++) {
		const struct timetable_span *s = &t->span[i];

		fprintf(f, "%02u:%02u-%02u:%02u=", s->from / 60, s->from % 60,
			s->to / 60, s->to % 60);
		print_rate(f, s->rate);
		fputc(',', f);
	}
	print_rate(f, t->rest);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
