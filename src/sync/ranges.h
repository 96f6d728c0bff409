/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ranges - reads one large file in order, with many ranges in flight; and
 * writes one, with as many.
 *
 * Thread rule: each object belongs to one thread; the volumes' callbacks are
 * handled inside.
 */
#ifndef SYNC_RANGES_H
#define SYNC_RANGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob;
struct handle;
struct range_reader;
struct range_writer;
struct volume;
struct volume_file;

/* Ranges in flight on a side, of all large files together, unless these are so
 * many that each has but the least. */
#define RANGES_MAX 64

/* How many share them: the readers and writers of a side that there are just
 * now. All zero at first. Any thread. */
struct range_share {
	atomic_uint users;
};

/* Ranges in flight that suit the volume's round trip: 8 to 64. */
unsigned range_window(const struct volume *v);

/* Reads `handle` from byte `from` to `to`; all borrowed. At most `window`
 * ranges are in flight, and no more than its share when `share` is not NULL.
 * NULL without memory. */
struct range_reader *
range_reader_new(struct volume *v, const struct handle *handle, uint64_t from,
		 uint64_t to, unsigned window, struct range_share *share);

/* Waits for what is in flight and frees. */
struct range_reader *range_reader_free(struct range_reader *r);

/*
 * The next range: 1 with its bytes and a reference to the blob that holds
 * them (the caller's), 0 at the end, or a negative errno; -EBUSY when the
 * file ended before `to`.
 */
int range_reader_next(struct range_reader *r, const uint8_t **ret_data,
		      size_t *ret_len, struct blob **ret_blob);

/* The same without waiting: 0, too, when the next range has not come yet. */
int range_reader_try(struct range_reader *r, const uint8_t **ret_data,
		     size_t *ret_len, struct blob **ret_blob);

/* Nothing that ends behind `limit` is asked for, until that is raised: `to` at
 * first. Only range_reader_try() may be called with a limit before `to`. */
void range_reader_limit(struct range_reader *r, uint64_t limit);

/* Writes to `file`, of which all before `from` is durable; borrowed, like the
 * rest, which is as above. */
struct range_writer *range_writer_new(struct volume *v,
				      struct volume_file *file, uint64_t from,
				      unsigned window,
				      struct range_share *share);
struct range_writer *range_writer_free(struct range_writer *w);

/*
 * Writes `len` bytes at `offset`, behind those before, long zero runs left out.
 * Takes a reference to `blob`. Waits when the window is full. Returns the first
 * error that any write so far met.
 */
int range_writer_put(struct range_writer *w, uint64_t offset,
		     const uint8_t *data, size_t len, struct blob *blob);

/*
 * Waits for all writes and makes them durable. -EAGAIN when the server lost
 * some of them meanwhile (its write verifier changed): write them again.
 */
int range_writer_commit(struct range_writer *w);

/*
 * How far from its start the file is durable by now, and at least that long,
 * though writing goes on: by the commits that are made meanwhile. It stands
 * still once there was an error.
 */
uint64_t range_writer_get_durable(struct range_writer *w);

#endif
