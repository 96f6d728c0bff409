/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A range reader that is held back to where the file is durable, and the digest
 * of what it gives. It is a user of the side's ranges beside the writer, so
 * that what both have in flight is what one alone may have; when the writer is
 * gone it has all.
 */
#include "sync/readback.h"

#include <errno.h>
#include <stdlib.h>

#include "base/blob.h"
#include "sync/ranges.h"

struct readback {
	struct range_reader *reader;
	struct digest_stream *digest;
};

struct readback *readback_new(struct volume *v, const struct handle *handle,
			      uint64_t from, uint64_t to,
			      const struct digest_stream *before,
			      struct range_share *share)
{
	struct readback *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->digest = digest_stream_new();
	b->reader =
	    range_reader_new(v, handle, from, to, range_window(v), share);
	if (!b->digest || !b->reader)
		return readback_free(b);
	digest_stream_copy(b->digest, before);
	range_reader_limit(b->reader, from);
	return b;
}

struct readback *readback_free(struct readback *b)
{
	if (b) {
		range_reader_free(b->reader);
		digest_stream_free(b->digest);
	}
	free(b);
	return NULL;
}

int readback_go_on(struct readback *b, uint64_t durable)
{
	const uint8_t *data;
	struct blob *blob;
	size_t len;
	int r;

	range_reader_limit(b->reader, durable);
	while ((r = range_reader_try(b->reader, &data, &len, &blob)) > 0) {
		digest_stream_add(b->digest, data, len);
		blob_unref(blob);
	}
	return r;
}

int readback_next(struct readback *b)
{
	const uint8_t *data;
	struct blob *blob;
	size_t len;
	int r = range_reader_next(b->reader, &data, &len, &blob);

	if (r > 0) {
		digest_stream_add(b->digest, data, len);
		blob_unref(blob);
	}
	return r;
}

struct digest readback_get(const struct readback *b)
{
	return digest_stream_get(b->digest);
}
