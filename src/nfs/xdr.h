/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xdr - External Data Representation (RFC 4506), encoder and decoder.
 *
 * What a server sends is hostile input: the decoder checks each length
 * against what is left and against a limit of the caller, and once anything
 * failed, everything after it fails too (sticky), so that a caller may decode
 * a whole structure and look at `failed` once.
 *
 * Ownership: the encoder owns its buffer; the decoder borrows its bytes, and
 * what it returns points into them.
 * Thread rule: one thread at a time.
 */
#ifndef NFS_XDR_H
#define NFS_XDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xdr_out {
	uint8_t *data;
	size_t len;
	size_t room;
	bool failed; /* out of memory */
};

void xdr_out_init(struct xdr_out *x);
void xdr_out_done(struct xdr_out *x);

/* `len` bytes at the end, not initialised, for the caller to fill at once;
 * NULL once failed. */
uint8_t *xdr_reserve(struct xdr_out *x, size_t len);

void xdr_put_u32(struct xdr_out *x, uint32_t value);
void xdr_put_u64(struct xdr_out *x, uint64_t value);
void xdr_put_i64(struct xdr_out *x, int64_t value);
void xdr_put_fixed(struct xdr_out *x, const void *data,
		   size_t len); /* opaque[n] */
void xdr_put_bytes(struct xdr_out *x, const void *data,
		   size_t len); /* opaque<> */
void xdr_put_string(struct xdr_out *x, const char *s);

/* Overwrites four bytes written before, at byte `at`. */
void xdr_patch_u32(struct xdr_out *x, size_t at, uint32_t value);

struct xdr_in {
	const uint8_t *data;
	size_t len;
	size_t pos;
	bool failed; /* something was cut short or over its limit */
};

void xdr_in_init(struct xdr_in *x, const void *data, size_t len);
size_t xdr_left(const struct xdr_in *x);

/* 0 once failed. */
uint32_t xdr_get_u32(struct xdr_in *x);
uint64_t xdr_get_u64(struct xdr_in *x);
int64_t xdr_get_i64(struct xdr_in *x);
bool xdr_get_bool(struct xdr_in *x); /* other than 0 and 1 fails */

/* NULL once failed. */
const uint8_t *xdr_get_fixed(struct xdr_in *x, size_t len);
const uint8_t *xdr_get_bytes(struct xdr_in *x, size_t max, size_t *ret_len);

#endif
