/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ONC RPC records (RFC 5531, section 11) cut out of a TCP stream.
 *
 * A record is kept as the bytes that were on the wire, fragment header
 * included, ready to be passed on. Not thread-safe.
 */
#ifndef TOOLS_RECORD_H
#define TOOLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Larger records are refused: no NFS server of the tests sends such. */
#define RECORD_MAX_BYTES ((size_t)64 << 20)

struct record {
	STAILQ_ENTRY(record) next;
	int64_t due_ns;        /* when it may be passed on */
	size_t size;           /* of `bytes` */
	size_t sent;           /* how many of them were passed on */
	unsigned char bytes[]; /* from the wire, fragment headers included */
};

struct record_reader {
	unsigned char *bytes; /* read and not yet given out */
	size_t used;
	size_t capacity;
	size_t first; /* where the next record begins */
	size_t scan;  /* its fragment header that is looked at next */
};

void record_reader_init(struct record_reader *reader);
void record_reader_done(struct record_reader *reader);

/*
 * Read once from a socket that does not block. Returns the number of bytes,
 * 0 at the end of the stream, or a negative errno (-EAGAIN: nothing now).
 */
int record_reader_fill(struct record_reader *reader, int fd);

/*
 * The next whole record, owned by the caller, who frees it with free(3), or
 * NULL when it has not arrived yet. -EMSGSIZE: not a stream of records.
 */
int record_reader_next(struct record_reader *reader, struct record **ret);

/*
 * What the record says, without fragment headers, borrowed from the record.
 * A record that came in several fragments is made one of a single fragment.
 */
const unsigned char *record_payload(struct record *record, size_t *ret_size);

/*
 * Puts `len` bytes (NULL: zeros) in the place of `old` bytes at `at` of what
 * the record says. It is another record then, of one fragment.
 */
void record_splice(struct record **record, size_t at, size_t old,
		   const void *bytes, size_t len);

#endif
