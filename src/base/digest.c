/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

struct digest_stream {
	XXH3_state_t *state;
};

static struct digest from_hash(XXH128_hash_t hash)
{
	struct digest d;
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(d.bytes, canonical.digest, DIGEST_SIZE);
	return d;
}

struct digest digest_of(const void *data, size_t len)
{
	return from_hash(XXH3_128bits(data, len));
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

char *digest_format(const struct digest *d, char text[DIGEST_TEXT])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		text[2 * i] = hex[d->bytes[i] >> 4];
		text[2 * i + 1] = hex[d->bytes[i] & 15];
	}
	text[DIGEST_TEXT - 1] = '\0';
	return text;
}

struct digest_stream *digest_stream_new(void)
{
	struct digest_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->state = XXH3_createState();
	if (!s->state)
		return digest_stream_free(s);
	XXH3_128bits_reset(s->state);
	return s;
}

struct digest_stream *digest_stream_free(struct digest_stream *s)
{
	if (s)
		XXH3_freeState(s->state);
	free(s);
	return NULL;
}

void digest_stream_reset(struct digest_stream *s)
{
	XXH3_128bits_reset(s->state);
}

void digest_stream_copy(struct digest_stream *s,
			const struct digest_stream *from)
{
	XXH3_copyState(s->state, from->state);
}

void digest_stream_add(struct digest_stream *s, const void *data, size_t len)
{
	XXH3_128bits_update(s->state, data, len);
}

void digest_stream_add_zeros(struct digest_stream *s, uint64_t len)
{
	static const uint8_t zeros[65536];

	while (len > 0) {
		size_t step = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		XXH3_128bits_update(s->state, zeros, step);
		len -= step;
	}
}

struct digest digest_stream_get(const struct digest_stream *s)
{
	return from_hash(XXH3_128bits_digest(s->state));
}
