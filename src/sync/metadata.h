/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * metadata - which attributes the destination is to get: what the options
 * want, as far as the server permits it.
 *
 * Thread rule: pure, but for the probe.
 */
#ifndef SYNC_METADATA_H
#define SYNC_METADATA_H

#include <stdint.h>

#include "nfs/attr.h"

struct engine;

/*
 * The source's attributes as they should read on the destination. Set-id bits
 * are dropped where the owner they speak of is not kept: a set-user-id
 * program of another user is not what the source had.
 */
struct attr metadata_want(const struct engine *e, const struct attr *source);

/*
 * What to set on an entry that is made new, or (with `existing`) on one that
 * is there.
 */
struct attr_set metadata_set(const struct engine *e, const struct attr *source,
			     const struct attr *existing);

/* ATTR_SET_* that are to be preserved on entries of this type. */
uint32_t metadata_preserve(const struct engine *e, enum entry_type type);

/* Which of what was to be preserved differs between `want` and `have`. */
uint32_t metadata_differs(const struct engine *e, const struct attr *want,
			  const struct attr *have);

/* ROW_NO_* for attributes that differ because they may not be set. */
uint32_t metadata_skipped(const struct engine *e, const struct attr *source,
			  const struct attr *have);

/*
 * Finds out once, with entries of its own on the destination,
 * whether owner and group may be set there (says so when they may not), and
 * whether symlinks keep their times. 0, or a negative errno when the
 * destination cannot be written at all.
 */
int metadata_probe(struct engine *e);

#endif
