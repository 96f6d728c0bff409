// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * xdr - External Data Representation, encoder and decoder.
 *
 * Everything is big endian in units of four bytes; what is shorter is filled
 * with zeros. The encoder doubles its buffer as needed and keeps it from one
 * use to the next. The decoder takes from `data` through take(), the one
 * place that compares a length with what is left; it does so in size_t with
 * no addition that could overflow.
 */
#include "nfs/xdr.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024

/* How many zero bytes follow `len` bytes of opaque data. */
static size_t padding(size_t len)
{
	return (4 - (len & 3)) & 3;
}

/* --- Encoder -------------------------------------------------------------- */

void xdr_out_init(struct xdr_out *x)
{
	*x = (struct xdr_out){0};
}

void xdr_out_done(struct xdr_out *x)
{
	free(x->data);
	xdr_out_init(x);
}

static bool grow(struct xdr_out *x, size_t need)
{
	size_t room = x->room ? x->room : ROOM_MIN;
	uint8_t *data;

	while (room < need) {
		if (room > SIZE_MAX / 2)
			return false;
		room *= 2;
	}
	data = realloc(x->data, room);
	if (!data)
		return false;
	x->data = data;
	x->room = room;
	return true;
}

uint8_t *xdr_reserve(struct xdr_out *x, size_t len)
{
	uint8_t *p;

	if (x->failed)
		return NULL;
	if (len > x->room - x->len &&
	    (len > SIZE_MAX - x->len || !grow(x, x->len + len))) {
		x->failed = true;
		return NULL;
	}
	p = x->data + x->len;
	x->len += len;
	return p;
}

void xdr_put_u32(struct xdr_out *x, uint32_t value)
{
	uint8_t *p = xdr_reserve(x, 4);
	uint32_t be = htobe32(value);

	if (p)
		memcpy(p, &be, 4);
}

void xdr_put_u64(struct xdr_out *x, uint64_t value)
{
	uint8_t *p = xdr_reserve(x, 8);
	uint64_t be = htobe64(value);

	if (p)
		memcpy(p, &be, 8);
}

void xdr_put_i64(struct xdr_out *x, int64_t value)
{
	xdr_put_u64(x, (uint64_t)value);
}

void xdr_put_fixed(struct xdr_out *x, const void *data, size_t len)
{
	size_t pad = padding(len);
	uint8_t *p;

	if (len > SIZE_MAX - pad) {
		x->failed = true;
		return;
	}
	p = xdr_reserve(x, len + pad);
	if (!p || len == 0)
		return;
	memcpy(p, data, len);
	memset(p + len, 0, pad);
}

void xdr_put_bytes(struct xdr_out *x, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		x->failed = true;
		return;
	}
	xdr_put_u32(x, (uint32_t)len);
	xdr_put_fixed(x, data, len);
}

void xdr_put_string(struct xdr_out *x, const char *s)
{
	xdr_put_bytes(x, s, strlen(s));
}

void xdr_patch_u32(struct xdr_out *x, size_t at, uint32_t value)
{
	uint32_t be = htobe32(value);

	/* After a failure the place may never have been written. */
	if (!x->failed && x->len >= 4 && at <= x->len - 4)
		memcpy(x->data + at, &be, 4);
}

/* --- Decoder -------------------------------------------------------------- */

void xdr_in_init(struct xdr_in *x, const void *data, size_t len)
{
	*x = (struct xdr_in){.data = data, .len = len};
}

size_t xdr_left(const struct xdr_in *x)
{
	return x->failed ? 0 : x->len - x->pos;
}

/* The next `len` bytes, or NULL and failed from here on. */
static const uint8_t *take(struct xdr_in *x, size_t len)
{
	const uint8_t *p;

	if (x->failed || len > x->len - x->pos) {
		x->failed = true;
		return NULL;
	}
	p = x->data + x->pos;
	x->pos += len;
	return p;
}

uint32_t xdr_get_u32(struct xdr_in *x)
{
	const uint8_t *p = take(x, 4);
	uint32_t be;

	if (!p)
		return 0;
	memcpy(&be, p, 4);
	return be32toh(be);
}

uint64_t xdr_get_u64(struct xdr_in *x)
{
	const uint8_t *p = take(x, 8);
	uint64_t be;

	if (!p)
		return 0;
	memcpy(&be, p, 8);
	return be64toh(be);
}

int64_t xdr_get_i64(struct xdr_in *x)
{
	return (int64_t)xdr_get_u64(x);
}

bool xdr_get_bool(struct xdr_in *x)
{
	uint32_t value = xdr_get_u32(x);

	if (value > 1)
		x->failed = true;
	return value == 1;
}

const uint8_t *xdr_get_fixed(struct xdr_in *x, size_t len)
{
	const uint8_t *p = take(x, len);

	/* The content of the padding is nobody's business; its presence is:
	 * everything in XDR is a multiple of four bytes. */
	if (p && !take(x, padding(len)))
		return NULL;
	return p;
}

const uint8_t *xdr_get_bytes(struct xdr_in *x, size_t max, size_t *ret_len)
{
	uint32_t len = xdr_get_u32(x);
	const uint8_t *p;

	if (len > max)
		x->failed = true;
	p = xdr_get_fixed(x, len);
	if (p)
		*ret_len = len;
	return p;
}
