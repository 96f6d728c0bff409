// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * JSON is read token by token: what follows a string and a colon is its value.
 * That the brackets match is nobody's business here. XML as services write it
 * has no attributes on what is wanted, no CDATA and no comments within.
 */
#include "aws/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "aws/secret.h"
#include "base/cleanup.h"

struct cursor {
	const char *at, *end;
};

/* --- JSON ----------------------------------------------------------------- */

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
		c->at++;
}

static int get_hex4(struct cursor *c, uint32_t *ret)
{
	uint32_t v = 0;

	if (c->end - c->at < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		char h = *c->at++;
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *d = h ? strchr(digits, h) : NULL;

		if (!d)
			return -EBADMSG;
		v = v << 4 | (uint32_t)((d - digits) & 15);
	}
	*ret = v;
	return 0;
}

static void put_utf8(struct secret *to, uint32_t v)
{
	char b[4];
	size_t n = 0;

	if (v < 0x80) {
		b[n++] = (char)v;
	} else if (v < 0x800) {
		b[n++] = (char)(0xc0 | v >> 6);
		b[n++] = (char)(0x80 | (v & 0x3f));
	} else if (v < 0x10000) {
		b[n++] = (char)(0xe0 | v >> 12);
		b[n++] = (char)(0x80 | (v >> 6 & 0x3f));
		b[n++] = (char)(0x80 | (v & 0x3f));
	} else {
		b[n++] = (char)(0xf0 | v >> 18);
		b[n++] = (char)(0x80 | (v >> 12 & 0x3f));
		b[n++] = (char)(0x80 | (v >> 6 & 0x3f));
		b[n++] = (char)(0x80 | (v & 0x3f));
	}
	secret_put(to, b, n);
}

/* Behind "\u"; with the second half of a surrogate pair, if it is one. */
static int get_unicode(struct cursor *c, struct secret *to)
{
	uint32_t v, low;
	int r = get_hex4(c, &v);

	if (r < 0)
		return r;
	if (v >= 0xd800 && v < 0xdc00) {
		if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u')
			return -EBADMSG;
		c->at += 2;
		r = get_hex4(c, &low);
		if (r < 0 || low < 0xdc00 || low > 0xdfff)
			return -EBADMSG;
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	} else if (v >= 0xdc00 && v < 0xe000) {
		return -EBADMSG;
	}
	/* Nothing that is asked for has one, and it would end the text. */
	if (v == 0)
		return -EBADMSG;
	put_utf8(to, v);
	return 0;
}

/* Behind the opening quote, up to behind the closing one. */
static int get_string(struct cursor *c, struct secret *to)
{
	static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";

	while (c->at < c->end) {
		char b = *c->at++;
		const char *e;

		if (b == '"')
			return 0;
		if (b == '\0')
			return -EBADMSG;
		if (b != '\\') {
			secret_put(to, &b, 1);
			continue;
		}
		if (c->at == c->end)
			return -EBADMSG;
		b = *c->at++;
		if (b == 'u') {
			int r = get_unicode(c, to);

			if (r < 0)
				return r;
			continue;
		}
		e = b ? strchr(from, b) : NULL;
		if (!e)
			return -EBADMSG;
		secret_put(to, &meant[e - from], 1);
	}
	return -EBADMSG;
}

/* A number, true, false or null. */
static int get_word(struct cursor *c, struct secret *to)
{
	const char *begin = c->at;

	while (c->at < c->end && *c->at &&
	       strchr("+-.0123456789eEaflnrstu", *c->at))
		c->at++;
	if (c->at == begin)
		return -EBADMSG;
	secret_put(to, begin, (size_t)(c->at - begin));
	return 0;
}

/* The value behind the colon of the wanted member, unless it is a container;
 * null is as good as nothing. */
static int get_value(struct cursor *c, struct secret *ret)
{
	CLEANUP_SECRET struct secret value = {0};
	bool quoted = c->at < c->end && *c->at == '"';
	int r;

	if (c->at < c->end && (*c->at == '{' || *c->at == '['))
		return -ENOENT;
	c->at += quoted;
	r = quoted ? get_string(c, &value) : get_word(c, &value);
	if (r < 0)
		return r;
	if (!quoted && strcmp(secret_text(&value), "null") == 0)
		return -ENOENT;
	secret_puts(ret, secret_text(&value));
	r = secret_check(&value);
	return r < 0 ? r : secret_check(ret);
}

