// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * recmark - cuts the bytes of a stream into RPC records.
 *
 * A record is a series of fragments, each behind a mark of four bytes: its
 * length and whether it is the last. Small records are read many at a time
 * into `ahead` and copied out. When a mark announces more than what was read
 * ahead, the rest is read straight into the record's blob: of a reply of
 * 1 MiB at most AHEAD bytes are copied, and a reply needs about two reads.
 *
 * Bounds: the sum of a record's fragments is held under `max` before memory is
 * asked for; a record of one fragment, the usual thing, gets exactly its size,
 * and one of several doubles, so that tiny fragments cost no quadratic time.
 * An empty fragment that is not the last makes no progress and is refused.
 */
#include "nfs/recmark.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"

#define AHEAD      (32 * 1024)
#define DIRECT_MIN 4096 /* shorter rests come with what follows them */
#define MARK_LAST  UINT32_C(0x80000000)

int recmark_init(struct recmark *r, size_t max)
{
	*r = (struct recmark){.max = max};
	r->ahead = malloc(AHEAD);
	return r->ahead ? 0 : -ENOMEM;
}

void recmark_done(struct recmark *r)
{
	blob_unref(r->blob);
	free(r->ahead);
	*r = (struct recmark){0};
}

uint8_t *recmark_get_room(struct recmark *r, size_t *ret_len)
{
	r->direct = r->within && r->from == r->to && r->left >= DIRECT_MIN;
	if (r->direct) {
		*ret_len = r->left;
		return r->blob->data + r->len;
	}
	memmove(r->ahead, r->ahead + r->from, r->to - r->from);
	r->to -= r->from;
	r->from = 0;
	*ret_len = AHEAD - r->to;
	return r->ahead + r->to;
}

void recmark_add(struct recmark *r, size_t len)
{
	if (r->direct) {
		r->len += len;
		r->left -= len;
	} else {
		r->to += len;
	}
}

/* Makes the blob hold `need` bytes, of which `len` are there. */
static int make_room(struct recmark *r, size_t need)
{
	size_t size = need;
	struct blob *b;

	if (r->blob && r->blob->size >= need)
		return 0;
	/* More than one fragment: there may be more of them. */
	if ((r->blob || !r->last) && size < r->max / 2)
		size *= 2;
	b = blob_new(size);
	if (!b)
		return -ENOMEM;
	if (r->blob)
		memcpy(b->data, r->blob->data, r->len);
	blob_unref(r->blob);
	r->blob = b;
	return 0;
}

static int read_mark(struct recmark *r)
{
	uint32_t mark;

	memcpy(&mark, r->ahead + r->from, 4);
	r->from += 4;
	mark = be32toh(mark);
	r->last = mark & MARK_LAST;
	r->left = mark & ~MARK_LAST;
	if (r->len > r->max || r->left > r->max - r->len ||
	    (r->left == 0 && !r->last))
		return -EPROTO;
	r->within = true;
	return make_room(r, r->len + r->left);
}

/* Moves what was read ahead of the fragment into the record. */
static void take_ahead(struct recmark *r)
{
	size_t len = r->to - r->from;

	if (len > r->left)
		len = r->left;
	memcpy(r->blob->data + r->len, r->ahead + r->from, len);
	r->from += len;
	r->len += len;
	r->left -= len;
}

int recmark_next(struct recmark *r, struct blob **ret, size_t *ret_len)
{
	for (;;) {
		if (!r->within) {
			int error;

			if (r->to - r->from < 4)
				return 0;
			error = read_mark(r);
			if (error)
				return error;
		}
		take_ahead(r);
		if (r->left > 0)
			return 0;
		r->within = false;
		if (r->last)
			break;
	}
	*ret = r->blob;
	*ret_len = r->len;
	r->blob = NULL;
	r->len = 0;
	return 1;
}
