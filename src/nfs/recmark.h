/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * recmark - cuts the bytes of a stream into RPC records (RFC 5531 section 11).
 *
 * It does no input itself: recmark_get_room() says where the next bytes of the
 * stream shall be put, recmark_add() that they are there, recmark_next() hands
 * out the records that are whole. Each record arrives in a blob of its own.
 *
 * Thread rule: one thread at a time.
 */
#ifndef NFS_RECMARK_H
#define NFS_RECMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob;

struct recmark {
	size_t max;        /* bytes of the longest record accepted */
	uint8_t *ahead;    /* read ahead of what is understood */
	size_t from, to;   /* bytes of `ahead` not looked at yet */
	struct blob *blob; /* the record that is being read, or NULL */
	size_t len;        /* bytes of it so far */
	size_t left;       /* bytes of this fragment still to come */
	bool within;       /* in a fragment; else a mark comes next */
	bool last;         /* the fragment is the record's last */
	bool direct;       /* recmark_get_room() gave room in the blob */
};

/* -ENOMEM, or 0. Records over `max` bytes are refused; set `max` at will. */
int recmark_init(struct recmark *r, size_t max);
void recmark_done(struct recmark *r);

/* At least one byte of room. Call recmark_next() until it gives 0 before. */
uint8_t *recmark_get_room(struct recmark *r, size_t *ret_len);
void recmark_add(struct recmark *r, size_t len);

/*
 * 1: a record, its first `*ret_len` bytes in `*ret` (the caller's reference);
 * 0: more bytes are needed; -EPROTO: too long, or endless empty fragments;
 * -ENOMEM. After an error the stream is of no more use.
 */
int recmark_next(struct recmark *r, struct blob **ret, size_t *ret_len);

#endif
