// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * slots - the slot table of one session.
 *
 * Slots are taken from the lowest, so that a server that counts the highest
 * slot in use sees a small table when little is going on. A bit map finds them
 * without a search.
 */
#include "nfs/slots.h"

#include <assert.h>
#include <string.h>

_Static_assert(SESSION_SLOTS <= 64, "the bit map has 64 bits");

void slots_init(struct slots *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < SESSION_SLOTS; i++)
		xdr_out_init(&s->slot[i].header);
}

void slots_done(struct slots *s)
{
	for (size_t i = 0; i < SESSION_SLOTS; i++)
		xdr_out_done(&s->slot[i].header);
}

void slots_reset(struct slots *s, uint32_t count)
{
	s->count = count;
	s->limit = count;
	s->used = 0;
	s->busy = 0;
	for (size_t i = 0; i < SESSION_SLOTS; i++) {
		s->slot[i].call = NULL;
		s->slot[i].sequence = 1;
	}
}

void slots_set_target(struct slots *s, uint32_t target)
{
	/* The table neither vanishes nor outgrows what was negotiated. */
	s->limit = target < s->count ? target + 1 : s->count;
}

struct slot *slots_take(struct slots *s, struct call *call)
{
	struct slot *slot;
	unsigned i;

	if (s->busy == UINT64_MAX)
		return NULL;
	i = (unsigned)__builtin_ctzll(~s->busy);
	if (i >= s->limit)
		return NULL;
	s->busy |= UINT64_C(1) << i;
	s->used++;
	slot = &s->slot[i];
	slot->call = call;
	slot->sends = 0;
	slot->delays = 0;
	slot->unsent = true;
	slot->resting = false;
	slot->header.len = 0;
	slot->header.failed = false;
	return slot;
}

void slots_give(struct slots *s, struct slot *slot, bool advance)
{
	assert(slot->call && s->used > 0);
	slot->call = NULL;
	if (advance)
		slot->sequence++;
	s->busy &= ~(UINT64_C(1) << slots_index(s, slot));
	s->used--;
}

uint32_t slots_index(const struct slots *s, const struct slot *slot)
{
	return (uint32_t)(slot - s->slot);
}

uint32_t slots_highest(const struct slots *s)
{
	return s->busy ? 63 - (uint32_t)__builtin_clzll(s->busy) : 0;
}

struct slot *slots_next(struct slots *s, uint32_t *at)
{
	uint64_t left = *at < 64 ? s->busy & (UINT64_MAX << *at) : 0;
	uint32_t i;

	if (!left)
		return NULL;
	i = (uint32_t)__builtin_ctzll(left);
	*at = i + 1;
	return &s->slot[i];
}
