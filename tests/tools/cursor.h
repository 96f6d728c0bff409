/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A place in a message of XDR that moves on as it is read. What it is made of
 * is told by letters, so that tables can tell it:
 *
 *	w  a word of 4 bytes
 *	d  8 bytes: an offset, a cookie, a verifier, a client id
 *	s  16 bytes: a stateid or a session id
 *	o  a length and so many bytes, padded: a name, a handle, data
 *	b  a count and so many words: a bitmap of attributes
 *	a  attributes with their values: a bitmap, then bytes
 *
 * Not thread-safe.
 */
#ifndef TOOLS_CURSOR_H
#define TOOLS_CURSOR_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What is left of a message. Once it was too short, it stays `bad`. */
struct cursor {
	const unsigned char *p;
	size_t left;
	bool bad;
};

static inline uint32_t get_word(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return ntohl(word);
}

static inline void put_word(unsigned char *p, uint32_t word)
{
	word = htonl(word);
	memcpy(p, &word, sizeof(word));
}

/* Bytes with what fills them up to words. */
static inline size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static inline void skip(struct cursor *c, size_t n)
{
	if (c->bad || n > c->left) {
		c->bad = true;
		return;
	}
	c->p += n;
	c->left -= n;
}

static inline uint32_t take_word(struct cursor *c)
{
	const unsigned char *p = c->p;

	skip(c, 4);
	return c->bad ? 0 : get_word(p);
}

static inline void skip_opaque(struct cursor *c)
{
	skip(c, padded(take_word(c)));
}

static inline void skip_words(struct cursor *c)
{
	skip(c, (size_t)take_word(c) * 4);
}

static inline void walk(struct cursor *c, const char *what)
{
	for (; *what; what++) {
		switch (*what) {
		case 'w':
			skip(c, 4);
			break;
		case 'd':
			skip(c, 8);
			break;
		case 's':
			skip(c, 16);
			break;
		case 'o':
			skip_opaque(c);
			break;
		case 'b':
			skip_words(c);
			break;
		case 'a':
			skip_words(c);
			skip_opaque(c);
			break;
		}
	}
}

#endif
