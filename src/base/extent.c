/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/extent.h"

#include <string.h>

static bool is_zero(const uint8_t *data, size_t len)
{
	/* A block is all zeros when its first byte is 0 and each byte equals
	 * the one before it; the C library's memcmp does that at full speed. */
	return len == 0 || (data[0] == 0 && !memcmp(data, data + 1, len - 1));
}

/* The length of the grain that starts at `pos`: up to the next file-aligned
 * boundary or the end of the block. */
static size_t grain_at(size_t pos, size_t len, uint64_t offset)
{
	size_t step = EXTENT_GRAIN - (size_t)((offset + pos) % EXTENT_GRAIN);

	return step < len - pos ? step : len - pos;
}

/* How many bytes from `pos` on are zeros, in whole grains. */
static size_t zero_run(const uint8_t *data, size_t len, uint64_t offset,
		       size_t pos)
{
	size_t end = pos;

	while (end < len) {
		size_t step = grain_at(end, len, offset);

		if (!is_zero(data + end, step))
			break;
		end += step;
	}
	return end - pos;
}

bool extent_next(const uint8_t *data, size_t len, uint64_t offset, size_t *pos,
		 struct extent *ret)
{
	size_t start = *pos;
	size_t end, run;

	run = zero_run(data, len, offset, start);
	if (run >= EXTENT_HOLE || start + run == len)
		start += run;
	end = start;
	while (end < len) {
		run = zero_run(data, len, offset, end);
		if (run >= EXTENT_HOLE || (run > 0 && end + run == len))
			break;
		end += run;
		if (end < len)
			end += grain_at(end, len, offset);
	}
	*pos = end;
	if (end == start)
		return false;
	*ret = (struct extent){.offset = start, .len = end - start};
	return true;
}
