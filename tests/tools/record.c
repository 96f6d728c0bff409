/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A fragment header is a word: the highest bit says that this is the last
 * fragment of a record, the others give its length. The reader walks from
 * header to header (`scan`) and gives out a record when the last fragment is
 * whole. What is left moves to the front of the buffer only when everything
 * whole was given out, so a megabyte is moved at most once.
 */
#include "record.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES  4
#define LAST_FRAGMENT 0x80000000u
#define READ_BYTES    ((size_t)256 << 10)

static uint32_t word_at(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return ntohl(word);
}

void record_reader_init(struct record_reader *reader)
{
	*reader = (struct record_reader){0};
}

void record_reader_done(struct record_reader *reader)
{
	free(reader->bytes);
	record_reader_init(reader);
}

/* Make room for another read behind what is not given out yet. */
static int make_room(struct record_reader *reader)
{
	unsigned char *bytes;
	size_t left = reader->used - reader->first;

	if (reader->first > 0) {
		memmove(reader->bytes, reader->bytes + reader->first, left);
		reader->scan -= reader->first;
		reader->used = left;
		reader->first = 0;
	}
	if (reader->capacity - reader->used >= READ_BYTES)
		return 0;

	size_t capacity = 2 * reader->capacity + READ_BYTES;

	bytes = realloc(reader->bytes, capacity);
	if (!bytes)
		return -ENOMEM;
	reader->bytes = bytes;
	reader->capacity = capacity;
	return 0;
}

int record_reader_fill(struct record_reader *reader, int fd)
{
	ssize_t n;
	int r = make_room(reader);

	if (r < 0)
		return r;
	n = read(fd, reader->bytes + reader->used,
		 reader->capacity - reader->used);
	if (n < 0)
		return -errno;
	reader->used += (size_t)n;
	return (int)n;
}

int record_reader_next(struct record_reader *reader, struct record **ret)
{
	struct record *record;
	uint32_t header = 0;
	size_t end;

	/* Walk over fragments that are whole, up to the last of a record. */
	for (end = reader->scan; !(header & LAST_FRAGMENT);
	     reader->scan = end) {
		if (reader->used - end < HEADER_BYTES) {
			*ret = NULL;
			return 0;
		}
		header = word_at(reader->bytes + end);
		end += HEADER_BYTES + (header & ~LAST_FRAGMENT);
		if (end - reader->first > RECORD_MAX_BYTES)
			return -EMSGSIZE;
		if (end > reader->used) {
			*ret = NULL;
			return 0;
		}
	}
	record = calloc(1, sizeof(*record) + end - reader->first);
	if (!record)
		return -ENOMEM;
	record->size = end - reader->first;
	memcpy(record->bytes, reader->bytes + reader->first, record->size);
	reader->first = end;
	*ret = record;
	return 0;
}

const unsigned char *record_payload(struct record *record, size_t *ret_size)
{
	size_t from = 0, to = HEADER_BYTES;
	uint32_t header;

	while (from < record->size) {
		size_t length = word_at(record->bytes + from) & ~LAST_FRAGMENT;

		from += HEADER_BYTES;
		if (from != to)
			memmove(record->bytes + to, record->bytes + from,
				length);
		from += length;
		to += length;
	}
	record->size = to;
	header = htonl(LAST_FRAGMENT | (uint32_t)(to - HEADER_BYTES));
	memcpy(record->bytes, &header, sizeof(header));
	*ret_size = to - HEADER_BYTES;
	return record->bytes + HEADER_BYTES;
}

void record_splice(struct record **record, size_t at, size_t old,
		   const void *bytes, size_t len)
{
	size_t size;
	const unsigned char *from = record_payload(*record, &size);
	struct record *r =
	    calloc(1, sizeof(*r) + HEADER_BYTES + size - old + len);
	unsigned char *to;
	uint32_t header;

	if (!r)
		err(1, "calloc");
	to = r->bytes + HEADER_BYTES;
	memcpy(to, from, at);
	if (bytes && len > 0)
		memcpy(to + at, bytes, len);
	memcpy(to + at + len, from + at + old, size - at - old);
	r->size = HEADER_BYTES + size - old + len;
	header = htonl(LAST_FRAGMENT | (uint32_t)(r->size - HEADER_BYTES));
	memcpy(r->bytes, &header, sizeof(header));
	free(*record);
	*record = r;
}
