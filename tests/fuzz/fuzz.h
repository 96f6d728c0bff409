/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz - what the fuzzers share: the entry that libFuzzer (or replay.c) calls,
 * a check that ends the program, and the input taken apart from its front.
 *
 * What is taken from an input that is used up is zero or empty: every input is
 * one that can be read to its end.
 * Thread rule: one thread.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold; else the program says what did not, and ends. */
#define check(holds) \
	((holds) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #holds))

static inline void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

struct input {
	const uint8_t *data;
	size_t left;
};

static inline unsigned input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static inline uint64_t input_number(struct input *in, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | input_byte(in);
	return n;
}

/* Up to `len` bytes; how many there were is in `*ret_len`. */
static inline const uint8_t *input_bytes(struct input *in, size_t len,
					 size_t *ret_len)
{
	const uint8_t *at = in->data;

	*ret_len = len < in->left ? len : in->left;
	in->data += *ret_len;
	in->left -= *ret_len;
	return at;
}

/* The same behind a length of two bytes. */
static inline const uint8_t *input_piece(struct input *in, size_t *ret_len)
{
	size_t len = (size_t)input_number(in, 2);

	return input_bytes(in, len, ret_len);
}

#endif