static int json_get(struct cursor c, const char *key, struct secret *ret)
{
	CLEANUP_SECRET struct secret token = {0};
	int r;

	for (skip_blanks(&c); c.at < c.end; skip_blanks(&c)) {
		if (strchr("{}[],:", *c.at) && *c.at) {
			c.at++;
			continue;
		}
		secret_clear(&token);
		if (*c.at != '"') {
			r = get_word(&c, &token);
			if (r < 0)
				return r;
			continue;
		}
		c.at++;
		r = get_string(&c, &token);
		if (r < 0)
			return r;
		skip_blanks(&c);
		if (c.at == c.end || *c.at != ':' ||
		    strcmp(secret_text(&token), key) != 0)
			continue;
		c.at++;
		skip_blanks(&c);
		r = get_value(&c, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* --- XML ------------------------------------------------------------------ */

static const struct {
	const char *name;
	char meant;
} entities[] = {
    {"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
    {"&quot;", '"'}, {"&apos;", '\''},
};

/* The text up to the next tag. */
static int get_xml_text(struct cursor *c, struct secret *ret)
{
	CLEANUP_SECRET struct secret text = {0};

	while (c->at < c->end && *c->at != '<') {
		size_t left = (size_t)(c->end - c->at);
		const char *put = c->at;
		size_t len = 1;

		if (*c->at == '\0')
			return -EBADMSG;
		for (size_t i = 0; *c->at == '&' && i < ARRAY_SIZE(entities);
		     i++) {
			size_t n = strlen(entities[i].name);

			if (n > left || memcmp(c->at, entities[i].name, n) != 0)
				continue;
			put = &entities[i].meant;
			len = n;
			break;
		}
		secret_put(&text, put, 1);
		c->at += len;
	}
	if (c->at == c->end)
		return -EBADMSG;
	secret_put(ret, secret_text(&text), text.len);
	return secret_check(&text) < 0 ? -ENOMEM : secret_check(ret);
}

static int xml_get(struct cursor c, const char *key, struct secret *ret)
{
	size_t n = strlen(key);

	while (c.at < c.end) {
		const char *tag = memchr(c.at, '<', (size_t)(c.end - c.at));
		const char *end;

		if (!tag)
			return -ENOENT;
		end = memchr(tag, '>', (size_t)(c.end - tag));
		if (!end)
			return -EBADMSG;
		c.at = end + 1;
		if ((size_t)(end - tag) == n + 1 &&
		    memcmp(tag + 1, key, n) == 0)
			return get_xml_text(&c, ret);
	}
	return -ENOENT;
}

/* --- Either --------------------------------------------------------------- */

int answer_get(const struct secret *answer, const char *key, struct secret *ret)
{
	struct cursor c = {secret_text(answer),
			   secret_text(answer) + answer->len};

	skip_blanks(&c);
	if (c.at == c.end)
		return -ENOENT;
	return *c.at == '<' ? xml_get(c, key, ret) : json_get(c, key, ret);
}

bool answer_get_text(const struct secret *answer, const char *key, char *text,
		     size_t size)
{
	CLEANUP_SECRET struct secret value = {0};

	if (answer_get(answer, key, &value) < 0 || value.len >= size)
		return false;
	memcpy(text, secret_text(&value), value.len + 1);
	return true;
}

/* The first of the members that is there, as one line of visible letters. */
static size_t put_line(const struct secret *answer, const char *const *keys,
		       char *text, size_t size)
{
	CLEANUP_SECRET struct secret value = {0};
	size_t n = 0;

	for (; *keys && value.len == 0; keys++)
		if (answer_get(answer, *keys, &value) < 0)
			secret_clear(&value);
	for (const char *s = secret_text(&value);
	     *s && *s != '\r' && *s != '\n' && n + 1 < size; s++)
		text[n++] = (char)(*s < ' ' || *s > '~' ? '?' : *s);
	text[n] = '\0';
	return n;
}

void answer_refusal(const struct secret *answer, char *text, size_t size)
{
	static const char *const codes[] = {"Code", "code", "__type", NULL};
	static const char *const messages[] = {"Message", "message", NULL};
	char code[128], *hash;
	char message[192];

	put_line(answer, codes, code, sizeof(code));
	put_line(answer, messages, message, sizeof(message));
	/* "com.amazonaws.logs#ResourceNotFoundException" */
	hash = strrchr(code, '#');
	snprintf(text, size, "%s%s%s", hash ? hash + 1 : code,
		 *code && *message ? ": " : "", message);
}

/* Hours and minutes of "Z", "+01:00" or "-0930" as seconds. */
static int get_offset(const char *s, int64_t *ret_s)
{
	int hours, minutes, n = 0;
	char sign;

	if (strcasecmp(s, "Z") == 0) {
		*ret_s = 0;
		return 0;
	}
	if (sscanf(s, "%c%2d:%2d%n", &sign, &hours, &minutes, &n) != 3 &&
	    sscanf(s, "%c%2d%2d%n", &sign, &hours, &minutes, &n) != 3)
		return -EBADMSG;
	if ((sign != '+' && sign != '-') || s[n] || hours < 0 || minutes < 0)
		return -EBADMSG;
	*ret_s = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
	return 0;
}

int answer_time(const char *text, int64_t *ret_s)
{
	struct tm tm = {0};
	int64_t offset;
	double number;
	char *end;

	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end) {
		if (*end == '.')
			end += 1 + strspn(end + 1, "0123456789");
		if (get_offset(end, &offset) < 0)
			return -EBADMSG;
		*ret_s = (int64_t)timegm(&tm) - offset;
		return 0;
	}
	number = strtod(text, &end);
	if (end == text || *end || !(number >= 0 && number < 1e15))
		return -EBADMSG;
	*ret_s = (int64_t)number;
	return 0;
}
