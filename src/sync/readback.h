/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readback - reads back what was written of a large file while the rest of it
 * is still being written.
 *
 * Only what the server has said to be durable is asked for, so that it answers
 * from what it has and not from what is under way to it; and each byte once.
 *
 * Thread rule: belongs to one thread.
 */
#ifndef SYNC_READBACK_H
#define SYNC_READBACK_H

#include <stdint.h>

#include "base/digest.h"

struct handle;
struct range_share;
struct readback;
struct volume;

/*
 * Of the file `handle` of `v`, borrowed as `share` is, the bytes from `from` to
 * `to`; those before were read already, and `before` has had them. NULL without
 * memory.
 */
struct readback *readback_new(struct volume *v, const struct handle *handle,
			      uint64_t from, uint64_t to,
			      const struct digest_stream *before,
			      struct range_share *share);

/* Waits for what is in flight and frees. */
struct readback *readback_free(struct readback *b);

/*
 * Takes what has come and asks for more, as far as the file is `durable`,
 * which never falls. Never waits. 0 or a negative errno; -EBUSY when the file
 * is shorter than that.
 */
int readback_go_on(struct readback *b, uint64_t durable);

/* Once all of it is durable, and that was said: waits for the next piece. 1,
 * or 0 at the end, or a negative errno as above. */
int readback_next(struct readback *b);

/* The digest of all that was read so far. */
struct digest readback_get(const struct readback *b);

#endif
