/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/escape.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The smallest code point that needs a sequence of this length: shorter ones
 * are overlong and not UTF-8 (RFC 3629). */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

size_t escape_utf8_length(const char *s)
{
	const uint8_t *b = (const uint8_t *)s;
	uint32_t code;
	size_t len;

	if (b[0] < 0x80)
		return b[0] ? 1 : 0;
	if (b[0] >= 0xc2 && b[0] <= 0xdf)
		len = 2;
	else if ((b[0] & 0xf0) == 0xe0)
		len = 3;
	else if (b[0] >= 0xf0 && b[0] <= 0xf4)
		len = 4;
	else
		return 0;
	code = b[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (b[i] & 0x3f);
	}
	if (code < smallest[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

/* True for the characters that terminals obey: C0, DEL and, as two bytes of
 * UTF-8, C1 (U+009B begins an escape sequence as ESC [ does). */
static bool is_control(const char *s)
{
	const uint8_t *b = (const uint8_t *)s;

	return b[0] < ' ' || b[0] == 0x7f ||
	       (b[0] == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f);
}

char *escape_name(const char *s)
{
	char *text = malloc(4 * strlen(s) + 1);
	char *to = text;

	if (!text)
		return NULL;
	while (*s) {
		size_t len = escape_utf8_length(s);

		if (*s == '\n' || *s == '\t' || *s == '\\') {
			*to++ = '\\';
			*to++ = *s == '\n' ? 'n' : *s == '\t' ? 't' : '\\';
			s++;
		} else if (len == 0 || is_control(s)) {
			/* Of two bytes the second comes next, by itself. */
			to += sprintf(to, "\\%03o", (uint8_t)*s++);
		} else {
			to = mempcpy(to, s, len);
			s += len;
		}
	}
	*to = '\0';
	return text;
}

/* The byte that a sequence after a backslash stands for, and its length; 0
 * when there is none. */
static size_t undo_sequence(const char *s, size_t size, char *ret)
{
	static const char letters[] = "n\nt\t\\\\";
	unsigned value = 0;

	if (size == 0)
		return 0;
	for (const char *l = letters; *l; l += 2)
		if (s[0] == l[0]) {
			*ret = l[1];
			return 1;
		}
	for (size_t i = 0; i < 3; i++) {
		if (i == size || s[i] < '0' || s[i] > '7')
			return 0;
		value = value << 3 | (unsigned)(s[i] - '0');
	}
	if (value == 0 || value > 0xff)
		return 0;
	*ret = (char)value;
	return 3;
}

int escape_undo(const char *s, size_t size, char **ret)
{
	CLEANUP_FREE char *name = malloc(size + 1);
	char *to = name;

	if (!name)
		return -ENOMEM;
	while (size > 0) {
		size_t n = 0;

		if (*s == '\0')
			return -EINVAL;
		if (*s != '\\') {
			*to++ = *s;
		} else {
			n = undo_sequence(s + 1, size - 1, to++);
			if (n == 0)
				return -EINVAL;
		}
		s += 1 + n;
		size -= 1 + n;
	}
	*to = '\0';
	*ret = steal(name);
	return 0;
}

/* The reference for a character of HTML's own, or NULL. */
static const char *html_reference(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

char *escape_html(const char *s)
{
	CLEANUP_FREE char *plain = escape_name(s);
	/* The longest reference has six characters. */
	char *text = plain ? malloc(6 * strlen(plain) + 1) : NULL;
	char *to = text;

	if (!text)
		return NULL;
	for (const char *c = plain; *c; c++) {
		const char *reference = html_reference(*c);

		if (reference)
			to = stpcpy(to, reference);
		else
			*to++ = *c;
	}
	*to = '\0';
	return text;
}

char *escape_json(const char *s)
{
	char *text = malloc(6 * strlen(s) + 3);
	char *to = text;

	if (!text)
		return NULL;
	*to++ = '"';
	while (*s) {
		size_t len = escape_utf8_length(s);

		if (*s == '"' || *s == '\\') {
			*to++ = '\\';
			*to++ = *s++;
		} else if (len == 0) {
			to = mempcpy(to, "\\ufffd", 6);
			s++;
		} else if (is_control(s)) {
			/* Both bytes of C1: the second one is the character. */
			to += sprintf(to, "\\u%04x", (uint8_t)s[len - 1]);
			s += len;
		} else {
			to = mempcpy(to, s, len);
			s += len;
		}
	}
	*to++ = '"';
	*to = '\0';
	return text;
}
